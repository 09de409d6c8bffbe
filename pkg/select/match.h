/* match.h - one pattern against one name: regular expressions and globs, compiled once. */
#pragma once

#include <stdbool.h>

#include "util/error.h"

struct pattern;

/* Anchored PCRE2, the whole name.  ERR_USAGE with the offset. */
NODISCARD int pattern_regex(const char *text, struct pattern **ret, struct error *err);
/* "registry.corp.example/" followed by two stars: one star stays within a path component, two cross them, '?' is one character. */
NODISCARD int pattern_glob(const char *text, struct pattern **ret, struct error *err);
void pattern_free(struct pattern *p);
DEFINE_CLEANUP(struct pattern *, pattern_free);
/* Fails with ERR_USAGE when the match limit is hit. */
NODISCARD int pattern_match(const struct pattern *p, const char *name, bool *ret, struct error *err);
