#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "util/mem.h"

static void nothing_asked_for_is_still_an_allocation(void **state)
{
	AUTO_FREE void *a = xmalloc(0);
	AUTO_FREE void *b = xcalloc(0, 8);
	AUTO_FREE void *c = xmemdup(NULL, 0);

	(void)state;
	assert_non_null(a);
	assert_non_null(b);
	assert_non_null(c);
}

static void copies_of_text_end_where_they_should(void **state)
{
	AUTO_FREE char *whole = xstrdup("registry");
	AUTO_FREE char *part = xstrndup("registry", 3);
	AUTO_FREE char *rest = xstrndup("reg", 100);
	AUTO_FREE char *made = xasprintf("%s:%d", "v", 7);

	(void)state;
	assert_string_equal(whole, "registry");
	assert_string_equal(part, "reg");
	assert_string_equal(rest, "reg");
	assert_string_equal(made, "v:7");
	assert_null(xstrdup(NULL));
}

static void an_array_grows_only_when_full_and_keeps_its_elements(void **state)
{
	size_t cap = 0, n = 0;
	int *list = NULL;

	(void)state;
	for (int i = 0; i < 100; i++) {
		size_t before = cap;

		list = array_grow(list, n, &cap, sizeof(*list));
		assert_true(cap == before || n == before);
		list[n++] = i;
	}
	for (int i = 0; i < 100; i++)
		assert_int_equal(list[i], i);
	assert_int_equal(cap, 128);
	free(list);
}

static void text_can_be_replaced_by_a_part_of_itself(void **state)
{
	char *s = xstrdup("docker.io/library/alpine");

	(void)state;
	str_replace(&s, s + 10);
	assert_string_equal(s, "library/alpine");
	str_replace(&s, NULL);
	assert_null(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_asked_for_is_still_an_allocation),
		cmocka_unit_test(copies_of_text_end_where_they_should),
		cmocka_unit_test(an_array_grows_only_when_full_and_keeps_its_elements),
		cmocka_unit_test(text_can_be_replaced_by_a_part_of_itself),
	};

	return cmocka_run_group_tests_name("util/mem", tests, NULL, NULL);
}
