#include "pages.h"

#include <float.h>
#include <math.h>
#include <stdint.h>

#include "util/mem.h"

#define ROUNDS 7
#define PROBES 60 /* latencies measured of each source */
#define SIZES  9

/* The sources of the reference experiment: cold latency in ms, and MiB/s. */
static const struct source_figures {
	const char *name;
	double latency_ms, rate;
} sources[] = {
	{"C k8s.example.net", 98, 20.1},
	{"A k8s.m.example.org", 117, 18.6},
	{"B registry.example.com", 203, 12.4},
	{"origin registry.k8s.example", 892, 4.2},
};

#define N_SOURCES ARRAY_SIZE(sources)

static const struct column columns[] = {
	{"source", "source", CELL_TEXT},
	{"latency (ms)", "latency_ms", CELL_DECIMAL},
	{"throughput (MiB/s)", "throughput", CELL_DECIMAL},
	{"integrity", "integrity", CELL_TEXT},
	{"freshness", "freshness", CELL_TEXT},
	{"requests", "requests", CELL_COUNT},
	{"bytes", "bytes", CELL_BYTES},
	{"took", "took_ms", CELL_DURATION},
	{"index", "index_digest", CELL_DIGEST},
	{"measured", "measured", CELL_TIME},
};

/* Numbers that look like chance and are the same in each run. */
static double chance(void)
{
	static uint32_t seed = 1;

	seed = seed * 1664525 + 1013904223; /* Numerical Recipes */
	return (double)(seed >> 8) / (1 << 24);
}

static struct table *comparison(void)
{
	struct table *t = table_new(columns, ARRAY_SIZE(columns));
	struct digest d;

	if (digest_of(DIGEST_SHA256, "", 0, &d, NULL) < 0)
		abort();
	for (size_t i = 0; i < N_SOURCES; i++) {
		table_row(t);
		table_text(t, sources[i].name);
		table_decimal(t, sources[i].latency_ms);
		table_decimal(t, sources[i].rate);
		table_text(t, i == 2 ? "FAILED: 1 of 7 digests differ" : "OK");
		table_text(t, i == 1 ? "2 h behind" : "fresh");
		table_number(t, 84);
		table_number(t, 940572672);
		table_number(t, (uint64_t)(1e3 * 897 / sources[i].rate));
		table_digest(t, &d);
		table_time(t, 1795384916);
	}
	return t;
}

/* Latencies in order, and the share of probes that took no longer. */
static void add_latencies(struct page *p)
{
	double x[N_SOURCES][PROBES], y[PROBES];
	struct chart_series series[N_SOURCES];

	for (size_t k = 0; k < N_SOURCES; k++) {
		double at = sources[k].latency_ms * 0.9;

		for (size_t i = 0; i < PROBES; i++) {
			x[k][i] = at;
			y[i] = (double)(i + 1) / PROBES;
			at *= 1 + 0.012 * chance() * (i > PROBES - 8 ? 6 : 1);
		}
		series[k] = (struct chart_series){sources[k].name, x[k], y, PROBES};
	}
	page_chart(p,
		&(struct chart){.kind = CHART_STEPS,
			.title = "Latency of a small request",
			.x_label = "latency (ms)",
			.y_label = "share of requests",
			.log_x = true,
			.zero_y = true,
			.series = series,
			.n_series = N_SOURCES});
}

static void add_rounds(struct page *p, enum chart_kind kind, const char *title)
{
	double x[ROUNDS], y[N_SOURCES][ROUNDS];
	struct chart_series series[N_SOURCES];

	for (size_t k = 0; k < N_SOURCES; k++) {
		for (size_t i = 0; i < ROUNDS; i++) {
			x[i] = (double)(i + 1);
			y[k][i] = sources[k].rate * (0.92 + 0.12 * chance()) * (i ? 1 : 0.8);
		}
		series[k] = (struct chart_series){sources[k].name, x, y[k], ROUNDS};
	}
	page_chart(p,
		&(struct chart){.kind = kind,
			.title = title,
			.x_label = "round",
			.y_label = "throughput (MiB/s)",
			.zero_y = true,
			.series = series,
			.n_series = N_SOURCES});
}

static void add_sizes(struct page *p)
{
	double x[SIZES], y[N_SOURCES][SIZES];
	struct chart_series series[N_SOURCES];

	for (size_t k = 0; k < N_SOURCES; k++) {
		for (size_t i = 0; i < SIZES; i++) {
			x[i] = ldexp(1, (int)(10 + 2 * i));
			y[k][i] = sources[k].latency_ms / 1e3 + x[i] / (1 << 20) / sources[k].rate;
		}
		series[k] = (struct chart_series){sources[k].name, x, y[k], SIZES};
	}
	page_chart(p,
		&(struct chart){.kind = CHART_LINES,
			.title = "Time to fetch by size",
			.x_label = "size (bytes)",
			.y_label = "time (s)",
			.log_x = true,
			.log_y = true,
			.bytes_x = true,
			.series = series,
			.n_series = N_SOURCES});
}

struct page *page_of_a_comparison(void)
{
	struct page *p = page_new("Sources of k8s");
	AUTO(table_freep) struct table *t = comparison();

	page_text(p, "7 rounds, one source at a time, blocks in random order; medians.");
	page_warning(p,
		"the access link carries 21.3 MiB/s in total and is the bottleneck of C "
		"k8s.example.net.");
	page_table(p, t);
	page_heading(p, "Bulk");
	page_text(p, "Ranks: C and A tie (p = 0.21), then B, then origin.");
	add_rounds(p, CHART_LINES, "Throughput per round");
	add_rounds(p, CHART_DOTS, "Throughput per round, each value");
	page_heading(p, "Small objects");
	add_latencies(p);
	page_heading(p, "Crossover");
	add_sizes(p);
	return p;
}

/* One chart of the same values in all combinations of kinds and scales. */
static void add_everywhere(struct page *p, const struct chart_series *series, size_t n)
{
	for (unsigned i = 0; i < 3 * 8; i++)
		page_chart(p,
			&(struct chart){.kind = (enum chart_kind)(i % 3),
				.title = HOSTILE_NAME,
				.x_label = HOSTILE_NAME " and a label that no drawing is wide "
							"enough for, not even one on a desk",
				.y_label = HOSTILE_NAME,
				.log_x = i / 3 & 1,
				.log_y = i / 6 & 1,
				.bytes_x = i / 12 & 1,
				.zero_y = i & 1,
				.series = series,
				.n_series = n,
				.empty = HOSTILE_NAME});
}

static void add_many(struct page *p)
{
	char *names[CHART_SERIES_MAX];
	double x[] = {1, 2, 3, 4, 5, 6, 7}, y[CHART_SERIES_MAX][ARRAY_SIZE(x)];
	struct chart_series series[CHART_SERIES_MAX];

	for (size_t k = 0; k < CHART_SERIES_MAX; k++) {
		for (size_t i = 0; i < ARRAY_SIZE(x); i++)
			y[k][i] = (double)(k + 1) * (0.9 + 0.2 * chance());
		names[k] = xasprintf(HOSTILE_NAME "%zu.%0200d.example.net/a/long/path", k, 0);
		series[k] = (struct chart_series){names[k], x, y[k], ARRAY_SIZE(x)};
	}
	add_everywhere(p, series, CHART_SERIES_MAX);
	for (size_t k = 0; k < CHART_SERIES_MAX; k++)
		free(names[k]);
}

struct page *page_of_bad_input(void)
{
	static const double none[] = {(double)NAN, (double)INFINITY, -(double)INFINITY};
	static const double odd[] = {
		0, -1, (double)NAN, 5, 5, (double)INFINITY, DBL_MAX, -DBL_MAX, 5e-324};
	static const double same[] = {7, 7, 7, 7}, zeros[] = {0, 0}, huge[] = {1e308, 1.1e308},
			    near[] = {1, 1 + 1e-15}, tiny[] = {5e-324, 1e-320},
			    wide[] = {-12345678.9, 0.0000123};
	static const struct column two[] = {
		{"a " HOSTILE_NAME, "a", CELL_TEXT}, {"b", "b", CELL_DECIMAL}};
	const struct chart_series cases[] = {
		{"no points", same, same, 0},
		{"no numbers", none, none, ARRAY_SIZE(none)},
		{"one", same, same, 1},
		{"all the same", same, same, ARRAY_SIZE(same)},
		{"zeros", zeros, zeros, ARRAY_SIZE(zeros)},
		{"huge", huge, huge, ARRAY_SIZE(huge)},
		{"near", near, near, ARRAY_SIZE(near)},
		{"tiny", tiny, tiny, ARRAY_SIZE(tiny)},
		{"wide", wide, wide, ARRAY_SIZE(wide)},
		{NULL, odd, odd, ARRAY_SIZE(odd)},
	};
	AUTO(table_freep) struct table *t = table_new(two, ARRAY_SIZE(two));
	struct page *p = page_new(HOSTILE_NAME);

	table_row(t);
	table_text(t, HOSTILE_NAME);
	table_decimal(t, (double)NAN);
	table_row(t);
	page_table(p, t);
	page_heading(p, HOSTILE_NAME);
	page_text(p, HOSTILE_NAME);
	page_warning(p, HOSTILE_NAME);
	add_everywhere(p, NULL, 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		add_everywhere(p, &cases[i], 1);
	add_everywhere(p, cases, ARRAY_SIZE(cases));
	add_many(p);
	return p;
}
