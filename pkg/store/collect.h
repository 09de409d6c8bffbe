/*
 * collect.h - taking things out of the store: links, tags, manifests, and garbage (scheme C of
 * guides/server.md 2.4).
 *
 * Garbage is a blob (or manifest) that no tag, lease or manifest leads to and that nobody was told
 * of for `grace_sec`.  Two transactions for each batch: its rows go, and the digest is `doomed`;
 * then the file goes, and the mark.  A publisher of the same digest takes the mark away in between,
 * so it races neither an upload nor a pull, and can be killed anywhere.  Children of an index are
 * reached through it, and stay.
 *
 * Blocks on the disk; runs on a thread of its own, beside all else, in any process.
 */
#pragma once

#include "store/store.h"

#define COLLECT_GRACE_SEC (24u * 3600) /* must exceed the longest push (server.md 2.4, rule 1) */
#define COLLECT_BATCH     500          /* rows of one transaction: 35 ms of lock (server.md 2.3) */

/* Why something goes: the texts that options.item gets. */
#define COLLECT_MANIFEST  "manifest that no tag, index or lease leads to"
#define COLLECT_BLOB      "blob that no manifest needs"
#define COLLECT_ORPHAN    "file of a killed process, without a record"
#define COLLECT_TEMPORARY "temporary file of a killed process"

struct collect_options {
	uint32_t grace_sec;
	bool dry_run; /* counts, and tells, what would go */
	/* Each that goes, or would; may be NULL.  False: enough.  digest is NULL for a temporary.
	 */
	bool (*item)(void *ctx, const struct digest *digest, uint64_t size, const char *why);
	const volatile bool *stop; /* ends it between batches; or NULL */
	void *ctx;
};
struct collect_result {
	uint64_t blobs, bytes; /* that went, or would */
	uint64_t kept;         /* unreachable, but younger than the grace */
	uint64_t orphans; /* files without a row, of killed publishers, that went; in bytes, too */
};
/* ERR_BUSY: another collector is at work on this store.  ret is written also when it was stopped.
 */
NODISCARD int store_collect(struct store *s, const struct collect_options *options,
	struct collect_result *ret, struct error *err);

/* ---- one by one: what the registry's DELETEs do.  ERR_NOTFOUND when it is not there. ---- */

NODISCARD int store_tag_delete(
	struct store *s, const char *repository, const char *tag, struct error *err);
/*
 * The manifest is in the repository no more, nor its tags there.  ERR_USAGE while a tagged index of
 * the repository needs it.
 */
NODISCARD int store_manifest_delete(
	struct store *s, const char *repository, const struct digest *digest, struct error *err);
/* The blob is in the repository no more.  ERR_USAGE while a manifest of the repository needs it. */
NODISCARD int store_blob_unlink(
	struct store *s, const char *repository, const struct digest *digest, struct error *err);

/* ---- lists, page by page ---- */

/* Repositories with something in them, in ASCII order, after `last` (NULL: from the first). */
NODISCARD int store_repositories_after(struct store *s, const char *last, size_t n,
	store_repository_fn *fn, void *ctx, struct error *err);
NODISCARD int store_tags_after(struct store *s, const char *repository, const char *last, size_t n,
	store_tag_fn *fn, void *ctx, struct error *err);
bool store_has_repository(struct store *s, const char *repository);
/* Whether the blob is linked to the repository; stamps seen, and *ret_size is its size. */
NODISCARD int store_blob_in_repository(struct store *s, const char *repository,
	const struct digest *digest, uint64_t *ret_size, struct error *err);

/* A manifest that names `subject`; type and annotations are read from its bytes by the caller. */
struct store_referrer {
	struct digest digest;
	uint64_t size;
	const char *media_type;
};
typedef bool store_referrer_fn(void *ctx, const struct store_referrer *referrer);
NODISCARD int store_referrers(struct store *s, const char *repository, const struct digest *subject,
	store_referrer_fn *fn, void *ctx, struct error *err);
