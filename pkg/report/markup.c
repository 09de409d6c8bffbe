/* markup.c - HTML and SVG piece by piece. */
#include "report/markup.h"

#include <math.h>

#include "util/mem.h"
#include "util/parse.h"

#define COORDINATE_MAX 1e6 /* far beyond any drawing; keeps the conversion to long defined */

void markup_raw(struct markup *m, const char *s)
{
	if (!m->failed && buf_puts(m->out, s, NULL) < 0)
		m->failed = true;
}

void markup_format(struct markup *m, const char *fmt, ...)
{
	AUTO_FREE char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	markup_raw(m, text);
}

static const char *entity(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return NULL;
	}
}

void markup_text_cut(struct markup *m, const char *text, size_t max)
{
	AUTO_FREE char *clean = text ? text_sanitize(text, strlen(text), max) : NULL;
	const char *p = clean ? clean : "";

	while (*p && !m->failed) {
		size_t plain = strcspn(p, "&<>\"'");

		if (buf_append(m->out, p, plain, NULL) < 0)
			m->failed = true;
		p += plain;
		if (*p)
			markup_raw(m, entity(*p++));
	}
}

void markup_text(struct markup *m, const char *text)
{
	markup_text_cut(m, text, MARKUP_TEXT_MAX);
}

void markup_number(struct markup *m, double v)
{
	long tenths = lround(fmin(fmax(v, -COORDINATE_MAX), COORDINATE_MAX) * 10);
	const char *sign = tenths < 0 ? "-" : "";
	long size = labs(tenths);

	if (size % 10)
		markup_format(m, "%s%ld.%ld", sign, size / 10, size % 10);
	else
		markup_format(m, "%s%ld", sign, size / 10);
}
