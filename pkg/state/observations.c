/*
 * observations.c - how a tag stood at a mirror when it was last looked at.
 *
 * The verdict is the source package's word for it; `status` shows it, and the time says what is
 * due to be looked at again.
 */
#include "state/internal.h"

int state_observation_put(struct state *s, const struct state_observation *row, struct error *err)
{
	AUTO(db_reset) struct db_stmt put = db_stmt(s->db, STMT_OBSERVATION_PUT);

	bind_key(&put, row->upstream, row->source, row->repository);
	db_bind_text(&put, 4, row->tag);
	db_bind_text(&put, 5, row->freshness);
	bind_digest_or_null(&put, 6, &row->digest, row->has_digest);
	db_bind_i64(&put, 7, row->lag_sec);
	db_bind_i64(&put, 8, row->at);
	return db_run(&put, err);
}

int state_observations(struct state *s, const char *upstream, state_observation_fn *fn, void *ctx,
	struct error *err)
{
	AUTO(db_reset) struct db_stmt rows = db_stmt(s->db, STMT_OBSERVATIONS);
	int rc;

	db_bind_text(&rows, 1, upstream);
	while ((rc = db_step(&rows, err)) == 1) {
		struct state_observation row = {
			.upstream = db_text(&rows, 0),
			.source = db_text(&rows, 1),
			.repository = db_text(&rows, 2),
			.tag = db_text(&rows, 3),
			.freshness = db_text(&rows, 4),
			.lag_sec = db_i64(&rows, 6),
			.at = db_i64(&rows, 7),
		};

		row.has_digest = db_digest(&rows, 5, &row.digest);
		if (!fn(ctx, &row))
			return 0;
	}
	return rc;
}

int state_observed_at(struct state *s, const char *upstream, const char *source,
	const char *repository, const char *tag, int64_t *ret_at, struct error *err)
{
	AUTO(db_reset) struct db_stmt get = db_stmt(s->db, STMT_OBSERVED_AT);
	int rc;

	bind_key(&get, upstream, source, repository);
	db_bind_text(&get, 4, tag);
	rc = db_step(&get, err);
	if (rc < 0)
		return rc;
	*ret_at = rc == 1 ? db_i64(&get, 0) : 0;
	return 0;
}
