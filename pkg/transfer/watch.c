/* watch.c - each second: rates in flight, and blobs that had better go on elsewhere. */
#include "transfer/job.h"

#include "source/load.h"
#include "util/clock.h"

#define MOVES_MAX 3 /* of one blob: more would be flapping */

#define MS_PER_SEC 1000.0
/* Of the configured bandwidth: from there on it, not a source, is what limits. */
#define CAPPED_SHARE 0.9

static void again(void *ctx);

void watch_start(struct transfer_engine *engine)
{
	if (engine->watch)
		return;
	engine->watch = http_timer_start(engine->options.loop, SOURCE_TICK_MS, again, engine);
	engine->watch_ms = clock_mono_ms();
	engine->watch_bytes = engine->bytes;
}

static void look_at_cap(struct transfer_engine *e, uint64_t now_ms)
{
	double cap = (double)http_loop_bandwidth(e->options.loop);
	double seen = (double)(e->bytes - e->watch_bytes) * MS_PER_SEC;

	e->capped = cap > 0 && seen >= CAPPED_SHARE * cap * (double)(now_ms - e->watch_ms);
}

/* Each set once: several jobs share one. */
static void tick_sets(struct transfer_engine *e, uint64_t now_ms)
{
	for (struct job *j = e->running; j; j = j->next)
		if (j->measured)
			meter_hold(j, now_ms);
	for (const struct job *j = e->running; j; j = j->next) {
		const struct job *before = e->running;

		if (!j->measured)
			continue;
		while (before != j && (!before->measured || before->sources != j->sources))
			before = before->next;
		if (before == j)
			source_tick(j->sources, now_ms);
	}
}

/* The source that it had better go on at; false: it stays. */
static bool should_move(struct job *j, uint64_t now_ms, size_t *ret_to)
{
	const struct producer *p = &j->producer;
	bool known;
	double rate;

	if (!j->measured || p->kind != PRODUCER_SOURCE)
		return false;
	rate = meter_tick(j, now_ms, &known);
	/* After wrong content of several origins the whole must come from one. */
	return known && !j->one_source && j->moves < MOVES_MAX &&
	       source_better(j->sources,
		       &j->trials,
		       p->source,
		       j->size - j->position,
		       rate,
		       now_ms - p->meter.begun_ms,
		       now_ms,
		       ret_to);
}

static void move_blobs(struct transfer_engine *e, uint64_t now_ms)
{
	struct job *next;

	for (struct job *j = e->running; j; j = next) {
		size_t to;

		next = j->next;
		if (should_move(j, now_ms, &to))
			fetch_move(j, to);
	}
}

static void again(void *ctx)
{
	struct transfer_engine *e = ctx;
	uint64_t now_ms = clock_mono_ms();

	e->watch = NULL;
	look_at_cap(e, now_ms);
	if (e->n_measured == 0)
		return;
	watch_start(e);
	tick_sets(e, now_ms);
	move_blobs(e, now_ms);
	/* There may be more places now. */
	schedule_run(e);
}
