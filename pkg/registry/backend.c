/*
 * backend.c - anonymous identities by origin.
 */
#include "registry/backend.h"

#include "registry/auth.h"
#include "registry/internal.h"
#include "util/map.h"
#include "util/mem.h"

bool backend_answered(const struct registry *r, const struct http_response *response)
{
	AUTO(url_clear) struct url url = URL_INIT;

	return response->redirects > 0 && url_parse(response->url, &url, NULL) == 0 &&
	       !url_same_origin(&url, &r->origin);
}

struct auth *backend_auth(struct registry *r, const char *url)
{
	AUTO(url_clear) struct url parts = URL_INIT;
	AUTO_FREE char *origin = NULL;
	struct auth *a;

	if (url_parse(url, &parts, NULL) < 0)
		return NULL;
	origin = xasprintf("%s://%s:%u", parts.scheme, parts.host, parts.port);
	a = map_get_str(r->backends, origin);
	if (!a && map_count(r->backends) < BACKENDS_MAX) {
		a = auth_new(r->loop, origin, NULL);
		map_put_str(r->backends, origin, a);
	}
	return a;
}
