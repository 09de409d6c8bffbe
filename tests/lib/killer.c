/*
 * killer.c - SIGKILL in the middle of things: preloaded into the program by lib/crash.py.
 *
 * Counts the calls after which files below KILLER_FOLDER look different to the next run (syncs,
 * links, renames, removals, truncations) and, with KILLER_ALL=1, also what is written to them and
 * sent and received on sockets; right before call number KILLER_AT the process dies.  A run that
 * lives writes how many calls it made to KILLER_COUNT.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_long calls;

static void count(void)
{
	const char *at = getenv("KILLER_AT");

	if (atomic_fetch_add(&calls, 1) + 1 == (at ? strtol(at, NULL, 10) : 0))
		(void)kill(getpid(), SIGKILL);
}

/* Files that were opened below the folder: a scratch file without a name is no event. */
static int is_ours(int fd)
{
	const char *folder = getenv("KILLER_FOLDER");
	char link[sizeof("/proc/self/fd/") + 3 * sizeof(int)], path[PATH_MAX];
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path));
	return folder && n > (ssize_t)strlen(folder) && strncmp(path, folder, strlen(folder)) == 0;
}

static void count_file(int fd)
{
	if (is_ours(fd))
		count();
}

static void count_write(int fd)
{
	if (getenv("KILLER_ALL") && is_ours(fd))
		count();
}

static void count_socket(int fd)
{
	struct stat st;

	if (getenv("KILLER_ALL") && fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode))
		count();
}

__attribute__((destructor)) static void tell(void)
{
	const char *path = getenv("KILLER_COUNT");
	FILE *out = path ? fopen(path, "w") : NULL;

	if (out) {
		(void)fprintf(out, "%ld\n", atomic_load(&calls));
		(void)fclose(out);
	}
}

#define WRAP(type, name, params, args, counted)                                                    \
	type name params                                                                           \
	{                                                                                          \
		static type(*real) params;                                                         \
		if (!real)                                                                         \
			*(void **)&real = dlsym(RTLD_NEXT, #name);                                 \
		counted;                                                                           \
		return real args;                                                                  \
	}

WRAP(int, fsync, (int fd), (fd), count_file(fd))
WRAP(int, fdatasync, (int fd), (fd), count_file(fd))
WRAP(int, ftruncate64, (int fd, off_t n), (fd, n), count_file(fd))
WRAP(int, ftruncate, (int fd, off_t n), (fd, n), count_file(fd))
WRAP(ssize_t, pwrite64, (int fd, const void *p, size_t n, off_t at), (fd, p, n, at), count_write(fd))
WRAP(ssize_t, pwrite, (int fd, const void *p, size_t n, off_t at), (fd, p, n, at), count_write(fd))
WRAP(int, linkat, (int a, const char *from, int b, const char *to, int flags),
	(a, from, b, to, flags), count_file(b))
WRAP(int, renameat, (int a, const char *from, int b, const char *to), (a, from, b, to), count_file(b))
WRAP(int, unlinkat, (int fd, const char *name, int flags), (fd, name, flags), count_file(fd))
WRAP(ssize_t, write, (int fd, const void *p, size_t n), (fd, p, n),
	(count_write(fd), count_socket(fd)))
WRAP(ssize_t, send, (int fd, const void *p, size_t n, int flags), (fd, p, n, flags),
	count_socket(fd))
WRAP(ssize_t, recv, (int fd, void *p, size_t n, int flags), (fd, p, n, flags), count_socket(fd))
