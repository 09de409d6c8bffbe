#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "util/parse.h"

#define KIB (UINT64_C(1) << 10)
#define GIB (UINT64_C(1) << 30)

struct number {
	const char *text;
	uint64_t value;
};

static void whole_numbers_fill_64_bits(void **state)
{
	static const char *const bad[] = {
		"", " 1", "1 ", "+1", "-1", "0x1", "1.0", "18446744073709551616"};
	uint64_t v = 0;

	(void)state;
	assert_int_equal(parse_u64("18446744073709551615", &v, NULL), 0);
	assert_true(v == UINT64_MAX);
	assert_int_equal(parse_u64("007", &v, NULL), 0);
	assert_int_equal(v, 7);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(parse_u64(bad[i], &v, NULL), -ERR_USAGE);
		assert_int_equal(v, 7);
	}
}

static void sizes_count_in_powers_of_1024(void **state)
{
	static const struct number good[] = {
		{"0", 0},
		{"512", 512},
		{"64KiB", 64 * KIB},
		{"3MiB", 3 * KIB * KIB},
		{"20GiB", 20 * GIB},
		{"1TiB", KIB * GIB},
		{"15EiB", UINT64_C(15) << 60},
	};
	static const char *const bad[] = {
		"", "KiB", "1KB", "1kib", "1 KiB", "1.5GiB", "16EiB", "-1KiB", "1KiBx", "1K"};
	uint64_t v = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(parse_size(good[i].text, &v, NULL), 0);
		assert_true(v == good[i].value);
	}
	v = 42;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(parse_size(bad[i], &v, NULL), -ERR_USAGE);
		assert_int_equal(v, 42);
	}
}

static void durations_name_their_unit(void **state)
{
	static const struct number good[] = {
		{"0", 0},
		{"0s", 0},
		{"250ms", 250},
		{"90s", 90000},
		{"15m", 900000},
		{"6h", 21600000},
		{"7d", 604800000},
		{"1h30m", 5400000},
		{"1d1h1m1s1ms", 90061001},
		{"1m5ms", 60005},
		{"18446744073709551615ms", UINT64_MAX},
	};
	static const char *const bad[] = {
		"",
		"5",
		"1h30",
		"30m1h",
		"1h1h",
		"1.5h",
		"-1s",
		"1 s",
		"1w",
		"ms",
		"1sm",
		"18446744073709551616ms",
		"18446744073709552s",
		"213503982334d999h999999999999999999ms",
	};
	uint64_t v = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(parse_duration(good[i].text, &v, NULL), 0);
		assert_true(v == good[i].value);
	}
	v = 42;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(parse_duration(bad[i], &v, NULL), -ERR_USAGE);
		assert_int_equal(v, 42);
	}
}

static void messages_quote_a_part_of_a_long_text(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	char text[1001];
	uint64_t v;

	(void)state;
	memset(text, 'x', 1000);
	text[1000] = '\0';
	assert_int_equal(parse_size(text, &v, &err), -ERR_USAGE);
	assert_true(strlen(error_text(&err)) < 160);
}

static void booleans_are_those_of_yaml_1_2(void **state)
{
	bool v = false;

	(void)state;
	assert_int_equal(parse_bool("true", &v, NULL), 0);
	assert_true(v);
	assert_int_equal(parse_bool("yes", &v, NULL), -ERR_USAGE);
	assert_int_equal(parse_bool("True", &v, NULL), -ERR_USAGE);
	assert_true(v);
	assert_int_equal(parse_bool("false", &v, NULL), 0);
	assert_false(v);
}

static void sizes_are_short_for_people(void **state)
{
	static const struct number cases[] = {
		{"0 B", 0},
		{"812 B", 812},
		{"1023 B", 1023},
		{"1.0 KiB", 1024},
		{"1.5 KiB", 1536},
		{"1023.9 KiB", 1024 * KIB - 1},
		{"17.3 MiB", 18140366},
		{"1023.9 MiB", GIB - 1},
		{"15.9 EiB", UINT64_MAX},
	};
	char buf[SIZE_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(format_size(cases[i].value, buf), cases[i].text);
}

static void durations_are_short_for_people(void **state)
{
	static const struct number cases[] = {
		{"0ms", 0},
		{"840ms", 840},
		{"1.0s", 1000},
		{"12.3s", 12345},
		{"59.9s", 59999},
		{"1m 0s", 60000},
		{"4m 10s", 250000},
		{"3h 5m", 11100000},
		{"7d 2h", 612000000},
		{"213503982334d 14h", UINT64_MAX},
	};
	char buf[DURATION_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(format_duration(cases[i].value, buf), cases[i].text);
}

static void exact_forms_are_read_back_as_the_same_value(void **state)
{
	static const struct number sizes[] = {
		{"0", 0},
		{"1000", 1000},
		{"64KiB", 64 * KIB},
		{"1025KiB", 1025 * KIB},
		{"20GiB", 20 * GIB},
		{"18446744073709551615", UINT64_MAX},
	};
	static const struct number durations[] = {
		{"0", 0},
		{"1ms", 1},
		{"90s", 90000},
		{"90m", 5400000},
		{"1d", 86400000},
		{"18446744073709551615ms", UINT64_MAX},
	};
	char size[SIZE_TEXT_MAX + 8], duration[DURATION_TEXT_MAX];
	uint64_t v = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		assert_string_equal(format_size_exact(sizes[i].value, size), sizes[i].text);
		assert_int_equal(parse_size(size, &v, NULL), 0);
		assert_true(v == sizes[i].value);
	}
	for (size_t i = 0; i < ARRAY_SIZE(durations); i++) {
		assert_string_equal(
			format_duration_exact(durations[i].value, duration), durations[i].text);
		assert_int_equal(parse_duration(duration, &v, NULL), 0);
		assert_true(v == durations[i].value);
	}
}

static void text_that_could_fool_a_terminal_is_unclean(void **state)
{
	static const char *const clean[] = {"", "plain", "größe 日本 🚀", "a\\b \"c\""};
	static const char *const unclean[] = {
		"a\nb",
		"\033[2J",
		"\x7f",
		"\xc2\x9b"
		"2J", /* CSI of C1 */
		"\xe2\x80\xae"
		"gpj", /* right-to-left override */
		"\xff",
		"\xc3",             /* cut */
		"\xc0\xaf",         /* overlong */
		"\xed\xa0\x80",     /* surrogate */
		"\xf4\x90\x80\x80", /* beyond Unicode */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(clean); i++)
		assert_true(text_is_clean(clean[i], strlen(clean[i])));
	for (size_t i = 0; i < ARRAY_SIZE(unclean); i++)
		assert_false(text_is_clean(unclean[i], strlen(unclean[i])));
	assert_false(text_is_clean("a\0b", 3));
}

static void sanitized_text_shows_each_bad_byte(void **state)
{
	static const struct {
		const char *in;
		size_t max;
		const char *out;
	} cases[] = {
		{"plain", 5, "plain"},
		{"plains", 5, "pl..."},
		{"größer", 6, "größer"},
		{"größer!", 6, "grö..."},
		{"a\nb\xff", 100, "a\\x0ab\\xff"},
		{"\033[2J", 100, "\\x1b[2J"},
		{"\xe2\x80\xae", 100, "\\xe2\\x80\\xae"},
		{"abc\n", 7, "abc\\x0a"},
		{"abc\n", 6, "abc..."},
		{"abc\n", 5, "ab..."},
		{"abcd", 2, ".."},
		{"abcd", 0, ""},
		{"", 0, ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_FREE char *s = text_sanitize(cases[i].in, strlen(cases[i].in), cases[i].max);

		assert_string_equal(s, cases[i].out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_numbers_fill_64_bits),
		cmocka_unit_test(sizes_count_in_powers_of_1024),
		cmocka_unit_test(durations_name_their_unit),
		cmocka_unit_test(messages_quote_a_part_of_a_long_text),
		cmocka_unit_test(booleans_are_those_of_yaml_1_2),
		cmocka_unit_test(sizes_are_short_for_people),
		cmocka_unit_test(durations_are_short_for_people),
		cmocka_unit_test(exact_forms_are_read_back_as_the_same_value),
		cmocka_unit_test(text_that_could_fool_a_terminal_is_unclean),
		cmocka_unit_test(sanitized_text_shows_each_bad_byte),
	};

	return cmocka_run_group_tests_name("util/parse", tests, NULL, NULL);
}
