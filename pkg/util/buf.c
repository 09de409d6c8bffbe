/*
 * buf.c - bytes that grow up to a ceiling.
 *
 * Memory grows by doubling, so that appending a byte at a time stays linear, and stops at the
 * ceiling itself: what a peer may make us hold is what the ceiling says, not twice that.
 */
#include "util/buf.h"

#include <stdint.h>

#include "util/mem.h"

/* Bytes that a buffer starts with: one header line, one short JSON object. */
#define BUF_FIRST 64

void buf_clear(struct buf *b)
{
	free(b->data);
	*b = BUF_INIT(b->max);
}

void buf_reset(struct buf *b)
{
	b->len = 0;
	if (b->data)
		b->data[0] = '\0';
}

/* Doubling, but never past the ceiling: a buffer of 4 MiB must not take 8. */
static size_t next_cap(const struct buf *b, size_t need)
{
	size_t top = b->max < SIZE_MAX ? b->max + 1 : SIZE_MAX;
	size_t cap = b->cap ? b->cap : BUF_FIRST;

	while (cap < need)
		cap = cap > top / 2 ? top : cap * 2;
	return cap < top ? cap : top;
}

int buf_reserve(struct buf *b, size_t more, struct error *err)
{
	size_t need, cap;
	char *p;

	if (b->len > b->max || more > b->max - b->len || more >= SIZE_MAX - b->len)
		return error_set(err, ERR_NOMEM, "more than the %zu bytes allowed", b->max);
	need = b->len + more + 1;
	if (need <= b->cap)
		return 0;
	cap = next_cap(b, need);
	/* Not xrealloc: a peer may have chosen this size. */
	p = realloc(b->data, cap);
	if (!p)
		return error_set(err, ERR_NOMEM, "no memory for %zu bytes", cap);
	b->data = p;
	b->cap = cap;
	b->data[b->len] = '\0';
	return 0;
}

int buf_append(struct buf *b, const void *data, size_t len, struct error *err)
{
	int rc = buf_reserve(b, len, err);

	if (rc < 0)
		return rc;
	if (len)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
	return 0;
}

int buf_puts(struct buf *b, const char *s, struct error *err)
{
	return buf_append(b, s, strlen(s), err);
}

int buf_printf(struct buf *b, struct error *err, const char *fmt, ...)
{
	AUTO_FREE char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0) {
		text = NULL;
		return error_set(err, ERR_NOMEM, "no memory to format text");
	}
	return buf_append(b, text, (size_t)n, err);
}

const char *buf_text(const struct buf *b)
{
	return b->data ? b->data : "";
}

char *buf_steal(struct buf *b)
{
	char *p = b->data ? b->data : xstrndup("", 0);

	*b = BUF_INIT(b->max);
	return p;
}
