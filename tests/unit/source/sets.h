/* sets.h - sets of sources with what was measured of them, for tests. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "source/load.h"
#include "source/source.h"

#define NOW     UINT64_C(1000000)   /* ms */
#define NOW_SEC INT64_C(1700000000) /* s */
#define NONE    SIZE_MAX
#define MIB     (UINT64_C(1024) * 1024)

/* Mirrors s0, s1, ..., then the authority last. */
static UNUSED struct source_set *set_of(size_t n)
{
	struct source_set *set = source_set_new("test");

	for (size_t i = 0; i < n; i++) {
		const struct source s = {
			.name = (char[]){'s', (char)('0' + i % 10), '\0'}, .authority = i + 1 == n};

		assert_int_equal(source_set_add(set, &s, NULL), 0);
	}
	return set;
}

/* The same, to be measured, with chance that repeats. */
static UNUSED struct source_set *measured_of(size_t n)
{
	struct source_set *set = set_of(n);

	set->mode = SOURCE_MEASURED;
	source_set_seed(set, 1);
	return set;
}

/* A transfer of 10 s told this rate, latency and round trip. */
static UNUSED void measure(
	struct source_set *set, size_t index, uint64_t mib, uint64_t latency_us, uint64_t rtt_us)
{
	const struct source_sample sample = {
		.backend = "https://x:443",
		.bytes = mib * MIB * 10,
		.window_us = 10000000,
		.latency_us = latency_us,
		.rtt_us = rtt_us,
	};

	source_begin(set, index, 0, NOW);
	source_end(set, index, 0, &sample, NOW_SEC);
}

/* Who is asked; NONE: nobody, and *ret_verdict says why. */
static UNUSED size_t choice(const struct source_set *set, const struct source_trials *t,
	const struct source_want *want, uint64_t now, enum source_verdict *ret_verdict)
{
	size_t index = NONE;
	uint64_t wait = 0;
	enum source_verdict verdict = source_choose(set, t, want, now, &index, &wait);

	if (ret_verdict)
		*ret_verdict = verdict;
	if (verdict == SOURCE_WAIT)
		assert_true(wait > 0);
	return verdict == SOURCE_ASK ? index : NONE;
}

static UNUSED size_t asked(
	const struct source_set *set, const struct source_trials *t, uint64_t mib, uint64_t now)
{
	return choice(set, t, &(struct source_want){.bytes = mib * MIB}, now, NULL);
}

static UNUSED void fail_with(struct source_set *set, struct source_trials *t, size_t index,
	enum errc class, int http, uint64_t now)
{
	AUTO(error_clear) struct error err = ERROR_INIT;

	(void)error_set(&err, class, "something of class %d", (int)class);
	err.http = http;
	source_learn(set, t, index, 0, &err, now);
}
