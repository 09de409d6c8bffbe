/*
 * token.h - Bearer tokens: what is asked of a token server, what it answers, and what is kept.
 *
 * The protocol is distribution's "Token Authentication Specification" (GET) and its
 * OAuth2 form (POST), see protocol.md 3.3.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/url.h"
#include "registry/scope.h"
#include "util/buf.h"

/* bytes of a token server's answer, as in go-containerregistry */
#define TOKEN_BODY_MAX  ((size_t)64 * 1024)
#define TOKEN_TEXT_MAX  ((size_t)16 * 1024) /* characters: what servers take in a header line */
#define TOKENS_MAX      256                 /* kept for a registry: one a repository is usual */
#define TOKEN_LIFE_SEC  60                  /* the specification's default and least life time */
#define TOKEN_RENEW_SEC 15 /* renewed when less than this is left (protocol.md 3.4) */

struct token {
	uint64_t id; /* never 0, never used twice */
	char *text;
	uint64_t expires_ms; /* monotonic */
	bool accepted;       /* the registry took it at least once */
};

struct token_cache;
struct token_cache *token_cache_new(void) NODISCARD;
void token_cache_free(struct token_cache *c);
/* A token that lasts; NULL: none, or it expires within TOKEN_RENEW_SEC. */
const struct token *token_cache_get(const struct token_cache *c, const char *key, uint64_t now_ms);
/* Keeps a token; the oldest one makes room.  text is copied. */
void token_cache_put(struct token_cache *c, const char *key, const char *text, uint64_t now_ms,
	uint64_t life_sec);
struct token *token_cache_find(const struct token_cache *c, uint64_t id); /* NULL: gone */
void token_cache_drop(struct token_cache *c, uint64_t id);

/* The realm with service, scopes and account as its query.  account may be NULL.  Caller frees. */
char *token_url(const char *realm, const char *service, const struct scope_set *scopes,
	const char *account) NODISCARD;
/* The form of a POST with a refresh token.  Caller frees. */
char *token_form(
	const char *service, const struct scope_set *scopes, const char *refresh_token) NODISCARD;

/*
 * The token and its life time (at least TOKEN_LIFE_SEC) out of an answer; *ret_text is the caller's
 * to free.  Fails with ERR_REMOTE; messages never quote the answer.
 */
NODISCARD int token_parse(
	const void *body, size_t len, char **ret_text, uint64_t *ret_life_sec, struct error *err);

/*
 * Whether a realm named by the registry at origin may be asked, with credentials or without
 * (protocol.md 3.5, design.md promise 10).  Fails with ERR_AUTH and says why not.
 */
NODISCARD int token_realm_check(const struct url *origin, const struct url *realm,
	bool with_credentials, struct error *err);
