/* One hop on one easy handle: its start, libcurl's callbacks, and what its end means. */
#include <strings.h>

#include "http/internal.h"
#include "util/clock.h"
#include "util/mem.h"
#include "util/parse.h"

#define DROP_MAX   ((size_t)64 * 1024) /* bytes of an unwanted body read to keep the connection */
#define REASON_MAX 200                 /* characters of libcurl's words in a message */

/* ---- start and stop ---- */

/* As if nothing had been received; the memory of the fields is kept. */
static void reset_answer(struct http_call *call)
{
	struct http_response *r = &call->response;

	call->header_done = call->follow = call->complete = false;
	call->dropped = 0;
	r->status = 0;
	r->body_bytes = 0;
	r->content_length = -1;
	r->retry_after = 0;
	r->headers = &call->handle->fields;
	buf_reset(&r->body);
	fields_reset(&call->handle->fields);
	call->handle->fields.bytes = 0;
}

static void reset_hop(struct http_call *call)
{
	call->paused = call->resume = 0;
	call->curl_paused = 0;
	call->sent = call->acked = 0;
	call->fd = CURL_SOCKET_BAD;
	call->handle->reason[0] = '\0';
	call->response.timing = (struct http_timing){.fresh = false};
	call->response.ttfb_us = 0;
	call->asked_us = call->first_us = 0;
	reset_answer(call);
}

int exchange_start(struct http_call *call, struct error *err)
{
	struct http_loop *loop = call->loop;
	CURLcode rc;
	CURLMcode added;

	call->handle = handle_get(call->host);
	if (!call->handle)
		return error_set(err, ERR_NOMEM, "libcurl gives no handle for %s", call->url.host);
	reset_hop(call);
	rc = handle_prepare(call->handle, call);
	if (rc != CURLE_OK)
		return error_set(err, ERR_USAGE, "libcurl: %s", curl_easy_strerror(rc));
	if (!call->retried) /* which is the same hop once more */
		call->hop_us = timing_now_us();
	call->state = CALL_RUNNING;
	TAILQ_INSERT_TAIL(&loop->calls, call, link);
	call->host->stats.running++;
	phase_begin(call);
	added = curl_multi_add_handle(loop->multi, call->handle->easy);
	loop->again = true;
	if (added == CURLM_OK)
		return 0;
	exchange_stop(call);
	return error_set(err, ERR_NOMEM, "libcurl: %s", curl_multi_strerror(added));
}

void exchange_stop(struct http_call *call)
{
	struct http_loop *loop = call->loop;

	TAILQ_REMOVE(call->state == CALL_DOOMED ? &loop->doomed : &loop->calls, call, link);
	if (call->resuming)
		TAILQ_REMOVE(&loop->resume, call, resume_link);
	if (call->throttled)
		TAILQ_REMOVE(&loop->throttled, call, throttle_link);
	call->resuming = call->throttled = false;
	timer_unset(&call->timer);
	call->response.total_us = call->response.front_us + timing_ended(call);
	(void)curl_multi_remove_handle(loop->multi, call->handle->easy);
	host_leave(call->host);
}

/* A body in memory can always be sent again, a reader only when it says so. */
bool exchange_rewind(struct http_call *call)
{
	const struct http_request *r = &call->request;

	if (call->sent > 0 && !r->body && !(r->rewind && r->rewind(r->ctx)))
		return false;
	call->sent = 0;
	return true;
}

/* ---- callbacks ---- */

/* The connection stands and the request goes out now; also when libcurl repeats it by itself. */
/* NOLINTNEXTLINE(readability-non-const-parameter): libcurl has the prototype */
static int on_request(void *ctx, char *peer, char *here, int peer_port, int here_port)
{
	struct http_call *call = ctx;

	(void)here;
	if (call->state != CALL_RUNNING)
		return CURL_PREREQFUNC_ABORT;
	call->host->stats.requests++;
	call->fd = socket_find(call->loop, here_port, peer_port);
	reset_answer(call);
	timing_connected(call, peer);
	phase_enter(call, call_is_sending(call) ? PHASE_SEND : PHASE_WAIT);
	return CURL_PREREQFUNC_OK;
}

/* libcurl repeats a request by itself when a reused connection turns out dead: from byte 0. */
static int on_seek(void *ctx, curl_off_t offset, int origin)
{
	struct http_call *call = ctx;

	if (offset != 0 || origin != SEEK_SET || call->state != CALL_RUNNING)
		return CURL_SEEKFUNC_FAIL;
	return exchange_rewind(call) ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
}

static enum http_io read_body(struct http_call *call, char *to, size_t room, size_t *ret_n)
{
	const struct http_request *r = &call->request;

	if (!r->body)
		return r->read(r->ctx, to, room, ret_n);
	memcpy(to, (const char *)r->body + call->sent, room);
	*ret_n = room;
	return HTTP_IO_OK;
}

/*
 * All bodies go this way, also those in memory: after a cancel, which may come in any
 * callback, their memory is not touched again.
 */
static size_t on_read(char *to, size_t size, size_t n, void *ctx)
{
	struct http_call *call = ctx;
	uint64_t left = call->request.body_size - call->sent;
	size_t room = size * n, got = 0;

	if (call->state != CALL_RUNNING)
		return CURL_READFUNC_ABORT;
	if (left == 0)
		return 0;
	switch (read_body(call, to, left < room ? (size_t)left : room, &got)) {
	case HTTP_IO_PAUSE:
		call->paused |= PAUSE_READ;
		call->curl_paused |= CURLPAUSE_SEND;
		return CURL_READFUNC_PAUSE;
	case HTTP_IO_OK:
		if (got > 0)
			break;
		(void)error_set(&call->fail, ERR_USAGE, "the body to send ended early");
		return CURL_READFUNC_ABORT;
	case HTTP_IO_ABORT:
	default:
		(void)error_set(&call->fail, ERR_CANCELED, "stopped while sending");
		return CURL_READFUNC_ABORT;
	}
	call->sent += got;
	call->host->stats.bytes_out += got;
	call->active_ms = call->loop->now_ms;
	if (!call_is_sending(call) && call->phase == PHASE_SEND) {
		call->asked_us = timing_now_us();
		phase_enter(call, PHASE_WAIT);
	}
	return got;
}

/* Bytes that nobody wants: read while they are few, for the sake of the connection. */
static size_t drop(struct http_call *call, size_t n)
{
	call->dropped += n;
	return call->dropped > DROP_MAX ? CURL_WRITEFUNC_ERROR : n;
}

/* Keeps a body for the caller, up to the ceiling that the caller chose. */
static size_t collect(struct http_call *call, const char *data, size_t n)
{
	struct buf *body = &call->response.body;
	size_t room = call->request.body_max - body->len;

	if (call->request.body_max == 0)
		return drop(call, n);
	/* Of an error's explanation the beginning is enough. */
	if (n <= room || call->response.status >= 400) {
		if (buf_append(body, data, n < room ? n : room, &call->fail) == 0 && n <= room)
			return n;
	} else {
		(void)error_set(&call->fail,
			ERR_REMOTE,
			"%s://%s:%u: body larger than %zu bytes",
			call->url.scheme,
			call->url.host,
			call->url.port,
			call->request.body_max);
	}
	return CURL_WRITEFUNC_ERROR;
}

/*
 * libcurl gives at most 16 KiB at a time, and gives the same bytes again after a pause:
 * nothing is counted before they are taken.
 */
static size_t on_write(char *data, size_t size, size_t n, void *ctx)
{
	struct http_call *call = ctx;
	const struct http_request *r = &call->request;
	size_t taken = size * n;

	if (call->state != CALL_RUNNING)
		return CURL_WRITEFUNC_ERROR;
	call->active_ms = call->loop->now_ms;
	if (!call->header_done || call->follow)
		return drop(call, taken);
	if (!rate_allows(call)) {
		call->curl_paused |= CURLPAUSE_RECV;
		return CURL_WRITEFUNC_PAUSE;
	}
	switch (r->write ? r->write(r->ctx, data, taken) : HTTP_IO_OK) {
	case HTTP_IO_OK:
		break;
	case HTTP_IO_PAUSE:
		call->paused |= PAUSE_WRITE;
		call->curl_paused |= CURLPAUSE_RECV;
		return CURL_WRITEFUNC_PAUSE;
	case HTTP_IO_ABORT:
	default:
		(void)error_set(&call->fail, ERR_CANCELED, "stopped while receiving");
		return CURL_WRITEFUNC_ERROR;
	}
	call->response.body_bytes += taken;
	call->host->stats.bytes_in += taken;
	call->loop->allowance -= (double)taken;
	return r->write ? taken : collect(call, data, taken);
}

/* ---- the answer's header ---- */

/* What the fields say, and when they came. */
static void describe(struct http_call *call)
{
	struct http_response *r = &call->response;
	const char *after = http_header(r, "Retry-After");

	r->url = call->url.text;
	r->content_length = fields_content_length(r->headers);
	if (after && retry_after_parse(after, clock_wall_sec(), &r->retry_after, NULL) < 0)
		r->retry_after = 0;
	timing_answered(call);
}

/*
 * Whether a 417 is answered by sending the request again without "Expect".  libcurl would do
 * that too, but not on a connection that closes, and its header callback then sees two answers.
 */
static bool drops_expect(struct http_call *call)
{
	call->unexpect = call->response.status == 417 && call->request.expect_continue &&
			 call_is_sending(call) && exchange_rewind(call);
	return call->unexpect;
}

/*
 * The empty line after a header: of an interim answer (1xx), which is forgotten, or of the
 * final one, which is acted on.  False: the exchange ends here.
 */
static bool header_end(struct http_call *call)
{
	const struct http_request *q = &call->request;
	struct http_response *r = &call->response;
	long status = 0;

	(void)curl_easy_getinfo(call->handle->easy, CURLINFO_RESPONSE_CODE, &status);
	r->status = (int)status;
	call->active_ms = call->loop->now_ms;
	if (drops_expect(call))
		return false;
	if (r->status < 200) {
		r->status = 0;
		fields_reset(&call->handle->fields);
		return true;
	}
	call->header_done = true;
	describe(call);
	call->follow = redirect_wanted(call);
	phase_enter(call, PHASE_BODY);
	if (call->follow)
		return true;
	if (q->method != HTTP_HEAD && !q->write && q->body_max > 0 && r->status < 400 &&
		r->content_length > 0 && (uint64_t)r->content_length > q->body_max)
		return error_set(&call->fail,
			       ERR_REMOTE,
			       "%s://%s:%u: a body of %lld bytes is announced, %zu are allowed",
			       call->url.scheme,
			       call->url.host,
			       call->url.port,
			       (long long)r->content_length,
			       q->body_max) == 0;
	if (q->on_header && !q->on_header(q->ctx, r))
		return error_set(&call->fail, ERR_CANCELED, "stopped at the header") == 0;
	return true;
}

/* The header is in the fields already; the body is what there was, at most what was announced. */
void exchange_early(struct http_call *call, int status, const char *body, size_t n)
{
	const struct http_request *q = &call->request;
	uint64_t length;

	call->response.status = status;
	call->header_done = true;
	describe(call);
	length = call->response.content_length > 0 ? (uint64_t)call->response.content_length : 0;
	if (q->on_header && !q->on_header(q->ctx, &call->response))
		(void)error_set(&call->fail, ERR_CANCELED, "stopped at the header");
	else if (!q->write)
		(void)collect(call, body, n < length ? n : (size_t)length);
}

/*
 * Called for each line, of interim answers and trailers too.  Their bytes all count against
 * the one ceiling, so that a peer cannot keep us with endless 103s.
 */
static size_t on_header_line(char *line, size_t size, size_t n, void *ctx)
{
	struct http_call *call = ctx;
	struct fields *fields = &call->handle->fields;
	size_t len = size * n;

	if (call->state != CALL_RUNNING)
		return CURL_WRITEFUNC_ERROR;
	fields->bytes += len;
	if (fields->bytes > HTTP_HEADER_BYTES) {
		(void)error_set(&call->fail,
			ERR_REMOTE,
			"%s://%s:%u: header larger than %zu bytes",
			call->url.scheme,
			call->url.host,
			call->url.port,
			HTTP_HEADER_BYTES);
		return CURL_WRITEFUNC_ERROR;
	}
	if (call->header_done) /* trailers */
		return len;
	if (len >= 5 && strncasecmp(line, "HTTP/", 5) == 0) {
		fields_reset(fields);
		call->first_us = timing_now_us();
	} else if (line[0] == '\r' || line[0] == '\n')
		return header_end(call) ? len : CURL_WRITEFUNC_ERROR;
	else if (fields_add(fields, line, len, &call->fail) < 0)
		return CURL_WRITEFUNC_ERROR;
	return len;
}

void exchange_callbacks(CURL *easy)
{
	(void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header_line);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_write);
	(void)curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
	(void)curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
	(void)curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_request);
}

/* ---- the end ---- */

static enum errc class_of(CURLcode code)
{
	/* All other codes mean that the network or the peer broke off: worth another try. */
	static const struct {
		CURLcode code;
		enum errc class;
	} classes[] = {
		{CURLE_PEER_FAILED_VERIFICATION, ERR_REMOTE},
		{CURLE_SSL_ISSUER_ERROR, ERR_REMOTE},
		{CURLE_SSL_INVALIDCERTSTATUS, ERR_REMOTE},
		{CURLE_SSL_CLIENTCERT, ERR_REMOTE},
		{CURLE_WEIRD_SERVER_REPLY, ERR_REMOTE},
		{CURLE_UNSUPPORTED_PROTOCOL, ERR_REMOTE},
		{CURLE_URL_MALFORMAT, ERR_REMOTE},
		{CURLE_BAD_CONTENT_ENCODING, ERR_REMOTE},
		{CURLE_SSL_CACERT_BADFILE, ERR_USAGE},
		{CURLE_SSL_CERTPROBLEM, ERR_USAGE},
		{CURLE_OUT_OF_MEMORY, ERR_NOMEM},
	};

	for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
		if (classes[i].code == code)
			return classes[i].class;
	}
	return ERR_TEMP;
}

void exchange_verdict(struct http_call *call, CURLcode code, struct error *err)
{
	const char *reason = call->handle->reason;
	AUTO_FREE char *shown = NULL;

	if (call->fail.code) {
		error_move(err, &call->fail);
		return;
	}
	/* An error's status stands, however badly its body ends (protocol.md 7.2). */
	if (call->header_done && (code == CURLE_OK || call->response.status >= 400))
		return;
	if (!*reason)
		reason = curl_easy_strerror(code);
	shown = text_sanitize(reason, strcspn(reason, "\r\n"), REASON_MAX);
	(void)error_set(err,
		code == CURLE_OK ? ERR_REMOTE : class_of(code),
		"%s://%s:%u: %s",
		call->url.scheme,
		call->url.host,
		call->url.port,
		code == CURLE_OK ? "an answer without a header" : shown);
}
