/*
 * seen.c - who was told that a blob is here, and when (rule 1 of guides/server.md 2.4).
 *
 * A collector deletes what nobody references and nobody saw for the grace time.
 * A blob whose row was stamped within the last quarter of it is safe for three more quarters,
 * so its next stamp may wait in memory for others; an older row is stamped
 * before the answer goes out, and if the row has gone, so has the blob.  How long the grace is,
 * the last collector has left in the index (grace.c).
 */
#include "store/internal.h"

#include "util/clock.h"

#define SEEN_PENDING_MAX 1024  /* stamps in memory: about 100 KiB */
#define SEEN_PENDING_MS  60000 /* a stamp waits no longer, as long as calls come */

/* The row of this digest, and no other: ids are used again.  *ret_here: there is one. */
static int stamp_surely(
	struct store *s, const struct blob_row *row, int64_t now, bool *ret_here, struct error *err)
{
	AUTO(db_reset) struct db_stmt put = db_stmt(s->quick, STMT_BLOB_SEEN_SURELY);
	int rc;

	db_bind_i64(&put, 1, row->id);
	db_bind_i64(&put, 2, now);
	db_bind_digest(&put, 3, &row->digest);
	rc = db_run(&put, err);
	if (rc == 0)
		*ret_here = db_changes(s->quick) > 0;
	return rc;
}

static int stamp_row(struct store *s, int64_t id, int64_t now, struct error *err)
{
	AUTO(db_reset) struct db_stmt put = db_stmt(s->quick, STMT_BLOB_SEEN);

	db_bind_i64(&put, 1, id);
	db_bind_i64(&put, 2, now);
	return db_run(&put, err);
}

/* With both locks held, inside a transaction. */
static int stamp_pending(struct store *s, int64_t now, struct error *err)
{
	for (struct map_item *i = map_first(s->seen); i; i = map_next(i)) {
		int64_t id;
		int rc;

		memcpy(&id, map_key(i, NULL), sizeof(id));
		rc = stamp_row(s, id, now, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* All pending stamps, and first that of `row` (NULL: of none): *ret_here says whether it is there.
 */
static int flush(struct store *s, const struct blob_row *row, bool *ret_here, struct error *err)
{
	int64_t now = clock_wall_sec();
	bool here = true;
	int rc = db_begin(s->quick, err);

	if (rc < 0)
		return rc;
	if (row)
		rc = stamp_surely(s, row, now, &here, err);
	if (rc == 0)
		rc = stamp_pending(s, now, err);
	if (rc == 0)
		rc = db_commit(s->quick, err);
	if (rc < 0) {
		db_rollback(s->quick);
		return rc;
	}
	map_free(s->seen);
	s->seen = map_new(NULL);
	*ret_here = here;
	return 0;
}

int seen_flush(struct store *s, struct error *err)
{
	bool here;
	int rc;

	quick_write_lock(s);
	rc = map_count(s->seen) > 0 ? flush(s, NULL, &here, err) : 0;
	quick_write_unlock(s);
	return rc;
}

/* With quick_lock held.  A grace that cannot be read is taken for the shortest. */
static bool is_fresh(struct store *s, int64_t age_sec)
{
	struct grace grace;

	return grace_get(s->quick, &grace, NULL) == 0 && age_sec < grace_fresh_sec(&grace);
}

/* True when the stamp may stay in memory for now. */
static bool stamp_later(struct store *s, const struct blob_row *row)
{
	int64_t age_sec = clock_wall_sec() - row->seen_sec;
	uint64_t now_ms = clock_mono_ms();
	bool later;

	if (age_sec <= 0)
		return true;
	(void)pthread_mutex_lock(&s->quick_lock);
	if (map_count(s->seen) == 0)
		s->seen_since_ms = now_ms;
	later = map_count(s->seen) < SEEN_PENDING_MAX &&
		now_ms - s->seen_since_ms < SEEN_PENDING_MS && is_fresh(s, age_sec);
	if (later)
		map_put(s->seen, &row->id, sizeof(row->id), s);
	(void)pthread_mutex_unlock(&s->quick_lock);
	return later;
}

int seen_stamp(struct store *s, const struct blob_row *row, struct error *err)
{
	bool here = true;

	if (stamp_later(s, row))
		return 0;
	quick_write_lock(s);
	/* On failure the stamps stay pending, and no more than SEEN_PENDING_MAX are kept. */
	if (flush(s, row, &here, NULL) < 0)
		here = true;
	quick_write_unlock(s);
	if (!here)
		return error_set(err, ERR_NOTFOUND, "the blob was collected a moment ago");
	return 0;
}
