/*
 * httpd_door.c - the door: a thread that accepts, and keeps connections open that linger.
 *
 * Accepting is done here and not by the library: its way to stop accepting in a pool of threads
 * has a race that ends the process (MHD_quiesce_daemon() of 0.9.75 may remove the listener from
 * an epoll set that has just lost it), a connection too many would wait instead of being closed,
 * and a client that speaks the wrong protocol can be told so only before the library reads.
 */
#include <fcntl.h>
#include <linux/tcp.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "server/httpd_internal.h"
#include "util/clock.h"
#include "util/mem.h"

/* Connections taken between two looks at everything else. */
#define ACCEPT_BATCH 64u
/* A connection is handed over when its first bytes are there, or after this long; the kernel
 * rounds it up to its own steps (tcp(7), TCP_DEFER_ACCEPT). */
#define FIRST_BYTES_SEC 1
/* How long a client may take to see the end, and between two signs of life (as nginx's
 * lingering_time and lingering_timeout). */
#define LINGER_MS      ((uint64_t)30 * 1000)
#define LINGER_IDLE_MS ((uint64_t)5 * 1000)
#define DISCARD_BYTES  ((size_t)64 * 1024) /* thrown away in one go */
#define TLS_HANDSHAKE  0x16                /* the first byte of a hello: RFC 8446 5.1 */

/* ---- opening ---- */

/* "127.0.0.1:5000", "[::1]:5000", ":5000". */
static int split_address(const char *text, char **ret_host, char **ret_port, struct error *err)
{
	const char *colon = strrchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : 0;
	const bool bracketed = len >= 2 && text[0] == '[' && text[len - 1] == ']';

	if (!colon || colon[1] == '\0' || colon[1 + strspn(colon + 1, "0123456789")] != '\0' ||
		(!bracketed && memchr(text, ':', len)))
		return error_set(err,
			ERR_USAGE,
			"'%.80s' is no address to listen at: HOST:PORT or [IPV6]:PORT",
			text);
	*ret_port = xstrdup(colon + 1);
	*ret_host = bracketed ? xstrndup(text + 1, len - 2) : xstrndup(text, len);
	return 0;
}

static int listen_at(const struct addrinfo *a, const char *text, int *ret, struct error *err)
{
	AUTO_CLOSE int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const int on = 1;

	if (fd < 0)
		return error_errno(err, "socket for '%.80s'", text);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, a->ai_addr, a->ai_addrlen) < 0)
		return error_errno(err, "listen at '%.80s'", text);
	if (listen(fd, HTTPD_BACKLOG) < 0)
		return error_errno(err, "listen at '%.80s'", text);
	*ret = steal_fd(&fd);
	return 0;
}

static int open_listener(const char *text, int *ret, struct error *err)
{
	const struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM};
	AUTO_FREE char *host = NULL, *port = NULL;
	struct addrinfo *found = NULL;
	int rc = split_address(text, &host, &port, err);

	if (rc < 0)
		return rc;
	rc = getaddrinfo(host && *host ? host : NULL, port, &hints, &found);
	if (rc != 0)
		return error_set(err, ERR_USAGE, "listen at '%.80s': %s", text, gai_strerror(rc));
	rc = listen_at(found, text, ret, err);
	freeaddrinfo(found);
	return rc;
}

static char *address_text(int fd)
{
	struct sockaddr_storage a = {.ss_family = AF_UNSPEC};
	char host[NI_MAXHOST], port[NI_MAXSERV];
	socklen_t len = sizeof(a);

	if (getsockname(fd, (struct sockaddr *)&a, &len) < 0 ||
		(a.ss_family != AF_INET && a.ss_family != AF_INET6) ||
		getnameinfo((struct sockaddr *)&a,
			len,
			host,
			sizeof(host),
			port,
			sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return xstrdup("a socket");
	return xasprintf(a.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

int door_open(struct httpd *h, const struct httpd_options *o, struct error *err)
{
	const int first_bytes = FIRST_BYTES_SEC;
	int rc;

	h->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (h->wake < 0)
		return error_errno(err, "eventfd");
	if (o->socket_fd >= 0) {
		h->listener = fcntl(o->socket_fd, F_DUPFD_CLOEXEC, 0);
		if (h->listener < 0)
			return error_errno(err, "the socket that was handed over");
		(void)fcntl(h->listener, F_SETFL, O_NONBLOCK);
	} else {
		rc = open_listener(o->listen, &h->listener, err);
		if (rc < 0)
			return rc;
	}
	/* Not on a local socket, where it is not needed either. */
	(void)setsockopt(
		h->listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, &first_bytes, sizeof(first_bytes));
	h->address = address_text(h->listener);
	return 0;
}

void door_wake(struct httpd *h)
{
	const uint64_t one = 1;
	ssize_t n = write(h->wake, &one, sizeof(one));

	(void)n; /* when it is full, the door is awake anyway */
}

/* ---- lingering ---- */

/*
 * A client that still sends would get a reset, and with it lose the answer before it has read it
 * (RFC 9112 9.6): what it sends is thrown away until it has seen the end.
 */
void door_linger(struct httpd *h, int fd)
{
	const uint64_t now = clock_mono_ms();
	AUTO_CLOSE int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (copy < 0)
		return;
	(void)shutdown(copy, SHUT_WR);
	(void)pthread_mutex_lock(&h->lock);
	if (h->n_lingerers < LINGERERS_MAX && !atomic_load(&h->ending))
		h->lingerers[h->n_lingerers++] =
			(struct lingerer){.fd = steal_fd(&copy), .first_ms = now, .last_ms = now};
	(void)pthread_mutex_unlock(&h->lock);
	door_wake(h);
}

/* False: it is over. */
static bool linger_on(struct lingerer *l, uint64_t now)
{
	char scrap[DISCARD_BYTES];
	ssize_t n = recv(l->fd, scrap, sizeof(scrap), MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		return false;
	if (n > 0)
		l->last_ms = now;
	return now - l->first_ms <= LINGER_MS && now - l->last_ms <= LINGER_IDLE_MS;
}

static void look_at_lingerers(struct httpd *h, bool end)
{
	const uint64_t now = clock_mono_ms();
	unsigned kept = 0;

	(void)pthread_mutex_lock(&h->lock);
	for (unsigned i = 0; i < h->n_lingerers; i++) {
		if (!end && linger_on(&h->lingerers[i], now))
			h->lingerers[kept++] = h->lingerers[i];
		else
			(void)close(h->lingerers[i].fd);
	}
	h->n_lingerers = kept;
	(void)pthread_mutex_unlock(&h->lock);
}

/* ---- accepting ---- */

/*
 * Go's clients, and so those of most runtimes, look for "HTTP/" in what a hello was answered
 * with, and say "server gave HTTP response to HTTPS client", or try without TLS.
 */
static bool speaks_other_protocol(struct httpd *h, int fd)
{
	static const char to_tls[] = "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\n"
				     "Connection: close\r\n\r\n"
				     "this port speaks HTTP without TLS\n";
	static const char to_plain[] = "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\n"
				       "Connection: close\r\n\r\n"
				       "this port speaks HTTPS\n";
	const char *text = h->tls ? to_plain : to_tls;
	unsigned char first = 0;
	ssize_t n;

	if (recv(fd, &first, 1, MSG_PEEK | MSG_DONTWAIT) != 1 ||
		(first == TLS_HANDSHAKE) == (h->tls != NULL))
		return false;
	n = send(fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)n; /* it is told, or not */
	atomic_fetch_add(&h->refused_total, 1);
	door_linger(h, fd);
	return true;
}

/* False: none is there, or none can be had. */
static bool accept_one(struct httpd *h)
{
	struct sockaddr_storage a = {.ss_family = AF_UNSPEC};
	socklen_t len = sizeof(a);
	AUTO_CLOSE int fd =
		accept4(h->listener, (struct sockaddr *)&a, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return errno == EINTR || errno == ECONNABORTED;
	if (atomic_load(&h->connections) >= h->connections_max) {
		atomic_fetch_add(&h->refused_total, 1);
		return true;
	}
	if (!speaks_other_protocol(h, fd))
		/* The library closes it also when this fails. */
		(void)MHD_add_connection(h->daemons[h->next_daemon++ % h->n_daemons],
			steal_fd(&fd),
			(struct sockaddr *)&a,
			len);
	return true;
}

/* False: the process has no descriptors left, or the like: not at once again. */
static bool accept_some(struct httpd *h)
{
	for (unsigned i = 0; i < ACCEPT_BATCH; i++)
		if (!accept_one(h))
			return errno == EAGAIN;
	return true;
}

/* ---- the thread ---- */

/* The descriptors to look at: the wake-up, the listener, those that linger. */
static nfds_t gather(struct httpd *h, struct pollfd *fds, bool accepts)
{
	nfds_t n = 0;

	fds[n++] = (struct pollfd){.fd = h->wake, .events = POLLIN};
	fds[n++] = (struct pollfd){.fd = accepts ? h->listener : -1, .events = POLLIN};
	(void)pthread_mutex_lock(&h->lock);
	for (unsigned i = 0; i < h->n_lingerers; i++)
		fds[n++] = (struct pollfd){.fd = h->lingerers[i].fd, .events = POLLIN};
	(void)pthread_mutex_unlock(&h->lock);
	return n;
}

void *door_run(void *httpd)
{
	struct pollfd fds[2 + LINGERERS_MAX];
	struct httpd *h = httpd;
	const uint64_t pause = watch_pause_ms(h);
	uint64_t next_round = clock_mono_ms() + pause, count, now;
	bool accepts = true;

	while (!atomic_load(&h->closing)) {
		const nfds_t n = gather(h, fds, accepts);

		if (poll(fds, n, (int)pause) < 0)
			continue;
		(void)!read(h->wake, &count, sizeof(count));
		if (atomic_load(&h->stopping) && h->listener >= 0) {
			(void)close(h->listener);
			h->listener = -1;
			next_round = 0;
		} else if (fds[1].revents != 0) {
			accepts = accept_some(h);
		}
		look_at_lingerers(h, false);
		now = clock_mono_ms();
		if (now < next_round)
			continue;
		watch_round(h);
		next_round = now + pause;
		accepts = true;
	}
	look_at_lingerers(h, true);
	return NULL;
}
