/* httpd_query.c - a key of the query that stands there several times. */
#include <microhttpd.h>

#include "server/httpd_internal.h"

struct nth {
	const char *key;
	size_t n; /* of those that are to be passed over */
	const char *found;
};

static enum MHD_Result look(void *ctx, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct nth *nth = ctx;

	(void)kind;
	if (strcmp(key, nth->key) != 0)
		return MHD_YES;
	if (nth->n-- > 0)
		return MHD_YES;
	nth->found = value ? value : "";
	return MHD_NO;
}

const char *httpd_query_at(const struct httpd_request *r, const char *key, size_t n)
{
	struct nth nth = {.key = key, .n = n};

	(void)MHD_get_connection_values(r->mhd, MHD_GET_ARGUMENT_KIND, look, &nth);
	return nth.found;
}
