/* traffic.c - what was served, as counters, in Prometheus' text format. */
#include "server/traffic.h"

#include <stdarg.h>

/* Milliseconds: from a manifest in memory (0.1 ms) to a blob of gigabytes over a slow line. */
static const uint64_t steps[TRAFFIC_STEPS] = {1, 5, 25, 100, 500, 2500, 10000, 60000, 600000};

static uint64_t value_of(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static void add(_Atomic uint64_t *counter, uint64_t n)
{
	(void)atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

void traffic_count(struct traffic *t, const struct traffic_event *e)
{
	const int class = e->status / 100;
	size_t step = 0;

	while (step < TRAFFIC_STEPS && e->ms > steps[step])
		step++;
	add(&t->of[e->kind].answers[class > 0 && class < TRAFFIC_CLASSES ? class : 0], 1);
	add(&t->of[e->kind].bytes_in, e->bytes_in);
	add(&t->of[e->kind].bytes_out, e->bytes_out);
	add(&t->of[e->kind].took[step], 1);
	add(&t->of[e->kind].ms, e->ms);
}

/* Text that grows as long as nothing went wrong. */
struct printer {
	const struct traffic *traffic;
	struct buf *to;
	struct error *err;
	int rc;
};

static void put(struct printer *p, const char *fmt, ...) PRINTF(2, 3);
static void put(struct printer *p, const char *fmt, ...)
{
	char *line = NULL;
	va_list ap;

	if (p->rc < 0)
		return;
	va_start(ap, fmt);
	if (vasprintf(&line, fmt, ap) < 0)
		line = NULL;
	va_end(ap);
	p->rc = buf_puts(p->to, line ? line : "", p->err);
	free(line);
}

static void put_head(struct printer *p, const char *name, const char *type, const char *help)
{
	put(p,
		"# HELP regmirror_http_%s %s\n# TYPE regmirror_http_%s %s\n",
		name,
		help,
		name,
		type);
}

static uint64_t asked(const struct traffic *t, int kind)
{
	uint64_t n = 0;

	for (size_t i = 0; i < TRAFFIC_CLASSES; i++)
		n += value_of(&t->of[kind].answers[i]);
	return n;
}

static void put_answers(struct printer *p)
{
	put_head(p, "requests_total", "counter", "Requests by kind of path and class of status.");
	for (int k = 0; k < ROUTE_MAX_; k++) {
		for (size_t i = 0; i < TRAFFIC_CLASSES; i++) {
			const uint64_t n = value_of(&p->traffic->of[k].answers[i]);

			if (n > 0)
				put(p,
					"regmirror_http_requests_total"
					"{route=\"%s\",class=\"%zuxx\"} %llu\n",
					route_name((enum route_kind)k),
					i,
					(unsigned long long)n);
		}
	}
}

static void put_bytes(struct printer *p)
{
	put_head(p, "body_bytes_total", "counter", "Bytes of bodies.");
	for (int k = 0; k < ROUTE_MAX_; k++) {
		if (asked(p->traffic, k) == 0)
			continue;
		put(p,
			"regmirror_http_body_bytes_total{route=\"%s\",direction=\"in\"} %llu\n"
			"regmirror_http_body_bytes_total{route=\"%s\",direction=\"out\"} %llu\n",
			route_name((enum route_kind)k),
			(unsigned long long)value_of(&p->traffic->of[k].bytes_in),
			route_name((enum route_kind)k),
			(unsigned long long)value_of(&p->traffic->of[k].bytes_out));
	}
}

static void put_time(struct printer *p, int kind)
{
	static const char name[] = "regmirror_http_request_duration_seconds";
	const char *route = route_name((enum route_kind)kind);
	uint64_t n = 0;

	for (size_t i = 0; i < TRAFFIC_STEPS; i++) {
		n += value_of(&p->traffic->of[kind].took[i]);
		put(p,
			"%s_bucket{route=\"%s\",le=\"%.3f\"} %llu\n",
			name,
			route,
			(double)steps[i] / 1000,
			(unsigned long long)n);
	}
	n += value_of(&p->traffic->of[kind].took[TRAFFIC_STEPS]);
	put(p,
		"%s_bucket{route=\"%s\",le=\"+Inf\"} %llu\n"
		"%s_sum{route=\"%s\"} %.3f\n"
		"%s_count{route=\"%s\"} %llu\n",
		name,
		route,
		(unsigned long long)n,
		name,
		route,
		(double)value_of(&p->traffic->of[kind].ms) / 1000,
		name,
		route,
		(unsigned long long)n);
}

static void put_stats(struct printer *p, const struct httpd_stats *s)
{
	put_head(p, "connections", "gauge", "Connections that are open.");
	put(p, "regmirror_http_connections %u\n", s->connections);
	put_head(p, "requests_running", "gauge", "Requests under way.");
	put(p, "regmirror_http_requests_running %u\n", s->requests);
	put_head(p,
		"refused_total",
		"counter",
		"Connections and requests that were refused before they were looked at.");
	put(p, "regmirror_http_refused_total %llu\n", (unsigned long long)s->refused_total);
}

int traffic_print(
	const struct traffic *t, const struct httpd_stats *stats, struct buf *to, struct error *err)
{
	struct printer p = {.traffic = t, .to = to, .err = err};

	put_answers(&p);
	put_bytes(&p);
	put_head(
		&p, "request_duration_seconds", "histogram", "From a request's header to its end.");
	for (int k = 0; k < ROUTE_MAX_; k++)
		if (asked(t, k) > 0)
			put_time(&p, k);
	if (stats)
		put_stats(&p, stats);
	return p.rc;
}
