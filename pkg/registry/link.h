/*
 * link.h - the Link header (RFC 8288) as far as pagination needs it.
 */
#pragma once

#include "util/error.h"

/*
 * The target of the first link whose relation is "next", as it is written there
 * (absolute or relative); *ret is NULL when there is none, and the caller's to free.
 * Fails with ERR_REMOTE for a value that is no Link: a listing that goes on
 * must not look complete because its Link could not be read.
 */
NODISCARD int link_next(const char *value, char **ret, struct error *err);
