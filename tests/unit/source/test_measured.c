#include "sets.h"

static const struct source_trials fresh;

static void the_one_that_is_done_first_is_asked(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(3);

	(void)state;
	measure(set, 0, 4, 0, 1000);
	measure(set, 1, 20, 0, 1000);
	measure(set, 2, 10, 0, 1000);
	assert_int_equal(asked(set, &fresh, 100, NOW), 1);
}

static void what_it_has_to_give_already_counts(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(2);

	(void)state;
	measure(set, 0, 20, 0, 1000);
	measure(set, 1, 10, 0, 1000);
	assert_int_equal(asked(set, &fresh, 10, NOW), 0);
	source_begin(set, 0, 100 * MIB, NOW);
	assert_int_equal(asked(set, &fresh, 10, NOW), 1);
	source_arrived(set, 0, 95 * MIB);
	assert_int_equal(asked(set, &fresh, 10, NOW), 0);
}

static void those_that_are_as_good_share_the_load(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(4);
	unsigned seen[4] = {0};

	(void)state;
	measure(set, 0, 100, 0, 1000);
	measure(set, 1, 95, 0, 1000);
	measure(set, 2, 104, 0, 1000);
	measure(set, 3, 50, 0, 1000);
	for (int i = 0; i < 200; i++) {
		size_t index = asked(set, &fresh, 1000, NOW);

		assert_in_range(index, 0, 3);
		seen[index]++;
		source_begin(set, index, 0, NOW);
		source_end(set, index, 0, NULL, NOW_SEC);
	}
	for (int i = 0; i < 3; i++)
		assert_in_range(seen[i], 40, 100);
	assert_int_equal(seen[3], 0);
}

static void asking_twice_gives_the_same_answer(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(4);
	size_t first = asked(set, &fresh, 10, NOW);

	(void)state;
	for (int i = 0; i < 50; i++)
		assert_int_equal(asked(set, &fresh, 10, NOW), first);
}

static void sources_of_which_nothing_is_known_all_get_something(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(4);
	unsigned seen = 0;

	(void)state;
	for (int i = 0; i < 4; i++) {
		size_t index = asked(set, &fresh, 10, NOW);

		assert_true(index != NONE);
		seen |= 1u << index;
		source_begin(set, index, 10 * MIB, NOW);
	}
	assert_int_equal(seen, 15);
}

static void a_new_source_counts_as_the_median_of_the_known(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(4);

	(void)state;
	measure(set, 0, 5, 0, 33000);
	measure(set, 1, 20, 0, 33000);
	measure(set, 2, 10, 0, 33000);
	assert_int_equal(asked(set, &fresh, 100, NOW), 1);
	source_begin(set, 1, 150 * MIB, NOW);
	/* 12.5 s at s1; the two of 10 MiB/s need 10 s. */
	for (int i = 0; i < 20; i++) {
		size_t index = asked(set, &fresh, 100, NOW);

		assert_true(index == 2 || index == 3);
		source_begin(set, 0, 0, NOW);
		source_end(set, 0, 0, NULL, NOW_SEC);
	}
}

static void fill(struct source_set *set, size_t index, uint64_t mib)
{
	for (int i = 0; i < 2; i++)
		source_begin(set, index, mib * MIB / 2, NOW);
}

static void a_full_source_is_waited_for_when_that_is_much_sooner(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(2);
	enum source_verdict verdict;

	(void)state;
	measure(set, 0, 20, 0, 1000);
	measure(set, 1, 2, 0, 1000);
	fill(set, 0, 20);
	assert_int_equal(
		choice(set, &fresh, &(struct source_want){.bytes = 100 * MIB}, NOW, &verdict),
		NONE);
	assert_int_equal(verdict, SOURCE_BUSY);
	/* A blob that others wait for goes on all the same. */
	assert_int_equal(choice(set,
				 &fresh,
				 &(struct source_want){.bytes = 100 * MIB, .running = true},
				 NOW,
				 &verdict),
		0);
	/* Another blob is small enough for the slow one. */
	assert_int_equal(asked(set, &fresh, 3, NOW), 1);
	source_end(set, 0, 0, NULL, NOW_SEC);
	assert_int_equal(asked(set, &fresh, 100, NOW), 0);
}

static void a_free_place_is_taken_when_waiting_wins_little(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(2);

	(void)state;
	measure(set, 0, 20, 0, 1000);
	measure(set, 1, 11, 0, 1000);
	fill(set, 0, 2);
	assert_int_equal(asked(set, &fresh, 100, NOW), 1);
}

static void a_source_that_idles_gets_what_it_can_do_in_time(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(2);
	struct source_want want = {.bytes = 40 * MIB};

	(void)state;
	measure(set, 0, 20, 0, 1000);
	measure(set, 1, 4, 0, 1000);
	source_begin(set, 0, 20 * MIB, NOW);
	assert_int_equal(choice(set, &fresh, &want, NOW, NULL), 0);
	want.waiting = 2000 * MIB; /* 80 s for both */
	assert_int_equal(choice(set, &fresh, &want, NOW, NULL), 1);
	want.bytes = 400 * MIB; /* 100 s at s1 */
	assert_int_equal(choice(set, &fresh, &want, NOW, NULL), 0);
}

static void small_requests_go_by_latency_and_what_is_pending(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(2);
	static const struct source_want small = {.small = true};

	(void)state;
	measure(set, 0, 100, 90000, 1000);
	measure(set, 1, 1, 40000, 1000);
	assert_int_equal(choice(set, &fresh, &small, NOW, NULL), 1);
	source_asked(set, 1);
	source_asked(set, 1);
	assert_int_equal(choice(set, &fresh, &small, NOW, NULL), 0);
	source_answered(set, 1, NULL, NOW_SEC);
	source_answered(set, 1, NULL, NOW_SEC);
	assert_int_equal(choice(set, &fresh, &small, NOW, NULL), 1);
}

static void a_source_that_was_not_used_for_long_is_looked_at_again(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(2);
	const uint64_t later = NOW + 600000;

	(void)state;
	measure(set, 0, 20, 0, 1000);
	measure(set, 1, 2, 0, 1000);
	assert_int_equal(asked(set, &fresh, 4, NOW), 0);
	assert_int_equal(asked(set, &fresh, 4, later), 0); /* nobody was used longer ago */
	source_begin(set, 0, 20 * MIB, later);
	assert_int_equal(asked(set, &fresh, 16, later), 0); /* too large to try */
	assert_int_equal(asked(set, &fresh, 4, later), 1);
	source_begin(set, 1, 4 * MIB, later);
	source_end(set, 1, 4 * MIB, NULL, NOW_SEC);
	assert_int_equal(asked(set, &fresh, 4, later), 0);
}

static void many_blobs_are_a_reason_to_look_again_too(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(2);

	(void)state;
	measure(set, 0, 20, 0, 1000);
	measure(set, 1, 2, 0, 1000);
	source_begin(set, 0, MIB, NOW);
	for (int i = 0; i < 63; i++) {
		assert_int_equal(asked(set, &fresh, 4, NOW), 0);
		source_begin(set, 0, MIB, NOW);
		source_end(set, 0, MIB, NULL, NOW_SEC);
	}
	assert_int_equal(asked(set, &fresh, 4, NOW), 1);
}

static void a_failure_sends_to_the_next_one_at_once(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(2);
	struct source_trials t = fresh;

	(void)state;
	measure(set, 0, 20, 0, 1000);
	measure(set, 1, 1, 0, 1000);
	fail_with(set, &t, 0, ERR_TEMP, 500, NOW);
	assert_int_equal(asked(set, &t, 100, NOW), 1);
	/* Also when its back-off is over: the other one was not asked yet. */
	assert_int_equal(asked(set, &t, 100, NOW + SOURCE_BACKOFF_CAP_MS), 1);
	fail_with(set, &t, 1, ERR_TEMP, 500, NOW);
	assert_int_equal(asked(set, &t, 100, NOW + SOURCE_BACKOFF_CAP_MS), 0);
}

static void one_source_is_taken_as_it_is(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(1);

	(void)state;
	assert_false(source_set_measured(set));
	fill(set, 0, 1000);
	assert_int_equal(asked(set, &fresh, 100, NOW), 0);
}

static void private_names_go_to_the_authority_whatever_is_measured(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(3);
	const struct source_trials t = {.authority_only = true};

	(void)state;
	measure(set, 0, 100, 0, 1000);
	measure(set, 2, 1, 0, 1000);
	fill(set, 2, 1000);
	assert_int_equal(asked(set, &t, 100, NOW), 2);
}

static void a_source_in_quarantine_is_never_asked_for_bytes(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(2);
	struct digest digest = {.algo = DIGEST_SHA256};

	(void)state;
	measure(set, 0, 100, 0, 1000);
	measure(set, 1, 1, 0, 1000);
	source_struck(set, 0, &digest, "wrong", NOW_SEC);
	assert_false(set->items[0].quarantined);
	assert_int_equal(asked(set, &fresh, 100, NOW), 0);
	source_struck(set, 0, &digest, "wrong", NOW_SEC + 6 * 86400);
	assert_true(set->items[0].quarantined);
	assert_int_equal(asked(set, &fresh, 100, NOW), 1);
	assert_int_equal(choice(set, &fresh, &(struct source_want){.small = true}, NOW, NULL), 1);
	set->mode = SOURCE_ORDERED;
	assert_int_equal(asked(set, &fresh, 100, NOW), 1);
}

static void strikes_more_than_a_week_apart_are_no_quarantine(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(2);
	struct digest digest = {.algo = DIGEST_SHA256};

	(void)state;
	source_struck(set, 0, &digest, "wrong", NOW_SEC);
	source_struck(set, 0, &digest, "wrong", NOW_SEC + 8 * 86400);
	assert_false(set->items[0].quarantined);
	for (int i = 0; i < 5; i++)
		source_struck(set, 1, &digest, "wrong", NOW_SEC);
	assert_false(set->items[1].quarantined); /* the authority */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_one_that_is_done_first_is_asked),
		cmocka_unit_test(what_it_has_to_give_already_counts),
		cmocka_unit_test(those_that_are_as_good_share_the_load),
		cmocka_unit_test(asking_twice_gives_the_same_answer),
		cmocka_unit_test(sources_of_which_nothing_is_known_all_get_something),
		cmocka_unit_test(a_new_source_counts_as_the_median_of_the_known),
		cmocka_unit_test(a_full_source_is_waited_for_when_that_is_much_sooner),
		cmocka_unit_test(a_free_place_is_taken_when_waiting_wins_little),
		cmocka_unit_test(a_source_that_idles_gets_what_it_can_do_in_time),
		cmocka_unit_test(small_requests_go_by_latency_and_what_is_pending),
		cmocka_unit_test(a_source_that_was_not_used_for_long_is_looked_at_again),
		cmocka_unit_test(many_blobs_are_a_reason_to_look_again_too),
		cmocka_unit_test(a_failure_sends_to_the_next_one_at_once),
		cmocka_unit_test(one_source_is_taken_as_it_is),
		cmocka_unit_test(private_names_go_to_the_authority_whatever_is_measured),
		cmocka_unit_test(a_source_in_quarantine_is_never_asked_for_bytes),
		cmocka_unit_test(strikes_more_than_a_week_apart_are_no_quarantine),
	};

	return cmocka_run_group_tests_name("source/measured", tests, NULL, NULL);
}
