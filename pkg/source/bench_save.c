/* bench_save.c - results into the state. */
#include "source/bench_save.h"

#include <math.h>

#include "source/estimate.h"

#define US_PER_MS 1000.0

static int save_row(const struct bench_row *row, const char *upstream, struct state *state,
	int64_t now_sec, struct error *err)
{
	double rates[BENCH_ROUNDS_MAX], deviation;
	size_t n = bench_rates(row, rates);
	struct latency_estimate warm = {.at_sec = 0};
	unsigned char histogram[LATENCY_ENCODED_MAX];
	struct state_estimate e = {
		.upstream = upstream,
		.source = row->name,
		.backend = row->backend,
	};

	for (size_t i = 0; i < row->n_warm; i++)
		latency_add(&warm, (uint64_t)(row->warm[i] * US_PER_MS), now_sec);
	e.histogram_len = row->n_warm > 0 ? latency_encode(&warm, histogram) : 0;
	if (e.histogram_len > 0) {
		e.histogram = histogram;
		e.histogram_at = now_sec;
	}
	if (n > 0) {
		deviation = stat_deviation(rates, n);
		e.rate = row->rate;
		e.rate_variance = deviation * deviation;
		e.rate_samples = n;
		e.rate_at = now_sec;
	}
	if (isfinite(row->rtt_ms)) {
		e.rtt_us = (uint64_t)(row->rtt_ms * US_PER_MS);
		e.rtt_at = now_sec;
	}
	return state_estimate_put(state, &e, err);
}

int bench_save(const struct bench_result *r, const char *upstream, struct state *state,
	int64_t now_sec, struct error *err)
{
	int rc = 0;

	for (size_t i = 0; i < r->n_rows && rc == 0; i++) {
		const struct bench_row *row = &r->rows[i];

		if (row->measured && row->backend && !row->wrong)
			rc = save_row(row, upstream, state, now_sec, err);
	}
	return rc;
}
