/* httpd_answer.c - answers: from memory, from a file, or by and by. */
#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <sys/socket.h>

#include "server/httpd_internal.h"
#include "util/mem.h"

/* Bytes that a stream is asked for at once, held while it is sent (transfer's ring is as large). */
#define STREAM_BLOCK ((size_t)64 * 1024)
/* Bytes of an answer's first line and fields when it is sent past the library. */
#define CUT_IN_HEADER_MAX (ANSWER_FIELDS_MAX + 1024)

struct stream {
	struct httpd_request *request;
	httpd_read_fn *read;
	void *ctx;
	void (*free_ctx)(void *ctx);
};

void httpd_add_header(struct httpd_request *r, const char *name, const char *value)
{
	const size_t len = r->fields.len;

	/* Both or none of them. */
	if (*value == '\0' || buf_append(&r->fields, name, strlen(name) + 1, NULL) < 0 ||
		buf_append(&r->fields, value, strlen(value) + 1, NULL) < 0)
		r->fields.len = len;
}

/* The field at *at, which moves on; false: there is none. */
static bool next_field(const struct buf *fields, size_t *at, const char **name, const char **value)
{
	if (*at >= fields->len)
		return false;
	*name = fields->data + *at;
	*at += strlen(*name) + 1;
	*value = fields->data + *at;
	*at += strlen(*value) + 1;
	return true;
}

/* Takes the response over. */
static void answer(
	struct httpd_request *r, int status, struct MHD_Response *response, uint64_t size)
{
	const char *name, *value;

	if (r->answered) {
		if (response)
			MHD_destroy_response(response);
		return;
	}
	r->answered = true;
	r->status = status;
	r->size = size;
	r->response = response;
	/* The library refuses a value with a line break in it: such a field is left out. */
	for (size_t at = 0; response && next_field(&r->fields, &at, &name, &value);)
		(void)MHD_add_response_header(response, name, value);
}

static ssize_t read_nothing(void *ctx, uint64_t position, char *to, size_t room)
{
	(void)ctx, (void)position, (void)to, (void)room;
	return MHD_CONTENT_READER_END_WITH_ERROR;
}

void httpd_answer(struct httpd_request *r, int status, const void *body, size_t len)
{
	struct MHD_Response *response;
	void *copy = NULL;

	if (!body && len > 0) {
		response = MHD_create_response_from_callback(len, 1, read_nothing, NULL, NULL);
	} else {
		copy = len > 0 ? xmemdup(body, len) : xcalloc(1, 1);
		response = MHD_create_response_from_buffer(len, copy, MHD_RESPMEM_MUST_FREE);
		if (!response) {
			free(copy);
			copy = NULL;
		}
	}
	if (!r->answered)
		r->bytes = copy;
	answer(r, status, response, len);
}

void httpd_answer_file(struct httpd_request *r, int status, int fd, uint64_t offset, uint64_t len)
{
	struct MHD_Response *response = MHD_create_response_from_fd_at_offset64(len, fd, offset);

	if (!response)
		(void)close(fd);
	answer(r, status, response, len);
}

static ssize_t read_stream(void *ctx, uint64_t position, char *to, size_t room)
{
	struct stream *s = ctx;
	struct httpd_request *r = s->request;
	enum parked how = request_enter(r);

	while (how == PARK_AGAIN) {
		const int64_t n = s->read(s->ctx, position, to, room);

		if (n > 0) {
			r->sent += (uint64_t)n;
			return (ssize_t)n;
		}
		if (n < 0)
			break;
		httpd_defer(r);
		how = request_park(r);
	}
	return how == PARK_WAITS ? 0 : MHD_CONTENT_READER_END_WITH_ERROR;
}

static void free_stream(void *ctx)
{
	struct stream *s = ctx;

	if (s->free_ctx)
		s->free_ctx(s->ctx);
	free(s);
}

void httpd_answer_stream(struct httpd_request *r, int status, uint64_t size, httpd_read_fn *read,
	void *ctx, void (*free_ctx)(void *ctx))
{
	struct stream *s = xcalloc(1, sizeof(*s));
	struct MHD_Response *response;

	*s = (struct stream){.request = r, .read = read, .ctx = ctx, .free_ctx = free_ctx};
	response =
		MHD_create_response_from_callback(size, STREAM_BLOCK, read_stream, s, free_stream);
	if (!response)
		free_stream(s);
	if (!r->answered)
		r->is_stream = true;
	answer(r, status, response, size);
}

bool answer_queue(struct httpd_request *r)
{
	struct MHD_Response *response = r->response;
	enum MHD_Result done;

	if (!response)
		return false;
	if (atomic_load(&r->httpd->stopping))
		(void)MHD_add_response_header(response, "Connection", "close");
	r->step = STEP_SENDING;
	r->response = NULL;
	done = MHD_queue_response(r->mhd, (unsigned)r->status, response);
	MHD_destroy_response(response);
	return done == MHD_YES;
}

static int print_answer(const struct httpd_request *r, struct buf *to)
{
	const char *name, *value;
	int rc = buf_printf(to,
		NULL,
		"HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Length: %llu\r\n",
		r->status,
		MHD_get_reason_phrase_for((unsigned)r->status),
		(unsigned long long)r->size);

	for (size_t at = 0; rc == 0 && next_field(&r->fields, &at, &name, &value);)
		if (!strpbrk(value, "\r\n"))
			rc = buf_printf(to, NULL, "%s: %s\r\n", name, value);
	if (rc == 0)
		rc = buf_puts(to, "\r\n", NULL);
	if (rc == 0 && r->method != HTTPD_HEAD)
		rc = buf_append(to, r->bytes, (size_t)r->size, NULL);
	return rc;
}

void answer_cut_in(struct httpd_request *r)
{
	AUTO(buf_clear)
	struct buf text = BUF_INIT(CUT_IN_HEADER_MAX + (size_t)r->size);
	const union MHD_ConnectionInfo *tls;
	ssize_t n;

	if (print_answer(r, &text) < 0)
		return;
	tls = MHD_get_connection_info(r->mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	if (tls)
		n = httpd_tls_send((gnutls_session_t)tls->tls_session, text.data, text.len);
	else
		n = send(r->conn->fd, text.data, text.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	r->said = n == (ssize_t)text.len;
}
