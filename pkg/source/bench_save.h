/* bench_save.h - what a benchmark found, as priors of the measured choice. */
#pragma once

#include "source/bench.h"
#include "state/state.h"

/*
 * Puts an estimate for the backend of each measured source into the state: rate, warm latency,
 * round trip.  Sources whose content was wrong are left out.
 */
NODISCARD int bench_save(const struct bench_result *r, const char *upstream, struct state *state,
	int64_t now_sec, struct error *err);
