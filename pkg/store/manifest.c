/*
 * manifest.c - manifests: their bytes, what they reference, and whether all of it is here.
 *
 * A manifest is a blob with a type and with references.  A reference is an
 * edge between two rows (ref), or, while the content is not here, a note with its digest
 * (absent), which blob_insert() turns into an edge when the content comes.  So
 * whether a tree is complete is one recursive query, without reading a file.
 */
#include "store/internal.h"

#include "util/file.h"

/* How the document needs the item, see enum ref_kind. */
static enum ref_kind item_kind(const struct manifest *view, const struct descriptor *item)
{
	if (view->kind == MEDIA_INDEX)
		return item->kind == MEDIA_UNKNOWN ? REF_CHILD_OTHER : REF_CHILD;
	return item->flags & DESCRIPTOR_FOREIGN ? REF_FOREIGN : REF_CONTENT;
}

/* An edge to what is here, or a note that becomes one when the content comes. */
static int reference_put(struct db *db, int64_t parent, const struct digest *digest,
	enum ref_kind kind, struct error *err)
{
	struct blob_row child = {.id = 0};
	int rc = blob_find(db, digest, &child, err);

	if (rc < 0)
		return rc;

	AUTO(db_reset) struct db_stmt put = db_stmt(db, rc ? STMT_REF_PUT : STMT_ABSENT_PUT);
	if (rc) {
		db_bind_i64(&put, 1, parent);
		db_bind_i64(&put, 2, child.id);
	} else {
		db_bind_digest(&put, 1, digest);
		db_bind_i64(&put, 2, parent);
	}
	db_bind_i64(&put, 3, kind);
	return db_run(&put, err);
}

int manifest_missing(struct db *db, int64_t repo, int64_t blob, bool sparse, struct digest *ret,
	struct error *err)
{
	AUTO(db_reset) struct db_stmt missing = db_stmt(db, STMT_MISSING);
	int rc;

	db_bind_i64(&missing, 1, blob);
	db_bind_i64(&missing, 2, repo);
	db_bind_i64(&missing, 3, sparse);
	rc = db_step(&missing, err);
	if (rc == 1 && !db_digest(&missing, 0, ret))
		return error_set(err, ERR_IO, "the index holds no digest where one must be");
	return rc;
}

/*
 * Inside the transaction.  The rows are written first and judged after, because the
 * judgement is the same query that store_is_complete() asks; what was
 * written is undone when something is missing.
 */
static int manifest_apply(struct db *db, const struct commit *c, struct error *err)
{
	const struct store_manifest *m = c->arg;
	char text[DIGEST_STR_MAX];
	struct digest missing;
	int64_t id = 0, repo = 0;
	int rc = blob_insert(db, &m->digest, m->len, m->view->media_type, &id, err);

	if (rc == 0)
		rc = repository_link(db, m->repository, id, &repo, err);
	for (size_t i = 0; rc == 0 && i < m->view->n_items; i++) {
		const struct descriptor *item = &m->view->items[i];

		rc = reference_put(db, id, &item->digest, item_kind(m->view, item), err);
	}
	if (rc == 0)
		rc = subject_insert(db, id, m->view, err);
	if (rc < 0)
		return rc;
	rc = manifest_missing(db, repo, id, m->sparse, &missing, err);
	if (rc == 1)
		return error_set(err,
			ERR_NOTFOUND,
			"%s, which it references, is not in '%s'",
			digest_format(&missing, text),
			m->repository);
	if (rc == 0 && m->tag)
		rc = tag_insert(db, repo, m->tag, id, err);
	return rc;
}

/*
 * The file is written also when the content is here already: whether it is can only be
 * relied on inside the transaction, and manifests are small.
 */
int store_manifest_put(struct store *s, const struct store_manifest *manifest, struct error *err)
{
	AUTO(store_writer_freep) struct store_writer *w = NULL;
	struct commit c = {.apply = manifest_apply, .arg = manifest};
	char text[DIGEST_STR_MAX];
	int rc = repository_check(manifest->repository, err);

	if (rc == 0 && manifest->tag)
		rc = tag_check(manifest->tag, err);
	if (rc < 0)
		return rc;
	rc = store_writer_new(s, &manifest->digest, manifest->len, &w, err);
	if (rc == 0)
		rc = store_writer_write(w, manifest->bytes, manifest->len, err);
	if (rc == 0)
		rc = writer_settle(w, err);
	c.file = w;
	if (rc == 0)
		rc = commit_run(s, &c, err);
	if (rc < 0)
		return error_wrap(err, rc, "manifest %s", digest_format(&manifest->digest, text));
	return 0;
}

/* Content that is in the repository as a manifest; a link to plain bytes does not count. */
int manifest_find(struct db *db, const char *repository, const struct digest *digest,
	struct blob_row *ret, char *ret_type, struct error *err)
{
	AUTO(db_reset) struct db_stmt find = db_stmt(db, STMT_MANIFEST_FIND);
	int rc;

	db_bind_text(&find, 1, repository);
	db_bind_digest(&find, 2, digest);
	rc = db_step(&find, err);
	if (rc != 1)
		return rc;
	*ret = (struct blob_row){
		.id = db_i64(&find, 0),
		.digest = *digest,
		.size = (uint64_t)db_i64(&find, 1),
		.seen_sec = db_i64(&find, 2),
		.is_manifest = true,
	};
	if (ret_type)
		(void)snprintf(ret_type, MEDIA_TYPE_MAX + 1, "%s", db_text(&find, 3));
	return 1;
}

/* Appends the file's bytes and holds them against the digest: they are few, and disks do rot. */
int content_read(struct store *s, const struct digest *digest, size_t size, struct buf *ret,
	struct error *err)
{
	AUTO_CLOSE int fd = -1;
	struct digest found;
	int rc = blob_open_checked(s, digest, size, &fd, err);

	if (rc == 0)
		rc = buf_reserve(ret, size, err);
	if (rc == 0)
		rc = pread_all(fd, ret->data + ret->len, size, 0, err);
	if (rc == 0)
		rc = digest_of(digest->algo, ret->data + ret->len, size, &found, err);
	if (rc == 0 && !digest_equal(&found, digest))
		rc = error_set(err, ERR_CORRUPT, "its bytes on disk have changed");
	if (rc == 0)
		ret->len += size;
	/* Also after a failure: what was read beyond len is no content. */
	if (ret->data)
		ret->data[ret->len] = '\0';
	return rc;
}

int store_manifest_get(struct store *s, const char *repository, const struct digest *digest,
	struct buf *ret, char *ret_type, struct error *err)
{
	char type[MEDIA_TYPE_MAX + 1], text[DIGEST_STR_MAX];
	struct blob_row row = {.id = 0};
	int rc;

	(void)pthread_mutex_lock(&s->quick_lock);
	rc = manifest_find(s->quick, repository, digest, &row, type, err);
	(void)pthread_mutex_unlock(&s->quick_lock);
	if (rc == 0)
		return error_set(err,
			ERR_NOTFOUND,
			"manifest %s is not in '%.80s'",
			digest_format(digest, text),
			repository);
	if (rc > 0)
		rc = seen_stamp(s, &row, err);
	if (rc == 0)
		rc = content_read(s, digest, row.size, ret, err);
	if (rc < 0)
		return error_wrap(err, rc, "manifest %s", digest_format(digest, text));
	if (ret_type)
		(void)snprintf(ret_type, MEDIA_TYPE_MAX + 1, "%s", type);
	return 0;
}

int store_is_complete(struct store *s, const char *repository, const struct digest *digest,
	bool sparse, bool *ret, struct error *err)
{
	struct blob_row row = {.id = 0};
	struct digest missing;
	bool complete = false;
	int64_t repo = 0;
	int rc;

	(void)pthread_mutex_lock(&s->quick_lock);
	rc = repository_find(s->quick, repository, &repo, err);
	if (rc == 1)
		rc = manifest_find(s->quick, repository, digest, &row, NULL, err);
	if (rc == 1) {
		rc = manifest_missing(s->quick, repo, row.id, sparse, &missing, err);
		complete = rc == 0;
	}
	(void)pthread_mutex_unlock(&s->quick_lock);
	if (rc < 0)
		return rc;
	/* The root's stamp keeps everything below it: references protect it. */
	*ret = complete && seen_stamp(s, &row, NULL) == 0;
	return 0;
}
