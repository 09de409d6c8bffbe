/*
 * reply.c - what a request is answered: kept in the exchange, by whatever thread finds it out,
 * until the listener's thread sends it.
 */
#include <stdarg.h>

#include "server/internal.h"
#include "util/mem.h"

void reply_clear(struct reply *reply)
{
	for (size_t i = 0; i < reply->n_headers; i++)
		free(reply->headers[i].value);
	free(reply->headers);
	buf_clear(&reply->body);
	closep(&reply->fd);
	*reply = (struct reply){.fd = -1};
}

void reply_header(struct exchange *x, const char *name, const char *fmt, ...)
{
	struct reply *reply = &x->reply;
	va_list ap;

	reply->headers = array_grow(
		reply->headers, reply->n_headers, &reply->cap_headers, sizeof(*reply->headers));
	va_start(ap, fmt);
	reply->headers[reply->n_headers++] =
		(struct reply_header){.name = name, .value = xvasprintf(fmt, ap)};
	va_end(ap);
}

void reply_digest_header(struct exchange *x, const char *name, const struct digest *digest)
{
	char text[DIGEST_STR_MAX];

	reply_header(x, name, "%s", digest_format(digest, text));
}

void reply_empty(struct exchange *x, int status)
{
	x->reply.status = status;
}

void reply_body(struct exchange *x, int status, const char *type, struct buf *body)
{
	reply_header(x, "Content-Type", "%s", type);
	x->reply.status = status;
	x->reply.body = *body;
	*body = BUF_INIT(0);
}

void reply_file(struct exchange *x, int status, int fd, uint64_t offset, uint64_t len)
{
	x->reply.status = status;
	x->reply.fd = fd;
	x->reply.offset = offset;
	x->reply.len = len;
}

void reply_send(struct exchange *x)
{
	struct reply *reply = &x->reply;

	/* Before the client hears of it: its next request may be for the same session. */
	push_release(x);
	for (size_t i = 0; i < reply->n_headers; i++)
		httpd_add_header(x->http, reply->headers[i].name, reply->headers[i].value);
	if (reply->fd >= 0)
		httpd_answer_file(
			x->http, reply->status, steal_fd(&reply->fd), reply->offset, reply->len);
	else if (reply->len > 0) /* HEAD of a file */
		httpd_answer(x->http, reply->status, NULL, reply->len);
	else
		httpd_answer(x->http, reply->status, reply->body.data, reply->body.len);
}
