/*
 * remove.c - taking tags, manifests and blobs out of a repository.
 *
 * What leaves is a row that made content visible; the content itself is the collector's.  Each
 * removal is a commit as each publication is: it judges inside the transaction, and is on the disk
 * when it is acknowledged.
 */
#include "store/collect.h"
#include "store/internal.h"

struct removal {
	const char *repository, *tag; /* tag NULL: the digest */
	const struct digest *digest;
};

static int not_there(const struct removal *r, struct error *err)
{
	char text[DIGEST_STR_MAX];

	return error_set(err,
		ERR_NOTFOUND,
		"%.128s is not in '%.80s'",
		r->tag ? r->tag : digest_format(r->digest, text),
		r->repository);
}

/* A statement with a repository and one more id. */
static int run_on(
	struct db *db, enum store_statement statement, int64_t repo, int64_t id, struct error *err)
{
	AUTO(db_reset) struct db_stmt stmt = db_stmt(db, statement);

	db_bind_i64(&stmt, 1, repo);
	db_bind_i64(&stmt, 2, id);
	return db_run(&stmt, err);
}

static int tag_drop(struct db *db, int64_t repo, const char *tag, struct error *err)
{
	AUTO(db_reset) struct db_stmt drop = db_stmt(db, STMT_TAG_DROP);

	db_bind_i64(&drop, 1, repo);
	db_bind_text(&drop, 2, tag);
	return db_run(&drop, err);
}

static int tag_remove_apply(struct db *db, const struct commit *c, struct error *err)
{
	const struct removal *r = c->arg;
	int64_t repo = 0;
	int rc = repository_find(db, r->repository, &repo, err);

	if (rc == 0)
		return not_there(r, err);
	if (rc == 1)
		rc = tag_drop(db, repo, r->tag, err);
	if (rc < 0)
		return rc;
	return db_changes(db) > 0 ? repository_changed(db, repo, err) : not_there(r, err);
}

/* A tagged index stays whole: what it needs is refused to go. */
static int check_not_above(struct db *db, int64_t repo, int64_t manifest, struct error *err)
{
	AUTO(db_reset) struct db_stmt above = db_stmt(db, STMT_TAG_ABOVE);
	int rc;

	db_bind_i64(&above, 1, manifest);
	db_bind_i64(&above, 2, repo);
	rc = db_step(&above, err);
	if (rc == 1)
		return error_set(err,
			ERR_USAGE,
			"an index that is tagged '%s' needs it; delete that first",
			db_text(&above, 0));
	return rc;
}

static int manifest_remove_apply(struct db *db, const struct commit *c, struct error *err)
{
	const struct removal *r = c->arg;
	struct blob_row row = {.id = 0};
	int64_t repo = 0;
	int rc = repository_find(db, r->repository, &repo, err);

	if (rc == 1)
		rc = manifest_find(db, r->repository, r->digest, &row, NULL, err);
	if (rc == 0)
		return not_there(r, err);
	if (rc == 1)
		rc = check_not_above(db, repo, row.id, err);
	if (rc == 0)
		rc = run_on(db, STMT_TAG_DROP_ALL, repo, row.id, err);
	if (rc == 0 && db_changes(db) > 0)
		rc = repository_changed(db, repo, err);
	return rc < 0 ? rc : run_on(db, STMT_LINK_DROP, repo, row.id, err);
}

/* 1: a manifest of the repository needs it, or a tag points to it. */
static int is_needed(struct db *db, int64_t repo, int64_t blob, struct error *err)
{
	AUTO(db_reset) struct db_stmt needed = db_stmt(db, STMT_LINK_NEEDED);

	db_bind_i64(&needed, 1, repo);
	db_bind_i64(&needed, 2, blob);
	return db_step(&needed, err);
}

static int blob_unlink_apply(struct db *db, const struct commit *c, struct error *err)
{
	const struct removal *r = c->arg;
	struct blob_row row = {.id = 0};
	int64_t repo = 0;
	int rc = repository_find(db, r->repository, &repo, err);

	if (rc == 1)
		rc = blob_find(db, r->digest, &row, err);
	if (rc == 0)
		return not_there(r, err);
	if (rc == 1)
		rc = is_needed(db, repo, row.id, err);
	if (rc == 1)
		return error_set(err, ERR_USAGE, "a manifest of '%s' needs it", r->repository);
	if (rc == 0)
		rc = run_on(db, STMT_LINK_DROP, repo, row.id, err);
	if (rc < 0)
		return rc;
	return db_changes(db) > 0 ? 0 : not_there(r, err);
}

int store_tag_delete(struct store *s, const char *repository, const char *tag, struct error *err)
{
	struct removal r = {.repository = repository, .tag = tag};
	struct commit c = {.apply = tag_remove_apply, .arg = &r};

	return commit_run(s, &c, err);
}

int store_manifest_delete(
	struct store *s, const char *repository, const struct digest *digest, struct error *err)
{
	struct removal r = {.repository = repository, .digest = digest};
	struct commit c = {.apply = manifest_remove_apply, .arg = &r};

	return commit_run(s, &c, err);
}

int store_blob_unlink(
	struct store *s, const char *repository, const struct digest *digest, struct error *err)
{
	struct removal r = {.repository = repository, .digest = digest};
	struct commit c = {.apply = blob_unlink_apply, .arg = &r};

	return commit_run(s, &c, err);
}
