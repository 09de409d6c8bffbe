#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "script.h"

#define CONTENT "0123456789"

static enum errc head(struct script *s, uint64_t size)
{
	const struct digest d = digest_of_text(CONTENT);
	const struct registry_get get = {
		.repository = "a/b",
		.expect = &d,
		.expect_size = size,
		.done = script_on_reply,
		.ctx = s,
	};

	script_forget(s);
	assert_non_null(registry_blob_head(s->registry, &get));
	return script_wait(s);
}

static void a_blob_is_there_absent_or_not_known_to_be(void **state)
{
	SCRIPT(s,
		NULL,
		{.want = "HEAD /v2/a/b/blobs/sha256:", .status = 200, .body = CONTENT},
		{.want = "HEAD ", .status = 404},
		{.want = "HEAD ", .status = 500},
		{.want = "HEAD ", .status = 403},
		{.want = "HEAD ", .status = 200, .body = "short"},
		{.want = "HEAD ",
			.status = 200,
			.headers =
				"Docker-Content-Digest: "
				"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\r\n",
			.body = CONTENT});

	(void)state;
	assert_int_equal(head(&s, 10), ERR_NONE);
	assert_true(s.reply.has_digest && s.reply.has_size && s.reply.size == 10);
	assert_int_equal(head(&s, 10), ERR_NOTFOUND);
	assert_int_equal(head(&s, 10), ERR_TEMP);
	assert_int_equal(head(&s, 10), ERR_AUTH);
	assert_int_equal(head(&s, 10), ERR_CORRUPT);
	assert_int_equal(head(&s, 10), ERR_CORRUPT);
	script_end(&s);
}

static enum errc get_as(struct script *s, struct registry_blob_get get)
{
	get.repository = "a/b";
	get.digest = digest_of_text(CONTENT);
	get.write = get.write ? get.write : script_on_write;
	get.done = script_on_blob;
	get.ctx = s;
	script_forget(s);
	assert_non_null(registry_blob_get(s->registry, &get));
	return script_wait(s);
}

static enum errc get_sized(struct script *s, uint64_t offset, uint64_t end, uint64_t size)
{
	return get_as(s, (struct registry_blob_get){.size = size, .offset = offset, .end = end});
}

static enum errc get(struct script *s, uint64_t offset, uint64_t end)
{
	return get_sized(s, offset, end, strlen(CONTENT));
}

static void a_whole_blob_is_asked_for_without_a_range(void **state)
{
	SCRIPT(s,
		NULL,
		{.want = "GET /v2/a/b/blobs/sha256:",
			.has = "Accept-Encoding: identity",
			.lacks = "Range:",
			.status = 200,
			.body = CONTENT},
		{.want = "GET ", .lacks = "Range:", .status = 200, .body = CONTENT, .length = ""});

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(get(&s, 0, 0), ERR_NONE);
		assert_string_equal(buf_text(&s.got), CONTENT);
		assert_true(s.stats.bytes == 10 && !s.stats.range_ignored);
		assert_non_null(strstr(s.backend, s.host));
	}
	script_end(&s);
}

static void a_range_is_closed_and_its_answer_must_be_that_range(void **state)
{
	SCRIPT(s,
		NULL,
		{.want = "GET ",
			.has = "Range: bytes=4-9\r\n",
			.status = 206,
			.headers = "Content-Range: bytes 4-9/10\r\n",
			.body = "456789"},
		{.want = "GET ",
			.has = "Range: bytes=2-5\r\n",
			.status = 206,
			.headers = "Content-Range: bytes 2-5/*\r\n",
			.body = "2345"},
		{.want = "GET ",
			.status = 206,
			.headers = "Content-Range: bytes 3-9/10\r\n",
			.body = "3456789",
			.cut = true},
		{.want = "GET ", .status = 206, .body = "456789", .cut = true},
		{.want = "GET ",
			.status = 206,
			.headers = "Content-Range: bytes 4-9/11\r\n",
			.body = "456789",
			.cut = true},
		{.want = "GET ",
			.status = 206,
			.headers = "Content-Range: bytes 0-9/10\r\n",
			.body = CONTENT,
			.cut = true});

	(void)state;
	assert_int_equal(get(&s, 4, 0), ERR_NONE);
	assert_string_equal(buf_text(&s.got), "456789");
	assert_int_equal(get(&s, 2, 6), ERR_NONE);
	assert_string_equal(buf_text(&s.got), "2345");
	assert_int_equal(get(&s, 4, 0), ERR_REMOTE);
	assert_says(&s, "Content-Range 'bytes 3-9/10' instead of bytes 4-9");
	assert_string_equal(buf_text(&s.got), "");
	assert_int_equal(get(&s, 4, 0), ERR_REMOTE);
	assert_int_equal(get(&s, 4, 0), ERR_CORRUPT);
	/* A 206 to a request without Range is no answer to it. */
	assert_int_equal(get(&s, 0, 0), ERR_REMOTE);
	script_end(&s);
}

static void a_range_that_is_ignored_is_cut_out_of_the_whole(void **state)
{
	SCRIPT(s,
		NULL,
		{.want = "GET ", .has = "Range: bytes=4-9", .status = 200, .body = CONTENT},
		{.want = "GET ", .has = "Range: bytes=2-5", .status = 200, .body = CONTENT});

	(void)state;
	assert_int_equal(get(&s, 4, 0), ERR_NONE);
	assert_string_equal(buf_text(&s.got), "456789");
	assert_true(s.stats.range_ignored);
	assert_int_equal(get(&s, 2, 6), ERR_NONE);
	assert_string_equal(buf_text(&s.got), "2345");
	script_end(&s);
}

static void too_many_bytes_are_corrupt_and_too_few_may_come_later(void **state)
{
	SCRIPT(s,
		NULL,
		{.want = "GET ", .status = 200, .body = CONTENT "+", .cut = true},
		{.want = "GET ", .status = 200, .body = CONTENT "+", .length = ""},
		{.want = "GET ", .status = 200, .body = "01234", .length = ""},
		{.want = "GET ", .status = 200, .body = "01234", .length = "10", .cut = true},
		{.want = "GET ", .status = 200, .body = "01234", .cut = true});

	(void)state;
	assert_int_equal(get(&s, 0, 0), ERR_CORRUPT);
	assert_string_equal(buf_text(&s.got), "");
	assert_int_equal(get(&s, 0, 0), ERR_CORRUPT);
	assert_says(&s, "more than the 10 bytes declared");
	assert_int_equal(get(&s, 0, 0), ERR_TEMP);
	assert_says(&s, "5 bytes early");
	assert_string_equal(buf_text(&s.got), "01234");
	assert_int_equal(get(&s, 0, 0), ERR_TEMP);
	assert_true(s.stats.bytes == 5);
	assert_int_equal(get(&s, 0, 0), ERR_CORRUPT);
	script_end(&s);
}

static void an_error_body_is_not_mistaken_for_the_blob(void **state)
{
	SCRIPT(s,
		NULL,
		{.want = "GET ",
			.status = 404,
			.body = "{\"errors\":[{\"code\":\"BLOB_UNKNOWN\",\"message\":\"x\"}]}"},
		{.want = "GET ", .status = 503, .headers = "Retry-After: 0\r\n", .body = CONTENT},
		/* docker-registry's 416 announces a body that never comes (protocol.md 7.2). */
		{.want = "GET ",
			.status = 416,
			.headers = "Content-Range: bytes */10\r\n",
			.length = "10",
			.cut = true},
		{.want = "GET ",
			.status = 200,
			.headers = "Content-Encoding: gzip\r\n",
			.body = CONTENT,
			.cut = true});

	(void)state;
	assert_int_equal(get(&s, 0, 0), ERR_NOTFOUND);
	assert_true(registry_error_is(&s.err, "BLOB_UNKNOWN"));
	assert_int_equal(get(&s, 0, 0), ERR_TEMP);
	assert_int_equal(get(&s, 4, 0), ERR_REMOTE);
	assert_int_equal(s.err.http, 416);
	assert_int_equal(get(&s, 0, 0), ERR_REMOTE);
	assert_says(&s, "Content-Encoding 'gzip'");
	assert_says(&s, "next source");
	assert_string_equal(buf_text(&s.got), "");
	script_end(&s);
}

static void an_empty_blob_is_fetched_like_any_other(void **state)
{
	SCRIPT(s,
		NULL,
		{.want = "GET ", .lacks = "Range:", .status = 200},
		{.want = "GET ", .status = 404},
		{.want = "GET ", .status = 200, .body = "x", .length = ""},
		{.want = "GET ", .status = 200, .body = "x", .cut = true},
		{.want = "GET ", .status = 204});

	(void)state;
	assert_int_equal(get_sized(&s, 0, 0, 0), ERR_NONE);
	assert_int_equal(get_sized(&s, 0, 0, 0), ERR_NOTFOUND);
	assert_int_equal(get_sized(&s, 0, 0, 0), ERR_CORRUPT);
	assert_int_equal(get_sized(&s, 0, 0, 0), ERR_CORRUPT);
	assert_int_equal(get_sized(&s, 0, 0, 0), ERR_REMOTE);
	script_end(&s);
}

static void a_redirect_is_followed_and_its_end_is_named(void **state)
{
	SCRIPT(s,
		NULL,
		{.want = "GET /v2/a/b/blobs/",
			.status = 307,
			.headers = "Location: /bucket?sig=x\r\n"},
		{.want = "GET /bucket?sig=x",
			.has = "Range: bytes=4-9",
			.status = 403,
			.body = "<E>No</E>"});

	(void)state;
	assert_int_equal(get(&s, 4, 0), ERR_AUTH);
	assert_null(strstr(error_text(&s.err), "sig="));
	script_end(&s);
}

/* ---- measuring ---- */

static void the_figures_tell_the_backend_its_etag_and_where_the_time_went(void **state)
{
	SCRIPT(s,
		NULL,
		{.want = "GET ",
			.status = 307,
			.headers = "Location: http://@OTHER@/bucket\r\nETag: \"front\"\r\n"},
		{.want = "GET /bucket",
			.status = 200,
			.headers = "ETag: \"far\"\r\n",
			.body = CONTENT},
		{.want = "GET ", .status = 200, .body = CONTENT},
		{.want = "GET ", .status = 307, .headers = "Location: http://@OTHER@/bucket\r\n"},
		{.want = "GET /bucket",
			.status = 429,
			.headers = "Retry-After: 7\r\n",
			.body = "{}"});

	(void)state;
	assert_int_equal(get(&s, 0, 0), ERR_NONE);
	assert_answered_by(&s, s.other, &s.stats.timing);
	assert_string_equal(s.etag, "\"far\"");
	assert_true(s.stats.timing.fresh && s.stats.front_us > 0);
	assert_int_equal(s.stats.ttfb_us, s.stats.timing.ttfb_us);
	assert_true(s.stats.total_us >= s.stats.front_us + s.stats.ttfb_us);
	assert_int_equal(get(&s, 0, 0), ERR_NONE);
	assert_answered_by(&s, s.host, &s.stats.timing);
	assert_null(s.etag);
	assert_true(!s.stats.timing.fresh && s.stats.front_us == 0);
	/* Who throttles is the far end, not the registry. */
	assert_int_equal(get(&s, 0, 0), ERR_TEMP);
	assert_int_equal(s.err.http, 429);
	assert_int_equal(s.err.retry_sec, 7);
	assert_answered_by(&s, s.other, &s.stats.timing);
	assert_true(s.stats.front_us > 0);
	script_end(&s);
}

static void a_fresh_blob_comes_on_a_connection_of_its_own(void **state)
{
	const struct digest d = digest_of_text(CONTENT);
	struct registry_get there = {
		.repository = "a/b", .expect = &d, .fresh = true, .done = script_on_reply};
	SCRIPT(s,
		NULL,
		{.want = "GET ", .status = 200, .body = CONTENT},
		{.want = "GET ", .status = 200, .body = CONTENT},
		{.want = "HEAD ", .status = 200, .body = CONTENT},
		{.want = "GET ", .status = 200, .body = CONTENT});

	(void)state;
	assert_int_equal(get(&s, 0, 0), ERR_NONE);
	assert_int_equal(
		get_as(&s, (struct registry_blob_get){.size = strlen(CONTENT), .fresh = true}),
		ERR_NONE);
	assert_true(s.stats.timing.fresh && s.stats.timing.tcp_us > 0);
	script_forget(&s);
	there.ctx = &s;
	assert_non_null(registry_blob_head(s.registry, &there));
	assert_int_equal(script_wait(&s), ERR_NONE);
	assert_answered_by(&s, s.host, &s.reply.timing);
	assert_true(s.reply.timing.fresh);
	assert_int_equal(atomic_load(&s.peer.n_conns), 3);
	assert_int_equal(get(&s, 0, 0), ERR_NONE);
	assert_false(s.stats.timing.fresh);
	assert_int_equal(atomic_load(&s.peer.n_conns), 3);
	script_end(&s);
}

static void a_closed_range_leaves_its_connection_for_the_next(void **state)
{
	SCRIPT(s,
		NULL,
		{.want = "GET ",
			.has = "Range: bytes=0-3\r\n",
			.status = 206,
			.headers = "Content-Range: bytes 0-3/10\r\n",
			.body = "0123"},
		{.want = "GET ",
			.has = "Range: bytes=4-6\r\n",
			.status = 206,
			.headers = "Content-Range: bytes 4-6/10\r\n",
			.body = "456"},
		{.want = "GET ",
			.has = "Range: bytes=7-9\r\n",
			.status = 206,
			.headers = "Content-Range: bytes 7-9/10\r\n",
			.body = "789"});

	(void)state;
	assert_int_equal(get(&s, 0, 4), ERR_NONE);
	assert_true(s.stats.timing.fresh);
	assert_int_equal(get(&s, 4, 7), ERR_NONE);
	assert_false(s.stats.timing.fresh);
	assert_int_equal(get(&s, 7, 10), ERR_NONE);
	assert_false(s.stats.timing.fresh || s.stats.range_ignored);
	assert_int_equal(atomic_load(&s.peer.n_conns), 1);
	script_end(&s);
}

static enum http_io enough(void *ctx, const char *data, size_t n)
{
	(void)script_on_write(ctx, data, n);
	return HTTP_IO_ABORT;
}

static void a_callee_that_has_enough_is_told_the_figures(void **state)
{
	SCRIPT(s, NULL, {.want = "GET ", .status = 200, .body = CONTENT});

	(void)state;
	assert_int_equal(
		get_as(&s, (struct registry_blob_get){.size = strlen(CONTENT), .write = enough}),
		ERR_CANCELED);
	assert_answered_by(&s, s.host, &s.stats.timing);
	assert_true(s.stats.total_us >= s.stats.ttfb_us);
	script_end(&s);
}

static void a_blob_may_be_given_less_time_than_its_host(void **state)
{
	const struct http_host_options patient = {.plain = true, .stall_ms = 60000};
	SCRIPT(s, NULL, {.want = "GET ", .status = 200, .body = "01234", .length = "10"});

	(void)state;
	assert_int_equal(http_host_set(s.loop, s.host, &patient, NULL), 0);
	assert_int_equal(
		get_as(&s, (struct registry_blob_get){.size = strlen(CONTENT), .stall_ms = 150}),
		ERR_TEMP);
	assert_int_equal(s.err.sys, ETIMEDOUT);
	assert_true(s.stats.bytes == 5 && s.stats.total_us >= 75000);
	assert_answered_by(&s, s.host, &s.stats.timing);
	script_end(&s);
}

static void ranges_that_are_none_are_refused(void **state)
{
	struct script s;

	(void)state;
	script_begin(&s, NULL, 0, NULL);
	assert_int_equal(get(&s, 10, 0), ERR_USAGE);
	assert_int_equal(get(&s, 0, 11), ERR_USAGE);
	assert_int_equal(get(&s, 5, 4), ERR_USAGE);
	script_end(&s);
}

/* ---- back-pressure and cancelling ---- */

struct pausing {
	struct script *script;
	struct registry_call *call;
	struct http_timer *timer;
	unsigned pauses;
	bool abort;
};

static void on_timer(void *ctx)
{
	struct pausing *p = ctx;

	p->timer = NULL;
	registry_resume_write(p->call);
}

static enum http_io write_with_pauses(void *ctx, const char *data, size_t n)
{
	struct pausing *p = ctx;

	if (p->abort)
		return HTTP_IO_ABORT;
	if (p->pauses++ % 2 == 0) {
		p->timer = http_timer_start(p->script->loop, 5, on_timer, p);
		return HTTP_IO_PAUSE;
	}
	return script_on_write(p->script, data, n);
}

static void on_end(void *ctx, const struct registry_blob_stats *stats, struct error *err)
{
	struct pausing *p = ctx;

	p->call = NULL;
	script_on_blob(p->script, stats, err);
}

static void start_pausing(struct pausing *p)
{
	const struct registry_blob_get get = {
		.repository = "a/b",
		.digest = digest_of_text(CONTENT),
		.size = strlen(CONTENT),
		.offset = 4,
		.write = write_with_pauses,
		.done = on_end,
		.ctx = p,
	};

	script_forget(p->script);
	p->call = registry_blob_get(p->script->registry, &get);
}

static void a_paused_blob_loses_and_repeats_nothing(void **state)
{
	SCRIPT(s, NULL, {.want = "GET ", .status = 200, .body = CONTENT});
	struct pausing p = {.script = &s};

	(void)state;
	start_pausing(&p);
	assert_int_equal(script_wait(&s), ERR_NONE);
	assert_string_equal(buf_text(&s.got), "456789");
	assert_true(p.pauses >= 2 && s.stats.bytes == 10);
	script_end(&s);
}

static void a_callee_that_aborts_gets_canceled(void **state)
{
	SCRIPT(s,
		NULL,
		{.want = "GET ",
			.status = 206,
			.headers = "Content-Range: bytes 4-9/10\r\n",
			.body = "456789"});
	struct pausing p = {.script = &s, .abort = true};

	(void)state;
	start_pausing(&p);
	assert_int_equal(script_wait(&s), ERR_CANCELED);
	script_end(&s);
}

static void a_cancelled_call_never_calls_back(void **state)
{
	SCRIPT(s, NULL, {.want = "HEAD ", .status = 404});
	struct pausing p = {.script = &s};

	(void)state;
	start_pausing(&p);
	registry_cancel(&p.call);
	assert_null(p.call);
	registry_cancel(&p.call);
	assert_int_equal(head(&s, 0), ERR_NOTFOUND);
	/* And one that still runs ends with its registry. */
	start_pausing(&p);
	script_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_blob_is_there_absent_or_not_known_to_be),
		cmocka_unit_test(a_whole_blob_is_asked_for_without_a_range),
		cmocka_unit_test(a_range_is_closed_and_its_answer_must_be_that_range),
		cmocka_unit_test(a_range_that_is_ignored_is_cut_out_of_the_whole),
		cmocka_unit_test(too_many_bytes_are_corrupt_and_too_few_may_come_later),
		cmocka_unit_test(an_error_body_is_not_mistaken_for_the_blob),
		cmocka_unit_test(an_empty_blob_is_fetched_like_any_other),
		cmocka_unit_test(a_redirect_is_followed_and_its_end_is_named),
		cmocka_unit_test(the_figures_tell_the_backend_its_etag_and_where_the_time_went),
		cmocka_unit_test(a_fresh_blob_comes_on_a_connection_of_its_own),
		cmocka_unit_test(a_closed_range_leaves_its_connection_for_the_next),
		cmocka_unit_test(a_callee_that_has_enough_is_told_the_figures),
		cmocka_unit_test(a_blob_may_be_given_less_time_than_its_host),
		cmocka_unit_test(ranges_that_are_none_are_refused),
		cmocka_unit_test(a_paused_blob_loses_and_repeats_nothing),
		cmocka_unit_test(a_callee_that_aborts_gets_canceled),
		cmocka_unit_test(a_cancelled_call_never_calls_back),
	};

	return cmocka_run_group_tests_name("registry/blob", tests, NULL, NULL);
}
