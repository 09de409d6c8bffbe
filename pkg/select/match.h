/*
 * match.h - one pattern against one name: regular expressions and globs, compiled once.
 *
 * A pattern keeps its working memory (at most MATCH_HEAP_KIB) between matches:
 * one thread at a time.
 */
#pragma once

#include <stdbool.h>

#include "util/error.h"

/* Ceilings of one match.  Names have at most 255 bytes; real patterns need a hundredth of these. */
#define SELECT_MATCH_LIMIT 100000 /* steps, some milliseconds */
#define MATCH_DEPTH_LIMIT  10000  /* nested choices that may still be undone */
#define MATCH_HEAP_KIB     2048   /* memory for them */
#define PATTERN_TEXT_MAX   4096   /* bytes of an expression */

struct pattern;

/* Anchored PCRE2, the whole name.  ERR_USAGE with the offset. */
NODISCARD int pattern_regex(const char *text, struct pattern **ret, struct error *err);
/*
 * "registry.corp.example/" followed by two stars: one star stays within a path
 * component, two cross them, '?' is one character.
 */
NODISCARD int pattern_glob(const char *text, struct pattern **ret, struct error *err);
void pattern_free(struct pattern *p);
DEFINE_CLEANUP(struct pattern *, pattern_free);
/* Fails with ERR_USAGE when the match limit is hit. */
NODISCARD int pattern_match(
	const struct pattern *p, const char *name, bool *ret, struct error *err);
