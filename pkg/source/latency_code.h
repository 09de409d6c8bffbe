/*
 * latency_code.h - a latency histogram as bytes, for the state.
 *
 * LATENCY_BUCKETS counts, each an IEEE 754 single in little-endian order: the same on every
 * machine.  When it was measured is kept beside it.
 *
 * Pure.  Any thread.
 */
#pragma once

#include <stddef.h>

#include "source/estimate.h"

#define LATENCY_CODE_BYTES (LATENCY_BUCKETS * 4) /* below the state's STATE_HISTOGRAM_MAX */

/* Returns LATENCY_CODE_BYTES; 0, and nothing is written, when buf has less than that. */
size_t latency_encode(const struct latency_estimate *e, void *buf, size_t len);
/*
 * False, and *ret untouched, for what this version did not write: another length, or a count that
 * is no number or below 0.
 */
bool latency_decode(const void *data, size_t len, int64_t at_sec, struct latency_estimate *ret);
