/*
 * runs.c - how the last runs and their sources did, for `status`.
 *
 * One row each, replaced by the next run: the history is in the reports under runs/.
 * The statements keep the last success and the last error of earlier runs where
 * the new row has none.
 */
#include "state/internal.h"

int state_run_put(struct state *s, const struct state_run *row, struct error *err)
{
	AUTO(db_reset) struct db_stmt put = db_stmt(s->db, STMT_RUN_PUT);

	db_bind_text(&put, 1, row->rule);
	db_bind_text(&put, 2, row->target);
	db_bind_i64(&put, 3, row->started_at);
	db_bind_i64(&put, 4, row->ended_at);
	db_bind_i64(&put, 5, row->last_success);
	db_bind_i64(&put, 6, row->images);
	db_bind_i64(&put, 7, row->failed);
	db_bind_i64(&put, 8, (int64_t)row->bytes);
	db_bind_text(&put, 9, row->error);
	db_bind_i64(&put, 10, row->error_at);
	db_bind_text(&put, 11, row->note);
	return db_run(&put, err);
}

int state_runs(struct state *s, state_run_fn *fn, void *ctx, struct error *err)
{
	AUTO(db_reset) struct db_stmt runs = db_stmt(s->db, STMT_RUNS);
	int rc;

	while ((rc = db_step(&runs, err)) == 1) {
		struct state_run row = {
			.rule = db_text(&runs, 0),
			.target = db_text(&runs, 1),
			.started_at = db_i64(&runs, 2),
			.ended_at = db_i64(&runs, 3),
			.last_success = db_i64(&runs, 4),
			.images = (uint32_t)db_i64(&runs, 5),
			.failed = (uint32_t)db_i64(&runs, 6),
			.bytes = (uint64_t)db_i64(&runs, 7),
			.error = db_text(&runs, 8),
			.error_at = db_i64(&runs, 9),
			.note = db_text(&runs, 10),
		};

		if (!fn(ctx, &row))
			return 0;
	}
	return rc;
}

int state_source_put(struct state *s, const struct state_source *row, struct error *err)
{
	AUTO(db_reset) struct db_stmt put = db_stmt(s->db, STMT_SOURCE_PUT);

	db_bind_text(&put, 1, row->upstream);
	db_bind_text(&put, 2, row->source);
	db_bind_i64(&put, 3, row->last_contact);
	db_bind_i64(&put, 4, (int64_t)row->requests);
	db_bind_i64(&put, 5, (int64_t)row->bytes);
	db_bind_i64(&put, 6, (int64_t)row->failures);
	db_bind_text(&put, 7, row->error);
	db_bind_i64(&put, 8, row->error_at);
	db_bind_text(&put, 9, row->role);
	return db_run(&put, err);
}

int state_sources(struct state *s, state_source_fn *fn, void *ctx, struct error *err)
{
	AUTO(db_reset) struct db_stmt sources = db_stmt(s->db, STMT_SOURCES);
	int rc;

	while ((rc = db_step(&sources, err)) == 1) {
		struct state_source row = {
			.upstream = db_text(&sources, 0),
			.source = db_text(&sources, 1),
			.last_contact = db_i64(&sources, 2),
			.requests = (uint64_t)db_i64(&sources, 3),
			.bytes = (uint64_t)db_i64(&sources, 4),
			.failures = (uint64_t)db_i64(&sources, 5),
			.error = db_text(&sources, 6),
			.error_at = db_i64(&sources, 7),
			.role = db_text(&sources, 8),
		};

		if (!fn(ctx, &row))
			return 0;
	}
	return rc;
}
