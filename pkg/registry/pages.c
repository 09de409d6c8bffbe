/*
 * pages.c - pagination by Link (distribution-spec "Listing Tags").
 */
#include "registry/pages.h"

#include "registry/address.h"
#include "registry/link.h"
#include "util/map.h"
#include "util/mem.h"

/*
 * Remembers a page by the digest of its URL, which a peer may have made long; false: it was there
 * before.
 */
static bool remember(struct pages *p, const char *url)
{
	static char present;
	struct digest d;

	if (digest_of(DIGEST_SHA256, url, strlen(url), &d, NULL) < 0 ||
		map_get(p->seen, &d, sizeof(d)))
		return false;
	map_put(p->seen, &d, sizeof(d), &present);
	return true;
}

void pages_begin(struct pages *p, char *url)
{
	p->url = url;
	p->foreign = false;
	p->seen = map_new(NULL);
	(void)remember(p, url);
}

void pages_clear(struct pages *p)
{
	free(p->url);
	map_free(p->seen);
	p->url = NULL;
	p->seen = NULL;
}

/* The answer's origin is as good as the registry's: a permitted redirect led there. */
static int move_to(struct pages *p, const struct registry *r, const char *answered,
	const char *link, struct error *err)
{
	AUTO(url_clear) struct url base = URL_INIT, next = URL_INIT;
	int rc = address_resolve(answered, link, &next, err);

	if (rc == 0)
		rc = url_parse(answered, &base, err);
	if (rc < 0)
		return error_wrap(err, rc, "the Link to the next page");
	if (!url_same_origin(&next, &r->origin) && !url_same_origin(&next, &base))
		return error_set(err,
			ERR_REMOTE,
			"the Link to the next page leads to another host (%.80s): refused",
			next.host);
	if (map_count(p->seen) >= REGISTRY_PAGES_MAX)
		return error_set(err,
			ERR_REMOTE,
			"more than %u pages (REGISTRY_PAGES_MAX)",
			REGISTRY_PAGES_MAX);
	if (!remember(p, next.text))
		return error_set(
			err, ERR_REMOTE, "the Link to the next page leads back to an earlier one");
	str_replace(&p->url, next.text);
	p->foreign = !url_same_origin(&next, &r->origin);
	return 0;
}

int pages_next(struct pages *p, const struct registry *r, const struct registry_exchange *x,
	bool *ret_more, struct error *err)
{
	const struct http_response *response = registry_exchange_response(x);
	const char *value;

	for (unsigned i = 0; (value = http_header_at(response, "Link", i)); i++) {
		AUTO_FREE char *link = NULL;
		int rc = link_next(value, &link, err);

		if (rc == 0 && !link)
			continue;
		if (rc == 0)
			rc = move_to(p, r, registry_exchange_url(x), link, err);
		if (rc < 0)
			return rc;
		*ret_more = true;
		return 0;
	}
	*ret_more = false;
	return 0;
}
