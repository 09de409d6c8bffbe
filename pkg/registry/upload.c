/*
 * upload.c - upload sessions: opened, moved on by each answer's Location, abandoned.
 *
 * Where the bytes go is the registry's to say, so each Location is looked at like a
 * redirect: credentials stay with the registry's own origin, nothing falls back to plain HTTP,
 * and a public registry does not send us into a private network (protocol.md 3.5).
 */
#include "registry/address.h"
#include "registry/answer.h"
#include "registry/session.h"
#include "util/mem.h"
#include "util/parse.h"

/* what a running transfer may hold (design.md promise 6) */
#define CHUNK_BYTES ((size_t)1024 * 1024)
/* a registry that wants larger chunks is not followed */
#define CHUNK_BYTES_MAX ((size_t)16 * 1024 * 1024)
#define UPLOAD_BODY_MAX ((size_t)64 * 1024) /* answers to uploads are empty */

/* ---- where a session is ---- */

/* A registry behind a TLS proxy may write http:// for itself: the way we came is the right one. */
static char *repair_scheme(const struct registry *r, const struct url *to)
{
	return xasprintf("%s%s", r->base, to->target);
}

/* Another host is allowed, but not every one. */
static int check_foreign(const struct registry *r, const struct url *to, struct error *err)
{
	if (strcmp(r->origin.scheme, "https") == 0 && strcmp(to->scheme, "http") == 0)
		return error_set(err,
			ERR_REMOTE,
			"the upload's Location is at http://%.80s:%u, without TLS: refused",
			to->host,
			to->port);
	if (address_is_private(to->host) && !address_is_private(r->origin.host))
		return error_set(err,
			ERR_REMOTE,
			"the upload's Location is in a private network (%.80s:%u): refused",
			to->host,
			to->port);
	return 0;
}

int session_move(struct registry_upload *u, const struct registry_exchange *x, bool required,
	struct error *err)
{
	const char *location = registry_exchange_header(x, "Location");
	AUTO(url_clear) struct url to = URL_INIT;
	const struct url *origin = &u->registry->origin;
	bool same;
	int rc;

	if (!location)
		return required ? error_set(err, ERR_REMOTE, "no Location to upload to") : 0;
	rc = address_resolve(registry_exchange_url(x), location, &to, err);
	if (rc < 0)
		return error_wrap(err, rc, "the upload's Location");
	same = url_same_origin(&to, origin);
	if (!same && strcmp(to.host, origin->host) == 0 && strcmp(origin->scheme, "https") == 0 &&
		strcmp(to.scheme, "http") == 0) {
		AUTO_FREE char *repaired = repair_scheme(u->registry, &to);

		str_replace(&u->url, repaired);
		u->foreign = false;
		return 0;
	}
	if (!same) {
		rc = check_foreign(u->registry, &to, err);
		if (rc < 0)
			return rc;
	}
	str_replace(&u->url, to.text);
	u->foreign = !same;
	return 0;
}

char *session_closing_url(const struct registry_upload *u)
{
	char digest[DIGEST_STR_MAX];

	return url_add_query(u->url, "digest", digest_format(&u->digest, digest));
}

void session_error(struct error *err)
{
	if (err->code != ERR_NOTFOUND)
		return;
	(void)error_wrap(err, -ERR_TEMP, "the upload session is gone");
	err->code = ERR_TEMP;
}

size_t registry_upload_chunk(const struct registry_upload *u)
{
	return u->chunk;
}

/* The host's known floor, what this session asks for, and the host's ceiling. */
static size_t chunk_size(const struct registry *r, const struct registry_exchange *x)
{
	const char *told = registry_exchange_header(x, "OCI-Chunk-Min-Length");
	size_t chunk = CHUNK_BYTES;
	uint64_t least = 0;

	if (r->quirks->chunk_min > chunk)
		chunk = r->quirks->chunk_min;
	if (told && parse_u64(told, &least, NULL) == 0 && least > chunk)
		chunk = least < CHUNK_BYTES_MAX ? (size_t)least : CHUNK_BYTES_MAX;
	if (r->quirks->chunk_max > 0 && chunk > r->quirks->chunk_max)
		chunk = r->quirks->chunk_max;
	return chunk;
}

/* ---- start ---- */

struct start_op {
	struct registry_call call;
	struct registry_upload *upload; /* being opened */
	char *mount_from;
	unsigned attempts;
	void (*done)(void *ctx, struct registry_upload *upload, struct error *err);
};

static void start_clear(struct registry_call *call)
{
	struct start_op *op = (struct start_op *)call;

	registry_upload_free(op->upload, false);
	free(op->mount_from);
}

static void start_finish(struct start_op *op, struct registry_upload *upload, struct error *err)
{
	struct registry_call *call = &op->call;

	registry_call_unlink(call);
	op->done(call->ctx, upload, err);
	registry_call_free(call);
}

static void start_fail(struct registry_call *call, struct error *err)
{
	start_finish((struct start_op *)call, NULL, err);
}

static void send_start(struct start_op *op);

/* A mount that names another digest mounted something else. */
static void on_mounted(struct start_op *op, const struct registry_exchange *x)
{
	AUTO(error_clear) struct error bad = ERROR_INIT;
	struct registry_reply reply = {.has_digest = false};
	int rc;

	reply_from_header(&reply, x);
	rc = digest_agrees(&reply, &op->upload->digest, &bad);
	if (rc < 0)
		(void)registry_exchange_wrap(x, &bad, rc);
	start_finish(op, NULL, rc < 0 ? &bad : NULL);
}

/* 201 to a mount is the end of it; 202 is a session, whether or not a mount was asked for. */
static void on_started(void *ctx, struct registry_exchange *x, struct error *err)
{
	AUTO(error_clear) struct error bad = ERROR_INIT;
	struct start_op *op = ctx;
	int rc;

	/* A mount that is refused in whatever way is only a mount that is not made. */
	if (err && op->mount_from &&
		(err->code == ERR_AUTH || err->code == ERR_NOTFOUND || err->code == ERR_REMOTE)) {
		str_replace(&op->mount_from, NULL);
		send_start(op);
		return;
	}
	if (err) {
		start_finish(op, NULL, err);
		return;
	}
	if (op->mount_from && registry_exchange_status(x) == ANSWER_CREATED) {
		on_mounted(op, x);
		return;
	}
	rc = session_move(op->upload, x, true, &bad);
	if (rc < 0) {
		(void)registry_exchange_wrap(x, &bad, rc);
		start_finish(op, NULL, &bad);
		return;
	}
	op->upload->chunk = chunk_size(op->call.registry, x);
	start_finish(op, steal(&op->upload), NULL);
}

/* Without `from` in the query some registries refuse a mount (protocol.md 4.3, Quay). */
static char *start_url(const struct start_op *op)
{
	const struct registry_upload *u = op->upload;
	AUTO_FREE char *plain = registry_url(op->call.registry, u->repository, "blobs", "uploads/");
	AUTO_FREE char *with_digest = NULL;
	char digest[DIGEST_STR_MAX];

	if (!op->mount_from)
		return steal(&plain);
	with_digest = url_add_query(plain, "mount", digest_format(&u->digest, digest));
	return url_add_query(with_digest, "from", op->mount_from);
}

/* The token must also read the repository that is mounted from (protocol.md 3.2). */
static char *start_scope(const struct start_op *op)
{
	AUTO_FREE char *own = repository_scope(op->upload->repository, "pull,push");
	AUTO_FREE char *from = NULL;

	if (!op->mount_from)
		return steal(&own);
	from = repository_scope(op->mount_from, "pull");
	return xasprintf("%s %s", own, from);
}

static void send_start(struct start_op *op)
{
	AUTO_FREE char *url = start_url(op);
	AUTO_FREE char *scope = start_scope(op);
	const struct registry_exchange_request q = {
		.method = HTTP_POST,
		.url = url,
		.scope = scope,
		.attempts = op->attempts,
		.body_max = UPLOAD_BODY_MAX,
		.done = on_started,
		.ctx = op,
	};

	str_replace(&op->upload->scope, scope);
	registry_call_exchange(&op->call, &q);
}

struct registry_call *registry_upload_start(
	struct registry *r, const struct registry_upload_start *start)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct start_op *op = registry_call_new(r, sizeof(*op), start_fail, start_clear);

	op->call.ctx = start->ctx;
	op->done = start->done;
	op->attempts = start->attempts;
	op->upload = xcalloc(1, sizeof(*op->upload));
	op->upload->registry = r;
	op->upload->digest = start->digest;
	if (registry_repository(r, start->repository, &op->upload->repository, &err) < 0 ||
		(start->mount_from &&
			registry_repository(r, start->mount_from, &op->mount_from, &err) < 0))
		registry_call_fail_later(&op->call, &err);
	else
		send_start(op);
	return &op->call;
}

/* ---- end ---- */

static void on_abandoned(void *ctx, struct registry_reply *reply, struct error *err)
{
	(void)ctx;
	(void)reply;
	(void)err;
}

static void on_cancel_answer(void *ctx, struct registry_exchange *x, struct error *err)
{
	(void)x;
	registry_call_finish(ctx, NULL, err);
}

/* Sent and forgotten: a session that is left over expires at the registry. */
static void abandon(const struct registry_upload *u)
{
	struct registry_call *call =
		registry_call_new(u->registry, sizeof(*call), registry_call_fail_reply, NULL);
	const struct registry_exchange_request q = {
		.method = HTTP_DELETE,
		.url = u->url,
		.scope = u->scope,
		.foreign = u->foreign,
		.body_max = UPLOAD_BODY_MAX,
		.done = on_cancel_answer,
		.ctx = call,
	};

	call->done = on_abandoned;
	registry_call_exchange(call, &q);
}

void registry_upload_free(struct registry_upload *u, bool with_abandon)
{
	if (!u)
		return;
	registry_cancel(&u->call);
	if (with_abandon && u->url && !u->complete)
		abandon(u);
	free(u->repository);
	free(u->scope);
	free(u->url);
	free(u);
}
