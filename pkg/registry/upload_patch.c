/*
 * upload_patch.c - one chunk of an upload, finished also when its answer was lost.
 *
 * After a failure that may pass, the session is asked what it has, and the rest of the
 * chunk is sent from there; what the caller lent is not needed again from its start.
 */
#include "registry/answer.h"
#include "registry/content_range.h"
#include "registry/session.h"
#include "util/mem.h"

#define PATCH_TRIES    3 /* requests for one chunk; the caller's new attempt is the next step */
#define PATCH_BODY_MAX ((size_t)64 * 1024) /* the answer is empty */

static void send_patch(struct upload_op *op);

/* The session may be freed by the callback: nothing may point from one to the other then. */
static void finish(struct upload_op *op, struct error *err)
{
	op->upload->call = NULL;
	op->upload = NULL;
	registry_call_finish(&op->call, NULL, err);
}

static void fail(struct upload_op *op, const struct registry_exchange *x, int rc, struct error *err)
{
	(void)registry_exchange_wrap(x, err, rc);
	finish(op, err);
}

/* Drops what the registry has of the chunk already. */
static int skip_arrived(struct upload_op *op, const struct registry_exchange *x, struct error *err)
{
	const char *range = registry_exchange_header(x, "Range");
	const uint64_t offset = op->upload->offset;
	const uint64_t end = offset + op->len;
	uint64_t have = 0, last;
	int rc;

	if (!range)
		return error_set(err, ERR_REMOTE, "the session's status has no Range");
	rc = upload_range_parse(range, &last, err);
	if (rc < 0)
		return rc;
	/* "0-0" is what distribution says of an empty session, too (protocol.md 1.4). */
	if (last > 0 || offset > 0)
		have = last + 1;
	if (have < offset || have > end)
		return error_set(err,
			ERR_TEMP,
			"the session has %llu bytes, expected were %llu to %llu",
			(unsigned long long)have,
			(unsigned long long)offset,
			(unsigned long long)end);
	op->bytes += have - offset;
	op->len -= (size_t)(have - offset);
	op->upload->offset = have;
	return 0;
}

/* The session moves on with each answer, also with that of its status. */
static void on_status(void *ctx, struct registry_exchange *x, struct error *err)
{
	AUTO(error_clear) struct error bad = ERROR_INIT;
	struct upload_op *op = ctx;
	int rc;

	if (err) {
		session_error(err);
		finish(op, err);
		return;
	}
	rc = session_move(op->upload, x, false, &bad);
	if (rc == 0)
		rc = skip_arrived(op, x, &bad);
	if (rc < 0)
		fail(op, x, rc, &bad);
	else if (op->len == 0)
		finish(op, NULL);
	else
		send_patch(op);
}

static void ask_status(struct upload_op *op)
{
	const struct registry_exchange_request q = {
		.method = HTTP_GET,
		.url = op->upload->url,
		.scope = op->upload->scope,
		.foreign = op->upload->foreign,
		.attempts = REGISTRY_ATTEMPTS,
		.body_max = PATCH_BODY_MAX,
		.done = on_status,
		.ctx = op,
	};

	registry_call_exchange(&op->call, &q);
}

/* 416 says that the session is elsewhere than we think: its status tells where. */
static void on_patched(void *ctx, struct registry_exchange *x, struct error *err)
{
	AUTO(error_clear) struct error bad = ERROR_INIT;
	struct upload_op *op = ctx;
	int rc;

	if (err && op->tries < PATCH_TRIES &&
		(err->code == ERR_TEMP || err->http == ANSWER_RANGE_NOT_SATISFIABLE)) {
		ask_status(op);
		return;
	}
	if (err) {
		session_error(err);
		finish(op, err);
		return;
	}
	rc = session_move(op->upload, x, false, &bad);
	if (rc < 0) {
		fail(op, x, rc, &bad);
		return;
	}
	/* A success counts in full: Range answers are wrong at some (protocol.md 4.3, ECR; 4.4). */
	op->upload->offset += op->len;
	finish(op, NULL);
}

static void send_patch(struct upload_op *op)
{
	const uint64_t offset = op->upload->offset;
	AUTO_FREE char *range = xasprintf("Content-Range: %llu-%llu",
		(unsigned long long)offset,
		(unsigned long long)(offset + op->len - 1));
	const struct registry_exchange_request q = {
		.method = HTTP_PATCH,
		.url = op->upload->url,
		.headers = {HTTP_BLOB_TYPE, range},
		.scope = op->upload->scope,
		.foreign = op->upload->foreign,
		.bulk = true,
		.body = op->bytes,
		.body_size = op->len,
		.body_max = PATCH_BODY_MAX,
		.done = on_patched,
		.ctx = op,
	};

	op->tries++;
	registry_call_exchange(&op->call, &q);
}

struct registry_call *registry_upload_patch(struct registry_upload *u, const void *bytes,
	size_t len, registry_reply_fn *done, void *ctx)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct upload_op *op = upload_op_new(u, done, ctx);

	op->bytes = bytes;
	op->len = len;
	if (len > 0) {
		send_patch(op);
		return &op->call;
	}
	(void)error_set(&err, ERR_USAGE, "an empty chunk");
	registry_call_fail_later(&op->call, &err);
	return &op->call;
}
