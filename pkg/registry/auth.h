/*
 * auth.h - who we are at one registry, and how it wants to be told.
 *
 * Holds the credentials, the challenge that the registry named, and the tokens
 * got with them.  Nothing is known before the first 401; from then on every request
 * carries its Authorization from the start (protocol.md 3).
 *
 * Token requests are coalesced: all who wait for the same token wait for one
 * request.  Everything runs in the loop's thread; no callback comes from inside
 * the function that was given it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "http/request.h"
#include "registry/scope.h"

struct auth;
struct auth_wait;

struct auth_identity {
	const char *username; /* NULL, or with password */
	const char *password;
	const char *identity_token; /* OAuth2 refresh token */
	const char *registry_token; /* sent as Bearer as it is */
};

/* identity is copied; NULL: anonymous.  The loop is borrowed.  origin is a URL of the registry. */
struct auth *auth_new(
	struct http_loop *loop, const char *origin, const struct auth_identity *identity) NODISCARD;
void auth_free(struct auth *a); /* no waiter is called; NULL is fine */
DEFINE_CLEANUP(struct auth *, auth_free);

/*
 * The Authorization of a request with these scopes, sent now: *ret_value is NULL for none, and
 * the caller's to free; *ret_token names the token for the calls below, 0 when there is none.
 * False: a token is missing or about to expire; auth_fetch() must come first.
 */
bool auth_header(
	struct auth *a, const struct scope_set *scopes, char **ret_value, uint64_t *ret_token);

/*
 * Gets that token; done is called once with err NULL or the reason, unless auth_cancel() came
 * first.
 */
struct auth_wait *auth_fetch(struct auth *a, const struct scope_set *scopes,
	void (*done)(void *ctx, struct error *err), void *ctx) NODISCARD;
void auth_cancel(struct auth_wait **wait); /* *wait may be NULL; it is NULL after */

/*
 * Whether a challenge was seen, so that a 401 that brings none can be understood
 * (protocol.md 3.1, "401 without any challenge").
 */
bool auth_knows_challenge(const struct auth *a);

/*
 * Takes in the challenge of a 401 (r->url is who sent it): the token that was refused is
 * dropped, and scopes grows by what the challenge asks for.  Fails with ERR_AUTH when there is
 * nothing to answer with: no challenge that we speak, no credentials for Basic, the
 * credentials were refused, or a realm that is not safe (protocol.md 3.5).
 */
NODISCARD int auth_challenged(struct auth *a, const struct http_response *r, uint64_t token,
	struct scope_set *scopes, struct error *err);

/*
 * What must not be told although a peer repeats it: our credentials, and what is secret of this
 * Authorization (NULL: none was sent).  NULL-terminated; valid as long as both are.
 */
#define AUTH_SECRETS_MAX 6
void auth_secrets(
	const struct auth *a, const char *authorization, const char *ret[static AUTH_SECRETS_MAX]);

void auth_accepted(struct auth *a, uint64_t token); /* an answer other than 401 came for it */
bool auth_was_accepted(const struct auth *a, uint64_t token); /* and the registry took it before */
uint64_t auth_requests(const struct auth *a);                 /* token requests sent so far */
