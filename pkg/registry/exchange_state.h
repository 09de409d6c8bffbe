/*
 * exchange_state.h - the inside of an exchange, for the two modules that it is made of.
 */
#pragma once

#include "registry/exchange.h"

struct registry_exchange {
	struct registry *registry;
	struct registry_exchange_request request; /* url, headers and scope live below */
	char *url; /* changes to a redirect's far end when that wants its own token */
	char *headers[EXCHANGE_HEADERS_MAX];
	size_t n_headers;
	struct auth *auth; /* NULL: this URL is not ours to authenticate at */
	struct scope_set scopes;
	struct http_call *call;
	struct http_timer *timer;
	struct auth_wait *wait;
	char *authorization; /* of the running request; NULL: none */
	uint64_t token;      /* that the running request carries, 0: none */
	unsigned attempt;    /* counts from 0 */
	unsigned auth_round; /* 401s answered so far */
	bool probing;        /* GET /v2/ for its challenge runs, not the request itself */
	bool no_expect;      /* this host does not like Expect */
	bool redirected;     /* goes to a redirect's far end directly, with a token of that */

	int status;                           /* of the running request's answer; 0: none yet */
	struct buf body;                      /* of a 2xx answer */
	struct buf error_body;                /* of another one, its beginning */
	uint64_t error_bytes;                 /* of another one, all */
	uint64_t body_read;                   /* bytes taken from the reader */
	struct error failure;                 /* why we ended the answer ourselves */
	const struct http_response *response; /* while done() runs */
};

/* Sends the request, or gets its token first. */
void registry_exchange_send(struct registry_exchange *x);
/* Brings the reader back to its first byte; true when there is nothing to bring back. */
bool registry_exchange_rewind(struct registry_exchange *x);

/* The words of the running request's failure, without what must not be told.  Caller frees. */
char *registry_exchange_words(const struct registry_exchange *x) NODISCARD;

/*
 * Decides what a 401, or the answer to a ping for its challenge, means: 0 when the request goes
 * on, or it fails with the reason.
 */
NODISCARD int registry_exchange_unauthorized(
	struct registry_exchange *x, const struct http_response *r, struct error *err);
