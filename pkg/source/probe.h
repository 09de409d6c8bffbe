/*
 * probe.h - one measurement of one source: a small request, or a layer's bytes for a while.
 *
 * A probe runs in the loop and ends exactly once: by its callback, or by probe_cancel().  It has a
 * time limit of its own, so that a black hole costs seconds, whatever the host's limits are.
 * Nothing is retried: whoever measures wants to know.
 *
 * Throughput is what arrives after slow start is over, in a window that is long enough to mean
 * something (sources.md 2.3).  Where the body ends before that, or a ceiling is met, the average
 * from the request on is given, which is a lower bound, and said to be one.
 *
 * One loop thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "registry/client.h"

#define PROBE_CONNECT_MS    5000  /* sources.md 3.4: default of connect time-outs */
#define PROBE_FIRST_BYTE_MS 10000 /* sources.md 3.4 */
#define PROBE_STALL_MS      10000 /* silence in a body: a black hole, not a slow source */
#define PROBE_ANSWER_MS     10000 /* a small request, all its hops together */
#define PROBE_BESIDE_MS     200 /* between two small requests beside a bulk one (sources.md 2.5) */
#define PROBE_BESIDE_MAX    64  /* of them that are kept: 12 s */

struct probe;

/* Ends it without its callback.  *p may be NULL; it is NULL after. */
void probe_cancel(struct probe **p);

/* ---- small requests ---- */

enum probe_question {
	PROBE_MANIFEST_HEAD,
	PROBE_MANIFEST_GET,
	PROBE_BLOB_HEAD,
};
/*
 * Asks once.  get->done is called as those of registry/client.h are; ERR_TEMP also for an answer
 * that does not come in PROBE_ANSWER_MS.
 */
struct probe *probe_ask(struct http_loop *loop, struct registry *r, enum probe_question question,
	const struct registry_get *get) NODISCARD;
/* Microseconds from the request to the first byte of its answer, redirects included. */
uint64_t probe_answer_us(const struct registry_reply *reply);

/* ---- bulk ---- */

struct probe_result;

struct probe_bulk {
	struct registry *registry;
	const char *repository; /* borrowed until done, as is `beside` */
	struct digest digest;
	uint64_t size; /* of the blob */
	uint64_t from; /* first byte */
	uint64_t end;  /* one past the last byte wanted at most; with from 0 and end == size the
			  digest is verified */
	uint64_t ms;   /* at most so long after the first byte; 0: no limit */
	bool early;    /* ends when the window is long enough */
	uint64_t skip_us, window_us; /* slow start, and the window wanted (source/estimate.h) */
	const struct digest *beside; /* a manifest that is asked for meanwhile; NULL: none */
	/* err NULL also when a limit ended it.  The result is filled in either case. */
	void (*done)(void *ctx, const struct probe_result *result, struct error *err);
	void *ctx;
};

enum probe_content {
	PROBE_NOT_CHECKED, /* not all of it came */
	PROBE_RIGHT,
	PROBE_WRONG
};

struct probe_result {
	uint64_t bytes;                   /* that came, without those of an ignored range */
	uint64_t first_us;                /* from the request to the first byte of the body */
	uint64_t body_us;                 /* from there to the last byte */
	uint64_t window_bytes, window_us; /* after slow start */
	double rate;                      /* bytes/s; 0: nothing came */
	bool bound;                       /* the window was too short: at least `rate` */
	enum probe_content content;
	bool range_ignored;
	const char *backend; /* "https://host:port" that gave the bytes; until done returns */
	uint64_t front_us;   /* spent in redirects */
	struct http_timing timing;
	uint64_t beside_us[PROBE_BESIDE_MAX]; /* of small requests on a warm connection meanwhile */
	size_t n_beside;
};

struct probe *probe_bulk(struct http_loop *loop, const struct probe_bulk *bulk) NODISCARD;

/*
 * The figures of a bulk probe as bytes arrive: pure, for probe.c and for tests.  Times are
 * microseconds of one monotonic clock.
 */
struct probe_meter {
	uint64_t skip_us, window_us;
	uint64_t first_us, from_us, last_us; /* first byte; begin of the window; newest bytes */
	uint64_t bytes, from_bytes;          /* in all; at from_us */
};
void probe_meter_add(struct probe_meter *m, uint64_t bytes, uint64_t now_us);
bool probe_meter_full(const struct probe_meter *m); /* the window is long enough */
/* start_us: when the request began. */
void probe_meter_result(const struct probe_meter *m, uint64_t start_us, struct probe_result *ret);
