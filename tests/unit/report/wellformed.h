/*
 * wellformed.h - what every page must be: balanced, escaped, closed to the network, with all
 * coordinates in their drawing.  Stricter than a browser: it knows only what the package writes.
 */
#pragma once

#include <stddef.h>

struct seen {
	size_t drawings, curves, marks, texts;
};

/* Fails the test where text is not as it must be; counts what is there. */
void assert_well_formed(const char *text, size_t len, struct seen *ret);
