/*
 * db.h - SQLite: open, migrate, prepared statements, transactions.
 *
 * A struct db is one connection for one thread at a time.  Statements are a table of SQL
 * texts given at open; each is prepared on first use and kept.  WAL, busy_timeout DB_BUSY_MS,
 * foreign keys on; `synchronous` by options.  Failures are ERR_IO with SQLite's message
 * (full disk, read-only and locked say so); ERR_USAGE for a file of a newer version.
 *
 *	AUTO(db_reset) struct db_stmt s = db_stmt(db, STMT_TAG_GET);
 *	db_bind_text(&s, 1, repo);
 *	rc = db_step(&s, err);   // 1: a row, 0: done, < 0: failed
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "oci/digest.h"
#include "util/error.h"

#define DB_CACHE_KIB 2000  /* of page cache when the options do not say: SQLite's own default */
#define DB_BUSY_MS   10000 /* how long a writer waits for another process' transaction */

struct db;

struct db_options {
	const char *path; /* file */
	bool read_only;
	bool full_sync;     /* synchronous=FULL, else NORMAL */
	uint32_t cache_kib; /* ceiling of the page cache (PRAGMA cache_size); 0: DB_CACHE_KIB */
	uint32_t application_id;       /* checked and set */
	const char *const *migrations; /* [v] takes user_version v to v + 1; NULL-terminated */
	const char *const *statements; /* the SQL table; NULL-terminated */
};

/*
 * Opens the file, making it when missing, and brings it up to date: each migration in its own
 * transaction.  The options' tables are borrowed (they are static).  read_only never migrates and
 * needs no permission to write, as long as the -wal and -shm files are there (a writer leaves
 * them behind); ERR_NOTFOUND says that there is no file, or nothing in it yet.  ERR_USAGE: another
 * program's file, one of a newer version, or, with read_only, of an older one.
 */
NODISCARD int db_open(const struct db_options *options, struct db **ret, struct error *err);
void db_close(struct db *db);
DEFINE_CLEANUP(struct db *, db_close);

/*
 * Transactions: BEGIN IMMEDIATE; nested begins count.  A rollback inside another transaction makes
 * the outer commit fail and change nothing; one outside of any does nothing, so it may follow
 * a commit that failed.
 */
NODISCARD int db_begin(struct db *db, struct error *err);
NODISCARD int db_commit(struct db *db, struct error *err);
void db_rollback(struct db *db);

struct db_stmt {
	struct db *db;
	void *stmt;   /* sqlite3_stmt *, or NULL when preparing failed: step tells */
	int failed;   /* SQLite's code of the first failure before the step */
	bool *in_use; /* of the kept statement; NULL for one that is prepared for this use only */
};

struct db_stmt db_stmt(struct db *db, size_t statement);
void db_reset(struct db_stmt *s); /* for AUTO(db_reset): s is done with */
/* Parameters count from 1.  Binding after a step begins anew; other parameters keep their values.
 */
void db_bind_text(struct db_stmt *s, int i, const char *text); /* NULL binds NULL; copied */
void db_bind_i64(struct db_stmt *s, int i, int64_t v);
void db_bind_f64(struct db_stmt *s, int i, double v);                      /* NaN binds NULL */
void db_bind_blob(struct db_stmt *s, int i, const void *data, size_t len); /* copied */
void db_bind_digest(
	struct db_stmt *s, int i, const struct digest *d); /* 1 byte of algorithm, then raw */
/* 1: a row is there; 0: done; negative: failed. */
NODISCARD int db_step(struct db_stmt *s, struct error *err);
/* For statements without rows. */
NODISCARD int db_run(struct db_stmt *s, struct error *err);
const char *db_text(
	const struct db_stmt *s, int column); /* NULL for NULL; until the next step or reset */
int64_t db_i64(const struct db_stmt *s, int column);
double db_f64(const struct db_stmt *s, int column);
const void *db_blob(const struct db_stmt *s, int column, size_t *ret_len);
bool db_digest(
	const struct db_stmt *s, int column, struct digest *ret); /* false: no digest there */
int64_t db_last_id(const struct db *db);
int64_t db_changes(const struct db *db);
