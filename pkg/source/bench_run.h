/* bench_run.h - what the files of the benchmark share: a run under way, and its pure parts. */
#pragma once

#include "oci/manifest.h"
#include "source/bench.h"

/* ---- pure ---- */

/* What the limits allow. */
struct bench_budget {
	bool whole;           /* each source gives the whole blob once */
	uint64_t trial_bytes; /* of a trial at most */
	uint64_t trial_ms, idle_ms;
};
struct bench_budget bench_budget(uint64_t blob_size, size_t places, unsigned rounds,
	uint64_t duration_ms, uint64_t max_bytes);

/*
 * Index of the size that measures best: nearest to BENCH_TRIAL_BYTES of those from BENCH_BLOB_MIN
 * to BENCH_BLOB_MAX, else the smallest above, else the largest.  n for none.
 */
size_t bench_blob_choose(const uint64_t *sizes, size_t n);

/* A small generator of our own: results repeat with the seed (xorshift64*). */
uint64_t bench_random(uint64_t *state);
/* A random order of 0..n-1. */
void bench_shuffle(uint64_t *state, size_t *order, size_t n);

/*
 * Rounds with which k sources can be told apart at all: that the least p of n rates against n,
 * 2/C(2n,n), times the pairs (Holm) can fall to COMPARE_ALPHA.
 */
unsigned bench_rounds_needed(size_t k);

/* Fills the derived fields of all rows, the ranks and the crossovers. */
void bench_derive(struct bench_result *r, uint64_t seed);

/*
 * The pair of rows that may share a bottleneck: the fastest two whose medians are within BENCH_TIE;
 * false: none.
 */
bool bench_tied_pair(const struct bench_result *r, size_t *ret_a, size_t *ret_b);

/* ---- a run ---- */

/* The sample as its manifests tell it. */
struct bench_sample {
	struct manifest top; /* index, or the only manifest */
	struct digest
		*items; /* children that were not read, and blobs: asked for, for completeness */
	bool *is_manifest;
	size_t n_items;
	struct digest *layers; /* that can be measured with, and their sizes */
	uint64_t *sizes;
	size_t n_layers;
};

/* One place at work. */
struct bench_work {
	const struct bench_place *place;
	struct bench_row *row;  /* NULL: it is only the reference */
	char *repository;       /* the sample's, as this place names it */
	bool given_up, gone;    /* after failures in a row; it cannot be measured at all */
	bool lacks_blob;        /* gone for that reason alone: it can be asked for other things */
	unsigned failures;      /* in a row */
	uint64_t not_before_ms; /* monotonic: Retry-After */
	double rate;            /* bytes/s of the newest trial; 0: none yet */
	uint64_t rtt_us;        /* least; 0: not known */
};

struct bench {
	const struct bench_plan *plan;
	struct bench_result *result;
	struct bench_work *works; /* one a place, in the plan's order */
	size_t n, reference;      /* reference: n when none answered */
	struct digest child;      /* a manifest to ask for by digest: the sample's own */
	struct bench_budget budget;
	uint64_t start_ms, random;
	double cpu_sec; /* spent in trials, and how long those took */
	double trial_sec;
	struct error failure; /* of the loop */
};

/* One small request, and what came of it. */
struct bench_ask {
	struct bench_work *work;
	enum probe_question question;
	char *owned_repository; /* freed by bench_ask_clear(); NULL: the sample's */
	const char *tag;        /* or NULL: by digest */
	struct digest digest;
	bool fresh;

	/* filled by bench_ask_all(); bench_ask_clear() frees */
	struct bench *bench;
	struct probe *probe;
	bool done;
	struct error err; /* ERR_CANCELED: stopped before it was answered */
	bool has_digest, has_size, reused;
	struct digest got;
	uint64_t size;
	char media_type[MEDIA_TYPE_MAX + 1];
	struct buf body;
	struct bench_latency latency;
	uint64_t rtt_us;
};
/* Asks all at once and waits for the answers.  Failures are noted at the places. */
void bench_ask_all(struct bench *b, struct bench_ask *asks, size_t n);
void bench_ask_clear(struct bench_ask *ask);

/* Runs the loop until done(ctx); false: the run was stopped before. */
bool bench_wait(struct bench *b, bool (*done)(void *ctx), void *ctx);
/* Waits so long; false: stopped. */
bool bench_sleep(struct bench *b, uint64_t ms);
bool bench_stopped(const struct bench *b);
void bench_warn(struct bench *b, const char *fmt, ...) PRINTF(2, 3);
void bench_tell(struct bench *b, enum bench_phase phase, const char *place, unsigned round,
	unsigned rounds, uint64_t left_ms);
/* A request to a place ended: failures in a row, 429s, when it may be asked again. */
void bench_note(struct bench_work *work, const struct error *err, bool bulk);
/* Waits as long as the place said after a 429; false: that is too long, or stopped. */
bool bench_ready(struct bench *b, const struct bench_work *work);
/* Whether it is measured, and not given up. */
bool bench_works(const struct bench_work *work);

/* It cannot be measured: its row says why, once. */
void bench_gone(struct bench_work *work, const struct error *err);

/* The phases: what there is and who has it; small requests; bulk. */
void bench_survey(struct bench *b);
/* answers: how the question for the sample ended at each place. */
void bench_facts(struct bench *b, const struct bench_sample *s, const enum errc *answers);
void bench_latencies(struct bench *b);
void bench_rounds(struct bench *b);
