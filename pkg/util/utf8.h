/* utf8.h - one character at a time out of text that may not be UTF-8. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * The character at s, of which len bytes may be read.  Returns its length in bytes, or 0 when
 * there is none: len is 0, or the bytes are cut, overlong, a surrogate, or beyond U+10FFFF.
 */
size_t utf8_decode(const char *s, size_t len, uint32_t *ret);
