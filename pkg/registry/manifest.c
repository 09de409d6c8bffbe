/*
 * manifest.c - manifests: asked about, fetched, put, deleted; and the ping.
 *
 * A digest is believed only where the bytes were hashed here, or where it was the question:
 * a HEAD by tag takes the header's word for it, which is checked when the manifest is
 * fetched by that digest.
 */
#include <ctype.h>

#include "oci/media.h"
#include "oci/reference.h"
#include "registry/answer.h"
#include "registry/internal.h"
#include "registry/lane.h"
#include "util/mem.h"

struct manifest_op {
	struct registry_call call;
	char *url;
	char *scope;
	unsigned attempts;
	bool fresh;
	uint64_t connect_ms, first_byte_ms;
	bool has_expect;
	struct digest expect;
	uint64_t expect_size; /* bytes; 0: not known */
	bool drop_body;       /* a GET in place of a HEAD */
	struct manifest_lane *lane;
	struct lane_turn turn;
	bool too_large; /* for a body without a place in the lane, as far as can be told */
	/* Of a put. */
	char *content_type;
	const void *bytes;
	size_t len;
};

static void clear(struct registry_call *call)
{
	struct manifest_op *op = (struct manifest_op *)call;

	lane_leave(&op->turn);
	free(op->url);
	free(op->scope);
	free(op->content_type);
}

/* An operation in the registry's list, with nothing to ask yet. */
static struct manifest_op *new_op(struct registry *r, registry_reply_fn *done, void *ctx)
{
	struct manifest_op *op = registry_call_new(r, sizeof(*op), registry_call_fail_reply, clear);

	op->call.done = done;
	op->call.ctx = ctx;
	return op;
}

/* Sets URL and scope from the names that were handed in. */
static int set_target(struct manifest_op *op, const char *repository, const char *reference,
	const char *actions, struct error *err)
{
	AUTO_FREE char *name = NULL;
	int rc = registry_repository(op->call.registry, repository, &name, err);

	if (rc < 0)
		return rc;
	if (!reference_is_valid(reference))
		return error_set(err, ERR_USAGE, "'%.80s' is no tag and no digest", reference);
	op->url = registry_url(op->call.registry, name, "manifests", reference);
	op->scope = repository_scope(name, actions);
	return 0;
}

/* Ends with what is wrong about an answer, which gets method and path in front. */
static void fail(struct manifest_op *op, int rc, struct error *err)
{
	(void)registry_exchange_wrap(op->call.x, err, rc);
	op->call.fail(&op->call, err);
}

/* Ends a question with the failure of its exchange. */
static void finish_failed(struct manifest_op *op, struct error *err)
{
	absence_by_quirk(op->call.registry, op->call.x, err);
	op->call.fail(&op->call, err);
}

/* ---- GET ---- */

/* Enough to tell a manifest from a login page; reading it is oci/manifest.h's. */
static bool looks_like_json(const struct buf *body)
{
	size_t i = 0;

	while (i < body->len && isspace((unsigned char)body->data[i]))
		i++;
	return i < body->len && body->data[i] == '{';
}

/* Size and digest of a body that arrived; reply->digest is what it really has. */
static int check_body(struct manifest_op *op, struct registry_reply *reply, struct error *err)
{
	const struct buf *body = registry_exchange_body(op->call.x);
	const enum digest_algo algo = op->has_expect      ? op->expect.algo
				      : reply->has_digest ? reply->digest.algo
							  : DIGEST_SHA256;
	char real[DIGEST_STR_MAX], right[DIGEST_STR_MAX];
	struct digest digest;
	int rc;

	if (!looks_like_json(body))
		return error_set(err,
			ERR_REMOTE,
			"status %d, but the body is no manifest (Content-Type '%.80s')",
			registry_exchange_status(op->call.x),
			reply->media_type);
	if (op->expect_size > 0 && body->len != op->expect_size)
		return error_set(err,
			ERR_CORRUPT,
			"the manifest has %zu bytes instead of the %llu declared",
			body->len,
			(unsigned long long)op->expect_size);
	rc = digest_of(algo, buf_text(body), body->len, &digest, err);
	if (rc < 0)
		return rc;
	if (op->has_expect && !digest_equal(&digest, &op->expect))
		return error_set(err,
			ERR_CORRUPT,
			"the manifest's digest is %s instead of %s",
			digest_format(&digest, real),
			digest_format(&op->expect, right));
	rc = digest_agrees(reply, &digest, err);
	if (rc < 0)
		return rc;
	reply->digest = digest;
	reply->has_digest = true;
	reply->size = body->len;
	reply->has_size = true;
	return 0;
}

/* What can be refused before any of the body is. */
/* Bytes of a body that may come now. */
static size_t body_limit(const struct manifest_op *op)
{
	return op->lane && !op->turn.has_place ? LANE_SMALL : MANIFEST_MAX;
}

static int check_get_header(void *ctx, const struct http_response *r, struct error *err)
{
	struct manifest_op *op = ctx;

	if (r->status != ANSWER_OK)
		return error_set(err, ERR_REMOTE, "unexpected status %d", r->status);
	if (r->content_length > (int64_t)MANIFEST_MAX)
		return error_set(err,
			ERR_REMOTE,
			"the manifest has %lld bytes, the limit is %u (MANIFEST_MAX)",
			(long long)r->content_length,
			MANIFEST_MAX);
	/* Without a length the body itself tells, by growing beyond the limit. */
	op->too_large = body_limit(op) < MANIFEST_MAX &&
			(r->content_length < 0 || (size_t)r->content_length > body_limit(op));
	if (op->too_large && r->content_length >= 0)
		return error_set(err, ERR_REMOTE, "a large manifest, asked for again in its turn");
	return encoding_is_identity(r, err);
}

/* The end of a GET, also of one in place of a HEAD. */
static void on_got(void *ctx, struct registry_exchange *x, struct error *err)
{
	AUTO(error_clear) struct error bad = ERROR_INIT;
	struct registry_reply reply = {.has_digest = false};
	struct manifest_op *op = ctx;
	int rc;

	if (err && err->code == ERR_REMOTE && op->too_large && !op->turn.has_place) {
		lane_enter(op->lane, &op->turn);
		return;
	}
	if (err) {
		finish_failed(op, err);
		return;
	}
	reply_from_header(&reply, x);
	rc = check_body(op, &reply, &bad);
	if (rc < 0) {
		fail(op, rc, &bad);
		return;
	}
	reply.body = op->drop_body ? NULL : registry_exchange_body(x);
	registry_call_finish(&op->call, &reply, NULL);
}

static void get_now(struct manifest_op *op)
{
	AUTO_FREE char *accept = xasprintf("Accept: %s", media_accept);
	const struct registry_exchange_request q = {
		.method = HTTP_GET,
		.url = op->url,
		.headers = {accept, "Accept-Encoding: identity"},
		.scope = op->scope,
		.redirects = true,
		.fresh = op->fresh,
		.connect_ms = op->connect_ms,
		.first_byte_ms = op->first_byte_ms,
		.attempts = op->attempts,
		.body_max = body_limit(op),
		.on_header = check_get_header,
		.done = on_got,
		.ctx = op,
	};

	registry_call_exchange(&op->call, &q);
}

/* A question about one manifest; op->url stays NULL when its names are bad, and it fails then. */
static void on_turn(struct lane_turn *turn)
{
	get_now((struct manifest_op *)((char *)turn - offsetof(struct manifest_op, turn)));
}

static void send_get(struct manifest_op *op)
{
	op->turn.begin = on_turn;
	if (op->lane && op->expect_size > LANE_SMALL)
		lane_enter(op->lane, &op->turn);
	else
		get_now(op);
}

static struct manifest_op *new_get(struct registry *r, const struct registry_get *get,
	const char *reference, const char *actions, struct error *err)
{
	struct manifest_op *op = new_op(r, get->done, get->ctx);

	op->attempts = get->attempts;
	op->fresh = get->fresh;
	op->connect_ms = get->connect_ms;
	op->first_byte_ms = get->first_byte_ms;
	op->lane = get->lane;
	op->has_expect = get->expect != NULL;
	if (get->expect)
		op->expect = *get->expect;
	op->expect_size = get->expect_size;
	if (set_target(op, get->repository, reference, actions, err) < 0)
		registry_call_fail_later(&op->call, err);
	return op;
}

struct registry_call *registry_manifest_get(struct registry *r, const struct registry_get *get)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct manifest_op *op = new_get(r, get, get->reference, "pull", &err);

	if (op->url)
		send_get(op);
	return &op->call;
}

/* ---- HEAD ---- */

/* What a HEAD said against what is expected; 0 with has_digest unset when a GET must tell. */
static int check_head(struct manifest_op *op, struct registry_reply *reply, struct error *err)
{
	int rc;

	if (!op->has_expect)
		return 0;
	rc = digest_agrees(reply, &op->expect, err);
	if (rc < 0)
		return rc;
	if (op->expect_size > 0 && reply->has_size && reply->size != op->expect_size)
		return error_set(err,
			ERR_CORRUPT,
			"the manifest has %llu bytes instead of the %llu declared",
			(unsigned long long)reply->size,
			(unsigned long long)op->expect_size);
	/* It was asked for by this digest and is there; no header is needed to say so. */
	reply->digest = op->expect;
	reply->has_digest = true;
	return 0;
}

/* The body is fetched for its digest alone. */
static void get_instead(struct manifest_op *op)
{
	op->drop_body = true;
	send_get(op);
}

static void on_head(void *ctx, struct registry_exchange *x, struct error *err)
{
	AUTO(error_clear) struct error bad = ERROR_INIT;
	struct registry_reply reply = {.has_digest = false};
	struct manifest_op *op = ctx;
	int rc;

	if (err &&
		(err->http == ANSWER_METHOD_NOT_ALLOWED || err->http == ANSWER_NOT_IMPLEMENTED)) {
		op->call.registry->head_is_useless = true;
		get_instead(op);
		return;
	}
	/*
	 * Some say 403 to a HEAD of what is not there (protocol.md 4.3, Artifactory): a GET knows.
	 */
	if (err && err->http == ANSWER_FORBIDDEN) {
		get_instead(op);
		return;
	}
	if (err) {
		finish_failed(op, err);
		return;
	}
	reply_from_header(&reply, x);
	rc = check_head(op, &reply, &bad);
	if (rc < 0) {
		fail(op, rc, &bad);
	} else if (!reply.has_digest) {
		op->call.registry->head_is_useless = true;
		get_instead(op);
	} else {
		registry_call_finish(&op->call, &reply, NULL);
	}
}

static int check_head_header(void *ctx, const struct http_response *r, struct error *err)
{
	(void)ctx;
	return r->status == ANSWER_OK
		       ? 0
		       : error_set(err, ERR_REMOTE, "unexpected status %d", r->status);
}

static void send_head(struct manifest_op *op)
{
	AUTO_FREE char *accept = xasprintf("Accept: %s", media_accept);
	const struct registry_exchange_request q = {
		.method = HTTP_HEAD,
		.url = op->url,
		.headers = {accept, "Accept-Encoding: identity"},
		.scope = op->scope,
		.redirects = true,
		.fresh = op->fresh,
		.connect_ms = op->connect_ms,
		.first_byte_ms = op->first_byte_ms,
		.attempts = op->attempts,
		.on_header = check_head_header,
		.done = on_head,
		.ctx = op,
	};

	registry_call_exchange(&op->call, &q);
}

struct registry_call *registry_manifest_head(struct registry *r, const struct registry_get *get)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct manifest_op *op = new_get(r, get, get->reference, "pull", &err);

	if (!op->url)
		return &op->call;
	if (r->head_is_useless && !op->has_expect)
		get_instead(op);
	else
		send_head(op);
	return &op->call;
}

/* ---- PUT ---- */

/* The end of a PUT that a HEAD had to confirm. */
static void on_confirmed(void *ctx, struct registry_reply *reply, struct error *err)
{
	struct manifest_op *op = ctx;

	if (err) {
		(void)error_wrap(err, -(int)err->code, "not there after it was put");
		err->code = err->code == ERR_NOTFOUND ? ERR_REMOTE : err->code;
	}
	registry_call_finish(&op->call, reply, err);
}

/* A 2xx that is not "created" means little (protocol.md 4.4): ask whether it is there now. */
static void on_confirming_head(void *ctx, struct registry_exchange *x, struct error *err)
{
	AUTO(error_clear) struct error bad = ERROR_INIT;
	struct registry_reply reply = {.has_digest = false};
	struct manifest_op *op = ctx;
	int rc = 0;

	if (!err) {
		reply_from_header(&reply, x);
		rc = check_head(op, &reply, &bad);
	}
	on_confirmed(op, &reply, err ? err : rc < 0 ? &bad : NULL);
}

static void confirm(struct manifest_op *op)
{
	AUTO_FREE char *accept = xasprintf("Accept: %s", media_accept);
	const struct registry_exchange_request q = {
		.method = HTTP_HEAD,
		.url = op->url,
		.headers = {accept},
		.scope = op->scope,
		.attempts = op->attempts,
		.done = on_confirming_head,
		.ctx = op,
	};

	registry_call_exchange(&op->call, &q);
}

/* The digest that a registry names for a PUT is of what it stored. */
static void on_put(void *ctx, struct registry_exchange *x, struct error *err)
{
	AUTO(error_clear) struct error bad = ERROR_INIT;
	struct registry_reply reply = {.has_digest = false};
	struct manifest_op *op = ctx;
	bool named;
	int rc;

	if (err) {
		op->call.fail(&op->call, err);
		return;
	}
	reply_from_header(&reply, x);
	rc = digest_agrees(&reply, &op->expect, &bad);
	if (rc < 0) {
		fail(op, rc, &bad);
		return;
	}
	named = reply.has_digest && reply.digest.algo == op->expect.algo;
	if (registry_exchange_status(x) != ANSWER_CREATED && !named) {
		confirm(op);
		return;
	}
	reply.digest = op->expect;
	reply.has_digest = true;
	reply.has_size = false; /* Content-Length here is that of the answer */
	registry_call_finish(&op->call, &reply, NULL);
}

static void send_put(struct manifest_op *op)
{
	const struct registry_exchange_request q = {
		.method = HTTP_PUT,
		.url = op->url,
		.headers = {op->content_type},
		.scope = op->scope,
		.attempts = op->attempts,
		.body = op->bytes,
		.body_size = op->len,
		.body_max = MANIFEST_MAX, /* some send the manifest back */
		.done = on_put,
		.ctx = op,
	};

	registry_call_exchange(&op->call, &q);
}

struct registry_call *registry_manifest_put(struct registry *r, const struct registry_put *put)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct manifest_op *op = new_op(r, put->done, put->ctx);

	op->attempts = put->attempts;
	op->has_expect = true;
	op->expect = put->digest;
	op->bytes = put->bytes;
	op->len = put->len;
	op->content_type = xasprintf("Content-Type: %s", put->media_type);
	if (set_target(op, put->repository, put->reference, "pull,push", &err) < 0)
		registry_call_fail_later(&op->call, &err);
	else
		send_put(op);
	return &op->call;
}

/* ---- DELETE and ping ---- */

/* What is not there needs no deleting. */
static void on_deleted(void *ctx, struct registry_exchange *x, struct error *err)
{
	struct manifest_op *op = ctx;

	(void)x;
	registry_call_finish(&op->call, NULL, err && err->code == ERR_NOTFOUND ? NULL : err);
}

struct registry_call *registry_manifest_delete(struct registry *r, const struct registry_get *get)
{
	const char *actions = r->quirks->flags & QUIRK_DELETE_IS_PUSH ? "pull,push" : "pull,delete";
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct manifest_op *op = new_get(r, get, get->reference, actions, &err);
	const struct registry_exchange_request q = {
		.method = HTTP_DELETE,
		.url = op->url,
		.scope = op->scope,
		.attempts = op->attempts,
		.body_max = MANIFEST_MAX,
		.done = on_deleted,
		.ctx = op,
	};

	if (op->url)
		registry_call_exchange(&op->call, &q);
	return &op->call;
}

static void on_ping(void *ctx, struct registry_exchange *x, struct error *err)
{
	struct registry_reply reply = {.has_digest = false};
	struct manifest_op *op = ctx;

	if (!err)
		reply_from_header(&reply, x);
	registry_call_finish(&op->call, &reply, err);
}

struct registry_call *registry_ping(struct registry *r, const struct registry_get *get)
{
	struct manifest_op *op = new_op(r, get->done, get->ctx);
	const struct registry_exchange_request q = {
		.method = HTTP_GET,
		.url = (op->url = xasprintf("%s/v2/", r->base)),
		.redirects = true,
		.fresh = get->fresh,
		.attempts = get->attempts,
		.body_max = MANIFEST_MAX,
		.done = on_ping,
		.ctx = op,
	};

	registry_call_exchange(&op->call, &q);
	return &op->call;
}
