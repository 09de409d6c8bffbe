/* The life of a call: its start, its hops, pauses, and its one end. */
#include <strings.h>

#include "http/internal.h"
#include "util/clock.h"
#include "util/mem.h"

const char *http_method_name(enum http_method m)
{
	static const char *const names[] = {
		[HTTP_GET] = "GET",
		[HTTP_HEAD] = "HEAD",
		[HTTP_POST] = "POST",
		[HTTP_PUT] = "PUT",
		[HTTP_PATCH] = "PATCH",
		[HTTP_DELETE] = "DELETE",
	};

	return names[m];
}

/* ---- start ---- */

/* Bytes of the fields that are copied behind the call, with their NULs. */
static size_t texts_size(const struct http_request *r)
{
	size_t size = r->authorization ? sizeof("Authorization: ") + strlen(r->authorization) : 0;

	for (size_t i = 0; i < r->n_headers; i++)
		size += strlen(r->headers[i]) + 1;
	return size;
}

static bool has_field(const struct http_request *r, const char *name)
{
	for (size_t i = 0; i < r->n_headers; i++) {
		if (strncasecmp(r->headers[i], name, strlen(name)) == 0)
			return true;
	}
	return false;
}

static void forbid_expect(struct http_call *call)
{
	static char no_expect[] = "Expect:"; /* without it libcurl asks for leave by itself */

	call->request.expect_continue = false;
	call->no_expect = (struct curl_slist){.data = no_expect, .next = call->headers};
	call->headers = &call->no_expect;
}

/*
 * The call with copies of the request's fields, all in one block: they are the nodes of the
 * list that libcurl reads, so a request costs one allocation however many fields it has.
 */
static struct http_call *call_new(struct http_loop *loop, const struct http_request *r)
{
	static char identity[] = "Accept-Encoding: identity";
	size_t most = r->n_headers + 2, n = 0; /* with Authorization and Accept-Encoding */
	size_t head = sizeof(struct http_call) + most * sizeof(struct curl_slist);
	struct http_call *call = xcalloc(1, head + texts_size(r));
	char *text = (char *)call + head;

	call->loop = loop;
	call->request = *r;
	if (r->authorization) {
		call->fields[n++].data = text;
		text = stpcpy(stpcpy(text, "Authorization: "), r->authorization) + 1;
	}
	for (size_t i = 0; i < r->n_headers; i++) {
		call->fields[n++].data = text;
		text = stpcpy(text, r->headers[i]) + 1;
	}
	/* Bytes are opaque (promise 2): nobody shall compress them on the way. */
	if (!has_field(r, "Accept-Encoding:"))
		call->fields[n++].data = identity;
	while (n-- > 0) {
		call->fields[n].next = call->headers;
		call->headers = &call->fields[n];
	}
	if (!r->expect_continue)
		forbid_expect(call);
	call->request.url = NULL;
	call->request.headers = NULL;
	call->request.authorization = NULL;
	call->response.body = BUF_INIT(r->body_max);
	call->response.content_length = -1;
	call->response.url = "";
	return call;
}

/* A peer's redirect cannot make us speak plain HTTP to whom nobody configured so. */
int call_route(struct http_call *call, struct error *err)
{
	call->host = host_of(call->loop, &call->url);
	if (strcmp(call->url.scheme, "http") == 0 && !call->host->options->plain)
		return error_set(err,
			ERR_REMOTE,
			"http://%s:%u: plain HTTP is not configured for this host",
			call->url.host,
			call->url.port);
	return 0;
}

/* What http_start() would refuse; done() is told of it later. */
static int check(struct http_call *call, const struct http_request *r, struct error *err)
{
	int rc;

	for (const struct curl_slist *f = call->headers; f; f = f->next) {
		if (strpbrk(f->data, "\r\n"))
			return error_set(err, ERR_USAGE, "a line break in a header field");
	}
	if (r->body_size > 0 && !r->body && !r->read)
		return error_set(err, ERR_USAGE, "a body size without a body");
	rc = url_parse(r->url, &call->url, err);
	return rc < 0 ? rc : call_route(call, err);
}

struct http_call *http_start(struct http_loop *loop, const struct http_request *request)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct http_call *call = call_new(loop, request);

	if (check(call, request, &err) < 0)
		call_fail_later(call, &err);
	else
		host_enqueue(call->host, call);
	loop->again =
		true; /* also when stop() of http_loop_run() started it: no wait before it leaves */
	return call;
}

bool call_has_upload(const struct http_call *call)
{
	enum http_method m = call->request.method;

	return m == HTTP_POST || m == HTTP_PUT || m == HTTP_PATCH;
}

bool call_is_sending(const struct http_call *call)
{
	return call_has_upload(call) && call->sent < call->request.body_size;
}

/* ---- end ---- */

/*
 * After a transfer that did not end well libcurl may still hold its buffers, and refuse to
 * change their size (7.88.1, after a connect that failed): such a handle is not used again.
 */
static void release(struct http_call *call)
{
	if (call->handle && call->complete)
		handle_put(call->handle);
	else if (call->handle)
		handle_free(call->handle);
	call->handle = NULL;
	call->response.headers = NULL;
}

void call_free(struct http_call *call)
{
	release(call);
	buf_clear(&call->response.body);
	error_clear(&call->fail);
	url_clear(&call->url);
	free(call);
}

/* For failures outside the loop's steps: done() is never called from where they are found. */
void call_fail_later(struct http_call *call, struct error *err)
{
	error_move(&call->fail, err);
	call->state = CALL_FAILED;
	TAILQ_INSERT_TAIL(&call->loop->failed, call, link);
}

void calls_fail(struct http_loop *loop)
{
	struct http_call *call;

	while ((call = TAILQ_FIRST(&loop->failed))) {
		AUTO(error_clear) struct error err = ERROR_INIT;

		TAILQ_REMOVE(&loop->failed, call, link);
		error_move(&err, &call->fail);
		call_end(call, &err);
	}
}

/*
 * The handle stays with the call until done() has returned: the answer's fields are in it.
 * An http_cancel() from inside done() finds CALL_ENDED and does nothing.
 */
void call_end(struct http_call *call, struct error *err)
{
	call->state = CALL_ENDED;
	if (call->url.text)
		call->response.url = call->url.text;
	call->request.done(call->request.ctx, &call->response, err->code ? err : NULL);
	call_free(call);
}

/* A connection that the peer had closed while it lay idle: nobody's failure (sources.md 6.4). */
static bool was_dead(struct http_call *call, CURLcode code)
{
	long opened = 1;

	if (code != CURLE_RECV_ERROR && code != CURLE_SEND_ERROR && code != CURLE_GOT_NOTHING)
		return false;
	if (call->retried || call->fail.code || call->handle->fields.bytes > 0)
		return false;
	if (curl_easy_getinfo(call->handle->easy, CURLINFO_NUM_CONNECTS, &opened) != CURLE_OK)
		return false;
	return opened == 0 && exchange_rewind(call);
}

/* The same request on a fresh connection, in the place that it has at its host already. */
static void start_again(struct http_call *call)
{
	AUTO(error_clear) struct error err = ERROR_INIT;

	release(call);
	call->retried = true;
	if (call->unexpect)
		forbid_expect(call);
	call->unexpect = false;
	if (exchange_start(call, &err) < 0)
		call_end(call, &err);
}

void call_finish(struct http_call *call, CURLcode code)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	bool again = (call->unexpect && !call->fail.code) || was_dead(call, code);

	exchange_stop(call);
	call->complete = code == CURLE_OK;
	if (again) {
		start_again(call);
		return;
	}
	if (call->follow && !call->fail.code) {
		if (redirect_step(call, &err) == 0) {
			call->response.front_us = call->response.total_us;
			release(call);
			call->retried = false;
			host_enqueue(call->host, call);
			return;
		}
	} else {
		exchange_verdict(call, code, &err);
	}
	call_end(call, &err);
}

void http_cancel(struct http_call **call)
{
	struct http_call *c = steal(call);

	if (!c)
		return;
	switch (c->state) {
	case CALL_QUEUED:
		host_dequeue(c);
		call_free(c);
		break;
	case CALL_FAILED:
		TAILQ_REMOVE(&c->loop->failed, c, link);
		call_free(c);
		break;
	case CALL_RUNNING:
		/* libcurl may be inside this very call: the loop takes it off later. */
		TAILQ_REMOVE(&c->loop->calls, c, link);
		TAILQ_INSERT_TAIL(&c->loop->doomed, c, link);
		c->state = CALL_DOOMED;
		timer_unset(&c->timer);
		break;
	case CALL_DOOMED:
	case CALL_ENDED:
	default:
		break;
	}
}

void calls_reap(struct http_loop *loop)
{
	struct http_call *call;

	while ((call = TAILQ_FIRST(&loop->doomed))) {
		exchange_stop(call);
		call_free(call);
	}
}

/* ---- pauses ---- */

/*
 * curl_easy_pause() may call write from within, so it is not called where http_resume_write()
 * was, which is often inside another callback, but from the loop (sources.md 6.4).
 */
void call_resume(struct http_call *call, unsigned pauses)
{
	if (call->state != CALL_RUNNING)
		return;
	call->resume |= pauses;
	if (call->resuming)
		return;
	call->resuming = true;
	TAILQ_INSERT_TAIL(&call->loop->resume, call, resume_link);
}

void http_resume_write(struct http_call *call)
{
	call_resume(call, PAUSE_WRITE);
}

void http_resume_read(struct http_call *call)
{
	call_resume(call, PAUSE_READ);
}

/* libcurl has one call for both directions; ours are three reasons that come and go apart. */
static void apply_pause(struct http_call *call)
{
	unsigned receive = call->paused & (PAUSE_WRITE | PAUSE_RATE);
	int wanted =
		(receive ? CURLPAUSE_RECV : 0) | (call->paused & PAUSE_READ ? CURLPAUSE_SEND : 0);
	CURLcode code;

	if (wanted == call->curl_paused)
		return;
	/* Set first: libcurl calls write from in here, which may pause again. */
	call->curl_paused = wanted;
	call->active_ms = call->loop->now_ms;
	call->loop->again = true;
	code = curl_easy_pause(call->handle->easy, wanted);
	if (code != CURLE_OK && call->state == CALL_RUNNING)
		call_finish(call, code);
}

void calls_resume(struct http_loop *loop)
{
	struct http_call *call;
	size_t n = 0;

	/* Those of now: a callback that resumes its own call must not keep us here. */
	TAILQ_FOREACH (call, &loop->resume, resume_link)
		n++;
	while (n-- > 0 && (call = TAILQ_FIRST(&loop->resume))) {
		TAILQ_REMOVE(&loop->resume, call, resume_link);
		call->resuming = false;
		call->paused &= ~call->resume;
		call->resume = 0;
		if (call->state == CALL_RUNNING)
			apply_pause(call);
	}
}
