/*
 * blame.h - who gave which bytes of a blob, so that wrong ones can be proven (sources.md 3.7).
 *
 * Each stretch of bytes that came from one source in one piece is a segment, with the hash of the
 * bytes as they were received.  When the whole turns out wrong it is fetched again from one source;
 * once that copy is verified, a segment whose hash differs from the same bytes of it was wrong, and
 * its source gave it.  That is proof, not suspicion.
 *
 * No I/O but reading the wrong copy, where it was kept.  One loop thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "oci/hasher.h"

/* Segments of one blob that are remembered (180 KiB); bytes of later ones cannot be proven wrong.
 */
#define BLAME_SEGMENTS_MAX 2048
#define BLAME_PLACES_MAX   64 /* backends and addresses of one blob that are remembered by name */

/* Bytes of one source that are arriving. */
struct blame_run {
	bool open;
	struct hasher *hasher; /* NULL: not hashed here */
	size_t source;
	uint64_t first, at; /* bytes of the blob */
};

void blame_run_begin(
	struct blame_run *run, enum digest_algo algo, size_t source, uint64_t first, bool hashed);
void blame_run_take(struct blame_run *run, const void *data, size_t n);

struct blame_segment {
	uint64_t first, end;
	uint64_t differs_at; /* first byte known to be wrong; UINT64_MAX: not known */
	uint8_t source;
	uint8_t place; /* see blame_place() */
	bool checked, wrong;
	uint8_t hash[DIGEST_RAW_MAX];
};

struct blame;

struct blame *blame_new(enum digest_algo algo) NODISCARD;
void blame_free(struct blame *b); /* NULL is fine */

/*
 * The run is over; b NULL: it proves nothing.  `place` says where it came from: "https://host:443
 * (192.0.2.1)", or NULL.
 */
void blame_run_end(struct blame_run *run, struct blame *b, const char *place);
/* A segment that was hashed elsewhere. */
void blame_add(struct blame *b, size_t source, uint64_t first, uint64_t end,
	const struct digest *hash, const char *place);
bool blame_has(const struct blame *b, size_t source); /* a segment of this source */

/*
 * A copy that may be right is about to pass, from byte 0.  wrong_fd: the wrong one, to find the
 * first differing byte; taken over; -1: it was not kept, or the one from before still holds.
 */
void blame_check_begin(struct blame *b, int wrong_fd);
void blame_check(struct blame *b, uint64_t offset, const void *data, size_t n);
/* The copy was right.  The first segment from *at on that is wrong; NULL: none.  *at moves on. */
const struct blame_segment *blame_next_wrong(const struct blame *b, size_t *at);
const char *blame_place(const struct blame *b, const struct blame_segment *s); /* or NULL */
/* The bytes of the segment as they are in the wrong copy; -1: it was not kept.  Borrowed. */
int blame_wrong_fd(const struct blame *b);
