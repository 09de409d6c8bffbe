/*
 * upload.h - resumable uploads into the store: what a registry's clients push, piece by piece.
 *
 * <root>/uploads/<id> holds the bytes so far, <root>/uploads/<id>.repo the repository that it is
 * for. The digest is not known before the end; sha256 is computed while the bytes come, another
 * algorithm, or what a restarted server finds, is hashed when the upload is closed.  One writer at
 * a time: a second one gets ERR_BUSY.  Uploads that nobody touched for UPLOAD_AGE_SEC are swept.
 *
 * Thread-safe for different uploads; one thread at a time for one.  store_upload_close() waits for
 * the disk (fdatasync, and the group commit of the store).
 */
#pragma once

#include "store/store.h"

#define UPLOAD_ID_MAX  33               /* chars, with the NUL: 32 hex digits of chance */
#define UPLOAD_AGE_SEC (7u * 24 * 3600) /* as tmpfiles would (server.md 5) */
#define UPLOADS_MAX    10000u           /* sessions at once; a further one is ERR_BUSY */

struct store_upload;

/* Begins a session for a repository; its name is *ret's. */
NODISCARD int store_upload_begin(
	struct store *s, const char *repository, struct store_upload **ret, struct error *err);
/*
 * Goes on with one: ERR_NOTFOUND when there is none of this name for this repository, ERR_BUSY when
 * another holds it.
 */
NODISCARD int store_upload_resume(struct store *s, const char *repository, const char *id,
	struct store_upload **ret, struct error *err);
const char *store_upload_id(const struct store_upload *u);
uint64_t store_upload_size(const struct store_upload *u); /* bytes so far */
/* Appends.  ERR_IO (a full disk says so): what was there stays; ERR_NOMEM: DESCRIPTOR_SIZE_MAX. */
NODISCARD int store_upload_write(
	struct store_upload *u, const void *data, size_t len, struct error *err);
/* Lets go of it; the session stays, to be resumed.  NULL is fine. */
void store_upload_release(struct store_upload *u);
/* Drops session and bytes. */
void store_upload_abandon(struct store_upload *u);
/*
 * The digest is right: publishes the bytes, linked to the repository, and ends the session.
 * ERR_CORRUPT: another digest; the session is dropped then (distribution-spec "Pushing blobs").
 * After another failure (a full disk) it is still there, to be closed again by its digest, but
 * takes no more bytes (ERR_USAGE).  u is spent in any case.
 */
NODISCARD int store_upload_close(
	struct store_upload *u, const struct digest *digest, struct error *err);
/* Drops sessions that nobody holds and that are older; returns how many in *ret_n. */
NODISCARD int store_uploads_sweep(
	struct store *s, uint32_t age_sec, uint32_t *ret_n, struct error *err);
