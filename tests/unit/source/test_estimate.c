#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "source/estimate.h"

#define NOW    INT64_C(1790000000) /* seconds */
#define DAY    INT64_C(86400)
#define SECOND UINT64_C(1000000) /* microseconds */
#define MIB    UINT64_C(1048576)

static void assert_close(double value, double expected, double relative)
{
	if (!(fabs(value - expected) <= relative * fabs(expected))) {
		print_error("%.12g, expected %.12g\n", value, expected);
		fail();
	}
}

/* ---- rates ---- */

static void nothing_is_known_before_the_first_sample(void **state)
{
	const struct rate_estimate e = {0};

	(void)state;
	assert_false(rate_known(&e, NOW));
	assert_false(rate_known(&e, 0));
	assert_true(rate_variance(&e, NOW) == 0);
}

static void the_first_sample_is_taken_whole(void **state)
{
	struct rate_estimate e = {0};

	(void)state;
	rate_add(&e, 1000, 2 * SECOND, NOW);
	assert_true(rate_known(&e, NOW));
	assert_close(e.mean, 500, 1e-12);
	assert_int_equal(e.samples, 1);
	assert_int_equal(e.at_sec, NOW);
	assert_close(sqrt(rate_variance(&e, NOW)), 100, 1e-12);
}

static void short_windows_and_empty_ones_are_no_samples(void **state)
{
	struct rate_estimate e = {0};

	(void)state;
	rate_add(&e, 100 * MIB, ESTIMATE_WINDOW_US - 1, NOW);
	rate_add(&e, 100 * MIB, 0, NOW);
	rate_add(&e, 0, 10 * SECOND, NOW);
	assert_false(rate_known(&e, NOW));
	rate_add(&e, MIB, ESTIMATE_WINDOW_US, NOW);
	assert_close(e.mean, 2.0 * MIB, 1e-12);
}

/* Weight 0.3 * (1 - exp(-bytes / 8 MiB)). */
static void a_sample_weighs_by_its_bytes(void **state)
{
	struct rate_estimate small = {0}, medium = {0}, large = {0};

	(void)state;
	rate_add(&small, 10 * MIB, SECOND, NOW);
	medium = large = small;
	rate_add(&small, MIB / 64, SECOND / 2, NOW);
	rate_add(&medium, 8 * MIB, SECOND * 4 / 10, NOW); /* too short: nothing */
	assert_close(medium.mean, 10.0 * MIB, 1e-12);
	rate_add(&medium, 8 * MIB, SECOND * 8 / 10, NOW); /* the same rate */
	assert_close(medium.mean, 10.0 * MIB, 1e-12);
	rate_add(&medium, 8 * MIB, 4 * SECOND, NOW); /* 2 MiB/s */
	assert_close(medium.mean, (10 - 8 * 0.3 * (1 - exp(-1))) * MIB, 1e-12);
	rate_add(&large, 1000 * MIB, 500 * SECOND, NOW); /* 2 MiB/s */
	assert_close(large.mean, (10 - 8 * 0.3) * MIB, 1e-12);
	assert_true(small.mean > 9.99 * MIB); /* 32 KiB/s, but of next to nothing */
	assert_int_equal(medium.samples, 3);
}

static void it_settles_on_a_new_rate_and_knows_its_spread(void **state)
{
	struct rate_estimate e = {0};

	(void)state;
	for (int i = 0; i < 40; i++)
		rate_add(&e, 64 * MIB, 16 * SECOND, NOW + i);
	assert_close(e.mean, 4.0 * MIB, 1e-9);
	assert_true(sqrt(e.variance) < 0.001 * e.mean);
	rate_add(&e, 64 * MIB, 160 * SECOND, NOW + 40);
	assert_true(sqrt(e.variance) > 0.3 * e.mean); /* a surprise */
	for (int i = 0; i < 40; i++)
		rate_add(&e, 64 * MIB, 160 * SECOND, NOW + 41 + i);
	assert_close(e.mean, 0.4 * MIB, 1e-4);
}

static void variance_doubles_each_day_and_is_not_changed_by_looking(void **state)
{
	struct rate_estimate e = {.mean = 100, .variance = 50, .samples = 9, .at_sec = NOW};

	(void)state;
	assert_close(rate_variance(&e, NOW), 50, 1e-12);
	assert_close(rate_variance(&e, NOW + DAY / 2), 50 * sqrt(2), 1e-12);
	assert_close(rate_variance(&e, NOW + DAY), 100, 1e-12);
	assert_close(rate_variance(&e, NOW + 3 * DAY), 400, 1e-12);
	assert_true(e.variance == 50);
	assert_true(isfinite(rate_variance(&e, INT64_MAX)));
}

static void after_silence_a_new_sample_counts_more(void **state)
{
	struct rate_estimate e[4];

	(void)state;
	for (int days = 0; days < 4; days++) {
		e[days] = (struct rate_estimate){0};
		rate_add(&e[days], 64 * MIB, 16 * SECOND, NOW);
		rate_add(&e[days], 1000 * MIB, 1000 * SECOND, NOW + days * DAY);
	}
	assert_close(e[0].mean, (4 - 3 * 0.3) * MIB, 1e-9);
	assert_close(e[1].mean, (4 - 3 * 0.6 / 1.3) * MIB, 1e-9); /* 0.3 * 2 against 0.7 */
	assert_close(e[3].mean, (4 - 3 * 2.4 / 3.1) * MIB, 1e-9);
}

static void after_seven_days_it_is_forgotten(void **state)
{
	struct rate_estimate e = {0};

	(void)state;
	rate_add(&e, 64 * MIB, 16 * SECOND, NOW);
	assert_true(rate_known(&e, NOW + 7 * DAY));
	assert_false(rate_known(&e, NOW + 7 * DAY + 1));
	rate_add(&e, MIB, SECOND, NOW + 8 * DAY);
	assert_close(e.mean, 1.0 * MIB, 1e-12);
	assert_int_equal(e.samples, 1);
	assert_true(rate_known(&e, NOW + 15 * DAY));
}

static void a_clock_that_jumps_back_is_no_time_gone_by(void **state)
{
	struct rate_estimate e = {0}, same = {0};

	(void)state;
	rate_add(&e, 64 * MIB, 16 * SECOND, NOW);
	same = e;
	assert_true(rate_known(&e, NOW - 100 * DAY));
	assert_true(rate_known(&e, INT64_MIN));
	assert_close(rate_variance(&e, NOW - 100 * DAY), e.variance, 0);
	rate_add(&e, 64 * MIB, 64 * SECOND, NOW - 100 * DAY);
	rate_add(&same, 64 * MIB, 64 * SECOND, NOW);
	assert_close(e.mean, same.mean, 0);
	/* From here on it ages by the clock as it is now. */
	assert_false(rate_known(&e, NOW - 92 * DAY));
}

static void a_clock_that_jumps_ahead_ages_and_no_more(void **state)
{
	struct rate_estimate e = {0};

	(void)state;
	rate_add(&e, 64 * MIB, 16 * SECOND, INT64_MIN);
	assert_false(rate_known(&e, INT64_MAX));
	rate_add(&e, 64 * MIB, 16 * SECOND, INT64_MAX);
	assert_close(e.mean, 4.0 * MIB, 1e-12);
	assert_true(rate_known(&e, NOW)); /* and back */
}

/* ---- latencies ---- */

static void quantiles_are_within_a_tenth(void **state)
{
	static const uint64_t times[] = {
		1100, 2500, 9999, 37300, 98000, 117000, 203000, 295500, 892000, 4000000, 60000000};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
		struct latency_estimate e = {0};

		for (int k = 0; k < 10; k++)
			latency_add(&e, times[i], NOW);
		assert_close((double)latency_quantile(&e, 0.5), (double)times[i], 0.10);
		assert_int_equal(latency_quantile(&e, 0), latency_quantile(&e, 1));
	}
}

static void quantiles_of_a_spread_follow_it(void **state)
{
	struct latency_estimate e = {0};
	uint64_t before = 0;

	(void)state;
	for (uint64_t ms = 1; ms <= 1000; ms++)
		latency_add(&e, ms * 1000, NOW);
	assert_close((double)latency_quantile(&e, 0.5), 500e3, 0.10);
	assert_close((double)latency_quantile(&e, 0.9), 900e3, 0.10);
	assert_close((double)latency_quantile(&e, 0.1), 100e3, 0.10);
	assert_close((double)latency_quantile(&e, 1), 1000e3, 0.10);
	assert_close((double)latency_quantile(&e, 7), 1000e3, 0.10);
	assert_true(latency_quantile(&e, -3) == latency_quantile(&e, 0));
	for (double q = 0; q <= 1; q += 0.01) {
		assert_true(latency_quantile(&e, q) >= before);
		before = latency_quantile(&e, q);
	}
}

static void half_of_two_is_the_lower_one(void **state)
{
	struct latency_estimate e = {0};

	(void)state;
	latency_add(&e, 10000, NOW);
	latency_add(&e, 100000, NOW);
	assert_close((double)latency_quantile(&e, 0.5), 10e3, 0.10);
	assert_close((double)latency_quantile(&e, 0.51), 100e3, 0.10);
}

static void times_beyond_the_buckets_fall_into_the_outermost(void **state)
{
	struct latency_estimate e = {0}, f = {0};

	(void)state;
	latency_add(&e, 0, NOW);
	latency_add(&e, 12, NOW);
	assert_close((double)latency_quantile(&e, 0.5), 1095, 0.001);
	latency_add(&f, UINT64_MAX, NOW);
	assert_close((double)latency_quantile(&f, 0.5), 106.6e6, 0.001);
}

static void nothing_has_no_quantile(void **state)
{
	const struct latency_estimate e = {0};

	(void)state;
	assert_int_equal(latency_quantile(&e, 0.5), 0);
	assert_true(latency_count(&e, NOW) == 0);
}

static void a_count_halves_each_hour(void **state)
{
	struct latency_estimate e = {0};

	(void)state;
	for (int k = 0; k < 16; k++)
		latency_add(&e, 100000, NOW);
	assert_close(latency_count(&e, NOW), 16, 1e-6);
	assert_close(latency_count(&e, NOW + 3600), 8, 1e-6);
	assert_close(latency_count(&e, NOW + 4 * 3600), 1, 1e-6);
	assert_close(latency_count(&e, NOW - 4 * 3600), 16, 1e-6); /* no time gone by */
	assert_true(latency_count(&e, INT64_MAX) == 0);
	/* Four hours on, three of another kind are the majority. */
	for (int k = 0; k < 3; k++)
		latency_add(&e, 10000, NOW + 4 * 3600);
	assert_close(latency_count(&e, NOW + 4 * 3600), 4, 1e-5);
	assert_close((double)latency_quantile(&e, 0.5), 10e3, 0.10);
	assert_close((double)latency_quantile(&e, 0.9), 100e3, 0.10);
}

static void a_jumping_clock_only_ages_latencies(void **state)
{
	struct latency_estimate e = {0};

	(void)state;
	latency_add(&e, 100000, NOW);
	latency_add(&e, 100000, NOW - 30 * DAY);
	assert_close(latency_count(&e, NOW - 30 * DAY), 2, 1e-6);
	latency_add(&e, 10000, NOW + 30 * DAY);
	assert_close(latency_count(&e, NOW + 30 * DAY), 1, 1e-6);
	assert_close((double)latency_quantile(&e, 0.99), 10e3, 0.10);
	latency_add(&e, 10000, INT64_MAX);
	latency_add(&e, 10000, INT64_MIN);
	assert_close(latency_count(&e, INT64_MIN), 2, 1e-6);
}

static void counts_stop_growing_where_floats_do(void **state)
{
	struct latency_estimate e = {.at_sec = NOW};
	unsigned char bytes[LATENCY_ENCODED_MAX];

	(void)state;
	e.counts[5] = LATENCY_COUNT_MAX - 1;
	for (int k = 0; k < 10; k++)
		latency_add(&e, 2600, NOW);
	assert_true(e.counts[5] == LATENCY_COUNT_MAX);
	assert_true(latency_decode(bytes, latency_encode(&e, bytes), &e));
}

/* ---- latencies as bytes ---- */

static size_t some_bytes(unsigned char bytes[static LATENCY_ENCODED_MAX])
{
	struct latency_estimate e = {0};

	for (uint64_t ms = 1; ms < 200; ms += 3)
		latency_add(&e, ms * 1000, NOW + (int64_t)ms);
	return latency_encode(&e, bytes);
}

static void what_was_encoded_is_decoded_the_same(void **state)
{
	unsigned char bytes[LATENCY_ENCODED_MAX], again[LATENCY_ENCODED_MAX];
	size_t len = some_bytes(bytes);
	struct latency_estimate e;

	(void)state;
	assert_in_range(len, 1, LATENCY_ENCODED_MAX);
	assert_true(latency_decode(bytes, len, &e));
	assert_int_equal(e.at_sec, NOW + 199);
	assert_close((double)latency_quantile(&e, 0.5), 100e3, 0.15);
	assert_int_equal(latency_encode(&e, again), len);
	assert_memory_equal(bytes, again, len);
}

/* Version, time and counts, the least byte first: kept between machines and releases. */
static void the_order_of_bytes_is_fixed(void **state)
{
	struct latency_estimate e = {.at_sec = 0x0102030405060708};
	unsigned char bytes[LATENCY_ENCODED_MAX];
	const unsigned char head[] = {1, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0, 0xc0, 0x3f, 0, 0, 0, 0};

	(void)state;
	e.counts[0] = 1.5F;
	assert_int_equal(latency_encode(&e, bytes), 1 + 8 + 4 * LATENCY_BUCKETS);
	assert_memory_equal(bytes, head, sizeof(head));
}

static void foreign_bytes_are_refused(void **state)
{
	static const float bad[] = {NAN, -NAN, INFINITY, -INFINITY, -1, -0.0F, 16777218, 1e30F};
	unsigned char bytes[LATENCY_ENCODED_MAX];
	size_t len = some_bytes(bytes);
	struct latency_estimate e = {.at_sec = 7};

	(void)state;
	for (size_t l = 0; l < LATENCY_ENCODED_MAX; l++)
		assert_int_equal(latency_decode(bytes, l, &e), l == len);
	e = (struct latency_estimate){.at_sec = 7};
	assert_false(latency_decode(NULL, 0, &e));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct latency_estimate wrong = {.at_sec = NOW};
		unsigned char text[LATENCY_ENCODED_MAX];

		wrong.counts[i * 9] = bad[i];
		assert_false(latency_decode(text, latency_encode(&wrong, text), &e));
	}
	bytes[0] = 2;
	assert_false(latency_decode(bytes, len, &e));
	bytes[0] = 1;
	bytes[8] = 0x80; /* before 1970 */
	assert_false(latency_decode(bytes, len, &e));
	assert_int_equal(e.at_sec, 7); /* untouched */
	bytes[8] = 0x7f;
	assert_true(latency_decode(bytes, len, &e));
}

/* ---- round trips ---- */

static void the_least_round_trip_of_the_window_counts(void **state)
{
	struct rtt_estimate e = {0};

	(void)state;
	assert_int_equal(rtt_min(&e, NOW), 0);
	rtt_add(&e, 40000, NOW);
	rtt_add(&e, 37300, NOW + 10);
	rtt_add(&e, 0, NOW + 10); /* not measured */
	rtt_add(&e, 90000, NOW + 20);
	assert_int_equal(rtt_min(&e, NOW + 20), 37300);
}

static void an_old_minimum_gives_way_after_one_to_two_windows(void **state)
{
	struct rtt_estimate e = {0};

	(void)state;
	rtt_add(&e, 30000, NOW);
	rtt_add(&e, 80000, NOW + 600); /* the path has changed */
	assert_int_equal(rtt_min(&e, NOW + 600), 30000);
	rtt_add(&e, 81000, NOW + 1199);
	assert_int_equal(rtt_min(&e, NOW + 1199), 30000);
	assert_int_equal(rtt_min(&e, NOW + 1200), 80000);
	rtt_add(&e, 82000, NOW + 1200);
	assert_int_equal(rtt_min(&e, NOW + 1200), 80000);
	rtt_add(&e, 83000, NOW + 1800);
	assert_int_equal(rtt_min(&e, NOW + 1800), 82000);
}

static void after_silence_no_round_trip_is_known(void **state)
{
	struct rtt_estimate e = {0};

	(void)state;
	rtt_add(&e, 30000, NOW);
	assert_int_equal(rtt_min(&e, NOW + 1199), 30000);
	assert_int_equal(rtt_min(&e, NOW + 1200), 0);
	rtt_add(&e, 50000, NOW + 2000);
	assert_int_equal(rtt_min(&e, NOW + 2000), 50000);
}

static void a_clock_that_jumps_back_does_not_keep_a_round_trip_for_ever(void **state)
{
	struct rtt_estimate e = {0};

	(void)state;
	rtt_add(&e, 30000, NOW);
	assert_int_equal(rtt_min(&e, NOW - DAY), 30000);
	rtt_add(&e, 80000, NOW - DAY);
	assert_int_equal(rtt_min(&e, NOW - DAY), 30000);
	rtt_add(&e, 80000, NOW - DAY + 600);
	rtt_add(&e, 80000, NOW - DAY + 1200);
	assert_int_equal(rtt_min(&e, NOW - DAY + 1200), 80000);
	rtt_add(&e, UINT64_MAX, NOW + DAY);
	assert_int_equal(rtt_min(&e, NOW + DAY), UINT32_MAX);
}

/* ---- how long to look ---- */

/* Origin, A, B and C of the reference experiment (sources.md 2.2). */
static void slow_start_of_the_reference_sources_is_nine_or_eight_round_trips(void **state)
{
	(void)state;
	assert_int_equal(slow_start_us(4.2 * 1048576, 295500), 9 * 295500);
	assert_int_equal(slow_start_us(18.6 * 1048576, 37300), 8 * 37300);
	assert_int_equal(slow_start_us(12.4 * 1048576, 65500), 8 * 65500);
	assert_int_equal(slow_start_us(20.1 * 1048576, 30700), 8 * 30700);
}

static void slow_start_has_bounds_and_defaults(void **state)
{
	(void)state;
	assert_int_equal(slow_start_us(1000, 100000), 4 * 100000);
	assert_int_equal(slow_start_us(1e12, 100000), 12 * 100000);
	assert_int_equal(slow_start_us(14480, 1000000), 4 * 1000000);
	assert_int_equal(slow_start_us(0, 0), slow_start_us(10 * 1048576.0, 100000));
	assert_int_equal(slow_start_us(0, 0), 9 * 100000); /* log2 of 72.4 is 6.2 */
	assert_int_equal(slow_start_us(-5, 0), slow_start_us(0, 0));
	assert_int_equal(slow_start_us(NAN, 0), slow_start_us(0, 0));
	assert_int_equal(slow_start_us(INFINITY, 1000), 12 * 1000);
	assert_int_equal(slow_start_us(1e9, UINT64_MAX), UINT64_MAX);
}

static void a_window_is_half_a_second_or_eight_round_trips(void **state)
{
	(void)state;
	assert_int_equal(rate_window_us(0), 500000);
	assert_int_equal(rate_window_us(62500), 500000);
	assert_int_equal(rate_window_us(295000), 2360000);
	assert_int_equal(rate_window_us(UINT64_MAX / 2), UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_known_before_the_first_sample),
		cmocka_unit_test(the_first_sample_is_taken_whole),
		cmocka_unit_test(short_windows_and_empty_ones_are_no_samples),
		cmocka_unit_test(a_sample_weighs_by_its_bytes),
		cmocka_unit_test(it_settles_on_a_new_rate_and_knows_its_spread),
		cmocka_unit_test(variance_doubles_each_day_and_is_not_changed_by_looking),
		cmocka_unit_test(after_silence_a_new_sample_counts_more),
		cmocka_unit_test(after_seven_days_it_is_forgotten),
		cmocka_unit_test(a_clock_that_jumps_back_is_no_time_gone_by),
		cmocka_unit_test(a_clock_that_jumps_ahead_ages_and_no_more),
		cmocka_unit_test(quantiles_are_within_a_tenth),
		cmocka_unit_test(quantiles_of_a_spread_follow_it),
		cmocka_unit_test(half_of_two_is_the_lower_one),
		cmocka_unit_test(times_beyond_the_buckets_fall_into_the_outermost),
		cmocka_unit_test(nothing_has_no_quantile),
		cmocka_unit_test(a_count_halves_each_hour),
		cmocka_unit_test(a_jumping_clock_only_ages_latencies),
		cmocka_unit_test(counts_stop_growing_where_floats_do),
		cmocka_unit_test(what_was_encoded_is_decoded_the_same),
		cmocka_unit_test(the_order_of_bytes_is_fixed),
		cmocka_unit_test(foreign_bytes_are_refused),
		cmocka_unit_test(the_least_round_trip_of_the_window_counts),
		cmocka_unit_test(an_old_minimum_gives_way_after_one_to_two_windows),
		cmocka_unit_test(after_silence_no_round_trip_is_known),
		cmocka_unit_test(a_clock_that_jumps_back_does_not_keep_a_round_trip_for_ever),
		cmocka_unit_test(slow_start_of_the_reference_sources_is_nine_or_eight_round_trips),
		cmocka_unit_test(slow_start_has_bounds_and_defaults),
		cmocka_unit_test(a_window_is_half_a_second_or_eight_round_trips),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
