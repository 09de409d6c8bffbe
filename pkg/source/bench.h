/*
 * bench.h - compares sources of the same content: latency, throughput, integrity, freshness.
 *
 * bench_run() drives the loop itself and returns when all is measured, or when a limit or the
 * caller ended it; then the result holds what there is.  The design is that of guides/sources.md
 * 2.5: cold and warm requests apart, one source at a time in random order within each round, slow
 * start cut off, a first round that may find caches cold and is not ranked, medians, ties said to
 * be ties.  What could not be measured is NAN, or a count of 0.
 *
 * A source is given up for this run after BENCH_FAILURES failures in a row; the others go on.
 * Latencies are milliseconds, rates bytes a second.
 *
 * One thread, which is the loop's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "source/compare.h"
#include "source/freshness.h"
#include "source/probe.h"
#include "source/source.h"

#define BENCH_PLACES_MAX CONTESTANTS_MAX
#define BENCH_COLD       10    /* requests on new connections (sources.md 2.5) */
#define BENCH_WARM       20    /* on an open one, after one that is not counted (sources.md 2.5) */
#define BENCH_ROUNDS     7     /* timed (sources.md 2.5) */
#define BENCH_ROUNDS_MAX 100   /* more is not more certain: the source has changed meanwhile */
#define BENCH_FAILURES   2     /* in a row, after which a source is given up */
#define BENCH_IDLE_MS    1000  /* between two trials (sources.md 2.5) */
#define BENCH_TRIAL_MS   10000 /* a trial at most (sources.md 2.3) */
/* Bytes: of one trial at most; of a blob that measures well, at least and at most (2.3). */
#define BENCH_TRIAL_BYTES (32ULL * 1024 * 1024)
#define BENCH_BLOB_MIN    (16ULL * 1024 * 1024)
#define BENCH_BLOB_MAX    (64ULL * 1024 * 1024)
/* Bytes of a blob that is fetched whole to be verified; a larger one is only measured. */
#define BENCH_WHOLE_MAX    (256ULL * 1024 * 1024)
#define BENCH_TAGS_MAX     32    /* tags that each source is asked for, for completeness */
#define BENCH_CHILDREN_MAX 8     /* manifests of an index that are read in search of a layer */
#define BENCH_ITEMS_MAX    64    /* children and blobs that each source is asked for */
#define BENCH_BLOAT_MS     200.0 /* more than that above idle: "bloat" (sources.md 2.5) */
#define BENCH_TIE          1.05  /* medians within it may share a bottleneck (sources.md 2.5) */
#define BENCH_SHARED       1.2   /* two at once sum to less than so many times one: they do (2.5) */
#define BENCH_BUSY         0.8   /* share of the time that we computed: the machine is the limit */
#define BENCH_WARNINGS_MAX 64
#define BENCH_MIB          (1024.0 * 1024)

/* ---- what to do ---- */

struct bench_place {
	const char *name;
	struct registry *registry;
	const struct source *source; /* how it names repositories; NULL: as `repository` says */
	const char *repository;      /* its name for the one repository; with source NULL */
	bool only_reference;         /* says what is right, and is not measured */
};

struct bench_tag {
	const char *repository, *tag; /* the upstream's names */
};

enum bench_phase {
	BENCH_LOOKING, /* what there is to measure, and who has it */
	BENCH_LATENCY,
	BENCH_THROUGHPUT,
	BENCH_TOGETHER /* two sources at once */
};
struct bench_progress {
	enum bench_phase phase;
	const char *place;      /* "" for all */
	unsigned round, rounds; /* from 0; of a throughput round, or a pass of latencies */
	uint64_t left_ms;       /* estimated; 0: not known */
};

struct bench_plan {
	struct http_loop *loop;
	const char *upstream;             /* its name, or NULL */
	const struct bench_place *places; /* the first is the reference */
	size_t n_places;
	const char *repository; /* the upstream's name of the sample's repository */
	const char *tag;        /* of it, or NULL */
	bool has_digest, has_blob;
	struct digest digest;         /* of the sample, wins over tag */
	struct digest blob;           /* to measure with, instead of one of the sample's layers */
	const struct bench_tag *tags; /* wanted, for completeness; may be none */
	size_t n_tags;
	struct tag_history history; /* what is known of `tag` at the authority */
	unsigned cold, warm, rounds;
	uint64_t duration_ms;       /* 0: as long as it takes */
	uint64_t max_bytes;         /* of blobs, all sources together; 0: no limit */
	uint64_t seed;              /* of the order and of the bootstrap */
	bool (*stopped)(void *ctx); /* asked at least every 50 ms; NULL: never */
	/* Called when something else begins. May be NULL. */
	void (*progress)(void *ctx, const struct bench_progress *progress);
	void *ctx;
};

/* ---- what was seen ---- */

struct bench_latency {                             /* one request, in milliseconds */
	double total, front, name, tcp, tls, wait; /* front: redirects before the last hop */
	bool proxied;                              /* name, tcp are the proxy's */
};

struct bench_trial {
	unsigned round;             /* 0: caches may be cold, not ranked */
	struct probe_result result; /* backend is NULL */
	char *error;                /* or NULL */
};

enum bench_answer {
	BENCH_UNKNOWN,
	BENCH_YES,
	BENCH_NO
};

struct bench_row {
	char *name;
	char *upstream;  /* or NULL */
	char *backend;   /* "https://host:port" that gave the bytes; or NULL */
	bool redirected; /* ... which is another one than was asked */
	char address[HTTP_ADDRESS_MAX];
	char *error;   /* why it could not be measured, or was given up; or NULL */
	bool measured; /* there is a latency or a rate */
	bool proxied;

	struct bench_latency cold[BENCH_COLD];
	double warm[BENCH_WARM];
	size_t n_cold, n_warm;
	struct bench_trial *trials;
	size_t n_trials;

	/* integrity */
	enum probe_content blob;    /* the whole blob's digest */
	enum bench_answer manifest; /* has the reference's manifest, byte for byte */
	char *wrong;                /* what is wrong with the integrity; or NULL */
	struct freshness_verdict freshness;
	bool asked_tag;
	struct digest tag_digest; /* its own answer for the tag, when has_tag_digest */
	bool has_tag_digest;
	unsigned have, wanted; /* tags, children and blobs that it has; of those asked for */
	enum bench_answer range, head;
	unsigned throttled; /* answers 429 */
	unsigned retry_sec; /* longest Retry-After */

	/* derived: see bench_derive() */
	double cold_mean, cold_median, cold_min, cold_p90, cold_max;
	struct interval cold_interval;                     /* 95 %, of the mean */
	double name_ms, tcp_ms, tls_ms, wait_ms, front_ms; /* medians of the cold ones */
	double warm_median, warm_p90;
	double rtt_ms;                 /* least */
	double rate, first_rate;       /* median; of round 0 */
	struct interval rate_interval; /* 95 %, of the median */
	bool bound;                    /* `rate` is a lower bound */
	double fetch_ms;   /* with bound: the quickest transfer of the bytes of a trial */
	double loaded_p90; /* small requests beside bulk ones */
	bool bloat;
	unsigned rank_small, rank_bulk; /* 0: not ranked */
	bool tied_small, tied_bulk;
};

/* Above `bytes` b is quicker than a, although it answers later. */
struct bench_crossover {
	size_t a, b; /* rows */
	double bytes;
};

struct bench_result {
	struct bench_row *rows; /* those that were measured, in the order of the plan */
	size_t n_rows;
	char *reference;        /* who said what is right */
	char *repository, *tag; /* the sample; tag may be NULL */
	struct digest digest;   /* of its manifest or index, with has_digest */
	bool has_digest;
	struct digest blob; /* measured with, with has_blob */
	uint64_t blob_size;
	bool has_blob;
	uint64_t trial_bytes; /* of it, in a trial at most */
	unsigned rounds;      /* complete ones */
	bool stopped;         /* by the caller, or by the time or the bytes allowed */
	double seconds;
	uint64_t bytes; /* of blobs */
	char *warnings[BENCH_WARNINGS_MAX];
	size_t n_warnings;
	struct bench_crossover crossovers[BENCH_PLACES_MAX];
	size_t n_crossovers;
};

/*
 * Fails with ERR_USAGE for a plan that cannot be, ERR_IO when the loop breaks.  That nothing could
 * be measured is no failure: no row is `measured` then, and each says why.
 */
NODISCARD int bench_run(
	const struct bench_plan *plan, struct bench_result **ret, struct error *err);
void bench_result_free(struct bench_result *r);
DEFINE_CLEANUP(struct bench_result *, bench_result_free);

/* Two rows: how many times as fast the first one is. */
struct bench_comparison {
	size_t n_a, n_b; /* rounds, or requests */
	double ratio;
	struct interval interval; /* 95 % */
	double p;
};
/* By rates when both have them, else (*ret_latency true) by warm latencies; false: neither. */
bool bench_compare(const struct bench_result *r, size_t a, size_t b, uint64_t seed,
	struct bench_comparison *ret, bool *ret_latency);

/* Collects a row's rates of rounds 1 and up; returns how many. */
size_t bench_rates(const struct bench_row *row, double ret[static BENCH_ROUNDS_MAX]);
