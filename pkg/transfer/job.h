/*
 * job.h - one blob on its way: producer, ring, sinks (internal to the package).
 *
 * A job makes passes.  In a pass every sink that still wants the blob opens, the
 * producer fills the ring from byte 0, the sinks empty it; the pass ends when no sink is
 * active.  Sinks that failed in a way that may pass are taken into another pass after a wait; a
 * wrong digest ends the pass for all of them.
 *
 *	waiting -> pass (opening, moving, verifying) -> ended
 *	             ^---- back-off ----'
 *
 * All calls come from the loop.  A callback of a sink or of the producer ends with job_step(),
 * which alone decides what comes next.
 */
#pragma once

#include "oci/hasher.h"
#include "transfer/blame.h"
#include "transfer/failures.h"
#include "transfer/ring.h"
#include "transfer/spool.h"
#include "transfer/transfer.h"

struct job;

enum sink_state {
	SINK_IDLE,    /* not opened in this pass */
	SINK_OPENING, /* the upload session was asked for */
	SINK_OPEN,    /* takes bytes */
	SINK_CLOSING, /* all bytes taken: the answer, or fsync, is awaited */
	SINK_DONE,    /* the destination confirmed the blob */
	SINK_FAILED   /* err says why */
};

struct sink {
	struct job *job;
	enum sink_state state;
	struct error err;
	bool mounted;
	bool paused; /* its PUT waits for bytes */
	int reader;  /* in the job's ring; -1: none */
	unsigned attempts;
	uint64_t sent; /* bytes taken from the ring in this pass */
	struct registry *registry;
	struct store *store;
	char *repository, *mount_from;
	struct registry_upload *upload;
	struct registry_call *call;
	struct store_writer *writer;
	char *chunk; /* of a chunked upload; or NULL */
	size_t chunk_len, chunk_size;
	struct sink_finish *finish; /* a worker has the writer; or NULL */
};

/* What a GET tells of its source, while it runs and at its end. */
struct meter {
	bool on;            /* the source was told that it began */
	uint64_t asked;     /* bytes */
	uint64_t got;       /* of them, that came */
	uint64_t begun_ms;  /* monotonic, as all below */
	uint64_t first_ms;  /* first byte; 0: none yet */
	uint64_t window_ms; /* end of slow start; 0: not yet */
	uint64_t window_at; /* bytes that had come by then */
	uint64_t last_ms;   /* newest byte */
	uint64_t paused_ms; /* since when the ring has no room; 0: it has */
	uint64_t held_ms;   /* in the window, that it had none */
	/* The last second, for source_better(). */
	uint64_t tick_ms, tick_at; /* when it began, and bytes that had come by then */
	double rate_before;        /* bytes/s in the second before it; 0: not known */
	uint64_t tick_held_ms;     /* that the ring had no room in it */
	bool tick_held;            /* so we, not the source, were slow in it */
};

enum producer_kind {
	PRODUCER_NONE,
	PRODUCER_FILE,   /* the store's blob, or the spool's prefix */
	PRODUCER_SOURCE, /* a GET */
	PRODUCER_TRIAL,  /* a HEAD: whether a source that failed again and again is back */
	PRODUCER_STRIPE, /* ranges of several sources (transfer/stripe.h) */
	PRODUCER_WAIT    /* every source is parked: a timer runs */
};

struct producer {
	enum producer_kind kind;
	int fd; /* PRODUCER_FILE; the spool's is borrowed */
	bool own_fd;
	uint64_t file_end;     /* bytes of the file to read */
	size_t source;         /* index; PRODUCER_SOURCE */
	struct stripe *stripe; /* PRODUCER_STRIPE */
	struct registry_call *call;
	struct http_timer *timer;
	bool paused;    /* the ring was full */
	uint64_t start; /* position when this GET began */
	struct meter meter;
};

struct job {
	struct transfer_engine *engine;
	struct job *next, *prev;
	struct digest digest;
	uint64_t size;
	struct source_set *sources;
	char *repository;
	struct source_trials trials;
	struct sink sinks[TRANSFER_DESTINATIONS_MAX];
	size_t n_sinks;
	void (*done)(void *ctx, struct transfer_result *result);
	void *ctx;

	struct producer producer;
	struct ring ring;
	struct hasher *hasher;
	struct spool_file spool;
	bool spool_tried;
	uint64_t position;        /* bytes produced in this pass */
	bool verified;            /* position == size and the hash is right */
	uint32_t gave;            /* sources that gave bytes to this pass, a bit each */
	bool from_file;           /* the spool or the store gave bytes to this pass */
	bool avoid_store;         /* its content turned out wrong */
	bool one_source;          /* after a wrong digest of mixed origin: whole from one source */
	uint32_t struck;          /* sources that were struck for this blob, a bit each */
	uint32_t no_stripe;       /* sources whose ranges cannot be used, a bit each */
	bool old_pieces;          /* the spool has bytes behind a hole, from an earlier run */
	struct blame *blame;      /* who gave which bytes; NULL: nothing yet */
	struct blame_run run;     /* the GET under way */
	char *giver_place;        /* backend of the last GET that ended; or NULL */
	struct error last;        /* of the producer */
	struct failures failures; /* of each source that was asked */
	bool measured;            /* its set is, and it is not private */
	bool reserved;      /* a place at a source is taken, and nothing asked there yet: ... */
	size_t reserved_at; /* ... this one, ... */
	uint64_t reserved_bytes; /* ... for so many */
	unsigned moves;          /* to a source that is expected to be done sooner */
	struct http_timer *backoff, *wake;
	unsigned passes;
	uint64_t fetched, reused;
	bool running, stepping, again, ended;
};

/* ---- job.c ---- */
void job_start(struct job *j); /* takes a ring; the first pass begins */
void job_step(struct job *j);  /* something changed; may end the job, and free it */
void job_wake(
	struct job *j); /* a step soon, from the loop: for callbacks of curl, which must not step */
void job_cancel(struct job *j); /* ends it with ERR_CANCELED */
/* All bytes of this pass are worthless: every active sink starts over from byte 0. */
void job_restart(struct job *j);
/* The bytes are in the ring: hash and spool them, move the position. */
void job_took(struct job *j, const char *data, size_t n);
bool job_has_active_sink(const struct job *j);
/* The spool could not be used: without it the blob still arrives. */
void job_give_up_spool(struct job *j, const struct error *err);
void job_event(struct job *j, const struct sink *sink, const struct error *err, const char *fmt,
	...) PRINTF(4, 5);
void job_event_of(struct job *j, size_t source, const struct error *err, const char *next);
/* Frees everything, without callback. */
void job_free(struct job *j);

/* ---- producer.c ---- */
/* From job->position on.  False: there is nobody left to ask, job->last says why. */
bool producer_start(struct job *j);
void producer_stop(struct job *j);
void producer_pump(struct job *j); /* the ring has room again */
bool producer_is_idle(const struct job *j);
/* From a file into the ring, up to `end` or as far as there is room.  False: it cannot be read, and
 * the producer was stopped. */
bool producer_read(struct job *j, int fd, uint64_t end);

/* ---- verdict.c ---- */
/* A GET begins at job->position, gives bytes, and ends (stats NULL: broken off by us). */
void verdict_get_begins(struct job *j, size_t source);
void verdict_get_ends(struct job *j, const struct registry_blob_stats *stats);
struct blame *verdict_blame(struct job *j); /* made when there is none */
/* "https://host:443 (192.0.2.1)"; NULL: not known.  Caller frees. */
char *verdict_place(const struct registry_blob_stats *stats) NODISCARD;
/* The source that all bytes of this pass came from; NULL: several, a file, or none yet. */
const struct source *verdict_only_giver(const struct job *j);
/* The bytes are all there and their hash is not the digest: away with them. */
void verdict_wrong(struct job *j, const struct digest *got);
/* They are right: who gave wrong ones before is known now. */
void verdict_right(struct job *j);
/* Whom to ask for the whole after wrong bytes of mixed origin; false: as for any blob. */
bool verdict_choose(const struct job *j, uint64_t now_ms, size_t *ret_index);

/* ---- fetch.c ---- */
/* From a source, from job->position on.  False: there is nobody left to ask. */
bool fetch_start(struct job *j);
/* A source failed after so many bytes of this attempt: learns, and tells. */
void fetch_failed(
	struct job *j, size_t source, uint64_t bytes, const struct error *err, const char *next);
/* What is missing comes from this source from now on. */
void fetch_move(struct job *j, size_t to);

/* ---- meter.c ---- */
void meter_begin(struct job *j);
void meter_took(struct job *j, size_t n);
void meter_paused(struct job *j);
void meter_resumed(struct job *j);
/* The GET is over; stats NULL: it was stopped. */
void meter_end(struct job *j, const struct registry_blob_stats *stats);
/*
 * Before each tick: a job that has taken a place and asks for nothing yet, or whose ring has no
 * room, says nothing against its source.
 */
void meter_hold(struct job *j, uint64_t now_ms);
/* Each second: bytes/s of the last two; 0 and *ret_known false when we were slow ourselves. */
double meter_tick(struct job *j, uint64_t now_ms, bool *ret_known);

/* ---- schedule.c ---- */
void schedule_add(struct transfer_engine *engine, struct job *j);
/* Starts what may run now. */
void schedule_run(struct transfer_engine *engine);
bool schedule_is_empty(const struct transfer_engine *engine);
struct job *schedule_pop(struct transfer_engine *engine); /* any that waits; NULL: none */
/* A place at this source, for a job that will ask it soon; and back. */
void job_reserve(struct job *j, size_t index, uint64_t now_ms);
void job_unreserve(struct job *j);

/* ---- watch.c ---- */
/* A timer runs while measured jobs do. */
void watch_start(struct transfer_engine *engine);

/* ---- sink.c, sink_registry.c, sink_store.c ---- */
void sink_open(struct sink *s);                    /* SINK_IDLE -> OPENING, OPEN, DONE or FAILED */
void sink_pump(struct sink *s);                    /* bytes are there, or the hash is right */
void sink_abort(struct sink *s);                   /* back to SINK_IDLE, nothing left behind */
void sink_fail(struct sink *s, struct error *err); /* takes err over */
void sink_done(struct sink *s);
void sink_registry_open(struct sink *s);
void sink_registry_pump(struct sink *s);
void sink_registry_abort(struct sink *s);
void sink_store_open(struct sink *s);
void sink_store_pump(struct sink *s);
void sink_store_abort(struct sink *s);
bool sink_is_active(const struct sink *s);
const char *sink_name(const struct sink *s); /* host of the registry, or "the store" */

/* ---- engine.c ---- */
struct job_queue {
	struct job *first, *last;
};

#define QUEUE_CLASSES 48 /* of sizes: up to SOURCE_SMALL, then one for each power of two */

struct transfer_engine {
	struct transfer_options options;
	struct manifest_lane *lane;
	struct job_queue plain;                   /* in order of request */
	struct job_queue measured[QUEUE_CLASSES]; /* by size; each in order of request */
	bool measured_turn;                       /* which of the two is served first now */
	struct job *running;                      /* in order of start */
	size_t n_running;
	uint64_t waiting_bytes;         /* of measured ones */
	size_t n_measured;              /* of those that run */
	size_t n_small;                 /* of these, that are small */
	struct http_timer *watch;       /* each second while measured jobs run */
	uint64_t watch_ms, watch_bytes; /* when it ran last, and `bytes` then */
	bool capped;                    /* the configured bandwidth was used up in that second */
	char **ring_pool;               /* memory of rings that no job uses now */
	size_t n_ring_pool;
	uint64_t spool_used; /* bytes promised to running jobs */
	uint64_t bytes;      /* received from sources */
	/* What the loop will call back with this engine in hand: it outlives them. */
	size_t kicks, finishing;
};

/* The job is over: its result was told.  Starts the next one that waits. */
void engine_ended(struct transfer_engine *engine, struct job *j);
/* Among those that run, with a ring. */
void engine_run(struct transfer_engine *engine, struct job *j);
/* Starts what may run, soon and from the loop. */
void engine_kick(struct transfer_engine *engine);
