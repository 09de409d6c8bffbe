/*
 * httpd_internal.h - what the parts of the HTTP server share.
 *
 *	httpd.c          start, stop, addresses
 *	httpd_door.c     the door: a thread that accepts, and keeps connections open that linger
 *	httpd_watch.c    the door's rounds: deadlines of connections
 *	httpd_request.c  what libmicrohttpd calls, on its threads; the steps of a request
 *	httpd_answer.c   answers
 *	httpd_wait.c     defer and resume
 *
 * Locks, in this order: httpd.lock (the list of connections), conn.lock (which request it has),
 * request.lock (whether it waits).  No callback of the handler runs under any of them.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "server/httpd.h"
#include "server/httpd_tls.h"
#include "util/buf.h"

struct MHD_Connection;
struct MHD_Daemon;
struct MHD_Response;

/* Sockets that stay open after their end was sent, until the client has seen it: more are closed
 * at once. */
#define LINGERERS_MAX 256u
/* A body that is thrown away to keep the connection; with more to come it is closed instead. */
#define DRAIN_MAX INT64_C(1048576)
/* Bytes of all fields of an answer. */
#define ANSWER_FIELDS_MAX ((size_t)16 * 1024)

struct lingerer {
	int fd;
	uint64_t first_ms, last_ms; /* since when, and when it last said something */
};

struct httpd {
	const struct httpd_handler *handler;
	void *ctx;
	struct httpd_tls *tls; /* NULL: plain */
	char *address;
	unsigned connections_max;
	uint64_t idle_ms, stall_ms;
	struct MHD_Daemon **daemons; /* one thread each */
	unsigned n_daemons;

	/* of the door */
	int listener; /* -1: closed */
	int wake;     /* eventfd */
	pthread_t door;
	bool has_door;
	unsigned next_daemon;

	atomic_bool stopping; /* no new connections; answers close theirs */
	atomic_bool ending;   /* nothing may wait any more */
	atomic_bool closing;  /* the door's thread ends */
	atomic_uint connections, requests;
	_Atomic uint64_t requests_total, refused_total, bytes_in, bytes_out;

	pthread_mutex_t lock;
	pthread_cond_t changed; /* a request was done while stopping */
	struct conn *conns;
	struct lingerer lingerers[LINGERERS_MAX];
	unsigned n_lingerers;
};

/* How far the bytes of a connection have come; the door's thread only. */
struct watch {
	uint64_t round;                   /* of conn, that the rest is about */
	uint64_t moved, moved_ms;         /* bytes either way, and when they last grew */
	uint64_t window_moved, window_ms; /* at the beginning of the present window */
};

struct conn {
	struct httpd *httpd;
	struct conn *next, *prev; /* httpd.lock */
	int fd;                   /* the library's; open while this is in the list */
	struct watch watch;

	atomic_bool busy;          /* between a request's header and the end of its answer */
	_Atomic uint64_t since_ms; /* when it began to be so, or not so */
	_Atomic uint64_t round;    /* counts up when bytes are to flow again */
	atomic_bool cut;           /* it was ended by us */

	pthread_mutex_t lock;
	struct httpd_request *request;

	/* of the library's thread */
	bool lingers; /* the client may still be sending when it is closed */
	bool client_known;
	bool client_refused;
	char *client_name;
	char *peer;
};

enum step {
	STEP_CHECK, /* the header has not been looked at */
	STEP_BEGIN,
	STEP_BODY,
	STEP_END,
	STEP_SENDING,
};

struct httpd_request {
	struct httpd *httpd; /* not valid after done(), nor are the next two */
	struct conn *conn;
	struct MHD_Connection *mhd;
	void *ctx;
	enum step step;
	bool begun; /* the handler knows of it */
	enum httpd_method method;
	const char *method_text, *path;
	int64_t length; /* Content-Length; -1: none */
	bool chunked, expects;
	bool odd_target;
	bool dropping; /* what still comes of the body is thrown away */
	uint64_t taken;

	struct buf fields; /* "name\0value\0" ... of the answer */
	bool answered;
	int status;
	struct MHD_Response *response; /* until it is given to the library */
	const void *bytes;             /* of it, when they are in memory */
	uint64_t size;                 /* of the answer's body */
	bool is_stream;
	uint64_t sent;
	bool said; /* the answer went out past the library, whole */

	pthread_mutex_t lock;
	unsigned refs;    /* the library's, and one while a resume is owed */
	bool owed;        /* httpd_resume() is to come */
	bool early;       /* it came before */
	bool again;       /* it came between the defer and the end of the callback */
	bool suspended;   /* in the library */
	bool ended;       /* it waits no more, whatever comes */
	uint64_t wait_ms; /* since when it waits */
	atomic_bool gone; /* the client is, as far as the door could see */
};

/* ---- httpd_request.c: called by the library ---- */
void request_free(struct httpd_request *r); /* when nobody refers to it */

/* ---- httpd_wait.c ---- */
enum parked {
	PARK_GO,    /* it did not defer */
	PARK_AGAIN, /* was resumed in the meantime: call again */
	PARK_WAITS, /* suspended: return to the library, and touch nothing */
	PARK_ENDED, /* it may not wait: call the handler no more */
};
/* Before the first of a callback's calls: PARK_AGAIN or PARK_ENDED. */
enum parked request_enter(struct httpd_request *r);
/* After each of them. */
enum parked request_park(struct httpd_request *r);
void request_unref(struct httpd_request *r);
/* Lets a waiting request go on, to its end; what was owed may still come. */
void request_end_wait(struct httpd_request *r);

/* ---- httpd_answer.c ---- */
/* Gives the answer to the library; false: it could not be made, the connection must be closed. */
bool answer_queue(struct httpd_request *r);
/* Sends it past the library, which takes none while a body comes; the connection is closed then. */
void answer_cut_in(struct httpd_request *r);

/* ---- httpd_door.c ---- */
NODISCARD int door_open(struct httpd *h, const struct httpd_options *o, struct error *err);
void door_wake(struct httpd *h);
void *door_run(void *httpd);
/* Keeps a copy of fd open until the client has read the end; any thread. */
void door_linger(struct httpd *h, int fd);

/* ---- httpd_watch.c: the door's thread ---- */
void watch_round(struct httpd *h);
uint64_t watch_pause_ms(const struct httpd *h); /* between two rounds */
