#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "select/range.h"

#define CASE_VERSIONS_MAX 6

static const struct {
	const char *range;
	const char *inside[CASE_VERSIONS_MAX], *outside[CASE_VERSIONS_MAX];
} cases[] = {
	{"1.2.3", {"1.2.3", "v1.2.3"}, {"1.2.2", "1.2.4", "1.2.3-rc.1"}},
	{"=v1.2.3", {"1.2.3"}, {"1.2.4"}},
	{"==1.2.3", {"1.2.3"}, {"1.2.4"}},
	{"1.2", {"1.2.0", "1.2.99"}, {"1.1.9", "1.3.0", "1.3.0-rc.1", "1.2.0-rc.1"}},
	{"=1.2", {"1.2.0", "1.2.99"}, {"1.1.9", "1.3.0"}},
	{"1.2.*", {"1.2.0", "1.2.99"}, {"1.1.9", "1.3.0"}},
	{"1.x", {"1.0.0", "1.99.0"}, {"0.9", "2"}},
	{"1.X.x", {"1.0.0", "1.99.0"}, {"0.9", "2"}},
	{"*", {"0.0.0", "99"}, {"1.0.0-rc.1"}},
	{"=x", {"0.0.0", "99"}, {"1.0.0-rc.1"}},
	{">=1.10", {"1.10", "1.11", "2"}, {"1.9.9", "1.2", "1.11.0-rc.1"}},
	{">= 1.10", {"1.10"}, {"1.9.9"}},
	{">1.2", {"1.3.0", "2"}, {"1.2.0", "1.2.5", "1.1"}},
	{">1.2.3", {"1.2.4", "2"}, {"1.2.3", "1.1"}},
	{"<1.2", {"1.1.9"}, {"1.2.0", "1.2.0-rc.1"}},
	{"<=1.2", {"1.1.9", "1.2.9"}, {"1.3.0"}},
	{"<=1.2.3", {"1.2.3"}, {"1.2.4"}},
	{"!=1.3", {"1.2.9", "1.4.0"}, {"1.3.0", "1.3.9"}},
	{"!=1.3.2", {"1.3.1", "1.3.3"}, {"1.3.2"}},
	{"^1.2.3", {"1.2.3", "1.9"}, {"1.2.2", "2.0.0", "2.0.0-rc.1"}},
	{"^1", {"1.0.0", "1.9"}, {"0.9", "2"}},
	{"^0.2.3", {"0.2.3", "0.2.9"}, {"0.2.2", "0.3.0", "1"}},
	{"^0.0.3", {"0.0.3"}, {"0.0.2", "0.0.4"}},
	{"^0.0", {"0.0.0", "0.0.9"}, {"0.1.0"}},
	{"^0", {"0.0.1", "0.9"}, {"1.0.0"}},
	{"~1.2.3", {"1.2.3", "1.2.9"}, {"1.2.2", "1.3.0"}},
	{"~1.2", {"1.2.0", "1.2.9"}, {"1.1.9", "1.3.0"}},
	{"~1", {"1.0.0", "1.9.0"}, {"2.0.0", "0.9"}},
	{"1.2 - 1.4", {"1.2.0", "1.4.9"}, {"1.1.9", "1.5.0"}},
	{"1.2.3 - 1.4.5", {"1.2.3", "1.4.5"}, {"1.2.2", "1.4.6"}},
	{">=1.10 <2 !=1.13", {"1.10", "1.12.9", "1.14"}, {"1.9", "1.13.1", "2.0"}},
	{">=1.10,<2 , !=1.13", {"1.10", "1.12.9", "1.14"}, {"1.9", "1.13.1", "2.0"}},
	{"1.2||3.x || >=5", {"1.2.5", "3.1", "5", "9"}, {"1.3", "2", "4.9"}},
	{">=1.2.3-rc.1", {"1.2.3-rc.1", "1.2.3-rc.2", "1.2.3", "2"}, {"1.2.3-beta", "1.3.0-rc.1"}},
	{"^1.2.3-rc.1 || 2", {"1.2.3-rc.2", "2.1"}, {"2.0.0-rc.1", "3"}},
	{"<1.2.3-rc.2", {"1.2.3-rc.1", "1.2.2"}, {"1.2.3-rc.2", "1.2.2-rc.1", "1.2.3"}},
	{"1.2-rc.1", {"1.2.0-rc.1"}, {"1.2.0", "1.2.1"}},
	{"!=1.2.3-rc.1", {"1.2.3-rc.2", "1.2.3"}, {"1.2.3-rc.1", "1.3.0-rc.1"}},
};

static void check(const char *range, const char *version, bool expected)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(range_freep) struct range *r = NULL;
	struct semver v;

	if (range_parse(range, &r, &err) < 0)
		fail_msg("%s", error_text(&err));
	assert_true(semver_parse(version, &v));
	if (range_has(r, &v) != expected)
		fail_msg("'%s' must %shave %s", range, expected ? "" : "not ", version);
}

static void a_range_has_the_versions_that_it_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		for (size_t j = 0; j < CASE_VERSIONS_MAX; j++) {
			if (cases[i].inside[j])
				check(cases[i].range, cases[i].inside[j], true);
			if (cases[i].outside[j])
				check(cases[i].range, cases[i].outside[j], false);
		}
	}
}

static void bad_ranges_are_refused_and_the_message_says_where(void **state)
{
	static const struct {
		const char *range, *says;
	} bad[] = {
		{"", "'': at offset 0: a version is missing"},
		{" , ", "a version is missing"},
		{">=", "at offset 2: a version is missing"},
		{"1 ||", "at offset 4: a version is missing"},
		{"|| 1", "at offset 0: a version is missing"},
		{"1.2 -", "at offset 5: a version is missing"},
		{">=1.10 <2x", "at offset 8: not a version"},
		{"1 || >=a", "at offset 7: not a version"},
		{"1.2.3.x", "not a version"},
		{"1.x.3", "not a version"},
		{"1.2-rc.x", "not a version"},
		{">=1<2", "not a version"},
		{"1.2 -1.4", "not a version"},
		{">1.2 - 1.4", "not a version"},
		{"1 | 2", "not a version"},
		{">=*", "a star stands only alone"},
		{"1 - *", "a star stands only alone"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		AUTO(error_clear) struct error err = ERROR_INIT;
		struct range *r = NULL;

		if (range_parse(bad[i].range, &r, &err) != -ERR_USAGE)
			fail_msg("'%s' was accepted", bad[i].range);
		if (!strstr(error_text(&err), bad[i].says))
			fail_msg("'%s': %s", bad[i].range, error_text(&err));
		assert_null(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_range_has_the_versions_that_it_says),
		cmocka_unit_test(bad_ranges_are_refused_and_the_message_says_where),
	};

	return cmocka_run_group_tests_name("select/range", tests, NULL, NULL);
}
