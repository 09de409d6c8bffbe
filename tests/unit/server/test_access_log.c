#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/access_log.h"
#include "util/mem.h"

static const struct access_line plain = {.time_sec = 1764003600,
	.peer = "192.0.2.1",
	.method = "GET",
	.path = "/v2/a/tags/list",
	.status = 200,
	.complete = true,
	.bytes_out = 1234,
	.ms = 5};

static void check(const struct access_line *l, const char *expected)
{
	AUTO(buf_clear) struct buf b = BUF_INIT(ACCESS_LINE_MAX);

	assert_int_equal(access_line_format(l, &b, NULL), 0);
	assert_string_equal(buf_text(&b), expected);
}

static void a_line_says_who_asked_what_and_got_what(void **state)
{
	struct access_line l = plain;

	(void)state;
	check(&l,
		"time=2025-11-24T17:00:00Z peer=192.0.2.1 method=\"GET\" path=\"/v2/a/tags/list\" "
		"status=200 complete=true in=0 out=1234 ms=5");
	l.user = "bob";
	l.agent = "containerd/1.7";
	l.bytes_in = 7;
	l.status = 0;
	l.complete = false;
	check(&l,
		"time=2025-11-24T17:00:00Z peer=192.0.2.1 user=\"bob\" method=\"GET\" "
		"path=\"/v2/a/tags/list\" status=0 complete=false in=7 out=1234 ms=5 "
		"agent=\"containerd/1.7\"");
}

static void no_client_can_write_a_line_of_its_own(void **state)
{
	struct access_line l = plain;

	(void)state;
	l.path = "/\n\" status=500 \\";
	l.agent = "\xc3\xa9\xff\x1b[31m\x7f\xe2\x80\xae";
	check(&l,
		"time=2025-11-24T17:00:00Z peer=192.0.2.1 method=\"GET\" "
		"path=\"/\\x0a\\\" status=500 \\\\\" status=200 complete=true in=0 out=1234 ms=5 "
		"agent=\"\xc3\xa9\\xff\\x1b[31m\\x7f\\xe2\\x80\\xae\"");
}

static void a_line_has_a_length(void **state)
{
	AUTO(buf_clear) struct buf b = BUF_INIT(ACCESS_LINE_MAX);
	AUTO_FREE char *rubbish = xcalloc(20001, 1);
	struct access_line l = plain;

	(void)state;
	memset(rubbish, 1, 20000);
	l.user = l.method = l.path = l.agent = rubbish;
	l.bytes_in = l.bytes_out = l.ms = UINT64_MAX;
	l.peer = "0123:4567:89ab:cdef:0123:4567:89ab:cdef";
	assert_int_equal(access_line_format(&l, &b, NULL), 0);
	assert_non_null(strstr(buf_text(&b), "\\x01...\" status="));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_says_who_asked_what_and_got_what),
		cmocka_unit_test(no_client_can_write_a_line_of_its_own),
		cmocka_unit_test(a_line_has_a_length),
	};

	return cmocka_run_group_tests_name("server/access_log", tests, NULL, NULL);
}
