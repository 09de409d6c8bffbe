/*
 * httpd_watch.c - the door's rounds: deadlines of connections.
 *
 * The library's own timer is for the time between two bytes, which a client that sends one now
 * and then resets for ever, and it does not look at suspended connections.  So it is off, and
 * this is asked of the kernel instead: whether bytes arrive and are acknowledged.
 *
 * A connection without a request has idle_ms for all of a header, from the end of the answer
 * before.  One with a request has to move a byte in stall_ms, and SLOW_BYTES in SLOW_WINDOWS of
 * them.  One that waits for us has none of this: only the end of its client is looked for, and
 * WAIT_MAX_MS.
 *
 * linux/tcp.h, because tcp_info in the C library's header of Debian 12 has no byte counts.
 */
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "server/httpd_internal.h"
#include "util/clock.h"

/* 16 KiB in 120 s, 137 bytes/s: slower than any line that still is one. */
#define SLOW_BYTES   ((uint64_t)16 * 1024)
#define SLOW_WINDOWS 4u
/* A request that waits longer (for a disk, for an upstream) has lost its client anyway. */
#define WAIT_MAX_MS ((uint64_t)600 * 1000)
#define ROUND_MS    ((uint64_t)1000)
/* Rounds are at most this part of the shortest deadline apart. */
#define ROUND_PART 4u

/* States of tcp_info, as in net/tcp_states.h. */
enum {
	STATE_CLOSE = 7,
	STATE_CLOSE_WAIT = 8
};

/* False where it is no TCP connection: then nothing is known, and nothing cut. */
static bool wire_look(int fd, uint64_t *ret_moved, bool *ret_closed)
{
	struct tcp_info info = {.tcpi_state = 0};
	socklen_t len = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return false;
	*ret_moved = info.tcpi_bytes_acked + info.tcpi_bytes_received;
	*ret_closed = info.tcpi_state == STATE_CLOSE || info.tcpi_state == STATE_CLOSE_WAIT;
	return true;
}

/* The library sees an end of the connection, and closes it.  With reset, what is not sent is
 * dropped: its reader would not have taken it. */
static void cut(struct conn *c, bool reset)
{
	const struct linger hard = {.l_onoff = 1, .l_linger = 0};

	if (atomic_exchange(&c->cut, true))
		return;
	if (reset)
		(void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	(void)shutdown(c->fd, SHUT_RDWR);
}

/* A time may be newer than the round that looks at it. */
static bool has_passed(uint64_t since, uint64_t span, uint64_t now)
{
	return now > since && now - since > span;
}

static void start_window(struct watch *w, uint64_t moved, uint64_t now)
{
	w->moved = w->window_moved = moved;
	w->moved_ms = w->window_ms = now;
}

static void look_at_flow(struct conn *c, uint64_t moved, uint64_t now)
{
	const uint64_t round = atomic_load(&c->round), stall = c->httpd->stall_ms;
	struct watch *w = &c->watch;

	if (round != w->round) {
		w->round = round;
		start_window(w, moved, now);
	}
	if (moved != w->moved) {
		w->moved = moved;
		w->moved_ms = now;
	}
	if (now - w->moved_ms > stall) {
		cut(c, true);
	} else if (now - w->window_ms > SLOW_WINDOWS * stall) {
		if (moved - w->window_moved < SLOW_BYTES)
			cut(c, true);
		start_window(w, moved, now);
	}
}

/* Whether the connection's request waits; if so, looks after it. */
static bool look_at_wait(struct conn *c, bool closed, uint64_t now)
{
	struct httpd_request *r;
	bool waits = false, streams = false, too_long = false;

	(void)pthread_mutex_lock(&c->lock);
	r = c->request;
	if (r) {
		(void)pthread_mutex_lock(&r->lock);
		waits = r->suspended;
		too_long = waits && has_passed(r->wait_ms, WAIT_MAX_MS, now);
		streams = waits && r->step == STEP_SENDING;
		(void)pthread_mutex_unlock(&r->lock);
		if (closed)
			atomic_store(&r->gone, true);
		/* A stream has its end at any time; other callers hold what the request's owner
		 * would free, so for them it comes when they resume. */
		if (streams && closed)
			request_end_wait(r);
	}
	(void)pthread_mutex_unlock(&c->lock);
	if (too_long)
		cut(c, true);
	return waits;
}

static void look_at(struct conn *c, uint64_t now)
{
	const struct httpd *h = c->httpd;
	bool closed = false;
	uint64_t moved = 0;

	if (!atomic_load(&c->busy)) {
		if (has_passed(atomic_load(&c->since_ms), h->idle_ms, now) ||
			atomic_load(&h->stopping))
			cut(c, false);
	} else if (wire_look(c->fd, &moved, &closed)) {
		if (look_at_wait(c, closed, now))
			start_window(&c->watch, moved, now);
		else
			look_at_flow(c, moved, now);
	}
}

void watch_round(struct httpd *h)
{
	const uint64_t now = clock_mono_ms();

	(void)pthread_mutex_lock(&h->lock);
	for (struct conn *c = h->conns; c; c = c->next)
		look_at(c, now);
	(void)pthread_mutex_unlock(&h->lock);
}

uint64_t watch_pause_ms(const struct httpd *h)
{
	const uint64_t shortest = h->idle_ms < h->stall_ms ? h->idle_ms : h->stall_ms;

	return shortest / ROUND_PART < ROUND_MS ? shortest / ROUND_PART + 1 : ROUND_MS;
}
