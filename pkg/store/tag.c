/*
 * tag.c - tags and the names of repositories.
 *
 * Lists are read page by page, each with a query of its own that goes on behind the last name:
 * no lock is held and no snapshot kept open while the caller's function runs, and memory
 * does not grow with the list.  What changes meanwhile is seen or not.
 */
#include "store/internal.h"

#include "util/clock.h"
#include "util/mem.h"

#define REPOSITORY_PAGE 64 /* names read at once: 16 KiB */

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

/* A tag that stays where it is writes nothing, so its layout is not written again. */
int tag_insert(struct db *db, int64_t repo, const char *tag, int64_t blob, struct error *err)
{
	AUTO(db_reset) struct db_stmt put = db_stmt(db, STMT_TAG_PUT);
	AUTO(db_reset) struct db_stmt changed = db_stmt(db, STMT_REPO_CHANGED);
	int rc;

	db_bind_i64(&put, 1, repo);
	db_bind_text(&put, 2, tag);
	db_bind_i64(&put, 3, blob);
	db_bind_i64(&put, 4, clock_wall_sec());
	rc = db_run(&put, err);
	if (rc < 0 || db_changes(db) == 0)
		return rc;
	db_bind_i64(&changed, 1, repo);
	return db_run(&changed, err);
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
	struct digest digest;
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
			if (!db_digest(&find, 3, &digest))
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
	*ret = digest;
	return 0;
}

/* With quick_lock held. */
int tag_page(struct store *s, int64_t repo, const char *after,
	struct tag_entry page[static TAG_PAGE], size_t *ret_n, struct error *err)
{
	AUTO(db_reset) struct db_stmt next = db_stmt(s->quick, STMT_TAG_NEXT);
	size_t n = 0;
	int rc;

	db_bind_i64(&next, 1, repo);
	db_bind_text(&next, 2, after);
	db_bind_i64(&next, 3, TAG_PAGE);
	while ((rc = db_step(&next, err)) == 1 && n < TAG_PAGE) {
		struct tag_entry *e = &page[n++];

		(void)snprintf(e->name, sizeof(e->name), "%s", db_text(&next, 0));
		if (!db_digest(&next, 1, &e->digest))
			return error_set(
				err, ERR_IO, "the index holds no digest for '%s'", e->name);
		e->size = (uint64_t)db_i64(&next, 2);
		(void)snprintf(e->type, sizeof(e->type), "%s", db_text(&next, 3));
	}
	if (rc < 0)
		return rc;
	*ret_n = n;
	return 0;
}

int store_tags(
	struct store *s, const char *repository, store_tag_fn *fn, void *ctx, struct error *err)
{
	AUTO_FREE struct tag_entry *page = xcalloc(TAG_PAGE, sizeof(*page));
	char after[TAG_MAX + 1] = "";
	size_t n = TAG_PAGE;
	int64_t repo = 0;

	while (n == TAG_PAGE) {
		int rc;

		(void)pthread_mutex_lock(&s->quick_lock);
		/* Asked for each page: the repository may come or go in between. */
		rc = repository_find(s->quick, repository, &repo, err);
		if (rc == 1)
			rc = tag_page(s, repo, after, page, &n, err);
		else
			n = 0;
		(void)pthread_mutex_unlock(&s->quick_lock);
		if (rc < 0)
			return rc;
		for (size_t i = 0; i < n; i++) {
			if (!fn(ctx, page[i].name, &page[i].digest))
				return 0;
		}
		if (n > 0)
			memcpy(after, page[n - 1].name, sizeof(after));
	}
	return 0;
}

struct repository_name {
	char text[REPOSITORY_MAX + 1];
};

/* With quick_lock held. */
static int repository_page(struct store *s, const char *after,
	struct repository_name page[static REPOSITORY_PAGE], size_t *ret_n, struct error *err)
{
	AUTO(db_reset) struct db_stmt next = db_stmt(s->quick, STMT_REPO_NEXT);
	size_t n = 0;
	int rc;

	db_bind_text(&next, 1, after);
	db_bind_i64(&next, 2, REPOSITORY_PAGE);
	while ((rc = db_step(&next, err)) == 1 && n < REPOSITORY_PAGE)
		(void)snprintf(page[n++].text, sizeof(page->text), "%s", db_text(&next, 0));
	if (rc < 0)
		return rc;
	*ret_n = n;
	return 0;
}

int store_repositories(struct store *s, store_repository_fn *fn, void *ctx, struct error *err)
{
	AUTO_FREE struct repository_name *page = xcalloc(REPOSITORY_PAGE, sizeof(*page));
	struct repository_name after = {.text = ""};
	size_t n = REPOSITORY_PAGE;

	while (n == REPOSITORY_PAGE) {
		int rc;

		(void)pthread_mutex_lock(&s->quick_lock);
		rc = repository_page(s, after.text, page, &n, err);
		(void)pthread_mutex_unlock(&s->quick_lock);
		if (rc < 0)
			return rc;
		for (size_t i = 0; i < n; i++) {
			if (!fn(ctx, page[i].text))
				return 0;
		}
		if (n > 0)
			after = page[n - 1];
	}
	return 0;
}
