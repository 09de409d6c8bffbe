/*
 * range.h - a set of versions: ">=1.10 <2 !=1.13 || ^3.1".
 *
 * Comparisons joined by spaces or commas must all hold; of alternatives joined
 * by "||" one must.  Missing numbers and "x" or "*" stand for all of them:
 *
 *	1.2  =1.2  1.2.x  1.2.*    1.2.0 up to, not including, 1.3.0
 *	!=1.3                      outside of 1.3.0 up to 1.4.0
 *	>1.2  <=1.2                from 1.3.0 on; below 1.3.0
 *	~1.2.3  ~1                 from there on in 1.2; all of 1
 *	^1.2.3  ^0.2.3  ^0.0.3     from there on in 1, in 0.2, in 0.0.3: up to the first number that
 *is not 0 1.2 - 1.4                  1.2.0 up to, not including, 1.5.0
 *
 * A pre-release is in a range only where a bound with the same three numbers
 * is a pre-release, too.
 */
#pragma once

#include <stdbool.h>

#include "select/semver.h"
#include "util/error.h"

struct range;

/* Fails with ERR_USAGE: the offset, and what was found there.  The text is copied. */
NODISCARD int range_parse(const char *text, struct range **ret, struct error *err);
void range_free(struct range *r); /* NULL is fine */
DEFINE_CLEANUP(struct range *, range_free);

bool range_has(const struct range *r, const struct semver *v);
