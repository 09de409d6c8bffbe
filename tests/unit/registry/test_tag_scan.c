#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "registry/tag_scan.h"

#define NAMES_MAX 4096 /* bytes */

/* Feeds the page in pieces of `step` bytes and joins the tags with spaces. */
static int scan(const char *page, size_t step, char *ret, size_t room, struct error *err)
{
	AUTO(tag_scan_clear) struct tag_scan s;
	const size_t len = strlen(page);
	size_t n = 0;
	int rc = 0;

	tag_scan_init(&s, NAMES_MAX);
	for (size_t i = 0; i < len && rc == 0; i += step)
		rc = tag_scan_feed(&s, page + i, len - i < step ? len - i : step, err);
	if (rc == 0)
		rc = tag_scan_finish(&s, err);
	for (size_t i = 0; i < s.names.len && n + 1 < room; i++)
		ret[n++] = s.names.data[i] ? s.names.data[i] : ' ';
	ret[n] = '\0';
	return rc;
}

static void tags_are_found_however_the_page_is_cut(void **state)
{
	static const struct {
		const char *page, *tags;
	} cases[] = {
		{"{\"name\":\"x\",\"tags\":[\"a\",\"b.1\",\"_c-2\"]}", "a b.1 _c-2 "},
		{" {\n \"tags\" : [ \"a\" , \"b\" ] , \"name\" : \"x\" }\n", "a b "},
		{"{\"tags\":[]}", ""},
		{"{\"tags\":null}", ""},
		{"{\"tags\":[null,\"a\",null]}", "a "},
		{"{\"manifest\":{\"sha256:1\":{\"tags\":[\"inner\"],\"n\":[1,-2.5e3,true,false,null]}},\"child\":[],"
		 "\"tags\":[\"outer\"]}",
			"outer "},
		{"{\"x\":\"\\\"tags\\\":[\\u0041\",\"tags\":[\"a\"]}", "a "},
		{"{\"tags\":[\"ok\",\"not a tag\",\"\",\".dot\",\"a\\u0062\"]}", "ok "},
	};
	char tags[NAMES_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (size_t step = 1; step < 80; step += 13) {
			assert_int_equal(scan(cases[i].page, step, tags, sizeof(tags), NULL), 0);
			assert_string_equal(tags, cases[i].tags);
		}
}

static void a_page_that_is_no_tag_listing_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"<html></html>",
		"[]",
		"\"tags\"",
		"null",
		"{}",
		"{\"name\":\"x\"}",
		"{\"errors\":[]}",
		"{\"tags\":{}}",
		"{\"tags\":\"a\"}",
		"{\"tags\":1}",
		"{\"tags\":[1]}",
		"{\"tags\":[[\"a\"]]}",
		"{\"tags\":[{\"name\":\"a\"}]}",
		"{\"tags\":[\"a\"",
		"{\"tags\":[\"a\"]",
		"{\"tags\":[\"a\"]}}",
		"{\"tags\":[\"a\"]} x",
		"{\"tags\":[\"a\"],}",
		"{\"tags\":[\"a\" \"b\"]}",
		"{\"tags\":[\"a\",]}",
		"{\"tags\" [\"a\"]}",
		"{\"tags\":[\"a\"],\"tags\":[\"b\"]}",
		"{\"tags\":[\"a\nb\"]}",
		"{\"tags\":[\"\\x\"]}",
		"{\"tags\":[\"\\u00g0\"]}",
		"{\"tags\":[nul]}",
		"{tags:[]}",
	};
	char tags[NAMES_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		AUTO(error_clear) struct error err = ERROR_INIT;

		assert_int_equal(scan(bad[i], 3, tags, sizeof(tags), &err), -ERR_REMOTE);
	}
}

static void deep_nesting_and_too_many_names_are_refused(void **state)
{
	char page[NAMES_MAX * 2], tags[NAMES_MAX];
	size_t n;

	(void)state;
	n = (size_t)snprintf(page, sizeof(page), "{\"x\":");
	memset(page + n, '[', TAG_SCAN_DEPTH_MAX);
	page[n + TAG_SCAN_DEPTH_MAX] = '\0';
	assert_int_equal(scan(page, 64, tags, sizeof(tags), NULL), -ERR_REMOTE);
	n = (size_t)snprintf(page, sizeof(page), "{\"tags\":[");
	while (n + 8 < sizeof(page))
		n += (size_t)snprintf(page + n, sizeof(page) - n, "\"aaa\",");
	assert_int_equal(scan(page, 64, tags, sizeof(tags), NULL), -ERR_REMOTE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tags_are_found_however_the_page_is_cut),
		cmocka_unit_test(a_page_that_is_no_tag_listing_is_refused),
		cmocka_unit_test(deep_nesting_and_too_many_names_are_refused),
	};

	return cmocka_run_group_tests_name("registry/tag_scan", tests, NULL, NULL);
}
