/*
 * collect_files.c - the collector's second half: files whose rows have gone, or that never had one.
 *
 * All is done inside BEGIN IMMEDIATE, as publishing is: nobody is between the linking of a file
 * and the commit of its row.  So a file without a row, seen there, is nobody's.
 */
#include "store/collect_internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

static void close_all(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fds[i] >= 0)
			(void)close(fds[i]);
}

/* The name goes; the blocks with the last descriptor, *ret_fd.  A missing file is success. */
static int file_drop(
	const struct store *s, const struct digest *digest, int *ret_fd, struct error *err)
{
	int folder = s->blobs_fd[digest->algo];
	char name[BLOB_NAME_MAX];

	*ret_fd = openat(folder, blob_name(digest, name), O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (unlinkat(folder, name, 0) < 0 && errno != ENOENT)
		return error_errno(err, "remove blob '%s'", name);
	return 0;
}

/* 1: it was on the list, and is not any more. */
static int doomed_drop(struct db *db, const struct digest *digest, struct error *err)
{
	AUTO(db_reset) struct db_stmt drop = db_stmt(db, STMT_DOOMED_DROP);
	int rc;

	db_bind_digest(&drop, 1, digest);
	rc = db_run(&drop, err);
	return rc < 0 ? rc : db_changes(db) > 0;
}

/* Inside the transaction.  The row is looked for although none can be there: a file is not undone.
 */
static int bury_one(struct collect *c, struct collect_item *item, int *ret_fd, struct error *err)
{
	struct db *db = c->store->publish;
	struct blob_row row;
	int rc = doomed_drop(db, &item->digest, err);

	if (rc <= 0)
		return rc;
	rc = blob_find(db, &item->digest, &row, err);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	rc = file_drop(c->store, &item->digest, ret_fd, err);
	item->gone = rc == 0;
	return rc;
}

int collect_bury(struct collect *c, struct collect_item *items, size_t n, struct error *err)
{
	struct db *db = c->store->publish;
	int fds[COLLECT_FILES], rc;

	for (size_t i = 0; i < COLLECT_FILES; i++)
		fds[i] = -1;
	(void)pthread_mutex_lock(&c->store->publish_lock);
	rc = db_begin(db, err);
	if (rc == 0) {
		for (size_t i = 0; rc == 0 && i < n; i++)
			rc = bury_one(c, &items[i], &fds[i], err);
		if (rc == 0)
			rc = db_commit(db, err);
		if (rc < 0)
			db_rollback(db);
	}
	(void)pthread_mutex_unlock(&c->store->publish_lock);
	close_all(fds, COLLECT_FILES);
	return rc;
}

/* ---- what was left behind ---- */

/* Its size; false: there is no such file, or it is younger than what may go. */
static bool file_is_old(const struct collect *c, const struct digest *digest, uint64_t *ret_size)
{
	char name[BLOB_NAME_MAX];
	struct stat st;

	if (fstatat(c->store->blobs_fd[digest->algo],
		    blob_name(digest, name),
		    &st,
		    AT_SYMLINK_NOFOLLOW) < 0 ||
		!S_ISREG(st.st_mode))
		return false;
	*ret_size = (uint64_t)st.st_size;
	/* Getting a name is a change of the inode; the bytes may be older. */
	return st.st_ctime < c->cutoff_sec;
}

static void tell_orphan(struct collect *c, const struct collect_item *item)
{
	c->result.orphans++;
	collect_tell(c, &item->digest, item->size, COLLECT_ORPHAN);
}

static int doomed_page(const struct collect *c, struct collect_item items[static COLLECT_FILES],
	size_t *ret_n, struct error *err)
{
	AUTO(db_reset) struct db_stmt next = db_stmt(c->scan, STMT_DOOMED_NEXT);
	size_t n = 0;
	int rc;

	db_bind_i64(&next, 1, COLLECT_FILES);
	while ((rc = db_step(&next, err)) == 1 && n < COLLECT_FILES) {
		struct collect_item *item = &items[n++];

		*item = (struct collect_item){.size = 0};
		if (!db_digest(&next, 0, &item->digest))
			return error_set(
				err, ERR_IO, "the index holds no digest for what is doomed");
		(void)file_is_old(c, &item->digest, &item->size);
	}
	if (rc < 0)
		return rc;
	*ret_n = n;
	return 0;
}

int collect_doomed(struct collect *c, struct error *err)
{
	struct collect_item items[COLLECT_FILES];
	size_t n = COLLECT_FILES;

	while (n == COLLECT_FILES && !collect_is_stopped(c)) {
		int rc = doomed_page(c, items, &n, err);

		if (rc == 0 && n > 0)
			rc = collect_bury(c, items, n, err);
		if (rc < 0)
			return rc;
		for (size_t i = 0; i < n; i++)
			if (items[i].gone)
				tell_orphan(c, &items[i]);
	}
	return 0;
}

/* The digest that a file's name says; false: none. */
static bool name_digest(enum digest_algo algo, const char *name, struct digest *ret)
{
	char text[DIGEST_STR_MAX];
	int n = snprintf(
		text, sizeof(text), "%s:%s", algo == DIGEST_SHA512 ? "sha512" : "sha256", name);

	return n > 0 && (size_t)n < sizeof(text) && digest_parse(text, ret, NULL) == 0;
}

/* Doomed as what had a row is, so that the rest is the same. */
static int orphans_drop(struct collect *c, struct collect_item *items, size_t n, struct error *err)
{
	struct db *db = c->store->publish;
	int rc;

	if (c->options->dry_run) {
		for (size_t i = 0; i < n; i++)
			tell_orphan(c, &items[i]);
		return 0;
	}
	(void)pthread_mutex_lock(&c->store->publish_lock);
	rc = db_begin(db, err);
	if (rc == 0) {
		for (size_t i = 0; rc == 0 && i < n; i++) {
			AUTO(db_reset) struct db_stmt put = db_stmt(db, STMT_DOOMED_PUT);

			db_bind_digest(&put, 1, &items[i].digest);
			rc = db_run(&put, err);
		}
		if (rc == 0)
			rc = db_commit(db, err);
		if (rc < 0)
			db_rollback(db);
	}
	(void)pthread_mutex_unlock(&c->store->publish_lock);
	if (rc == 0)
		rc = collect_bury(c, items, n, err);
	for (size_t i = 0; rc == 0 && i < n; i++)
		if (items[i].gone)
			tell_orphan(c, &items[i]);
	return rc;
}

static int folder_orphans(struct collect *c, enum digest_algo algo, DIR *dir, struct error *err)
{
	struct collect_item items[COLLECT_FILES];
	const struct dirent *entry;
	size_t n = 0;
	int rc = 0;

	while (rc == 0 && (entry = readdir(dir)) && !collect_is_stopped(c)) {
		struct collect_item *item = &items[n];
		struct blob_row row;

		*item = (struct collect_item){.size = 0};
		if (!name_digest(algo, entry->d_name, &item->digest))
			continue;
		rc = blob_find(c->scan, &item->digest, &row, err);
		if (rc < 0)
			return rc;
		if (rc == 0 && file_is_old(c, &item->digest, &item->size))
			n++;
		rc = 0;
		if (n == COLLECT_FILES) {
			rc = orphans_drop(c, items, n, err);
			n = 0;
		}
	}
	return rc < 0 ? rc : orphans_drop(c, items, n, err);
}

static bool tell_temporary(void *ctx, uint64_t size)
{
	struct collect *c = ctx;

	c->result.orphans++;
	collect_tell(c, NULL, size, COLLECT_TEMPORARY);
	return !collect_is_stopped(c);
}

int collect_orphans(struct collect *c, struct error *err)
{
	const struct temporary_sweep sweep = {
		.before = c->cutoff_sec,
		.dry_run = c->options->dry_run,
		.item = tell_temporary,
		.ctx = c,
	};

	for (size_t i = 0; i < DIGEST_ALGO_MAX_; i++) {
		AUTO_CLOSE int fd =
			openat(c->store->blobs_fd[i], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		DIR *dir = fd < 0 ? NULL : fdopendir(fd);
		int rc;

		if (!dir)
			return error_errno(err, "list 'blobs' in '%s'", c->store->path);
		(void)steal_fd(&fd);
		rc = folder_orphans(c, (enum digest_algo)i, dir, err);
		(void)closedir(dir);
		if (rc < 0)
			return rc;
	}
	return temporaries_sweep(c->store, &sweep, err);
}
