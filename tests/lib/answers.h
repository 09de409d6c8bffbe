/*
 * answers.h - a loop for unit tests, and what its calls were answered.
 *
 * Include it after cmocka.h.  start() begins a call whose end is kept in a
 * struct answer; await() runs the loop until all of them are there.
 */
#pragma once

#include "http/request.h"
#include "peer.h"
#include "util/clock.h"
#include "util/mem.h"

#define PATIENCE_MS 10000 /* after that a test has failed */

struct answer {
	bool done;
	int status;
	struct error err;
	char *body, *url, *marked; /* marked: the answer's X-Mark */
	uint64_t body_bytes;
	unsigned redirects;
	uint32_t retry_after;
	uint64_t ttfb_us, total_us, front_us;
	struct http_timing timing;
	uint64_t done_ms;
	unsigned order; /* of all answers of this test, from 1 */
};

static unsigned answers; /* of this test so far */

static inline void keep(void *ctx, struct http_response *r, struct error *err)
{
	struct answer *a = ctx;

	assert_false(a->done);
	a->done = true;
	a->status = r->status;
	a->body = xstrdup(buf_text(&r->body));
	a->url = xstrdup(r->url);
	a->marked = xstrdup(http_header(r, "x-mark"));
	a->body_bytes = r->body_bytes;
	a->redirects = r->redirects;
	a->retry_after = r->retry_after;
	a->ttfb_us = r->ttfb_us;
	a->total_us = r->total_us;
	a->front_us = r->front_us;
	a->timing = r->timing;
	a->done_ms = clock_mono_ms();
	a->order = ++answers;
	if (err)
		error_move(&a->err, err);
}

static inline void answer_clear(struct answer *a)
{
	error_clear(&a->err);
	free(a->body);
	free(a->url);
	free(a->marked);
	*a = (struct answer){.done = false};
}

struct wait {
	struct answer *answers;
	size_t n;
	uint64_t until_ms;
};

static inline bool all_done(void *ctx)
{
	const struct wait *w = ctx;

	if (clock_mono_ms() >= w->until_ms)
		return true;
	for (size_t i = 0; i < w->n; i++) {
		if (!w->answers[i].done)
			return false;
	}
	return w->n > 0;
}

static inline void run_until(struct http_loop *loop, struct answer *list, size_t n, uint64_t ms)
{
	struct wait w = {.answers = list, .n = n, .until_ms = clock_mono_ms() + ms};

	assert_int_equal(http_loop_run(loop, all_done, &w, NULL), 0);
}

static inline void await(struct http_loop *loop, struct answer *list, size_t n)
{
	run_until(loop, list, n, PATIENCE_MS);
	for (size_t i = 0; i < n; i++)
		assert_true(list[i].done);
}

static inline struct http_loop *loop_plain(
	const struct peer *p, const struct http_host_options *options)
{
	struct http_loop_options lo = {.user_agent = "test", .proxy = ""};
	struct http_host_options ho = options ? *options : (struct http_host_options){.ca = NULL};
	AUTO_FREE char *host = xasprintf("127.0.0.1:%u", p->port);
	struct http_loop *loop = NULL;

	ho.plain = true;
	assert_int_equal(http_loop_new(&lo, &loop, NULL), 0);
	assert_int_equal(http_host_set(loop, host, &ho, NULL), 0);
	answers = 0;
	return loop;
}

static inline struct http_call *start(struct http_loop *loop, const struct peer *p,
	const char *path, struct http_request r, struct answer *a)
{
	AUTO_FREE char *url = xasprintf("http://127.0.0.1:%u%s", p->port, path);

	r.url = url;
	if (!r.done)
		r.done = keep;
	if (!r.ctx)
		r.ctx = a;
	if (!r.body_max)
		r.body_max = 64 * 1024;
	return http_start(loop, &r);
}
