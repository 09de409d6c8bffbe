/* bench_print.c - the tables of `bench` for people, and the rows as CSV. */
#include "bench_print.h"

#include <math.h>

#include "report/number.h"
#include "util/mem.h"
#include "util/parse.h"
#include "util/tty.h"

#define COLUMNS_MAX 64
#define INDENT      2  /* columns, of the further lines of a note */
#define DIGEST_HEAD 12 /* hex digits, as docker shows them */

/* ---- words ---- */

char *bench_headline(const struct bench_report *report)
{
	const struct bench_result *r = report->result;
	char digest[DIGEST_STR_MAX], size[SIZE_TEXT_MAX], time[DURATION_TEXT_MAX];
	AUTO_FREE char *blob = NULL;
	AUTO_FREE char *name = NULL;

	if (r->tag)
		name = xasprintf("%s:%s", r->repository, r->tag);
	else if (r->has_digest)
		name = xasprintf("%s@%s", r->repository, digest_format(&r->digest, digest));
	else
		name = xstrdup(r->repository);
	if (r->has_blob)
		blob = xasprintf(", blob %.*s of %s, %u round%s",
			DIGEST_HEAD,
			strchr(digest_format(&r->blob, digest), ':') + 1,
			format_size(r->blob_size, size),
			r->rounds,
			r->rounds == 1 ? "" : "s");
	return xasprintf("%s%s%s%s, %s%s",
		report->upstream ? report->upstream : "",
		report->upstream ? ": " : "",
		name,
		blob ? blob : "",
		format_duration((uint64_t)(r->seconds * 1000), time),
		r->stopped ? ", stopped before its end" : "");
}

char *bench_crossover_text(const struct bench_result *r, size_t i)
{
	const struct bench_crossover *c = &r->crossovers[i];
	char size[SIZE_TEXT_MAX];

	return xasprintf("below %s %s is quicker, above it %s",
		format_size((uint64_t)c->bytes, size),
		r->rows[c->a].name,
		r->rows[c->b].name);
}

/* ---- tables that fit ---- */

static size_t longest_line(const char *text)
{
	size_t longest = 0;

	while (*text) {
		size_t len = strcspn(text, "\n");
		AUTO_FREE char *line = xstrndup(text, len);
		size_t columns = text_columns(line);

		longest = columns > longest ? columns : longest;
		text += len + (text[len] == '\n');
	}
	return longest;
}

/* Columns that it takes when nothing is cut. */
static size_t natural_width(const struct table *t)
{
	AUTO_FREE char *text = NULL;
	size_t size = 0, width;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return SIZE_MAX;
	table_print(t, out, 0);
	(void)fclose(out);
	width = text ? longest_line(text) : 0;
	return width;
}

static size_t width_allowed(void)
{
	size_t width = tty_is(STDOUT_FILENO) ? tty_width(STDOUT_FILENO) : BENCH_WIDTH;

	return width < BENCH_WIDTH ? width : BENCH_WIDTH;
}

/* Prints the source and as many of the n columns as fit, but at least `least`; returns how many. */
static size_t print_some(const struct bench_result *r, const size_t *which, size_t n, size_t least)
{
	size_t columns[COLUMNS_MAX], width = width_allowed();

	for (size_t k = n;; k--) {
		AUTO_FREE struct column *own = NULL;
		struct table *t;
		bool fits;

		columns[0] = 0; /* the source */
		memcpy(&columns[1], which, k * sizeof(*which));
		t = bench_table(r, columns, k + 1, true, &own);
		fits = natural_width(t) <= width || k <= least;
		if (fits)
			table_print(t, stdout, width);
		table_free(t);
		if (fits)
			return k;
	}
}

static void print_tables(const struct bench_result *r)
{
	size_t which[COLUMNS_MAX], n = 0, at = 0;

	for (size_t i = 1; i < bench_n_shown && n < COLUMNS_MAX - 1; i++)
		if (i < BENCH_FIRST || !bench_column_is_empty(r, i))
			which[n++] = i;
	while (at < n) {
		if (at > 0)
			putchar('\n');
		at += print_some(r, &which[at], n - at, at == 0 ? BENCH_FIRST - 1 : 1);
	}
}

/* ---- below them ---- */

/* How much of the text is a line: up to the last space that fits; a longer word is cut. */
static size_t line_length(const char *text, size_t room)
{
	size_t space = 0, i = 0;

	for (; text[i] && i < room; i++)
		if (text[i] == ' ')
			space = i;
	if (!text[i])
		return i;
	return space > 0 ? space : room;
}

/* Bytes count as columns: at worst a line of another script is shorter than it could be. */
static void print_wrapped(const char *text)
{
	size_t width = width_allowed(), indent = 0;

	while (*text) {
		size_t len = line_length(text, width > indent + 1 ? width - indent : 1);

		printf("%*s%.*s\n", (int)indent, "", (int)len, text);
		text += len;
		text += *text == ' ';
		indent = INDENT;
	}
}

static void print_line(const char *before, const char *name, const char *text)
{
	AUTO_FREE char *whole = xasprintf("%s%s: %s", before, name, text);
	AUTO_FREE char *clean = text_sanitize(whole, strlen(whole), BENCH_CELL_MAX);

	print_wrapped(clean);
}

static void print_notes(const struct bench_result *r)
{
	bool any = false;

	for (size_t i = 0; i < r->n_rows; i++)
		any = any || r->rows[i].error || r->rows[i].wrong;
	if (any || r->n_warnings > 0 || r->n_crossovers > 0)
		putchar('\n');
	for (size_t i = 0; i < r->n_rows; i++) {
		const struct bench_row *row = &r->rows[i];

		if (row->wrong)
			print_line("integrity of ", row->name, row->wrong);
		if (row->error)
			print_line(row->measured ? "given up: " : "not measured: ",
				row->name,
				row->error);
	}
	for (size_t i = 0; i < r->n_crossovers; i++) {
		AUTO_FREE char *text = bench_crossover_text(r, i);

		print_wrapped(text);
	}
	for (size_t i = 0; i < r->n_warnings; i++)
		print_line("", "warning", r->warnings[i]);
}

void bench_print_text(const struct bench_report *report)
{
	AUTO_FREE char *headline = bench_headline(report);

	print_wrapped(headline);
	putchar('\n');
	print_tables(report->result);
	print_notes(report->result);
}

/* ---- A or B ---- */

static const struct column comparison_columns[] = {
	{"source", "source", CELL_TEXT},
	{"latency (ms)", "latency_ms", CELL_DECIMAL},
	{"warm (ms)", "warm_median_ms", CELL_DECIMAL},
	{"throughput (MiB/s)", "throughput_mib_per_sec", CELL_TEXT},
	{"from", "throughput_from", CELL_DECIMAL},
	{"to", "throughput_to", CELL_DECIMAL},
};

/* A lower bound is not shown as if it were the rate. */
static void table_rate(struct table *t, const struct bench_row *row)
{
	char number[NUMBER_TEXT_MAX];
	AUTO_FREE char *text = NULL;

	if (row->rate > 0)
		text = xasprintf("%s%s",
			row->bound ? ">= " : "",
			number_short(row->rate / BENCH_MIB, number));
	table_text(t, text);
}

static void print_comparison_table(const struct bench_result *r)
{
	AUTO(table_freep)
	struct table *t = table_new(comparison_columns, ARRAY_SIZE(comparison_columns));

	for (size_t i = 0; i < r->n_rows; i++) {
		const struct bench_row *row = &r->rows[i];

		table_row(t);
		table_text(t, row->name);
		table_decimal(t, row->cold_mean);
		table_decimal(t, row->warm_median);
		table_rate(t, row);
		table_decimal(t, row->rate_interval.low / BENCH_MIB);
		table_decimal(t, row->rate_interval.high / BENCH_MIB);
	}
	table_print(t, stdout, width_allowed());
}

/* "; but X gives wrong content": quick bytes that are wrong are no advantage. */
static char *wrong_text(const struct bench_result *r)
{
	const bool first = r->rows[0].wrong, second = r->rows[1].wrong;

	if (!first && !second)
		return xstrdup("");
	return xasprintf("; but %s%s%s %s wrong content",
		first ? r->rows[0].name : "",
		first && second ? " and " : "",
		second ? r->rows[1].name : "",
		first && second ? "give" : "gives");
}

static char *comparison_text(const struct bench_report *report)
{
	const struct bench_result *r = report->result;
	struct bench_comparison c;
	bool latency, turned;
	const char *first, *second;
	AUTO_FREE char *wrong = NULL;

	if (r->n_rows < 2 || !bench_compare(r, 0, 1, report->seed, &c, &latency))
		return xstrdup("they cannot be compared: not both could be measured");
	wrong = wrong_text(r);
	/* The faster one goes first, whichever was named first. */
	turned = c.ratio < 1;
	first = r->rows[turned].name;
	second = r->rows[!turned].name;
	if (turned) {
		double low = c.interval.low;

		c.ratio = 1 / c.ratio;
		c.interval.low = 1 / c.interval.high;
		c.interval.high = 1 / low;
	}
	return xasprintf("%s %s %s%s: %s%.2f times as fast (95 %% interval %.2f-%.2f), p = %.2g, "
			 "%zu %s%s%s%s",
		first,
		c.p <= COMPARE_ALPHA ? "is faster than" : "and",
		second,
		c.p <= COMPARE_ALPHA ? "" : " are not told apart",
		c.p <= COMPARE_ALPHA ? "" : "the first seems ",
		c.ratio,
		c.interval.low,
		c.interval.high,
		c.p,
		c.n_a < c.n_b ? c.n_a : c.n_b,
		latency ? "small requests" : "rounds",
		!latency && (r->rows[0].bound || r->rows[1].bound)
			? "; a rate with >= is a lower bound"
			: "",
		c.p > COMPARE_ALPHA && c.interval.low > 1 ? "; too few rounds to be sure" : "",
		wrong);
}

void bench_print_comparison(const struct bench_report *report)
{
	AUTO_FREE char *text = comparison_text(report);

	print_wrapped(text);
	putchar('\n');
	print_comparison_table(report->result);
	print_notes(report->result);
}

/* ---- CSV ---- */

/* One heading for all: further tables come without theirs. */
static int append_rows(const struct buf *csv, bool with_heading, struct buf *out, struct error *err)
{
	const char *text = buf_text(csv);

	if (!with_heading)
		text += strcspn(text, "\n") + 1;
	return buf_puts(out, text, err);
}

int bench_print_csv(
	const struct bench_report *reports, size_t n, struct buf *out, struct error *err)
{
	size_t which[COLUMNS_MAX];
	int rc = 0;

	for (size_t i = 0; i < bench_n_columns; i++)
		which[i] = i;
	for (size_t i = 0; i < n && rc == 0; i++) {
		AUTO(buf_clear) struct buf csv = BUF_INIT(BENCH_OUT_MAX);
		AUTO_FREE struct column *own = NULL;
		struct table *t =
			bench_table(reports[i].result, which, bench_n_columns, false, &own);

		rc = table_csv(t, &csv, err);
		table_free(t);
		if (rc == 0)
			rc = append_rows(&csv, i == 0, out, err);
	}
	return rc;
}
