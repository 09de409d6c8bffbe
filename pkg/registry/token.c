/*
 * token.c - token requests, answers, safety of realms, and the cache.
 */
#include "registry/token.h"

#include <ctype.h>

#include "oci/json.h"
#include "registry/address.h"
#include "util/map.h"
#include "util/mem.h"

#define CLIENT_ID          "regmirror"
#define ANSWER_DEPTH_MAX   8                        /* JSON nesting; a token's answer is flat */
#define TOKEN_LIFE_MAX_SEC ((uint64_t)24 * 60 * 60) /* a longer life is not believed */
/* bytes: refresh tokens reach some KiB, percent-encoded thrice that */
#define FORM_MAX ((size_t)256 * 1024)

/* ---- cache ---- */

struct token_cache {
	struct map *by_key; /* in the order they were got */
	uint64_t last_id;
};

static void free_token(void *p)
{
	struct token *t = p;

	free(t->text);
	free(t);
}

struct token_cache *token_cache_new(void)
{
	struct token_cache *c = xcalloc(1, sizeof(*c));

	c->by_key = map_new(free_token);
	return c;
}

void token_cache_free(struct token_cache *c)
{
	if (!c)
		return;
	map_free(c->by_key);
	free(c);
}

const struct token *token_cache_get(const struct token_cache *c, const char *key, uint64_t now_ms)
{
	const struct token *t = map_get_str(c->by_key, key);

	return t && t->expires_ms > now_ms + (uint64_t)TOKEN_RENEW_SEC * 1000 ? t : NULL;
}

void token_cache_put(struct token_cache *c, const char *key, const char *text, uint64_t now_ms,
	uint64_t life_sec)
{
	struct token *t = xcalloc(1, sizeof(*t));

	t->id = ++c->last_id;
	t->text = xstrdup(text);
	t->expires_ms = now_ms + life_sec * 1000;
	/* Taken out first, so that the order in the map is that of age. */
	(void)map_remove_str(c->by_key, key);
	if (map_count(c->by_key) >= TOKENS_MAX) {
		size_t len;
		const void *oldest = map_key(map_first(c->by_key), &len);

		(void)map_remove(c->by_key, oldest, len);
	}
	map_put_str(c->by_key, key, t);
}

struct token *token_cache_find(const struct token_cache *c, uint64_t id)
{
	for (struct map_item *i = map_first(c->by_key); i; i = map_next(i)) {
		struct token *t = map_value(i);

		if (t->id == id)
			return t;
	}
	return NULL;
}

void token_cache_drop(struct token_cache *c, uint64_t id)
{
	for (struct map_item *i = map_first(c->by_key); i; i = map_next(i)) {
		const struct token *t = map_value(i);
		const void *key;
		size_t len;

		if (t->id != id)
			continue;
		key = map_key(i, &len);
		(void)map_remove(c->by_key, key, len);
		return;
	}
}

/* ---- requests ---- */

/* url_add_query() in place. */
static void add_query(char **url, const char *name, const char *value)
{
	char *longer = url_add_query(*url, name, value);

	free(*url);
	*url = longer;
}

char *token_url(
	const char *realm, const char *service, const struct scope_set *scopes, const char *account)
{
	char *url = xstrdup(realm);

	if (service)
		add_query(&url, "service", service);
	for (size_t i = 0; i < scopes->n; i++)
		add_query(&url, "scope", scopes->text[i]);
	if (account)
		add_query(&url, "account", account);
	add_query(&url, "client_id", CLIENT_ID);
	return url;
}

/*
 * Appends name=value to a form, percent-encoded (WHATWG URL, "application/x-www-form-urlencoded").
 */
static void add_field(struct buf *form, const char *name, const char *value)
{
	(void)!buf_printf(form, NULL, "%s%s=", form->len > 0 ? "&" : "", name);
	for (; *value; value++) {
		const unsigned char c = (unsigned char)*value;

		if (isalnum(c) || c == '-' || c == '.' || c == '_' || c == '*')
			(void)!buf_append(form, value, 1, NULL);
		else
			(void)!buf_printf(form, NULL, "%%%02X", c);
	}
}

char *token_form(const char *service, const struct scope_set *scopes, const char *refresh_token)
{
	AUTO(buf_clear) struct buf form = BUF_INIT(FORM_MAX), list = BUF_INIT(FORM_MAX);

	for (size_t i = 0; i < scopes->n; i++)
		(void)!buf_printf(&list, NULL, "%s%s", i > 0 ? " " : "", scopes->text[i]);
	add_field(&form, "grant_type", "refresh_token");
	if (service)
		add_field(&form, "service", service);
	add_field(&form, "client_id", CLIENT_ID);
	if (list.len > 0)
		add_field(&form, "scope", buf_text(&list));
	add_field(&form, "refresh_token", refresh_token);
	return buf_steal(&form);
}

/* ---- answers ---- */

/* It goes into a header: visible ASCII only (RFC 6750 2.1 allows less). */
static bool token_is_clean(const char *text)
{
	size_t n = 0;

	for (; text[n]; n++)
		if (text[n] <= ' ' || text[n] > '~')
			return false;
	return n > 0 && n <= TOKEN_TEXT_MAX;
}

int token_parse(
	const void *body, size_t len, char **ret_text, uint64_t *ret_life_sec, struct error *err)
{
	AUTO(jx_freep) struct jx *j = NULL;
	const char *text = NULL;
	uint64_t life = TOKEN_LIFE_SEC;
	int rc = jx_parse(body, len, ANSWER_DEPTH_MAX, &j, NULL);

	if (rc < 0 || !jx_is_object(jx_root(j)))
		return error_set(err, ERR_REMOTE, "the answer is no JSON object");
	rc = jx_text(jx_root(j), "access_token", &text, err);
	if (rc == 0 && !text)
		rc = jx_text(jx_root(j), "token", &text, err);
	if (rc < 0)
		return rc;
	if (!text || !token_is_clean(text))
		return error_set(err, ERR_REMOTE, "the answer holds no usable token");
	/* A life time that is no number is as good as none. */
	if (jx_u64(jx_root(j), "expires_in", TOKEN_LIFE_SEC, &life, NULL) < 0 ||
		life < TOKEN_LIFE_SEC)
		life = TOKEN_LIFE_SEC;
	if (life > TOKEN_LIFE_MAX_SEC)
		life = TOKEN_LIFE_MAX_SEC;
	*ret_life_sec = life;
	*ret_text = xstrdup(text);
	return 0;
}

/* ---- realms ---- */

int token_realm_check(
	const struct url *origin, const struct url *realm, bool with_credentials, struct error *err)
{
	const bool https = strcmp(origin->scheme, "https") == 0;

	if (https && strcmp(realm->scheme, "https") != 0)
		return error_set(err,
			ERR_AUTH,
			"the token realm %s://%.80s is without TLS, and the registry is not: refused",
			realm->scheme,
			realm->host);
	if (address_is_private(realm->host) && !address_is_private(origin->host))
		return error_set(err,
			ERR_AUTH,
			"the token realm's host %.80s is in a private network, and the registry is not: "
			"refused",
			realm->host);
	/* Whoever sits on a plain connection can name any realm. */
	if (!https && with_credentials && strcmp(origin->host, realm->host) != 0 &&
		!(address_is_loopback(origin->host) && address_is_loopback(realm->host)))
		return error_set(err,
			ERR_AUTH,
			"the token realm %.80s is another host, named over plain HTTP: credentials are not "
			"sent there",
			realm->host);
	return 0;
}
