/*
 * load.h - what moves from each source now, how fast, and what that says about who is next.
 *
 * The measured choice (`choose: measured`): every transfer tells when it begins, what arrives, and
 * how it ended; source_tick() turns that into rates once a second.  All functions are pure
 * functions of the set and the time handed in: no I/O, no clock.  With one source, or with another
 * mode than SOURCE_MEASURED, they only count.
 *
 * One loop thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "source/source.h"

#define SOURCE_TICK_MS        1000 /* between two looks at the rates (sources.md 3.2) */
#define SOURCE_MIGRATE_BYTES  (2ULL * 1024 * 1024) /* a rest of less stays where it is (3.2) */
#define SOURCE_MIGRATE_MIN_MS 2000 /* a transfer that is younger stays where it is (3.2) */
#define SOURCE_STRIPE_FROM    (64ULL * 1024 * 1024) /* default of `stripe.from` (3.6) */

/* What one transfer said of its source at its end. */
struct source_sample {
	const char *backend; /* "https://host:port" that gave the bytes; NULL: the one used last */
	uint64_t bytes;      /* that arrived after slow start ... */
	uint64_t window_us;  /* ... in this time; shorter than ESTIMATE_WINDOW_US: no sample of a
				rate */
	bool held_up;        /* we, not the source, were slow in it: says only "at least so fast" */
	uint64_t latency_us; /* request to first byte on a connection that was open; 0: none */
	uint64_t rtt_us;     /* least round trip seen; 0: none */
};

/* A transfer (or one range of a striped one) of so many bytes from this source begins. */
void source_begin(struct source_set *set, size_t index, uint64_t bytes, uint64_t now_ms);
/* Bytes of it came. */
void source_arrived(struct source_set *set, size_t index, uint64_t bytes);
/* We, not the source, were slow since the last tick: what arrived says only "at least so fast". */
void source_held_up(struct source_set *set, size_t index);
/* It ended, well or not; `missing` of its bytes did not come.  sample NULL: nothing was learnt. */
void source_end(struct source_set *set, size_t index, uint64_t missing,
	const struct source_sample *sample, int64_t now_sec);
/* A small request goes out. */
void source_asked(struct source_set *set, size_t index);
/* It was answered: its latency; or it failed or was cancelled: sample NULL. */
void source_answered(
	struct source_set *set, size_t index, const struct source_sample *sample, int64_t now_sec);

/* Once each SOURCE_TICK_MS while something runs: rates in flight, and how many may run at once. */
void source_tick(struct source_set *set, uint64_t now_ms);

/* How long after its first byte a transfer's rate says nothing, in microseconds. */
uint64_t source_settle_us(const struct source_set *set, size_t index);

/* Whether the rate of each source that may be asked is known: then the largest go first. */
bool source_rates_known(const struct source_set *set);
/* Whether nothing moves from it now. */
bool source_is_idle(const struct source_set *set, size_t index);
/* Bytes a second that are believed now: in flight, else as measured before; 0: not known. */
double source_rate(const struct source_set *set, size_t index);

/*
 * Whether a running blob had better go on elsewhere (sources.md 3.2): `left` bytes are missing, it
 * runs at `rate` bytes/s for `age_ms`.  True: at *ret_index, which has a free place.
 */
bool source_better(const struct source_set *set, const struct source_trials *trials, size_t index,
	uint64_t left, double rate, uint64_t age_ms, uint64_t now_ms, size_t *ret_index);

/*
 * The sources that should share a blob of so many bytes, best first (sources.md 3.6): none is
 * parked, suspected, excluded for this digest or below a tenth of the summed rate.  Fewer than two:
 * do not stripe.  Returns how many.
 */
size_t source_stripe(const struct source_set *set, const struct source_trials *trials,
	uint64_t bytes, uint64_t now_ms, size_t ret[static SOURCES_MAX]);

/*
 * Whether a small request that was sent to `first` may be sent to another one as well: to
 * *ret_index, when no answer came in *ret_delay_ms (sources.md 3.4).  The budget is paid by
 * source_hedged(), when it is sent.
 */
bool source_hedge(const struct source_set *set, const struct source_trials *trials, size_t first,
	uint64_t now_ms, size_t *ret_index, uint64_t *ret_delay_ms);
void source_hedged(struct source_set *set);
