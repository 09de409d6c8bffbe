/*
 * loop.h - the event loop: one thread, libcurl's multi handle, timers, messages.
 *
 * Everything that moves bytes over the network runs in one loop.  All callbacks
 * are called from http_loop_run(), on the thread that called it, never from
 * inside the function that started something: starting, cancelling and resuming
 * are safe in any callback.  Only http_loop_post() may be called from other threads.
 *
 * curl_multi_poll with a ceiling of 50 ms, own queues per host, redirects by
 * hand: guides/sources.md section 6 has the measurements behind these.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "util/error.h"

struct http_loop;
struct http_timer;

struct http_loop_options {
	const char *user_agent;   /* "regmirror/0.1.0" */
	unsigned max_connections; /* kept open at most, all hosts together; 0: 64 */
	uint64_t bandwidth;       /* bytes received a second, all transfers together; 0: no cap */
	/*
	 * "": none; NULL: from the environment (https_proxy, HTTPS_PROXY, http_proxy), but never
	 * for this machine itself (localhost, 127.0.0.0/8, ::1).
	 */
	const char *proxy;
	/*
	 * Comma-separated, as in the environment; NULL: from it (no_proxy, NO_PROXY). Entries: a
	 * name, which stands for all below it too, with an optional ":port"; an address; a network
	 * "10.0.0.0/8"; "*".
	 */
	const char *no_proxy;
};

/* Fails with ERR_IO when libcurl cannot start.  curl_global_init() is the loop's affair. */
NODISCARD int http_loop_new(
	const struct http_loop_options *options, struct http_loop **ret, struct error *err);
/* Cancels what still runs (no done callback is called), then frees. NULL is fine. */
void http_loop_free(struct http_loop *loop);
DEFINE_CLEANUP(struct http_loop *, http_loop_free);

uint64_t http_loop_bandwidth(const struct http_loop *loop); /* as given in the options */

/*
 * Runs until stop(ctx) says true; it is asked after every round, at least every
 * 50 ms.  Fails with ERR_IO if the multi handle breaks.
 */
NODISCARD int http_loop_run(
	struct http_loop *loop, bool (*stop)(void *ctx), void *ctx, struct error *err);

/* Calls fn(ctx) from the loop soon, in order of posting.  Any thread. */
void http_loop_post(struct http_loop *loop, void (*fn)(void *ctx), void *ctx);

/* Calls fn(ctx) once, ms milliseconds from now.  The timer frees itself after; stop it before that
 * with http_timer_stop(). */
struct http_timer *http_timer_start(
	struct http_loop *loop, uint64_t ms, void (*fn)(void *ctx), void *ctx) NODISCARD;
/* *timer may be NULL; it is NULL after.  Must not be called after fn ran. */
void http_timer_stop(struct http_timer **timer);
