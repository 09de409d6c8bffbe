/*
 * base64.h - RFC 4648 section 4, for Basic credentials.
 */
#pragma once

#include <stddef.h>

#include "util/buf.h"

char *base64_encode(const void *data, size_t len) NODISCARD; /* with padding; caller frees */
/* Appends the bytes; white space and missing padding are forgiven.  Fails with ERR_USAGE. */
NODISCARD int base64_decode(const char *text, struct buf *ret, struct error *err);
