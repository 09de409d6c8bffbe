/* With $PAGE_FOLDER the pages are also written there, for a browser to look at. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pages.h"
#include "report/mark.h"
#include "util/mem.h"
#include "wellformed.h"

#define TEXT_MAX ((size_t)32 * 1024 * 1024) /* bytes: more than any page below */

static void keep(const char *name, const struct buf *b)
{
	const char *folder = getenv("PAGE_FOLDER");
	AUTO_FREE char *path = folder ? xasprintf("%s/%s", folder, name) : NULL;
	FILE *f;

	if (!path)
		return;
	f = fopen(path, "wbe");
	assert_non_null(f);
	assert_int_equal(fwrite(b->data, 1, b->len, f), b->len);
	assert_int_equal(fclose(f), 0);
}

static void assert_loads_nothing(const char *text)
{
	static const char *const loads[] = {
		"http:", "https:", "://", "url(", "@import", "src=", "<script", "<base", "onload"};

	for (size_t i = 0; i < ARRAY_SIZE(loads); i++)
		if (strstr(text, loads[i]))
			fail_msg("'%.60s'", strstr(text, loads[i]));
}

static void a_page_is_well_formed_and_shows_every_series(void **state)
{
	AUTO(page_freep) struct page *p = page_of_a_comparison();
	AUTO(buf_clear) struct buf out = BUF_INIT(TEXT_MAX);
	struct seen seen;

	(void)state;
	assert_int_equal(page_write(p, &out, NULL), 0);
	assert_well_formed(out.data, out.len, &seen);
	assert_loads_nothing(out.data);
	/* 4 charts in 2 drawings, each with 4 series; and 4 samples in each legend. */
	assert_int_equal(seen.drawings, 4 * 2 + 4 * 4);
	assert_int_equal(seen.marks, 4 * 2 * 4 + 4 * 4);
	assert_int_equal(seen.curves, 3 * 2 * 4 + 3 * 4);
	keep("comparison.html", &out);
}

static void bad_input_still_makes_a_well_formed_page_that_loads_nothing(void **state)
{
	AUTO(page_freep) struct page *p = page_of_bad_input();
	AUTO(buf_clear) struct buf out = BUF_INIT(TEXT_MAX);
	struct seen seen;

	(void)state;
	assert_int_equal(page_write(p, &out, NULL), 0);
	assert_well_formed(out.data, out.len, &seen);
	assert_loads_nothing(out.data);
	assert_non_null(strstr(out.data,
		"<h2>&lt;script&gt;alert(&#39;&amp;&quot;&#39;)&lt;/script&gt;\\x1b[2J\\xff\\x0a"));
	keep("bad-input.html", &out);
}

static char *written(const struct chart *c)
{
	AUTO(page_freep) struct page *p = page_new("x");
	AUTO(buf_clear) struct buf out = BUF_INIT(TEXT_MAX);
	struct seen seen;

	page_chart(p, c);
	assert_int_equal(page_write(p, &out, NULL), 0);
	assert_well_formed(out.data, out.len, &seen);
	return buf_steal(&out);
}

static void a_chart_without_any_point_says_why(void **state)
{
	static const double zero[] = {0, -1};
	const struct chart_series s = {"s", zero, zero, 2};
	AUTO_FREE char *text = written(&(struct chart){.title = "t",
		.log_y = true,
		.series = &s,
		.n_series = 1,
		.empty = "too small to measure"});

	(void)state;
	assert_non_null(strstr(text, "too small to measure"));
	assert_null(strstr(text, "<svg"));
}

static void points_that_have_no_place_are_left_out_and_the_others_counted(void **state)
{
	static const double x[] = {1, 2, 0, 4, (double)INFINITY}, y[] = {1, (double)NAN, 3, 4, 5};
	const struct chart_series s = {"s", x, y, 5};
	AUTO_FREE char *text =
		written(&(struct chart){.title = "t", .log_x = true, .series = &s, .n_series = 1});

	(void)state;
	assert_non_null(strstr(text, "s: 2 points."));
}

static void axes_are_named_and_labelled_as_asked(void **state)
{
	static const double x[] = {1024, 1048576}, y[] = {3, 4};
	const struct chart_series s = {"k8s.example.net", x, y, 2};
	struct chart c = {.title = "Time to fetch",
		.x_label = "size (bytes)",
		.y_label = "time (s)",
		.log_x = true,
		.bytes_x = true,
		.series = &s,
		.n_series = 1};
	AUTO_FREE char *text = written(&c);
	AUTO_FREE char *from_zero = NULL;

	(void)state;
	assert_non_null(strstr(text, ">size (bytes)</text>"));
	assert_non_null(strstr(text, ">time (s)</text>"));
	assert_non_null(strstr(text, ">1 KiB</text>"));
	assert_non_null(strstr(text, ">1 MiB</text>"));
	assert_non_null(strstr(text, ">k8s.example.net</text>"));
	assert_null(strstr(text, ">0</text>"));
	c.zero_y = true;
	from_zero = written(&c);
	assert_non_null(strstr(from_zero, ">0</text>"));
}

static void the_legend_goes_only_where_the_drawing_names_every_series_in_full(void **state)
{
	static const double v[] = {1, 2};
	struct chart_series s = {"short", v, v, 2};
	struct chart c = {.title = "t", .series = &s, .n_series = 1};
	AUTO_FREE char *named = written(&c);
	AUTO_FREE char *cut = NULL;
	AUTO_FREE char *dots = NULL;

	(void)state;
	s.name = "registry.example.com/google_containers";
	cut = written(&c);
	s.name = "short";
	c.kind = CHART_DOTS;
	dots = written(&c);
	assert_non_null(strstr(named, "<figure class=\"named\">"));
	assert_non_null(strstr(cut, "<figure>"));
	assert_non_null(strstr(cut, "<span>registry.example.com/google_containers</span>"));
	assert_non_null(strstr(dots, "<figure>"));
}

static void a_series_without_points_is_named_as_such(void **state)
{
	static const double v[] = {1, 2};
	const struct chart_series series[] = {{"alive", v, v, 2}, {"dead", v, v, 0}};
	AUTO_FREE char *text =
		written(&(struct chart){.title = "t", .series = series, .n_series = 2});

	(void)state;
	assert_non_null(strstr(text, "<span>alive</span>"));
	assert_non_null(strstr(text, "<span>dead (no values)</span>"));
	assert_null(strstr(text, "class=\"named\""));
}

static void no_two_series_look_alike(void **state)
{
	(void)state;
	for (size_t i = 0; i < CHART_SERIES_MAX; i++) {
		for (size_t j = 0; j < i; j++)
			assert_true(mark_colour(i) != mark_colour(j) ||
				    mark_dashes(i) != mark_dashes(j));
		if (i > 0) {
			assert_int_not_equal(mark_colour(i), mark_colour(i - 1));
			assert_int_not_equal(mark_dashes(i), mark_dashes(i - 1));
			assert_int_not_equal(mark_shape(i), mark_shape(i - 1));
		}
	}
}

static void a_page_beyond_the_ceiling_fails_and_leaves_the_buffer_as_it_was(void **state)
{
	AUTO(page_freep) struct page *p = page_of_a_comparison();

	(void)state;
	for (size_t max = 6; max < 9000; max += 97) {
		AUTO(buf_clear) struct buf out = BUF_INIT(max);

		assert_int_equal(buf_puts(&out, "before", NULL), 0);
		assert_int_equal(page_write(p, &out, NULL), -ERR_NOMEM);
		assert_string_equal(buf_text(&out), "before");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_page_is_well_formed_and_shows_every_series),
		cmocka_unit_test(bad_input_still_makes_a_well_formed_page_that_loads_nothing),
		cmocka_unit_test(a_chart_without_any_point_says_why),
		cmocka_unit_test(points_that_have_no_place_are_left_out_and_the_others_counted),
		cmocka_unit_test(axes_are_named_and_labelled_as_asked),
		cmocka_unit_test(the_legend_goes_only_where_the_drawing_names_every_series_in_full),
		cmocka_unit_test(a_series_without_points_is_named_as_such),
		cmocka_unit_test(no_two_series_look_alike),
		cmocka_unit_test(a_page_beyond_the_ceiling_fails_and_leaves_the_buffer_as_it_was),
	};

	return cmocka_run_group_tests_name("report/page", tests, NULL, NULL);
}
