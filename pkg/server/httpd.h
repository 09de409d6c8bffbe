/*
 * httpd.h - the HTTP server under the registry: a thin seam over libmicrohttpd.
 *
 * Only httpd*.c includes the library.  One listener with a pool of threads, each with an epoll loop
 * (guides/server.md 1.3: the rules that its modules keep).  A request is handled on one of these
 * threads and must never block there: what waits (for the disk, for an upstream) is deferred, and
 * resumed from any thread.
 *
 * The life of a request: begin() when its header is there; it chooses a body sink (or none) and may
 * answer at once, before a body is taken; then body() for each piece; then end(), which answers or
 * defers.  done() always comes, once, last: also when the client went away.
 *
 * What the library lets pass and a proxy in front might read differently is refused here, with the
 * connection closed: Content-Length beside Transfer-Encoding, two of either, another coding than
 * "chunked", two Hosts, none (RFC 9112 sections 3.2, 6.1, 6.3), a line that goes on in the next or
 * does not end in CRLF.  Such requests come to no callback; httpd_stats() counts them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

#define HTTPD_HEADER_MAX      ((size_t)16 * 1024) /* bytes of a request's line and fields; more: 431 */
#define HTTPD_POOL            ((size_t)32 * 1024) /* bytes of a connection (server.md 1.2, 1.3) */
#define HTTPD_BACKLOG         4096                /* (server.md 1.3) */
#define HTTPD_CONNECTIONS_MAX 16384               /* default of the listener's limit */
/* For the whole of a header, from the end of the answer before: also keep-alive's time, as CDNs
 * have it. */
#define HTTPD_IDLE_SEC 75
/* Without a byte of a body, either way; 16 KiB in four times that. */
#define HTTPD_STALL_SEC 30

struct httpd;
struct httpd_request;

enum httpd_method {
	HTTPD_GET,
	HTTPD_HEAD,
	HTTPD_POST,
	HTTPD_PUT,
	HTTPD_PATCH,
	HTTPD_DELETE,
	HTTPD_OTHER /* any other token: answered 405 */
};

struct httpd_handler {
	/*
	 * *ret_ctx is the request's from here to done(), NULL before.  May answer; then no body
	 * is taken.  May defer, before the client is told to send its body: begin() is called
	 * again then, with *ret_ctx as it was left.
	 */
	void (*begin)(void *server_ctx, struct httpd_request *r, void **ret_ctx);
	/*
	 * A piece of the body, in order.  May answer: the rest is dropped, or, when there is much
	 * of it, the connection is closed behind the answer (which httpd_answer() must have given
	 * then).  False: not now; the same bytes come again after httpd_resume().
	 */
	bool (*body)(struct httpd_request *r, void *ctx, const void *data, size_t n);
	/* The body is whole (or there is none): answers, or httpd_defer()s. */
	void (*end)(struct httpd_request *r, void *ctx);
	/* The kernel has the whole answer, or the client is gone (`complete` false).  Before a
	 * stream's free_ctx(). */
	void (*done)(struct httpd_request *r, void *ctx, bool complete);
};

struct httpd_options {
	const char *listen;             /* "127.0.0.1:5000", "[::]:5000"; "" with socket_fd */
	int socket_fd;                  /* a listening socket, from systemd; -1: none */
	const char *tls_cert, *tls_key; /* PEM files; NULL or "": plain */
	const char *client_ca;          /* PEM; certificates of clients are asked for; NULL: no */
	unsigned threads;               /* 0: one for each core */
	unsigned connections; /* 0: HTTPD_CONNECTIONS_MAX; beyond it connections are closed */
	const struct httpd_handler *handler;
	void *ctx;
	/* Milliseconds; 0: HTTPD_IDLE_SEC and HTTPD_STALL_SEC.  For tests. */
	uint32_t idle_ms, stall_ms;
};

/* Listens and serves from its own threads when it returns.  ERR_USAGE (address, certificate),
 * ERR_IO. */
NODISCARD int httpd_start(
	const struct httpd_options *options, struct httpd **ret, struct error *err);
/* "127.0.0.1:40123": where it listens. */
const char *httpd_address(const struct httpd *h);
/* Reads the certificate again, for connections made from now on; the old one stays when that fails.
 */
NODISCARD int httpd_reload(struct httpd *h, struct error *err);
/*
 * Takes no new connections, waits up to grace_ms for requests under way, then ends the rest, and
 * frees.  All deferred requests must have been resumed, or are resumed with 503 here.
 */
void httpd_stop(struct httpd *h, uint64_t grace_ms);
struct httpd_stats {
	unsigned connections;         /* open now */
	unsigned requests;            /* under way now */
	uint64_t requests_total;      /* since the start */
	uint64_t refused_total;       /* connections and requests that no handler saw */
	uint64_t bytes_in, bytes_out; /* of bodies */
};
struct httpd_stats httpd_stats(const struct httpd *h);

/* ---- the request; valid until done() ---- */

enum httpd_method httpd_method(const struct httpd_request *r);
const char *httpd_method_text(const struct httpd_request *r); /* as sent: "PROPFIND" */
const char *httpd_path(const struct httpd_request *r);        /* unescaped, without the query */
/* The first value of a query's key, unescaped; NULL: not there; "" when it has no value. */
const char *httpd_query(const struct httpd_request *r, const char *key);
/* The n-th of a key that may be repeated, from 0. */
const char *httpd_query_at(const struct httpd_request *r, const char *key, size_t n);
/* A field by name without regard to case; NULL: not there. */
const char *httpd_header(const struct httpd_request *r, const char *name);
int64_t httpd_content_length(const struct httpd_request *r); /* -1: none, or chunked */
const char *httpd_peer(const struct httpd_request *r);       /* "192.0.2.1" */
bool httpd_is_tls(const struct httpd_request *r);
/* The verified client certificate's subject common name; NULL: none was given. */
const char *httpd_client_name(const struct httpd_request *r);

/* ---- answers: one for each request ---- */

/* Before the answer; copied. */
void httpd_add_header(struct httpd_request *r, const char *name, const char *value);
/* Bytes are copied.  With HEAD and 304 only the length counts, and body may be NULL. */
void httpd_answer(struct httpd_request *r, int status, const void *body, size_t len);
/* fd is taken over, and closed after; bytes [offset, offset+len) of it, by sendfile where it can
 * be. */
void httpd_answer_file(struct httpd_request *r, int status, int fd, uint64_t offset, uint64_t len);
/*
 * A body that comes by and by: read() fills up to room bytes; 0 bytes: none now, httpd_resume()
 * when there are; -1: it breaks off, the connection is cut so that the client cannot take it for
 * whole. size is the Content-Length.
 */
typedef int64_t httpd_read_fn(void *ctx, uint64_t position, void *to, size_t room);
void httpd_answer_stream(struct httpd_request *r, int status, uint64_t size, httpd_read_fn *read,
	void *ctx, void (*free_ctx)(void *ctx));

/*
 * The request waits: no callback comes until httpd_resume(), which any thread may call, once for
 * each defer, even before it; begin() or end() is then called again (or body() or read(), which
 * defer by saying "not now").  A client that goes away meanwhile is noticed after; but a stream
 * that waits is ended, and its free_ctx() called, within seconds, and the resume that is then owed
 * does nothing.
 */
void httpd_defer(struct httpd_request *r);
void httpd_resume(struct httpd_request *r);
/* Whether the client went away, as far as could be seen (once a second): the work may stop. */
bool httpd_is_gone(const struct httpd_request *r);

/* ---- for the log, in done() ---- */
int httpd_status(const struct httpd_request *r);        /* 0: no answer was given */
uint64_t httpd_bytes_in(const struct httpd_request *r); /* of the body */
/* Of the body; of one that is not complete only a stream's are known. */
uint64_t httpd_bytes_out(const struct httpd_request *r);
