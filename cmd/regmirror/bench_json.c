/* bench_json.c - everything that `bench` found, as JSON. */
#include <math.h>

#include "bench_print.h"
#include "oci/json.h"
#include "util/mem.h"

#define DECIMALS  3 /* of milliseconds and MiB/s */
#define US_PER_MS 1000.0

static void put_interval(struct jx_writer *w, const char *key, struct interval v, double unit)
{
	jx_begin_array(w, key);
	jx_put_fixed(w, NULL, v.low / unit, DECIMALS);
	jx_put_fixed(w, NULL, v.high / unit, DECIMALS);
	jx_end_array(w);
}

static void put_column(
	struct jx_writer *w, const struct bench_column *column, const struct bench_row *row)
{
	struct bench_cell c = {.number = NAN};

	column->get(row, &c);
	if (column->kind == CELL_TEXT)
		jx_put_text(w, column->key, *c.text ? c.text : NULL);
	else
		jx_put_fixed(w, column->key, c.number, column->kind == CELL_COUNT ? 0 : DECIMALS);
}

static void put_cold(struct jx_writer *w, const struct bench_row *row)
{
	jx_begin_array(w, "cold");
	for (size_t i = 0; i < row->n_cold; i++) {
		const struct bench_latency *l = &row->cold[i];

		jx_begin_object(w, NULL);
		jx_put_fixed(w, "total_ms", l->total, DECIMALS);
		jx_put_fixed(w, "redirect_ms", l->front, DECIMALS);
		jx_put_fixed(w, "dns_ms", l->proxied ? NAN : l->name, DECIMALS);
		jx_put_fixed(w, "tcp_ms", l->proxied ? NAN : l->tcp, DECIMALS);
		jx_put_fixed(w, "tls_ms", l->tls, DECIMALS);
		jx_put_fixed(w, "request_ms", l->wait, DECIMALS);
		jx_put_bool(w, "proxied", l->proxied);
		jx_end_object(w);
	}
	jx_end_array(w);
	jx_begin_array(w, "warm_ms");
	for (size_t i = 0; i < row->n_warm; i++)
		jx_put_fixed(w, NULL, row->warm[i], DECIMALS);
	jx_end_array(w);
}

static const char *content_text(enum probe_content c)
{
	static const char *const texts[] = {
		[PROBE_NOT_CHECKED] = "not checked",
		[PROBE_RIGHT] = "right",
		[PROBE_WRONG] = "wrong",
	};

	return texts[c];
}

static void put_trial(struct jx_writer *w, const struct bench_trial *t)
{
	const struct probe_result *r = &t->result;

	jx_begin_object(w, NULL);
	jx_put_u64(w, "round", t->round);
	jx_put_u64(w, "bytes", r->bytes);
	jx_put_fixed(w, "first_byte_ms", (double)r->first_us / US_PER_MS, DECIMALS);
	jx_put_fixed(w, "body_ms", (double)r->body_us / US_PER_MS, DECIMALS);
	jx_put_u64(w, "window_bytes", r->window_bytes);
	jx_put_fixed(w, "window_ms", (double)r->window_us / US_PER_MS, DECIMALS);
	jx_put_fixed(w, "mib_per_sec", r->rate > 0 ? r->rate / BENCH_MIB : NAN, DECIMALS);
	jx_put_bool(w, "is_lower_bound", r->bound);
	jx_put_text(w, "content", content_text(r->content));
	jx_begin_array(w, "loaded_ms");
	for (size_t i = 0; i < r->n_beside; i++)
		jx_put_fixed(w, NULL, (double)r->beside_us[i] / US_PER_MS, DECIMALS);
	jx_end_array(w);
	jx_put_text(w, "error", t->error);
	jx_end_object(w);
}

static void put_row(struct jx_writer *w, const struct bench_row *row)
{
	jx_begin_object(w, NULL);
	for (size_t i = 0; i < bench_n_columns; i++)
		put_column(w, &bench_columns[i], row);
	put_interval(w, "latency_interval_ms", row->cold_interval, 1);
	put_interval(w, "throughput_interval_mib_per_sec", row->rate_interval, BENCH_MIB);
	jx_put_bool(w, "measured", row->measured);
	jx_put_u64(w, "have", row->have);
	jx_put_u64(w, "wanted", row->wanted);
	put_cold(w, row);
	jx_begin_array(w, "trials");
	for (size_t i = 0; i < row->n_trials; i++)
		put_trial(w, &row->trials[i]);
	jx_end_array(w);
	jx_end_object(w);
}

static void put_sample(struct jx_writer *w, const struct bench_report *report)
{
	const struct bench_result *r = report->result;
	char digest[DIGEST_STR_MAX];

	jx_put_text(w, "upstream", report->upstream);
	jx_put_text(w, "reference", r->reference);
	jx_put_text(w, "repository", r->repository);
	jx_put_text(w, "tag", r->tag);
	jx_put_text(w, "digest", r->has_digest ? digest_format(&r->digest, digest) : NULL);
	jx_put_text(w, "blob", r->has_blob ? digest_format(&r->blob, digest) : NULL);
	jx_put_u64(w, "blob_bytes", r->blob_size);
	jx_put_u64(w, "trial_bytes", r->trial_bytes);
	jx_put_u64(w, "rounds", r->rounds);
	jx_put_bool(w, "stopped", r->stopped);
	jx_put_fixed(w, "seconds", r->seconds, DECIMALS);
	jx_put_u64(w, "bytes", r->bytes);
	jx_put_u64(w, "seed", report->seed);
}

static void put_comparison(struct jx_writer *w, const struct bench_report *report)
{
	struct bench_comparison c;
	bool latency;

	if (report->result->n_rows != 2 ||
		!bench_compare(report->result, 0, 1, report->seed, &c, &latency))
		return;
	jx_begin_object(w, "comparison");
	jx_put_text(w, "of", latency ? "small requests" : "throughput");
	jx_put_fixed(w, "ratio", c.ratio, DECIMALS);
	put_interval(w, "interval", c.interval, 1);
	jx_put_fixed(w, "p", c.p, 2 * DECIMALS);
	jx_put_u64(w, "n_a", c.n_a);
	jx_put_u64(w, "n_b", c.n_b);
	jx_put_bool(w, "told_apart", c.p <= COMPARE_ALPHA);
	jx_end_object(w);
}

static void put_report(struct jx_writer *w, const struct bench_report *report)
{
	const struct bench_result *r = report->result;

	jx_begin_object(w, NULL);
	put_sample(w, report);
	jx_begin_array(w, "warnings");
	for (size_t i = 0; i < r->n_warnings; i++)
		jx_put_text(w, NULL, r->warnings[i]);
	jx_end_array(w);
	jx_begin_array(w, "sources");
	for (size_t i = 0; i < r->n_rows; i++)
		put_row(w, &r->rows[i]);
	jx_end_array(w);
	jx_begin_array(w, "crossovers");
	for (size_t i = 0; i < r->n_crossovers; i++) {
		const struct bench_crossover *c = &r->crossovers[i];

		jx_begin_object(w, NULL);
		jx_put_text(w, "below", r->rows[c->a].name);
		jx_put_text(w, "above", r->rows[c->b].name);
		jx_put_fixed(w, "bytes", c->bytes, 0);
		jx_end_object(w);
	}
	jx_end_array(w);
	put_comparison(w, report);
	jx_end_object(w);
}

int bench_print_json(
	const struct bench_report *reports, size_t n, struct buf *out, struct error *err)
{
	struct jx_writer w = {.out = out, .pretty = true};
	int rc;

	jx_begin_object(&w, NULL);
	jx_begin_array(&w, "benchmarks");
	for (size_t i = 0; i < n; i++)
		put_report(&w, &reports[i]);
	jx_end_array(&w);
	jx_end_object(&w);
	rc = jx_writer_finish(&w, err);
	return rc < 0 ? rc : buf_puts(out, "\n", err);
}
