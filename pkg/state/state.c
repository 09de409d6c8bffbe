/*
 * state.c - opening state.db, and writing many rows as one transaction.
 *
 * Each write is a transaction, nested in the caller's batch when there is one.  `depth`
 * is counted here beside db's own count, because a release set must be able to cut the
 * batch around it (journal.c).
 */
#include "state/internal.h"

#include "util/mem.h"

#define STATE_FILE "state.db"
#define APPLICATION_ID \
	0x726d7364u /* "rmsd", in SQLite's header: file(1) and we tell it from others */

/* Shares the program's fixed 16 MiB with the store's two connections (design.md 2, promise 6). */
#define CACHE_KIB 1024

int state_open(int dirfd, bool read_only, struct state **ret, struct error *err)
{
	/* SQLite takes paths only; the kernel knows the one of a descriptor. */
	AUTO_FREE char *link = xasprintf("/proc/self/fd/%d", dirfd);
	AUTO_FREE char *folder = realpath(link, NULL);
	AUTO_FREE char *path = xasprintf("%s/" STATE_FILE, folder ? folder : "");
	AUTO(state_closep) struct state *s = NULL;
	struct db_options options = {
		.path = path,
		.read_only = read_only,
		.full_sync = true,
		.cache_kib = CACHE_KIB,
		.application_id = APPLICATION_ID,
		.migrations = state_migrations,
		.statements = state_statements,
	};
	int rc;

	if (!folder)
		return error_errno(err, "find the state directory by '%s'", link);
	s = xcalloc(1, sizeof(*s));
	rc = db_open(&options, &s->db, err);
	if (rc < 0)
		return rc;
	*ret = steal(&s);
	return 0;
}

void state_close(struct state *s)
{
	if (!s)
		return;
	db_close(s->db); /* rolls back what is open */
	for (size_t i = 0; i < HELD_MAX; i++)
		free(s->held[i]);
	free(s);
}

int state_begin(struct state *s, struct error *err)
{
	int rc = db_begin(s->db, err);

	if (rc < 0)
		return rc;
	s->depth++;
	return 0;
}

int state_commit(struct state *s, struct error *err)
{
	int rc = db_commit(s->db, err);

	/* Nested commits only count; a failed one has rolled back everything. */
	s->depth = rc < 0 ? 0 : s->depth - 1;
	return rc;
}

int write_end(struct state *s, int rc, struct error *err)
{
	if (rc == 0)
		return state_commit(s, err);
	/* db_rollback() here would spoil the batch for one row that did not matter to it. */
	if (s->depth > 1 && db_commit(s->db, NULL) == 0) {
		s->depth--;
		return rc;
	}
	db_rollback(s->db);
	s->depth = 0;
	return rc;
}

const char *text_hold(struct state *s, size_t slot, const struct db_stmt *stmt, int column)
{
	const char *text = db_text(stmt, column);

	str_replace(&s->held[slot], text ? text : "");
	return s->held[slot];
}

/* Read first: nearly always it is there, and reading is cheaper than a conflicting INSERT. */
int place_get(struct state *s, const char *target, const char *repository, int64_t *ret_id,
	struct error *err)
{
	AUTO(db_reset) struct db_stmt find = db_stmt(s->db, STMT_PLACE_FIND);
	AUTO(db_reset) struct db_stmt put = db_stmt(s->db, STMT_PLACE_PUT);
	int rc;

	db_bind_text(&find, 1, target);
	db_bind_text(&find, 2, repository);
	rc = db_step(&find, err);
	if (rc == 1)
		*ret_id = db_i64(&find, 0);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	db_bind_text(&put, 1, target);
	db_bind_text(&put, 2, repository);
	rc = db_run(&put, err);
	if (rc < 0)
		return rc;
	*ret_id = db_last_id(s->db);
	return 0;
}

void bind_key(struct db_stmt *stmt, const char *first, const char *second, const char *third)
{
	db_bind_text(stmt, 1, first);
	db_bind_text(stmt, 2, second);
	db_bind_text(stmt, 3, third);
}

void bind_digest_or_null(struct db_stmt *stmt, int i, const struct digest *digest, bool has)
{
	if (has)
		db_bind_digest(stmt, i, digest);
	else
		db_bind_text(stmt, i, NULL);
}

int digest_get(const struct db_stmt *stmt, int column, struct digest *ret, struct error *err)
{
	if (!db_digest(stmt, column, ret))
		return error_set(err, ERR_IO, "state.db holds no digest where one must be");
	return 0;
}
