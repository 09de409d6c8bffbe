#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "source/compare.h"
#include "util/mem.h"

/* Chance that repeats (xorshift64), of quality enough for a test. */
static uint64_t chance = 88172645463325252u;

static uint64_t random_bits(void)
{
	chance ^= chance << 13;
	chance ^= chance >> 7;
	chance ^= chance << 17;
	return chance;
}

static double random_unit(void)
{
	return ((double)(random_bits() >> 11) + 0.5) / 9007199254740992.0;
}

static double random_normal(void)
{
	return sqrt(-2 * log(random_unit())) * cos(2 * 3.14159265358979323846 * random_unit());
}

static void assert_close(double value, double expected, double relative)
{
	if (!(fabs(value - expected) <= relative * fabs(expected) + 1e-300)) {
		print_error("%.12g, expected %.12g\n", value, expected);
		fail();
	}
}

/* ---- medians, means, intervals ---- */

static void a_median_leaves_its_numbers_in_place(void **state)
{
	const double odd[] = {5, 1, 9}, even[] = {4, 1, 3, 2};
	double v[] = {3, 1, 2};

	(void)state;
	assert_close(stat_median(odd, 3), 5, 0);
	assert_close(stat_median(even, 4), 2.5, 0);
	assert_close(stat_median(odd, 1), 5, 0);
	assert_close(stat_median(v, 3), 2, 0);
	assert_true(v[0] == 3 && v[1] == 1 && v[2] == 2);
}

static void nothing_has_zeros_and_no_spread(void **state)
{
	const double one[] = {7};
	struct interval i;

	(void)state;
	assert_true(stat_mean(NULL, 0) == 0 && stat_median(NULL, 0) == 0);
	assert_true(stat_deviation(NULL, 0) == 0 && stat_quantile(NULL, 0, 0.5) == 0);
	i = stat_median_interval(NULL, 0, 1);
	assert_true(i.low == 0 && i.high == 0);
	i = stat_mean_interval(NULL, 0);
	assert_true(i.low == 0 && i.high == 0);
	assert_true(stat_deviation(one, 1) == 0);
	i = stat_mean_interval(one, 1);
	assert_true(i.low == 7 && i.high == 7);
	i = stat_median_interval(one, 1, 1);
	assert_true(i.low == 7 && i.high == 7);
}

static void deviation_divides_by_one_less(void **state)
{
	const double v[] = {2, 4, 4, 4, 5, 5, 7, 9};

	(void)state;
	assert_close(stat_mean(v, 8), 5, 1e-15);
	assert_close(stat_deviation(v, 8), sqrt(32.0 / 7), 1e-14);
}

static void quantiles_are_linear_between_the_numbers(void **state)
{
	const double v[] = {40, 10, 30, 20, 50};

	(void)state;
	assert_close(stat_quantile(v, 5, 0), 10, 0);
	assert_close(stat_quantile(v, 5, 1), 50, 0);
	assert_close(stat_quantile(v, 5, 0.5), 30, 0);
	assert_close(stat_quantile(v, 5, 0.9), 46, 1e-14);
	assert_close(stat_quantile(v, 5, 0.125), 15, 1e-14);
	assert_close(stat_quantile(v, 5, -1), 10, 0);
	assert_close(stat_quantile(v, 5, 2), 50, 0);
}

/* Alternating -1 and 1 have mean 0 or nearly, and a deviation that is computed by hand. */
static void the_interval_of_a_mean_is_as_wide_as_the_tables_of_t_say(void **state)
{
	static const struct {
		size_t n;
		double t; /* two-sided .05, n - 1 degrees */
	} rows[] = {
		{2, 12.70620},
		{3, 4.30265},
		{5, 2.77645},
		{7, 2.44691},
		{10, 2.26216},
		{21, 2.08596},
		{31, 2.04227},
		{32, 2.03951},
		{41, 2.02108},
		{61, 2.00030},
		{121, 1.97993},
		{1001, 1.96234},
	};
	double v[1001];

	(void)state;
	for (size_t r = 0; r < ARRAY_SIZE(rows); r++) {
		size_t n = rows[r].n;
		struct interval i;

		for (size_t k = 0; k < n; k++)
			v[k] = (double)k;
		i = stat_mean_interval(v, n);
		assert_close((i.high + i.low) / 2, (double)(n - 1) / 2, 1e-12);
		/* The deviation of 0 .. n-1 is sqrt(n(n+1)/12). */
		assert_close((i.high - i.low) / 2,
			rows[r].t * sqrt((double)n * (double)(n + 1) / 12) / sqrt((double)n),
			5e-6);
	}
}

static void more_numbers_than_the_ceiling_do_not_count(void **state)
{
	double *v = xcalloc(COMPARE_MAX + 500, sizeof(*v));
	double u;

	(void)state;
	for (size_t i = COMPARE_MAX; i < COMPARE_MAX + 500; i++)
		v[i] = 1e9;
	assert_true(stat_mean(v, COMPARE_MAX + 500) == 0);
	assert_true(stat_median(v, COMPARE_MAX + 500) == 0);
	assert_true(stat_quantile(v, COMPARE_MAX + 500, 1) == 0);
	assert_true(mann_whitney(v, COMPARE_MAX + 500, v, COMPARE_MAX + 500, &u) == 1);
	assert_close(u, (double)COMPARE_MAX * COMPARE_MAX / 2, 0);
	free(v);
}

static void the_bootstrap_of_a_median_repeats_and_lies_around_it(void **state)
{
	double v[25];
	struct interval a, b, c;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(v); i++)
		v[i] = 100 + 10 * random_normal();
	a = stat_median_interval(v, ARRAY_SIZE(v), 42);
	b = stat_median_interval(v, ARRAY_SIZE(v), 42);
	c = stat_median_interval(v, ARRAY_SIZE(v), 43);
	assert_true(a.low == b.low && a.high == b.high);
	assert_true(a.low < stat_median(v, 25) && stat_median(v, 25) < a.high);
	assert_true(a.low > stat_quantile(v, 25, 0.1) && a.high < stat_quantile(v, 25, 0.9));
	assert_close(c.low, a.low, 0.05);
	assert_close(c.high, a.high, 0.05);
}

/* Of 1 to 100 it is about the 40th to the 61st, by the binomial distribution. */
static void the_bootstrap_leaves_a_fortieth_at_each_end(void **state)
{
	struct interval i;
	double v[100];

	(void)state;
	for (size_t k = 0; k < 100; k++)
		v[k] = (double)(k + 1);
	i = stat_median_interval(v, 100, 7);
	assert_true(i.low >= 39 && i.low <= 42);
	assert_true(i.high >= 59 && i.high <= 62);
}

/* ---- Mann-Whitney ---- */

/* Samples without ties in which u of the n*m pairs have the larger value in a. */
static double p_of(size_t n, size_t m, size_t u)
{
	double *a = xcalloc(n, sizeof(*a)), *b = xcalloc(m, sizeof(*b));
	size_t left = u;
	double seen, p;

	for (size_t i = 0; i < m; i++)
		b[i] = (double)(i + 1);
	for (size_t i = 0; i < n; i++) {
		size_t below = left < m ? left : m;

		left -= below;
		a[i] = (double)below + 0.5 - (double)i / 10000;
	}
	assert_int_equal(left, 0);
	p = mann_whitney(a, n, b, m, &seen);
	assert_close(seen, (double)u, 0);
	/* The other way round the pairs are the others, and the answer is the same. */
	assert_close(mann_whitney(b, m, a, n, &seen), p, 1e-12);
	assert_close(seen, (double)(n * m - u), 0);
	free(a);
	free(b);
	return p;
}

/* The largest U with p <= alpha, as every textbook prints it. */
static void critical_values_are_those_of_the_tables(void **state)
{
	static const struct {
		size_t n, m, u;
		double alpha;
	} rows[] = {
		{2, 8, 0, .05},
		{3, 5, 0, .05},
		{3, 8, 2, .05},
		{4, 4, 0, .05},
		{4, 5, 1, .05},
		{4, 6, 2, .05},
		{4, 8, 4, .05},
		{5, 5, 2, .05},
		{5, 6, 3, .05},
		{5, 8, 6, .05},
		{5, 10, 8, .05},
		{6, 6, 5, .05},
		{6, 8, 8, .05},
		{7, 7, 8, .05},
		{7, 8, 10, .05},
		{8, 8, 13, .05},
		{8, 10, 17, .05},
		{9, 9, 17, .05},
		{10, 10, 23, .05},
		{10, 20, 55, .05},
		{12, 12, 37, .05},
		{15, 15, 64, .05},
		{20, 20, 127, .05},
		{5, 5, 0, .01},
		{6, 6, 2, .01},
		{7, 7, 4, .01},
		{8, 8, 7, .01},
		{10, 10, 16, .01},
		{15, 15, 51, .01},
		{20, 20, 105, .01},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_true(p_of(rows[i].n, rows[i].m, rows[i].u) <= rows[i].alpha);
		assert_true(p_of(rows[i].n, rows[i].m, rows[i].u + 1) > rows[i].alpha);
	}
}

static void exact_p_values_are_those_of_counting(void **state)
{
	(void)state;
	assert_close(p_of(3, 3, 0), 2.0 / 20, 1e-12);
	assert_close(p_of(4, 4, 0), 2.0 / 70, 1e-12);
	assert_close(p_of(5, 5, 0), 2.0 / 252, 1e-12);
	assert_close(p_of(5, 5, 2), 8.0 / 252, 1e-12); /* 1, 1 and 2 ways to 0, 1 and 2 */
	assert_close(p_of(7, 7, 0), 2.0 / 3432, 1e-12);
	assert_close(p_of(7, 7, 8), 0.0379, 2e-3); /* 130/3432 */
	assert_close(p_of(1, 1, 0), 1, 0);
	assert_close(p_of(4, 4, 8), 1, 1e-12); /* the middle */
	assert_close(p_of(4, 4, 16), 2.0 / 70, 1e-12);
	/* 2 / (128 over 64), at the ceiling of exactness. */
	assert_close(p_of(64, 64, 0), 2 / 2.3951146041928082e37, 1e-9);
}

static void u_counts_pairs_and_ties_a_half(void **state)
{
	const double a[] = {1, 3, 3, 9}, b[] = {2, 3, 4};
	double u;

	(void)state;
	(void)mann_whitney(a, 4, b, 3, &u); /* 0; 1.5; 1.5; 3 */
	assert_close(u, 6, 0);
	(void)mann_whitney(b, 3, a, 4, &u);
	assert_close(u, 6, 0);
	assert_true(mann_whitney(a, 0, b, 3, &u) == 1 && u == 0);
	assert_true(mann_whitney(a, 4, b, 0, &u) == 1 && u == 0);
	assert_true(mann_whitney(NULL, 0, NULL, 0, NULL) == 1);
}

static double u_of(const double *pool, size_t all, uint32_t in_a)
{
	double u = 0;

	for (size_t i = 0; i < all; i++) {
		for (size_t j = 0; j < all; j++) {
			if (!(in_a >> i & 1) || (in_a >> j & 1))
				continue;
			u += pool[i] > pool[j] ? 1 : pool[i] == pool[j] ? 0.5 : 0;
		}
	}
	return u;
}

/* Every way of dealing the values out, and how many are at least as far from the middle. */
static double p_by_permutation(const double *pool, size_t all, size_t n)
{
	double middle = (double)(n * (all - n)) / 2;
	double seen = fabs(u_of(pool, all, (1u << n) - 1) - middle);
	unsigned far = 0, total = 0;

	for (uint32_t in_a = 0; in_a < 1u << all; in_a++) {
		if ((size_t)__builtin_popcount(in_a) != n)
			continue;
		total++;
		far += fabs(u_of(pool, all, in_a) - middle) >= seen;
	}
	return (double)far / total;
}

static void with_ties_it_is_the_permutation_test(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		size_t n = 1 + random_bits() % 5, m = 1 + random_bits() % 6;
		uint64_t kinds = 1 + random_bits() % 8; /* few: many ties */
		double pool[11], u;

		for (size_t i = 0; i < n + m; i++)
			pool[i] = (double)(random_bits() % kinds) * 0.1;
		assert_close(mann_whitney(pool, n, pool + n, m, &u),
			p_by_permutation(pool, n + m, n),
			1e-12);
		assert_close(u, u_of(pool, n + m, (1u << n) - 1), 0);
	}
}

static void equal_numbers_tell_nothing(void **state)
{
	double v[COMPARE_EXACT_MAX + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(v); i++)
		v[i] = 4.2;
	assert_close(mann_whitney(v, 7, v, 7, NULL), 1, 1e-12);
	assert_close(mann_whitney(v, 64, v, 64, NULL), 1, 1e-12);
	assert_close(mann_whitney(v, 65, v, 65, NULL), 1, 0);
}

static void large_samples_follow_the_normal_curve(void **state)
{
	(void)state;
	/* Deviation of U: sqrt(100 * 100 * 201 / 12) = 409.27; 1.9608 of them less a half. */
	assert_close(p_of(100, 100, 4197), 0.04990, 1e-3);
	assert_close(p_of(100, 100, 5000), 1, 0);
	/* Where the exact one ends, both say the same. */
	assert_close(p_of(65, 64, 1664), p_of(64, 64, 1638), 0.03); /* each at 0.8 of the mean */
}

static void ties_narrow_the_normal_curve(void **state)
{
	double a[100], b[100], u;

	(void)state;
	for (size_t i = 0; i < 100; i++) {
		a[i] = i < 60;
		b[i] = i < 45;
	}
	/* 105 ones and 95 noughts: variance 125314, distance 749.5. */
	assert_close(mann_whitney(a, 100, b, 100, &u), 0.03424, 5e-4);
	assert_close(u, 5750, 0);
}

/* Samples of the same distribution are told apart in at most one case of twenty. */
static void the_same_is_seldom_called_different(void **state)
{
	unsigned wrong = 0;

	(void)state;
	for (unsigned round = 0; round < 4000; round++) {
		double a[7], b[7];

		for (size_t i = 0; i < 7; i++) {
			a[i] = random_normal();
			b[i] = random_normal();
		}
		wrong += mann_whitney(a, 7, b, 7, NULL) <= COMPARE_ALPHA;
	}
	/* 3.79 % by the table; 4000 rounds leave 0.3 % of deviation. */
	assert_in_range(wrong, 152 - 48, 152 + 48);
}

/* ---- Holm ---- */

static void holm_steps_down(void **state)
{
	double p[] = {.01, .04, .03, .005};
	double same[] = {.02, .02, .02};
	double large[] = {.9, .5};

	(void)state;
	holm_adjust(p, 4); /* .005 * 4, .01 * 3, .03 * 2, and .04 is raised to .06 */
	assert_close(p[0], .03, 1e-12);
	assert_close(p[1], .06, 1e-12);
	assert_close(p[2], .06, 1e-12);
	assert_close(p[3], .02, 1e-12);
	holm_adjust(same, 3);
	assert_true(same[0] == .06 && same[1] == .06 && same[2] == .06);
	holm_adjust(large, 2);
	assert_true(large[0] == 1 && large[1] == 1);
	holm_adjust(p, 1);
	assert_close(p[0], .03, 1e-12);
	holm_adjust(NULL, 0);
}

/* ---- ratios ---- */

static int by_number(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double ratio_of_all_pairs(const double *a, size_t n, const double *b, size_t m)
{
	double logs[144];

	for (size_t i = 0; i < n * m; i++)
		logs[i] = log(a[i / m]) - log(b[i % m]);
	qsort(logs, n * m, sizeof(*logs), by_number);
	return exp((logs[(n * m - 1) / 2] + logs[n * m / 2]) / 2);
}

static void the_ratio_is_the_median_of_all_pairs(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 500; round++) {
		size_t n = 1 + random_bits() % 12, m = 1 + random_bits() % 12;
		double a[12], b[12];

		for (size_t i = 0; i < 12; i++) {
			a[i] = round % 2 ? (double)(1 + random_bits() % 4) : exp(random_normal());
			b[i] = round % 2 ? (double)(1 + random_bits() % 4) : exp(random_normal());
		}
		assert_close(ratio_estimate(a, n, b, m), ratio_of_all_pairs(a, n, b, m), 1e-12);
	}
}

static void a_ratio_without_numbers_is_nought(void **state)
{
	const double good[] = {1, 2}, bad[] = {0, 1}, worse[] = {-1, 1};
	struct interval i = ratio_interval(good, 2, bad, 2, 1);

	(void)state;
	assert_true(ratio_estimate(good, 2, good, 0) == 0 && ratio_estimate(good, 0, good, 2) == 0);
	assert_true(ratio_estimate(bad, 2, good, 2) == 0);
	assert_true(ratio_estimate(good, 2, worse, 2) == 0);
	assert_true(i.low == 0 && i.high == 0);
	assert_close(ratio_estimate(good, 2, good, 2), 1, 1e-15);
}

static void the_interval_of_a_ratio_repeats_and_covers_the_truth(void **state)
{
	unsigned covered = 0, above_one = 0;

	(void)state;
	for (unsigned round = 0; round < 100; round++) {
		struct interval i, again;
		double a[10], b[10];

		for (size_t k = 0; k < 10; k++) {
			a[k] = 1.5 * 18e6 * exp(0.1 * random_normal());
			b[k] = 18e6 * exp(0.1 * random_normal());
		}
		i = ratio_interval(a, 10, b, 10, round);
		again = ratio_interval(a, 10, b, 10, round);
		assert_true(i.low == again.low && i.high == again.high);
		assert_true(i.low <= ratio_estimate(a, 10, b, 10));
		assert_true(i.high >= ratio_estimate(a, 10, b, 10));
		assert_true(i.high - i.low < 0.6);
		covered += i.low <= 1.5 && 1.5 <= i.high;
		above_one += i.low > 1;
	}
	assert_in_range(covered, 85, 100); /* the percentile interval of ten is a little narrow */
	assert_int_equal(above_one, 100);
}

static void a_large_sample_costs_no_more_memory_than_itself(void **state)
{
	double *a = xcalloc(COMPARE_MAX, sizeof(*a)), *b = xcalloc(COMPARE_MAX, sizeof(*b));

	(void)state;
	for (size_t i = 0; i < COMPARE_MAX; i++) {
		b[i] = 1 + random_unit();
		a[i] = 3 * b[i];
	}
	assert_close(ratio_estimate(a, COMPARE_MAX, b, COMPARE_MAX), 3, 1e-12);
	free(a);
	free(b);
}

/* ---- ranks ---- */

static const double fast[] = {20.1, 20.3, 19.9, 20.2, 20.0, 19.8, 20.4};
static const double quick[] = {20.05, 20.35, 19.95, 20.15, 19.7, 19.85, 20.25};
static const double slow[] = {12.4, 12.5, 12.3, 12.6, 12.2, 12.7, 12.1};

#define OF(v)                      \
	{                          \
		(v), ARRAY_SIZE(v) \
	}

static void sources_that_are_not_told_apart_share_a_rank(void **state)
{
	const struct contestant c[] = {OF(slow), OF(quick), OF(fast)};
	unsigned rank[3];
	bool tied[3];
	double p[9];

	(void)state;
	rank_contestants(c, 3, true, rank, tied, p);
	assert_int_equal(rank[0], 3);
	assert_int_equal(rank[1], 1);
	assert_int_equal(rank[2], 1);
	assert_true(!tied[0] && tied[1] && tied[2]);
	assert_true(p[0] == 1 && p[4] == 1 && p[8] == 1);
	assert_close(p[1], 3 * 2.0 / 3432, 1e-12); /* apart at U = 0; Holm takes the least of 3 */
	assert_close(p[2], 3 * 2.0 / 3432, 1e-12);
	assert_true(p[5] > 0.5);
	for (size_t i = 0; i < 9; i++)
		assert_true(p[i] == p[i % 3 * 3 + i / 3]);

	rank_contestants(c, 3, false, rank, tied, NULL);
	assert_int_equal(rank[0], 1);
	assert_int_equal(rank[1], 2);
	assert_int_equal(rank[2], 2);
	assert_true(!tied[0] && tied[1] && tied[2]);
}

/* b is like both of its neighbours, but c is not like a: the first of a group decides. */
static void a_chain_of_ties_is_cut_at_its_first(void **state)
{
	const double a[] = {30, 31, 32, 33, 34, 35, 36};
	const double b[] = {27.75, 28.75, 29.75, 30.75, 31.75, 32.75, 33.75};
	const double d[] = {25.5, 26.5, 27.5, 28.5, 29.5, 30.5, 31.5};
	const struct contestant c[] = {OF(a), OF(b), OF(d)};
	unsigned rank[3];
	bool tied[3];
	double p[9];

	(void)state;
	rank_contestants(c, 3, true, rank, tied, p);
	assert_true(p[1] > COMPARE_ALPHA && p[5] > COMPARE_ALPHA && p[2] <= COMPARE_ALPHA);
	assert_int_equal(rank[0], 1);
	assert_int_equal(rank[1], 1);
	assert_int_equal(rank[2], 3);
	assert_true(tied[0] && tied[1] && !tied[2]);
}

static void three_rounds_tell_nobody_apart(void **state)
{
	const struct contestant c[] = {{fast, 3}, {slow, 3}};
	unsigned rank[2];
	bool tied[2];

	(void)state;
	rank_contestants(c, 2, true, rank, tied, NULL);
	assert_true(rank[0] == 1 && rank[1] == 1 && tied[0] && tied[1]);
}

static void who_was_not_measured_comes_last_and_takes_no_part(void **state)
{
	const struct contestant c[] = {{NULL, 0}, OF(slow), {NULL, 0}, OF(fast)};
	unsigned rank[4];
	bool tied[4];
	double p[16];

	(void)state;
	rank_contestants(c, 4, true, rank, tied, p);
	assert_true(rank[0] == 3 && rank[1] == 2 && rank[2] == 3 && rank[3] == 1);
	assert_true(!tied[0] && !tied[1] && !tied[2] && !tied[3]);
	assert_close(p[1 * 4 + 3], 2.0 / 3432, 1e-12); /* the only pair */
	assert_true(p[1] == 1 && p[2] == 1 && p[0] == 1);

	rank_contestants(c, 1, true, rank, tied, p);
	assert_true(rank[0] == 1 && !tied[0] && p[0] == 1);
	rank_contestants(&c[1], 1, true, rank, tied, NULL);
	assert_true(rank[0] == 1 && !tied[0]);
	rank_contestants(NULL, 0, true, rank, tied, NULL);
}

static void as_many_as_a_set_may_have_are_ranked(void **state)
{
	double v[CONTESTANTS_MAX][12];
	struct contestant c[CONTESTANTS_MAX];
	unsigned rank[CONTESTANTS_MAX];
	bool tied[CONTESTANTS_MAX];

	(void)state;
	for (size_t i = 0; i < CONTESTANTS_MAX; i++) {
		for (size_t k = 0; k < 12; k++)
			v[i][k] = (double)((i * 7) % CONTESTANTS_MAX * 100 + k);
		c[i] = (struct contestant){v[i], 12};
	}
	rank_contestants(c, CONTESTANTS_MAX, false, rank, tied, NULL);
	for (size_t i = 0; i < CONTESTANTS_MAX; i++) {
		assert_int_equal(rank[i], (i * 7) % CONTESTANTS_MAX + 1);
		assert_false(tied[i]);
	}
}

/* ---- crossover ---- */

static void from_the_crossover_on_the_later_one_is_quicker(void **state)
{
	double s = crossover_bytes(0.1, 10e6, 0.3, 20e6);

	(void)state;
	assert_close(s, 4e6, 1e-12);
	assert_close(0.1 + s / 10e6, 0.3 + s / 20e6, 1e-12);
	assert_true(crossover_bytes(0.3, 20e6, 0.1, 10e6) == 0); /* the other way round */
	assert_true(crossover_bytes(0.1, 20e6, 0.3, 10e6) == 0); /* a wins at every size */
	assert_true(crossover_bytes(0.1, 10e6, 0.1, 20e6) == 0); /* b wins at every size */
	assert_true(crossover_bytes(0.1, 10e6, 0.3, 10e6) == 0);
	assert_true(crossover_bytes(0.1, 0, 0.3, 20e6) == 0);
	assert_true(crossover_bytes(NAN, 10e6, 0.3, 20e6) == 0);
	assert_true(crossover_bytes(0.1, 10e6, 0.3, NAN) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_median_leaves_its_numbers_in_place),
		cmocka_unit_test(nothing_has_zeros_and_no_spread),
		cmocka_unit_test(deviation_divides_by_one_less),
		cmocka_unit_test(quantiles_are_linear_between_the_numbers),
		cmocka_unit_test(the_interval_of_a_mean_is_as_wide_as_the_tables_of_t_say),
		cmocka_unit_test(more_numbers_than_the_ceiling_do_not_count),
		cmocka_unit_test(the_bootstrap_of_a_median_repeats_and_lies_around_it),
		cmocka_unit_test(the_bootstrap_leaves_a_fortieth_at_each_end),
		cmocka_unit_test(critical_values_are_those_of_the_tables),
		cmocka_unit_test(exact_p_values_are_those_of_counting),
		cmocka_unit_test(u_counts_pairs_and_ties_a_half),
		cmocka_unit_test(with_ties_it_is_the_permutation_test),
		cmocka_unit_test(equal_numbers_tell_nothing),
		cmocka_unit_test(large_samples_follow_the_normal_curve),
		cmocka_unit_test(ties_narrow_the_normal_curve),
		cmocka_unit_test(the_same_is_seldom_called_different),
		cmocka_unit_test(holm_steps_down),
		cmocka_unit_test(the_ratio_is_the_median_of_all_pairs),
		cmocka_unit_test(a_ratio_without_numbers_is_nought),
		cmocka_unit_test(the_interval_of_a_ratio_repeats_and_covers_the_truth),
		cmocka_unit_test(a_large_sample_costs_no_more_memory_than_itself),
		cmocka_unit_test(sources_that_are_not_told_apart_share_a_rank),
		cmocka_unit_test(a_chain_of_ties_is_cut_at_its_first),
		cmocka_unit_test(three_rounds_tell_nobody_apart),
		cmocka_unit_test(who_was_not_measured_comes_last_and_takes_no_part),
		cmocka_unit_test(as_many_as_a_set_may_have_are_ranked),
		cmocka_unit_test(from_the_crossover_on_the_later_one_is_quicker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
