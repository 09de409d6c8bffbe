/*
 * internal.h - what the modules of this package share; nobody else includes it.
 *
 * Every operation of client.h is a struct that begins with a struct registry_call;
 * the call owns the exchange that runs for it and ends exactly once, through one of
 * registry_call_finish() or registry_cancel().
 */
#pragma once

#include "http/url.h"
#include "registry/auth.h"
#include "registry/client.h"
#include "registry/exchange.h"
#include "registry/quirks.h"

#define SCOPE_MAX (2 * SCOPE_TEXT_MAX + 2) /* characters of an operation's scopes, with the NUL */

struct registry {
	struct http_loop *loop;
	char *host;        /* as given: "docker.io" */
	char *base;        /* "https://registry-1.docker.io": where the API is */
	struct url origin; /* the same in parts */
	const struct quirks *quirks;
	struct auth *auth;
	struct map *backends;  /* origin of a redirect's far end -> its anonymous struct auth */
	unsigned retry_tokens; /* of the retry budget */
	struct registry_call *calls;
	struct registry_stats stats;
	/* Learnt on the way. */
	bool head_is_useless; /* HEAD of a manifest is refused, or names no digest */
	bool no_referrers;    /* the referrers API is not there */
	bool wants_chunks;    /* see registry_wants_chunks() */
};

struct registry_call {
	struct registry *registry;
	struct registry_call *prev, *next;
	struct registry_exchange *x; /* running now, or NULL */
	struct http_timer *timer;    /* for a failure that was known before anything was sent */
	struct error error;          /* that failure */
	void (*fail)(struct registry_call *call, struct error *err); /* ends the operation */
	void (*clear)(
		struct registry_call *call); /* frees what the operation owns; NULL: nothing */
	registry_reply_fn *done;             /* of the operations that end with a reply */
	void *ctx;
};

/*
 * An operation of this size, which begins with its struct registry_call: zeroed, and in the
 * registry's list, which owns it.  clear may be NULL.
 */
void *registry_call_new(struct registry *r, size_t size,
	void (*fail)(struct registry_call *call, struct error *err),
	void (*clear)(struct registry_call *call)) NODISCARD;
/* Starts the operation's next exchange; the former one is freed. */
void registry_call_exchange(
	struct registry_call *call, const struct registry_exchange_request *request);
/* Ends the operation with *err from the loop's next round; takes *err over. */
void registry_call_fail_later(struct registry_call *call, struct error *err);
/*
 * Leaves the list, so that nothing in a callback can reach the call again. Then call the callback,
 * then registry_call_free().
 */
void registry_call_unlink(struct registry_call *call);
void registry_call_free(struct registry_call *call);
/* The end of an operation with a reply: unlink, done(), free.  reply may be NULL. */
void registry_call_finish(
	struct registry_call *call, struct registry_reply *reply, struct error *err);
/* The fail() of those operations. */
void registry_call_fail_reply(struct registry_call *call, struct error *err);

/*
 * The repository's name here: Docker Hub's short names are expanded. Caller frees; fails with
 * ERR_USAGE.
 */
NODISCARD int registry_repository(
	const struct registry *r, const char *name, char **ret, struct error *err);
/* <origin>/v2/<repository>/<kind>/<reference>.  Caller frees. */
char *registry_url(const struct registry *r, const char *repository, const char *kind,
	const char *reference) NODISCARD;
/* "repository:<name>:<actions>".  Caller frees. */
char *repository_scope(const char *repository, const char *actions) NODISCARD;
/* A tag, or a digest's text. */
bool reference_is_valid(const char *reference);

/*
 * Docker Hub answers 401 for a repository that is not there, even to a good token (protocol.md
 * 4.2).
 */
void absence_by_quirk(
	const struct registry *r, const struct registry_exchange *x, struct error *err);
/* Fills digest, size, media type and warning from the answer's header. */
void reply_from_header(struct registry_reply *reply, const struct registry_exchange *x);
/*
 * Compares a digest that an answer named with the one that is right; another algorithm
 * says nothing (docker-registry names sha256 for sha512 content).  Fails with ERR_CORRUPT.
 */
NODISCARD int digest_agrees(
	const struct registry_reply *reply, const struct digest *expect, struct error *err);
/*
 * Fails with ERR_REMOTE when the answer is compressed on the way: the digest is of the raw bytes.
 */
NODISCARD int encoding_is_identity(const struct http_response *r, struct error *err);
