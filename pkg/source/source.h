/*
 * source.h - the places of an upstream, and which one to ask next.
 *
 * A struct source_set is one upstream: its authority and its mirrors, each a
 * registry client with a path prefix and a naming rule.  It keeps what a run
 * learns of each source (health, counters, speed: source/load.h); the choice itself is
 * source_choose(), a pure function of candidates and time.  Ordered, sources are taken as
 * configured: mirrors as written, the authority last, or by a chain.  Measured, the one goes first
 * that is expected to be done first.
 *
 * One loop thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "oci/digest.h"
#include "registry/client.h"
#include "source/chain.h"

struct state;

#define SOURCES_MAX 32 /* sources of one upstream; a bit each in a uint32_t */

#define SOURCE_ATTEMPTS_EACH  5     /* tries of one blob at one source (sources.md 3.4) */
#define SOURCE_ATTEMPTS_BLOB  12    /* tries of one blob at all sources together (sources.md 3.4) */
#define SOURCE_BACKOFF_MS     200   /* base of the wait before asking it again (sources.md 3.4) */
#define SOURCE_BACKOFF_CAP_MS 20000 /* its ceiling (sources.md 3.4) */
#define SOURCE_BREAKER        5     /* failures in a row that park a source (sources.md 3.4) */
#define SOURCE_PARK_MS        30000 /* for so long (sources.md 3.4), jittered by a fifth */
#define SOURCE_PARK_MAX_SEC \
	900 /* Retry-After beyond it is not waited for in one run (sources.md 3.4) */
#define SOURCE_PARK_CAP_MS 300000 /* ceiling of that time when it opens again and again (3.4) */
#define SOURCE_TRIAL_MS    200    /* between two looks whether a trial under way is over */
#define SOURCE_STRIKES     3 /* wrong digests after which a mirror gives no more bytes in this run */

/* Two proven strikes within it are a quarantine; older ones count no more (sources.md 3.7). */
#define SOURCE_QUARANTINE_SEC     604800
#define SOURCE_QUARANTINE_STRIKES 2

enum source_mode {
	SOURCE_ORDERED, /* mirrors as listed, then the authority; or by a chain */
	SOURCE_MEASURED /* who is expected to be done first (source/load.h) */
};

struct source_learnt; /* load, estimates, breaker: the package's own */
struct source_book;   /* the same of a set */

struct source {
	char *name; /* "registry.k8s.io", "registry.aliyuncs.com/google_containers" */
	struct registry *registry; /* borrowed */
	char *prefix;              /* before every repository name; "" */
	bool flat;                 /* only the last component of a name is used here */
	bool authority;
	bool resolve; /* may answer for tags when the authority cannot be reached */

	/* What this run learnt. */
	uint64_t parked_until_ms; /* monotonic; 0: not parked */
	unsigned failures_in_row;
	unsigned strikes;
	uint64_t requests, bytes, failures;
	uint64_t heard_ms;        /* monotonic, of the newest good answer; 0: none yet */
	int64_t last_contact_sec; /* the same by the wall clock */
	char *last_error;         /* or NULL */
	int64_t last_error_sec;
	unsigned watched; /* tags of it that this run compares with the authority's */
	bool quarantined; /* wrong bytes twice in a week: a mirror is never asked for bytes */
	struct source_learnt *learnt;
};

struct source_set {
	char *name;           /* the upstream's */
	struct source *items; /* in the order of asking */
	size_t n;
	size_t authority; /* index */
	enum source_mode mode;
	bool has_chain; /* with SOURCE_ORDERED: `chain` says the order */
	struct chain chain;
	uint64_t stripe_from; /* bytes from which one blob comes from several sources; UINT64_MAX:
				 never */
	unsigned quorum; /* resolving sources that must agree when the authority is not reached; 0:
			    1 */
	bool cache_tags; /* an answer for a tag holds for its time to live (source/freshness.h) */
	uint64_t stale_sec; /* so old an answer may be given when nobody can be asked; 0: never */
	struct source_book *book;
};

struct source_set *source_set_new(const char *name) NODISCARD;
/* Appends; the registry is borrowed, text copied.  Fails with ERR_USAGE beyond SOURCES_MAX, or for
 * a second authority. */
NODISCARD int source_set_add(
	struct source_set *set, const struct source *source, struct error *err);
void source_set_free(struct source_set *set);
DEFINE_CLEANUP(struct source_set *, source_set_free);
/* For tests and simulations: chance repeats. */
void source_set_seed(struct source_set *set, uint64_t seed);

/* Whether there is anything to measure: SOURCE_MEASURED, and more than one source. */
bool source_set_measured(const struct source_set *set);

/*
 * What earlier runs measured, and who gave wrong bytes (source/remember.c); from and to
 * <state>/state.db.  Ages are wall-clock time.  ERR_IO.
 */
NODISCARD int source_set_load(
	struct source_set *set, struct state *state, int64_t now_sec, struct error *err);
NODISCARD int source_set_save(
	struct source_set *set, struct state *state, int64_t now_sec, struct error *err);

/* The name of an upstream's repository at this source: prefix and naming rule applied. Caller
 * frees. */
char *source_repository(const struct source *s, const char *repository) NODISCARD;

/* ---- the choice ---- */

/* What one blob or manifest has seen of each source so far. */
struct source_trial {
	uint8_t attempts;
	bool excluded; /* not there, forbidden, or wrong content: not asked again for this digest */
	enum errc failure;      /* of the last attempt; ERR_NONE: there was none */
	uint64_t not_before_ms; /* monotonic: back-off */
};

struct source_trials {
	struct source_trial each[SOURCES_MAX];
	unsigned attempts;   /* all together */
	bool authority_only; /* private names are never asked of a mirror */
	/* Borrowed, for what other jobs should know too: the upstream's name for the repository,
	 * and the digest.  NULL: what is refused is remembered for nobody else. */
	const char *repository;
	const struct digest *digest;
};

/* What is to be fetched. */
struct source_want {
	uint64_t bytes;   /* that are missing */
	uint64_t waiting; /* bytes of all that waits for these sources, to know how much time there
			     is; 0: not known */
	bool small;       /* its time is all latency: a manifest, a blob of SOURCE_SMALL or less */
	bool running;     /* others wait for its next byte: a source without a free place will do */
};
#define SOURCE_SMALL ((uint64_t)256 * 1024) /* bytes: 13 ms at 20 MiB/s, less than a round trip */

enum source_verdict {
	SOURCE_ASK,  /* *ret_index now */
	SOURCE_WAIT, /* nobody now: ask again in *ret_wait_ms */
	SOURCE_BUSY, /* the best has no free place: ask again when a transfer ends (measured) */
	SOURCE_NONE  /* nobody is left */
};

/*
 * Ordered: a source that was not tried yet and is not parked goes first, in order; then, after
 * its back-off, one that failed before.  A parked source is waited for only when no other is left.
 * With a chain only those take part that its rules have reached.  Measured: source/load.h.
 * Private names go to the authority whatever the mode.
 */
enum source_verdict source_choose(const struct source_set *set, const struct source_trials *trials,
	const struct source_want *want, uint64_t now_ms, size_t *ret_index, uint64_t *ret_wait_ms);

/* Whether this source could be asked at once, by all but the choice. */
bool source_usable(const struct source_set *set, const struct source_trials *trials, size_t index,
	uint64_t now_ms);

/*
 * Whether this source belongs to those that must have said "not there" before the digest is absent:
 * false for a mirror of private names, one that lies, one that the chain's rules do not reach.
 */
bool source_counts(const struct source_set *set, const struct source_trials *trials, size_t index);
/* Whether it said so to another job within the last minute. */
bool source_said_absent(const struct source_set *set, const struct source_trials *trials,
	size_t index, uint64_t now_ms);

/* Takes in how an attempt ended (err NULL: well): health of the source, back-off or exclusion for
 * this digest. */
void source_learn(struct source_set *set, struct source_trials *trials, size_t index,
	uint64_t bytes, const struct error *err, uint64_t now_ms);

/*
 * Takes in how a request ended that was no choice: a tag asked of the authority, a
 * listing (err NULL: well).  Counters, last contact and last error; a 404 is an answer like any
 * other.  A Retry-After that can be waited for in a run parks the source, as its host's gate is
 * closed for so long.
 */
void source_note(struct source *s, const struct error *err);

/* Whether a good answer came from there in the last so many milliseconds. */
bool source_heard_within(const struct source *s, uint64_t ms);

/*
 * Proven: these bytes of this source were wrong.  Twice in a week is a quarantine.  evidence: one
 * line, copied.  The set keeps it for source_set_save().  Counts beside source_learn(ERR_CORRUPT).
 */
void source_struck(struct source_set *set, size_t index, const struct digest *digest,
	const char *evidence, int64_t now_sec);

/*
 * A breaker that was open lets one request through: a HEAD of the digest, before any body is asked
 * there again (measured only).  True: the caller must send it, and tell how it ended; until then
 * nobody is sent there.
 */
bool source_needs_trial(const struct source_set *set, size_t index);
void source_trial_begin(struct source_set *set, size_t index);
/* err NULL or an answer (403, 404, 405): it is there again; ERR_CANCELED: nothing was learnt. */
void source_trial_end(
	struct source_set *set, size_t index, const struct error *err, uint64_t now_ms);

/*
 * Whether what was asked of this source, and has brought nothing yet, had better be asked
 * elsewhere: the source is parked by now, so that the request may wait behind its closed gate, or
 * behind others that time out one after the other; and another one can be asked at once.  No
 * attempt: nothing is learnt of it.
 */
bool source_should_leave(const struct source_set *set, const struct source_trials *trials,
	const struct source_want *want, size_t index, uint64_t now_ms);
/* How long after a request that is asked, and how often. */
#define SOURCE_LOOK_MS 1000

/* How long to wait for a source, in milliseconds; 0: the host's own settings. */
struct source_patience {
	uint64_t connect_ms, first_byte_ms, stall_ms;
};
/* From its round trip, while others are left that could be asked (measured only). */
struct source_patience source_patience(const struct source_set *set,
	const struct source_trials *trials, size_t index, uint64_t now_ms);
