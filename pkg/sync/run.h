/*
 * run.h - one run in memory (internal to the package).
 *
 * Everything is found by index: nodes are manifests, blobs are blobs, each once however many
 * images share them; a place is a blob in one repository of one target; a cell is an image
 * at one target.  Rough sizes: image 64 bytes and its name, cell 96, node 150 and 16 a child, blob
 * 100, place 40, waiter 8: within promise 6's 1 KiB for each planned tag or blob.
 *
 * Images, cells, spots and repositories do not move once phase 2 began: callbacks hold
 * pointers to them.  Nodes, blobs and places do: callbacks hold indexes.
 *
 *	phase 1  list     tags at authorities and targets              (list.c)
 *	phase 2  resolve  each image: ask, fetch its tree, find what is missing (resolve.c, tree.c,
 *place.c) checks            disk space, sparse indexes, before any byte moves (preflight.c) phase 3
 *move     blobs, manifests, tags                        (move.c, publish.c)
 */
#pragma once

#include "oci/manifest.h"
#include "sync/ask.h"
#include "sync/plan.h"
#include "sync/sync.h"
#include "util/map.h"

#define INDEX_DEPTH_MAX     4    /* nesting of indexes (protocol.md 8.1 step 4) */
#define IMAGE_MANIFESTS_MAX 4096 /* manifests below one tag; the largest known have some dozen */
#define IMAGE_BLOBS_MAX \
	65536              /* blobs below one tag, repetitions counted; real ones: some hundred */
#define RESOLVE_WINDOW 64  /* images that are looked into at once */
#define FETCH_WINDOW   128 /* manifests asked for at once; the others wait as indexes */
#define PUBLISH_WINDOW 64  /* images whose manifests are pushed at once */
#define MOVE_AHEAD     256 /* blobs queued or moving, beyond which no further image begins */
/* Seconds that a finished blob is safe from the store's collector, until its manifest refers to it.
 */
#define LEASE_SEC      (24u * 3600)
#define LEASE_NAME_MAX 32 /* chars, with the NUL: "run 4194304" */
/* Bytes of manifests held for pushing at once, all images together; a single larger one goes alone.
 */
#define MANIFEST_BUDGET (4ULL * 1024 * 1024)
#define COMMIT_MS       500 /* what is remembered becomes durable at least so often */

#define NO_INDEX UINT32_MAX

/* Maps from a key to an index into one of the arrays below. */
static inline void index_put(struct map *m, const void *key, size_t len, uint32_t index)
{
	/* An index is carried, never a pointer followed. */
	void *value = (void *)((uintptr_t)index + 1); /* NOLINT(performance-no-int-to-ptr) */

	map_put(m, key, len, value);
}

static inline uint32_t index_get(const struct map *m, const void *key, size_t len)
{
	const void *value = map_get(m, key, len);

	return value ? (uint32_t)((uintptr_t)value - 1) : NO_INDEX;
}

/* A list of cells that wait for something, as indexes into run->waiters. */
struct waiter {
	uint32_t cell;  /* or image, while trees are walked */
	uint32_t depth; /* below the image's root, while trees are walked */
	uint32_t next;  /* NO_INDEX: the last */
};

struct child {
	uint64_t size; /* as the parent declares it */
	uint32_t node;
	bool has_platform, attestation;
	uint32_t platform; /* index into run->platforms */
};

enum node_state {
	NODE_NEW,
	NODE_FETCHING,
	NODE_READY,
	NODE_FAILED
};

struct node {
	struct digest digest;
	enum node_state state;
	enum media_kind kind;
	uint32_t media_type; /* index into run->media_types */
	uint32_t size;       /* bytes, once ready */
	uint32_t repo;       /* that it was fetched for: index into run->repos */
	bool unreadable;     /* NODE_FAILED by its own bytes: no other source has better ones */
	uint64_t offset;     /* in the scratch file */
	struct child *children;
	uint32_t n_children;
	uint32_t *blobs;
	uint32_t n_blobs;
	uint32_t waiters; /* images */
	/*
	 * A child of no known type may be a blob (BuildKit's caches list such): it is one when no
	 * source has it as a manifest.  `declared` is its size, and part of its key, then.
	 */
	bool may_be_blob;
	bool is_blob; /* NODE_READY: it is its only blob, and is not put as a manifest */
	uint64_t declared;
	uint32_t next_fetch; /* in the queue of those that wait for the window */
	uint32_t stamp;   /* of the last push that took it in: once, however often it is listed */
	struct error err; /* NODE_FAILED */
	struct manifest_fetch *fetch;
	struct fetching *fetching; /* its context */
};

struct blob {
	struct digest digest;
	uint64_t size;
	bool foreign;
	bool counted;    /* its bytes are in the run's total */
	uint32_t places; /* first; linked by next_of_blob */
};

enum place_state {
	PLACE_UNKNOWN,
	PLACE_CHECKING, /* HEAD under way */
	PLACE_PRESENT,  /* confirmed in this run */
	PLACE_MISSING,
	PLACE_MOVING,
	PLACE_FAILED /* see run->place_errors */
};

struct place {
	uint32_t blob, spot;
	uint32_t repo; /* that wants it here first, and gets it from its upstream */
	uint32_t next_of_blob;
	uint32_t waiters; /* cells */
	enum place_state state;
	bool uploaded;             /* moved here in this run */
	struct error *err;         /* PLACE_FAILED: owned */
	struct checking *checking; /* PLACE_CHECKING: owned */
};

/* A repository at a target. */
struct spot {
	struct sync_run *run;
	struct sync_target *target;
	char *repository;
	bool absent; /* the listing said so, and nothing speaks against it: no HEAD is needed */
	struct registry_call *call; /* the listing under way */
	struct error err;           /* the listing failed */
	struct map *tags;           /* present, while phase 2 needs them; NULL: none or a store */
	struct map *pushed;         /* node index -> itself: manifests confirmed here in this run */
};

/* A repository of a rule. */
struct repo {
	struct sync_run *run;
	const struct sync_rule *rule;
	const struct sync_own *own; /* or NULL */
	const char *name;           /* the upstream's */
	uint32_t spots[TRANSFER_DESTINATIONS_MAX];
	char **tags; /* as listed; moved into images */
	size_t n_tags, cap_tags;
	struct registry_call *call;   /* the listing under way */
	unsigned tries;               /* at the authority, where others may list */
	struct http_timer *patience;  /* with the call then, or until the next try */
	const struct source *listing; /* who is waited for */
	registry_reply_fn *listed;    /* the call's, and its context, for when patience ends */
	void *listed_ctx;
	size_t items, items_before; /* that came, and had come when time was given anew ... */
	uint64_t patient_until_ms;  /* ... until then */
	struct list_others *others; /* it is asked elsewhere; or NULL */
	struct error err;           /* the listing failed */
};

enum cell_state {
	CELL_OPEN,     /* not decided */
	CELL_COMPLETE, /* nothing to do */
	CELL_WAITING,  /* for its places */
	CELL_READY,    /* all blobs are there: manifests may go */
	CELL_PUSHING,
	CELL_STAGED, /* all but the tag is there (publish: together) */
	CELL_DONE,
	CELL_FAILED
};

struct cell {
	struct sync_run *run;
	uint32_t image, spot;
	enum cell_state state;
	bool remembered, listed, confirm;
	bool has_old;
	bool replanned;   /* MANIFEST_BLOB_UNKNOWN was seen once */
	bool moved;       /* another digest was there before */
	uint32_t pending; /* places that it waits for */
	bool in_window;   /* of phase 3: window_done() is due when it ends */
	uint32_t blobs, requests;
	uint64_t bytes;
	struct digest old_digest;
	struct error err;
	struct push *push; /* while CELL_PUSHING */
};

enum image_state {
	IMAGE_OPEN,
	IMAGE_WALKING,
	IMAGE_WALKED,
	IMAGE_SETTLED
};

struct image {
	struct sync_run *run;
	uint32_t repo;
	uint32_t cells; /* first; as many as the rule has targets */
	char *tag;      /* NULL: by digest */
	uint32_t root;  /* node; NO_INDEX: not resolved */
	enum image_state state;
	enum select_reason reason;
	uint32_t pending;          /* nodes that its walk waits for */
	uint32_t n_nodes, n_blobs; /* that its walk met */
	bool sparse;               /* children are left out by platforms */
	/* Who answered for the tag in the authority's place: 1 + index into run->stand_ins; 0:
	 * nobody. A number, for there are 100,000 images and few of them need it. */
	uint32_t resolved_by;
	bool cached;     /* its tag is what the authority said in an earlier run */
	struct ask *ask; /* the question under way */
};

/* Bounded concurrency over count items. */
struct window {
	size_t next, count, running, max;
	void *items; /* what a phase of its own works on */
	void (*start)(struct sync_run *run, size_t i);
};

struct sync_run {
	struct sync_options options;
	const struct sync_rule *rules;
	size_t n_rules;
	int scratch_fd;
	uint64_t scratch_end;
	uint64_t started_ms;
	int64_t now_sec;
	bool canceled; /* nothing new begins */
	bool broken;   /* a phase failed: that is no cancellation */
	bool in_transaction;
	char lease[LEASE_NAME_MAX]; /* holder's name at stores */
	uint64_t committed_ms;
	struct error fatal; /* state or scratch broke: the run ends */

	struct repo *repos;
	size_t n_repos, cap_repos;
	struct watch_list *watching;    /* the look at the mirrors; NULL: none */
	struct http_timer *watch_timer; /* ends the wait for it */
	struct authority *authorities;  /* of the upstreams that were asked */
	size_t n_authorities, cap_authorities;
	struct spot *spots;
	size_t n_spots, cap_spots;
	struct map *spot_map;
	struct image *images;
	size_t n_images, cap_images;
	struct cell *cells;
	size_t n_cells, cap_cells;
	struct node *nodes;
	size_t n_nodes, cap_nodes;
	struct map *node_map;             /* digest and declared -> index + 1 */
	size_t fetching;                  /* manifests asked for now */
	uint32_t fetch_first, fetch_last; /* nodes that wait for their turn; NO_INDEX: none */
	struct blob *blobs;
	size_t n_blobs, cap_blobs;
	struct map
		*blob_map; /* digest, size and foreign -> index + 1: a wrong size is its own blob */
	struct place *places;
	size_t n_places, cap_places;
	struct map *place_map; /* (blob, spot) -> index + 1 */
	struct waiter *waiters;
	size_t n_waiters, cap_waiters;
	char **media_types;
	size_t n_media_types, cap_media_types;
	struct platform *platforms;
	size_t n_platforms, cap_platforms;
	char **stand_ins; /* who answered for tags in the authority's place, as text */
	size_t n_stand_ins, cap_stand_ins;
	struct map *text_map; /* media type, platform or stand-in, as text -> index + 1 */

	struct window window;
	struct push *budget_waiting; /* pushes that wait for manifest_bytes to fall */
	uint32_t push_stamp;         /* of the push that is being made */
	uint64_t manifest_bytes;     /* of pushes under way */
	size_t moving;               /* transfers under way or queued */
	uint64_t bytes_total, blobs_total;
	uint64_t blobs_sent, blobs_mounted;
};

/* ---- sync.c ---- */
void run_fatal(struct sync_run *run, struct error *err); /* takes err over; the first one counts */
bool run_over(const struct sync_run *run);               /* canceled, or broken */
void run_note(struct sync_run *run, const char *fmt, ...) PRINTF(2, 3);
/* Runs start(run, 0..count-1), at most max at once; each ends with window_done(), now or later.
 * Returns when all have, or the run is over. */
NODISCARD int phase_run(struct sync_run *run, size_t count, size_t max,
	void (*start)(struct sync_run *run, size_t i), void *items, struct error *err);
void window_done(struct sync_run *run);
void run_commit(struct sync_run *run);      /* what is remembered is durable after */
void run_commit_soon(struct sync_run *run); /* ends the open transaction when it is old enough */
NODISCARD int run_state_begin(struct sync_run *run);
void cell_settle(struct sync_run *run, struct cell *cell,
	enum cell_state state); /* final; tells the observer */
void cell_fail(struct sync_run *run, struct cell *cell, const struct error *err); /* copies err */
void image_fail(struct sync_run *run, struct image *image, const struct error *err);
struct cell *image_cell(struct sync_run *run, const struct image *image, size_t target);
/* The image's tag at its targets; NULL: it goes by digest. */
const char *image_target_tag(const struct sync_run *run, const struct image *image);
const struct sync_rule *image_rule(const struct sync_run *run, const struct image *image);
void waiter_add(struct sync_run *run, uint32_t *list, uint32_t who, uint32_t depth);
uint32_t run_spot(struct sync_run *run, struct sync_target *target, const char *repository);

/* ---- list.c ---- */
NODISCARD int list_phase(struct sync_run *run, struct error *err);
/* That the run is going to write there is durable after: the next one looks for what arrived. */
void spots_begin(struct sync_run *run);

void repo_keep_tag(struct repo *repo, const char *tag); /* copied */
/*
 * The call is a listing that list tells of, and others may list in place of s: when ask_must_wait()
 * says so, and nothing came of it for ASK_PATIENCE_MS, list->done() is called with ERR_TEMP.  The
 * owner of the call adds to repo->items, and stops repo->patience in done().
 */
void repo_wait(struct repo *repo, const struct source *s, const struct registry_list *list);
/* Its tags where they are literal names; NULL: they are listed and selected. */
const char *const *repo_literal_tags(const struct repo *repo, size_t *ret_n);

/* ---- list_others.c ---- */
/* The authority failed with *err, which is taken over: asks the others, then window_done(). */
void list_others(struct repo *repo, struct error *err);
void list_others_free(struct list_others *o);

/* ---- resolve.c ---- */
NODISCARD int resolve_phase(struct sync_run *run, struct error *err);

/* ---- tree.c ---- */
/* The image's tree is fetched and read, then image_walked() or image_fail(). */
void tree_walk(struct sync_run *run, struct image *image, const struct digest *root);
/* The bytes of a root that came by tag. */
void tree_take(struct sync_run *run, struct image *image, struct buf *body, const char *media_type,
	const struct digest *digest);
/* Every node of the image that is wanted, children before parents. */
typedef void tree_fn(struct sync_run *run, void *ctx, uint32_t node);
void tree_each(struct sync_run *run, const struct image *image, tree_fn *fn, void *ctx);
NODISCARD int node_read(
	const struct sync_run *run, const struct node *node, char **ret, struct error *err);

/* ---- place.c ---- */
/* Finds out, for every cell of a walked image that is open, which blobs are missing; the image is
 * settled for phase 2 after. */
void places_check(struct sync_run *run, struct image *image);
/* Drops what was believed of this cell's blobs, and asks again (MANIFEST_BLOB_UNKNOWN). */
void places_recheck(struct sync_run *run, struct cell *cell);
uint32_t place_find(const struct sync_run *run, uint32_t blob, uint32_t spot); /* NO_INDEX: none */
/* Whoever waited for this place goes on, or fails with it; a cell being moved looks at all its
 * places again. */
void place_settled(struct sync_run *run, uint32_t index);
/* Every place that the cell needs (foreign layers that stay behind are none of them). */
void cell_places(struct sync_run *run, struct cell *cell,
	void (*fn)(struct sync_run *run, struct cell *cell, uint32_t place));

/* ---- preflight.c ---- */
NODISCARD int preflight(struct sync_run *run, struct error *err);

/* Ends the question that is under way, if there is one. */
void place_cancel(struct place *p);

/* ---- move.c ---- */
NODISCARD int move_phase(struct sync_run *run, struct error *err);
void move_cell(struct sync_run *run,
	uint32_t index); /* schedules what is missing; publishes when nothing is */

/* ---- publish.c ---- */
void publish_cell(
	struct sync_run *run, uint32_t index); /* CELL_READY -> PUSHING -> STAGED or DONE */
void push_free(struct sync_run *run, struct push *push);
NODISCARD int cell_record(struct sync_run *run, struct cell *cell, struct error *err);
void cell_published(
	struct sync_run *run, struct cell *cell); /* the tag is there: remembers it, settles */

/* ---- together.c ---- */
NODISCARD int together_phase(struct sync_run *run, struct error *err);
/* What a killed run left half-moved is moved on. */
NODISCARD int together_recover(struct sync_run *run, struct error *err);

/* ---- watch.c ---- */
/* Once all tags are resolved: begins to look how far the mirrors are behind. */
void watch_begin(struct sync_run *run);
/* After everything else: waits for the rest of it, not for long. */
NODISCARD int watch_phase(struct sync_run *run, struct error *err);
void watch_free(struct sync_run *run); /* ends it in any case */

/* The text that says what of an image is copied: part of what "complete" means. Caller frees. */
char *rule_selection(const struct sync_rule *rule) NODISCARD;
