/* measured.c - who is expected to be done first (sources.md 3.2). */
#include "source/learnt.h"
#include "source/load.h"
#include "util/clock.h"

#define NEAR 1.1 /* finishes that differ by less are as good: chance spreads the load (3.2) */
#define WAIT_FACTOR \
	2.0          /* a place that is free now is left alone when waiting for the best one is */
#define WAIT_SEC 1.0 /* ... so much better: as for a move (3.2), or it would be moved at once */
/*
 * A source that idles gets a blob that it has done within this share of the time that all the rest
 * takes.  From 0.1 to 0.8 makes 1 to 2 % of difference (tests/unit/source/test_simulation.c); less
 * risks less when a rate is not what it was.
 */
#define IDLE_SHARE    0.25
#define EXPLORE_MS    600000 /* a source that was not asked for so long ... */
#define EXPLORE_BLOBS 64     /* ... or so many blobs is looked at again (3.2), with a blob of ... */
#define EXPLORE_MIN   (UINT64_C(2) * 1024 * 1024) /* ... so many bytes, enough for a sample ... */
#define EXPLORE_MAX   (UINT64_C(8) * 1024 * 1024) /* ... and not so many that it takes long */

struct candidate {
	size_t index;
	double finish; /* seconds from now */
	bool place;
};

struct candidates {
	struct candidate each[SOURCES_MAX];
	size_t n;
	double best;
	uint64_t wait_ms; /* when nobody is free: until the first one is; UINT64_MAX: never */
};

/* splitmix64: a well mixed number from a seed and a count. */
static uint64_t mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

/* The same until something begins or ends: to ask twice does no harm. */
static size_t by_chance(const struct source_set *set, size_t n)
{
	return (size_t)(mix(set->book->seed + set->book->turn) % n);
}

/* ---- expected times ---- */

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double median_of_known(const double *v, size_t n, double otherwise)
{
	double known[SOURCES_MAX];
	size_t k = 0;

	for (size_t i = 0; i < n; i++)
		if (v[i] > 0)
			known[k++] = v[i];
	if (k == 0)
		return otherwise;
	qsort(known, k, sizeof(*known), by_value);
	return k % 2 ? known[k / 2] : (known[k / 2 - 1] + known[k / 2]) / 2;
}

static void fill_unknown(double *v, size_t n, double otherwise)
{
	double median = median_of_known(v, n, otherwise);

	for (size_t i = 0; i < n; i++)
		if (v[i] <= 0)
			v[i] = median;
}

void rates_believed(const struct source_set *set, double ret[static SOURCES_MAX])
{
	for (size_t i = 0; i < set->n; i++)
		ret[i] = source_rate(set, i);
	fill_unknown(ret, set->n, SOURCE_UNKNOWN_RATE);
}

/* Large ones: what was asked for before comes first. */
static void finishes_of_bytes(const struct source_set *set, uint64_t bytes, double *ret)
{
	double rates[SOURCES_MAX];

	rates_believed(set, rates);
	for (size_t i = 0; i < set->n; i++) {
		const struct source_learnt *l = set->items[i].learnt;

		ret[i] = learnt_setup(l, set->book->now_sec) +
			 (double)(l->outstanding + bytes) / rates[i];
	}
}

/* Small ones, as finagle's load balancer does it: latency times what is pending. */
static void finishes_of_small(const struct source_set *set, double *ret)
{
	for (size_t i = 0; i < set->n; i++) {
		const struct source_learnt *l = set->items[i].learnt;

		ret[i] = learnt_latency(l, set->book->now_sec);
		if (ret[i] <= 0)
			ret[i] = learnt_rtt(l, set->book->now_sec);
	}
	fill_unknown(ret, set->n, SOURCE_SETUP_SEC);
	for (size_t i = 0; i < set->n; i++) {
		const struct source_learnt *l = set->items[i].learnt;

		ret[i] *= l->running + l->asking + 1;
	}
}

/* ---- candidates ---- */

static void add(struct candidates *c, const struct source_set *set, size_t i, double finish)
{
	const struct source_learnt *l = set->items[i].learnt;

	if (c->n == 0 || finish < c->best)
		c->best = finish;
	c->each[c->n++] =
		(struct candidate){.index = i, .finish = finish, .place = l->running < l->limit};
}

/* Who can be asked now; those that did not fail this digest before the others. */
static void gather(const struct source_set *set, const struct source_trials *trials,
	const double *finishes, uint64_t now_ms, struct candidates *ret)
{
	*ret = (struct candidates){.wait_ms = UINT64_MAX};
	for (int again = 0; again < 2 && ret->n == 0; again++) {
		for (size_t i = 0; i < set->n; i++) {
			uint64_t at;

			if (!source_is_eligible(set, trials, i) ||
				source_refused(set, trials, i, now_ms))
				continue;
			at = source_free_at(set, trials, i, now_ms);
			if (at == now_ms && (trials->each[i].attempts > 0) == (again > 0))
				add(ret, set, i, finishes[i]);
			else if (at > now_ms && at != UINT64_MAX && at - now_ms < ret->wait_ms)
				ret->wait_ms = at - now_ms;
		}
	}
}

/* One of those that are about as good as the best; with_place: and have a free place. */
static bool pick_near(const struct source_set *set, const struct candidates *c, double best,
	bool with_place, size_t *ret_index)
{
	size_t near[SOURCES_MAX];
	size_t n = 0;

	for (size_t i = 0; i < c->n; i++)
		if (c->each[i].finish <= best * NEAR && (c->each[i].place || !with_place))
			near[n++] = c->each[i].index;
	if (n == 0)
		return false;
	*ret_index = near[by_chance(set, n)];
	return true;
}

/* The best has no place.  Another one may do, unless waiting is clearly better. */
static bool pick_other(const struct source_set *set, const struct candidates *c, size_t *ret_index)
{
	double best = 0;
	bool any = false;

	for (size_t i = 0; i < c->n; i++) {
		if (!c->each[i].place || (any && c->each[i].finish >= best))
			continue;
		best = c->each[i].finish;
		any = true;
	}
	return any && best <= WAIT_FACTOR * c->best + WAIT_SEC &&
	       pick_near(set, c, best, true, ret_index);
}

/*
 * The earliest of those that idle, while there is much to do: what comes first is not who has this
 * one done first, but that none of them stands still.
 */
static bool pick_idle(const struct source_set *set, const struct source_want *want,
	const struct candidates *c, size_t *ret_index)
{
	double rates[SOURCES_MAX], sum = 0, work = (double)want->waiting, best = 0;
	bool any = false;

	rates_believed(set, rates);
	for (size_t k = 0; k < c->n; k++) {
		sum += rates[c->each[k].index];
		work += (double)set->items[c->each[k].index].learnt->outstanding;
	}
	for (size_t k = 0; k < c->n; k++) {
		const struct candidate *one = &c->each[k];

		if (set->items[one->index].learnt->running > 0 ||
			one->finish > IDLE_SHARE * work / sum || (any && one->finish >= best))
			continue;
		best = one->finish;
		*ret_index = one->index;
		any = true;
	}
	return any;
}

enum source_verdict measured_choose(const struct source_set *set,
	const struct source_trials *trials, const struct source_want *want, uint64_t now_ms,
	size_t *ret_index, uint64_t *ret_wait_ms)
{
	double finishes[SOURCES_MAX];
	struct candidates c;

	if (want->small)
		finishes_of_small(set, finishes);
	else
		finishes_of_bytes(set, want->bytes, finishes);
	gather(set, trials, finishes, now_ms, &c);
	if (c.n == 0 && c.wait_ms == UINT64_MAX)
		return SOURCE_NONE;
	if (c.n == 0) {
		*ret_wait_ms = c.wait_ms;
		return SOURCE_WAIT;
	}
	if (want->small || want->running) {
		(void)pick_near(set, &c, c.best, false, ret_index);
		return SOURCE_ASK;
	}
	*ret_index = measured_explore(set, trials, want->bytes, now_ms);
	if (*ret_index != SIZE_MAX)
		return SOURCE_ASK;
	if (pick_idle(set, want, &c, ret_index) || pick_near(set, &c, c.best, true, ret_index) ||
		pick_other(set, &c, ret_index))
		return SOURCE_ASK;
	return SOURCE_BUSY;
}

/* ---- looking again ---- */

size_t measured_explore(const struct source_set *set, const struct source_trials *trials,
	uint64_t bytes, uint64_t now_ms)
{
	const struct source_book *b = set->book;
	size_t found = SIZE_MAX;
	int64_t measured = 0;

	if (bytes < EXPLORE_MIN || bytes > EXPLORE_MAX || b->explored_ms == 0 ||
		(b->unexplored < EXPLORE_BLOBS && now_ms < b->explored_ms + EXPLORE_MS))
		return SIZE_MAX;
	for (size_t i = 0; i < set->n; i++) {
		const struct source_learnt *l = set->items[i].learnt;

		if (l->running > 0 || trials->each[i].attempts > 0 ||
			!source_usable(set, trials, i, now_ms))
			continue;
		if (found == SIZE_MAX || learnt_measured(l) < measured) {
			found = i;
			measured = learnt_measured(l);
		}
	}
	return found;
}

/* ---- hedging ---- */

#define HEDGE_MIN_MS 50   /* (sources.md 3.4) */
#define HEDGE_MAX_MS 2000 /* (3.4); also when nothing is known of the first one */
#define HEDGE_AFTER  0.95 /* of the first one's answers came before (3.4) */

static uint64_t slow_answer_ms(const struct source_learnt *l)
{
	uint64_t us = 0;
	int64_t at = 0;

	for (size_t i = 0; i < l->n_backends; i++) {
		const struct latency_estimate *e = &l->backends[i].estimate.warm;

		if (e->at_sec <= at)
			continue;
		at = e->at_sec;
		us = latency_quantile(e, HEDGE_AFTER);
	}
	if (us == 0 || us > HEDGE_MAX_MS * 1000)
		return HEDGE_MAX_MS;
	return us < HEDGE_MIN_MS * 1000 ? HEDGE_MIN_MS : us / 1000;
}

bool source_hedge(const struct source_set *set, const struct source_trials *trials, size_t first,
	uint64_t now_ms, size_t *ret_index, uint64_t *ret_delay_ms)
{
	const struct source_want want = {.small = true};
	struct source_trials others = *trials;
	size_t second;
	uint64_t wait;

	if (!source_set_measured(set) || trials->authority_only || set->book->hedge < 1)
		return false;
	others.each[first].excluded = true;
	/* A repetition, or the trial of a sick source, is no help. */
	if (source_choose(set, &others, &want, now_ms, &second, &wait) != SOURCE_ASK ||
		others.each[second].attempts > 0 || source_needs_trial(set, second))
		return false;
	*ret_index = second;
	*ret_delay_ms = slow_answer_ms(set->items[first].learnt);
	return true;
}

void source_hedged(struct source_set *set)
{
	set->book->hedge -= 1;
}
