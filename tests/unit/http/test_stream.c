#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../lib/answers.h"

#define PIPE_BYTES ((uint64_t)8 * 1024 * 1024)
#define RING       ((size_t)64 * 1024)

/* Byte number i of every body here: a prime period, so that a shift would show. */
static char pattern(uint64_t i)
{
	return (char)(i % 251);
}

static bool is_pattern(const char *data, size_t n, uint64_t from)
{
	for (size_t i = 0; i < n; i++) {
		if (data[i] != pattern(from + i))
			return false;
	}
	return true;
}

static bool say_pattern(struct peer_conn *c, uint64_t n)
{
	char block[251 * 64];

	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = pattern(i);
	for (uint64_t at = 0; at < n; at += sizeof(block)) {
		size_t len = n - at < sizeof(block) ? (size_t)(n - at) : sizeof(block);

		if (!peer_send(c, block, len))
			return false;
	}
	return true;
}

static bool hear_pattern(struct peer_conn *c)
{
	char block[251 * 64];
	uint64_t at = 0;

	while (at < c->content_length) {
		uint64_t left = c->content_length - at;
		uint64_t n = peer_take(c, block, left < sizeof(block) ? left : sizeof(block));

		if (n == 0 || !is_pattern(block, (size_t)n, at))
			return false;
		at += n;
	}
	return true;
}

/* GET: the pattern, PIPE_BYTES of it. PUT: 201 when the pattern came. */
static void play_blobs(struct peer_conn *c)
{
	while (peer_hear(c)) {
		if (peer_heard(c, "Expect: 100-continue"))
			peer_say(c, "HTTP/1.1 100 Continue\r\n\r\n");
		if (strncmp(c->request, "PUT ", 4) == 0) {
			bool ok = hear_pattern(c);

			peer_say(c, "HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n", ok ? 201 : 400);
			continue;
		}
		peer_say(c,
			"HTTP/1.1 200 OK\r\nContent-Length: %llu\r\n\r\n",
			(unsigned long long)PIPE_BYTES);
		if (!say_pattern(c, PIPE_BYTES))
			return;
	}
}

/* ---- a pipe from a GET to a PUT ---- */

struct pipe {
	char ring[RING];
	size_t head, n; /* first byte, and how many */
	bool read_waits, write_waits;
	unsigned read_pauses, write_pauses;
	struct http_call *get, *put;
	struct answer answers[2]; /* of the GET, of the PUT */
};

static enum http_io pipe_write(void *ctx, const char *data, size_t n)
{
	struct pipe *p = ctx;

	if (RING - p->n < n) {
		p->write_waits = true;
		p->write_pauses++;
		return HTTP_IO_PAUSE;
	}
	for (size_t i = 0; i < n; i++)
		p->ring[(p->head + p->n + i) % RING] = data[i];
	p->n += n;
	if (p->read_waits)
		http_resume_read(p->put);
	p->read_waits = false;
	return HTTP_IO_OK;
}

static enum http_io pipe_read(void *ctx, char *to, size_t room, size_t *ret_n)
{
	struct pipe *p = ctx;
	size_t n = room < p->n ? room : p->n;

	if (n == 0) {
		p->read_waits = true;
		p->read_pauses++;
		return HTTP_IO_PAUSE;
	}
	for (size_t i = 0; i < n; i++)
		to[i] = p->ring[(p->head + i) % RING];
	p->head = (p->head + n) % RING;
	p->n -= n;
	*ret_n = n;
	if (p->write_waits)
		http_resume_write(p->get);
	p->write_waits = false;
	return HTTP_IO_OK;
}

static void pipe_got(void *ctx, struct http_response *r, struct error *err)
{
	struct pipe *p = ctx;

	keep(&p->answers[0], r, err);
}

static void pipe_put(void *ctx, struct http_response *r, struct error *err)
{
	struct pipe *p = ctx;

	keep(&p->answers[1], r, err);
}

static void a_get_feeds_a_put_through_a_small_ring(void **state)
{
	AUTO(http_loop_freep) struct http_loop *loop = NULL;
	struct http_request get = {.bulk = true, .write = pipe_write, .done = pipe_got};
	struct http_request put = {.method = HTTP_PUT,
		.bulk = true,
		.read = pipe_read,
		.body_size = PIPE_BYTES,
		.done = pipe_put};
	static struct pipe pipe;
	struct peer p;

	(void)state;
	peer_start(&p, play_blobs, NULL);
	loop = loop_plain(&p, NULL);
	get.ctx = put.ctx = &pipe;
	pipe.get = start(loop, &p, "/from", get, NULL);
	pipe.put = start(loop, &p, "/to", put, NULL);
	await(loop, pipe.answers, 2);
	assert_null(pipe.answers[0].err.msg);
	assert_null(pipe.answers[1].err.msg);
	assert_int_equal(pipe.answers[0].body_bytes, PIPE_BYTES);
	assert_int_equal(pipe.answers[1].status, 201);
	assert_true(pipe.read_pauses + pipe.write_pauses > 0);
	answer_clear(&pipe.answers[0]);
	answer_clear(&pipe.answers[1]);
	peer_stop(&p);
}

/* ---- pauses and stalls ---- */

struct sleeper {
	struct http_loop *loop;
	struct http_call *call;
	uint64_t at;     /* bytes so far */
	unsigned pauses; /* still to make, of PAUSE_MS each */
	bool asleep;
	struct answer end;
};

#define PAUSE_MS 300
#define STALL_MS 200

static void wake(void *ctx)
{
	struct sleeper *s = ctx;

	s->asleep = false;
	http_resume_write(s->call);
	http_resume_read(s->call);
}

static bool falls_asleep(struct sleeper *s)
{
	if (s->asleep || s->pauses == 0)
		return s->asleep;
	s->pauses--;
	s->asleep = true;
	assert_non_null(http_timer_start(s->loop, PAUSE_MS, wake, s));
	return true;
}

static enum http_io sleepy_write(void *ctx, const char *data, size_t n)
{
	struct sleeper *s = ctx;

	if (falls_asleep(s))
		return HTTP_IO_PAUSE;
	assert_true(is_pattern(data, n, s->at));
	s->at += n;
	return HTTP_IO_OK;
}

static enum http_io sleepy_read(void *ctx, char *to, size_t room, size_t *ret_n)
{
	struct sleeper *s = ctx;

	if (falls_asleep(s))
		return HTTP_IO_PAUSE;
	for (size_t i = 0; i < room; i++)
		to[i] = pattern(s->at + i);
	s->at += room;
	*ret_n = room;
	return HTTP_IO_OK;
}

static void sleeper_done(void *ctx, struct http_response *r, struct error *err)
{
	struct sleeper *s = ctx;

	keep(&s->end, r, err);
}

static void a_transfer_that_we_paused_is_not_stalled(void **state)
{
	static const struct http_request requests[] = {
		{.method = HTTP_GET, .bulk = true, .write = sleepy_write},
		{.method = HTTP_PUT, .bulk = true, .read = sleepy_read, .body_size = PIPE_BYTES},
	};
	AUTO(http_loop_freep) struct http_loop *loop = NULL;
	struct peer p;

	(void)state;
	peer_start(&p, play_blobs, NULL);
	loop = loop_plain(&p, &(struct http_host_options){.stall_ms = STALL_MS});
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		struct sleeper s = {.loop = loop, .pauses = 2};
		struct http_request r = requests[i];

		r.done = sleeper_done;
		r.ctx = &s;
		s.call = start(loop, &p, "/x", r, NULL);
		await(loop, &s.end, 1);
		if (s.end.err.code)
			fail_msg("%s: %s", http_method_name(r.method), s.end.err.msg);
		assert_int_equal(s.end.status, i ? 201 : 200);
		assert_int_equal(s.at, PIPE_BYTES);
		assert_int_equal(s.pauses, 0);
		answer_clear(&s.end);
	}
	peer_stop(&p);
}

/* Takes no byte of a body; of an answer gives nothing, a header, or a part, by the path. */
static void play_stall(struct peer_conn *c)
{
	if (!peer_hear(c))
		return;
	if (peer_heard(c, "/part"))
		peer_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
	if (peer_heard(c, "/header"))
		peer_say(c, "HTTP/1.1 200 OK\r\nContent-Le");
	while (!atomic_load(&c->peer->stopping))
		(void)poll(NULL, 0, 20);
}

static void a_peer_that_falls_silent_is_given_up(void **state)
{
	static const struct {
		const char *path;
		struct http_request request;
		uint64_t after_ms;
	} cases[] = {
		{"/part", {.method = HTTP_GET}, STALL_MS},
		{"/header", {.method = HTTP_GET}, 2 * STALL_MS},
		{"/nothing", {.method = HTTP_GET}, 2 * STALL_MS},
		{"/nothing",
			{.method = HTTP_PUT,
				.bulk = true,
				.read = sleepy_read,
				.body_size = 1 << 30},
			STALL_MS},
	};
	AUTO(http_loop_freep) struct http_loop *loop = NULL;
	struct peer p;

	(void)state;
	peer_start(&p, play_stall, NULL);
	loop = loop_plain(&p,
		&(struct http_host_options){
			.stall_ms = STALL_MS, .first_byte_ms = 2 * (uint64_t)STALL_MS});
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sleeper s = {.loop = loop};
		struct http_request r = cases[i].request;
		uint64_t begin = clock_mono_ms();

		r.done = sleeper_done;
		r.ctx = &s;
		s.call = start(loop, &p, cases[i].path, r, NULL);
		await(loop, &s.end, 1);
		assert_int_equal(s.end.err.code, ERR_TEMP);
		assert_in_range(s.end.done_ms - begin, cases[i].after_ms, 5 * cases[i].after_ms);
		answer_clear(&s.end);
	}
	atomic_store(&p.stopping, true);
	peer_stop(&p);
}

/* Takes 16 KiB every 20 ms, or hashes for a while after the last byte. */
static void play_slow(struct peer_conn *c)
{
	int small = 16 * 1024;

	(void)setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	if (!peer_hear(c))
		return;
	for (uint64_t at = 0; at < c->content_length; at += 16 * 1024) {
		uint64_t left = c->content_length - at;

		if (peer_take(c, NULL, left < 16 * 1024 ? left : 16 * 1024) == 0)
			return;
		if (peer_heard(c, "/slow"))
			(void)poll(NULL, 0, 20);
	}
	if (peer_heard(c, "/hash"))
		(void)poll(NULL, 0, 4 * STALL_MS);
	peer_say(c, "HTTP/1.1 201 X\r\nContent-Length: 0\r\n\r\n");
}

static void a_slow_peer_is_not_a_silent_one(void **state)
{
	static const char *const paths[] = {"/slow", "/hash"};
	AUTO(http_loop_freep) struct http_loop *loop = NULL;
	struct peer p;

	(void)state;
	peer_start(&p, play_slow, NULL);
	loop = loop_plain(
		&p, &(struct http_host_options){.stall_ms = STALL_MS, .first_byte_ms = STALL_MS});
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		struct sleeper s = {.loop = loop};
		struct http_request r = {.method = HTTP_PUT,
			.bulk = true,
			.read = sleepy_read,
			.body_size = 1 << 20,
			.done = sleeper_done,
			.ctx = &s};

		s.call = start(loop, &p, paths[i], r, NULL);
		await(loop, &s.end, 1);
		assert_null(s.end.err.msg);
		assert_int_equal(s.end.status, 201);
		answer_clear(&s.end);
	}
	peer_stop(&p);
}

/* ---- uploads that are answered early ---- */

static void play_refuse(struct peer_conn *c)
{
	if (!peer_hear(c))
		return;
	if (peer_heard(c, "/later"))
		(void)peer_take(c, NULL, 300000);
	if (peer_heard(c, "/chunked"))
		peer_say(c,
			"HTTP/1.1 413 Large\r\nTransfer-Encoding: chunked\r\n\r\n"
			"3\r\nbad\r\n0\r\n\r\n");
	else
		peer_say(c, "HTTP/1.1 413 Large\r\nContent-Length: 3\r\n\r\nbad");
	if (peer_heard(c, "/stay"))
		peer_linger(c);
}

static void an_early_answer_to_an_upload_is_its_status(void **state)
{
	static const char *const paths[] = {"/now", "/later", "/stay", "/chunked"};
	AUTO(http_loop_freep) struct http_loop *loop = NULL;
	struct peer p;

	(void)state;
	peer_start(&p, play_refuse, NULL);
	loop = loop_plain(&p, NULL);
	for (size_t i = 0; i < 10 * ARRAY_SIZE(paths); i++) {
		struct sleeper s = {.loop = loop};
		struct http_request r = {.method = HTTP_PUT,
			.bulk = true,
			.read = sleepy_read,
			.body_size = 1 << 28,
			.done = sleeper_done,
			.ctx = &s};

		s.call = start(loop, &p, paths[i % ARRAY_SIZE(paths)], r, NULL);
		await(loop, &s.end, 1);
		if (s.end.err.code)
			fail_msg("%s: %s", paths[i % ARRAY_SIZE(paths)], s.end.err.msg);
		assert_int_equal(s.end.status, 413);
		answer_clear(&s.end);
	}
	peer_stop(&p);
}

/* "/no": 401 to the header alone. "/417": refuses the expectation, takes the body without. */
static void play_expect(struct peer_conn *c)
{
	while (peer_hear(c)) {
		bool expects = peer_heard(c, "Expect: 100-continue");

		if (peer_heard(c, "/no")) {
			peer_say(c, "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n");
			peer_linger(c);
			return;
		}
		if (expects && peer_heard(c, "/417")) {
			peer_say(c,
				"HTTP/1.1 417 No\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbad");
			return;
		}
		if (expects)
			peer_say(c, "HTTP/1.1 100 Continue\r\n\r\n");
		peer_say(c,
			"HTTP/1.1 %d X\r\nX-Mark: %s\r\nContent-Length: 0\r\n\r\n",
			hear_pattern(c) ? 201 : 400,
			expects ? "expected" : "sent");
	}
}

static void a_body_waits_for_leave_when_told_so(void **state)
{
	static const struct {
		const char *path, *mark;
		bool expect;
		int status;
		uint64_t sent;
	} cases[] = {
		{"/yes", "expected", true, 201, 200000},
		{"/yes", "sent", false, 201, 200000},
		{"/no", NULL, true, 401, 0},
		{"/417", "sent", true, 201, 200000},
	};
	AUTO(http_loop_freep) struct http_loop *loop = NULL;
	struct peer p;

	(void)state;
	peer_start(&p, play_expect, NULL);
	loop = loop_plain(&p, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sleeper s = {.loop = loop};
		struct http_request r = {.method = HTTP_PUT,
			.read = sleepy_read,
			.expect_continue = cases[i].expect,
			.body_size = 200000,
			.done = sleeper_done,
			.ctx = &s};

		s.call = start(loop, &p, cases[i].path, r, NULL);
		await(loop, &s.end, 1);
		if (s.end.err.code)
			fail_msg("%s: %s", cases[i].path, s.end.err.msg);
		assert_int_equal(s.end.status, cases[i].status);
		assert_int_equal(s.at, cases[i].sent);
		if (cases[i].mark)
			assert_string_equal(s.end.marked, cases[i].mark);
		answer_clear(&s.end);
	}
	peer_stop(&p);
}

/* ---- the rest ---- */

static enum http_io abort_write(void *ctx, const char *data, size_t n)
{
	(void)ctx;
	(void)data;
	(void)n;
	return HTTP_IO_ABORT;
}

static enum http_io abort_read(void *ctx, char *to, size_t room, size_t *ret_n)
{
	(void)ctx;
	(void)to;
	(void)room;
	(void)ret_n;
	return HTTP_IO_ABORT;
}

static enum http_io read_nothing(void *ctx, char *to, size_t room, size_t *ret_n)
{
	(void)ctx;
	(void)to;
	(void)room;
	*ret_n = 0;
	return HTTP_IO_OK;
}

static bool refuse_header(void *ctx, const struct http_response *r)
{
	(void)ctx;
	assert_int_equal(r->status, 200);
	assert_int_equal(r->content_length, PIPE_BYTES);
	assert_string_equal(http_header(r, "content-length"), "8388608");
	assert_null(http_header_at(r, "content-length", 1));
	return false;
}

static void a_callback_may_stop_its_exchange(void **state)
{
	static const struct {
		struct http_request request;
		enum errc class;
	} cases[] = {
		{{.write = abort_write}, ERR_CANCELED},
		{{.on_header = refuse_header, .write = abort_write}, ERR_CANCELED},
		{{.method = HTTP_PUT, .read = abort_read, .body_size = 10}, ERR_CANCELED},
		{{.method = HTTP_PUT, .read = read_nothing, .body_size = 10}, ERR_USAGE},
		{{.method = HTTP_PUT, .body_size = 10}, ERR_USAGE},
	};
	AUTO(http_loop_freep) struct http_loop *loop = NULL;
	struct peer p;

	(void)state;
	peer_start(&p, play_blobs, NULL);
	loop = loop_plain(&p, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(answer_clear) struct answer a = {.done = false};

		start(loop, &p, "/x", cases[i].request, &a);
		await(loop, &a, 1);
		assert_int_equal(a.err.code, cases[i].class);
	}
	peer_stop(&p);
}

static enum http_io swallow(void *ctx, const char *data, size_t n)
{
	(void)ctx;
	(void)data;
	(void)n;
	return HTTP_IO_OK;
}

static void the_bandwidth_is_shared_by_all_transfers(void **state)
{
	struct http_loop_options lo = {.proxy = "", .bandwidth = 4 * PIPE_BYTES};
	AUTO(http_loop_freep) struct http_loop *loop = NULL;
	struct answer a[2] = {{.done = false}};
	AUTO_FREE char *host = NULL;
	uint64_t begin;
	struct peer p;

	(void)state;
	peer_start(&p, play_blobs, NULL);
	assert_int_equal(http_loop_new(&lo, &loop, NULL), 0);
	host = xasprintf("127.0.0.1:%u", p.port);
	assert_int_equal(http_host_set(loop,
				 host,
				 &(struct http_host_options){.plain = true, .stall_ms = STALL_MS},
				 NULL),
		0);
	begin = clock_mono_ms();
	for (size_t i = 0; i < ARRAY_SIZE(a); i++)
		start(loop, &p, "/x", (struct http_request){.write = swallow, .bulk = true}, &a[i]);
	await(loop, a, ARRAY_SIZE(a));
	for (size_t i = 0; i < ARRAY_SIZE(a); i++) {
		assert_null(a[i].err.msg);
		assert_int_equal(a[i].body_bytes, PIPE_BYTES);
		/* Half a second for both, less the first twentieth that is free. */
		assert_in_range(a[i].done_ms - begin, 350, 900);
		answer_clear(&a[i]);
	}
	peer_stop(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_get_feeds_a_put_through_a_small_ring),
		cmocka_unit_test(a_transfer_that_we_paused_is_not_stalled),
		cmocka_unit_test(a_peer_that_falls_silent_is_given_up),
		cmocka_unit_test(a_slow_peer_is_not_a_silent_one),
		cmocka_unit_test(an_early_answer_to_an_upload_is_its_status),
		cmocka_unit_test(a_body_waits_for_leave_when_told_so),
		cmocka_unit_test(a_callback_may_stop_its_exchange),
		cmocka_unit_test(the_bandwidth_is_shared_by_all_transfers),
	};

	return cmocka_run_group_tests_name("http/stream", tests, NULL, NULL);
}
