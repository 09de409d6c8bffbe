/*
 * table.h - rows of typed cells, printed as text for people or JSON for programs.
 *
 * One table, several forms: never build the same listing twice.  Text: columns as wide as
 * needed, cut in the middle to fit `width`, numbers right-aligned.  JSON: an array of objects, keys from the
 * columns, bytes and milliseconds as plain numbers.
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
	CELL_DURATION, /* u64 ms */
	CELL_TIME,     /* i64 seconds; 0 is "never" and null */
	CELL_DIGEST,   /* text shows 12 hex digits */
};

struct column {
	const char *title; /* text: "last success" */
	const char *key;   /* JSON: "last_success" */
	enum cell_kind kind;
};

struct table;

struct table *table_new(const struct column *columns, size_t n_columns) NODISCARD; /* columns borrowed: static */
void table_free(struct table *t);
DEFINE_CLEANUP(struct table *, table_free);
/* Cells of one row, in order of columns. */
void table_row(struct table *t);
void table_text(struct table *t, const char *text); /* NULL is shown as "-", null in JSON */
void table_number(struct table *t, uint64_t n);
void table_time(struct table *t, int64_t sec);
void table_digest(struct table *t, const struct digest *d); /* or NULL */
size_t table_rows(const struct table *t);

void table_print(const struct table *t, FILE *out, size_t width); /* width 0: as wide as needed */
NODISCARD int table_json(const struct table *t, struct buf *out, struct error *err);
