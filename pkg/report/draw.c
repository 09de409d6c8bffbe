/*
 * draw.c - the figure of one chart.
 *
 * Text in a drawing shrinks with it, and is too small on a phone when it fits a desk.  Each chart
 * is therefore drawn twice, and the page's style sheet shows the one that fits.
 *
 * A series is told by three things at once: colour, dashes and the shape of its marks.
 */
#include "report/draw.h"

#include <assert.h>
#include <math.h>
#include <stdint.h>

#include "report/axis.h"
#include "report/mark.h"
#include "util/mem.h"
#include "util/parse.h"
#include "util/tty.h"

#define LINE_MARKS  24 /* marks on one line: more would hide it */
#define STEP_MARKS  8
#define GLYPH_WIDTH 0.6 /* of the size of the font: what digits and most letters take, or less */
#define LABELS_MAX                                                                                 \
	8             /* series that are named at their ends: more would not fit one above another \
		       */
#define NAME_MAX  28  /* columns of such a name; longer ones are in a legend alone */
#define LEADER    1.6 /* of the size of the font, between a line's end and its name */
#define DESCRIBED 200 /* characters of one name in the description */

/* All in units of the viewBox. */
struct layout {
	const char *name;
	double width, height, font;
	bool names_ends; /* has room for the names of series on the right */
	size_t x_ticks, y_ticks;
};

static const struct layout layouts[] = {
	{"wide", 860, 400, 13, true, 9, 8},
	{"narrow", 340, 290, 11.5, false, 8, 7},
};

struct drawing {
	struct markup *m;
	const struct chart *chart;
	const struct layout *layout;
	struct axis x, y;
	bool named; /* series are named at their ends, where the layout has room */
	double left, right, top, bottom; /* of the plot */
	struct tick x_ticks[TICKS_MAX], y_ticks[TICKS_MAX];
	size_t n_x, n_y;
};

struct point {
	double x, y;
};

static bool takes(const struct drawing *d, const struct chart_series *s, size_t i)
{
	return axis_takes(&d->x, s->x[i]) && axis_takes(&d->y, s->y[i]);
}

static struct point place(const struct drawing *d, const struct chart_series *s, size_t i)
{
	return (struct point){
		d->left + axis_place(&d->x, s->x[i]) * (d->right - d->left),
		d->bottom - axis_place(&d->y, s->y[i]) * (d->bottom - d->top),
	};
}

static size_t count_points(const struct drawing *d, const struct chart_series *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		n += takes(d, s, i);
	return n;
}

static double text_width(const struct drawing *d, const char *text)
{
	return (double)text_columns(text) * d->layout->font * GLYPH_WIDTH;
}

/* As much of a text as fits, with "..." at the cut. */
static void put_fitting(struct drawing *d, const char *text, double width)
{
	size_t max = (size_t)(width / (d->layout->font * GLYPH_WIDTH));

	for (; max > 0; max--) {
		AUTO_FREE char *clean = text ? text_sanitize(text, strlen(text), max) : NULL;

		if (!clean || text_width(d, clean) <= width)
			break;
	}
	markup_text_cut(d->m, text, max);
}

static void put_at(struct drawing *d, const char *class, double x, double y)
{
	markup_format(d->m, "<text class=\"%s\" x=\"", class);
	markup_number(d->m, x);
	markup_raw(d->m, "\" y=\"");
	markup_number(d->m, y);
	markup_raw(d->m, "\">");
}

static void put_line(struct drawing *d, const char *class, struct point from, struct point to)
{
	const char *const names[] = {"x1", "y1", "x2", "y2"};
	const double at[] = {from.x, from.y, to.x, to.y};

	markup_format(d->m, "<line class=\"%s\"", class);
	for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
		markup_format(d->m, " %s=\"", names[i]);
		markup_number(d->m, at[i]);
		markup_raw(d->m, "\"");
	}
	markup_raw(d->m, "/>\n");
}

/* The range of one coordinate over all points that are drawn; false when there are none. */
static bool find_range(const struct drawing *d, bool of_x, double *lo, double *hi)
{
	bool found = false;

	for (size_t k = 0; k < d->chart->n_series; k++) {
		const struct chart_series *s = &d->chart->series[k];
		const double *v = of_x ? s->x : s->y;

		for (size_t i = 0; i < s->n; i++) {
			if (!takes(d, s, i))
				continue;
			if (!found || v[i] < *lo)
				*lo = v[i];
			if (!found || v[i] > *hi)
				*hi = v[i];
			found = true;
		}
	}
	return found;
}

/* Names beside the lines are read at once, if there is room for all of them in full. */
static bool names_at_ends(const struct drawing *d)
{
	const struct chart *c = d->chart;

	if (c->kind != CHART_LINES || c->n_series > LABELS_MAX)
		return false;
	for (size_t i = 0; i < c->n_series; i++) {
		const char *name = c->series[i].name;

		if (!name || !text_is_clean(name, strlen(name)) || text_columns(name) > NAME_MAX)
			return false;
		if (count_points(d, &c->series[i]) == 0)
			return false;
	}
	return true;
}

static double names_width(const struct drawing *d)
{
	double widest = 0;

	if (!d->layout->names_ends || !d->named)
		return 0;
	for (size_t i = 0; i < d->chart->n_series; i++)
		widest = fmax(widest, text_width(d, d->chart->series[i].name));
	return widest + LEADER * d->layout->font;
}

/* As many as there is room for below the axis, by the widest of them. */
static void place_x_ticks(struct drawing *d)
{
	size_t max = d->layout->x_ticks;

	for (; max >= 2; max--) {
		double widest = 0;

		d->n_x = axis_ticks(&d->x, max, d->x_ticks);
		for (size_t i = 0; i < d->n_x; i++)
			widest = fmax(widest, text_width(d, d->x_ticks[i].label));
		if ((widest + 0.6 * d->layout->font) * (double)d->n_x <= d->right - d->left)
			break;
	}
}

/* Axes, ticks and the place of the plot; false without any point. */
static bool lay_out(struct drawing *d)
{
	const struct layout *l = d->layout;
	double lo = 0, hi = 0, widest = 0;

	if (!find_range(d, true, &lo, &hi))
		return false;
	axis_fit(&d->x, lo, hi);
	(void)find_range(d, false, &lo, &hi);
	if (d->chart->zero_y && !d->y.log) {
		lo = fmin(lo, 0);
		hi = fmax(hi, 0);
		hi = hi > lo ? hi : 1;
	}
	axis_fit_round(&d->y, lo, hi, l->y_ticks);
	d->n_y = axis_ticks(&d->y, l->y_ticks, d->y_ticks);
	for (size_t i = 0; i < d->n_y; i++)
		widest = fmax(widest, text_width(d, d->y_ticks[i].label));
	d->left = widest + 1.2 * l->font;
	d->right = l->width - l->font - names_width(d);
	d->top = 2.4 * l->font;
	d->bottom = l->height - 3.2 * l->font;
	place_x_ticks(d);
	return true;
}

static void put_y_axis(struct drawing *d)
{
	double font = d->layout->font;

	for (size_t i = 0; i < d->n_y; i++) {
		double y = d->bottom - axis_place(&d->y, d->y_ticks[i].at) * (d->bottom - d->top);

		put_line(d, "grid", (struct point){d->left, y}, (struct point){d->right, y});
		put_at(d, "end", d->left - 0.5 * font, y + 0.35 * font);
		markup_text(d->m, d->y_ticks[i].label);
		markup_raw(d->m, "</text>\n");
	}
	put_at(d, "name", 0.3 * font, 1.2 * font);
	put_fitting(d, d->chart->y_label, d->layout->width - 0.6 * font);
	markup_raw(d->m, "</text>\n");
}

static void put_x_axis(struct drawing *d)
{
	double font = d->layout->font, taken = 0;

	put_line(
		d, "axis", (struct point){d->left, d->bottom}, (struct point){d->right, d->bottom});
	for (size_t i = 0; i < d->n_x; i++) {
		double x = d->left + axis_place(&d->x, d->x_ticks[i].at) * (d->right - d->left);
		double half = text_width(d, d->x_ticks[i].label) / 2;
		double middle =
			fmin(fmax(x, half + 0.3 * font), d->layout->width - half - 0.3 * font);

		put_line(d,
			"axis",
			(struct point){x, d->bottom},
			(struct point){x, d->bottom + 0.35 * font});
		/* Labels of very long numbers make room for each other. */
		if (i > 0 && middle - half < taken + 0.5 * font)
			continue;
		taken = middle + half;
		put_at(d, "middle", middle, d->bottom + 1.4 * font);
		markup_text(d->m, d->x_ticks[i].label);
		markup_raw(d->m, "</text>\n");
	}
	put_at(d, "name end", d->right, d->bottom + 2.8 * font);
	put_fitting(d, d->chart->x_label, d->right - 0.3 * font);
	markup_raw(d->m, "</text>\n");
}

static void put_point(struct drawing *d, char command, struct point p)
{
	markup_format(d->m, "%c", command);
	markup_number(d->m, p.x);
	markup_raw(d->m, " ");
	markup_number(d->m, p.y);
}

/* A step is reached at its x: flat, then up or down. */
static void put_curve(struct drawing *d, const struct chart_series *s)
{
	bool steps = d->chart->kind == CHART_STEPS;
	struct point last = {0, 0};
	bool begun = false;

	markup_raw(d->m, "<path class=\"line\" d=\"");
	for (size_t i = 0; i < s->n; i++) {
		struct point p;

		if (!takes(d, s, i))
			continue;
		p = place(d, s, i);
		if (!begun && steps && d->chart->zero_y && !d->y.log)
			put_point(d,
				'M',
				(struct point){p.x,
					d->bottom - axis_place(&d->y, 0) * (d->bottom - d->top)});
		else if (!begun)
			put_point(d, 'M', p);
		else if (steps)
			put_point(d, 'L', (struct point){p.x, last.y});
		if (begun || steps)
			put_point(d, 'L', p);
		begun = true;
		last = p;
	}
	markup_raw(d->m, "\"/>\n");
}

static void put_marks(struct drawing *d, const struct chart_series *s, size_t index, size_t n)
{
	static const size_t most[] = {
		[CHART_LINES] = LINE_MARKS, [CHART_DOTS] = SIZE_MAX, [CHART_STEPS] = STEP_MARKS};
	size_t every = (n - 1) / most[d->chart->kind] + 1, seen = 0;

	markup_raw(d->m, "<path class=\"mark\" d=\"");
	for (size_t i = 0; i < s->n; i++) {
		struct point p;

		/* Counted from the end, which always has its mark. */
		if (!takes(d, s, i) || (n - ++seen) % every != 0)
			continue;
		p = place(d, s, i);
		mark_path(d->m, index, p.x, p.y);
	}
	markup_raw(d->m, "\"/>\n");
}

static void put_series(struct drawing *d, size_t index)
{
	const struct chart_series *s = &d->chart->series[index];
	size_t n = count_points(d, s);

	if (n == 0)
		return;
	markup_format(d->m, "<g class=\"c%zu d%zu\">\n", mark_colour(index), mark_dashes(index));
	if (d->chart->kind != CHART_DOTS && (n > 1 || d->chart->kind == CHART_STEPS))
		put_curve(d, s);
	put_marks(d, s, index, n);
	markup_raw(d->m, "</g>\n");
}

struct end {
	size_t index;
	struct point at;
	double y; /* of the name */
};

/* The ends of all series that have one, from the top down. */
static size_t find_ends(const struct drawing *d, struct end ends[static LABELS_MAX])
{
	size_t n = 0;

	for (size_t k = 0; k < d->chart->n_series; k++) {
		const struct chart_series *s = &d->chart->series[k];
		size_t last = s->n, i;
		struct end e;

		while (last > 0 && !takes(d, s, last - 1))
			last--;
		if (last == 0)
			continue;
		e = (struct end){.index = k, .at = place(d, s, last - 1)};
		e.y = e.at.y;
		for (i = n++; i > 0 && ends[i - 1].y > e.y; i--)
			ends[i] = ends[i - 1];
		ends[i] = e;
	}
	return n;
}

/* Names move apart: down until each has its line, then up from the bottom. */
static void spread_ends(const struct drawing *d, struct end *ends, size_t n)
{
	double line = 1.25 * d->layout->font;

	for (size_t i = 1; i < n; i++)
		ends[i].y = fmax(ends[i].y, ends[i - 1].y + line);
	for (size_t i = n; i-- > 0;)
		ends[i].y = fmin(ends[i].y, i + 1 < n ? ends[i + 1].y - line : d->bottom);
}

static void put_names(struct drawing *d)
{
	double font = d->layout->font, x = d->right + LEADER * font;
	struct end ends[LABELS_MAX];
	size_t n = find_ends(d, ends);

	spread_ends(d, ends, n);
	for (size_t i = 0; i < n; i++) {
		markup_format(d->m, "<g class=\"c%zu\">", mark_colour(ends[i].index));
		put_line(d,
			"leader",
			(struct point){ends[i].at.x + 0.6 * font, ends[i].at.y},
			(struct point){x - 0.3 * font, ends[i].y});
		put_at(d, "series", x, ends[i].y + 0.35 * font);
		markup_text(d->m, d->chart->series[ends[i].index].name);
		markup_raw(d->m, "</text></g>\n");
	}
}

/* What a reader who sees no drawing is told. */
static void put_description(struct drawing *d)
{
	static const char *const kinds[] = {
		[CHART_LINES] = "Lines",
		[CHART_DOTS] = "Dots",
		[CHART_STEPS] = "Steps",
	};

	markup_format(d->m, "%s of ", kinds[d->chart->kind]);
	markup_text(d->m, d->chart->y_label);
	markup_raw(d->m, " over ");
	markup_text(d->m, d->chart->x_label);
	for (size_t i = 0; i < d->chart->n_series; i++) {
		const struct chart_series *s = &d->chart->series[i];

		markup_raw(d->m, i ? "; " : ". ");
		markup_text_cut(d->m, s->name, DESCRIBED);
		markup_format(d->m, ": %zu points", count_points(d, s));
	}
	markup_raw(d->m, ".");
}

static void put_drawing(struct drawing *d, unsigned number)
{
	const struct layout *l = d->layout;
	char id[sizeof("f4294967295narrow")];

	(void)snprintf(id, sizeof(id), "f%u%s", number, l->name);
	markup_format(d->m, "<svg class=\"%s\" role=\"img\" viewBox=\"0 0 ", l->name);
	markup_number(d->m, l->width);
	markup_raw(d->m, " ");
	markup_number(d->m, l->height);
	markup_raw(d->m, "\" font-size=\"");
	markup_number(d->m, l->font);
	markup_format(d->m, "\" aria-labelledby=\"%st %sd\">\n<title id=\"%st\">", id, id, id);
	markup_text(d->m, d->chart->title);
	markup_format(d->m, "</title>\n<desc id=\"%sd\">", id);
	put_description(d);
	markup_raw(d->m, "</desc>\n");
	put_y_axis(d);
	put_x_axis(d);
	for (size_t i = 0; i < d->chart->n_series; i++)
		put_series(d, i);
	if (l->names_ends && d->named)
		put_names(d);
	markup_raw(d->m, "</svg>\n");
}

static void put_legend(const struct drawing *d)
{
	const struct chart *c = d->chart;

	markup_raw(d->m, "<ul class=\"legend\">\n");
	for (size_t i = 0; i < c->n_series; i++) {
		const char *name = c->series[i].name;

		markup_raw(d->m, "<li>");
		mark_sample(d->m, i, c->kind != CHART_DOTS);
		markup_raw(d->m, "<span>");
		markup_text(d->m, name && *name ? name : "-");
		if (count_points(d, &c->series[i]) == 0)
			markup_raw(d->m, " (no values)");
		markup_raw(d->m, "</span></li>\n");
	}
	markup_raw(d->m, "</ul>\n");
}

void draw_figure(struct markup *m, const struct chart *chart, unsigned number)
{
	struct drawing d = {.m = m, .chart = chart};
	bool drawn = true;

	assert(chart->n_series <= CHART_SERIES_MAX);
	d.x = (struct axis){.log = chart->log_x, .bytes = chart->bytes_x};
	d.y = (struct axis){.log = chart->log_y};
	d.named = names_at_ends(&d);
	markup_format(m, "<figure%s>\n<figcaption>", d.named ? " class=\"named\"" : "");
	markup_text(m, chart->title);
	markup_raw(m, "</figcaption>\n");
	for (size_t i = 0; i < ARRAY_SIZE(layouts) && drawn; i++) {
		d.layout = &layouts[i];
		drawn = lay_out(&d);
		if (drawn && i == 0)
			put_legend(&d);
		if (drawn)
			put_drawing(&d, number);
	}
	if (!drawn) {
		markup_raw(m, "<p class=\"empty\">");
		markup_text(m, chart->empty ? chart->empty : "There is nothing to show.");
		markup_raw(m, "</p>\n");
	}
	markup_raw(m, "</figure>\n");
}
