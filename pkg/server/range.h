/*
 * range.h - which bytes a request is about: Range, Content-Range, and the tags of conditions.
 *
 * Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "util/error.h"

struct range {
	uint64_t first, last; /* offsets, both included */
};

enum range_kind {
	RANGE_NONE,   /* no Range, several, another unit, nonsense: the whole, 200 */
	RANGE_PART,   /* 206 */
	RANGE_BEYOND, /* none of the bytes is there, or the end comes before the beginning: 416 */
};

/*
 * Range of a GET (RFC 9110 14.2) on size bytes; text may be NULL.  *ret is written with
 * RANGE_PART alone, and lies within size.
 */
enum range_kind range_of_request(const char *text, uint64_t size, struct range *ret);

/*
 * Content-Range of a piece of an upload: "0-99", as distribution-spec has it, or as RFC 9110 14.4
 * does, "bytes 0-99/200" or with a star for the total.  Fails with ERR_USAGE.
 */
NODISCARD int range_of_piece(const char *text, struct range *ret, struct error *err);

/*
 * Whether If-None-Match (a list, or a star) names the entity tag, by weak comparison (RFC 9110
 * 13.1.2).  etag has its quotes; list may be NULL: no.
 */
bool etag_matches(const char *list, const char *etag);
/* Whether a Range counts: there is no If-Range, or it is this very tag (13.1.5). */
bool if_range_holds(const char *if_range, const char *etag);
