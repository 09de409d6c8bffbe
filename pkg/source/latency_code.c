/* latency_code.c - a latency histogram as bytes, and back. */
#include "source/latency_code.h"

#include <math.h>
#include <string.h>

#define COUNT_BYTES 4

_Static_assert(sizeof(float) == COUNT_BYTES, "a count is an IEEE 754 single");

size_t latency_encode(const struct latency_estimate *e, void *buf, size_t len)
{
	uint8_t *bytes = buf;

	if (len < LATENCY_CODE_BYTES)
		return 0;
	for (size_t i = 0; i < LATENCY_BUCKETS; i++) {
		uint32_t bits;

		memcpy(&bits, &e->counts[i], sizeof(bits));
		for (unsigned k = 0; k < COUNT_BYTES; k++)
			bytes[i * COUNT_BYTES + k] = (uint8_t)(bits >> (8 * k));
	}
	return LATENCY_CODE_BYTES;
}

bool latency_decode(const void *data, size_t len, int64_t at_sec, struct latency_estimate *ret)
{
	const uint8_t *bytes = data;
	struct latency_estimate e = {.at_sec = at_sec};

	if (len != LATENCY_CODE_BYTES)
		return false;
	for (size_t i = 0; i < LATENCY_BUCKETS; i++) {
		uint32_t bits = 0;

		for (unsigned k = 0; k < COUNT_BYTES; k++)
			bits |= (uint32_t)bytes[i * COUNT_BYTES + k] << (8 * k);
		memcpy(&e.counts[i], &bits, sizeof(bits));
		if (!isfinite(e.counts[i]) || e.counts[i] < 0)
			return false;
	}
	*ret = e;
	return true;
}
