/* estimate.c - rates, latencies and round trips, growing old. */
#include "source/estimate.h"

#include <math.h>

#define BUCKET_BASE_US  1000.0               /* upper bound of the first bucket (sources.md 2.7) */
#define BUCKET_FACTOR   1.2                  /* of each bucket's bound to the one before (2.7) */
#define INITIAL_WINDOW  14480.0              /* bytes: ten segments of 1448 (sources.md 2.2) */
#define RATE_DEFAULT    (10.0 * 1024 * 1024) /* bytes/s, while nothing is known (2.3) */
#define RTT_DEFAULT_US  100000               /* while nothing is known: between continents */
#define SKIP_ROUNDS_MIN 4                    /* (2.3) */
#define SKIP_ROUNDS_MAX 12                   /* (2.3) */
#define WINDOW_ROUNDS   8                    /* (2.3) */

/* Seconds gone by; none when the clock was put back. */
static double age(int64_t at_sec, int64_t now_sec)
{
	return now_sec > at_sec ? (double)now_sec - (double)at_sec : 0;
}

/* ---- rates ---- */

bool rate_known(const struct rate_estimate *e, int64_t now_sec)
{
	return e->samples > 0 && age(e->at_sec, now_sec) < ESTIMATE_FORGET_SEC;
}

static double doublings(const struct rate_estimate *e, int64_t now_sec)
{
	return age(e->at_sec, now_sec) / ESTIMATE_DOUBLE_SEC;
}

double rate_variance(const struct rate_estimate *e, int64_t now_sec)
{
	return e->variance * exp2(doublings(e, now_sec));
}

/* As the variance of the old mean grows, a new sample counts for more. */
static double weight(const struct rate_estimate *e, uint64_t bytes, int64_t now_sec)
{
	double fresh = ESTIMATE_RATE_SHARE * (1 - exp(-(double)bytes / ESTIMATE_RATE_BYTES));

	return 1 - (1 - fresh) * exp2(-doublings(e, now_sec));
}

void rate_add(struct rate_estimate *e, uint64_t bytes, uint64_t window_us, int64_t now_sec)
{
	double rate, off, w;

	if (window_us < ESTIMATE_WINDOW_US)
		return;
	rate = (double)bytes / ((double)window_us / 1e6);
	if (!rate_known(e, now_sec)) {
		*e = (struct rate_estimate){.mean = rate, .samples = 1, .at_sec = now_sec};
		return;
	}
	w = weight(e, bytes, now_sec);
	off = rate - e->mean;
	e->variance = (1 - w) * (rate_variance(e, now_sec) + w * off * off);
	e->mean += w * off;
	e->samples++;
	e->at_sec = now_sec;
}

/* ---- latencies ---- */

static double decay(const struct latency_estimate *e, int64_t now_sec)
{
	return exp2(-age(e->at_sec, now_sec) / LATENCY_HALF_SEC);
}

static size_t bucket_of(uint64_t us)
{
	double i = us <= BUCKET_BASE_US
			   ? 0
			   : ceil(log((double)us / BUCKET_BASE_US) / log(BUCKET_FACTOR));

	return i < LATENCY_BUCKETS ? (size_t)i : LATENCY_BUCKETS - 1;
}

void latency_add(struct latency_estimate *e, uint64_t us, int64_t now_sec)
{
	double kept = decay(e, now_sec);

	for (size_t i = 0; i < LATENCY_BUCKETS; i++)
		e->counts[i] = (float)(e->counts[i] * kept);
	e->counts[bucket_of(us)] += 1;
	e->at_sec = now_sec;
}

static double sum_of(const struct latency_estimate *e)
{
	double sum = 0;

	for (size_t i = 0; i < LATENCY_BUCKETS; i++)
		sum += e->counts[i];
	return sum;
}

double latency_count(const struct latency_estimate *e, int64_t now_sec)
{
	return sum_of(e) * decay(e, now_sec);
}

/* The middle of the bucket, by the logarithm. */
uint64_t latency_quantile(const struct latency_estimate *e, double q)
{
	double sum = sum_of(e), below = 0;
	size_t i = 0;

	if (!(sum > 0))
		return 0;
	for (; i < LATENCY_BUCKETS - 1; i++) {
		below += e->counts[i];
		if (below >= q * sum && e->counts[i] > 0)
			break;
	}
	return (uint64_t)(BUCKET_BASE_US * pow(BUCKET_FACTOR, (double)i - 0.5));
}

/* ---- round trips ---- */

void rtt_add(struct rtt_estimate *e, uint64_t us, int64_t now_sec)
{
	uint32_t rtt = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;

	if (us == 0)
		return;
	if (e->min_us == 0 || age(e->since_sec, now_sec) >= RTT_WINDOW_SEC) {
		e->before_us = age(e->since_sec, now_sec) < 2 * RTT_WINDOW_SEC ? e->min_us : 0;
		e->min_us = rtt;
		e->since_sec = now_sec;
	} else if (rtt < e->min_us) {
		e->min_us = rtt;
	}
	if (now_sec < e->since_sec) /* the clock was put back: the window begins anew */
		e->since_sec = now_sec;
}

/* An old one is better than none: routes change seldom. */
uint64_t rtt_min(const struct rtt_estimate *e, int64_t now_sec)
{
	if (e->min_us == 0 || age(e->since_sec, now_sec) >= ESTIMATE_FORGET_SEC)
		return 0;
	if (e->before_us > 0 && e->before_us < e->min_us &&
		age(e->since_sec, now_sec) < RTT_WINDOW_SEC)
		return e->before_us;
	return e->min_us;
}

/* ---- slow start ---- */

uint64_t slow_start_us(double bytes_per_sec, uint64_t rtt_us)
{
	double rate = bytes_per_sec > 0 ? bytes_per_sec : RATE_DEFAULT;
	uint64_t rtt = rtt_us > 0 ? rtt_us : RTT_DEFAULT_US;
	double filled = rate * (double)rtt / 1e6;
	double rounds = filled > INITIAL_WINDOW ? ceil(log2(filled / INITIAL_WINDOW)) : 0;

	rounds = fmin(fmax(rounds + 2, SKIP_ROUNDS_MIN), SKIP_ROUNDS_MAX);
	return (uint64_t)rounds * rtt;
}

uint64_t rate_window_us(uint64_t rtt_us)
{
	uint64_t rounds = WINDOW_ROUNDS * rtt_us;

	return rounds > ESTIMATE_WINDOW_US ? rounds : ESTIMATE_WINDOW_US;
}
