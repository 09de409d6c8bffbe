/* internal.h - what the modules of state share; nobody else includes it. */
#pragma once

#include "db/db.h"
#include "state/state.h"

enum state_statement {
	STMT_PLACE_FIND,
	STMT_PLACE_PUT,
	STMT_PLACE_HAS_TAGS,
	STMT_TAG_GET,
	STMT_TAG_PUT,
	STMT_TAG_FORGET,
	STMT_TAGS_FORGET,
	STMT_TAGS,
	STMT_LOCATION_PUT,
	STMT_LOCATION_HAS,
	STMT_LOCATION_ANY,
	STMT_LOCATION_FORGET,
	STMT_LOCATIONS_FORGET,
	STMT_SET_PUT,
	STMT_SET_END,
	STMT_MOVE_PUT,
	STMT_MOVE_DONE,
	STMT_MOVES,
	STMT_RUN_PUT,
	STMT_RUNS,
	STMT_SOURCE_PUT,
	STMT_SOURCES,
	STMT_MAX_
};

extern const char *const state_migrations[];
extern const char *const state_statements[];

#define HELD_MAX 6 /* texts of the widest row that is handed out: struct state_tag */

struct state {
	struct db *db;
	unsigned depth;       /* state_begin() without its state_commit() */
	char *held[HELD_MAX]; /* texts that the last call handed out */
};

/*
 * Ends what state_begin() began: commits, or after a failure (rc) rolls back, unless
 * an enclosing batch goes on.  Returns rc, or why it could not commit.
 */
NODISCARD int write_end(struct state *s, int rc, struct error *err);

/* The statement's text at a column, valid until the slot is used again; "" for NULL. */
const char *text_hold(struct state *s, size_t slot, const struct db_stmt *stmt, int column);

/* The row of a repository at a target, made when missing. */
NODISCARD int place_get(struct state *s, const char *target, const char *repository,
	int64_t *ret_id, struct error *err);
/* A digest that must be there: ERR_IO when the file was damaged. */
NODISCARD int digest_get(
	const struct db_stmt *stmt, int column, struct digest *ret, struct error *err);
