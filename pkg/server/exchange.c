/*
 * exchange.c - the way of a request through the steps of its endpoint, see internal.h.
 *
 * The listener calls begin(), body(), end(), done().  Where a step must wait, the request is
 * deferred and a worker runs advance(), which does whatever is next; then the listener comes
 * back with the same call.
 */
#include <assert.h>

#include "server/internal.h"
#include "util/clock.h"
#include "util/mem.h"

/* As much of the way as can be gone now: everything up to the body, or, when it is whole, all. */
static void advance(struct exchange *x)
{
	if (!x->known)
		auth_decide(x, false);
	if (!has_reply(x) && !x->opened && x->endpoint->open)
		x->endpoint->open(x);
	x->opened = true;
	if (!has_reply(x) && x->whole) {
		x->endpoint->work(x);
		assert(has_reply(x));
	}
}

static void find_endpoint(struct exchange *x)
{
	enum httpd_method method = x->method == HTTPD_HEAD ? HTTPD_GET : x->method;
	bool there = false;

	for (const struct endpoint *e = endpoints; e->work; e++) {
		if (e->kind != x->route.kind)
			continue;
		there = true;
		if (e->method == method)
			x->endpoint = e;
	}
	if (!there) {
		reply_error_status(x, 404, API_UNSUPPORTED, "there is no such path in this API");
	} else if (!x->endpoint) {
		reply_header(x, "Allow", "%s", route_allow(x->route.kind));
		reply_error(x, API_UNSUPPORTED, "this path does not take this method");
	}
}

/* What the header tells: refused here, a request costs nothing. */
static void look_at_header(struct exchange *x)
{
	const struct endpoint *e;

	find_endpoint(x);
	if (has_reply(x))
		return;
	e = x->endpoint;
	if (e->access == ASK_ANYBODY) {
		x->known = true;
		return;
	}
	reply_header(x, "Docker-Distribution-Api-Version", "registry/2.0");
	if (atomic_load(&x->server->draining)) {
		reply_header(x, "Retry-After", "%d", SERVER_RETRY_SEC);
		reply_error(x, API_UNAVAILABLE, "the registry is being stopped");
		return;
	}
	if (e->access == ASK_PUSH && x->server->options.read_only) {
		reply_error(x, API_UNSUPPORTED, "this registry is read-only");
		return;
	}
	auth_decide(x, true);
	if (!has_reply(x) && load_admit(x) && e->check)
		e->check(x);
}

static bool is_ready(const struct exchange *x)
{
	return x->known && (x->opened || !x->endpoint->open);
}

static bool has_body(const struct exchange *x)
{
	return httpd_content_length(x->http) > 0 || httpd_header(x->http, "Transfer-Encoding");
}

/* False: there is a reply. */
static bool find_route(struct exchange *x)
{
	bool reads = x->method == HTTPD_GET || x->method == HTTPD_HEAD;

	switch (route_parse(httpd_path(x->http), &x->route)) {
	case ROUTE_FINE:
		return true;
	case ROUTE_BAD_NAME:
		reply_error(x, API_NAME_INVALID, "the repository's name is malformed");
		break;
	case ROUTE_BAD_TAG:
		/* The old conformance suite asks for such a one, and wants to hear 404. */
		if (reads)
			reply_error(x, API_MANIFEST_UNKNOWN, "no manifest can have this tag");
		else
			reply_error(x, API_TAG_INVALID, "the tag is malformed");
		break;
	case ROUTE_BAD_DIGEST:
		reply_error(x,
			API_DIGEST_INVALID,
			"the digest is malformed, or of an algorithm that cannot be verified");
		break;
	case ROUTE_BAD_UPLOAD:
		reply_error(x, API_BLOB_UPLOAD_UNKNOWN, "no upload has such a name");
		break;
	}
	return false;
}

static struct exchange *exchange_new(struct server *s, struct httpd_request *r)
{
	struct exchange *x = xcalloc(1, sizeof(*x));

	x->server = s;
	x->http = r;
	x->method = httpd_method(r);
	x->started_ms = clock_mono_ms();
	x->reply.fd = -1;
	x->body = BUF_INIT(MANIFEST_MAX);
	return x;
}

/*
 * A request with a body comes here twice when something must be waited for: a client is told to
 * send it only then.
 */
static void begin(void *server_ctx, struct httpd_request *r, void **ret_ctx)
{
	struct exchange *x = *ret_ctx;

	if (!x) {
		*ret_ctx = x = exchange_new(server_ctx, r);
		if (find_route(x))
			look_at_header(x);
		if (!has_reply(x) && has_body(x) && !is_ready(x)) {
			load_defer(x, advance);
			return;
		}
	}
	if (has_reply(x))
		reply_send(x);
}

static bool body(struct httpd_request *r, void *ctx, const void *data, size_t n)
{
	struct exchange *x = ctx;

	(void)r;
	if (x->endpoint->take)
		x->endpoint->take(x, data, n);
	if (has_reply(x))
		reply_send(x);
	return true;
}

static void end(struct httpd_request *r, void *ctx)
{
	struct exchange *x = ctx;

	(void)r;
	x->whole = true;
	if (!has_reply(x) && (!x->endpoint->quick || !is_ready(x))) {
		load_defer(x, advance);
		return;
	}
	if (!has_reply(x))
		advance(x);
	reply_send(x);
}

static void tell(struct exchange *x, bool complete)
{
	const struct server_options *options = &x->server->options;
	const struct traffic_event event = {
		.kind = x->route.kind,
		.status = httpd_status(x->http),
		.bytes_in = httpd_bytes_in(x->http),
		.bytes_out = httpd_bytes_out(x->http),
		.ms = clock_mono_ms() - x->started_ms,
	};
	const struct access_line line = {
		.time_sec = clock_wall_sec(),
		.peer = httpd_peer(x->http),
		.method = httpd_method_text(x->http),
		.path = httpd_path(x->http),
		.user = x->who,
		.agent = httpd_header(x->http, "User-Agent"),
		.status = event.status,
		.complete = complete,
		.bytes_in = event.bytes_in,
		.bytes_out = event.bytes_out,
		.ms = event.ms,
	};

	traffic_count(&x->server->traffic, &event);
	if (options->access)
		options->access(options->ctx, &line);
}

/* A client that went away keeps what it had sent: the session stays, to be resumed. */
static void done(struct httpd_request *r, void *ctx, bool complete)
{
	struct exchange *x = ctx;

	(void)r;
	if (x->run)
		load_wait(x);
	tell(x, complete);
	push_release(x);
	load_release(x);
	free(x->who);
	reply_clear(&x->reply);
	buf_clear(&x->body);
	free(x);
}

const struct httpd_handler exchange_handler = {
	.begin = begin,
	.body = body,
	.end = end,
	.done = done,
};
