/* mann_whitney.c - exact two-sided Mann-Whitney, with ties as the mid-ranks have them. */
#include <math.h>

#include "source/compare.h"
#include "util/mem.h"

/* A value of either sample. */
struct ranked {
	double value;
	bool of_a;
	uint32_t rank; /* twice the mid-rank, from 2: a whole number, tied or not */
};

/* Both samples as one, in order. */
struct pool {
	struct ranked items[2 * COMPARE_MAX];
	size_t n, m, all;  /* of a, of b, together */
	uint64_t rank_sum; /* of a, doubled */
	double tie_term;   /* sum of t^3 - t over groups of t equal values */
};

static int by_value(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	return (x->value > y->value) - (x->value < y->value);
}

static void pool_init(struct pool *p, const double *a, size_t n, const double *b, size_t m)
{
	p->n = n;
	p->m = m;
	p->all = n + m;
	p->rank_sum = 0;
	p->tie_term = 0;
	for (size_t i = 0; i < n; i++)
		p->items[i] = (struct ranked){.value = a[i], .of_a = true};
	for (size_t i = 0; i < m; i++)
		p->items[n + i] = (struct ranked){.value = b[i]};
	qsort(p->items, p->all, sizeof(p->items[0]), by_value);
	for (size_t i = 0, end; i < p->all; i = end) {
		double t;

		for (end = i + 1; end < p->all && p->items[end].value == p->items[i].value;)
			end++;
		for (size_t k = i; k < end; k++) {
			p->items[k].rank = (uint32_t)(i + 1 + end); /* first and last rank */
			p->rank_sum += p->items[k].of_a ? p->items[k].rank : 0;
		}
		t = (double)(end - i);
		p->tie_term += t * t * t - t;
	}
}

/*
 * In how many ways each sum of ranks comes about when `pick` of the pooled values are drawn.  The
 * rows say it for 0 to `pick` drawn; a row is as long as the greatest sum.
 */
struct ways {
	double *cells; /* whole numbers, up to 2.4e37: relative error 1e-14 */
	size_t width;
	size_t reach[COMPARE_EXACT_MAX + 1]; /* greatest sum so far in each row */
};

/* Ranks count from the least one, and in whole steps where no two are tied: shorter rows. */
static uint32_t rank_unit(const struct pool *p)
{
	for (size_t i = 0; i < p->all; i++) {
		if ((p->items[i].rank - p->items[0].rank) % 2 != 0)
			return 1;
	}
	return 2;
}

static size_t short_rank(const struct pool *p, size_t i, uint32_t unit)
{
	return (p->items[i].rank - p->items[0].rank) / unit;
}

static void ways_init(struct ways *w, const struct pool *p, size_t pick, uint32_t unit)
{
	*w = (struct ways){.width = 1};
	for (size_t i = p->all - pick; i < p->all; i++)
		w->width += short_rank(p, i, unit);
	w->cells = xcalloc((pick + 1) * w->width, sizeof(*w->cells));
	w->cells[0] = 1;
	for (size_t i = 0; i < p->all; i++) {
		size_t rank = short_rank(p, i, unit);

		for (size_t j = i < pick ? i + 1 : pick; j > 0; j--) {
			const double *from = w->cells + (j - 1) * w->width;
			double *to = w->cells + j * w->width + rank;

			for (size_t s = 0; s <= w->reach[j - 1]; s++)
				to[s] += from[s];
			w->reach[j] = w->reach[j - 1] + rank; /* ranks ascend */
		}
	}
}

static double exact_p(const struct pool *p)
{
	size_t pick = p->n < p->m ? p->n : p->m;
	bool picks_a = pick == p->n;
	uint32_t unit = rank_unit(p);
	uint64_t seen = 0, sum = 0, expected;
	double far = 0, all = 0;
	struct ways w;

	for (size_t i = 0; i < p->all; i++) {
		sum += short_rank(p, i, unit);
		seen += p->items[i].of_a == picks_a ? short_rank(p, i, unit) : 0;
	}
	/* Distances from the mean, times p->all so that they are whole. */
	expected = sum * pick;
	ways_init(&w, p, pick, unit);
	for (size_t s = 0; s < w.width; s++) {
		double count = w.cells[pick * w.width + s];
		int64_t distance = (int64_t)(s * p->all) - (int64_t)expected;
		int64_t observed = (int64_t)(seen * p->all) - (int64_t)expected;

		all += count;
		if (llabs(distance) >= llabs(observed))
			far += count;
	}
	free(w.cells);
	return far / all;
}

/* With correction for ties, and for continuity. */
static double normal_p(const struct pool *p, double u)
{
	double n = (double)p->n, m = (double)p->m, all = (double)p->all;
	double variance = n * m / 12 * (all + 1 - p->tie_term / (all * (all - 1)));
	double distance = fabs(u - n * m / 2) - 0.5;

	if (variance <= 0 || distance <= 0)
		return 1;
	return erfc(distance / sqrt(2 * variance));
}

double mann_whitney(const double *a, size_t n, const double *b, size_t m, double *ret_u)
{
	struct pool *p;
	double u = 0, result = 1;

	n = n < COMPARE_MAX ? n : COMPARE_MAX;
	m = m < COMPARE_MAX ? m : COMPARE_MAX;
	if (n > 0 && m > 0) {
		p = xmalloc(sizeof(*p));
		pool_init(p, a, n, b, m);
		u = (double)(p->rank_sum - n * (n + 1)) / 2;
		result = n <= COMPARE_EXACT_MAX && m <= COMPARE_EXACT_MAX ? exact_p(p)
									  : normal_p(p, u);
		free(p);
	}
	if (ret_u)
		*ret_u = u;
	return result;
}
