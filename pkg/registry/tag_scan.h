/*
 * tag_scan.h - the tags of a tags/list page, picked out of the bytes as they arrive.
 *
 * Artifact Registry sends pages of many MiB, most of it details of each manifest
 * that nobody asked for (protocol.md 4.1); a JSON tree of such a page would break the
 * memory promise.  The scanner keeps the names alone.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "oci/reference.h"
#include "util/buf.h"

#define TAG_SCAN_DEPTH_MAX 32 /* JSON nesting */

struct tag_scan {
	struct buf names; /* each with a NUL behind it, in the page's order */
	/* The reader's own. */
	unsigned state;
	unsigned depth;
	char closers[TAG_SCAN_DEPTH_MAX]; /* what ends each open object or array */
	char text[TAG_MAX + 1];           /* of the string or literal being read */
	size_t len;                       /* its characters, also those beyond the room */
	unsigned hex_left;                /* digits of \uXXXX still to come */
	bool is_key;                      /* the string being read is a member's name */
	bool key_is_tags;                 /* the member being read at the top is "tags" */
	bool in_tags;                     /* inside its array */
	bool seen_tags;
};

/* names_max: ceiling of the names, in bytes. */
void tag_scan_init(struct tag_scan *s, size_t names_max);
void tag_scan_clear(struct tag_scan *s);
/* Fails with ERR_REMOTE: no JSON, no object, "tags" twice or no array, too deep, too many names. */
NODISCARD int tag_scan_feed(struct tag_scan *s, const char *data, size_t n, struct error *err);
/* After the last byte.  Fails with ERR_REMOTE when the page was cut or had no "tags" at all. */
NODISCARD int tag_scan_finish(const struct tag_scan *s, struct error *err);
