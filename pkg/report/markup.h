/*
 * markup.h - HTML and SVG piece by piece; text is escaped, failures are kept until the end.
 *
 *	struct markup m = {.out = &out};
 *
 *	markup_raw(&m, "<p>");
 *	markup_text(&m, "1 < 2");
 *	markup_raw(&m, "</p>\n");
 *	if (m.failed)
 *		... the ceiling of out was met
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "util/buf.h"

/* Characters of one text that are shown: room for any name or message, none for a flood. */
#define MARKUP_TEXT_MAX 2000

struct markup {
	struct buf *out;
	bool failed; /* nothing more is written then */
};

void markup_raw(struct markup *m, const char *s); /* markup of our own, as it is */
/* As printf(), for markup of our own: nothing that came from elsewhere may go in. */
void markup_format(struct markup *m, const char *fmt, ...) PRINTF(2, 3);
/*
 * Text from anywhere, in an element or in a quoted attribute: what has a meaning in markup becomes
 * an entity, controls and what is no UTF-8 \xNN.  At most `max` characters, "..." at the cut;
 * NULL is nothing.
 */
void markup_text_cut(struct markup *m, const char *text, size_t max);
void markup_text(struct markup *m, const char *text); /* MARKUP_TEXT_MAX of it */
/* A coordinate, with a decimal where it has one. */
void markup_number(struct markup *m, double v);
