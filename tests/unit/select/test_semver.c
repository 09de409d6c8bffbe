#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "select/semver.h"
#include "util/compiler.h"

static struct semver parse(const char *s)
{
	struct semver v = {0};

	if (!semver_parse(s, &v))
		fail_msg("'%s' is no version", s);
	return v;
}

static void missing_numbers_are_zero_and_a_leading_v_is_ignored(void **state)
{
	static const struct {
		const char *text, *same;
		unsigned n_numbers;
	} cases[] = {
		{"1.2.3", "v1.2.3", 3},
		{"3.9", "3.9.0", 2},
		{"v7", "7.0.0", 1},
		{"3.9-alpine", "3.9.0-alpine", 2},
		{"1.2.3+build.007", "1.2.3", 3},
		{"0.0.0-a.0.--", "0.0.0-a.0.--+x", 3},
		{"999999999999999999.0.1", "999999999999999999.0.1", 3},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct semver a = parse(cases[i].text), b = parse(cases[i].same);

		assert_int_equal(semver_compare(&a, &b), 0);
		assert_int_equal(a.n_numbers, cases[i].n_numbers);
	}
}

static void what_is_no_version_is_refused_and_leaves_the_result_alone(void **state)
{
	static const char *const bad[] = {
		"",
		"v",
		"latest",
		"V1",
		"vv1",
		"1.",
		".1",
		"1..2",
		"1.2.3.4",
		"22.04",
		"01",
		"1.2.3-",
		"1.2.3-a..b",
		"1.2.3-01",
		"1.2.3-a_b",
		"1.2.3+",
		"1.2.3+a+b",
		"1.2.3 ",
		" 1",
		"-1",
		"1x",
		"1000000000000000000",
		"99999999999999999999999999999999999999999999",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct semver v = {.major = 42};

		if (semver_parse(bad[i], &v))
			fail_msg("'%s' was accepted", bad[i]);
		assert_int_equal(v.major, 42);
	}
}

static void versions_stand_in_the_order_of_the_specification(void **state)
{
	/* SemVer 2, items 11.2 to 11.4, and numbers beyond 64 bits. */
	static const char *const ascending[] = {
		"0.0.1",
		"0.1",
		"1.0.0-1",
		"1.0.0-2",
		"1.0.0-10",
		"1.0.0-99999999999999999999998",
		"1.0.0-99999999999999999999999",
		"1.0.0-alpha",
		"1.0.0-alpha.1",
		"1.0.0-alpha.beta",
		"1.0.0-alpha1",
		"1.0.0-beta",
		"1.0.0-beta.2",
		"1.0.0-beta.11",
		"1.0.0-rc.1",
		"1.0.0",
		"1.0.1",
		"v1.9",
		"1.10",
		"2",
		"2.1.1",
		"10",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ascending); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(ascending); j++) {
			struct semver a = parse(ascending[i]), b = parse(ascending[j]);
			int order = semver_compare(&a, &b);

			if ((order > 0) - (order < 0) != (i > j) - (i < j))
				fail_msg("%s and %s: %d", ascending[i], ascending[j], order);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(missing_numbers_are_zero_and_a_leading_v_is_ignored),
		cmocka_unit_test(what_is_no_version_is_refused_and_leaves_the_result_alone),
		cmocka_unit_test(versions_stand_in_the_order_of_the_specification),
	};

	return cmocka_run_group_tests_name("select/semver", tests, NULL, NULL);
}
