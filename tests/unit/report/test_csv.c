/* The forms of a table that programs and browsers read, and its decimals in each of them. */
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "report/number.h"
#include "report/table.h"
#include "wellformed.h"

#define TEXT_MAX   8192 /* bytes: more than any table below needs */
#define EMPTY_BLOB "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static const struct column all_kinds[] = {
	{"image", "image", CELL_TEXT},
	{"blobs", "blobs", CELL_COUNT},
	{"size", "size_bytes", CELL_BYTES},
	{"took", "took_ms", CELL_DURATION},
	{"last success", "last_success", CELL_TIME},
	{"digest", "digest", CELL_DIGEST},
	{"rate (MiB/s)", "rate", CELL_DECIMAL},
};

static const struct column one_text[] = {{"text & more", "text", CELL_TEXT}};
static const struct column one_decimal[] = {{"v", "v", CELL_DECIMAL}};

typedef int form_fn(const struct table *t, struct buf *out, struct error *err);

static char *form(form_fn *fn, const struct table *t)
{
	AUTO(buf_clear) struct buf out = BUF_INIT(TEXT_MAX);

	assert_int_equal(fn(t, &out, NULL), 0);
	return buf_steal(&out);
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
	table_time(t, 1795384916);
	table_digest(t, &d);
	table_decimal(t, 18.625);
	table_row(t);
	table_text(t, "");
	table_number(t, 0);
	table_number(t, 0);
	table_number(t, 0);
	table_time(t, 0);
	table_digest(t, NULL);
	table_decimal(t, (double)NAN);
	table_row(t); /* nothing is known of this one */
	return t;
}

static void csv_has_keys_plain_values_and_nothing_for_the_unknown(void **state)
{
	AUTO(table_freep) struct table *t = table_of_all_kinds();
	AUTO_FREE char *text = form(table_csv, t);

	(void)state;
	assert_string_equal(text,
		"image,blobs,size_bytes,took_ms,last_success,digest,rate\r\n"
		"pause:3.10,7,18141184,250000,2026-11-22T22:01:56Z," EMPTY_BLOB ",18.625\r\n"
		"\"\",0,0,0,,,\r\n"
		",,,,,,\r\n");
}

/* A row of one text, without its heading and line end. */
static void assert_csv(const char *given, const char *want)
{
	AUTO(table_freep) struct table *t = table_new(one_text, 1);
	AUTO_FREE char *text = NULL;
	size_t len;

	table_row(t);
	table_text(t, given);
	text = form(table_csv, t);
	len = strlen(text);
	assert_true(len > 8 && strcmp(text + len - 2, "\r\n") == 0);
	text[len - 2] = '\0';
	assert_memory_equal(text, "text\r\n", 6);
	assert_string_equal(text + 6, want);
}

static void csv_quotes_what_rfc_4180_says(void **state)
{
	(void)state;
	assert_csv("plain text; with 'quotes'", "plain text; with 'quotes'");
	assert_csv("a,b", "\"a,b\"");
	assert_csv("say \"no\"", "\"say \"\"no\"\"\"");
	assert_csv("two\nlines", "\"two\nlines\"");
	assert_csv("two\r\nlines", "\"two\r\nlines\"");
	assert_csv("\"", "\"\"\"\"");
}

static void csv_text_is_no_formula(void **state)
{
	(void)state;
	assert_csv("=1+1", "'=1+1");
	assert_csv("=HYPERLINK(\"http://x\",\"y\")", "\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\"");
	assert_csv("+1", "'+1");
	assert_csv("-1", "'-1");
	assert_csv("@SUM(A1)", "'@SUM(A1)");
	assert_csv("\t=1", "'\t=1");
	assert_csv("\r=1", "\"'\r=1\"");
	assert_csv("\xef\xbc\x9d"
		   "1",
		"'\xef\xbc\x9d"
		"1");
	assert_csv("a=1", "a=1");
}

static void csv_has_no_controls_and_only_utf_8(void **state)
{
	(void)state;
	assert_csv("a\x1b[2J\x7f", "a\xef\xbf\xbd[2J\xef\xbf\xbd");
	assert_csv("\xff\xc3", "\xef\xbf\xbd\xef\xbf\xbd");
	assert_csv("\xe9\x95\x9c", "\xe9\x95\x9c");
}

static void html_is_well_formed_and_aligns_numbers_by_a_class(void **state)
{
	AUTO(table_freep) struct table *t = table_of_all_kinds();
	AUTO_FREE char *text = form(table_html, t);
	struct seen seen;

	(void)state;
	assert_well_formed(text, strlen(text), &seen);
	assert_non_null(
		strstr(text, "<th scope=\"col\">image</th><th scope=\"col\" class=\"n\">blobs"));
	assert_non_null(strstr(text,
		"<td>pause:3.10</td><td class=\"n\">7</td>"
		"<td class=\"n\">17.3 MiB</td><td class=\"n\">4m 10s</td>"));
	assert_non_null(strstr(text, "<td title=\"" EMPTY_BLOB "\">e3b0c44298fc</td>"));
	assert_non_null(strstr(text, "<td class=\"n\">18.6</td></tr>"));
}

static void html_text_is_escaped(void **state)
{
	AUTO(table_freep) struct table *t = table_new(one_text, 1);
	AUTO_FREE char *text = NULL;
	struct seen seen;

	(void)state;
	table_row(t);
	table_text(t, "<b a='x' b=\"y\">&amp;\x1b\n\xff</td>");
	text = form(table_html, t);
	assert_well_formed(text, strlen(text), &seen);
	assert_non_null(strstr(text, ">text &amp; more</th>"));
	assert_non_null(strstr(text,
		"<td>&lt;b a=&#39;x&#39; b=&quot;y&quot;&gt;&amp;amp;"
		"\\x1b\\x0a\\xff&lt;/td&gt;</td>"));
}

static void an_empty_table_is_its_heading(void **state)
{
	AUTO(table_freep) struct table *t = table_new(one_text, 1);
	AUTO_FREE char *csv = form(table_csv, t);
	AUTO_FREE char *html = form(table_html, t);
	struct seen seen;

	(void)state;
	assert_string_equal(csv, "text\r\n");
	assert_well_formed(html, strlen(html), &seen);
	assert_null(strstr(html, "<td"));
}

static void beyond_the_ceiling_both_fail_and_leave_the_buffer_as_it_was(void **state)
{
	AUTO(table_freep) struct table *t = table_of_all_kinds();
	form_fn *const forms[] = {table_csv, table_html};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++)
		for (size_t max = 6; max < 170; max++) {
			AUTO(buf_clear) struct buf out = BUF_INIT(max);

			assert_int_equal(buf_puts(&out, "before", NULL), 0);
			assert_int_equal(forms[i](t, &out, NULL), -ERR_NOMEM);
			assert_string_equal(buf_text(&out), "before");
			assert_int_equal(out.len, strlen("before"));
		}
}

static const struct decimal_case {
	double v;
	const char *text, *plain; /* for people; in CSV and JSON */
} decimals[] = {
	{0, "0", "0"},
	{-0.0, "0", "0"},
	{892, "892", "892"},
	{4.2, "4.20", "4.2"},
	{18.625, "18.6", "18.625"},
	{9.996, "10.0", "9.996"},
	{1234.5, "1234", "1234.5"},
	{-0.0123, "-0.0123", "-0.0123"},
	{1.0 / 3, "0.333", "0.333333333"},
	{2e-12, "2.00e-12", "0.000000000002"},
	{1e15, "1.00e15", "1000000000000000"},
	{(double)INFINITY, "-", ""},
	{(double)NAN, "-", ""},
};

static void decimals_have_three_digits_for_people_and_nine_for_programs(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(decimals); i++) {
		const struct decimal_case *c = &decimals[i];
		AUTO(table_freep) struct table *t = table_new(one_decimal, 1);
		AUTO_FREE char *csv = NULL, *json = NULL, *html = NULL;
		char want[TEXT_MAX];

		table_row(t);
		table_decimal(t, c->v);
		csv = form(table_csv, t);
		json = form(table_json, t);
		html = form(table_html, t);
		(void)snprintf(want, sizeof(want), "v\r\n%s\r\n", c->plain);
		assert_string_equal(csv, want);
		(void)snprintf(want, sizeof(want), "\"v\": %s\n", *c->plain ? c->plain : "null");
		assert_non_null(strstr(json, want));
		(void)snprintf(want, sizeof(want), "<td class=\"n\">%s</td>", c->text);
		assert_non_null(strstr(html, want));
	}
}

static void text_aligns_decimals_right(void **state)
{
	static const struct column two[] = {{"rate", "rate", CELL_DECIMAL}, {"x", "x", CELL_TEXT}};
	AUTO(table_freep) struct table *t = table_new(two, 2);
	AUTO_FREE char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	table_row(t);
	table_decimal(t, 4.2);
	table_text(t, "a");
	table_row(t);
	table_decimal(t, 892);
	table_text(t, "b");
	assert_non_null(f);
	table_print(t, f, 0);
	assert_int_equal(fclose(f), 0);
	assert_string_equal(text, "rate  x\n4.20  a\n 892  b\n");
}

static void numbers_have_a_point_in_every_locale(void **state)
{
	static const char *const commas[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "ps_AF.UTF-8"};
	char text[NUMBER_TEXT_MAX];
	bool tried = false;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(commas); i++) {
		if (!setlocale(LC_ALL, commas[i]))
			continue;
		tried = true;
		assert_string_equal(number_fixed(1234.5, 2, text), "1234.50");
		assert_string_equal(number_short(0.00123, text), "0.00123");
		assert_string_equal(number_exponent(-1.5e-7, 1, text), "-1.5e-7");
		assert_int_equal(number_decimals(4.25), 2);
	}
	(void)setlocale(LC_ALL, "C");
	if (!tried)
		skip();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(csv_has_keys_plain_values_and_nothing_for_the_unknown),
		cmocka_unit_test(csv_quotes_what_rfc_4180_says),
		cmocka_unit_test(csv_text_is_no_formula),
		cmocka_unit_test(csv_has_no_controls_and_only_utf_8),
		cmocka_unit_test(html_is_well_formed_and_aligns_numbers_by_a_class),
		cmocka_unit_test(html_text_is_escaped),
		cmocka_unit_test(an_empty_table_is_its_heading),
		cmocka_unit_test(beyond_the_ceiling_both_fail_and_leave_the_buffer_as_it_was),
		cmocka_unit_test(decimals_have_three_digits_for_people_and_nine_for_programs),
		cmocka_unit_test(text_aligns_decimals_right),
		cmocka_unit_test(numbers_have_a_point_in_every_locale),
	};

	return cmocka_run_group_tests_name("report/csv", tests, NULL, NULL);
}
