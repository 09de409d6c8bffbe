/*
 * upload_put.c - the PUT that ends an upload, with the whole blob or after its chunks.
 *
 * No PUT is sent twice to one session, which may have taken part of the first; but a
 * closing PUT whose answer was lost may have worked, and a HEAD of the blob tells.
 */
#include "registry/answer.h"
#include "registry/session.h"
#include "util/mem.h"

#define PUT_BODY_MAX ((size_t)64 * 1024) /* the answer is empty */

static void op_clear(struct registry_call *call)
{
	struct upload_op *op = (struct upload_op *)call;

	error_clear(&op->doubt);
	if (op->upload && op->upload->call == call)
		op->upload->call = NULL;
}

struct upload_op *upload_op_new(struct registry_upload *u, registry_reply_fn *done, void *ctx)
{
	struct upload_op *op =
		registry_call_new(u->registry, sizeof(*op), registry_call_fail_reply, op_clear);

	op->call.done = done;
	op->call.ctx = ctx;
	op->upload = u;
	u->call = &op->call;
	return op;
}

/* The session may be freed by the callback: nothing may point from one to the other then. */
static void finish(struct upload_op *op, struct registry_reply *reply, struct error *err)
{
	if (!err)
		op->upload->complete = true;
	op->upload->call = NULL;
	op->upload = NULL;
	registry_call_finish(&op->call, reply, err);
}

/* ---- is it there? ---- */

/* There or not: the doubt that led here is the error when it is not. */
static void on_confirmed(void *ctx, struct registry_exchange *x, struct error *err)
{
	AUTO(error_clear) struct error bad = ERROR_INIT;
	struct registry_reply reply = {.has_digest = false};
	struct upload_op *op = ctx;

	if (!err) {
		reply_from_header(&reply, x);
		if (digest_agrees(&reply, &op->upload->digest, &bad) < 0)
			err = &bad;
	} else if (op->doubt.code != ERR_NONE) {
		error_move(&bad, &op->doubt);
		err = &bad;
	} else {
		(void)error_wrap(err, -ERR_TEMP, "not there after the upload");
		err->code = ERR_TEMP;
	}
	finish(op, &reply, err);
}

/*
 * A lost answer, or one that means little, leaves open whether the blob arrived (protocol.md 4.4).
 */
static void confirm(struct upload_op *op)
{
	char digest[DIGEST_STR_MAX];
	AUTO_FREE char *url = registry_url(op->call.registry,
		op->upload->repository,
		"blobs",
		digest_format(&op->upload->digest, digest));
	const struct registry_exchange_request q = {
		.method = HTTP_HEAD,
		.url = url,
		.scope = op->upload->scope,
		.redirects = true,
		.attempts = REGISTRY_ATTEMPTS,
		.done = on_confirmed,
		.ctx = op,
	};

	registry_call_exchange(&op->call, &q);
}

/* ---- PUT ---- */

/* Refusals of a whole body that smaller pieces may cure. */
static bool chunks_may_help(int status)
{
	return status == ANSWER_METHOD_NOT_ALLOWED || status == ANSWER_LENGTH_REQUIRED ||
	       status == ANSWER_TOO_LARGE || status == ANSWER_UNSUPPORTED_TYPE ||
	       status == ANSWER_NOT_IMPLEMENTED;
}

/* Classes that tell the caller whether another session is worth while. */
static void put_failed(struct upload_op *op, struct error *err)
{
	struct registry *r = op->call.registry;

	if (op->closing && (err->code == ERR_TEMP || err->code == ERR_NOTFOUND)) {
		session_error(err);
		error_move(&op->doubt, err);
		confirm(op);
		return;
	}
	if (!op->closing && chunks_may_help(err->http) && !r->wants_chunks &&
		!(r->quirks->flags & QUIRK_NO_PATCH)) {
		r->wants_chunks = true;
		(void)error_wrap(err, -ERR_TEMP, "in one piece; chunks are tried next");
		err->code = ERR_TEMP;
	}
	session_error(err);
	finish(op, NULL, err);
}

static void on_put(void *ctx, struct registry_exchange *x, struct error *err)
{
	AUTO(error_clear) struct error bad = ERROR_INIT;
	struct registry_reply reply = {.has_digest = false};
	struct upload_op *op = ctx;
	int rc;

	if (err) {
		put_failed(op, err);
		return;
	}
	reply_from_header(&reply, x);
	rc = digest_agrees(&reply, &op->upload->digest, &bad);
	if (rc < 0) {
		(void)registry_exchange_wrap(x, &bad, rc);
		finish(op, NULL, &bad);
		return;
	}
	if (registry_exchange_status(x) != ANSWER_CREATED &&
		registry_exchange_status(x) != ANSWER_NO_CONTENT) {
		confirm(op);
		return;
	}
	reply.digest = op->upload->digest;
	reply.has_digest = true;
	reply.has_size = false; /* Content-Length here is that of the answer */
	finish(op, &reply, NULL);
}

static enum http_io on_read(void *ctx, char *to, size_t room, size_t *ret_n)
{
	struct upload_op *op = ctx;

	return op->put.read(op->call.ctx, to, room, ret_n);
}

static bool on_rewind(void *ctx)
{
	struct upload_op *op = ctx;

	return op->put.rewind(op->call.ctx);
}

static void send_put(struct upload_op *op)
{
	AUTO_FREE char *url = session_closing_url(op->upload);
	const bool with_body = !op->closing && op->put.size > 0;
	const struct registry_exchange_request q = {
		.method = HTTP_PUT,
		.url = url,
		.headers = {HTTP_BLOB_TYPE},
		.scope = op->upload->scope,
		.foreign = op->upload->foreign,
		.bulk = !op->closing,
		.body_size = with_body ? op->put.size : 0,
		.read = with_body ? on_read : NULL,
		.rewind = with_body && op->put.rewind ? on_rewind : NULL,
		.body_max = PUT_BODY_MAX,
		.done = on_put,
		.ctx = op,
	};

	registry_call_exchange(&op->call, &q);
}

struct registry_call *registry_upload_put(
	struct registry_upload *u, const struct registry_upload_put *put)
{
	struct upload_op *op = upload_op_new(u, put->done, put->ctx);

	op->put = *put;
	send_put(op);
	return &op->call;
}

struct registry_call *registry_upload_close(
	struct registry_upload *u, registry_reply_fn *done, void *ctx)
{
	struct upload_op *op = upload_op_new(u, done, ctx);

	op->closing = true;
	send_put(op);
	return &op->call;
}
