/*
 * internal.h - what the modules of the registry share; nobody else includes it, but its tests.
 *
 * A request goes through the steps of its endpoint (exchange.c).  Each step may reply, which ends
 * the way: `check` sees the header alone, before a body is taken; `open` makes ready for a body;
 * `take` gets its pieces; `work` has it whole, and must reply.  check and take run on a thread of
 * the listener and never wait; open and work run on a worker, unless the endpoint is `quick`.  One
 * step of a request runs at a time, so an exchange needs no lock.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "oci/hasher.h"
#include "server/hot.h"
#include "server/htpasswd.h"
#include "server/httpd.h"
#include "server/range.h"
#include "server/registry.h"
#include "server/route.h"
#include "server/traffic.h"
#include "store/collect.h"
#include "store/upload.h"
#include "util/workers.h"

/* Threads that wait for the disk: sixteen that publish share their syncs (server.md 2.2). */
#define SERVER_WORKERS 16

/* ---- replies (reply.c) ---- */

struct reply_header {
	const char *name; /* static */
	char *value;
};

struct reply {
	int status; /* 0: none yet */
	struct reply_header *headers;
	size_t n_headers, cap_headers;
	struct buf body;
	int fd;               /* -1: the body is `body` */
	uint64_t offset, len; /* of fd; with HEAD of what a GET would give */
};

/* The errors of distribution-spec "Error Codes", and those in use beside them. */
enum api_error {
	API_BLOB_UNKNOWN,
	API_BLOB_UPLOAD_INVALID,
	API_BLOB_UPLOAD_UNKNOWN,
	API_DENIED,
	API_DIGEST_INVALID,
	API_MANIFEST_BLOB_UNKNOWN,
	API_MANIFEST_INVALID,
	API_MANIFEST_UNKNOWN,
	API_NAME_INVALID,
	API_NAME_UNKNOWN,
	API_PAGINATION_NUMBER_INVALID,
	API_RANGE_INVALID,
	API_SIZE_INVALID,
	API_TAG_INVALID,
	API_TOOMANYREQUESTS,
	API_UNAUTHORIZED,
	API_UNAVAILABLE,
	API_UNKNOWN,
	API_UNSUPPORTED,
	API_ERROR_MAX_
};

struct exchange;

void reply_clear(struct reply *reply);
void reply_header(struct exchange *x, const char *name, const char *fmt, ...) PRINTF(3, 4);
void reply_digest_header(struct exchange *x, const char *name, const struct digest *digest);
/* An answer without a body. */
void reply_empty(struct exchange *x, int status);
/* body is taken over. */
void reply_body(struct exchange *x, int status, const char *type, struct buf *body);
/* fd is taken over; -1 with HEAD: only the length counts. */
void reply_file(struct exchange *x, int status, int fd, uint64_t offset, uint64_t len);
/* The error's status, and its JSON. */
void reply_error(struct exchange *x, enum api_error code, const char *fmt, ...) PRINTF(3, 4);
/* The same with another status than the code has by itself. */
void reply_error_status(struct exchange *x, int status, enum api_error code, const char *fmt, ...)
	PRINTF(4, 5);
/* What the store could not do, and is no fault of the client: 500, 503, 507; trouble is told. */
void reply_failure(struct exchange *x, const struct error *err);
/* One error for each digest. */
void reply_missing(struct exchange *x, const struct digest *missing, size_t n);
/* On a listener's thread: the reply goes out. */
void reply_send(struct exchange *x);

/* ---- the request ---- */

/* Who may ask. */
enum endpoint_access {
	ASK_ANYBODY, /* not of the API: no credentials are looked at */
	ASK_LOGIN,   /* /v2/: where clients learn that there is a challenge (protocol.md 6.1) */
	ASK_PULL,
	ASK_PUSH
};

struct endpoint {
	enum route_kind kind;
	enum httpd_method method; /* a HEAD is found as GET */
	enum endpoint_access access;
	bool quick; /* `work` looks into the index and reads no more than small files */
	void (*check)(struct exchange *x);
	void (*open)(struct exchange *x);
	void (*take)(struct exchange *x, const void *data, size_t n); /* NULL: dropped */
	void (*work)(struct exchange *x);
};

/* What a push says of itself: the digest that it will have, the piece that it brings. */
struct push {
	bool has_digest;
	struct digest digest;
	bool has_range;
	struct range range; /* of the body in the blob */
	uint64_t taken;     /* bytes of the body so far */
};

struct exchange {
	struct server *server;
	struct httpd_request *http;
	const struct endpoint *endpoint; /* NULL: there is none */
	struct route route;
	enum httpd_method method; /* HEAD is HEAD here */
	uint64_t started_ms;

	bool known;  /* who asks was found out; only then the endpoint is asked */
	bool opened; /* `open` is over */
	bool whole;  /* the body is */
	char *who;   /* a user, a certificate's name; NULL: anonymous */

	void (*run)(struct exchange *x); /* of the worker that has it */
	bool with_worker;                /* server's job_lock, once it is true */
	struct reply reply;
	struct push push;
	struct store_upload *upload; /* held for this request; or NULL */
	struct buf body;             /* of a manifest */
	size_t held;                 /* bytes of SERVER_BODIES_MAX that are this body's */
};

static inline bool has_reply(const struct exchange *x)
{
	return x->reply.status != 0;
}

/* The handler of the listener; the server is its context. */
extern const struct httpd_handler exchange_handler;

/* ---- endpoints; each is a step of internal.h's description ---- */

extern const struct endpoint endpoints[]; /* endpoints.c; the last has no `work` */

void base_reply(struct exchange *x); /* GET /v2/ */

void pull_manifest(struct exchange *x);
void pull_blob(struct exchange *x);

void push_begin_check(struct exchange *x); /* POST */
void push_begin_open(struct exchange *x);
void push_begin_work(struct exchange *x);
void push_piece_check(struct exchange *x); /* PATCH */
void push_close_check(struct exchange *x); /* PUT */
void push_resume(struct exchange *x);
void push_take(struct exchange *x, const void *data, size_t n);
void push_piece_work(struct exchange *x);
void push_close_work(struct exchange *x);
void push_status(struct exchange *x);
void push_cancel(struct exchange *x);
void push_release(struct exchange *x); /* lets go of the upload, if there is one */

void manifest_put_check(struct exchange *x);
void manifest_put_take(struct exchange *x, const void *data, size_t n);
void manifest_put_work(struct exchange *x);

void list_tags(struct exchange *x);
void list_catalog(struct exchange *x);
void list_referrers(struct exchange *x);

void remove_manifest(struct exchange *x);
void remove_blob(struct exchange *x);

void health_alive(struct exchange *x);
void health_ready(struct exchange *x);
void health_metrics(struct exchange *x);

/* ---- auth.c ---- */

/*
 * Finds out who asks and whether they may: x->known, or a reply.  May be called on a listener's
 * thread with now: then a password that must be hashed leaves both as they were.
 */
void auth_decide(struct exchange *x, bool now);

/* ---- load.c ---- */

/* False: too many wait for the disk; there is a reply.  Before a body is taken. */
bool load_admit(struct exchange *x);
/* The listener's request waits while run(x) is done by a worker, which resumes it. */
void load_defer(struct exchange *x, void (*run)(struct exchange *x));
/* Until no worker has the request; any more. */
void load_wait(struct exchange *x);
/* The reply is 429. */
void load_shed(struct exchange *x, const char *why);
/* n more bytes of a manifest are held; false: there is a reply. */
bool load_hold(struct exchange *x, size_t n);
void load_release(struct exchange *x);

/* ---- upkeep.c: layouts of what was pushed, old uploads ---- */

NODISCARD int upkeep_start(struct server *s, struct error *err);
void upkeep_stop(struct server *s);
void upkeep_tags_moved(struct server *s); /* soon after, the layouts are written */

/* ---- the server ---- */

/* What was done beside answering. */
struct counters {
	_Atomic uint64_t shed; /* answered 429 */
	_Atomic uint64_t pushed_blobs, pushed_manifests, pushed_bytes;
	_Atomic unsigned uploading; /* requests that hold an upload */
};

struct upkeep {
	pthread_t thread;
	bool started;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool stop;         /* under lock */
	bool tags_moved;   /* under lock */
	uint64_t swept_ms; /* its thread's own */
};

struct server {
	struct server_options options;
	_Atomic(struct httpd *)
		httpd; /* NULL for the first requests, until httpd_start() returns */
	struct workers *workers;
	struct htpasswd *htpasswd; /* NULL: none */
	struct hot *hot;
	pthread_mutex_t job_lock;
	pthread_cond_t job_done;
	_Atomic unsigned waiting; /* requests that a worker has or will have */
	_Atomic size_t bodies;    /* of SERVER_BODIES_MAX */
	atomic_bool draining;
	pthread_mutex_t parse_lock; /* one large manifest is parsed at a time (manifest_put.c) */
	struct upkeep upkeep;
	struct traffic traffic;
	struct counters counters;
};

/* Tells of what failed and nobody waits for. */
void server_trouble(struct server *s, const char *what, const struct error *err);
/* Tags or manifests of the store changed, and nobody was told yet. */
void server_changed(struct server *s);

static inline struct store *store_of(const struct exchange *x)
{
	return x->server->options.store;
}
