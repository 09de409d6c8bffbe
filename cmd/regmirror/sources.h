/*
 * sources.h - all that the state knows of each source, put together: for `status` and reports.
 *
 * One thread.
 */
#pragma once

#include "source/freshness.h"
#include "source/source.h"
#include "state/state.h"
#include "util/error.h"

/* A host that gave bytes for the source. */
struct backend_row {
	char *name;
	double rate;                            /* bytes/s; 0: not known */
	uint64_t latency_us;                    /* median; 0: not known */
	uint64_t rtt_us;                        /* least; 0: not known */
	int64_t rate_at, latency_at, newest_at; /* seconds */
};

struct source_row {
	char *upstream, *source;
	char *role; /* "authority", "mirror"; or NULL: not known */
	int64_t last_contact;
	uint64_t requests, bytes, failures; /* of the last run that used it */
	char *error;                        /* or NULL */
	int64_t error_at;

	struct backend_row *backends;
	size_t n_backends, cap_backends;

	unsigned strikes;  /* in the last week */
	int64_t struck_at; /* the newest of all; 0: none */
	char *evidence;    /* of the newest; or NULL */
	int64_t out_until; /* it is in quarantine until then; 0: it is not */

	/* How its tags stand, of those that were looked at in the last week. */
	uint64_t tags, behind;    /* behind: not the authority's */
	enum freshness freshness; /* the worst of them */
	int64_t lag_sec;          /* the longest */
};

struct source_rows {
	struct source_row *items; /* by upstream and source */
	size_t n, cap;
	int64_t now_sec;
	size_t last; /* where the last look-up found something */
};

/* *ret must be empty, and be cleared in any case. */
NODISCARD int source_rows_read(
	struct state *state, int64_t now_sec, struct source_rows *ret, struct error *err);
void source_rows_clear(struct source_rows *rows);
/* NULL: nothing is known of it. */
const struct source_row *source_rows_find(
	struct source_rows *rows, const char *upstream, const char *source);

/* Bytes a second, of the backend that was measured last; 0: not known. */
double source_row_rate(const struct source_row *row);
/* Microseconds, likewise. */
uint64_t source_row_latency(const struct source_row *row);
