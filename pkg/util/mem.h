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

void *xmalloc(size_t size) OWNED_BY(free) NEVER_NULL;
void *xcalloc(size_t n, size_t size) OWNED_BY(free) NEVER_NULL; /* zeroed */
/* n * size bytes; keeps the content. */
void *xrealloc(void *p, size_t n, size_t size) NODISCARD NEVER_NULL;
/* NULL for NULL; not OWNED_BY(), or gcc's analyzer would ask each caller to check for NULL. */
char *xstrdup(const char *s) NODISCARD;
char *xstrndup(const char *s, size_t n) OWNED_BY(free) NEVER_NULL;
void *xmemdup(const void *p, size_t n) OWNED_BY(free) NEVER_NULL;
char *xasprintf(const char *fmt, ...) PRINTF(1, 2) NODISCARD NEVER_NULL;
char *xvasprintf(const char *fmt, va_list ap) PRINTF(1, 0) NODISCARD NEVER_NULL;

/*
 * n * size bytes, zeroed, for an element of a growing array to own.  gcc 12's analyzer loses such
 * pointers and calls them leaked: it is not told that they must be freed (ASan's tests see it).
 */
void *xkeep(size_t n, size_t size) NODISCARD NEVER_NULL;

/*
 * Makes room for one more element: *cap doubles (from 8) when n reaches it.
 * Use: `list = array_grow(list, n, &cap, sizeof(*list)); list[n++] = x;`
 */
void *array_grow(void *list, size_t n, size_t *cap, size_t elem_size) NODISCARD NEVER_NULL;

/* Sets *p to a copy of s (which may be NULL or point into *p) and frees the old text. */
void str_replace(char **p, const char *s);
