/*
 * ask.h - what a tag is: asked of the authority, or of those who may answer in its place (internal
 * to the package).
 *
 * Promise 1: a tag is resolved at the authority alone, unless that cannot be reached.  Then the
 * sources marked `resolve: true` are asked, in order until one answers, or with `quorum: N` until N
 * of them agree; a digest that the authority is known to have moved on from is never taken.  When
 * nobody answers, what was remembered may be used where `stale` allows it.  Whoever answered in the
 * authority's place is named in the answer, for log, report and status.
 *
 * "Cannot be reached" is ERR_TEMP: no connection, time-outs, 5xx, 429.  What the authority itself
 * denies (401, 403, 404), and a certificate that does not verify, are answers and stand.
 */
#pragma once

#include "sync/sync.h"

struct sync_run;
struct ask;
struct ask_answer;

/* After a failure the authority is not asked again for so long, where somebody else may answer:
 * each tag would wait for the same time-outs (sources.md 3.4: as the breaker). */
#define AUTHORITY_DOWN_MS 30000
/* Tries at the authority when somebody else may answer; REGISTRY_ATTEMPTS when nobody may. */
#define AUTHORITY_ATTEMPTS 2
/*
 * When somebody else may answer, a source of which nothing was heard for so long is not waited for.
 * A connection and a first byte fit (http/host.h); what does not is a host's gate that a 429 closed
 * for minutes.  While it answers other questions, this one only waits for its turn.
 */
#define ASK_PATIENCE_MS 15000
/*
 * Whether what was asked of s is worth waiting for, looked at every SOURCE_LOOK_MS; from *until_ms,
 * which moves on while s answers others.  False: *err says why, and parks s.
 */
bool ask_must_wait(struct sync_run *run, const struct source_set *set, const struct source *s,
	uint64_t *until_ms, struct error *err);

/*
 * Tags whose answer has outlived its time that one run asks one authority for again (`tag-cache:
 * on`); the others keep their answer until the next run.  One a second of an hourly run (sources.md
 * 4).
 */
#define TAG_PROBES_MAX 3600

/* One upstream's authority, as this run met it. */
struct authority {
	const struct source_set *set;
	uint64_t down_until_ms; /* monotonic; 0: not known to be away */
	struct error err;       /* why */
	bool noted;             /* the log knows that others answer */
	uint32_t replaced;      /* answers that somebody else gave */
	uint32_t probes;        /* tags asked again because their answer was due */
};

struct ask_request {
	struct source_set *sources;
	const char *repository, *tag; /* the upstream's names; borrowed until done() */
	bool authority_only;          /* private: nobody else is asked */
	bool body; /* the manifest is wanted with the answer, if the authority gives it */
	void (*done)(void *ctx, const struct ask_answer *answer, struct error *err);
	void *ctx;
};

/* answer is NULL with an error. */
struct ask_answer {
	struct digest digest;
	struct buf *body;       /* may be taken; NULL: fetch it by digest */
	const char *media_type; /* with body */
	const char *by; /* NULL: the authority, now; else who, or since when it is remembered */
};

/* From the loop, once; the handle is valid until done(). */
struct ask *ask_tag(struct sync_run *run, const struct ask_request *request);
void ask_cancel(struct ask **ask); /* NULL is fine */

/*
 * What is remembered and still holds, or is due while the budget is used up (`tag-cache: on`):
 * true, and *ret_digest and *ret_absent are set.  Never with --refresh.
 */
bool ask_remembered(struct sync_run *run, const struct source_set *set, const char *repository,
	const char *tag, struct digest *ret_digest, bool *ret_absent);

/*
 * The authority says now that a tag is this digest: what is known of the tag with it, newest last.
 * An answer that is remembered is set right by it.  Empty when the state cannot be read or written
 * (the run ends then).  Not in a plan.
 */
struct tag_history;
void ask_learnt(struct sync_run *run, const struct source_set *set, const char *repository,
	const char *tag, const struct digest *digest, struct tag_history *ret);

/*
 * What is known of the tag; where that is nothing, this digest, which an earlier run had of the
 * authority.  Else as ask_learnt(): what is only remembered is no news, and must not be put behind
 * what was heard since.
 */
void ask_known(struct sync_run *run, const struct source_set *set, const char *repository,
	const char *tag, const struct digest *digest, struct tag_history *ret);
/* What was remembered of the tag led nowhere: the next run asks.  Not in a plan. */
void ask_doubt(struct sync_run *run, const struct source_set *set, const char *repository,
	const char *tag);

/* Whether any source may answer in the authority's place. */
bool ask_has_resolvers(const struct source_set *set, bool authority_only);
/* Whether it failed just now: *ret_err, which is ERROR_INIT, receives why. */
bool ask_authority_is_down(
	struct sync_run *run, const struct source_set *set, struct error *ret_err);
struct authority *ask_authority_of(struct sync_run *run, const struct source_set *set);
/* Takes in how the authority answered a question of another kind, a listing: err NULL, or why not.
 */
void ask_authority_failed(
	struct sync_run *run, const struct source_set *set, const struct error *err);
