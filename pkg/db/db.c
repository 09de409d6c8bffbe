/* db.c - opening an SQLite database, its pragmas, and transactions. */
#include "db/internal.h"

#include <assert.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "util/clock.h"
#include "util/mem.h"

/*
 * Bytes of write-ahead log that stay on disk between uses: what a checkpoint of
 * SQLite's default 1000 pages of 4 KiB leaves.
 */
#define JOURNAL_KEEP_BYTES 4096000

/* How long to wait before asking again for what busy_timeout does not cover: 10 ms. */
#define RETRY_NS 10000000L

/* What failed, for a person: the disk's own reasons first, then SQLite's. */
static const char *explain(const struct db *db, int rc)
{
	int sys = sqlite3_system_errno(db->handle);

	switch (rc & 0xff) {
	case SQLITE_FULL:
		return errno_text(ENOSPC);
	case SQLITE_BUSY:
		return "locked by another process for too long; try again when it is done";
	case SQLITE_READONLY:
		return sys == EROFS ? errno_text(sys)
				    : "no permission to write; run as the user that owns it";
	case SQLITE_CORRUPT:
		return "the database is damaged; move it away to start anew";
	case SQLITE_NOTADB:
		return "this is not an SQLite database; move it away to start anew";
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		return sys ? errno_text(sys) : sqlite3_errmsg(db->handle);
	default:
		return sqlite3_errmsg(db->handle);
	}
}

int db_fail(const struct db *db, int rc, struct error *err)
{
	enum errc code = (rc & 0xff) == SQLITE_NOMEM ? ERR_NOMEM : ERR_IO;

	error_set(err, code, "database '%s': %s", db->path, explain(db, rc));
	if (err)
		err->sys = (rc & 0xff) == SQLITE_FULL ? ENOSPC : sqlite3_system_errno(db->handle);
	return -(int)code;
}

int db_exec(struct db *db, const char *sql, struct error *err)
{
	int rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : db_fail(db, rc, err);
}

static int is_wal(void *ret, int n, char **values, char **names)
{
	(void)names;
	*(bool *)ret = n > 0 && values[0] && strcmp(values[0], "wal") == 0;
	return 0;
}

/*
 * Two processes that open a new file at once: the change to WAL needs the file
 * alone, and SQLite does not wait for that (its busy handler could deadlock).
 */
static int use_wal(struct db *db, struct error *err)
{
	const struct timespec pause = {.tv_nsec = RETRY_NS};
	uint64_t deadline = clock_mono_ms() + DB_BUSY_MS;
	bool wal = false;
	int rc;

	for (;;) {
		rc = sqlite3_exec(db->handle, "PRAGMA journal_mode=WAL", is_wal, &wal, NULL);
		if ((rc & 0xff) != SQLITE_BUSY || clock_mono_ms() >= deadline)
			break;
		(void)nanosleep(&pause, NULL);
	}
	if (rc != SQLITE_OK)
		return db_fail(db, rc, err);
	if (!wal)
		return error_set(err,
			ERR_IO,
			"database '%s': the file system cannot hold a write-ahead log (is it on a "
			"network?); move it to a local disk",
			db->path);
	return 0;
}

static int configure(struct db *db, const struct db_options *options, struct error *err)
{
	AUTO_FREE char *pragmas = NULL;
	int keep = 1, rc;

	(void)sqlite3_extended_result_codes(db->handle, 1);
	(void)sqlite3_busy_timeout(db->handle, DB_BUSY_MS);
	if (!options->read_only) {
		rc = use_wal(db, err);
		if (rc < 0)
			return rc;
		/* With the -wal and -shm files left behind, one without permission to write can
		 * read: SQLite cannot read a WAL database whose -shm is missing. */
		(void)sqlite3_file_control(db->handle, "main", SQLITE_FCNTL_PERSIST_WAL, &keep);
	}
	pragmas = xasprintf(
		"PRAGMA synchronous=%s; PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF;"
		" PRAGMA journal_size_limit=%d; PRAGMA cache_size=-%u;",
		options->full_sync ? "FULL" : "NORMAL",
		JOURNAL_KEEP_BYTES,
		options->cache_kib ? options->cache_kib : DB_CACHE_KIB);
	return db_exec(db, pragmas, err);
}

/* A read-only open that failed for want of the -shm file says so: the cure is not obvious. */
static int explain_read_only(const struct db *db, int rc, struct error *err)
{
	AUTO_FREE char *shm = xasprintf("%s-shm", db->path);

	if (sqlite3_errcode(db->handle) != SQLITE_CANTOPEN ||
		faccessat(AT_FDCWD, db->path, R_OK, AT_EACCESS) < 0 ||
		faccessat(AT_FDCWD, shm, R_OK, AT_EACCESS) == 0)
		return rc;
	return error_set(err,
		ERR_IO,
		"database '%s': cannot be read without permission to write beside it, since '%s' "
		"is missing; run as the user that owns it",
		db->path,
		shm);
}

static void take_options(struct db *db, const struct db_options *options)
{
	db->path = xstrdup(options->path);
	db->statements = options->statements;
	while (options->statements && options->statements[db->n_statements])
		db->n_statements++;
	db->prepared = xcalloc(db->n_statements, sizeof(*db->prepared));
}

static int open_handle(struct db *db, const struct db_options *options, struct error *err)
{
	int flags = SQLITE_OPEN_NOMUTEX |
		    (options->read_only ? SQLITE_OPEN_READONLY
					: SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
	struct stat st;
	int rc;

	if (options->read_only && stat(options->path, &st) < 0)
		return error_errno(err, "database '%s'", options->path);
	rc = sqlite3_open_v2(options->path, &db->handle, flags, NULL);
	if (!db->handle)
		return error_set(err, ERR_NOMEM, "database '%s': no memory", options->path);
	return rc == SQLITE_OK ? 0 : db_fail(db, rc, err);
}

int db_open(const struct db_options *options, struct db **ret, struct error *err)
{
	AUTO(db_closep) struct db *db = xcalloc(1, sizeof(*db));
	int version, rc;

	take_options(db, options);
	rc = open_handle(db, options, err);
	if (rc == 0)
		rc = configure(db, options, err);
	if (rc == 0)
		rc = options->read_only ? db_check_version(db, options, &version, err)
					: db_migrate(db, options, err);
	if (rc < 0)
		return options->read_only && rc == -ERR_IO ? explain_read_only(db, rc, err) : rc;
	*ret = steal(&db);
	return 0;
}

void db_close(struct db *db)
{
	if (!db)
		return;
	for (size_t i = 0; i < db->n_statements; i++)
		(void)sqlite3_finalize(db->prepared[i].stmt);
	/* Rolls back what is open. _v2: a statement still held by mistake delays it only. */
	(void)sqlite3_close_v2(db->handle);
	free(db->prepared);
	free(db->path);
	free(db);
}

int db_begin(struct db *db, struct error *err)
{
	/* IMMEDIATE: a transaction that reads first and writes later could fail halfway,
	 * without waiting, when another process wrote in between. */
	int rc = db->depth ? 0 : db_exec(db, "BEGIN IMMEDIATE", err);

	if (rc == 0)
		db->depth++;
	return rc;
}

int db_commit(struct db *db, struct error *err)
{
	int rc;

	assert(db->depth > 0);
	if (db->depth > 1) {
		db->depth--;
		return 0;
	}
	if (db->spoiled) {
		db_rollback(db);
		return error_set(err,
			ERR_IO,
			"database '%s': a part of the change failed, nothing was changed",
			db->path);
	}
	rc = db_exec(db, "COMMIT", err);
	if (rc < 0)
		db_rollback(db);
	else
		db->depth = 0;
	return rc;
}

void db_rollback(struct db *db)
{
	if (db->depth == 0)
		return;
	if (--db->depth > 0) {
		/* What the outer transaction still does must not be kept without this part. */
		db->spoiled = true;
		return;
	}
	db->spoiled = false;
	/* A full disk and the like have already rolled back. */
	if (!sqlite3_get_autocommit(db->handle))
		(void)sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
}

int64_t db_last_id(const struct db *db)
{
	return sqlite3_last_insert_rowid(db->handle);
}

int64_t db_changes(const struct db *db)
{
	return sqlite3_changes64(db->handle);
}
