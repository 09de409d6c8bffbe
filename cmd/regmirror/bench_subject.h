/*
 * bench_subject.h - what `bench` compares: out of the configuration, or named on the command line.
 *
 * A private name is asked of the authority alone, also here: its mirrors are no subject then.
 */
#pragma once

#include "setup.h"
#include "source/bench.h"
#include "util/opt.h"

/* As given by the user. */
struct bench_wishes {
	const struct opt_list
		*sources;    /* HOST[/PREFIX] with an image, else HOST/REPO[:TAG|@DIGEST] */
	const char *image;   /* REPO[:TAG|@DIGEST], or NULL */
	const char *only[2]; /* with --compare: measure these of an upstream; or NULL */
};

struct bench_subject {
	char *upstream; /* its name in the configuration, or NULL */
	struct bench_place places[BENCH_PLACES_MAX];
	char *repositories[BENCH_PLACES_MAX]; /* what places without a source point to */
	char *names[BENCH_PLACES_MAX];
	size_t n_places;
	char *repository, *tag; /* of the sample; tag may be NULL */
	bool has_digest;
	struct digest digest;
	struct bench_tag *tags; /* wanted; their texts are in `texts` */
	size_t n_tags;
	char **texts;
	size_t n_texts;
	struct tag_history history;
	bool is_private; /* mirrors were left out */
};

void bench_subject_free(struct bench_subject *s);
DEFINE_CLEANUP(struct bench_subject *, bench_subject_free);

/* By --source. */
NODISCARD int bench_subject_named(struct setup *setup, const struct bench_wishes *wishes,
	struct bench_subject **ret, struct error *err);
/* An upstream; the sample is wishes->image, or what its rules want.  May ask the authority for its
 * tags. */
NODISCARD int bench_subject_configured(struct setup *setup, const struct config *config,
	const struct config_upstream *upstream, const struct bench_wishes *wishes,
	struct bench_subject **ret, struct error *err);
