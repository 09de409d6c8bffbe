#include "report/table.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>

#include "oci/json.h"
#include "report/markup.h"
#include "report/number.h"
#include "util/clock.h"
#include "util/mem.h"
#include "util/parse.h"
#include "util/tty.h"
#include "util/utf8.h"

#define GAP            2    /* spaces between columns */
#define TEXT_WIDTH_MIN 12   /* columns below which no text is cut */
#define TEXT_SHOWN_MAX 1000 /* characters of one text that are printed at all */
#define DIGEST_SHOWN   12   /* hex digits: as docker and podman show an id */
#define ELLIPSIS       "..."
#define ELLIPSIS_WIDTH 3
#define MISSING        "-"

/* Small, for there are 8 in each of 100,000 rows. */
struct cell {
	union {
		uint64_t number; /* counts, bytes, milliseconds; seconds as two's complement */
		double decimal;
		char *text; /* texts and digests */
	};
	bool given;
	bool owns_text; /* or it is that of the row above */
};

struct table {
	const struct column *columns;
	size_t n_columns;
	struct cell *cells; /* row by row */
	size_t n_rows, next_column;
	size_t cap_rows;
};

struct table *table_new(const struct column *columns, size_t n_columns)
{
	struct table *t = xcalloc(1, sizeof(*t));

	t->columns = columns;
	t->n_columns = n_columns;
	return t;
}

void table_free(struct table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n_rows * t->n_columns; i++)
		if (t->cells[i].owns_text)
			free(t->cells[i].text);
	free(t->cells);
	free(t);
}

void table_row(struct table *t)
{
	size_t row_size = t->n_columns * sizeof(*t->cells);

	t->cells = array_grow(t->cells, t->n_rows, &t->cap_rows, row_size);
	memset(&t->cells[t->n_rows * t->n_columns], 0, row_size);
	t->n_rows++;
	t->next_column = 0;
}

/* The cell that is due in the newest row; one too many is the caller's mistake. */
static struct cell *next_cell(struct table *t)
{
	assert(t->n_rows > 0 && t->next_column < t->n_columns);
	return &t->cells[(t->n_rows - 1) * t->n_columns + t->next_column++];
}

static enum cell_kind next_kind(const struct table *t)
{
	assert(t->next_column < t->n_columns);
	return t->columns[t->next_column].kind;
}

/* Targets and states are the same in row after row: one copy does for all of them. */
static void put_text(struct table *t, const char *text)
{
	struct cell *c = next_cell(t);
	const struct cell *above = t->n_rows > 1 ? c - t->n_columns : NULL;

	c->given = text != NULL;
	if (!text)
		return;
	c->owns_text = !above || !above->given || strcmp(above->text, text) != 0;
	c->text = c->owns_text ? xstrdup(text) : above->text;
}

void table_text(struct table *t, const char *text)
{
	assert(next_kind(t) == CELL_TEXT);
	put_text(t, text);
}

void table_number(struct table *t, uint64_t n)
{
	enum cell_kind kind = next_kind(t);
	struct cell *c = next_cell(t);

	assert(kind == CELL_COUNT || kind == CELL_BYTES || kind == CELL_DURATION);
	c->given = true;
	c->number = n;
}

void table_time(struct table *t, int64_t sec)
{
	struct cell *c;

	assert(next_kind(t) == CELL_TIME);
	c = next_cell(t);
	c->given = true;
	c->number = (uint64_t)sec;
}

void table_decimal(struct table *t, double v)
{
	struct cell *c;

	assert(next_kind(t) == CELL_DECIMAL);
	c = next_cell(t);
	c->given = isfinite(v);
	c->decimal = c->given && v != 0 ? v : 0; /* and no -0 */
}

void table_digest(struct table *t, const struct digest *d)
{
	char text[DIGEST_STR_MAX];

	assert(next_kind(t) == CELL_DIGEST);
	put_text(t, d ? digest_format(d, text) : NULL);
}

size_t table_rows(const struct table *t)
{
	return t->n_rows;
}

/* The cell as people read it; the caller frees. */
static char *cell_show(const struct cell *c, enum cell_kind kind)
{
	char size[SIZE_TEXT_MAX], duration[DURATION_TEXT_MAX], when[TIME_TEXT_MAX];
	char decimal[NUMBER_TEXT_MAX];

	if (!c->given)
		return xstrdup(MISSING);
	switch (kind) {
	case CELL_COUNT:
		return xasprintf("%" PRIu64, c->number);
	case CELL_BYTES:
		return xstrdup(format_size(c->number, size));
	case CELL_DURATION:
		return xstrdup(format_duration(c->number, duration));
	case CELL_TIME:
		return xstrdup(c->number ? time_format_rfc3339((int64_t)c->number, when) : "never");
	case CELL_DECIMAL:
		return xstrdup(number_short(c->decimal, decimal));
	case CELL_DIGEST:
		return xasprintf("%.*s", DIGEST_SHOWN, strchr(c->text, ':') + 1);
	case CELL_TEXT:
		break;
	}
	return text_sanitize(c->text, strlen(c->text), TEXT_SHOWN_MAX);
}

/* What people compare by its length stands right; times and digests are all of one length. */
static bool is_right_aligned(enum cell_kind kind)
{
	return kind == CELL_COUNT || kind == CELL_BYTES || kind == CELL_DURATION ||
	       kind == CELL_DECIMAL;
}

/* Takes columns from the widest text until the line fits, or no text can give any more. */
static void fit(const struct table *t, size_t *widths, size_t width)
{
	size_t total = t->n_columns > 0 ? (t->n_columns - 1) * GAP : 0;

	for (size_t i = 0; i < t->n_columns; i++)
		total += widths[i];
	for (; total > width; total--) {
		size_t *widest = NULL;

		for (size_t i = 0; i < t->n_columns; i++) {
			if (t->columns[i].kind == CELL_TEXT && widths[i] > TEXT_WIDTH_MIN &&
				(!widest || widths[i] > *widest))
				widest = &widths[i];
		}
		if (!widest)
			break;
		--*widest;
	}
}

/* Bytes and columns of the character at s, which is no end of text. */
static size_t character(const char *s, size_t *ret_columns)
{
	uint32_t c;
	size_t len = utf8_decode(s, strlen(s), &c);
	char one[sizeof(c) + 1] = {0}; /* UTF-8 takes no more bytes than UTF-32 */

	if (len == 0)
		len = 1;
	for (size_t i = 0; i < len; i++)
		one[i] = s[i];
	*ret_columns = text_columns(one);
	return len;
}

/* How many bytes of s make up at most `columns` columns, and how many they are exactly. */
static size_t prefix_len(const char *s, size_t columns, size_t *ret_columns)
{
	size_t len = 0, used = 0;

	while (s[len]) {
		size_t wide, bytes = character(s + len, &wide);

		if (used + wide > columns)
			break;
		used += wide;
		len += bytes;
	}
	*ret_columns = used;
	return len;
}

/*
 * Cut in the middle: both ends of a name tell it apart from others.  Returns the
 * columns printed, which a wide character can make one or two less than width.
 */
static size_t print_cut(FILE *out, const char *s, size_t columns, size_t width)
{
	size_t room = width - ELLIPSIS_WIDTH, head_columns, wide;
	size_t head = prefix_len(s, room - room / 2, &head_columns);
	size_t tail = head, tail_columns = columns - head_columns;

	while (tail_columns > room / 2) {
		tail += character(s + tail, &wide);
		tail_columns -= wide;
	}
	fprintf(out, "%.*s" ELLIPSIS "%s", (int)head, s, s + tail);
	return head_columns + ELLIPSIS_WIDTH + tail_columns;
}

static void print_spaces(FILE *out, size_t n)
{
	fprintf(out, "%*s", (int)n, "");
}

/* One line; trailing spaces are left away. */
static void print_line(
	const struct table *t, FILE *out, const char *const *texts, const size_t *widths)
{
	size_t pending = 0; /* spaces due before the next text */

	for (size_t i = 0; i < t->n_columns; i++) {
		size_t columns = text_columns(texts[i]), printed = columns;

		if (is_right_aligned(t->columns[i].kind) && columns < widths[i]) {
			pending += widths[i] - columns;
			columns = widths[i];
		}
		print_spaces(out, pending);
		if (columns > widths[i])
			printed = print_cut(out, texts[i], columns, widths[i]);
		else
			fputs(texts[i], out);
		pending = GAP;
		if (!is_right_aligned(t->columns[i].kind))
			pending += widths[i] - printed;
	}
	fputc('\n', out);
}

static void print_row(const struct table *t, FILE *out, const struct cell *cells, char **texts,
	const size_t *widths)
{
	for (size_t i = 0; i < t->n_columns; i++)
		texts[i] = cell_show(&cells[i], t->columns[i].kind);
	print_line(t, out, (const char *const *)texts, widths);
	for (size_t i = 0; i < t->n_columns; i++)
		free(texts[i]);
}

/* Cells are made into text twice, for their widths and to be printed: once would hold them all. */
void table_print(const struct table *t, FILE *out, size_t width)
{
	size_t n = t->n_rows * t->n_columns;
	AUTO_FREE const char **titles = xcalloc(t->n_columns + 1, sizeof(*titles));
	AUTO_FREE size_t *widths = xcalloc(t->n_columns + 1, sizeof(*widths));
	AUTO_FREE char **texts = xcalloc(t->n_columns + 1, sizeof(*texts));

	for (size_t i = 0; i < t->n_columns; i++) {
		titles[i] = t->columns[i].title;
		widths[i] = text_columns(titles[i]);
	}
	for (size_t i = 0; i < n; i++) {
		size_t column = i % t->n_columns;
		AUTO_FREE char *text = cell_show(&t->cells[i], t->columns[column].kind);
		size_t columns = text_columns(text);

		if (columns > widths[column])
			widths[column] = columns;
	}
	if (width > 0)
		fit(t, widths, width);
	print_line(t, out, titles, widths);
	for (size_t i = 0; i < n; i += t->n_columns)
		print_row(t, out, &t->cells[i], texts, widths);
}

/* Units are the key's business ("size_bytes"), so that programs need no parser. */
static void put_cell(struct jx_writer *w, const struct cell *c, const struct column *column)
{
	char when[TIME_TEXT_MAX];

	switch (column->kind) {
	case CELL_COUNT:
	case CELL_BYTES:
	case CELL_DURATION:
		if (c->given) {
			jx_put_u64(w, column->key, c->number);
			return;
		}
		break;
	case CELL_TIME:
		if (c->number) {
			jx_put_text(w, column->key, time_format_rfc3339((int64_t)c->number, when));
			return;
		}
		break;
	case CELL_DECIMAL:
		if (c->given) {
			jx_put_fixed(w, column->key, c->decimal, number_decimals(c->decimal));
			return;
		}
		break;
	case CELL_TEXT:
	case CELL_DIGEST:
		break;
	}
	jx_put_text(w, column->key, c->text); /* NULL, and so null, for what is not given */
}

/* Half an array or table is no use to anyone. */
static void cut_back(struct buf *out, size_t len)
{
	if (out->len <= len)
		return;
	out->len = len;
	out->data[len] = '\0';
}

int table_json(const struct table *t, struct buf *out, struct error *err)
{
	struct jx_writer w = {.out = out, .pretty = true};
	size_t before = out->len;
	int rc;

	jx_begin_array(&w, NULL);
	for (size_t i = 0; i < t->n_rows; i++) {
		jx_begin_object(&w, NULL);
		for (size_t j = 0; j < t->n_columns; j++)
			put_cell(&w, &t->cells[i * t->n_columns + j], &t->columns[j]);
		jx_end_object(&w);
	}
	jx_end_array(&w);
	rc = jx_writer_finish(&w, err);
	if (rc == 0)
		rc = buf_puts(out, "\n", err);
	if (rc < 0)
		cut_back(out, before);
	return rc;
}

/* What RFC 4180 has no place for, controls but line breaks and tabs, and what is no UTF-8. */
static bool csv_takes(const char *s, size_t len, size_t *ret_len)
{
	uint32_t c = 0;

	*ret_len = utf8_decode(s, len, &c);
	if (*ret_len == 0) {
		*ret_len = 1;
		return false;
	}
	return (c >= 0x20 && c != 0x7f) || c == '\t' || c == '\n' || c == '\r';
}

/* As OWASP lists them (CSV Injection): the last four are full-width forms of the first. */
static bool is_formula(const char *s)
{
	static const char *const begins[] = {
		"=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"};

	for (size_t i = 0; i < ARRAY_SIZE(begins); i++)
		if (strncmp(s, begins[i], strlen(begins[i])) == 0)
			return true;
	return false;
}

/* Quoted where commas, quotes or line breaks ask for it, or where nothing would read as unknown. */
static void csv_text(struct markup *m, const char *s)
{
	bool quoted = !*s || strpbrk(s, ",\"\r\n") != NULL;

	if (quoted)
		markup_raw(m, "\"");
	if (is_formula(s))
		markup_raw(m, "'");
	for (size_t left = strlen(s), len; left > 0 && !m->failed; s += len, left -= len) {
		if (!csv_takes(s, left, &len))
			markup_raw(m, "\ufffd");
		else if (*s == '"')
			markup_raw(m, "\"\"");
		else if (buf_append(m->out, s, len, NULL) < 0)
			m->failed = true;
	}
	if (quoted)
		markup_raw(m, "\"");
}

static void csv_cell(struct markup *m, const struct cell *c, enum cell_kind kind)
{
	char when[TIME_TEXT_MAX], decimal[NUMBER_TEXT_MAX];

	if (!c->given)
		return;
	switch (kind) {
	case CELL_COUNT:
	case CELL_BYTES:
	case CELL_DURATION:
		markup_format(m, "%" PRIu64, c->number);
		break;
	case CELL_TIME:
		if (c->number)
			markup_raw(m, time_format_rfc3339((int64_t)c->number, when));
		break;
	case CELL_DECIMAL:
		markup_raw(m, number_fixed(c->decimal, number_decimals(c->decimal), decimal));
		break;
	case CELL_DIGEST:
	case CELL_TEXT:
		csv_text(m, c->text);
		break;
	}
}

/* How csv and html end: whole or not at all. */
static int finish(struct markup *m, size_t before, struct error *err)
{
	if (!m->failed)
		return 0;
	cut_back(m->out, before);
	return error_set(err, ERR_NOMEM, "a table larger than its limit of %zu bytes", m->out->max);
}

int table_csv(const struct table *t, struct buf *out, struct error *err)
{
	struct markup m = {.out = out};
	size_t before = out->len;

	for (size_t i = 0; i < t->n_columns; i++) {
		markup_raw(&m, i ? "," : "");
		csv_text(&m, t->columns[i].key);
	}
	markup_raw(&m, "\r\n");
	for (size_t i = 0; i < t->n_rows * t->n_columns && !m.failed; i++) {
		size_t column = i % t->n_columns;

		markup_raw(&m, column ? "," : "");
		csv_cell(&m, &t->cells[i], t->columns[column].kind);
		if (column + 1 == t->n_columns)
			markup_raw(&m, "\r\n");
	}
	return finish(&m, before, err);
}

static void html_cell(struct markup *m, const struct cell *c, enum cell_kind kind)
{
	AUTO_FREE char *shown = cell_show(c, kind);

	markup_raw(m, is_right_aligned(kind) ? "<td class=\"n\"" : "<td");
	if (kind == CELL_DIGEST && c->given) { /* in full for whoever points at it */
		markup_raw(m, " title=\"");
		markup_text(m, c->text);
		markup_raw(m, "\"");
	}
	markup_raw(m, ">");
	markup_text(m, shown);
	markup_raw(m, "</td>");
}

int table_html(const struct table *t, struct buf *out, struct error *err)
{
	struct markup m = {.out = out};
	size_t before = out->len;

	markup_raw(&m, "<table>\n<thead>\n<tr>");
	for (size_t i = 0; i < t->n_columns; i++) {
		markup_format(&m,
			"<th scope=\"col\"%s>",
			is_right_aligned(t->columns[i].kind) ? " class=\"n\"" : "");
		markup_text(&m, t->columns[i].title);
		markup_raw(&m, "</th>");
	}
	markup_raw(&m, "</tr>\n</thead>\n<tbody>\n");
	for (size_t i = 0; i < t->n_rows && !m.failed; i++) {
		markup_raw(&m, "<tr>");
		for (size_t j = 0; j < t->n_columns; j++)
			html_cell(&m, &t->cells[i * t->n_columns + j], t->columns[j].kind);
		markup_raw(&m, "</tr>\n");
	}
	markup_raw(&m, "</tbody>\n</table>\n");
	return finish(&m, before, err);
}
