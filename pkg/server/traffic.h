/*
 * traffic.h - what was served, as counters: by kind of path and class of status, bytes, and how
 * long it took; in Prometheus' text format.
 *
 * Counting needs no lock and may happen on any thread while another prints.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "server/httpd.h"
#include "server/route.h"
#include "util/buf.h"

#define TRAFFIC_CLASSES 6 /* 1xx to 5xx; 0: the client left before there was an answer */
#define TRAFFIC_STEPS   9 /* of the histogram, without the last, which has no bound */
#define TRAFFIC_MAX     ((size_t)64 * 1024) /* bytes of traffic_print() at most */

struct traffic {
	struct {
		_Atomic uint64_t answers[TRAFFIC_CLASSES];
		_Atomic uint64_t bytes_in, bytes_out; /* of bodies */
		_Atomic uint64_t took[TRAFFIC_STEPS + 1];
		_Atomic uint64_t ms;
	} of[ROUTE_MAX_];
};

struct traffic_event {
	enum route_kind kind;
	int status;
	uint64_t bytes_in, bytes_out, ms;
};

/* t starts as zeros. */
void traffic_count(struct traffic *t, const struct traffic_event *event);

/*
 * Appends the families regmirror_http_*; of kinds that nobody asked for there is no line.  stats
 * may be NULL.  Fails with ERR_NOMEM at the buffer's ceiling.
 */
NODISCARD int traffic_print(const struct traffic *t, const struct httpd_stats *stats,
	struct buf *to, struct error *err);
