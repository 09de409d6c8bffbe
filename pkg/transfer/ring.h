/*
 * ring.h - bytes on their way from one producer to several readers.
 *
 * A fixed circular buffer over an endless stream of bytes: positions are
 * stream offsets.  The producer writes while the slowest reader leaves room: that is the
 * back-pressure.  Readers may not pass `limit`, which is how the tail is held back until
 * the digest is right (design.md 2, promise 3).
 *
 * Plain memory, no locks: one loop thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/compiler.h"

/*
 * Bytes.  Sizes from 128 KiB to 4 MiB are equally quick (sources.md 6.4), but small ones stay in
 * the processor's cache: 256 KiB cost 2 to 3 % less CPU than 512 KiB here.  It must exceed
 * TRANSFER_HOLD_BACK by what libcurl gives at once, 16 KiB.
 */
#define RING_SIZE    ((size_t)256 * 1024)
#define RING_READERS 8 /* sinks of one transfer; a rule has as many targets at most */

struct ring {
	char *data;
	uint64_t head;               /* stream offset of the next byte to be written */
	uint64_t limit;              /* readers stop here */
	uint64_t tail[RING_READERS]; /* next byte of each reader */
	bool reading[RING_READERS];
};

void ring_init(struct ring *r); /* allocates */
void ring_clear(struct ring *r);
void ring_restart(struct ring *r); /* empty, at offset 0, no readers, limit 0 */

/* Registers a reader that starts at head.  -1: no place. */
int ring_reader_add(struct ring *r);
void ring_reader_remove(struct ring *r, int reader);

size_t ring_room(const struct ring *r);                      /* bytes that may be written now */
void ring_write(struct ring *r, const char *data, size_t n); /* n <= ring_room() */
size_t ring_readable(const struct ring *r, int reader);
size_t ring_read(struct ring *r, int reader, char *to, size_t room); /* bytes copied */
/* The readable bytes that lie in one piece; ring_skip() moves on. */
size_t ring_peek(const struct ring *r, int reader, const char **ret_data);
void ring_skip(struct ring *r, int reader, size_t n);
/* Where the producer may write in one piece; ring_wrote() moves on. */
size_t ring_space(const struct ring *r, char **ret_data);
void ring_wrote(struct ring *r, size_t n);
