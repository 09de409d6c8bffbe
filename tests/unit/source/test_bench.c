/* The benchmark's pure parts: limits, the blob, the order, figures, ranks. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "source/bench_run.h"
#include "util/mem.h"

#define MIB  (1024ULL * 1024)
#define SEED 7

/* ---- limits ---- */

static void without_limits_the_guides_figures_hold(void **state)
{
	struct bench_budget b = bench_budget(40 * MIB, 4, 7, 0, 0);

	(void)state;
	assert_true(b.whole);
	assert_int_equal(b.trial_bytes, 32 * MIB);
	assert_int_equal(b.trial_ms, 10000);
	assert_int_equal(b.idle_ms, 1000);
}

static void a_small_blob_is_fetched_whole_in_each_trial(void **state)
{
	(void)state;
	assert_int_equal(bench_budget(5 * MIB, 4, 7, 0, 0).trial_bytes, 5 * MIB);
}

static void a_blob_beyond_reason_is_not_fetched_whole(void **state)
{
	(void)state;
	assert_true(bench_budget(256 * MIB, 2, 7, 0, 0).whole);
	assert_false(bench_budget(256 * MIB + 1, 2, 7, 0, 0).whole);
}

static void all_trials_fit_into_the_bytes_allowed(void **state)
{
	static const uint64_t sizes[] = {MIB, 20 * MIB, 40 * MIB, 300 * MIB};
	static const uint64_t limits[] = {16 * MIB, 100 * MIB, 1000 * MIB, 10000 * MIB};

	(void)state;
	for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
		for (size_t l = 0; l < ARRAY_SIZE(limits); l++) {
			for (unsigned rounds = 0; rounds <= 7; rounds += 7) {
				struct bench_budget b =
					bench_budget(sizes[s], 4, rounds, 0, limits[l]);
				uint64_t first = b.whole ? sizes[s] : b.trial_bytes;

				assert_true(b.trial_bytes > 0 && b.trial_bytes <= sizes[s]);
				assert_true(4 * first + 4 * rounds * b.trial_bytes <= limits[l]);
			}
		}
	}
}

static void trials_fit_into_the_time_allowed(void **state)
{
	struct bench_budget b = bench_budget(40 * MIB, 4, 7, 60000, 0);

	(void)state;
	assert_true(4 * 8 * (b.trial_ms + b.idle_ms) <= 60000);
	assert_true(b.trial_ms >= 1000);
	/* However short: a trial below that measures nothing. */
	assert_int_equal(bench_budget(40 * MIB, 4, 7, 1, 0).trial_ms, 200);
}

/* ---- the blob ---- */

static void the_blob_that_measures_best_is_chosen(void **state)
{
	static const struct {
		uint64_t sizes[4];
		size_t n, best;
	} cases[] = {
		{{17 * MIB, 33 * MIB, 60 * MIB}, 3, 1},
		{{1 * MIB, 16 * MIB, 500 * MIB}, 3, 1},
		{{1 * MIB, 2 * MIB, 3 * MIB}, 3, 2},    /* none is large enough: the largest */
		{{1 * MIB, 900 * MIB, 70 * MIB}, 3, 2}, /* the nearest above */
		{{64 * MIB, 65 * MIB}, 2, 0},
		{{0}, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(bench_blob_choose(cases[i].sizes, cases[i].n), cases[i].best);
}

/* ---- the order ---- */

static void an_order_has_everybody_once_and_repeats_with_the_seed(void **state)
{
	uint64_t a = SEED, b = SEED;

	(void)state;
	for (int round = 0; round < 50; round++) {
		size_t x[5] = {0, 1, 2, 3, 4}, y[5] = {0, 1, 2, 3, 4};
		unsigned seen = 0;

		bench_shuffle(&a, x, 5);
		bench_shuffle(&b, y, 5);
		assert_memory_equal(x, y, sizeof(x));
		for (int i = 0; i < 5; i++)
			seen |= 1U << x[i];
		assert_int_equal(seen, 31);
	}
}

static void every_place_in_the_order_comes_about_equally_often(void **state)
{
	unsigned first[4] = {0};
	uint64_t random = SEED;

	(void)state;
	for (int i = 0; i < 4000; i++) {
		size_t order[4] = {0, 1, 2, 3};

		bench_shuffle(&random, order, 4);
		first[order[0]]++;
	}
	for (int i = 0; i < 4; i++)
		assert_in_range(first[i], 850, 1150);
}

/* ---- figures ---- */

/* A result of n sources with seven rounds of these MiB/s each, and latencies. */
static struct bench_result *result_of(size_t n, const double rates[][7], const double *warm_ms)
{
	struct bench_result *r = xcalloc(1, sizeof(*r));

	r->rows = xcalloc(n, sizeof(*r->rows));
	r->n_rows = n;
	for (size_t i = 0; i < n; i++) {
		struct bench_row *row = &r->rows[i];

		row->name = xasprintf("%c", (int)('A' + (char)i));
		row->trials = xcalloc(8, sizeof(*row->trials));
		row->n_trials = 8;
		row->trials[0].result = (struct probe_result){.rate = (double)MIB, .bytes = 1};
		for (unsigned k = 1; k < 8; k++) {
			row->trials[k].round = k;
			row->trials[k].result.rate = rates[i][k - 1] * (double)MIB;
			row->trials[k].result.bytes = MIB;
		}
		for (size_t k = 0; k < BENCH_WARM; k++)
			row->warm[k] = warm_ms[i] + 0.01 * (double)k;
		row->n_warm = BENCH_WARM;
	}
	bench_derive(r, SEED);
	return r;
}

static const double lab[4][7] = {
	{4.1, 4.2, 4.2, 4.3, 4.2, 4.1, 4.2},
	{18.4, 18.6, 18.5, 18.7, 18.6, 18.3, 18.8},
	{12.3, 12.4, 12.5, 12.4, 12.2, 12.6, 12.4},
	{20.0, 20.1, 20.2, 19.9, 20.1, 20.3, 20.1},
};
static const double lab_warm[4] = {297, 39, 67, 33};

static void sources_are_ranked_by_medians_and_the_first_round_does_not_count(void **state)
{
	static const unsigned bulk[4] = {4, 2, 3, 1};
	struct bench_result *r = result_of(4, lab, lab_warm);

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(r->rows[i].rank_bulk, bulk[i]);
		assert_int_equal(r->rows[i].rank_small, bulk[i]);
		assert_false(r->rows[i].tied_bulk);
		assert_true(r->rows[i].measured);
	}
	assert_true(fabs(r->rows[1].rate / (double)MIB - 18.6) < 1e-6);
	assert_true(r->rows[1].first_rate == (double)MIB);
	assert_true(r->rows[1].rate_interval.low <= r->rows[1].rate);
	assert_int_equal(r->n_crossovers, 0);
	bench_result_free(r);
}

static void sources_that_are_alike_share_a_rank(void **state)
{
	static const double rates[2][7] = {{10, 11, 9, 10, 12, 8, 10}, {10, 9, 11, 10, 8, 12, 11}};
	static const double warm[2] = {5, 500};
	struct bench_result *r = result_of(2, rates, warm);

	(void)state;
	assert_int_equal(r->rows[0].rank_bulk, 1);
	assert_int_equal(r->rows[1].rank_bulk, 1);
	assert_true(r->rows[0].tied_bulk && r->rows[1].tied_bulk);
	assert_false(r->rows[0].tied_small);
	bench_result_free(r);
}

static void who_answers_first_and_who_delivers_more_cross_at_a_size(void **state)
{
	static const double rates[2][7] = {{2, 2, 2, 2, 2, 2, 2}, {20, 20, 20, 20, 20, 20, 20}};
	static const double warm[2] = {10, 100};
	struct bench_result *r = result_of(2, rates, warm);

	(void)state;
	assert_int_equal(r->n_crossovers, 1);
	assert_int_equal(r->crossovers[0].a, 0);
	assert_int_equal(r->crossovers[0].b, 1);
	/* 90 ms at 1 / (1/2 - 1/20) MiB/s */
	assert_true(fabs(r->crossovers[0].bytes / (double)MIB - 0.2) < 1e-3);
	bench_result_free(r);
}

static void a_source_without_samples_is_not_ranked(void **state)
{
	struct bench_result *r = result_of(4, lab, lab_warm);

	(void)state;
	r->rows[3].n_trials = r->rows[3].n_warm = 0;
	bench_derive(r, SEED);
	assert_int_equal(r->rows[3].rank_bulk, 0);
	assert_int_equal(r->rows[3].rank_small, 0);
	assert_false(r->rows[3].measured);
	assert_true(isnan(r->rows[3].rate));
	assert_int_equal(r->rows[1].rank_bulk, 1);
	bench_result_free(r);
}

static void small_requests_that_wait_beside_bulk_are_bufferbloat(void **state)
{
	struct bench_result *r = result_of(2, lab, lab_warm);

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct probe_result *p = &r->rows[i].trials[1].result;

		p->n_beside = 10;
		for (size_t k = 0; k < p->n_beside; k++)
			p->beside_us[k] = i == 0 ? 490000 : 260000;
	}
	bench_derive(r, SEED);
	assert_false(r->rows[0].bloat); /* 490 ms, of which 297 are its latency */
	assert_true(r->rows[1].bloat);  /* 260 ms instead of 39 */
	bench_result_free(r);
}

static void the_fastest_that_are_alike_may_share_a_bottleneck(void **state)
{
	static const double rates[3][7] = {
		{5, 5, 5, 5, 5, 5, 5}, {5.1, 5.1, 5.1, 5.1, 5.1, 5.1, 5.1}, {9, 9, 9, 9, 9, 9, 9}};
	struct bench_result *r = result_of(3, rates, lab_warm);
	size_t a = 9, b = 9;

	(void)state;
	assert_true(bench_tied_pair(r, &a, &b));
	assert_int_equal(a, 0);
	assert_int_equal(b, 1);
	r->rows[0].bound = true; /* a bound ties with nobody */
	assert_false(bench_tied_pair(r, &a, &b));
	bench_result_free(r);
}

static void two_are_compared_by_their_rounds(void **state)
{
	struct bench_result *r = result_of(4, lab, lab_warm);
	struct bench_comparison c;
	bool latency;

	(void)state;
	assert_true(bench_compare(r, 1, 2, SEED, &c, &latency));
	assert_false(latency);
	assert_int_equal(c.n_a, 7);
	assert_true(fabs(c.ratio - 1.5) < 0.01);
	assert_true(c.interval.low > 1.45 && c.interval.high < 1.55);
	assert_true(c.p < 0.001);
	r->rows[2].n_trials = 0;
	assert_true(bench_compare(r, 1, 2, SEED, &c, &latency));
	assert_true(latency);
	assert_true(c.ratio > 1.6 && c.ratio < 1.8); /* 67 ms against 39 */
	r->rows[2].n_warm = 0;
	assert_false(bench_compare(r, 1, 2, SEED, &c, &latency));
	bench_result_free(r);
}

static void rounds_needed_grow_with_the_sources(void **state)
{
	(void)state;
	assert_int_equal(bench_rounds_needed(1), 1);
	assert_int_equal(bench_rounds_needed(2), 4); /* 2/70; of 3: 2/20 */
	assert_int_equal(bench_rounds_needed(3), 5); /* 3 * 2/252; of 4: 3 * 2/70 */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rounds_needed_grow_with_the_sources),
		cmocka_unit_test(without_limits_the_guides_figures_hold),
		cmocka_unit_test(a_small_blob_is_fetched_whole_in_each_trial),
		cmocka_unit_test(a_blob_beyond_reason_is_not_fetched_whole),
		cmocka_unit_test(all_trials_fit_into_the_bytes_allowed),
		cmocka_unit_test(trials_fit_into_the_time_allowed),
		cmocka_unit_test(the_blob_that_measures_best_is_chosen),
		cmocka_unit_test(an_order_has_everybody_once_and_repeats_with_the_seed),
		cmocka_unit_test(every_place_in_the_order_comes_about_equally_often),
		cmocka_unit_test(sources_are_ranked_by_medians_and_the_first_round_does_not_count),
		cmocka_unit_test(sources_that_are_alike_share_a_rank),
		cmocka_unit_test(who_answers_first_and_who_delivers_more_cross_at_a_size),
		cmocka_unit_test(a_source_without_samples_is_not_ranked),
		cmocka_unit_test(small_requests_that_wait_beside_bulk_are_bufferbloat),
		cmocka_unit_test(the_fastest_that_are_alike_may_share_a_bottleneck),
		cmocka_unit_test(two_are_compared_by_their_rounds),
	};

	return cmocka_run_group_tests_name("source/bench", tests, NULL, NULL);
}
