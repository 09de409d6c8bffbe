/* bench_page.c - what `bench` found as one page with plots. */
#include <math.h>

#include "bench_print.h"
#include "report/chart.h"
#include "util/mem.h"

#define COLUMNS_MAX 64
#define CURVE_MIN   1024.0 /* bytes: a manifest */
#define CURVE_STEPS 21     /* points, each twice as large: up to 1 GiB */
#define MS_PER_SEC  1000.0

/* Points of all series of one plot. */
struct points {
	struct chart_series series[BENCH_PLACES_MAX];
	double *x, *y;
	size_t n, n_series;
};

static struct points points_new(size_t each)
{
	return (struct points){
		.x = xcalloc(each * BENCH_PLACES_MAX, sizeof(double)),
		.y = xcalloc(each * BENCH_PLACES_MAX, sizeof(double)),
	};
}

static void points_clear(struct points *p)
{
	free(p->x);
	free(p->y);
}

/* Begins the series of a row. */
static void points_begin(struct points *p, const struct bench_row *row)
{
	p->series[p->n_series++] = (struct chart_series){
		.name = row->name,
		.x = &p->x[p->n],
		.y = &p->y[p->n],
	};
}

static void points_add(struct points *p, double x, double y)
{
	p->x[p->n] = x;
	p->y[p->n++] = y;
	p->series[p->n_series - 1].n++;
}

static int by_value(const void *a, const void *b)
{
	double x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

/* Which share of the requests was answered in so many milliseconds. */
static void add_latencies(struct page *page, const struct bench_result *r, bool cold)
{
	AUTO(points_clear) struct points p = points_new(BENCH_WARM + BENCH_COLD + 1);
	struct chart chart = {
		.kind = CHART_STEPS,
		.title = cold ? "Latency on new connections" : "Latency on open connections",
		.x_label = "time to the first byte (ms)",
		.y_label = "share of requests (%)",
		.log_x = true,
		.zero_y = true,
		.empty = "no request was answered",
		.series = p.series,
	};

	for (size_t i = 0; i < r->n_rows; i++) {
		const struct bench_row *row = &r->rows[i];
		double v[BENCH_COLD + BENCH_WARM];
		size_t n = cold ? row->n_cold : row->n_warm;

		for (size_t k = 0; k < n; k++)
			v[k] = cold ? row->cold[k].total : row->warm[k];
		qsort(v, n, sizeof(*v), by_value);
		points_begin(&p, row);
		for (size_t k = 0; k < n; k++)
			points_add(&p, v[k], 100.0 * (double)(k + 1) / (double)n);
	}
	chart.n_series = p.n_series;
	page_chart(page, &chart);
}

static void add_rates(struct page *page, const struct bench_result *r)
{
	AUTO(points_clear) struct points p = points_new(BENCH_ROUNDS_MAX + 1);
	struct chart chart = {
		.kind = CHART_LINES,
		.title = "Throughput by round; in round 0 caches may be cold",
		.x_label = "round",
		.y_label = "MiB/s",
		.zero_y = true,
		.empty = "no trial came to its end",
		.series = p.series,
	};

	for (size_t i = 0; i < r->n_rows; i++) {
		const struct bench_row *row = &r->rows[i];

		points_begin(&p, row);
		for (size_t k = 0; k < row->n_trials && k <= BENCH_ROUNDS_MAX; k++)
			if (!row->trials[k].error)
				points_add(&p,
					row->trials[k].round,
					row->trials[k].result.rate / BENCH_MIB);
	}
	chart.n_series = p.n_series;
	page_chart(page, &chart);
}

/* T(S) = latency + S / rate (sources.md 1.2 b). */
static void add_times(struct page *page, const struct bench_result *r)
{
	AUTO(points_clear) struct points p = points_new(CURVE_STEPS);
	struct chart chart = {
		.kind = CHART_LINES,
		.title = "Time to fetch, by size",
		.x_label = "size (bytes)",
		.y_label = "seconds",
		.log_x = true,
		.log_y = true,
		.bytes_x = true,
		.empty = "no source has both a latency and a throughput",
		.series = p.series,
	};

	for (size_t i = 0; i < r->n_rows; i++) {
		const struct bench_row *row = &r->rows[i];
		double size = CURVE_MIN;

		points_begin(&p, row);
		if (!isfinite(row->warm_median) || !isfinite(row->rate))
			continue;
		for (int k = 0; k < CURVE_STEPS; k++, size *= 2)
			points_add(&p, size, row->warm_median / MS_PER_SEC + size / row->rate);
	}
	chart.n_series = p.n_series;
	page_chart(page, &chart);
}

static void add_table(struct page *page, const struct bench_result *r)
{
	AUTO_FREE struct column *own = NULL;
	size_t which[COLUMNS_MAX], n = 0;
	struct table *t;

	for (size_t i = 0; i < bench_n_shown && n < COLUMNS_MAX; i++)
		if (i < BENCH_FIRST || !bench_column_is_empty(r, i))
			which[n++] = i;
	t = bench_table(r, which, n, true, &own);
	page_table(page, t);
	table_free(t);
}

static void add_notes(struct page *page, const struct bench_result *r)
{
	for (size_t i = 0; i < r->n_warnings; i++)
		page_warning(page, r->warnings[i]);
	for (size_t i = 0; i < r->n_rows; i++) {
		const struct bench_row *row = &r->rows[i];
		AUTO_FREE char *wrong =
			row->wrong ? xasprintf("integrity of %s: %s", row->name, row->wrong) : NULL;
		AUTO_FREE char *error =
			row->error ? xasprintf("%s: %s", row->name, row->error) : NULL;

		if (wrong)
			page_warning(page, wrong);
		if (error)
			page_warning(page, error);
	}
	for (size_t i = 0; i < r->n_crossovers; i++) {
		AUTO_FREE char *text = bench_crossover_text(r, i);

		page_text(page, text);
	}
}

int bench_print_page(
	const struct bench_report *reports, size_t n, struct buf *out, struct error *err)
{
	AUTO(page_freep) struct page *page = page_new("Sources compared");

	for (size_t i = 0; i < n; i++) {
		const struct bench_result *r = reports[i].result;
		AUTO_FREE char *headline = bench_headline(&reports[i]);

		page_heading(page, reports[i].upstream ? reports[i].upstream : r->repository);
		page_text(page, headline);
		add_notes(page, r);
		add_table(page, r);
		add_latencies(page, r, true);
		add_latencies(page, r, false);
		add_rates(page, r);
		add_times(page, r);
	}
	return page_write(page, out, err);
}
