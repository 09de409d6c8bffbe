#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/url.h"
#include "util/mem.h"

static void urls_are_normalised_into_their_parts(void **state)
{
	static const struct {
		const char *text, *scheme, *host, *target, *normal;
		unsigned port;
	} cases[] = {
		{"https://Registry.K8s.io/v2/",
			"https",
			"registry.k8s.io",
			"/v2/",
			"https://registry.k8s.io/v2/",
			443},
		{"https://h:443", "https", "h", "/", "https://h/", 443},
		{"http://h:443/a", "http", "h", "/a", "http://h:443/a", 443},
		{"HTTP://h:80/a?b=c%3D&d", "http", "h", "/a?b=c%3D&d", "http://h/a?b=c%3D&d", 80},
		{"https://[::1]:5000/x", "https", "[::1]", "/x", "https://[::1]:5000/x", 5000},
		{"https://h/a#frag", "https", "h", "/a", "https://h/a", 443},
		{"https://h?q=1", "https", "h", "/?q=1", "https://h/?q=1", 443},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(error_clear) struct error err = ERROR_INIT;
		AUTO(url_clear) struct url u = URL_INIT;

		if (url_parse(cases[i].text, &u, &err) < 0)
			fail_msg("%s", error_text(&err));
		assert_string_equal(u.scheme, cases[i].scheme);
		assert_string_equal(u.host, cases[i].host);
		assert_string_equal(u.target, cases[i].target);
		assert_string_equal(u.text, cases[i].normal);
		assert_int_equal(u.port, cases[i].port);
	}
}

static void what_is_no_safe_http_url_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"registry.k8s.io/v2/",
		"/v2/",
		"ftp://h/",
		"file:///etc/passwd",
		"null://h/",
		"javascript:alert(1)",
		"https://",
		"https://user@h/",
		"https://user:secret@h/",
		"https://:secret@h/",
		"https://h:0/",
		"https://h:70000/",
		"https://h:x/",
		"https://h\r\n/",
		"https://h/a\r\nX: y",
		"https://a,b/",
		"https://h\x7f/",
		"https://h\xc3\xa9/",
		"https://[fe80::1%25eth0]/",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		AUTO(error_clear) struct error err = ERROR_INIT;
		AUTO(url_clear) struct url u = URL_INIT;

		if (url_parse(bad[i], &u, &err) != -ERR_REMOTE)
			fail_msg("'%s' was taken as '%s'", bad[i], u.text);
		assert_null(u.text);
		assert_null(strstr(err.msg, "secret"));
	}
}

static void a_url_longer_than_the_ceiling_is_refused(void **state)
{
	AUTO_FREE char *text = xasprintf("https://h/%0*d", (int)URL_MAX, 0);
	AUTO(url_clear) struct url u = URL_INIT, base = URL_INIT;

	(void)state;
	assert_int_equal(url_parse(text, &u, NULL), -ERR_REMOTE);
	text[URL_MAX] = '\0';
	assert_int_equal(url_parse(text, &u, NULL), 0);
	assert_int_equal(strlen(u.text), URL_MAX);
	assert_int_equal(url_parse("https://longer.example/", &base, NULL), 0);
	assert_int_equal(url_resolve(&base, text + strlen("https://h"), &base, NULL), -ERR_REMOTE);
}

static void references_resolve_as_rfc_3986_says(void **state)
{
	static const struct {
		const char *reference, *is; /* NULL: refused */
	} cases[] = {
		{"https://other/x", "https://other/x"},
		{"//other:5000/x", "https://other:5000/x"},
		{"/x?y=z%3D", "https://h:5000/x?y=z%3D"},
		{"x", "https://h:5000/v2/a/x"},
		{"host.example/x", "https://h:5000/v2/a/host.example/x"},
		{"../x", "https://h:5000/v2/x"},
		{"../../../x", "https://h:5000/x"},
		{"?n=2&last=b", "https://h:5000/v2/a/b?n=2&last=b"},
		{"/a b", "https://h:5000/a%20b"},
		{"http://h:5000/x", "http://h:5000/x"},
		{"file:///etc/passwd", NULL},
		{"ftp://h/", NULL},
		{"https://user:p@h/", NULL},
		{"https://", NULL},
	};
	AUTO(url_clear) struct url base = URL_INIT;

	(void)state;
	assert_int_equal(url_parse("https://h:5000/v2/a/b?q=1", &base, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(error_clear) struct error err = ERROR_INIT;
		AUTO(url_clear) struct url u = URL_INIT;
		int rc = url_resolve(&base, cases[i].reference, &u, &err);

		if (cases[i].is && rc == 0)
			assert_string_equal(u.text, cases[i].is);
		else if (rc == 0 || cases[i].is)
			fail_msg("%s: %s", cases[i].reference, rc ? err.msg : u.text);
	}
}

static void an_origin_is_scheme_host_and_port(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} cases[] = {
		{"https://h/a", "https://H:443/b?c", true},
		{"https://h/a", "http://h/a", false},
		{"https://h/a", "https://h:444/a", false},
		{"https://h/a", "https://h.example/a", false},
		{"http://h:5000/", "http://h:5000/x", true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(url_clear) struct url a = URL_INIT, b = URL_INIT;

		assert_int_equal(url_parse(cases[i].a, &a, NULL), 0);
		assert_int_equal(url_parse(cases[i].b, &b, NULL), 0);
		assert_int_equal(url_same_origin(&a, &b), cases[i].same);
	}
}

static void a_query_part_is_added_and_the_others_stay_as_they_are(void **state)
{
	static const char *const cases[][2] = {
		{"https://h/u", "https://h/u?digest=sha256%3Aab%2F~"},
		{"https://h/u?_state=x%3D%3D", "https://h/u?_state=x%3D%3D&digest=sha256%3Aab%2F~"},
		{"https://h/u?", "https://h/u?digest=sha256%3Aab%2F~"},
		{"https://h/u?a&", "https://h/u?a&digest=sha256%3Aab%2F~"},
		{"https://h/u#f?", "https://h/u?digest=sha256%3Aab%2F~#f?"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_FREE char *with = url_add_query(cases[i][0], "digest", "sha256:ab/~");

		assert_string_equal(with, cases[i][1]);
	}
}

static void redacted_text_has_no_query_no_user_and_no_control_characters(void **state)
{
	static const char *const cases[][2] = {
		{"https://h/a?X-Amz-Signature=s", "https://h/a?..."},
		{"https://h/a", "https://h/a"},
		{"https://u:p@h/a#x", "https://h/a"},
		{"https://h/a@b", "https://h/a@b"},
		{"u:p@h/a", "h/a"},
		{"h\n", "h\\x0a"},
		{"", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_FREE char *shown = url_redact(cases[i][0]);

		assert_string_equal(shown, cases[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls_are_normalised_into_their_parts),
		cmocka_unit_test(what_is_no_safe_http_url_is_refused),
		cmocka_unit_test(a_url_longer_than_the_ceiling_is_refused),
		cmocka_unit_test(references_resolve_as_rfc_3986_says),
		cmocka_unit_test(an_origin_is_scheme_host_and_port),
		cmocka_unit_test(a_query_part_is_added_and_the_others_stay_as_they_are),
		cmocka_unit_test(redacted_text_has_no_query_no_user_and_no_control_characters),
	};

	return cmocka_run_group_tests_name("http/url", tests, NULL, NULL);
}
