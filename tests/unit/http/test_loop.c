#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../lib/peer.h"
#include "http/request.h"
#include "util/clock.h"
#include "util/mem.h"

#define PATIENCE_MS 10000 /* after that a test has failed */

/* ---- one loop, and the answers of its calls ---- */

struct answer {
	bool done;
	int status;
	struct error err;
	char *body, *url, *marked; /* marked: the answer's X-Mark */
	uint64_t body_bytes;
	unsigned redirects;
	uint32_t retry_after;
	uint64_t done_ms;
	unsigned order; /* of all answers of this test, from 1 */
};

static unsigned answers;

static void keep(void *ctx, struct http_response *r, struct error *err)
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
	a->done_ms = clock_mono_ms();
	a->order = ++answers;
	if (err)
		error_move(&a->err, err);
}

static void answer_clear(struct answer *a)
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

static bool all_done(void *ctx)
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

static void run_until(struct http_loop *loop, struct answer *list, size_t n, uint64_t ms)
{
	struct wait w = {.answers = list, .n = n, .until_ms = clock_mono_ms() + ms};

	assert_int_equal(http_loop_run(loop, all_done, &w, NULL), 0);
}

static void await(struct http_loop *loop, struct answer *list, size_t n)
{
	run_until(loop, list, n, PATIENCE_MS);
	for (size_t i = 0; i < n; i++)
		assert_true(list[i].done);
}

static struct http_loop *loop_plain(const struct peer *p, const struct http_host_options *options)
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

static struct http_call *start(struct http_loop *loop, const struct peer *p, const char *path,
	struct http_request r, struct answer *a)
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

/* Answers every request of a connection with its method and path. */
static void play_echo(struct peer_conn *c)
{
	while (peer_hear(c)) {
		int len = (int)strcspn(c->request, "\r");
		bool head = strncmp(c->request, "HEAD", 4) == 0;

		if (peer_take(c, NULL, c->content_length) != c->content_length)
			return;
		peer_say(c,
			"HTTP/1.1 200 OK\r\nX-Mark: m\r\nContent-Length: %d\r\n\r\n%.*s",
			len,
			head ? 0 : len,
			c->request);
	}
}

static void every_method_gets_its_answer_on_one_connection(void **state)
{
	static const char *const lines[] = {"GET /a HTTP/1.1",
		"",
		"POST /a HTTP/1.1",
		"PUT /a HTTP/1.1",
		"PATCH /a HTTP/1.1",
		"DELETE /a HTTP/1.1"};
	AUTO(http_loop_freep) struct http_loop *loop = NULL;
	struct peer p;

	(void)state;
	peer_start(&p, play_echo, NULL);
	loop = loop_plain(&p, NULL);
	for (size_t i = 0; i < 2 * ARRAY_SIZE(lines); i++) {
		size_t m = i % ARRAY_SIZE(lines);
		AUTO(answer_clear) struct answer a = {.done = false};
		struct http_request r = {.method = (enum http_method)m};

		if (m >= HTTP_POST && m <= HTTP_PATCH && i < ARRAY_SIZE(lines)) {
			r.body = "hello";
			r.body_size = 5;
		}
		start(loop, &p, "/a", r, &a);
		await(loop, &a, 1);
		assert_null(a.err.msg);
		assert_int_equal(a.status, 200);
		assert_string_equal(a.body, lines[m]);
		assert_string_equal(a.marked, "m");
	}
	assert_int_equal(atomic_load(&p.n_conns), 1);
	peer_stop(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_method_gets_its_answer_on_one_connection),
	};

	return cmocka_run_group_tests_name("http/loop", tests, NULL, NULL);
}
