/*
 * mann_whitney.c - whether two samples differ, and who is told apart from whom.
 *
 * Exact: of all ways to deal the values into two samples, how many are at least as uneven as this
 * one.  Ranks count double, so that those of ties are whole numbers, too; the ways are counted by
 * size and sum of ranks (the recursion of sources.md 2.5, with ties).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "source/compare.h"
#include "util/mem.h"

struct ranked {
	double value;
	bool first;     /* of sample a */
	unsigned twice; /* its rank, doubled */
};

static int by_value(const void *a, const void *b)
{
	double x = ((const struct ranked *)a)->value, y = ((const struct ranked *)b)->value;

	return (x > y) - (x < y);
}

/* Ranks of all values together; the ranks of equal ones are their mean.  Returns sum(t^3 - t). */
static double rank_all(struct ranked *r, size_t n)
{
	double ties = 0;

	qsort(r, n, sizeof(*r), by_value);
	for (size_t i = 0, end; i < n; i = end) {
		double t;

		for (end = i + 1; end < n && r[end].value <= r[i].value; end++)
			;
		for (size_t k = i; k < end; k++)
			r[k].twice = (unsigned)(i + 1 + end);
		t = (double)(end - i);
		ties += t * t * t - t;
	}
	return ties;
}

/* How many ways there are to choose n of the ranks, by their sum: ways[size * width + sum]. */
static double share_as_uneven(const struct ranked *r, size_t all, size_t n, double sum)
{
	const size_t width = all * (all + 1) + 1; /* doubled ranks add up to that at most */
	AUTO_FREE double *ways = xcalloc((n + 1) * width, sizeof(*ways));
	const double middle = (double)n * (double)(all + 1);
	const double off = fabs(sum - middle) - 0.5; /* sums are whole: half a step is safe */
	double uneven = 0, total = 0;

	ways[0] = 1;
	for (size_t i = 0; i < all; i++)
		for (size_t size = i + 1 < n ? i + 1 : n; size > 0; size--)
			for (size_t s = width - 1; s >= r[i].twice; s--)
				ways[size * width + s] += ways[(size - 1) * width + s - r[i].twice];
	for (size_t s = 0; s < width; s++) {
		double w = ways[n * width + s];

		total += w;
		if (fabs((double)s - middle) >= off)
			uneven += w;
	}
	return uneven / total;
}

/* With the correction for ties and for continuity. */
static double by_normal(double u, size_t n, size_t m, double ties)
{
	double a = (double)n, b = (double)m, all = a + b;
	double variance = a * b / 12 * (all + 1 - ties / (all * (all - 1)));
	double z;

	if (variance <= 0)
		return 1;
	z = (fabs(u - a * b / 2) - 0.5) / sqrt(variance);
	return z <= 0 ? 1 : erfc(z / sqrt(2));
}

double mann_whitney(const double *a, size_t n, const double *b, size_t m, double *ret_u)
{
	AUTO_FREE struct ranked *r = NULL;
	double sum = 0, u, ties, p;

	n = n < COMPARE_MAX ? n : COMPARE_MAX;
	m = m < COMPARE_MAX ? m : COMPARE_MAX;
	if (ret_u)
		*ret_u = 0;
	if (n == 0 || m == 0)
		return 1;
	r = xcalloc(n + m, sizeof(*r));
	for (size_t i = 0; i < n + m; i++)
		r[i] = (struct ranked){.value = i < n ? a[i] : b[i - n], .first = i < n};
	ties = rank_all(r, n + m);
	for (size_t i = 0; i < n + m; i++)
		sum += r[i].first ? r[i].twice : 0;
	u = (sum - (double)n * (double)(n + 1)) / 2;
	if (n <= COMPARE_EXACT_MAX && m <= COMPARE_EXACT_MAX)
		p = share_as_uneven(r, n + m, n, sum);
	else
		p = by_normal(u, n, m, ties);
	if (ret_u)
		*ret_u = u;
	return p < 1 ? p : 1;
}

/* ---- several comparisons ---- */

struct adjusted {
	double p;
	size_t index;
};

static int by_p(const void *a, const void *b)
{
	double x = ((const struct adjusted *)a)->p, y = ((const struct adjusted *)b)->p;

	return (x > y) - (x < y);
}

void holm_adjust(double *p, size_t k)
{
	AUTO_FREE struct adjusted *sorted = xcalloc(k ? k : 1, sizeof(*sorted));
	double least = 0;

	for (size_t i = 0; i < k; i++)
		sorted[i] = (struct adjusted){p[i], i};
	qsort(sorted, k, sizeof(*sorted), by_p);
	for (size_t i = 0; i < k; i++) {
		double q = sorted[i].p * (double)(k - i);

		if (q > 1)
			q = 1;
		if (q < least)
			q = least;
		p[sorted[i].index] = least = q;
	}
}

/* ---- ranks ---- */

/* Adjusted p-values of all pairs, as a k*k matrix. */
static void compare_all(const struct contestant *c, size_t k, double *matrix)
{
	double p[CONTESTANTS_MAX * (CONTESTANTS_MAX - 1) / 2];
	size_t n = 0;

	for (size_t i = 0; i < k; i++)
		for (size_t j = i + 1; j < k; j++)
			p[n++] = mann_whitney(c[i].values, c[i].n, c[j].values, c[j].n, NULL);
	holm_adjust(p, n);
	n = 0;
	for (size_t i = 0; i < k; i++) {
		matrix[i * k + i] = 1;
		for (size_t j = i + 1; j < k; j++, n++)
			matrix[i * k + j] = matrix[j * k + i] = p[n];
	}
}

/* The best median first; those without values last. */
static void order(const struct contestant *c, size_t k, bool higher, size_t *ret)
{
	double medians[CONTESTANTS_MAX];

	for (size_t i = 0; i < k; i++) {
		size_t at = i;

		medians[i] = stat_median(c[i].values, c[i].n) * (higher ? -1 : 1);
		if (c[i].n == 0)
			medians[i] = INFINITY;
		for (; at > 0 && medians[ret[at - 1]] > medians[i]; at--)
			ret[at] = ret[at - 1];
		ret[at] = i;
	}
}

void rank_contestants(const struct contestant *c, size_t k, bool higher, unsigned *ret_rank,
	bool *ret_tied, double *ret_p)
{
	AUTO_FREE double *matrix = NULL;
	size_t by_median[CONTESTANTS_MAX], first = 0;

	if (k > CONTESTANTS_MAX)
		k = CONTESTANTS_MAX;
	matrix = xcalloc(k ? k * k : 1, sizeof(*matrix));
	compare_all(c, k, matrix);
	order(c, k, higher, by_median);
	for (size_t at = 0; at < k; at++) {
		size_t i = by_median[at], leader = by_median[first];

		if (at > 0 && (c[i].n == 0 || matrix[i * k + leader] <= COMPARE_ALPHA))
			first = at;
		ret_rank[i] = (unsigned)first + 1;
		ret_tied[i] = first != at;
		if (first != at)
			ret_tied[by_median[first]] = true;
	}
	if (ret_p)
		memcpy(ret_p, matrix, k * k * sizeof(*matrix));
}
