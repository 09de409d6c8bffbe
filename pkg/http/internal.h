/*
 * internal.h - what the modules of this package share; no other package includes it.
 *
 *	loop.c      rounds: posts, timers, queues, libcurl, messages
 *	timer.c     a heap of deadlines
 *	host.c      origins, their settings and queues
 *	call.c      the life of a call: start, hops, end
 *	handle.c    easy handles: the pool, and their options
 *	exchange.c  one hop on one easy handle: start, callbacks, verdict
 *	phase.c     how long an exchange may stay where it is
 *	timing.c    where the time of a hop goes
 *	socket.c    the sockets under libcurl, and answers that it did not get to read
 *	response.c  header fields of an answer
 *	redirect.c  where a 3xx leads, and whether we go there
 *	proxy.c     which proxy leads to a host
 *
 * A call is in exactly one list by its `link`: its host's queue, the loop's
 * running, doomed (cancelled while libcurl may be inside it) or failed calls.
 */
#pragma once

#include <curl/curl.h>
#include <pthread.h>
#include <sys/queue.h>

#include "http/request.h"
#include "util/map.h"

#define LOOP_POLL_MS 50 /* sources.md 6.3: 7.88.1 can miss a wake-up, so no wait is longer */

/* ---- timers ---- */

struct http_timer {
	struct http_loop *loop;
	uint64_t due_ms;
	uint64_t order; /* of two that are due together, the one started first comes first */
	size_t index;   /* in the heap; TIMER_IDLE: not there */
	void (*fn)(void *ctx);
	void *ctx;
	bool owned; /* by the heap: freed after it ran */
};
#define TIMER_IDLE SIZE_MAX

struct timers {
	struct http_timer **heap; /* by due_ms, then order */
	size_t n, cap;
	uint64_t order;
};

void timer_init(struct http_timer *t, struct http_loop *loop, void (*fn)(void *ctx), void *ctx);
void timer_set(struct http_timer *t, uint64_t due_ms); /* starts it, or moves it */
void timer_unset(struct http_timer *t);
void timers_run(struct http_loop *loop);
void timers_free(struct timers *timers);
/* Milliseconds until the next one is due, at most ceiling_ms. */
uint64_t timers_wait_ms(const struct timers *timers, uint64_t now_ms, uint64_t ceiling_ms);

/* ---- proxies ---- */

struct proxy {
	char *https, *http; /* proxy for URLs of that scheme; NULL: none */
	char *bypass;       /* comma- or space-separated; never NULL */
	bool skip_loopback; /* as Go does with proxies from the environment */
};

void proxy_init(struct proxy *p, const struct http_loop_options *options);
void proxy_clear(struct proxy *p);
/* The proxy that leads to u, "" for none; valid as long as p. */
const char *proxy_for(const struct proxy *p, const struct url *u);

/* ---- header fields ---- */

struct fields {
	struct buf text; /* name, NUL, value, NUL, ... */
	struct {
		uint32_t name, value; /* offsets in text */
	} at[HTTP_HEADERS_MAX];
	size_t n;
	size_t bytes; /* received in this hop, dropped fields and interim answers included */
};

void fields_reset(struct fields *f);
/* Adds a line "Name: value\r\n"; anything else is skipped. Fails with ERR_REMOTE at the ceiling. */
NODISCARD int fields_add(struct fields *f, const char *line, size_t len, struct error *err);
int64_t fields_content_length(const struct fields *f); /* -1: not told */

/* ---- hosts ---- */

TAILQ_HEAD(call_list, http_call);
TAILQ_HEAD(handle_list, handle);

/* A pooled easy handle: it keeps its TLS sessions and the options that are the host's. */
struct handle {
	CURL *easy;
	struct host *host;
	struct fields fields;
	struct curl_slist resolve; /* libcurl borrows it; data is NULL without resolve_to */
	char reason[CURL_ERROR_SIZE];
	bool proxied;                  /* a proxy leads to its host */
	bool fresh;                    /* its options are those of a fresh request */
	uint64_t connect_ms;           /* as set now */
	TAILQ_ENTRY(handle) host_link; /* while idle */
	TAILQ_ENTRY(handle) idle_link; /* while idle: the loop's, oldest first */
};

struct host {
	struct http_loop *loop;
	struct url url; /* the origin, with target "/" */
	const struct http_host_options *options;
	struct call_list small, bulk;
	struct handle_list idle;
	struct http_host_stats stats;
	uint64_t gate_ms;
	double tokens; /* requests that may start now */
	uint64_t tokens_ms;
	struct http_timer wake; /* when the gate opens or a token is there */
	bool ready;             /* in the loop's list: something may start */
	TAILQ_ENTRY(host) ready_link;
};
TAILQ_HEAD(host_list, host);

struct host *host_of(struct http_loop *loop, const struct url *u); /* made when it is new */
void host_free(void *host);                                        /* for the map */
void host_settings_free(void *settings);                           /* for the map */
void host_enqueue(struct host *h, struct http_call *call);
void host_dequeue(struct http_call *call);
/* A running call of h has ended: its slot is free. */
void host_leave(struct host *h);
/* Starts what may start at all hosts that asked for it. */
void hosts_pump(struct http_loop *loop);

/* An idle handle of h or a new one; NULL when libcurl has no memory. */
struct handle *handle_get(struct host *h);
void handle_put(struct handle *handle);
void handle_free(struct handle *handle);
/* Sets what is the exchange's own; nothing of an earlier one is left. */
NODISCARD CURLcode handle_prepare(struct handle *handle, struct http_call *call);

/* ---- calls ---- */

enum call_state {
	CALL_QUEUED,
	CALL_RUNNING,
	CALL_DOOMED,
	CALL_FAILED, /* waits for its done(), which never comes from http_start() */
	CALL_ENDED   /* done() is being called */
};

enum call_phase {
	PHASE_CONNECT,
	PHASE_SEND, /* a body is going out */
	PHASE_WAIT, /* all was sent, the header is not complete */
	PHASE_BODY
};

enum call_pause {
	PAUSE_WRITE = 1 << 0, /* the caller's write said so */
	PAUSE_READ = 1 << 1,
	PAUSE_RATE = 1 << 2 /* the bandwidth is used up */
};

struct http_call {
	struct http_loop *loop;
	struct host *host;     /* of the current hop; NULL when the URL was bad */
	struct handle *handle; /* while running */
	struct http_request
		request; /* the caller's, without its texts: url and fields have copies */
	struct url url;  /* of the current hop */
	struct http_response response;
	struct error fail; /* why we ended it ourselves */
	enum call_state state;
	enum call_phase phase;
	unsigned paused;    /* enum call_pause */
	int curl_paused;    /* CURLPAUSE_* as libcurl has it now */
	unsigned resume;    /* pauses to be lifted in this round */
	bool resuming;      /* in the loop's resume list */
	bool throttled;     /* in the loop's throttled list */
	bool unexpect;      /* 417: send it again without "Expect" */
	bool complete;      /* libcurl is through with this hop and its handle is as new */
	bool retried;       /* once, on a fresh connection */
	bool header_done;   /* of the final answer of this hop */
	bool follow;        /* this hop's answer is a redirect that is being followed */
	curl_socket_t fd;   /* the request went out there */
	uint64_t sent;      /* bytes of the body handed to libcurl */
	uint64_t acked;     /* bytes that the peer's TCP took, as last seen */
	uint64_t active_ms; /* a byte moved, or the phase began */
	uint64_t hop_us;    /* when this hop left the queue */
	uint64_t asked_us;  /* its request, or the last byte of its body, went out */
	uint64_t first_us;  /* the last status line came; 0: none yet */
	struct http_timer timer;
	TAILQ_ENTRY(http_call) link, resume_link, throttle_link;
	uint64_t dropped; /* bytes of a body that nobody wants */
	struct curl_slist no_expect;
	struct curl_slist *headers; /* the fields below, less what redirects dropped */
	struct curl_slist fields[]; /* their text follows in the same block */
};

bool call_has_upload(const struct http_call *call); /* by its method; the body may be empty */
bool call_is_sending(const struct http_call *call); /* libcurl has not got all of the body */
/* Starts the call's clock in PHASE_CONNECT; the timer ends a call that stays in a phase too long.
 */
void phase_begin(struct http_call *call);
void phase_enter(struct http_call *call, enum call_phase phase);
uint64_t call_connect_ms(const struct http_call *call); /* its own, or its host's */

/* Makes a handle call this module, with its call as the context. */
void exchange_callbacks(CURL *easy);
/* Puts the call on the wire; on failure the call is the caller's to end. */
NODISCARD int exchange_start(struct http_call *call, struct error *err);
/* Takes the call off libcurl, its timer and the loop's lists. The handle stays with it. */
void exchange_stop(struct http_call *call);
/* What a finished exchange means: *err stays empty when there is an answer. */
void exchange_verdict(struct http_call *call, CURLcode code, struct error *err);
/* The answer was found behind libcurl's back: see socket.c. */
void exchange_early(struct http_call *call, int status, const char *body, size_t n);
bool exchange_rewind(struct http_call *call); /* the body can be sent from its start */

/* The running hop is over: retries, follows, or ends the call. */
void call_finish(struct http_call *call, CURLcode code);
/* Ends a call that is in no list: done() once, then it is gone. err may be empty. */
void call_end(struct http_call *call, struct error *err);
void call_fail_later(struct http_call *call, struct error *err);
void call_free(struct http_call *call);
/* Lifts these pauses from the loop's next step on. */
void call_resume(struct http_call *call, unsigned pauses);
void calls_resume(struct http_loop *loop);
void calls_reap(struct http_loop *loop);
void calls_fail(struct http_loop *loop);
/* Whether a body may be received now; if not, the call is paused until the bandwidth has room. */
bool rate_allows(struct http_call *call);
void rate_on_refill(void *ctx);
NODISCARD int call_route(
	struct http_call *call, struct error *err); /* finds the host of call->url */

bool redirect_wanted(const struct http_call *call);
/* Moves call->url on to where the answer points. Fails with ERR_REMOTE when we do not go there. */
NODISCARD int redirect_step(struct http_call *call, struct error *err);

/* ---- timing ---- */

uint64_t timing_now_us(void); /* monotonic */
/* The connection to `peer` stands, new or old, and the request goes out. */
void timing_connected(struct http_call *call, const char *peer);
/* The header is there. */
void timing_answered(struct http_call *call);
/* The hop is over, its socket is still open; what it took, in microseconds. */
uint64_t timing_ended(struct http_call *call);
/* Asks the kernel once more: the more it has seen, the better it knows. */
void timing_round_trip(struct http_call *call);

/* ---- sockets ---- */

struct open_socket {
	curl_socket_t fd;
	int here_port, peer_port; /* 0: not asked yet */
};

/* libcurl's callbacks; ctx is the loop. */
int socket_opened(void *ctx, curl_socket_t fd, curlsocktype purpose);
int socket_close(void *ctx, curl_socket_t fd);
curl_socket_t socket_find(struct http_loop *loop, int here_port, int peer_port);
/* Bytes of all that was sent that the peer's TCP has: what waits in the kernel has not moved. */
uint64_t socket_acknowledged(curl_socket_t fd);
/* Microseconds, the least that the kernel saw; false: it cannot be asked. */
bool socket_round_trip(curl_socket_t fd, uint32_t *ret_us);

/* ---- the loop ---- */

struct post {
	void (*fn)(void *ctx);
	void *ctx;
};

struct http_loop {
	CURLM *multi;
	char *user_agent;
	struct proxy proxy;
	unsigned max_idle; /* idle handles kept, as connections */
	uint64_t now_ms;   /* at the start of this round */
	bool again;        /* there is work: do not wait */

	struct timers timers;
	struct map *hosts;    /* origin -> struct host */
	struct map *settings; /* host[:port] -> what was set for it */
	struct host_list ready;
	struct handle_list idle;
	unsigned n_idle;

	struct call_list calls, doomed, failed, resume, throttled;

	uint64_t bandwidth; /* bytes a second; 0: no cap */
	double allowance;   /* bytes that may be received now */
	uint64_t allowance_ms;
	struct http_timer refill;

	struct open_socket *sockets;
	size_t n_sockets, cap_sockets;

	pthread_mutex_t lock; /* of posts alone */
	struct post *posts;
	size_t n_posts, cap_posts;
};
