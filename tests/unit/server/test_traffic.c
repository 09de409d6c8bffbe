#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/traffic.h"
#include "util/mem.h"

static const char expected[] =
	"# HELP regmirror_http_requests_total Requests by kind of path and class of status.\n"
	"# TYPE regmirror_http_requests_total counter\n"
	"regmirror_http_requests_total{route=\"manifest\",class=\"2xx\"} 2\n"
	"regmirror_http_requests_total{route=\"manifest\",class=\"4xx\"} 1\n"
	"regmirror_http_requests_total{route=\"blob\",class=\"0xx\"} 1\n"
	"# HELP regmirror_http_body_bytes_total Bytes of bodies.\n"
	"# TYPE regmirror_http_body_bytes_total counter\n"
	"regmirror_http_body_bytes_total{route=\"manifest\",direction=\"in\"} 5\n"
	"regmirror_http_body_bytes_total{route=\"manifest\",direction=\"out\"} 30\n"
	"regmirror_http_body_bytes_total{route=\"blob\",direction=\"in\"} 0\n"
	"regmirror_http_body_bytes_total{route=\"blob\",direction=\"out\"} 1000\n"
	"# HELP regmirror_http_request_duration_seconds From a request's header to its end.\n"
	"# TYPE regmirror_http_request_duration_seconds histogram\n"
	"regmirror_http_request_duration_seconds_bucket{route=\"manifest\",le=\"0.001\"} 2\n"
	"regmirror_http_request_duration_seconds_bucket{route=\"manifest\",le=\"0.005\"} 3\n"
	"regmirror_http_request_duration_seconds_bucket{route=\"manifest\",le=\"0.025\"} 3\n"
	"regmirror_http_request_duration_seconds_bucket{route=\"manifest\",le=\"0.100\"} 3\n"
	"regmirror_http_request_duration_seconds_bucket{route=\"manifest\",le=\"0.500\"} 3\n"
	"regmirror_http_request_duration_seconds_bucket{route=\"manifest\",le=\"2.500\"} 3\n"
	"regmirror_http_request_duration_seconds_bucket{route=\"manifest\",le=\"10.000\"} 3\n"
	"regmirror_http_request_duration_seconds_bucket{route=\"manifest\",le=\"60.000\"} 3\n"
	"regmirror_http_request_duration_seconds_bucket{route=\"manifest\",le=\"600.000\"} 3\n"
	"regmirror_http_request_duration_seconds_bucket{route=\"manifest\",le=\"+Inf\"} 3\n"
	"regmirror_http_request_duration_seconds_sum{route=\"manifest\"} 0.003\n"
	"regmirror_http_request_duration_seconds_count{route=\"manifest\"} 3\n"
	"regmirror_http_request_duration_seconds_bucket{route=\"blob\",le=\"0.001\"} 0\n"
	"regmirror_http_request_duration_seconds_bucket{route=\"blob\",le=\"0.005\"} 0\n"
	"regmirror_http_request_duration_seconds_bucket{route=\"blob\",le=\"0.025\"} 0\n"
	"regmirror_http_request_duration_seconds_bucket{route=\"blob\",le=\"0.100\"} 0\n"
	"regmirror_http_request_duration_seconds_bucket{route=\"blob\",le=\"0.500\"} 0\n"
	"regmirror_http_request_duration_seconds_bucket{route=\"blob\",le=\"2.500\"} 0\n"
	"regmirror_http_request_duration_seconds_bucket{route=\"blob\",le=\"10.000\"} 0\n"
	"regmirror_http_request_duration_seconds_bucket{route=\"blob\",le=\"60.000\"} 0\n"
	"regmirror_http_request_duration_seconds_bucket{route=\"blob\",le=\"600.000\"} 0\n"
	"regmirror_http_request_duration_seconds_bucket{route=\"blob\",le=\"+Inf\"} 1\n"
	"regmirror_http_request_duration_seconds_sum{route=\"blob\"} 600.001\n"
	"regmirror_http_request_duration_seconds_count{route=\"blob\"} 1\n"
	"# HELP regmirror_http_connections Connections that are open.\n"
	"# TYPE regmirror_http_connections gauge\n"
	"regmirror_http_connections 7\n"
	"# HELP regmirror_http_requests_running Requests under way.\n"
	"# TYPE regmirror_http_requests_running gauge\n"
	"regmirror_http_requests_running 2\n"
	"# HELP regmirror_http_refused_total Connections and requests that were refused before they "
	"were looked at.\n"
	"# TYPE regmirror_http_refused_total counter\n"
	"regmirror_http_refused_total 3\n";

static void what_was_counted_is_printed(void **state)
{
	static const struct traffic_event events[] = {
		{ROUTE_MANIFEST, 200, 0, 20, 0},
		{ROUTE_MANIFEST, 201, 5, 0, 1},
		{ROUTE_MANIFEST, 404, 0, 10, 2},
		{ROUTE_BLOB, 0, 0, 1000, 600001},
	};
	const struct httpd_stats stats = {.connections = 7, .requests = 2, .refused_total = 3};
	AUTO_FREE struct traffic *t = xcalloc(1, sizeof(*t));
	AUTO(buf_clear) struct buf b = BUF_INIT(TRAFFIC_MAX);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(events); i++)
		traffic_count(t, &events[i]);
	assert_int_equal(traffic_print(t, &stats, &b, NULL), 0);
	assert_string_equal(buf_text(&b), expected);
}

static void odd_statuses_are_counted_too_and_all_fits(void **state)
{
	static const int statuses[] = {0, -5, 99, 100, 200, 304, 404, 599, 600, 100000};
	const struct httpd_stats stats = {
		.connections = UINT32_MAX, .requests = UINT32_MAX, .refused_total = UINT64_MAX};
	AUTO_FREE struct traffic *t = xcalloc(1, sizeof(*t));
	AUTO(buf_clear) struct buf b = BUF_INIT(TRAFFIC_MAX);

	(void)state;
	for (int k = 0; k < ROUTE_MAX_; k++)
		for (size_t i = 0; i < ARRAY_SIZE(statuses); i++)
			traffic_count(t,
				&(struct traffic_event){(enum route_kind)k,
					statuses[i],
					1ull << 58,
					1ull << 58,
					1ull << 58});
	assert_int_equal(traffic_print(t, &stats, &b, NULL), 0);
	assert_non_null(strstr(buf_text(&b), "{route=\"none\",class=\"0xx\"} 5\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_counted_is_printed),
		cmocka_unit_test(odd_statuses_are_counted_too_and_all_fits),
	};

	return cmocka_run_group_tests_name("server/traffic", tests, NULL, NULL);
}
