/*
 * locations.c - in which repositories of a target a blob is believed to be.
 *
 * A belief saves a HEAD or makes a mount possible, and may be wrong: the target
 * answers for itself, and what it denies is forgotten here.
 */
#include "state/internal.h"

/* The repository's row and the belief; the caller's transaction holds them together. */
static int location_write(struct state *s, const char *target, const char *repository,
	const struct digest *digest, struct error *err)
{
	AUTO(db_reset) struct db_stmt put = db_stmt(s->db, STMT_LOCATION_PUT);
	int64_t place = 0;
	int rc = place_get(s, target, repository, &place, err);

	if (rc < 0)
		return rc;
	db_bind_digest(&put, 1, digest);
	db_bind_i64(&put, 2, place);
	return db_run(&put, err);
}

int state_location_put(struct state *s, const char *target, const char *repository,
	const struct digest *digest, struct error *err)
{
	int rc = state_begin(s, err);

	if (rc < 0)
		return rc;
	return write_end(s, location_write(s, target, repository, digest, err), err);
}

int state_location_has(struct state *s, const char *target, const char *repository,
	const struct digest *digest, bool *ret, struct error *err)
{
	AUTO(db_reset) struct db_stmt has = db_stmt(s->db, STMT_LOCATION_HAS);
	int rc;

	db_bind_text(&has, 1, target);
	db_bind_text(&has, 2, repository);
	db_bind_digest(&has, 3, digest);
	rc = db_step(&has, err);
	if (rc < 0)
		return rc;
	*ret = rc == 1;
	return 0;
}

/* Any will do for a mount; the oldest repository is taken, so that answers repeat. */
int state_location_any(struct state *s, const char *target, const struct digest *digest,
	const char **ret_repository, struct error *err)
{
	AUTO(db_reset) struct db_stmt any = db_stmt(s->db, STMT_LOCATION_ANY);
	char text[DIGEST_STR_MAX];
	int rc;

	db_bind_text(&any, 1, target);
	db_bind_digest(&any, 2, digest);
	rc = db_step(&any, err);
	if (rc == 0)
		return error_set(err,
			ERR_NOTFOUND,
			"%s is not known to be at %s",
			digest_format(digest, text),
			target);
	if (rc < 0)
		return rc;
	*ret_repository = text_hold(s, 0, &any, 0);
	return 0;
}

int state_location_forget(struct state *s, const char *target, const char *repository,
	const struct digest *digest, struct error *err)
{
	AUTO(db_reset) struct db_stmt forget = db_stmt(s->db, STMT_LOCATION_FORGET);

	db_bind_text(&forget, 1, target);
	db_bind_text(&forget, 2, repository);
	db_bind_digest(&forget, 3, digest);
	return db_run(&forget, err);
}
