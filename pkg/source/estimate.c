/* estimate.c - averages that forget. */
#include "source/estimate.h"

#include <math.h>

#define US_PER_SEC      1e6
#define FIRST_DEVIATION 0.2       /* of a single trial, as a share of it (sources.md 2.4) */
#define INITIAL_WINDOW  14480.0   /* bytes: ten segments of 1448 (sources.md 2.2) */
#define RATE_DEFAULT    10485760. /* bytes/s before the first estimate (sources.md 2.3) */
#define RTT_DEFAULT_US  100000    /* likewise: a path to another continent */
#define SLOW_ROUNDS_MIN 4         /* (sources.md 2.3) */
#define SLOW_ROUNDS_MAX 12        /* (sources.md 2.3) */
#define WINDOW_ROUNDS   8         /* round trips that a window has at least (sources.md 2.3) */

/* Seconds gone by; none when the clock went back.  As double: times from the disk may be anything.
 */
static double age_of(int64_t at_sec, int64_t now_sec)
{
	return now_sec > at_sec ? (double)now_sec - (double)at_sec : 0;
}

/* ---- rates ---- */

bool rate_known(const struct rate_estimate *e, int64_t now_sec)
{
	return e->samples > 0 && age_of(e->at_sec, now_sec) <= ESTIMATE_FORGET_SEC;
}

/* Of its variance; beyond what is forgotten it stays, so that it is always a number. */
static double growth(const struct rate_estimate *e, int64_t now_sec)
{
	return exp2(fmin(age_of(e->at_sec, now_sec), ESTIMATE_FORGET_SEC) / ESTIMATE_DOUBLE_SEC);
}

double rate_variance(const struct rate_estimate *e, int64_t now_sec)
{
	return e->variance * growth(e, now_sec);
}

void rate_add(struct rate_estimate *e, uint64_t bytes, uint64_t window_us, int64_t now_sec)
{
	double rate, share, distance;

	if (window_us < ESTIMATE_WINDOW_US || bytes == 0)
		return;
	rate = (double)bytes / ((double)window_us / US_PER_SEC);
	if (!rate_known(e, now_sec)) {
		*e = (struct rate_estimate){
			.mean = rate,
			.variance = pow(FIRST_DEVIATION * rate, 2),
			.samples = 1,
			.at_sec = now_sec,
		};
		return;
	}
	share = ESTIMATE_RATE_SHARE * (1 - exp(-(double)bytes / ESTIMATE_RATE_BYTES));
	/* Weights go by the inverse of variances, and the old one has grown. */
	share = share * growth(e, now_sec) / (share * growth(e, now_sec) + 1 - share);
	distance = rate - e->mean;
	e->variance = (1 - share) * (rate_variance(e, now_sec) + share * distance * distance);
	e->mean += share * distance;
	e->samples++;
	e->at_sec = now_sec;
}

/* ---- latencies ---- */

static size_t bucket_of(uint64_t us)
{
	double i;

	if (us <= LATENCY_FIRST_US)
		return 0;
	i = log((double)us / LATENCY_FIRST_US) / log(LATENCY_STEP);
	return i < LATENCY_BUCKETS - 1 ? (size_t)i : LATENCY_BUCKETS - 1;
}

static double decay(const struct latency_estimate *e, int64_t now_sec)
{
	return exp2(-age_of(e->at_sec, now_sec) / LATENCY_HALF_SEC);
}

static double sum_of(const struct latency_estimate *e)
{
	double sum = 0;

	for (size_t i = 0; i < LATENCY_BUCKETS; i++)
		sum += (double)e->counts[i];
	return sum;
}

void latency_add(struct latency_estimate *e, uint64_t us, int64_t now_sec)
{
	float kept = (float)decay(e, now_sec);

	for (size_t i = 0; i < LATENCY_BUCKETS; i++)
		e->counts[i] *= kept;
	e->counts[bucket_of(us)] += 1;
	e->at_sec = now_sec;
}

double latency_count(const struct latency_estimate *e, int64_t now_sec)
{
	return sum_of(e) * decay(e, now_sec);
}

/* Their decay is the same for all, so the shares need no time. */
uint64_t latency_quantile(const struct latency_estimate *e, double q)
{
	double wanted = fmin(fmax(q, 0), 1) * sum_of(e);
	size_t found = LATENCY_BUCKETS;
	double below = 0;

	for (size_t i = 0; i < LATENCY_BUCKETS && (found == LATENCY_BUCKETS || below < wanted);
		i++) {
		if (e->counts[i] > 0)
			found = i;
		below += (double)e->counts[i];
	}
	if (found == LATENCY_BUCKETS)
		return 0;
	/* The middle of the bucket, by ratio. */
	return (uint64_t)(LATENCY_FIRST_US * pow(LATENCY_STEP, (double)found + 0.5));
}

/* ---- latencies, as bytes: version, time, counts; least byte first ---- */

#define ENCODED_VERSION 1
#define ENCODED_LEN     (1 + sizeof(uint64_t) + LATENCY_BUCKETS * sizeof(uint32_t))

_Static_assert(ENCODED_LEN <= LATENCY_ENCODED_MAX, "the histogram fits");
_Static_assert(sizeof(float) == sizeof(uint32_t), "a count is four bytes");

static unsigned char *put(unsigned char *to, uint64_t v, size_t len)
{
	for (size_t i = 0; i < len; i++)
		*to++ = (unsigned char)(v >> 8 * i);
	return to;
}

static uint64_t take(const unsigned char **from, size_t len)
{
	uint64_t v = 0;

	for (size_t i = 0; i < len; i++)
		v |= (uint64_t) * (*from)++ << 8 * i;
	return v;
}

size_t latency_encode(
	const struct latency_estimate *e, unsigned char buf[static LATENCY_ENCODED_MAX])
{
	unsigned char *to = buf;

	*to++ = ENCODED_VERSION;
	to = put(to, (uint64_t)e->at_sec, sizeof(uint64_t));
	for (size_t i = 0; i < LATENCY_BUCKETS; i++) {
		uint32_t bits;

		memcpy(&bits, &e->counts[i], sizeof(bits));
		to = put(to, bits, sizeof(bits));
	}
	return (size_t)(to - buf);
}

bool latency_decode(const unsigned char *bytes, size_t len, struct latency_estimate *ret)
{
	struct latency_estimate e;
	uint64_t at;

	if (len != ENCODED_LEN || *bytes++ != ENCODED_VERSION)
		return false;
	at = take(&bytes, sizeof(at));
	if (at > INT64_MAX)
		return false;
	e.at_sec = (int64_t)at;
	for (size_t i = 0; i < LATENCY_BUCKETS; i++) {
		uint32_t bits = (uint32_t)take(&bytes, sizeof(bits));

		memcpy(&e.counts[i], &bits, sizeof(bits));
		if (!(e.counts[i] >= 0 && e.counts[i] <= LATENCY_COUNT_MAX) || signbit(e.counts[i]))
			return false;
	}
	*ret = e;
	return true;
}

/* ---- round trips ---- */

static uint32_t least(uint32_t a, uint32_t b)
{
	return a != 0 && (b == 0 || a < b) ? a : b;
}

void rtt_add(struct rtt_estimate *e, uint64_t us, int64_t now_sec)
{
	double age = age_of(e->since_sec, now_sec);
	uint32_t fits = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;

	if (us == 0)
		return;
	if (age >= RTT_WINDOW_SEC) {
		e->before_us = age < 2 * RTT_WINDOW_SEC ? e->min_us : 0;
		e->min_us = 0;
	}
	/* A beginning in the future would never end. */
	if (age >= RTT_WINDOW_SEC || e->since_sec > now_sec || e->min_us == 0)
		e->since_sec = now_sec;
	e->min_us = least(e->min_us, fits);
}

uint64_t rtt_min(const struct rtt_estimate *e, int64_t now_sec)
{
	double age = age_of(e->since_sec, now_sec);

	if (age >= 2 * RTT_WINDOW_SEC)
		return 0;
	return age < RTT_WINDOW_SEC ? least(e->min_us, e->before_us) : e->min_us;
}

/* ---- how long to look ---- */

/* Round trips as microseconds, at most what fits. */
static uint64_t rounds_us(uint64_t rounds, uint64_t rtt_us)
{
	return rtt_us > UINT64_MAX / rounds ? UINT64_MAX : rounds * rtt_us;
}

uint64_t slow_start_us(double bytes_per_sec, uint64_t rtt_us)
{
	double rate = bytes_per_sec > 0 ? bytes_per_sec : RATE_DEFAULT;
	double in_flight, rounds;

	if (rtt_us == 0)
		rtt_us = RTT_DEFAULT_US;
	in_flight = fmax(rate * ((double)rtt_us / US_PER_SEC), INITIAL_WINDOW);
	rounds = ceil(log2(in_flight / INITIAL_WINDOW)) + 2;
	rounds = fmin(fmax(rounds, SLOW_ROUNDS_MIN), SLOW_ROUNDS_MAX);
	return rounds_us((uint64_t)rounds, rtt_us);
}

uint64_t rate_window_us(uint64_t rtt_us)
{
	uint64_t window = rounds_us(WINDOW_ROUNDS, rtt_us);

	return window > ESTIMATE_WINDOW_US ? window : ESTIMATE_WINDOW_US;
}
