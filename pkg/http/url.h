/*
 * url.h - http and https URLs in parts, and what a Location means.
 *
 * Parsing is libcurl's; user information in a URL is refused (it would travel
 * into logs), as are other schemes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "util/error.h"

#define URL_MAX       \
	((size_t)16 * \
		1024) /* bytes: presigned object-store URLs reach 2 KiB; a peer chose this text */

struct url {
	char *scheme; /* "http" or "https" */
	char *host;   /* lower case, IPv6 in brackets */
	unsigned port;
	char *target; /* path and query: "/v2/x?y=z" */
	char *text;   /* the whole, normalised */
};

#define URL_INIT ((struct url){.scheme = NULL})

void url_clear(struct url *u);
/* Hands *from over to *to, whose old text is freed; *from is URL_INIT after. */
void url_move(struct url *to, struct url *from);
/* Fails with ERR_REMOTE: malformed, too long, user information, a scheme that is not http or https.
 */
NODISCARD int url_parse(const char *text, struct url *ret, struct error *err);
/*
 * What `reference` (absolute, or relative by RFC 3986 5) means, seen from base.
 * "host/path" without a scheme, as some registries send, is relative by the RFC and is taken so.
 */
NODISCARD int url_resolve(
	const struct url *base, const char *reference, struct url *ret, struct error *err);
/* Same scheme, host and port: only then do credentials stay (promise 10). */
bool url_same_origin(const struct url *a, const struct url *b);
/* text with `name=value` added to the query, value percent-encoded; existing parts untouched.
 * Caller frees. */
char *url_add_query(const char *text, const char *name, const char *value) NODISCARD;
/* For messages: scheme, host and path; the query, which may hold signatures, is "?...". Caller
 * frees. */
char *url_redact(const char *text) NODISCARD;
