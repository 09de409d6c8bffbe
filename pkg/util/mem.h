/*
 * mem.h - memory of sizes that the program itself chose.
 *
 * The x-functions never return NULL: when memory is short they end the process
 * with a message, because nothing sensible could go on.  Sizes that a peer
 * chose never come here: they go through a struct buf with its ceiling, or a
 * count that was checked against a named limit first.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

#include "util/compiler.h"

void *xmalloc(size_t size) OWNED_BY(free);
void *xcalloc(size_t n, size_t size) OWNED_BY(free);      /* zeroed */
void *xrealloc(void *p, size_t n, size_t size) NODISCARD; /* n * size bytes; keeps the content */
char *xstrdup(const char *s) OWNED_BY(free);              /* NULL for NULL */
char *xstrndup(const char *s, size_t n) OWNED_BY(free);
void *xmemdup(const void *p, size_t n) OWNED_BY(free);
char *xasprintf(const char *fmt, ...) PRINTF(1, 2) NODISCARD;
char *xvasprintf(const char *fmt, va_list ap) PRINTF(1, 0) NODISCARD;

/*
 * Makes room for one more element: *cap doubles (from 8) when n reaches it.
 * Use: `list = array_grow(list, n, &cap, sizeof(*list)); list[n++] = x;`
 */
void *array_grow(void *list, size_t n, size_t *cap, size_t elem_size) NODISCARD;

/* Sets *p to a copy of s (which may be NULL or point into *p) and frees the old text. */
void str_replace(char **p, const char *s);
