/*
 * failures.h - why each source did not give a digest, for the error at the end.
 *
 * Texts are cut at FAILURE_TEXT_MAX: with SOURCES_MAX sources all of them stay below 8 KiB.
 */
#pragma once

#include "source/source.h"
#include "util/error.h"

#define FAILURE_TEXT_MAX ((size_t)200) /* bytes of one source's text */

struct failures {
	struct failure *each; /* SOURCES_MAX of them; NULL: nothing failed yet */
};

void failures_clear(struct failures *f);
/* The newest replaces the one before. */
void failures_note(
	struct failures *f, const struct source_set *set, size_t index, const struct error *err);
/*
 * Nobody is left to ask: fills *err, whose old content goes.  "Not there" only when all that count
 * said so (promise 5); else the class is that of the last other failure, or the one that the chain
 * shows (source/chain.h).  The text names each source and why it failed.
 */
void failures_conclude(const struct failures *f, const struct source_set *set,
	const struct source_trials *trials, uint64_t now_ms, struct error *err);
