/*
 * learnt.h - what a run learns of each source and of a set (internal to the package).
 *
 * Times are monotonic milliseconds where scheduling needs them, wall-clock seconds where ages are
 * meant.  `now_ms` and `now_sec` of the book are the newest that were handed in: functions
 * without a time of their own use them, so that nothing here looks at a clock.
 */
#pragma once

#include "source/estimate.h"
#include "source/source.h"
#include "util/map.h"

#define SOURCE_BACKENDS_MAX 16   /* of one source; the one unused longest goes */
#define SOURCE_BACKEND_TEXT 300  /* chars of a backend's name that are kept */
#define SOURCE_ABSENT_SEC   60   /* how long "not there" is believed (sources.md 3.4) */
#define SOURCE_DENIED_SEC   3600 /* how long a 403 is believed for a repository (3.4) */
#define SOURCE_REFUSALS_MAX 8192 /* entries of both kinds that are remembered at once */
#define SOURCE_TOKENS       100  /* retries of one source (3.4) */
#define SOURCE_UNKNOWN_RATE \
	(10.0 * 1024 * 1024)    /* bytes/s, while no source's is known (sources.md 2.3) */
#define SOURCE_SETUP_SEC  0.1   /* from request to body where nothing is known: a guess */
#define SOURCE_STRIKE_SEC 86400 /* a strike keeps from striping for so long (3.7) */

struct source_backend {
	char *name;
	struct estimate estimate;
	int64_t used_sec;
};

/* A strike of this run, to be remembered. */
struct source_strike {
	int64_t at_sec;
	struct digest digest;
	char *evidence;
	struct source_strike *next;
};

struct source_learnt {
	struct source_backend *backends;
	size_t n_backends;

	/* What moves now. */
	unsigned running, asking; /* blobs; small requests */
	uint64_t outstanding;     /* bytes that were asked for and did not come yet */
	uint64_t arrived;         /* bytes since the last tick */
	bool held;                /* we were slow since the last tick */
	uint64_t busy_since_ms;   /* 0: nothing to speak of is outstanding */
	double live;              /* bytes/s in flight, all transfers together; 0: not seen */
	uint64_t live_at_ms;

	/* How many may run. */
	unsigned limit;
	bool crowded; /* all places were taken throughout this step */
	uint64_t step_at_ms, step_bytes;
	double step_rate;          /* bytes/s of the step before; 0: there was none */
	double idle_us, loaded_us; /* latency without and with blobs beside it; 0: not seen */

	/* Health. */
	unsigned opened;               /* times in a row that the breaker opened */
	bool half_open;                /* a HEAD must be answered before bytes are asked for */
	bool on_trial;                 /* that HEAD is under way */
	unsigned tokens;               /* for retries */
	int64_t struck_sec[2];         /* the two newest strikes, newest first; 0: none */
	struct source_strike *strikes; /* of this run, not saved yet */
};

/* Of a set. */
struct source_book {
	uint64_t now_ms;
	int64_t now_sec;
	uint64_t tick_at_ms;
	uint64_t seed, turn; /* chance: repeats for the same seed and the same course of events */
	double hedge;        /* extra requests that may be sent */
	uint64_t explored_ms;
	unsigned unexplored;  /* blobs since then */
	struct map *refusals; /* source, repository and digest: until when (ms) */
};

void learnt_free(struct source_learnt *l);
void book_free(struct source_book *b);

/* Monotonic time never goes back; the wall clock may be set, and is believed. */
void book_at_ms(struct source_set *set, uint64_t now_ms);
void book_at_sec(struct source_set *set, int64_t now_sec);

/*
 * The estimate of this backend; it is made when there is none.  The oldest goes when all places are
 * taken.  name NULL: the one used last; NULL when there is none.
 */
struct estimate *learnt_backend(struct source_learnt *l, const char *name, int64_t now_sec);
/* Seconds; 0: not known. */
double learnt_latency(const struct source_learnt *l, int64_t now_sec);
double learnt_rtt(const struct source_learnt *l, int64_t now_sec);
/* Bytes/s as measured before; 0: not known. */
double learnt_rate(const struct source_learnt *l, int64_t now_sec);
/* When its rate was last measured, wall clock; 0: never. */
int64_t learnt_measured(const struct source_learnt *l);
/* Seconds before the first byte of another transfer comes. */
double learnt_setup(const struct source_learnt *l, int64_t now_sec);

/* Believed rates with nothing left at 0: the median of the known ones, or SOURCE_UNKNOWN_RATE. */
void rates_believed(const struct source_set *set, double ret[static SOURCES_MAX]);

/* ---- health.c ---- */

bool source_is_struck_out(const struct source *s);
/* Whether it may be asked for this digest at all, now or later in this run. */
bool source_is_eligible(const struct source_set *set, const struct source_trials *t, size_t i);
/* From when on it may be asked: now_ms when at once; UINT64_MAX: not in this run. */
uint64_t source_free_at(
	const struct source_set *set, const struct source_trials *t, size_t i, uint64_t now_ms);
/* What was refused a short while ago: a digest that is not there, a repository that is
 * forbidden. */
bool source_refused(
	const struct source_set *set, const struct source_trials *t, size_t i, uint64_t now_ms);

/* ---- measured.c ---- */

enum source_verdict measured_choose(const struct source_set *set,
	const struct source_trials *trials, const struct source_want *want, uint64_t now_ms,
	size_t *ret_index, uint64_t *ret_wait_ms);
/* The source that is to be looked at again with a blob of so many bytes; SIZE_MAX: none. */
size_t measured_explore(const struct source_set *set, const struct source_trials *trials,
	uint64_t bytes, uint64_t now_ms);
