/* Origins: their settings, their queues, and when the next request may start. */
#include "http/host.h"

#include "http/internal.h"
#include "util/clock.h"
#include "util/mem.h"

#define HOSTS_MAX 1024 /* origins remembered; redirects choose them, so there is a ceiling */

static unsigned default_port(const char *scheme)
{
	return strcmp(scheme, "https") == 0 ? 443 : 80;
}

/* ---- settings ---- */

static const struct http_host_options defaults = {
	.connections = HTTP_CONNECTIONS_DEFAULT,
	.connect_ms = HTTP_CONNECT_MS,
	.first_byte_ms = HTTP_FIRST_BYTE_MS,
	.stall_ms = HTTP_STALL_MS,
};

struct settings {
	struct http_host_options options; /* no zeroes left; its texts are the four below */
	char *ca, *cert, *key, *resolve_to;
};

void host_settings_free(void *settings)
{
	struct settings *s = settings;

	free(s->ca);
	free(s->cert);
	free(s->key);
	free(s->resolve_to);
	free(s);
}

static struct settings *settings_new(const struct http_host_options *o)
{
	struct settings *s = xcalloc(1, sizeof(*s));

	s->ca = xstrdup(o->ca);
	s->cert = xstrdup(o->cert);
	s->key = xstrdup(o->key);
	s->resolve_to = xstrdup(o->resolve_to);
	s->options = *o;
	s->options.ca = s->ca;
	s->options.cert = s->cert;
	s->options.key = s->key;
	s->options.resolve_to = s->resolve_to;
	if (o->connections == 0)
		s->options.connections = defaults.connections;
	if (o->connect_ms == 0)
		s->options.connect_ms = defaults.connect_ms;
	if (o->first_byte_ms == 0)
		s->options.first_byte_ms = defaults.first_byte_ms;
	if (o->stall_ms == 0)
		s->options.stall_ms = defaults.stall_ms;
	return s;
}

/* "host:port" where a port was set, "host" for both schemes' default ports. */
static char *settings_key(const char *host, unsigned port)
{
	return port ? xasprintf("%s:%u", host, port) : xstrdup(host);
}

/* What was set for exactly this port goes before what was set for the host's default ports. */
static const struct http_host_options *settings_find(struct http_loop *loop, const struct url *u)
{
	AUTO_FREE char *exact = settings_key(u->host, u->port);
	const struct settings *s = map_get_str(loop->settings, exact);

	if (!s && u->port == default_port(u->scheme))
		s = map_get_str(loop->settings, u->host);
	return s ? &s->options : &defaults;
}

/*
 * "host[:port]" as a URL into *ret, which is URL_INIT; *ret_port is 0 when no port was
 * written.  The parser of URLs reads it, so that a host has the same spelling everywhere.
 */
static int host_parse(const char *host, struct url *ret, unsigned *ret_port, struct error *err)
{
	AUTO_FREE char *text = xasprintf("https://%s/", host);
	const char *colon = strrchr(host, ':'), *bracket = strrchr(host, ']');
	AUTO(url_clear) struct url u = URL_INIT;

	if (url_parse(text, &u, NULL) < 0 || strcmp(u.target, "/") != 0 || strpbrk(host, "/?#")) {
		(void)error_set(err, ERR_USAGE, "'%.80s' is not a host", host);
		return -(int)ERR_USAGE;
	}
	*ret_port = colon && (!bracket || colon > bracket) ? u.port : 0;
	url_move(ret, &u);
	return 0;
}

/* Handles carry their host's settings: new settings, new handles. */
static void idle_drop(struct host *h)
{
	struct handle *handle;

	while ((handle = TAILQ_FIRST(&h->idle))) {
		TAILQ_REMOVE(&h->idle, handle, host_link);
		TAILQ_REMOVE(&h->loop->idle, handle, idle_link);
		h->loop->n_idle--;
		handle_free(handle);
	}
}

int http_host_set(struct http_loop *loop, const char *host, const struct http_host_options *options,
	struct error *err)
{
	AUTO(url_clear) struct url u = URL_INIT;
	AUTO_FREE char *key = NULL;
	unsigned port = 0;
	int rc = host_parse(host, &u, &port, err);

	if (rc < 0)
		return rc;
	key = settings_key(u.host, port);
	map_put_str(loop->settings, key, settings_new(options));
	/* Origins that are known already held the settings which the map has just freed. */
	for (struct map_item *i = map_first(loop->hosts); i; i = map_next(i)) {
		struct host *h = map_value(i);

		h->options = settings_find(loop, &h->url);
		idle_drop(h);
	}
	return 0;
}

/* ---- origins ---- */

/*
 * Nothing starts where it was asked for: that could call back into the caller.  The host is
 * noted, and the loop starts what may start between its steps.
 */
static void mark_ready(struct host *h)
{
	if (h->ready)
		return;
	h->ready = true;
	TAILQ_INSERT_TAIL(&h->loop->ready, h, ready_link);
}

static void on_wake(void *ctx)
{
	mark_ready(ctx);
}

void host_free(void *host)
{
	struct host *h = host;

	idle_drop(h);
	timer_unset(&h->wake);
	if (h->ready)
		TAILQ_REMOVE(&h->loop->ready, h, ready_link);
	url_clear(&h->url);
	free(h);
}

/* Nobody holds a pointer to it, and it has nothing to remember. */
static bool is_forgettable(const struct host *h, uint64_t now_ms)
{
	return h->options == &defaults && h->stats.running == 0 && h->stats.waiting == 0 &&
	       h->gate_ms <= now_ms;
}

/* Origins that only redirects named are forgotten, oldest first, when there are too many. */
static void forget_some(struct http_loop *loop)
{
	struct map_item *next;

	for (struct map_item *i = map_first(loop->hosts); i; i = next) {
		size_t len;
		const void *key = map_key(i, &len);

		next = map_next(i);
		if (map_count(loop->hosts) < HOSTS_MAX)
			return;
		if (is_forgettable(map_value(i), loop->now_ms))
			(void)map_remove(loop->hosts, key, len);
	}
}

/* Requests that may start at once after a pause: those of one second. */
static double bucket_depth(const struct host *h)
{
	return h->options->requests_per_second > 1 ? h->options->requests_per_second : 1;
}

/* The key is the text of the URL up to its path: normalised, and at hand without a copy. */
struct host *host_of(struct http_loop *loop, const struct url *u)
{
	size_t len = strlen(u->text) - strlen(u->target); /* "https://host:port" */
	struct host *h = map_get(loop->hosts, u->text, len);

	if (h)
		return h;
	forget_some(loop);
	h = xcalloc(1, sizeof(*h));
	h->loop = loop;
	h->url = (struct url){.scheme = xstrdup(u->scheme),
		.host = xstrdup(u->host),
		.port = u->port,
		.target = xstrdup("/"),
		.text = xasprintf("%.*s/", (int)len, u->text)};
	h->options = settings_find(loop, u);
	h->tokens = bucket_depth(h);
	h->tokens_ms = clock_mono_ms();
	TAILQ_INIT(&h->small);
	TAILQ_INIT(&h->bulk);
	TAILQ_INIT(&h->idle);
	timer_init(&h->wake, loop, on_wake, h);
	map_put(loop->hosts, u->text, len, h);
	return h;
}

void http_host_gate(struct http_loop *loop, const struct url *url, uint32_t sec)
{
	struct host *h = host_of(loop, url);
	uint64_t until = clock_mono_ms() + (uint64_t)sec * 1000;

	if (until > h->gate_ms)
		h->gate_ms = until;
}

struct http_host_stats http_host_stats(const struct http_loop *loop, const char *host)
{
	struct http_host_stats sum = {.requests = 0};
	AUTO(url_clear) struct url u = URL_INIT;
	unsigned port = 0;

	if (host_parse(host, &u, &port, NULL) < 0)
		return sum;
	for (struct map_item *i = map_first(loop->hosts); i; i = map_next(i)) {
		const struct host *h = map_value(i);
		unsigned wanted = port ? port : default_port(h->url.scheme);

		if (strcmp(h->url.host, u.host) != 0 || h->url.port != wanted)
			continue;
		sum.requests += h->stats.requests;
		sum.bytes_in += h->stats.bytes_in;
		sum.bytes_out += h->stats.bytes_out;
		sum.running += h->stats.running;
		sum.waiting += h->stats.waiting;
	}
	return sum;
}

/* ---- queues ---- */

static struct call_list *queue_of(struct http_call *call)
{
	return call->request.bulk ? &call->host->bulk : &call->host->small;
}

void host_enqueue(struct host *h, struct http_call *call)
{
	call->host = h;
	call->state = CALL_QUEUED;
	TAILQ_INSERT_TAIL(queue_of(call), call, link);
	h->stats.waiting++;
	mark_ready(h);
}

void host_dequeue(struct http_call *call)
{
	TAILQ_REMOVE(queue_of(call), call, link);
	call->host->stats.waiting--;
}

void host_leave(struct host *h)
{
	h->stats.running--;
	mark_ready(h);
}

/* Takes a token for one request; else *ret_due_ms is when there will be one. */
static bool token_take(struct host *h, uint64_t now_ms, uint64_t *ret_due_ms)
{
	double rate = h->options->requests_per_second;
	double depth = bucket_depth(h);

	if (rate <= 0)
		return true;
	if (now_ms > h->tokens_ms)
		h->tokens += rate * (double)(now_ms - h->tokens_ms) / 1000;
	h->tokens_ms = now_ms;
	if (h->tokens > depth)
		h->tokens = depth;
	if (h->tokens < 1) {
		*ret_due_ms = now_ms + 1 + (uint64_t)((1 - h->tokens) * 1000 / rate);
		return false;
	}
	h->tokens -= 1;
	return true;
}

/*
 * A request that waits for the gate or a token keeps all behind it waiting: there is no
 * overtaking within a queue.
 */
static void pump(struct host *h)
{
	struct http_loop *loop = h->loop;

	while (h->stats.waiting > 0 && h->stats.running < h->options->connections) {
		AUTO(error_clear) struct error err = ERROR_INIT;
		struct http_call *call = TAILQ_FIRST(&h->small);
		uint64_t due_ms = h->gate_ms;

		if (h->gate_ms > loop->now_ms || !token_take(h, loop->now_ms, &due_ms)) {
			timer_set(&h->wake, due_ms);
			return;
		}
		if (!call)
			call = TAILQ_FIRST(&h->bulk);
		host_dequeue(call);
		if (exchange_start(call, &err) < 0)
			call_fail_later(call, &err);
	}
}

void hosts_pump(struct http_loop *loop)
{
	struct host *h;

	while ((h = TAILQ_FIRST(&loop->ready))) {
		TAILQ_REMOVE(&loop->ready, h, ready_link);
		h->ready = false;
		pump(h);
	}
}
