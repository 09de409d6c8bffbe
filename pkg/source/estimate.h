/*
 * estimate.h - what is believed of one backend's speed: rate, latency, round trip; each with its
 * age.
 *
 * Pure: no I/O, no clock, no allocation.  Times are wall-clock seconds, so that an estimate can be
 * kept between runs; a clock that jumps back counts as no time gone by, one that jumps ahead ages
 * the estimate, and that is all it can do.  Parameters are those of guides/sources.md 2.7.
 *
 * Any thread, one at a time for each struct.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/compiler.h"

#define ESTIMATE_RATE_SHARE 0.3 /* weight of a sample of very many bytes (sources.md 2.7) */
#define ESTIMATE_RATE_BYTES \
	(8.0 * 1024 * 1024)        /* bytes at which 63 % of that weight is reached (2.7) */
#define ESTIMATE_WINDOW_US  500000 /* a shorter window is no sample of a rate (2.7) */
#define ESTIMATE_DOUBLE_SEC 86400  /* age at which the variance of a rate has doubled (2.7) */
#define ESTIMATE_FORGET_SEC 604800 /* seconds: an older estimate counts as none (2.7) */
#define LATENCY_BUCKETS     64     /* 1 ms * 1.2^i each (2.7) */
#define LATENCY_HALF_SEC    3600   /* half-life of a count (2.7) */
#define LATENCY_FIRST_US    1000 /* lower bound of bucket 0, which takes shorter times too (2.7) */
#define LATENCY_STEP        1.2  /* upper bound of a bucket by its lower one (2.7) */
#define LATENCY_COUNT_MAX   16777216 /* of one bucket: a float counts no further in ones */
#define RTT_WINDOW_SEC      600      /* window of the minimum round trip (2.7) */

/* Bytes a second, as an average weighted by bytes.  All zero: not known. */
struct rate_estimate {
	double mean, variance; /* bytes/s, and its square */
	uint64_t samples;
	int64_t at_sec; /* of the newest sample */
};
/*
 * Takes in that `bytes` arrived in `window_us`, after slow start; a window shorter than
 * ESTIMATE_WINDOW_US is ignored, and one without bytes.  The first sample is taken whole, also
 * after an estimate that is too old; its deviation counts as a fifth of it.  After long silence the
 * old mean counts less, as its variance has grown.
 */
void rate_add(struct rate_estimate *e, uint64_t bytes, uint64_t window_us, int64_t now_sec);
/* Whether there is one that is not too old. */
bool rate_known(const struct rate_estimate *e, int64_t now_sec);
/* With its age: doubles every ESTIMATE_DOUBLE_SEC. */
double rate_variance(const struct rate_estimate *e, int64_t now_sec);

/* Times from a request to its first byte, as a histogram with half-life. */
struct latency_estimate {
	float counts[LATENCY_BUCKETS]; /* as of at_sec */
	int64_t at_sec;
};
void latency_add(struct latency_estimate *e, uint64_t us, int64_t now_sec);
/* Decayed number of samples. */
double latency_count(const struct latency_estimate *e, int64_t now_sec);
/*
 * Microseconds below which the share q (0..1) of the samples is, within 10 %; 0: not known.  Times
 * below LATENCY_FIRST_US read as 1.1 ms, those beyond the last bucket as 107 s.
 */
uint64_t latency_quantile(const struct latency_estimate *e, double q);

#define LATENCY_ENCODED_MAX 512 /* bytes */
/* For the state: the same bytes on every machine.  Returns how many were written. */
size_t latency_encode(
	const struct latency_estimate *e, unsigned char buf[static LATENCY_ENCODED_MAX]);
/*
 * False for another length or version, counts that are no numbers, negative or above
 * LATENCY_COUNT_MAX, and a time before 1970; *ret is untouched then.
 */
bool latency_decode(const unsigned char *bytes, size_t len, struct latency_estimate *ret);

/* Least round trip of the last RTT_WINDOW_SEC to twice that: this window's, and the one before. */
struct rtt_estimate {
	uint32_t min_us, before_us; /* 0: none */
	int64_t since_sec;          /* beginning of this window */
};
void rtt_add(struct rtt_estimate *e, uint64_t us, int64_t now_sec);
uint64_t rtt_min(const struct rtt_estimate *e, int64_t now_sec); /* microseconds; 0: not known */

/* Of one (source, backend). */
struct estimate {
	struct rate_estimate rate;
	struct latency_estimate warm; /* on a connection that was open already */
	struct rtt_estimate rtt;
};

/*
 * How long after the first byte the throughput of a connection is not looked at: slow start
 * (sources.md 2.3): clamp(ceil(log2(max(rate*rtt, IW)/IW)) + 2, 4, 12) round trips, IW = 14480
 * bytes.  rate 0 (not known) counts as 10 MiB/s, rtt_us 0 as 100 ms.
 */
uint64_t slow_start_us(double bytes_per_sec, uint64_t rtt_us);
/* The least window that measures a rate: max(500 ms, 8 round trips) (sources.md 2.3). */
uint64_t rate_window_us(uint64_t rtt_us);
