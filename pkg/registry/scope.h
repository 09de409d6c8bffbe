/*
 * scope.h - what a token must allow: a small set of "repository:<name>:<actions>".
 *
 * A value without pointers to the outside: actions of one resource are merged and sorted, resources
 * keep the order in which they were asked for, because some token servers honour only the first
 * (protocol.md 3.2).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* resources of one request: its own, a mount's source, what a challenge added */
#define SCOPES_MAX 4
/*
 * characters of one scope: a repository of 255, its prefix and its actions; a challenge's longer
 * one is left out
 */
#define SCOPE_TEXT_MAX 384

struct scope_set {
	size_t n;
	char text[SCOPES_MAX][SCOPE_TEXT_MAX + 1];
};

/*
 * Adds the scopes in text, split by spaces as in a challenge (RFC 6750 3).
 * Tells whether the set became larger; malformed, over-long and surplus scopes are left out.
 */
bool scope_add(struct scope_set *set, const char *text);

/* Split by spaces, sorted by resource: the same for the same set.  Caller frees. */
char *scope_key(const struct scope_set *set);
