/*
 * sync.h - rules into copies: list, decide, fetch what is missing, publish, remember.
 *
 * sync_run() makes one pass over some rules and returns when it is over; it drives the
 * loop itself.  It keeps the order of design.md 2 promise 4: blobs, child
 * manifests, indexes, tags; a tag moves only after everything below it was confirmed at the
 * target in this run.  An image that fails does not stop the others.
 *
 * The caller holds the lock of the state directory (promise 12), made the loop, the
 * registries and the transfer engine, and outlives the call.  One thread.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "select/match.h"
#include "select/select.h"
#include "source/source.h"
#include "state/state.h"
#include "store/store.h"
#include "transfer/transfer.h"

/* ---- what is to be done ---- */

struct sync_target {
	const char *name;          /* "local" */
	struct registry *registry; /* a registry ... */
	struct store *store;       /* ... or the store */
	const char *prefix;        /* before every repository; "" */
	const char *identity;      /* for the state: "registry:localhost:5000/k8s" */
};

enum sync_immutable {
	SYNC_IMMUTABLE_NONE,
	SYNC_IMMUTABLE_SEMVER,  /* every tag that is a version */
	SYNC_IMMUTABLE_PATTERN, /* every tag that matches */
};

/*
 * What one repository of a rule has of its own: for lists of images, such as kubeadm's.  The same
 * repository may be there twice, with two names.
 */
struct sync_own {
	const char *as; /* its name at the targets, before rename and prefix; NULL: the same */
	const char *const *tags; /* literal names, instead of the rule's; NULL: the rule's */
	size_t n_tags;
	/*
	 * Known beforehand not to be had: fails with this, without being asked for, and holds
	 * nothing back that is published together; NULL: nothing is known.
	 */
	const struct error *refused;
};

struct sync_rule {
	const char *name;
	struct source_set *sources; /* the upstream; NULL with from_store */
	struct store *from_store;   /* copy out of the store; or NULL */
	const char *authority;      /* for the state: "registry.k8s.io" */
	struct sync_target *const *targets;
	size_t n_targets;                /* at most TRANSFER_DESTINATIONS_MAX */
	const char *const *repositories; /* the upstream's names */
	size_t n_repositories;
	const struct sync_own *own; /* one for each repository; NULL: they have nothing */
	const char *rename;         /* "mirror/{repository}", or NULL */
	const struct selector *selector;
	const char *const *tags; /* literal names: no listing is needed; NULL: list and select */
	size_t n_tags;
	const struct digest *digest; /* instead of a tag's: this very image; or NULL */
	const char *target_tag; /* another name at the target (one tag only); NULL: the same. ""
				   with digest: none */
	const struct platform *platforms;
	size_t n_platforms; /* 0: all */
	bool include_foreign;
	bool publish_together;
	bool authority_only; /* private: never asked of a mirror */
	enum sync_immutable immutable;
	const struct pattern *immutable_pattern;
};

/* ---- what came of it ---- */

enum sync_state {
	SYNC_NEW,      /* was not at the target */
	SYNC_MOVED,    /* another digest was published before */
	SYNC_COMPLETE, /* nothing to do */
	SYNC_EXCLUDED, /* by a filter: see reason */
	SYNC_UNKNOWN,  /* could not be found out: see err */
};
const char *sync_state_name(enum sync_state s); /* "new", "moved", ... */

struct sync_image {
	const char *rule, *target;
	const char *source_repository, *repository,
		*tag; /* tag NULL: a repository that could not be listed, or a digest */
	enum sync_state state;
	enum select_reason reason; /* with SYNC_EXCLUDED */
	bool published;            /* in this run */
	bool has_digest;
	struct digest digest; /* at the authority */
	/* Who said so in its place, when it could not be reached: "mirror.example", "a.example,
	 * b.example agree", "stale: as remembered of ..."; NULL: the authority itself. */
	const char *resolved_by;
	bool has_old;
	struct digest old_digest; /* that was published before */
	uint64_t bytes; /* to be moved (plan), or moved, for this image; shared blobs count once */
	uint32_t blobs, requests; /* blobs missing; an estimate of requests at source and target */
	const struct error *err;  /* NULL: fine */
};

enum sync_event_kind {
	SYNC_EVENT_IMAGE,   /* image is final: published, complete or failed */
	SYNC_EVENT_PLANNED, /* totals are known now: blobs and bytes to move */
	SYNC_EVENT_NOTE,    /* text: something that was survived, or will be done */
};

struct sync_event {
	enum sync_event_kind kind;
	const struct sync_image *image;
	const char *text;
	uint64_t bytes, blobs, images;
};

struct sync_options {
	struct http_loop *loop;
	struct transfer_engine *engine;
	struct state *state; /* NULL: nothing is remembered */
	int scratch_dirfd;   /* where a nameless file for manifests may be made */
	bool plan_only;      /* decide, change nothing */
	bool recheck_all;    /* confirm every image in full */
	bool refresh; /* ask for every tag, whatever answer is remembered (`tag-cache: on`) */
	uint64_t recheck_ms;  /* age at which a complete image is confirmed again; 0: never */
	uint64_t deadline_ms; /* from the start; 0: none */
	const volatile sig_atomic_t *stop;                        /* not 0: end cleanly; or NULL */
	void (*event)(void *ctx, const struct sync_event *event); /* may be NULL */
	void *ctx;
};

struct sync_result {
	uint32_t images; /* selected, counted for each target */
	uint32_t published, complete, failed;
	uint64_t bytes; /* received from sources */
	uint64_t blobs; /* sent to targets, mounts not counted */
	uint64_t mounted;
	bool canceled;        /* by stop or by the deadline */
	struct sync_run *run; /* for sync_result_each() */
};

#define SYNC_RESULT_INIT ((struct sync_result){.images = 0})

/*
 * 0 also when images failed: see ret->failed.  Fails with ERR_IO (state, scratch, disk
 * space: nothing was moved), ERR_USAGE (index: keep at a target that refuses sparse indexes:
 * nothing was moved).  *ret is filled in any case and must be cleared.
 */
NODISCARD int sync_run(const struct sync_options *options, const struct sync_rule *rules,
	size_t n_rules, struct sync_result *ret, struct error *err);
void sync_result_clear(struct sync_result *r);

typedef void sync_tag_fn(void *ctx, const char *tag);
/*
 * The tags of the rule's first repository, as a run lists them: at the authority, or where others
 * may answer in its place.  No target and no engine is needed.  The classes are those of
 * registry_tags().
 */
NODISCARD int sync_tags(const struct sync_options *options, const struct sync_rule *rule,
	sync_tag_fn *fn, void *ctx, struct error *err);

/* Every image and target, in order of rules, repositories and tags; with excluded ones when
 * `excluded`. */
typedef void sync_image_fn(void *ctx, const struct sync_image *image);
void sync_result_each(const struct sync_result *r, bool excluded, sync_image_fn *fn, void *ctx);
