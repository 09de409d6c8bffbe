/* The header fields of an answer: kept as text with offsets, up to two ceilings. */
#include <inttypes.h>
#include <strings.h>

#include "http/internal.h"
#include "util/parse.h"

/* The memory is kept: the next answer on this handle has about as many. */
void fields_reset(struct fields *f)
{
	buf_reset(&f->text);
	f->n = 0;
}

int fields_add(struct fields *f, const char *line, size_t len, struct error *err)
{
	const char *colon = memchr(line, ':', len);
	const char *value, *end = line + len;
	size_t start = f->text.len;

	/* Obsolete line folding (RFC 9112 5.2) and lines that are no field are left out. */
	if (!colon || colon == line || line[0] == ' ' || line[0] == '\t')
		return 0;
	/* More fields than anybody asks for: their bytes were counted, that is enough. */
	if (f->n == HTTP_HEADERS_MAX)
		return 0;
	for (value = colon + 1; value < end && strchr(" \t", *value); value++)
		;
	while (end > value && strchr(" \t\r\n", end[-1]))
		end--;
	if (memchr(line, '\0', len))
		return error_set(err, ERR_REMOTE, "a NUL byte in a header field");
	if (buf_append(&f->text, line, (size_t)(colon - line), err) < 0 ||
		buf_append(&f->text, "", 1, err) < 0)
		return -(int)ERR_NOMEM;
	f->at[f->n].name = (uint32_t)start;
	f->at[f->n].value = (uint32_t)f->text.len;
	if (buf_append(&f->text, value, (size_t)(end - value), err) < 0 ||
		buf_append(&f->text, "", 1, err) < 0)
		return -(int)ERR_NOMEM;
	f->n++;
	return 0;
}

/* Names are compared without regard to case (RFC 9110 5.1). */
static const char *find(const struct fields *f, const char *name, unsigned n)
{
	for (size_t i = 0; i < f->n; i++) {
		if (strcasecmp(f->text.data + f->at[i].name, name) == 0 && n-- == 0)
			return f->text.data + f->at[i].value;
	}
	return NULL;
}

int64_t fields_content_length(const struct fields *f)
{
	const char *text = find(f, "Content-Length", 0);
	uint64_t n;

	/* RFC 9112 6.3: with a transfer coding, Content-Length says nothing. */
	if (!text || find(f, "Transfer-Encoding", 0))
		return -1;
	return parse_u64(text, &n, NULL) == 0 && n <= INT64_MAX ? (int64_t)n : -1;
}

const char *http_header_at(const struct http_response *r, const char *name, unsigned n)
{
	return r->headers ? find(r->headers, name, n) : NULL;
}

const char *http_header(const struct http_response *r, const char *name)
{
	return http_header_at(r, name, 0);
}
