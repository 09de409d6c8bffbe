/* mem.c - memory of sizes that the program itself chose. */
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

/* An allocation of size bytes, as long as there is one. */
static void *checked(void *p, size_t size)
{
	if (!p)
		out_of_memory(size);
	return p;
}

void *xmalloc(size_t size)
{
	/* malloc(0) may return NULL, which must stay the sign of failure. */
	return checked(malloc(size ? size : 1), size);
}

void *xcalloc(size_t n, size_t size)
{
	return checked(calloc(n ? n : 1, size ? size : 1), n * size);
}

void *xrealloc(void *p, size_t n, size_t size)
{
	if (size && n > SIZE_MAX / size)
		out_of_memory(SIZE_MAX);
	return checked(realloc(p, n && size ? n * size : 1), n * size);
}

char *xstrdup(const char *s)
{
	return s ? checked(strdup(s), strlen(s) + 1) : NULL;
}

char *xstrndup(const char *s, size_t n)
{
	return checked(strndup(s, n), n);
}

void *xmemdup(const void *p, size_t n)
{
	void *copy = checked(malloc(n ? n : 1), n);

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

void *xkeep(size_t n, size_t size)
{
	return xcalloc(n, size);
}
