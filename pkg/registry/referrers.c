/*
 * referrers.c - what refers to a manifest: by the API, or by the fallback tag.
 *
 * Registries without the API (docker-registry, for one) answer 404 to all of it, and their
 * clients keep an index under a tag made of the digest.  Which of them a registry is, is
 * learnt from its first answer.
 */
#include <strings.h>

#include "oci/json.h"
#include "oci/media.h"
#include "registry/answer.h"
#include "registry/pages.h"
#include "util/mem.h"

/* characters of the digest in a fallback tag (distribution-spec "Referrers Tag Schema") */
#define ENCODED_MAX 64

struct referrers_op {
	struct registry_call call;
	struct pages pages;
	char *repository;
	char *scope;
	char *artifact_type; /* NULL: all */
	unsigned attempts;
	struct digest subject;
	bool (*item)(void *ctx, const char *tag, const struct descriptor *descriptor);
	bool fallback; /* by the tag */
};

static void clear(struct registry_call *call)
{
	struct referrers_op *op = (struct referrers_op *)call;

	pages_clear(&op->pages);
	free(op->repository);
	free(op->scope);
	free(op->artifact_type);
}

/* ---- an index of referrers ---- */

static int read_descriptor(const struct jx_value *v, struct descriptor *ret, const char **ret_type,
	bool *ret_known, struct error *err)
{
	struct descriptor d = {.kind = MEDIA_UNKNOWN};
	const char *digest = NULL, *media_type = NULL;
	int rc = jx_text(v, "digest", &digest, err);

	if (rc == 0)
		rc = jx_text(v, "mediaType", &media_type, err);
	if (rc == 0)
		rc = jx_text(v, "artifactType", ret_type, err);
	if (rc == 0)
		rc = jx_u64(v, "size", 0, &d.size, err);
	if (rc < 0)
		return rc;
	if (!digest)
		return error_set(err, ERR_REMOTE, "a referrer without digest");
	/* One of an algorithm that cannot be checked cannot be copied either. */
	*ret_known = digest_parse(digest, &d.digest, NULL) == 0;
	d.kind = media_type ? media_kind(media_type) : MEDIA_UNKNOWN;
	*ret = d;
	return 0;
}

static int deliver(struct referrers_op *op, const struct jx_value *manifests, bool filter,
	bool *ret_enough, struct error *err)
{
	*ret_enough = false;
	for (size_t i = 0; i < jx_count(manifests) && !*ret_enough; i++) {
		const struct jx_value *v = jx_at(manifests, i);
		const char *type = NULL;
		struct descriptor d;
		bool known = false;
		int rc;

		if (i >= MANIFEST_BLOBS_MAX)
			return error_set(err,
				ERR_REMOTE,
				"more than %u referrers on one page (MANIFEST_BLOBS_MAX)",
				MANIFEST_BLOBS_MAX);
		if (!jx_is_object(v))
			return error_set(err, ERR_REMOTE, "a referrer that is no object");
		rc = read_descriptor(v, &d, &type, &known, err);
		if (rc < 0)
			return rc;
		if (known && (!filter || (type && strcmp(type, op->artifact_type) == 0)))
			*ret_enough = !op->item(op->call.ctx, NULL, &d);
	}
	return 0;
}

/* A filter that the answer does not confirm was ignored (distribution-spec "Listing Referrers"). */
static bool server_filtered(const struct registry_exchange *x)
{
	const char *applied = registry_exchange_header(x, "OCI-Filters-Applied");

	return applied && strcasestr(applied, "artifactType");
}

static int take_index(
	struct referrers_op *op, struct registry_exchange *x, bool *ret_enough, struct error *err)
{
	const struct buf *body = registry_exchange_body(x);
	const struct jx_value *manifests = NULL;
	AUTO(jx_freep) struct jx *j = NULL;
	int rc = jx_parse(buf_text(body), body->len, MANIFEST_DEPTH_MAX, &j, err);

	if (rc == 0 && !jx_is_object(jx_root(j)))
		rc = error_set(err, ERR_REMOTE, "the list of referrers is no JSON object");
	if (rc == 0)
		rc = jx_array(jx_root(j), "manifests", &manifests, err);
	if (rc < 0)
		return rc;
	return deliver(op,
		manifests,
		op->artifact_type && (op->fallback || !server_filtered(x)),
		ret_enough,
		err);
}

static void send_page(struct referrers_op *op);

static void take_page(struct referrers_op *op, struct registry_exchange *x)
{
	AUTO(error_clear) struct error bad = ERROR_INIT;
	bool enough = false, more = false;
	int rc = take_index(op, x, &enough, &bad);

	if (rc == 0 && !enough && !op->fallback)
		rc = pages_next(&op->pages, op->call.registry, x, &more, &bad);
	if (rc < 0)
		(void)registry_exchange_wrap(x, &bad, rc);
	if (rc == 0 && more)
		send_page(op);
	else
		registry_call_finish(&op->call, NULL, rc < 0 ? &bad : NULL);
}

/* ---- the fallback tag ---- */

/* A registry without the tag has no referrers: that is an answer, too. */
static void on_tag(void *ctx, struct registry_exchange *x, struct error *err)
{
	struct referrers_op *op = ctx;
	struct registry_reply reply = {.has_digest = false};

	if (err) {
		absence_by_quirk(op->call.registry, op->call.x, err);
		registry_call_finish(&op->call, NULL, err->code == ERR_NOTFOUND ? NULL : err);
		return;
	}
	reply_from_header(&reply, x);
	/* A tag of that name that holds something else is somebody's image. */
	if (media_kind(reply.media_type) == MEDIA_INDEX || media_is_vague(reply.media_type))
		take_page(op, x);
	else
		registry_call_finish(&op->call, NULL, NULL);
}

static void ask_tag(struct referrers_op *op)
{
	char digest[DIGEST_STR_MAX];
	AUTO_FREE char *url = NULL;
	AUTO_FREE char *tag = NULL;
	char *colon;

	(void)digest_format(&op->subject, digest);
	colon = strchr(digest, ':');
	tag = xasprintf("%.*s-%.*s", (int)(colon - digest), digest, ENCODED_MAX, colon + 1);
	url = registry_url(op->call.registry, op->repository, "manifests", tag);
	op->fallback = true;
	registry_call_exchange(&op->call,
		&(const struct registry_exchange_request){
			.method = HTTP_GET,
			.url = url,
			.headers = {"Accept: " MEDIA_OCI_INDEX, "Accept-Encoding: identity"},
			.scope = op->scope,
			.redirects = true,
			.attempts = op->attempts,
			.body_max = MANIFEST_MAX,
			.done = on_tag,
			.ctx = op,
		});
}

/* ---- the API ---- */

/* What registries without the API say (protocol.md 6.2, crane). */
static bool api_is_absent(const struct error *err)
{
	return err->http == ANSWER_NOT_FOUND || err->http == ANSWER_BAD_REQUEST ||
	       err->http == ANSWER_METHOD_NOT_ALLOWED || err->http == ANSWER_NOT_ACCEPTABLE ||
	       err->http == ANSWER_NOT_IMPLEMENTED;
}

static void on_page(void *ctx, struct registry_exchange *x, struct error *err)
{
	struct referrers_op *op = ctx;
	struct registry_reply reply = {.has_digest = false};

	if (err && api_is_absent(err)) {
		/*
		 * For a manifest that is not there the API has an empty index; 404 is for all
		 * of it, unless the repository is what is missing.
		 */
		if (err->http == ANSWER_NOT_FOUND && !registry_error_is(err, "NAME_UNKNOWN"))
			op->call.registry->no_referrers = true;
		ask_tag(op);
		return;
	}
	if (err) {
		absence_by_quirk(op->call.registry, op->call.x, err);
		registry_call_finish(&op->call, NULL, err);
		return;
	}
	reply_from_header(&reply, x);
	if (strcasecmp(reply.media_type, MEDIA_OCI_INDEX) == 0)
		take_page(op, x);
	else
		ask_tag(op);
}

static void send_page(struct referrers_op *op)
{
	const struct registry_exchange_request q = {
		.method = HTTP_GET,
		.url = op->pages.url,
		.headers = {"Accept: " MEDIA_OCI_INDEX, "Accept-Encoding: identity"},
		.scope = op->scope,
		.foreign = op->pages.foreign,
		.redirects = true,
		.attempts = op->attempts,
		.body_max = MANIFEST_MAX,
		.done = on_page,
		.ctx = op,
	};

	registry_call_exchange(&op->call, &q);
}

/* The filter saves bytes where it is understood. */
static char *first_url(const struct referrers_op *op)
{
	char digest[DIGEST_STR_MAX];
	AUTO_FREE char *url = registry_url(op->call.registry,
		op->repository,
		"referrers",
		digest_format(&op->subject, digest));

	return op->artifact_type ? url_add_query(url, "artifactType", op->artifact_type)
				 : steal(&url);
}

struct registry_call *registry_referrers(struct registry *r, const struct registry_list *list)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct referrers_op *op =
		registry_call_new(r, sizeof(*op), registry_call_fail_reply, clear);

	op->call.done = list->done;
	op->call.ctx = list->ctx;
	op->item = list->item;
	op->attempts = list->attempts;
	op->artifact_type = xstrdup(list->artifact_type);
	if (!list->subject) {
		(void)error_set(&err, ERR_USAGE, "referrers are asked for by a digest");
		registry_call_fail_later(&op->call, &err);
		return &op->call;
	}
	if (registry_repository(r, list->repository, &op->repository, &err) < 0) {
		registry_call_fail_later(&op->call, &err);
		return &op->call;
	}
	op->subject = *list->subject;
	op->scope = repository_scope(op->repository, "pull");
	pages_begin(&op->pages, first_url(op));
	if (r->no_referrers)
		ask_tag(op);
	else
		send_page(op);
	return &op->call;
}
