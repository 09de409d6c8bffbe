/*
 * internal.h - what the modules of the store share; nobody else includes it, but its tests.
 *
 * Two connections to one index.db.  `publish` (synchronous=FULL) serves the
 * transactions that must be on the disk before they are acknowledged: blobs,
 * manifests, tags.  `quick` (synchronous=NORMAL) serves reads, and writes that are
 * worthless after a power loss or come before a publication that makes them
 * durable with it (a WAL is synced from its start): seen stamps, links, leases,
 * layout marks.  A reader thus never waits for somebody else's fsync.
 *
 * Locks, in the order in which they are taken; none is held while a caller's
 * function runs:
 *	publish_lock	the publish connection; also taken before any write by `quick`, because two
 *			writers of one process would otherwise meet in SQLite's busy handler,
 *			which sleeps
 *	quick_lock	the quick connection, and the map of seen stamps
 *	queue_lock	the queue of commits; never held together with the others
 *	upload_lock	what is remembered of uploads; nor is this one
 * Everything else in struct store is constant after store_open().
 */
#pragma once

#include <pthread.h>

#include "db/db.h"
#include "oci/media.h"
#include "oci/reference.h"
#include "store/store.h"
#include "util/map.h"

enum store_statement {
	STMT_SAVEPOINT,
	STMT_SAVEPOINT_UNDO,
	STMT_SAVEPOINT_RELEASE,
	STMT_BLOB_FIND,
	STMT_BLOB_PUT,
	STMT_BLOB_SEEN,
	STMT_BLOB_SEEN_SURELY,
	STMT_BLOB_IN_REPO,
	STMT_DOOMED_DROP,
	STMT_ABSENT_FILL,
	STMT_ABSENT_DROP,
	STMT_ABSENT_PUT,
	STMT_REF_PUT,
	STMT_REPO_PUT,
	STMT_REPO_FIND,
	STMT_REPO_CHANGED,
	STMT_REPO_WRITTEN,
	STMT_REPO_NEXT,
	STMT_REPO_STALE,
	STMT_REPO_HAS,
	STMT_LINK_PUT,
	STMT_LINK_DROP,
	STMT_LINK_NEEDED,
	STMT_MANIFEST_FIND,
	STMT_MISSING,
	STMT_TAG_FIND,
	STMT_TAG_PUT,
	STMT_TAG_NEXT,
	STMT_TAG_DROP,
	STMT_TAG_DROP_ALL,
	STMT_TAG_ABOVE,
	STMT_LEASE_PUT,
	STMT_LEASE_DROP,
	STMT_LEASE_DROP_HOLDER,
	STMT_LEASE_EXPIRE,
	STMT_SUBJECT_PUT,
	STMT_REFERRER_NEXT,
	STMT_UNREAD_NEXT,
	STMT_UNREAD_DROP,
	STMT_GRACE_GET,
	STMT_GRACE_PUT,
	STMT_FREE_NEXT,
	STMT_FREE_DROP,
	STMT_DOOMED_PUT,
	STMT_DOOMED_NEXT,
	STMT_GARBAGE,
	STMT_CENSUS,
	STMT_MAX_
};

extern const char *const store_migrations[];
extern const char *const store_statements[];

/* How a manifest needs what it references: ref.kind and absent.kind. */
enum ref_kind {
	REF_FOREIGN = 0, /* may be missing */
	REF_CONTENT = 1, /* a manifest's blob: must be here */
	REF_CHILD = 2,   /* an index's manifest: must be here as a manifest, unless sparse */
	REF_CHILD_OTHER =
		3, /* an index's entry of an unknown type: its bytes must be here, unless sparse */
};

#define TEMPORARY_PREFIX "tmp-" /* of names in uploads/ that only a writer knows */

struct commit;

struct store {
	char *path;
	int root_fd, uploads_fd, repos_fd;
	int blobs_fd[DIGEST_ALGO_MAX_];
	bool named; /* O_TMPFILE or linking from it does not work here: temporary names in uploads/
		     */

	pthread_mutex_t publish_lock;
	struct db *publish;

	pthread_mutex_t quick_lock;
	struct db *quick;
	struct map *seen; /* rowids of blobs whose stamp is not written yet; values are not used */
	uint64_t seen_since_ms; /* monotonic: when the first of them came */

	pthread_mutex_t queue_lock;
	pthread_cond_t queue_moved;
	struct commit *queue; /* oldest first */
	bool leading;         /* some thread runs a batch */

	pthread_mutex_t upload_lock;
	struct map *parked;         /* uploads.c: hashes of uploads between two requests, by id */
	uint32_t n_uploads;         /* sessions, as far as this process knows */
	uint64_t uploads_listed_ms; /* monotonic: when they were counted; 0: never */
};

/* ---- open.c ---- */
/* One more connection to the index; cache_kib of memory. */
NODISCARD int index_connect(const struct store *s, bool full_sync, uint32_t cache_kib,
	struct db **ret, struct error *err);
/* For a write by the quick connection: both locks, in order. */
void quick_write_lock(struct store *s);
void quick_write_unlock(struct store *s);
NODISCARD int repository_check(const char *name, struct error *err); /* ERR_USAGE */
NODISCARD int tag_check(const char *tag, struct error *err);         /* ERR_USAGE */

/* ---- commit.c: group commit ---- */

/* One publication that waits for its transaction. */
struct commit {
	/* Its rows, inside the transaction.  On failure they are undone and the others go on. */
	int (*apply)(struct db *db, const struct commit *c, struct error *err);
	const void *arg;                 /* apply's */
	const struct store_writer *file; /* settled, to be linked into blobs/; NULL: none */
	/* the queue's own */
	struct commit *next;
	struct error err;
	int rc;
	bool done;
};

/* Returns when the commit is on the disk, or failed with a reason of its own. */
NODISCARD int commit_run(struct store *s, struct commit *c, struct error *err);

/* ---- blob.c ---- */

struct store_writer {
	struct store *store;
	struct digest digest;
	uint64_t size;         /* bytes, as promised */
	uint64_t written;      /* bytes so far */
	uint64_t write_behind; /* bytes whose writing to the disk was started */
	int fd;                /* -1: spent */
	char *temporary;       /* its name in uploads/; NULL: it has none */
};

#define BLOB_NAME_MAX (2 * (size_t)DIGEST_RAW_MAX + 1) /* chars, with the NUL: the hex */
char *blob_name(const struct digest *d, char buf[static BLOB_NAME_MAX]);

struct blob_row {
	int64_t id; /* may be another blob's when this one was collected */
	struct digest digest;
	uint64_t size;    /* bytes */
	int64_t seen_sec; /* wall clock */
	bool is_manifest;
};

/* 1: found; 0: not; negative: failed. */
NODISCARD int blob_find(
	struct db *db, const struct digest *digest, struct blob_row *ret, struct error *err);
/* Rule 5: the row (type NULL: no manifest), never doomed again, and the references that waited for
 * it. */
NODISCARD int blob_insert(struct db *db, const struct digest *digest, uint64_t size,
	const char *type, int64_t *ret_id, struct error *err);
NODISCARD int blob_open_checked(struct store *s, const struct digest *digest, uint64_t size,
	int *ret_fd, struct error *err);
/* The repository's row, made when missing, and the blob's link to it. */
NODISCARD int repository_link(
	struct db *db, const char *repository, int64_t blob, int64_t *ret_repo, struct error *err);
/* Everything is written and on the disk, under no final name yet. */
NODISCARD int writer_settle(struct store_writer *w, struct error *err);
/* Of a commit with a file: the row, and the link to the repository that arg names (NULL: none). */
NODISCARD int blob_apply(struct db *db, const struct commit *c, struct error *err);
/* Tells the kernel to start writing what came since *from, once that is worth it. */
void write_behind(int fd, uint64_t *from, uint64_t to);

/* ---- manifest.c ---- */

/* 1: a manifest of that repository; 0: not; negative: failed. */
NODISCARD int manifest_find(struct db *db, const char *repository, const struct digest *digest,
	struct blob_row *ret, char *ret_type, struct error *err);
/* 1: something below the manifest is missing in the repository, which is named in *ret; 0: nothing.
 */
NODISCARD int manifest_missing(struct db *db, int64_t repo, int64_t blob, bool sparse,
	struct digest *ret, struct error *err);
/* Appends the file's bytes to ret; ERR_CORRUPT unless they have the digest. */
NODISCARD int content_read(struct store *s, const struct digest *digest, size_t size,
	struct buf *ret, struct error *err);

/* ---- tag.c ---- */
/* The row, and the repository's layout is out of date when it changed. */
NODISCARD int tag_insert(
	struct db *db, int64_t repo, const char *tag, int64_t blob, struct error *err);
/* The repository's layout is out of date. */
NODISCARD int repository_changed(struct db *db, int64_t repo, struct error *err);
/* 1: found; 0: not; negative: failed. */
NODISCARD int repository_find(struct db *db, const char *name, int64_t *ret_id, struct error *err);

/* ---- page.c ---- */

struct tag_entry {
	char name[TAG_MAX + 1];
	struct digest digest;
	uint64_t size; /* bytes of the manifest */
	char type[MEDIA_TYPE_MAX + 1];
};
/* Up to TAG_PAGE tags after the name `after` ("" for the first); *ret_n of them. */
#define TAG_PAGE 64 /* 30 KiB */
NODISCARD int tag_page(struct store *s, int64_t repo, const char *after,
	struct tag_entry page[static TAG_PAGE], size_t *ret_n, struct error *err);

/* ---- seen.c (rule 1) ---- */

/*
 * Notes that somebody was told that the blob is here; to be called without locks,
 * before the answer.  ERR_NOTFOUND: it was collected a moment ago.  A stamp that cannot be written
 * (full disk) does not fail the answer: a manifest's transaction checks everything again.
 */
NODISCARD int seen_stamp(struct store *s, const struct blob_row *row, struct error *err);
NODISCARD int seen_flush(struct store *s, struct error *err);

/* ---- grace.c: how long collectors leave alone what somebody was told of ---- */

struct grace {
	int64_t sec;    /* of the last collector */
	int64_t since;  /* wall clock, seconds: when it was set; 0: always */
	int64_t before; /* seconds: how old stamps may be that answers relied on before that */
};
NODISCARD int grace_get(struct db *db, struct grace *ret, struct error *err);
/* A collector of this grace begins. */
struct grace grace_change(const struct grace *old, uint32_t sec, int64_t now_sec);
/* A stamp that is no older (seconds) is good enough to answer by. */
int64_t grace_fresh_sec(const struct grace *g);
/* Rows that were seen before this may go. */
int64_t grace_cutoff(const struct grace *g, int64_t now_sec);
/* Tells all processes that a collector of this grace is at work, and is on the disk. */
NODISCARD int grace_announce(
	struct store *s, uint32_t sec, int64_t now_sec, struct grace *ret, struct error *err);

/* ---- referrers.c ---- */

/* Inside the transaction: manifest `id` is about the view's subject. */
NODISCARD int subject_insert(
	struct db *db, int64_t id, const struct manifest *view, struct error *err);
/* Reads manifests that an older version put here without noting their subjects. */
NODISCARD int subjects_fill(struct store *s, struct error *err);

/* ---- uploads.c: the folder, and what is remembered of sessions between requests ---- */

#define UPLOAD_REPOSITORY ".repo" /* ends the name of the file beside a session's bytes */

/* Takes a place for one more session; ERR_BUSY. */
NODISCARD int upload_count_take(struct store *s, struct error *err);
/* Removes both names of a session that the caller holds, or that nobody does. */
void upload_remove(struct store *s, const char *id);
struct hasher;
/* The hash of the session's first `hashed` bytes, which are all; h is the store's from now on. */
void upload_park(struct store *s, const char *id, struct hasher *h, uint64_t hashed, int fd);
/* Its hasher, the caller's, when the file is as it was; else NULL. */
struct hasher *upload_unpark(struct store *s, const char *id, int fd, uint64_t size);
/* Its own lock on a file in uploads/: false: another has it. */
bool upload_lock(int fd);

struct temporary_sweep {
	int64_t before; /* wall clock, seconds: those last written earlier */
	bool dry_run;
	bool (*item)(void *ctx, uint64_t size); /* each that goes; false: enough */
	void *ctx;
};
/* Temporary names that killed writers left. */
NODISCARD int temporaries_sweep(
	struct store *s, const struct temporary_sweep *sweep, struct error *err);
