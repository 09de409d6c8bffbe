#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../lib/answers.h"

static const struct http_request get = {.method = HTTP_GET};

/* Answers every request of a connection with its request line; "/never" not at all. */
static void play_echo(struct peer_conn *c)
{
	while (peer_hear(c)) {
		int len = (int)strcspn(c->request, "\r");
		bool head = strncmp(c->request, "HEAD", 4) == 0;

		if (peer_take(c, NULL, c->content_length) != c->content_length)
			return;
		if (peer_heard(c, "/never")) {
			peer_linger(c);
			return;
		}
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

/* Says the request's header back as the body. */
static void play_mirror(struct peer_conn *c)
{
	while (peer_hear(c)) {
		size_t len = (size_t)(c->rest - c->request);

		peer_say(c, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", len);
		peer_send(c, c->request, len);
	}
}

static void requests_carry_what_was_asked_for_and_nothing_secret(void **state)
{
	static const char *const headers[] = {"Accept: text/x", "X-A: 1"};
	AUTO(http_loop_freep) struct http_loop *loop = NULL;
	AUTO(answer_clear) struct answer a = {.done = false}, b = {.done = false};
	struct peer p;

	(void)state;
	peer_start(&p, play_mirror, NULL);
	loop = loop_plain(&p, NULL);
	start(loop,
		&p,
		"/a",
		(struct http_request){
			.authorization = "Bearer t", .headers = headers, .n_headers = 2},
		&a);
	start(loop, &p, "/b", (struct http_request){.method = HTTP_POST}, &b);
	await(loop, &a, 1);
	await(loop, &b, 1);
	assert_non_null(strstr(a.body, "\r\nAuthorization: Bearer t\r\n"));
	assert_non_null(strstr(a.body, "\r\nAccept: text/x\r\n"));
	assert_non_null(strstr(a.body, "\r\nX-A: 1\r\n"));
	assert_non_null(strstr(a.body, "\r\nUser-Agent: test\r\n"));
	assert_non_null(strstr(a.body, "\r\nAccept-Encoding: identity\r\n"));
	assert_null(strstr(a.body, "Cookie"));
	assert_null(strstr(b.body, "Authorization"));
	assert_null(strstr(b.body, "Expect"));
	assert_null(strstr(b.body, "chunked"));
	assert_non_null(strstr(b.body, "\r\nContent-Length: 0\r\n"));
	peer_stop(&p);
}

static void what_is_wrong_with_a_request_comes_to_done(void **state)
{
	static const char *const urls[] = {"ftp://127.0.0.1/",
		"file:///etc/passwd",
		"http://127.0.0.1:1/",
		"http://user:secret@127.0.0.1/",
		"no url"};
	AUTO(http_loop_freep) struct http_loop *loop = NULL;
	struct peer p;

	(void)state;
	peer_start(&p, play_echo, NULL);
	loop = loop_plain(&p, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
		AUTO(answer_clear) struct answer a = {.done = false};
		struct http_request r = {.url = urls[i], .done = keep, .ctx = &a};

		assert_non_null(http_start(loop, &r));
		assert_false(a.done);
		await(loop, &a, 1);
		assert_int_equal(a.err.code, ERR_REMOTE);
		assert_null(strstr(a.err.msg, "secret"));
	}
	peer_stop(&p);
}

static void a_refused_connection_is_temporary_every_time(void **state)
{
	AUTO(http_loop_freep) struct http_loop *loop = NULL;
	struct peer p;

	(void)state;
	peer_start(&p, play_echo, NULL);
	loop = loop_plain(&p, NULL);
	peer_stop(&p);
	for (int i = 0; i < 4; i++) {
		AUTO(answer_clear) struct answer a = {.done = false};

		start(loop, &p, "/a", (struct http_request){.bulk = i % 2}, &a);
		await(loop, &a, 1);
		assert_int_equal(a.err.code, ERR_TEMP);
		assert_int_equal(a.status, 0);
	}
}

/* One request a connection, which then looks alive and is reset when more of the next one comes. */
static void play_once(struct peer_conn *c)
{
	if (!peer_hear(c))
		return;
	(void)peer_take(c, NULL, c->content_length);
	peer_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
	if (!peer_hear(c))
		return;
	(void)peer_take(c, NULL, c->content_length > 0 ? 1 : 0);
	peer_reset(c);
}

static enum http_io read_zeroes(void *ctx, char *to, size_t room, size_t *ret_n)
{
	(void)ctx;
	memset(to, 0, room);
	*ret_n = room;
	return HTTP_IO_OK;
}

static bool can_rewind(void *ctx)
{
	(void)ctx;
	return true;
}

static void a_connection_that_died_idle_is_replaced_silently(void **state)
{
	static const struct http_request requests[] = {
		{.method = HTTP_GET},
		{.method = HTTP_POST, .body = "x", .body_size = 1},
		{.method = HTTP_PUT,
			.read = read_zeroes,
			.rewind = can_rewind,
			.body_size = 100000},
	};
	AUTO(http_loop_freep) struct http_loop *loop = NULL;
	struct peer p;

	(void)state;
	peer_start(&p, play_once, NULL);
	loop = loop_plain(&p, NULL);
	for (size_t i = 0; i < 3 * ARRAY_SIZE(requests); i++) {
		AUTO(answer_clear) struct answer a = {.done = false};

		start(loop, &p, "/a", requests[i % ARRAY_SIZE(requests)], &a);
		await(loop, &a, 1);
		assert_null(a.err.msg);
		assert_int_equal(a.status, 200);
	}
	peer_stop(&p);
}

static void a_body_that_cannot_be_sent_again_is_not(void **state)
{
	AUTO(http_loop_freep) struct http_loop *loop = NULL;
	AUTO(answer_clear) struct answer a = {.done = false}, b = {.done = false};
	struct peer p;

	(void)state;
	peer_start(&p, play_once, NULL);
	loop = loop_plain(&p, NULL);
	start(loop, &p, "/a", get, &a);
	await(loop, &a, 1);
	start(loop,
		&p,
		"/a",
		(struct http_request){.method = HTTP_PUT, .read = read_zeroes, .body_size = 100000},
		&b);
	await(loop, &b, 1);
	assert_int_equal(b.err.code, ERR_TEMP);
	peer_stop(&p);
}

/* Answers with what the request's path names. */
static void play_broken(struct peer_conn *c)
{
	if (!peer_hear(c))
		return;
	if (peer_heard(c, "/short"))
		peer_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
	else if (peer_heard(c, "/nothing"))
		return;
	else if (peer_heard(c, "/garbage"))
		peer_say(c, "this is no HTTP\r\n\r\n");
	else if (peer_heard(c, "/large"))
		peer_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
	else if (peer_heard(c, "/endless"))
		while (peer_say(c, "HTTP/1.1 200 OK\r\nX: y\r\n\r\n%01000d", 0))
			;
	else if (peer_heard(c, "/chunks")) {
		peer_say(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
		while (peer_say(c, "3e8\r\n%01000d\r\n", 0))
			;
	} else if (peer_heard(c, "/fields")) {
		peer_say(c, "HTTP/1.1 200 OK\r\n");
		while (peer_say(c, "X-%0100d: y\r\n", 0))
			;
	} else if (peer_heard(c, "/interim")) {
		while (peer_say(c, "HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n"))
			;
	}
}

static void broken_answers_are_refused_with_their_class(void **state)
{
	static const struct {
		const char *path;
		enum errc class;
	} cases[] = {
		{"/short", ERR_TEMP},
		{"/nothing", ERR_TEMP},
		{"/garbage", ERR_REMOTE},
		{"/large", ERR_REMOTE},
		{"/endless", ERR_REMOTE},
		{"/chunks", ERR_REMOTE},
		{"/fields", ERR_REMOTE},
		{"/interim", ERR_REMOTE},
	};
	AUTO(http_loop_freep) struct http_loop *loop = NULL;
	struct peer p;

	(void)state;
	peer_start(&p, play_broken, NULL);
	loop = loop_plain(&p, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(answer_clear) struct answer a = {.done = false};

		start(loop, &p, cases[i].path, get, &a);
		await(loop, &a, 1);
		if (a.err.code != cases[i].class)
			fail_msg("%s: %s", cases[i].path, error_text(&a.err));
	}
	peer_stop(&p);
}

static void play_errors(struct peer_conn *c)
{
	if (!peer_hear(c))
		return;
	if (peer_heard(c, "/416"))
		peer_say(c,
			"HTTP/1.1 416 Range\r\nContent-Range: bytes */5\r\nContent-Length: 5\r\n\r\n");
	else if (peer_heard(c, "/stay")) {
		peer_say(c, "HTTP/1.1 500 Oops\r\nContent-Length: 5\r\n\r\nab");
		peer_linger(c);
	} else if (peer_heard(c, "/429"))
		peer_say(c, "HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nwait");
	else if (peer_heard(c, "/date"))
		peer_say(c,
			"HTTP/1.1 503 Later\r\nRetry-After: Fri, 31 Dec 2100 23:59:59 GMT\r\n"
			"Content-Length: 0\r\n\r\n");
	else if (peer_heard(c, "/huge"))
		peer_say(c, "HTTP/1.1 404 No\r\nContent-Length: 200000\r\n\r\n%0200000d", 0);
}

static void an_error_status_stands_however_its_body_ends(void **state)
{
	static const struct {
		const char *path, *body;
		int status;
		uint32_t least, most; /* of Retry-After */
	} cases[] = {
		{"/416", "", 416, 0, 0},
		{"/stay", "ab", 500, 0, 0},
		{"/429", "wait", 429, 7, 7},
		{"/date", "", 503, 1000000, UINT32_MAX},
		{"/huge", NULL, 404, 0, 0},
	};
	AUTO(http_loop_freep) struct http_loop *loop = NULL;
	struct peer p;

	(void)state;
	peer_start(&p, play_errors, NULL);
	loop = loop_plain(&p, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(answer_clear) struct answer a = {.done = false};

		start(loop, &p, cases[i].path, get, &a);
		await(loop, &a, 1);
		assert_null(a.err.msg);
		assert_int_equal(a.status, cases[i].status);
		if (cases[i].body)
			assert_string_equal(a.body, cases[i].body);
		assert_in_range(a.retry_after, cases[i].least, cases[i].most);
	}
	peer_stop(&p);
}

/* ---- queues ---- */

#define N_QUEUED 20

static void play_count(struct peer_conn *c)
{
	atomic_uint *running = c->peer->ctx; /* [0] now, [1] most so far, [2] bulk ones begun */
	unsigned now;

	while (peer_hear(c)) {
		now = atomic_fetch_add(&running[0], 1) + 1;
		if (now > atomic_load(&running[1]))
			atomic_store(&running[1], now);
		(void)poll(NULL, 0, 5);
		atomic_fetch_sub(&running[0], 1);
		peer_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	}
}

static void a_host_gets_no_more_connections_than_configured_and_small_requests_go_first(
	void **state)
{
	AUTO(http_loop_freep) struct http_loop *loop = NULL;
	struct answer a[N_QUEUED] = {{.done = false}};
	atomic_uint running[2] = {0, 0};
	struct http_host_stats stats;
	AUTO_FREE char *host = NULL;
	struct peer p;

	(void)state;
	peer_start(&p, play_count, running);
	loop = loop_plain(&p, &(struct http_host_options){.connections = 3});
	host = xasprintf("127.0.0.1:%u", p.port);
	for (size_t i = 0; i < N_QUEUED; i++)
		start(loop, &p, "/a", (struct http_request){.bulk = i < N_QUEUED / 2}, &a[i]);
	stats = http_host_stats(loop, host);
	assert_int_equal(stats.waiting, N_QUEUED);
	await(loop, a, N_QUEUED);
	assert_int_equal(atomic_load(&running[1]), 3);
	assert_in_range(atomic_load(&p.n_conns), 1, 3);
	for (size_t i = 0; i < N_QUEUED; i++)
		assert_true(i < N_QUEUED / 2 ? a[i].order > N_QUEUED / 2 - 3
					     : a[i].order <= N_QUEUED / 2 + 3);
	stats = http_host_stats(loop, host);
	assert_int_equal(stats.requests, N_QUEUED);
	assert_int_equal(stats.waiting + stats.running, 0);
	for (size_t i = 0; i < N_QUEUED; i++)
		answer_clear(&a[i]);
	peer_stop(&p);
}

static void requests_start_no_faster_than_the_configured_rate(void **state)
{
	AUTO(http_loop_freep) struct http_loop *loop = NULL;
	struct answer a[N_QUEUED] = {{.done = false}};
	uint64_t begin;
	struct peer p;

	(void)state;
	peer_start(&p, play_echo, NULL);
	loop = loop_plain(&p, &(struct http_host_options){.requests_per_second = 15});
	begin = clock_mono_ms();
	for (size_t i = 0; i < N_QUEUED; i++)
		start(loop, &p, "/a", get, &a[i]);
	await(loop, a, N_QUEUED);
	/* 15 at once, the other 5 within a third of a second. */
	assert_true(a[14].done_ms - begin < 200);
	assert_in_range(clock_mono_ms() - begin, 300, 1500);
	for (size_t i = 0; i < N_QUEUED; i++)
		answer_clear(&a[i]);
	peer_stop(&p);
}

static void a_gate_holds_requests_back_until_it_opens(void **state)
{
	AUTO(http_loop_freep) struct http_loop *loop = NULL;
	AUTO(answer_clear) struct answer a = {.done = false};
	AUTO(url_clear) struct url u = URL_INIT;
	AUTO_FREE char *text = NULL;
	uint64_t begin;
	struct peer p;

	(void)state;
	peer_start(&p, play_echo, NULL);
	loop = loop_plain(&p, NULL);
	text = xasprintf("http://127.0.0.1:%u/x", p.port);
	assert_int_equal(url_parse(text, &u, NULL), 0);
	begin = clock_mono_ms();
	http_host_gate(loop, &u, 1);
	http_host_gate(loop, &u, 0);
	start(loop, &p, "/a", get, &a);
	await(loop, &a, 1);
	assert_int_equal(a.status, 200);
	assert_in_range(a.done_ms - begin, 1000, 1400);
	peer_stop(&p);
}

struct chain {
	struct http_loop *loop;
	const struct peer *peer;
	unsigned left;
	struct answer *last;
};

static void next_link(void *ctx, struct http_response *r, struct error *err)
{
	struct chain *c = ctx;

	if (--c->left == 0)
		keep(c->last, r, err);
	else
		start(c->loop,
			c->peer,
			"/a",
			(struct http_request){.done = next_link, .ctx = c},
			NULL);
}

static void requests_one_after_another_do_not_wait_for_each_other(void **state)
{
	AUTO(http_loop_freep) struct http_loop *loop = NULL;
	AUTO(answer_clear) struct answer a = {.done = false};
	struct chain c = {.left = 200, .last = &a};
	uint64_t begin = clock_mono_ms();
	struct peer p;

	(void)state;
	peer_start(&p, play_echo, NULL);
	loop = loop_plain(&p, NULL);
	c.loop = loop;
	c.peer = &p;
	start(loop, &p, "/a", (struct http_request){.done = next_link, .ctx = &c}, NULL);
	await(loop, &a, 1);
	/* 200 waits of a poll's 50 ms would be 10 s. */
	assert_true(clock_mono_ms() - begin < 2000);
	assert_int_equal(atomic_load(&p.n_conns), 1);
	peer_stop(&p);
}

/* ---- cancelling ---- */

struct victim {
	struct http_call *call, *other;
	struct answer *mark; /* set done when the callback ran */
	struct http_loop *loop;
};

static bool cancel_at_header(void *ctx, const struct http_response *r)
{
	struct victim *v = ctx;

	(void)r;
	v->mark->done = true;
	http_cancel(&v->call);
	http_cancel(&v->other);
	return true;
}

static enum http_io cancel_in_write(void *ctx, const char *data, size_t n)
{
	struct victim *v = ctx;

	(void)data;
	(void)n;
	v->mark->done = true;
	http_cancel(&v->call);
	http_cancel(&v->other);
	return HTTP_IO_OK;
}

static void never(void *ctx, struct http_response *r, struct error *err)
{
	(void)ctx;
	(void)r;
	(void)err;
	fail_msg("done was called after a cancel");
}

static void a_call_may_be_cancelled_in_any_callback_and_then_is_silent(void **state)
{
	AUTO(http_loop_freep) struct http_loop *loop = NULL;
	struct peer p;

	(void)state;
	peer_start(&p, play_echo, NULL);
	loop = loop_plain(&p, NULL);
	for (int round = 0; round < 20; round++) {
		AUTO(answer_clear) struct answer mark = {.done = false}, after = {.done = false};
		struct victim v = {.mark = &mark};
		struct http_request r = {.done = never, .ctx = &v};

		if (round % 2)
			r.on_header = cancel_at_header;
		else
			r.write = cancel_in_write;
		v.call = start(loop, &p, "/a", r, NULL);
		v.other = start(loop, &p, "/never", (struct http_request){.done = never}, NULL);
		await(loop, &mark, 1);
		assert_null(v.call);
		start(loop, &p, "/a", get, &after);
		await(loop, &after, 1);
		assert_int_equal(after.status, 200);
	}
	peer_stop(&p);
}

static void cancel_own(void *ctx, struct http_response *r, struct error *err)
{
	struct victim *v = ctx;

	(void)r;
	(void)err;
	http_resume_read(v->call);
	http_cancel(&v->call);
	http_cancel(&v->other);
	v->mark->done = true;
}

static void cancelling_in_done_and_before_the_start_is_harmless(void **state)
{
	AUTO(http_loop_freep) struct http_loop *loop = NULL;
	AUTO(answer_clear) struct answer mark = {.done = false};
	struct victim v = {.mark = &mark};
	struct http_call *queued, *bad;
	struct peer p;

	(void)state;
	peer_start(&p, play_echo, NULL);
	loop = loop_plain(&p, NULL);
	queued = start(loop, &p, "/a", (struct http_request){.done = never}, NULL);
	bad = http_start(loop, &(struct http_request){.url = "x", .done = never});
	http_cancel(&queued);
	http_cancel(&bad);
	http_cancel(&queued);
	v.call = start(loop, &p, "/a", (struct http_request){.done = cancel_own, .ctx = &v}, NULL);
	v.other = start(loop, &p, "/never", (struct http_request){.done = never}, NULL);
	await(loop, &mark, 1);
	run_until(loop, NULL, 0, 100);
	peer_stop(&p);
}

static void never_run(void *ctx)
{
	(void)ctx;
	fail_msg("run by a loop that was freed");
}

static void a_loop_may_be_freed_with_calls_in_every_state(void **state)
{
	AUTO(answer_clear) struct answer a = {.done = false};
	struct http_loop *loop;
	struct peer p;

	(void)state;
	peer_start(&p, play_echo, NULL);
	loop = loop_plain(&p, &(struct http_host_options){.connections = 2});
	for (int i = 0; i < 5; i++)
		start(loop, &p, "/never", (struct http_request){.done = never}, NULL);
	run_until(loop, &a, 1, 20);
	start(loop, &p, "/a", (struct http_request){.done = never, .bulk = true}, NULL);
	http_start(loop, &(struct http_request){.url = "x", .done = never});
	http_loop_post(loop, never_run, NULL);
	assert_non_null(http_timer_start(loop, 100, never_run, NULL));
	http_loop_free(loop);
	peer_stop(&p);
}

/* ---- posts and timers ---- */

#define N_POSTS 200

struct posts {
	struct http_loop *loop;
	unsigned expect;
	struct answer end;
	struct post_item {
		struct posts *all;
		unsigned number;
	} items[N_POSTS];
};

static void take_post(void *ctx)
{
	struct post_item *i = ctx;

	assert_int_equal(i->number, i->all->expect);
	if (++i->all->expect == N_POSTS)
		i->all->end.done = true;
}

static void *poster(void *ctx)
{
	struct posts *p = ctx;

	for (unsigned i = 0; i < N_POSTS; i++) {
		if (i % 10 == 0)
			(void)poll(NULL, 0, 1);
		http_loop_post(p->loop, take_post, &p->items[i]);
	}
	return NULL;
}

static void posts_from_another_thread_run_in_order_and_wake_the_loop(void **state)
{
	AUTO(http_loop_freep) struct http_loop *loop = NULL;
	static struct posts p;
	uint64_t begin = clock_mono_ms();
	pthread_t thread;

	(void)state;
	assert_int_equal(http_loop_new(&(struct http_loop_options){.proxy = ""}, &loop, NULL), 0);
	p.loop = loop;
	for (unsigned i = 0; i < N_POSTS; i++)
		p.items[i] = (struct post_item){.all = &p, .number = i};
	assert_int_equal(pthread_create(&thread, NULL, poster, &p), 0);
	await(loop, &p.end, 1);
	assert_int_equal(pthread_join(thread, NULL), 0);
	/* Twenty wake-ups: without them it would be twenty polls of 50 ms. */
	assert_true(clock_mono_ms() - begin < 500);
}

#define N_TIMERS 100

struct ticks {
	struct http_loop *loop;
	struct http_timer *timers[N_TIMERS];
	uint64_t begin_ms, slack_ms; /* slack: what it took to start them all */
	unsigned ran, last_ms;
	struct answer end;
};

struct tick {
	struct ticks *all;
	unsigned ms;
};

static void on_tick(void *ctx)
{
	struct tick *t = ctx;
	uint64_t late = clock_mono_ms() - t->all->begin_ms;

	assert_true(late >= t->ms && t->ms + t->all->slack_ms >= t->all->last_ms);
	t->all->last_ms = t->ms;
	t->all->ran++;
}

static void on_last_tick(void *ctx)
{
	struct ticks *all = ctx;

	all->end.done = true;
}

static void timers_run_in_order_once_and_not_when_stopped(void **state)
{
	AUTO(http_loop_freep) struct http_loop *loop = NULL;
	struct tick ticks[N_TIMERS];
	struct ticks all = {.ran = 0};

	(void)state;
	assert_int_equal(http_loop_new(&(struct http_loop_options){.proxy = ""}, &loop, NULL), 0);
	all.begin_ms = clock_mono_ms();
	for (unsigned i = 0; i < N_TIMERS; i++) {
		ticks[i] = (struct tick){.all = &all, .ms = (i * 37) % N_TIMERS};
		all.timers[i] = http_timer_start(loop, ticks[i].ms, on_tick, &ticks[i]);
	}
	all.slack_ms = clock_mono_ms() - all.begin_ms;
	for (unsigned i = 0; i < N_TIMERS; i += 3)
		http_timer_stop(&all.timers[i]);
	assert_null(all.timers[0]);
	http_timer_stop(&all.timers[0]);
	assert_non_null(http_timer_start(loop, N_TIMERS + 20, on_last_tick, &all));
	await(loop, &all.end, 1);
	assert_int_equal(all.ran, N_TIMERS - (N_TIMERS + 2) / 3);
	assert_true(clock_mono_ms() - all.begin_ms < N_TIMERS + 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_method_gets_its_answer_on_one_connection),
		cmocka_unit_test(requests_carry_what_was_asked_for_and_nothing_secret),
		cmocka_unit_test(what_is_wrong_with_a_request_comes_to_done),
		cmocka_unit_test(a_refused_connection_is_temporary_every_time),
		cmocka_unit_test(a_connection_that_died_idle_is_replaced_silently),
		cmocka_unit_test(a_body_that_cannot_be_sent_again_is_not),
		cmocka_unit_test(broken_answers_are_refused_with_their_class),
		cmocka_unit_test(an_error_status_stands_however_its_body_ends),
		cmocka_unit_test(
			a_host_gets_no_more_connections_than_configured_and_small_requests_go_first),
		cmocka_unit_test(requests_start_no_faster_than_the_configured_rate),
		cmocka_unit_test(a_gate_holds_requests_back_until_it_opens),
		cmocka_unit_test(requests_one_after_another_do_not_wait_for_each_other),
		cmocka_unit_test(a_call_may_be_cancelled_in_any_callback_and_then_is_silent),
		cmocka_unit_test(cancelling_in_done_and_before_the_start_is_harmless),
		cmocka_unit_test(a_loop_may_be_freed_with_calls_in_every_state),
		cmocka_unit_test(posts_from_another_thread_run_in_order_and_wake_the_loop),
		cmocka_unit_test(timers_run_in_order_once_and_not_when_stopped),
	};

	return cmocka_run_group_tests_name("http/loop", tests, NULL, NULL);
}
