/*
 * request.h - one HTTP exchange: what to send, where the answer goes.
 *
 * A struct http_request is a description, copied by http_start() (body bytes
 * that `body` points to are borrowed until done).  An exchange ends exactly once:
 * by done(), or by http_cancel(), after which no callback comes.
 *
 * Redirects (301, 302, 303, 307, 308) are followed by hand, for GET and HEAD
 * only, up to max_redirects: never from https to http, never to a plain origin that is not
 * configured as plain, never to another scheme; the Authorization header is dropped for good when
 * scheme, host or port change (promise 10).  Other statuses, also 4xx and 5xx, are answers: err is
 * NULL and the caller looks at status.  err is set for what is no answer: ERR_TEMP
 * (connection, time-out, stall, short body, TLS broken off), ERR_REMOTE (a broken protocol, a
 * forbidden redirect, a header or body over its ceiling, a certificate that does not verify),
 * ERR_CANCELED (a callback said abort), ERR_USAGE (a request that cannot be sent: a line break in a
 * field, a reader that ends early, a CA, certificate or key file that cannot be read).  Messages
 * begin with the origin of the hop that failed.
 *
 * A status of 400 and more is an answer however its body ends: one that is shorter than
 * announced, stays away for 2 s, or is larger than body_max is cut, and an answer that comes before
 * an upload was sent ends the upload (protocol.md 7.2).
 *
 * A request that failed on a reused connection before any answer byte is sent once
 * more on a fresh one, silently (sources.md 6.4), if its body can be sent again.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/host.h"
#include "http/loop.h"
#include "util/buf.h"

#define HTTP_HEADERS_MAX 64 /* fields of one answer that are kept */
#define HTTP_HEADER_BYTES \
	((size_t)64 * 1024)   /* all header bytes of one answer; nginx and Go allow 8 to 1024 KiB */
#define HTTP_REDIRECTS_MAX 10 /* protocol.md 3.5 */
#define HTTP_ADDRESS_MAX   46 /* chars of an address, with the NUL: INET6_ADDRSTRLEN */

enum http_method {
	HTTP_GET,
	HTTP_HEAD,
	HTTP_POST,
	HTTP_PUT,
	HTTP_PATCH,
	HTTP_DELETE
};
const char *http_method_name(enum http_method m);

enum http_io {
	HTTP_IO_OK,
	HTTP_IO_PAUSE, /* try again after http_resume_*() */
	HTTP_IO_ABORT  /* end the exchange with ERR_CANCELED */
};

/*
 * Where the time of one hop went, in microseconds (sources.md 2.1).  Of a connection that was open
 * already there is only wait_us.  Through a proxy name, tcp and round trip are the proxy's own and
 * say nothing of the host.
 */
struct http_timing {
	bool fresh;   /* the connection was made for this hop: name_us to tls_us are of it */
	bool proxied; /* a proxy was between: name_us, tcp_us and min_rtt_us are not the host's */
	uint64_t name_us;    /* to find the address */
	uint64_t tcp_us;     /* TCP handshake: one round trip */
	uint64_t tls_us;     /* TLS handshake; 0: plain */
	uint64_t wait_us;    /* from the request's being sent to the first byte of the answer */
	uint64_t ttfb_us;    /* from the start of the hop to that byte: the sum of the above */
	uint64_t min_rtt_us; /* least round trip that the kernel saw (TCP_INFO); 0: not known */
	char address[HTTP_ADDRESS_MAX]; /* the peer's, "192.0.2.1"; "" when there was no connection
					 */
};

struct http_response {
	int status;             /* of the last hop; 0 when there was no answer */
	const char *url;        /* that answered last: after redirects */
	struct buf body;        /* what a request without a write callback received */
	uint64_t body_bytes;    /* received, in either case */
	int64_t content_length; /* -1: not told */
	uint32_t retry_after;   /* seconds, from Retry-After in either form; 0: none */
	unsigned redirects;
	uint64_t ttfb_us;  /* from the start of the last hop to its first byte */
	uint64_t total_us; /* of all hops, without their waits in the queues of their hosts */
	uint64_t front_us; /* of that, hops before the last one: what redirects cost; 0 without any
			    */
	struct http_timing timing; /* of the last hop; filled when its header is there */
	const void *headers;       /* for http_header() */
};

/* A header of the last hop, by name without regard to case; NULL: not there.  The n-th of several:
 * http_header_at(). */
const char *http_header(const struct http_response *r, const char *name);
const char *http_header_at(const struct http_response *r, const char *name, unsigned n);

struct http_call;

struct http_request {
	enum http_method method;
	const char *url;            /* absolute */
	const char *const *headers; /* "Name: value" */
	size_t n_headers;
	const char *authorization; /* value of that header, or NULL */
	bool bulk; /* a blob: HTTP/1.1, large buffers, behind small requests in the queue */
	bool lean; /* with bulk: one of many for the same blob; small buffers do (promise 6) */
	/*
	 * For measuring: a new connection for each hop, made without cached addresses and without a
	 * resumed TLS session, and closed afterwards (sources.md 2.1).
	 */
	bool fresh;
	unsigned max_redirects;                       /* 0: a 3xx is an answer like any other */
	uint64_t connect_ms, first_byte_ms, stall_ms; /* instead of the host's; 0: the host's */

	/* Body to send: memory, or a reader of exactly body_size bytes; neither: empty. */
	const void *body;
	uint64_t body_size;
	enum http_io (*read)(void *ctx, char *to, size_t room, size_t *ret_n);
	/* Asks the reader to start over at byte 0 (a fresh connection); false: it cannot. NULL:
	 * cannot. */
	bool (*rewind)(void *ctx);
	bool expect_continue; /* wait for "100 Continue" up to 1 s before a body is sent */

	/*
	 * Body received: into response.body up to body_max (then ERR_REMOTE), or to write.
	 * body_max 0 without write: what comes is dropped, up to 64 KiB.
	 */
	size_t body_max;
	/* Called once, when the header of the final hop is there, before write.  May be NULL.
	 * False: abort. */
	bool (*on_header)(void *ctx, const struct http_response *r);
	enum http_io (*write)(void *ctx, const char *data, size_t n);

	/* Called once at the end unless cancelled; r->body may be taken with buf_steal(). err is
	 * NULL when there was an answer. */
	void (*done)(void *ctx, struct http_response *r, struct error *err);
	void *ctx;
};

/*
 * Queues the exchange.  Never fails at once: what is wrong with the request comes to
 * done(), from the loop.  The handle is valid until done() returns or http_cancel().
 */
struct http_call *http_start(struct http_loop *loop, const struct http_request *request);
/* *call may be NULL; it is NULL after.  The connection is dropped unless the body was complete. */
void http_cancel(struct http_call **call);
/* After HTTP_IO_PAUSE of write or of read: goes on from the loop's next round. */
void http_resume_write(struct http_call *call);
void http_resume_read(struct http_call *call);
