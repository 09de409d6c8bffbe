/* route.c - what a path of the API names. */
#include "server/route.h"

#include "util/mem.h"

static const struct {
	const char *name, *allow;
	const char *path; /* of those without a repository */
} kinds[ROUTE_MAX_] = {
	[ROUTE_NONE] = {"none", NULL, NULL},
	[ROUTE_BASE] = {"base", "GET, HEAD", "/v2/"},
	[ROUTE_MANIFEST] = {"manifest", "GET, HEAD, PUT, DELETE", NULL},
	[ROUTE_BLOB] = {"blob", "GET, HEAD, DELETE", NULL},
	[ROUTE_UPLOADS] = {"uploads", "POST", NULL},
	[ROUTE_UPLOAD] = {"upload", "GET, HEAD, PATCH, PUT, DELETE", NULL},
	[ROUTE_TAGS] = {"tags", "GET, HEAD", NULL},
	[ROUTE_REFERRERS] = {"referrers", "GET, HEAD", NULL},
	[ROUTE_CATALOG] = {"catalog", "GET, HEAD", "/v2/_catalog"},
	[ROUTE_HEALTHZ] = {"healthz", "GET, HEAD", "/healthz"},
	[ROUTE_READYZ] = {"readyz", "GET, HEAD", "/readyz"},
	[ROUTE_METRICS] = {"metrics", "GET, HEAD", "/metrics"},
};

static const char api[] = "/v2/";

/*
 * The end of a path behind the repository.  Those with a last component of the client's are
 * written without it, and "blobs/uploads" comes before "blobs".
 */
static const struct {
	const char *end;
	enum route_kind kind;
	bool has_last;
} ends[] = {
	{"/tags/list", ROUTE_TAGS, false},
	{"/blobs/uploads/", ROUTE_UPLOADS, false},
	{"/blobs/uploads", ROUTE_UPLOADS, false},
	{"/manifests/", ROUTE_MANIFEST, true},
	{"/referrers/", ROUTE_REFERRERS, true},
	{"/blobs/uploads/", ROUTE_UPLOAD, true},
	{"/blobs/", ROUTE_BLOB, true},
};

static bool ends_with(const char *s, size_t len, const char *end)
{
	const size_t n = strlen(end);

	return len >= n && memcmp(s + len - n, end, n) == 0;
}

/* What may name a session: no more than that is looked up on the disk. */
static bool is_upload(const char *s)
{
	static const char characters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
					 "abcdefghijklmnopqrstuvwxyz-_";
	const size_t n = strspn(s, characters);

	return n > 0 && n <= ROUTE_UPLOAD_MAX && s[n] == '\0';
}

static enum route_fault read_last(const char *last, struct route *r)
{
	if (r->kind == ROUTE_UPLOAD) {
		if (!is_upload(last))
			return ROUTE_BAD_UPLOAD;
		(void)snprintf(r->upload, sizeof(r->upload), "%s", last);
		return ROUTE_FINE;
	}
	if (r->kind != ROUTE_MANIFEST || strchr(last, ':')) {
		r->has_digest = digest_parse(last, &r->digest, NULL) == 0;
		return r->has_digest ? ROUTE_FINE : ROUTE_BAD_DIGEST;
	}
	if (!tag_is_valid(last))
		return ROUTE_BAD_TAG;
	(void)snprintf(r->tag, sizeof(r->tag), "%s", last);
	return ROUTE_FINE;
}

static enum route_fault read_repository(const char *s, size_t len, struct route *r)
{
	if (len > REPOSITORY_MAX)
		return ROUTE_BAD_NAME;
	(void)snprintf(r->repository, sizeof(r->repository), "%.*s", (int)len, s);
	if (repository_is_valid(r->repository))
		return ROUTE_FINE;
	r->repository[0] = '\0';
	return ROUTE_BAD_NAME;
}

/* path is behind "/v2/". */
static enum route_fault read_in_repository(const char *path, struct route *r)
{
	const char *slash = strrchr(path, '/');
	const size_t whole = strlen(path);
	const size_t before_last = slash ? (size_t)(slash + 1 - path) : 0;

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		const size_t len = ends[i].has_last ? before_last : whole;
		enum route_fault fault;

		if (!ends_with(path, len, ends[i].end))
			continue;
		r->kind = ends[i].kind;
		fault = read_repository(path, len - strlen(ends[i].end), r);
		if (fault == ROUTE_FINE && ends[i].has_last)
			fault = read_last(path + len, r);
		return fault;
	}
	return ROUTE_FINE;
}

enum route_fault route_parse(const char *path, struct route *ret)
{
	*ret = (struct route){.kind = ROUTE_NONE};
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (kinds[i].path && strcmp(path, kinds[i].path) == 0) {
			ret->kind = (enum route_kind)i;
			return ROUTE_FINE;
		}
	}
	if (strcmp(path, "/v2") == 0)
		ret->kind = ROUTE_BASE;
	else if (strncmp(path, api, sizeof(api) - 1) == 0)
		return read_in_repository(path + sizeof(api) - 1, ret);
	return ROUTE_FINE;
}

char *route_format(const struct route *r)
{
	char digest[DIGEST_STR_MAX];

	if (kinds[r->kind].path)
		return xstrdup(kinds[r->kind].path);
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		const char *last = "";

		if (ends[i].kind != r->kind)
			continue;
		if (r->kind == ROUTE_UPLOAD)
			last = r->upload;
		else if (ends[i].has_last)
			last = r->has_digest ? digest_format(&r->digest, digest) : r->tag;
		return xasprintf("%s%s%s%s", api, r->repository, ends[i].end, last);
	}
	return NULL;
}

const char *route_allow(enum route_kind kind)
{
	return kinds[kind].allow;
}

const char *route_name(enum route_kind kind)
{
	return kinds[kind].name;
}
