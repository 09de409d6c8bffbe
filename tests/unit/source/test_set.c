#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "source/source.h"
#include "util/mem.h"

static void a_repository_is_found_under_prefix_and_naming_rule(void **state)
{
	static const struct {
		const char *prefix;
		bool flat;
		const char *repository, *want;
	} cases[] = {
		{"", false, "coredns/coredns", "coredns/coredns"},
		{"", true, "coredns/coredns", "coredns"},
		{"google_containers", false, "pause", "google_containers/pause"},
		{"google_containers", true, "coredns/coredns", "google_containers/coredns"},
		{"google_containers", true, "pause", "google_containers/pause"},
		{"a/b", true, "c/d/e", "a/b/e"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_FREE char *prefix = xstrdup(cases[i].prefix);
		const struct source s = {.prefix = prefix, .flat = cases[i].flat};
		AUTO_FREE char *got = source_repository(&s, cases[i].repository);

		assert_string_equal(got, cases[i].want);
	}
}

static void a_set_copies_the_text_of_its_sources(void **state)
{
	AUTO(source_set_freep) struct source_set *set = source_set_new("k8s");
	char name[] = "mirror.example", prefix[] = "x";
	const struct source mirror = {.name = name, .prefix = prefix, .resolve = true};
	const struct source authority = {.name = name, .authority = true};

	(void)state;
	assert_int_equal(source_set_add(set, &mirror, NULL), 0);
	assert_int_equal(source_set_add(set, &authority, NULL), 0);
	name[0] = prefix[0] = '!';
	assert_string_equal(set->name, "k8s");
	assert_string_equal(set->items[0].name, "mirror.example");
	assert_string_equal(set->items[0].prefix, "x");
	assert_string_equal(set->items[1].prefix, "");
	assert_true(set->items[0].resolve);
	assert_int_equal(set->authority, 1);
}

static void a_second_authority_is_refused(void **state)
{
	AUTO(source_set_freep) struct source_set *set = source_set_new("k8s");
	AUTO(error_clear) struct error err = ERROR_INIT;
	char name[] = "a.example";
	const struct source authority = {.name = name, .authority = true};

	(void)state;
	assert_int_equal(source_set_add(set, &authority, NULL), 0);
	assert_int_equal(source_set_add(set, &authority, &err), -ERR_USAGE);
	assert_string_equal(error_text(&err), "upstream 'k8s' has two authorities");
	assert_int_equal(set->n, 1);
}

static void a_set_has_a_ceiling(void **state)
{
	AUTO(source_set_freep) struct source_set *set = source_set_new("k8s");
	AUTO(error_clear) struct error err = ERROR_INIT;
	char name[] = "m.example";
	const struct source mirror = {.name = name};

	(void)state;
	for (size_t i = 0; i < SOURCES_MAX; i++)
		assert_int_equal(source_set_add(set, &mirror, NULL), 0);
	assert_int_equal(source_set_add(set, &mirror, &err), -ERR_USAGE);
	assert_string_equal(error_text(&err), "upstream 'k8s' has more than 32 sources");
	assert_int_equal(set->n, SOURCES_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_repository_is_found_under_prefix_and_naming_rule),
		cmocka_unit_test(a_set_copies_the_text_of_its_sources),
		cmocka_unit_test(a_second_authority_is_refused),
		cmocka_unit_test(a_set_has_a_ceiling),
	};

	return cmocka_run_group_tests_name("source/set", tests, NULL, NULL);
}
