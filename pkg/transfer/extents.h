/*
 * extents.h - which bytes of a blob are there: a sorted list of pieces that do not touch.
 *
 * Pure, of bounded size: one more piece than EXTENTS_MAX is refused, and whoever offered it has to
 * treat its bytes as missing.  Offsets are bytes from the start of the blob; `end` is one past the
 * last.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Pieces.  A striped blob has one for each range under way and for each hole that a failed range
 * left: 16 and some. */
#define EXTENTS_MAX 1024

struct extent {
	uint64_t first, end;
};

struct extents {
	struct extent items[EXTENTS_MAX];
	size_t n;
};

/* Joins what touches or overlaps.  False: there is no room for one more; unchanged then. */
bool extents_add(struct extents *e, uint64_t first, uint64_t end);
/* End of the piece that holds the byte `at`; `at` when none does. */
uint64_t extents_end(const struct extents *e, uint64_t at);
/* First byte of the next piece that begins behind `at`; UINT64_MAX: there is none. */
uint64_t extents_next(const struct extents *e, uint64_t at);
uint64_t extents_bytes(const struct extents *e);
/* Forgets all from `end` on. */
void extents_cut(struct extents *e, uint64_t end);
