/*
 * pull.c - GET and HEAD of manifests and blobs, and of /v2/ itself.
 *
 * What is asked for by digest never changes, so a cache may keep it for ever; a tag's answer has
 * only its ETag.  Accept is not looked at: a registry that converts or hides what a client did not
 * list helps nobody any more (guides/protocol.md 6.1).
 */
#include "server/internal.h"

#define IMMUTABLE "max-age=31536000" /* seconds, a year: as docker-registry says it */

void base_reply(struct exchange *x)
{
	static const char nothing[] = "{}";
	AUTO(buf_clear) struct buf body = BUF_INIT(sizeof(nothing));

	if (buf_puts(&body, nothing, NULL) == 0)
		reply_body(x, 200, "application/json", &body);
}

/*
 * Where it is decided what becomes of a manifest that is not here; `why` is ERR_NOTFOUND's.
 */
static void manifest_is_missing(struct exchange *x, const struct error *why)
{
	reply_error(x, API_MANIFEST_UNKNOWN, "%s", error_text(why));
}

/* The same for a blob. */
static void blob_is_missing(struct exchange *x, const struct error *why)
{
	reply_error(x, API_BLOB_UNKNOWN, "%s", error_text(why));
}

#define ETAG_MAX (DIGEST_STR_MAX + 2) /* chars, with the NUL: the digest in quotes */

static const char *etag_of(const struct digest *digest, char etag[static ETAG_MAX])
{
	char text[DIGEST_STR_MAX];

	(void)snprintf(etag, ETAG_MAX, "\"%s\"", digest_format(digest, text));
	return etag;
}

/* The headers that both have, and whether the client has the content already: then 304 is replied.
 */
static bool is_unchanged(struct exchange *x, const struct digest *digest)
{
	char etag[ETAG_MAX];

	reply_digest_header(x, "Docker-Content-Digest", digest);
	reply_header(x, "ETag", "%s", etag_of(digest, etag));
	if (x->route.has_digest)
		reply_header(x, "Cache-Control", IMMUTABLE);
	if (!etag_matches(httpd_header(x->http, "If-None-Match"), etag))
		return false;
	reply_empty(x, 304);
	return true;
}

static int find_manifest(struct exchange *x, struct hot_manifest *ret, struct error *err)
{
	const struct route *route = &x->route;
	struct hot *hot = x->server->hot;
	uint64_t asked;
	int rc = 0;

	if (hot_get(hot, route, ret))
		return 0;
	asked = hot_now(hot);
	ret->digest = route->digest;
	if (!route->has_digest)
		rc = store_tag_get(store_of(x), route->repository, route->tag, &ret->digest, err);
	if (rc == 0)
		rc = store_manifest_get(
			store_of(x), route->repository, &ret->digest, &ret->bytes, ret->type, err);
	if (rc == 0)
		hot_put(hot, route, asked, ret);
	return rc;
}

void pull_manifest(struct exchange *x)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct hot_manifest found = {.bytes = BUF_INIT(MANIFEST_MAX)};
	int rc = find_manifest(x, &found, &err);

	if (rc == -ERR_NOTFOUND)
		manifest_is_missing(x, &err);
	else if (rc < 0)
		reply_failure(x, &err);
	else if (!is_unchanged(x, &found.digest))
		reply_body(x, 200, found.type, &found.bytes);
	buf_clear(&found.bytes);
}

/* All of it, or the part that was asked for; fd is -1 with HEAD. */
static void reply_blob(struct exchange *x, int fd, uint64_t size)
{
	const char *range = x->method == HTTPD_GET ? httpd_header(x->http, "Range") : NULL;
	struct range part = {.first = 0};
	char etag[ETAG_MAX];

	if (!if_range_holds(httpd_header(x->http, "If-Range"), etag_of(&x->route.digest, etag)))
		range = NULL;
	reply_header(x, "Accept-Ranges", "bytes");
	switch (range_of_request(range, size, &part)) {
	case RANGE_NONE:
		reply_header(x, "Content-Type", "application/octet-stream");
		reply_file(x, 200, fd, 0, size);
		break;
	case RANGE_PART:
		reply_header(x, "Content-Type", "application/octet-stream");
		reply_header(x,
			"Content-Range",
			"bytes %ju-%ju/%ju",
			(uintmax_t)part.first,
			(uintmax_t)part.last,
			(uintmax_t)size);
		reply_file(x, 206, fd, part.first, part.last - part.first + 1);
		break;
	case RANGE_BEYOND:
		closep(&fd);
		reply_header(x, "Content-Range", "bytes */%ju", (uintmax_t)size);
		reply_error(x, API_RANGE_INVALID, "the blob has %ju bytes", (uintmax_t)size);
		break;
	}
}

void pull_blob(struct exchange *x)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	const struct digest *digest = &x->route.digest;
	uint64_t size = 0;
	int fd = -1;
	int rc = store_blob_in_repository(store_of(x), x->route.repository, digest, &size, &err);

	if (rc == 0 && x->method == HTTPD_GET)
		rc = store_blob_open(store_of(x), digest, &fd, &size, &err);
	if (rc == -ERR_NOTFOUND)
		blob_is_missing(x, &err);
	else if (rc < 0)
		reply_failure(x, &err);
	else if (is_unchanged(x, digest))
		closep(&fd);
	else
		reply_blob(x, fd, size);
}
