/*
 * unauthorized.c - what to do about a 401.
 */
#include "registry/answer.h"
#include "registry/auth.h"
#include "registry/backend.h"
#include "registry/exchange_state.h"
#include "registry/internal.h"
#include "util/mem.h"

#define AUTH_ROUNDS_MAX 3 /* 401s that are answered: no token, a stale one, too narrow a one */

/* A body that went by cannot be sent again: the caller has to, with the new token. */
static int refused_in_transfer(bool was_accepted, struct error *err)
{
	if (was_accepted)
		return error_set(err,
			ERR_TEMP,
			"the token expired in mid-transfer and the body cannot be sent again from here; "
			"a new attempt gets a new token");
	return error_set(
		err, ERR_AUTH, "refused after the body was sent, which cannot be repeated");
}

static int refusal(struct registry_exchange *x, struct error *err)
{
	AUTO_FREE char *words = registry_exchange_words(x);

	return error_set(err,
		ERR_AUTH,
		"%d %s%s%s",
		x->status,
		answer_reason(x->status),
		*words ? ": " : "",
		words);
}

/*
 * The far end of a redirect has its own tokens, and ours are none of its business: the
 * request goes on there, as somebody without a name.
 */
static void go_to_backend(struct registry_exchange *x, const struct http_response *r)
{
	x->redirected = true;
	x->auth = backend_auth(x->registry, r->url);
	str_replace(&x->url, r->url);
	x->token = 0;
}

/* Takes in the challenge; 0 when there is something to answer it with. */
static int take_challenge(
	struct registry_exchange *x, const struct http_response *r, struct error *err)
{
	if (x->probing && x->status != ANSWER_UNAUTHORIZED)
		return error_set(err, ERR_AUTH, "401 without a challenge, and /v2/ names none");
	return auth_challenged(x->auth, r, x->token, &x->scopes, err);
}

int registry_exchange_unauthorized(
	struct registry_exchange *x, const struct http_response *r, struct error *err)
{
	const bool was_accepted = x->auth && auth_was_accepted(x->auth, x->token);
	bool explained;
	int rc = 0;

	if (!x->redirected && backend_answered(x->registry, r)) {
		if (x->request.foreign || x->request.read || x->request.body)
			return refusal(x, err);
		go_to_backend(x, r);
	}
	if (!x->auth || x->auth_round >= AUTH_ROUNDS_MAX)
		return refusal(x, err);
	x->auth_round++;
	explained =
		x->probing || http_header(r, "WWW-Authenticate") || auth_knows_challenge(x->auth);
	if (explained)
		rc = take_challenge(x, r, err);
	if (rc < 0)
		return rc;
	if (!registry_exchange_rewind(x))
		return refused_in_transfer(was_accepted, err);
	/* Where nothing explains the 401, /v2/ is asked for its challenge (protocol.md 3.1). */
	x->probing = !explained;
	registry_exchange_send(x);
	return 0;
}
