/*
 * lock.h - one holder at a time of a named lock file, across processes.
 *
 * The lock is flock(2): the kernel drops it with the process, so a SIGKILL
 * leaves nothing to clean.  The file holds who has it, for the message.
 */
#pragma once

#include "util/error.h"

/*
 * Takes the lock without waiting and writes what, pid and since when ("sync, pid 123, since
 * 2026-11-22T03:15:00Z") into the file.  *ret_fd is the caller's: closing it
 * gives the lock back.  Fails with ERR_BUSY, naming the holder, or ERR_IO.
 */
NODISCARD int lock_take(
	int dirfd, const char *name, const char *what, int *ret_fd, struct error *err);
