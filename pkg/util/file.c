/*
 * file.c - files by directory descriptor, and publishing them whole.
 *
 * Everything that must survive a power loss is synced twice: the content before it gets its
 * name, and the directory after.  An fsync that failed is not tried again: the kernel has
 * dropped the pages, and a second one would lie (fsyncgate, 2018).
 */
#include "util/file.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "util/clock.h"
#include "util/mem.h"

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC)

/* Random bytes in a temporary name: two writers never meet. */
#define TMP_RANDOM ((size_t)8)

/* Bytes that file_read() asks for at once. */
#define READ_STEP 65536

/* One level, made when missing; what was made is durable once its parent is synced. */
static int enter(int parent, const char *name, int *ret_fd, struct error *err)
{
	AUTO_CLOSE int readable = -1;
	int fd;

	if (mkdirat(parent, name, 0755) == 0) {
		/* parent may be an O_PATH descriptor, which cannot be synced. */
		readable = openat(parent, ".", DIR_FLAGS);
		if (readable >= 0 && dir_sync(readable, err) < 0)
			return -ERR_IO;
	} else if (errno != EEXIST) {
		return error_errno(err, "make directory '%s'", name);
	}
	fd = openat(parent, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, "open directory '%s'", name);
	*ret_fd = fd;
	return 0;
}

static int make_path(int dirfd, const char *path, struct error *err)
{
	AUTO_FREE char *copy = xstrdup(path);
	AUTO_CLOSE int at = -1;
	char *rest = NULL;

	if (*path == '/')
		at = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	else
		at = openat(dirfd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (at < 0)
		return error_errno(err, "open directory '%s'", *path == '/' ? "/" : ".");
	for (char *part = strtok_r(copy, "/", &rest); part; part = strtok_r(NULL, "/", &rest)) {
		int next = -1;
		int rc = enter(at, part, &next, err);

		if (rc < 0)
			return rc;
		(void)close(at);
		at = next;
	}
	return 0;
}

int dir_open(int dirfd, const char *path, bool create, int *ret_fd, struct error *err)
{
	int fd = openat(dirfd, path, DIR_FLAGS);
	int rc;

	if (fd < 0 && errno == ENOENT && create) {
		rc = make_path(dirfd, path, err);
		if (rc < 0)
			return error_wrap(err, rc, "directory '%s'", path);
		fd = openat(dirfd, path, DIR_FLAGS);
	}
	if (fd < 0)
		return error_errno(err, "open directory '%s'", path);
	*ret_fd = fd;
	return 0;
}

int write_all(int fd, const void *data, size_t n, struct error *err)
{
	const char *p = data;

	while (n > 0) {
		ssize_t done = write(fd, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return error_errno(err, "write");
		p += done;
		n -= (size_t)done;
	}
	return 0;
}

int pwrite_all(int fd, const void *data, size_t n, uint64_t offset, struct error *err)
{
	const char *p = data;

	while (n > 0) {
		ssize_t done = pwrite(fd, p, n, (off_t)offset);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return error_errno(err, "write at %" PRIu64, offset);
		p += done;
		n -= (size_t)done;
		offset += (uint64_t)done;
	}
	return 0;
}

int pread_all(int fd, void *data, size_t n, uint64_t offset, struct error *err)
{
	char *p = data;

	while (n > 0) {
		ssize_t done = pread(fd, p, n, (off_t)offset);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return error_errno(err, "read at %" PRIu64, offset);
		if (done == 0)
			return error_set(err,
				ERR_IO,
				"the file ends at %" PRIu64 ", %zu bytes too early",
				offset,
				n);
		p += done;
		n -= (size_t)done;
		offset += (uint64_t)done;
	}
	return 0;
}

/* Room for the next step, but never past the ceiling, and one byte to notice more. */
static int read_some(int fd, struct buf *b, bool *ret_end, struct error *err)
{
	size_t step = b->max - b->len < READ_STEP ? b->max - b->len : READ_STEP;
	char beyond;
	ssize_t got;
	int rc = buf_reserve(b, step, err);

	if (rc < 0)
		return rc;
	do
		got = step ? read(fd, b->data + b->len, step) : read(fd, &beyond, 1);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return error_errno(err, "read");
	if (got > 0 && !step)
		return error_set(err, ERR_NOMEM, "more than the %zu bytes allowed", b->max);
	b->len += (size_t)got;
	b->data[b->len] = '\0';
	*ret_end = got == 0;
	return 0;
}

int file_read(int dirfd, const char *name, struct buf *ret, struct error *err)
{
	AUTO_CLOSE int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	size_t before = ret->len;
	bool end = false;
	int rc;

	if (fd < 0)
		return error_errno(err, "open '%s'", name);
	while (!end) {
		rc = read_some(fd, ret, &end, err);
		if (rc == 0)
			continue;
		ret->len = before;
		if (ret->data)
			ret->data[before] = '\0';
		return error_wrap(err, rc, "'%s'", name);
	}
	return 0;
}

/* The directory that holds name, and name's last part in it. */
static int open_parent(
	int dirfd, const char *name, int *ret_fd, const char **ret_base, struct error *err)
{
	const char *slash = strrchr(name, '/');
	AUTO_FREE char *parent = slash ? xstrndup(name, (size_t)(slash - name) + 1) : xstrdup(".");
	int rc = dir_open(dirfd, parent, false, ret_fd, err);

	if (rc == 0)
		*ret_base = slash ? slash + 1 : name;
	return rc;
}

static int write_synced(int fd, const void *data, size_t len, struct error *err)
{
	int rc = write_all(fd, data, len, err);

	if (rc < 0)
		return rc;
	return fsync(fd) < 0 ? error_errno(err, "fsync") : 0;
}

int file_publish(int dirfd, const char *name, const void *data, size_t len, struct error *err)
{
	AUTO_FREE char *tmp = NULL;
	AUTO_CLOSE int parent = -1;
	AUTO_CLOSE int fd = -1;
	char unique[2 * TMP_RANDOM + 1];
	const char *base = NULL;
	int rc = open_parent(dirfd, name, &parent, &base, err);

	if (rc < 0)
		return error_wrap(err, rc, "write '%s'", name);
	random_hex(unique, TMP_RANDOM);
	tmp = xasprintf(".%s.%s.tmp", base, unique);
	fd = openat(parent, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return error_errno(err, "write '%s'", name);
	rc = write_synced(fd, data, len, err);
	if (rc == 0 && renameat(parent, tmp, parent, base) < 0)
		rc = error_errno(err, "rename");
	if (rc < 0)
		(void)unlinkat(parent, tmp, 0);
	else
		rc = dir_sync(parent, err);
	return rc < 0 ? error_wrap(err, rc, "write '%s'", name) : 0;
}

int file_scratch(int dirfd, int *ret_fd, struct error *err)
{
	char name[sizeof(".scratch-") + 2 * TMP_RANDOM] = ".scratch-";
	int fd = openat(dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	/* What overlayfs, NFS and FUSE say, and kernels that do not know the flag. */
	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
		random_hex(name + strlen(name), TMP_RANDOM);
		fd = openat(dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd >= 0)
			(void)unlinkat(dirfd, name, 0);
	}
	if (fd < 0)
		return error_errno(err, "make a scratch file");
	*ret_fd = fd;
	return 0;
}

int file_size(int fd, uint64_t *ret, struct error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_errno(err, "size of a file");
	*ret = (uint64_t)st.st_size;
	return 0;
}

int dir_sync(int dirfd, struct error *err)
{
	/* EINVAL: the file system has nothing to sync for a directory (some FUSE, CIFS). */
	if (fsync(dirfd) < 0 && errno != EINVAL)
		return error_errno(err, "fsync of a directory");
	return 0;
}

int disk_free(int fd, uint64_t *ret_bytes, struct error *err)
{
	struct statvfs st;

	if (fstatvfs(fd, &st) < 0)
		return error_errno(err, "free space");
	/* Some network file systems report more blocks than 64 bits of bytes can count. */
	if (st.f_frsize && st.f_bavail > UINT64_MAX / st.f_frsize)
		*ret_bytes = UINT64_MAX;
	else
		*ret_bytes = (uint64_t)st.f_bavail * st.f_frsize;
	return 0;
}

int file_remove(int dirfd, const char *name, struct error *err)
{
	if (unlinkat(dirfd, name, 0) < 0 && errno != ENOENT)
		return error_errno(err, "remove '%s'", name);
	return 0;
}
