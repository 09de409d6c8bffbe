/*
 * schedule.c - which blob goes next (sources.md 3.2).
 *
 * Blobs of ordered or single sources go in order of request.  Measured ones go largest first once
 * all rates are known: a large one that comes last is waited for alone.  Until then those of
 * middle size go first, for they measure soon and cost little where a source turns out slow.
 * Small ones are all latency: one of them runs beside the large ones, and they fill what these
 * leave free.
 */
#include "transfer/job.h"

#include "source/load.h"
#include "util/clock.h"

#define LOOK_AHEAD 32 /* blobs that are looked at for one that has a place (sources.md 3.2) */
/* The class of 4 to 8 MiB: half a second's worth of what one of several transfers gets. */
#define CALIBRATION_CLASS 5

/* ---- places at sources ---- */

void job_reserve(struct job *j, size_t index, uint64_t now_ms)
{
	job_unreserve(j);
	j->reserved = true;
	j->reserved_at = index;
	j->reserved_bytes = j->size - j->position;
	source_begin(j->sources, index, j->reserved_bytes, now_ms);
}

void job_unreserve(struct job *j)
{
	if (j->reserved)
		source_end(j->sources, j->reserved_at, j->reserved_bytes, NULL, clock_wall_sec());
	j->reserved = false;
}

/* ---- queues ---- */

static void push(struct job_queue *q, struct job *j)
{
	j->next = NULL;
	j->prev = q->last;
	if (q->last)
		q->last->next = j;
	else
		q->first = j;
	q->last = j;
}

static void take_out(struct job_queue *q, struct job *j)
{
	if (j->prev)
		j->prev->next = j->next;
	else
		q->first = j->next;
	if (j->next)
		j->next->prev = j->prev;
	else
		q->last = j->prev;
	j->next = j->prev = NULL;
}

static size_t class_of(uint64_t size)
{
	size_t c = 0;

	for (uint64_t limit = SOURCE_SMALL; size > limit && c + 1 < QUEUE_CLASSES; c++)
		limit *= 2;
	return c;
}

static struct job_queue *queue_of(struct transfer_engine *e, const struct job *j)
{
	return j->measured ? &e->measured[class_of(j->size)] : &e->plain;
}

void schedule_add(struct transfer_engine *engine, struct job *j)
{
	push(queue_of(engine, j), j);
	if (j->measured)
		engine->waiting_bytes += j->size;
}

static void remove_waiting(struct transfer_engine *e, struct job *j)
{
	take_out(queue_of(e, j), j);
	if (j->measured)
		e->waiting_bytes -= j->size;
}

static struct job *any_measured(const struct transfer_engine *e)
{
	for (size_t c = QUEUE_CLASSES; c-- > 0;)
		if (e->measured[c].first)
			return e->measured[c].first;
	return NULL;
}

bool schedule_is_empty(const struct transfer_engine *engine)
{
	return !engine->plain.first && !any_measured(engine);
}

struct job *schedule_pop(struct transfer_engine *engine)
{
	struct job *j = engine->plain.first ? engine->plain.first : any_measured(engine);

	if (j)
		remove_waiting(engine, j);
	return j;
}

/* ---- measured ---- */

static void launch(struct transfer_engine *e, struct job *j)
{
	remove_waiting(e, j);
	engine_run(e, j);
}

static enum source_verdict choose(const struct job *j, bool anyhow, size_t *ret_index)
{
	const struct source_want want = {
		.bytes = j->size,
		.waiting = j->engine->waiting_bytes - j->size,
		.small = j->size <= SOURCE_SMALL,
		.running = anyhow,
	};
	uint64_t wait;

	return source_choose(j->sources, &j->trials, &want, clock_mono_ms(), ret_index, &wait);
}

/* True: it was started.  False: its best source has no place. */
static bool start(struct transfer_engine *e, struct job *j, bool anyhow)
{
	size_t index;

	switch (choose(j, anyhow, &index)) {
	case SOURCE_ASK:
		job_reserve(j, index, clock_mono_ms());
		break;
	case SOURCE_BUSY:
		return false;
	case SOURCE_WAIT: /* its producer waits, or says why there is nobody */
	case SOURCE_NONE:
		break;
	}
	launch(e, j);
	return true;
}

/*
 * The engine's places are few: before a quick source gets another blob, one that idles gets the
 * largest that is done sooner there than in the queue of the quick one.
 */
static bool start_idle(struct transfer_engine *e)
{
	for (size_t c = QUEUE_CLASSES; c-- > 1;) {
		struct job *j = e->measured[c].first;
		size_t index;

		if (!j || choose(j, false, &index) != SOURCE_ASK ||
			!source_is_idle(j->sources, index))
			continue;
		job_reserve(j, index, clock_mono_ms());
		launch(e, j);
		return true;
	}
	return false;
}

/* Largest first; while rates are unknown those that measure soon, then downwards, then upwards. */
static size_t class_at(size_t turn, bool known)
{
	if (known)
		return QUEUE_CLASSES - 1 - turn;
	return turn < CALIBRATION_CLASS ? CALIBRATION_CLASS - turn : turn + 1;
}

static bool start_large(struct transfer_engine *e, bool anyhow)
{
	const struct job *sample = any_measured(e);
	bool known = sample && source_rates_known(sample->sources);
	size_t looked = 0;

	if (known && start_idle(e))
		return true;
	for (size_t turn = 0; turn + 1 < QUEUE_CLASSES; turn++) {
		struct job *j = e->measured[class_at(turn, known)].first;

		for (; j && looked < LOOK_AHEAD; j = j->next, looked++)
			if (start(e, j, anyhow))
				return true;
	}
	return false;
}

static bool start_small(struct transfer_engine *e)
{
	return e->measured[0].first && start(e, e->measured[0].first, true);
}

static bool start_measured(struct transfer_engine *e)
{
	if (e->n_small == 0 && start_small(e))
		return true;
	/* Nothing runs that could give its place back: then nobody would ever be asked. */
	return start_large(e, e->n_running == 0) || start_small(e);
}

/* ---- both ---- */

static bool start_plain(struct transfer_engine *e)
{
	struct job *j = e->plain.first;

	if (!j)
		return false;
	launch(e, j);
	return true;
}

/* In turns, so that neither upstream waits for the whole of the other. */
static bool start_one(struct transfer_engine *e)
{
	e->measured_turn = !e->measured_turn;
	return e->measured_turn ? start_measured(e) || start_plain(e)
				: start_plain(e) || start_measured(e);
}

void schedule_run(struct transfer_engine *engine)
{
	while (engine->n_running < engine->options.parallel && start_one(engine))
		continue;
}
