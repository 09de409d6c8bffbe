/* error.c - the errors of the API: their codes, statuses and JSON (guides/protocol.md 1.10). */
#include <stdarg.h>

#include "oci/json.h"
#include "server/internal.h"
#include "util/mem.h"

#define ERRORS_MAX ((size_t)1024 * 1024) /* bytes of one answer: 8,192 missing blobs are less */

static const struct {
	const char *code;
	int status;
} errors[API_ERROR_MAX_] = {
	[API_BLOB_UNKNOWN] = {"BLOB_UNKNOWN", 404},
	[API_BLOB_UPLOAD_INVALID] = {"BLOB_UPLOAD_INVALID", 400},
	[API_BLOB_UPLOAD_UNKNOWN] = {"BLOB_UPLOAD_UNKNOWN", 404},
	[API_DENIED] = {"DENIED", 403},
	[API_DIGEST_INVALID] = {"DIGEST_INVALID", 400},
	[API_MANIFEST_BLOB_UNKNOWN] = {"MANIFEST_BLOB_UNKNOWN", 404},
	[API_MANIFEST_INVALID] = {"MANIFEST_INVALID", 400},
	[API_MANIFEST_UNKNOWN] = {"MANIFEST_UNKNOWN", 404},
	[API_NAME_INVALID] = {"NAME_INVALID", 400},
	[API_NAME_UNKNOWN] = {"NAME_UNKNOWN", 404},
	[API_PAGINATION_NUMBER_INVALID] = {"PAGINATION_NUMBER_INVALID", 400},
	[API_RANGE_INVALID] = {"RANGE_INVALID", 416},
	[API_SIZE_INVALID] = {"SIZE_INVALID", 400},
	[API_TAG_INVALID] = {"TAG_INVALID", 400},
	[API_TOOMANYREQUESTS] = {"TOOMANYREQUESTS", 429},
	[API_UNAUTHORIZED] = {"UNAUTHORIZED", 401},
	[API_UNAVAILABLE] = {"UNAVAILABLE", 503},
	[API_UNKNOWN] = {"UNKNOWN", 500},
	[API_UNSUPPORTED] = {"UNSUPPORTED", 405},
};

static void put_error(
	struct jx_writer *w, enum api_error code, const char *message, const char *digest)
{
	jx_begin_object(w, NULL);
	jx_put_text(w, "code", errors[code].code);
	jx_put_text(w, "message", message);
	if (digest) {
		jx_begin_object(w, "detail");
		jx_put_text(w, "digest", digest);
		jx_end_object(w);
	}
	jx_end_object(w);
}

static void begin_errors(struct jx_writer *w)
{
	jx_begin_object(w, NULL);
	jx_begin_array(w, "errors");
}

static void end_errors(struct exchange *x, int status, struct jx_writer *w)
{
	jx_end_array(w);
	jx_end_object(w);
	/* The ceiling is far: what a client chose is cut before it comes into a message. */
	if (jx_writer_finish(w, NULL) < 0)
		buf_reset(w->out);
	reply_body(x, status, "application/json", w->out);
}

static void error_va(struct exchange *x, int status, enum api_error code, const char *fmt,
	va_list ap) PRINTF(4, 0);

static void error_va(
	struct exchange *x, int status, enum api_error code, const char *fmt, va_list ap)
{
	AUTO_FREE char *message = xvasprintf(fmt, ap);
	AUTO(buf_clear) struct buf body = BUF_INIT(ERRORS_MAX);
	struct jx_writer w = {.out = &body};

	begin_errors(&w);
	put_error(&w, code, message, NULL);
	end_errors(x, status, &w);
}

void reply_error(struct exchange *x, enum api_error code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	error_va(x, errors[code].status, code, fmt, ap);
	va_end(ap);
}

void reply_error_status(struct exchange *x, int status, enum api_error code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	error_va(x, status, code, fmt, ap);
	va_end(ap);
}

void reply_missing(struct exchange *x, const struct digest *missing, size_t n)
{
	AUTO(buf_clear) struct buf body = BUF_INIT(ERRORS_MAX);
	struct jx_writer w = {.out = &body};
	char text[DIGEST_STR_MAX];

	begin_errors(&w);
	for (size_t i = 0; i < n; i++)
		put_error(&w,
			API_MANIFEST_BLOB_UNKNOWN,
			"the manifest references what is not in this repository",
			digest_format(&missing[i], text));
	end_errors(x, errors[API_MANIFEST_BLOB_UNKNOWN].status, &w);
}

/*
 * The client learns what to do next, the log the cause: paths and the database's words are
 * nobody else's business.
 */
void reply_failure(struct exchange *x, const struct error *err)
{
	AUTO_FREE char *what =
		xasprintf("%s %.300s", httpd_method_text(x->http), httpd_path(x->http));

	server_trouble(x->server, what, err);
	if (err->sys == ENOSPC || err->sys == EDQUOT) {
		reply_error_status(x, 507, API_UNAVAILABLE, "there is no space left in the store");
	} else if (err->code == ERR_BUSY || err->code == ERR_TEMP) {
		reply_header(x, "Retry-After", "%d", SERVER_RETRY_SEC);
		reply_error(x, API_UNAVAILABLE, "the store is busy");
	} else {
		reply_error(x, API_UNKNOWN, "the store could not do it; the log says why");
	}
}
