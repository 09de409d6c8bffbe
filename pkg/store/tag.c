/* tag.c - tags: what they point to, and moving them. */
#include "store/internal.h"

#include "util/clock.h"

int repository_find(struct db *db, const char *name, int64_t *ret_id, struct error *err)
{
	AUTO(db_reset) struct db_stmt find = db_stmt(db, STMT_REPO_FIND);
	int rc;

	db_bind_text(&find, 1, name);
	rc = db_step(&find, err);
	if (rc == 1)
		*ret_id = db_i64(&find, 0);
	return rc;
}

int repository_changed(struct db *db, int64_t repo, struct error *err)
{
	AUTO(db_reset) struct db_stmt changed = db_stmt(db, STMT_REPO_CHANGED);

	db_bind_i64(&changed, 1, repo);
	return db_run(&changed, err);
}

/* A tag that stays where it is writes nothing, so its layout is not written again. */
int tag_insert(struct db *db, int64_t repo, const char *tag, int64_t blob, struct error *err)
{
	AUTO(db_reset) struct db_stmt put = db_stmt(db, STMT_TAG_PUT);
	int rc;

	db_bind_i64(&put, 1, repo);
	db_bind_text(&put, 2, tag);
	db_bind_i64(&put, 3, blob);
	db_bind_i64(&put, 4, clock_wall_sec());
	rc = db_run(&put, err);
	if (rc < 0 || db_changes(db) == 0)
		return rc;
	return repository_changed(db, repo, err);
}

struct tag_change {
	const char *repository, *tag;
	const struct digest *digest;
};

/* Inside the transaction, so that what was found cannot be collected before the tag holds it. */
static int tag_apply(struct db *db, const struct commit *c, struct error *err)
{
	const struct tag_change *change = c->arg;
	char text[DIGEST_STR_MAX];
	struct digest missing;
	struct blob_row row = {.id = 0};
	int64_t repo = 0;
	int rc = repository_find(db, change->repository, &repo, err);

	if (rc == 1)
		rc = manifest_find(db, change->repository, change->digest, &row, NULL, err);
	if (rc == 0)
		return error_set(err,
			ERR_NOTFOUND,
			"manifest %s is not there",
			digest_format(change->digest, text));
	/* It was complete when it was put here, unless it came by a link from another repository.
	 */
	if (rc == 1)
		rc = manifest_missing(db, repo, row.id, true, &missing, err);
	if (rc == 1)
		return error_set(err,
			ERR_NOTFOUND,
			"%s, which the manifest references, is not there",
			digest_format(&missing, text));
	return rc < 0 ? rc : tag_insert(db, repo, change->tag, row.id, err);
}

int store_tag_put(struct store *s, const char *repository, const char *tag,
	const struct digest *digest, struct error *err)
{
	struct tag_change change = {.repository = repository, .tag = tag, .digest = digest};
	struct commit c = {.apply = tag_apply, .arg = &change};
	int rc = repository_check(repository, err);

	if (rc == 0)
		rc = tag_check(tag, err);
	if (rc < 0)
		return rc;
	rc = commit_run(s, &c, err);
	return rc < 0 ? error_wrap(err, rc, "tag '%s:%s'", repository, tag) : 0;
}

/* The stamp is the manifest's: its tag may be gone when the manifest is asked for. */
int store_tag_get(struct store *s, const char *repository, const char *tag, struct digest *ret,
	struct error *err)
{
	struct blob_row row = {.id = 0};
	int rc;

	(void)pthread_mutex_lock(&s->quick_lock);
	{
		AUTO(db_reset) struct db_stmt find = db_stmt(s->quick, STMT_TAG_FIND);

		db_bind_text(&find, 1, repository);
		db_bind_text(&find, 2, tag);
		rc = db_step(&find, err);
		if (rc == 1) {
			row.id = db_i64(&find, 0);
			row.size = (uint64_t)db_i64(&find, 1);
			row.seen_sec = db_i64(&find, 2);
			if (!db_digest(&find, 3, &row.digest))
				rc = error_set(err, ERR_IO, "the index holds no digest for it");
		}
	}
	(void)pthread_mutex_unlock(&s->quick_lock);
	if (rc == 0)
		return error_set(
			err, ERR_NOTFOUND, "there is no tag '%.80s:%.80s'", repository, tag);
	if (rc > 0)
		rc = seen_stamp(s, &row, err);
	if (rc < 0)
		return rc;
	*ret = row.digest;
	return 0;
}
