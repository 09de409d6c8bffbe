/*
 * exchange.h - one request to a registry, seen through to its answer.
 *
 * Adds to http/request.h what every call to a registry needs: authentication
 * (once more after a 401), retries with back-off paid from the registry's budget,
 * the host's gate after 429 and 503, and statuses turned into error classes.
 *
 * Bodies of 2xx answers go to the caller; those of other answers become the
 * words of the error.  No callback comes from inside registry_exchange_start().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/request.h"
#include "registry/client.h"
#include "registry/scope.h"

#define EXCHANGE_HEADERS_MAX 6 /* a client sends Accept, Content-Type, ranges: four at most */

struct registry_exchange;

struct registry_exchange_request {
	enum http_method method;
	const char *url;                           /* absolute */
	const char *headers[EXCHANGE_HEADERS_MAX]; /* "Name: value", ends with NULL unless full */
	const char *scope;                         /* token scopes, split by spaces; NULL: none */
	bool foreign;    /* the URL is at a host that is not ours: no credentials */
	bool bulk, lean; /* see http/request.h */
	bool redirects;  /* follow them */
	bool fresh;      /* see http/request.h; token requests are as ever */
	uint64_t connect_ms, first_byte_ms, stall_ms; /* as in http/request.h */
	unsigned attempts;                            /* 0 and 1: no retry */

	const void *body; /* borrowed until done */
	uint64_t body_size;
	enum http_io (*read)(void *ctx, char *to, size_t room, size_t *ret_n);
	bool (*rewind)(void *ctx);

	size_t body_max; /* bytes of a 2xx answer that are kept, without write; more is ERR_REMOTE
			  */
	/* The 2xx header is there.  A failure ends the exchange with *err. */
	int (*on_header)(void *ctx, const struct http_response *r, struct error *err);
	enum http_io (*write)(void *ctx, const char *data, size_t n); /* of 2xx answers only */
	/* Once, at the end, unless registry_exchange_free() came first; x may be freed inside. */
	void (*done)(void *ctx, struct registry_exchange *x, struct error *err);
	void *ctx;
};

struct registry_exchange *registry_exchange_start(
	struct registry *r, const struct registry_exchange_request *request) NODISCARD;
void registry_exchange_free(struct registry_exchange *x); /* ends it silently; NULL is fine */

/* For done(), and for on_header() where it says so. */
int registry_exchange_status(const struct registry_exchange *x); /* 0: there was no answer */
struct buf *registry_exchange_body(
	struct registry_exchange *x); /* of a 2xx answer, without write */
/* The last answer was a 401 to a request that carried a token. */
bool registry_exchange_token_was_refused(const struct registry_exchange *x);
const char *registry_exchange_url(
	const struct registry_exchange *x); /* that answered, after redirects */
const struct http_response *registry_exchange_response(
	const struct registry_exchange *x); /* NULL: none came */
/* "https://host:port" of that URL.  Caller frees; NULL when it cannot be told. */
char *registry_exchange_backend(const struct registry_exchange *x) NODISCARD;
const char *registry_exchange_header(const struct registry_exchange *x, const char *name);

void registry_exchange_resume_write(struct registry_exchange *x);
void registry_exchange_resume_read(struct registry_exchange *x);

/* "GET /v2/x: ": puts method and path before the message of an answer that was no good. */
int registry_exchange_wrap(const struct registry_exchange *x, struct error *err, int rc);
