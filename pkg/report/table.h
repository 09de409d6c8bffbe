/*
 * table.h - rows of typed cells, printed as text or HTML for people, JSON or CSV for programs.
 *
 * One table, several forms: never build the same listing twice.  Text: columns
 * as wide as needed, text cut in the middle to fit `width`, numbers
 * right-aligned; bytes that do not belong on a terminal are shown as \xNN.
 * JSON: an array of objects, keys from the columns, bytes and milliseconds as
 * plain numbers, times as RFC 3339, digests in full.
 *
 *	static const struct column columns[] = {
 *		{"tag", "tag", CELL_TEXT},
 *		{"size", "size_bytes", CELL_BYTES},
 *	};
 *	AUTO(table_freep) struct table *t = table_new(columns, ARRAY_SIZE(columns));
 *
 *	table_row(t);
 *	table_text(t, "v1.34.1");
 *	table_number(t, 18140000);
 *	table_print(t, stdout, tty_is(STDOUT_FILENO) ? tty_width(STDOUT_FILENO) : 0);
 *
 * Not thread-safe.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "oci/digest.h"
#include "util/buf.h"

enum cell_kind {
	CELL_TEXT,
	CELL_COUNT,    /* u64 */
	CELL_BYTES,    /* u64, shown as 17.3 MiB */
	CELL_DURATION, /* u64 ms, shown as 4m 10s */
	CELL_TIME,     /* i64 seconds; 0 is "never" and null */
	CELL_DIGEST,   /* text shows 12 hex digits */
	CELL_DECIMAL,  /* double, shown with as many decimals as three significant digits need */
};

struct column {
	const char *title; /* text: "last success" */
	const char *key;   /* JSON: "last_success" */
	enum cell_kind kind;
};

struct table;

/* Columns are borrowed: static. */
struct table *table_new(const struct column *columns, size_t n_columns) NODISCARD;
void table_free(struct table *t);
DEFINE_CLEANUP(struct table *, table_free);
/*
 * table_row() begins a row; then one call a cell, in order of the columns and of
 * the column's kind.  Cells that are left out at the end are "-", null in JSON.
 */
void table_row(struct table *t);
void table_text(struct table *t, const char *text); /* copied; NULL is "-", null in JSON */
void table_number(struct table *t, uint64_t n);
void table_time(struct table *t, int64_t sec);
void table_decimal(struct table *t, double v);              /* not finite: "-", null in JSON */
void table_digest(struct table *t, const struct digest *d); /* copied; or NULL, as with text */
size_t table_rows(const struct table *t);

/* width: columns of the terminal, 0: as wide as needed.  Errors are left to ferror(out). */
void table_print(const struct table *t, FILE *out, size_t width);
/* Appends the array and a newline.  Fails with ERR_NOMEM at the ceiling of out. */
NODISCARD int table_json(const struct table *t, struct buf *out, struct error *err);
/* Appends a heading of keys and a line a row, as RFC 4180: values as in JSON, an unknown one empty;
 * text that a spreadsheet would take for a formula is quoted with an apostrophe. Fails as above. */
NODISCARD int table_csv(const struct table *t, struct buf *out, struct error *err);
/* Appends <table>...</table>, text escaped, numbers right-aligned by a class "n".  Fails as above.
 */
NODISCARD int table_html(const struct table *t, struct buf *out, struct error *err);
