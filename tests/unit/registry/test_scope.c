#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "registry/scope.h"
#include "util/mem.h"

static void assert_key(const struct scope_set *set, const char *want)
{
	AUTO_FREE char *key = scope_key(set);

	assert_string_equal(key, want);
}

static void actions_of_one_repository_are_merged_and_sorted(void **state)
{
	struct scope_set set = {.n = 0};

	(void)state;
	assert_true(scope_add(&set, "repository:x/y:push,pull"));
	assert_key(&set, "repository:x/y:pull,push");
	assert_false(scope_add(&set, "repository:x/y:pull"));
	assert_true(scope_add(&set, "repository:x/y:delete,pull,,pull"));
	assert_key(&set, "repository:x/y:delete,pull,push");
	assert_int_equal(set.n, 1);
}

static void the_same_set_has_the_same_key_in_whatever_order(void **state)
{
	struct scope_set a = {.n = 0}, b = {.n = 0};

	(void)state;
	assert_true(scope_add(&a, "repository:x:pull repository:y:pull"));
	assert_true(scope_add(&b, "repository:y:pull"));
	assert_true(scope_add(&b, "repository:x:pull"));
	assert_key(&a, "repository:x:pull repository:y:pull");
	assert_key(&b, "repository:x:pull repository:y:pull");
}

static void the_first_scope_stays_the_first_one(void **state)
{
	struct scope_set set = {.n = 0};

	(void)state;
	assert_true(scope_add(&set, "repository:z:pull,push repository:a:pull"));
	assert_string_equal(set.text[0], "repository:z:pull,push");
}

static void names_with_colons_and_scopes_without_are_kept(void **state)
{
	struct scope_set set = {.n = 0};

	(void)state;
	assert_true(scope_add(&set, "repository:host:5000/x:pull"));
	assert_true(scope_add(&set, "aws"));
	assert_true(scope_add(&set, "registry:catalog:*"));
	assert_false(scope_add(&set, "aws"));
	assert_key(&set, "aws registry:catalog:* repository:host:5000/x:pull");
}

static void what_is_malformed_or_too_much_is_left_out(void **state)
{
	char text[SCOPE_TEXT_MAX + 3];
	struct scope_set set = {.n = 0};

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_false(scope_add(&set, text));
	assert_false(scope_add(&set, "  "));
	assert_false(scope_add(
		&set, "repository:\"x\":pull repository:\x01:pull repository:\xc3\xa4:pull"));
	assert_int_equal(set.n, 0);
	for (unsigned i = 0; i < SCOPES_MAX; i++) {
		AUTO_FREE char *scope = xasprintf("repository:r%u:pull", i);

		assert_true(scope_add(&set, scope));
	}
	assert_false(scope_add(&set, "repository:one/too/many:pull"));
	assert_int_equal(set.n, SCOPES_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(actions_of_one_repository_are_merged_and_sorted),
		cmocka_unit_test(the_same_set_has_the_same_key_in_whatever_order),
		cmocka_unit_test(the_first_scope_stays_the_first_one),
		cmocka_unit_test(names_with_colons_and_scopes_without_are_kept),
		cmocka_unit_test(what_is_malformed_or_too_much_is_left_out),
	};

	return cmocka_run_group_tests_name("registry/scope", tests, NULL, NULL);
}
