/*
 * auth.c - challenges answered by Basic or by tokens, and token requests shared by their waiters.
 *
 * Three things are kept apart: who we are (the credentials, for ever), how the registry
 * wants to hear it (the mode and the realm, until another challenge comes), and what it gave
 * us for that (tokens, until they expire or are refused).  A request asks auth_header() for
 * its Authorization; when a token is missing it waits in a struct fetch until that is there.
 */
#include "registry/auth.h"

#include "registry/address.h"
#include "registry/answer.h"
#include "registry/base64.h"
#include "registry/challenge.h"
#include "registry/token.h"
#include "util/clock.h"
#include "util/mem.h"

#define CHALLENGES_MAX 8          /* WWW-Authenticate headers of one answer that are read */
#define BASIC_ID       UINT64_MAX /* "token" of a request with user name and password */
#define TOKEN_AS_USER  "<token>"  /* docker's user name for an identity token */
#define FORM_TYPE      "Content-Type: application/x-www-form-urlencoded"

enum mode {
	MODE_UNKNOWN, /* no 401 was seen */
	MODE_BASIC,
	MODE_BEARER
};

struct auth_wait {
	struct fetch *fetch;
	struct auth_wait *prev, *next;
	void (*done)(void *ctx, struct error *err);
	void *ctx;
};

/* One token request on its way, and who waits for it. */
struct fetch {
	struct auth *auth;
	struct fetch *prev, *next;
	char *key;
	char *url;
	char *form; /* of a POST; NULL: GET */
	struct http_call *call;
	struct auth_wait *waiters;
	bool telling; /* its waiters are being called */
	bool dead;    /* it was freed meanwhile */
};

struct auth {
	struct http_loop *loop;
	struct url origin;
	char *username;
	char *password; /* of basic */
	char *basic;    /* "Basic ...", or NULL */
	char *identity_token;
	char *bearer; /* "Bearer <registry token>", or NULL */
	enum mode mode;
	bool basic_accepted;
	char *realm; /* absolute */
	char *service;
	struct token_cache *tokens;
	struct fetch *fetches;
	uint64_t requests;
};

/* Without these a token is anonymous, and may be asked of more realms. */
static bool has_credentials(const struct auth *a)
{
	return a->basic || a->identity_token;
}

/* The Authorization that RFC 7617 makes of a user name and a password. */
static char *basic_value(const char *username, const char *password)
{
	AUTO_FREE char *pair = xasprintf("%s:%s", username, password ? password : "");
	AUTO_FREE char *text = base64_encode(pair, strlen(pair));

	return xasprintf("Basic %s", text);
}

/* An identity token goes before a password, as it does in docker; both forms of it are known. */
static void take_identity(struct auth *a, const struct auth_identity *id)
{
	const char *user = id->username;
	const bool is_token =
		user && id->password && (*user == '\0' || strcmp(user, TOKEN_AS_USER) == 0);

	if (id->registry_token)
		a->bearer = xasprintf("Bearer %s", id->registry_token);
	if (id->identity_token || is_token) {
		a->identity_token = xstrdup(id->identity_token ? id->identity_token : id->password);
	} else if (user) {
		a->username = xstrdup(user);
		a->basic = basic_value(user, id->password);
		a->password = id->password ? xstrdup(id->password) : NULL;
	}
}

struct auth *auth_new(
	struct http_loop *loop, const char *origin, const struct auth_identity *identity)
{
	struct auth *a = xcalloc(1, sizeof(*a));

	a->loop = loop;
	a->tokens = token_cache_new();
	/* What is no URL has no realm that could be trusted: every challenge fails then. */
	if (url_parse(origin, &a->origin, NULL) < 0)
		a->origin = URL_INIT;
	if (identity)
		take_identity(a, identity);
	return a;
}

static void fetch_release(struct fetch *f)
{
	free(f->key);
	free(f->url);
	free(f->form);
	free(f);
}

/*
 * Ends a token request.  Those who still wait are not told: they are gone themselves, or on
 * their way out with the registry.
 */
static void fetch_free(struct fetch *f)
{
	if (f->prev)
		f->prev->next = f->next;
	else
		f->auth->fetches = f->next;
	if (f->next)
		f->next->prev = f->prev;
	while (f->waiters) {
		struct auth_wait *w = f->waiters;

		auth_cancel(&w);
	}
	http_cancel(&f->call);
	f->dead = true;
	if (!f->telling)
		fetch_release(f);
}

void auth_free(struct auth *a)
{
	if (!a)
		return;
	while (a->fetches)
		fetch_free(a->fetches);
	token_cache_free(a->tokens);
	url_clear(&a->origin);
	free(a->username);
	free(a->password);
	free(a->basic);
	free(a->identity_token);
	free(a->bearer);
	free(a->realm);
	free(a->service);
	free(a);
}

/* ---- what a request carries ---- */

/* Realm, service and scopes; the account is this struct auth. */
static char *cache_key(const struct auth *a, const struct scope_set *scopes)
{
	AUTO_FREE char *scope = scope_key(scopes);

	return xasprintf("%s\n%s\n%s", a->realm, a->service ? a->service : "", scope);
}

bool auth_header(
	struct auth *a, const struct scope_set *scopes, char **ret_value, uint64_t *ret_token)
{
	AUTO_FREE char *key = NULL;
	const struct token *t;

	*ret_value = NULL;
	*ret_token = 0;
	if (a->bearer) {
		*ret_value = xstrdup(a->bearer);
		return true;
	}
	if (a->mode == MODE_BASIC) {
		*ret_value = xstrdup(a->basic);
		*ret_token = BASIC_ID;
	}
	if (a->mode != MODE_BEARER)
		return true;
	key = cache_key(a, scopes);
	t = token_cache_get(a->tokens, key, clock_mono_ms());
	if (!t)
		return false;
	*ret_value = xasprintf("Bearer %s", t->text);
	*ret_token = t->id;
	return true;
}

/* Behind the scheme's name. */
static const char *secret_part(const char *authorization)
{
	const char *space = strchr(authorization, ' ');

	return space ? space + 1 : authorization;
}

void auth_secrets(
	const struct auth *a, const char *authorization, const char *ret[static AUTH_SECRETS_MAX])
{
	size_t n = 0;

	if (authorization)
		ret[n++] = secret_part(authorization);
	if (a && a->basic)
		ret[n++] = secret_part(a->basic);
	if (a && a->bearer)
		ret[n++] = secret_part(a->bearer);
	if (a && a->password)
		ret[n++] = a->password;
	if (a && a->identity_token)
		ret[n++] = a->identity_token;
	ret[n] = NULL;
}

void auth_accepted(struct auth *a, uint64_t token)
{
	struct token *t;

	if (!a || token == 0)
		return;
	if (token == BASIC_ID) {
		a->basic_accepted = true;
		return;
	}
	t = token_cache_find(a->tokens, token);
	if (t)
		t->accepted = true;
}

bool auth_was_accepted(const struct auth *a, uint64_t token)
{
	const struct token *t;

	if (token == BASIC_ID)
		return a->basic_accepted;
	t = token ? token_cache_find(a->tokens, token) : NULL;
	return t && t->accepted;
}

bool auth_knows_challenge(const struct auth *a)
{
	return a->mode != MODE_UNKNOWN || a->bearer;
}

uint64_t auth_requests(const struct auth *a)
{
	return a->requests;
}

/* ---- challenges ---- */

/* Basic has one answer: where that was refused there is no other to try. */
static int take_basic(struct auth *a, uint64_t token, struct error *err)
{
	if (!a->basic)
		return error_set(err,
			ERR_AUTH,
			"the registry wants a user name and a password; none are configured for it");
	if (token == BASIC_ID)
		return error_set(err, ERR_AUTH, "the registry refused the user name and password");
	a->mode = MODE_BASIC;
	return 0;
}

/* A relative realm is seen from the answer that named it. */
static int resolve_realm(struct auth *a, const struct http_response *r, const char *realm,
	struct url *ret, struct error *err)
{
	int rc = address_resolve(r->url, realm, ret, err);

	if (rc < 0) {
		(void)error_wrap(err, -ERR_AUTH, "the token realm '%.80s'", realm);
		if (err)
			err->code = ERR_AUTH;
		return -ERR_AUTH;
	}
	return token_realm_check(&a->origin, ret, has_credentials(a), err);
}

/* Realm and service may differ from those of the last challenge: the newest ones count. */
static int take_bearer(
	struct auth *a, const struct challenge *c, const struct http_response *r, struct error *err)
{
	AUTO(url_clear) struct url realm = URL_INIT;
	int rc;

	if (!a->origin.text)
		return error_set(err, ERR_AUTH, "a challenge from an unknown origin");
	rc = resolve_realm(a, r, c->realm, &realm, err);
	if (rc < 0)
		return rc;
	str_replace(&a->realm, realm.text);
	str_replace(&a->service, c->service);
	a->mode = MODE_BEARER;
	return 0;
}

/* Whether it makes sense to try once more with another token than the one refused. */
static int drop_refused(struct auth *a, uint64_t token, const char *scope, struct scope_set *scopes,
	struct error *err)
{
	const struct token *t = token_cache_find(a->tokens, token);
	const bool stale = !t || t->accepted;
	bool grew = false;

	token_cache_drop(a->tokens, token);
	if (scope && (token != 0 || scopes->n == 0))
		grew = scope_add(scopes, scope);
	if (token == 0 || token == BASIC_ID || stale || grew)
		return 0;
	return error_set(err,
		ERR_AUTH,
		has_credentials(a)
			? "the registry refused the token got with the configured credentials"
			: "the registry refused an anonymous token; no credentials are configured for it");
}

int auth_challenged(struct auth *a, const struct http_response *r, uint64_t token,
	struct scope_set *scopes, struct error *err)
{
	AUTO(challenge_clear) struct challenge c = CHALLENGE_INIT;
	const char *value;
	int rc = 0;

	for (unsigned i = 0; i < CHALLENGES_MAX; i++) {
		value = http_header_at(r, "WWW-Authenticate", i);
		if (!value)
			break;
		challenge_add(&c, value);
	}
	if (a->bearer)
		return error_set(err, ERR_AUTH, "the registry refused the configured token");
	if (c.bearer)
		rc = take_bearer(a, &c, r, err);
	else if (c.basic || a->mode == MODE_BASIC)
		rc = take_basic(a, token, err);
	else if (a->mode == MODE_UNKNOWN)
		rc = error_set(
			err, ERR_AUTH, "401 without a challenge of a kind that is spoken here");
	if (rc < 0 || a->mode != MODE_BEARER)
		return rc;
	return drop_refused(a, token, c.scope, scopes, err);
}

/* ---- token requests ---- */

/*
 * Calls all who wait, each with an error of its own; the fetch, or all of auth, may be gone after
 * any of them.
 */
static void tell_waiters(struct fetch *f, const struct error *err)
{
	f->telling = true;
	while (!f->dead && f->waiters) {
		AUTO(error_clear) struct error copy = ERROR_INIT;
		struct auth_wait *w = f->waiters;
		void (*done)(void *, struct error *) = w->done;
		void *ctx = w->ctx;

		auth_cancel(&w);
		if (err)
			error_copy(&copy, err);
		done(ctx, err ? &copy : NULL);
	}
	f->telling = false;
	if (f->dead)
		fetch_release(f);
	else
		fetch_free(f);
}

/*
 * A token server that says no means us, so every 4xx is ERR_AUTH; its status does not go into
 * err->http, where it would look like an answer of the registry.
 */
static void answer_bad(const struct auth *a, const struct http_response *r, struct error *err)
{
	const char *secrets[AUTH_SECRETS_MAX];
	AUTO_FREE char *words = NULL;
	const enum errc class = answer_class(r->status) == ERR_TEMP ? ERR_TEMP : ERR_AUTH;

	auth_secrets(a, NULL, secrets);
	words = answer_words(r->body.data, r->body.len, secrets);
	(void)error_set(err,
		class,
		"%d %s%s%s",
		r->status,
		answer_reason(r->status),
		*words ? ": " : "",
		words);
	err->retry_sec = (int)(r->retry_after > INT32_MAX ? INT32_MAX : r->retry_after);
}

/* The life of a token counts from now: the clocks of servers are not to be trusted. */
static int take_token(struct fetch *f, const struct http_response *r, struct error *err)
{
	AUTO_FREE char *text = NULL;
	uint64_t life_sec;
	int rc = token_parse(buf_text(&r->body), r->body.len, &text, &life_sec, err);

	if (rc == 0)
		token_cache_put(f->auth->tokens, f->key, text, clock_mono_ms(), life_sec);
	return rc;
}

static void on_answer(void *ctx, struct http_response *r, struct error *err)
{
	AUTO(error_clear) struct error bad = ERROR_INIT;
	AUTO_FREE char *where = NULL;
	struct fetch *f = ctx;
	int rc = 0;

	f->call = NULL;
	if (err) {
		error_copy(&bad, err);
		rc = -(int)err->code;
	} else if (r->status != ANSWER_OK) {
		answer_bad(f->auth, r, &bad);
		rc = -(int)bad.code;
	} else {
		rc = take_token(f, r, &bad);
	}
	if (rc < 0) {
		where = url_redact(f->url);
		(void)error_wrap(&bad, rc, "token from %s", where);
	}
	tell_waiters(f, rc < 0 ? &bad : NULL);
}

/* POST with a refresh token, else GET with Basic or without anything (protocol.md 3.3). */
static void send_fetch(struct fetch *f, const struct auth *a)
{
	static const char *const get_headers[] = {"Accept: application/json"};
	static const char *const post_headers[] = {"Accept: application/json", FORM_TYPE};
	const struct http_request q = {
		.method = f->form ? HTTP_POST : HTTP_GET,
		.url = f->url,
		.headers = f->form ? post_headers : get_headers,
		.n_headers = f->form ? ARRAY_SIZE(post_headers) : ARRAY_SIZE(get_headers),
		.authorization = f->form ? NULL : a->basic,
		.max_redirects = f->form ? 0 : HTTP_REDIRECTS_MAX,
		.body = f->form,
		.body_size = f->form ? strlen(f->form) : 0,
		.body_max = TOKEN_BODY_MAX,
		.done = on_answer,
		.ctx = f,
	};

	f->auth->requests++;
	f->call = http_start(a->loop, &q);
}

static struct fetch *fetch_start(struct auth *a, const struct scope_set *scopes, const char *key)
{
	struct fetch *f = xcalloc(1, sizeof(*f));

	f->auth = a;
	f->key = xstrdup(key);
	if (a->identity_token) {
		f->url = xstrdup(a->realm);
		f->form = token_form(a->service, scopes, a->identity_token);
	} else {
		f->url = token_url(a->realm, a->service, scopes, a->username);
	}
	f->next = a->fetches;
	if (f->next)
		f->next->prev = f;
	a->fetches = f;
	send_fetch(f, a);
	return f;
}

struct auth_wait *auth_fetch(struct auth *a, const struct scope_set *scopes,
	void (*done)(void *ctx, struct error *err), void *ctx)
{
	AUTO_FREE char *key = cache_key(a, scopes);
	struct auth_wait *w = xcalloc(1, sizeof(*w));
	struct fetch *f = a->fetches;

	/* One whose answer is being told already is over: its waiters are not to be joined. */
	while (f && (!f->call || strcmp(f->key, key) != 0))
		f = f->next;
	if (!f)
		f = fetch_start(a, scopes, key);
	w->fetch = f;
	w->done = done;
	w->ctx = ctx;
	w->next = f->waiters;
	if (w->next)
		w->next->prev = w;
	f->waiters = w;
	return w;
}

void auth_cancel(struct auth_wait **wait)
{
	struct auth_wait *w = *wait;

	if (!w)
		return;
	if (w->prev)
		w->prev->next = w->next;
	else
		w->fetch->waiters = w->next;
	if (w->next)
		w->next->prev = w->prev;
	free(w);
	*wait = NULL;
}
