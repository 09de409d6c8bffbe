#include "sets.h"

static const struct source_trials fresh;

static void assert_near(double a, double b, double share)
{
	if (a < b * (1 - share) || a > b * (1 + share))
		fail_msg("%f is not near %f", a, b);
}

/* Seconds of mib MiB each from a source that has always enough to give. */
static uint64_t flow(struct source_set *set, size_t index, uint64_t mib, int seconds, uint64_t now)
{
	for (int i = 0; i < seconds; i++) {
		source_arrived(set, index, mib * MIB);
		now += SOURCE_TICK_MS;
		source_tick(set, now);
	}
	return now;
}

/* ---- rates in flight ---- */

static void a_rate_in_flight_replaces_the_measured_one(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(2);
	uint64_t now = NOW;

	(void)state;
	measure(set, 0, 20, 0, 10000);
	assert_near(source_rate(set, 0), 20.0 * MIB, 0.01);
	source_tick(set, now);
	source_begin(set, 0, 10000 * MIB, now);
	now = flow(set, 0, 20, 3, now);
	now = flow(set, 0, 2, 1, now);
	assert_near(source_rate(set, 0), 14.6 * MIB, 0.01); /* .7 * 20 + .3 * 2 */
	now = flow(set, 0, 2, 20, now);
	assert_near(source_rate(set, 0), 2.0 * MIB, 0.02);
	/* What nothing was seen of for long is believed as it was measured. */
	source_end(set, 0, 0, NULL, NOW_SEC);
	source_tick(set, now + 29000);
	assert_near(source_rate(set, 0), 2.0 * MIB, 0.02);
	source_tick(set, now + 31000);
	assert_near(source_rate(set, 0), 20.0 * MIB, 0.01);
}

static void slow_start_is_no_rate(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(2);
	uint64_t now = NOW;

	(void)state;
	measure(set, 0, 4, 0, 300000);
	source_tick(set, now);
	source_begin(set, 0, 1000 * MIB, now);
	now = flow(set, 0, 0, 3, now); /* 3 round trips, and 8 of growth */
	assert_near(source_rate(set, 0), 4.0 * MIB, 0.01);
	(void)flow(set, 0, 0, 3, now);
	assert_true(source_rate(set, 0) < 3.0 * MIB);
	assert_true(source_rate(set, 0) > 0);
}

static void small_blobs_are_no_rate(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(2);
	uint64_t now = NOW;

	(void)state;
	source_tick(set, now);
	for (int i = 0; i < 10; i++) {
		source_begin(set, 0, 100000, now);
		source_arrived(set, 0, 100000);
		source_end(set, 0, 0, NULL, NOW_SEC);
		source_begin(set, 0, 100000, now);
		now += SOURCE_TICK_MS;
		source_tick(set, now);
		source_end(set, 0, 100000, NULL, NOW_SEC);
	}
	assert_true(source_rate(set, 0) == 0);
	assert_false(source_rates_known(set));
}

static void what_we_hold_up_is_only_a_lower_bound(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(2);
	uint64_t now = NOW;

	(void)state;
	measure(set, 0, 20, 0, 1000);
	source_tick(set, now);
	source_begin(set, 0, 1000 * MIB, now);
	now = flow(set, 0, 20, 2, now);
	for (int i = 0; i < 5; i++) {
		source_held_up(set, 0);
		now = flow(set, 0, 1, 1, now);
	}
	assert_near(source_rate(set, 0), 20.0 * MIB, 0.01);
	source_held_up(set, 0);
	(void)flow(set, 0, 40, 1, now);
	assert_near(source_rate(set, 0), 26.0 * MIB, 0.01);
}

static void a_clock_that_jumps_changes_no_rate(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(2);
	uint64_t now = NOW;
	double before;

	(void)state;
	measure(set, 0, 20, 0, 1000);
	source_tick(set, now);
	source_begin(set, 0, 100000 * MIB, now);
	now = flow(set, 0, 20, 5, now);
	before = source_rate(set, 0);
	source_tick(set, now - 3000);
	source_tick(set, now + 20000);
	source_tick(set, now + 20001);
	assert_near(source_rate(set, 0), before, 0.01);
	/* The wall clock goes back by years: samples still count. */
	source_end(set,
		0,
		0,
		&(struct source_sample){.backend = "x", .bytes = 50 * MIB, .window_us = 1000000},
		1000);
	assert_true(source_rate(set, 0) > 0);
}

static void a_set_of_one_only_counts(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(1);

	(void)state;
	measure(set, 0, 20, 1000, 1000);
	assert_true(source_rate(set, 0) == 0);
	source_begin(set, 0, 100 * MIB, NOW);
	source_tick(set, NOW);
	(void)flow(set, 0, 20, 5, NOW);
	assert_true(source_rate(set, 0) == 0);
	source_end(set, 0, 0, NULL, NOW_SEC);
	assert_true(source_is_idle(set, 0));
}

/* ---- samples ---- */

static void transfers_beside_each_other_share_one_rate(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(2);
	uint64_t now = NOW;

	(void)state;
	measure(set, 0, 20, 0, 1000);
	source_tick(set, now);
	source_begin(set, 0, 1000 * MIB, now);
	source_begin(set, 0, 1000 * MIB, now);
	now = flow(set, 0, 20, 10, now);
	/* One of two saw half of what the source gives. */
	for (int i = 0; i < 20; i++)
		source_end(set,
			0,
			0,
			&(struct source_sample){.backend = "https://x:443",
				.bytes = 50 * MIB,
				.window_us = 5000000},
			NOW_SEC);
	source_tick(set, now + 31000);
	assert_near(source_rate(set, 0), 20.0 * MIB, 0.01);
}

static void a_sample_that_we_held_up_never_lowers_a_rate(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(2);
	struct source_sample sample = {
		.backend = "x", .bytes = 10 * MIB, .window_us = 10000000, .held_up = true};

	(void)state;
	source_begin(set, 0, 1, NOW);
	source_end(set, 0, 0, &sample, NOW_SEC);
	assert_true(source_rate(set, 0) == 0);
	measure(set, 0, 20, 0, 1000);
	source_end(set, 0, 0, &sample, NOW_SEC);
	assert_near(source_rate(set, 0), 20.0 * MIB, 0.01);
}

static void more_ends_than_beginnings_do_no_harm(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(2);

	(void)state;
	source_begin(set, 0, 10, NOW);
	source_arrived(set, 0, 1000);
	source_end(set, 0, 5, NULL, NOW_SEC);
	source_end(set, 0, 5, NULL, NOW_SEC);
	source_answered(set, 0, NULL, NOW_SEC);
	assert_true(source_is_idle(set, 0));
	assert_true(source_choose(set,
			    &fresh,
			    &(struct source_want){.bytes = 1},
			    NOW,
			    &(size_t){0},
			    &(uint64_t){0}) == SOURCE_ASK);
}

static void a_source_has_only_so_many_backends(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(2);
	char name[] = "https://backend-00:443";

	(void)state;
	measure(set, 1, 1, 0, 0);
	for (int i = 0; i < 100; i++) {
		name[16] = (char)('0' + i / 10);
		name[17] = (char)('0' + i % 10);
		source_end(set,
			0,
			0,
			&(struct source_sample){.backend = name,
				.bytes = (uint64_t)(i + 1) * MIB,
				.window_us = 1000000},
			NOW_SEC + i);
	}
	/* The newest answers now. */
	assert_near(source_rate(set, 0), 100.0 * MIB, 0.01);
}

/* ---- places ---- */

static bool has_place(struct source_set *set)
{
	struct source_trials t = fresh;

	t.each[1].excluded = true;
	return asked(set, &t, 1, NOW) == 0;
}

static unsigned places(struct source_set *set)
{
	unsigned n = 0;

	while (has_place(set)) {
		source_begin(set, 0, 100000 * MIB, NOW);
		n++;
		assert_true(n < 100);
	}
	return n;
}

static void a_source_that_gives_more_gets_more_places(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(2);
	uint64_t now = NOW, rate = 10;
	unsigned n;

	(void)state;
	source_tick(set, now);
	n = places(set);
	assert_int_equal(n, 2);
	for (int i = 0; i < 20; i++) {
		now = flow(set, 0, rate, 1, now);
		n += places(set);
		rate += 2;
	}
	assert_int_equal(n, 6);
}

static void a_source_that_gives_no_more_keeps_its_places(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(2);
	uint64_t now = NOW;
	unsigned n;

	(void)state;
	source_tick(set, now);
	n = places(set);
	for (int i = 0; i < 20; i++) {
		now = flow(set, 0, 10, 1, now);
		n += places(set);
	}
	/* One was tried, and won nothing. */
	assert_in_range(n, 2, 3);
}

static void a_source_that_gives_less_and_less_loses_places(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(2);
	uint64_t now = NOW, rate = 60;

	(void)state;
	source_tick(set, now);
	assert_int_equal(places(set), 2);
	for (int i = 0; i < 20; i++) {
		now = flow(set, 0, rate, 1, now);
		(void)places(set);
		rate = rate * 9 / 10;
	}
	for (int i = 0; i < 6; i++)
		source_end(set, 0, 0, NULL, NOW_SEC);
	assert_int_equal(places(set), 1);
}

static void a_queue_at_the_source_costs_a_place(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(2);
	const struct source_sample idle = {.backend = "x", .latency_us = 50000};
	const struct source_sample loaded = {.backend = "x", .latency_us = 400000};
	uint64_t now = NOW;

	(void)state;
	source_answered(set, 0, &idle, NOW_SEC);
	source_tick(set, now);
	assert_int_equal(places(set), 2);
	source_answered(set, 0, &loaded, NOW_SEC);
	now = flow(set, 0, 10, 5, now);
	source_end(set, 0, 0, NULL, NOW_SEC);
	assert_false(has_place(set));
	source_end(set, 0, 0, NULL, NOW_SEC);
	assert_true(has_place(set));
}

/* ---- moves ---- */

static void a_blob_moves_when_it_is_done_much_sooner_elsewhere(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(2);
	size_t to = NONE;

	(void)state;
	measure(set, 0, 20, 0, 1000);
	measure(set, 1, 10, 0, 100000);
	source_begin(set, 0, 100 * MIB, NOW);
	/* 10 s there, with 0.3 s to begin: 21.6 s and more are worth a move. */
	assert_true(source_better(set, &fresh, 0, 100 * MIB, 4.5 * MIB, 3000, NOW, &to));
	assert_int_equal(to, 1);
	assert_true(source_better(set, &fresh, 0, 100 * MIB, 0, 3000, NOW, &to));
	assert_false(source_better(set, &fresh, 0, 100 * MIB, 4.8 * MIB, 3000, NOW, &to));
	assert_false(source_better(set, &fresh, 0, 100 * MIB, 0, 2000, NOW, &to)); /* too young */
	assert_false(source_better(set, &fresh, 0, 2 * MIB, 0, 3000, NOW, &to));   /* too short */
}

static void a_blob_does_not_move_to_who_cannot_take_it(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(2);
	struct source_trials t = fresh;
	size_t to = NONE;

	(void)state;
	measure(set, 0, 1, 0, 1000);
	measure(set, 1, 50, 0, 1000);
	assert_true(source_better(set, &t, 0, 100 * MIB, 1.0 * MIB, 3000, NOW, &to));
	t.each[1].excluded = true;
	assert_false(source_better(set, &t, 0, 100 * MIB, 1.0 * MIB, 3000, NOW, &to));
	t = fresh;
	set->items[1].parked_until_ms = NOW + 1;
	assert_false(source_better(set, &t, 0, 100 * MIB, 1.0 * MIB, 3000, NOW, &to));
	set->items[1].parked_until_ms = 0;
	source_begin(set, 1, 1, NOW);
	assert_true(source_better(set, &t, 0, 100 * MIB, 1.0 * MIB, 3000, NOW, &to));
	source_begin(set, 1, 1, NOW);
	assert_false(source_better(set, &t, 0, 100 * MIB, 1.0 * MIB, 3000, NOW, &to));
	t.authority_only = true;
	source_end(set, 1, 1, NULL, NOW_SEC);
	assert_false(source_better(set, &t, 0, 100 * MIB, 1.0 * MIB, 3000, NOW, &to));
}

/* ---- stripes ---- */

static void a_large_blob_is_shared_by_those_that_count(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(4);
	size_t who[SOURCES_MAX];

	(void)state;
	measure(set, 0, 18, 0, 37000);
	measure(set, 1, 12, 0, 65000);
	measure(set, 2, 20, 0, 31000);
	measure(set, 3, 4, 0, 295000);
	assert_int_equal(source_stripe(set, &fresh, 256 * MIB, NOW, who), 3);
	assert_int_equal(who[0], 2);
	assert_int_equal(who[1], 0);
	assert_int_equal(who[2], 1);
	/* The best one has it in 3.2 s. */
	assert_int_equal(source_stripe(set, &fresh, 64 * MIB, NOW, who), 0);
	assert_int_equal(source_stripe(set, &fresh, 63 * MIB, NOW, who), 0);
	set->stripe_from = UINT64_MAX;
	assert_int_equal(source_stripe(set, &fresh, 256 * MIB, NOW, who), 0);
}

static void a_struck_or_parked_source_shares_in_no_stripe(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(3);
	struct digest digest = {.algo = DIGEST_SHA256};
	struct source_trials t = fresh;
	size_t who[SOURCES_MAX];

	(void)state;
	for (size_t i = 0; i < 3; i++)
		measure(set, i, 10 + i, 0, 1000);
	assert_int_equal(source_stripe(set, &t, 256 * MIB, NOW, who), 3);
	source_struck(set, 0, &digest, "wrong", NOW_SEC);
	assert_int_equal(source_stripe(set, &t, 256 * MIB, NOW, who), 2);
	assert_int_equal(who[0], 2);
	set->items[1].parked_until_ms = NOW + 1000;
	assert_int_equal(source_stripe(set, &t, 256 * MIB, NOW, who), 0);
	set->items[1].parked_until_ms = 0;
	t.each[1].excluded = true;
	assert_int_equal(source_stripe(set, &t, 256 * MIB, NOW, who), 0);
	t = (struct source_trials){.authority_only = true};
	assert_int_equal(source_stripe(set, &t, 256 * MIB, NOW, who), 0);
	/* A day later it is trusted again. */
	measure(set, 1, 11, 0, 1000);
	source_end(set, 1, 0, &(struct source_sample){.rtt_us = 1}, NOW_SEC + 86400);
	assert_int_equal(source_stripe(set, &fresh, 256 * MIB, NOW, who), 3);
}

/* ---- hedges, patience ---- */

static void a_second_question_waits_for_nearly_all_answers_of_the_first(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(2);
	size_t second = NONE;
	uint64_t delay = 0;

	(void)state;
	assert_true(source_hedge(set, &fresh, 0, NOW, &second, &delay));
	assert_int_equal(second, 1);
	assert_int_equal(delay, 2000); /* nothing is known of it */
	measure(set, 0, 1, 300000, 1000);
	assert_true(source_hedge(set, &fresh, 0, NOW, &second, &delay));
	assert_in_range(delay, 250, 360);
	measure(set, 1, 1, 1000, 1000);
	assert_true(source_hedge(set, &fresh, 1, NOW, &second, &delay));
	assert_int_equal(second, 0);
	assert_int_equal(delay, 50);
}

static void second_questions_are_one_in_twenty(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(2);
	unsigned n = 0;

	(void)state;
	for (int i = 0; i < 400; i++) {
		size_t second;
		uint64_t delay;

		source_asked(set, 0);
		if (source_hedge(set, &fresh, 0, NOW, &second, &delay)) {
			source_hedged(set);
			n++;
		}
		source_answered(set, 0, NULL, NOW_SEC);
	}
	assert_in_range(n, 20, 21);
}

static void patience_follows_the_round_trip_while_others_are_left(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(2);
	AUTO(source_set_freep) struct source_set *ordered = set_of(2);
	struct source_trials t = fresh;
	struct source_patience p = source_patience(set, &t, 0, NOW);

	(void)state;
	assert_int_equal(p.connect_ms, 5000);
	assert_int_equal(p.first_byte_ms, 10000);
	assert_int_equal(p.stall_ms, 5000);
	measure(set, 0, 1, 0, 1000000);
	p = source_patience(set, &t, 0, NOW);
	assert_int_equal(p.connect_ms, 3000);
	assert_int_equal(p.stall_ms, 20000);
	measure(set, 1, 1, 0, 10);
	assert_int_equal(source_patience(set, &t, 1, NOW).connect_ms, 2000);
	t.each[1].excluded = true;
	assert_int_equal(source_patience(set, &t, 0, NOW).connect_ms, 0);
	assert_int_equal(source_patience(ordered, &fresh, 0, NOW).stall_ms, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rate_in_flight_replaces_the_measured_one),
		cmocka_unit_test(slow_start_is_no_rate),
		cmocka_unit_test(small_blobs_are_no_rate),
		cmocka_unit_test(what_we_hold_up_is_only_a_lower_bound),
		cmocka_unit_test(a_clock_that_jumps_changes_no_rate),
		cmocka_unit_test(a_set_of_one_only_counts),
		cmocka_unit_test(transfers_beside_each_other_share_one_rate),
		cmocka_unit_test(a_sample_that_we_held_up_never_lowers_a_rate),
		cmocka_unit_test(more_ends_than_beginnings_do_no_harm),
		cmocka_unit_test(a_source_has_only_so_many_backends),
		cmocka_unit_test(a_source_that_gives_more_gets_more_places),
		cmocka_unit_test(a_source_that_gives_no_more_keeps_its_places),
		cmocka_unit_test(a_source_that_gives_less_and_less_loses_places),
		cmocka_unit_test(a_queue_at_the_source_costs_a_place),
		cmocka_unit_test(a_blob_moves_when_it_is_done_much_sooner_elsewhere),
		cmocka_unit_test(a_blob_does_not_move_to_who_cannot_take_it),
		cmocka_unit_test(a_large_blob_is_shared_by_those_that_count),
		cmocka_unit_test(a_struck_or_parked_source_shares_in_no_stripe),
		cmocka_unit_test(a_second_question_waits_for_nearly_all_answers_of_the_first),
		cmocka_unit_test(second_questions_are_one_in_twenty),
		cmocka_unit_test(patience_follows_the_round_trip_while_others_are_left),
	};

	return cmocka_run_group_tests_name("source/load", tests, NULL, NULL);
}
