/*
 * session.h - an upload session: where it is now and how far it came.
 *
 * Used by the modules that send bytes into it (upload_put.c, upload_patch.c).
 */
#pragma once

#include "registry/internal.h"

#define HTTP_BLOB_TYPE "Content-Type: application/octet-stream"

struct registry_upload {
	struct registry *registry;
	char *repository;
	char *scope;   /* of the token that opened it, and of all requests that follow */
	char *url;     /* the newest Location */
	bool foreign;  /* which is at another host: no credentials go there */
	bool complete; /* the blob is there; nothing is left to abandon */
	struct digest digest;
	uint64_t offset;            /* bytes that the registry has for certain */
	size_t chunk;               /* bytes to send in one PATCH */
	struct registry_call *call; /* that runs on it, or NULL */
};

/*
 * Takes over the Location of an answer to x.  Fails with ERR_REMOTE: malformed, downgraded to
 * plain HTTP, or in a private network while the registry is not.  An answer without one changes
 * nothing.
 */
NODISCARD int session_move(struct registry_upload *u, const struct registry_exchange *x,
	bool required, struct error *err);

/* The session's URL with the digest added.  Caller frees. */
char *session_closing_url(const struct registry_upload *u) NODISCARD;

/* A session that is gone (404) is no missing thing: another attempt opens another one. */
void session_error(struct error *err);

/*
 * The last step of an upload: whether the blob is there now.  Takes the running operation
 * to its end; doubt is the error that stands when it is not there, or NULL.
 */
struct upload_op {
	struct registry_call call;
	struct registry_upload *upload;
	struct error doubt;
	/* Of a PUT. */
	struct registry_upload_put put;
	bool closing; /* of an upload by PATCH: no body */
	/* Of a PATCH. */
	const char *bytes;
	size_t len;
	unsigned tries;
};

struct upload_op *upload_op_new(
	struct registry_upload *u, registry_reply_fn *done, void *ctx) NODISCARD;
