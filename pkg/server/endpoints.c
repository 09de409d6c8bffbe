/* endpoints.c - what can be asked: the table of the API (guides/protocol.md 1.3). */
#include "server/internal.h"

/* clang-format off */
const struct endpoint endpoints[] = {
	{ROUTE_BASE, HTTPD_GET, ASK_LOGIN, .quick = true, .work = base_reply},

	{ROUTE_MANIFEST, HTTPD_GET, ASK_PULL, .quick = true, .work = pull_manifest},
	{ROUTE_MANIFEST, HTTPD_PUT, ASK_PUSH, .check = manifest_put_check, .take = manifest_put_take,
		.work = manifest_put_work},
	{ROUTE_MANIFEST, HTTPD_DELETE, ASK_PUSH, .work = remove_manifest},

	{ROUTE_BLOB, HTTPD_GET, ASK_PULL, .quick = true, .work = pull_blob},
	{ROUTE_BLOB, HTTPD_DELETE, ASK_PUSH, .work = remove_blob},

	{ROUTE_UPLOADS, HTTPD_POST, ASK_PUSH, .check = push_begin_check, .open = push_begin_open,
		.take = push_take, .work = push_begin_work},
	{ROUTE_UPLOAD, HTTPD_PATCH, ASK_PUSH, .quick = true, .check = push_piece_check,
		.open = push_resume, .take = push_take, .work = push_piece_work},
	{ROUTE_UPLOAD, HTTPD_PUT, ASK_PUSH, .check = push_close_check, .open = push_resume,
		.take = push_take, .work = push_close_work},
	{ROUTE_UPLOAD, HTTPD_GET, ASK_PUSH, .open = push_resume, .work = push_status},
	{ROUTE_UPLOAD, HTTPD_DELETE, ASK_PUSH, .open = push_resume, .work = push_cancel},

	{ROUTE_TAGS, HTTPD_GET, ASK_PULL, .work = list_tags},
	{ROUTE_REFERRERS, HTTPD_GET, ASK_PULL, .work = list_referrers},
	{ROUTE_CATALOG, HTTPD_GET, ASK_PULL, .work = list_catalog},

	{ROUTE_HEALTHZ, HTTPD_GET, ASK_ANYBODY, .quick = true, .work = health_alive},
	{ROUTE_READYZ, HTTPD_GET, ASK_ANYBODY, .work = health_ready},
	{ROUTE_METRICS, HTTPD_GET, ASK_ANYBODY, .quick = true, .work = health_metrics},
	{.work = NULL},
};
/* clang-format on */
