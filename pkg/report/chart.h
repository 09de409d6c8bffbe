/*
 * chart.h - plots as SVG, and one page around them that needs nothing else.
 *
 * The page is self-contained: styles and drawings in it, no script, no font and no address that
 * a browser would fetch.  It reads on a phone (from 320 CSS pixels), in light and dark, and on
 * paper.  Colours are told apart by the colour-blind, and each series is also named at its end or
 * in a legend.  Text is escaped here.
 *
 *	AUTO(page_freep) struct page *p = page_new("Sources of k8s");
 *
 *	page_text(p, "7 rounds, one source at a time");
 *	page_table(p, table);
 *	page_chart(p, &chart);
 *	rc = page_write(p, &out, err);
 *
 * Not thread-safe.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "report/table.h"

enum chart_kind {
	CHART_LINES, /* y over x, points joined */
	CHART_DOTS,  /* y over x, points alone */
	CHART_STEPS  /* y over x as steps: distributions */
};

#define CHART_SERIES_MAX 32

struct chart_series {
	const char *name; /* borrowed, as all below, until page_chart() returns */
	const double *x, *y;
	size_t n; /* points that are not finite are left out */
};

struct chart {
	enum chart_kind kind;
	const char *title;
	const char *x_label, *y_label; /* with their unit: "size (bytes)" */
	bool log_x, log_y;             /* values at or below 0 are left out then */
	bool bytes_x;                  /* label the axis as 1 KiB, 1 MiB, ... */
	bool zero_y;                   /* the axis begins at 0 */
	const struct chart_series *series;
	size_t n_series;   /* at most CHART_SERIES_MAX */
	const char *empty; /* said in place of a plot without any point */
};

struct page;

struct page *page_new(const char *title) NODISCARD;
void page_free(struct page *p);
DEFINE_CLEANUP(struct page *, page_free);
void page_heading(struct page *p, const char *text);
void page_text(struct page *p, const char *text);
void page_warning(struct page *p, const char *text); /* set off from the rest */
void page_table(
	struct page *p, const struct table *table); /* scrolls sideways by itself when wide */
void page_chart(struct page *p, const struct chart *chart);
/* Appends the whole page.  Fails with ERR_NOMEM at the ceiling of out. */
NODISCARD int page_write(const struct page *p, struct buf *out, struct error *err);
