#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "select/match.h"

struct example {
	const char *pattern, *name;
	bool matches;
};

static void check(
	int (*compile)(const char *, struct pattern **, struct error *), const struct example *e)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(pattern_freep) struct pattern *p = NULL;
	bool matches = false;

	if (compile(e->pattern, &p, &err) < 0 || pattern_match(p, e->name, &matches, &err) < 0)
		fail_msg("%s", error_text(&err));
	if (matches != e->matches)
		fail_msg("'%s' must %smatch '%s'", e->pattern, e->matches ? "" : "not ", e->name);
}

static void a_regular_expression_must_match_the_whole_name(void **state)
{
	static const struct example examples[] = {
		{"v1\\.\\d+", "v1.2", true},
		{"v1\\.\\d+", "v1.2.3", false},
		{"v1\\.\\d+", "xv1.2", false},
		{"a|ab", "ab", true},
		{"a|b", "ab", false},
		{"a$", "a\n", false},
		{".*-rc.*", "v1-rc2", true},
		{"(?i)LATEST", "latest", true},
		{"", "", true},
		{"", "a", false},
		{"a\nb", "a\nb", true},
		{"a.b", "a\nb", true},
		{"(?#.)\xff", "\xff", true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(examples); i++)
		check(pattern_regex, &examples[i]);
}

static void one_star_of_a_glob_stays_in_a_component_and_two_cross(void **state)
{
	static const struct example examples[] = {
		{"registry.corp.example/**", "registry.corp.example/a/b", true},
		{"registry.corp.example/**", "registryXcorp.example/a/b", false},
		{"registry.corp.example/**", "registry.corp.example", false},
		{"a/*", "a/b", true},
		{"a/*", "a/", true},
		{"a/*", "a/b/c", false},
		{"*/c", "a/c", true},
		{"**/c", "a/b/c", true},
		{"***/c", "a/b/c", true},
		{"a?c", "abc", true},
		{"a?c", "a/c", false},
		{"a?c", "ac", false},
		{"a\\Eb[c](d)|e^$+", "a\\Eb[c](d)|e^$+", true},
		{"\xc3\xbc*",
			"\xc3\xbc"
			"x",
			true},
		{"", "", true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(examples); i++)
		check(pattern_glob, &examples[i]);
}

static void a_bad_expression_is_refused_with_its_offset(void **state)
{
	static const struct {
		const char *regex, *says;
	} bad[] = {
		{"v1.(", "'v1.(': at offset 4: missing closing parenthesis"},
		{"ab[c", "at offset 4"},
		{"*a", "at offset 0"},
		{"((a{1000}){1000}){1000}", "too large"},
		{"(*UTF)a", "UTF"},
		{"\\C", "\\C"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		AUTO(error_clear) struct error err = ERROR_INIT;
		struct pattern *p = NULL;

		assert_int_equal(pattern_regex(bad[i].regex, &p, &err), -ERR_USAGE);
		if (!strstr(error_text(&err), bad[i].says))
			fail_msg("'%s': %s", bad[i].regex, error_text(&err));
		assert_null(p);
	}
}

static void a_pattern_longer_than_the_ceiling_is_refused(void **state)
{
	char text[PATTERN_TEXT_MAX + 2];
	struct pattern *p = NULL;

	(void)state;
	memset(text, '/', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(pattern_regex(text, &p, NULL), -ERR_USAGE);
	assert_int_equal(pattern_glob(text, &p, NULL), -ERR_USAGE);
	text[PATTERN_TEXT_MAX] = '\0';
	check(pattern_regex, &(struct example){text, text, true});
	check(pattern_glob, &(struct example){text, text, true});
}

static void an_explosive_expression_ends_in_an_error(void **state)
{
	static const char *const regexes[] = {
		"(a+)+$",
		"(a|aa)+$",
		"(a*)*[^a!]",
		"(?:a?){60}a{60}[^a!]",
		"(*LIMIT_MATCH=4000000000)(*LIMIT_DEPTH=4000000000)(a+)+$",
	};
	static const char name[] =
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!";

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(regexes); i++) {
		AUTO(error_clear) struct error err = ERROR_INIT;
		AUTO(pattern_freep) struct pattern *p = NULL;
		bool matches = true;
		int rc;

		assert_int_equal(pattern_regex(regexes[i], &p, &err), 0);
		rc = pattern_match(p, name, &matches, &err);
		if (rc != -ERR_USAGE)
			fail_msg("'%s' was answered", regexes[i]);
		assert_non_null(strstr(error_text(&err), "limit"));
		assert_true(matches);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_regular_expression_must_match_the_whole_name),
		cmocka_unit_test(one_star_of_a_glob_stays_in_a_component_and_two_cross),
		cmocka_unit_test(a_bad_expression_is_refused_with_its_offset),
		cmocka_unit_test(a_pattern_longer_than_the_ceiling_is_refused),
		cmocka_unit_test(an_explosive_expression_ends_in_an_error),
	};

	return cmocka_run_group_tests_name("select/match", tests, NULL, NULL);
}
