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
#include "registry/backend.h"
#include "registry/budget.h"
#include "registry/internal.h"
#include "util/clock.h"
#include "util/mem.h"

#define ERROR_BODY_READ_MAX \
	(256 * 1024)      /* bytes of an error body that are read to keep the connection */
#define AUTH_ROUNDS_MAX 3 /* 401s that are answered: no token, a stale one, too narrow a one */
#define EXPECT_FROM \
	(1024 * 1024) /* bytes: from here on a refusal is worth waiting for (sources.md 6.2) */

struct registry_exchange {
	struct registry *registry;
	struct registry_exchange_request request; /* url, headers and scope live below */
	char *url; /* changes to a redirect's far end when that wants its own token */
	char *headers[EXCHANGE_HEADERS_MAX];
	size_t n_headers;
	struct auth *auth; /* NULL: this URL is not ours to authenticate at */
	struct scope_set scopes;
	struct http_call *call;
	struct http_timer *timer;
	struct auth_wait *wait;
	uint64_t token;      /* that the running request carries, 0: none */
	unsigned attempt;    /* counts from 0 */
	unsigned auth_round; /* 401s answered so far */
	bool probing;        /* GET /v2/ for its challenge runs, not the request itself */
	bool no_expect;      /* this host does not like Expect */
	bool redirected;     /* goes to a redirect's far end directly, with a token of that */

	int status;                           /* of the running request's answer; 0: none yet */
	struct buf body;                      /* of a 2xx answer */
	struct buf error_body;                /* of another one, its beginning */
	uint64_t error_bytes;                 /* of another one, all */
	uint64_t body_read;                   /* bytes taken from the reader */
	struct error failure;                 /* why we ended the answer ourselves */
	const struct http_response *response; /* while done() runs */
};

static void send_request(struct registry_exchange *x);
static void send_later(struct registry_exchange *x, uint64_t ms);

/* ---- ends ---- */

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

static bool body_is_repeatable(const struct registry_exchange *x)
{
	return !x->request.read || x->body_read == 0 || x->request.rewind;
}

/* Brings the reader back to its first byte; true when there is nothing to bring back. */
static bool rewind_body(struct registry_exchange *x)
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
		!rewind_body(x)) {
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

/* ---- 401 ---- */

static void on_token(void *ctx, struct error *err)
{
	struct registry_exchange *x = ctx;

	x->wait = NULL;
	if (!err) {
		send_request(x);
		return;
	}
	(void)registry_exchange_wrap(x, err, -(int)err->code);
	retry_or_finish(x, err);
}

/* A body that went by cannot be sent again: the caller has to, with the new token. */
static int refused_in_transfer(bool was_accepted, struct error *err)
{
	if (was_accepted)
		return error_set(err,
			ERR_TEMP,
			"the token expired in mid-transfer and the body cannot be sent again from here; "
			"a new attempt gets a new token");
	return error_set(
		err, ERR_AUTH, "refused after the body was sent, which cannot be repeated");
}

/* Asks /v2/ for the challenge that the 401 left out. */
static void probe_challenge(struct registry_exchange *x)
{
	x->probing = true;
	send_request(x);
}

static int refusal(struct registry_exchange *x, struct error *err)
{
	AUTO_FREE char *words = answer_words(x->error_body.data, x->error_body.len);

	err->http = x->status;
	return error_set(err,
		ERR_AUTH,
		"%d %s%s%s",
		x->status,
		answer_reason(x->status),
		*words ? ": " : "",
		words);
}

/* Decides what a 401 means; 0 when the request goes on, by x->wait, x->call or x->timer. */
static int answer_challenge(
	struct registry_exchange *x, const struct http_response *r, struct error *err)
{
	const bool was_accepted = x->auth && auth_was_accepted(x->auth, x->token);
	const bool has_challenge = http_header(r, "WWW-Authenticate") != NULL;
	int rc;

	if (!x->redirected && backend_answered(x->registry, r) && !x->request.foreign) {
		/* The far end of a redirect has its own tokens, and ours are none of its business.
		 */
		if (x->request.read || x->request.body)
			return refusal(x, err);
		x->redirected = true;
		x->auth = backend_auth(x->registry, r->url);
		str_replace(&x->url, r->url);
		x->token = 0;
	}
	if (!x->auth || x->auth_round >= AUTH_ROUNDS_MAX)
		return refusal(x, err);
	x->auth_round++;
	if (!has_challenge && !auth_knows_challenge(x->auth) && !x->probing) {
		if (!rewind_body(x))
			return refused_in_transfer(was_accepted, err);
		probe_challenge(x);
		return 0;
	}
	if (x->probing && x->status != ANSWER_UNAUTHORIZED)
		return error_set(err, ERR_AUTH, "401 without a challenge, and /v2/ names none");
	rc = auth_challenged(x->auth, r, x->token, &x->scopes, err);
	if (rc < 0)
		return rc;
	if (!rewind_body(x))
		return refused_in_transfer(was_accepted, err);
	x->probing = false;
	send_request(x);
	return 0;
}

/* ---- answers ---- */

static void note_throttling(
	struct registry_exchange *x, const struct http_response *r, struct error *err)
{
	AUTO(url_clear) struct url url = URL_INIT;
	const uint32_t sec = r->retry_after > BUDGET_RETRY_AFTER_MAX_SEC
				     ? BUDGET_RETRY_AFTER_MAX_SEC
				     : r->retry_after;

	x->registry->stats.throttled += x->status == ANSWER_TOO_MANY_REQUESTS;
	err->retry_sec = (int)(r->retry_after > INT32_MAX ? INT32_MAX : r->retry_after);
	if ((x->status == ANSWER_TOO_MANY_REQUESTS || x->status == ANSWER_UNAVAILABLE) && sec > 0 &&
		r->url && url_parse(r->url, &url, NULL) == 0)
		http_host_gate(x->registry->loop, &url, sec);
}

/* An answer that is no success: its class, and the peer's own words. */
static void answer_failed(struct registry_exchange *x, const struct http_response *r)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO_FREE char *words = answer_words(x->error_body.data, x->error_body.len);
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
	const int rc = answer_challenge(x, r, &err);

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

static void on_done(void *ctx, struct http_response *r, struct error *err)
{
	struct registry_exchange *x = ctx;

	x->call = NULL;
	x->response = r;
	if (!x->status && !err)
		x->status = r->status;
	/* A header that says no is an answer, whatever became of its body (protocol.md 7.2, the
	 * 416). */
	if (err && x->status >= 400)
		err = NULL;
	if (x->status && x->status != ANSWER_UNAUTHORIZED)
		auth_accepted(x->auth, x->token);
	if (err || x->failure.code != ERR_NONE) {
		transfer_failed(x, err);
	} else if (x->status == ANSWER_UNAUTHORIZED || x->probing) {
		answer_unauthorized(x, r);
	} else if (x->status == ANSWER_EXPECTATION_FAILED && !x->no_expect && rewind_body(x)) {
		x->no_expect = true;
		send_request(x);
	} else if (answer_class(x->status) != ERR_NONE) {
		answer_failed(x, r);
	} else {
		budget_earn(x->registry);
		finish(x, NULL);
	}
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

static enum http_io keep_error(struct registry_exchange *x, const char *data, size_t n)
{
	const size_t room = ANSWER_BODY_MAX - x->error_body.len;

	x->error_bytes += n;
	if (buf_append(&x->error_body, data, n < room ? n : room, NULL) < 0 ||
		x->error_bytes > ERROR_BODY_READ_MAX)
		return HTTP_IO_ABORT;
	return HTTP_IO_OK;
}

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

static enum http_io on_read(void *ctx, char *to, size_t room, size_t *ret_n)
{
	struct registry_exchange *x = ctx;
	const enum http_io io = x->request.read(x->request.ctx, to, room, ret_n);

	if (io == HTTP_IO_OK)
		x->body_read += *ret_n;
	return io;
}

static bool on_rewind(void *ctx)
{
	return rewind_body(ctx);
}

/* ---- sending ---- */

static bool wants_continue(const struct registry_exchange *x)
{
	return !x->no_expect && x->request.body_size > EXPECT_FROM &&
	       !address_is_loopback(x->registry->origin.host);
}

static void start_http(struct registry_exchange *x, const char *authorization)
{
	AUTO_FREE char *ping = x->probing ? xasprintf("%s/v2/", x->registry->base) : NULL;
	struct http_request q = {
		.method = x->probing ? HTTP_GET : x->request.method,
		.url = x->probing ? ping : x->url,
		.headers = (const char *const *)x->headers,
		.n_headers = x->probing ? 0 : x->n_headers,
		.authorization = x->probing ? NULL : authorization,
		.bulk = x->request.bulk,
		.max_redirects = x->request.redirects ? HTTP_REDIRECTS_MAX : 0,
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

static void send_request(struct registry_exchange *x)
{
	AUTO_FREE char *authorization = NULL;

	x->status = 0;
	x->token = 0;
	x->response = NULL;
	x->error_bytes = 0;
	buf_reset(&x->body);
	buf_reset(&x->error_body);
	if (x->auth && !auth_header(x->auth, &x->scopes, &authorization, &x->token)) {
		x->wait = auth_fetch(x->auth, &x->scopes, on_token, x);
		return;
	}
	start_http(x, authorization);
}

static void on_timer(void *ctx)
{
	struct registry_exchange *x = ctx;

	x->timer = NULL;
	send_request(x);
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
	send_request(x);
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
	buf_clear(&x->body);
	buf_clear(&x->error_body);
	error_clear(&x->failure);
	free(x);
}

int registry_exchange_status(const struct registry_exchange *x)
{
	return x->status;
}

struct buf *registry_exchange_body(struct registry_exchange *x)
{
	return &x->body;
}

const char *registry_exchange_url(const struct registry_exchange *x)
{
	return x->response && x->response->url ? x->response->url : x->url;
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
