/* secret.h - the value of a secret: as written, from the environment, or from a file. */
#pragma once

#include "util/error.h"

#define SECRET_MAX \
	((size_t)64 * 1024) /* bytes: the longest tokens (cloud registries) are below 4 KiB */

/*
 * "file:PATH" is the content of that file, without one newline at its end;
 * elsewhere ${NAME} is the environment's value and $${ stands for ${ itself.
 * Fails with ERR_USAGE: a variable that is not set, a file that cannot be read,
 * an empty result.  Messages never hold the secret.  The caller frees *ret.
 */
NODISCARD int secret_expand(const char *text, char **ret, struct error *err);
