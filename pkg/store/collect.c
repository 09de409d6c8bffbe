/*
 * collect.c - the collector: which rows go, and in which order (guides/server.md 2.4, scheme C).
 *
 * Rows are taken from the top: a row that nothing leads to goes, its references go with it, and
 * then what they led to is free.  Whether it is free is asked again inside the transaction that
 * removes it, so nothing that was found on the way need still be true.  New rows have larger
 * ids than what they reference, so one pass downwards takes nearly everything, and passes are
 * made until one finds nothing.
 *
 * A manifest that names a subject stays while its subject is in one of its repositories.  That
 * leads from below to above, and so there can be rings: an index that lists its own subject.  What
 * only such a ring holds is found by looking from the tags instead (STMT_GARBAGE), as a dry run
 * does.
 */
#include "store/collect_internal.h"

#include <fcntl.h>
#include <sys/file.h>

#include "util/clock.h"
#include "util/mem.h"

#define SCAN_CACHE_KIB 512 /* within the program's fixed 16 MiB (design.md 2, promise 6) */

bool collect_is_stopped(struct collect *c)
{
	if (c->options->stop && *c->options->stop)
		c->enough = true;
	return c->enough;
}

void collect_tell(struct collect *c, const struct digest *digest, uint64_t size, const char *why)
{
	c->result.bytes += size;
	if (c->options->item && !c->options->item(c->options->ctx, digest, size, why))
		c->enough = true;
}

static void tell_row(struct collect *c, const struct collect_item *item)
{
	c->result.blobs++;
	collect_tell(
		c, &item->digest, item->size, item->is_manifest ? COLLECT_MANIFEST : COLLECT_BLOB);
}

/* ?1 and ?2 of the statements that ask what may go. */
static void bind_times(const struct collect *c, struct db_stmt *stmt)
{
	db_bind_i64(stmt, 1, c->cutoff_sec);
	db_bind_i64(stmt, 2, c->now_sec);
}

/* ---- from the top ---- */

/* Ids of free rows below `below`, the largest first. */
static int free_page(const struct collect *c, int64_t below, int64_t ids[static COLLECT_BATCH],
	size_t *ret_n, struct error *err)
{
	AUTO(db_reset) struct db_stmt next = db_stmt(c->scan, STMT_FREE_NEXT);
	size_t n = 0;
	int rc;

	bind_times(c, &next);
	db_bind_i64(&next, 3, below);
	db_bind_i64(&next, 4, COLLECT_BATCH);
	while ((rc = db_step(&next, err)) == 1 && n < COLLECT_BATCH)
		ids[n++] = db_i64(&next, 0);
	if (rc < 0)
		return rc;
	*ret_n = n;
	return 0;
}

/* Inside the transaction.  1: the row was free, and has gone; 0: not. */
static int row_drop(
	const struct collect *c, int64_t id, bool ring, struct collect_item *ret, struct error *err)
{
	AUTO(db_reset) struct db_stmt drop = db_stmt(c->store->publish, STMT_FREE_DROP);
	int rc;

	bind_times(c, &drop);
	db_bind_i64(&drop, 3, id);
	db_bind_i64(&drop, 4, ring);
	rc = db_step(&drop, err);
	if (rc != 1)
		return rc;
	*ret = (struct collect_item){
		.size = (uint64_t)db_i64(&drop, 1),
		.is_manifest = db_i64(&drop, 2) != 0,
	};
	if (!db_digest(&drop, 0, &ret->digest))
		return error_set(err, ERR_IO, "the index holds no digest for what may go");
	return 1;
}

static int doomed_put(const struct collect *c, const struct digest *digest, struct error *err)
{
	AUTO(db_reset) struct db_stmt put = db_stmt(c->store->publish, STMT_DOOMED_PUT);

	db_bind_digest(&put, 1, digest);
	return db_run(&put, err);
}

/* Inside the transaction: those of the rows that are free go, and their content is doomed. */
static int doom(const struct collect *c, const int64_t *ids, size_t n, bool ring,
	struct collect_item *ret, size_t *ret_n, struct error *err)
{
	size_t m = 0;
	int rc = 0;

	for (size_t i = 0; rc >= 0 && i < n; i++) {
		rc = row_drop(c, ids[i], ring, &ret[m], err);
		if (rc == 1)
			rc = doomed_put(c, &ret[m++].digest, err);
	}
	if (rc < 0)
		return rc;
	*ret_n = m;
	return 0;
}

/* Their files. */
static int bury(struct collect *c, struct collect_item *items, size_t n, struct error *err)
{
	for (size_t i = 0; i < n; i += COLLECT_FILES) {
		size_t part = n - i < COLLECT_FILES ? n - i : COLLECT_FILES;
		int rc = collect_bury(c, items + i, part, err);

		if (rc < 0)
			return rc;
		for (size_t j = i; j < i + part; j++)
			if (items[j].gone)
				tell_row(c, &items[j]);
	}
	return 0;
}

/* Two transactions (rules 3 and 4); *ret_n rows have gone. */
static int batch(struct collect *c, const int64_t *ids, size_t n, size_t *ret_n, struct error *err)
{
	AUTO_FREE struct collect_item *items = xcalloc(COLLECT_BATCH, sizeof(*items));
	struct db *db = c->store->publish;
	size_t m = 0;
	int rc;

	(void)pthread_mutex_lock(&c->store->publish_lock);
	rc = db_begin(db, err);
	if (rc == 0) {
		rc = doom(c, ids, n, false, items, &m, err);
		if (rc == 0)
			rc = db_commit(db, err);
		if (rc < 0)
			db_rollback(db);
	}
	(void)pthread_mutex_unlock(&c->store->publish_lock);
	if (rc < 0)
		return rc;
	*ret_n = m;
	return bury(c, items, m, err);
}

static int pass(struct collect *c, uint64_t *ret_gone, struct error *err)
{
	int64_t ids[COLLECT_BATCH], below = INT64_MAX;
	uint64_t gone = 0;
	size_t n = COLLECT_BATCH, m;

	while (n == COLLECT_BATCH && !collect_is_stopped(c)) {
		int rc = free_page(c, below, ids, &n, err);

		if (rc == 0 && n > 0)
			rc = batch(c, ids, n, &m, err);
		if (rc < 0)
			return rc;
		if (n > 0) {
			below = ids[n - 1];
			gone += m;
		}
	}
	*ret_gone = gone;
	return 0;
}

static int from_the_top(struct collect *c, struct error *err)
{
	uint64_t gone;
	int rc;

	do {
		gone = 0;
		rc = pass(c, &gone, err);
	} while (rc == 0 && gone > 0 && !collect_is_stopped(c));
	return rc;
}

/* ---- from the tags ---- */

/*
 * *ret_kept: rows that are here only because they, or what leads to them, are young; *ret_garbage:
 * rows that nothing holds.
 */
static int census(
	const struct collect *c, uint64_t *ret_kept, uint64_t *ret_garbage, struct error *err)
{
	AUTO(db_reset) struct db_stmt count = db_stmt(c->scan, STMT_CENSUS);
	int rc;

	bind_times(c, &count);
	rc = db_step(&count, err);
	if (rc == 0)
		rc = error_set(err, ERR_IO, "the index cannot be counted");
	if (rc < 0)
		return rc;
	*ret_kept = (uint64_t)db_i64(&count, 0);
	*ret_garbage = (uint64_t)db_i64(&count, 1);
	return 0;
}

/* Inside the transaction: what no tag leads to, whoever else does. */
static int ring_doom(
	const struct collect *c, struct collect_item *ret, size_t *ret_n, struct error *err)
{
	int64_t ids[COLLECT_BATCH];
	size_t n = 0;
	int rc;

	{
		AUTO(db_reset) struct db_stmt next = db_stmt(c->store->publish, STMT_GARBAGE);

		bind_times(c, &next);
		db_bind_i64(&next, 3, COLLECT_BATCH);
		while ((rc = db_step(&next, err)) == 1 && n < COLLECT_BATCH)
			ids[n++] = db_i64(&next, 0);
	}
	return rc < 0 ? rc : doom(c, ids, n, true, ret, ret_n, err);
}

/*
 * Looking from the tags takes a second for a million rows, with the write lock held; so it is done
 * only when there is something to break.
 */
static int rings(struct collect *c, struct error *err)
{
	AUTO_FREE struct collect_item *items = xcalloc(COLLECT_BATCH, sizeof(*items));
	struct db *db = c->store->publish;
	size_t n;
	int rc;

	do {
		n = 0;
		(void)pthread_mutex_lock(&c->store->publish_lock);
		rc = db_begin(db, err);
		if (rc == 0) {
			rc = ring_doom(c, items, &n, err);
			if (rc == 0)
				rc = db_commit(db, err);
			if (rc < 0)
				db_rollback(db);
		}
		(void)pthread_mutex_unlock(&c->store->publish_lock);
		if (rc == 0)
			rc = bury(c, items, n, err);
	} while (rc == 0 && n > 0 && !collect_is_stopped(c));
	return rc;
}

/* What a run would take, in the order of a run. */
static int preview(struct collect *c, struct error *err)
{
	AUTO(db_reset) struct db_stmt next = db_stmt(c->scan, STMT_GARBAGE);
	int rc;

	bind_times(c, &next);
	db_bind_i64(&next, 3, INT64_MAX);
	while ((rc = db_step(&next, err)) == 1 && !collect_is_stopped(c)) {
		struct collect_item item = {
			.size = (uint64_t)db_i64(&next, 2),
			.is_manifest = db_i64(&next, 3) != 0,
		};

		if (db_digest(&next, 1, &item.digest))
			tell_row(c, &item);
	}
	return rc < 0 ? rc : 0;
}

/* ---- a run ---- */

/* One collector at a time on one store: they would only wait for each other. */
static int collector_lock(const struct store *s, int *ret_fd, struct error *err)
{
	AUTO_CLOSE int fd = openat(s->root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return error_errno(err, "open '%s'", s->path);
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		*ret_fd = steal_fd(&fd);
		return 0;
	}
	if (errno == EWOULDBLOCK)
		return error_set(err, ERR_BUSY, "another collector is at work on '%s'", s->path);
	return error_errno(err, "lock '%s'", s->path);
}

/* How old what goes must be; a dry run tells nobody. */
static int set_times(struct collect *c, struct error *err)
{
	uint32_t sec = c->options->grace_sec;
	struct grace old, grace;
	int rc;

	c->now_sec = clock_wall_sec();
	if (c->options->dry_run) {
		rc = grace_get(c->scan, &old, err);
		if (rc == 0)
			grace = grace_change(&old, sec, c->now_sec);
	} else {
		rc = grace_announce(c->store, sec, c->now_sec, &grace, err);
	}
	if (rc < 0)
		return rc;
	c->cutoff_sec = grace_cutoff(&grace, c->now_sec);
	return 0;
}

static int run_steps(struct collect *c, struct error *err)
{
	uint64_t garbage = 0;
	int rc;

	if (c->options->dry_run) {
		rc = preview(c, err);
	} else {
		/* No layout may go on naming what goes now. */
		rc = store_layouts_write(c->store, err);
		if (rc == 0)
			rc = collect_doomed(c, err);
		if (rc == 0)
			rc = from_the_top(c, err);
	}
	if (rc == 0 && !collect_is_stopped(c))
		rc = census(c, &c->result.kept, &garbage, err);
	if (rc == 0 && garbage > 0 && !c->options->dry_run && !collect_is_stopped(c))
		rc = rings(c, err);
	if (rc == 0 && !collect_is_stopped(c))
		rc = collect_orphans(c, err);
	return rc;
}

int store_collect(struct store *s, const struct collect_options *options,
	struct collect_result *ret, struct error *err)
{
	AUTO(db_closep) struct db *scan = NULL;
	AUTO_CLOSE int lock = -1;
	struct collect c = {.store = s, .options = options};
	int rc = options->dry_run ? 0 : collector_lock(s, &lock, err);

	if (rc == 0)
		rc = index_connect(s, false, SCAN_CACHE_KIB, &scan, err);
	c.scan = scan;
	/* This process' stamps; what others hold back, grace.c reckons with. */
	if (rc == 0 && !options->dry_run)
		rc = seen_flush(s, err);
	if (rc == 0)
		rc = set_times(&c, err);
	if (rc == 0)
		rc = run_steps(&c, err);
	if (rc < 0)
		return error_wrap(err, rc, "collect");
	*ret = c.result;
	return 0;
}
