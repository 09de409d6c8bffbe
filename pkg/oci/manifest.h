/*
 * manifest.h - a read-only view of a manifest or an index.
 *
 * The bytes are never re-serialised: a view is made from them, and they are
 * what is hashed, stored and sent.  A view holds only what copying needs:
 * for each child or blob its digest, size, kind and platform.
 *
 * Image manifests: config (when there) is the first blob, layers follow.  Any
 * other document with an image manifest's or index's shape is an artifact and
 * is handled alike.  Zero-length layers, empty descriptors (image-spec
 * "Guidance for an Empty Descriptor"), unknown media types, and sha512 are fine.
 *
 * Memory: a view costs about 100 bytes a descriptor; parsing costs jansson's
 * tree, at most MANIFEST_PARSE_COST bytes for each byte of text, freed before return.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "oci/digest.h"
#include "oci/media.h"
#include "oci/platform.h"

#define MANIFEST_MAX       (4u * 1024 * 1024) /* bytes: what every registry must take (distribution-spec "Pushing Manifests") */
#define MANIFEST_DEPTH_MAX 32                 /* JSON nesting; real ones use 5 */
#define MANIFEST_BLOBS_MAX 8192               /* descriptors of one document; the largest known have some hundred */

enum descriptor_flags {
	DESCRIPTOR_FOREIGN = 1 << 0,      /* layer of a foreign media type */
	DESCRIPTOR_HAS_PLATFORM = 1 << 1,
	DESCRIPTOR_ATTESTATION = 1 << 2,  /* BuildKit's: annotation vnd.docker.reference.type */
	DESCRIPTOR_CONFIG = 1 << 3,
};

struct descriptor {
	struct digest digest;
	uint64_t size; /* bytes, as declared */
	enum media_kind kind;
	unsigned flags; /* of enum descriptor_flags */
	struct platform platform; /* with DESCRIPTOR_HAS_PLATFORM */
};

struct manifest {
	enum media_kind kind;           /* MEDIA_MANIFEST or MEDIA_INDEX */
	char media_type[MEDIA_TYPE_MAX + 1]; /* to send as Content-Type */
	struct descriptor *items;       /* index: children; manifest: config and layers */
	size_t n_items;
	bool has_subject;
	struct digest subject;
};

#define MANIFEST_INIT ((struct manifest){.kind = MEDIA_UNKNOWN})

void manifest_clear(struct manifest *m);

/*
 * Reads the document.  content_type is what the peer said it is, or what the
 * parent's descriptor says; it may be NULL or vague, then the document decides
 * (protocol.md 2.2).  Fails with ERR_REMOTE: not JSON, duplicate keys, too
 * deep, both `layers` and `manifests`, type and document disagree, schema 1,
 * a descriptor without digest or size, a negative size, too many descriptors;
 * ERR_NOMEM: larger than MANIFEST_MAX.
 */
NODISCARD int manifest_parse(const void *bytes,
	size_t len,
	const char *content_type,
	struct manifest *ret,
	struct error *err);
