/* compare.c - medians, intervals, ratios, and when b is quicker than a. */
#include "source/compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "util/mem.h"

#define LOW_SHARE  0.025 /* ends of a 95 % interval */
#define HIGH_SHARE 0.975

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static size_t sample_size(size_t n)
{
	return n < COMPARE_MAX ? n : COMPARE_MAX;
}

double stat_mean(const double *v, size_t n)
{
	double sum = 0;

	n = sample_size(n);
	for (size_t i = 0; i < n; i++)
		sum += v[i];
	return n ? sum / (double)n : 0;
}

double stat_deviation(const double *v, size_t n)
{
	double mean = stat_mean(v, n), sum = 0;

	n = sample_size(n);
	for (size_t i = 0; i < n; i++)
		sum += (v[i] - mean) * (v[i] - mean);
	return n > 1 ? sqrt(sum / (double)(n - 1)) : 0;
}

static double quantile_of_sorted(const double *v, size_t n, double q)
{
	double at = q * (double)(n - 1);
	size_t low = (size_t)at;

	if (low + 1 >= n)
		return v[n - 1];
	return v[low] + (at - (double)low) * (v[low + 1] - v[low]);
}

double stat_quantile(const double *v, size_t n, double q)
{
	AUTO_FREE double *sorted = NULL;

	n = sample_size(n);
	if (n == 0)
		return 0;
	sorted = xmemdup(v, n * sizeof(*v));
	qsort(sorted, n, sizeof(*sorted), ascending);
	return quantile_of_sorted(sorted, n, q);
}

double stat_median(const double *v, size_t n)
{
	return stat_quantile(v, n, 0.5);
}

/* ---- intervals ---- */

/* The 0.975 quantile of Student's t; beyond the table by Cornish and Fisher, to four digits. */
static double student(size_t df)
{
	static const double table[] = {0,
		12.706,
		4.303,
		3.182,
		2.776,
		2.571,
		2.447,
		2.365,
		2.306,
		2.262,
		2.228,
		2.201,
		2.179,
		2.160,
		2.145,
		2.131,
		2.120,
		2.110,
		2.101,
		2.093,
		2.086,
		2.080,
		2.074,
		2.069,
		2.064,
		2.060,
		2.056,
		2.052,
		2.048,
		2.045,
		2.042};
	const double z = 1.959964;
	double n = (double)df;

	if (df < ARRAY_SIZE(table))
		return table[df];
	return z + (z * z * z + z) / (4 * n) +
	       (5 * pow(z, 5) + 16 * pow(z, 3) + 3 * z) / (96 * n * n);
}

struct interval stat_mean_interval(const double *v, size_t n)
{
	double mean = stat_mean(v, n), half;

	n = sample_size(n);
	if (n < 2)
		return (struct interval){mean, mean};
	half = student(n - 1) * stat_deviation(v, n) / sqrt((double)n);
	return (struct interval){mean - half, mean + half};
}

/* SplitMix64: chance that repeats, for resampling. */
static uint64_t chance(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static void resample(const double *v, size_t n, double *to, uint64_t *state)
{
	for (size_t i = 0; i < n; i++)
		to[i] = v[chance(state) % n];
}

/* Sorts v. */
static struct interval middle_of(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), ascending);
	return (struct interval){
		quantile_of_sorted(v, n, LOW_SHARE), quantile_of_sorted(v, n, HIGH_SHARE)};
}

struct interval stat_median_interval(const double *v, size_t n, uint64_t seed)
{
	double medians[BOOTSTRAP_ROUNDS];
	AUTO_FREE double *again = NULL;

	n = sample_size(n);
	if (n == 0)
		return (struct interval){0, 0};
	again = xcalloc(n, sizeof(*again));
	for (size_t i = 0; i < BOOTSTRAP_ROUNDS; i++) {
		resample(v, n, again, &seed);
		qsort(again, n, sizeof(*again), ascending);
		medians[i] = quantile_of_sorted(again, n, 0.5);
	}
	return middle_of(medians, BOOTSTRAP_ROUNDS);
}

/* ---- ratios ---- */

/* Pairs of all values of two samples are taken of at most so many each: 4096 pairs a resample. */
#define PAIRED_MAX 64

/* n and m at most PAIRED_MAX. */
static double shift_of_logs(const double *a, size_t n, const double *b, size_t m)
{
	double pairs[PAIRED_MAX * PAIRED_MAX];
	size_t k = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < m; j++)
			pairs[k++] = a[i] - b[j];
	qsort(pairs, k, sizeof(*pairs), ascending);
	return quantile_of_sorted(pairs, k, 0.5);
}

/* Logarithms of at most PAIRED_MAX values, evenly spread; their number, 0: none, or not above 0. */
static size_t logs_of(const double *v, size_t n, double ret[static PAIRED_MAX])
{
	size_t k = n < PAIRED_MAX ? n : PAIRED_MAX;

	for (size_t i = 0; i < k; i++) {
		double x = v[i * n / k];

		if (!(x > 0))
			return 0;
		ret[i] = log(x);
	}
	return k;
}

double ratio_estimate(const double *a, size_t n, const double *b, size_t m)
{
	double x[PAIRED_MAX], y[PAIRED_MAX];
	size_t i = logs_of(a, n, x), j = logs_of(b, m, y);

	return i && j ? exp(shift_of_logs(x, i, y, j)) : 0;
}

struct interval ratio_interval(const double *a, size_t n, const double *b, size_t m, uint64_t seed)
{
	double x[PAIRED_MAX], y[PAIRED_MAX], p[PAIRED_MAX], q[PAIRED_MAX];
	double shifts[BOOTSTRAP_ROUNDS];
	struct interval middle;
	size_t i = logs_of(a, n, x), j = logs_of(b, m, y);

	if (!i || !j)
		return (struct interval){0, 0};
	for (size_t r = 0; r < BOOTSTRAP_ROUNDS; r++) {
		resample(x, i, p, &seed);
		resample(y, j, q, &seed);
		shifts[r] = shift_of_logs(p, i, q, j);
	}
	middle = middle_of(shifts, BOOTSTRAP_ROUNDS);
	return (struct interval){exp(middle.low), exp(middle.high)};
}

double crossover_bytes(double latency_a, double rate_a, double latency_b, double rate_b)
{
	double bytes;

	if (!(rate_a > 0) || !(rate_b > rate_a) || !(latency_b > latency_a))
		return 0;
	bytes = (latency_b - latency_a) / (1 / rate_a - 1 / rate_b);
	return isfinite(bytes) ? bytes : 0;
}
