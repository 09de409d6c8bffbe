/*
 * strikes.c - proven cases of wrong content, and who gave it.
 *
 * Kept until newer ones push them out: what follows from a case, and for how long, is the
 * source package's question.
 */
#include "state/internal.h"

static int strike_write(struct state *s, const struct state_strike *row, struct error *err)
{
	AUTO(db_reset) struct db_stmt put = db_stmt(s->db, STMT_STRIKE_PUT);
	AUTO(db_reset) struct db_stmt cut = db_stmt(s->db, STMT_STRIKES_CUT);
	int rc;

	db_bind_text(&put, 1, row->upstream);
	db_bind_text(&put, 2, row->source);
	db_bind_i64(&put, 3, row->at);
	db_bind_digest(&put, 4, &row->digest);
	db_bind_text(&put, 5, row->evidence);
	rc = db_run(&put, err);
	if (rc < 0)
		return rc;
	db_bind_i64(&cut, 1, STATE_STRIKES_MAX);
	return db_run(&cut, err);
}

int state_strike_put(struct state *s, const struct state_strike *row, struct error *err)
{
	int rc = state_begin(s, err);

	if (rc < 0)
		return rc;
	return write_end(s, strike_write(s, row, err), err);
}

int state_strikes(
	struct state *s, const char *upstream, state_strike_fn *fn, void *ctx, struct error *err)
{
	AUTO(db_reset) struct db_stmt rows = db_stmt(s->db, STMT_STRIKES);
	int rc;

	db_bind_text(&rows, 1, upstream);
	while ((rc = db_step(&rows, err)) == 1) {
		struct state_strike row = {
			.upstream = db_text(&rows, 0),
			.source = db_text(&rows, 1),
			.at = db_i64(&rows, 2),
			.evidence = db_text(&rows, 4),
		};

		rc = digest_get(&rows, 3, &row.digest, err);
		if (rc < 0)
			return rc;
		if (!fn(ctx, &row))
			return 0;
	}
	return rc;
}
