/* fetch.c - a job's bytes from a source: who is asked, and what follows when it fails. */
#include "transfer/job.h"

#include <inttypes.h>

#include "source/load.h"
#include "transfer/stripe.h"
#include "util/clock.h"
#include "util/mem.h"
#include "util/parse.h"

#define TOLD_WAIT_MS 5000 /* a shorter wait nobody takes for a hang */

#define STATUS_METHOD_NOT_ALLOWED 405

static enum http_io take(void *ctx, const char *data, size_t n)
{
	struct job *j = ctx;

	if (ring_room(&j->ring) < n) {
		j->producer.paused = true;
		meter_paused(j);
		return HTTP_IO_PAUSE;
	}
	ring_write(&j->ring, data, n);
	blame_run_take(&j->run, data, n);
	j->gave |= 1u << j->producer.source;
	j->fetched += n;
	j->engine->bytes += n;
	meter_took(j, n);
	job_took(j, data, n);
	/* Not job_step(): a step may end this very call.  Sinks only take what is there. */
	for (size_t i = 0; i < j->n_sinks; i++)
		if (sink_is_active(&j->sinks[i]))
			sink_pump(&j->sinks[i]);
	return HTTP_IO_OK;
}

void fetch_failed(
	struct job *j, size_t source, uint64_t bytes, const struct error *err, const char *next)
{
	source_learn(j->sources, &j->trials, source, bytes, err, clock_mono_ms());
	failures_note(&j->failures, j->sources, source, err);
	job_event_of(j, source, err, next);
}

/* A source broke off: the bytes so far stay, unless the whole must come from one source. */
static void failed(struct job *j, size_t index, uint64_t bytes, const struct error *err)
{
	AUTO_FREE char *next = xasprintf("trying the next source from byte %" PRIu64, j->position);

	fetch_failed(j, index, bytes, err, next);
}

static void fetched(void *ctx, const struct registry_blob_stats *stats, struct error *err)
{
	struct job *j = ctx;
	size_t index = j->producer.source;
	uint64_t bytes = j->position - j->producer.start;
	AUTO(error_clear) struct error failure = ERROR_INIT;

	j->producer.call = NULL;
	verdict_get_ends(j, stats);
	meter_end(j, stats);
	if (!err && j->position < j->size) {
		(void)error_set(&failure,
			ERR_TEMP,
			"the body ended at byte %" PRIu64 " of %" PRIu64,
			j->position,
			j->size);
		err = &failure;
	}
	if (err)
		failed(j, index, bytes, err);
	else
		source_learn(j->sources, &j->trials, index, bytes, NULL, clock_mono_ms());
	producer_stop(j);
	if (err && j->one_source && j->position > 0)
		job_restart(j);
	job_step(j);
}

/* ---- who is asked ---- */

static struct source_want want_of(const struct job *j)
{
	return (struct source_want){
		.bytes = j->size - j->position,
		.small = j->size - j->position <= SOURCE_SMALL,
		.running = true,
	};
}

static void look(void *ctx);

static void look_later(struct job *j)
{
	if (j->sources->n > 1 && !j->trials.authority_only)
		j->producer.timer =
			http_timer_start(j->engine->options.loop, SOURCE_LOOK_MS, look, j);
}

/* Nobody waits for the first byte of a source that was parked since it was asked. */
static void look(void *ctx)
{
	struct job *j = ctx;
	struct producer *p = &j->producer;
	const struct source_want want = want_of(j);

	p->timer = NULL;
	if (j->position > p->start)
		return;
	if (!source_should_leave(j->sources, &j->trials, &want, p->source, clock_mono_ms())) {
		look_later(j);
		return;
	}
	producer_stop(j);
	job_step(j);
}

static void get(struct job *j, size_t index)
{
	const struct source *s = &j->sources->items[index];
	struct source_patience patience =
		source_patience(j->sources, &j->trials, index, clock_mono_ms());
	AUTO_FREE char *repository = source_repository(s, j->repository);
	struct registry_blob_get request = {
		.repository = repository,
		.digest = j->digest,
		.size = j->size,
		.offset = j->position,
		.connect_ms = patience.connect_ms,
		.first_byte_ms = patience.first_byte_ms,
		.stall_ms = patience.stall_ms,
		.write = take,
		.done = fetched,
		.ctx = j,
	};

	j->producer = (struct producer){
		.kind = PRODUCER_SOURCE, .fd = -1, .source = index, .start = j->position};
	meter_begin(j);
	verdict_get_begins(j, index);
	j->producer.call = registry_blob_get(s->registry, &request);
	look_later(j);
}

/*
 * Several at once, when it pays; and with one that can do ranges, when the spool has pieces behind
 * a hole: only what is missing is fetched.
 */
static bool start_stripe(struct job *j, size_t index)
{
	size_t sources[SOURCES_MAX] = {0};
	size_t all = 0, n = 0;

	if (j->spool.fd < 0 || j->one_source || j->position != j->spool.length)
		return false;
	all = source_stripe(j->sources, &j->trials, j->size, clock_mono_ms(), sources);
	for (size_t i = 0; i < all; i++)
		if (!(j->no_stripe & (1u << sources[i])))
			sources[n++] = sources[i];
	if (n >= 2)
		return stripe_start(j, sources, n);
	return spool_ahead(&j->spool) > 0 && !(j->no_stripe & (1u << index)) &&
	       stripe_start(j, &index, 1);
}

static void begin(struct job *j, size_t index)
{
	if (!start_stripe(j, index))
		get(j, index);
}

/* ---- a source that failed again and again: a HEAD first ---- */

static void tried(void *ctx, struct registry_reply *reply, struct error *err)
{
	struct job *j = ctx;
	size_t index = j->producer.source;

	(void)reply;
	j->producer.call = NULL;
	source_trial_end(j->sources, index, err, clock_mono_ms());
	/* It knows no HEAD of blobs, which says nothing of a GET. */
	if (err && err->http == STATUS_METHOD_NOT_ALLOWED)
		err = NULL;
	if (err)
		failed(j, index, 0, err);
	/* The trial was ended here, not by producer_stop(). */
	j->producer.kind = PRODUCER_NONE;
	if (!err && source_usable(j->sources, &j->trials, index, clock_mono_ms()))
		begin(j, index);
	job_step(j);
}

static void try_first(struct job *j, size_t index)
{
	const struct source *s = &j->sources->items[index];
	struct source_patience patience =
		source_patience(j->sources, &j->trials, index, clock_mono_ms());
	AUTO_FREE char *repository = source_repository(s, j->repository);
	char digest[DIGEST_STR_MAX];
	struct registry_get request = {
		.repository = repository,
		.reference = digest_format(&j->digest, digest),
		.expect = &j->digest,
		.expect_size = j->size,
		.connect_ms = patience.connect_ms,
		.first_byte_ms = patience.first_byte_ms,
		.done = tried,
		.ctx = j,
	};

	j->producer = (struct producer){.kind = PRODUCER_TRIAL, .fd = -1, .source = index};
	source_trial_begin(j->sources, index);
	j->producer.call = registry_blob_head(s->registry, &request);
}

static void ask(struct job *j, size_t index)
{
	if (source_needs_trial(j->sources, index))
		try_first(j, index);
	else
		begin(j, index);
}

/* ---- the next one ---- */

static void wait_over(void *ctx)
{
	struct job *j = ctx;

	j->producer.timer = NULL;
	producer_stop(j);
	job_step(j);
}

static enum source_verdict choose(struct job *j, size_t *ret_index, uint64_t *ret_wait_ms)
{
	const struct source_want want = want_of(j);
	uint64_t now_ms = clock_mono_ms();

	if (j->reserved) {
		job_unreserve(j);
		if (source_usable(j->sources, &j->trials, j->reserved_at, now_ms)) {
			*ret_index = j->reserved_at;
			return SOURCE_ASK;
		}
	}
	if (verdict_choose(j, now_ms, ret_index))
		return SOURCE_ASK;
	return source_choose(j->sources, &j->trials, &want, now_ms, ret_index, ret_wait_ms);
}

/* A wait that somebody might take for a hang is explained. */
static void tell_wait(struct job *j, uint64_t wait_ms)
{
	char span[DURATION_TEXT_MAX];

	if (wait_ms >= TOLD_WAIT_MS && j->last.code != ERR_NONE)
		job_event(j,
			NULL,
			&j->last,
			"nobody can be asked before %s have gone by",
			format_duration(wait_ms, span));
}

bool fetch_start(struct job *j)
{
	size_t index;
	uint64_t wait;

	if (!j->sources) {
		if (j->last.code == ERR_NONE)
			(void)error_set(&j->last, ERR_NOTFOUND, "the store has no such blob");
		return false;
	}
	switch (choose(j, &index, &wait)) {
	case SOURCE_ASK:
		ask(j, index);
		return true;
	case SOURCE_WAIT:
		tell_wait(j, wait);
		j->producer = (struct producer){.kind = PRODUCER_WAIT, .fd = -1};
		j->producer.timer = http_timer_start(j->engine->options.loop, wait, wait_over, j);
		return true;
	case SOURCE_BUSY: /* not for a blob that runs */
	case SOURCE_NONE:
		break;
	}
	failures_conclude(&j->failures, j->sources, &j->trials, clock_mono_ms(), &j->last);
	return false;
}

void fetch_move(struct job *j, size_t to)
{
	struct source *from = &j->sources->items[j->producer.source];

	job_event(j,
		NULL,
		NULL,
		"moving from %s to %s at byte %" PRIu64 ": expected sooner",
		from->name,
		j->sources->items[to].name,
		j->position);
	/* No failure, and no attempt: it only was slower. */
	from->requests++;
	from->bytes += j->position - j->producer.start;
	j->moves++;
	producer_stop(j);
	job_reserve(j, to, clock_mono_ms());
	job_wake(j);
}
