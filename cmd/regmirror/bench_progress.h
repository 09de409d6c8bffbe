/* bench_progress.h - a line on a terminal: what is measured, and how long it will take. */
#pragma once

#include "source/bench.h"

struct bench_display;

/* NULL where stderr is no terminal; all calls take it. */
struct bench_display *bench_display_start(const char *upstream) NODISCARD;
void bench_display_show(struct bench_display *d, const struct bench_progress *progress);
void bench_display_stop(struct bench_display *d); /* erases it */
