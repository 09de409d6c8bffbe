/*
 * Input: an encoded latency histogram.  What is accepted is encoded the same again, and whatever
 * it holds, samples can be added and quantiles taken.
 */
#include <math.h>
#include <stdint.h>

#include "source/estimate.h"
#include "util/compiler.h"

#define SLOWEST_US 120000000 /* beyond the last bucket */
#define STEPS      20        /* quantiles looked at */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* They rise with q, and stay inside the buckets. */
static void check_quantiles(const struct latency_estimate *e)
{
	uint64_t before = latency_quantile(e, 0);

	for (int i = 1; i <= STEPS; i++) {
		uint64_t us = latency_quantile(e, (double)i / STEPS);

		if (us < before || us > SLOWEST_US)
			abort();
		before = us;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char again[LATENCY_ENCODED_MAX];
	struct latency_estimate e;
	int64_t later;
	double count;

	if (!latency_decode(data, size, &e))
		return 0;
	if (latency_encode(&e, again) != size || memcmp(again, data, size) != 0)
		abort();
	count = latency_count(&e, e.at_sec);
	if (!isfinite(count) || count < 0 || (latency_quantile(&e, 1) == 0) != (count <= 0))
		abort();
	check_quantiles(&e);
	later = e.at_sec < INT64_MAX / 2 ? e.at_sec + data[1] * (int64_t)60 : e.at_sec;
	latency_add(&e, data[size - 1] * (uint64_t)1000, later);
	check_quantiles(&e);
	if (latency_count(&e, e.at_sec) < 1 ||
		latency_count(&e, e.at_sec) > count + 1.0001 + count / 1e6)
		abort();
	if (!latency_decode(again, latency_encode(&e, again), &e))
		abort();
	return 0;
}
