/* bench.c - a benchmark from its beginning to its end: requests, waiting, limits, notes. */
#include "source/bench_run.h"
#include "util/clock.h"
#include "util/mem.h"

#define MS_PER_SEC        1000.0
#define TOO_MANY          429 /* RFC 6585 4 */
#define US_PER_MS         1000.0
#define WARNING_MAX       512   /* characters of a warning, so that it can be read */
#define PATIENCE_MS       15000 /* a source that is to be asked later than that is passed over */
#define DEFAULT_RETRY_SEC 5     /* after a 429 that names no time (sources.md 3.4) */

/* ---- waiting ---- */

static bool over_time(const struct bench *b)
{
	return b->plan->duration_ms > 0 && clock_mono_ms() - b->start_ms >= b->plan->duration_ms;
}

bool bench_stopped(const struct bench *b)
{
	return b->failure.code != ERR_NONE || over_time(b) ||
	       (b->plan->stopped && b->plan->stopped(b->plan->ctx));
}

struct waiting {
	const struct bench *b;
	bool (*done)(void *ctx);
	void *ctx;
};

static bool is_over(void *ctx)
{
	struct waiting *w = ctx;

	return w->done(w->ctx) || bench_stopped(w->b);
}

bool bench_wait(struct bench *b, bool (*done)(void *ctx), void *ctx)
{
	struct waiting w = {.b = b, .done = done, .ctx = ctx};

	if (b->failure.code == ERR_NONE)
		(void)!http_loop_run(b->plan->loop, is_over, &w, &b->failure);
	if (done(ctx))
		return true;
	b->result->stopped = true;
	return false;
}

static bool is_late(void *ctx)
{
	const uint64_t *until = ctx;

	return clock_mono_ms() >= *until;
}

bool bench_sleep(struct bench *b, uint64_t ms)
{
	uint64_t until = clock_mono_ms() + ms;

	return bench_wait(b, is_late, &until);
}

void bench_tell(struct bench *b, enum bench_phase phase, const char *place, unsigned round,
	unsigned rounds, uint64_t left_ms)
{
	const struct bench_progress progress = {
		.phase = phase,
		.place = place,
		.round = round,
		.rounds = rounds,
		.left_ms = left_ms,
	};

	if (b->plan->progress)
		b->plan->progress(b->plan->ctx, &progress);
}

/* ---- notes ---- */

void bench_warn(struct bench *b, const char *fmt, ...)
{
	AUTO_FREE char *text = NULL;
	struct bench_result *r = b->result;
	va_list ap;

	if (r->n_warnings == BENCH_WARNINGS_MAX)
		return;
	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	r->warnings[r->n_warnings++] = xstrndup(text, WARNING_MAX);
}

bool bench_works(const struct bench_work *work)
{
	return work->row && !work->given_up && !work->gone;
}

static void note_throttling(struct bench_work *work, const struct error *err)
{
	unsigned sec = err->retry_sec > 0 ? (unsigned)err->retry_sec : DEFAULT_RETRY_SEC;

	work->not_before_ms = clock_mono_ms() + (uint64_t)sec * 1000;
	if (!work->row)
		return;
	work->row->throttled += err->http == TOO_MANY;
	if (err->retry_sec > 0 && (unsigned)err->retry_sec > work->row->retry_sec)
		work->row->retry_sec = (unsigned)err->retry_sec;
}

void bench_note(struct bench_work *work, const struct error *err, bool bulk)
{
	/* Absence and refusal are answers, and being stopped says nothing of the source. */
	if (err->code == ERR_CANCELED)
		return;
	if (err->code == ERR_NONE || (err->code == ERR_NOTFOUND && !bulk)) {
		work->failures = 0;
		return;
	}
	if (err->http == TOO_MANY || err->retry_sec > 0) {
		note_throttling(work, err);
		return;
	}
	/* An answer that is odd is an answer; of bulk it is no content. */
	if (err->code != ERR_TEMP && !bulk)
		return;
	work->failures++;
	if (!work->row)
		return;
	if (work->failures >= BENCH_FAILURES && !work->given_up) {
		work->given_up = true;
		str_replace(&work->row->error, error_text(err));
	}
}

/* ---- small requests ---- */

static void on_answer(void *ctx, struct registry_reply *reply, struct error *err)
{
	struct bench_ask *ask = ctx;

	ask->probe = NULL;
	ask->done = true;
	if (err) {
		error_move(&ask->err, err);
		return;
	}
	ask->has_digest = reply->has_digest;
	ask->got = reply->digest;
	ask->has_size = reply->has_size;
	ask->size = reply->size;
	memcpy(ask->media_type, reply->media_type, sizeof(ask->media_type));
	if (reply->body) {
		ask->body = *reply->body;
		*reply->body = BUF_INIT(reply->body->max);
	}
	ask->reused = !reply->timing.fresh;
	ask->rtt_us = reply->timing.min_rtt_us;
	ask->latency = (struct bench_latency){
		.total = (double)probe_answer_us(reply) / US_PER_MS,
		.front = (double)reply->front_us / US_PER_MS,
		.name = (double)reply->timing.name_us / US_PER_MS,
		.tcp = (double)reply->timing.tcp_us / US_PER_MS,
		.tls = (double)reply->timing.tls_us / US_PER_MS,
		.wait = (double)reply->timing.wait_us / US_PER_MS,
		.proxied = reply->timing.proxied,
	};
	if (ask->work->row && *reply->timing.address)
		memcpy(ask->work->row->address,
			reply->timing.address,
			sizeof(ask->work->row->address));
}

static void ask_start(struct bench *b, struct bench_ask *ask)
{
	char digest[DIGEST_STR_MAX];
	const struct registry_get get = {
		.repository = ask->owned_repository ? ask->owned_repository : ask->work->repository,
		.reference = ask->tag ? ask->tag : digest_format(&ask->digest, digest),
		.expect = ask->tag ? NULL : &ask->digest,
		.fresh = ask->fresh,
		.done = on_answer,
		.ctx = ask,
	};

	ask->bench = b;
	ask->probe = probe_ask(b->plan->loop, ask->work->place->registry, ask->question, &get);
}

struct asking {
	const struct bench_ask *asks;
	size_t n;
};

static bool all_answered(void *ctx)
{
	const struct asking *a = ctx;

	for (size_t i = 0; i < a->n; i++)
		if (!a->asks[i].done)
			return false;
	return true;
}

bool bench_ready(struct bench *b, const struct bench_work *work)
{
	uint64_t now_ms = clock_mono_ms();

	if (work->not_before_ms <= now_ms)
		return true;
	return work->not_before_ms - now_ms <= PATIENCE_MS &&
	       bench_sleep(b, work->not_before_ms - now_ms);
}

void bench_ask_all(struct bench *b, struct bench_ask *asks, size_t n)
{
	struct asking asking = {.asks = asks, .n = n};

	for (size_t i = 0; i < n; i++) {
		if (bench_ready(b, asks[i].work)) {
			ask_start(b, &asks[i]);
		} else {
			asks[i].done = true;
			(void)error_set(&asks[i].err, ERR_CANCELED, "told to wait");
		}
	}
	(void)bench_wait(b, all_answered, &asking);
	for (size_t i = 0; i < n; i++) {
		if (!asks[i].done)
			(void)error_set(&asks[i].err, ERR_CANCELED, "stopped");
		probe_cancel(&asks[i].probe);
		bench_note(asks[i].work, &asks[i].err, false);
	}
}

void bench_ask_clear(struct bench_ask *ask)
{
	error_clear(&ask->err);
	buf_clear(&ask->body);
	free(ask->owned_repository);
}

/* ---- begin and end ---- */

static int check_plan(const struct bench_plan *plan, struct error *err)
{
	if (plan->n_places == 0 || plan->n_places > BENCH_PLACES_MAX)
		return error_set(err,
			ERR_USAGE,
			"%zu sources: there must be 1 to %d",
			plan->n_places,
			BENCH_PLACES_MAX);
	if (plan->rounds > BENCH_ROUNDS_MAX)
		return error_set(
			err, ERR_USAGE, "%u rounds: at most %d", plan->rounds, BENCH_ROUNDS_MAX);
	if (!plan->tag && !plan->has_digest)
		return error_set(err, ERR_USAGE, "neither a tag nor a digest to measure with");
	return 0;
}

static void add_works(struct bench *b)
{
	const struct bench_plan *plan = b->plan;
	struct bench_result *r = b->result;

	b->works = xcalloc(plan->n_places, sizeof(*b->works));
	r->rows = xkeep(plan->n_places, sizeof(*r->rows));
	for (size_t i = 0; i < plan->n_places; i++) {
		const struct bench_place *place = &plan->places[i];
		struct bench_work *work = &b->works[b->n++];

		work->place = place;
		work->repository = place->source
					   ? source_repository(place->source, plan->repository)
					   : xstrdup(place->repository);
		if (place->only_reference)
			continue;
		work->row = &r->rows[r->n_rows++];
		work->row->name = xstrdup(place->name);
		work->row->upstream = xstrdup(plan->upstream);
		work->row->trials = xkeep((size_t)plan->rounds + 1, sizeof(*work->row->trials));
	}
}

static void warn_of_machine(struct bench *b)
{
	double load;
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (getloadavg(&load, 1) == 1 && cores > 0 && load > (double)cores)
		bench_warn(b,
			"this machine is busy: load %.1f on %ld cores; figures may be too low",
			load,
			cores);
	if (b->trial_sec > 0 && b->cpu_sec / b->trial_sec > BENCH_BUSY)
		bench_warn(b,
			"this machine is the limit: %.0f %% of the time of the trials was spent "
			"computing; the sources may be faster than measured",
			100 * b->cpu_sec / b->trial_sec);
}

static void warn_of_rounds(struct bench *b)
{
	double rates[BENCH_ROUNDS_MAX];
	unsigned needed;
	size_t k = 0;

	for (size_t i = 0; i < b->result->n_rows; i++)
		k += bench_rates(&b->result->rows[i], rates) > 0;
	needed = bench_rounds_needed(k);
	if (k > 1 && b->result->rounds > 0 && b->result->rounds < needed)
		bench_warn(b,
			"%u round%s too few to tell %zu sources apart: %u are needed",
			b->result->rounds,
			b->result->rounds == 1 ? " is" : "s are",
			k,
			needed);
}

static void bench_clear(struct bench *b)
{
	for (size_t i = 0; i < b->n; i++)
		free(b->works[i].repository);
	free(b->works);
	bench_result_free(b->result);
	error_clear(&b->failure);
}

int bench_run(const struct bench_plan *plan, struct bench_result **ret, struct error *err)
{
	AUTO(bench_clear)
	struct bench b = {
		.plan = plan,
		.start_ms = clock_mono_ms(),
		.random = plan->seed ? plan->seed : 1,
	};
	int rc = check_plan(plan, err);

	if (rc < 0)
		return rc;
	b.result = xcalloc(1, sizeof(*b.result));
	b.result->repository = xstrdup(plan->repository);
	b.result->tag = xstrdup(plan->tag);
	add_works(&b);
	b.reference = b.n;
	bench_survey(&b);
	bench_latencies(&b);
	bench_rounds(&b);
	if (b.failure.code != ERR_NONE) {
		error_move(err, &b.failure);
		return -(int)err->code;
	}
	warn_of_rounds(&b);
	warn_of_machine(&b);
	b.result->seconds = (double)(clock_mono_ms() - b.start_ms) / MS_PER_SEC;
	bench_derive(b.result, plan->seed);
	*ret = steal(&b.result);
	return 0;
}

static void row_clear(struct bench_row *row)
{
	free(row->name);
	free(row->upstream);
	free(row->backend);
	free(row->error);
	free(row->wrong);
	for (size_t i = 0; i < row->n_trials; i++)
		free(row->trials[i].error);
	free(row->trials);
}

void bench_result_free(struct bench_result *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n_rows; i++)
		row_clear(&r->rows[i]);
	free(r->rows);
	free(r->reference);
	free(r->repository);
	free(r->tag);
	for (size_t i = 0; i < r->n_warnings; i++)
		free(r->warnings[i]);
	free(r);
}
