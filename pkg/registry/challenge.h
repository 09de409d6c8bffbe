/*
 * challenge.h - the WWW-Authenticate header (RFC 9110 11.6.1): how a registry wants to be told who
 * we are.
 *
 * Only Bearer and Basic are kept, the first of each; others are skipped.
 */
#pragma once

#include <stdbool.h>

#include "util/compiler.h"

struct challenge {
	bool basic;
	bool bearer; /* with realm, at least */
	char *realm; /* of bearer, as are the following; NULL: not told */
	char *service;
	char *scope;
	char *error; /* "invalid_token", "insufficient_scope" */
};

#define CHALLENGE_INIT ((struct challenge){.basic = false})

void challenge_clear(struct challenge *c);
/*
 * Adds the challenges in one header's value, of which there may be several, as there may be several
 * headers.  A value that is malformed gives what could be read of it.
 */
void challenge_add(struct challenge *c, const char *value);
