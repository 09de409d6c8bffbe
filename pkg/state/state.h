/*
 * state.h - what is remembered between runs, in <state>/state.db.
 *
 * Five kinds of memory: what tags were at their authorities and at mirrors, what was published
 * at a target and confirmed complete, where blobs are believed to be, what was measured and
 * proven of sources, and the journal of tag moves under way.  All but the journal is a hint that
 * saves work: losing it costs requests, never correctness.  The journal is written before
 * what it describes is done (WAL, synchronous=FULL for journal and published rows).
 *
 * One thread per struct state.  Calls block on SQLite, some microseconds each
 * inside state_begin() .. state_commit(); the loop thread may call them.
 * Failures are ERR_IO with SQLite's words; a full or read-only disk says so.
 * A function that is called for each row may read by other calls, but must not write: whether
 * the rest of the iteration sees its rows is not said, and another process may make SQLite refuse
 * it.
 *
 * `authority` is an upstream's authority as host/prefix, `target` a target's
 * identity: "registry:host[:port]/prefix" or "store:path#prefix".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "oci/digest.h"
#include "util/error.h"

struct state;

/* dirfd: the state directory.  read_only: no migration, no write (`plan`, `status`); ERR_NOTFOUND
 * when there is no file then. */
NODISCARD int state_open(int dirfd, bool read_only, struct state **ret, struct error *err);
void state_close(struct state *s); /* rolls back what was not committed; NULL is fine */
DEFINE_CLEANUP(struct state *, state_close);

/*
 * A batch: one sync for all writes in between.  Nested calls count; writes outside are their own
 * transactions.  After a failed write the batch goes on without it; after a failed
 * commit nothing of the batch is there and no batch is open.
 */
NODISCARD int state_begin(struct state *s, struct error *err);
NODISCARD int state_commit(struct state *s, struct error *err);

/* ---- published tags ---- */

struct state_tag {
	const char *authority, *source_repository; /* where it came from */
	const char *target, *repository, *tag;
	struct digest source;    /* digest at the authority */
	struct digest published; /* at the target: the same, unless the index was rewritten */
	const char *selection;   /* what of it was copied: platforms and so on, as one text; a
				    different one is not "complete" */
	int64_t changed_at;      /* seconds: when the tag was moved here */
	int64_t confirmed_at;    /* seconds: when it was last confirmed complete in full */
	int64_t seen_at;         /* seconds: when the authority was last asked */
};

/* ERR_NOTFOUND when nothing is remembered.  Text is valid until the next call. */
NODISCARD int state_tag_get(struct state *s, const char *target, const char *repository,
	const char *tag, struct state_tag *ret, struct error *err);
NODISCARD int state_tag_put(struct state *s, const struct state_tag *row, struct error *err);
NODISCARD int state_tag_forget(struct state *s, const char *target, const char *repository,
	const char *tag, struct error *err);
/* Forgets all tags and locations of one repository at a target: it was wiped or written by others.
 */
NODISCARD int state_repository_forget(
	struct state *s, const char *target, const char *repository, struct error *err);
/* What the state knows of a repository at a target. */
enum state_repository {
	STATE_REPOSITORY_UNKNOWN,
	STATE_REPOSITORY_BEGUN,    /* something was, or may have been, put into it */
	STATE_REPOSITORY_PUBLISHED /* and tags of it are remembered */
};
NODISCARD int state_repository_get(struct state *s, const char *target, const char *repository,
	enum state_repository *ret, struct error *err);
/* To be durable before the first byte goes there: a killed run's blobs are looked for then. */
NODISCARD int state_repository_begin(
	struct state *s, const char *target, const char *repository, struct error *err);
typedef bool state_tag_fn(void *ctx, const struct state_tag *row);
/* All tags of a repository at a target (repository NULL: of the target), in order of repository and
 * name. */
NODISCARD int state_tags(struct state *s, const char *target, const char *repository,
	state_tag_fn *fn, void *ctx, struct error *err);

/* ---- where blobs are ---- */

NODISCARD int state_location_put(struct state *s, const char *target, const char *repository,
	const struct digest *digest, struct error *err);
/* Whether the blob is believed to be in this repository of the target. */
NODISCARD int state_location_has(struct state *s, const char *target, const char *repository,
	const struct digest *digest, bool *ret, struct error *err);
/* Any repository of the target that is believed to have it, for a mount; ERR_NOTFOUND. Text until
 * the next call. */
NODISCARD int state_location_any(struct state *s, const char *target, const struct digest *digest,
	const char **ret_repository, struct error *err);
NODISCARD int state_location_forget(struct state *s, const char *target, const char *repository,
	const struct digest *digest, struct error *err);

/* ---- the journal: release sets whose tags are being moved ---- */

struct state_move {
	const char *target, *repository, *tag;
	bool has_old;
	struct digest old_digest; /* to roll back to */
	struct digest new_digest;
	struct digest source; /* digest at the authority */
	const char *authority, *source_repository,
		*selection;     /* for the state_tag row when it is done */
	const char *media_type; /* of the new manifest */
	bool done;
};

/*
 * Begins a set: the moves are durable when this returns.  *ret_set names it.  An enclosing
 * state_begin() is committed before, and another one begun after.
 */
NODISCARD int state_set_begin(struct state *s, const char *rule, const struct state_move *moves,
	size_t n_moves, int64_t *ret_set, struct error *err);
NODISCARD int state_move_done(
	struct state *s, int64_t set, const struct state_move *move, struct error *err);
NODISCARD int state_set_end(struct state *s, int64_t set, struct error *err);
typedef bool state_move_fn(void *ctx, int64_t set, const struct state_move *move);
/* Moves, done or not, of sets that were begun and not ended: what a killed run left, oldest first.
 */
NODISCARD int state_moves_pending(struct state *s, state_move_fn *fn, void *ctx, struct error *err);

/* ---- runs, for `status` ---- */

struct state_run {
	const char *rule, *target;
	int64_t started_at, ended_at; /* seconds */
	int64_t last_success;         /* seconds; 0: never */
	uint32_t images, failed;
	uint64_t bytes;
	const char *error; /* last error's text, or NULL */
	int64_t error_at;
	const char
		*note; /* what else is worth knowing of this run: who answered for tags; or NULL */
};

/* last_success 0 and error NULL leave what earlier runs put there; error_at tells which is newer.
 */
NODISCARD int state_run_put(struct state *s, const struct state_run *row, struct error *err);
typedef bool state_run_fn(void *ctx, const struct state_run *row);
/* The last run of each rule and target, in order of rule. */
NODISCARD int state_runs(struct state *s, state_run_fn *fn, void *ctx, struct error *err);

struct state_source {
	const char *upstream, *source;      /* "k8s", "registry.k8s.io" */
	int64_t last_contact;               /* seconds of the last good answer; 0: never */
	uint64_t requests, bytes, failures; /* of the last run that used it */
	const char *error;                  /* its last error, or NULL */
	int64_t error_at;
	const char *role; /* "authority" or "mirror"; NULL: put there by an older version */
};
/* As for runs: last_contact 0, error NULL and role NULL leave what is there. */
NODISCARD int state_source_put(struct state *s, const struct state_source *row, struct error *err);
typedef bool state_source_fn(void *ctx, const struct state_source *row);
NODISCARD int state_sources(struct state *s, state_source_fn *fn, void *ctx, struct error *err);

/* ---- what was measured of sources ---- */

#define STATE_HISTOGRAM_MAX 512 /* bytes of an encoded latency histogram */
#define STATE_BACKENDS_MAX                                                         \
	16 /* of one source; a redirect may name any number of hosts, the one that \
	    * was heard of longest ago goes */

/* One backend of a source; what the numbers mean is source/estimate.h's affair. */
struct state_estimate {
	const char *upstream, *source, *backend; /* "k8s", "registry.k8s.io", "https://host:443" */
	double rate, rate_variance;              /* bytes/s, and its square; 0: not known */
	uint64_t rate_samples;
	int64_t rate_at;       /* seconds */
	const void *histogram; /* as the source package encoded it; or NULL */
	size_t histogram_len;
	int64_t histogram_at; /* seconds */
	uint64_t rtt_us;      /* least round trip; 0: not known */
	int64_t rtt_at;       /* seconds */
};
/* Fails with ERR_USAGE for a histogram that is too long. */
NODISCARD int state_estimate_put(
	struct state *s, const struct state_estimate *row, struct error *err);
typedef bool state_estimate_fn(void *ctx, const struct state_estimate *row);
/* Of one upstream (NULL: of all), in order of upstream, source, backend. */
NODISCARD int state_estimates(
	struct state *s, const char *upstream, state_estimate_fn *fn, void *ctx, struct error *err);
/* Drops rows whose every time is before `sec`. */
NODISCARD int state_estimates_expire(struct state *s, int64_t sec, struct error *err);

/* ---- wrong content: strikes of a source ---- */

#define STATE_STRIKES_MAX 1000 /* in all; the oldest goes */

/* One proven case of wrong bytes. */
struct state_strike {
	const char *upstream, *source;
	int64_t at; /* seconds */
	struct digest digest;
	const char *evidence; /* one line: backend, address, range, first differing byte, who proved
				 it */
};
NODISCARD int state_strike_put(struct state *s, const struct state_strike *row, struct error *err);
typedef bool state_strike_fn(void *ctx, const struct state_strike *row);
/* Of one upstream (NULL: of all), newest first. */
NODISCARD int state_strikes(
	struct state *s, const char *upstream, state_strike_fn *fn, void *ctx, struct error *err);

/* ---- tags at authorities and mirrors ---- */

#define STATE_VERSIONS_MAX 16 /* digests of one tag that are remembered (sources.md 4) */

/* A digest that a tag had at its authority. */
struct state_version {
	struct digest digest;
	int64_t first_seen; /* seconds */
};
/* The newest `max` (at most STATE_VERSIONS_MAX) versions of a tag, oldest first; *ret_n is 0 when
 * nothing is known. */
NODISCARD int state_history_get(struct state *s, const char *authority, const char *repository,
	const char *tag, struct state_version *ret, size_t max, size_t *ret_n, struct error *err);
/* Appends, when it differs from the newest; older ones than the newest
 * STATE_VERSIONS_MAX go. */
NODISCARD int state_history_add(struct state *s, const char *authority, const char *repository,
	const char *tag, const struct state_version *version, struct error *err);

/* The last answer for a tag: for caching, and to know what is due to be asked again. */
struct state_answer {
	const char *authority, *repository, *tag;
	bool absent;          /* it said: not there */
	struct digest digest; /* unless absent */
	int64_t answered_at;  /* seconds */
	int64_t due_at;       /* seconds: from then on it is asked again; 0: an event said so */
};
NODISCARD int state_answer_get(struct state *s, const char *authority, const char *repository,
	const char *tag, struct state_answer *ret, struct error *err); /* ERR_NOTFOUND */
NODISCARD int state_answer_put(struct state *s, const struct state_answer *row, struct error *err);
/*
 * An event's hint: whatever is remembered of it is due now.  A tag that is not remembered is
 * afterwards: as absent, answered at 0, so that nobody takes it for an answer.
 */
NODISCARD int state_answer_doubt(struct state *s, const char *authority, const char *repository,
	const char *tag, struct error *err);

/* What was seen of one tag at one mirror. */
struct state_observation {
	const char *upstream, *source, *repository, *tag;
	const char *freshness; /* a word: "fresh", "tag lag", ... */
	bool has_digest;
	struct digest digest; /* the mirror's */
	int64_t lag_sec;
	int64_t at; /* seconds */
};
NODISCARD int state_observation_put(
	struct state *s, const struct state_observation *row, struct error *err);
typedef bool state_observation_fn(void *ctx, const struct state_observation *row);
/* Of one upstream (NULL: all), in order of upstream, source, repository, tag. */
NODISCARD int state_observations(struct state *s, const char *upstream, state_observation_fn *fn,
	void *ctx, struct error *err);
/* When this tag was last looked at there; 0: never. */
NODISCARD int state_observed_at(struct state *s, const char *upstream, const char *source,
	const char *repository, const char *tag, int64_t *ret_at, struct error *err);
