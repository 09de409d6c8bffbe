/*
 * chain.h - the order of sources by hand, in GOPROXY's language (sources.md 1.1).
 *
 *	"corp.example , mirror-a | mirror-b | direct"
 *
 * After "," the next source is tried only when this one said that it is not there (404, 410); after
 * "|" after any error.  Wrong content always moves on.  "direct" is the authority and the end;
 * "off" stops.  Empty entries are skipped, spaces around entries mean nothing, and what follows
 * "direct" or "off" is not read, as in Go.  The authority may also stand in the chain by its name,
 * as an entry like any other.
 *
 * Pure.  Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "util/error.h"

#define CHAIN_MAX 33 /* entries: all sources of an upstream, and an end */

enum chain_kind {
	CHAIN_SOURCE,
	CHAIN_DIRECT, /* the authority */
	CHAIN_OFF     /* nobody after this */
};

struct chain_entry {
	enum chain_kind kind;
	size_t source;  /* index among the names given to chain_parse(); the authority's for DIRECT
			   and OFF */
	bool authority; /* by whichever name */
	bool any_error; /* "|": the next one is tried after any error; else only after "not there"
			 */
};

struct chain {
	struct chain_entry entries[CHAIN_MAX];
	size_t n;
};

/*
 * names: of the upstream's sources, as configured; authority: its index.  A chain that does not end
 * in "direct" or "off" ends there all the same: sources that it does not name are not asked.
 * Fails with ERR_USAGE for a name that is no source of the upstream, one that comes twice, more
 * than CHAIN_MAX entries, or no entry at all.  *ret is untouched on failure.
 */
NODISCARD int chain_parse(const char *text, const char *const *names, size_t n_names,
	size_t authority, struct chain *ret, struct error *err);

/*
 * Whether the entry after this one may be tried when this one failed so.  Never after the end, and
 * not after what is no failure of the source: ERR_CANCELED, ERR_TRUST.
 */
bool chain_goes_on(const struct chain_entry *e, enum errc failure);

/*
 * Which of the failures the user is shown (sources.md 1.1): the authority's, else the first that is
 * not "not there", else "not there".  classes[i] is how entry i failed, ERR_NONE where it was not
 * asked.  Returns the entry's index; n when none failed.
 */
size_t chain_shown(const struct chain *c, const enum errc *classes);
