/*
 * file.h - files by directory descriptor, and publishing them whole.
 *
 * Nothing here follows a path that was glued together: names are relative to a
 * held directory.  All functions block on the disk; a loop thread calls them
 * only where the file is small.  Failures are ERR_IO (ERR_NOTFOUND for ENOENT)
 * with errno in err->sys; a full disk (ENOSPC, EDQUOT) says so in words.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/buf.h"
#include "util/error.h"

/* Opens a directory, making it (mode 0755) and its parents when missing.
 * Returns the descriptor in *ret_fd. */
NODISCARD int dir_open(int dirfd, const char *path, bool create, int *ret_fd, struct error *err);

/* All n bytes, or failure. */
NODISCARD int write_all(int fd, const void *data, size_t n, struct error *err);
NODISCARD int pwrite_all(int fd, const void *data, size_t n, uint64_t offset, struct error *err);
/* Exactly n bytes; a shorter file fails with ERR_IO. */
NODISCARD int pread_all(int fd, void *data, size_t n, uint64_t offset, struct error *err);

/* The whole file into ret (appended), up to ret->max; more fails with ERR_NOMEM. */
NODISCARD int file_read(int dirfd, const char *name, struct buf *ret, struct error *err);

/*
 * All or nothing: after a crash `name` is the old content or the new one.
 * Temporary name, write, fsync, rename, fsync of the directory.  Mode 0644.
 */
NODISCARD int file_publish(
	int dirfd, const char *name, const void *data, size_t len, struct error *err);

/*
 * A file without a name (O_TMPFILE) in dirfd, or, where the file system has
 * none, a named temporary that is unlinked at once; for scratch space only.
 */
NODISCARD int file_scratch(int dirfd, int *ret_fd, struct error *err);

NODISCARD int file_size(int fd, uint64_t *ret, struct error *err);
NODISCARD int dir_sync(int dirfd, struct error *err);
/* Bytes free for this user on the file system of fd (statvfs f_bavail). */
NODISCARD int disk_free(int fd, uint64_t *ret_bytes, struct error *err);
/* Removes a name; a missing one is success. */
NODISCARD int file_remove(int dirfd, const char *name, struct error *err);
