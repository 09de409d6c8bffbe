#include "server/route.h"

#include "util/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same(const struct route *a, const struct route *b)
{
	return a->kind == b->kind && a->has_digest == b->has_digest &&
	       strcmp(a->repository, b->repository) == 0 && strcmp(a->tag, b->tag) == 0 &&
	       strcmp(a->upload, b->upload) == 0 &&
	       (!a->has_digest || digest_equal(&a->digest, &b->digest));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *path = xstrndup((const char *)data, size);
	AUTO_FREE char *text = NULL;
	struct route r, again;
	enum route_fault fault = route_parse(path, &r);

	if (*r.repository && !repository_is_valid(r.repository))
		abort();
	if (*r.tag && (!tag_is_valid(r.tag) || r.kind != ROUTE_MANIFEST || r.has_digest))
		abort();
	if (strchr(r.upload, '/') || strchr(r.upload, '.'))
		abort();
	if (fault != ROUTE_FINE || r.kind == ROUTE_NONE)
		return 0;
	text = route_format(&r);
	if (route_parse(text, &again) != ROUTE_FINE || !same(&r, &again))
		abort();
	/* But for two spellings, a route has one path. */
	if (strcmp(text, path) != 0 && r.kind != ROUTE_BASE && r.kind != ROUTE_UPLOADS)
		abort();
	return 0;
}
