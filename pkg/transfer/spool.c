/* spool.c - prefixes of blobs on disk. */
#include "transfer/spool.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "util/file.h"

static void name_of(const struct digest *digest, char name[static DIGEST_STR_MAX])
{
	digest_format(digest, name);
	name[strcspn(name, ":")] = '-';
}

int spool_open(struct spool_file *s, int dirfd, const struct digest *digest, uint64_t size,
	struct error *err)
{
	struct spool_file file = {.dirfd = dirfd};
	AUTO_CLOSE int fd = -1;
	int rc;

	name_of(digest, file.name);
	fd = openat(dirfd, file.name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return error_errno(err, "open spool file '%s'", file.name);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return error_set(
			err, ERR_BUSY, "spool file '%s' is in use by another process", file.name);
	rc = file_size(fd, &file.length, err);
	if (rc < 0)
		return rc;
	if (file.length > size) { /* cannot be a prefix of it */
		if (ftruncate(fd, 0) < 0)
			return error_errno(err, "empty spool file '%s'", file.name);
		file.length = 0;
	}
	file.fd = steal_fd(&fd);
	*s = file;
	return 0;
}

int spool_append(struct spool_file *s, const void *data, size_t n, struct error *err)
{
	int rc = pwrite_all(s->fd, data, n, s->length, err);

	if (rc < 0)
		return error_wrap(err, rc, "spool file '%s'", s->name);
	s->length += n;
	return 0;
}

void spool_close(struct spool_file *s)
{
	if (s->fd >= 0)
		(void)close(s->fd);
	*s = SPOOL_FILE_INIT;
}

void spool_discard(struct spool_file *s)
{
	if (s->fd >= 0)
		(void)unlinkat(s->dirfd, s->name, 0);
	spool_close(s);
}

static void sweep_one(int dirfd, const char *name, time_t before)
{
	AUTO_CLOSE int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_mtime >= before)
		return;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		(void)unlinkat(dirfd, name, 0);
}

int spool_sweep(int dirfd, uint64_t max_age_sec, struct error *err)
{
	time_t before = time(NULL) - (time_t)max_age_sec;
	AUTO_CLOSE int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		return error_errno(err, "read the spool directory");
	(void)steal_fd(&fd); /* the stream's now */
	for (const struct dirent *e = readdir(dir); e; e = readdir(dir))
		if (e->d_name[0] != '.')
			sweep_one(dirfd, e->d_name, before);
	(void)closedir(dir);
	return 0;
}
