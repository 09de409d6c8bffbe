/*
 * store.h - the content-addressed store on disk (design.md 7, guides/server.md 2).
 *
 *	<root>/format                      "regmirror-store 1"
 *	<root>/blobs/<alg>/<hex>           content, mode 0444
 *	<root>/index.db                    SQLite, WAL, synchronous=FULL
 *	<root>/repos/<name>/_layout/       OCI layout over the same blobs, by symlink
 *	<root>/uploads/                    what clients push in pieces (upload.h); temporary names,
 *	                                   where O_TMPFILE does not work
 *
 * Invariants, also after a SIGKILL or power loss at any instant: a row in blob
 * means the file is there, whole and verified; a tag's manifest and all that it
 * references have rows and links to the repository.  What keeps them: publishing is
 * write, fdatasync, then in one IMMEDIATE transaction linkat, fsync of the folder, INSERT, DELETE
 *FROM doomed (rule 5 of guides/server.md 2.4); every "it exists" stamps `seen` first (rule 1); a
 *run holds a lease on what it counts on (rule 6).
 *
 * Thread-safe; several processes may use one store at once.  Functions given as
 * callbacks run without a lock and may call the store.  store_writer_finish(),
 *store_manifest_put(), store_tag_put() and store_layouts_write() wait for the disk: a loop thread
 *hands them to a worker, and concurrent calls of the first three share one transaction.  The others
 *take some microseconds, rarely some milliseconds behind a transaction that is being written.
 *Links, leases and seen stamps become durable with the next publication.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "oci/digest.h"
#include "oci/manifest.h"
#include "util/buf.h"
#include "util/error.h"

struct store;

/* Opens or makes the store under path.  Fails with ERR_IO, ERR_USAGE (a format this version does
 * not know). */
NODISCARD int store_open(const char *path, struct store **ret, struct error *err);
/* Flushes what is pending (seen stamps, layouts), then closes.  NULL is fine. */
void store_close(struct store *s);
DEFINE_CLEANUP(struct store *, store_close);

/* Bytes free on the store's file system. */
NODISCARD int store_disk_free(const struct store *s, uint64_t *ret_bytes, struct error *err);

/* ---- blobs ---- */

/* Whether the content is here, and its size; stamps seen.  ERR_NOTFOUND when not. */
NODISCARD int store_blob_stat(
	struct store *s, const struct digest *digest, uint64_t *ret_size, struct error *err);
/* Opened for reading; stamps seen.  ERR_NOTFOUND; ERR_CORRUPT: a row without its file. */
NODISCARD int store_blob_open(struct store *s, const struct digest *digest, int *ret_fd,
	uint64_t *ret_size, struct error *err);

struct store_writer; /* one blob being written; one thread at a time */

NODISCARD int store_writer_new(struct store *s, const struct digest *digest, uint64_t size,
	struct store_writer **ret, struct error *err);
/* Appends.  ERR_IO (disk full says so); ERR_CORRUPT when it grows beyond size. */
NODISCARD int store_writer_write(
	struct store_writer *w, const void *data, size_t len, struct error *err);
/*
 * Publishes: the caller has verified the digest of exactly these bytes.  repository may be
 * NULL; else the blob is linked to it.  Concurrent callers share one transaction (group commit).
 * Blocks for fsync.  w is spent but must still be freed.
 */
NODISCARD int store_writer_finish(
	struct store_writer *w, const char *repository, struct error *err);
void store_writer_free(struct store_writer *w); /* drops what was not finished; NULL is fine */
DEFINE_CLEANUP(struct store_writer *, store_writer_free);

/* Makes an existing blob visible in a repository.  ERR_NOTFOUND when the content is not here. */
NODISCARD int store_blob_link(
	struct store *s, const char *repository, const struct digest *digest, struct error *err);

/* ---- manifests and tags ---- */

struct store_manifest {
	const char *repository;
	const char *tag; /* NULL: by digest alone */
	const void *bytes;
	size_t len;
	struct digest digest;        /* verified by the caller */
	const struct manifest *view; /* of the bytes */
	bool sparse;                 /* children of an index may be missing */
};

/*
 * One transaction: all that the manifest references is here and linked to the
 * repository (foreign layers excepted, and with `sparse` an index's children) or
 * ERR_NOTFOUND naming the first that is not; content, references, and the tag.
 */
NODISCARD int store_manifest_put(
	struct store *s, const struct store_manifest *manifest, struct error *err);
/* The bytes, into ret; *ret_type when not NULL (MEDIA_TYPE_MAX + 1 bytes). ERR_NOTFOUND unless
 * linked to the repository. */
NODISCARD int store_manifest_get(struct store *s, const char *repository,
	const struct digest *digest, struct buf *ret, char *ret_type, struct error *err);
NODISCARD int store_tag_get(struct store *s, const char *repository, const char *tag,
	struct digest *ret, struct error *err);
/* Sets a tag to a manifest that is in the repository already. */
NODISCARD int store_tag_put(struct store *s, const char *repository, const char *tag,
	const struct digest *digest, struct error *err);
/*
 * Whether a manifest and everything below it is here, by rows: true in *ret only then.
 * sparse: missing children of an index do not count, missing blobs of the children that are here
 * do.
 */
NODISCARD int store_is_complete(struct store *s, const char *repository,
	const struct digest *digest, bool sparse, bool *ret, struct error *err);

typedef bool store_tag_fn(
	void *ctx, const char *tag, const struct digest *digest); /* false: enough */
/* All tags, in ASCII order; none for an unknown repository. */
NODISCARD int store_tags(
	struct store *s, const char *repository, store_tag_fn *fn, void *ctx, struct error *err);
typedef bool store_repository_fn(void *ctx, const char *repository);
NODISCARD int store_repositories(
	struct store *s, store_repository_fn *fn, void *ctx, struct error *err);

/* Writes repos/<name>/_layout of every repository whose tags changed since the last call
 * (oci-layout, index.json, blobs). */
NODISCARD int store_layouts_write(struct store *s, struct error *err);

/* ---- leases (rule 6) ---- */

/* Nothing that this holder counts on is collected before `sec` from now; call again to renew, with
 * 0 to drop. */
NODISCARD int store_lease(struct store *s, const char *holder, const struct digest *digest,
	uint32_t sec, struct error *err);
NODISCARD int store_lease_drop(struct store *s, const char *holder, struct error *err);
