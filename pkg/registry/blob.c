/*
 * blob.c - blobs, down: whether they are there, and their bytes or a range of them.
 *
 * What arrives is counted against what was asked for before the callee sees it: a range
 * that is another one, a length that is not the declared one, or a byte too many ends the
 * transfer before it can do harm.  The digest is the callee's, who may have the beginning of
 * the blob from another source.
 */
#include "registry/answer.h"
#include "registry/content_range.h"
#include "registry/internal.h"
#include "util/mem.h"

/* ---- HEAD ---- */

struct head_op {
	struct registry_call call;
	struct digest expect;
	uint64_t expect_size; /* bytes; 0: not known */
};

/* A blob is asked for by digest, so no header is needed to name it; one that differs is trouble. */
static int check_head(const struct head_op *op, struct registry_reply *reply, struct error *err)
{
	int rc = digest_agrees(reply, &op->expect, err);

	if (rc < 0)
		return rc;
	if (op->expect_size > 0 && reply->has_size && reply->size != op->expect_size)
		return error_set(err,
			ERR_CORRUPT,
			"the blob has %llu bytes instead of the %llu declared",
			(unsigned long long)reply->size,
			(unsigned long long)op->expect_size);
	reply->digest = op->expect;
	reply->has_digest = true;
	return 0;
}

static void on_head(void *ctx, struct registry_exchange *x, struct error *err)
{
	AUTO(error_clear) struct error bad = ERROR_INIT;
	struct registry_reply reply = {.has_digest = false};
	struct head_op *op = ctx;
	int rc;

	if (err) {
		if (err->http == ANSWER_FORBIDDEN &&
			op->call.registry->quirks->flags & QUIRK_ABSENT_IS_403) {
			(void)error_wrap(err, -ERR_NOTFOUND, "not there (this host says 403)");
			err->code = ERR_NOTFOUND;
		}
		registry_call_finish(&op->call, NULL, err);
		return;
	}
	reply_from_header(&reply, x);
	rc = check_head(op, &reply, &bad);
	if (rc < 0)
		(void)registry_exchange_wrap(x, &bad, rc);
	registry_call_finish(&op->call, &reply, rc < 0 ? &bad : NULL);
}

static void send_head(struct head_op *op, const struct registry_get *get, const char *name)
{
	char digest[DIGEST_STR_MAX];
	AUTO_FREE char *scope = repository_scope(name, "pull");
	AUTO_FREE char *url =
		registry_url(op->call.registry, name, "blobs", digest_format(get->expect, digest));
	const struct registry_exchange_request q = {
		.method = HTTP_HEAD,
		.url = url,
		.headers = {"Accept-Encoding: identity"},
		.scope = scope,
		.redirects = true,
		.fresh = get->fresh,
		.connect_ms = get->connect_ms,
		.first_byte_ms = get->first_byte_ms,
		.attempts = get->attempts,
		.done = on_head,
		.ctx = op,
	};

	registry_call_exchange(&op->call, &q);
}

struct registry_call *registry_blob_head(struct registry *r, const struct registry_get *get)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct head_op *op = registry_call_new(r, sizeof(*op), registry_call_fail_reply, NULL);
	AUTO_FREE char *name = NULL;

	op->call.done = get->done;
	op->call.ctx = get->ctx;
	if (!get->expect) {
		(void)error_set(&err, ERR_USAGE, "a blob is asked for by digest");
		registry_call_fail_later(&op->call, &err);
		return &op->call;
	}
	if (registry_repository(r, get->repository, &name, &err) < 0) {
		registry_call_fail_later(&op->call, &err);
		return &op->call;
	}
	op->expect = *get->expect;
	op->expect_size = get->expect_size;
	send_head(op, get, name);
	return &op->call;
}

/* ---- GET ---- */

struct blob_op {
	struct registry_call call;
	struct registry_blob_get get; /* repository is not kept */
	uint64_t end;                 /* one past the last byte wanted */
	uint64_t skip;   /* bytes before `offset` that are still to come: the range was ignored */
	uint64_t wanted; /* bytes still to be written */
	bool ranged;     /* less than the whole was asked for */
	bool complete;   /* all was written; what follows does not matter */
	struct registry_blob_stats stats;
	struct error failure; /* why the body was refused */
};

static void blob_clear(struct registry_call *call)
{
	struct blob_op *op = (struct blob_op *)call;

	error_clear(&op->failure);
}

static void blob_finish(struct blob_op *op, struct error *err)
{
	struct registry_call *call = &op->call;

	registry_call_unlink(call);
	op->get.done(call->ctx, &op->stats, err);
	registry_call_free(call);
}

static void blob_fail(struct registry_call *call, struct error *err)
{
	blob_finish((struct blob_op *)call, err);
}

/* A 206 must hold exactly the bytes that were asked for, of a blob of the declared size. */
static int check_partial(const struct blob_op *op, const struct http_response *r, struct error *err)
{
	const char *value = http_header(r, "Content-Range");
	struct content_range range;
	int rc;

	if (!value)
		return error_set(err, ERR_REMOTE, "206 without Content-Range");
	rc = content_range_parse(value, &range, err);
	if (rc < 0)
		return rc;
	if (range.has_total && range.total != op->get.size)
		return error_set(err,
			ERR_CORRUPT,
			"the blob has %llu bytes instead of the %llu declared",
			(unsigned long long)range.total,
			(unsigned long long)op->get.size);
	if (range.unsatisfied || range.first != op->get.offset || range.last + 1 != op->end)
		return error_set(err,
			ERR_REMOTE,
			"206 with Content-Range '%.80s' instead of bytes %llu-%llu",
			value,
			(unsigned long long)op->get.offset,
			(unsigned long long)op->end - 1);
	return 0;
}

/* A 200 holds the whole, also when a range was asked for: the beginning is skipped then. */
static int check_whole(struct blob_op *op, const struct http_response *r, struct error *err)
{
	if (r->content_length >= 0 && (uint64_t)r->content_length != op->get.size)
		return error_set(err,
			ERR_CORRUPT,
			"the blob has %lld bytes instead of the %llu declared",
			(long long)r->content_length,
			(unsigned long long)op->get.size);
	op->stats.range_ignored = op->ranged;
	if (op->ranged && op->get.only_range)
		return error_set(err, ERR_REMOTE, "a Range was answered with the whole blob");
	op->skip = op->get.offset;
	return 0;
}

static int on_header(void *ctx, const struct http_response *r, struct error *err)
{
	struct blob_op *op = ctx;
	int rc = encoding_is_identity(r, err);

	if (rc < 0)
		return rc;
	if (r->status == ANSWER_PARTIAL_CONTENT && op->ranged)
		rc = check_partial(op, r, err);
	else if (r->status == ANSWER_OK)
		rc = check_whole(op, r, err);
	else
		rc = error_set(err, ERR_REMOTE, "unexpected status %d", r->status);
	op->complete = rc == 0 && op->wanted == 0;
	return rc;
}

/* Nothing counts before the callee took it: after a pause the same bytes come again. */
static enum http_io on_write(void *ctx, const char *data, size_t n)
{
	struct blob_op *op = ctx;
	const uint64_t skip = op->skip < n ? op->skip : n;
	const uint64_t rest = n - skip;
	const uint64_t take = rest < op->wanted ? rest : op->wanted;
	enum http_io io = HTTP_IO_OK;

	if (rest > op->wanted && op->end == op->get.size) {
		(void)error_set(&op->failure,
			ERR_CORRUPT,
			"more than the %llu bytes declared",
			(unsigned long long)op->get.size);
		return HTTP_IO_ABORT;
	}
	if (take > 0)
		io = op->get.write(op->call.ctx, data + skip, (size_t)take);
	if (io != HTTP_IO_OK)
		return io;
	op->skip -= skip;
	op->wanted -= take;
	op->stats.bytes += n;
	op->complete = op->wanted == 0;
	/* An ignored range goes on beyond what was wanted: enough of it. */
	return op->complete && op->end < op->get.size && rest > take ? HTTP_IO_ABORT : HTTP_IO_OK;
}

/* The figures of a transfer, also of one that failed; backend is the caller's. */
static void fill_stats(struct blob_op *op, const struct registry_exchange *x, const char *backend)
{
	const struct http_response *r = registry_exchange_response(x);

	op->stats.backend = backend ? backend : "";
	if (!r)
		return;
	op->stats.ttfb_us = r->ttfb_us;
	op->stats.total_us = r->total_us;
	op->stats.front_us = r->front_us;
	op->stats.timing = r->timing;
	op->stats.etag = http_header(r, "ETag");
}

/* Our own reason to end goes before the one that the transport then gives. */
static void on_done(void *ctx, struct registry_exchange *x, struct error *err)
{
	AUTO(error_clear) struct error failure = ERROR_INIT;
	AUTO_FREE char *backend = registry_exchange_backend(x);
	struct blob_op *op = ctx;

	fill_stats(op, x, backend);
	if (op->failure.code != ERR_NONE) {
		error_move(&failure, &op->failure);
		(void)registry_exchange_wrap(x, &failure, -(int)failure.code);
		err = &failure;
	} else if (op->complete) {
		err = NULL;
	} else if (!err) {
		(void)error_set(&failure,
			ERR_TEMP,
			"the body ended %llu bytes early",
			(unsigned long long)op->wanted);
		(void)registry_exchange_wrap(x, &failure, -ERR_TEMP);
		err = &failure;
	}
	blob_finish(op, err);
}

static void send_get(struct blob_op *op, const char *name)
{
	char digest[DIGEST_STR_MAX];
	AUTO_FREE char *scope = repository_scope(name, "pull");
	AUTO_FREE char *url = registry_url(
		op->call.registry, name, "blobs", digest_format(&op->get.digest, digest));
	AUTO_FREE char *range = op->ranged ? xasprintf("Range: bytes=%llu-%llu",
						     (unsigned long long)op->get.offset,
						     (unsigned long long)op->end - 1)
					   : NULL;
	const struct registry_exchange_request q = {
		.method = HTTP_GET,
		.url = url,
		.headers = {"Accept-Encoding: identity", range},
		.scope = scope,
		.bulk = true,
		.lean = op->get.only_range,
		.redirects = true,
		.fresh = op->get.fresh,
		.connect_ms = op->get.connect_ms,
		.first_byte_ms = op->get.first_byte_ms,
		.stall_ms = op->get.stall_ms,
		.on_header = on_header,
		.write = on_write,
		.done = on_done,
		.ctx = op,
	};

	registry_call_exchange(&op->call, &q);
}

struct registry_call *registry_blob_get(struct registry *r, const struct registry_blob_get *get)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct blob_op *op = registry_call_new(r, sizeof(*op), blob_fail, blob_clear);
	AUTO_FREE char *name = NULL;

	op->call.ctx = get->ctx;
	op->get = *get;
	op->get.repository = NULL;
	op->stats.backend = "";
	op->end = get->end ? get->end : get->size;
	if (op->end > get->size || get->offset > op->end ||
		(get->offset == op->end && get->size > 0))
		(void)error_set(&err,
			ERR_USAGE,
			"bytes %llu to %llu of a blob of %llu",
			(unsigned long long)get->offset,
			(unsigned long long)op->end,
			(unsigned long long)get->size);
	if (err.code != ERR_NONE || registry_repository(r, get->repository, &name, &err) < 0) {
		registry_call_fail_later(&op->call, &err);
		return &op->call;
	}
	op->wanted = op->end - get->offset;
	op->ranged = get->offset > 0 || op->end < get->size;
	send_get(op, name);
	return &op->call;
}
