/*
 * uploads.c - the folder uploads/: how many sessions, what is remembered of them, what is swept.
 *
 * A session is two names, its bytes and its repository.  Everybody who writes to a name here
 * holds a lock on it (flock), so what a killed process left can be told from what is in use, in
 * whatever process.
 */
#include "store/internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "oci/hasher.h"
#include "store/upload.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/mem.h"

#define PARKED_MAX      512  /* hashes between two requests: 400 KiB; the others are hashed again */
#define COUNT_AGAIN_MS  1000 /* at the ceiling: other processes' sessions end, too */
#define TEMPORARY_YOUNG 60   /* seconds: between a name and its lock pass some microseconds */

bool upload_lock(int fd)
{
	return flock(fd, LOCK_EX | LOCK_NB) == 0;
}

/* ---- names ---- */

/* 32 hex digits, and then `rest`. */
static bool is_session(const char *name, const char *rest)
{
	return strspn(name, "0123456789abcdef") == UPLOAD_ID_MAX - 1 &&
	       strcmp(name + UPLOAD_ID_MAX - 1, rest) == 0;
}

static bool is_temporary(const char *name)
{
	return strncmp(name, TEMPORARY_PREFIX, strlen(TEMPORARY_PREFIX)) == 0;
}

static int folder_open(struct store *s, DIR **ret, struct error *err)
{
	AUTO_CLOSE int fd = openat(s->uploads_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	*ret = fd < 0 ? NULL : fdopendir(fd);
	if (!*ret)
		return error_errno(err, "list 'uploads' in '%s'", s->path);
	(void)steal_fd(&fd);
	return 0;
}

static void closedirp(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

/* ---- the ceiling ---- */

static int count_sessions(struct store *s, uint32_t *ret, struct error *err)
{
	AUTO(closedirp) DIR *dir = NULL;
	const struct dirent *entry;
	uint32_t n = 0;
	int rc = folder_open(s, &dir, err);

	if (rc < 0)
		return rc;
	while ((entry = readdir(dir)))
		n += is_session(entry->d_name, "");
	*ret = n;
	return 0;
}

int upload_count_take(struct store *s, struct error *err)
{
	uint64_t now_ms = clock_mono_ms();
	int rc = 0;

	(void)pthread_mutex_lock(&s->upload_lock);
	if (s->uploads_listed_ms == 0 ||
		(s->n_uploads >= UPLOADS_MAX && now_ms - s->uploads_listed_ms > COUNT_AGAIN_MS)) {
		rc = count_sessions(s, &s->n_uploads, err);
		if (rc == 0)
			s->uploads_listed_ms = now_ms;
	}
	if (rc == 0 && s->n_uploads >= UPLOADS_MAX)
		rc = error_set(
			err, ERR_BUSY, "%u uploads are open, which is the limit", UPLOADS_MAX);
	if (rc == 0)
		s->n_uploads++;
	(void)pthread_mutex_unlock(&s->upload_lock);
	return rc;
}

void upload_remove(struct store *s, const char *id)
{
	AUTO_FREE char *repository = xasprintf("%s" UPLOAD_REPOSITORY, id);

	/* The bytes go first: without them the session is no more. */
	(void)unlinkat(s->uploads_fd, id, 0);
	(void)unlinkat(s->uploads_fd, repository, 0);
	(void)pthread_mutex_lock(&s->upload_lock);
	if (s->parked)
		(void)map_remove_str(s->parked, id);
	if (s->n_uploads > 0)
		s->n_uploads--;
	(void)pthread_mutex_unlock(&s->upload_lock);
}

/* ---- hashes between two requests ---- */

struct parked {
	struct hasher *hasher;
	uint64_t hashed;         /* bytes */
	struct timespec written; /* the file's last change then */
};

static void parked_free(void *p)
{
	struct parked *parked = p;

	hasher_free(parked->hasher);
	free(parked);
}

void upload_park(struct store *s, const char *id, struct hasher *h, uint64_t hashed, int fd)
{
	struct parked *p = xcalloc(1, sizeof(*p));
	struct stat st;

	*p = (struct parked){.hasher = h, .hashed = hashed};
	if (fstat(fd, &st) < 0) {
		parked_free(p);
		return;
	}
	p->written = st.st_mtim;
	(void)pthread_mutex_lock(&s->upload_lock);
	if (!s->parked)
		s->parked = map_new(parked_free);
	map_put_str(s->parked, id, p);
	if (map_count(s->parked) > PARKED_MAX) {
		AUTO_FREE char *oldest = xstrdup(map_key(map_first(s->parked), NULL));

		(void)map_remove_str(s->parked, oldest);
	}
	(void)pthread_mutex_unlock(&s->upload_lock);
}

struct hasher *upload_unpark(struct store *s, const char *id, int fd, uint64_t size)
{
	struct hasher *h = NULL;
	struct parked *p;
	struct stat st;

	(void)pthread_mutex_lock(&s->upload_lock);
	p = s->parked ? map_get_str(s->parked, id) : NULL;
	/* Another process may have gone on with it, and come to an end. */
	if (p && p->hashed == size && fstat(fd, &st) == 0 &&
		st.st_mtim.tv_sec == p->written.tv_sec && st.st_mtim.tv_nsec == p->written.tv_nsec)
		h = steal(&p->hasher);
	if (p)
		(void)map_remove_str(s->parked, id);
	(void)pthread_mutex_unlock(&s->upload_lock);
	return h;
}

/* ---- sweeping ---- */

struct entry {
	const char *name;
	uint64_t size; /* bytes */
};

/*
 * Opened and locked: nobody writes to it, and was last written to before that time.  -1: it stays;
 * the descriptor holds the lock.
 */
static int take_old(struct store *s, int64_t before_sec, struct entry *entry)
{
	AUTO_CLOSE int fd =
		openat(s->uploads_fd, entry->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || !upload_lock(fd) || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
		st.st_mtime >= before_sec)
		return -1;
	entry->size = (uint64_t)st.st_size;
	return steal_fd(&fd);
}

/* True: it was a session's, and has gone. */
static bool session_sweep(struct store *s, int64_t before_sec, const char *name)
{
	AUTO_CLOSE int fd = -1;
	char id[UPLOAD_ID_MAX];
	bool whole = is_session(name, "");

	if (!whole && !is_session(name, UPLOAD_REPOSITORY))
		return false;
	(void)snprintf(id, sizeof(id), "%.*s", UPLOAD_ID_MAX - 1, name);
	/* The second name of a session goes with the first, and alone only when that is missing. */
	if (!whole && faccessat(s->uploads_fd, id, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return false;
	fd = take_old(s, before_sec, &(struct entry){.name = name});
	if (fd < 0)
		return false;
	if (whole)
		upload_remove(s, id);
	else
		(void)unlinkat(s->uploads_fd, name, 0);
	return whole;
}

int store_uploads_sweep(struct store *s, uint32_t age_sec, uint32_t *ret_n, struct error *err)
{
	int64_t before_sec = clock_wall_sec() - (int64_t)age_sec + (age_sec == 0);
	AUTO(closedirp) DIR *dir = NULL;
	const struct dirent *entry;
	uint32_t n = 0;
	int rc = folder_open(s, &dir, err);

	if (rc < 0)
		return rc;
	while ((entry = readdir(dir)))
		n += session_sweep(s, before_sec, entry->d_name);
	*ret_n = n;
	return 0;
}

int temporaries_sweep(struct store *s, const struct temporary_sweep *sweep, struct error *err)
{
	int64_t young_sec = clock_wall_sec() - TEMPORARY_YOUNG;
	int64_t before_sec = sweep->before < young_sec ? sweep->before : young_sec;
	AUTO(closedirp) DIR *dir = NULL;
	const struct dirent *entry;
	int rc = folder_open(s, &dir, err);

	if (rc < 0)
		return rc;
	while ((entry = readdir(dir))) {
		struct entry old = {.name = entry->d_name};
		AUTO_CLOSE int fd = is_temporary(old.name) ? take_old(s, before_sec, &old) : -1;

		if (fd < 0 || (!sweep->dry_run && unlinkat(s->uploads_fd, old.name, 0) < 0))
			continue;
		if (sweep->item && !sweep->item(sweep->ctx, old.size))
			break;
	}
	return 0;
}
