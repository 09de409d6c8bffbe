/*
 * page.c - lists of tags and repositories.
 *
 * They are read page by page, each with a query of its own that goes on behind the last name:
 * no lock is held and no snapshot kept open while the caller's function runs, and memory
 * does not grow with the list.  What changes meanwhile is seen or not.
 */
#include "store/collect.h"
#include "store/internal.h"

#include "util/mem.h"

#define REPOSITORY_PAGE 64 /* names read at once: 16 KiB */

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

int store_tags_after(struct store *s, const char *repository, const char *last, size_t n,
	store_tag_fn *fn, void *ctx, struct error *err)
{
	AUTO_FREE struct tag_entry *page = xcalloc(TAG_PAGE, sizeof(*page));
	const char *after = last ? last : "";
	char name[TAG_MAX + 1];
	size_t found = TAG_PAGE;
	int64_t repo = 0;

	while (n > 0 && found == TAG_PAGE) {
		int rc;

		(void)pthread_mutex_lock(&s->quick_lock);
		/* Asked for each page: the repository may come or go in between. */
		rc = repository_find(s->quick, repository, &repo, err);
		if (rc == 1)
			rc = tag_page(s, repo, after, page, &found, err);
		else
			found = 0;
		(void)pthread_mutex_unlock(&s->quick_lock);
		if (rc < 0)
			return rc;
		for (size_t i = 0; i < found && n > 0; i++, n--) {
			if (!fn(ctx, page[i].name, &page[i].digest))
				return 0;
		}
		if (found > 0)
			memcpy(name, page[found - 1].name, sizeof(name));
		after = name;
	}
	return 0;
}

int store_tags(
	struct store *s, const char *repository, store_tag_fn *fn, void *ctx, struct error *err)
{
	return store_tags_after(s, repository, NULL, SIZE_MAX, fn, ctx, err);
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

int store_repositories_after(struct store *s, const char *last, size_t n, store_repository_fn *fn,
	void *ctx, struct error *err)
{
	AUTO_FREE struct repository_name *page = xcalloc(REPOSITORY_PAGE, sizeof(*page));
	struct repository_name name;
	const char *after = last ? last : "";
	size_t found = REPOSITORY_PAGE;

	while (n > 0 && found == REPOSITORY_PAGE) {
		int rc;

		(void)pthread_mutex_lock(&s->quick_lock);
		rc = repository_page(s, after, page, &found, err);
		(void)pthread_mutex_unlock(&s->quick_lock);
		if (rc < 0)
			return rc;
		for (size_t i = 0; i < found && n > 0; i++, n--) {
			if (!fn(ctx, page[i].text))
				return 0;
		}
		if (found > 0)
			name = page[found - 1];
		after = name.text;
	}
	return 0;
}

int store_repositories(struct store *s, store_repository_fn *fn, void *ctx, struct error *err)
{
	return store_repositories_after(s, NULL, SIZE_MAX, fn, ctx, err);
}

bool store_has_repository(struct store *s, const char *repository)
{
	int rc;

	(void)pthread_mutex_lock(&s->quick_lock);
	{
		AUTO(db_reset) struct db_stmt find = db_stmt(s->quick, STMT_REPO_HAS);

		db_bind_text(&find, 1, repository);
		rc = db_step(&find, NULL);
	}
	(void)pthread_mutex_unlock(&s->quick_lock);
	return rc == 1;
}
