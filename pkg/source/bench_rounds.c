/*
 * bench_rounds.c - what is timed: small requests, then bulk, in random order.
 *
 * One source at a time, or they would share the way in and be compared by how they share it
 * (sources.md 2.6).  A source's trials stop when it fails twice in a row; the others go on.
 */
#include <time.h>

#include "source/bench_run.h"
#include "source/estimate.h"
#include "util/clock.h"
#include "util/mem.h"

#define LATENCY_IDLE_MS 20 /* between two small requests: nothing of the last one is under way */
#define NS_PER_SEC      1e9
#define MS_PER_SEC      1000

/* ---- small requests ---- */

/* *order: all places that are measured; returns how many. */
static size_t order_of_works(struct bench *b, size_t order[static BENCH_PLACES_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < b->n; i++)
		if (bench_works(&b->works[i]))
			order[n++] = i;
	bench_shuffle(&b->random, order, n);
	return n;
}

static void take_rtt(struct bench_work *work, uint64_t rtt_us)
{
	if (rtt_us > 0 && (work->rtt_us == 0 || rtt_us < work->rtt_us))
		work->rtt_us = rtt_us;
}

/*
 * What a source is timed by: the manifest, or where it has another one by the tag (a re-encoded
 * index, an old one) that, or else the blob.  An answer of "not there" may come from another place.
 */
static void choose_question(const struct bench *b, struct bench_ask *ask)
{
	const struct bench_row *row = ask->work->row;

	if (row->manifest != BENCH_NO) {
		ask->digest = b->result->digest;
	} else if (row->has_tag_digest) {
		ask->digest = row->tag_digest;
	} else {
		ask->question = PROBE_BLOB_HEAD;
		ask->digest = b->result->blob;
	}
}

/* True when it was answered. */
static bool head(struct bench *b, struct bench_work *work, bool fresh, struct bench_latency *ret,
	bool *ret_reused)
{
	struct bench_ask ask = {.work = work, .question = PROBE_MANIFEST_HEAD, .fresh = fresh};
	bool answered;

	choose_question(b, &ask);
	bench_ask_all(b, &ask, 1);
	answered = ask.err.code == ERR_NONE;
	if (answered) {
		*ret = ask.latency;
		*ret_reused = ask.reused;
		take_rtt(work, ask.rtt_us);
	}
	bench_ask_clear(&ask);
	return answered;
}

static void cold_pass(struct bench *b, unsigned pass, unsigned passes)
{
	size_t order[BENCH_PLACES_MAX];
	size_t n = order_of_works(b, order);

	for (size_t i = 0; i < n && !bench_stopped(b); i++) {
		struct bench_work *work = &b->works[order[i]];
		struct bench_row *row = work->row;
		struct bench_latency one;
		bool reused;

		bench_tell(b, BENCH_LATENCY, row->name, pass, passes, 0);
		if (head(b, work, true, &one, &reused))
			row->cold[row->n_cold++] = one;
		(void)bench_sleep(b, LATENCY_IDLE_MS);
	}
}

/* The first one opens the connection, or finds that the last one was closed. */
static void warm_pass(struct bench *b, struct bench_work *work, unsigned n)
{
	struct bench_row *row = work->row;

	for (unsigned i = 0; i <= n && bench_works(work) && !bench_stopped(b); i++) {
		struct bench_latency one;
		bool reused;

		if (head(b, work, false, &one, &reused) && reused && i > 0)
			row->warm[row->n_warm++] = one.total;
	}
}

static unsigned at_most(unsigned n, unsigned most)
{
	return n < most ? n : most;
}

void bench_latencies(struct bench *b)
{
	unsigned cold = at_most(b->plan->cold, BENCH_COLD);
	unsigned warm = at_most(b->plan->warm, BENCH_WARM);
	size_t order[BENCH_PLACES_MAX], n;

	for (unsigned i = 0; i < cold && !bench_stopped(b); i++)
		cold_pass(b, i, cold);
	n = order_of_works(b, order);
	for (size_t i = 0; i < n && !bench_stopped(b); i++) {
		bench_tell(b, BENCH_LATENCY, b->works[order[i]].row->name, cold, cold, 0);
		warm_pass(b, &b->works[order[i]], warm);
	}
}

/* ---- bulk ---- */

/* One transfer under way, and what came of it. */
struct trial {
	struct bench *bench;
	struct bench_work *work;
	struct probe *probe;
	bool done;
	struct probe_result result;
	struct error err;
};

static void on_trial(void *ctx, const struct probe_result *result, struct error *err)
{
	struct trial *t = ctx;
	struct bench_row *row = t->work->row;

	t->probe = NULL;
	t->done = true;
	t->result = *result;
	t->result.backend = NULL;
	take_rtt(t->work, result->timing.min_rtt_us);
	t->bench->result->bytes += result->bytes;
	if (err)
		error_move(&t->err, err);
	else if (*result->backend)
		str_replace(&row->backend, result->backend);
	row->redirected = row->redirected || result->front_us > 0;
}

static bool trial_done(void *ctx)
{
	const struct trial *t = ctx;

	return t->done;
}

static double cpu_seconds(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* cannot fail on Linux */
	return (double)t.tv_sec + (double)t.tv_nsec / NS_PER_SEC;
}

static void trial_start(struct trial *t, struct bench *b, struct bench_work *work, bool whole)
{
	const uint64_t size = b->result->blob_size;
	const uint64_t most = b->budget.trial_bytes < size ? b->budget.trial_bytes : size;
	const struct probe_bulk bulk = {
		.registry = work->place->registry,
		.repository = work->repository,
		.digest = b->result->blob,
		.size = size,
		.end = whole ? size : most,
		.ms = whole ? 0 : b->budget.trial_ms,
		.early = !whole,
		.skip_us = slow_start_us(work->rate, work->rtt_us),
		.window_us = rate_window_us(work->rtt_us),
		.beside = &b->result->digest,
		.done = on_trial,
		.ctx = t,
	};

	*t = (struct trial){.bench = b, .work = work};
	t->probe = probe_bulk(b->plan->loop, &bulk);
}

/* The digest speaks first: wrong bytes that came quickly are no throughput worth having. */
static void take_content(struct bench_work *work, const struct trial *t)
{
	struct bench_row *row = work->row;

	if (t->result.content == PROBE_NOT_CHECKED && t->err.code != ERR_CORRUPT)
		return;
	if (t->result.content != PROBE_NOT_CHECKED)
		row->blob = t->result.content;
	else
		row->blob = PROBE_WRONG;
	if (row->blob == PROBE_WRONG && !row->wrong)
		row->wrong = t->err.code == ERR_CORRUPT
				     ? xasprintf("blob: %s", error_text(&t->err))
				     : xstrdup("blob: the bytes have another digest");
}

static void keep_trial(struct bench_work *work, struct trial *t, unsigned round)
{
	struct bench_row *row = work->row;
	struct bench_trial *kept = &row->trials[row->n_trials++];

	*kept = (struct bench_trial){.round = round, .result = t->result};
	take_content(work, t);
	if (t->err.code != ERR_NONE)
		kept->error = xstrdup(error_text(&t->err));
	else if (t->result.rate > 0)
		work->rate = t->result.rate;
	bench_note(work, &t->err, true);
	if (t->result.range_ignored)
		row->range = BENCH_NO;
}

static void run_trial(struct bench *b, struct bench_work *work, unsigned round, bool whole)
{
	uint64_t before_ms = clock_mono_ms();
	double cpu = cpu_seconds();
	struct trial t;

	trial_start(&t, b, work, whole);
	if (bench_wait(b, trial_done, &t)) {
		b->cpu_sec += cpu_seconds() - cpu;
		b->trial_sec += (double)(clock_mono_ms() - before_ms) / MS_PER_SEC;
		keep_trial(work, &t, round);
	} else if (work->row->n_trials == 0 && !work->row->error) {
		work->row->error = xstrdup("stopped before its first transfer ended");
	}
	probe_cancel(&t.probe);
	error_clear(&t.err);
}

/* ---- rounds ---- */

/* Whether the next trial fits into what may be fetched. */
static bool bytes_are_left(struct bench *b, uint64_t wanted)
{
	if (b->plan->max_bytes == 0 || b->result->bytes + wanted <= b->plan->max_bytes)
		return true;
	b->result->stopped = true;
	return false;
}

/* What is left, from what the rounds took until now. */
static uint64_t time_left(const struct bench *b, uint64_t rounds_since_ms, unsigned round)
{
	uint64_t spent = clock_mono_ms() - rounds_since_ms;
	uint64_t left = round > 0 ? spent / round * (b->plan->rounds + 1 - round) : 0;
	uint64_t until = b->start_ms + b->plan->duration_ms, now_ms = clock_mono_ms();

	if (b->plan->duration_ms > 0 && (left == 0 || left > until - now_ms))
		left = until > now_ms ? until - now_ms : 0;
	return left;
}

/* False: stopped before its end. */
static bool one_round(struct bench *b, unsigned round, uint64_t since_ms)
{
	size_t order[BENCH_PLACES_MAX];
	size_t n = order_of_works(b, order);
	bool whole = round == 0 && b->budget.whole;
	uint64_t bytes = whole ? b->result->blob_size : b->budget.trial_bytes;

	for (size_t i = 0; i < n; i++) {
		struct bench_work *work = &b->works[order[i]];

		bench_tell(b,
			BENCH_THROUGHPUT,
			work->row->name,
			round,
			b->plan->rounds,
			time_left(b, since_ms, round));
		if (bench_stopped(b) || !bytes_are_left(b, bytes) ||
			!bench_sleep(b, b->budget.idle_ms))
			return false;
		if (!bench_ready(b, work)) {
			if (bench_stopped(b))
				return false;
			continue; /* told to wait: it is passed over in this round */
		}
		run_trial(b, work, round, whole);
	}
	return n > 0 && !bench_stopped(b);
}

/* ---- a shared bottleneck ---- */

static bool both_done(void *ctx)
{
	const struct trial *t = ctx;

	return t[0].done && t[1].done;
}

static struct bench_work *work_of(struct bench *b, const struct bench_row *row)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->works[i].row == row)
			return &b->works[i];
	return NULL;
}

static bool is_sound(const struct trial *t)
{
	return t->done && t->err.code == ERR_NONE && !t->result.bound;
}

/* sum: of both at once; one: the faster one alone. */
static void judge_together(
	struct bench *b, const struct bench_row *x, const struct bench_row *y, double sum)
{
	double one = x->rate > y->rate ? x->rate : y->rate;

	if (sum < BENCH_SHARED * one)
		bench_warn(b,
			"access link limited (~%.1f MiB/s): %s and %s together gave %.1f MiB/s, one "
			"alone %.1f: bulk ranks of the tied sources are not meaningful",
			sum / BENCH_MIB,
			x->name,
			y->name,
			sum / BENCH_MIB,
			one / BENCH_MIB);
}

/* Two that are equally fast, at once: together they are twice as fast, or share what limits them.
 */
static void try_together(struct bench *b)
{
	const struct bench_row *rows = b->result->rows;
	struct bench_work *x, *y;
	struct trial t[2];
	size_t first, second;

	bench_derive(b->result, b->plan->seed);
	if (bench_stopped(b) || !bench_tied_pair(b->result, &first, &second) ||
		!bytes_are_left(b, 2 * b->budget.trial_bytes))
		return;
	x = work_of(b, &rows[first]);
	y = work_of(b, &rows[second]);
	if (!x || !y || !bench_works(x) || !bench_works(y) || !bench_sleep(b, b->budget.idle_ms))
		return;
	bench_tell(b, BENCH_TOGETHER, rows[first].name, 0, 0, 0);
	trial_start(&t[0], b, x, false);
	trial_start(&t[1], b, y, false);
	(void)bench_wait(b, both_done, t);
	if (is_sound(&t[0]) && is_sound(&t[1]))
		judge_together(b, &rows[first], &rows[second], t[0].result.rate + t[1].result.rate);
	for (int i = 0; i < 2; i++) {
		probe_cancel(&t[i].probe);
		error_clear(&t[i].err);
	}
}

void bench_rounds(struct bench *b)
{
	uint64_t since_ms = clock_mono_ms();
	size_t order[BENCH_PLACES_MAX];
	size_t n = order_of_works(b, order);

	if (!b->result->has_blob || n == 0)
		return;
	b->budget = bench_budget(
		b->result->blob_size, n, b->plan->rounds, b->plan->duration_ms, b->plan->max_bytes);
	b->result->trial_bytes = b->budget.trial_bytes;
	for (unsigned round = 0; round <= b->plan->rounds; round++) {
		if (!one_round(b, round, since_ms))
			return;
		b->result->rounds = round;
	}
	try_together(b);
}
