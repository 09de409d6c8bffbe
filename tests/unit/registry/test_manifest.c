#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "script.h"

#define MANIFEST "{\"schemaVersion\":2}"
#define DIGEST                                                                                    \
	"sha256:24dcef7f0b02b1ed32e5fc4e0c39b3cdd4eef7a06c0d0e0a9e7b1d6b3b4d2a11" /* of something \
										     else */
#define OCI "Content-Type: " MEDIA_OCI_MANIFEST "; charset=utf-8\r\n"

static char digest_header[sizeof("Docker-Content-Digest: \r\n") + DIGEST_STR_MAX];

static int know_the_digest(void **state)
{
	struct digest d;
	char text[DIGEST_STR_MAX];

	(void)state;
	if (digest_of(DIGEST_SHA256, MANIFEST, strlen(MANIFEST), &d, NULL) < 0)
		return -1;
	(void)snprintf(digest_header,
		sizeof(digest_header),
		"Docker-Content-Digest: %s\r\n",
		digest_format(&d, text));
	return 0;
}

enum verb {
	HEAD,
	GET,
	DELETE
};

static enum errc ask(struct script *s, enum verb verb, const struct registry_get *how)
{
	struct registry_get get = *how;

	script_forget(s);
	if (!get.repository)
		get.repository = "a/b";
	if (!get.reference)
		get.reference = "v1";
	get.done = script_on_reply;
	get.ctx = s;
	if (verb == HEAD)
		assert_non_null(registry_manifest_head(s->registry, &get));
	else if (verb == GET)
		assert_non_null(registry_manifest_get(s->registry, &get));
	else
		assert_non_null(registry_manifest_delete(s->registry, &get));
	return script_wait(s);
}

static const struct registry_get by_tag = {.attempts = 1};

static void a_head_costs_one_request_and_tells_digest_size_and_type(void **state)
{
	SCRIPT(s,
		NULL,
		{.want = "HEAD /v2/a/b/manifests/v1 ",
			.has = "Accept: application/vnd.oci.image.index.v1+json",
			.lacks = "Authorization",
			.status = 200,
			.headers = OCI "Docker-Content-Digest: " DIGEST
				       "\r\nWarning: 299 - \"old\"\r\n",
			.body = MANIFEST});
	char text[DIGEST_STR_MAX];

	(void)state;
	assert_int_equal(ask(&s, HEAD, &by_tag), ERR_NONE);
	assert_true(s.reply.has_digest && s.reply.has_size);
	assert_string_equal(digest_format(&s.reply.digest, text), DIGEST);
	assert_true(s.reply.size == strlen(MANIFEST));
	assert_string_equal(s.reply.media_type, MEDIA_OCI_MANIFEST);
	assert_string_equal(s.warning, "299 - \"old\"");
	assert_null(s.body);
	assert_int_equal(registry_stats(s.registry).requests, 1);
	script_end(&s);
}

static void a_reply_tells_who_answered_and_where_the_time_went(void **state)
{
	SCRIPT(s,
		NULL,
		{.want = "HEAD ",
			.status = 200,
			.headers = OCI "Docker-Content-Digest: " DIGEST "\r\n",
			.body = MANIFEST},
		{.want = "GET /v2/a/b/manifests/v1",
			.status = 307,
			.headers = "Location: http://@OTHER@/far\r\n"},
		{.want = "GET /far", .status = 200, .headers = OCI, .body = MANIFEST},
		{.want = "HEAD ", .status = 307, .headers = "Location: http://@OTHER@/far\r\n"},
		{.want = "HEAD /far", .status = 404},
		{.want = "HEAD ", .drop = true},
		{.want = "HEAD ", .drop = true});

	(void)state;
	assert_int_equal(ask(&s, HEAD, &by_tag), ERR_NONE);
	assert_answered_by(&s, s.host, &s.reply.timing);
	assert_true(s.reply.timing.fresh && s.reply.front_us == 0);
	assert_int_equal(ask(&s, GET, &by_tag), ERR_NONE);
	assert_answered_by(&s, s.other, &s.reply.timing);
	assert_true(s.reply.front_us > 0);
	/* Of a failure too. */
	assert_int_equal(ask(&s, HEAD, &by_tag), ERR_NOTFOUND);
	assert_int_equal(s.err.http, 404);
	assert_answered_by(&s, s.other, &s.reply.timing);
	assert_true(s.reply.front_us > 0);
	/* Without an answer there is no wait; a connection that died is tried once more. */
	assert_int_equal(ask(&s, HEAD, &by_tag), ERR_TEMP);
	assert_non_null(strstr(s.backend, s.host));
	assert_true(s.reply.timing.fresh && s.reply.timing.tcp_us > 0);
	assert_int_equal(s.reply.timing.wait_us, 0);
	script_end(&s);
}

static void a_throttled_question_tells_by_whom_and_for_how_long(void **state)
{
	static const enum verb verbs[] = {HEAD, GET};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		SCRIPT(s,
			NULL,
			{.want = "", .status = 429, .headers = "Retry-After: 7\r\n", .body = "{}"});

		assert_int_equal(ask(&s, verbs[i], &by_tag), ERR_TEMP);
		assert_int_equal(s.err.http, 429);
		assert_int_equal(s.err.retry_sec, 7);
		assert_answered_by(&s, s.host, &s.reply.timing);
		assert_int_equal(registry_stats(s.registry).throttled, 1);
		script_end(&s);
	}
}

static void a_fresh_question_comes_on_a_connection_of_its_own(void **state)
{
	const struct registry_get fresh = {.attempts = 1, .fresh = true};
	struct registry_get ping = {.fresh = true, .done = script_on_reply};
	SCRIPT(s,
		NULL,
		{.want = "GET ", .status = 200, .headers = OCI, .body = MANIFEST},
		{.want = "GET ", .status = 200, .headers = OCI, .body = MANIFEST},
		{.want = "GET ", .status = 200, .headers = OCI, .body = MANIFEST},
		{.want = "HEAD ", .status = 200, .headers = OCI, .body = MANIFEST},
		{.want = "GET ", .status = 200, .headers = OCI, .body = MANIFEST},
		{.want = "GET /v2/ ", .status = 200});

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(ask(&s, GET, i == 1 ? &fresh : &by_tag), ERR_NONE);
		assert_true(s.reply.timing.fresh == (i < 2));
	}
	assert_int_equal(atomic_load(&s.peer.n_conns), 2);
	/* A HEAD that names no digest, and the GET in its place. */
	assert_int_equal(ask(&s, HEAD, &fresh), ERR_NONE);
	assert_true(s.reply.timing.fresh);
	assert_int_equal(atomic_load(&s.peer.n_conns), 4);
	script_forget(&s);
	ping.ctx = &s;
	assert_non_null(registry_ping(s.registry, &ping));
	assert_int_equal(script_wait(&s), ERR_NONE);
	assert_answered_by(&s, s.host, &s.reply.timing);
	assert_true(s.reply.timing.fresh);
	assert_int_equal(atomic_load(&s.peer.n_conns), 5);
	script_end(&s);
}

static void a_head_without_digest_becomes_a_get_from_then_on(void **state)
{
	SCRIPT(s,
		NULL,
		{.want = "HEAD /v2/a/b/manifests/v1",
			.status = 200,
			.headers = OCI,
			.body = MANIFEST},
		{.want = "GET /v2/a/b/manifests/v1",
			.status = 200,
			.headers = OCI,
			.body = MANIFEST},
		{.want = "GET /v2/a/b/manifests/v1",
			.status = 200,
			.headers = OCI,
			.body = MANIFEST});
	const struct digest right = digest_of_text(MANIFEST);

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(ask(&s, HEAD, &by_tag), ERR_NONE);
		assert_true(s.reply.has_digest && digest_equal(&s.reply.digest, &right));
		assert_null(s.body);
	}
	script_end(&s);
}

static void a_refused_head_is_settled_by_a_get(void **state)
{
	SCRIPT(s,
		NULL,
		{.want = "HEAD /v2/a/b", .status = 403},
		{.want = "GET /v2/a/b", .status = 404},
		{.want = "HEAD /v2/a/b", .status = 405},
		{.want = "GET /v2/a/b", .status = 200, .headers = OCI, .body = MANIFEST});

	(void)state;
	assert_int_equal(ask(&s, HEAD, &by_tag), ERR_NOTFOUND);
	assert_int_equal(ask(&s, HEAD, &by_tag), ERR_NONE);
	script_end(&s);
}

static void only_404_and_410_are_absent(void **state)
{
	SCRIPT(s,
		NULL,
		{.want = "HEAD ", .status = 404},
		{.want = "HEAD ", .status = 410},
		{.want = "HEAD ", .status = 500},
		{.want = "HEAD ", .status = 503},
		{.want = "HEAD ", .status = 400},
		{.want = "GET ",
			.status = 404,
			.body = "{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\",\"message\":\"no \\u001b[1mv1\"}]}"},
		{.want = "GET ", .status = 302, .headers = "Location: /elsewhere\r\n"},
		{.want = "GET /elsewhere",
			.status = 403,
			.body = "<html><body>Your client</body></html>"});

	(void)state;
	assert_int_equal(ask(&s, HEAD, &by_tag), ERR_NOTFOUND);
	assert_int_equal(s.err.http, 404);
	assert_int_equal(ask(&s, HEAD, &by_tag), ERR_NOTFOUND);
	assert_int_equal(ask(&s, HEAD, &by_tag), ERR_TEMP);
	assert_int_equal(s.err.http, 500);
	assert_int_equal(ask(&s, HEAD, &by_tag), ERR_TEMP);
	assert_int_equal(ask(&s, HEAD, &by_tag), ERR_REMOTE);
	assert_int_equal(ask(&s, GET, &by_tag), ERR_NOTFOUND);
	assert_says(&s, "GET /v2/a/b/manifests/v1: 404 Not Found: MANIFEST_UNKNOWN: no \\x1");
	assert_true(registry_error_is(&s.err, "manifest_unknown"));
	assert_int_equal(ask(&s, GET, &by_tag), ERR_AUTH);
	assert_says(&s, "403 Forbidden: Your client");
	script_end(&s);
}

static void a_manifest_by_tag_is_hashed_and_handed_over_as_it_came(void **state)
{
	SCRIPT(s,
		NULL,
		{.want = "GET /v2/a/b/manifests/v1",
			.has = "Accept-Encoding: identity",
			.status = 200,
			.headers = OCI,
			.body = MANIFEST},
		{.want = "GET /v2/a/b/manifests/v1",
			.status = 200,
			.headers = OCI "Docker-Content-Digest: " DIGEST "\r\n",
			.body = MANIFEST},
		{.want = "GET /v2/a/b/manifests/v1",
			.status = 200,
			.headers = digest_header,
			.body = MANIFEST});
	const struct digest right = digest_of_text(MANIFEST);

	(void)state;
	assert_int_equal(ask(&s, GET, &by_tag), ERR_NONE);
	assert_true(digest_equal(&s.reply.digest, &right));
	assert_string_equal(s.body, MANIFEST);
	assert_int_equal(s.body_len, strlen(MANIFEST));
	assert_int_equal(ask(&s, GET, &by_tag), ERR_CORRUPT);
	assert_null(s.body);
	assert_int_equal(ask(&s, GET, &by_tag), ERR_NONE);
	assert_string_equal(s.reply.media_type, "");
	script_end(&s);
}

static void a_manifest_by_digest_must_have_it_and_its_size(void **state)
{
	SCRIPT(s,
		NULL,
		{.want = "GET /v2/a/b/manifests/sha256:",
			.status = 200,
			.headers = OCI,
			.body = MANIFEST},
		{.want = "GET /v2/a/b/manifests/sha256:",
			.status = 200,
			.headers = OCI,
			.body = "{}"},
		{.want = "GET /v2/a/b/manifests/sha256:",
			.status = 200,
			.headers = OCI,
			.body = MANIFEST},
		{.want = "HEAD /v2/a/b/manifests/sha256:", .status = 200, .body = MANIFEST},
		{.want = "HEAD /v2/a/b/manifests/sha256:", .status = 200, .body = MANIFEST "more"},
		{.want = "HEAD /v2/a/b/manifests/sha256:",
			.status = 200,
			.headers = "Docker-Content-Digest: " DIGEST "\r\n",
			.body = MANIFEST});
	const struct digest right = digest_of_text(MANIFEST);
	char text[DIGEST_STR_MAX];
	struct registry_get get = {.reference = digest_format(&right, text), .expect = &right};

	(void)state;
	assert_int_equal(ask(&s, GET, &get), ERR_NONE);
	assert_int_equal(ask(&s, GET, &get), ERR_CORRUPT);
	assert_says(&s, "digest is sha256:44136fa3");
	get.expect_size = strlen(MANIFEST) + 1;
	assert_int_equal(ask(&s, GET, &get), ERR_CORRUPT);
	get.expect_size = strlen(MANIFEST);
	/* A HEAD by digest needs no header to name it. */
	assert_int_equal(ask(&s, HEAD, &get), ERR_NONE);
	assert_true(s.reply.has_digest && digest_equal(&s.reply.digest, &right));
	assert_int_equal(ask(&s, HEAD, &get), ERR_CORRUPT);
	assert_int_equal(ask(&s, HEAD, &get), ERR_CORRUPT);
	script_end(&s);
}

static void a_digest_of_another_algorithm_says_nothing(void **state)
{
	SCRIPT(s,
		NULL,
		{.want = "GET /v2/a/b/manifests/sha512:",
			.status = 200,
			.headers = OCI "Docker-Content-Digest: " DIGEST "\r\n",
			.body = MANIFEST});
	char text[DIGEST_STR_MAX];
	struct digest right;

	(void)state;
	assert_int_equal(digest_of(DIGEST_SHA512, MANIFEST, strlen(MANIFEST), &right, NULL), 0);
	assert_int_equal(ask(&s,
				 GET,
				 &(struct registry_get){.reference = digest_format(&right, text),
					 .expect = &right}),
		ERR_NONE);
	assert_true(digest_equal(&s.reply.digest, &right));
	script_end(&s);
}

static void answers_that_are_no_manifest_are_the_peers_fault(void **state)
{
	SCRIPT(s,
		NULL,
		{.want = "GET ",
			.status = 200,
			.headers = "Content-Type: text/html\r\n",
			.body = "<html>please log in</html>"},
		{.want = "GET ", .status = 200, .headers = OCI},
		{.want = "GET ", .status = 204},
		{.want = "GET ",
			.status = 200,
			.headers = OCI "Content-Encoding: gzip\r\n",
			.body = MANIFEST,
			.cut = true},
		{.want = "GET ", .status = 200, .headers = OCI, .length = "4194305", .cut = true});

	(void)state;
	assert_int_equal(ask(&s, GET, &by_tag), ERR_REMOTE);
	assert_says(&s, "no manifest (Content-Type 'text/html')");
	assert_int_equal(ask(&s, GET, &by_tag), ERR_REMOTE);
	assert_int_equal(ask(&s, GET, &by_tag), ERR_REMOTE);
	assert_int_equal(ask(&s, GET, &by_tag), ERR_REMOTE);
	assert_says(&s, "Content-Encoding 'gzip'");
	assert_int_equal(ask(&s, GET, &by_tag), ERR_REMOTE);
	assert_says(&s, "MANIFEST_MAX");
	script_end(&s);
}

static void a_manifest_without_length_is_cut_at_the_limit(void **state)
{
	const size_t len = MANIFEST_MAX + 1;
	AUTO_FREE char *big = xmalloc(len);
	struct step steps[] = {
		{.want = "GET ", .status = 200, .body = big, .len = len, .length = ""},
	};
	struct script s;

	(void)state;
	memset(big, '{', len);
	script_begin(&s, steps, ARRAY_SIZE(steps), NULL);
	assert_int_equal(ask(&s, GET, &by_tag), ERR_REMOTE);
	assert_says(&s, "limit of 4194304 bytes");
	script_end(&s);
}

static void names_that_are_none_never_reach_the_wire(void **state)
{
	static const struct registry_get bad[] = {
		{.repository = "../x"},
		{.repository = "Upper"},
		{.repository = ""},
		{.reference = "a/b"},
		{.reference = ""},
		{.reference = "sha256:123"},
		{.reference = "v1?x=y"},
	};
	struct script s;

	(void)state;
	script_begin(&s, NULL, 0, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(ask(&s, GET, &bad[i]), ERR_USAGE);
		assert_int_equal(ask(&s, HEAD, &bad[i]), ERR_USAGE);
		assert_int_equal(ask(&s, DELETE, &bad[i]), ERR_USAGE);
	}
	script_end(&s);
}

static enum errc put(struct script *s)
{
	const struct registry_put put = {
		.repository = "a/b",
		.reference = "v1",
		.media_type = MEDIA_OCI_MANIFEST,
		.bytes = MANIFEST,
		.len = strlen(MANIFEST),
		.digest = digest_of_text(MANIFEST),
		.done = script_on_reply,
		.ctx = s,
	};

	script_forget(s);
	assert_non_null(registry_manifest_put(s->registry, &put));
	return script_wait(s);
}

static void a_manifest_is_put_byte_by_byte_under_its_type(void **state)
{
	SCRIPT(s,
		NULL,
		{.want = "PUT /v2/a/b/manifests/v1 ",
			.has = "Content-Type: " MEDIA_OCI_MANIFEST "\r\n",
			.sends = MANIFEST,
			.status = 201,
			.headers = digest_header},
		{.want = "PUT /v2/a/b/manifests/v1 ",
			.status = 201,
			.headers = "Docker-Content-Digest: " DIGEST "\r\n"},
		{.want = "PUT /v2/a/b/manifests/v1 ",
			.status = 400,
			.body = "{\"errors\":[{\"code\":\"MANIFEST_BLOB_UNKNOWN\",\"message\":\"blob unknown\"}]}"});

	(void)state;
	assert_int_equal(put(&s), ERR_NONE);
	assert_true(s.reply.has_digest);
	assert_int_equal(put(&s), ERR_CORRUPT);
	assert_int_equal(put(&s), ERR_REMOTE);
	assert_true(registry_error_is(&s.err, "MANIFEST_BLOB_UNKNOWN"));
	assert_int_equal(s.err.http, 400);
	script_end(&s);
}

static void a_put_that_was_not_created_is_confirmed_by_a_head(void **state)
{
	SCRIPT(s,
		NULL,
		{.want = "PUT ", .status = 202},
		{.want = "HEAD /v2/a/b/manifests/v1", .status = 200, .headers = digest_header},
		{.want = "PUT ", .status = 200},
		{.want = "HEAD /v2/a/b/manifests/v1", .status = 404},
		{.want = "PUT ", .status = 200, .headers = digest_header});

	(void)state;
	assert_int_equal(put(&s), ERR_NONE);
	assert_int_equal(put(&s), ERR_REMOTE);
	assert_says(&s, "not there after it was put");
	assert_int_equal(put(&s), ERR_NONE);
	script_end(&s);
}

static void a_delete_of_what_is_gone_is_a_success(void **state)
{
	SCRIPT(s,
		NULL,
		{.want = "DELETE /v2/a/b/manifests/v1", .status = 202},
		{.want = "DELETE /v2/a/b/manifests/v1", .status = 404},
		{.want = "DELETE /v2/a/b/manifests/v1", .status = 405});

	(void)state;
	assert_int_equal(ask(&s, DELETE, &by_tag), ERR_NONE);
	assert_int_equal(ask(&s, DELETE, &by_tag), ERR_NONE);
	assert_int_equal(ask(&s, DELETE, &by_tag), ERR_REMOTE);
	script_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_head_costs_one_request_and_tells_digest_size_and_type),
		cmocka_unit_test(a_reply_tells_who_answered_and_where_the_time_went),
		cmocka_unit_test(a_throttled_question_tells_by_whom_and_for_how_long),
		cmocka_unit_test(a_fresh_question_comes_on_a_connection_of_its_own),
		cmocka_unit_test(a_head_without_digest_becomes_a_get_from_then_on),
		cmocka_unit_test(a_refused_head_is_settled_by_a_get),
		cmocka_unit_test(only_404_and_410_are_absent),
		cmocka_unit_test(a_manifest_by_tag_is_hashed_and_handed_over_as_it_came),
		cmocka_unit_test(a_manifest_by_digest_must_have_it_and_its_size),
		cmocka_unit_test(a_digest_of_another_algorithm_says_nothing),
		cmocka_unit_test(answers_that_are_no_manifest_are_the_peers_fault),
		cmocka_unit_test(a_manifest_without_length_is_cut_at_the_limit),
		cmocka_unit_test(names_that_are_none_never_reach_the_wire),
		cmocka_unit_test(a_manifest_is_put_byte_by_byte_under_its_type),
		cmocka_unit_test(a_put_that_was_not_created_is_confirmed_by_a_head),
		cmocka_unit_test(a_delete_of_what_is_gone_is_a_success),
	};

	return cmocka_run_group_tests_name("registry/manifest", tests, know_the_digest, NULL);
}
