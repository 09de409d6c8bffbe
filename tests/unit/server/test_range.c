#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/range.h"

#define HUGE "99999999999999999999999999"

static const struct {
	const char *text;
	uint64_t size;
	enum range_kind kind;
	uint64_t first, last;
} requests[] = {
	{"bytes=0-0", 100, RANGE_PART, 0, 0},
	{"bytes=0-99", 100, RANGE_PART, 0, 99},
	{"bytes=0-100", 100, RANGE_PART, 0, 99},
	{"bytes=10-", 100, RANGE_PART, 10, 99},
	{"bytes=99-", 100, RANGE_PART, 99, 99},
	{"bytes=-1", 100, RANGE_PART, 99, 99},
	{"bytes=-100", 100, RANGE_PART, 0, 99},
	{"bytes=-101", 100, RANGE_PART, 0, 99},
	{"bytes=0-" HUGE, 100, RANGE_PART, 0, 99},
	{"bytes=-" HUGE, 100, RANGE_PART, 0, 99},
	{"Bytes= 5-6 ", 100, RANGE_PART, 5, 6},
	{"bytes=100-", 100, RANGE_BEYOND, 0, 0},
	{"bytes=100-200", 100, RANGE_BEYOND, 0, 0},
	{"bytes=" HUGE "-", 100, RANGE_BEYOND, 0, 0},
	{"bytes=-0", 100, RANGE_BEYOND, 0, 0},
	{"bytes=5-4", 100, RANGE_BEYOND, 0, 0},
	{"bytes=0-", 0, RANGE_BEYOND, 0, 0},
	{"bytes=-5", 0, RANGE_BEYOND, 0, 0},
	{"bytes=0-0", 0, RANGE_BEYOND, 0, 0},
	{NULL, 100, RANGE_NONE, 0, 0},
	{"", 100, RANGE_NONE, 0, 0},
	{"bytes", 100, RANGE_NONE, 0, 0},
	{"bytes=", 100, RANGE_NONE, 0, 0},
	{"bytes=-", 100, RANGE_NONE, 0, 0},
	{"bytes=5", 100, RANGE_NONE, 0, 0},
	{"bytes=0-1,3-4", 100, RANGE_NONE, 0, 0},
	{"bytes=0-1,", 100, RANGE_NONE, 0, 0},
	{"bytes=a-b", 100, RANGE_NONE, 0, 0},
	{"bytes=0-1x", 100, RANGE_NONE, 0, 0},
	{"bytes=+1-2", 100, RANGE_NONE, 0, 0},
	{"bytes=--1", 100, RANGE_NONE, 0, 0},
	{"bytes 0-1", 100, RANGE_NONE, 0, 0},
	{"lines=0-1", 100, RANGE_NONE, 0, 0},
};

static void a_request_asks_for_a_part_or_for_all(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++) {
		struct range r = {.first = 0, .last = 0};
		enum range_kind k = range_of_request(requests[i].text, requests[i].size, &r);

		if (k != requests[i].kind || r.first != requests[i].first ||
			r.last != requests[i].last)
			fail_msg("%s: %d", requests[i].text, (int)k);
	}
}

static const struct {
	const char *text;
	bool valid;
	uint64_t first, last;
} pieces[] = {
	{"0-0", true, 0, 0},
	{"0-99", true, 0, 99},
	{"100-18446744073709551614", true, 100, UINT64_MAX - 1},
	{"bytes 0-99/100", true, 0, 99},
	{"bytes 0-99/*", true, 0, 99},
	{"bytes 0-99", true, 0, 99},
	{"bytes=0-99", true, 0, 99},
	{"0-99/*", true, 0, 99},
	{" 5-6 ", true, 5, 6},
	{"", false, 0, 0},
	{"0", false, 0, 0},
	{"0-", false, 0, 0},
	{"-5", false, 0, 0},
	{"5-4", false, 0, 0},
	{"0-99/99", false, 0, 0},
	{"0-99/x", false, 0, 0},
	{"0-99x", false, 0, 0},
	{"a-b", false, 0, 0},
	{"bytes */100", false, 0, 0},
	{"0-1,2-3", false, 0, 0},
	{"0-" HUGE, false, 0, 0},
	{HUGE "-" HUGE, false, 0, 0},
	{"0x0-0x5", false, 0, 0},
};

static void a_piece_says_where_it_belongs(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
		AUTO(error_clear) struct error err = ERROR_INIT;
		struct range r = {.first = 0, .last = 0};
		int rc = range_of_piece(pieces[i].text, &r, &err);

		if (rc != (pieces[i].valid ? 0 : -ERR_USAGE) || r.first != pieces[i].first ||
			r.last != pieces[i].last)
			fail_msg("%s: %d", pieces[i].text, rc);
	}
}

static const struct {
	const char *list;
	bool matches;
} lists[] = {
	{NULL, false},
	{"", false},
	{"\"a\"", true},
	{"W/\"a\"", true},
	{"*", true},
	{" * ", true},
	{"\"b\", \"a\"", true},
	{"\"b\",W/\"c\" ,\t\"a\",\"d\"", true},
	{"\"b\"", false},
	{"\"ab\"", false},
	{"\"\"", false},
	{"a", false},
	{"\"a", false},
	{"\"b\" \"a\"", false},
	{"*, \"b\"", false},
	{"\"b,\\\"a\\\"\"", false},
};

static void a_condition_names_the_tag_or_does_not(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
		if (etag_matches(lists[i].list, "\"a\"") != lists[i].matches)
			fail_msg("%s", lists[i].list);
	assert_true(etag_matches("\"a\"", "W/\"a\""));
	assert_true(if_range_holds(NULL, "\"a\""));
	assert_true(if_range_holds("\"a\"", "\"a\""));
	assert_false(if_range_holds("W/\"a\"", "\"a\""));
	assert_false(if_range_holds("Wed, 21 Oct 2015 07:28:00 GMT", "\"a\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_asks_for_a_part_or_for_all),
		cmocka_unit_test(a_piece_says_where_it_belongs),
		cmocka_unit_test(a_condition_names_the_tag_or_does_not),
	};

	return cmocka_run_group_tests_name("server/range", tests, NULL, NULL);
}
