#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "registry/link.h"

static void the_next_page_is_found_among_the_links(void **state)
{
	static const struct {
		const char *value, *next;
	} cases[] = {
		{"</v2/x/tags/list?n=2&last=b>; rel=\"next\"", "/v2/x/tags/list?n=2&last=b"},
		{"<https://h/a,b;c>;rel=next", "https://h/a,b;c"},
		{"<a>; rel=\"prev\", <b>; rel=\"next\"", "b"},
		{"<a>; rel=\"last NEXT first\"", "a"},
		{"<a>; title=\"x, <y>; rel=next\"; rel=\"next\"", "a"},
		{"<a> ; REL = \"next\" , ", "a"},
		{" , <a>;crossorigin;rel=next", "a"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_FREE char *next = NULL;

		assert_int_equal(link_next(cases[i].value, &next, NULL), 0);
		assert_non_null(next);
		assert_string_equal(next, cases[i].next);
	}
}

static void links_of_other_relations_are_no_next_page(void **state)
{
	static const char *const cases[] = {
		"",
		"<a>",
		"<a>; rel=\"prev\"",
		"<a>; rel=\"nextish\"",
		"<a>; rel=\"prev\"; rel=\"next\"", /* the first one counts */
		"<a>; rev=\"next\"",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_FREE char *next = strdup("untouched");
		char *before = next, *got = NULL;

		assert_int_equal(link_next(cases[i], &got, NULL), 0);
		assert_null(got);
		assert_ptr_equal(next, before);
	}
}

static void a_link_that_cannot_be_read_is_an_error_not_the_last_page(void **state)
{
	static const char *const cases[] = {
		"/v2/x/tags/list?last=b; rel=\"next\"",
		"<never ends; rel=\"next\"",
		"<>; rel=\"next\"",
		"<a b>; rel=\"next\"",
		"<a>; rel=\"next",
		"<a> rel=\"next\"",
		"<a>; rel=",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(error_clear) struct error err = ERROR_INIT;
		char *next = NULL;

		assert_int_equal(link_next(cases[i], &next, &err), -ERR_REMOTE);
		assert_null(next);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_next_page_is_found_among_the_links),
		cmocka_unit_test(links_of_other_relations_are_no_next_page),
		cmocka_unit_test(a_link_that_cannot_be_read_is_an_error_not_the_last_page),
	};

	return cmocka_run_group_tests_name("registry/link", tests, NULL, NULL);
}
