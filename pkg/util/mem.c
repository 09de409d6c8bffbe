#include "util/mem.h"

#include <stdint.h>

/* Elements that a growing array starts with: most lists here stay below it. */
#define ARRAY_FIRST 8

/* The one place of the packages that ends the process; see mem.h for why. */
static _Noreturn void out_of_memory(size_t size)
{
	fprintf(stderr, "out of memory: %zu bytes are not to be had\n", size);
	abort();
}

void *xmalloc(size_t size)
{
	/* malloc(0) may return NULL, which must stay the sign of failure. */
	void *p = malloc(size ? size : 1);

	if (!p)
		out_of_memory(size);
	return p;
}

void *xcalloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size ? size : 1);

	if (!p)
		out_of_memory(n * size);
	return p;
}

void *xrealloc(void *p, size_t n, size_t size)
{
	size_t bytes;
	void *q;

	if (size && n > SIZE_MAX / size)
		out_of_memory(SIZE_MAX);
	bytes = n * size;
	q = realloc(p, bytes ? bytes : 1);
	if (!q)
		out_of_memory(bytes);
	return q;
}

char *xstrdup(const char *s)
{
	return s ? xmemdup(s, strlen(s) + 1) : NULL;
}

char *xstrndup(const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *copy = xmalloc(len + 1);

	memcpy(copy, s, len);
	copy[len] = '\0';
	return copy;
}

void *xmemdup(const void *p, size_t n)
{
	void *copy = xmalloc(n);

	if (n)
		memcpy(copy, p, n);
	return copy;
}

char *xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = xvasprintf(fmt, ap);
	va_end(ap);
	return s;
}

char *xvasprintf(const char *fmt, va_list ap)
{
	char *s;

	if (vasprintf(&s, fmt, ap) < 0)
		out_of_memory(strlen(fmt));
	return s;
}

void *array_grow(void *list, size_t n, size_t *cap, size_t elem_size)
{
	size_t more = *cap ? *cap * 2 : ARRAY_FIRST;

	if (n < *cap)
		return list;
	if (more < *cap)
		out_of_memory(SIZE_MAX);
	list = xrealloc(list, more, elem_size);
	*cap = more;
	return list;
}

void str_replace(char **p, const char *s)
{
	char *old = *p;

	*p = xstrdup(s); /* before the old one goes: s may point into it */
	free(old);
}
