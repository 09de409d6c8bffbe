/*
 * peer.h - a scripted HTTP peer on a loopback port, for unit tests.
 *
 * A test gives a function that plays one connection from its first byte to its last;
 * every accepted connection gets a thread that runs it.  What it says is up to the
 * script: peer_say() sends text as it is, so answers may be as broken as wanted.
 *
 * Header only: each unit test is one file.
 */
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "util/compiler.h"

#define PEER_REQUEST_MAX ((size_t)64 * 1024) /* bytes of a request's header */
#define PEER_CONNS_MAX   64

struct peer;

struct peer_conn {
	struct peer *peer;
	int fd;
	unsigned number;                /* of this connection, from 0 */
	char request[PEER_REQUEST_MAX]; /* header of the newest request, with its NUL */
	uint64_t content_length;        /* of its body; what the header says */
	char *rest;                     /* bytes of the body that came with the header */
	size_t n_rest;
};

struct peer {
	int listener;
	unsigned port;
	void (*play)(struct peer_conn *c);
	void *ctx; /* the test's */
	pthread_t acceptor, threads[PEER_CONNS_MAX];
	struct peer_conn *conns[PEER_CONNS_MAX];
	pthread_mutex_t lock; /* of the conns' fd, against a close while peer_stop() uses it */
	atomic_uint n_conns;
	atomic_uint n_requests;
	atomic_bool stopping;
};

/* Reads a request up to the end of its header; false when the client is gone. */
static inline bool peer_hear(struct peer_conn *c)
{
	size_t len = c->n_rest;
	char *end, *length;

	memmove(c->request, c->rest ? c->rest : c->request, len);
	c->rest = NULL;
	c->n_rest = 0;
	for (;;) {
		ssize_t n;

		c->request[len] = '\0';
		end = strstr(c->request, "\r\n\r\n");
		if (end)
			break;
		n = recv(c->fd, c->request + len, PEER_REQUEST_MAX - 1 - len, 0);
		if (n <= 0)
			return false;
		len += (size_t)n;
	}
	end += 4;
	c->rest = end;
	c->n_rest = len - (size_t)(end - c->request);
	length = strcasestr(c->request, "\r\nContent-Length:");
	c->content_length = length && length < end ? strtoull(length + 17, NULL, 10) : 0;
	atomic_fetch_add(&c->peer->n_requests, 1);
	return true;
}

/* The header of the newest request alone contains this text, in any case. */
static inline bool peer_heard(const struct peer_conn *c, const char *text)
{
	AUTO_FREE char *head = strndup(c->request, (size_t)(c->rest - c->request));

	return head && strcasestr(head, text);
}

/* Reads up to `want` bytes of the body into `to` (NULL: dropped); the count that came. */
static inline uint64_t peer_take(struct peer_conn *c, char *to, uint64_t want)
{
	char scrap[PEER_REQUEST_MAX];
	uint64_t got = 0;

	while (got < want) {
		uint64_t left = want - got;
		size_t room = left < sizeof(scrap) ? (size_t)left : sizeof(scrap);
		char *at = to ? to + got : scrap;
		ssize_t n;

		if (c->n_rest > 0) {
			n = (ssize_t)(c->n_rest < room ? c->n_rest : room);
			memcpy(at, c->rest, (size_t)n);
			c->rest += n;
			c->n_rest -= (size_t)n;
		} else {
			n = recv(c->fd, at, room, 0);
		}
		if (n <= 0)
			break;
		got += (uint64_t)n;
	}
	return got;
}

static inline bool peer_send(struct peer_conn *c, const void *data, size_t len)
{
	for (const char *p = data; len > 0;) {
		ssize_t n = send(c->fd, p, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

static inline bool peer_say(struct peer_conn *c, const char *fmt, ...) PRINTF(2, 3);
static inline bool peer_say(struct peer_conn *c, const char *fmt, ...)
{
	AUTO_FREE char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0) {
		text = NULL;
		return false;
	}
	return peer_send(c, text, (size_t)n);
}

/* Does nothing until the client closes or the peer is stopped. */
static inline void peer_linger(struct peer_conn *c)
{
	char scrap[512];

	while (recv(c->fd, scrap, sizeof(scrap), 0) > 0)
		;
}

/* Closes with a reset: what the client has not read yet may be lost to it. */
static inline void peer_reset(struct peer_conn *c)
{
	struct linger hard = {.l_onoff = 1, .l_linger = 0};

	(void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
}

static inline void *peer_thread(void *arg)
{
	struct peer_conn *c = arg;

	c->peer->play(c);
	(void)pthread_mutex_lock(&c->peer->lock);
	(void)close(c->fd);
	c->fd = -1;
	(void)pthread_mutex_unlock(&c->peer->lock);
	return NULL;
}

static inline void *peer_accept(void *arg)
{
	struct peer *p = arg;

	for (;;) {
		int fd = accept(p->listener, NULL, NULL);
		unsigned n = atomic_load(&p->n_conns);
		struct peer_conn *c;

		if (fd < 0 || n == PEER_CONNS_MAX || atomic_load(&p->stopping)) {
			if (fd >= 0)
				(void)close(fd);
			return NULL;
		}
		/* Else an answer in two parts waits 40 ms for the delayed acknowledgement of its
		 * first. */
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
		c = calloc(1, sizeof(*c));
		if (!c)
			abort();
		*c = (struct peer_conn){.peer = p, .fd = fd, .number = n};
		p->conns[n] = c;
		atomic_store(&p->n_conns, n + 1);
		if (pthread_create(&p->threads[n], NULL, peer_thread, c) != 0)
			abort();
	}
}

static inline void peer_start(struct peer *p, void (*play)(struct peer_conn *c), void *ctx)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);

	*p = (struct peer){.play = play, .ctx = ctx};
	(void)pthread_mutex_init(&p->lock, NULL);
	p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (p->listener < 0 || bind(p->listener, (struct sockaddr *)&a, sizeof(a)) < 0 ||
		listen(p->listener, PEER_CONNS_MAX) < 0 ||
		getsockname(p->listener, (struct sockaddr *)&a, &len) < 0 ||
		pthread_create(&p->acceptor, NULL, peer_accept, p) != 0)
		abort();
	p->port = ntohs(a.sin_port);
}

static inline void peer_stop(struct peer *p)
{
	atomic_store(&p->stopping, true);
	(void)shutdown(p->listener, SHUT_RDWR);
	(void)pthread_join(p->acceptor, NULL);
	(void)close(p->listener);
	for (unsigned i = 0; i < atomic_load(&p->n_conns); i++) {
		(void)pthread_mutex_lock(&p->lock);
		if (p->conns[i]->fd >= 0)
			(void)shutdown(p->conns[i]->fd, SHUT_RDWR);
		(void)pthread_mutex_unlock(&p->lock);
		(void)pthread_join(p->threads[i], NULL);
		free(p->conns[i]);
	}
	(void)pthread_mutex_destroy(&p->lock);
}
