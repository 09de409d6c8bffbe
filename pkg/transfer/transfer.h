/*
 * transfer.h - moving blobs and manifests: from sources to destinations, verified.
 *
 * One struct transfer_engine runs in one loop.  A blob is one step machine
 * (transfer/job.h): a producer fills a ring (from a source by GET, from the store, or from the
 * spool), and up to TRANSFER_DESTINATIONS_MAX sinks empty it (a registry's upload, the
 * store's temporary file).  What it keeps:
 *
 *  - the hash is computed while the bytes pass; the last TRANSFER_HOLD_BACK bytes wait for it;
 *  - a source that fails is replaced at once, in mid-blob by Range, and what failed is remembered;
 *  - a destination that fails does not disturb the others; it gets its bytes again from the spool
 * or the store, or from a source where the blob is small;
 *  - blobs of `spool_from` bytes and more are teed to <state>/spool and resume there after a crash.
 *
 * Memory of a running transfer: RING_SIZE, and libcurl's buffers of one GET and its PUTs.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/loop.h"
#include "oci/digest.h"
#include "registry/client.h"
#include "source/source.h"
#include "store/store.h"
#include "util/workers.h"

#define TRANSFER_HOLD_BACK        ((size_t)64 * 1024) /* bytes (design.md 2, promise 3) */
#define TRANSFER_DESTINATIONS_MAX 8

struct transfer_engine;

/* What happens on the way and is survived: for the log and the progress display. */
struct transfer_event {
	const struct digest *digest;
	const char *source;      /* that failed, or NULL */
	const char *destination; /* that failed, or NULL */
	const struct error *err; /* NULL: nothing failed, it only goes on elsewhere */
	const char *next;        /* what happens now: "trying registry.k8s.io at byte 1048576" */
};

struct transfer_options {
	struct http_loop *loop; /* borrowed, as all below */
	struct workers *workers;
	struct store *store;  /* asked before any source; NULL: there is none */
	unsigned parallel;    /* transfers that run at once; 1 at least */
	int spool_dirfd;      /* -1: no spool */
	uint64_t spool_from;  /* bytes */
	uint64_t spool_limit; /* bytes of all spooled blobs together */
	void (*event)(void *ctx, const struct transfer_event *event); /* may be NULL */
	void *ctx;
};

struct transfer_engine *transfer_engine_new(const struct transfer_options *options) NODISCARD;
/*
 * Abandons what runs, without callbacks; spooled bytes are kept.  While workers still write into
 * the store the loop is run until they are done.  NULL is fine.
 */
void transfer_engine_free(struct transfer_engine *engine);
DEFINE_CLEANUP(struct transfer_engine *, transfer_engine_free);

/* Ends everything that waits or runs: each done() comes with ERR_CANCELED; spooled bytes are kept.
 */
void transfer_cancel_all(struct transfer_engine *engine);

struct transfer_destination {
	struct registry *registry; /* a registry ... */
	struct store *store;       /* ... or the store */
	const char *repository;
	const char *mount_from; /* a repository of the same registry that should have the blob; or
				   NULL */
};

struct transfer_result {
	size_t n;             /* destinations, as requested */
	struct error *errors; /* of each; code ERR_NONE: the blob is there, confirmed */
	const bool *mounted;  /* of each: no byte was sent */
	uint64_t fetched;     /* bytes received from sources */
	uint64_t reused;      /* bytes taken from the spool or the store */
	const char *source;   /* the last that gave bytes, or NULL */
};

struct transfer_request {
	struct digest digest;
	uint64_t size;
	struct source_set *sources; /* NULL: the store alone */
	const char *repository;     /* the upstream's name for it */
	bool authority_only;
	const struct transfer_destination *destinations; /* copied */
	size_t n_destinations;
	void (*done)(void *ctx, struct transfer_result *result);
	void *ctx;
};

/* Queues a blob; done() comes from the loop, once. */
void transfer_blob(struct transfer_engine *engine, const struct transfer_request *request);

/* ---- what runs, for a progress display ---- */

struct transfer_progress {
	struct digest digest;
	uint64_t size, position; /* bytes */
	const char *source;      /* "" while none is chosen */
};

size_t transfer_running(const struct transfer_engine *engine);
/* Fills up to max entries, in order of start; returns how many. */
size_t transfer_progress(
	const struct transfer_engine *engine, struct transfer_progress *ret, size_t max);
/* Bytes received from sources since the engine was made. */
uint64_t transfer_bytes(const struct transfer_engine *engine);

/* ---- manifests ---- */

struct manifest_request {
	struct source_set *sources;
	const char *repository; /* the upstream's name */
	struct digest digest;   /* by digest, from any source */
	uint64_t size;          /* declared; 0: not known */
	bool authority_only;
	/* body holds the verified bytes and may be taken; media_type is the source's word for them.
	 */
	void (*done)(void *ctx, struct buf *body, const char *media_type, struct error *err);
	void *ctx;
};

/* For manifests that are asked of a registry directly: shared with those below. */
struct manifest_lane *transfer_lane(const struct transfer_engine *engine);

struct manifest_fetch;

/* A manifest by digest, with failover over the sources.  The handle is valid until done(). */
struct manifest_fetch *transfer_manifest(
	struct transfer_engine *engine, const struct manifest_request *request);
void transfer_manifest_cancel(struct manifest_fetch **fetch); /* NULL is fine */
