/*
 * stmt.c - statements, prepared on first use and kept.
 *
 * Binding and preparing report nothing: the first failure is noted and the step tells it, so
 * that callers have one place to check.
 */
#include "db/internal.h"

#include <assert.h>

/* On disk: the algorithm's byte of a digest.  The enum may not be reordered. */
_Static_assert(DIGEST_SHA256 == 0 && DIGEST_SHA512 == 1, "digests in databases would change");

/* SQLITE_TRANSIENT is a number in a pointer's clothes. */
/* NOLINTNEXTLINE(performance-no-int-to-ptr) */
#define COPIED SQLITE_TRANSIENT

static sqlite3_stmt *prepare(struct db *db, const char *sql, int *ret_failed)
{
	sqlite3_stmt *stmt = NULL;

	*ret_failed =
		sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL);
	return stmt;
}

struct db_stmt db_stmt(struct db *db, size_t statement)
{
	struct db_stmt s = {.db = db};
	struct prepared *p;

	assert(statement < db->n_statements);
	p = &db->prepared[statement];
	if (p->in_use) {
		/* A recursion, such as a walk down a tree: a second one, for this use only. */
		s.stmt = prepare(db, db->statements[statement], &s.failed);
		return s;
	}
	if (!p->stmt)
		p->stmt = prepare(db, db->statements[statement], &s.failed);
	s.stmt = p->stmt;
	if (s.stmt) {
		p->in_use = true;
		s.in_use = &p->in_use;
	}
	return s;
}

void db_reset(struct db_stmt *s)
{
	sqlite3_stmt *stmt = s->stmt;

	if (s->in_use) {
		(void)sqlite3_reset(stmt);
		(void)sqlite3_clear_bindings(stmt);
		*s->in_use = false;
	} else {
		(void)sqlite3_finalize(stmt);
	}
	s->stmt = NULL;
	s->in_use = NULL;
	s->failed = SQLITE_MISUSE;
}

/* Binding begins the statement anew.  NULL when it is not to be had. */
static sqlite3_stmt *rewound(struct db_stmt *s)
{
	if (s->stmt && sqlite3_stmt_busy(s->stmt))
		(void)sqlite3_reset(s->stmt);
	return s->stmt;
}

/* The first failure is kept for db_step() to tell. */
static void note(struct db_stmt *s, int rc)
{
	if (!s->failed)
		s->failed = rc;
}

void db_bind_text(struct db_stmt *s, int i, const char *text)
{
	if (rewound(s))
		note(s, sqlite3_bind_text(s->stmt, i, text, -1, COPIED)); /* NULL for NULL */
}

void db_bind_i64(struct db_stmt *s, int i, int64_t v)
{
	if (rewound(s))
		note(s, sqlite3_bind_int64(s->stmt, i, v));
}

void db_bind_f64(struct db_stmt *s, int i, double v)
{
	if (rewound(s))
		note(s, sqlite3_bind_double(s->stmt, i, v));
}

void db_bind_blob(struct db_stmt *s, int i, const void *data, size_t len)
{
	/* SQLite takes a NULL pointer for NULL, whatever the length. */
	if (rewound(s))
		note(s, sqlite3_bind_blob64(s->stmt, i, data, len, COPIED));
}

void db_bind_digest(struct db_stmt *s, int i, const struct digest *d)
{
	uint8_t bytes[1 + DIGEST_RAW_MAX] = {(uint8_t)d->algo};

	memcpy(bytes + 1, d->raw, digest_raw_len(d->algo));
	db_bind_blob(s, i, bytes, 1 + digest_raw_len(d->algo));
}

int db_step(struct db_stmt *s, struct error *err)
{
	int rc;

	if (!s->stmt || s->failed) {
		if (s->failed == SQLITE_MISUSE || s->failed == SQLITE_RANGE)
			return error_set(err,
				ERR_IO,
				"database '%s': a statement was used wrongly (%s)",
				s->db->path,
				sqlite3_errstr(s->failed));
		return db_fail(s->db, s->failed, err);
	}
	if (s->db->depth > 0 && sqlite3_get_autocommit(s->db->handle))
		return error_set(err,
			ERR_IO,
			"database '%s': the transaction was rolled back by an earlier failure",
			s->db->path);
	rc = sqlite3_step(s->stmt);
	if (rc == SQLITE_ROW)
		return 1;
	if (rc != SQLITE_DONE)
		rc = db_fail(s->db, rc, err);
	/* At once: a statement that is done or failed must hold no lock. */
	(void)sqlite3_reset(s->stmt);
	return rc == SQLITE_DONE ? 0 : rc;
}

int db_run(struct db_stmt *s, struct error *err)
{
	int rc;

	do
		rc = db_step(s, err);
	while (rc > 0);
	return rc;
}

const char *db_text(const struct db_stmt *s, int column)
{
	return (const char *)sqlite3_column_text(s->stmt, column);
}

int64_t db_i64(const struct db_stmt *s, int column)
{
	return sqlite3_column_int64(s->stmt, column);
}

double db_f64(const struct db_stmt *s, int column)
{
	return sqlite3_column_double(s->stmt, column);
}

const void *db_blob(const struct db_stmt *s, int column, size_t *ret_len)
{
	const void *data = sqlite3_column_blob(s->stmt, column);

	*ret_len = (size_t)sqlite3_column_bytes(s->stmt, column);
	return data;
}

bool db_digest(const struct db_stmt *s, int column, struct digest *ret)
{
	size_t len;
	const uint8_t *bytes = db_blob(s, column, &len);
	struct digest d = {0};

	if (!bytes || len < 1 || bytes[0] >= DIGEST_ALGO_MAX_)
		return false;
	d.algo = (enum digest_algo)bytes[0];
	if (len != 1 + digest_raw_len(d.algo))
		return false;
	memcpy(d.raw, bytes + 1, len - 1);
	*ret = d;
	return true;
}
