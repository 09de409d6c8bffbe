/*
 * check.h - whether images are completely at a target, by asking for every part of them.
 *
 * The tag, each manifest below it (its bytes are verified), and every blob: at a registry by GET of
 * manifests and HEAD of blobs, in the store by rows and files.  Nothing that a run remembers is
 * believed, and the upstream is not asked.  One thread.
 *
 * With platforms, the other children of an index do not count, and an index that lacks one of them
 * is not complete.  A single manifest counts for any platform, as a run copies it for any.
 */
#pragma once

#include "sync/sync.h"

struct check_image {
	const char *repository; /* at the target, with its prefix */
	const char *tag;
};

enum check_state {
	CHECK_MISSING, /* the target says that it is not there */
	CHECK_WRONG,   /* it has another size or digest */
	CHECK_UNKNOWN, /* the target could not say */
};
const char *check_state_name(enum check_state s); /* "missing", "wrong", "unknown" */

/* What stands against an image being complete. */
struct check_problem {
	enum check_state state;
	const char *what; /* "tag", "manifest", "blob", "platform", "link" */
	bool has_digest;
	struct digest digest;
	uint64_t size;                    /* bytes, as declared; 0: not known */
	char platform[PLATFORM_TEXT_MAX]; /* of the child that it belongs to; "" */
	char *text;                       /* owned */
};

struct check_result {
	bool complete;
	bool has_digest;
	struct digest digest; /* of the tag */
	uint32_t manifests, blobs;
	uint64_t bytes; /* of both, each once */
	struct check_problem *problems;
	size_t n_problems, cap_problems;
};

struct check_options {
	struct http_loop *loop;
	const struct platform *platforms;
	size_t n_platforms; /* 0: all children of an index */
	bool include_foreign;
	const volatile sig_atomic_t *stop; /* not 0: end; or NULL */
};

/*
 * Fills ret[n], which the caller clears in any case.  0 also when nothing is complete; ERR_CANCELED
 * after a stop, ERR_IO when the loop or the store broke.
 */
NODISCARD int check_run(const struct check_options *options, const struct sync_target *target,
	const struct check_image *images, size_t n, struct check_result *ret, struct error *err);
void check_results_clear(struct check_result *results, size_t n);
