/*
 * route.h - what a path of the API names.
 *
 * Pure.  Paths of distribution-spec 1.1 "Endpoints", _catalog, and the three beside the API.
 * Repositories have slashes, and components named "blobs" or "tags", so a path is read from its
 * end (guides/protocol.md 6.1).  Nothing of a path is kept that does not follow the grammar: no
 * "..", no empty component, no upper case.
 */
#pragma once

#include <stdbool.h>

#include "oci/reference.h"

#define ROUTE_UPLOAD_MAX 64 /* characters of a session's name; ours have 32 (store/upload.h) */

enum route_kind {
	ROUTE_NONE,     /* nothing of ours */
	ROUTE_BASE,     /* /v2/ and /v2 */
	ROUTE_MANIFEST, /* by tag or digest */
	ROUTE_BLOB,
	ROUTE_UPLOADS, /* .../blobs/uploads/, with or without the slash: where sessions begin */
	ROUTE_UPLOAD,
	ROUTE_TAGS,
	ROUTE_REFERRERS,
	ROUTE_CATALOG,
	ROUTE_HEALTHZ,
	ROUTE_READYZ,
	ROUTE_METRICS,
	ROUTE_MAX_
};

enum route_fault {
	ROUTE_FINE,
	ROUTE_BAD_NAME,   /* of the repository */
	ROUTE_BAD_TAG,    /* where a tag or a digest is wanted, neither of them */
	ROUTE_BAD_DIGEST, /* has a colon, or only a digest is wanted */
	ROUTE_BAD_UPLOAD, /* no session can have this name */
};

struct route {
	enum route_kind kind;
	char repository[REPOSITORY_MAX + 1]; /* "" where there is none */
	bool has_digest;
	struct digest digest;
	char tag[TAG_MAX + 1];             /* of a manifest without a digest */
	char upload[ROUTE_UPLOAD_MAX + 1]; /* letters, digits, '-' and '_' */
};

/*
 * path is unescaped.  ret->kind is right also when something in the path is not; the rest is only
 * then whole when it is ROUTE_FINE.
 */
enum route_fault route_parse(const char *path, struct route *ret);

/* The path back; caller frees; NULL for ROUTE_NONE. */
char *route_format(const struct route *r) NODISCARD;

/* The value of Allow, for a 405: "GET, HEAD, PUT, DELETE".  NULL for ROUTE_NONE. */
const char *route_allow(enum route_kind kind);
/* "manifest": for logs and metrics. */
const char *route_name(enum route_kind kind);
