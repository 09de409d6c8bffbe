#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "script.h"

#define CONTENT "0123456789"
#define SHA256  "sha256%3A84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882"
#define OPEN(location)                                                                             \
	{                                                                                          \
		.want = "POST /v2/a/b/blobs/uploads/ ", .has = "Content-Length: 0", .status = 202, \
		.headers = "Location: " location "\r\n"                                            \
	}
#define AT(location) "Location: " location "\r\n"

static enum errc open_session(struct script *s, const char *mount_from)
{
	const struct registry_upload_start start = {
		.repository = "a/b",
		.digest = digest_of_text(CONTENT),
		.mount_from = mount_from,
		.done = script_on_upload,
		.ctx = s,
	};

	script_forget(s);
	registry_upload_free(s->upload, false);
	s->upload = NULL;
	assert_non_null(registry_upload_start(s->registry, &start));
	return script_wait(s);
}

/* ---- the body ---- */

struct body {
	struct script *script;
	size_t at;
	unsigned rewound;
};

static enum http_io read_body(void *ctx, char *to, size_t room, size_t *ret_n)
{
	struct body *b = ctx;
	const size_t left = strlen(CONTENT) - b->at;

	*ret_n = left < room ? left : room;
	memcpy(to, &CONTENT[b->at], *ret_n);
	b->at += *ret_n;
	return HTTP_IO_OK;
}

static bool rewind_body(void *ctx)
{
	struct body *b = ctx;

	b->at = 0;
	b->rewound++;
	return true;
}

static void on_body_reply(void *ctx, struct registry_reply *reply, struct error *err)
{
	struct body *b = ctx;

	script_on_reply(b->script, reply, err);
}

static enum errc put_body(struct body *b, bool can_rewind)
{
	const struct registry_upload_put put = {
		.size = strlen(CONTENT),
		.read = read_body,
		.rewind = can_rewind ? rewind_body : NULL,
		.done = on_body_reply,
		.ctx = b,
	};

	script_forget(b->script);
	b->at = 0;
	assert_non_null(registry_upload_put(b->script->upload, &put));
	return script_wait(b->script);
}

static enum errc put(struct script *s)
{
	struct body b = {.script = s};

	return put_body(&b, false);
}

static enum errc patch(struct script *s, const char *text)
{
	script_forget(s);
	assert_non_null(registry_upload_patch(s->upload, text, strlen(text), script_on_reply, s));
	return script_wait(s);
}

static enum errc close_session(struct script *s)
{
	script_forget(s);
	assert_non_null(registry_upload_close(s->upload, script_on_reply, s));
	return script_wait(s);
}

/* ---- one PUT ---- */

static void a_blob_goes_up_in_one_post_and_one_put(void **state)
{
	SCRIPT(s,
		NULL,
		OPEN("/up/1?_state=a%3Db"),
		{.want = "PUT /up/1?_state=a%3Db&digest=" SHA256,
			.has = "Content-Length: 10\r\n",
			.lacks = "Expect:",
			.sends = CONTENT,
			.status = 201});

	(void)state;
	assert_int_equal(open_session(&s, NULL), ERR_NONE);
	assert_non_null(s.upload);
	assert_int_equal(put(&s), ERR_NONE);
	assert_true(s.reply.has_digest);
	assert_int_equal(registry_stats(s.registry).requests, 2);
	/* What is complete is not abandoned. */
	registry_upload_free(s.upload, true);
	s.upload = NULL;
	script_end(&s);
}

static void locations_of_all_forms_lead_to_the_session(void **state)
{
	static const char *const locations[] = {
		"/up/1", "http://@HOST@/up/1", "//@HOST@/up/1", "1", "?x=y", "../../up/1"};
	static const char *const puts[] = {
		"PUT /up/1?digest=" SHA256,
		"PUT /up/1?digest=" SHA256,
		"PUT /up/1?digest=" SHA256,
		"PUT /v2/a/b/blobs/uploads/1?digest=" SHA256,
		"PUT /v2/a/b/blobs/uploads/?x=y&digest=" SHA256,
		"PUT /v2/a/b/up/1?digest=" SHA256,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(locations); i++) {
		AUTO_FREE char *header = xasprintf("Location: %s\r\n", locations[i]);
		const struct step steps[] = {
			{.want = "POST ", .status = 202, .headers = header},
			{.want = puts[i], .status = 201},
		};
		struct script s;

		script_begin(&s, steps, ARRAY_SIZE(steps), NULL);
		assert_int_equal(open_session(&s, NULL), ERR_NONE);
		assert_int_equal(put(&s), ERR_NONE);
		script_end(&s);
	}
}

static void a_session_without_a_place_to_go_is_refused(void **state)
{
	SCRIPT(s,
		NULL,
		{.want = "POST ", .status = 202},
		{.want = "POST ", .status = 202, .headers = AT("ftp://x/y")},
		{.want = "POST ",
			.status = 404,
			.body = "{\"errors\":[{\"code\":\"NAME_UNKNOWN\"}]}"},
		{.want = "POST ", .status = 403});

	(void)state;
	assert_int_equal(open_session(&s, NULL), ERR_REMOTE);
	assert_null(s.upload);
	assert_int_equal(open_session(&s, NULL), ERR_REMOTE);
	assert_int_equal(open_session(&s, NULL), ERR_NOTFOUND);
	assert_int_equal(open_session(&s, NULL), ERR_AUTH);
	script_end(&s);
}

static void an_answer_that_is_not_created_is_confirmed_by_a_head(void **state)
{
	SCRIPT(s,
		NULL,
		OPEN("/up/1"),
		{.want = "PUT ", .status = 200},
		{.want = "HEAD /v2/a/b/blobs/sha256:", .status = 200, .body = CONTENT},
		OPEN("/up/2"),
		{.want = "PUT ", .status = 202},
		{.want = "HEAD /v2/a/b/blobs/sha256:", .status = 404},
		OPEN("/up/3"),
		{.want = "PUT ", .status = 204});

	(void)state;
	assert_int_equal(open_session(&s, NULL), ERR_NONE);
	assert_int_equal(put(&s), ERR_NONE);
	assert_int_equal(open_session(&s, NULL), ERR_NONE);
	assert_int_equal(put(&s), ERR_TEMP);
	assert_says(&s, "not there after the upload");
	assert_int_equal(open_session(&s, NULL), ERR_NONE);
	assert_int_equal(put(&s), ERR_NONE);
	script_end(&s);
}

static void failures_of_a_put_have_the_class_that_helps(void **state)
{
	SCRIPT(s,
		NULL,
		OPEN("/up/1"),
		{.want = "PUT ",
			.status = 404,
			.body = "{\"errors\":[{\"code\":\"BLOB_UPLOAD_UNKNOWN\"}]}"},
		OPEN("/up/2"),
		{.want = "PUT ",
			.status = 201,
			.headers =
				"Docker-Content-Digest: "
				"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\r\n"},
		OPEN("/up/3"),
		{.want = "PUT ", .status = 500},
		OPEN("/up/4"),
		{.want = "PUT ",
			.status = 400,
			.body = "{\"errors\":[{\"code\":\"DIGEST_INVALID\"}]}"},
		OPEN("/up/5"),
		{.want = "PUT ", .drop = true});

	(void)state;
	assert_int_equal(open_session(&s, NULL), ERR_NONE);
	assert_int_equal(put(&s), ERR_TEMP);
	assert_says(&s, "the upload session is gone");
	assert_int_equal(open_session(&s, NULL), ERR_NONE);
	assert_int_equal(put(&s), ERR_CORRUPT);
	assert_int_equal(open_session(&s, NULL), ERR_NONE);
	assert_int_equal(put(&s), ERR_TEMP);
	assert_int_equal(open_session(&s, NULL), ERR_NONE);
	assert_int_equal(put(&s), ERR_REMOTE);
	assert_int_equal(open_session(&s, NULL), ERR_NONE);
	assert_int_equal(put(&s), ERR_TEMP);
	assert_false(registry_wants_chunks(s.registry));
	script_end(&s);
}

static void a_refused_put_makes_the_next_attempt_use_chunks(void **state)
{
	SCRIPT(s,
		NULL,
		OPEN("/up/1"),
		{.want = "PUT ", .status = 413, .early = true},
		OPEN("/up/2"),
		{.want = "PUT ", .status = 413, .early = true});

	(void)state;
	assert_int_equal(open_session(&s, NULL), ERR_NONE);
	assert_int_equal(put(&s), ERR_TEMP);
	assert_true(registry_wants_chunks(s.registry));
	assert_says(&s, "chunks are tried next");
	assert_int_equal(open_session(&s, NULL), ERR_NONE);
	assert_int_equal(put(&s), ERR_REMOTE);
	script_end(&s);
}

/* ---- mounts ---- */

static void a_mount_ends_without_a_session(void **state)
{
	SCRIPT(s,
		NULL,
		{.want = "POST /v2/a/b/blobs/uploads/?mount=" SHA256 "&from=c%2Fd ",
			.has = "Content-Length: 0",
			.status = 201},
		{.want = "POST /v2/a/b/blobs/uploads/?mount=",
			.status = 202,
			.headers = AT("/up/1")},
		{.want = "PUT /up/1?digest=", .status = 201});

	(void)state;
	assert_int_equal(open_session(&s, "c/d"), ERR_NONE);
	assert_null(s.upload);
	assert_int_equal(open_session(&s, "c/d"), ERR_NONE);
	assert_non_null(s.upload);
	assert_int_equal(put(&s), ERR_NONE);
	script_end(&s);
}

static void a_refused_mount_becomes_an_ordinary_upload(void **state)
{
	static const int statuses[] = {400, 401, 403, 404, 405};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
		const struct step steps[] = {
			{.want = "POST /v2/a/b/blobs/uploads/?mount=",
				.status = statuses[i],
				.headers = "WWW-Authenticate: Negotiate\r\n"},
			{.want = "POST /v2/a/b/blobs/uploads/ ",
				.status = 202,
				.headers = AT("/up/1")},
		};
		struct script s;

		script_begin(&s, steps, ARRAY_SIZE(steps), NULL);
		assert_int_equal(open_session(&s, "c/d"), ERR_NONE);
		assert_non_null(s.upload);
		script_end(&s);
	}
}

/* ---- chunks ---- */

static void chunks_follow_each_newest_location(void **state)
{
	SCRIPT(s,
		NULL,
		OPEN("/up/1"),
		{.want = "PATCH /up/1 ",
			.has = "Content-Range: 0-5\r\n",
			.sends = "012345",
			.status = 202,
			.headers = AT("/up/2") "Range: 0-5\r\n"},
		{.want = "PATCH /up/2 ",
			.has = "Content-Range: 6-9\r\n",
			.sends = "6789",
			.status = 201,
			.headers = AT("/up/3") "Range: 0-5\r\n"},
		{.want = "PUT /up/3?digest=" SHA256,
			.has = "Content-Length: 0\r\n",
			.status = 201});

	(void)state;
	assert_int_equal(open_session(&s, NULL), ERR_NONE);
	assert_int_equal(registry_upload_chunk(s.upload), 1024 * 1024);
	assert_int_equal(patch(&s, "012345"), ERR_NONE);
	assert_int_equal(patch(&s, "6789"), ERR_NONE);
	assert_int_equal(close_session(&s), ERR_NONE);
	script_end(&s);
}

static void a_lost_answer_is_looked_up_and_the_rest_is_sent(void **state)
{
	SCRIPT(s,
		NULL,
		OPEN("/up/1"),
		{.want = "PATCH /up/1 ", .sends = "01234", .status = 502},
		{.want = "GET /up/1 ", .status = 204, .headers = AT("/up/2") "Range: 0-2\r\n"},
		{.want = "PATCH /up/2 ",
			.has = "Content-Range: 3-4\r\n",
			.sends = "34",
			.status = 202,
			.headers = AT("/up/3") "Range: 0-4\r\n"},
		{.want = "PATCH /up/3 ", .has = "Content-Range: 5-9\r\n", .status = 416},
		{.want = "GET /up/3 ", .status = 204, .headers = AT("/up/4") "Range: 0-9\r\n"},
		{.want = "PUT /up/4?digest=", .status = 500},
		{.want = "HEAD /v2/a/b/blobs/sha256:", .status = 200, .body = CONTENT});

	(void)state;
	assert_int_equal(open_session(&s, NULL), ERR_NONE);
	assert_int_equal(patch(&s, "01234"), ERR_NONE);
	assert_int_equal(patch(&s, "56789"), ERR_NONE);
	assert_int_equal(close_session(&s), ERR_NONE);
	script_end(&s);
}

static void an_empty_sessions_range_is_not_taken_for_a_byte(void **state)
{
	SCRIPT(s,
		NULL,
		OPEN("/up/1"),
		{.want = "PATCH /up/1 ", .status = 503},
		{.want = "GET /up/1 ", .status = 204, .headers = "Range: 0-0\r\n"},
		{.want = "PATCH /up/1 ",
			.has = "Content-Range: 0-9\r\n",
			.sends = CONTENT,
			.status = 202});

	(void)state;
	assert_int_equal(open_session(&s, NULL), ERR_NONE);
	assert_int_equal(patch(&s, CONTENT), ERR_NONE);
	script_end(&s);
}

static void a_session_that_lost_bytes_is_given_up(void **state)
{
	SCRIPT(s,
		NULL,
		OPEN("/up/1"),
		{.want = "PATCH ", .status = 202},
		{.want = "PATCH ", .status = 416},
		{.want = "GET /up/1 ", .status = 204, .headers = "Range: 0-1\r\n"},
		OPEN("/up/2"),
		{.want = "PATCH ", .status = 503},
		{.want = "GET /up/2 ", .status = 404},
		OPEN("/up/3"),
		{.want = "PATCH ", .status = 503},
		{.want = "GET ", .status = 204, .headers = "Range: 0-1\r\n"},
		{.want = "PATCH ", .status = 503},
		{.want = "GET ", .status = 204, .headers = "Range: 0-1\r\n"},
		{.want = "PATCH ", .status = 503});

	(void)state;
	assert_int_equal(open_session(&s, NULL), ERR_NONE);
	assert_int_equal(patch(&s, "01234"), ERR_NONE);
	assert_int_equal(patch(&s, "56789"), ERR_TEMP);
	assert_says(&s, "the session has 2 bytes");
	assert_int_equal(open_session(&s, NULL), ERR_NONE);
	assert_int_equal(patch(&s, "01234"), ERR_TEMP);
	assert_says(&s, "the upload session is gone");
	assert_int_equal(open_session(&s, NULL), ERR_NONE);
	assert_int_equal(patch(&s, "01234"), ERR_TEMP);
	script_end(&s);
}

static void a_registrys_least_chunk_is_followed_within_reason(void **state)
{
	SCRIPT(s,
		NULL,
		{.want = "POST ",
			.status = 202,
			.headers = AT("/up/1") "OCI-Chunk-Min-Length: 5242880\r\n"},
		{.want = "POST ",
			.status = 202,
			.headers = AT("/up/1") "OCI-Chunk-Min-Length: 99999999999\r\n"},
		{.want = "POST ",
			.status = 202,
			.headers = AT("/up/1") "OCI-Chunk-Min-Length: 7\r\n"});

	(void)state;
	assert_int_equal(open_session(&s, NULL), ERR_NONE);
	assert_int_equal(registry_upload_chunk(s.upload), 5 * 1024 * 1024);
	assert_int_equal(open_session(&s, NULL), ERR_NONE);
	assert_int_equal(registry_upload_chunk(s.upload), 16 * 1024 * 1024);
	assert_int_equal(open_session(&s, NULL), ERR_NONE);
	assert_int_equal(registry_upload_chunk(s.upload), 1024 * 1024);
	script_end(&s);
}

/* ---- ends ---- */

static void an_abandoned_session_is_deleted_and_not_waited_for(void **state)
{
	SCRIPT(s, NULL, OPEN("/up/1"), {.want = "DELETE /up/1 ", .status = 204}, OPEN("/up/2"));

	(void)state;
	assert_int_equal(open_session(&s, NULL), ERR_NONE);
	registry_upload_free(s.upload, true);
	s.upload = NULL;
	/* The DELETE went out before the next request, on the one connection there is. */
	s.until_ms = clock_mono_ms() + 200;
	script_forget(&s);
	assert_int_equal(http_loop_run(s.loop, script_is_done, &s, NULL), 0);
	assert_int_equal(open_session(&s, NULL), ERR_NONE);
	script_end(&s);
}

static void a_session_freed_in_mid_upload_ends_its_call(void **state)
{
	SCRIPT(s, NULL, OPEN("/up/1"));
	struct body b = {.script = &s};
	const struct registry_upload_put body = {
		.size = strlen(CONTENT), .read = read_body, .done = on_body_reply, .ctx = &b};

	(void)state;
	assert_int_equal(open_session(&s, NULL), ERR_NONE);
	script_forget(&s);
	assert_non_null(registry_upload_put(s.upload, &body));
	registry_upload_free(s.upload, false);
	s.upload = NULL;
	s.until_ms = clock_mono_ms() + 100;
	assert_int_equal(http_loop_run(s.loop, script_is_done, &s, NULL), 0);
	assert_false(s.done);
	script_end(&s);
}

/* ---- credentials ---- */

static const struct registry_options user = {.username = "u", .password = "p"};
#define BASIC "Authorization: Basic dTpw\r\n"

static void a_location_on_another_host_gets_no_credentials(void **state)
{
	SCRIPT(s,
		&user,
		{.want = "POST ",
			.lacks = "Authorization:",
			.status = 401,
			.headers = "WWW-Authenticate: Basic realm=x\r\n"},
		{.want = "POST ",
			.has = BASIC,
			.status = 202,
			.headers = AT("http://@OTHER@/up/1")},
		{.want = "PUT /up/1?digest=",
			.has = "Host: localhost:",
			.lacks = "Authorization:",
			.status = 201},
		{.want = "POST ",
			.has = BASIC,
			.status = 202,
			.headers = AT("http://@OTHER@/up/2")},
		{.want = "PUT /up/2?digest=",
			.lacks = "Authorization:",
			.status = 401,
			.headers = "WWW-Authenticate: Basic realm=x\r\n"},
		{.want = "POST ", .has = BASIC, .status = 202, .headers = AT("/up/3")},
		{.want = "PUT /up/3?digest=", .has = BASIC, .status = 201});

	(void)state;
	assert_int_equal(open_session(&s, NULL), ERR_NONE);
	assert_int_equal(put(&s), ERR_NONE);
	assert_int_equal(open_session(&s, NULL), ERR_NONE);
	assert_int_equal(put(&s), ERR_AUTH);
	assert_int_equal(open_session(&s, NULL), ERR_NONE);
	assert_int_equal(put(&s), ERR_NONE);
	script_end(&s);
}

static void a_body_that_was_sent_is_repeated_when_it_can_be(void **state)
{
	SCRIPT(s,
		&user,
		OPEN("/up/1"),
		{.want = "PUT ",
			.lacks = "Authorization:",
			.sends = CONTENT,
			.status = 401,
			.headers = "WWW-Authenticate: Basic realm=x\r\n"},
		{.want = "PUT ", .has = BASIC, .sends = CONTENT, .status = 201});
	struct body b = {.script = &s};

	(void)state;
	assert_int_equal(open_session(&s, NULL), ERR_NONE);
	assert_int_equal(put_body(&b, true), ERR_NONE);
	assert_int_equal(b.rewound, 1);
	script_end(&s);
}

static void a_body_that_cannot_be_repeated_ends_with_the_refusal(void **state)
{
	SCRIPT(s,
		&user,
		OPEN("/up/1"),
		{.want = "PUT ",
			.sends = CONTENT,
			.status = 401,
			.headers = "WWW-Authenticate: Basic realm=x\r\n"},
		{.want = "POST ", .has = BASIC, .status = 202, .headers = AT("/up/2")});

	(void)state;
	assert_int_equal(open_session(&s, NULL), ERR_NONE);
	assert_int_equal(put(&s), ERR_AUTH);
	assert_says(&s, "cannot be repeated");
	/* What was learnt serves the next attempt. */
	assert_int_equal(open_session(&s, NULL), ERR_NONE);
	script_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_blob_goes_up_in_one_post_and_one_put),
		cmocka_unit_test(locations_of_all_forms_lead_to_the_session),
		cmocka_unit_test(a_session_without_a_place_to_go_is_refused),
		cmocka_unit_test(an_answer_that_is_not_created_is_confirmed_by_a_head),
		cmocka_unit_test(failures_of_a_put_have_the_class_that_helps),
		cmocka_unit_test(a_refused_put_makes_the_next_attempt_use_chunks),
		cmocka_unit_test(a_mount_ends_without_a_session),
		cmocka_unit_test(a_refused_mount_becomes_an_ordinary_upload),
		cmocka_unit_test(chunks_follow_each_newest_location),
		cmocka_unit_test(a_lost_answer_is_looked_up_and_the_rest_is_sent),
		cmocka_unit_test(an_empty_sessions_range_is_not_taken_for_a_byte),
		cmocka_unit_test(a_session_that_lost_bytes_is_given_up),
		cmocka_unit_test(a_registrys_least_chunk_is_followed_within_reason),
		cmocka_unit_test(an_abandoned_session_is_deleted_and_not_waited_for),
		cmocka_unit_test(a_session_freed_in_mid_upload_ends_its_call),
		cmocka_unit_test(a_location_on_another_host_gets_no_credentials),
		cmocka_unit_test(a_body_that_was_sent_is_repeated_when_it_can_be),
		cmocka_unit_test(a_body_that_cannot_be_repeated_ends_with_the_refusal),
	};

	return cmocka_run_group_tests_name("registry/upload", tests, NULL, NULL);
}
