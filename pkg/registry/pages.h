/*
 * pages.h - from one page of a listing to the next, by Link.
 */
#pragma once

#include <stdbool.h>

#include "registry/internal.h"

struct pages {
	char *url;        /* of the page to be asked for */
	bool foreign;     /* it is not at the registry itself but where a redirect led */
	struct map *seen; /* digests of the URLs asked for */
};

/* Takes url over. */
void pages_begin(struct pages *p, char *url);
void pages_clear(struct pages *p);
/*
 * Moves on to the page that follows x's; *ret_more is false when that was the last one.
 * Fails with ERR_REMOTE: a Link to another origin than the registry's or that of the answer, to
 * a page that was there before, or past REGISTRY_PAGES_MAX.
 */
NODISCARD int pages_next(struct pages *p, const struct registry *r,
	const struct registry_exchange *x, bool *ret_more, struct error *err);
