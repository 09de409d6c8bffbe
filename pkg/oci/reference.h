/*
 * reference.h - the names of things: repositories, tags, and whole references.
 *
 * Grammar: distribution-spec 1.1 "Pulling manifests"; which part is a host:
 * distribution/reference (protocol.md 1.2).  Docker Hub's short names are
 * expanded: "alpine" is docker.io/library/alpine; "index.docker.io" and
 * "registry-1.docker.io" are written docker.io.  No tag is added: "latest" is the
 * caller's to choose.
 *
 * A prefix wins over a host of the same name: the repository "x" of a host
 * called store on port 5000 must be written with its domain.
 */
#pragma once

#include <stdbool.h>

#include "oci/digest.h"

#define REPOSITORY_MAX 255 /* characters: distribution/reference, NameTotalLengthMax */
#define TAG_MAX        128 /* characters: distribution-spec 1.1, "Pulling manifests" */
#define HOST_MAX       261 /* characters: 255 of a DNS name, ':' and 5 digits of a port */

bool repository_is_valid(const char *name); /* path alone, without a host */
bool tag_is_valid(const char *tag);
/* host[:port], IPv6 in brackets; no scheme, no path, no user, no zone. */
bool host_is_valid(const char *host);

enum reference_kind {
	REFERENCE_REGISTRY, /* HOST[:PORT]/REPO[:TAG][@DIGEST] */
	REFERENCE_STORE,    /* store:REPO[:TAG][@DIGEST] */
	REFERENCE_LAYOUT,   /* a file or directory: parsed here, moved by other packages */
};

enum layout_kind {
	LAYOUT_DIRECTORY, /* oci:DIR[:REF] */
	LAYOUT_ARCHIVE,   /* oci-archive:FILE[:REF] */
	LAYOUT_BUNDLE,    /* bundle:FILE */
};

struct reference {
	enum reference_kind kind;
	enum layout_kind layout; /* with REFERENCE_LAYOUT */
	char *host;              /* registry: "docker.io", "localhost:5000"; else NULL */
	char *repository;        /* "library/alpine"; for a layout its path */
	char *tag;               /* NULL: none given; for a layout its REF, which need be no tag */
	bool has_digest;
	struct digest digest; /* wins over the tag when both are there */
};

#define REFERENCE_INIT ((struct reference){.kind = REFERENCE_REGISTRY})

void reference_clear(struct reference *r);

/*
 * Fails with ERR_USAGE and says which part is wrong; *ret is written only on
 * success, and what it held before is not freed.
 */
NODISCARD int reference_parse(const char *s, struct reference *ret, struct error *err);

/* The canonical text, which parses to the same reference; caller frees. */
char *reference_format(const struct reference *r) NODISCARD;
