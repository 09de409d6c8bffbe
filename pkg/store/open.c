/*
 * open.c - opening, checking and closing a store's directory.
 *
 * Opening makes what is missing, in an order that a crash may cut anywhere: the
 * mark of the format first, then the folders, then the index.
 */
#include "store/internal.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "util/clock.h"
#include "util/file.h"
#include "util/mem.h"

#define FORMAT_FILE "format"
#define FORMAT_TEXT "regmirror-store 1\n" /* regmirror-store(5), "VERSIONS" */
#define FORMAT_MAX  64                    /* bytes: far above any version's line */
#define INDEX_FILE  "index.db"
#define APPLICATION_ID \
	0x726d7374u /* "rmst", in SQLite's header: file(1) and we tell it from others */

/* Two connections and the state's one share the program's fixed 16 MiB (design.md 2, promise 6). */
#define PUBLISH_CACHE_KIB 1024
#define QUICK_CACHE_KIB   2048

/* A named temporary of this age has no writer any more: no blob takes a day between two writes. */
#define TEMPORARY_AGE_SEC 86400

static const char *const algorithm_names[DIGEST_ALGO_MAX_] = {
	[DIGEST_SHA256] = "sha256",
	[DIGEST_SHA512] = "sha512",
};

void quick_write_lock(struct store *s)
{
	(void)pthread_mutex_lock(&s->publish_lock);
	(void)pthread_mutex_lock(&s->quick_lock);
}

void quick_write_unlock(struct store *s)
{
	(void)pthread_mutex_unlock(&s->quick_lock);
	(void)pthread_mutex_unlock(&s->publish_lock);
}

int repository_check(const char *name, struct error *err)
{
	if (!repository_is_valid(name))
		return error_set(err, ERR_USAGE, "'%.80s' is no name of a repository", name);
	return 0;
}

int tag_check(const char *tag, struct error *err)
{
	if (!tag_is_valid(tag))
		return error_set(err, ERR_USAGE, "'%.80s' is no tag", tag);
	return 0;
}

/* A new store is marked before anything else is in it, so an index without a mark is not ours. */
static int format_check(struct store *s, struct error *err)
{
	AUTO(error_clear) struct error read_err = ERROR_INIT;
	AUTO(buf_clear) struct buf text = BUF_INIT(FORMAT_MAX);
	/* Asked first: another process may be making the store right now, mark before index. */
	bool has_index = faccessat(s->root_fd, INDEX_FILE, F_OK, 0) == 0;
	int rc = file_read(s->root_fd, FORMAT_FILE, &text, &read_err);

	if (rc == -ERR_NOTFOUND) {
		if (has_index)
			return error_set(err,
				ERR_USAGE,
				"it has an index but no file '" FORMAT_FILE "': not a store");
		return file_publish(s->root_fd, FORMAT_FILE, FORMAT_TEXT, strlen(FORMAT_TEXT), err);
	}
	if (rc == -ERR_NOMEM)
		return error_set(err, ERR_USAGE, "the file '" FORMAT_FILE "' is not a store's");
	if (rc < 0) {
		error_move(err, &read_err);
		return rc;
	}
	if (strcmp(buf_text(&text), FORMAT_TEXT) != 0)
		return error_set(err,
			ERR_USAGE,
			"its format is '%.*s'; this version of the program knows '%.*s' only",
			(int)strcspn(buf_text(&text), "\n"),
			buf_text(&text),
			(int)strcspn(FORMAT_TEXT, "\n"),
			FORMAT_TEXT);
	return 0;
}

/* The store holds its folders by descriptor: nobody can swap them under it by a rename. */
static int directories_open(struct store *s, struct error *err)
{
	AUTO_CLOSE int blobs = -1;
	int rc = dir_open(s->root_fd, "blobs", true, &blobs, err);

	for (size_t i = 0; rc == 0 && i < DIGEST_ALGO_MAX_; i++)
		rc = dir_open(blobs, algorithm_names[i], true, &s->blobs_fd[i], err);
	if (rc == 0)
		rc = dir_open(s->root_fd, "repos", true, &s->repos_fd, err);
	if (rc == 0)
		rc = dir_open(s->root_fd, "uploads", true, &s->uploads_fd, err);
	/* The folders' own names must survive what is linked into them. */
	if (rc == 0)
		rc = dir_sync(blobs, err);
	if (rc == 0)
		rc = dir_sync(s->root_fd, err);
	return rc;
}

/*
 * Tries once what every publication does: some file systems have no O_TMPFILE
 * (NFS, some FUSE), and without /proc a nameless file cannot be linked.
 */
static bool nameless_files_work(const struct store *s)
{
	AUTO_CLOSE int fd = openat(s->uploads_fd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0444);
	AUTO_FREE char *proc = xasprintf("/proc/self/fd/%d", fd);
	AUTO_FREE char *name = xasprintf(TEMPORARY_PREFIX "probe-%d", (int)getpid());

	if (fd < 0)
		return false;
	if (linkat(AT_FDCWD, proc, s->uploads_fd, name, AT_SYMLINK_FOLLOW) < 0)
		return errno == EEXIST;
	(void)unlinkat(s->uploads_fd, name, 0);
	return true;
}

/* Removes temporary names that a killed process left behind; a failure only leaves them there. */
static void old_temporaries_sweep(struct store *s)
{
	const struct temporary_sweep sweep = {.before = clock_wall_sec() - TEMPORARY_AGE_SEC};

	(void)!temporaries_sweep(s, &sweep, NULL);
}

int index_connect(const struct store *s, bool full_sync, uint32_t cache_kib, struct db **ret,
	struct error *err)
{
	AUTO_FREE char *path = xasprintf("%s/" INDEX_FILE, s->path);
	const struct db_options options = {
		.path = path,
		.full_sync = full_sync,
		.cache_kib = cache_kib,
		.application_id = APPLICATION_ID,
		.migrations = store_migrations,
		.statements = store_statements,
	};

	return db_open(&options, ret, err);
}

/* Both connections; then the leases that killed runs left behind and that have expired. */
static int index_open(struct store *s, struct error *err)
{
	int rc = index_connect(s, true, PUBLISH_CACHE_KIB, &s->publish, err);

	if (rc == 0)
		rc = index_connect(s, false, QUICK_CACHE_KIB, &s->quick, err);
	if (rc == 0)
		rc = subjects_fill(s, err);
	if (rc < 0)
		return rc;

	AUTO(db_reset) struct db_stmt expire = db_stmt(s->quick, STMT_LEASE_EXPIRE);
	db_bind_i64(&expire, 1, clock_wall_sec());
	return db_run(&expire, err);
}

static struct store *store_new(const char *path)
{
	struct store *s = xcalloc(1, sizeof(*s));

	s->path = xstrdup(path);
	s->root_fd = s->uploads_fd = s->repos_fd = -1;
	for (size_t i = 0; i < DIGEST_ALGO_MAX_; i++)
		s->blobs_fd[i] = -1;
	s->seen = map_new(NULL);
	(void)pthread_mutex_init(&s->publish_lock, NULL);
	(void)pthread_mutex_init(&s->quick_lock, NULL);
	(void)pthread_mutex_init(&s->queue_lock, NULL);
	(void)pthread_mutex_init(&s->upload_lock, NULL);
	(void)pthread_cond_init(&s->queue_moved, NULL);
	return s;
}

static void store_free(struct store *s)
{
	if (!s)
		return;
	db_close(s->quick);
	db_close(s->publish);
	map_free(s->seen);
	map_free(s->parked);
	closep(&s->root_fd);
	closep(&s->uploads_fd);
	closep(&s->repos_fd);
	for (size_t i = 0; i < DIGEST_ALGO_MAX_; i++)
		closep(&s->blobs_fd[i]);
	(void)pthread_mutex_destroy(&s->publish_lock);
	(void)pthread_mutex_destroy(&s->quick_lock);
	(void)pthread_mutex_destroy(&s->queue_lock);
	(void)pthread_mutex_destroy(&s->upload_lock);
	(void)pthread_cond_destroy(&s->queue_moved);
	free(s->path);
	free(s);
}
DEFINE_CLEANUP(struct store *, store_free);

int store_open(const char *path, struct store **ret, struct error *err)
{
	AUTO(store_freep) struct store *s = store_new(path);
	int rc = dir_open(AT_FDCWD, path, true, &s->root_fd, err);

	if (rc == 0)
		rc = format_check(s, err);
	if (rc == 0)
		rc = directories_open(s, err);
	if (rc == 0)
		rc = index_open(s, err);
	if (rc < 0)
		return error_wrap(err, rc, "store '%s'", path);
	s->named = !nameless_files_work(s);
	old_temporaries_sweep(s);
	*ret = steal(&s);
	return 0;
}

void store_close(struct store *s)
{
	int rc;

	if (!s)
		return;

	/* Neither is needed for correctness: stamps are hints, and a stale layout stays marked
	 * stale. */
	rc = seen_flush(s, NULL);
	if (rc == 0)
		rc = store_layouts_write(s, NULL);
	(void)rc;
	store_free(s);
}

int store_disk_free(const struct store *s, uint64_t *ret_bytes, struct error *err)
{
	return disk_free(s->root_fd, ret_bytes, err);
}
