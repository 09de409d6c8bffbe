/*
 * spool.h - blobs kept on disk while they move, so that they can resume.
 *
 * <state>/spool/<alg>-<hex> holds a prefix of the blob: its length is how far it got.
 * The bytes are not trusted: they are hashed again before they are used, and
 * thrown away when the whole turns out wrong.  An flock keeps two processes
 * off one file.  Blocks on the disk.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "oci/digest.h"
#include "util/error.h"

struct spool_file {
	int dirfd;       /* borrowed */
	int fd;          /* -1: not spooling */
	uint64_t length; /* bytes there */
	char name[DIGEST_STR_MAX];
};

#define SPOOL_FILE_INIT ((struct spool_file){.dirfd = -1, .fd = -1})

/* Opens or makes the file.  ERR_BUSY: another process has it; ERR_IO.  *s is untouched on failure.
 */
NODISCARD int spool_open(struct spool_file *s, int dirfd, const struct digest *digest,
	uint64_t size, struct error *err);
/* At the end.  ERR_IO: the disk is full, say. */
NODISCARD int spool_append(struct spool_file *s, const void *data, size_t n, struct error *err);
void spool_close(struct spool_file *s);   /* the bytes stay */
void spool_discard(struct spool_file *s); /* the bytes go: done with, or wrong */
/* Removes files older than max_age_sec that nobody holds: what abandoned runs left. */
NODISCARD int spool_sweep(int dirfd, uint64_t max_age_sec, struct error *err);
