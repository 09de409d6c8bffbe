/* load.c - what moves now: counts, rates in flight, places, and who had better go on. */
#include "source/load.h"

#include "source/learnt.h"
#include "util/clock.h"

#define LIVE_KEPT      0.7   /* share of the old rate at each tick (sources.md 3.2) */
#define LIVE_MS        30000 /* a rate in flight that is older gives way to the measured one */
#define TICK_MIN_MS    100   /* a shorter tick says nothing */
#define TICK_MAX_MS    10000 /* after a longer one the process slept: nothing is concluded */
#define BULK_BYTES     (UINT64_C(1024) * 1024) /* outstanding; with less, latency is what limits */
#define STEP_MS        2000  /* between two looks at how many may run (sources.md 3.4) */
#define STEP_BETTER    1.05  /* goodput that earns another place (3.4) */
#define STEP_WORSE     0.9   /* ... that costs one (3.4) */
#define PLACES_MAX     6     /* of one source (3.4) */
#define CROWDED_FACTOR 2     /* latency beside blobs that is that much longer costs a place (3.4) */
#define CROWDED_US     50000 /* ... if it is by so much: less is no queue */
#define LATENCY_KEPT   0.8  /* share of the old latency in the averages for that: about 5 samples */
#define HEDGE_SHARE    0.05 /* extra requests earned by each request (3.4) */
#define HEDGES_MAX     10.0 /* that may be saved up */
#define BETTER_FACTOR  2.0  /* a move must win that much (3.2) ... */
#define BETTER_SEC     1.0  /* ... and so many seconds (3.2) */
#define MS_PER_SEC     1000.0
#define US_PER_MS      1000.0
#define US_PER_SEC     1e6

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

void source_begin(struct source_set *set, size_t index, uint64_t bytes, uint64_t now_ms)
{
	struct source_learnt *l = set->items[index].learnt;
	struct source_book *b = set->book;
	static const struct source_trials nobody = {.attempts = 0};

	book_at_ms(set, now_ms);
	b->turn++;
	if (b->explored_ms == 0)
		b->explored_ms = now_ms;
	if (bytes > SOURCE_SMALL)
		b->unexplored++;
	if (source_set_measured(set) && measured_explore(set, &nobody, bytes, now_ms) == index) {
		b->unexplored = 0;
		b->explored_ms = now_ms;
	}
	if (l->running++ == 0)
		l->busy_since_ms = now_ms;
	l->outstanding += bytes;
}

void source_arrived(struct source_set *set, size_t index, uint64_t bytes)
{
	struct source_learnt *l = set->items[index].learnt;

	l->outstanding = less(l->outstanding, bytes);
	l->arrived += bytes;
}

void source_held_up(struct source_set *set, size_t index)
{
	set->items[index].learnt->held = true;
}

/* ---- samples ---- */

static bool live_holds(const struct source_set *set, const struct source_learnt *l)
{
	return l->live > 0 && set->book->now_ms < l->live_at_ms + LIVE_MS;
}

/* A sample is of one transfer; the source gave the others their share at the same time. */
static void add_rate(const struct source_set *set, const struct source_learnt *l,
	struct rate_estimate *e, const struct source_sample *sample, int64_t now_sec)
{
	double window = (double)sample->window_us / US_PER_SEC;
	double bytes = (double)sample->bytes;

	if (sample->window_us < ESTIMATE_WINDOW_US)
		return;
	if (live_holds(set, l) && l->live * window > bytes)
		bytes = l->live * window;
	/* Held up, it only ever proves a source quicker than it was thought to be. */
	if (sample->held_up && (!rate_known(e, now_sec) || bytes < e->mean * window))
		return;
	rate_add(e, (uint64_t)bytes, sample->window_us, now_sec);
}

static void average(double *ret, double v)
{
	*ret = *ret > 0 ? LATENCY_KEPT * *ret + (1 - LATENCY_KEPT) * v : v;
}

static void take_sample(struct source_set *set, size_t index, const struct source_sample *sample,
	bool small, int64_t now_sec)
{
	struct source_learnt *l = set->items[index].learnt;
	struct estimate *e;

	book_at_sec(set, now_sec);
	if (!sample || !source_set_measured(set))
		return;
	e = learnt_backend(l, sample->backend, now_sec);
	if (!e)
		return;
	add_rate(set, l, &e->rate, sample, now_sec);
	if (sample->rtt_us > 0)
		rtt_add(&e->rtt, sample->rtt_us, now_sec);
	if (sample->latency_us == 0)
		return;
	latency_add(&e->warm, sample->latency_us, now_sec);
	if (small)
		average(l->running > 0 ? &l->loaded_us : &l->idle_us, (double)sample->latency_us);
}

void source_end(struct source_set *set, size_t index, uint64_t missing,
	const struct source_sample *sample, int64_t now_sec)
{
	struct source_learnt *l = set->items[index].learnt;

	if (l->running > 0)
		l->running--;
	l->outstanding = l->running > 0 ? less(l->outstanding, missing) : 0;
	set->book->turn++;
	take_sample(set, index, sample, false, now_sec);
}

void source_asked(struct source_set *set, size_t index)
{
	struct source_book *b = set->book;

	set->items[index].learnt->asking++;
	b->turn++;
	if (b->hedge < HEDGES_MAX)
		b->hedge += HEDGE_SHARE;
}

void source_answered(
	struct source_set *set, size_t index, const struct source_sample *sample, int64_t now_sec)
{
	struct source_learnt *l = set->items[index].learnt;

	if (l->asking > 0)
		l->asking--;
	set->book->turn++;
	take_sample(set, index, sample, true, now_sec);
}

/* ---- each second ---- */

uint64_t source_settle_us(const struct source_set *set, size_t index)
{
	double rtt = learnt_rtt(set->items[index].learnt, set->book->now_sec);

	return slow_start_us(source_rate(set, index), (uint64_t)(rtt * US_PER_SEC));
}

/* Until then connections are made and grow: their bytes say nothing. */
static double settle_ms(const struct source_set *set, size_t index)
{
	return learnt_setup(set->items[index].learnt, set->book->now_sec) * MS_PER_SEC +
	       (double)source_settle_us(set, index) / US_PER_MS;
}

static void tick_rate(struct source_set *set, size_t index, double elapsed_ms)
{
	struct source_learnt *l = set->items[index].learnt;
	double seen = (double)l->arrived * MS_PER_SEC / elapsed_ms;
	double before = source_rate(set, index);
	uint64_t now_ms = set->book->now_ms;

	if (l->running == 0 || l->outstanding < BULK_BYTES) {
		l->busy_since_ms = 0;
		return;
	}
	if (l->busy_since_ms == 0) {
		l->busy_since_ms = now_ms;
		return;
	}
	if ((double)(now_ms - l->busy_since_ms) < elapsed_ms + settle_ms(set, index))
		return;
	if (l->held && seen < before)
		return;
	l->live = before > 0 ? LIVE_KEPT * before + (1 - LIVE_KEPT) * seen : seen;
	/* Not 0, which means "not seen": what gives nothing is slow beyond doubt. */
	if (l->live < 1)
		l->live = 1;
	l->live_at_ms = now_ms;
}

static bool is_crowded(struct source_learnt *l)
{
	bool crowded = l->idle_us > 0 && l->loaded_us > CROWDED_FACTOR * l->idle_us &&
		       l->loaded_us > l->idle_us + CROWDED_US;

	if (crowded)
		l->loaded_us = 0; /* seen anew with one less */
	return crowded;
}

static void step_places(struct source_learnt *l, double rate)
{
	bool full = l->crowded;

	l->crowded = true;
	if (is_crowded(l) || (full && l->step_rate > 0 && rate <= STEP_WORSE * l->step_rate)) {
		if (l->limit > 1)
			l->limit--;
	} else if (full && rate >= STEP_BETTER * l->step_rate && l->limit < PLACES_MAX) {
		l->limit++;
	}
	l->step_rate = full ? rate : 0;
}

/* Goodput of the last step against the one before, while all places were taken. */
static void tick_places(struct source_learnt *l, uint64_t now_ms)
{
	if (l->held || l->running < l->limit)
		l->crowded = false;
	l->step_bytes += l->arrived;
	if (l->running == 0 || now_ms > l->step_at_ms + 2 * STEP_MS) {
		l->step_at_ms = now_ms;
		l->step_bytes = 0;
		l->step_rate = 0;
		l->crowded = true;
	} else if (now_ms >= l->step_at_ms + STEP_MS) {
		step_places(
			l, (double)l->step_bytes * MS_PER_SEC / (double)(now_ms - l->step_at_ms));
		l->step_at_ms = now_ms;
		l->step_bytes = 0;
	}
}

void source_tick(struct source_set *set, uint64_t now_ms)
{
	struct source_book *b = set->book;
	uint64_t elapsed = now_ms - b->tick_at_ms;
	bool sane = b->tick_at_ms > 0 && now_ms >= b->tick_at_ms && elapsed <= TICK_MAX_MS;

	if (b->tick_at_ms > 0 && now_ms >= b->tick_at_ms && elapsed < TICK_MIN_MS)
		return;
	book_at_ms(set, now_ms);
	b->tick_at_ms = now_ms;
	for (size_t i = 0; i < set->n; i++) {
		struct source_learnt *l = set->items[i].learnt;

		if (sane && source_set_measured(set)) {
			tick_rate(set, i, (double)elapsed);
			tick_places(l, now_ms);
		}
		l->arrived = 0;
		l->held = false;
	}
}

/* ---- what is believed ---- */

double source_rate(const struct source_set *set, size_t index)
{
	const struct source_learnt *l = set->items[index].learnt;

	return live_holds(set, l) ? l->live : learnt_rate(l, set->book->now_sec);
}

bool source_rates_known(const struct source_set *set)
{
	for (size_t i = 0; i < set->n; i++)
		if (!source_is_struck_out(&set->items[i]) &&
			set->items[i].parked_until_ms <= set->book->now_ms &&
			source_rate(set, i) <= 0)
			return false;
	return true;
}

bool source_is_idle(const struct source_set *set, size_t index)
{
	return set->items[index].learnt->running == 0;
}

bool source_better(const struct source_set *set, const struct source_trials *trials, size_t index,
	uint64_t left, double rate, uint64_t age_ms, uint64_t now_ms, size_t *ret_index)
{
	double rates[SOURCES_MAX];
	double best = 0;
	bool found = false;

	if (!source_set_measured(set) || trials->authority_only || left <= SOURCE_MIGRATE_BYTES ||
		age_ms <= SOURCE_MIGRATE_MIN_MS)
		return false;
	rates_believed(set, rates);
	for (size_t i = 0; i < set->n; i++) {
		const struct source_learnt *l = set->items[i].learnt;
		double there;

		if (i == index || l->running >= l->limit || l->half_open ||
			!source_usable(set, trials, i, now_ms))
			continue;
		there = 3 * learnt_rtt(l, set->book->now_sec) +
			(double)left * (l->running + 1) / rates[i];
		if (rate * (BETTER_FACTOR * there + BETTER_SEC) < (double)left &&
			(!found || there < best)) {
			best = there;
			*ret_index = i;
			found = true;
		}
	}
	return found;
}

/* ---- how long to wait ---- */

#define CONNECT_RTTS       3     /* (sources.md 3.4) ... */
#define CONNECT_MIN_MS     2000  /* ... but so long at least ... */
#define CONNECT_MAX_MS     10000 /* ... and at most */
#define CONNECT_DEFAULT_MS 5000  /* while no round trip is known (3.4) */
#define FIRST_BYTE_MS      10000 /* (3.4) */
#define STALL_RTTS         20    /* (3.4) */
#define STALL_MIN_MS       5000  /* (3.4) */

static bool others_left(const struct source_set *set, const struct source_trials *trials,
	size_t index, uint64_t now_ms)
{
	for (size_t i = 0; i < set->n; i++)
		if (i != index && source_usable(set, trials, i, now_ms))
			return true;
	return false;
}

struct source_patience source_patience(const struct source_set *set,
	const struct source_trials *trials, size_t index, uint64_t now_ms)
{
	struct source_patience p = {.connect_ms = 0};
	double rtt_ms;

	if (!source_set_measured(set) || trials->authority_only ||
		!others_left(set, trials, index, now_ms))
		return p;
	rtt_ms = learnt_rtt(set->items[index].learnt, set->book->now_sec) * MS_PER_SEC;
	p.connect_ms = rtt_ms > 0 ? (uint64_t)(CONNECT_RTTS * rtt_ms) : CONNECT_DEFAULT_MS;
	if (p.connect_ms < CONNECT_MIN_MS)
		p.connect_ms = CONNECT_MIN_MS;
	if (p.connect_ms > CONNECT_MAX_MS)
		p.connect_ms = CONNECT_MAX_MS;
	p.first_byte_ms = FIRST_BYTE_MS;
	p.stall_ms = (uint64_t)(STALL_RTTS * rtt_ms);
	if (p.stall_ms < STALL_MIN_MS)
		p.stall_ms = STALL_MIN_MS;
	return p;
}

/* ---- several at once ---- */

#define STRIPE_SHARE 0.1  /* of the summed rate that a source must give (sources.md 3.6) */
#define STRIPE_SEC   4.0  /* that the best one alone must take at least (3.6) */
#define STRIPE_SETUP 0.25 /* share of the expected time that a source's first answer may take */

static bool may_stripe(
	const struct source_set *set, const struct source_trials *trials, size_t i, uint64_t now_ms)
{
	const struct source_learnt *l = set->items[i].learnt;

	return source_usable(set, trials, i, now_ms) && !l->half_open &&
	       trials->each[i].attempts == 0 &&
	       (l->struck_sec[0] == 0 ||
		       set->book->now_sec - l->struck_sec[0] >= SOURCE_STRIKE_SEC);
}

/* Best first. */
static size_t by_rate(const struct source_set *set, const struct source_trials *trials,
	const double *rates, uint64_t now_ms, size_t ret[static SOURCES_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < set->n; i++) {
		size_t at = n;

		if (!may_stripe(set, trials, i, now_ms))
			continue;
		for (; at > 0 && rates[ret[at - 1]] < rates[i]; at--)
			ret[at] = ret[at - 1];
		ret[at] = i;
		n++;
	}
	return n;
}

size_t source_stripe(const struct source_set *set, const struct source_trials *trials,
	uint64_t bytes, uint64_t now_ms, size_t ret[static SOURCES_MAX])
{
	double rates[SOURCES_MAX];
	double sum = 0, least_sec = STRIPE_SEC;
	size_t n, kept = 0;

	if (!source_set_measured(set) || trials->authority_only || bytes < set->stripe_from)
		return 0;
	rates_believed(set, rates);
	n = by_rate(set, trials, rates, now_ms, ret);
	for (size_t k = 0; k < n; k++)
		sum += rates[ret[k]];
	/* Whoever wants smaller blobs striped means shorter ones as well. */
	if (set->stripe_from < SOURCE_STRIPE_FROM)
		least_sec *= (double)set->stripe_from / (double)SOURCE_STRIPE_FROM;
	if (n < 2 || (double)bytes < least_sec * rates[ret[0]])
		return 0;
	for (size_t k = 0; k < n; k++) {
		const struct source_learnt *l = set->items[ret[k]].learnt;
		double setup = 3 * learnt_rtt(l, set->book->now_sec);

		if (rates[ret[k]] >= STRIPE_SHARE * sum &&
			setup < STRIPE_SETUP * (double)bytes / sum)
			ret[kept++] = ret[k];
	}
	return kept < 2 ? 0 : kept;
}
