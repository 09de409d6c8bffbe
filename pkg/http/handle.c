/* Easy handles: the pool, and the options of a host and of an exchange. */
#include "http/internal.h"
#include "util/mem.h"

#define SMALL_BUFFER (16 * 1024L) /* bytes: one TLS record; libcurl's writes are no larger */
/*
 * bytes; on plain TCP large buffers save a third of the CPU (sources.md 6.2).  What was
 * received when write says PAUSE is copied into a second buffer, so receiving has half.
 */
#define BULK_SEND       (256 * 1024L)
#define BULK_RECEIVE    (128 * 1024L)
#define IDLE_CONN_SEC   60L /* CDNs close after 60 to 75 s (sources.md 6.2) */
#define NAMES_SEC       60L /* addresses are kept so long: libcurl's default */
#define KEEPALIVE_SEC   30L
#define KEEPALIVE_EVERY 15L
#define EXPECT_MS       1000L /* for "100 Continue"; request.h */

/* ---- options ---- */

/* Options as data: the first failure is remembered. */
struct setup {
	CURL *easy;
	CURLcode rc;
};

static void set_long(struct setup *s, CURLoption option, long value)
{
	if (s->rc == CURLE_OK)
		s->rc = curl_easy_setopt(s->easy, option, value);
}

static void set_pointer(struct setup *s, CURLoption option, const void *value)
{
	if (s->rc == CURLE_OK)
		s->rc = curl_easy_setopt(s->easy, option, value);
}

static const struct {
	CURLoption option;
	long value;
} fixed_options[] = {
	{CURLOPT_NOSIGNAL, 1},
	{CURLOPT_QUICK_EXIT, 1}, /* removing a handle does not wait for a name that hangs */
	{CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1},
	{CURLOPT_FOLLOWLOCATION, 0},
	{CURLOPT_NETRC, CURL_NETRC_IGNORED},
	{CURLOPT_SUPPRESS_CONNECT_HEADERS, 1},
	{CURLOPT_HEADEROPT, CURLHEADER_SEPARATE},
	{CURLOPT_TCP_NODELAY, 1},
	{CURLOPT_TCP_KEEPALIVE, 1},
	{CURLOPT_TCP_KEEPIDLE, KEEPALIVE_SEC},
	{CURLOPT_TCP_KEEPINTVL, KEEPALIVE_EVERY},
	{CURLOPT_MAXAGE_CONN, IDLE_CONN_SEC},
	{CURLOPT_EXPECT_100_TIMEOUT_MS, EXPECT_MS},
	{CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
	{CURLOPT_SSL_VERIFYPEER, 1},
	{CURLOPT_SSL_VERIFYHOST, 2},
};

/* The options that all exchanges at one host share. */
static CURLcode handle_setup(struct handle *handle)
{
	const struct host *h = handle->host;
	const struct http_host_options *o = h->options;
	struct setup s = {.easy = handle->easy};
	const char *proxy = o->no_proxy ? "" : proxy_for(&h->loop->proxy, &h->url);

	for (size_t i = 0; i < ARRAY_SIZE(fixed_options); i++)
		set_long(&s, fixed_options[i].option, fixed_options[i].value);
	set_pointer(&s, CURLOPT_PROTOCOLS_STR, "http,https");
	set_pointer(&s, CURLOPT_USERAGENT, h->loop->user_agent);
	set_pointer(&s, CURLOPT_PROXY, proxy);
	handle->proxied = *proxy != '\0';
	set_pointer(&s, CURLOPT_NOPROXY, ""); /* else libcurl reads the environment */
	if (o->ca)
		set_pointer(&s, CURLOPT_CAINFO, o->ca);
	if (o->cert)
		set_pointer(&s, CURLOPT_SSLCERT, o->cert);
	if (o->key)
		set_pointer(&s, CURLOPT_SSLKEY, o->key);
	if (o->resolve_to) {
		handle->resolve.data =
			xasprintf("%s:%u:%s", h->url.host, h->url.port, o->resolve_to);
		set_pointer(&s, CURLOPT_RESOLVE, &handle->resolve);
	}
	set_pointer(&s, CURLOPT_ERRORBUFFER, handle->reason);
	if (s.rc != CURLE_OK)
		return s.rc;
	exchange_callbacks(handle->easy);
	(void)curl_easy_setopt(handle->easy, CURLOPT_SOCKOPTFUNCTION, socket_opened);
	(void)curl_easy_setopt(handle->easy, CURLOPT_SOCKOPTDATA, h->loop);
	(void)curl_easy_setopt(handle->easy, CURLOPT_CLOSESOCKETFUNCTION, socket_close);
	(void)curl_easy_setopt(handle->easy, CURLOPT_CLOSESOCKETDATA, h->loop);
	return CURLE_OK;
}

static void set_method(struct setup *s, const struct http_call *call)
{
	enum http_method m = call->request.method;

	/* What an earlier exchange on this handle was goes first: HTTPGET clears UPLOAD and NOBODY.
	 */
	set_pointer(s, CURLOPT_CUSTOMREQUEST, NULL);
	set_long(s, CURLOPT_HTTPGET, 1);
	if (m == HTTP_HEAD)
		set_long(s, CURLOPT_NOBODY, 1);
	if (m == HTTP_DELETE)
		set_pointer(s, CURLOPT_CUSTOMREQUEST, http_method_name(m));
	if (!call_has_upload(call))
		return;
	set_long(s, CURLOPT_UPLOAD, 1);
	if (m != HTTP_PUT)
		set_pointer(s, CURLOPT_CUSTOMREQUEST, http_method_name(m));
	if (s->rc == CURLE_OK)
		s->rc = curl_easy_setopt(
			s->easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)call->request.body_size);
}

/* What measuring wants, or back to what all others want. */
static void set_fresh(struct setup *s, struct handle *handle, bool fresh)
{
	if (fresh == handle->fresh)
		return;
	handle->fresh = fresh;
	set_long(s, CURLOPT_FORBID_REUSE, fresh);
	set_long(s, CURLOPT_DNS_CACHE_TIMEOUT, fresh ? 0 : NAMES_SEC);
	set_long(s, CURLOPT_SSL_SESSIONID_CACHE, !fresh);
}

static void set_connect_ms(struct setup *s, struct handle *handle, uint64_t ms)
{
	if (ms == handle->connect_ms)
		return;
	handle->connect_ms = ms;
	set_long(s, CURLOPT_CONNECTTIMEOUT_MS, (long)ms);
}

CURLcode handle_prepare(struct handle *handle, struct http_call *call)
{
	struct setup s = {.easy = handle->easy};
	bool upload = call_has_upload(call), bulk = call->request.bulk;
	/* TLS gives one record of 16 KiB at a time, however much room there is. */
	bool plain = strcmp(call->url.scheme, "http") == 0;
	bool large = bulk && !upload && plain && !call->request.lean;

	set_pointer(&s, CURLOPT_URL, call->url.text);
	set_method(&s, call);
	set_pointer(&s, CURLOPT_HTTPHEADER, call->headers);
	set_long(&s, CURLOPT_FRESH_CONNECT, call->retried || call->request.fresh);
	set_fresh(&s, handle, call->request.fresh);
	set_connect_ms(&s, handle, call_connect_ms(call));
	set_long(&s, CURLOPT_BUFFERSIZE, large ? BULK_RECEIVE : SMALL_BUFFER);
	set_long(&s, CURLOPT_UPLOAD_BUFFERSIZE, bulk && upload ? BULK_SEND : SMALL_BUFFER);
	set_pointer(&s, CURLOPT_HEADERDATA, call);
	set_pointer(&s, CURLOPT_WRITEDATA, call);
	set_pointer(&s, CURLOPT_READDATA, call);
	set_pointer(&s, CURLOPT_SEEKDATA, call);
	set_pointer(&s, CURLOPT_PREREQDATA, call);
	set_pointer(&s, CURLOPT_PRIVATE, call);
	return s.rc;
}

/* ---- the pool ---- */

void handle_free(struct handle *handle)
{
	curl_easy_cleanup(handle->easy);
	buf_clear(&handle->fields.text);
	free(handle->resolve.data);
	free(handle);
}

struct handle *handle_get(struct host *h)
{
	struct handle *handle = TAILQ_FIRST(&h->idle);

	if (handle) {
		TAILQ_REMOVE(&h->idle, handle, host_link);
		TAILQ_REMOVE(&h->loop->idle, handle, idle_link);
		h->loop->n_idle--;
		return handle;
	}
	handle = xcalloc(1, sizeof(*handle));
	handle->host = h;
	handle->fields.text = BUF_INIT(2 * HTTP_HEADER_BYTES);
	handle->easy = curl_easy_init();
	if (handle->easy && handle_setup(handle) == CURLE_OK)
		return handle;
	handle_free(handle);
	return NULL;
}

void handle_put(struct handle *handle)
{
	struct host *h = handle->host;
	struct http_loop *loop = h->loop;

	/* Newest first: its TLS session and its connection are the likeliest to be still good. */
	TAILQ_INSERT_HEAD(&h->idle, handle, host_link);
	TAILQ_INSERT_TAIL(&loop->idle, handle, idle_link);
	if (++loop->n_idle <= loop->max_idle)
		return;
	handle = TAILQ_FIRST(&loop->idle);
	TAILQ_REMOVE(&loop->idle, handle, idle_link);
	TAILQ_REMOVE(&handle->host->idle, handle, host_link);
	loop->n_idle--;
	handle_free(handle);
}
