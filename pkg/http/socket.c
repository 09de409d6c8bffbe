/*
 * The sockets under libcurl: which one a request went out on, what its peer's TCP
 * has taken, and what lies in it when libcurl closes it.
 *
 * CURLINFO_ACTIVESOCKET knows a socket only after its transfer (7.88.1), so they are
 * noted as they are made, and found again by their ports.
 *
 * A server that refuses an upload and closes at once resets the connection, because
 * it left bytes unread.  If that hits libcurl in the middle of a send, it gives up with
 * CURLE_SEND_ERROR, although the answer lies in the socket: Linux keeps what came before
 * a reset.  So the socket is read out before it is closed.  Plain HTTP only; under TLS
 * the answer would have to be decrypted.
 */
#include <ctype.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "http/internal.h"
#include "util/mem.h"

#define EARLY_MAX ((size_t)16 * 1024) /* bytes looked at: a header and the start of its body */

int socket_opened(void *ctx, curl_socket_t fd, curlsocktype purpose)
{
	struct http_loop *loop = ctx;

	(void)purpose;
	loop->sockets = array_grow(
		loop->sockets, loop->n_sockets, &loop->cap_sockets, sizeof(struct open_socket));
	loop->sockets[loop->n_sockets++] = (struct open_socket){.fd = fd};
	return CURL_SOCKOPT_OK;
}

static void forget(struct http_loop *loop, curl_socket_t fd)
{
	size_t n = 0;

	for (size_t i = 0; i < loop->n_sockets; i++) {
		if (loop->sockets[i].fd != fd)
			loop->sockets[n++] = loop->sockets[i];
	}
	loop->n_sockets = n;
}

static int port_of(const struct sockaddr_storage *a)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (a->ss_family == AF_INET) {
		memcpy(&v4, a, sizeof(v4));
		return ntohs(v4.sin_port);
	}
	memcpy(&v6, a, sizeof(v6));
	return a->ss_family == AF_INET6 ? ntohs(v6.sin6_port) : 0;
}

/* Asked once for each socket, when it is first used. */
static void look_up(struct open_socket *s)
{
	struct sockaddr_storage here = {.ss_family = AF_UNSPEC}, peer = here;
	socklen_t here_len = sizeof(here), peer_len = sizeof(peer);

	if (s->here_port || getsockname(s->fd, (struct sockaddr *)&here, &here_len) < 0 ||
		getpeername(s->fd, (struct sockaddr *)&peer, &peer_len) < 0)
		return;
	s->here_port = port_of(&here);
	s->peer_port = port_of(&peer);
}

curl_socket_t socket_find(struct http_loop *loop, int here_port, int peer_port)
{
	/* Newest first: should libcurl have closed one behind our back, its number was used again.
	 */
	for (size_t i = loop->n_sockets; i-- > 0;) {
		struct open_socket *s = &loop->sockets[i];

		look_up(s);
		if (s->here_port == here_port && s->peer_port == peer_port)
			return s->fd;
	}
	return CURL_SOCKET_BAD;
}

uint64_t socket_acknowledged(curl_socket_t fd)
{
	struct tcp_info info = {.tcpi_bytes_acked = 0};
	socklen_t len = sizeof(info);

	if (fd == CURL_SOCKET_BAD || getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return 0;
	return info.tcpi_bytes_acked;
}

bool socket_round_trip(curl_socket_t fd, uint32_t *ret_us)
{
	struct tcp_info info = {.tcpi_min_rtt = 0};
	socklen_t len = sizeof(info);

	if (fd == CURL_SOCKET_BAD || getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return false;
	*ret_us = info.tcpi_min_rtt;
	return true;
}

/* The last that its calls can hear of a socket: its number may be another's a moment later. */
static void part(struct http_loop *loop, curl_socket_t fd)
{
	struct http_call *call;

	TAILQ_FOREACH (call, &loop->calls, link) {
		if (call->fd != fd)
			continue;
		timing_round_trip(call);
		call->fd = CURL_SOCKET_BAD;
	}
}

static struct http_call *sender_on(struct http_loop *loop, curl_socket_t fd)
{
	struct http_call *call = TAILQ_FIRST(&loop->calls);

	for (; call; call = TAILQ_NEXT(call, link)) {
		if (call->fd == fd && call->phase == PHASE_SEND && !call->header_done &&
			call->handle->fields.bytes == 0 && strcmp(call->url.scheme, "http") == 0)
			return call;
	}
	return NULL;
}

static void read_out(curl_socket_t fd, struct buf *text)
{
	ssize_t n;

	do {
		if (buf_reserve(text, text->max - text->len, NULL) < 0)
			return;
		n = recv(fd, text->data + text->len, text->max - text->len, MSG_DONTWAIT);
		if (n > 0)
			text->len += (size_t)n;
	} while (n > 0 && text->len < text->max);
}

/* The status of a line "HTTP/1.1 413 Too Large"; 0 when it is none. */
static int status_parse(const char *line, size_t len)
{
	const char *at = memchr(line, ' ', len);

	if (!at || len < sizeof("HTTP/1.1 413") - 1 || memcmp(line, "HTTP/1.", 7) != 0 ||
		line + len - at < 4 || !isdigit((unsigned char)at[1]) ||
		!isdigit((unsigned char)at[2]) || !isdigit((unsigned char)at[3]))
		return 0;
	return (at[1] - '0') * 100 + (at[2] - '0') * 10 + (at[3] - '0');
}

/* Reads the header in text into the call's fields; *ret_body is where it ends, or NULL. The status.
 */
static int header_parse(struct http_call *call, const struct buf *text, const char **ret_body)
{
	const char *stop = text->data + text->len, *end;
	int status = 0;

	*ret_body = NULL;
	for (const char *line = text->data; line < stop; line = end + 1) {
		end = memchr(line, '\n', (size_t)(stop - line));
		if (!end)
			return 0;
		if (*line == '\r' || *line == '\n') {
			*ret_body = end + 1;
			return status;
		}
		if (status == 0)
			status = status_parse(line, (size_t)(end - line));
		else if (fields_add(&call->handle->fields, line, (size_t)(end - line), NULL) < 0)
			return 0;
	}
	return 0;
}

int socket_close(void *ctx, curl_socket_t fd)
{
	struct http_call *call = sender_on(ctx, fd);
	AUTO(buf_clear) struct buf text = BUF_INIT(EARLY_MAX);
	const char *body;
	int status;

	if (call)
		read_out(fd, &text);
	part(ctx, fd);
	forget(ctx, fd);
	(void)close(fd);
	if (!call || text.len == 0)
		return 0;
	status = header_parse(call, &text, &body);
	if (body && status >= 400)
		exchange_early(call, status, body, (size_t)(text.data + text.len - body));
	return 0;
}
