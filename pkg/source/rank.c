/* rank.c - many comparisons at once: Holm, ranks with ties, crossover. */
#include <assert.h>

#include "source/compare.h"
#include "util/mem.h"

#define PAIRS_MAX (CONTESTANTS_MAX * (CONTESTANTS_MAX - 1) / 2)

struct placed {
	double value;
	size_t at; /* index in the caller's order */
};

static int by_value(const void *a, const void *b)
{
	const struct placed *x = a, *y = b;
	int order = (x->value > y->value) - (x->value < y->value);

	return order != 0 ? order : (x->at > y->at) - (x->at < y->at);
}

void holm_adjust(double *p, size_t k)
{
	struct placed *sorted = xcalloc(k, sizeof(*sorted));
	double least = 0;

	for (size_t i = 0; i < k; i++)
		sorted[i] = (struct placed){.value = p[i], .at = i};
	qsort(sorted, k, sizeof(*sorted), by_value);
	for (size_t i = 0; i < k; i++) {
		double adjusted = sorted[i].value * (double)(k - i);

		if (adjusted > least)
			least = adjusted < 1 ? adjusted : 1;
		p[sorted[i].at] = least;
	}
	free(sorted);
}

/* Those with values, best first, equal medians in the caller's order.  Returns how many. */
static size_t place(const struct contestant *c, size_t k, bool higher,
	struct placed ret[static CONTESTANTS_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < k; i++) {
		if (c[i].n > 0) {
			double median = stat_median(c[i].values, c[i].n);

			ret[n++] = (struct placed){.value = higher ? -median : median, .at = i};
		}
	}
	qsort(ret, n, sizeof(*ret), by_value);
	return n;
}

/* Adjusted p of the contestants in places i < j is at p[j * (j - 1) / 2 + i]. */
static double *pair_of(double *p, size_t i, size_t j)
{
	return &p[j * (j - 1) / 2 + i];
}

static void compare_pairs(const struct contestant *c, const struct placed *order, size_t n,
	double p[static PAIRS_MAX])
{
	for (size_t j = 1; j < n; j++) {
		for (size_t i = 0; i < j; i++) {
			const struct contestant *a = &c[order[i].at], *b = &c[order[j].at];

			*pair_of(p, i, j) = mann_whitney(a->values, a->n, b->values, b->n, NULL);
		}
	}
	if (n > 1)
		holm_adjust(p, n * (n - 1) / 2);
}

static void fill_matrix(double *matrix, size_t k, const struct placed *order, size_t n, double *p)
{
	for (size_t i = 0; i < k * k; i++)
		matrix[i] = 1;
	for (size_t j = 1; j < n; j++) {
		for (size_t i = 0; i < j; i++) {
			matrix[order[i].at * k + order[j].at] = *pair_of(p, i, j);
			matrix[order[j].at * k + order[i].at] = *pair_of(p, i, j);
		}
	}
}

void rank_contestants(const struct contestant *c, size_t k, bool higher, unsigned *ret_rank,
	bool *ret_tied, double *ret_p)
{
	struct placed order[CONTESTANTS_MAX] = {{0}};
	double p[PAIRS_MAX];
	size_t n, first = 0; /* of the current group */

	assert(k <= CONTESTANTS_MAX);
	n = place(c, k, higher, order);
	compare_pairs(c, order, n, p);
	for (size_t i = 0; i < k; i++) {
		ret_rank[i] = (unsigned)n + 1;
		ret_tied[i] = false;
	}
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && *pair_of(p, first, i) <= COMPARE_ALPHA)
			first = i;
		ret_rank[order[i].at] = (unsigned)first + 1;
		if (i > first) {
			ret_tied[order[first].at] = true;
			ret_tied[order[i].at] = true;
		}
	}
	if (ret_p)
		fill_matrix(ret_p, k, order, n, p);
}

double crossover_bytes(double latency_a, double rate_a, double latency_b, double rate_b)
{
	if (!(latency_b > latency_a) || !(rate_a > 0) || !(rate_b > rate_a))
		return 0;
	return (latency_b - latency_a) / (1 / rate_a - 1 / rate_b);
}
