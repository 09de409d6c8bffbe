/*
 * How often something can be done in a second: the median of some rounds, after one that warms up.
 * A benchmark is a program that prints lines and exits with 0, or says what failed and exits
 * with 1.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "util/clock.h"
#include "util/error.h"

enum {
	BENCH_ROUNDS = 7,
	BENCH_ROUND_MS = 100, /* a round lasts at least so long */
	BENCH_BATCH = 8,      /* calls between two looks at the clock */
};

_Noreturn static inline void bench_die(const char *what, const struct error *err)
{
	fprintf(stderr, "%s: %s\n", what, error_text(err));
	exit(1);
}

static inline int bench_order(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Calls a second. */
static inline double bench_rate(void (*work)(void *), void *arg)
{
	double rates[BENCH_ROUNDS];

	work(arg);
	for (int i = 0; i < BENCH_ROUNDS; i++) {
		uint64_t calls = 0;
		uint64_t began = clock_mono_ms(), now;
		do {
			for (int k = 0; k < BENCH_BATCH; k++)
				work(arg);
			calls += BENCH_BATCH;
			now = clock_mono_ms();
		} while (now - began < BENCH_ROUND_MS);
		rates[i] = (double)calls * 1000 / (double)(now - began);
	}
	qsort(rates, BENCH_ROUNDS, sizeof *rates, bench_order);
	return rates[BENCH_ROUNDS / 2];
}

static inline void bench_print(const char *what, double value, const char *unit)
{
	printf("%-48s %10.0f %s\n", what, value, unit);
}
