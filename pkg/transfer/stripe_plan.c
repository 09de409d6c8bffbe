/* stripe_plan.c - from the front, and at the end from whoever would be last. */
#include "transfer/stripe_plan.h"

#define MS_PER_SEC 1000.0

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* From `at` on: the first byte that is neither there nor claimed. */
static uint64_t skip_taken(const struct stripe_plan *p, uint64_t at)
{
	uint64_t before;

	do {
		before = at;
		at = extents_end(p->done, at);
		for (size_t i = 0; i < STRIPE_CLAIMS_MAX; i++) {
			const struct stripe_claim *c = &p->claims[i];

			if (c->used && c->first <= at && at < c->end)
				at = c->end;
		}
	} while (at != before);
	return at;
}

/* The next free range from `from` on; false: none. */
static bool next_free(const struct stripe_plan *p, uint64_t from, struct extent *ret)
{
	uint64_t first = skip_taken(p, from);
	uint64_t end;

	if (first >= p->size)
		return false;
	end = least(extents_next(p->done, first), p->size);
	for (size_t i = 0; i < STRIPE_CLAIMS_MAX; i++) {
		const struct stripe_claim *c = &p->claims[i];

		if (c->used && c->first > first)
			end = least(end, c->first);
	}
	*ret = (struct extent){.first = first, .end = end};
	return true;
}

unsigned stripe_plan_active(const struct stripe_plan *p, size_t source)
{
	unsigned n = 0;

	for (size_t i = 0; i < STRIPE_CLAIMS_MAX; i++)
		n += p->claims[i].used && p->claims[i].source == source;
	return n;
}

static bool anyone_active(const struct stripe_plan *p)
{
	for (size_t i = 0; i < STRIPE_CLAIMS_MAX; i++)
		if (p->claims[i].used)
			return true;
	return false;
}

/* The quickest that takes part, leaving one out; SOURCES_MAX: nobody. */
static size_t best_but(const struct stripe_plan *p, size_t other)
{
	size_t best = SOURCES_MAX;

	for (size_t i = 0; i < SOURCES_MAX; i++)
		if (i != other && p->givers[i].in &&
			(best == SOURCES_MAX || p->givers[i].rate > p->givers[best].rate))
			best = i;
	return best;
}

/* The frontier follows what lies there and what has come of running claims. */
static void move_frontier(struct stripe_plan *p, uint64_t now_ms)
{
	const uint64_t start = p->frontier;
	uint64_t before;

	do {
		before = p->frontier;
		p->frontier = extents_end(p->done, p->frontier);
		for (size_t i = 0; i < STRIPE_CLAIMS_MAX; i++) {
			const struct stripe_claim *c = &p->claims[i];

			if (c->used && c->first <= p->frontier && p->frontier < c->at)
				p->frontier = c->at;
		}
	} while (p->frontier != before);
	if (p->frontier == start)
		return;
	p->frontier_ms = now_ms;
	/* One piece, however many ranges it came in. */
	(void)extents_add(p->done, 0, p->frontier);
}

void stripe_plan_init(struct stripe_plan *p, uint64_t size, struct extents *done, uint64_t consumed,
	uint64_t now_ms)
{
	*p = (struct stripe_plan){.size = size,
		.done = done,
		.consumed = consumed,
		.now_ms = now_ms,
		.frontier_ms = now_ms};
	p->frontier = consumed;
	move_frontier(p, now_ms);
}

/* Bytes a second of all that take part. */
static double rate_of_all(const struct stripe_plan *p)
{
	double rate = 0;

	for (size_t i = 0; i < SOURCES_MAX; i++)
		if (p->givers[i].in)
			rate += p->givers[i].rate;
	return rate;
}

/* Bytes that did not come yet. */
static double bytes_left(const struct stripe_plan *p)
{
	double left = 0;
	struct extent gap = {.end = p->frontier};

	while (next_free(p, gap.end, &gap))
		left += (double)(gap.end - gap.first);
	for (size_t i = 0; i < STRIPE_CLAIMS_MAX; i++) {
		const struct stripe_claim *c = &p->claims[i];

		if (c->used && !c->copy)
			left += (double)(c->end - c->at);
	}
	return left;
}

/* It gives so little that it would only hold up the others. */
static bool is_laggard(const struct stripe_plan *p, size_t source)
{
	const double rate = p->givers[source].rate;

	return rate > 0 && rate < STRIPE_SHARE * rate_of_all(p) && anyone_active(p);
}

/*
 * How much this source should take: one second of it, and near the end no more than it brings in
 * time.  0: leave it to others.  The quickest always takes some, or nobody would (sources.md 3.6).
 */
static uint64_t chunk_of(const struct stripe_plan *p, size_t source)
{
	const struct stripe_giver *g = &p->givers[source];
	double chunk = g->rate * STRIPE_CHUNK_MS / MS_PER_SEC;
	double all, left, limit;

	if (!(g->rate > 0))
		return STRIPE_CHUNK_UNKNOWN;
	if (chunk < (double)STRIPE_CHUNK_MIN)
		chunk = (double)STRIPE_CHUNK_MIN;
	if (is_laggard(p, source))
		chunk = (double)STRIPE_CHUNK_MIN;
	if (chunk > (double)STRIPE_CHUNK_MAX)
		chunk = (double)STRIPE_CHUNK_MAX;
	if (!anyone_active(p))
		return (uint64_t)chunk;
	all = rate_of_all(p);
	left = bytes_left(p) / all;
	if (left > STRIPE_AHEAD * (double)STRIPE_WINDOW / all)
		left = STRIPE_AHEAD * (double)STRIPE_WINDOW / all;
	left -= (double)g->rtt_ms / MS_PER_SEC;
	limit = g->rate / STRIPE_SLOTS_EACH * left;
	if (limit >= chunk)
		return (uint64_t)chunk;
	if (limit >= (double)STRIPE_PIECE_MIN)
		return (uint64_t)limit;
	return source == best_but(p, SOURCES_MAX) ? STRIPE_CHUNK_MIN : 0;
}

static int claim(struct stripe_plan *p, size_t source, uint64_t first, uint64_t end, bool copy)
{
	for (int i = 0; i < STRIPE_CLAIMS_MAX; i++) {
		if (p->claims[i].used)
			continue;
		p->claims[i] = (struct stripe_claim){.used = true,
			.copy = copy,
			.source = source,
			.first = first,
			.at = first,
			.end = end,
			.begun_ms = p->now_ms};
		return i;
	}
	return -1;
}

/* The frontier rests: what it waits for is asked of the best other source as well. */
static int copy_stuck(struct stripe_plan *p, size_t source, uint64_t now_ms)
{
	const struct stripe_claim *stuck = NULL;

	if (now_ms < p->frontier_ms + STRIPE_STUCK_MS)
		return -1;
	for (size_t i = 0; i < STRIPE_CLAIMS_MAX; i++) {
		const struct stripe_claim *c = &p->claims[i];

		if (!c->used || c->at != p->frontier)
			continue;
		if (c->copy)
			return -1; /* it was done already */
		stuck = c;
	}
	if (!stuck || stuck->source == source || source != best_but(p, stuck->source))
		return -1;
	p->frontier_ms = now_ms;
	return claim(p, source, p->frontier, stuck->end, true);
}

/* What of a free range this source may take; 0: nothing. */
static uint64_t fit(const struct stripe_plan *p, const struct extent *gap, uint64_t chunk)
{
	const uint64_t edge = p->consumed + STRIPE_WINDOW;
	uint64_t n = gap->end - gap->first;

	/* A rest that is not worth a request of its own goes with it. */
	if (n >= chunk + STRIPE_PIECE_MIN)
		n = chunk;
	return gap->first < edge && n <= edge - gap->first ? n : 0;
}

static int take_free(struct stripe_plan *p, size_t source)
{
	const uint64_t chunk = chunk_of(p, source);
	const bool best = source == best_but(p, SOURCES_MAX);
	struct extent gap = {.end = p->frontier}, front = {.end = 0};
	uint64_t n;

	if (chunk == 0)
		return -1;
	while (next_free(p, gap.end, &gap)) {
		n = fit(p, &gap, chunk);
		if (n == 0)
			break;
		/* Others wait for the byte at the frontier: the best should bring it. */
		if (gap.first == p->frontier && !best) {
			front = gap;
			continue;
		}
		return claim(p, source, gap.first, gap.first + n, false);
	}
	n = front.end > 0 ? fit(p, &front, chunk) : 0;
	return n > 0 ? claim(p, source, front.first, front.first + n, false) : -1;
}

/* Bytes a second of one range when its source serves n of them; not known: as any other. */
static double rate_of_one(const struct stripe_plan *p, size_t source, unsigned n)
{
	const double rate = p->givers[source].rate;

	return rate > 0 ? rate / (n > 0 ? n : 1) : (double)STRIPE_CHUNK_MIN;
}

/* Seconds until a claim is done: connections of one source are not equally quick. */
static double time_of(const struct stripe_plan *p, const struct stripe_claim *c)
{
	const uint64_t age_ms = p->now_ms - c->begun_ms;
	double rate = rate_of_one(p, c->source, stripe_plan_active(p, c->source));
	/* One byte, so that even a range that never began has an end. */
	double own = (double)(c->at - c->first + 1) * MS_PER_SEC / (double)(age_ms + 1);

	if (age_ms >= STRIPE_JUDGE_MS && own < rate)
		rate = own;
	return (double)(c->end - c->at) / rate;
}

static bool is_copied(const struct stripe_plan *p, const struct stripe_claim *c)
{
	for (size_t i = 0; i < STRIPE_CLAIMS_MAX; i++)
		if (p->claims[i].used && p->claims[i].copy && p->claims[i].first < c->end &&
			c->first < p->claims[i].end)
			return true;
	return false;
}

/*
 * The tail of a range.  With equal finishing times for both the thief's share is its part of their
 * rates, less what arrives while its request is under way.
 */
static int steal_from(struct stripe_plan *p, size_t source, struct stripe_claim *victim)
{
	const double mine = rate_of_one(p, source, stripe_plan_active(p, source) + 1);
	const double setup = (double)p->givers[source].rtt_ms / MS_PER_SEC;
	const double rest = (double)(victim->end - victim->at), old = time_of(p, victim);
	const double its = rest / old;
	double share = (old - setup) * its * mine / (its + mine);
	uint64_t end = victim->end;

	if (share < (double)STRIPE_PIECE_MIN || old - share / its > STRIPE_SOONER * old)
		return -1;
	victim->end -= share < rest - 1 ? (uint64_t)share : (uint64_t)rest - 1;
	return claim(p, source, victim->end, end, false);
}

static bool may_be_robbed(const struct stripe_plan *p, const struct stripe_claim *c, size_t by)
{
	return c->used && c->source != by && c->at < c->end && !is_copied(p, c);
}

/* Of the range that would be done last. */
static int steal_tail(struct stripe_plan *p, size_t source)
{
	struct stripe_claim *victim = NULL;

	for (size_t i = 0; i < STRIPE_CLAIMS_MAX; i++) {
		struct stripe_claim *c = &p->claims[i];

		if (may_be_robbed(p, c, source) && (!victim || time_of(p, c) > time_of(p, victim)))
			victim = c;
	}
	return victim ? steal_from(p, source, victim) : -1;
}

/* One past the last byte that is there or claimed. */
static uint64_t reach_of(const struct stripe_plan *p)
{
	uint64_t reach = p->done->n > 0 ? p->done->items[p->done->n - 1].end : 0;

	for (size_t i = 0; i < STRIPE_CLAIMS_MAX; i++)
		if (p->claims[i].used && p->claims[i].end > reach)
			reach = p->claims[i].end;
	return reach;
}

/* Of the range at the frontier, when the others would run into the window's end before it is done.
 */
static int rescue_frontier(struct stripe_plan *p, size_t source)
{
	const uint64_t edge = p->consumed + STRIPE_WINDOW, reach = reach_of(p);
	const double room = edge > reach ? (double)(edge - reach) : 0;

	if (edge >= p->size)
		return -1;
	for (size_t i = 0; i < STRIPE_CLAIMS_MAX; i++) {
		struct stripe_claim *c = &p->claims[i];

		if (may_be_robbed(p, c, source) && c->at == p->frontier &&
			time_of(p, c) * rate_of_all(p) > room)
			return steal_from(p, source, c);
	}
	return -1;
}

int stripe_plan_next(struct stripe_plan *p, size_t source, uint64_t now_ms)
{
	int i;

	p->now_ms = now_ms;
	if (!p->givers[source].in || stripe_plan_active(p, source) >= STRIPE_SLOTS_EACH)
		return -1;
	if (is_laggard(p, source) && now_ms < p->givers[source].ended_ms + STRIPE_REST_MS)
		return -1;
	i = copy_stuck(p, source, now_ms);
	if (i < 0)
		i = rescue_frontier(p, source);
	if (i < 0)
		i = take_free(p, source);
	if (i < 0)
		i = steal_tail(p, source);
	return i;
}

void stripe_plan_arrived(struct stripe_plan *p, int index, uint64_t n, uint64_t now_ms)
{
	struct stripe_claim *c = &p->claims[index];

	p->now_ms = now_ms;
	c->at += least(n, c->end - c->at);
	if (c->first <= p->frontier && p->frontier < c->at)
		move_frontier(p, now_ms);
}

void stripe_plan_end(struct stripe_plan *p, int index, uint64_t now_ms)
{
	struct stripe_claim *c = &p->claims[index];

	/* Without room for one more piece its bytes count as missing, and are asked for again. */
	(void)extents_add(p->done, c->first, c->at);
	c->used = false;
	p->givers[c->source].ended_ms = now_ms;
	move_frontier(p, now_ms);
}

bool stripe_plan_is_moot(const struct stripe_plan *p, int index)
{
	const struct stripe_claim *c = &p->claims[index];

	return p->frontier >= c->end || extents_end(p->done, c->at) >= c->end;
}
