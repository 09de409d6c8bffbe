#include "server/httpd_check.h"

#include "scene.h"

/* ---- the fields alone ---- */

struct one {
	const char *fields; /* "Name:value|Name:value" */
	int status;
	bool chunked;
	int64_t length;
};

static const struct one http_1_1[] = {
	{"Host:h", 0, false, -1},
	{"host:h:5000|content-LENGTH:0", 0, false, 0},
	{"Host:[::1]:5000|Content-Length:123456789012345678", 0, false, 123456789012345678},
	{"Host:h|transfer-encoding:Chunked", 0, true, -1},
	{"Host:", 0, false, -1},
	{"Host:h|X:\tvalue with spaces, and \xc3\xa9", 0, false, -1},
	/* RFC 9112 section 3.2 */
	{"X:y", 400, false, -1},
	{"Host:h|Host:h", 400, false, -1},
	{"Host:a b", 400, false, -1},
	{"Host:a,b", 400, false, -1},
	{"Host:a/b", 400, false, -1},
	{"Host:u@h", 400, false, -1},
	/* sections 6.1 and 6.3 */
	{"Host:h|Content-Length:5|Transfer-Encoding:chunked", 400, false, -1},
	{"Host:h|Transfer-Encoding:chunked|Content-Length:0", 400, false, -1},
	{"Host:h|Content-Length:5|Content-Length:5", 400, false, -1},
	{"Host:h|Content-Length:5|Content-Length:6", 400, false, -1},
	{"Host:h|Content-Length:5, 5", 400, false, -1},
	{"Host:h|Content-Length:+5", 400, false, -1},
	{"Host:h|Content-Length:-1", 400, false, -1},
	{"Host:h|Content-Length:5 ", 400, false, -1},
	{"Host:h|Content-Length:0x5", 400, false, -1},
	{"Host:h|Content-Length:", 400, false, -1},
	{"Host:h|Content-Length:1234567890123456789", 400, false, -1},
	{"Host:h|Transfer-Encoding:chunked|Transfer-Encoding:chunked", 400, false, -1},
	{"Host:h|Transfer-Encoding:gzip, chunked", 501, false, -1},
	{"Host:h|Transfer-Encoding:xchunked", 501, false, -1},
	{"Host:h|Transfer-Encoding:chunked ", 501, false, -1},
	{"Host:h|Transfer-Encoding:identity", 501, false, -1},
	{"Host:h|Transfer-Encoding:", 501, false, -1},
	/* RFC 9110 sections 5.1 and 5.5 */
	{"Host:h|Content-Length :5", 400, false, -1},
	{"Host:h| X:y", 400, false, -1},
	{"Host:h|X\x01:y", 400, false, -1},
	{"Host:h|:y", 400, false, -1},
	{"Host:h|X:a\rb", 400, false, -1},
	{"Host:h|X:a\x7f", 400, false, -1},
	{"Host:h|X:a\x0b", 400, false, -1},
};

static const struct one http_1_0[] = {
	{"X:y", 0, false, -1},
	{"Content-Length:7", 0, false, 7},
	{"Transfer-Encoding:chunked", 400, false, -1},
	{"Host:h|Host:h", 400, false, -1},
};

static struct httpd_framing check_text(const char *fields, bool http_1_1_)
{
	struct httpd_field list[HTTPD_FIELDS_MAX];
	AUTO_FREE char *text = xstrdup(fields);
	size_t n = 0;

	for (char *p = text, *next; p; p = next) {
		next = strchr(p, '|');
		if (next)
			*next++ = '\0';
		list[n].name = p;
		p = strchr(p, ':');
		*p = '\0';
		list[n++].value = p + 1;
	}
	return httpd_check_fields(list, n, http_1_1_);
}

static void check_all(const struct one *all, size_t n, bool http_1_1_)
{
	for (size_t i = 0; i < n; i++) {
		struct httpd_framing f = check_text(all[i].fields, http_1_1_);

		if (f.status != all[i].status || f.chunked != all[i].chunked ||
			f.length != all[i].length || (f.status != 0) != (f.why != NULL))
			fail_msg("%s: %d %s", all[i].fields, f.status, f.why);
	}
}

static void a_request_that_can_be_read_in_two_ways_is_refused(void **state)
{
	(void)state;
	check_all(http_1_1, ARRAY_SIZE(http_1_1), true);
	check_all(http_1_0, ARRAY_SIZE(http_1_0), false);
}

static void fields_are_counted(void **state)
{
	struct httpd_field list[HTTPD_FIELDS_MAX + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(list); i++)
		list[i] = (struct httpd_field){.name = i == 0 ? "Host" : "X", .value = "y"};
	assert_int_equal(httpd_check_fields(list, HTTPD_FIELDS_MAX, true).status, 0);
	assert_int_equal(httpd_check_fields(list, HTTPD_FIELDS_MAX + 1, true).status, 431);
}

static void lines_stand_behind_one_another(void **state)
{
	/* As a parser leaves them: each colon, CR and LF is a NUL. */
	static const char good[] = "HTTP/1.1\0\0Host\0h\0\0X\0  y\0\0\0";
	static const char folded[] = "HTTP/1.1\0\0Host\0h\0\0 i\0\0X\0y\0\0\0";
	static const char bare[] = "HTTP/1.1\0\0Host\0h\0X\0  y\0\0\0";
	const struct httpd_field in_good[] = {{good + 10, good + 15}, {good + 18, good + 22}};
	const struct httpd_field in_folded[] = {
		{folded + 10, folded + 15}, {folded + 22, folded + 24}};
	const struct httpd_field in_bare[] = {{bare + 10, bare + 15}, {bare + 17, bare + 21}};

	(void)state;
	assert_true(httpd_check_lines(good, in_good, 2, good + sizeof(good)));
	assert_false(httpd_check_lines(good, in_good, 2, good + sizeof(good) - 1));
	assert_false(httpd_check_lines(good, in_good, 1, good + sizeof(good)));
	assert_false(httpd_check_lines(folded, in_folded, 2, folded + sizeof(folded)));
	assert_false(httpd_check_lines(bare, in_bare, 2, bare + sizeof(bare)));
}

static void a_target_is_visible_and_has_no_end_inside(void **state)
{
	static const char *const wrong[] = {
		"", "/a b", "/a\tb", "/a\x01", "/a%00", "/?n=%00x", "/\x7f"};
	static const char *const right[] = {
		"/", "*", "/a%20b", "/%2e%2e/", "/a%0", "/a%0g", "/\xc3\xa9"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_false(httpd_check_target(wrong[i]));
	for (size_t i = 0; i < ARRAY_SIZE(right); i++)
		assert_true(httpd_check_target(right[i]));
}

/* ---- over the wire: whatever is refused is the last of its connection ---- */

#define INNER "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"

static const struct {
	const char *request;
	int status;
} smuggled[] = {
	{"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
	 "0\r\n\r\n" INNER,
		400},
	{"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nContent-Length: 38\r\n\r\n" INNER,
		400},
	{"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 0, 38\r\n\r\n" INNER, 400},
	{"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n" INNER, 400},
	{"PUT /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" INNER, 501},
	{"PUT /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" INNER,
		501},
	{"PUT /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n"
	 "0\r\n\r\n" INNER,
		400},
	{"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length : 38\r\n\r\n" INNER, 400},
	{"GET /x HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n" INNER, 400},
	{"GET /x HTTP/1.1\r\n\r\n" INNER, 400},
	{"GET /x%00 HTTP/1.1\r\nHost: h\r\n\r\n" INNER, 400},
	{"GET /x HTTP/1.1\r\nHost: h\r\nX: a\x01\r\n\r\n" INNER, 400},
	{"GET /x HTTP/1.1\r\nHost: h\r\nno colon\r\n\r\n" INNER, 400},
	{"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 38\r\n 0\r\n\r\n" INNER, 400},
	{"PUT /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" INNER,
		400},
	{"GET /x HTTP/1.1\r\nHost: h\r\nX: a\r\n\tb\r\n\r\n" INNER, 400},
	{"GET /x HTTP/1.1\nHost: h\n\n" INNER, 400},
	{"GET /x HTTP/1.1\r\nHost: h\nX: y\r\n\r\n" INNER, 400},
	{"GET /x HTTP/1.1\r\nHost: h\r\n\n" INNER, 400},
	{"GET /x HTTP/2.0\r\nHost: h\r\n\r\n" INNER, 505},
	{"PUT /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5x\r\nabcde\r\n" INNER,
		400},
	{"PUT /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcdeX\r\n" INNER,
		400},
	{"PUT /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
	 "fffffffffffffffff\r\n" INNER,
		413},
};

/* What still comes, up to the end of the connection; false: there is none. */
static bool hear_the_end(int fd, char *to, size_t room)
{
	size_t len = 0;
	ssize_t n = 1;

	while (n > 0 && len < room - 1) {
		n = recv(fd, to + len, room - 1 - len, 0);
		len += n > 0 ? (size_t)n : 0;
	}
	to[len] = '\0';
	return n == 0 || (n < 0 && errno == ECONNRESET);
}

static void nothing_is_served_behind_a_request_that_was_refused(void **state)
{
	char rest[4096];
	struct scene s;
	struct reply r;
	int fd;

	(void)state;
	scene_start(&s, (struct httpd_options){.listen = NULL});
	for (size_t i = 0; i < ARRAY_SIZE(smuggled); i++) {
		fd = scene_connect(&s);
		assert_true(wire_say(fd, "%s", smuggled[i].request));
		wire_hear(fd, &r, false);
		if (r.status != smuggled[i].status)
			fail_msg("%s\n-> %s", smuggled[i].request, r.head);
		assert_string_equal(wire_field(&r, "Connection"), "close");
		/* libmicrohttpd 0.9.75 has the header of its own refusals twice. */
		if (!hear_the_end(fd, rest, sizeof(rest)))
			fail_msg("%s\n: the connection goes on", smuggled[i].request);
		if (strstr(rest, " 200 OK"))
			fail_msg("%s\n-> behind it: %s", smuggled[i].request, rest);
		(void)close(fd);
	}
	scene_stop(&s);
	/* Only the three with a malformed chunk came as far as the handler, for themselves. */
	assert_int_equal(atomic_load(&s.begun), 3);
	assert_int_equal(atomic_load(&s.complete), 0);
}

static void rubbish_is_answered_or_cut_and_the_next_client_served(void **state)
{
	static const char *const rubbish[] = {"\r\n\r\n\r\n",
		"GET\r\n\r\n",
		"\n",
		" \r\n\r\n",
		"GET /x\r\n\r\n",
		"\x80\x81\x82\n\n",
		"SSH-2.0-x\r\n",
		"* * *\r\n\r\n",
		"GET /x HTTP/1.1 HTTP/1.1\r\n\r\n"};
	struct scene s;
	struct reply r;
	int fd;

	(void)state;
	scene_start(&s, (struct httpd_options){.listen = NULL});
	for (size_t i = 0; i < ARRAY_SIZE(rubbish); i++) {
		fd = scene_connect(&s);
		assert_true(wire_say(fd, "%s", rubbish[i]));
		(void)shutdown(fd, SHUT_WR);
		wire_hear(fd, &r, false);
		assert_true(r.status == 0 || r.status >= 400);
		(void)close(fd);
	}
	fd = scene_connect(&s);
	assert_int_equal(wire_ask(fd, &r, INNER)->status, 200);
	(void)close(fd);
	scene_stop(&s);
	assert_int_equal(atomic_load(&s.begun), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_that_can_be_read_in_two_ways_is_refused),
		cmocka_unit_test(fields_are_counted),
		cmocka_unit_test(lines_stand_behind_one_another),
		cmocka_unit_test(a_target_is_visible_and_has_no_end_inside),
		cmocka_unit_test(nothing_is_served_behind_a_request_that_was_refused),
		cmocka_unit_test(rubbish_is_answered_or_cut_and_the_next_client_served),
	};

	return cmocka_run_group_tests_name("server/httpd_check", tests, NULL, NULL);
}
