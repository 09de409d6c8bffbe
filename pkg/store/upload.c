/*
 * upload.c - one upload: a named file that grows, and becomes a blob in one step.
 *
 * sha256 is computed while the bytes come, and its state waits in memory between the requests
 * of one upload (uploads.c).  What was not hashed on the way - after a restart, or by another
 * algorithm - is read again at the end.
 *
 * A file that is being published loses its owner's permission to write, for ever: from then on it
 * may be a blob already, under a second name, although nobody was told so (a kill between the
 * commit and the answer).  Such a session can only be closed, once more, by its digest.
 */
#include "store/upload.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "oci/hasher.h"
#include "store/internal.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/mem.h"

#define ID_BYTES       ((UPLOAD_ID_MAX - 1) / 2)
#define READ_BYTES     ((size_t)256 * 1024) /* read at once by what is hashed again */
#define BLOB_MODE      0444                 /* store.h: what blobs/ holds */
#define SESSION_MODE   0600
#define REPOSITORY_BUF (REPOSITORY_MAX + 1)

struct store_upload {
	struct store *store;
	char id[UPLOAD_ID_MAX];
	char *repository;
	int fd;
	uint64_t size;         /* bytes that were acknowledged; the file has no others */
	uint64_t write_behind; /* bytes whose writing to the disk was started */
	struct hasher *hasher; /* sha256 of the first `hashed` bytes; NULL: of none */
	uint64_t hashed;
	bool sealed; /* it may be a blob already */
};

static void upload_free(struct store_upload *u)
{
	if (!u)
		return;
	closep(&u->fd);
	hasher_free(u->hasher);
	free(u->repository);
	free(u);
}
DEFINE_CLEANUP(struct store_upload *, upload_free);

static struct store_upload *upload_new(struct store *s, const char *repository)
{
	struct store_upload *u = xcalloc(1, sizeof(*u));

	*u = (struct store_upload){.store = s, .repository = xstrdup(repository), .fd = -1};
	return u;
}

const char *store_upload_id(const struct store_upload *u)
{
	return u->id;
}

uint64_t store_upload_size(const struct store_upload *u)
{
	return u->size;
}

/* ---- beginning, resuming ---- */

static int repository_write(const struct store_upload *u, struct error *err)
{
	AUTO_FREE char *name = xasprintf("%s" UPLOAD_REPOSITORY, u->id);
	AUTO_CLOSE int fd = openat(
		u->store->uploads_fd, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, SESSION_MODE);

	if (fd < 0)
		return error_errno(err, "make '%s'", name);
	return write_all(fd, u->repository, strlen(u->repository), err);
}

static int session_make(struct store_upload *u, struct error *err)
{
	int rc;

	random_hex(u->id, ID_BYTES);
	u->fd = openat(
		u->store->uploads_fd, u->id, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, SESSION_MODE);
	if (u->fd < 0)
		return error_errno(err, "make '%s'", u->id);
	if (!upload_lock(u->fd))
		return error_errno(err, "lock '%s'", u->id);
	rc = repository_write(u, err);
	return rc < 0 ? rc : hasher_new(DIGEST_SHA256, &u->hasher, err);
}

int store_upload_begin(
	struct store *s, const char *repository, struct store_upload **ret, struct error *err)
{
	AUTO(upload_freep) struct store_upload *u = upload_new(s, repository);
	int rc = repository_check(repository, err);

	if (rc == 0)
		rc = upload_count_take(s, err);
	if (rc < 0)
		return rc;
	rc = session_make(u, err);
	if (rc < 0) {
		upload_remove(s, u->id);
		return error_wrap(err, rc, "upload to '%s'", repository);
	}
	*ret = steal(&u);
	return 0;
}

static bool is_id(const char *id)
{
	return strspn(id, "0123456789abcdef") == UPLOAD_ID_MAX - 1 &&
	       strlen(id) == UPLOAD_ID_MAX - 1;
}

static int no_session(const struct store_upload *u, struct error *err)
{
	return error_set(err, ERR_NOTFOUND, "'%.80s' has no upload of this name", u->repository);
}

/* Whether the session is for the repository: ids are no secrets between repositories. */
static int repository_compare(const struct store_upload *u, struct error *err)
{
	AUTO_FREE char *name = xasprintf("%s" UPLOAD_REPOSITORY, u->id);
	AUTO(buf_clear) struct buf text = BUF_INIT(REPOSITORY_BUF);
	int rc = file_read(u->store->uploads_fd, name, &text, err);

	if (rc == 0 && strcmp(buf_text(&text), u->repository) != 0)
		rc = -ERR_NOTFOUND;
	return rc == -ERR_NOTFOUND ? no_session(u, err) : rc;
}

static int session_open(struct store_upload *u, struct error *err)
{
	struct stat st;

	u->fd = openat(u->store->uploads_fd, u->id, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (u->fd < 0 && errno == EACCES) /* sealed */
		u->fd = openat(u->store->uploads_fd, u->id, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (u->fd < 0 && errno == ENOENT)
		return no_session(u, err);
	if (u->fd < 0)
		return error_errno(err, "open '%s'", u->id);
	if (!upload_lock(u->fd))
		return errno == EWOULDBLOCK
			       ? error_set(err, ERR_BUSY, "another request holds this upload")
			       : error_errno(err, "lock '%s'", u->id);
	/* Between the opening and the lock its last holder may have ended it. */
	if (fstat(u->fd, &st) < 0 || st.st_nlink == 0)
		return no_session(u, err);
	u->size = u->write_behind = (uint64_t)st.st_size;
	u->sealed = st.st_nlink != 1 || !(st.st_mode & S_IWUSR);
	return 0;
}

int store_upload_resume(struct store *s, const char *repository, const char *id,
	struct store_upload **ret, struct error *err)
{
	AUTO(upload_freep) struct store_upload *u = upload_new(s, repository);
	int rc;

	if (!is_id(id))
		return no_session(u, err);
	(void)snprintf(u->id, sizeof(u->id), "%s", id);
	rc = session_open(u, err);
	if (rc == 0)
		rc = repository_compare(u, err);
	if (rc < 0)
		return rc;
	u->hasher = upload_unpark(s, id, u->fd, u->size);
	if (u->hasher)
		u->hashed = u->size;
	else
		rc = hasher_new(DIGEST_SHA256, &u->hasher, err);
	if (rc < 0)
		return rc;
	*ret = steal(&u);
	return 0;
}

/* ---- writing ---- */

int store_upload_write(struct store_upload *u, const void *data, size_t len, struct error *err)
{
	int rc;

	if (len == 0)
		return 0;
	if (u->sealed)
		return error_set(err, ERR_USAGE, "the upload was closed already");
	if (len > DESCRIPTOR_SIZE_MAX - u->size)
		return error_set(err, ERR_NOMEM, "no blob is as large as that");
	rc = pwrite_all(u->fd, data, len, u->size, err);
	if (rc < 0) {
		/* What was acknowledged stays.  Should this fail too, a resumed upload counts a few
		 * bytes more, and they are right. */
		(void)!ftruncate(u->fd, (off_t)u->size);
		return error_wrap(err, rc, "store '%s'", u->store->path);
	}
	if (u->hashed == u->size) {
		hasher_update(u->hasher, data, len);
		u->hashed += len;
	}
	u->size += len;
	write_behind(u->fd, &u->write_behind, u->size);
	return 0;
}

void store_upload_release(struct store_upload *u)
{
	if (!u)
		return;
	/* Before the lock goes: whoever comes next shall find it. */
	if (u->hasher && u->hashed == u->size && !u->sealed)
		upload_park(u->store, u->id, steal(&u->hasher), u->hashed, u->fd);
	upload_free(u);
}

void store_upload_abandon(struct store_upload *u)
{
	if (!u)
		return;
	upload_remove(u->store, u->id);
	upload_free(u);
}

/* ---- closing ---- */

/* Hashes what was not hashed on the way. */
static int hash_rest(
	const struct store_upload *u, struct hasher *h, uint64_t from, struct error *err)
{
	AUTO_FREE char *bytes = xmalloc(READ_BYTES);

	while (from < u->size) {
		uint64_t left = u->size - from;
		size_t n = left < READ_BYTES ? (size_t)left : READ_BYTES;
		int rc = pread_all(u->fd, bytes, n, from, err);

		if (rc < 0)
			return rc;
		hasher_update(h, bytes, n);
		from += n;
	}
	return 0;
}

static int content_digest(
	struct store_upload *u, enum digest_algo algo, struct digest *ret, struct error *err)
{
	AUTO(hasher_freep) struct hasher *h = NULL;
	int rc = 0;

	if (algo == DIGEST_SHA256) {
		h = steal(&u->hasher);
	} else {
		u->hashed = 0;
		rc = hasher_new(algo, &h, err);
	}
	if (rc == 0)
		rc = hash_rest(u, h, u->hashed, err);
	if (rc < 0)
		return rc;
	*ret = hasher_finish(h);
	return 0;
}

/* *ret_lost: what is on the disk is not known any more. */
static int publish(
	struct store_upload *u, const struct digest *digest, bool *ret_lost, struct error *err)
{
	const struct store_writer file = {
		.store = u->store,
		.digest = *digest,
		.size = u->size,
		.written = u->size,
		.fd = u->fd,
		.temporary = u->id,
	};
	struct commit c = {.apply = blob_apply, .arg = u->repository, .file = &file};

	if (fchmod(u->fd, BLOB_MODE) < 0)
		return error_errno(err, "set the mode of '%s'", u->id);
	/* Not retried: after a failed sync the kernel has forgotten which pages were bad. */
	if (fdatasync(u->fd) < 0) {
		*ret_lost = true;
		return error_errno(err, "sync a file in '%s'", u->store->path);
	}
	return commit_run(u->store, &c, err);
}

int store_upload_close(struct store_upload *u, const struct digest *digest, struct error *err)
{
	char text[DIGEST_STR_MAX];
	struct digest found;
	bool over = false;
	int rc = content_digest(u, digest->algo, &found, err);

	if (rc == 0 && !digest_equal(&found, digest)) {
		rc = error_set(err,
			ERR_CORRUPT,
			"the %llu bytes that came are %s",
			(unsigned long long)u->size,
			digest_format(&found, text));
		over = true;
	}
	if (rc == 0) {
		rc = publish(u, digest, &over, err);
		over = over || rc == 0;
	}
	if (over)
		upload_remove(u->store, u->id);
	upload_free(u);
	return rc;
}
