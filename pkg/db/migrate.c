/*
 * migrate.c - whose database it is, of which version, and how it becomes the newest.
 *
 * A migration is never changed once it was released: the database of each user is at one of the
 * versions, and takes only the steps after it.
 */
#include "db/internal.h"

#include <inttypes.h>

#include "util/mem.h"

/* The first column of the first row of a query that always has one. */
static int query_number(struct db *db, const char *sql, int64_t *ret, struct error *err)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(db->handle, sql, -1, &stmt, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		*ret = sqlite3_column_int64(stmt, 0);
	else
		rc = db_fail(db, rc, err);
	(void)sqlite3_finalize(stmt);
	return rc == SQLITE_ROW ? 0 : rc;
}

static int count_migrations(const struct db_options *options)
{
	int n = 0;

	while (options->migrations && options->migrations[n])
		n++;
	return n;
}

/* A version of 0 is ours only when nothing at all is in the file. */
static int check_owner(
	struct db *db, const struct db_options *options, int64_t version, struct error *err)
{
	int64_t id = 0, tables = 0;
	int rc = query_number(db, "PRAGMA application_id", &id, err);

	if (rc == 0)
		rc = query_number(db, "SELECT count(*) FROM sqlite_schema", &tables, err);
	if (rc < 0)
		return rc;
	/* SQLite keeps the number with a sign. */
	if ((version == 0 && tables == 0 && id == 0) || (uint32_t)id == options->application_id)
		return 0;
	return error_set(err,
		ERR_USAGE,
		"database '%s': it belongs to another program (application id %" PRIu32
		" instead of %" PRIu32 "); name another file",
		db->path,
		(uint32_t)id,
		options->application_id);
}

int db_check_version(
	struct db *db, const struct db_options *options, int *ret_version, struct error *err)
{
	int known = count_migrations(options);
	int64_t version = 0;
	int rc = query_number(db, "PRAGMA user_version", &version, err);

	if (rc == 0)
		rc = check_owner(db, options, version, err);
	if (rc < 0)
		return rc;
	if (version < 0 || version > known)
		return error_set(err,
			ERR_USAGE,
			"database '%s': a newer version of the program wrote it (format %" PRId64
			", known up to %d); use that one",
			db->path,
			version,
			known);
	if (options->read_only && version == 0 && known > 0)
		return error_set(err, ERR_NOTFOUND, "database '%s': nothing in it yet", db->path);
	if (options->read_only && version < known)
		return error_set(err,
			ERR_USAGE,
			"database '%s': an older version of the program wrote it (format %" PRId64
			" instead of %d); a run that may write brings it up to date",
			db->path,
			version,
			known);
	*ret_version = (int)version;
	return 0;
}

/* One step up, in a transaction that is open. */
static int step_up(struct db *db, const struct db_options *options, int version, struct error *err)
{
	AUTO_FREE char *stamp =
		xasprintf("PRAGMA user_version=%d; PRAGMA application_id=%" PRId32 ";",
			version + 1,
			(int32_t)options->application_id);
	int rc = db_exec(db, options->migrations[version], err);

	if (rc == 0)
		rc = db_exec(db, stamp, err);
	return rc < 0 ? error_wrap(err, rc, "migration from format %d", version) : 0;
}

int db_migrate(struct db *db, const struct db_options *options, struct error *err)
{
	int known = count_migrations(options);
	int version = 0;
	int rc = db_check_version(db, options, &version, err);

	while (rc == 0 && version < known) {
		rc = db_begin(db, err);
		if (rc < 0)
			return rc;
		/* Asked again under the lock: another process may have done it meanwhile. */
		rc = db_check_version(db, options, &version, err);
		if (rc == 0 && version < known)
			rc = step_up(db, options, version, err);
		if (rc < 0)
			db_rollback(db);
		else
			rc = db_commit(db, err);
		if (rc == 0)
			rc = db_check_version(db, options, &version, err);
	}
	return rc;
}
