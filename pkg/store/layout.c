/*
 * layout.c - each repository as an OCI image layout, for other tools to read.
 *
 * repos/<name>/_layout holds `oci-layout`, `index.json` with the tags, and a
 * relative link `blobs` to the store's own tree; so there is one copy of all
 * content, and the store can be moved as a whole.  Layouts are derived: the rows in
 * repo say which are out of date, also after a crash, and a whole file replaces
 * a whole file.
 */
#include "store/internal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "oci/json.h"
#include "util/file.h"
#include "util/mem.h"

/* '_' starts no component of a repository's name; the texts are image-spec's (image-layout.md,
 * annotations.md). */
#define LAYOUT_FOLDER   "_layout"
#define LAYOUT_FILE     "oci-layout"
#define LAYOUT_TEXT     "{\"imageLayoutVersion\":\"1.0.0\"}\n"
#define INDEX_FILE      "index.json"
#define INDEX_TEMPORARY "index.json.tmp"
#define INDEX_TYPE      "\"mediaType\":\"" MEDIA_OCI_INDEX "\""
#define INDEX_HEAD      "{\"schemaVersion\":2," INDEX_TYPE ",\"manifests\":["
#define INDEX_TAIL      "\n]}\n"
#define REF_NAME        "org.opencontainers.image.ref.name"

/* Bytes of one entry: a tag, a digest, and a media type of which JSON may escape every character.
 */
#define ENTRY_MAX        2048
#define INDEX_BUFFER_MAX ((size_t)TAG_PAGE * ENTRY_MAX)

/* The repository's folder; made part by part, so that each new name is on the disk. */
static int layout_open(
	const struct store *s, const char *repository, int *ret_fd, struct error *err)
{
	AUTO_FREE char *path = xasprintf("%s/" LAYOUT_FOLDER, repository);
	AUTO_CLOSE int fd = openat(s->repos_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char *rest = path;

	if (fd < 0)
		fd = fcntl(s->repos_fd, F_DUPFD_CLOEXEC, 0);
	else
		rest = NULL;
	if (fd < 0)
		return error_errno(err, "open '%s'", path);
	while (rest) {
		AUTO_CLOSE int parent = steal_fd(&fd);
		char *part = strsep(&rest, "/");
		int rc = dir_open(parent, part, true, &fd, err);

		if (rc == 0)
			rc = dir_sync(parent, err);
		if (rc < 0)
			return rc;
	}
	*ret_fd = steal_fd(&fd);
	return 0;
}

/* The two parts of a layout that never change. */
static int frame_write(int fd, const char *repository, struct error *err)
{
	AUTO(buf_clear) struct buf target = BUF_INIT(3 * (size_t)REPOSITORY_MAX);
	int rc = buf_puts(&target, "../../", err); /* out of _layout and of repos */

	if (faccessat(fd, LAYOUT_FILE, F_OK, 0) == 0)
		return 0;
	for (const char *p = repository; rc == 0 && p; p = strchr(p + 1, '/'))
		rc = buf_puts(&target, "../", err);
	if (rc == 0)
		rc = buf_puts(&target, "blobs", err);
	if (rc < 0)
		return rc;
	if (symlinkat(buf_text(&target), fd, "blobs") < 0 && errno != EEXIST)
		return error_errno(err, "link 'blobs'");
	return file_publish(fd, LAYOUT_FILE, LAYOUT_TEXT, strlen(LAYOUT_TEXT), err);
}

/*
 * The type that layout readers expect.  skopeo 1.9.3 finds no entry of a Docker type in a layout
 * (it skips all but OCI's two), while it reads Docker's documents well under OCI's names; the
 * document itself says what it is, and the index of the store keeps the true type.
 */
static const char *layout_type(const char *type)
{
	switch (media_kind(type)) {
	case MEDIA_INDEX:
		return MEDIA_OCI_INDEX;
	case MEDIA_MANIFEST:
		return MEDIA_OCI_MANIFEST;
	case MEDIA_UNKNOWN:
	case MEDIA_SCHEMA1:
		break;
	}
	return type;
}

static void entry_format(struct jx_writer *w, const struct tag_entry *entry)
{
	char digest[DIGEST_STR_MAX];

	jx_begin_object(w, NULL);
	jx_put_text(w, "mediaType", layout_type(entry->type));
	jx_put_text(w, "digest", digest_format(&entry->digest, digest));
	jx_put_u64(w, "size", entry->size);
	jx_begin_object(w, "annotations");
	jx_put_text(w, REF_NAME, entry->name);
	jx_end_object(w);
	jx_end_object(w);
}

/* One entry a line, in order of the tag: the same tags give the same bytes. */
static int page_write(int fd, const struct tag_entry *page, size_t n, bool first, struct error *err)
{
	AUTO(buf_clear) struct buf text = BUF_INIT(INDEX_BUFFER_MAX);
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n; i++) {
		struct jx_writer w = {.out = &text};

		rc = buf_puts(&text, first && i == 0 ? "\n" : ",\n", err);
		if (rc < 0)
			break;
		entry_format(&w, &page[i]);
		rc = jx_writer_finish(&w, err);
	}
	return rc < 0 ? rc : write_all(fd, buf_text(&text), text.len, err);
}

static int entries_write(struct store *s, int64_t repo, int fd, struct error *err)
{
	AUTO_FREE struct tag_entry *page = xcalloc(TAG_PAGE, sizeof(*page));
	const char *after = "";
	char last[TAG_MAX + 1];
	size_t n = TAG_PAGE;

	while (n == TAG_PAGE) {
		int rc;

		(void)pthread_mutex_lock(&s->quick_lock);
		rc = tag_page(s, repo, after, page, &n, err);
		(void)pthread_mutex_unlock(&s->quick_lock);
		if (rc == 0)
			rc = page_write(fd, page, n, *after == '\0', err);
		if (rc < 0)
			return rc;
		if (n > 0)
			memcpy(last, page[n - 1].name, sizeof(last));
		after = last;
	}
	return 0;
}

static int index_write(struct store *s, int64_t repo, int layout_fd, struct error *err)
{
	AUTO_CLOSE int fd = openat(layout_fd,
		INDEX_TEMPORARY,
		O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC | O_NOFOLLOW,
		0644);
	int rc;

	if (fd < 0)
		return error_errno(err, "make '" INDEX_TEMPORARY "'");
	rc = write_all(fd, INDEX_HEAD, strlen(INDEX_HEAD), err);
	if (rc == 0)
		rc = entries_write(s, repo, fd, err);
	if (rc == 0)
		rc = write_all(fd, INDEX_TAIL, strlen(INDEX_TAIL), err);
	if (rc < 0)
		return rc;
	if (fsync(fd) < 0)
		return error_errno(err, "sync '" INDEX_TEMPORARY "'");
	if (renameat(layout_fd, INDEX_TEMPORARY, layout_fd, INDEX_FILE) < 0)
		return error_errno(err, "rename to '" INDEX_FILE "'");
	return dir_sync(layout_fd, err);
}

/* How often the repository's tags have changed; what the layout written from now on shows at least.
 */
static int changes_get(struct store *s, const char *name, int64_t *ret, struct error *err)
{
	int rc;

	(void)pthread_mutex_lock(&s->quick_lock);
	{
		AUTO(db_reset) struct db_stmt find = db_stmt(s->quick, STMT_REPO_FIND);

		db_bind_text(&find, 1, name);
		rc = db_step(&find, err);
		if (rc == 1)
			*ret = db_i64(&find, 1);
	}
	(void)pthread_mutex_unlock(&s->quick_lock);
	return rc;
}

static int mark_written(struct store *s, int64_t repo, int64_t changes, struct error *err)
{
	int rc;

	quick_write_lock(s);
	{
		AUTO(db_reset) struct db_stmt written = db_stmt(s->quick, STMT_REPO_WRITTEN);

		db_bind_i64(&written, 1, repo);
		db_bind_i64(&written, 2, changes);
		rc = db_run(&written, err);
	}
	quick_write_unlock(s);
	return rc;
}

static int layout_write(struct store *s, int64_t repo, const char *name, struct error *err)
{
	AUTO_CLOSE int fd = -1;
	int64_t changes = 0;
	int rc = layout_open(s, name, &fd, err);

	if (rc < 0)
		return rc;
	/* Other threads and processes write layouts too; the lock goes with the descriptor. */
	if (flock(fd, LOCK_EX) < 0)
		return error_errno(err, "lock '%s'", LAYOUT_FOLDER);
	rc = changes_get(s, name, &changes, err);
	if (rc <= 0)
		return rc;
	rc = frame_write(fd, name, err);
	if (rc == 0)
		rc = index_write(s, repo, fd, err);
	return rc < 0 ? rc : mark_written(s, repo, changes, err);
}

/* 1: a repository with a larger id whose layout is out of date; 0: no more. */
static int stale_next(
	struct store *s, int64_t *repo, char name[static REPOSITORY_MAX + 1], struct error *err)
{
	int rc;

	(void)pthread_mutex_lock(&s->quick_lock);
	{
		AUTO(db_reset) struct db_stmt next = db_stmt(s->quick, STMT_REPO_STALE);

		db_bind_i64(&next, 1, *repo);
		rc = db_step(&next, err);
		if (rc == 1) {
			*repo = db_i64(&next, 0);
			(void)snprintf(name, REPOSITORY_MAX + 1, "%s", db_text(&next, 1));
		}
	}
	(void)pthread_mutex_unlock(&s->quick_lock);
	return rc;
}

int store_layouts_write(struct store *s, struct error *err)
{
	char name[REPOSITORY_MAX + 1];
	int64_t repo = 0;
	int rc;

	while ((rc = stale_next(s, &repo, name, err)) == 1) {
		rc = layout_write(s, repo, name, err);
		if (rc < 0)
			return error_wrap(err, rc, "layout of '%s'", name);
	}
	return rc;
}
