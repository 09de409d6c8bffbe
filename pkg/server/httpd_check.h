/*
 * httpd_check.h - whether a request's fields can be read in one way only.
 *
 * Pure.  What is refused here is what two servers in a row could take for different requests, so
 * that a second one hides in the body of the first (RFC 9112 section 11.2), and what has no
 * business in a field at all.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTPD_FIELDS_MAX ((size_t)100) /* fields of a request; more: 431 (as Apache's default) */

struct httpd_field {
	const char *name, *value; /* NUL-terminated; value without the space before it */
};

struct httpd_framing {
	int status;      /* 0: fine; else what to refuse with: 400, 431, 501 */
	const char *why; /* a sentence for the client; NULL when fine */
	bool chunked;
	int64_t length; /* Content-Length; -1: none */
};

/* How long the body is, or why nobody can know.  http_1_1 is false for HTTP/1.0. */
struct httpd_framing httpd_check_fields(const struct httpd_field *fields, size_t n, bool http_1_1);

/*
 * Whether a request's target as it was sent holds nothing but visible characters, and no escaped
 * NUL, which would end the text early for whoever unescapes it.
 */
bool httpd_check_target(const char *target);

/*
 * Whether the lines of a header that was taken apart in place stood behind one another, each with
 * a CRLF at its end: a line that goes on in the next one, a bare line feed or a NUL leaves a gap.
 * version is the end of the first line, end is behind the whole header.
 */
bool httpd_check_lines(
	const char *version, const struct httpd_field *fields, size_t n, const char *end);
