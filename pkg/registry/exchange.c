/*
 * exchange.c - authentication, retries and error mapping around one HTTP exchange.
 *
 * The states follow each other by callbacks:
 *
 *	send -> (token missing: fetch it) -> http -> 2xx: done
 *	                                          -> 401: challenge -> send
 *	                                          -> failure: wait -> send, or done
 */
#include "registry/exchange.h"

#include "registry/address.h"
#include "registry/answer.h"
#include "registry/auth.h"
#include "registry/budget.h"
#include "registry/exchange_state.h"
#include "registry/internal.h"
#include "util/clock.h"
#include "util/mem.h"

/* bytes of an error body that are read to keep the connection */
#define ERROR_BODY_READ_MAX ((size_t)256 * 1024)
/* bytes: from here on a refusal is worth waiting for (sources.md 6.2) */
#define EXPECT_FROM ((size_t)1024 * 1024)

static void send_later(struct registry_exchange *x, uint64_t ms);

/* ---- ends ---- */

/* The last thing that an exchange does: its owner frees it in there. */
static void finish(struct registry_exchange *x, struct error *err)
{
	x->request.done(x->request.ctx, x, err);
}

/* Method and path for messages, and who answered when that is another host. */
int registry_exchange_wrap(const struct registry_exchange *x, struct error *err, int rc)
{
	AUTO(url_clear) struct url asked = URL_INIT, answered = URL_INIT;
	const char *path;

	if (url_parse(x->url, &asked, NULL) < 0)
		return error_wrap(err, rc, "%s", http_method_name(x->request.method));
	asked.target[strcspn(asked.target, "?")] = '\0';
	path = asked.target;
	if (x->response && x->response->url && url_parse(x->response->url, &answered, NULL) == 0 &&
		!url_same_origin(&asked, &answered))
		return error_wrap(err,
			rc,
			"%s %s: redirected to %s://%s:%u",
			http_method_name(x->request.method),
			path,
			answered.scheme,
			answered.host,
			answered.port);
	return error_wrap(err, rc, "%s %s", http_method_name(x->request.method), path);
}

/* Asked before the budget is charged; only rewinding itself tells for certain. */
static bool body_is_repeatable(const struct registry_exchange *x)
{
	return !x->request.read || x->body_read == 0 || x->request.rewind;
}

/* Brings the reader back to its first byte; true when there is nothing to bring back. */
bool registry_exchange_rewind(struct registry_exchange *x)
{
	if (!x->request.read || x->body_read == 0)
		return true;
	if (!x->request.rewind || !x->request.rewind(x->request.ctx))
		return false;
	x->body_read = 0;
	return true;
}

/* Waits and sends again if that is allowed and paid for, else ends with *err. */
static void retry_or_finish(struct registry_exchange *x, struct error *err)
{
	const bool repeatable = body_is_repeatable(x);
	uint64_t wait;

	if (err->code != ERR_TEMP || x->attempt + 1 >= x->request.attempts || !repeatable ||
		err->retry_sec > BUDGET_RETRY_AFTER_MAX_SEC || !budget_pay(x->registry, err) ||
		!registry_exchange_rewind(x)) {
		if (x->attempt > 0)
			(void)error_wrap(err, -(int)err->code, "attempt %u", x->attempt + 1);
		finish(x, err);
		return;
	}
	wait = budget_wait_ms(err, x->attempt);
	x->attempt++;
	x->auth_round = 0;
	x->registry->stats.retries++;
	send_later(x, wait);
}

/* A token server's passing trouble is repeated like the registry's own. */
static void on_token(void *ctx, struct error *err)
{
	struct registry_exchange *x = ctx;

	x->wait = NULL;
	if (!err) {
		registry_exchange_send(x);
		return;
	}
	(void)registry_exchange_wrap(x, err, -(int)err->code);
	retry_or_finish(x, err);
}

/* ---- answers ---- */

/* Closes the gate of whoever said it: behind a redirect that is not the registry. */
static void note_throttling(
	struct registry_exchange *x, const struct http_response *r, struct error *err)
{
	AUTO(url_clear) struct url url = URL_INIT;
	/* What is not waited for at all must not make others wait: they hear it themselves. */
	const uint32_t sec = r->retry_after > BUDGET_RETRY_AFTER_MAX_SEC ? 0 : r->retry_after;

	x->registry->stats.throttled += x->status == ANSWER_TOO_MANY_REQUESTS;
	err->retry_sec = (int)(r->retry_after > INT32_MAX ? INT32_MAX : r->retry_after);
	if ((x->status == ANSWER_TOO_MANY_REQUESTS || x->status == ANSWER_UNAVAILABLE) && sec > 0 &&
		r->url && url_parse(r->url, &url, NULL) == 0)
		http_host_gate(x->registry->loop, &url, sec);
}

char *registry_exchange_words(const struct registry_exchange *x)
{
	const char *secrets[AUTH_SECRETS_MAX];

	auth_secrets(x->auth, x->authorization, secrets);
	return answer_words(x->error_body.data, x->error_body.len, secrets);
}

/* An answer that is no success: its class, and the peer's own words. */
static void answer_failed(struct registry_exchange *x, const struct http_response *r)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO_FREE char *words = registry_exchange_words(x);
	const char *reason = answer_reason(x->status);

	(void)error_set(&err,
		answer_class(x->status),
		"%d%s%s%s%s",
		x->status,
		*reason ? " " : "",
		reason,
		*words ? ": " : "",
		words);
	err.http = x->status;
	note_throttling(x, r, &err);
	(void)registry_exchange_wrap(x, &err, -(int)err.code);
	retry_or_finish(x, &err);
}

static void answer_unauthorized(struct registry_exchange *x, const struct http_response *r)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	const int rc = registry_exchange_unauthorized(x, r, &err);

	if (rc == 0)
		return;
	err.http = x->status;
	(void)registry_exchange_wrap(x, &err, rc);
	finish(x, &err);
}

/* No answer, or one that we ended ourselves. */
static void transfer_failed(struct registry_exchange *x, struct error *err)
{
	struct error *why = x->failure.code != ERR_NONE ? &x->failure : err;
	AUTO(error_clear) struct error copy = ERROR_INIT;

	error_move(&copy, why);
	(void)registry_exchange_wrap(x, &copy, -(int)copy.code);
	retry_or_finish(x, &copy);
}

/* What is left to decide when an answer came, and it is no 401. */
static void take_answer(struct registry_exchange *x, const struct http_response *r)
{
	if (x->status == ANSWER_EXPECTATION_FAILED && !x->no_expect &&
		registry_exchange_rewind(x)) {
		x->no_expect = true;
		registry_exchange_send(x);
	} else if (answer_class(x->status) != ERR_NONE) {
		answer_failed(x, r);
	} else {
		budget_earn(x->registry);
		finish(x, NULL);
	}
}

/* The ping that asks for the challenge is over; one that may work later says nothing yet. */
static bool probe_is_over(const struct registry_exchange *x)
{
	return x->probing && answer_class(x->status) != ERR_TEMP;
}

static void on_done(void *ctx, struct http_response *r, struct error *err)
{
	struct registry_exchange *x = ctx;

	x->call = NULL;
	x->response = r;
	if (!err)
		x->status = r->status;
	/* A header that says no is an answer, whatever became of its body (protocol.md 7.2). */
	if (x->status && answer_class(x->status) != ERR_NONE)
		err = NULL;
	if (x->status && x->status != ANSWER_UNAUTHORIZED)
		auth_accepted(x->auth, x->token);
	if (err || x->failure.code != ERR_NONE)
		transfer_failed(x, err);
	else if (x->status == ANSWER_UNAUTHORIZED || probe_is_over(x))
		answer_unauthorized(x, r);
	else
		take_answer(x, r);
}

/* ---- while an answer arrives ---- */

static bool on_header(void *ctx, const struct http_response *r)
{
	struct registry_exchange *x = ctx;

	x->status = r->status;
	if (answer_class(r->status) != ERR_NONE || x->probing || !x->request.on_header)
		return true;
	return x->request.on_header(x->request.ctx, r, &x->failure) == 0;
}

/* Enough of an error for its words; the rest is read so that the connection lives, up to a point.
 */
static enum http_io keep_error(struct registry_exchange *x, const char *data, size_t n)
{
	const size_t room = ANSWER_BODY_MAX - x->error_body.len;

	x->error_bytes += n;
	if (buf_append(&x->error_body, data, n < room ? n : room, NULL) < 0 ||
		x->error_bytes > ERROR_BODY_READ_MAX)
		return HTTP_IO_ABORT;
	return HTTP_IO_OK;
}

/* The caller sees the bytes of successes alone. */
static enum http_io on_write(void *ctx, const char *data, size_t n)
{
	struct registry_exchange *x = ctx;

	if (answer_class(x->status) != ERR_NONE || x->probing)
		return keep_error(x, data, n);
	if (x->request.write)
		return x->request.write(x->request.ctx, data, n);
	if (buf_append(&x->body, data, n, NULL) == 0)
		return HTTP_IO_OK;
	(void)error_set(&x->failure,
		ERR_REMOTE,
		"the answer is larger than the limit of %zu bytes for it",
		x->request.body_max);
	return HTTP_IO_ABORT;
}

/* Counts what went out, since that decides whether a body can be sent once more. */
static enum http_io on_read(void *ctx, char *to, size_t room, size_t *ret_n)
{
	struct registry_exchange *x = ctx;
	const enum http_io io = x->request.read(x->request.ctx, to, room, ret_n);

	if (io == HTTP_IO_OK)
		x->body_read += *ret_n;
	return io;
}

/*
 * For a connection that died: nobody knows what of the body arrived, and an upload session keeps
 * it.  The same bytes again would land behind themselves; the caller begins a new session.
 */
static bool on_rewind(void *ctx)
{
	const struct registry_exchange *x = ctx;

	return x->body_read == 0;
}

/* ---- sending ---- */

/* On the same machine nothing is saved by asking first (sources.md 6.2). */
static bool wants_continue(const struct registry_exchange *x)
{
	return !x->no_expect && x->request.body_size > EXPECT_FROM &&
	       !address_is_loopback(x->registry->origin.host);
}

static void start_http(struct registry_exchange *x)
{
	AUTO_FREE char *ping = x->probing ? xasprintf("%s/v2/", x->registry->base) : NULL;
	struct http_request q = {
		.method = x->probing ? HTTP_GET : x->request.method,
		.url = x->probing ? ping : x->url,
		.headers = (const char *const *)x->headers,
		.n_headers = x->probing ? 0 : x->n_headers,
		.authorization = x->probing ? NULL : x->authorization,
		.bulk = x->request.bulk,
		.lean = x->request.lean,
		.fresh = x->request.fresh,
		.max_redirects = x->request.redirects ? HTTP_REDIRECTS_MAX : 0,
		.connect_ms = x->request.connect_ms,
		.first_byte_ms = x->request.first_byte_ms,
		.stall_ms = x->request.stall_ms,
		.on_header = on_header,
		.write = on_write,
		.done = on_done,
		.ctx = x,
	};

	if (!x->probing) {
		q.body = x->request.body;
		q.body_size = x->request.body_size;
		q.read = x->request.read ? on_read : NULL;
		q.rewind = x->request.read ? on_rewind : NULL;
		q.expect_continue = wants_continue(x);
	}
	x->registry->stats.requests++;
	x->call = http_start(x->registry->loop, &q);
}

void registry_exchange_send(struct registry_exchange *x)
{
	free(steal(&x->authorization));
	x->status = 0;
	x->token = 0;
	x->response = NULL;
	x->error_bytes = 0;
	buf_reset(&x->body);
	buf_reset(&x->error_body);
	if (x->auth && !auth_header(x->auth, &x->scopes, &x->authorization, &x->token)) {
		x->wait = auth_fetch(x->auth, &x->scopes, on_token, x);
		return;
	}
	start_http(x);
}

static void on_timer(void *ctx)
{
	struct registry_exchange *x = ctx;

	x->timer = NULL;
	registry_exchange_send(x);
}

static void send_later(struct registry_exchange *x, uint64_t ms)
{
	x->response = NULL;
	x->timer = http_timer_start(x->registry->loop, ms, on_timer, x);
}

/* ---- interface ---- */

struct registry_exchange *registry_exchange_start(
	struct registry *r, const struct registry_exchange_request *request)
{
	struct registry_exchange *x = xcalloc(1, sizeof(*x));

	x->registry = r;
	x->request = *request;
	x->url = xstrdup(request->url);
	while (x->n_headers < EXCHANGE_HEADERS_MAX && request->headers[x->n_headers]) {
		x->headers[x->n_headers] = xstrdup(request->headers[x->n_headers]);
		x->n_headers++;
	}
	x->body = BUF_INIT(request->body_max);
	x->error_body = BUF_INIT(ANSWER_BODY_MAX);
	if (!request->foreign)
		x->auth = r->auth;
	if (request->scope)
		(void)scope_add(&x->scopes, request->scope);
	registry_exchange_send(x);
	return x;
}

void registry_exchange_free(struct registry_exchange *x)
{
	if (!x)
		return;
	http_cancel(&x->call);
	http_timer_stop(&x->timer);
	auth_cancel(&x->wait);
	for (size_t i = 0; i < x->n_headers; i++)
		free(x->headers[i]);
	free(x->url);
	free(x->authorization);
	buf_clear(&x->body);
	buf_clear(&x->error_body);
	error_clear(&x->failure);
	free(x);
}

int registry_exchange_status(const struct registry_exchange *x)
{
	return x->status;
}

bool registry_exchange_token_was_refused(const struct registry_exchange *x)
{
	return x->status == ANSWER_UNAUTHORIZED && x->token != 0;
}

struct buf *registry_exchange_body(struct registry_exchange *x)
{
	return &x->body;
}

const char *registry_exchange_url(const struct registry_exchange *x)
{
	return x->response && x->response->url ? x->response->url : x->url;
}

char *registry_exchange_backend(const struct registry_exchange *x)
{
	AUTO(url_clear) struct url url = URL_INIT;

	return url_parse(registry_exchange_url(x), &url, NULL) == 0
		       ? xasprintf("%s://%s:%u", url.scheme, url.host, url.port)
		       : NULL;
}

const struct http_response *registry_exchange_response(const struct registry_exchange *x)
{
	return x->response;
}

const char *registry_exchange_header(const struct registry_exchange *x, const char *name)
{
	return x->response ? http_header(x->response, name) : NULL;
}

void registry_exchange_resume_write(struct registry_exchange *x)
{
	if (x->call)
		http_resume_write(x->call);
}

void registry_exchange_resume_read(struct registry_exchange *x)
{
	if (x->call)
		http_resume_read(x->call);
}
