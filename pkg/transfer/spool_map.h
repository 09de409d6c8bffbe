/*
 * spool_map.h - the text beside a spool file that says which of its bytes are there.
 *
 * A blob that comes from several sources at once is written with holes.  Its spool file then has a
 * sidecar, <name>.map: lines "FIRST END\n", decimal offsets in bytes, END one past the last, each
 * appended after the bytes were written.  Lines may overlap and come in any order.  The first line
 * that is not of this form ends the map: a crash may have torn the last one.
 *
 * Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "transfer/extents.h"

#define SPOOL_MAP_SUFFIX ".map"
/* Chars of a line, with its NUL: two numbers of 20 digits, a space, a line break. */
#define SPOOL_MAP_LINE_MAX 43

/*
 * Adds what the text says to *ret, as far as it lies within `size` bytes.  Returns how many bytes
 * of the text were lines: what follows is to be cut off before more are appended.
 */
size_t spool_map_parse(const char *text, size_t len, uint64_t size, struct extents *ret);
/* Writes a line with its NUL into buf and returns its length. */
size_t spool_map_line(uint64_t first, uint64_t end, char buf[static SPOOL_MAP_LINE_MAX]);
