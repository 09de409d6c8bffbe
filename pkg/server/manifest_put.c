/*
 * manifest_put.c - PUT of a manifest, with its tags.
 *
 * The bytes are kept as they came.  All that they reference must be in the repository, but for
 * foreign layers, the subject (it may come later, or never), and, where the option allows it, the
 * children of an index.
 */
#include "server/internal.h"

#include "util/mem.h"

#define TAGS_MAX 16 /* of one PUT: the specification's next version asks for 10 */
/*
 * Bytes of a manifest that may be parsed beside others: hostile JSON takes forty times its text
 * (oci/json.h), and as many threads parse as there are workers.
 */
#define PARSE_ALONE ((size_t)64 * 1024)
#define MISSING_MAX 100 /* digests that one answer names */

static void too_large(struct exchange *x)
{
	reply_error_status(x,
		413,
		API_SIZE_INVALID,
		"a manifest has at most %u bytes",
		(unsigned)MANIFEST_MAX);
}

/* The n-th ?tag= of a PUT by digest; NULL: there are no more. */
static const char *tag_at(const struct exchange *x, size_t n)
{
	return x->route.has_digest ? httpd_query_at(x->http, "tag", n) : NULL;
}

void manifest_put_check(struct exchange *x)
{
	const char *tag;

	if (httpd_content_length(x->http) > (int64_t)MANIFEST_MAX)
		too_large(x);
	for (size_t i = 0; !has_reply(x) && (tag = tag_at(x, i)) != NULL; i++) {
		if (i == TAGS_MAX)
			reply_error_status(
				x, 414, API_TAG_INVALID, "more than %d tags at once", TAGS_MAX);
		else if (!tag_is_valid(tag))
			reply_error(x, API_TAG_INVALID, "'%.128s' is no tag", tag);
	}
}

void manifest_put_take(struct exchange *x, const void *data, size_t n)
{
	if (n > MANIFEST_MAX - x->body.len)
		too_large(x);
	else if (load_hold(x, n) && buf_append(&x->body, data, n, NULL) < 0)
		too_large(x);
}

/* The digest that the client gave, or, by tag, sha256's; false: there is a reply. */
static bool find_digest(struct exchange *x, struct digest *ret)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	bool given = x->route.has_digest;
	char text[DIGEST_STR_MAX];

	if (digest_of(given ? x->route.digest.algo : DIGEST_SHA256,
		    x->body.data ? x->body.data : "",
		    x->body.len,
		    ret,
		    &err) < 0) {
		reply_failure(x, &err);
		return false;
	}
	if (!given || digest_equal(ret, &x->route.digest))
		return true;
	reply_error(x, API_DIGEST_INVALID, "the manifest is %s", digest_format(ret, text));
	return false;
}

static bool parse(struct exchange *x, struct manifest *ret)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	bool alone = x->body.len > PARSE_ALONE;
	int rc;

	if (alone)
		(void)pthread_mutex_lock(&x->server->parse_lock);
	rc = manifest_parse(
		buf_text(&x->body), x->body.len, httpd_header(x->http, "Content-Type"), ret, &err);
	if (alone)
		(void)pthread_mutex_unlock(&x->server->parse_lock);
	if (rc < 0)
		reply_error(x, API_MANIFEST_INVALID, "%s", error_text(&err));
	return rc == 0;
}

/* Whether the item must be here, and is not. */
static bool is_missing(struct exchange *x, const struct manifest *m, const struct descriptor *item)
{
	uint64_t size;
	bool needed = m->kind == MEDIA_INDEX ? !x->server->options.sparse
					     : !(item->flags & DESCRIPTOR_FOREIGN);

	return needed && store_blob_in_repository(
				 store_of(x), x->route.repository, &item->digest, &size, NULL) ==
				 -ERR_NOTFOUND;
}

/* The store names the first that it misses; a client wants to know all. */
static void reply_what_is_missing(
	struct exchange *x, const struct manifest *m, const struct error *err)
{
	AUTO_FREE struct digest *missing = xcalloc(MISSING_MAX, sizeof(*missing));
	size_t n = 0;

	for (size_t i = 0; i < m->n_items && n < MISSING_MAX; i++)
		if (is_missing(x, m, &m->items[i]))
			missing[n++] = m->items[i].digest;
	if (n > 0)
		reply_missing(x, missing, n);
	else /* below a child, or it came meanwhile */
		reply_error(x, API_MANIFEST_BLOB_UNKNOWN, "%s", error_text(err));
}

/* The manifest with its first tag in one transaction, the other tags after it. */
static int put(struct exchange *x, const struct digest *digest, const struct manifest *view,
	struct error *err)
{
	const struct route *route = &x->route;
	const char *tag = route->has_digest ? tag_at(x, 0) : route->tag;
	struct store_manifest manifest = {
		.repository = route->repository,
		.tag = tag,
		.bytes = x->body.data,
		.len = x->body.len,
		.digest = *digest,
		.view = view,
		.sparse = x->server->options.sparse,
	};
	int rc = store_manifest_put(store_of(x), &manifest, err);

	for (size_t i = 1; rc == 0 && (tag = tag_at(x, i)) != NULL; i++)
		rc = store_tag_put(store_of(x), route->repository, tag, digest, err);
	return rc;
}

static void reply_created(
	struct exchange *x, const struct digest *digest, const struct manifest *view)
{
	char text[DIGEST_STR_MAX];
	const char *tag;

	(void)digest_format(digest, text);
	reply_header(x, "Location", "/v2/%s/manifests/%s", x->route.repository, text);
	reply_header(x, "Docker-Content-Digest", "%s", text);
	if (view->has_subject)
		reply_digest_header(x, "OCI-Subject", &view->subject);
	for (size_t i = 0; (tag = tag_at(x, i)) != NULL; i++)
		reply_header(x, "OCI-Tag", "%s", tag);
	reply_empty(x, 201);
}

void manifest_put_work(struct exchange *x)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(manifest_clear) struct manifest view = MANIFEST_INIT;
	struct digest digest;
	int rc;

	if (!find_digest(x, &digest) || !parse(x, &view))
		return;
	rc = put(x, &digest, &view, &err);
	if (rc == 0) {
		atomic_fetch_add_explicit(
			&x->server->counters.pushed_manifests, 1, memory_order_relaxed);
		server_changed(x->server);
		reply_created(x, &digest, &view);
	} else if (rc == -ERR_NOTFOUND) {
		reply_what_is_missing(x, &view, &err);
	} else {
		reply_failure(x, &err);
	}
}
