#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "schedule/cron.h"

#define NOW_TEXT_MAX sizeof("2026-11-22 22:01 +0100")

static int64_t instant(const char *text)
{
	struct tm tm = {0};
	int64_t offset;

	assert_non_null(strptime(text, "%Y-%m-%d %H:%M %z", &tm));
	offset = tm.tm_gmtoff; /* timegm() clears it */
	return timegm(&tm) - offset;
}

static void assert_next(const char *schedule, const char *after, const char *expected)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	int64_t next = 0;
	struct cron c;

	if (cron_parse(schedule, &c, &err) < 0 || cron_next(&c, instant(after), &next, &err) < 0)
		fail_msg("%s: %s", schedule, error_text(&err));
	if (next != instant(expected)) {
		char text[NOW_TEXT_MAX];
		time_t t = (time_t)next;
		struct tm tm;

		strftime(text, sizeof(text), "%Y-%m-%d %H:%M %z", localtime_r(&t, &tm));
		fail_msg("%s after %s: %s, not %s", schedule, after, text, expected);
	}
}

static void set_zone(const char *zone)
{
	assert_int_equal(setenv("TZ", zone, 1), 0);
	tzset();
}

static int utc(void **state)
{
	(void)state;
	set_zone("UTC0");
	return 0;
}

/* Central European rules, spelt out: the test needs no zone files. */
static int berlin(void **state)
{
	(void)state;
	set_zone("CET-1CEST,M3.5.0,M10.5.0/3");
	return 0;
}

static void the_next_time_is_the_first_minute_that_matches_every_field(void **state)
{
	static const struct {
		const char *schedule, *after, *expected;
	} cases[] = {
		{"* * * * *", "2026-11-22 22:01 +0000", "2026-11-22 22:02 +0000"},
		{"15 3 * * *", "2026-11-22 22:01 +0000", "2026-11-23 03:15 +0000"},
		{"15 3 * * *", "2026-11-22 03:15 +0000", "2026-11-23 03:15 +0000"},
		{"*/30 * * * *", "2026-11-22 22:01 +0000", "2026-11-22 22:30 +0000"},
		{"59 23 31 12 *", "2026-12-31 23:59 +0000", "2027-12-31 23:59 +0000"},
		{"0 0 29 2 *", "2096-02-29 00:00 +0000", "2104-02-29 00:00 +0000"},
		{"0 0 31 * *", "2026-01-31 00:00 +0000", "2026-03-31 00:00 +0000"},
		{"10-20/5,50 8,20 * * *", "2026-11-22 08:20 +0000", "2026-11-22 08:50 +0000"},
		{"5,1 4 * * *", "2026-11-22 00:00 +0000", "2026-11-22 04:01 +0000"},
		{"0 0 1 jan *", "2026-11-22 00:00 +0000", "2027-01-01 00:00 +0000"},
		{"0 0 * FEB-mar Mon", "2026-11-22 00:00 +0000", "2027-02-01 00:00 +0000"},
		{"0 0 * * 7", "2026-11-23 00:00 +0000", "2026-11-29 00:00 +0000"},
		{"0 0 * * 0", "2026-11-23 00:00 +0000", "2026-11-29 00:00 +0000"},
		{"0 0 * * sat-7", "2026-11-28 00:00 +0000", "2026-11-29 00:00 +0000"},
		{"\t 1  2\t3 4 * ", "2026-11-22 00:00 +0000", "2027-04-03 02:01 +0000"},
		{"0 0 1 1 *", "1960-06-01 00:00 +0000", "1961-01-01 00:00 +0000"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_next(cases[i].schedule, cases[i].after, cases[i].expected);
}

static void of_two_restricted_day_fields_one_is_enough(void **state)
{
	(void)state;
	assert_next("0 0 13 * fri", "2026-11-22 00:00 +0000", "2026-11-27 00:00 +0000");
	assert_next("0 0 13 * fri", "2026-12-12 00:00 +0000", "2026-12-13 00:00 +0000");
	assert_next("0 0 31 2 mon", "2026-11-22 00:00 +0000", "2027-02-01 00:00 +0000");
}

static void a_day_field_that_begins_with_a_star_must_match_as_well(void **state)
{
	(void)state;
	assert_next("0 0 */2 * mon", "2026-11-22 00:00 +0000", "2026-11-23 00:00 +0000");
	assert_next("0 0 */2 * mon", "2026-11-23 00:00 +0000", "2026-12-07 00:00 +0000");
	assert_next("0 0 13 * */5", "2026-11-22 00:00 +0000", "2026-12-13 00:00 +0000");
}

static void shorthands_mean_what_crontab_says(void **state)
{
	static const struct {
		const char *name, *expected;
	} cases[] = {
		{"@hourly", "2026-11-22 23:00 +0000"},
		{"@daily", "2026-11-23 00:00 +0000"},
		{"@midnight", "2026-11-23 00:00 +0000"},
		{"@weekly", "2026-11-29 00:00 +0000"},
		{"@monthly", "2026-12-01 00:00 +0000"},
		{"@yearly", "2027-01-01 00:00 +0000"},
		{" @Annually ", "2027-01-01 00:00 +0000"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_next(cases[i].name, "2026-11-22 22:01 +0000", cases[i].expected);
}

static void a_time_in_the_spring_gap_runs_once_right_after_it(void **state)
{
	(void)state;
	assert_next("30 2 * * *", "2026-03-28 12:00 +0100", "2026-03-29 03:00 +0200");
	assert_next("30 2 * * *", "2026-03-29 03:00 +0200", "2026-03-30 02:30 +0200");
	assert_next("*/20 2,3 * * *", "2026-03-29 01:59 +0100", "2026-03-29 03:00 +0200");
	assert_next("*/20 2,3 * * *", "2026-03-29 03:00 +0200", "2026-03-29 03:20 +0200");
}

static void a_time_that_exists_twice_runs_once(void **state)
{
	(void)state;
	assert_next("30 2 * * *", "2026-10-25 00:00 +0200", "2026-10-25 02:30 +0200");
	assert_next("30 2 * * *", "2026-10-25 02:30 +0200", "2026-10-26 02:30 +0100");
	assert_next("30 2 * * *", "2026-10-25 02:10 +0100", "2026-10-26 02:30 +0100");
	assert_next("0 3 * * *", "2026-10-25 02:30 +0200", "2026-10-25 03:00 +0100");
}

static void a_day_that_a_zone_left_out_runs_at_the_start_of_the_next(void **state)
{
	(void)state;
	set_zone(":Pacific/Apia"); /* skipped 2011-12-30 */
	if (access("/usr/share/zoneinfo/Pacific/Apia", R_OK))
		skip();
	assert_next("0 12 30 12 *", "2011-12-29 00:00 -1000", "2011-12-31 00:00 +1400");
	assert_next("0 12 * * *", "2011-12-29 12:00 -1000", "2011-12-31 00:00 +1400");
	assert_next("0 12 * * *", "2011-12-31 00:00 +1400", "2011-12-31 12:00 +1400");
}

static void bad_schedules_are_refused_and_the_message_says_where(void **state)
{
	static const struct {
		const char *schedule, *says;
	} cases[] = {
		{"", "0 fields"},
		{"* * * *", "4 fields"},
		{"0 * * * * *", "6 fields"},
		{"60 * * * *", "minute '60': a number is out of range; it takes 0 to 59"},
		{"* 24 * * *", "hour '24'"},
		{"* * 0 * *", "day of month '0'"},
		{"* * * 13 *", "month '13'"},
		{"* * * * 8", "day of week '8'"},
		{"* * * * sun-", "a number is missing"},
		{"*/0 * * * *", "a step cannot be 0"},
		{"5/15 * * * *", "a step needs a range"},
		{"30-10 * * * *", "runs backwards"},
		{"1,,2 * * * *", "a number is missing"},
		{"1, * * * *", "a number is missing"},
		{"-1 * * * *", "a number is missing"},
		{"1x * * * *", "was expected"},
		{"99999999999999999999 * * * *", "too big"},
		{"*/99999999999999999999 * * * *", "too big"},
		{"jan * * * *", "a name is unknown"},
		{"* * * january *", "a name is unknown"},
		{"@reboot", "'@reboot' is not a schedule"},
		{"@daily 1", "is not a schedule"},
		{"0 0 31 2 *", "such a day"},
		{"0 0 30,31 feb */2", "such a day"},
		{"0 0 31 4,6,9,11 *", "such a day"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(error_clear) struct error err = ERROR_INIT;
		struct cron c = {.minutes = 42};

		if (cron_parse(cases[i].schedule, &c, &err) != -ERR_USAGE)
			fail_msg("'%s' was accepted", cases[i].schedule);
		if (!strstr(error_text(&err), cases[i].says))
			fail_msg("'%s': %s", cases[i].schedule, error_text(&err));
		assert_int_equal(c.minutes, 42);
	}
}

static void a_schedule_with_no_time_within_eight_years_is_an_error(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	int64_t next = 42;
	struct cron c;

	(void)state;
	/* 29 February on a Sunday or Friday, because of the star: next in 2032. */
	assert_int_equal(cron_parse("0 0 29 2 */5", &c, &err), 0);
	assert_int_equal(cron_next(&c, instant("2021-01-01 00:00 +0000"), &next, &err), -ERR_USAGE);
	assert_int_equal(cron_next(&c, INT64_MAX, &next, &err), -ERR_USAGE);
	assert_int_equal(cron_next(&c, INT64_MIN, &next, &err), -ERR_USAGE);
	assert_int_equal(next, 42);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
			the_next_time_is_the_first_minute_that_matches_every_field, utc),
		cmocka_unit_test_setup(of_two_restricted_day_fields_one_is_enough, utc),
		cmocka_unit_test_setup(a_day_field_that_begins_with_a_star_must_match_as_well, utc),
		cmocka_unit_test_setup(shorthands_mean_what_crontab_says, utc),
		cmocka_unit_test_setup(a_time_in_the_spring_gap_runs_once_right_after_it, berlin),
		cmocka_unit_test_setup(a_time_that_exists_twice_runs_once, berlin),
		cmocka_unit_test(a_day_that_a_zone_left_out_runs_at_the_start_of_the_next),
		cmocka_unit_test_setup(bad_schedules_are_refused_and_the_message_says_where, utc),
		cmocka_unit_test_setup(a_schedule_with_no_time_within_eight_years_is_an_error, utc),
	};

	return cmocka_run_group_tests_name("schedule/cron", tests, NULL, NULL);
}
