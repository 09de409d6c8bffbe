/*
 * answers.c - what an authority said last of a tag, and until when that holds.
 *
 * Nothing expires here: whether an answer that is due may still be given, and whether its
 * time makes sense, is the question of who reads it.
 */
#include "state/internal.h"

int state_answer_get(struct state *s, const char *authority, const char *repository,
	const char *tag, struct state_answer *ret, struct error *err)
{
	AUTO(db_reset) struct db_stmt get = db_stmt(s->db, STMT_ANSWER_GET);
	struct state_answer row = {.absent = true};
	size_t len;
	int rc;

	bind_key(&get, authority, repository, tag);
	rc = db_step(&get, err);
	if (rc == 0)
		return error_set(err,
			ERR_NOTFOUND,
			"no answer of %s for '%s:%s' is remembered",
			authority,
			repository,
			tag);
	if (rc < 0)
		return rc;
	row.absent = !db_blob(&get, 3, &len);
	if (!row.absent) {
		rc = digest_get(&get, 3, &row.digest, err);
		if (rc < 0)
			return rc;
	}
	row.answered_at = db_i64(&get, 4);
	row.due_at = db_i64(&get, 5);
	/* Copies: the statement is not kept open, for it would hold SQLite's snapshot. */
	row.authority = text_hold(s, 0, &get, 0);
	row.repository = text_hold(s, 1, &get, 1);
	row.tag = text_hold(s, 2, &get, 2);
	*ret = row;
	return 0;
}

int state_answer_put(struct state *s, const struct state_answer *row, struct error *err)
{
	AUTO(db_reset) struct db_stmt put = db_stmt(s->db, STMT_ANSWER_PUT);

	bind_key(&put, row->authority, row->repository, row->tag);
	bind_digest_or_null(&put, 4, &row->digest, !row->absent);
	db_bind_i64(&put, 5, row->answered_at);
	db_bind_i64(&put, 6, row->due_at);
	return db_run(&put, err);
}

int state_answer_doubt(struct state *s, const char *authority, const char *repository,
	const char *tag, struct error *err)
{
	AUTO(db_reset) struct db_stmt doubt = db_stmt(s->db, STMT_ANSWER_DOUBT);

	bind_key(&doubt, authority, repository, tag);
	return db_run(&doubt, err);
}
