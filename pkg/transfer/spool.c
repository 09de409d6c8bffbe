/* spool.c - prefixes of blobs on disk, and blobs with holes. */
#include "transfer/spool.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "transfer/spool_map.h"
#include "util/file.h"
#include "util/mem.h"

#define NAME_MAX_MAP (DIGEST_STR_MAX + sizeof(SPOOL_MAP_SUFFIX)) /* chars, with the NUL */
/* Bytes that are appended to a file with a map before they are noted: what a kill costs. */
#define NOTE_PIECE ((uint64_t)1024 * 1024)
#define MAP_PIECE  ((size_t)16 * 1024) /* bytes of a map that are read at once */

static void name_of(const struct digest *digest, char name[static DIGEST_STR_MAX])
{
	digest_format(digest, name);
	name[strcspn(name, ":")] = '-';
}

static void map_name_of(const char *name, char map_name[static NAME_MAX_MAP])
{
	(void)snprintf(map_name, NAME_MAX_MAP, "%.*s" SPOOL_MAP_SUFFIX, (int)DIGEST_STR_MAX, name);
}

static int open_map(const struct spool_file *s, int flags, int *ret_fd, struct error *err)
{
	char name[NAME_MAX_MAP];
	int fd;

	map_name_of(s->name, name);
	fd = openat(s->dirfd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
	if (fd < 0)
		return error_errno(err, "open spool map '%s'", name);
	*ret_fd = fd;
	return 0;
}

static void remove_map(const struct spool_file *s)
{
	char name[NAME_MAX_MAP];

	map_name_of(s->name, name);
	(void)unlinkat(s->dirfd, name, 0);
}

/* Reads the map in pieces; returns how many bytes of it were lines. */
static uint64_t read_map(const struct spool_file *s, int fd)
{
	AUTO_FREE char *text = xmalloc(MAP_PIECE);
	uint64_t good = 0;

	for (;;) {
		ssize_t n = pread(fd, text, MAP_PIECE, (off_t)good);
		size_t lines = n > 0 ? spool_map_parse(text, (size_t)n, s->size, s->map) : 0;

		if (lines == 0)
			return good;
		good += lines;
	}
}

/* Takes in a map that an earlier run left.  What cannot be read counts as not there. */
static void load_map(struct spool_file *s, uint64_t file_length)
{
	AUTO_CLOSE int fd = -1;

	if (open_map(s, 0, &fd, NULL) < 0)
		return;
	s->map = xcalloc(1, sizeof(*s->map));
	/* A torn line must not become the beginning of the next one. */
	if (ftruncate(fd, (off_t)read_map(s, fd)) < 0)
		s->map->n = 0;
	extents_cut(s->map, file_length);
	s->length = s->noted = extents_end(s->map, 0);
	s->map_fd = steal_fd(&fd);
}

int spool_open(struct spool_file *s, int dirfd, const struct digest *digest, uint64_t size,
	struct error *err)
{
	struct spool_file file = {.dirfd = dirfd, .size = size, .map_fd = -1};
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
	if (file.length > size) { /* cannot be a part of it */
		if (ftruncate(fd, 0) < 0)
			return error_errno(err, "empty spool file '%s'", file.name);
		file.length = 0;
	}
	if (file.length == 0)
		remove_map(&file);
	load_map(&file, file.length);
	file.fd = steal_fd(&fd);
	*s = file;
	return 0;
}

int spool_write(
	struct spool_file *s, uint64_t offset, const void *data, size_t n, struct error *err)
{
	int rc = pwrite_all(s->fd, data, n, offset, err);

	return rc < 0 ? error_wrap(err, rc, "spool file '%s'", s->name) : 0;
}

int spool_append(struct spool_file *s, const void *data, size_t n, struct error *err)
{
	int rc = spool_write(s, s->length, data, n, err);

	if (rc < 0)
		return rc;
	s->length += n;
	if (s->map && (s->length >= s->noted + NOTE_PIECE || s->length == s->size)) {
		spool_note(s, s->noted, s->length);
		s->noted = s->length;
	}
	return 0;
}

int spool_map_begin(struct spool_file *s, struct error *err)
{
	int rc;

	if (s->map)
		return 0;
	rc = open_map(s, O_CREAT | O_TRUNC, &s->map_fd, err);
	if (rc < 0)
		return rc;
	s->map = xcalloc(1, sizeof(*s->map));
	s->noted = s->length;
	if (s->length > 0)
		spool_note(s, 0, s->length);
	return 0;
}

void spool_note(struct spool_file *s, uint64_t first, uint64_t end)
{
	char line[SPOOL_MAP_LINE_MAX];
	size_t len = spool_map_line(first, end, line);
	off_t at = s->map_fd < 0 ? -1 : lseek(s->map_fd, 0, SEEK_END);

	(void)extents_add(s->map, first, end);
	if (at < 0 || pwrite_all(s->map_fd, line, len, (uint64_t)at, NULL) == 0)
		return;
	/* Half a line would hide those after it: no more of them, then. */
	if (ftruncate(s->map_fd, at) == 0)
		return;
	(void)close(s->map_fd);
	s->map_fd = -1;
}

uint64_t spool_ahead(const struct spool_file *s)
{
	uint64_t n = s->map ? extents_bytes(s->map) : 0;
	uint64_t prefix = s->map ? extents_end(s->map, 0) : 0;

	return n - prefix;
}

void spool_close(struct spool_file *s)
{
	if (s->fd >= 0)
		(void)close(s->fd);
	if (s->map_fd >= 0)
		(void)close(s->map_fd);
	free(s->map);
	*s = SPOOL_FILE_INIT;
}

void spool_discard(struct spool_file *s)
{
	/* The map last: without it a file with holes would be taken for a prefix. */
	if (s->fd >= 0)
		(void)unlinkat(s->dirfd, s->name, 0);
	if (s->map)
		remove_map(s);
	spool_close(s);
}

/* A map goes with its file, and alone only when the file is gone. */
static bool is_map_of_another(int dirfd, const char *name)
{
	size_t len = strlen(name), suffix = strlen(SPOOL_MAP_SUFFIX);
	AUTO_FREE char *of = NULL;

	if (len <= suffix || strcmp(name + len - suffix, SPOOL_MAP_SUFFIX) != 0)
		return false;
	of = xstrndup(name, len - suffix);
	return faccessat(dirfd, of, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void sweep_one(int dirfd, const char *name, time_t before)
{
	AUTO_CLOSE int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	AUTO_FREE char *map = NULL;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_mtime >= before)
		return;
	if (is_map_of_another(dirfd, name) || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return;
	map = xasprintf("%s" SPOOL_MAP_SUFFIX, name);
	(void)unlinkat(dirfd, name, 0);
	(void)unlinkat(dirfd, map, 0);
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
