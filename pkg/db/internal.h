/* internal.h - what the files of this package share; nobody else includes it. */
#pragma once

#include <sqlite3.h>

#include "db/db.h"

struct prepared {
	sqlite3_stmt *stmt; /* NULL until first used */
	bool in_use;
};

struct db {
	sqlite3 *handle;
	char *path;
	const char *const *statements; /* borrowed */
	struct prepared *prepared;     /* one for each statement */
	size_t n_statements;
	unsigned depth; /* of nested transactions */
	bool spoiled;   /* an inner one was rolled back: the outer one cannot commit */
};

/* Fills err with what SQLite says of its last failure rc, in words that help; returns -class. */
int db_fail(const struct db *db, int rc, struct error *err);

/* Runs SQL that binds nothing and whose rows nobody wants. */
NODISCARD int db_exec(struct db *db, const char *sql, struct error *err);

/* Brings a database to the newest version; see db_open(). */
NODISCARD int db_migrate(struct db *db, const struct db_options *options, struct error *err);
/* ERR_USAGE when the database is another program's, or of a newer version, or an older one that
 * cannot be changed; ERR_NOTFOUND when there is nothing in it and it cannot be changed. */
NODISCARD int db_check_version(
	struct db *db, const struct db_options *options, int *ret_version, struct error *err);
