#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "transfer/stripe_plan.h"
#include "util/clock.h"
#include "util/mem.h"

#define MIB       (1024.0 * 1024)
#define MIB_BYTES (1024ULL * 1024)

/* ---- single decisions ---- */

struct scene {
	struct extents done;
	struct stripe_plan plan;
};

static int setup(void **state)
{
	*state = xcalloc(1, sizeof(struct scene));
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static void begin(struct scene *s, uint64_t size)
{
	stripe_plan_init(&s->plan, size, &s->done, 0, 0);
}

static void join(struct scene *s, size_t source, double mib_per_sec)
{
	s->plan.givers[source] = (struct stripe_giver){.in = true, .rate = mib_per_sec * MIB};
}

static const struct stripe_claim *next(struct scene *s, size_t source, uint64_t now_ms)
{
	int i = stripe_plan_next(&s->plan, source, now_ms);

	assert_true(i >= 0);
	return &s->plan.claims[i];
}

static void nothing_for(struct scene *s, size_t source, uint64_t now_ms)
{
	assert_int_equal(stripe_plan_next(&s->plan, source, now_ms), -1);
}

static int index_of(const struct scene *s, const struct stripe_claim *c)
{
	return (int)(c - s->plan.claims);
}

static void finish(struct scene *s, const struct stripe_claim *c, uint64_t now_ms)
{
	stripe_plan_arrived(&s->plan, index_of(s, c), c->end - c->at, now_ms);
	stripe_plan_end(&s->plan, index_of(s, c), now_ms);
}

static void ranges_are_one_second_of_their_source_from_the_front(void **state)
{
	struct scene *s = *state;
	const struct stripe_claim *c;

	begin(s, 256 * MIB_BYTES);
	join(s, 0, 20);
	join(s, 1, 4);
	join(s, 3, 0);
	c = next(s, 0, 0);
	assert_int_equal(c->first, 0);
	assert_int_equal(c->end, STRIPE_CHUNK_MAX);
	c = next(s, 1, 0);
	assert_int_equal(c->first, STRIPE_CHUNK_MAX);
	assert_int_equal(c->end - c->first, 4 * MIB_BYTES);
	c = next(s, 3, 0);
	assert_int_equal(c->end - c->first, STRIPE_CHUNK_UNKNOWN);
	(void)next(s, 0, 0);
	nothing_for(s, 0, 0); /* two at once */
	s->plan.givers[0].in = s->plan.givers[1].in = false;
	join(s, 2, 0.8);
	c = next(s, 2, 0);
	assert_int_equal(c->end - c->first, STRIPE_CHUNK_MIN);
}

static void nothing_is_asked_beyond_the_window(void **state)
{
	struct scene *s = *state;
	const struct stripe_claim *slow;
	int i;

	begin(s, 1024 * MIB_BYTES);
	join(s, 0, 8);
	join(s, 1, 8);
	slow = next(s, 0, 0); /* the frontier, and it rests */
	while ((i = stripe_plan_next(&s->plan, 1, 0)) >= 0) {
		assert_true(s->plan.claims[i].end <= STRIPE_WINDOW);
		finish(s, &s->plan.claims[i], 0);
	}
	assert_int_equal(s->plan.frontier, 0);
	finish(s, slow, 0);
	assert_int_equal(s->plan.frontier, STRIPE_WINDOW);
	nothing_for(s, 1, 0);
	s->plan.consumed = 8 * MIB_BYTES;
	assert_int_equal(next(s, 1, 0)->first, STRIPE_WINDOW);
}

static void a_range_that_would_hold_up_the_others_is_shortened(void **state)
{
	struct scene *s = *state;
	const struct stripe_claim *slow, *c;

	begin(s, 1024 * MIB_BYTES);
	s->plan.givers[0].in = true; /* not known yet: 4 MiB */
	slow = next(s, 0, 0);
	join(s, 0, 0.2);
	join(s, 1, 20);
	/* 40 seconds for it: the others would be through with the window in 6. */
	c = next(s, 1, 0);
	assert_true(c->first > 0 && c->end == 4 * MIB_BYTES);
	assert_int_equal(slow->end, c->first);
}

static void a_source_that_gives_next_to_nothing_rests(void **state)
{
	struct scene *s = *state;
	const struct stripe_claim *c;

	begin(s, 1024 * MIB_BYTES);
	join(s, 0, 20);
	join(s, 1, 3);
	(void)next(s, 0, 0);
	finish(s, next(s, 1, 0), 1000);
	s->plan.givers[1].rate = MIB;
	nothing_for(s, 1, 1000);
	nothing_for(s, 1, 1000 + STRIPE_REST_MS - 1);
	stripe_plan_arrived(&s->plan, 0, 7 * MIB_BYTES, 1000 + STRIPE_REST_MS);
	/* It may be quicker now. */
	c = next(s, 1, 1000 + STRIPE_REST_MS);
	assert_int_equal(c->end - c->first, STRIPE_CHUNK_MIN);
	/* Better than nobody. */
	finish(s, c, 4000);
	finish(s, &s->plan.claims[0], 4000);
	(void)next(s, 1, 4000);
}

static void what_failed_at_the_frontier_goes_to_the_best(void **state)
{
	struct scene *s = *state;
	const struct stripe_claim *a, *c;

	begin(s, 256 * MIB_BYTES);
	join(s, 0, 8);
	join(s, 1, 20);
	a = next(s, 0, 0);
	assert_int_equal(a->first, 0);
	(void)next(s, 1, 0);
	stripe_plan_arrived(&s->plan, index_of(s, a), MIB_BYTES, 0);
	stripe_plan_end(&s->plan, index_of(s, a), 0);
	assert_int_equal(s->plan.frontier, MIB_BYTES);
	c = next(s, 0, 0);
	assert_int_equal(c->first, 16 * MIB_BYTES); /* not the hole */
	c = next(s, 1, 0);
	assert_int_equal(c->first, MIB_BYTES);
	assert_int_equal(c->end, 8 * MIB_BYTES);
}

static void a_frontier_that_rests_is_asked_of_the_best_too(void **state)
{
	struct scene *s = *state;
	const struct stripe_claim *slow, *c;

	begin(s, 256 * MIB_BYTES);
	join(s, 0, 8);
	join(s, 1, 20);
	join(s, 2, 10);
	slow = next(s, 0, 0);
	stripe_plan_arrived(&s->plan, index_of(s, slow), 1000, 500);
	assert_true(next(s, 1, 500 + STRIPE_STUCK_MS - 1)->first > 0);
	assert_true(next(s, 2, 500 + STRIPE_STUCK_MS)->first > 0); /* it is not the best */
	c = next(s, 1, 500 + STRIPE_STUCK_MS);
	assert_true(c->copy);
	assert_int_equal(c->first, 1000);
	assert_int_equal(c->end, slow->end);
	assert_false(stripe_plan_is_moot(&s->plan, index_of(s, slow)));
	finish(s, c, 3000);
	assert_true(stripe_plan_is_moot(&s->plan, index_of(s, slow)));
	assert_int_equal(s->plan.frontier, slow->end);
}

static void an_idle_place_takes_its_share_of_the_longest_rest(void **state)
{
	struct scene *s = *state;
	const struct stripe_claim *slow, *c;

	begin(s, 5 * MIB_BYTES);
	s->plan.givers[0] = (struct stripe_giver){.in = true};
	slow = next(s, 0, 0);
	join(s, 0, 1);
	finish(s, next(s, 0, 0), 0);
	assert_int_equal(slow->end, 4 * MIB_BYTES);
	join(s, 1, 3);
	c = next(s, 1, 0);
	assert_int_equal(c->first, slow->end);
	assert_int_equal(c->end, 4 * MIB_BYTES);
	assert_int_equal(c->end - c->first, 3 * MIB_BYTES); /* 3 of 1 + 3 */
	/* What is left of it is not worth a request. */
	stripe_plan_arrived(&s->plan, index_of(s, slow), MIB_BYTES / 2, 0);
	nothing_for(s, 1, 0);
}

static void a_range_is_judged_by_what_came_of_it(void **state)
{
	struct scene *s = *state;
	const struct stripe_claim *slow, *c;

	begin(s, 8 * MIB_BYTES);
	join(s, 0, 20);
	join(s, 1, 20);
	s->plan.givers[1].in = false;
	slow = next(s, 0, 0);
	s->plan.givers[1].in = true;
	stripe_plan_arrived(&s->plan, index_of(s, slow), MIB_BYTES / 4, STRIPE_JUDGE_MS);
	/* Half a MiB a second, whatever the source does otherwise: a fortieth stays. */
	c = next(s, 1, STRIPE_JUDGE_MS);
	assert_int_equal(slow->end, c->first);
	assert_int_equal(c->end, 8 * MIB_BYTES);
	assert_true(c->first < MIB_BYTES / 2);
}

static void a_slow_source_takes_no_more_than_it_brings_in_time(void **state)
{
	struct scene *s = *state;
	const struct stripe_claim *c;

	begin(s, 20 * MIB_BYTES);
	join(s, 0, 17);
	join(s, 1, 3);
	c = next(s, 0, 0);
	assert_int_equal(c->end, 8 * MIB_BYTES);
	/* One second is left: half of its rate, in one of two ranges. */
	c = next(s, 1, 0);
	assert_int_equal(c->end - c->first, MIB_BYTES + MIB_BYTES / 2);
	(void)next(s, 0, 0);
	/* A fifth of a second is left: nothing from the slow one. */
	finish(s, &s->plan.claims[0], 0);
	finish(s, &s->plan.claims[2], 0);
	nothing_for(s, 1, 0);
	/* The quickest may always. */
	(void)next(s, 0, 0);
}

static void whoever_is_alone_takes_the_rest(void **state)
{
	struct scene *s = *state;
	const struct stripe_claim *c;

	begin(s, MIB_BYTES / 4);
	join(s, 0, 20);
	join(s, 1, 0.01);
	s->plan.givers[0].in = false;
	c = next(s, 1, 0);
	assert_int_equal(c->end, MIB_BYTES / 4);
	nothing_for(s, 0, 0);
}

/* ---- chance ---- */

#define RANDOM_ROUNDS 300
#define RANDOM_SIZE   (40 * MIB_BYTES)
#define RANDOM_STEPS  20000 /* a plan that takes more does not end */

static uint64_t claimed_twice(const struct stripe_plan *p)
{
	uint64_t n = 0;

	for (size_t i = 0; i < STRIPE_CLAIMS_MAX; i++)
		for (size_t k = 0; k < i; k++) {
			const struct stripe_claim *a = &p->claims[i], *b = &p->claims[k];

			n += a->used && b->used && !a->copy && !b->copy && a->first < b->end &&
			     b->first < a->end;
		}
	return n;
}

/* One claim gets some bytes, all of them, or breaks off. */
static void anything_happens(struct scene *s, struct extents *got, uint64_t now_ms)
{
	struct stripe_plan *p = &s->plan;
	int i = (int)random_below(STRIPE_CLAIMS_MAX);
	struct stripe_claim *c = &p->claims[i];
	uint64_t n;

	if (!c->used)
		return;
	n = random_below(2) ? c->end - c->at : random_below(c->end - c->at + 1);
	assert_true(extents_add(got, c->at, c->at + n));
	stripe_plan_arrived(p, i, n, now_ms);
	if (c->at == c->end || stripe_plan_is_moot(p, i) || random_below(4) == 0)
		stripe_plan_end(p, i, now_ms);
}

static void one_random_stripe(struct scene *s, size_t n_sources)
{
	static struct extents got;
	struct stripe_plan *p = &s->plan;
	unsigned steps = 0;

	*s = (struct scene){.plan.size = 0};
	got.n = 0;
	/* Parts of it are there from before. */
	for (unsigned i = 0; i < 5; i++) {
		uint64_t first = random_below(RANDOM_SIZE);
		uint64_t end = first + random_below(RANDOM_SIZE - first) / 8;

		assert_true(extents_add(&s->done, first, end));
		assert_true(extents_add(&got, first, end));
	}
	begin(s, RANDOM_SIZE);
	while (p->frontier < p->size) {
		size_t source = (size_t)random_below(n_sources);
		uint64_t now_ms = 10ULL * steps;
		int i;

		assert_true(steps++ < RANDOM_STEPS);
		p->givers[source] = (struct stripe_giver){.in = random_below(8) > 0,
			.rate = (double)random_below(20) * MIB,
			.rtt_ms = random_below(300)};
		i = stripe_plan_next(p, source, now_ms);
		if (i >= 0) {
			assert_true(p->claims[i].first < p->claims[i].end);
			assert_true(p->claims[i].end <= p->size);
			assert_true(p->claims[i].end <= p->consumed + STRIPE_WINDOW);
		}
		assert_int_equal(claimed_twice(p), 0);
		anything_happens(s, &got, now_ms);
		/* Whoever reads finds what the frontier promises. */
		assert_true(p->frontier == 0 || extents_end(&got, 0) >= p->frontier);
		assert_true(extents_end(&s->done, 0) >= p->frontier || p->frontier == 0);
		p->consumed = p->frontier - random_below(p->frontier - p->consumed + 1);
	}
	assert_int_equal(extents_end(&got, 0), RANDOM_SIZE);
}

static void whatever_happens_every_byte_comes(void **state)
{
	struct scene *s = *state;

	for (unsigned i = 0; i < RANDOM_ROUNDS; i++)
		one_random_stripe(s, 1 + i % 5);
}

/* ---- virtual time: the sources of sources.md 7 ---- */

#define SIM_SOURCES  4
#define SIM_LIMIT_MS 120000
#define SIM_FLIGHT   14480.0 /* bytes of a new connection's first round trip (sources.md 2.2) */

struct sim_source {
	double rate; /* MiB/s */
	uint64_t rtt_ms;
};

/* 203, 117, 98 and 892 ms to the first byte of a cold TLS connection are three round trips each. */
static const struct sim_source sim_b = {12.4, 65}, sim_a = {18.6, 37}, sim_c = {20.1, 31},
			       sim_origin = {4.2, 295};

struct sim_slot {
	int claim;          /* -1: idle */
	uint64_t asked_end; /* of the claim when it was made */
	uint64_t first_byte_ms;
	bool warm;
	double flight; /* bytes that may be under way: TCP's slow start */
};

struct sim {
	struct scene scene;
	struct sim_source source[SIM_SOURCES];
	size_t n;
	struct sim_slot slot[SIM_SOURCES][STRIPE_SLOTS_EACH];
	double arrived[SIM_SOURCES], carry[SIM_SOURCES][STRIPE_SLOTS_EACH];
	bool knows; /* rates from before */
	uint64_t now_ms;
	uint64_t most_ahead; /* bytes */
};

static void sim_ask(struct sim *m)
{
	struct stripe_plan *p = &m->scene.plan;

	for (size_t i = 0; i < m->n; i++)
		for (size_t k = 0; k < STRIPE_SLOTS_EACH; k++) {
			struct sim_slot *slot = &m->slot[i][k];

			if (slot->claim >= 0)
				continue;
			slot->claim = stripe_plan_next(p, i, m->now_ms);
			if (slot->claim < 0)
				continue;
			slot->asked_end = p->claims[slot->claim].end;
			/* A new connection: TCP, TLS, slow start. */
			if (!slot->warm)
				slot->flight = SIM_FLIGHT;
			slot->first_byte_ms =
				m->now_ms + m->source[i].rtt_ms * (slot->warm ? 1 : 3);
			slot->warm = true;
		}
}

static unsigned sim_receiving(const struct sim *m, size_t i)
{
	unsigned n = 0;

	for (size_t k = 0; k < STRIPE_SLOTS_EACH; k++)
		n += m->slot[i][k].claim >= 0 && m->now_ms >= m->slot[i][k].first_byte_ms;
	return n;
}

/* One millisecond of one range. */
static void sim_receive(struct sim *m, size_t i, size_t k, unsigned sharing)
{
	struct stripe_plan *p = &m->scene.plan;
	struct sim_slot *slot = &m->slot[i][k];
	struct stripe_claim *c = &p->claims[slot->claim];
	const double rtt_ms = (double)m->source[i].rtt_ms;
	double bytes = m->source[i].rate * MIB / 1000 / sharing;
	uint64_t n;

	if (bytes > slot->flight / rtt_ms)
		bytes = slot->flight / rtt_ms;
	slot->flight += slot->flight * log(2) / rtt_ms;
	bytes += m->carry[i][k];
	n = (uint64_t)bytes;

	m->carry[i][k] = bytes - (double)n;
	if (n > c->end - c->at)
		n = c->end - c->at;
	m->arrived[i] += (double)n;
	stripe_plan_arrived(p, slot->claim, n, m->now_ms);
	if (c->at - p->consumed > m->most_ahead)
		m->most_ahead = c->at - p->consumed;
	if (!stripe_plan_is_moot(p, slot->claim))
		return;
	/* A range that is cut short ends its connection. */
	slot->warm = c->at == slot->asked_end;
	stripe_plan_end(p, slot->claim, m->now_ms);
	slot->claim = -1;
}

static void sim_second(struct sim *m)
{
	for (size_t i = 0; i < m->n; i++) {
		struct stripe_giver *g = &m->scene.plan.givers[i];

		g->rate = g->rate > 0 ? .7 * g->rate + .3 * m->arrived[i] : m->arrived[i];
		g->rtt_ms = m->source[i].rtt_ms;
		m->arrived[i] = 0;
	}
}

/* Seconds for so many MiB. */
static double simulate(struct sim *m, uint64_t mib, bool knows)
{
	struct stripe_plan *p = &m->scene.plan;

	begin(&m->scene, mib * MIB_BYTES);
	for (size_t i = 0; i < m->n; i++) {
		join(&m->scene, i, knows ? m->source[i].rate : 0);
		for (size_t k = 0; k < STRIPE_SLOTS_EACH; k++)
			m->slot[i][k] = (struct sim_slot){.claim = -1};
	}
	for (; p->frontier < p->size; m->now_ms++) {
		assert_true(m->now_ms < SIM_LIMIT_MS);
		if (m->now_ms > 0 && m->now_ms % 1000 == 0)
			sim_second(m);
		sim_ask(m);
		for (size_t i = 0; i < m->n; i++) {
			unsigned sharing = sim_receiving(m, i);

			for (size_t k = 0; k < STRIPE_SLOTS_EACH; k++)
				if (m->slot[i][k].claim >= 0 &&
					m->now_ms >= m->slot[i][k].first_byte_ms)
					sim_receive(m, i, k, sharing);
		}
		p->consumed = p->frontier;
	}
	return (double)m->now_ms / 1000;
}

static double run(uint64_t mib, bool knows, bool with_origin)
{
	AUTO_FREE struct sim *m = xcalloc(1, sizeof(*m));
	double sec;

	m->source[m->n++] = sim_c;
	m->source[m->n++] = sim_a;
	m->source[m->n++] = sim_b;
	if (with_origin)
		m->source[m->n++] = sim_origin;
	sec = simulate(m, mib, knows);
	print_message("  %llu MiB, %s, %s: %.2f s = %.1f MiB/s, at most %.0f MiB ahead\n",
		(unsigned long long)mib,
		knows ? "rates known" : "rates unknown",
		with_origin ? "with the slow origin" : "three sources",
		sec,
		(double)mib / sec,
		(double)m->most_ahead / MIB);
	assert_true(m->most_ahead <= STRIPE_WINDOW);
	return sec;
}

static void three_sources_give_44_mib_a_second(void **state)
{
	(void)state;
	assert_true(256 / run(256, true, false) >= 44);
	assert_true(256 / run(256, false, false) >= 44);
}

static void a_slow_source_more_costs_at_most_5_percent(void **state)
{
	(void)state;
	assert_true(run(256, true, true) <= 1.05 * run(256, true, false));
	assert_true(run(256, false, true) <= 1.05 * run(256, false, false));
}

static void a_small_blob_is_never_slower_than_from_the_best(void **state)
{
	const double alone = 64 / sim_c.rate + 3 * (double)sim_c.rtt_ms / 1000;

	(void)state;
	assert_true(run(64, true, false) < alone);
	assert_true(run(64, false, false) < alone);
	assert_true(run(64, true, true) < alone);
	assert_true(run(64, false, true) < alone);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define PLAN_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		PLAN_TEST(ranges_are_one_second_of_their_source_from_the_front),
		PLAN_TEST(nothing_is_asked_beyond_the_window),
		PLAN_TEST(a_range_that_would_hold_up_the_others_is_shortened),
		PLAN_TEST(a_source_that_gives_next_to_nothing_rests),
		PLAN_TEST(what_failed_at_the_frontier_goes_to_the_best),
		PLAN_TEST(a_frontier_that_rests_is_asked_of_the_best_too),
		PLAN_TEST(an_idle_place_takes_its_share_of_the_longest_rest),
		PLAN_TEST(a_range_is_judged_by_what_came_of_it),
		PLAN_TEST(a_slow_source_takes_no_more_than_it_brings_in_time),
		PLAN_TEST(whoever_is_alone_takes_the_rest),
		PLAN_TEST(whatever_happens_every_byte_comes),
		cmocka_unit_test(three_sources_give_44_mib_a_second),
		cmocka_unit_test(a_slow_source_more_costs_at_most_5_percent),
		cmocka_unit_test(a_small_blob_is_never_slower_than_from_the_best),
	};

	return cmocka_run_group_tests_name("transfer/stripe_plan", tests, NULL, NULL);
}
