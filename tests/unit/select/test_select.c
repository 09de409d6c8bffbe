#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "select/select.h"
#include "util/clock.h"
#include "util/mem.h"

#define LIST(...) \
	(const char *const[]){__VA_ARGS__}, ARRAY_SIZE(((const char *const[]){__VA_ARGS__}))

/* 'w'anted, 'n'ot included, 's'emver, 'e'xcluded, 'o'ld: one letter a tag. */
static void assert_reasons(
	const struct select_rules *rules, const char *const *tags, size_t n, const char *expected)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(selector_freep) struct selector *s = NULL;
	AUTO_FREE enum select_reason *reasons = xcalloc(n, sizeof(*reasons));

	assert_int_equal(strlen(expected), n);
	if (selector_new(rules, &s, &err) < 0 || selector_apply(s, tags, n, reasons, &err) < 0)
		fail_msg("%s", error_text(&err));
	for (size_t i = 0; i < n; i++) {
		if ("wnseo"[reasons[i]] != expected[i])
			fail_msg("%s is %s, not '%c'",
				tags[i],
				select_reason_text(reasons[i]),
				expected[i]);
	}
}

static void without_rules_every_tag_is_selected(void **state)
{
	(void)state;
	assert_reasons(&(struct select_rules){0}, LIST("v1.0.0", "latest"), "ww");
}

static void a_tag_needs_an_include_the_range_and_no_exclude(void **state)
{
	const struct select_rules rules = {
		.include = (const char *const[]){"v1\\.\\d+\\.\\d+", "v2.*", "latest"},
		.n_include = 3,
		.exclude = (const char *const[]){".*-rc.*", "v1.10.1"},
		.n_exclude = 2,
		.semver = ">=1.10 || >=2.0.0-0",
	};

	(void)state;
	assert_reasons(&rules,
		LIST("v1.10.0",
			"v1.10.1",
			"v1.9.0",
			"v1.11.0x",
			"v2.0.0-rc1",
			"v2.0.0-b1",
			"latest",
			"v3.0.0"),
		"wesnewsn");
}

static void an_expression_that_is_a_tag_means_that_tag_alone(void **state)
{
	const struct select_rules rules = {
		.include = (const char *const[]){"v1.2", "1.2..", "a-b_c.d"},
		.n_include = 3,
	};

	(void)state;
	assert_reasons(
		&rules, LIST("v1.2", "v1x2", "1.2.3", "1x2-y", "a-b_c.d", "a-b_c-d"), "wnwwwn");
}

static void latest_keeps_the_highest_versions_whatever_the_order(void **state)
{
	const struct select_rules rules = {.latest = 2};

	(void)state;
	assert_reasons(&rules, LIST("v1.9.0", "v1.10.0", "v1.2.0"), "wwo");
	assert_reasons(&rules, LIST("v1.2.0", "v1.10.0", "v1.9.0"), "oww");
	assert_reasons(&rules, LIST("1.0.0", "1.0.0-rc.2", "1.0.0-rc.1"), "wwo");
	assert_reasons(&rules, LIST("1.0.0"), "w");
}

static void latest_counts_equal_versions_once(void **state)
{
	const struct select_rules rules = {.latest = 2};

	(void)state;
	assert_reasons(
		&rules, LIST("3.9", "3.8.1", "3.9.0", "v3.8.1", "3.8.0", "v3.9.0"), "wwwwow");
}

static void latest_drops_what_is_no_version(void **state)
{
	const struct select_rules rules = {.latest = 5};

	(void)state;
	assert_reasons(&rules, LIST("latest", "1.0", "22.04"), "owo");
	assert_reasons(&rules, LIST("latest", "edge"), "oo");
}

static void latest_counts_only_what_the_other_rules_left(void **state)
{
	const struct select_rules rules = {
		.exclude = (const char *const[]){"2.*"},
		.n_exclude = 1,
		.semver = "<4",
		.latest = 1,
	};

	(void)state;
	assert_reasons(&rules, LIST("1.0", "2.0", "1.5", "4.0", "1.4"), "oewso");
}

static void rules_of_plain_tags_alone_need_no_listing(void **state)
{
	static const char *const plain[] = {"v1.2.3", "latest"}, *const mixed[] = {"v1", "v2.*"};
	static const struct {
		struct select_rules rules;
		bool literal;
	} cases[] = {
		{{.include = plain, .n_include = 2}, true},
		{{.include = mixed, .n_include = 2}, false},
		{{0}, false},
		{{.include = plain, .n_include = 2, .exclude = plain, .n_exclude = 1}, false},
		{{.include = plain, .n_include = 2, .semver = "1"}, false},
		{{.include = plain, .n_include = 2, .latest = 1}, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(selector_freep) struct selector *s = NULL;

		assert_int_equal(selector_new(&cases[i].rules, &s, NULL), 0);
		assert_int_equal(selector_is_literal(s), cases[i].literal);
	}
}

static void bad_rules_are_refused_and_the_message_says_which(void **state)
{
	static const char *const bad_regex[] = {"fine.*", "v1.("};
	static const struct {
		struct select_rules rules;
		const char *says;
	} cases[] = {
		{{.include = bad_regex, .n_include = 2}, "include: 'v1.(': at offset 4: "},
		{{.exclude = bad_regex, .n_exclude = 2}, "exclude: 'v1.(': at offset 4: "},
		{{.semver = ">=a"}, "semver range '>=a': at offset 2: not a version"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(error_clear) struct error err = ERROR_INIT;
		struct selector *s = NULL;

		assert_int_equal(selector_new(&cases[i].rules, &s, &err), -ERR_USAGE);
		assert_non_null(strstr(error_text(&err), cases[i].says));
		assert_null(s);
	}
}

static void an_explosive_expression_is_an_error_and_decides_nothing(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(selector_freep) struct selector *s = NULL;
	const struct select_rules rules = {
		.include = (const char *const[]){"(a+)+$"},
		.n_include = 1,
	};
	enum select_reason reasons[] = {SELECT_EXCLUDED, SELECT_EXCLUDED};

	(void)state;
	assert_int_equal(selector_new(&rules, &s, &err), 0);
	assert_int_equal(
		selector_apply(
			s, LIST("a", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."), reasons, &err),
		-ERR_USAGE);
	assert_non_null(strstr(error_text(&err), "include: '(a+)+$': no answer for 'aaaaaa"));
	assert_int_equal(reasons[0], SELECT_EXCLUDED);
}

static void a_hundred_thousand_tags_take_no_noticeable_time(void **state)
{
	enum {
		N_TAGS = 100000,
		LIMIT_MS = 5000
	}; /* takes 40 ms; sanitizers and busy machines more */
	const struct select_rules rules = {
		.include = (const char *const[]){"v1\\.\\d+\\.\\d+", "v2\\..*", "v3\\..*"},
		.n_include = 3,
		.exclude = (const char *const[]){".*-(rc|beta|alpha).*"},
		.n_exclude = 1,
		.semver = ">=1.10 !=1.13 || 3.x",
		.latest = 5,
	};
	AUTO(selector_freep) struct selector *s = NULL;
	AUTO_FREE enum select_reason *reasons = xcalloc(N_TAGS, sizeof(*reasons));
	const char **tags = xcalloc(N_TAGS, sizeof(*tags));
	size_t n_wanted = 0;
	uint64_t start;

	(void)state;
	for (int i = 0; i < N_TAGS; i++)
		tags[i] = xasprintf("v%d.%d.%d", i % 4, i / 4 % 100, i / 400);
	start = clock_mono_ms();
	assert_int_equal(selector_new(&rules, &s, NULL), 0);
	assert_int_equal(selector_apply(s, tags, N_TAGS, reasons, NULL), 0);
	assert_true(clock_mono_ms() - start < LIMIT_MS);
	for (size_t i = 0; i < N_TAGS; i++) {
		n_wanted += reasons[i] == SELECT_WANTED;
		free((void *)(uintptr_t)tags[i]);
	}
	assert_int_equal(n_wanted, 5);
	free(tags);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_rules_every_tag_is_selected),
		cmocka_unit_test(a_tag_needs_an_include_the_range_and_no_exclude),
		cmocka_unit_test(an_expression_that_is_a_tag_means_that_tag_alone),
		cmocka_unit_test(latest_keeps_the_highest_versions_whatever_the_order),
		cmocka_unit_test(latest_counts_equal_versions_once),
		cmocka_unit_test(latest_drops_what_is_no_version),
		cmocka_unit_test(latest_counts_only_what_the_other_rules_left),
		cmocka_unit_test(rules_of_plain_tags_alone_need_no_listing),
		cmocka_unit_test(bad_rules_are_refused_and_the_message_says_which),
		cmocka_unit_test(an_explosive_expression_is_an_error_and_decides_nothing),
		cmocka_unit_test(a_hundred_thousand_tags_take_no_noticeable_time),
	};

	return cmocka_run_group_tests_name("select/select", tests, NULL, NULL);
}
