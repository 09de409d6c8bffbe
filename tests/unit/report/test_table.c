#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "oci/json.h"
#include "report/table.h"
#include "util/tty.h"

#define JSON_MAX  4096                /* bytes: more than any table below needs */
#define WHEN_SEC  INT64_C(1795384916) /* 2026-11-22T22:01:56Z */
#define WHEN_TEXT "2026-11-22T22:01:56Z"

static const struct column all_kinds[] = {
	{"image", "image", CELL_TEXT},
	{"blobs", "blobs", CELL_COUNT},
	{"size", "size_bytes", CELL_BYTES},
	{"took", "took_ms", CELL_DURATION},
	{"last success", "last_success", CELL_TIME},
	{"digest", "digest", CELL_DIGEST},
};

static const struct column two_texts[] = {
	{"source", "source", CELL_TEXT},
	{"error", "error", CELL_TEXT},
};

static char *print(const struct table *t, size_t width)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	table_print(t, f, width);
	assert_int_equal(fclose(f), 0);
	return text;
}

static struct table *table_of_all_kinds(void)
{
	struct table *t = table_new(all_kinds, ARRAY_SIZE(all_kinds));
	struct digest d;

	assert_int_equal(digest_of(DIGEST_SHA256, "", 0, &d, NULL), 0);
	table_row(t);
	table_text(t, "pause:3.10");
	table_number(t, 7);
	table_number(t, 18141184);
	table_number(t, 250000);
	table_time(t, WHEN_SEC);
	table_digest(t, &d);
	table_row(t);
	table_text(t, NULL);
	table_number(t, 12345);
	table_number(t, 0);
	table_number(t, 0);
	table_time(t, 0);
	table_digest(t, NULL);
	table_row(t); /* nothing is known of this one */
	return t;
}

static void text_aligns_numbers_right_and_shows_units(void **state)
{
	AUTO(table_freep) struct table *t = table_of_all_kinds();
	AUTO_FREE char *text = print(t, 0);

	(void)state;
	assert_string_equal(text,
		"image       blobs      size    took  last success          digest\n"
		"pause:3.10      7  17.3 MiB  4m 10s  " WHEN_TEXT "  e3b0c44298fc\n"
		"-           12345       0 B     0ms  never                 -\n"
		"-               -         -       -  -                     -\n");
	assert_int_equal(table_rows(t), 3);
}

static void json_has_plain_numbers_full_digests_and_null(void **state)
{
	AUTO(table_freep) struct table *t = table_of_all_kinds();
	AUTO(buf_clear) struct buf out = BUF_INIT(JSON_MAX);
	AUTO(jx_freep) struct jx *j = NULL;
	const struct jx_value *row;
	const char *text = NULL;
	uint64_t n = 0;

	(void)state;
	assert_int_equal(table_json(t, &out, NULL), 0);
	assert_int_equal(jx_parse(buf_text(&out), out.len, 3, &j, NULL), 0);
	assert_int_equal(jx_count(jx_root(j)), 3);
	row = jx_at(jx_root(j), 0);
	assert_int_equal(jx_text(row, "image", &text, NULL), 0);
	assert_string_equal(text, "pause:3.10");
	assert_int_equal(jx_u64(row, "size_bytes", 0, &n, NULL), 0);
	assert_int_equal(n, 18141184);
	assert_int_equal(jx_u64(row, "took_ms", 0, &n, NULL), 0);
	assert_int_equal(n, 250000);
	assert_int_equal(jx_text(row, "last_success", &text, NULL), 0);
	assert_string_equal(text, WHEN_TEXT);
	assert_int_equal(jx_text(row, "digest", &text, NULL), 0);
	assert_string_equal(
		text, "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	for (size_t i = 0; i < ARRAY_SIZE(all_kinds); i++) {
		bool is_null = true;

		row = jx_at(jx_root(j), 2);
		assert_true(jx_has(row, all_kinds[i].key));
		text = "not null";
		if (jx_u64(row, all_kinds[i].key, 42, &n, NULL) == 0)
			is_null = n == 42;
		assert_true(is_null);
	}
	assert_int_equal(jx_text(jx_at(jx_root(j), 1), "last_success", &text, NULL), 0);
	assert_null(text);
}

static void an_empty_table_is_its_titles_and_an_empty_array(void **state)
{
	AUTO(table_freep) struct table *t = table_new(two_texts, ARRAY_SIZE(two_texts));
	AUTO(buf_clear) struct buf out = BUF_INIT(JSON_MAX);
	AUTO_FREE char *text = print(t, 0);

	(void)state;
	assert_string_equal(text, "source  error\n");
	assert_int_equal(table_json(t, &out, NULL), 0);
	assert_string_equal(buf_text(&out), "[]\n");
}

static void long_text_is_cut_in_the_middle_to_fit_the_width(void **state)
{
	AUTO(table_freep) struct table *t = table_new(two_texts, ARRAY_SIZE(two_texts));
	AUTO_FREE char *whole = NULL;
	AUTO_FREE char *cut = NULL;

	(void)state;
	table_row(t);
	table_text(t, "registry.k8s.io");
	table_text(t, "sync: registry.example: GET /v2/pause/manifests/3.10: 503");
	table_row(t);
	table_text(t, "x");
	table_text(t, "short");
	whole = print(t, 200);
	cut = print(t, 40);
	assert_non_null(strstr(whole, "GET /v2/pause/manifests/3.10: 503\n"));
	assert_string_equal(cut,
		"source           error\n"
		"registry.k8s.io  sync: regi.../3.10: 503\n"
		"x                short\n");
}

static void cutting_keeps_characters_whole_and_columns_straight(void **state)
{
	static const char wide[] = "\xe9\x95\x9c\xe5\x83\x8f\xe9\x95\x9c\xe5\x83\x8f\xe9\x95\x9c"
				   "\xe5\x83\x8f\xe9\x95\x9c\xe5\x83\x8f"; /* 16 columns */
	AUTO(table_freep) struct table *t = table_new(two_texts, ARRAY_SIZE(two_texts));

	(void)state;
	table_row(t);
	table_text(t, wide);
	table_text(t, wide);
	for (size_t width = 26; width <= 34; width++) {
		AUTO_FREE char *text = print(t, width);
		char *line = strchr(text, '\n') + 1;

		*strchr(line, '\n') = '\0';
		assert_in_range(text_columns(line), width - 2, width);
		assert_int_equal(strstr(text, "error") - text,
			text_columns(line) - text_columns(strstr(line, "  ") + 2) +
				strspn(strstr(line, "  ") + 2, " "));
	}
}

static void what_does_not_belong_on_a_terminal_is_shown_as_numbers(void **state)
{
	AUTO(table_freep) struct table *t = table_new(two_texts, ARRAY_SIZE(two_texts));
	AUTO_FREE char *text = NULL;

	(void)state;
	table_row(t);
	table_text(t, "a\x1b[2Jb");
	table_text(t, "c\nd\xff");
	text = print(t, 0);
	assert_non_null(strstr(text, "a\\x1b[2Jb  c\\x0ad\\xff\n"));
}

static void a_width_that_nothing_can_fit_still_prints_everything_but_long_text(void **state)
{
	AUTO(table_freep) struct table *t = table_of_all_kinds();
	AUTO_FREE char *text = print(t, 1);

	(void)state;
	assert_non_null(strstr(text, "pause:3.10      7  17.3 MiB  4m 10s  " WHEN_TEXT));
}

static void json_beyond_the_ceiling_fails_and_leaves_the_buffer_as_it_was(void **state)
{
	AUTO(table_freep) struct table *t = table_of_all_kinds();
	AUTO(buf_clear) struct buf out = BUF_INIT(40);

	(void)state;
	assert_int_equal(buf_puts(&out, "before", NULL), 0);
	assert_int_equal(table_json(t, &out, NULL), -ERR_NOMEM);
	assert_string_equal(buf_text(&out), "before");
	assert_int_equal(out.len, strlen("before"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_aligns_numbers_right_and_shows_units),
		cmocka_unit_test(json_has_plain_numbers_full_digests_and_null),
		cmocka_unit_test(an_empty_table_is_its_titles_and_an_empty_array),
		cmocka_unit_test(long_text_is_cut_in_the_middle_to_fit_the_width),
		cmocka_unit_test(cutting_keeps_characters_whole_and_columns_straight),
		cmocka_unit_test(what_does_not_belong_on_a_terminal_is_shown_as_numbers),
		cmocka_unit_test(
			a_width_that_nothing_can_fit_still_prints_everything_but_long_text),
		cmocka_unit_test(json_beyond_the_ceiling_fails_and_leaves_the_buffer_as_it_was),
	};

	return cmocka_run_group_tests_name("report/table", tests, NULL, NULL);
}
