/*
 * freshness.h - how far a mirror's tag is behind the authority's, and how long an answer holds.
 *
 * Pure (sources.md section 4).  Times are wall-clock seconds; a clock that jumps back counts as no
 * time gone by.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "oci/digest.h"

/* ---- what a mirror's answer means ---- */

#define TAG_HISTORY_MAX 16 /* digests of one tag that are remembered (sources.md 4) */

/* A digest that the tag had at the authority, and since when it is known. */
struct tag_version {
	struct digest digest;
	int64_t first_seen_sec;
};

/* Oldest first; the last is what the tag is now. */
struct tag_history {
	struct tag_version versions[TAG_HISTORY_MAX];
	size_t n;
};
/*
 * The authority says digest now.  True when that is new (a move, also back to an older one, which
 * is then there twice).  The oldest goes when there is no room.
 */
bool tag_history_add(struct tag_history *h, const struct digest *digest, int64_t now_sec);
/* When it last moved, or was first seen, if it never did; 0: not known. */
int64_t tag_history_changed(const struct tag_history *h);

enum freshness {
	FRESH_UNKNOWN,     /* not looked at, or the mirror could not be asked */
	FRESH_CURRENT,     /* the authority's digest */
	FRESH_TAG_LAG,     /* an older digest; the new content is there: usable by digest */
	FRESH_CONTENT_LAG, /* an older digest, and the new content is not there yet */
	FRESH_PARTIAL,     /* the new manifest is there, some of its blobs are not */
	FRESH_SKEW,        /* ahead of what we knew: the authority agreed when asked again */
	FRESH_REENCODED,   /* another index with the same children: gives blobs, not this digest */
	FRESH_DIVERGED,    /* a digest that the authority never had */
	FRESH_MISSING,     /* no such tag there */
	FRESH_DENIED       /* 401, 403 */
};
const char *freshness_name(enum freshness f); /* "fresh", "tag lag", "content lag", "partial",
						 "origin skew", "re-encoded", "diverged", "missing",
						 "denied", "unknown" */
/*
 * Which of two is worse, for a source's summary: unknown (it adds nothing), fresh, origin skew,
 * re-encoded, tag lag, partial, content lag, missing, denied, diverged.
 */
enum freshness freshness_worse(enum freshness a, enum freshness b);

/* What was seen of one tag at one mirror. */
struct freshness_facts {
	bool answered;        /* false: not reached (then the rest means nothing) */
	bool absent, denied;  /* 404/410; 401/403 */
	struct digest digest; /* the mirror's, when neither */
	bool has_content;     /* the authority's digest is there as a manifest; for a lagging tag */
	bool asked_content;
	bool blobs_missing; /* with has_content: a layer was looked for and is not there */
	bool asked_again; /* the history holds an answer of the authority younger than the mirror's,
			   * because a verdict wanted it */
	bool asked_origin; /* whether the authority has the mirror's digest, in the same repository
			    */
	bool origin_has;
	bool asked_children;
	bool same_children; /* the mirror's index lists the same children as the authority's */
};
struct freshness_verdict {
	enum freshness state;
	int64_t lag_sec;   /* since the authority moved on from the mirror's digest, at least: of a
			      move before our first look, since that look; 0: no lag, or unknown */
	bool ask_content;  /* more must be asked to tell: HEAD of the authority's digest at the
			      mirror */
	bool ask_again;    /* ... the authority once more: the mirror may be ahead */
	bool ask_origin;   /* ... HEAD of the mirror's digest at the authority: it may be an older
			      one that we never saw there */
	bool ask_children; /* ... the mirror's manifest, to compare its children */
};
/*
 * Call it again when what it asks for is known; until then the state is FRESH_UNKNOWN.  No ask_* is
 * set in a final verdict.  Who cannot ask (the authority is not reached, say) leaves asked_* false
 * and takes FRESH_UNKNOWN: a mirror that may only be ahead must not be called diverged.
 */
struct freshness_verdict freshness_judge(
	const struct tag_history *h, const struct freshness_facts *facts, int64_t now_sec);

/* ---- how long an answer for a tag holds ---- */

enum tag_class {
	TAG_VERSION, /* three numbers, with "v" and a pre-release or without, or sha256-*: 24 h */
	TAG_ROLLING, /* latest, stable, edge, nightly, master, main, *-dev: 60 s */
	TAG_OTHER    /* a tenth of its age, 60 s to 6 h */
};
enum tag_class tag_class_of(const char *tag);
/* Seconds; changed_sec 0: not known, counts as just now.  Without jitter. */
uint64_t tag_ttl(enum tag_class c, int64_t changed_sec, int64_t now_sec);
#define TAG_NEGATIVE_SEC 60 /* how long "not there" holds (sources.md 4) */
#define TAG_STALE_MAX_SEC \
	86400 /* an older answer is never given, stale allowed or not (sources.md 4) */
/* With up to a tenth more or less, chosen by the tag's name, so that runs agree. */
uint64_t tag_ttl_jittered(uint64_t ttl_sec, const char *repository, const char *tag);
