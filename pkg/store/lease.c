/*
 * lease.c - what a run counts on is not collected meanwhile (rule 6 of guides/server.md 2.4).
 *
 * Leases name digests, so content can be held before it comes.  They end by
 * themselves: a killed run leaves rows that expire, and store_open() removes those.
 */
#include "store/internal.h"

#include "util/clock.h"

static int lease_write(struct store *s, enum store_statement statement, const char *holder,
	const struct digest *digest, int64_t until_sec, struct error *err)
{
	int rc;

	quick_write_lock(s);
	{
		AUTO(db_reset) struct db_stmt put = db_stmt(s->quick, statement);

		db_bind_text(&put, 1, holder);
		if (digest)
			db_bind_digest(&put, 2, digest);
		if (statement == STMT_LEASE_PUT)
			db_bind_i64(&put, 3, until_sec);
		rc = db_run(&put, err);
	}
	quick_write_unlock(s);
	return rc < 0 ? error_wrap(err, rc, "lease of '%s'", holder) : 0;
}

int store_lease(struct store *s, const char *holder, const struct digest *digest, uint32_t sec,
	struct error *err)
{
	if (sec == 0)
		return lease_write(s, STMT_LEASE_DROP, holder, digest, 0, err);
	return lease_write(s, STMT_LEASE_PUT, holder, digest, clock_wall_sec() + (int64_t)sec, err);
}

int store_lease_drop(struct store *s, const char *holder, struct error *err)
{
	return lease_write(s, STMT_LEASE_DROP_HOLDER, holder, NULL, 0, err);
}
