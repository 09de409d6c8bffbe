#include "sets.h"

#include <fcntl.h>

#include "../../lib/folder.h"
#include "state/state.h"
#include "util/file.h"

#define DAY INT64_C(86400)

static char *folder;
static int fd = -1;
static struct state *state_db;

static int setup(void **state)
{
	(void)state;
	folder = folder_make();
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || state_open(fd, false, &state_db, NULL) < 0;
}

static int teardown(void **state)
{
	(void)state;
	state_close(state_db);
	state_db = NULL;
	closep(&fd);
	folder_remove(folder);
	return 0;
}

static void save(struct source_set *set, int64_t now_sec)
{
	assert_int_equal(source_set_save(set, state_db, now_sec, NULL), 0);
}

static void load(struct source_set *set, int64_t now_sec)
{
	assert_int_equal(source_set_load(set, state_db, now_sec, NULL), 0);
}

static void assert_near(double a, double b)
{
	if (a < b * 0.99 || a > b * 1.01)
		fail_msg("%f is not near %f", a, b);
}

static const struct source_trials fresh;

static void what_was_measured_is_known_to_the_next_run(void **state)
{
	AUTO(source_set_freep) struct source_set *before = measured_of(2);
	AUTO(source_set_freep) struct source_set *after = measured_of(2);
	const struct source_want small = {.small = true};

	(void)state;
	measure(before, 0, 20, 90000, 31000);
	measure(before, 1, 5, 20000, 295000);
	save(before, NOW_SEC);
	load(after, NOW_SEC + 60);
	assert_true(source_rates_known(after));
	assert_near(source_rate(after, 0), 20.0 * MIB);
	assert_near(source_rate(after, 1), 5.0 * MIB);
	assert_int_equal(asked(after, &fresh, 100, NOW), 0);
	assert_int_equal(choice(after, &fresh, &small, NOW, NULL), 1);
	/* 20 round trips. */
	assert_in_range(source_patience(after, &fresh, 1, NOW).stall_ms, 5895, 5905);
}

static void a_known_source_starts_with_more_places(void **state)
{
	AUTO(source_set_freep) struct source_set *before = measured_of(2);
	AUTO(source_set_freep) struct source_set *after = measured_of(2);
	struct source_trials t = fresh;
	unsigned n = 0;

	(void)state;
	measure(before, 0, 20, 0, 1000);
	save(before, NOW_SEC);
	load(after, NOW_SEC);
	t.each[1].excluded = true;
	for (; asked(after, &t, 1, NOW) == 0; n++)
		source_begin(after, 0, MIB, NOW);
	assert_int_equal(n, 3);
}

static void what_is_older_than_a_week_is_forgotten(void **state)
{
	AUTO(source_set_freep) struct source_set *before = measured_of(2);
	AUTO(source_set_freep) struct source_set *after = measured_of(2);
	AUTO(source_set_freep) struct source_set *late = measured_of(2);

	(void)state;
	measure(before, 0, 20, 90000, 31000);
	save(before, NOW_SEC);
	load(after, NOW_SEC + 7 * DAY - 1);
	assert_true(source_rate(after, 0) > 0);
	load(late, NOW_SEC + 7 * DAY);
	assert_true(source_rate(late, 0) == 0);
}

static void a_clock_that_was_ahead_is_no_reason_to_believe_for_ever(void **state)
{
	AUTO(source_set_freep) struct source_set *before = measured_of(2);
	AUTO(source_set_freep) struct source_set *after = measured_of(2);

	(void)state;
	measure(before, 0, 20, 90000, 31000);
	save(before, NOW_SEC);
	/* The clock was a year ahead; now it is right.  What is kept counts as of now. */
	load(after, NOW_SEC - 365 * DAY);
	assert_near(source_rate(after, 0), 20.0 * MIB);
	save(after, NOW_SEC - 365 * DAY);
	{
		AUTO(source_set_freep) struct source_set *late = measured_of(2);

		load(late, NOW_SEC - 365 * DAY + 8 * DAY);
		assert_true(source_rate(late, 0) == 0);
	}
}

static void sources_that_are_no_longer_configured_are_passed_over(void **state)
{
	AUTO(source_set_freep) struct source_set *before = measured_of(4);
	AUTO(source_set_freep) struct source_set *after = measured_of(2);

	(void)state;
	for (size_t i = 0; i < 4; i++)
		measure(before, i, 10 + i, 1000, 1000);
	save(before, NOW_SEC);
	load(after, NOW_SEC);
	assert_near(source_rate(after, 1), 11.0 * MIB);
}

static void ordered_sources_remember_strikes_but_no_rates(void **state)
{
	AUTO(source_set_freep) struct source_set *set = set_of(2);
	AUTO(source_set_freep) struct source_set *after = measured_of(2);
	struct digest digest = {.algo = DIGEST_SHA256};

	(void)state;
	measure(set, 0, 20, 1000, 1000);
	source_struck(set, 0, &digest, "wrong", NOW_SEC);
	save(set, NOW_SEC);
	load(after, NOW_SEC);
	assert_true(source_rate(after, 0) == 0);
	source_struck(after, 0, &digest, "wrong", NOW_SEC);
	assert_true(after->items[0].quarantined);
}

static void strikes_of_two_runs_in_a_week_are_a_quarantine(void **state)
{
	struct digest digest = {.algo = DIGEST_SHA256};

	(void)state;
	for (int i = 0; i < 2; i++) {
		AUTO(source_set_freep) struct source_set *set = measured_of(2);

		load(set, NOW_SEC + i * 6 * DAY);
		assert_false(set->items[0].quarantined);
		source_struck(set, 0, &digest, "wrong", NOW_SEC + i * 6 * DAY);
		save(set, NOW_SEC + i * 6 * DAY);
		save(set, NOW_SEC + i * 6 * DAY); /* a strike is kept once */
	}
	{
		AUTO(source_set_freep) struct source_set *set = measured_of(2);

		load(set, NOW_SEC + 6 * DAY);
		assert_true(set->items[0].quarantined);
		assert_int_equal(asked(set, &fresh, 10, NOW), 1);
	}
	{
		AUTO(source_set_freep) struct source_set *set = measured_of(2);

		load(set, NOW_SEC + 8 * DAY);
		assert_false(set->items[0].quarantined); /* the first one is a week ago */
	}
}

static void one_strike_keeps_from_stripes_for_a_day(void **state)
{
	AUTO(source_set_freep) struct source_set *before = measured_of(3);
	struct digest digest = {.algo = DIGEST_SHA256};
	size_t who[SOURCES_MAX];

	(void)state;
	for (size_t i = 0; i < 3; i++)
		measure(before, i, 10, 1000, 1000);
	source_struck(before, 0, &digest, "wrong", NOW_SEC);
	save(before, NOW_SEC);
	for (int late = 0; late < 2; late++) {
		AUTO(source_set_freep) struct source_set *set = measured_of(3);

		load(set, NOW_SEC + DAY - 1 + late);
		assert_int_equal(source_stripe(set, &fresh, 256 * MIB, NOW, who), late ? 3 : 2);
	}
}

static void a_state_that_cannot_be_written_is_told(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(source_set_freep) struct source_set *set = measured_of(2);

	(void)state;
	state_close(state_db);
	assert_int_equal(state_open(fd, true, &state_db, NULL), 0);
	measure(set, 0, 10, 1000, 1000);
	assert_true(source_set_save(set, state_db, NOW_SEC, &err) < 0);
	assert_int_equal(err.code, ERR_IO);
	assert_non_null(strstr(error_text(&err), "upstream test"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define STATE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
		STATE(what_was_measured_is_known_to_the_next_run),
		STATE(a_known_source_starts_with_more_places),
		STATE(what_is_older_than_a_week_is_forgotten),
		STATE(a_clock_that_was_ahead_is_no_reason_to_believe_for_ever),
		STATE(sources_that_are_no_longer_configured_are_passed_over),
		STATE(ordered_sources_remember_strikes_but_no_rates),
		STATE(strikes_of_two_runs_in_a_week_are_a_quarantine),
		STATE(one_strike_keeps_from_stripes_for_a_day),
		STATE(a_state_that_cannot_be_written_is_told),
	};

	return cmocka_run_group_tests_name("source/remember", tests, NULL, NULL);
}
