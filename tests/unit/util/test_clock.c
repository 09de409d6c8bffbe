#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "util/clock.h"

#define SUN_06_NOV_1994 INT64_C(784111777) /* RFC 9110 5.6.7's example */

static void times_read_as_rfc_3339(void **state)
{
	static const struct {
		int64_t sec;
		const char *text;
	} cases[] = {
		{0, "1970-01-01T00:00:00Z"},
		{SUN_06_NOV_1994, "1994-11-06T08:49:37Z"},
		{INT64_C(-62135596800), "0001-01-01T00:00:00Z"},
		{INT64_C(253402300799), "9999-12-31T23:59:59Z"},
		{INT64_MAX, "9999-12-31T23:59:59Z"},
		{INT64_MIN, "0000-01-01T00:00:00Z"},
	};
	char buf[TIME_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(time_format_rfc3339(cases[i].sec, buf), cases[i].text);
}

static void every_form_of_rfc_3339_is_understood(void **state)
{
	static const struct {
		const char *text;
		int64_t sec;
	} cases[] = {
		{"1994-11-06T08:49:37Z", SUN_06_NOV_1994},
		{"1994-11-06t08:49:37z", SUN_06_NOV_1994},
		{"1994-11-06T08:49:37.123456789Z", SUN_06_NOV_1994},
		{"1994-11-06T10:19:37+01:30", SUN_06_NOV_1994},
		{"1994-11-05T22:49:37-10:00", SUN_06_NOV_1994},
		{"2024-02-29T00:00:00Z", 1709164800},
		{"2016-12-31T23:59:60Z", 1483228800},
		{"0001-01-01T00:00:00Z", INT64_C(-62135596800)},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t sec = 0;

		assert_int_equal(time_parse_rfc3339(cases[i].text, &sec, NULL), 0);
		assert_int_equal(sec, cases[i].sec);
	}
}

static void times_that_do_not_exist_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"1994-11-06",
		"1994-11-06 08:49:37Z",
		"1994-11-06T08:49:37",
		"1994-11-06T08:49:37.Z",
		"1994-11-06T08:49:37Zx",
		"1994-11-06T08:49:37+1:00",
		"1994-11-06T08:49:37+24:00",
		"1994-13-06T08:49:37Z",
		"1994-00-06T08:49:37Z",
		"1994-11-00T08:49:37Z",
		"2023-02-29T08:49:37Z",
		"2023-02-30T08:49:60Z",
		"1994-11-06T24:00:00Z",
		"1994-11-06T08:60:00Z",
		"1994-11-06T08:00:61Z",
		"94-11-06T08:49:37Z",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		AUTO(error_clear) struct error err = ERROR_INIT;
		int64_t sec = 42;

		assert_int_equal(time_parse_rfc3339(bad[i], &sec, &err), -ERR_USAGE);
		assert_int_equal(sec, 42);
	}
}

static void retry_after_takes_seconds_and_the_three_http_dates(void **state)
{
	static const struct {
		const char *text;
		uint32_t sec;
	} cases[] = {
		{"0", 0},
		{"120", 120},
		{" 120 ", 120},
		{"99999999999999999999999", UINT32_MAX},
		{"Sun, 06 Nov 1994 08:49:37 GMT", 60},
		{"Sunday, 06-Nov-94 08:49:37 GMT", 60},
		{"Sun Nov  6 08:49:37 1994", 60},
		{"Sun Nov 06 08:49:37 1994", 60},
		{"Fri, 31 Dec 1999 23:59:59 GMT", 162573022 + 60},
		{"Sat, 06 Nov 1993 08:49:37 GMT", 0},
		{"Fri, 31 Dec 9999 23:59:59 GMT", UINT32_MAX},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint32_t sec = 42;

		assert_int_equal(
			retry_after_parse(cases[i].text, SUN_06_NOV_1994 - 60, &sec, NULL), 0);
		assert_int_equal(sec, cases[i].sec);
	}
}

static void a_two_digit_year_means_the_nearest_one(void **state)
{
	int64_t now_2026 = INT64_C(1795000000);
	uint32_t sec = 42;

	(void)state;
	assert_int_equal(
		retry_after_parse("Sunday, 06-Nov-94 08:49:37 GMT", now_2026, &sec, NULL), 0);
	assert_int_equal(sec, 0); /* 1994, not 2094 */
	assert_int_equal(
		retry_after_parse("Friday, 01-Jan-27 00:00:00 GMT", now_2026, &sec, NULL), 0);
	assert_true(sec > 0);
}

static void other_retry_after_values_are_the_peers_fault(void **state)
{
	static const char *const bad[] = {
		"",
		"soon",
		"-1",
		"1.5",
		"12 s",
		"sun, 06 Nov 1994 08:49:37 GMT",
		"Sun, 06 Nov 1994 08:49:37 UTC",
		"Sun, 31 Feb 1994 08:49:37 GMT",
		"Sun, 06 Nov 1994 08:49:37 GMT; x",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		uint32_t sec = 42;

		assert_int_equal(retry_after_parse(bad[i], 0, &sec, NULL), -ERR_REMOTE);
		assert_int_equal(sec, 42);
	}
}

static void waiting_doubles_and_stays_below_the_cap(void **state)
{
	uint64_t highest = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		uint64_t ms = backoff_ms(200, 20000, 30);

		assert_true(backoff_ms(200, 20000, 0) <= 200);
		assert_true(backoff_ms(200, 20000, 3) <= 1600);
		assert_true(backoff_ms(200, 20000, 4000000000u) <= 20000);
		assert_int_equal(backoff_ms(0, 20000, 1), 0);
		highest = ms > highest ? ms : highest;
	}
	assert_true(highest > 10000);
	(void)backoff_ms(UINT64_MAX, UINT64_MAX, 0);
}

static void chance_reaches_every_number_and_none_beyond(void **state)
{
	unsigned seen[3] = {0};
	char a[17], b[17];

	(void)state;
	assert_int_equal(random_below(0), 0);
	assert_int_equal(random_below(1), 0);
	for (int i = 0; i < 1000; i++)
		seen[random_below(3)]++;
	assert_true(seen[0] > 200 && seen[1] > 200 && seen[2] > 200);
	random_hex(a, 8);
	random_hex(b, 8);
	assert_int_equal(strspn(a, "0123456789abcdef"), 16);
	assert_string_not_equal(a, b);
}

static void clocks_go_forward(void **state)
{
	uint64_t start = clock_mono_ms();

	(void)state;
	assert_true(clock_mono_ms() >= start);
	assert_true(clock_wall_sec() > INT64_C(1700000000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_read_as_rfc_3339),
		cmocka_unit_test(every_form_of_rfc_3339_is_understood),
		cmocka_unit_test(times_that_do_not_exist_are_refused),
		cmocka_unit_test(retry_after_takes_seconds_and_the_three_http_dates),
		cmocka_unit_test(a_two_digit_year_means_the_nearest_one),
		cmocka_unit_test(other_retry_after_values_are_the_peers_fault),
		cmocka_unit_test(waiting_doubles_and_stays_below_the_cap),
		cmocka_unit_test(chance_reaches_every_number_and_none_beyond),
		cmocka_unit_test(clocks_go_forward),
	};

	return cmocka_run_group_tests_name("util/clock", tests, NULL, NULL);
}
