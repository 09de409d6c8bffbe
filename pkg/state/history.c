/*
 * history.c - which digests a tag had at its authority, one after the other.
 *
 * By it a mirror's old answer is told from one that was never right, and how far behind it is.
 */
#include "state/internal.h"

int state_history_get(struct state *s, const char *authority, const char *repository,
	const char *tag, struct state_version *ret, size_t max, size_t *ret_n, struct error *err)
{
	AUTO(db_reset) struct db_stmt rows = db_stmt(s->db, STMT_VERSIONS);
	struct state_version found[STATE_VERSIONS_MAX];
	size_t n = 0;
	int rc = 0;

	if (max > STATE_VERSIONS_MAX)
		max = STATE_VERSIONS_MAX;
	bind_key(&rows, authority, repository, tag);
	db_bind_i64(&rows, 4, (int64_t)max);
	while (n < max && (rc = db_step(&rows, err)) == 1) {
		rc = digest_get(&rows, 0, &found[n].digest, err);
		if (rc < 0)
			return rc;
		found[n++].first_seen = db_i64(&rows, 1);
	}
	if (rc < 0)
		return rc;
	memcpy(ret, found, n * sizeof(*ret));
	*ret_n = n;
	return 0;
}

/* Whether the tag, bound to the statement, is known to be this already. */
static int newest_is(
	struct db_stmt *newest, const struct digest *digest, bool *ret, struct error *err)
{
	struct digest found;
	int rc = db_step(newest, err);

	if (rc < 0)
		return rc;
	/* A damaged row is no reason to stop: the right one is put after it. */
	*ret = rc == 1 && db_digest(newest, 0, &found) && digest_equal(&found, digest);
	return 0;
}

static int version_write(struct state *s, const char *authority, const char *repository,
	const char *tag, const struct state_version *version, struct error *err)
{
	AUTO(db_reset) struct db_stmt newest = db_stmt(s->db, STMT_VERSION_NEWEST);
	AUTO(db_reset) struct db_stmt put = db_stmt(s->db, STMT_VERSION_PUT);
	AUTO(db_reset) struct db_stmt cut = db_stmt(s->db, STMT_VERSIONS_CUT);
	bool known = false;
	int rc;

	bind_key(&newest, authority, repository, tag);
	rc = newest_is(&newest, &version->digest, &known, err);
	if (rc < 0 || known)
		return rc;
	bind_key(&put, authority, repository, tag);
	db_bind_digest(&put, 4, &version->digest);
	db_bind_i64(&put, 5, version->first_seen);
	rc = db_run(&put, err);
	if (rc < 0)
		return rc;
	bind_key(&cut, authority, repository, tag);
	db_bind_i64(&cut, 4, STATE_VERSIONS_MAX);
	return db_run(&cut, err);
}

int state_history_add(struct state *s, const char *authority, const char *repository,
	const char *tag, const struct state_version *version, struct error *err)
{
	int rc = state_begin(s, err);

	if (rc < 0)
		return rc;
	return write_end(s, version_write(s, authority, repository, tag, version, err), err);
}
