/*
 * commit.c - group commit: many publications, one transaction.
 *
 * A publication's file is already on the disk when it comes here (each thread syncs its own, in
 * parallel). The first thread that finds nobody leading takes everything that waits and runs it as
 * one batch; the threads whose commits came meanwhile wait, and one of them leads the next.  So the
 * two syncs that a publication needs, of the folder and of the WAL, are shared by all that wait for
 * them, and there is no thread of our own.
 */
#include "store/internal.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "util/file.h"
#include "util/mem.h"

static int run(struct db *db, enum store_statement statement, struct error *err)
{
	AUTO(db_reset) struct db_stmt stmt = db_stmt(db, statement);

	return db_run(&stmt, err);
}

static int link_once(const struct store_writer *w, const char *name)
{
	const struct store *s = w->store;
	int folder = s->blobs_fd[w->digest.algo];

	if (w->temporary)
		return linkat(s->uploads_fd, w->temporary, folder, name, 0);

	AUTO_FREE char *proc = xasprintf("/proc/self/fd/%d", w->fd);
	return linkat(AT_FDCWD, proc, folder, name, AT_SYMLINK_FOLLOW);
}

/*
 * Gives the file its name.  That it is there already is success: whoever linked
 * it had verified the same digest.  A file of the wrong size was damaged
 * behind our back and makes room: nobody can rely on it.
 */
static int file_link(const struct store_writer *w, struct error *err)
{
	int folder = w->store->blobs_fd[w->digest.algo];
	char name[BLOB_NAME_MAX];
	struct stat st;

	(void)blob_name(&w->digest, name);
	if (link_once(w, name) == 0)
		return 0;
	if (errno != EEXIST)
		return error_errno(err, "link blob '%s'", name);
	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(err, "look at blob '%s'", name);
	if ((uint64_t)st.st_size == w->size)
		return 0;
	if (unlinkat(folder, name, 0) < 0 || link_once(w, name) < 0)
		return error_errno(err, "replace the damaged blob '%s'", name);
	return 0;
}

/*
 * One commit within the batch's transaction, undone alone when it fails.  The rows come first, so
 * that a manifest with something missing leaves no file behind.  Returns
 * negative only when the transaction itself is lost.
 */
static int apply_one(struct db *db, struct commit *c, struct error *err)
{
	int rc = run(db, STMT_SAVEPOINT, err);

	if (rc < 0)
		return rc;
	c->rc = c->apply(db, c, &c->err);
	if (c->rc == 0 && c->file)
		c->rc = file_link(c->file, &c->err);
	if (c->rc < 0 && run(db, STMT_SAVEPOINT_UNDO, NULL) < 0) {
		/* SQLite has rolled back everything, for the reason that the commit met. */
		error_copy(err, &c->err);
		return c->rc;
	}
	return run(db, STMT_SAVEPOINT_RELEASE, err);
}

/* The names are on the disk before the rows that promise them. */
static int folders_sync(struct store *s, const struct commit *batch, struct error *err)
{
	bool used[DIGEST_ALGO_MAX_] = {false};

	for (const struct commit *c = batch; c; c = c->next) {
		if (c->rc == 0 && c->file)
			used[c->file->digest.algo] = true;
	}
	for (size_t i = 0; i < DIGEST_ALGO_MAX_; i++) {
		int rc = used[i] ? dir_sync(s->blobs_fd[i], err) : 0;

		if (rc < 0)
			return rc;
	}
	return 0;
}

static void batch_run(struct store *s, struct commit *batch)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	int rc;

	(void)pthread_mutex_lock(&s->publish_lock);
	rc = db_begin(s->publish, &err);
	if (rc == 0) {
		for (struct commit *c = batch; rc == 0 && c; c = c->next)
			rc = apply_one(s->publish, c, &err);
		if (rc == 0)
			rc = folders_sync(s, batch, &err);
		if (rc == 0)
			rc = db_commit(s->publish, &err);
		if (rc < 0)
			db_rollback(s->publish);
	}
	(void)pthread_mutex_unlock(&s->publish_lock);

	for (struct commit *c = batch; rc < 0 && c; c = c->next) {
		if (c->rc == 0) {
			c->rc = rc;
			error_copy(&c->err, &err);
		}
	}
}

/* With queue_lock held, which is given up meanwhile. */
static void lead(struct store *s)
{
	struct commit *batch = steal(&s->queue);

	s->leading = true;
	(void)pthread_mutex_unlock(&s->queue_lock);
	batch_run(s, batch);
	(void)pthread_mutex_lock(&s->queue_lock);
	/* Owners wake only when the lock is given up, so `next` is still theirs to read. */
	for (struct commit *c = batch; c; c = c->next)
		c->done = true;
	s->leading = false;
	(void)pthread_cond_broadcast(&s->queue_moved);
}

int commit_run(struct store *s, struct commit *c, struct error *err)
{
	struct commit **tail = &s->queue;

	c->next = NULL;
	c->err = ERROR_INIT;
	c->rc = 0;
	c->done = false;

	(void)pthread_mutex_lock(&s->queue_lock);
	while (*tail)
		tail = &(*tail)->next;
	*tail = c;
	while (!c->done) {
		if (s->leading)
			(void)pthread_cond_wait(&s->queue_moved, &s->queue_lock);
		else
			lead(s);
	}
	(void)pthread_mutex_unlock(&s->queue_lock);

	if (c->rc < 0 && err)
		error_move(err, &c->err);
	error_clear(&c->err);
	return c->rc;
}
