/* Throughput out of bytes and times: slow start left out, a short window said to be one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "source/probe.h"

#define MS   1000ULL
#define MIB  (1024ULL * 1024)
#define FROM 5000000ULL /* microseconds: when the request began */

/* So many bytes each ms, for so many ms, after a first byte at so many ms. */
static struct probe_result arrive(
	struct probe_meter *m, uint64_t first_ms, uint64_t ms, uint64_t bytes)
{
	struct probe_result r = {.bytes = 0};

	for (uint64_t i = 0; i <= ms; i++)
		probe_meter_add(m, bytes, FROM + (first_ms + i) * MS);
	probe_meter_result(m, FROM, &r);
	return r;
}

static void a_steady_rate_is_what_it_is(void **state)
{
	struct probe_meter m = {.skip_us = 100 * MS, .window_us = 500 * MS};
	struct probe_result r = arrive(&m, 300, 600, 10 * 1024);

	(void)state;
	assert_true(probe_meter_full(&m));
	assert_false(r.bound);
	assert_int_equal(r.window_us, 500 * MS);
	assert_true(r.rate > 10.0 * 1024 * 1000 * 0.999 && r.rate < 10.0 * 1024 * 1000 * 1.001);
	assert_int_equal(r.first_us, 300 * MS);
	assert_int_equal(r.body_us, 600 * MS);
}

static void slow_start_does_not_count(void **state)
{
	struct probe_meter m = {.skip_us = 200 * MS, .window_us = 500 * MS};
	struct probe_result r;

	(void)state;
	(void)arrive(&m, 100, 150, 100);
	r = arrive(&m, 300, 600, 20 * 1024);
	assert_false(r.bound);
	assert_true(r.rate > 20.0 * 1024 * 1000 * 0.99);
	assert_true(r.rate < 20.0 * 1024 * 1000 * 1.01);
}

static void a_body_that_ends_early_gives_a_lower_bound(void **state)
{
	struct probe_meter m = {.skip_us = 100 * MS, .window_us = 500 * MS};
	struct probe_result r = arrive(&m, 50, 150, MIB / 151);

	(void)state;
	assert_true(r.bound);
	/* 1 MiB in 200 ms, the request's 50 ms among them: at least 5 MiB/s. */
	assert_true(r.rate > 4.99 * (double)MIB && r.rate <= 5.0 * (double)MIB);
}

static void a_body_in_one_piece_gives_a_lower_bound(void **state)
{
	struct probe_meter m = {.skip_us = 100 * MS, .window_us = 500 * MS};
	struct probe_result r = arrive(&m, 100, 0, MIB);

	(void)state;
	assert_true(r.bound);
	assert_int_equal(r.body_us, 0);
	assert_true(r.rate == 10.0 * (double)MIB);
}

static void nothing_is_no_rate(void **state)
{
	struct probe_meter m = {.skip_us = 1, .window_us = 1};
	struct probe_result r = {.rate = 0};

	(void)state;
	probe_meter_result(&m, FROM, &r);
	assert_int_equal(r.bytes, 0);
	assert_true(r.rate == 0);
	assert_false(probe_meter_full(&m));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_steady_rate_is_what_it_is),
		cmocka_unit_test(slow_start_does_not_count),
		cmocka_unit_test(a_body_that_ends_early_gives_a_lower_bound),
		cmocka_unit_test(a_body_in_one_piece_gives_a_lower_bound),
		cmocka_unit_test(nothing_is_no_rate),
	};

	return cmocka_run_group_tests_name("source/probe", tests, NULL, NULL);
}
