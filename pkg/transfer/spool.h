/*
 * spool.h - blobs kept on disk while they move, so that they can resume.
 *
 * <state>/spool/<alg>-<hex> holds a prefix of the blob: its length is how far it got.  With a
 * sidecar <alg>-<hex>.map beside it (transfer/spool_map.h) the file has holes, its length
 * says nothing, and the map alone says what is there.
 * The bytes are not trusted: they are hashed again before they are used, and
 * thrown away when the whole turns out wrong.  An flock on the file keeps two processes
 * off both.  Blocks on the disk.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "oci/digest.h"
#include "transfer/extents.h"
#include "util/error.h"

struct spool_file {
	int dirfd;       /* borrowed */
	int fd;          /* -1: not spooling */
	int map_fd;      /* -1: a plain prefix */
	uint64_t length; /* bytes there from the first one on */
	uint64_t size;   /* of the blob */
	uint64_t noted;  /* with a map: appended bytes up to here are in it */
	char name[DIGEST_STR_MAX];
	struct extents *map; /* what is there, with holes; NULL: a plain prefix */
};

#define SPOOL_FILE_INIT ((struct spool_file){.dirfd = -1, .fd = -1, .map_fd = -1})

/* Opens or makes the file.  ERR_BUSY: another process has it; ERR_IO.  *s is untouched on failure.
 */
NODISCARD int spool_open(struct spool_file *s, int dirfd, const struct digest *digest,
	uint64_t size, struct error *err);
/* At `length`.  ERR_IO: the disk is full, say. */
NODISCARD int spool_append(struct spool_file *s, const void *data, size_t n, struct error *err);

/* ---- with holes ---- */

/* From now on the file has a map; nothing changes when it has one already. */
NODISCARD int spool_map_begin(struct spool_file *s, struct error *err);
/* Anywhere; it does not count as there before spool_note(). */
NODISCARD int spool_write(
	struct spool_file *s, uint64_t offset, const void *data, size_t n, struct error *err);
/*
 * These bytes were written: they are there from now on, also after a crash.  When the map cannot be
 * written the next run fetches them again, and that is all.
 */
void spool_note(struct spool_file *s, uint64_t first, uint64_t end);
/* Bytes that are there behind the first `length`. */
uint64_t spool_ahead(const struct spool_file *s);

void spool_close(struct spool_file *s);   /* the bytes stay */
void spool_discard(struct spool_file *s); /* the bytes go: done with, or wrong */
/* Removes files older than max_age_sec that nobody holds, with their maps: what abandoned runs
 * left. */
NODISCARD int spool_sweep(int dirfd, uint64_t max_age_sec, struct error *err);
