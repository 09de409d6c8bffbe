/*
 * httpd_request.c - what libmicrohttpd calls, on its threads: the steps of a request.
 *
 * The library calls one function for everything.  First when the header is there: an answer given
 * then makes it close the connection, so one that needs no body waits for the last call.  Then
 * with each piece of the body, when no answer is taken.  Last when all was read.
 */
#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <netinet/in.h>

#include "server/httpd_check.h"
#include "server/httpd_internal.h"
#include "server/httpd_mhd.h"
#include "util/clock.h"
#include "util/mem.h"

/* ---- connections ---- */

/* "192.0.2.1", also where it came over IPv6. */
static char *peer_text(const struct sockaddr *a)
{
	char text[INET6_ADDRSTRLEN] = "local";
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (a && a->sa_family == AF_INET) {
		memcpy(&v4, a, sizeof(v4));
		(void)inet_ntop(AF_INET, &v4.sin_addr, text, sizeof(text));
	} else if (a && a->sa_family == AF_INET6) {
		memcpy(&v6, a, sizeof(v6));
		if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr))
			(void)inet_ntop(AF_INET, &v6.sin6_addr.s6_addr[12], text, sizeof(text));
		else
			(void)inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof(text));
	}
	return xstrdup(text);
}

static struct conn *conn_of(struct MHD_Connection *mhd)
{
	return MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

static struct conn *conn_new(struct httpd *h, struct MHD_Connection *mhd)
{
	struct conn *c = xcalloc(1, sizeof(*c));

	c->httpd = h;
	c->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	c->peer = peer_text(
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr);
	atomic_store(&c->since_ms, clock_mono_ms());
	(void)pthread_mutex_init(&c->lock, NULL); /* cannot fail on Linux */
	(void)pthread_mutex_lock(&h->lock);
	c->next = h->conns;
	if (c->next)
		c->next->prev = c;
	h->conns = c;
	(void)pthread_mutex_unlock(&h->lock);
	atomic_fetch_add(&h->connections, 1);
	return c;
}

/* The library closes its descriptor after this. */
static void conn_free(struct conn *c)
{
	struct httpd *h = c->httpd;

	(void)pthread_mutex_lock(&h->lock);
	if (c->next)
		c->next->prev = c->prev;
	if (c->prev)
		c->prev->next = c->next;
	else
		h->conns = c->next;
	(void)pthread_mutex_unlock(&h->lock);
	if (c->lingers && !atomic_load(&c->cut))
		door_linger(h, c->fd);
	atomic_fetch_sub(&h->connections, 1);
	(void)pthread_mutex_destroy(&c->lock);
	free(c->client_name);
	free(c->peer);
	free(c);
}

void mhd_on_connection(void *httpd, struct MHD_Connection *mhd, void **conn,
	enum MHD_ConnectionNotificationCode what)
{
	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		*conn = conn_new(httpd, mhd);
	} else if (*conn) {
		conn_free(*conn);
		*conn = NULL;
	}
}

int mhd_on_handshake(gnutls_session_t session, const gnutls_datum_t *asked, int n_asked,
	const gnutls_pk_algorithm_t *algorithms, int n_algorithms, gnutls_pcert_st **ret,
	unsigned *ret_n, gnutls_privkey_t *ret_key)
{
	const struct conn *c = conn_of(gnutls_session_get_ptr(session));

	(void)asked, (void)n_asked, (void)algorithms, (void)n_algorithms;
	httpd_tls_certificate(c->httpd->tls, ret, ret_n, ret_key);
	return 0;
}

/* ---- requests ---- */

void *mhd_on_target(void *httpd, const char *target, struct MHD_Connection *mhd)
{
	struct httpd_request *r = xcalloc(1, sizeof(*r));

	*r = (struct httpd_request){.httpd = httpd,
		.conn = conn_of(mhd),
		.mhd = mhd,
		.length = -1,
		.odd_target = !target || !httpd_check_target(target),
		.fields = BUF_INIT(ANSWER_FIELDS_MAX),
		.refs = 1};
	(void)pthread_mutex_init(&r->lock, NULL); /* cannot fail on Linux */
	return r;
}

void request_free(struct httpd_request *r)
{
	if (r->response)
		MHD_destroy_response(r->response);
	buf_clear(&r->fields);
	(void)pthread_mutex_destroy(&r->lock);
	free(r);
}

static void set_busy(struct conn *c, struct httpd_request *r)
{
	(void)pthread_mutex_lock(&c->lock);
	c->request = r;
	(void)pthread_mutex_unlock(&c->lock);
	atomic_fetch_add(&c->round, 1);
	atomic_store(&c->since_ms, clock_mono_ms());
	atomic_store(&c->busy, r != NULL);
}

void mhd_on_completed(void *httpd, struct MHD_Connection *mhd, void **request,
	enum MHD_RequestTerminationCode how)
{
	struct httpd_request *r = *request;
	struct httpd *h = httpd;
	bool complete;

	(void)mhd;
	*request = NULL;
	if (!r)
		return;
	set_busy(r->conn, NULL);
	complete =
		r->said || (r->step == STEP_SENDING && how == MHD_REQUEST_TERMINATED_COMPLETED_OK);
	if (complete && !r->is_stream && r->method != HTTPD_HEAD && r->status != 304)
		r->sent = r->size;
	atomic_fetch_add(&h->bytes_out, r->sent);
	if (r->begun) {
		h->handler->done(r, r->ctx, complete);
		/* Under the lock, or httpd_stop() might begin to wait in between. */
		(void)pthread_mutex_lock(&h->lock);
		atomic_fetch_sub(&h->requests, 1);
		if (atomic_load(&h->stopping))
			(void)pthread_cond_signal(&h->changed);
		(void)pthread_mutex_unlock(&h->lock);
	}
	request_unref(r);
}

/* ---- the header ---- */

static enum httpd_method read_method(const char *text)
{
	static const char *const names[] = {[HTTPD_GET] = "GET",
		[HTTPD_HEAD] = "HEAD",
		[HTTPD_POST] = "POST",
		[HTTPD_PUT] = "PUT",
		[HTTPD_PATCH] = "PATCH",
		[HTTPD_DELETE] = "DELETE"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(text, names[i]) == 0)
			return (enum httpd_method)i;
	return HTTPD_OTHER;
}

/* The path of an absolute target too (RFC 9112 3.2.2: servers must take one). */
static const char *read_path(const char *url)
{
	const char *rest = NULL;

	if (strncmp(url, "http://", 7) == 0)
		rest = url + 7;
	else if (strncmp(url, "https://", 8) == 0)
		rest = url + 8;
	if (!rest)
		return url;
	rest = strchr(rest, '/');
	return rest ? rest : "/";
}

struct field_list {
	struct httpd_field at[HTTPD_FIELDS_MAX];
	size_t n; /* may be one more than fits */
};

static enum MHD_Result collect_field(
	void *list, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct field_list *l = list;

	(void)kind;
	if (l->n == HTTPD_FIELDS_MAX) {
		l->n++;
		return MHD_NO;
	}
	if (value)
		l->at[l->n++] = (struct httpd_field){.name = name, .value = value};
	return MHD_YES;
}

/* Once for each connection. */
static void read_client(struct conn *c, struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *i;

	if (c->client_known || !c->httpd->tls)
		return;
	c->client_known = true;
	i = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	if (i)
		c->client_refused = httpd_tls_client(c->httpd->tls,
					    (gnutls_session_t)i->tls_session,
					    &c->client_name) == TLS_CLIENT_REFUSED;
}

/*
 * libmicrohttpd before 1.0 takes a line that begins with a space for more of the name (!) of the
 * field before, so that "Content-Length: 5" can be hidden from it (RFC 9112 5.2 has such a line
 * refused), and a bare line feed for the end of a line.  It leaves the header where it received
 * it, which is how this can be seen; later ones refuse both themselves.
 */
static bool has_odd_lines(const struct httpd_request *r, const char *version,
	const struct field_list *l, size_t header_bytes)
{
	return MHD_get_version()[0] == '0' && l->n <= HTTPD_FIELDS_MAX &&
	       !httpd_check_lines(version, l->at, l->n, r->method_text + header_bytes);
}

static struct httpd_framing check(struct httpd_request *r, const char *version)
{
	const union MHD_ConnectionInfo *size =
		MHD_get_connection_info(r->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
	const bool http_1_1 = strcmp(version, "HTTP/1.0") != 0;
	struct httpd_framing f;
	struct field_list l;

	l.n = 0;
	(void)MHD_get_connection_values(r->mhd, MHD_HEADER_KIND, collect_field, &l);
	f = httpd_check_fields(l.at, l.n, http_1_1);
	if (f.status == 0 && size && size->header_size > HTTPD_HEADER_MAX)
		f = (struct httpd_framing){.status = 431, .why = "the header is too long"};
	if (f.status == 0 && size && has_odd_lines(r, version, &l, size->header_size))
		f = (struct httpd_framing){.status = 400, .why = "a line does not end in CRLF"};
	if (f.status == 0 && r->odd_target)
		f = (struct httpd_framing){.status = 400, .why = "malformed request target"};
	read_client(r->conn, r->mhd);
	if (f.status == 0 && r->conn->client_refused)
		f = (struct httpd_framing){
			.status = 403, .why = "the client's certificate is not trusted"};
	return f;
}

/* An answer that is given before the body is: the library closes the connection behind it. */
static enum MHD_Result answer_early(struct httpd_request *r)
{
	r->conn->lingers = true;
	return answer_queue(r) ? MHD_YES : MHD_NO;
}

static enum MHD_Result refuse(struct httpd_request *r, const struct httpd_framing *f)
{
	AUTO_FREE char *text = xasprintf("%s\n", f->why);

	atomic_fetch_add(&r->httpd->refused_total, 1);
	httpd_add_header(r, "Content-Type", "text/plain");
	httpd_answer(r, f->status, text, strlen(text));
	return answer_early(r);
}

/* ---- the steps ---- */

/* httpd_stop() lets nothing wait any more. */
static void answer_unavailable(struct httpd_request *r)
{
	static const char text[] = "the server is being stopped\n";

	if (r->answered)
		return;
	httpd_add_header(r, "Content-Type", "text/plain");
	httpd_add_header(r, "Retry-After", "5");
	httpd_answer(r, 503, text, sizeof(text) - 1);
}

/* True when the request was suspended. */
static bool run_begin(struct httpd_request *r)
{
	enum parked how = request_enter(r);
	struct httpd *h = r->httpd;

	while (how == PARK_AGAIN) {
		if (!r->answered)
			h->handler->begin(h->ctx, r, &r->ctx);
		how = request_park(r);
	}
	if (how == PARK_ENDED)
		answer_unavailable(r);
	return how == PARK_WAITS;
}

static enum MHD_Result begin(struct httpd_request *r)
{
	const bool has_body = r->chunked || r->length > 0;

	if (run_begin(r))
		return MHD_YES;
	r->step = has_body ? STEP_BODY : STEP_END;
	if (!r->answered || !has_body)
		return MHD_YES;
	/* A client that expects "100 Continue" sends no body after another answer. */
	if (r->chunked || r->expects || r->length > DRAIN_MAX)
		return answer_early(r);
	r->dropping = true;
	return MHD_YES;
}

/* Answered in the midst of the body. */
static enum MHD_Result answer_late(struct httpd_request *r)
{
	if (!r->bytes || (!r->chunked && r->length - (int64_t)r->taken <= DRAIN_MAX)) {
		r->dropping = true;
		return MHD_YES;
	}
	r->conn->lingers = true;
	answer_cut_in(r);
	return MHD_NO;
}

/* True when the request was suspended; the same bytes come again. */
static bool run_body(struct httpd_request *r, const char *data, size_t n)
{
	enum parked how = request_enter(r);

	while (how == PARK_AGAIN && !r->answered) {
		if (r->httpd->handler->body(r, r->ctx, data, n) || r->answered)
			return false;
		httpd_defer(r);
		how = request_park(r);
	}
	if (how == PARK_ENDED)
		answer_unavailable(r);
	return how == PARK_WAITS;
}

static enum MHD_Result take_body(struct httpd_request *r, const char *data, size_t *n)
{
	if (!r->dropping && run_body(r, data, *n))
		return MHD_YES;
	atomic_fetch_add(&r->httpd->bytes_in, *n);
	r->taken += *n;
	*n = 0;
	return r->answered && !r->dropping ? answer_late(r) : MHD_YES;
}

static enum MHD_Result end(struct httpd_request *r)
{
	enum parked how = request_enter(r);

	while (how == PARK_AGAIN) {
		if (!r->answered)
			r->httpd->handler->end(r, r->ctx);
		how = request_park(r);
	}
	if (how == PARK_WAITS)
		return MHD_YES;
	if (how == PARK_ENDED)
		answer_unavailable(r);
	if (!r->answered)
		httpd_answer(r, 500, NULL, 0); /* a handler that forgot to */
	return answer_queue(r) ? MHD_YES : MHD_NO;
}

static enum MHD_Result look_at_header(struct httpd_request *r, const char *version)
{
	struct httpd *h = r->httpd;
	struct httpd_framing f;
	const char *expect;

	set_busy(r->conn, r);
	f = check(r, version);
	if (f.status != 0)
		return refuse(r, &f);
	expect = httpd_header(r, "Expect");
	r->expects = expect && strcasecmp(expect, "100-continue") == 0;
	r->chunked = f.chunked;
	r->length = f.length;
	r->begun = true;
	atomic_fetch_add(&h->requests, 1);
	atomic_fetch_add(&h->requests_total, 1);
	r->step = STEP_BEGIN;
	return begin(r);
}

enum MHD_Result mhd_on_request(void *httpd, struct MHD_Connection *mhd, const char *url,
	const char *method, const char *version, const char *data, size_t *n, void **request)
{
	struct httpd_request *r = *request;

	(void)httpd, (void)mhd;
	switch (r->step) {
	case STEP_CHECK:
		r->method_text = method;
		r->method = read_method(method);
		r->path = read_path(url);
		return look_at_header(r, version);
	case STEP_BEGIN:
		return begin(r);
	case STEP_BODY:
		if (*n > 0)
			return take_body(r, data, n);
		r->step = STEP_END;
		return end(r);
	case STEP_END:
		return end(r);
	case STEP_SENDING:
		break;
	}
	return MHD_NO;
}

/* ---- what the handler asks ---- */

enum httpd_method httpd_method(const struct httpd_request *r)
{
	return r->method;
}

const char *httpd_method_text(const struct httpd_request *r)
{
	return r->method_text;
}

const char *httpd_path(const struct httpd_request *r)
{
	return r->path;
}

const char *httpd_query(const struct httpd_request *r, const char *key)
{
	const char *value = NULL;

	if (MHD_lookup_connection_value_n(
		    r->mhd, MHD_GET_ARGUMENT_KIND, key, strlen(key), &value, NULL) == MHD_NO)
		return NULL;
	return value ? value : "";
}

const char *httpd_header(const struct httpd_request *r, const char *name)
{
	return MHD_lookup_connection_value(r->mhd, MHD_HEADER_KIND, name);
}

int64_t httpd_content_length(const struct httpd_request *r)
{
	return r->length;
}

const char *httpd_peer(const struct httpd_request *r)
{
	return r->conn->peer;
}

bool httpd_is_tls(const struct httpd_request *r)
{
	return r->httpd->tls != NULL;
}

const char *httpd_client_name(const struct httpd_request *r)
{
	return r->conn->client_name;
}

int httpd_status(const struct httpd_request *r)
{
	return r->status;
}

uint64_t httpd_bytes_in(const struct httpd_request *r)
{
	return r->taken;
}

uint64_t httpd_bytes_out(const struct httpd_request *r)
{
	return r->sent;
}
