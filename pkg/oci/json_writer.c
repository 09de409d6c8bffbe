/*
 * Writing.  The first failure to append stops all that follows, so that
 * callers need to look only once, in jx_writer_finish().
 */
#include <math.h>
#include <string.h>

#include "oci/json.h"
#include "util/utf8.h"

enum {
	INDENT = 2,   /* spaces a level, with .pretty */
	DELETE = 0x7f /* a control character that JSON lets pass and terminals do not */
};

static void put(struct jx_writer *w, const char *data, size_t len)
{
	if (!w->failed && buf_append(w->out, data, len, NULL) < 0)
		w->failed = true;
}

static void put_text(struct jx_writer *w, const char *s)
{
	put(w, s, strlen(s));
}

static void new_line(struct jx_writer *w)
{
	if (!w->pretty)
		return;
	put_text(w, "\n");
	for (unsigned i = 0; i < w->depth * INDENT; i++)
		put_text(w, " ");
}

/*
 * The short forms that people expect where there are any worth having, and
 * \u00XX for the other control characters (RFC 8259 7).
 */
static void put_escaped(struct jx_writer *w, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	char text[] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15], '\0'};

	if (c == '"' || c == '\\') {
		text[1] = (char)c;
		text[2] = '\0';
	} else if (c == '\n') {
		text[1] = 'n';
		text[2] = '\0';
	}
	put_text(w, text);
}

static void put_string(struct jx_writer *w, const char *s)
{
	const char *end = s + strlen(s);
	uint32_t c;

	put_text(w, "\"");
	while (s < end) {
		/* 0 for a byte that begins no character: one sign for each such byte. */
		size_t n = utf8_decode(s, (size_t)(end - s), &c);

		if (n == 0)
			put_text(w, "\\ufffd");
		else if (c < ' ' || c == '"' || c == '\\' || c == DELETE)
			put_escaped(w, (unsigned char)c);
		else
			put(w, s, n);
		s += n == 0 ? 1 : n;
	}
	put_text(w, "\"");
}

/* All that stands before a value: the comma, the line, the key. */
static void begin(struct jx_writer *w, const char *key)
{
	if (w->comma)
		put_text(w, ",");
	if (w->depth > 0)
		new_line(w);
	if (key) {
		put_string(w, key);
		put_text(w, w->pretty ? ": " : ":");
	}
	w->comma = true;
}

static void open_level(struct jx_writer *w, const char *key, const char *bracket)
{
	begin(w, key);
	put_text(w, bracket);
	w->depth++;
	w->comma = false;
}

static void close_level(struct jx_writer *w, const char *bracket)
{
	w->depth--;
	if (w->comma)
		new_line(w);
	put_text(w, bracket);
	w->comma = true;
}

void jx_begin_object(struct jx_writer *w, const char *key)
{
	open_level(w, key, "{");
}

void jx_end_object(struct jx_writer *w)
{
	close_level(w, "}");
}

void jx_begin_array(struct jx_writer *w, const char *key)
{
	open_level(w, key, "[");
}

void jx_end_array(struct jx_writer *w)
{
	close_level(w, "]");
}

void jx_put_text(struct jx_writer *w, const char *key, const char *text)
{
	begin(w, key);
	if (text)
		put_string(w, text);
	else
		put_text(w, "null");
}

void jx_put_u64(struct jx_writer *w, const char *key, uint64_t n)
{
	begin(w, key);
	if (!w->failed && buf_printf(w->out, NULL, "%ju", (uintmax_t)n) < 0)
		w->failed = true;
}

void jx_put_i64(struct jx_writer *w, const char *key, int64_t n)
{
	begin(w, key);
	if (!w->failed && buf_printf(w->out, NULL, "%jd", (intmax_t)n) < 0)
		w->failed = true;
}

void jx_put_fixed(struct jx_writer *w, const char *key, double n, int decimals)
{
	size_t start;

	begin(w, key);
	if (!isfinite(n)) {
		put_text(w, "null");
		return;
	}
	start = w->out->len;
	if (w->failed || buf_printf(w->out, NULL, "%.*f", decimals, n) < 0) {
		w->failed = true;
		return;
	}
	/* The point is JSON's, whatever the locale writes. */
	for (char *p = w->out->data + start; *p; p++)
		if (*p == ',')
			*p = '.';
}

void jx_put_bool(struct jx_writer *w, const char *key, bool b)
{
	begin(w, key);
	put_text(w, b ? "true" : "false");
}

int jx_writer_finish(struct jx_writer *w, struct error *err)
{
	if (w->failed)
		return error_set(err,
			ERR_NOMEM,
			"a JSON document larger than its limit of %zu bytes",
			w->out->max);
	return 0;
}
