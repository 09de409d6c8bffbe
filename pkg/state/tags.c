/*
 * tags.c - what was published, and from which digest at the authority.
 *
 * A tag's row says that an image was complete at the target at confirmed_at, and
 * what the tag was at its authority at seen_at.  Whether that still spares the
 * requests is the plan's question; here nothing expires.
 */
#include "state/internal.h"

/* The columns of TAG_COLUMNS that are no text. */
static int row_read(const struct db_stmt *stmt, struct state_tag *row, struct error *err)
{
	int rc = digest_get(stmt, 6, &row->source, err);

	if (rc == 0)
		rc = digest_get(stmt, 7, &row->published, err);
	if (rc < 0)
		return rc;
	row->changed_at = db_i64(stmt, 8);
	row->confirmed_at = db_i64(stmt, 9);
	row->seen_at = db_i64(stmt, 10);
	return 0;
}

int state_tag_get(struct state *s, const char *target, const char *repository, const char *tag,
	struct state_tag *ret, struct error *err)
{
	AUTO(db_reset) struct db_stmt get = db_stmt(s->db, STMT_TAG_GET);
	struct state_tag row;
	int rc;

	bind_key(&get, target, repository, tag);
	rc = db_step(&get, err);
	if (rc == 0)
		return error_set(err,
			ERR_NOTFOUND,
			"nothing is remembered of '%s:%s' at %s",
			repository,
			tag,
			target);
	if (rc > 0)
		rc = row_read(&get, &row, err);
	if (rc < 0)
		return rc;
	/* Copies: the statement is not kept open, for it would hold SQLite's snapshot. */
	row.authority = text_hold(s, 0, &get, 0);
	row.source_repository = text_hold(s, 1, &get, 1);
	row.target = text_hold(s, 2, &get, 2);
	row.repository = text_hold(s, 3, &get, 3);
	row.tag = text_hold(s, 4, &get, 4);
	row.selection = text_hold(s, 5, &get, 5);
	*ret = row;
	return 0;
}

/* The repository's row and the tag's; the caller's transaction holds them together. */
static int tag_write(struct state *s, const struct state_tag *row, struct error *err)
{
	AUTO(db_reset) struct db_stmt put = db_stmt(s->db, STMT_TAG_PUT);
	int64_t place = 0;
	int rc = place_get(s, row->target, row->repository, &place, err);

	if (rc < 0)
		return rc;
	db_bind_i64(&put, 1, place);
	db_bind_text(&put, 2, row->tag);
	db_bind_text(&put, 3, row->authority);
	db_bind_text(&put, 4, row->source_repository);
	db_bind_text(&put, 5, row->selection);
	db_bind_digest(&put, 6, &row->source);
	db_bind_digest(&put, 7, &row->published);
	db_bind_i64(&put, 8, row->changed_at);
	db_bind_i64(&put, 9, row->confirmed_at);
	db_bind_i64(&put, 10, row->seen_at);
	return db_run(&put, err);
}

int state_tag_put(struct state *s, const struct state_tag *row, struct error *err)
{
	int rc = state_begin(s, err);

	if (rc < 0)
		return rc;
	return write_end(s, tag_write(s, row, err), err);
}

int state_tag_forget(struct state *s, const char *target, const char *repository, const char *tag,
	struct error *err)
{
	AUTO(db_reset) struct db_stmt forget = db_stmt(s->db, STMT_TAG_FORGET);

	bind_key(&forget, target, repository, tag);
	return db_run(&forget, err);
}

/* The repository's own row stays: a few bytes, and it will be published to again. */
static int repository_write_forget(
	struct state *s, const char *target, const char *repository, struct error *err)
{
	AUTO(db_reset) struct db_stmt tags = db_stmt(s->db, STMT_TAGS_FORGET);
	AUTO(db_reset) struct db_stmt locations = db_stmt(s->db, STMT_LOCATIONS_FORGET);
	int rc;

	db_bind_text(&tags, 1, target);
	db_bind_text(&tags, 2, repository);
	rc = db_run(&tags, err);
	if (rc < 0)
		return rc;
	db_bind_text(&locations, 1, target);
	db_bind_text(&locations, 2, repository);
	return db_run(&locations, err);
}

int state_repository_forget(
	struct state *s, const char *target, const char *repository, struct error *err)
{
	int rc = state_begin(s, err);

	if (rc < 0)
		return rc;
	return write_end(s, repository_write_forget(s, target, repository, err), err);
}

int state_repository_get(struct state *s, const char *target, const char *repository,
	enum state_repository *ret, struct error *err)
{
	AUTO(db_reset) struct db_stmt get = db_stmt(s->db, STMT_PLACE_HAS_TAGS);
	int rc;

	db_bind_text(&get, 1, target);
	db_bind_text(&get, 2, repository);
	rc = db_step(&get, err);
	if (rc < 0)
		return rc;
	if (rc == 0)
		*ret = STATE_REPOSITORY_UNKNOWN;
	else
		*ret = db_i64(&get, 0) ? STATE_REPOSITORY_PUBLISHED : STATE_REPOSITORY_BEGUN;
	return 0;
}

int state_repository_begin(
	struct state *s, const char *target, const char *repository, struct error *err)
{
	int64_t place = 0;
	int rc = state_begin(s, err);

	if (rc < 0)
		return rc;
	return write_end(s, place_get(s, target, repository, &place, err), err);
}

int state_tags(struct state *s, const char *target, const char *repository, state_tag_fn *fn,
	void *ctx, struct error *err)
{
	AUTO(db_reset) struct db_stmt tags = db_stmt(s->db, STMT_TAGS);
	int rc;

	db_bind_text(&tags, 1, target);
	db_bind_text(&tags, 2, repository);
	while ((rc = db_step(&tags, err)) == 1) {
		struct state_tag row = {
			.authority = db_text(&tags, 0),
			.source_repository = db_text(&tags, 1),
			.target = db_text(&tags, 2),
			.repository = db_text(&tags, 3),
			.tag = db_text(&tags, 4),
			.selection = db_text(&tags, 5),
		};

		rc = row_read(&tags, &row, err);
		if (rc < 0)
			return rc;
		if (!fn(ctx, &row))
			return 0;
	}
	return rc;
}
