#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sync/plan.h"

#define NOW 1000000 /* seconds */
#define DAY 86400   /* seconds */

#define KNOWN                                      \
	{                                          \
		.remembered = true, .listed = true \
	}
#define DUE                                                         \
	{                                                           \
		.remembered = true, .listed = true, .confirm = true \
	}
#define UNLISTED                   \
	{                          \
		.remembered = true \
	}
#define FOREIGN                \
	{                      \
		.listed = true \
	}

static void what_is_asked_follows_from_what_is_known(void **state)
{
	static const struct {
		struct plan_facts facts[2];
		size_t n;
		bool immutable;
		enum plan_ask want;
	} cases[] = {
		{{KNOWN}, 1, true, PLAN_NOTHING},
		{{KNOWN}, 1, false, PLAN_HEAD},
		{{DUE}, 1, true, PLAN_HEAD},
		{{DUE}, 1, false, PLAN_HEAD},
		{{UNLISTED}, 1, true, PLAN_GET},
		{{FOREIGN}, 1, true, PLAN_GET},
		{{{.listed = false}}, 1, true, PLAN_GET},
		{{{.listed = false}}, 1, false, PLAN_GET},
		/* One target that lacks it is enough, whatever the others have. */
		{{KNOWN, KNOWN}, 2, true, PLAN_NOTHING},
		{{KNOWN, UNLISTED}, 2, true, PLAN_GET},
		{{FOREIGN, KNOWN}, 2, false, PLAN_GET},
		{{DUE, UNLISTED}, 2, true, PLAN_GET},
		{{KNOWN, DUE}, 2, true, PLAN_HEAD},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(
			plan_ask(cases[i].facts, cases[i].n, cases[i].immutable), cases[i].want);
}

static size_t confirmed(const int64_t *at, size_t n, bool *ret)
{
	size_t count = 0;

	plan_confirm(at, n, NOW, DAY, ret);
	for (size_t i = 0; i < n; i++)
		count += ret[i];
	return count;
}

static void nothing_young_is_confirmed(void **state)
{
	const int64_t at[] = {NOW, NOW - 1, NOW - DAY + 1, NOW + 100};
	bool due[4] = {true, true, true, true};

	(void)state;
	assert_int_equal(confirmed(at, 4, due), 0);
	assert_int_equal(confirmed(at, 0, due), 0);
}

static void few_that_are_old_are_all_confirmed(void **state)
{
	const int64_t at[] = {NOW, NOW - DAY, NOW - 2 * DAY, NOW - DAY + 1, 0};
	bool due[5];

	(void)state;
	assert_int_equal(confirmed(at, 5, due), 3);
	assert_false(due[0]);
	assert_true(due[1]);
	assert_true(due[2]);
	assert_false(due[3]);
	assert_true(due[4]);
}

static void of_many_an_eighth_is_confirmed_and_the_oldest_first(void **state)
{
	int64_t at[80];
	bool due[80];

	(void)state;
	for (size_t i = 0; i < 80; i++)
		at[i] = NOW - 10 * DAY - (int64_t)((i * 37) % 80);
	assert_int_equal(confirmed(at, 80, due), 10);
	for (size_t i = 0; i < 80; i++)
		assert_int_equal(due[i], (i * 37) % 80 >= 70);
}

static void eight_runs_confirm_everything_once(void **state)
{
	int64_t at[100] = {0};
	bool due[100];
	size_t sum = 0;

	(void)state;
	for (int64_t run = 0; run < 8; run++) {
		sum += confirmed(at, 100, due);
		for (size_t i = 0; i < 100; i++)
			if (due[i])
				at[i] = NOW;
	}
	assert_int_equal(sum, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_asked_follows_from_what_is_known),
		cmocka_unit_test(nothing_young_is_confirmed),
		cmocka_unit_test(few_that_are_old_are_all_confirmed),
		cmocka_unit_test(of_many_an_eighth_is_confirmed_and_the_oldest_first),
		cmocka_unit_test(eight_runs_confirm_everything_once),
	};

	return cmocka_run_group_tests_name("sync/plan", tests, NULL, NULL);
}
