/*
 * compare.h - honest statistics on few numbers: medians, intervals, and who is really faster.
 *
 * Pure: no I/O, no clock; the bootstrap takes its seed from the caller, so that results repeat.
 * Methods and their limits: guides/sources.md 2.5.  Memory is O(n), n at most COMPARE_MAX; the
 * exact Mann-Whitney of two times COMPARE_EXACT_MAX takes up to 7 MiB while it runs.  Numbers are
 * finite.  Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/compiler.h"

#define COMPARE_MAX 1024 /* numbers of one sample; more are a mistake: the first so many count */
#define COMPARE_EXACT_MAX                                                              \
	40 /* of each sample, up to which Mann-Whitney is exact (2 MiB); above: normal \
	      approximation with correction for ties */
#define BOOTSTRAP_ROUNDS 2000 /* resamples (sources.md 2.5) */
#define COMPARE_ALPHA    0.05 /* (sources.md 2.5) */

struct interval {
	double low, high;
};

double stat_mean(const double *v, size_t n);
double stat_deviation(const double *v, size_t n); /* sample standard deviation, n-1; 0 for n < 2 */
double stat_median(const double *v, size_t n);    /* 0 for n == 0; v is not changed */
double stat_quantile(const double *v, size_t n, double q); /* linear between order statistics */
/* 95 % interval of the mean by Student's t with n-1 degrees; both ends the mean for n < 2. */
struct interval stat_mean_interval(const double *v, size_t n);
/* 95 % percentile interval of the median by the bootstrap. */
struct interval stat_median_interval(const double *v, size_t n, uint64_t seed);

/*
 * Two-sided exact Mann-Whitney: the probability that samples of one distribution differ at least
 * so much.  Ties count a half (mid-ranks); with ties the permutation distribution of the mid-ranks
 * is used, so that it stays exact.  *ret_u, if not NULL: U of a (pairs in which a is larger).  1
 * when either is empty.
 */
double mann_whitney(const double *a, size_t n, const double *b, size_t m, double *ret_u);
/* Holm's step-down: adjusts k p-values in place, order kept, each at most 1. */
void holm_adjust(double *p, size_t k);
/*
 * Hodges-Lehmann ratio a/b: exp of the median of log(a_i/b_j); all values must be above 0.  0 when
 * one is not, or when there are none.
 */
double ratio_estimate(const double *a, size_t n, const double *b, size_t m);
/* 95 % percentile interval of it by the bootstrap; both ends 0 where the ratio is. */
struct interval ratio_interval(const double *a, size_t n, const double *b, size_t m, uint64_t seed);

/* One contestant's numbers. */
struct contestant {
	const double *values;
	size_t n;
};
#define CONTESTANTS_MAX 32
/*
 * Ranks k contestants (at most CONTESTANTS_MAX), best first by median (`higher`: larger is better).
 * ret_rank[i] is 1 for the best; ret_tied[i]: its rank is shared.  Two share a rank when they are
 * not told apart at COMPARE_ALPHA after Holm over all k(k-1)/2 pairs.  Ranks are competition ranks
 * ("1= 1= 3"): walking in order of medians, one that differs from the first of the current group
 * begins a new one.  Contestants without values come last, all with the number after the ranked
 * ones, and are not tied; they are no pairs, and Holm does not count them.
 * ret_p, if not NULL, receives the adjusted p-values as a k*k matrix, 1 where there is no pair.
 */
void rank_contestants(const struct contestant *c, size_t k, bool higher, unsigned *ret_rank,
	bool *ret_tied, double *ret_p);

/*
 * Size in bytes above which b is quicker than a although it answers later, T(S) = latency + S/rate
 * (sources.md 1.2 b); 0: there is none, as one of them is quicker at every size, or b answers
 * sooner (then ask the other way round).  Latencies in seconds, rates in bytes/s.
 */
double crossover_bytes(double latency_a, double rate_a, double latency_b, double rate_b);
