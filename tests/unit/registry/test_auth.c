#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "registry/internal.h"
#include "script.h"

#define BEARER   "WWW-Authenticate: Bearer realm=\"http://@HOST@/token\",service=\"s\"\r\n"
#define TOKEN_X  "GET /token?service=s&scope=repository%3Ax%3Apull&"
#define WITH(t)  "Authorization: Bearer " t "\r\n"
#define GIVES(t) "{\"token\":\"" t "\"}"
#define BASIC    "Authorization: Basic dTpw\r\n"

static const struct registry_options user = {.username = "u", .password = "p"};

static void ask(struct script *s, const char *repository, registry_reply_fn *done, void *ctx)
{
	const struct registry_get get = {
		.repository = repository, .reference = "v1", .done = done, .ctx = ctx};

	assert_non_null(registry_manifest_get(s->registry, &get));
}

static enum errc get(struct script *s, const char *repository)
{
	script_forget(s);
	ask(s, repository, script_on_reply, s);
	return script_wait(s);
}

static void basic_is_sent_from_the_start_once_it_is_asked_for(void **state)
{
	SCRIPT(s,
		&user,
		{.want = "GET /v2/x/",
			.lacks = "Authorization:",
			.status = 401,
			.headers = "WWW-Authenticate: Basic realm=\"r\"\r\n"},
		{.want = "GET /v2/x/", .has = BASIC, .status = 200, .body = "{}"},
		{.want = "GET /v2/y/", .has = BASIC, .status = 200, .body = "{}"});

	(void)state;
	assert_int_equal(get(&s, "x"), ERR_NONE);
	assert_int_equal(get(&s, "y"), ERR_NONE);
	script_end(&s);
}

static void an_anonymous_token_is_got_once_a_scope_and_kept(void **state)
{
	SCRIPT(s,
		NULL,
		{.want = "GET /v2/x/", .lacks = "Authorization:", .status = 401, .headers = BEARER},
		{.want = TOKEN_X, .lacks = "Authorization:", .status = 200, .body = GIVES("t1")},
		{.want = "GET /v2/x/", .has = WITH("t1"), .status = 200, .body = "{}"},
		{.want = "GET /v2/x/", .has = WITH("t1"), .status = 200, .body = "{}"},
		{.want = "GET /token?service=s&scope=repository%3Ay%3Apull&",
			.status = 200,
			.body = GIVES("t2")},
		{.want = "GET /v2/y/", .has = WITH("t2"), .status = 200, .body = "{}"},
		{.want = "GET /v2/x/", .has = WITH("t1"), .status = 200, .body = "{}"});

	(void)state;
	assert_int_equal(get(&s, "x"), ERR_NONE);
	assert_int_equal(get(&s, "x"), ERR_NONE);
	assert_int_equal(get(&s, "y"), ERR_NONE);
	assert_int_equal(get(&s, "x"), ERR_NONE);
	assert_int_equal(registry_stats(s.registry).requests, 7);
	script_end(&s);
}

static void credentials_go_to_the_realm_as_basic(void **state)
{
	SCRIPT(s,
		&user,
		{.want = "GET /v2/x/", .status = 401, .headers = BEARER},
		{.want = "GET /token?service=s&scope=repository%3Ax%3Apull&account=u&client_id=regmirror ",
			.has = BASIC,
			.status = 200,
			.body = GIVES("t")},
		{.want = "GET /v2/x/", .has = WITH("t"), .status = 200, .body = "{}"});

	(void)state;
	assert_int_equal(get(&s, "x"), ERR_NONE);
	script_end(&s);
}

struct several {
	struct script *script;
	unsigned left;
};

static void on_one(void *ctx, struct registry_reply *reply, struct error *err)
{
	struct several *all = ctx;

	(void)reply;
	assert_null(err);
	if (--all->left == 0)
		all->script->done = true;
}

static void those_who_need_the_same_token_share_one_request(void **state)
{
	SCRIPT(s,
		NULL,
		{.want = "GET /v2/x/", .status = 401, .headers = BEARER},
		{.want = TOKEN_X, .status = 200, .body = GIVES("t1")},
		{.want = "GET /v2/x/", .status = 200, .body = "{}"},
		{.want = "GET /token?", .status = 200, .body = GIVES("t2")},
		{.want = "GET /v2/y/", .has = WITH("t2"), .status = 200, .body = "{}"},
		{.want = "GET /v2/y/", .has = WITH("t2"), .status = 200, .body = "{}"},
		{.want = "GET /v2/y/", .has = WITH("t2"), .status = 200, .body = "{}"});
	struct several all = {.script = &s, .left = 3};

	(void)state;
	assert_int_equal(get(&s, "x"), ERR_NONE);
	script_forget(&s);
	for (unsigned i = 0; i < 3; i++)
		ask(&s, "y", on_one, &all);
	assert_int_equal(script_wait(&s), ERR_NONE);
	script_end(&s);
}

static void on_last(void *ctx, struct registry_reply *reply, struct error *err)
{
	struct several *all = ctx;

	(void)reply;
	assert_int_equal(err->code, ERR_AUTH);
	/* All who still wait for the same token go with it. */
	registry_free(all->script->registry);
	all->script->registry = NULL;
	all->script->done = true;
}

static void a_registry_may_be_freed_by_one_who_waited_for_a_token(void **state)
{
	SCRIPT(s,
		NULL,
		{.want = "GET /v2/x/", .status = 401, .headers = BEARER},
		{.want = TOKEN_X, .status = 200, .body = GIVES("t1")},
		{.want = "GET /v2/x/", .status = 200, .body = "{}"},
		{.want = "GET /token?", .status = 403});
	struct several all = {.script = &s};

	(void)state;
	assert_int_equal(get(&s, "x"), ERR_NONE);
	script_forget(&s);
	for (unsigned i = 0; i < 3; i++)
		ask(&s, "y", on_last, &all);
	assert_int_equal(script_wait(&s), ERR_NONE);
	script_end(&s);
}

static void a_stale_token_is_replaced_and_a_fresh_one_refused_ends_it(void **state)
{
	SCRIPT(s,
		NULL,
		{.want = "GET /v2/x/", .status = 401, .headers = BEARER},
		{.want = TOKEN_X, .status = 200, .body = GIVES("t1")},
		{.want = "GET /v2/x/", .has = WITH("t1"), .status = 200, .body = "{}"},
		{.want = "GET /v2/x/", .has = WITH("t1"), .status = 401, .headers = BEARER},
		{.want = TOKEN_X, .status = 200, .body = GIVES("t2")},
		{.want = "GET /v2/x/", .has = WITH("t2"), .status = 200, .body = "{}"},
		{.want = "GET /v2/x/", .has = WITH("t2"), .status = 401, .headers = BEARER},
		{.want = TOKEN_X, .status = 200, .body = GIVES("t3")},
		{.want = "GET /v2/x/", .has = WITH("t3"), .status = 401, .headers = BEARER});

	(void)state;
	assert_int_equal(get(&s, "x"), ERR_NONE);
	assert_int_equal(get(&s, "x"), ERR_NONE);
	assert_int_equal(get(&s, "x"), ERR_AUTH);
	assert_int_equal(s.err.http, 401);
	assert_says(&s, "refused an anonymous token");
	script_end(&s);
}

static void too_narrow_a_token_is_widened_by_the_challenge(void **state)
{
	SCRIPT(s,
		NULL,
		{.want = "GET /v2/x/", .status = 401, .headers = BEARER},
		{.want = TOKEN_X, .status = 200, .body = GIVES("t1")},
		{.want = "GET /v2/x/",
			.has = WITH("t1"),
			.status = 401,
			.headers =
				"WWW-Authenticate: Bearer realm=\"/token\",service=\"s\",scope=\"repository:x:pull "
				"aws\",error=\"insufficient_scope\"\r\n"},
		{.want = TOKEN_X, .has = "&scope=aws&", .status = 200, .body = GIVES("t2")},
		{.want = "GET /v2/x/", .has = WITH("t2"), .status = 200, .body = "{}"});

	(void)state;
	assert_int_equal(get(&s, "x"), ERR_NONE);
	script_end(&s);
}

static void a_registry_that_always_wants_more_is_left(void **state)
{
	SCRIPT(s,
		NULL,
		{.want = "GET /v2/x/", .status = 401, .headers = BEARER},
		{.want = "GET /token?", .status = 200, .body = GIVES("t")},
		{.want = "GET /v2/x/",
			.status = 401,
			.headers =
				"WWW-Authenticate: Bearer realm=\"/token\",service=\"s\",scope=\"a\"\r\n"},
		{.want = "GET /token?", .status = 200, .body = GIVES("t")},
		{.want = "GET /v2/x/",
			.status = 401,
			.headers =
				"WWW-Authenticate: Bearer realm=\"/token\",service=\"s\",scope=\"b\"\r\n"},
		{.want = "GET /token?", .status = 200, .body = GIVES("t")},
		{.want = "GET /v2/x/",
			.status = 401,
			.headers =
				"WWW-Authenticate: Bearer realm=\"/token\",service=\"s\",scope=\"c\"\r\n"});

	(void)state;
	assert_int_equal(get(&s, "x"), ERR_AUTH);
	script_end(&s);
}

static void a_401_without_a_challenge_is_explained_by_the_ping(void **state)
{
	SCRIPT(s,
		&user,
		{.want = "GET /v2/x/", .status = 401},
		{.want = "GET /v2/ ", .status = 401, .headers = BEARER},
		{.want = TOKEN_X, .status = 200, .body = GIVES("t1")},
		{.want = "GET /v2/x/", .has = WITH("t1"), .status = 200, .body = "{}"},
		{.want = "GET /v2/x/", .has = WITH("t1"), .status = 401},
		{.want = TOKEN_X, .status = 200, .body = GIVES("t2")},
		{.want = "GET /v2/x/", .has = WITH("t2"), .status = 200, .body = "{}"});

	(void)state;
	assert_int_equal(get(&s, "x"), ERR_NONE);
	assert_int_equal(get(&s, "x"), ERR_NONE);
	script_end(&s);
}

static void a_401_that_nothing_explains_is_an_end(void **state)
{
	SCRIPT(s,
		NULL,
		{.want = "GET /v2/x/", .status = 401},
		{.want = "GET /v2/ ", .status = 200},
		{.want = "GET /v2/x/", .status = 401},
		{.want = "GET /v2/ ", .status = 401},
		{.want = "GET /v2/x/", .status = 401, .headers = "WWW-Authenticate: Negotiate\r\n"},
		{.want = "GET /v2/x/",
			.status = 401,
			.headers = "WWW-Authenticate: Basic realm=x\r\n"});

	(void)state;
	assert_int_equal(get(&s, "x"), ERR_AUTH);
	assert_int_equal(get(&s, "x"), ERR_AUTH);
	assert_int_equal(get(&s, "x"), ERR_AUTH);
	assert_int_equal(get(&s, "x"), ERR_AUTH);
	assert_says(&s, "none are configured");
	script_end(&s);
}

static void refused_credentials_are_said_to_be_refused(void **state)
{
	SCRIPT(s,
		&user,
		{.want = "GET /v2/x/",
			.status = 401,
			.headers = "WWW-Authenticate: Basic realm=x\r\n"},
		{.want = "GET /v2/x/",
			.has = BASIC,
			.status = 401,
			.headers = "WWW-Authenticate: Basic realm=x\r\n"},
		{.want = "GET /v2/x/", .status = 401, .headers = BEARER},
		{.want = TOKEN_X, .status = 401, .body = "{\"details\":\"bad password\"}"});

	(void)state;
	assert_int_equal(get(&s, "x"), ERR_AUTH);
	assert_says(&s, "refused the user name and password");
	assert_int_equal(get(&s, "x"), ERR_AUTH);
	assert_says(&s, "bad password");
	assert_null(strstr(error_text(&s.err), "account="));
	script_end(&s);
}

static void an_identity_token_is_posted_as_refresh_token(void **state)
{
	static const struct registry_options forms[] = {
		{.identity_token = "id"}, {.username = "<token>", .password = "id"}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		const struct step steps[] = {
			{.want = "GET /v2/x/", .status = 401, .headers = BEARER},
			{.want = "POST /token ",
				.has = "Content-Type: application/x-www-form-urlencoded\r\n",
				.lacks = "Authorization:",
				.sends =
					"grant_type=refresh_token&service=s&client_id=regmirror&scope="
					"repository%3Ax%3Apull&refresh_token=id",
				.status = 200,
				.body = "{\"access_token\":\"t\"}"},
			{.want = "GET /v2/x/", .has = WITH("t"), .status = 200, .body = "{}"},
		};
		struct script s;

		script_begin(&s, steps, ARRAY_SIZE(steps), &forms[i]);
		assert_int_equal(get(&s, "x"), ERR_NONE);
		script_end(&s);
	}
}

static void a_registry_token_is_sent_as_it_is(void **state)
{
	static const struct registry_options ready = {.registry_token = "ready"};
	SCRIPT(s,
		&ready,
		{.want = "GET /v2/x/", .has = WITH("ready"), .status = 200, .body = "{}"},
		{.want = "GET /v2/x/", .has = WITH("ready"), .status = 401, .headers = BEARER});

	(void)state;
	assert_int_equal(get(&s, "x"), ERR_NONE);
	assert_int_equal(get(&s, "x"), ERR_AUTH);
	assert_says(&s, "refused the configured token");
	script_end(&s);
}

static void a_token_server_that_fails_has_its_own_classes(void **state)
{
	const size_t len = 64 * 1024 + 1;
	AUTO_FREE char *big = xmalloc(len);
	const struct step steps[] = {
		{.want = "GET /v2/x/", .status = 401, .headers = BEARER},
		{.want = TOKEN_X, .status = 500},
		{.want = TOKEN_X, .status = 200, .body = "<html>"},
		{.want = TOKEN_X, .status = 200, .body = big, .len = len, .cut = true},
		{.want = TOKEN_X, .status = 404},
		{.want = TOKEN_X, .status = 200, .body = GIVES("t")},
		{.want = "GET /v2/x/", .has = WITH("t"), .status = 200, .body = "{}"},
	};
	struct script s;

	(void)state;
	memset(big, ' ', len);
	script_begin(&s, steps, ARRAY_SIZE(steps), NULL);
	assert_int_equal(get(&s, "x"), ERR_TEMP);
	assert_says(&s, "token from http://127.0.0.1:");
	assert_int_equal(get(&s, "x"), ERR_REMOTE);
	assert_int_equal(get(&s, "x"), ERR_REMOTE);
	assert_int_equal(get(&s, "x"), ERR_AUTH);
	assert_int_equal(get(&s, "x"), ERR_NONE);
	script_end(&s);
}

static void a_realm_that_is_not_safe_is_never_asked(void **state)
{
	SCRIPT(s,
		&user,
		{.want = "GET /v2/x/",
			.status = 401,
			.headers =
				"WWW-Authenticate: Bearer realm=\"http://elsewhere.example/token\"\r\n"},
		{.want = "GET /v2/x/",
			.status = 401,
			.headers = "WWW-Authenticate: Bearer realm=\"null://x\"\r\n"},
		{.want = "GET /v2/x/",
			.status = 401,
			.headers = "WWW-Authenticate: Bearer realm=\"file:///etc/passwd\"\r\n"});

	(void)state;
	assert_int_equal(get(&s, "x"), ERR_AUTH);
	assert_says(&s, "credentials are not sent there");
	assert_int_equal(get(&s, "x"), ERR_AUTH);
	assert_int_equal(get(&s, "x"), ERR_AUTH);
	script_end(&s);
}

static void the_far_end_of_a_redirect_gets_an_anonymous_token_of_its_own(void **state)
{
	SCRIPT(s,
		&user,
		{.want = "GET /v2/x/",
			.status = 401,
			.headers = "WWW-Authenticate: Basic realm=x\r\n"},
		{.want = "GET /v2/x/",
			.has = BASIC,
			.status = 307,
			.headers = "Location: http://@OTHER@/far/x\r\n"},
		{.want = "GET /far/x ",
			.lacks = "Authorization:",
			.status = 401,
			.headers =
				"WWW-Authenticate: Bearer realm=\"http://@OTHER@/token\",service=\"far\"\r\n"},
		{.want = "GET /token?service=far&scope=repository%3Ax%3Apull&client_id=regmirror ",
			.lacks = "Authorization:",
			.status = 200,
			.body = GIVES("far")},
		{.want = "GET /far/x ", .has = WITH("far"), .status = 200, .body = "{}"},
		{.want = "GET /v2/x/",
			.has = BASIC,
			.status = 307,
			.headers = "Location: http://@OTHER@/far/x\r\n"},
		{.want = "GET /far/x ",
			.lacks = "Authorization:",
			.status = 401,
			.headers = "WWW-Authenticate: Basic realm=\"give me\"\r\n"});

	(void)state;
	assert_int_equal(get(&s, "x"), ERR_NONE);
	assert_int_equal(get(&s, "x"), ERR_AUTH);
	script_end(&s);
}

/* ---- uploads ---- */

#define PUSH_X "GET /token?service=s&scope=repository%3Ax%3Apull%2Cpush&"

static enum http_io read_one(void *ctx, char *to, size_t room, size_t *ret_n)
{
	(void)ctx;
	(void)room;
	*to = 'x';
	*ret_n = 1;
	return HTTP_IO_OK;
}

static enum errc upload(struct script *s, const char *mount_from)
{
	const struct registry_upload_start start = {
		.repository = "x",
		.digest = digest_of_text("x"),
		.mount_from = mount_from,
		.done = script_on_upload,
		.ctx = s,
	};
	const struct registry_upload_put put = {
		.size = 1, .read = read_one, .done = script_on_reply, .ctx = s};

	script_forget(s);
	registry_upload_free(s->upload, false);
	s->upload = NULL;
	assert_non_null(registry_upload_start(s->registry, &start));
	if (script_wait(s) != ERR_NONE || !s->upload)
		return s->err.code;
	script_forget(s);
	assert_non_null(registry_upload_put(s->upload, &put));
	return script_wait(s);
}

static void a_token_that_expires_in_mid_upload_is_a_matter_for_another_attempt(void **state)
{
	SCRIPT(s,
		NULL,
		{.want = "POST /v2/x/", .status = 401, .headers = BEARER},
		{.want = PUSH_X, .status = 200, .body = GIVES("t1")},
		{.want = "POST /v2/x/",
			.has = WITH("t1"),
			.status = 202,
			.headers = "Location: /up/1\r\n"},
		{.want = "PUT /up/1?",
			.has = WITH("t1"),
			.sends = "x",
			.status = 401,
			.headers = BEARER},
		{.want = PUSH_X, .status = 200, .body = GIVES("t2")},
		{.want = "POST /v2/x/",
			.has = WITH("t2"),
			.status = 202,
			.headers = "Location: /up/2\r\n"},
		{.want = "PUT /up/2?", .has = WITH("t2"), .status = 201});

	(void)state;
	assert_int_equal(upload(&s, NULL), ERR_TEMP);
	assert_says(&s, "expired in mid-transfer");
	assert_int_equal(upload(&s, NULL), ERR_NONE);
	script_end(&s);
}

static void a_mount_asks_for_both_repositories_and_goes_on_without(void **state)
{
	SCRIPT(s,
		NULL,
		{.want = "POST /v2/x/blobs/uploads/?mount=", .status = 401, .headers = BEARER},
		{.want = "GET /token?service=s&scope=repository%3Ax%3Apull%2Cpush&scope=repository%3Ay%3Apull&",
			.status = 200,
			.body = GIVES("wide")},
		{.want = "POST /v2/x/blobs/uploads/?mount=",
			.has = WITH("wide"),
			.status = 202,
			.headers = "Location: /up/1\r\n"},
		{.want = "PUT /up/1?", .has = WITH("wide"), .status = 201},
		/* The wide token is for this pair alone. */
		{.want = "GET /token?service=s&scope=repository%3Ax%3Apull%2Cpush&scope=repository%3Az%3Apull&",
			.status = 403},
		{.want = PUSH_X, .status = 200, .body = GIVES("own")},
		{.want = "POST /v2/x/blobs/uploads/ ",
			.has = WITH("own"),
			.status = 202,
			.headers = "Location: /up/2\r\n"},
		{.want = "PUT /up/2?", .has = WITH("own"), .status = 201});

	(void)state;
	assert_int_equal(upload(&s, "y"), ERR_NONE);
	assert_int_equal(upload(&s, "z"), ERR_NONE);
	script_end(&s);
}

/* ---- hosts ---- */

static void only_a_refused_token_means_absent_and_only_where_it_is_known_to(void **state)
{
	static const struct step steps[] = {
		{.want = "GET /v2/library/x/",
			.status = 401,
			.headers = "WWW-Authenticate: Bearer realm=\"null://x\"\r\n"},
		{.want = "GET /v2/library/x/", .status = 401, .headers = BEARER},
		{.want = "GET /token?", .status = 401},
		{.want = "GET /token?", .status = 200, .body = GIVES("t")},
		{.want = "GET /v2/library/x/", .has = WITH("t"), .status = 401, .headers = BEARER},
		{.want = "GET /token?", .status = 200, .body = GIVES("t")},
		{.want = "GET /v2/library/x/", .has = WITH("t"), .status = 401, .headers = BEARER},
	};
	struct script s;

	(void)state;
	script_begin(&s, steps, ARRAY_SIZE(steps), NULL);
	s.registry->quirks = quirks_of("docker.io");
	assert_int_equal(get(&s, "x"), ERR_AUTH);
	assert_int_equal(get(&s, "x"), ERR_AUTH);
	assert_int_equal(get(&s, "x"), ERR_NOTFOUND);
	assert_says(&s, "not there, or private");
	s.registry->quirks = quirks_of("r.example");
	assert_int_equal(get(&s, "library/x"), ERR_AUTH);
	script_end(&s);
}

static void docker_hub_is_found_under_all_its_names(void **state)
{
	const struct http_loop_options lo = {.user_agent = "test", .proxy = ""};
	const struct registry_options hub = {.host = "docker.io"}, bad = {.host = "a/b"};
	const struct registry_options api = {.host = "registry-1.docker.io"},
				      other = {.host = "r.example"};
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO_FREE char *name = NULL;
	struct registry *a = NULL, *b = NULL, *c = NULL, *none = NULL;
	struct http_loop *loop = NULL;

	(void)state;
	assert_int_equal(http_loop_new(&lo, &loop, NULL), 0);
	assert_int_equal(registry_new(loop, &bad, &none, &err), -ERR_USAGE);
	assert_null(none);
	assert_int_equal(registry_new(loop, &hub, &a, NULL), 0);
	assert_int_equal(registry_new(loop, &api, &b, NULL), 0);
	assert_int_equal(registry_new(loop, &other, &c, NULL), 0);
	assert_string_equal(registry_host(a), "docker.io");
	assert_true(registry_same_host(a, b));
	assert_false(registry_same_host(a, c));
	assert_int_equal(registry_repository(a, "alpine", &name, NULL), 0);
	assert_string_equal(name, "library/alpine");
	registry_free(a);
	registry_free(b);
	registry_free(c);
	http_loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(basic_is_sent_from_the_start_once_it_is_asked_for),
		cmocka_unit_test(an_anonymous_token_is_got_once_a_scope_and_kept),
		cmocka_unit_test(credentials_go_to_the_realm_as_basic),
		cmocka_unit_test(those_who_need_the_same_token_share_one_request),
		cmocka_unit_test(a_registry_may_be_freed_by_one_who_waited_for_a_token),
		cmocka_unit_test(a_stale_token_is_replaced_and_a_fresh_one_refused_ends_it),
		cmocka_unit_test(too_narrow_a_token_is_widened_by_the_challenge),
		cmocka_unit_test(a_registry_that_always_wants_more_is_left),
		cmocka_unit_test(a_401_without_a_challenge_is_explained_by_the_ping),
		cmocka_unit_test(a_401_that_nothing_explains_is_an_end),
		cmocka_unit_test(refused_credentials_are_said_to_be_refused),
		cmocka_unit_test(an_identity_token_is_posted_as_refresh_token),
		cmocka_unit_test(a_registry_token_is_sent_as_it_is),
		cmocka_unit_test(a_token_server_that_fails_has_its_own_classes),
		cmocka_unit_test(a_realm_that_is_not_safe_is_never_asked),
		cmocka_unit_test(the_far_end_of_a_redirect_gets_an_anonymous_token_of_its_own),
		cmocka_unit_test(
			a_token_that_expires_in_mid_upload_is_a_matter_for_another_attempt),
		cmocka_unit_test(a_mount_asks_for_both_repositories_and_goes_on_without),
		cmocka_unit_test(only_a_refused_token_means_absent_and_only_where_it_is_known_to),
		cmocka_unit_test(docker_hub_is_found_under_all_its_names),
	};

	return cmocka_run_group_tests_name("registry/auth", tests, NULL, NULL);
}
