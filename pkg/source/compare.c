/* compare.c - medians, means, ratios, and how sure they are. */
#include "source/compare.h"

#include <math.h>

#define T_TABLE_MAX 30                 /* degrees of freedom in the table below */
#define Z_95        1.9599639845400545 /* normal quantile of 0.975 */
#define TAIL        0.025              /* outside each end of a 95 % interval */

/* Quantile 0.975 of Student's t with 1 to 30 degrees (Abramowitz and Stegun, table 26.10). */
static const double t_table[T_TABLE_MAX] = {12.7062047362,
	4.3026527297,
	3.1824463053,
	2.7764451052,
	2.5705818356,
	2.4469118511,
	2.3646242516,
	2.3060041352,
	2.2621571629,
	2.2281388520,
	2.2009851601,
	2.1788128297,
	2.1603686565,
	2.1447866879,
	2.1314495456,
	2.1199052992,
	2.1098155778,
	2.1009220402,
	2.0930240544,
	2.0859634473,
	2.0796138447,
	2.0738730679,
	2.0686576104,
	2.0638985616,
	2.0595385528,
	2.0555294386,
	2.0518305165,
	2.0484071418,
	2.0452296421,
	2.0422724563};

/* A sorted copy of what counts of a sample. */
struct sample {
	double v[COMPARE_MAX];
	size_t n;
};

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static size_t counted(size_t n)
{
	return n < COMPARE_MAX ? n : COMPARE_MAX;
}

static void sample_init(struct sample *s, const double *v, size_t n)
{
	s->n = counted(n);
	if (s->n == 0)
		return;
	memcpy(s->v, v, s->n * sizeof(*v));
	qsort(s->v, s->n, sizeof(*v), by_value);
}

static double median_of(const struct sample *s)
{
	return s->n == 0 ? 0 : (s->v[(s->n - 1) / 2] + s->v[s->n / 2]) / 2;
}

/* Of sorted values, n at least 1. */
static double quantile_of(const double *sorted, size_t n, double q)
{
	double at = (double)(n - 1) * fmin(fmax(q, 0), 1);
	size_t i = (size_t)at;

	if (i + 1 >= n)
		return sorted[n - 1];
	return sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]);
}

double stat_mean(const double *v, size_t n)
{
	double sum = 0;

	n = counted(n);
	for (size_t i = 0; i < n; i++)
		sum += v[i];
	return n > 0 ? sum / (double)n : 0;
}

double stat_deviation(const double *v, size_t n)
{
	double mean = stat_mean(v, n);
	double sum = 0;

	n = counted(n);
	if (n < 2)
		return 0;
	for (size_t i = 0; i < n; i++)
		sum += (v[i] - mean) * (v[i] - mean);
	return sqrt(sum / (double)(n - 1));
}

double stat_median(const double *v, size_t n)
{
	struct sample s;

	sample_init(&s, v, n);
	return median_of(&s);
}

double stat_quantile(const double *v, size_t n, double q)
{
	struct sample s;

	sample_init(&s, v, n);
	return s.n > 0 ? quantile_of(s.v, s.n, q) : 0;
}

/* Beyond the table by Abramowitz and Stegun 26.7.5, there within 0.000 01. */
static double t_quantile(size_t degrees)
{
	double v = (double)degrees, z = Z_95;

	if (degrees <= T_TABLE_MAX)
		return t_table[degrees - 1];
	return z + (pow(z, 3) + z) / (4 * v) +
	       (5 * pow(z, 5) + 16 * pow(z, 3) + 3 * z) / (96 * v * v) +
	       (3 * pow(z, 7) + 19 * pow(z, 5) + 17 * pow(z, 3) - 15 * z) / (384 * pow(v, 3));
}

struct interval stat_mean_interval(const double *v, size_t n)
{
	double mean = stat_mean(v, n);
	double half = 0;

	n = counted(n);
	if (n >= 2)
		half = t_quantile(n - 1) * stat_deviation(v, n) / sqrt((double)n);
	return (struct interval){mean - half, mean + half};
}

/* ---- the bootstrap ---- */

/* splitmix64: chance that repeats, of good quality, in one word of state. */
static uint64_t next_random(uint64_t *seed)
{
	uint64_t x = *seed += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* As many values of s as it has, drawn with replacement; sorted without sorting. */
static void resample(const struct sample *s, uint64_t *seed, struct sample *ret)
{
	uint32_t times[COMPARE_MAX] = {0};
	size_t at = 0;

	for (size_t i = 0; i < s->n; i++)
		times[(next_random(seed) >> 32) * s->n >> 32]++;
	ret->n = s->n;
	for (size_t i = 0; i < s->n; i++) {
		while (times[at] == 0)
			at++;
		times[at]--;
		ret->v[i] = s->v[at];
	}
}

static struct interval percentile_interval(double *rounds)
{
	qsort(rounds, BOOTSTRAP_ROUNDS, sizeof(*rounds), by_value);
	return (struct interval){
		quantile_of(rounds, BOOTSTRAP_ROUNDS, TAIL),
		quantile_of(rounds, BOOTSTRAP_ROUNDS, 1 - TAIL),
	};
}

struct interval stat_median_interval(const double *v, size_t n, uint64_t seed)
{
	double rounds[BOOTSTRAP_ROUNDS];
	struct sample s, drawn;

	sample_init(&s, v, n);
	if (s.n == 0)
		return (struct interval){0, 0};
	for (size_t i = 0; i < BOOTSTRAP_ROUNDS; i++) {
		resample(&s, &seed, &drawn);
		rounds[i] = median_of(&drawn);
	}
	return percentile_interval(rounds);
}

/* ---- ratios ---- */

/* The logarithms, sorted; false: there are none, or not of all. */
static bool sample_init_log(struct sample *s, const double *v, size_t n)
{
	sample_init(s, v, n);
	if (s->n == 0 || !(s->v[0] > 0))
		return false;
	for (size_t i = 0; i < s->n; i++)
		s->v[i] = log(s->v[i]);
	return true;
}

/* Doubles as integers of the same order, so that a search by halves ends after 64 steps. */
static uint64_t order_of(double x)
{
	uint64_t bits;

	memcpy(&bits, &x, sizeof(bits));
	return bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
}

static double at_order(uint64_t order)
{
	uint64_t bits = order >> 63 ? order & ~(UINT64_C(1) << 63) : ~order;
	double x;

	memcpy(&x, &bits, sizeof(x));
	return x;
}

/* How many of the differences a_i - b_j are at most x; *ret_next: the least of the others. */
static size_t count_differences(
	const struct sample *a, const struct sample *b, double x, double *ret_next)
{
	size_t count = 0, first = 0; /* of b that can be taken off a_i: moves on as a grows */
	double next = INFINITY;

	for (size_t i = 0; i < a->n; i++) {
		while (first < b->n && a->v[i] - b->v[first] > x)
			first++;
		count += b->n - first;
		if (first > 0)
			next = fmin(next, a->v[i] - b->v[first - 1]);
	}
	*ret_next = next;
	return count;
}

/* Median of all a_i - b_j in the memory of a and b alone: the value is searched, not the pairs. */
static double median_difference(const struct sample *a, const struct sample *b)
{
	size_t pairs = a->n * b->n;
	size_t half = (pairs + 1) / 2; /* so many are at most the lower median */
	uint64_t low = order_of(a->v[0] - b->v[b->n - 1]);
	uint64_t high = order_of(a->v[a->n - 1] - b->v[0]);
	double median, next;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (count_differences(a, b, at_order(middle), &next) >= half)
			high = middle;
		else
			low = middle + 1;
	}
	median = at_order(high);
	if (pairs % 2 == 0 && count_differences(a, b, median, &next) == half)
		median = (median + next) / 2;
	return median;
}

double ratio_estimate(const double *a, size_t n, const double *b, size_t m)
{
	struct sample x, y;

	if (!sample_init_log(&x, a, n) || !sample_init_log(&y, b, m))
		return 0;
	return exp(median_difference(&x, &y));
}

struct interval ratio_interval(const double *a, size_t n, const double *b, size_t m, uint64_t seed)
{
	double rounds[BOOTSTRAP_ROUNDS];
	struct sample x, y, drawn_x, drawn_y;
	struct interval logs;

	if (!sample_init_log(&x, a, n) || !sample_init_log(&y, b, m))
		return (struct interval){0, 0};
	for (size_t i = 0; i < BOOTSTRAP_ROUNDS; i++) {
		resample(&x, &seed, &drawn_x);
		resample(&y, &seed, &drawn_y);
		rounds[i] = median_difference(&drawn_x, &drawn_y);
	}
	logs = percentile_interval(rounds);
	return (struct interval){exp(logs.low), exp(logs.high)};
}
