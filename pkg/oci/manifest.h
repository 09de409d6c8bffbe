/*
 * manifest.h - a read-only view of a manifest or an index.
 *
 * The bytes are never re-serialised: a view is made from them, and they are
 * what is hashed, stored and sent.  A view holds only what copying needs:
 * for each child or blob its digest, size, kind and platform.
 *
 * Image manifests: config (when there) is the first blob, layers follow.  Any
 * other document with an image manifest's or index's shape is an artifact and
 * is handled alike.  Zero-length layers, no layers, empty descriptors (image-spec
 * "Guidance for an Empty Descriptor"), unknown media types, and sha512 are fine;
 * so are an empty index, children without a platform, and the same digest twice.
 * A child of kind MEDIA_UNKNOWN need not be a manifest: BuildKit's caches list
 * blobs in an index.
 *
 * Memory: parsing takes at most JX_TREE_MAX bytes beside the text (json.h),
 * whatever the document, and gives them back before it returns; real ones take
 * about ten times their text.  A view takes sizeof(struct descriptor), below
 * 200 bytes, for each item.  manifest_parse() runs where it is called, so as many
 * trees exist at once as threads call it; how many bodies of MANIFEST_MAX bytes
 * wait for it is the caller's to limit.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "oci/digest.h"
#include "oci/media.h"
#include "oci/platform.h"

/* 4 MiB in bytes: what every registry must take (distribution-spec "Pushing Manifests"). */
#define MANIFEST_MAX       4194304u
#define MANIFEST_DEPTH_MAX 32 /* JSON nesting; real ones use 5 */
#define MANIFEST_BLOBS_MAX \
	8192 /* descriptors of one document; the largest known have some hundred */
/*
 * Bytes of one blob: more than any registry's storage takes, and so little that
 * the sizes of 250,000 descriptors can be added without a check.
 */
#define DESCRIPTOR_SIZE_MAX (UINT64_C(1) << 46)

enum descriptor_flags {
	DESCRIPTOR_FOREIGN = 1 << 0, /* layer of a foreign media type */
	DESCRIPTOR_HAS_PLATFORM = 1 << 1,
	DESCRIPTOR_ATTESTATION = 1 << 2, /* BuildKit's: annotation vnd.docker.reference.type */
	DESCRIPTOR_CONFIG = 1 << 3,
};

struct descriptor {
	struct digest digest;
	uint64_t size; /* bytes, as declared */
	enum media_kind kind;
	unsigned flags;           /* of enum descriptor_flags */
	struct platform platform; /* with DESCRIPTOR_HAS_PLATFORM; children of an index only */
};

struct manifest {
	enum media_kind kind;                /* MEDIA_MANIFEST or MEDIA_INDEX */
	char media_type[MEDIA_TYPE_MAX + 1]; /* to send as Content-Type */
	struct descriptor *items;            /* index: children; manifest: config and layers */
	size_t n_items;
	bool has_subject;
	struct digest subject;
};

#define MANIFEST_INIT ((struct manifest){.kind = MEDIA_UNKNOWN})

void manifest_clear(struct manifest *m);

/*
 * Reads the document.  content_type is what the peer said it is, or what the
 * parent's descriptor says; it may be NULL, vague or no media type at all, then
 * the document decides (protocol.md 2.2): its `mediaType`, or else its members.
 * Fails with ERR_REMOTE: not JSON, duplicate keys, too deep, too many values,
 * both `manifests` and `layers` or `config`, none of them, content_type and
 * `mediaType` differ, type and members disagree, schema 1, a descriptor without
 * digest or size, a size that is negative or beyond DESCRIPTOR_SIZE_MAX, a digest
 * of an algorithm that cannot be verified here (the message names it), too many
 * descriptors; ERR_NOMEM: larger than MANIFEST_MAX.  *ret is written only on
 * success, and what it held before is not freed.
 */
NODISCARD int manifest_parse(const void *bytes, size_t len, const char *content_type,
	struct manifest *ret, struct error *err);

/*
 * Whether both are indexes that list the same digests, each as often, in whatever order: one may be
 * the other in another encoding.
 */
bool manifest_same_children(const struct manifest *a, const struct manifest *b);
