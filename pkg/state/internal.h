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
	STMT_ESTIMATE_PUT,
	STMT_ESTIMATES_CUT,
	STMT_ESTIMATES,
	STMT_ESTIMATES_EXPIRE,
	STMT_STRIKE_PUT,
	STMT_STRIKES_CUT,
	STMT_STRIKES,
	STMT_VERSION_PUT,
	STMT_VERSION_NEWEST,
	STMT_VERSIONS,
	STMT_VERSIONS_CUT,
	STMT_ANSWER_GET,
	STMT_ANSWER_PUT,
	STMT_ANSWER_DOUBT,
	STMT_OBSERVATION_PUT,
	STMT_OBSERVATIONS,
	STMT_OBSERVED_AT,
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
/* The three texts that name a row, ?1 to ?3: of a tag, say, where it is, its repository, its name.
 */
void bind_key(struct db_stmt *stmt, const char *first, const char *second, const char *third);
/* For a column that may be NULL. */
void bind_digest_or_null(struct db_stmt *stmt, int i, const struct digest *digest, bool has);
/* A digest that must be there: ERR_IO when the file was damaged. */
NODISCARD int digest_get(
	const struct db_stmt *stmt, int column, struct digest *ret, struct error *err);
