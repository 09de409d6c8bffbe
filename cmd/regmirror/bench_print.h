/*
 * bench_print.h - what `bench` found: as text, JSON, CSV and a page.
 *
 * The columns are one list (bench_columns.c) in all forms.  Text begins with the columns source,
 * latency (ms), throughput (MiB/s) and integrity, and goes on in further tables where a line
 * would be longer than BENCH_WIDTH.
 */
#pragma once

#include "report/table.h"
#include "source/bench.h"

#define BENCH_WIDTH     100  /* columns of a line of text at most */
#define BENCH_CELL_MAX  1024 /* chars of a text, with the NUL; a longer one is cut */
#define BENCH_WORDS_MAX 24   /* chars of a formatted number, with the NUL */
#define BENCH_OUT_MAX   ((size_t)16 * 1024 * 1024) /* bytes: 32 sources with 100 rounds are 1 MiB */

/* One upstream's, or one comparison's. */
struct bench_report {
	const char *upstream; /* or NULL */
	const struct bench_result *result;
	uint64_t seed;
};

/* ---- columns ---- */

struct bench_cell {
	double number;             /* NAN: none */
	const char *mark;          /* before the number, ">= "; or NULL */
	char text[BENCH_CELL_MAX]; /* "": none; of a number: in its place */
};
struct bench_column {
	const char *title, *key;
	enum cell_kind kind; /* CELL_TEXT, CELL_DECIMAL, CELL_COUNT */
	void (*get)(const struct bench_row *row, struct bench_cell *ret);
};
extern const struct bench_column bench_columns[];
extern const size_t bench_n_columns, bench_n_shown; /* text has the first n_shown */
#define BENCH_FIRST 4 /* columns that a table begins with, whatever is in them */

/* Three significant digits. */
char *bench_number(double v, char ret[static BENCH_WORDS_MAX]);
/* No row has anything in it. */
bool bench_column_is_empty(const struct bench_result *r, size_t which);
/*
 * The rows as a table of n of the columns.  marks: ">= 12.3" and "n/a (proxy)" in the place of
 * numbers, for people.  *ret_columns is to be freed after the table.
 */
struct table *bench_table(const struct bench_result *r, const size_t *which, size_t n, bool marks,
	struct column **ret_columns) NODISCARD;
/* "registry.k8s.io/pause:3.10, blob 6f3a... of 31.2 MiB, 7 rounds, 93 s"; the caller frees. */
char *bench_headline(const struct bench_report *report) NODISCARD;
/* "below 1.2 MiB A is quicker, above it B"; the caller frees. */
char *bench_crossover_text(const struct bench_result *r, size_t i) NODISCARD;

/* ---- whole outputs ---- */

void bench_print_text(const struct bench_report *report);
NODISCARD int bench_print_json(
	const struct bench_report *reports, size_t n, struct buf *out, struct error *err);
NODISCARD int bench_print_csv(
	const struct bench_report *reports, size_t n, struct buf *out, struct error *err);
NODISCARD int bench_print_page(
	const struct bench_report *reports, size_t n, struct buf *out, struct error *err);
/* --compare: a sentence about rows 0 and 1, and a small table. */
void bench_print_comparison(const struct bench_report *report);
