/*
 * select.h - which tags a rule means.
 *
 * A tag is selected when it matches an `include` (or there is none), satisfies
 * the `semver` range (or there is none), and matches no `exclude`; then `latest: N`
 * keeps the N highest versions and drops what is no version (design.md 4).  Pure: no I/O.
 *
 * An expression that is nothing but a tag ("v1.34.1", "latest") means that tag alone: its dots
 * are dots.  Anything else is a regular expression (PCRE2), matched against the whole tag, with
 * a match limit (SELECT_MATCH_LIMIT), so that a bad one ends in an error and not in a hang.
 * semver: a range as in range.h, over versions as in semver.h.  `latest` counts versions, not
 * tags: "3.9" and "3.9.0" are one version, and both stay or both go.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "select/match.h"
#include "util/error.h"

enum select_reason {
	SELECT_WANTED,
	SELECT_NOT_INCLUDED,
	SELECT_SEMVER, /* outside the range, or no version */
	SELECT_EXCLUDED,
	SELECT_OLD, /* not among the latest N, or no version while latest is set */
};
const char *select_reason_text(enum select_reason r); /* "excluded", "not included", ... */

struct select_rules {
	const char *const *include; /* n_include regular expressions */
	size_t n_include;
	const char *const *exclude;
	size_t n_exclude;
	const char *semver; /* or NULL */
	unsigned latest;    /* 0: all */
};

struct selector;

/* Compiles.  Fails with ERR_USAGE: which expression, at which offset, why.  Strings are copied. */
NODISCARD int selector_new(
	const struct select_rules *rules, struct selector **ret, struct error *err);
void selector_free(struct selector *s);
DEFINE_CLEANUP(struct selector *, selector_free);

/*
 * True when the rules are literal names only (no listing needed): every include is
 * a plain tag, and nothing else is set.
 */
bool selector_is_literal(const struct selector *s);

/*
 * Decides for all tags of a repository at once: ret[i] for tags[i], n of them.  One thread at
 * a time (match.h).
 * Fails with ERR_USAGE when a match hits the limit.
 */
NODISCARD int selector_apply(const struct selector *s, const char *const *tags, size_t n,
	enum select_reason *ret, struct error *err);
