/*
 * wire.h - a client that sends what a test wants, byte for byte, for tests of servers.
 *
 * Header only: each unit test is one file.  A test that waits for nothing ends after WIRE_SEC.
 */
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "util/clock.h"
#include "util/compiler.h"

#define WIRE_SEC      20 /* seconds without a byte */
#define WIRE_HEAD_MAX ((size_t)32 * 1024)
#define WIRE_BODY_MAX ((size_t)64 * 1024) /* bytes kept; the rest is counted */

struct reply {
	int status; /* 0: the connection ended before a header was whole */
	char head[WIRE_HEAD_MAX];
	char body[WIRE_BODY_MAX + 1];
	uint64_t length; /* Content-Length; 0 when there is none */
	uint64_t got;    /* bytes of the body that came */
	bool whole;      /* all of them */
};

static inline unsigned wire_port(const char *address)
{
	const char *colon = strrchr(address, ':');

	return colon ? (unsigned)strtoul(colon + 1, NULL, 10) : 0;
}

static inline int wire_connect(const char *address)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
		.sin_port = htons((uint16_t)wire_port(address)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const struct timeval patience = {.tv_sec = WIRE_SEC};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		abort();
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

/* False: the server took no more. */
static inline bool wire_send(int fd, const void *data, size_t len)
{
	for (const char *p = data; len > 0;) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

static inline bool wire_say(int fd, const char *fmt, ...) PRINTF(2, 3);
static inline bool wire_say(int fd, const char *fmt, ...)
{
	char *text = NULL;
	bool sent;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		abort();
	sent = wire_send(fd, text, (size_t)n);
	free(text);
	return sent;
}

/* Byte by byte, so that what follows stays in the socket. */
static inline bool wire_hear_head(int fd, struct reply *r)
{
	size_t len = 0;

	while (len < WIRE_HEAD_MAX - 1) {
		if (recv(fd, r->head + len, 1, 0) != 1)
			return false;
		r->head[++len] = '\0';
		if (len >= 4 && strcmp(r->head + len - 4, "\r\n\r\n") == 0)
			return true;
	}
	return false;
}

/* One field's value, up to the end of its line; NULL: not there. */
static inline const char *wire_field(const struct reply *r, const char *name)
{
	static __thread char value[1024];
	size_t len = strlen(name);

	for (const char *p = strstr(r->head, "\r\n"); p && p[2] != '\r';
		p = strstr(p + 2, "\r\n")) {
		if (strncasecmp(p + 2, name, len) == 0 && p[2 + len] == ':') {
			const char *from = p + 3 + len + strspn(p + 3 + len, " ");

			(void)snprintf(
				value, sizeof(value), "%.*s", (int)strcspn(from, "\r"), from);
			return value;
		}
	}
	return NULL;
}

static inline void wire_hear_body(int fd, struct reply *r)
{
	char scrap[WIRE_BODY_MAX];

	while (r->got < r->length) {
		const uint64_t left = r->length - r->got;
		const bool keep = r->got < WIRE_BODY_MAX;
		size_t room = keep ? WIRE_BODY_MAX - (size_t)r->got : sizeof(scrap);
		ssize_t n;

		if (room > left)
			room = (size_t)left;
		n = recv(fd, keep ? r->body + r->got : scrap, room, 0);
		if (n <= 0)
			return;
		r->got += (uint64_t)n;
	}
	r->whole = true;
}

/* The next answer but 100; to a HEAD without its body. */
static inline void wire_hear(int fd, struct reply *r, bool to_head)
{
	const char *length;

	memset(r, 0, sizeof(*r));
	do {
		r->status = 0;
		if (!wire_hear_head(fd, r) || strncmp(r->head, "HTTP/1.", 7) != 0)
			return;
		r->status = (int)strtol(r->head + 9, NULL, 10);
	} while (r->status == 100);
	length = wire_field(r, "Content-Length");
	r->length = length ? strtoull(length, NULL, 10) : 0;
	if (to_head || r->status == 304 || r->status == 204)
		r->whole = true;
	else
		wire_hear_body(fd, r);
}

static inline struct reply *wire_ask(int fd, struct reply *r, const char *request)
{
	(void)wire_say(fd, "%s", request);
	wire_hear(fd, r, strncmp(request, "HEAD ", 5) == 0);
	return r;
}

/* The server ended the connection, with nothing more to read, within so many milliseconds. */
static inline bool wire_is_over(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char byte;

	return poll(&p, 1, ms) == 1 && recv(fd, &byte, 1, MSG_PEEK) <= 0;
}

static inline void wire_sleep_ms(unsigned ms)
{
	(void)usleep(ms * 1000);
}
