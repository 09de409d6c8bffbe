/* Redirects by hand: where a 3xx leads, and whether we go there. */
#include <strings.h>

#include "http/internal.h"

/* POST, PUT and PATCH are never sent elsewhere on a peer's word: their caller decides. */
bool redirect_wanted(const struct http_call *call)
{
	switch (call->response.status) {
	case 301:
	case 302:
	case 303:
	case 307:
	case 308:
		break;
	default:
		return false;
	}
	return call->request.max_redirects > 0 &&
	       (call->request.method == HTTP_GET || call->request.method == HTTP_HEAD) &&
	       http_header(&call->response, "Location");
}

static bool is_credential(const char *field)
{
	static const char *const names[] = {"Authorization:", "Cookie:", "Proxy-Authorization:"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strncasecmp(field, names[i], strlen(names[i])) == 0)
			return true;
	}
	return false;
}

/* For good: a later hop that comes back to the first origin does not get them either. */
static void drop_credentials(struct http_call *call)
{
	struct curl_slist **at = &call->headers;

	while (*at) {
		if (is_credential((*at)->data))
			*at = (*at)->next;
		else
			at = &(*at)->next;
	}
}

/*
 * The order of the checks matters: an https hop that leads to http is refused also when
 * that origin is configured as plain, and credentials are gone before the next host is looked up.
 */
int redirect_step(struct http_call *call, struct error *err)
{
	const char *location = http_header(&call->response, "Location");
	AUTO(url_clear) struct url next = URL_INIT;
	int rc;

	if (call->response.redirects >= call->request.max_redirects)
		return error_set(err,
			ERR_REMOTE,
			"%s://%s:%u: more than %u redirects",
			call->url.scheme,
			call->url.host,
			call->url.port,
			call->request.max_redirects);
	rc = url_resolve(&call->url, location, &next, err);
	if (rc < 0)
		return error_wrap(
			err, rc, "redirect from %s://%s", call->url.scheme, call->url.host);
	if (strcmp(call->url.scheme, "https") == 0 && strcmp(next.scheme, "http") == 0)
		return error_set(err,
			ERR_REMOTE,
			"redirect from https://%s to plain http://%s is not followed",
			call->url.host,
			next.host);
	if (!url_same_origin(&call->url, &next))
		drop_credentials(call);
	call->response.redirects++;
	url_move(&call->url, &next);
	return call_route(call, err);
}
