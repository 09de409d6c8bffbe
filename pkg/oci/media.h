/*
 * media.h - the media types that decide what a document is.
 *
 * Only these are understood; every other type is copied as it is
 * (image-spec "manifest.md": an unknown type must not be an error).  Wherever a
 * type is taken, NULL is the same as "", and parameters (";charset=utf-8"),
 * space around it and case do not matter.
 */
#pragma once

#include <stdbool.h>

#define MEDIA_TYPE_MAX 255 /* characters: RFC 6838 4.2 allows 127 "/" 127 */

enum media_kind {
	MEDIA_UNKNOWN,
	MEDIA_MANIFEST, /* OCI image manifest, Docker v2 schema 2 */
	MEDIA_INDEX,    /* OCI index, Docker manifest list */
	MEDIA_SCHEMA1,  /* Docker v2 schema 1, signed or not: refused, with its name in the message
			 */
};

enum media_kind media_kind(const char *type);
/*
 * A layer that need not be at a registry: foreign (Docker), nondistributable
 * (OCI).  By type, not by urls.
 */
bool media_is_foreign(const char *type);
/* Says nothing: empty, text/plain, application/json, application/octet-stream, binary/octet-stream.
 */
bool media_is_vague(const char *type);
/*
 * The type as written, without parameters and space: fit for a Content-Type
 * header and for a log line.  False, and ret is untouched, when it is no media
 * type (RFC 6838 4.2) or too long.
 */
bool media_copy(const char *type, char ret[static MEDIA_TYPE_MAX + 1]);

/*
 * The Accept header's value for manifests: all four types and the star, index
 * types first (protocol.md 4.4).
 */
extern const char *const media_accept;

#define MEDIA_OCI_MANIFEST    "application/vnd.oci.image.manifest.v1+json"
#define MEDIA_OCI_INDEX       "application/vnd.oci.image.index.v1+json"
#define MEDIA_OCI_CONFIG      "application/vnd.oci.image.config.v1+json"
#define MEDIA_OCI_EMPTY       "application/vnd.oci.empty.v1+json"
#define MEDIA_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define MEDIA_DOCKER_INDEX    "application/vnd.docker.distribution.manifest.list.v2+json"
#define MEDIA_DOCKER_CONFIG   "application/vnd.docker.container.image.v1+json"
