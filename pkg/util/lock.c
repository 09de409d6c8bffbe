/*
 * lock.c - one holder at a time of a named lock file, across processes.
 *
 * The file is never removed: whoever had opened the old one would hold a lock on a file without
 * a name, beside the holder of the new one.
 */
#include "util/lock.h"

#include <fcntl.h>
#include <sys/file.h>

#include "util/clock.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/parse.h"

/* Bytes of the holder's line that are shown; ours are below 80. */
#define HOLDER_MAX 160

/* The holder is named by its whole line; it may not have written one yet. */
static int busy(int fd, const char *name, struct error *err)
{
	AUTO_FREE char *who = NULL;
	char line[HOLDER_MAX];
	ssize_t n = pread(fd, line, sizeof(line), 0);
	const char *end = n > 0 ? memchr(line, '\n', (size_t)n) : NULL;

	if (!end)
		return error_set(err, ERR_BUSY, "'%s' is held by another run", name);
	who = text_sanitize(line, (size_t)(end - line), HOLDER_MAX);
	return error_set(err, ERR_BUSY, "'%s' is held by %s", name, who);
}

int lock_take(int dirfd, const char *name, const char *what, int *ret_fd, struct error *err)
{
	AUTO_CLOSE int fd = openat(dirfd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	AUTO_FREE char *line = NULL;
	char since[TIME_TEXT_MAX];
	int rc;

	if (fd < 0)
		return error_errno(err, "open lock '%s'", name);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? busy(fd, name, err)
					    : error_errno(err, "take lock '%s'", name);
	line = xasprintf("%s, pid %ld, since %s\n",
		what,
		(long)getpid(),
		time_format_rfc3339(clock_wall_sec(), since));
	if (ftruncate(fd, 0) < 0)
		return error_errno(err, "write lock '%s'", name);
	rc = pwrite_all(fd, line, strlen(line), 0, err);
	if (rc < 0)
		return error_wrap(err, rc, "lock '%s'", name);
	*ret_fd = steal_fd(&fd);
	return 0;
}
