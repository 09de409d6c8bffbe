/*
 * clock.h - time, waiting times and chance.
 *
 * Monotonic milliseconds are for intervals and deadlines, wall-clock seconds
 * for what is stored and shown.  All functions are thread-safe.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

uint64_t clock_mono_ms(void);
int64_t clock_wall_sec(void); /* seconds since 1970-01-01 UTC */

#define TIME_TEXT_MAX 32 /* chars, with the NUL: "2026-11-22T22:01:56Z" */
char *time_format_rfc3339(int64_t sec, char buf[static TIME_TEXT_MAX]); /* UTC; returns buf */
/* RFC 3339 with "Z" or an offset; fractions are dropped.  Fails with ERR_USAGE. */
NODISCARD int time_parse_rfc3339(const char *s, int64_t *ret_sec, struct error *err);

/*
 * Retry-After (RFC 9110 10.2.3): seconds, or an HTTP date in any of the three
 * forms of RFC 9110 5.6.7, relative to now_sec.  A date in the past is 0.
 * Fails with ERR_REMOTE when it is neither.
 */
NODISCARD int retry_after_parse(
	const char *s, int64_t now_sec, uint32_t *ret_sec, struct error *err);

/* A number in [0, n); 0 for n = 0.  From getrandom(); not for keys. */
uint64_t random_below(uint64_t n);
/* 2 * len lower-case hex digits and a NUL into buf, from getrandom(). */
void random_hex(char *buf, size_t len);

/*
 * Full-jitter back-off (guides/sources.md 3.4): uniform in [0, min(cap, base * 2^attempt)]
 * milliseconds; attempt counts from 0.
 */
uint64_t backoff_ms(uint64_t base_ms, uint64_t cap_ms, unsigned attempt);
