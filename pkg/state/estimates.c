/*
 * estimates.c - what was measured of the backends of sources.
 *
 * The numbers are the source package's; here they are only kept, a bounded number of
 * them: a registry that redirects to a new host each time must not fill the disk.
 */
#include "state/internal.h"

static int estimate_write(struct state *s, const struct state_estimate *row, struct error *err)
{
	AUTO(db_reset) struct db_stmt put = db_stmt(s->db, STMT_ESTIMATE_PUT);
	AUTO(db_reset) struct db_stmt cut = db_stmt(s->db, STMT_ESTIMATES_CUT);
	int rc;

	bind_key(&put, row->upstream, row->source, row->backend);
	db_bind_f64(&put, 4, row->rate);
	db_bind_f64(&put, 5, row->rate_variance);
	db_bind_i64(&put, 6, (int64_t)row->rate_samples);
	db_bind_i64(&put, 7, row->rate_at);
	db_bind_blob(&put, 8, row->histogram, row->histogram_len);
	db_bind_i64(&put, 9, row->histogram_at);
	db_bind_i64(&put, 10, (int64_t)row->rtt_us);
	db_bind_i64(&put, 11, row->rtt_at);
	rc = db_run(&put, err);
	if (rc < 0)
		return rc;
	bind_key(&cut, row->upstream, row->source, row->backend);
	db_bind_i64(&cut, 4, STATE_BACKENDS_MAX - 1); /* others beside this one */
	return db_run(&cut, err);
}

int state_estimate_put(struct state *s, const struct state_estimate *row, struct error *err)
{
	int rc;

	if (row->histogram_len > STATE_HISTOGRAM_MAX)
		return error_set(err,
			ERR_USAGE,
			"a histogram of %zu bytes is more than the %d that are kept",
			row->histogram_len,
			STATE_HISTOGRAM_MAX);
	rc = state_begin(s, err);
	if (rc < 0)
		return rc;
	return write_end(s, estimate_write(s, row, err), err);
}

int state_estimates(
	struct state *s, const char *upstream, state_estimate_fn *fn, void *ctx, struct error *err)
{
	AUTO(db_reset) struct db_stmt rows = db_stmt(s->db, STMT_ESTIMATES);
	int rc;

	db_bind_text(&rows, 1, upstream);
	while ((rc = db_step(&rows, err)) == 1) {
		struct state_estimate row = {
			.upstream = db_text(&rows, 0),
			.source = db_text(&rows, 1),
			.backend = db_text(&rows, 2),
			.rate = db_f64(&rows, 3),
			.rate_variance = db_f64(&rows, 4),
			.rate_samples = (uint64_t)db_i64(&rows, 5),
			.rate_at = db_i64(&rows, 6),
			.histogram_at = db_i64(&rows, 8),
			.rtt_us = (uint64_t)db_i64(&rows, 9),
			.rtt_at = db_i64(&rows, 10),
		};

		row.histogram = db_blob(&rows, 7, &row.histogram_len);
		if (!fn(ctx, &row))
			return 0;
	}
	return rc;
}

int state_estimates_expire(struct state *s, int64_t sec, struct error *err)
{
	AUTO(db_reset) struct db_stmt expire = db_stmt(s->db, STMT_ESTIMATES_EXPIRE);

	db_bind_i64(&expire, 1, sec);
	return db_run(&expire, err);
}
