/*
 * referrers.c - manifests that are about another one: its signatures, attestations, SBOMs.
 *
 * A manifest's subject is noted as a digest and not as a reference: the subject may be missing, and
 * does not stay because somebody signed it.
 */
#include "store/collect.h"
#include "store/internal.h"

#include "util/mem.h"

#define REFERRER_PAGE 16 /* rows read at once: 6 KiB */
#define UNREAD_PAGE   64 /* manifests whose subjects are noted in one transaction */

static int subject_put(struct db *db, int64_t id, const struct digest *subject, struct error *err)
{
	AUTO(db_reset) struct db_stmt put = db_stmt(db, STMT_SUBJECT_PUT);

	db_bind_i64(&put, 1, id);
	db_bind_digest(&put, 2, subject);
	return db_run(&put, err);
}

int subject_insert(struct db *db, int64_t id, const struct manifest *view, struct error *err)
{
	return view->has_subject ? subject_put(db, id, &view->subject, err) : 0;
}

struct referrer_row {
	struct blob_row blob;
	char type[MEDIA_TYPE_MAX + 1];
};

/* With quick_lock held; those with a larger id than `after`, in the order in which they came. */
static int referrer_page(struct store *s, const char *repository, const struct digest *subject,
	int64_t after, struct referrer_row page[static REFERRER_PAGE], struct error *err)
{
	AUTO(db_reset) struct db_stmt next = db_stmt(s->quick, STMT_REFERRER_NEXT);
	int n = 0, rc;

	db_bind_digest(&next, 1, subject);
	db_bind_text(&next, 2, repository);
	db_bind_i64(&next, 3, after);
	db_bind_i64(&next, 4, REFERRER_PAGE);
	while ((rc = db_step(&next, err)) == 1 && n < REFERRER_PAGE) {
		struct referrer_row *r = &page[n++];

		r->blob = (struct blob_row){
			.id = db_i64(&next, 0),
			.size = (uint64_t)db_i64(&next, 1),
			.seen_sec = db_i64(&next, 2),
			.is_manifest = true,
		};
		if (!db_digest(&next, 3, &r->blob.digest))
			return error_set(err, ERR_IO, "the index holds no digest for a referrer");
		(void)snprintf(r->type, sizeof(r->type), "%s", db_text(&next, 4));
	}
	return rc < 0 ? rc : n;
}

int store_referrers(struct store *s, const char *repository, const struct digest *subject,
	store_referrer_fn *fn, void *ctx, struct error *err)
{
	AUTO_FREE struct referrer_row *page = xcalloc(REFERRER_PAGE, sizeof(*page));
	int64_t after = 0;
	int n = REFERRER_PAGE;

	while (n == REFERRER_PAGE) {
		(void)pthread_mutex_lock(&s->quick_lock);
		n = referrer_page(s, repository, subject, after, page, err);
		(void)pthread_mutex_unlock(&s->quick_lock);
		if (n < 0)
			return n;
		for (int i = 0; i < n; i++) {
			const struct store_referrer r = {
				.digest = page[i].blob.digest,
				.size = page[i].blob.size,
				.media_type = page[i].type,
			};

			/* Who is told of it may ask for it; one that is just being collected is
			 * not told of. */
			if (seen_stamp(s, &page[i].blob, NULL) == 0 && !fn(ctx, &r))
				return 0;
		}
		if (n > 0)
			after = page[n - 1].blob.id;
	}
	return 0;
}

/* ---- manifests of a version that noted no subjects ---- */

struct unread_row {
	int64_t id;
	struct digest digest;
	uint64_t size;
	char type[MEDIA_TYPE_MAX + 1];
	bool has_subject;
	struct digest subject;
};

static int unread_page(
	struct store *s, struct unread_row page[static UNREAD_PAGE], struct error *err)
{
	AUTO(db_reset) struct db_stmt next = db_stmt(s->publish, STMT_UNREAD_NEXT);
	int n = 0, rc;

	db_bind_i64(&next, 1, UNREAD_PAGE);
	while ((rc = db_step(&next, err)) == 1 && n < UNREAD_PAGE) {
		struct unread_row *r = &page[n++];

		*r = (struct unread_row){
			.id = db_i64(&next, 0), .size = (uint64_t)db_i64(&next, 2)};
		if (!db_digest(&next, 1, &r->digest))
			return error_set(err, ERR_IO, "the index holds no digest for a manifest");
		(void)snprintf(r->type, sizeof(r->type), "%s", db_text(&next, 3));
	}
	return rc < 0 ? rc : n;
}

/* A manifest that cannot be read has no subject that anybody could be told of. */
static void subject_read(struct store *s, struct unread_row *r)
{
	AUTO(buf_clear) struct buf bytes = BUF_INIT(MANIFEST_MAX);
	AUTO(manifest_clear) struct manifest view = MANIFEST_INIT;

	if (r->size > MANIFEST_MAX || content_read(s, &r->digest, r->size, &bytes, NULL) < 0 ||
		manifest_parse(buf_text(&bytes), bytes.len, r->type, &view, NULL) < 0)
		return;
	r->has_subject = view.has_subject;
	r->subject = view.subject;
}

static int subject_note(struct db *db, const struct unread_row *r, struct error *err)
{
	AUTO(db_reset) struct db_stmt drop = db_stmt(db, STMT_UNREAD_DROP);
	int rc;

	db_bind_i64(&drop, 1, r->id);
	rc = db_run(&drop, err);
	/* Another process has done it, or a collector came: the id may be another blob's. */
	if (rc < 0 || db_changes(db) == 0 || !r->has_subject)
		return rc;
	return subject_put(db, r->id, &r->subject, err);
}

/* The store is being opened: no other thread has it yet. */
int subjects_fill(struct store *s, struct error *err)
{
	AUTO_FREE struct unread_row *page = xcalloc(UNREAD_PAGE, sizeof(*page));
	int n;

	while ((n = unread_page(s, page, err)) > 0) {
		int rc;

		for (int i = 0; i < n; i++)
			subject_read(s, &page[i]);
		rc = db_begin(s->publish, err);
		for (int i = 0; rc == 0 && i < n; i++)
			rc = subject_note(s->publish, &page[i], err);
		if (rc == 0)
			rc = db_commit(s->publish, err);
		if (rc < 0) {
			db_rollback(s->publish);
			return rc;
		}
	}
	return n;
}
