/*
 * stripe_plan.h - which bytes of a striped blob are asked of whom next (sources.md 3.5, 3.6).
 *
 * Pure: no I/O, no clock.  A claim is a closed range that one source was asked for.  New claims are
 * taken from the front, as long as one second of the source; when nothing is free, an idle place
 * takes over the tail of the range that would be done last.  The frontier is the end of what lies
 * there from byte 0 without a hole; nothing is claimed farther than STRIPE_WINDOW from what was
 * consumed, so that a slow source, or a slow target, does not fill the disk.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "source/source.h"
#include "transfer/extents.h"

#define STRIPE_SLOTS_EACH \
	2 /* ranges of one source at once: the second hides the round trip (3.6) */
#define STRIPE_SOURCES_MAX   8 /* of one blob: each has two connections, and their buffers */
#define STRIPE_CLAIMS_MAX    (STRIPE_SLOTS_EACH * STRIPE_SOURCES_MAX)
#define STRIPE_CHUNK_MS      1000                   /* of its source's rate in one range (3.6) */
#define STRIPE_CHUNK_MIN     (1ULL * 1024 * 1024)   /* bytes (3.6) */
#define STRIPE_CHUNK_MAX     (8ULL * 1024 * 1024)   /* bytes (3.6) */
#define STRIPE_CHUNK_UNKNOWN (4ULL * 1024 * 1024)   /* bytes, while the rate is not known (3.6) */
#define STRIPE_PIECE_MIN     (512ULL * 1024)        /* bytes: less is not worth a request (3.6) */
#define STRIPE_WINDOW        (128ULL * 1024 * 1024) /* bytes ahead of the consumer (3.5) */
#define STRIPE_AHEAD         0.7 /* of the window that others may fill while a range is under way */
#define STRIPE_JUDGE_MS      500 /* a range that is older is as quick as it was so far, at most */
#define STRIPE_STUCK_MS      2000 /* a frontier that rests so long is asked of the best (3.5) */
#define STRIPE_SHARE         0.1 /* of the summed rate: who gives less only holds up the others (3.6) */
#define STRIPE_REST_MS \
	2000 /* so long such a one is not asked; then it may show that it is quicker now */
#define STRIPE_SOONER 0.8 /* of the old remaining time at most, for a theft (3.6) */

struct stripe_giver {
	bool in;           /* takes part */
	double rate;       /* bytes/s of all its ranges together; 0: not known */
	uint64_t ended_ms; /* when its last range ended; 0: none did yet */
	uint64_t rtt_ms;   /* from asking for a range to its first byte; 0: not known */
};

struct stripe_claim {
	bool used;
	bool copy; /* also asked of another, because the frontier rested */
	size_t source;
	uint64_t first, at, end; /* at: the next byte to come; end may be lowered */
	uint64_t begun_ms;
};

struct stripe_plan {
	uint64_t size;        /* bytes of the blob */
	struct extents *done; /* borrowed: what is there, without what claims hold */
	uint64_t consumed;    /* the window begins here */
	uint64_t frontier;    /* consumed or more */
	uint64_t now_ms;      /* monotonic, as handed in last */
	uint64_t frontier_ms; /* monotonic: when it last moved */
	struct stripe_giver givers[SOURCES_MAX];
	struct stripe_claim claims[STRIPE_CLAIMS_MAX];
};

void stripe_plan_init(struct stripe_plan *p, uint64_t size, struct extents *done, uint64_t consumed,
	uint64_t now_ms);
/*
 * What an idle place of this source should ask for: index of a new claim.  -1: nothing now; ask
 * again when something ended, was consumed, or after half a second.
 */
int stripe_plan_next(struct stripe_plan *p, size_t source, uint64_t now_ms);
/* n more bytes of a claim came; at most up to its end. */
void stripe_plan_arrived(struct stripe_plan *p, int claim, uint64_t n, uint64_t now_ms);
/* What came is there, the rest is free again. */
void stripe_plan_end(struct stripe_plan *p, int claim, uint64_t now_ms);
/* Whether others have brought all that this claim still waits for. */
bool stripe_plan_is_moot(const struct stripe_plan *p, int claim);
/* Claims of this source. */
unsigned stripe_plan_active(const struct stripe_plan *p, size_t source);
