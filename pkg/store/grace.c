/*
 * grace.c - how long collectors leave alone what somebody was told of (rules 1 and 3 of
 * guides/server.md 2.4).
 *
 * Whoever answers "it is here" relies on a stamp that is younger than a quarter of the grace
 * (seen.c).  So the grace must be known where answers are given, in every process: it is a row of
 * the index.  When a collector comes with another one, answers that were given before relied on the
 * old quarter; until the last of them is older than the new grace, the collector adds that
 * quarter to it.
 */
#include "store/internal.h"

#define FRESH_SHARE 4 /* of the grace */

int64_t grace_fresh_sec(const struct grace *g)
{
	return g->sec / FRESH_SHARE;
}

int grace_get(struct db *db, struct grace *ret, struct error *err)
{
	AUTO(db_reset) struct db_stmt get = db_stmt(db, STMT_GRACE_GET);
	int rc = db_step(&get, err);

	if (rc == 0)
		return error_set(err, ERR_IO, "the index does not say how long the grace is");
	if (rc < 0)
		return rc;
	*ret = (struct grace){
		.sec = db_i64(&get, 0), .since = db_i64(&get, 1), .before = db_i64(&get, 2)};
	return 0;
}

static int grace_put(struct db *db, const struct grace *g, struct error *err)
{
	AUTO(db_reset) struct db_stmt put = db_stmt(db, STMT_GRACE_PUT);

	db_bind_i64(&put, 1, g->sec);
	db_bind_i64(&put, 2, g->since);
	db_bind_i64(&put, 3, g->before);
	return db_run(&put, err);
}

/* Whether every answer of before `since` is older than the grace. */
static bool is_settled(int64_t since, int64_t sec, int64_t now_sec)
{
	return sec == 0 || now_sec > since + sec;
}

struct grace grace_change(const struct grace *old, uint32_t sec, int64_t now_sec)
{
	struct grace g = {.sec = sec, .since = now_sec, .before = grace_fresh_sec(old)};

	if (old->sec == g.sec)
		return *old;
	if (!is_settled(old->since, g.sec, now_sec) && old->before > g.before)
		g.before = old->before;
	return g;
}

/* A grace of nothing spares nothing, not even what was seen in this second. */
int64_t grace_cutoff(const struct grace *g, int64_t now_sec)
{
	if (g->sec == 0)
		return now_sec + 1;
	return now_sec - g->sec - (is_settled(g->since, g->sec, now_sec) ? 0 : g->before);
}

int grace_announce(
	struct store *s, uint32_t sec, int64_t now_sec, struct grace *ret, struct error *err)
{
	struct grace old, g = {.sec = 0};
	int rc;

	(void)pthread_mutex_lock(&s->publish_lock);
	rc = db_begin(s->publish, err);
	if (rc == 0) {
		rc = grace_get(s->publish, &old, err);
		if (rc == 0) {
			g = grace_change(&old, sec, now_sec);
			rc = grace_put(s->publish, &g, err);
		}
		if (rc == 0)
			rc = db_commit(s->publish, err);
		if (rc < 0)
			db_rollback(s->publish);
	}
	(void)pthread_mutex_unlock(&s->publish_lock);
	if (rc == 0)
		*ret = g;
	return rc;
}
