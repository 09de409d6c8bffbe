/* job.c - the step machine of one blob. */
#include "transfer/job.h"

#include <inttypes.h>
#include <stdarg.h>

#include "util/clock.h"
#include "util/mem.h"

/* Passes after wrong content of mixed origin, failed uploads, or both; sources and sinks have their
 * own counts. */
#define JOB_PASSES_MAX 16
/* Bytes that may be missing from the spool, so what a kill costs; well below RING_SIZE. */
#define SPOOL_PIECE ((size_t)128 * 1024)
/* Longest Retry-After of a destination that is waited for inside one run (sources.md 3.4). */
#define JOB_WAIT_MAX_SEC SOURCE_PARK_MAX_SEC

static void tell(const struct job *j, struct transfer_event *event)
{
	const struct transfer_options *o = &j->engine->options;

	event->digest = &j->digest;
	if (o->event)
		o->event(o->ctx, event);
}

void job_event_of(struct job *j, size_t source, const struct error *err, const char *next)
{
	struct transfer_event event = {
		.source = j->sources->items[source].name, .err = err, .next = next};

	tell(j, &event);
}

void job_event(
	struct job *j, const struct sink *sink, const struct error *err, const char *fmt, ...)
{
	AUTO_FREE char *next = NULL;
	const struct source *giver = verdict_only_giver(j);
	struct transfer_event event = {.err = err};
	va_list ap;

	va_start(ap, fmt);
	next = xvasprintf(fmt, ap);
	va_end(ap);
	event.next = next;
	if (sink)
		event.destination = sink_name(sink);
	else if (j->producer.kind == PRODUCER_SOURCE || j->producer.kind == PRODUCER_TRIAL)
		event.source = j->sources->items[j->producer.source].name;
	else
		event.source = giver ? giver->name : NULL;
	tell(j, &event);
}

void job_free(struct job *j)
{
	producer_stop(j);
	job_unreserve(j);
	failures_clear(&j->failures);
	http_timer_stop(&j->backoff);
	http_timer_stop(&j->wake);
	for (size_t i = 0; i < j->n_sinks; i++) {
		sink_abort(&j->sinks[i]);
		error_clear(&j->sinks[i].err);
		free(j->sinks[i].repository);
		free(j->sinks[i].mount_from);
	}
	if (j->spool.fd >= 0)
		j->engine->spool_used -= j->size;
	spool_close(&j->spool);
	ring_clear(&j->ring);
	hasher_free(j->hasher);
	blame_free(j->blame);
	free(j->giver_place);
	error_clear(&j->last);
	free(j->repository);
	free(j);
}

void job_give_up_spool(struct job *j, const struct error *err)
{
	job_event(j, NULL, err, "going on without the spool");
	j->engine->spool_used -= j->size;
	spool_discard(&j->spool);
}

/*
 * Writes what the spool has not yet, in at most two pieces: the ring still holds it, for it is
 * far smaller than the ring.  Few large writes cost the kernel less than many of 16 KiB.
 */
static void flush_spool(struct job *j)
{
	AUTO(error_clear) struct error err = ERROR_INIT;

	while (j->spool.fd >= 0 && j->spool.length < j->position) {
		size_t at = (size_t)(j->spool.length % RING_SIZE);
		uint64_t n = j->position - j->spool.length;

		if (n > RING_SIZE - at)
			n = RING_SIZE - at;
		if (spool_append(&j->spool, j->ring.data + at, (size_t)n, &err) < 0)
			job_give_up_spool(j, &err);
	}
}

/* Tells the result, then gives the job up. */
static void finish(struct job *j)
{
	struct error errors[TRANSFER_DESTINATIONS_MAX];
	bool mounted[TRANSFER_DESTINATIONS_MAX];
	struct transfer_result result = {
		.n = j->n_sinks,
		.errors = errors,
		.mounted = mounted,
		.fetched = j->fetched,
		.reused = j->reused,
	};
	bool all = true;

	j->ended = true;
	producer_stop(j);
	job_unreserve(j);
	flush_spool(j);
	for (size_t i = 0; i < j->n_sinks; i++) {
		errors[i] = ERROR_INIT;
		mounted[i] = j->sinks[i].mounted;
		if (j->sinks[i].state == SINK_DONE)
			continue;
		all = false;
		error_move(&errors[i], &j->sinks[i].err);
	}
	if (j->spool.fd >= 0 && (all || (j->spool.length == 0 && spool_ahead(&j->spool) == 0))) {
		j->engine->spool_used -= j->size;
		spool_discard(&j->spool);
	}
	for (size_t i = 0; j->sources && i < j->sources->n; i++)
		if (j->gave & (1u << i))
			result.source = j->sources->items[i].name;
	j->done(j->ctx, &result);
	for (size_t i = 0; i < j->n_sinks; i++)
		error_clear(&errors[i]);
}

bool job_has_active_sink(const struct job *j)
{
	for (size_t i = 0; i < j->n_sinks; i++)
		if (sink_is_active(&j->sinks[i]))
			return true;
	return false;
}

static bool may_try_again(const struct sink *s)
{
	return s->state == SINK_FAILED && s->err.code == ERR_TEMP &&
	       s->attempts < REGISTRY_ATTEMPTS && s->err.retry_sec <= JOB_WAIT_MAX_SEC;
}

static int rewind_job(struct job *j, struct error *err)
{
	flush_spool(j);
	j->position = 0;
	j->verified = false;
	j->gave = 0;
	j->from_file = j->old_pieces;
	if (j->one_source && j->blame)
		blame_check_begin(j->blame, -1);
	ring_restart(&j->ring);
	if (!j->hasher)
		return hasher_new(j->digest.algo, &j->hasher, err);
	return hasher_reset(j->hasher, j->digest.algo, err);
}

/* Each sink gets its own copy: one without an error would count as served. */
static void fail_with(struct sink *s, const struct error *err)
{
	AUTO(error_clear) struct error copy = ERROR_INIT;

	error_copy(&copy, err);
	sink_fail(s, &copy);
}

/* All sinks that are not done, or failed for good, get the blob from byte 0. */
static void begin_pass(struct job *j)
{
	AUTO(error_clear) struct error err = ERROR_INIT;

	j->passes++;
	if (rewind_job(j, &err) < 0) {
		for (size_t i = 0; i < j->n_sinks; i++)
			if (j->sinks[i].state != SINK_DONE)
				fail_with(&j->sinks[i], &err);
		return;
	}
	for (size_t i = 0; i < j->n_sinks; i++) {
		struct sink *s = &j->sinks[i];

		if (s->state != SINK_IDLE && !may_try_again(s))
			continue;
		s->reader = ring_reader_add(&j->ring);
		s->state = SINK_IDLE;
		s->sent = 0;
		sink_open(s);
	}
}

static void backoff_over(void *ctx)
{
	struct job *j = ctx;

	j->backoff = NULL;
	begin_pass(j);
	job_step(j);
}

/* True when another pass was arranged. */
static bool plan_pass(struct job *j)
{
	uint64_t wait = 0;
	bool any = false;

	for (size_t i = 0; i < j->n_sinks; i++) {
		const struct sink *s = &j->sinks[i];
		uint64_t ms;

		if (!may_try_again(s))
			continue;
		any = true;
		ms = backoff_ms(SOURCE_BACKOFF_MS, SOURCE_BACKOFF_CAP_MS, s->attempts);
		if (s->err.retry_sec > 0)
			ms += 1000 * (uint64_t)s->err.retry_sec;
		if (ms > wait)
			wait = ms;
		job_event(j, s, &s->err, "sending it again in %" PRIu64 " ms", ms);
	}
	if (!any || j->passes >= JOB_PASSES_MAX)
		return false;
	producer_stop(j);
	job_unreserve(j);
	j->backoff = http_timer_start(j->engine->options.loop, wait, backoff_over, j);
	return true;
}

/* Nobody gives the rest: every sink that still waits fails with the producer's last error. */
static void fail_sinks(struct job *j)
{
	for (size_t i = 0; i < j->n_sinks; i++) {
		if (!sink_is_active(&j->sinks[i]))
			continue;
		sink_abort(&j->sinks[i]);
		/* Its sources were tried to the end: another pass would not help. */
		if (j->last.code == ERR_TEMP)
			j->sinks[i].attempts = REGISTRY_ATTEMPTS;
		fail_with(&j->sinks[i], &j->last);
	}
}

void job_restart(struct job *j)
{
	producer_stop(j);
	if (j->spool.fd >= 0)
		j->engine->spool_used -= j->size;
	spool_discard(&j->spool);
	j->spool_tried = false;
	j->old_pieces = false;
	/* No source is to blame for what has no bytes: its descriptor is wrong. */
	if (j->passes >= JOB_PASSES_MAX || j->size == 0) {
		fail_sinks(j);
		return;
	}
	for (size_t i = 0; i < j->n_sinks; i++)
		if (sink_is_active(&j->sinks[i]))
			sink_abort(&j->sinks[i]);
	begin_pass(j);
	/* Sinks that open at once, as the store's do, call nobody back. */
	job_wake(j);
}

static void set_limit(struct job *j)
{
	if (j->verified)
		j->ring.limit = j->size;
	else
		j->ring.limit = j->size > TRANSFER_HOLD_BACK ? j->size - TRANSFER_HOLD_BACK : 0;
}

static void verify(struct job *j)
{
	struct digest got;

	if (j->verified || j->position < j->size || !job_has_active_sink(j))
		return;
	got = hasher_finish(j->hasher);
	if (!digest_equal(&got, &j->digest)) {
		verdict_wrong(j, &got);
		return;
	}
	j->verified = true;
	verdict_right(j);
}

void job_took(struct job *j, const char *data, size_t n)
{
	hasher_update(j->hasher, data, n);
	if (j->one_source && j->blame)
		blame_check(j->blame, j->position, data, n);
	j->position += n;
	if (j->spool.fd >= 0 &&
		(j->position >= j->spool.length + SPOOL_PIECE || j->position == j->size))
		flush_spool(j);
	set_limit(j);
}

/* While a mount may still make the bytes unnecessary, none are fetched. */
static bool awaits_mount(const struct job *j)
{
	for (size_t i = 0; i < j->n_sinks; i++)
		if (j->sinks[i].state == SINK_OPENING && j->sinks[i].mount_from)
			return true;
	return false;
}

static void produce(struct job *j)
{
	if (j->position == j->size || awaits_mount(j))
		return;
	if (!producer_is_idle(j))
		producer_pump(j);
	else if (!producer_start(j))
		fail_sinks(j);
}

static void step_once(struct job *j)
{
	if (j->backoff)
		return;
	if (job_has_active_sink(j))
		produce(j);
	verify(j);
	set_limit(j);
	for (size_t i = 0; i < j->n_sinks; i++)
		if (sink_is_active(&j->sinks[i]))
			sink_pump(&j->sinks[i]);
	if (!job_has_active_sink(j) && !plan_pass(j))
		finish(j);
}

void job_step(struct job *j)
{
	if (j->stepping) {
		j->again = true;
		return;
	}
	j->stepping = true;
	do {
		j->again = false;
		step_once(j);
	} while (j->again && !j->ended);
	j->stepping = false;
	if (j->ended)
		engine_ended(j->engine, j);
}

static void woken(void *ctx)
{
	struct job *j = ctx;

	j->wake = NULL;
	job_step(j);
}

void job_wake(struct job *j)
{
	if (!j->wake && !j->ended)
		j->wake = http_timer_start(j->engine->options.loop, 0, woken, j);
}

static void first_step(void *ctx)
{
	struct job *j = ctx;

	j->backoff = NULL;
	begin_pass(j);
	job_step(j);
}

void job_start(struct job *j)
{
	/* A timer of no time: the step runs from the loop, and cancelling finds it in one place. */
	j->backoff = http_timer_start(j->engine->options.loop, 0, first_step, j);
}

void job_cancel(struct job *j)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	char text[DIGEST_STR_MAX];

	http_timer_stop(&j->backoff);
	producer_stop(j);
	for (size_t i = 0; i < j->n_sinks; i++) {
		if (j->sinks[i].state == SINK_DONE || j->sinks[i].state == SINK_FAILED)
			continue;
		sink_abort(&j->sinks[i]);
		(void)error_set(&err,
			ERR_CANCELED,
			"blob %s: stopped at byte %" PRIu64 " of %" PRIu64,
			digest_format(&j->digest, text),
			j->position,
			j->size);
		sink_fail(&j->sinks[i], &err);
	}
	finish(j);
	engine_ended(j->engine, j);
}
