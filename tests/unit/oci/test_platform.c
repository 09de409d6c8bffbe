#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "oci/platform.h"

static void names_are_normalised_as_containerd_does(void **state)
{
	/* protocol.md 2.3 */
	static const struct {
		const char *in;
		const char *out;
	} cases[] = {
		{"linux/amd64", "linux/amd64"},
		{"Linux/AMD64", "linux/amd64"},
		{"macos/arm64", "darwin/arm64"},
		{"linux/i386", "linux/386"},
		{"linux/i386/v1", "linux/386"},
		{"linux/x86_64", "linux/amd64"},
		{"linux/x86-64", "linux/amd64"},
		{"linux/amd64/v1", "linux/amd64"},
		{"linux/x86_64/v1", "linux/amd64"},
		{"linux/x86_64/v3", "linux/amd64/v3"},
		{"linux/aarch64", "linux/arm64"},
		{"linux/aarch64/v8", "linux/arm64"},
		{"linux/arm64/8", "linux/arm64"},
		{"linux/arm64/v8", "linux/arm64"},
		{"linux/arm64/v8.0", "linux/arm64"},
		{"linux/arm64/v8.2", "linux/arm64/v8.2"},
		{"linux/arm64/9", "linux/arm64/v9"},
		{"linux/arm64/9.0", "linux/arm64/v9"},
		{"linux/arm64/v9.0", "linux/arm64/v9"},
		{"linux/armhf", "linux/arm/v7"},
		{"linux/armhf/v6", "linux/arm/v7"},
		{"linux/armel", "linux/arm/v6"},
		{"linux/arm", "linux/arm/v7"},
		{"linux/arm/7", "linux/arm/v7"},
		{"linux/arm/5", "linux/arm/v5"},
		{"linux/arm/6", "linux/arm/v6"},
		{"linux/arm/8", "linux/arm/v8"},
		{"linux/arm/v6", "linux/arm/v6"},
		{"linux/ppc64le/power9", "linux/ppc64le/power9"},
		{"linux/riscv64/rva20u64", "linux/riscv64/rva20u64"},
		{"windows/amd64", "windows/amd64"},
		{"unknown/unknown", "unknown/unknown"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(error_clear) struct error err = ERROR_INIT;
		char text[PLATFORM_TEXT_MAX];
		struct platform again;
		struct platform p;

		assert_int_equal(platform_parse(cases[i].in, &p, &err), 0);
		assert_string_equal(platform_format(&p, text), cases[i].out);
		assert_int_equal(platform_parse(text, &again, &err), 0);
		assert_true(platform_equal(&p, &again));
	}
}

static void what_is_no_platform_is_refused_with_an_example(void **state)
{
	static const char *const bad[] = {
		"",
		"linux",
		"/",
		"linux/",
		"/amd64",
		"linux//v7",
		"linux/arm/",
		"linux/arm/v7/",
		"linux/arm/v7/x",
		"linux/amd64,linux/arm64",
		"linux/amd 64",
		"linux/*",
		"linux/abcdefghijklmnopqrstuvwxyz0123456789",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		AUTO(error_clear) struct error err = ERROR_INIT;
		struct platform p = {.os = "untouched"};

		assert_int_equal(platform_parse(bad[i], &p, &err), -ERR_USAGE);
		assert_non_null(strstr(error_text(&err), "linux/amd64"));
		assert_string_equal(p.os, "untouched");
	}
}

static void a_version_of_an_operating_system_is_refused_in_words(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct platform p;

	(void)state;
	assert_int_equal(platform_parse("windows(10.0.17763)/amd64", &p, &err), -ERR_USAGE);
	assert_non_null(strstr(error_text(&err), "versions of an operating system"));
}

static void matching_is_strict_after_normalisation(void **state)
{
	static const struct {
		const char *a;
		const char *b;
		bool equal;
	} cases[] = {
		{"linux/arm64", "linux/arm64/v8", true},
		{"linux/arm", "linux/arm/v7", true},
		{"linux/arm", "linux/arm/v6", false},
		{"linux/amd64", "linux/amd64/v2", false},
		{"linux/amd64", "linux/386", false},
		{"linux/amd64", "windows/amd64", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct platform a;
		struct platform b;

		assert_int_equal(platform_parse(cases[i].a, &a, NULL), 0);
		assert_int_equal(platform_parse(cases[i].b, &b, NULL), 0);
		assert_int_equal(platform_equal(&a, &b), cases[i].equal);
	}
}

static void a_peers_words_are_taken_when_they_can_be_printed(void **state)
{
	static const struct {
		const char *os;
		const char *architecture;
		const char *variant;
		const char *text; /* NULL: refused */
	} cases[] = {
		{"linux", "arm64", NULL, "linux/arm64"},
		{"linux", "arm64", "", "linux/arm64"},
		{"linux", "arm64", "v8", "linux/arm64"},
		{"Linux", "ARM", NULL, "linux/arm/v7"},
		{"", "amd64", NULL, "/amd64"},
		{"plan9", "new+arch", "v1(x)", "plan9/new+arch/v1(x)"},
		{"linux/x", "amd64", NULL, NULL},
		{"linux", "am d64", NULL, NULL},
		{"linux", "amd64", "\033[31m", NULL},
		{"linux", "amd64", "\xc3\xa4", NULL},
		{"linux", "abcdefghijklmnopqrstuvwxyz012345", NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(error_clear) struct error err = ERROR_INIT;
		struct platform p = {.os = "untouched"};
		char text[PLATFORM_TEXT_MAX];
		int rc = platform_make(
			cases[i].os, cases[i].architecture, cases[i].variant, &p, &err);

		assert_int_equal(rc, cases[i].text ? 0 : -ERR_REMOTE);
		if (cases[i].text)
			assert_string_equal(platform_format(&p, text), cases[i].text);
		else
			assert_string_equal(p.os, "untouched");
	}
}

static void the_longest_platform_fits_its_text(void **state)
{
	static const char longest[] = "abcdefghijklmnopqrstuvwxyz01234";
	char text[PLATFORM_TEXT_MAX];
	struct platform p;

	(void)state;
	assert_int_equal(strlen(longest), PLATFORM_PART_MAX - 1);
	assert_int_equal(platform_make(longest, longest, longest, &p, NULL), 0);
	assert_int_equal(strlen(platform_format(&p, text)), PLATFORM_TEXT_MAX - 3);
	assert_int_equal(platform_parse(text, &p, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_normalised_as_containerd_does),
		cmocka_unit_test(what_is_no_platform_is_refused_with_an_example),
		cmocka_unit_test(a_version_of_an_operating_system_is_refused_in_words),
		cmocka_unit_test(matching_is_strict_after_normalisation),
		cmocka_unit_test(a_peers_words_are_taken_when_they_can_be_printed),
		cmocka_unit_test(the_longest_platform_fits_its_text),
	};

	return cmocka_run_group_tests_name("oci/platform", tests, NULL, NULL);
}
