/*
 * health.c - /healthz: the process answers; /readyz: it can do its work; /metrics: counters for
 * Prometheus.
 */
#include <assert.h>
#include <stdarg.h>

#include "server/internal.h"
#include "util/mem.h"

#define TEXT_PLAIN  "text/plain; charset=utf-8"
#define TEXT_METRIC "text/plain; version=0.0.4; charset=utf-8" /* Prometheus' text format */
#define METRICS_MAX (TRAFFIC_MAX + (size_t)4 * 1024)           /* bytes */
#define REASON_MAX  ((size_t)4 * 1024)

static void reply_text(struct exchange *x, int status, const char *text)
{
	AUTO(buf_clear) struct buf body = BUF_INIT(REASON_MAX);

	if (buf_printf(&body, NULL, "%s\n", text) == 0)
		reply_body(x, status, TEXT_PLAIN, &body);
	else
		reply_empty(x, status);
}

void health_alive(struct exchange *x)
{
	reply_text(x, 200, "ok");
}

static bool any_repository(void *ctx, const char *repository)
{
	(void)ctx, (void)repository;
	return false;
}

/* A look into the index, and a place to write. */
void health_ready(struct exchange *x)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	uint64_t free_bytes = 0;
	int rc;

	if (atomic_load(&x->server->draining)) {
		reply_text(x, 503, "the registry is being stopped");
		return;
	}
	rc = store_disk_free(store_of(x), &free_bytes, &err);
	if (rc == 0)
		rc = store_repositories_after(store_of(x), NULL, 1, any_repository, NULL, &err);
	if (rc < 0)
		reply_text(x, 503, "the store cannot be read");
	else if (free_bytes == 0 && !x->server->options.read_only)
		reply_text(x, 503, "there is no space left in the store");
	else
		reply_text(x, 200, "ok");
}

/* The text so far; what does not fit is left out, and `whole` says so. */
struct metrics {
	struct buf text;
	bool whole;
};

static void put(struct metrics *m, const char *fmt, ...) PRINTF(2, 3);

static void put(struct metrics *m, const char *fmt, ...)
{
	AUTO_FREE char *line = NULL;
	va_list ap;

	va_start(ap, fmt);
	line = xvasprintf(fmt, ap);
	va_end(ap);
	m->whole = m->whole && buf_puts(&m->text, line, NULL) == 0;
}

static void put_head(struct metrics *m, const char *name, const char *type, const char *help)
{
	put(m, "# HELP regmirror_%s %s\n# TYPE regmirror_%s %s\n", name, help, name, type);
}

static void put_metric(
	struct metrics *m, const char *name, const char *type, const char *help, uint64_t value)
{
	put_head(m, name, type, help);
	put(m, "regmirror_%s %ju\n", name, (uintmax_t)value);
}

static uint64_t value_of(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

void health_metrics(struct exchange *x)
{
	struct metrics m = {.text = BUF_INIT(METRICS_MAX), .whole = true};
	struct server *s = x->server;
	const struct counters *c = &s->counters;
	const struct httpd *httpd = atomic_load(&s->httpd);
	struct httpd_stats stats = {.connections = 0};
	uint64_t free_bytes = 0;

	if (httpd)
		stats = httpd_stats(httpd);
	m.whole = traffic_print(&s->traffic, &stats, &m.text, NULL) == 0;
	put_metric(&m,
		"http_requests_waiting",
		"gauge",
		"Requests that wait for the disk.",
		atomic_load(&s->waiting));
	put_metric(&m,
		"http_requests_shed_total",
		"counter",
		"Requests that were told to come back later.",
		value_of(&c->shed));
	put_metric(&m,
		"uploads_running",
		"gauge",
		"Requests that write to an upload.",
		atomic_load(&c->uploading));
	put_metric(&m,
		"pushed_blobs_total",
		"counter",
		"Blobs that were pushed.",
		value_of(&c->pushed_blobs));
	put_metric(
		&m, "pushed_bytes_total", "counter", "Bytes of these.", value_of(&c->pushed_bytes));
	put_metric(&m,
		"pushed_manifests_total",
		"counter",
		"Manifests that were pushed.",
		value_of(&c->pushed_manifests));
	if (store_disk_free(store_of(x), &free_bytes, NULL) == 0)
		put_metric(&m, "store_free_bytes", "gauge", "Space left in the store.", free_bytes);
	assert(m.whole); /* so many metrics there are not */
	reply_body(x, 200, TEXT_METRIC, &m.text);
}
