#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../lib/answers.h"
#include "http/internal.h"

/*
 * "/to?URL" answers 302 with that Location, "/code?N" a redirect of status N to "/end";
 * anything else 200, with the Authorization it got.
 */
static void play(struct peer_conn *c)
{
	while (peer_hear(c)) {
		const char *query = strchr(c->request, '?');
		int len = query ? (int)strcspn(query + 1, " ") : 0;
		bool head = peer_heard(c, "HEAD /");

		if (peer_heard(c, " /to?"))
			peer_say(c, "HTTP/1.1 302 Found\r\nLocation: %.*s\r\n", len, query + 1);
		else if (peer_heard(c, " /code?"))
			peer_say(c, "HTTP/1.1 %.*s Moved\r\nLocation: /end\r\n", len, query + 1);
		else if (peer_heard(c, " /huge"))
			peer_say(c, "HTTP/1.1 302 Found\r\nLocation: /end\r\n");
		else
			peer_say(c,
				"HTTP/1.1 200 OK\r\nX-Mark: %s\r\n",
				peer_heard(c, "Authorization: secret") ? "secret" : "none");
		if (!head && peer_heard(c, " /huge"))
			peer_say(c, "Content-Length: 500000\r\n\r\n%0500000d", 0);
		else
			peer_say(c, "Content-Length: 2\r\n\r\n%s", head ? "" : "ok");
	}
}

static const char *const accept_header[] = {"Accept: x"};
static const struct http_request follow = {.method = HTTP_GET,
	.authorization = "secret",
	.headers = accept_header,
	.n_headers = 1,
	.max_redirects = HTTP_REDIRECTS_MAX};

static void relative_and_absolute_locations_are_followed_with_credentials_at_home(void **state)
{
	static const char *const paths[] = {"/to?/end",
		"/to?end",
		"/to?/to?/end",
		"/code?301",
		"/code?303",
		"/code?307",
		"/code?308",
		"/huge"};
	AUTO(http_loop_freep) struct http_loop *loop = NULL;
	struct peer p;

	(void)state;
	peer_start(&p, play, NULL);
	loop = loop_plain(&p, NULL);
	for (size_t i = 0; i < 2 * ARRAY_SIZE(paths); i++) {
		AUTO(answer_clear) struct answer a = {.done = false};
		struct http_request r = follow;

		r.method = i % 2 ? HTTP_HEAD : HTTP_GET;
		start(loop, &p, paths[i / 2], r, &a);
		await(loop, &a, 1);
		assert_null(a.err.msg);
		assert_int_equal(a.status, 200);
		assert_string_equal(a.body, i % 2 ? "" : "ok");
		assert_string_equal(a.marked, "secret");
		assert_int_equal(a.redirects, i / 2 == 2 ? 2 : 1);
		assert_non_null(strstr(a.url, "/end"));
	}
	peer_stop(&p);
}

static void credentials_are_dropped_for_good_when_the_port_changes(void **state)
{
	AUTO(http_loop_freep) struct http_loop *loop = NULL;
	AUTO(answer_clear) struct answer a = {.done = false}, b = {.done = false};
	AUTO_FREE char *away = NULL, *and_back = NULL, *other_host = NULL;
	struct peer home, other;

	(void)state;
	peer_start(&home, play, NULL);
	peer_start(&other, play, NULL);
	loop = loop_plain(&home, NULL);
	other_host = xasprintf("127.0.0.1:%u", other.port);
	assert_int_equal(
		http_host_set(loop, other_host, &(struct http_host_options){.plain = true}, NULL),
		0);
	away = xasprintf("/to?http://%s/end", other_host);
	and_back = xasprintf("/to?http://%s/to?http://127.0.0.1:%u/end", other_host, home.port);
	start(loop, &home, away, follow, &a);
	start(loop, &home, and_back, follow, &b);
	await(loop, &a, 1);
	await(loop, &b, 1);
	assert_string_equal(a.marked, "none");
	assert_string_equal(b.marked, "none");
	assert_int_equal(b.redirects, 2);
	peer_stop(&home);
	peer_stop(&other);
}

static void forbidden_redirects_are_refused(void **state)
{
	static const char *const paths[] = {
		"/to?file:///etc/passwd",
		"/to?ftp://127.0.0.1/x",
		"/to?http://127.0.0.1:9/x", /* not configured as plain */
		"/to?http://u:p@127.0.0.1/x",
		"/to?https://",
	};
	AUTO(http_loop_freep) struct http_loop *loop = NULL;
	struct peer p;

	(void)state;
	peer_start(&p, play, NULL);
	loop = loop_plain(&p, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		AUTO(answer_clear) struct answer a = {.done = false};

		start(loop, &p, paths[i], follow, &a);
		await(loop, &a, 1);
		if (a.err.code != ERR_REMOTE)
			fail_msg("%s: %d %s", paths[i], a.status, error_text(&a.err));
	}
	assert_int_equal(atomic_load(&p.n_requests), ARRAY_SIZE(paths));
	peer_stop(&p);
}

static void play_circle(struct peer_conn *c)
{
	while (peer_hear(c))
		peer_say(c, "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n");
}

static void a_loop_of_redirects_ends_at_the_ceiling(void **state)
{
	AUTO(http_loop_freep) struct http_loop *loop = NULL;
	AUTO(answer_clear) struct answer a = {.done = false};
	struct peer p;

	(void)state;
	peer_start(&p, play_circle, NULL);
	loop = loop_plain(&p, NULL);
	start(loop, &p, "/", follow, &a);
	await(loop, &a, 1);
	assert_int_equal(a.err.code, ERR_REMOTE);
	assert_int_equal(atomic_load(&p.n_requests), HTTP_REDIRECTS_MAX + 1);
	peer_stop(&p);
}

static void without_leave_a_redirect_is_an_answer(void **state)
{
	static const struct http_request requests[] = {
		{.method = HTTP_GET},
		{.method = HTTP_POST, .max_redirects = 5},
		{.method = HTTP_PUT, .max_redirects = 5, .body = "x", .body_size = 1},
	};
	AUTO(http_loop_freep) struct http_loop *loop = NULL;
	struct peer p;

	(void)state;
	peer_start(&p, play, NULL);
	loop = loop_plain(&p, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		AUTO(answer_clear) struct answer a = {.done = false};

		start(loop, &p, "/code?307", requests[i], &a);
		await(loop, &a, 1);
		assert_null(a.err.msg);
		assert_int_equal(a.status, 307);
		assert_int_equal(a.redirects, 0);
	}
	peer_stop(&p);
}

static void https_never_leads_to_plain_http(void **state)
{
	AUTO(http_loop_freep) struct http_loop *loop = NULL;
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct fields fields = {.text = BUF_INIT(1024)};
	struct http_call call = {.request.max_redirects = 1, .response.headers = &fields};
	static const char line[] = "Location: http://plain.example/x\r\n";

	(void)state;
	assert_int_equal(http_loop_new(&(struct http_loop_options){.proxy = ""}, &loop, NULL), 0);
	assert_int_equal(
		http_host_set(
			loop, "plain.example", &(struct http_host_options){.plain = true}, NULL),
		0);
	call.loop = loop;
	assert_int_equal(fields_add(&fields, line, strlen(line), NULL), 0);
	assert_int_equal(url_parse("https://plain.example/x", &call.url, NULL), 0);
	assert_int_equal(redirect_step(&call, &err), -ERR_REMOTE);
	assert_string_equal(call.url.text, "https://plain.example/x");
	url_clear(&call.url);
	assert_int_equal(url_parse("http://first.example/x", &call.url, NULL), 0);
	assert_int_equal(redirect_step(&call, &err), 0);
	assert_string_equal(call.url.text, "http://plain.example/x");
	url_clear(&call.url);
	buf_clear(&fields.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			relative_and_absolute_locations_are_followed_with_credentials_at_home),
		cmocka_unit_test(credentials_are_dropped_for_good_when_the_port_changes),
		cmocka_unit_test(forbidden_redirects_are_refused),
		cmocka_unit_test(a_loop_of_redirects_ends_at_the_ceiling),
		cmocka_unit_test(without_leave_a_redirect_is_an_answer),
		cmocka_unit_test(https_never_leads_to_plain_http),
	};

	return cmocka_run_group_tests_name("http/redirect", tests, NULL, NULL);
}
