/*
 * journal.c - release sets whose tags are being moved.
 *
 * Several tags cannot move in one instant.  What is to move is on the disk
 * before the first one does, so that a run after a crash moves the rest, and
 * knows the old digests to go back to.  That a move is done is only a
 * shortcut: moving a tag again to the same digest changes nothing.
 */
#include "state/internal.h"

/* The position keeps the caller's order, in which a crashed run's moves are told again. */
static int move_write(struct state *s, int64_t set, size_t position, const struct state_move *move,
	struct error *err)
{
	AUTO(db_reset) struct db_stmt put = db_stmt(s->db, STMT_MOVE_PUT);

	db_bind_i64(&put, 1, set);
	db_bind_i64(&put, 2, (int64_t)position);
	db_bind_text(&put, 3, move->target);
	db_bind_text(&put, 4, move->repository);
	db_bind_text(&put, 5, move->tag);
	db_bind_text(&put, 6, move->authority);
	db_bind_text(&put, 7, move->source_repository);
	db_bind_text(&put, 8, move->selection);
	db_bind_text(&put, 9, move->media_type);
	bind_digest_or_null(&put, 10, &move->old_digest, move->has_old);
	db_bind_digest(&put, 11, &move->new_digest);
	db_bind_digest(&put, 12, &move->source);
	db_bind_i64(&put, 13, move->done);
	return db_run(&put, err);
}

static int set_write(struct state *s, const char *rule, const struct state_move *moves,
	size_t n_moves, int64_t *ret_set, struct error *err)
{
	AUTO(db_reset) struct db_stmt put = db_stmt(s->db, STMT_SET_PUT);
	int64_t set;
	int rc;

	db_bind_text(&put, 1, rule);
	rc = db_run(&put, err);
	set = db_last_id(s->db);
	for (size_t i = 0; rc == 0 && i < n_moves; i++)
		rc = move_write(s, set, i, &moves[i], err);
	if (rc == 0)
		*ret_set = set;
	return rc;
}

int state_set_begin(struct state *s, const char *rule, const struct state_move *moves,
	size_t n_moves, int64_t *ret_set, struct error *err)
{
	unsigned depth = s->depth;
	int64_t set = 0;
	int rc = 0;

	/* An enclosing batch is cut here: the moves are on the disk, or not there at all. */
	while (rc == 0 && s->depth > 0)
		rc = state_commit(s, err);
	if (rc == 0)
		rc = state_begin(s, err);
	if (rc < 0)
		return rc;
	rc = write_end(s, set_write(s, rule, moves, n_moves, &set, err), err);
	while (rc == 0 && s->depth < depth)
		rc = state_begin(s, err);
	if (rc < 0)
		return rc;
	*ret_set = set;
	return 0;
}

int state_move_done(struct state *s, int64_t set, const struct state_move *move, struct error *err)
{
	AUTO(db_reset) struct db_stmt done = db_stmt(s->db, STMT_MOVE_DONE);

	db_bind_i64(&done, 1, set);
	db_bind_text(&done, 2, move->target);
	db_bind_text(&done, 3, move->repository);
	db_bind_text(&done, 4, move->tag);
	return db_run(&done, err);
}

int state_set_end(struct state *s, int64_t set, struct error *err)
{
	AUTO(db_reset) struct db_stmt end = db_stmt(s->db, STMT_SET_END);

	db_bind_i64(&end, 1, set);
	return db_run(&end, err);
}

int state_moves_pending(struct state *s, state_move_fn *fn, void *ctx, struct error *err)
{
	AUTO(db_reset) struct db_stmt moves = db_stmt(s->db, STMT_MOVES);
	int rc;

	while ((rc = db_step(&moves, err)) == 1) {
		struct state_move move = {
			.target = db_text(&moves, 1),
			.repository = db_text(&moves, 2),
			.tag = db_text(&moves, 3),
			.authority = db_text(&moves, 4),
			.source_repository = db_text(&moves, 5),
			.selection = db_text(&moves, 6),
			.media_type = db_text(&moves, 7),
			.done = db_i64(&moves, 11) != 0,
		};

		move.has_old = db_digest(&moves, 8, &move.old_digest);
		rc = digest_get(&moves, 9, &move.new_digest, err);
		if (rc == 0)
			rc = digest_get(&moves, 10, &move.source, err);
		if (rc < 0)
			return rc;
		if (!fn(ctx, db_i64(&moves, 0), &move))
			return 0;
	}
	return rc;
}
