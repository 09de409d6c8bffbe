/*
 * blob.c - content: asking for it, opening it, writing it.
 *
 * A writer's file has no name, or one that only it knows, until everything is
 * written and on the disk; then commit.c gives it the name that is its digest.  A
 * killed writer thus leaves nothing that anybody could take for content.
 */
#include "store/collect.h"
#include "store/internal.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "util/clock.h"
#include "util/file.h"
#include "util/mem.h"

/*
 * The kernel starts writing each such piece while the next one comes, so that
 * the sync at the end is short and dirty pages do not pile up (guides/server.md 2.2).
 */
#define WRITE_BEHIND_BYTES (UINT64_C(8) * 1024 * 1024)

#define TEMPORARY_RANDOM_BYTES 8 /* of a temporary's name: 64 bits never meet */

char *blob_name(const struct digest *d, char buf[static BLOB_NAME_MAX])
{
	char text[DIGEST_STR_MAX];

	/* digest_format() writes "algorithm:hex"; the tree has the algorithm as a folder. */
	(void)digest_format(d, text);
	(void)snprintf(buf, BLOB_NAME_MAX, "%s", strchr(text, ':') + 1);
	return buf;
}

int blob_find(struct db *db, const struct digest *digest, struct blob_row *ret, struct error *err)
{
	AUTO(db_reset) struct db_stmt find = db_stmt(db, STMT_BLOB_FIND);
	int rc;

	db_bind_digest(&find, 1, digest);
	rc = db_step(&find, err);
	if (rc == 1)
		*ret = (struct blob_row){
			.id = db_i64(&find, 0),
			.digest = *digest,
			.size = (uint64_t)db_i64(&find, 1),
			.seen_sec = db_i64(&find, 2),
			.is_manifest = db_i64(&find, 3) != 0,
		};
	return rc;
}

/*
 * New content, or content that was here: then only its stamp is renewed, and what
 * was a plain blob may turn out to be a manifest, but never the other way round.
 */
static int blob_put_row(struct db *db, const struct digest *digest, uint64_t size, const char *type,
	int64_t *ret_id, struct error *err)
{
	AUTO(db_reset) struct db_stmt put = db_stmt(db, STMT_BLOB_PUT);
	int rc;

	db_bind_digest(&put, 1, digest);
	db_bind_i64(&put, 2, (int64_t)size);
	db_bind_text(&put, 3, type);
	db_bind_i64(&put, 4, clock_wall_sec());
	rc = db_step(&put, err);
	if (rc < 0)
		return rc;
	*ret_id = db_i64(&put, 0);
	return 0;
}

/*
 * The list of the doomed is cleared in the same transaction in which the file gets
 * its name: a collector that unlinks what is on the list, also in a transaction, comes before or
 * after, never in between.
 */
int blob_insert(struct db *db, const struct digest *digest, uint64_t size, const char *type,
	int64_t *ret_id, struct error *err)
{
	AUTO(db_reset) struct db_stmt undoom = db_stmt(db, STMT_DOOMED_DROP);
	AUTO(db_reset) struct db_stmt fill = db_stmt(db, STMT_ABSENT_FILL);
	AUTO(db_reset) struct db_stmt drop = db_stmt(db, STMT_ABSENT_DROP);
	int64_t id = 0;
	int rc = blob_put_row(db, digest, size, type, &id, err);

	if (rc < 0)
		return rc;
	db_bind_digest(&undoom, 1, digest);
	rc = db_run(&undoom, err);
	if (rc < 0)
		return rc;
	db_bind_digest(&fill, 1, digest);
	db_bind_i64(&fill, 2, id);
	rc = db_run(&fill, err);
	if (rc < 0)
		return rc;
	db_bind_digest(&drop, 1, digest);
	rc = db_run(&drop, err);
	if (rc < 0)
		return rc;
	*ret_id = id;
	return 0;
}

int repository_link(
	struct db *db, const char *repository, int64_t blob, int64_t *ret_repo, struct error *err)
{
	AUTO(db_reset) struct db_stmt put = db_stmt(db, STMT_REPO_PUT);
	AUTO(db_reset) struct db_stmt link = db_stmt(db, STMT_LINK_PUT);
	int64_t repo = 0;
	int rc = repository_find(db, repository, &repo, err);

	if (rc == 0) {
		db_bind_text(&put, 1, repository);
		rc = db_run(&put, err);
		repo = db_last_id(db);
	}
	if (rc < 0)
		return rc;
	db_bind_i64(&link, 1, repo);
	db_bind_i64(&link, 2, blob);
	rc = db_run(&link, err);
	if (rc < 0)
		return rc;
	*ret_repo = repo;
	return 0;
}

/* The row, with its stamp; ERR_NOTFOUND. */
static int blob_look(
	struct store *s, const struct digest *digest, struct blob_row *ret, struct error *err)
{
	char text[DIGEST_STR_MAX];
	int rc;

	(void)pthread_mutex_lock(&s->quick_lock);
	rc = blob_find(s->quick, digest, ret, err);
	(void)pthread_mutex_unlock(&s->quick_lock);
	if (rc == 0)
		return error_set(
			err, ERR_NOTFOUND, "%s is not in the store", digest_format(digest, text));
	return rc < 0 ? rc : seen_stamp(s, ret, err);
}

int store_blob_stat(
	struct store *s, const struct digest *digest, uint64_t *ret_size, struct error *err)
{
	struct blob_row row = {.id = 0};
	int rc = blob_look(s, digest, &row, err);

	if (rc < 0)
		return rc;
	*ret_size = row.size;
	return 0;
}

int blob_open_checked(
	struct store *s, const struct digest *digest, uint64_t size, int *ret_fd, struct error *err)
{
	char name[BLOB_NAME_MAX];
	AUTO_CLOSE int fd = openat(s->blobs_fd[digest->algo],
		blob_name(digest, name),
		O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	uint64_t found = 0;
	int rc;

	if (fd < 0 && errno == ENOENT)
		return error_set(err, ERR_CORRUPT, "blob '%s' has a row but no file", name);
	if (fd < 0)
		return error_errno(err, "open blob '%s'", name);
	rc = file_size(fd, &found, err);
	if (rc < 0)
		return rc;
	if (found != size)
		return error_set(err,
			ERR_CORRUPT,
			"blob '%s' has %llu bytes on disk, not %llu",
			name,
			(unsigned long long)found,
			(unsigned long long)size);
	*ret_fd = steal_fd(&fd);
	return 0;
}

int store_blob_open(struct store *s, const struct digest *digest, int *ret_fd, uint64_t *ret_size,
	struct error *err)
{
	struct blob_row row = {.id = 0};
	int rc = blob_look(s, digest, &row, err);

	if (rc == 0)
		rc = blob_open_checked(s, digest, row.size, ret_fd, err);
	if (rc < 0)
		return rc;
	*ret_size = row.size;
	return 0;
}

int store_blob_in_repository(struct store *s, const char *repository, const struct digest *digest,
	uint64_t *ret_size, struct error *err)
{
	char text[DIGEST_STR_MAX];
	struct blob_row row = {.id = 0};
	int rc;

	(void)pthread_mutex_lock(&s->quick_lock);
	{
		AUTO(db_reset) struct db_stmt find = db_stmt(s->quick, STMT_BLOB_IN_REPO);

		db_bind_digest(&find, 1, digest);
		db_bind_text(&find, 2, repository);
		rc = db_step(&find, err);
		if (rc == 1)
			row = (struct blob_row){
				.id = db_i64(&find, 0),
				.digest = *digest,
				.size = (uint64_t)db_i64(&find, 1),
				.seen_sec = db_i64(&find, 2),
			};
	}
	(void)pthread_mutex_unlock(&s->quick_lock);
	if (rc == 0)
		return error_set(err,
			ERR_NOTFOUND,
			"%s is not in '%.80s'",
			digest_format(digest, text),
			repository);
	if (rc > 0)
		rc = seen_stamp(s, &row, err);
	if (rc < 0)
		return rc;
	*ret_size = row.size;
	return 0;
}

int store_writer_new(struct store *s, const struct digest *digest, uint64_t size,
	struct store_writer **ret, struct error *err)
{
	AUTO(store_writer_freep) struct store_writer *w = NULL;
	char random[2 * TEMPORARY_RANDOM_BYTES + 1];

	if (size > INT64_MAX)
		return error_set(
			err, ERR_CORRUPT, "no blob has %llu bytes", (unsigned long long)size);
	w = xcalloc(1, sizeof(*w));
	*w = (struct store_writer){.store = s, .digest = *digest, .size = size, .fd = -1};
	if (s->named) {
		random_hex(random, TEMPORARY_RANDOM_BYTES);
		w->temporary = xasprintf(TEMPORARY_PREFIX "%s", random);
		w->fd = openat(
			s->uploads_fd, w->temporary, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0444);
		/* Tells a sweep that its writer lives. */
		if (w->fd >= 0)
			(void)upload_lock(w->fd);
	} else {
		w->fd = openat(
			s->blobs_fd[digest->algo], ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0444);
	}
	if (w->fd < 0)
		return error_errno(err, "make a file in '%s'", s->path);
	/* The umask took its share of the mode above. */
	if (fchmod(w->fd, 0444) < 0)
		return error_errno(err, "set the mode of a file in '%s'", s->path);
	*ret = steal(&w);
	return 0;
}

void write_behind(int fd, uint64_t *from, uint64_t to)
{
	if (to - *from < WRITE_BEHIND_BYTES)
		return;
	/* A hint; what it cannot write, fdatasync() reports. */
	(void)sync_file_range(fd, (off64_t)*from, (off64_t)(to - *from), SYNC_FILE_RANGE_WRITE);
	*from = to;
}

int store_writer_write(struct store_writer *w, const void *data, size_t len, struct error *err)
{
	int rc;

	if (len > w->size - w->written)
		return error_set(err,
			ERR_CORRUPT,
			"more than the promised %llu bytes",
			(unsigned long long)w->size);
	rc = write_all(w->fd, data, len, err);
	if (rc < 0)
		return error_wrap(err, rc, "store '%s'", w->store->path);
	w->written += len;
	write_behind(w->fd, &w->write_behind, w->written);
	return 0;
}

int writer_settle(struct store_writer *w, struct error *err)
{
	if (w->written != w->size)
		return error_set(err,
			ERR_CORRUPT,
			"%llu of the promised %llu bytes",
			(unsigned long long)w->written,
			(unsigned long long)w->size);
	/* Not retried: after a failed sync the kernel has forgotten which pages were bad. */
	if (fdatasync(w->fd) < 0)
		return error_errno(err, "sync a file in '%s'", w->store->path);
	return 0;
}

int blob_apply(struct db *db, const struct commit *c, struct error *err)
{
	const char *repository = c->arg;
	int64_t id = 0, repo = 0;
	int rc = blob_insert(db, &c->file->digest, c->file->size, NULL, &id, err);

	if (rc < 0 || !repository)
		return rc;
	return repository_link(db, repository, id, &repo, err);
}

int store_writer_finish(struct store_writer *w, const char *repository, struct error *err)
{
	struct commit c = {.apply = blob_apply, .arg = repository, .file = w};
	int rc = repository ? repository_check(repository, err) : 0;

	if (rc == 0)
		rc = writer_settle(w, err);
	if (rc == 0)
		rc = commit_run(w->store, &c, err);
	/* Spent either way: a second attempt would sync pages that the kernel has given up. */
	closep(&w->fd);
	w->fd = -1;
	return rc;
}

void store_writer_free(struct store_writer *w)
{
	if (!w)
		return;
	if (w->temporary)
		(void)unlinkat(w->store->uploads_fd, w->temporary, 0);
	closep(&w->fd);
	free(w->temporary);
	free(w);
}

/*
 * Found and linked in one transaction: no collector can come in between.  The stamp
 * comes last and outside, for its locks are its own.
 */
int store_blob_link(
	struct store *s, const char *repository, const struct digest *digest, struct error *err)
{
	char text[DIGEST_STR_MAX];
	struct blob_row row = {.id = 0};
	int64_t repo = 0;
	int rc = repository_check(repository, err);

	if (rc < 0)
		return rc;
	quick_write_lock(s);
	rc = db_begin(s->quick, err);
	if (rc == 0) {
		rc = blob_find(s->quick, digest, &row, err);
		if (rc == 0)
			rc = error_set(err,
				ERR_NOTFOUND,
				"%s is not in the store",
				digest_format(digest, text));
		if (rc > 0)
			rc = repository_link(s->quick, repository, row.id, &repo, err);
		if (rc == 0)
			rc = db_commit(s->quick, err);
		if (rc < 0)
			db_rollback(s->quick);
	}
	quick_write_unlock(s);
	return rc < 0 ? rc : seen_stamp(s, &row, err);
}
