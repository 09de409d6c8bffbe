/*
 * source.h - the places of an upstream, and which one to ask next.
 *
 * A struct source_set is one upstream: its authority and its mirrors, each a
 * registry client with a path prefix and a naming rule.  It keeps what a run
 * learns of each source (health, counters); the choice itself is source_choose(), a
 * pure function of candidates and time.  Here sources are taken in the configured order:
 * mirrors as written, the authority last; measuring them is another module's work.
 *
 * One loop thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "registry/client.h"
#include "source/chain.h"

#define SOURCES_MAX 32 /* sources of one upstream; a bit each in a uint32_t */

#define SOURCE_ATTEMPTS_EACH  5     /* tries of one blob at one source (sources.md 3.4) */
#define SOURCE_ATTEMPTS_BLOB  12    /* tries of one blob at all sources together (sources.md 3.4) */
#define SOURCE_BACKOFF_MS     200   /* base of the wait before asking it again (sources.md 3.4) */
#define SOURCE_BACKOFF_CAP_MS 20000 /* its ceiling (sources.md 3.4) */
#define SOURCE_BREAKER        5     /* failures in a row that park a source (sources.md 3.4) */
#define SOURCE_PARK_MS        30000 /* for so long (sources.md 3.4), jittered by a fifth */
#define SOURCE_PARK_MAX_SEC \
	900              /* Retry-After beyond it is not waited for in one run (sources.md 3.4) */
#define SOURCE_STRIKES 3 /* wrong digests after which a mirror gives no more bytes in this run */

enum source_mode {
	SOURCE_ORDERED, /* mirrors as listed, then the authority; or by a chain */
	SOURCE_MEASURED /* who is expected to be done first (source/load.h) */
};

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
	int64_t last_contact_sec; /* wall clock; 0: no good answer yet */
	char *last_error;         /* or NULL */
	int64_t last_error_sec;
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
};

struct source_set *source_set_new(const char *name) NODISCARD;
/* Appends; the registry is borrowed, text copied.  Fails with ERR_USAGE beyond SOURCES_MAX, or for
 * a second authority. */
NODISCARD int source_set_add(
	struct source_set *set, const struct source *source, struct error *err);
void source_set_free(struct source_set *set);
DEFINE_CLEANUP(struct source_set *, source_set_free);

/* The name of an upstream's repository at this source: prefix and naming rule applied. Caller
 * frees. */
char *source_repository(const struct source *s, const char *repository) NODISCARD;

/* ---- the choice ---- */

/* What one blob or manifest has seen of each source so far. */
struct source_trial {
	uint8_t attempts;
	bool excluded; /* not there, forbidden, or wrong content: not asked again for this digest */
	uint64_t not_before_ms; /* monotonic: back-off */
};

struct source_trials {
	struct source_trial each[SOURCES_MAX];
	unsigned attempts;   /* all together */
	bool authority_only; /* private names are never asked of a mirror */
};

enum source_verdict {
	SOURCE_ASK,  /* *ret_index now */
	SOURCE_WAIT, /* nobody now: ask again in *ret_wait_ms */
	SOURCE_NONE  /* nobody is left */
};

/*
 * A source that was not tried yet and is not parked goes first, in order; then, after
 * its back-off, one that failed before.  A parked source is waited for only when no other is left.
 */
enum source_verdict source_choose(const struct source_set *set, const struct source_trials *trials,
	uint64_t now_ms, size_t *ret_index, uint64_t *ret_wait_ms);

/* Takes in how an attempt ended (err NULL: well): health of the source, back-off or exclusion for
 * this digest. */
void source_learn(struct source_set *set, struct source_trials *trials, size_t index,
	uint64_t bytes, const struct error *err, uint64_t now_ms);

/*
 * Takes in how a request ended that was no choice: a tag asked of the authority, a
 * listing (err NULL: well).  Counters, last contact and last error; a 404 is an answer like any
 * other.
 */
void source_note(struct source *s, const struct error *err);
