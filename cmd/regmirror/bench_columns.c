/* bench_columns.c - the columns of `bench`, in the order in which they are worth reading. */
#include <math.h>

#include "bench_print.h"
#include "util/mem.h"
#include "util/parse.h"

#define SIGNIFICANT 3 /* digits */
#define PERCENT     100.0
#define NOT_SHOWN   10 /* the last columns: text says them otherwise, or in less detail */

char *bench_number(double v, char ret[static BENCH_WORDS_MAX])
{
	int whole = v >= 1 ? (int)floor(log10(v)) + 1 : 1;
	int decimals = whole < SIGNIFICANT ? SIGNIFICANT - whole : 0;

	(void)snprintf(ret, BENCH_WORDS_MAX, "%.*f", decimals, v);
	return ret;
}

static void put(struct bench_cell *c, const char *text)
{
	(void)snprintf(c->text, sizeof(c->text), "%s", text);
}

/* ---- the first ones ---- */

static void get_source(const struct bench_row *row, struct bench_cell *c)
{
	put(c, row->name);
}

static void get_latency(const struct bench_row *row, struct bench_cell *c)
{
	c->number = row->cold_mean;
}

static void get_rate(const struct bench_row *row, struct bench_cell *c)
{
	c->number = row->rate / BENCH_MIB;
	c->mark = row->bound ? ">= " : NULL;
}

static void get_integrity(const struct bench_row *row, struct bench_cell *c)
{
	if (row->wrong)
		put(c, "FAILED");
	else if (row->blob == PROBE_RIGHT && row->manifest == BENCH_YES)
		put(c, "OK");
	else if (row->blob == PROBE_RIGHT)
		put(c, "blob only");
	else if (row->measured)
		put(c, "not checked");
}

static void put_rank(struct bench_cell *c, unsigned rank, bool tied)
{
	if (rank > 0)
		(void)snprintf(c->text, sizeof(c->text), "%u%s", rank, tied ? "=" : "");
}

static void get_small(const struct bench_row *row, struct bench_cell *c)
{
	put_rank(c, row->rank_small, row->tied_small);
}

static void get_bulk(const struct bench_row *row, struct bench_cell *c)
{
	put_rank(c, row->rank_bulk, row->tied_bulk);
}

static void get_freshness(const struct bench_row *row, struct bench_cell *c)
{
	char lag[DURATION_TEXT_MAX] = "";

	if (!row->asked_tag)
		return;
	if (row->freshness.lag_sec > 0)
		format_duration((uint64_t)row->freshness.lag_sec * 1000, lag);
	(void)snprintf(c->text,
		sizeof(c->text),
		"%s%s%s",
		freshness_name(row->freshness.state),
		*lag ? " " : "",
		lag);
}

static void get_complete(const struct bench_row *row, struct bench_cell *c)
{
	if (row->wanted > 0)
		c->number = PERCENT * row->have / row->wanted;
}

static void get_bloat(const struct bench_row *row, struct bench_cell *c)
{
	if (isfinite(row->loaded_p90) && isfinite(row->warm_median))
		put(c, row->bloat ? "bloat" : "no");
}

/* ---- small requests ---- */

static void get_warm(const struct bench_row *row, struct bench_cell *c)
{
	c->number = row->warm_median;
}

static void get_warm_p90(const struct bench_row *row, struct bench_cell *c)
{
	c->number = row->warm_p90;
}

static void get_loaded(const struct bench_row *row, struct bench_cell *c)
{
	c->number = row->loaded_p90;
}

static void unless_proxied(const struct bench_row *row, double v, struct bench_cell *c)
{
	if (row->proxied)
		put(c, "n/a (proxy)");
	else
		c->number = v;
}

static void get_rtt(const struct bench_row *row, struct bench_cell *c)
{
	unless_proxied(row, row->rtt_ms, c);
}

static void get_front(const struct bench_row *row, struct bench_cell *c)
{
	if (row->front_ms > 0) /* else there was none */
		c->number = row->front_ms;
}

static void get_name(const struct bench_row *row, struct bench_cell *c)
{
	unless_proxied(row, row->name_ms, c);
}

static void get_tcp(const struct bench_row *row, struct bench_cell *c)
{
	unless_proxied(row, row->tcp_ms, c);
}

static void get_tls(const struct bench_row *row, struct bench_cell *c)
{
	if (row->tls_ms > 0) /* else there was none */
		c->number = row->tls_ms;
}

static void get_wait(const struct bench_row *row, struct bench_cell *c)
{
	c->number = row->wait_ms;
}

static void get_min(const struct bench_row *row, struct bench_cell *c)
{
	c->number = row->cold_min;
}

static void get_median(const struct bench_row *row, struct bench_cell *c)
{
	c->number = row->cold_median;
}

static void get_p90(const struct bench_row *row, struct bench_cell *c)
{
	c->number = row->cold_p90;
}

static void get_max(const struct bench_row *row, struct bench_cell *c)
{
	c->number = row->cold_max;
}

/* ---- bulk, and what the source can do ---- */

static void get_first_rate(const struct bench_row *row, struct bench_cell *c)
{
	c->number = row->first_rate / BENCH_MIB;
}

static void get_fetch(const struct bench_row *row, struct bench_cell *c)
{
	c->number = row->fetch_ms;
	c->mark = "<= ";
}

static const char *answer_text(enum bench_answer a)
{
	static const char *const texts[] = {
		[BENCH_UNKNOWN] = "", [BENCH_YES] = "yes", [BENCH_NO] = "no"};

	return texts[a];
}

static void get_range(const struct bench_row *row, struct bench_cell *c)
{
	put(c, answer_text(row->range));
}

static void get_head(const struct bench_row *row, struct bench_cell *c)
{
	put(c, answer_text(row->head));
}

static void get_throttled(const struct bench_row *row, struct bench_cell *c)
{
	c->number = row->throttled;
}

static void get_throttling(const struct bench_row *row, struct bench_cell *c)
{
	if (row->retry_sec > 0)
		(void)snprintf(
			c->text, sizeof(c->text), "%u, wait %u s", row->throttled, row->retry_sec);
	else if (row->measured)
		(void)snprintf(c->text, sizeof(c->text), "%u", row->throttled);
}

static void get_retry(const struct bench_row *row, struct bench_cell *c)
{
	c->number = row->retry_sec;
}

static void get_address(const struct bench_row *row, struct bench_cell *c)
{
	put(c, row->address);
}

static void get_backend(const struct bench_row *row, struct bench_cell *c)
{
	put(c, row->backend ? row->backend : "");
}

static void get_redirect(const struct bench_row *row, struct bench_cell *c)
{
	if (row->redirected)
		get_backend(row, c);
}

static void get_upstream(const struct bench_row *row, struct bench_cell *c)
{
	put(c, row->upstream ? row->upstream : "");
}

static void get_bound(const struct bench_row *row, struct bench_cell *c)
{
	if (isfinite(row->rate))
		put(c, row->bound ? "yes" : "no");
}

static void get_wrong(const struct bench_row *row, struct bench_cell *c)
{
	put(c, row->wrong ? row->wrong : "");
}

static void get_error(const struct bench_row *row, struct bench_cell *c)
{
	put(c, row->error ? row->error : "");
}

const struct bench_column bench_columns[] = {
	{"source", "source", CELL_TEXT, get_source},
	{"latency (ms)", "latency_ms", CELL_DECIMAL, get_latency},
	{"throughput (MiB/s)", "throughput_mib_per_sec", CELL_DECIMAL, get_rate},
	{"integrity", "integrity", CELL_TEXT, get_integrity},
	{"small", "rank_small", CELL_TEXT, get_small},
	{"bulk", "rank_bulk", CELL_TEXT, get_bulk},
	{"freshness", "freshness", CELL_TEXT, get_freshness},
	{"complete (%)", "complete_percent", CELL_DECIMAL, get_complete},
	{"bufferbloat", "bufferbloat", CELL_TEXT, get_bloat},
	{"warm (ms)", "warm_median_ms", CELL_DECIMAL, get_warm},
	{"warm p90", "warm_p90_ms", CELL_DECIMAL, get_warm_p90},
	{"loaded p90", "loaded_p90_ms", CELL_DECIMAL, get_loaded},
	{"rtt (ms)", "rtt_ms", CELL_DECIMAL, get_rtt},
	{"cold cache (MiB/s)", "first_throughput_mib_per_sec", CELL_DECIMAL, get_first_rate},
	{"fetch (ms)", "fetch_at_most_ms", CELL_DECIMAL, get_fetch},
	{"redirect (ms)", "redirect_ms", CELL_DECIMAL, get_front},
	{"dns", "dns_ms", CELL_DECIMAL, get_name},
	{"tcp", "tcp_ms", CELL_DECIMAL, get_tcp},
	{"tls", "tls_ms", CELL_DECIMAL, get_tls},
	{"request", "request_ms", CELL_DECIMAL, get_wait},
	{"cold p90", "latency_p90_ms", CELL_DECIMAL, get_p90},
	{"range", "range", CELL_TEXT, get_range},
	{"head", "head", CELL_TEXT, get_head},
	{"429s", "throttling", CELL_TEXT, get_throttling},
	{"address", "address", CELL_TEXT, get_address},
	{"redirected to", "redirected_to", CELL_TEXT, get_redirect},
	/* Not shown to people: NOT_SHOWN. */
	{"upstream", "upstream", CELL_TEXT, get_upstream},
	{"cold min", "latency_min_ms", CELL_DECIMAL, get_min},
	{"cold median", "latency_median_ms", CELL_DECIMAL, get_median},
	{"cold max", "latency_max_ms", CELL_DECIMAL, get_max},
	{"answers 429", "answers_429", CELL_COUNT, get_throttled},
	{"retry after", "retry_after_sec", CELL_COUNT, get_retry},
	{"backend", "backend", CELL_TEXT, get_backend},
	{"lower bound", "throughput_is_lower_bound", CELL_TEXT, get_bound},
	{"integrity error", "integrity_error", CELL_TEXT, get_wrong},
	{"error", "error", CELL_TEXT, get_error},
};
const size_t bench_n_columns = ARRAY_SIZE(bench_columns);
const size_t bench_n_shown = ARRAY_SIZE(bench_columns) - NOT_SHOWN;

/* ---- a table of some of them ---- */

/* A column with ">=" or "n/a" in it is text as a whole. */
static bool has_marks(const struct bench_result *r, const struct bench_column *column)
{
	for (size_t i = 0; i < r->n_rows; i++) {
		struct bench_cell c = {.number = NAN};

		column->get(&r->rows[i], &c);
		if (*c.text || (c.mark && isfinite(c.number)))
			return true;
	}
	return false;
}

static void add_cell(struct table *t, enum cell_kind kind, const struct bench_column *column,
	const struct bench_row *row)
{
	struct bench_cell c = {.number = NAN};
	char words[BENCH_WORDS_MAX];

	column->get(row, &c);
	if (kind == CELL_DECIMAL) {
		table_decimal(t, c.number);
	} else if (kind == CELL_COUNT) {
		table_number(t, (uint64_t)c.number);
	} else if (!*c.text && isfinite(c.number)) {
		AUTO_FREE char *text =
			xasprintf("%s%s", c.mark ? c.mark : "", bench_number(c.number, words));

		table_text(t, text);
	} else {
		table_text(t, *c.text ? c.text : NULL);
	}
}

bool bench_column_is_empty(const struct bench_result *r, size_t which)
{
	for (size_t i = 0; i < r->n_rows; i++) {
		struct bench_cell c = {.number = NAN};

		bench_columns[which].get(&r->rows[i], &c);
		if (*c.text || isfinite(c.number))
			return false;
	}
	return true;
}

struct table *bench_table(const struct bench_result *r, const size_t *which, size_t n, bool marks,
	struct column **ret_columns)
{
	struct column *columns = xcalloc(n, sizeof(*columns));
	struct table *t;

	for (size_t k = 0; k < n; k++) {
		const struct bench_column *c = &bench_columns[which[k]];

		columns[k] = (struct column){c->title, c->key, c->kind};
		if (marks && c->kind == CELL_DECIMAL && has_marks(r, c))
			columns[k].kind = CELL_TEXT;
	}
	t = table_new(columns, n);
	for (size_t i = 0; i < r->n_rows; i++) {
		table_row(t);
		for (size_t k = 0; k < n; k++)
			add_cell(t, columns[k].kind, &bench_columns[which[k]], &r->rows[i]);
	}
	*ret_columns = columns;
	return t;
}
