/*
 * client.c - a registry: its address, its learnt ways, and the life of calls to it.
 *
 * The operations themselves are in manifest.c, blob.c, tags.c, referrers.c and upload*.c; each
 * is a small state machine over one exchange at a time.  Here is what they share: the list of
 * running calls, their one end, names turned into URLs and scopes, and the reading of
 * headers that mean the same everywhere.
 */
#include "registry/client.h"

#include <ctype.h>
#include <strings.h>

#include "oci/reference.h"
#include "registry/answer.h"
#include "registry/budget.h"
#include "registry/internal.h"
#include "util/map.h"
#include "util/mem.h"

/* For the map of backends. */
static void free_auth(void *auth)
{
	auth_free(auth);
}

int registry_new(struct http_loop *loop, const struct registry_options *options,
	struct registry **ret, struct error *err)
{
	const struct auth_identity identity = {
		.username = options->username,
		.password = options->password,
		.identity_token = options->identity_token,
		.registry_token = options->registry_token,
	};
	AUTO(registry_freep) struct registry *r = NULL;
	const struct quirks *quirks;
	int rc;

	if (!host_is_valid(options->host))
		return error_set(err, ERR_USAGE, "'%.80s' is no registry host", options->host);
	quirks = quirks_of(options->host);
	r = xcalloc(1, sizeof(*r));
	r->loop = loop;
	r->host = xstrdup(options->host);
	r->quirks = quirks;
	r->base = xasprintf("%s://%s",
		options->plain ? "http" : "https",
		quirks->api_host ? quirks->api_host : options->host);
	r->retry_tokens = BUDGET_TOKENS;
	r->backends = map_new(free_auth);
	r->auth = auth_new(loop, r->base, &identity);
	rc = url_parse(r->base, &r->origin, err);
	if (rc < 0) {
		if (err)
			err->code = ERR_USAGE;
		return -ERR_USAGE;
	}
	*ret = steal(&r);
	return 0;
}

void registry_free(struct registry *r)
{
	if (!r)
		return;
	while (r->calls) {
		struct registry_call *call = r->calls;

		registry_cancel(&call);
	}
	map_free(r->backends);
	auth_free(r->auth);
	url_clear(&r->origin);
	free(r->base);
	free(r->host);
	free(r);
}

const char *registry_host(const struct registry *r)
{
	return r->host;
}

bool registry_same_host(const struct registry *a, const struct registry *b)
{
	return url_same_origin(&a->origin, &b->origin);
}

bool registry_wants_chunks(const struct registry *r)
{
	return r->wants_chunks;
}

struct registry_stats registry_stats(const struct registry *r)
{
	struct registry_stats s = r->stats;

	s.requests += auth_requests(r->auth);
	for (struct map_item *i = map_first(r->backends); i; i = map_next(i))
		s.requests += auth_requests(map_value(i));
	return s;
}

/* ---- calls ---- */

void *registry_call_new(struct registry *r, size_t size,
	void (*fail)(struct registry_call *call, struct error *err),
	void (*clear)(struct registry_call *call))
{
	struct registry_call *call = xcalloc(1, size);

	call->registry = r;
	call->fail = fail;
	call->clear = clear;
	call->next = r->calls;
	if (call->next)
		call->next->prev = call;
	r->calls = call;
	return call;
}

void registry_call_exchange(
	struct registry_call *call, const struct registry_exchange_request *request)
{
	registry_exchange_free(call->x);
	call->x = registry_exchange_start(call->registry, request);
}

/* What was wrong with the caller's words comes from the loop, as every other failure does. */
static void on_failure(void *ctx)
{
	struct registry_call *call = ctx;

	call->timer = NULL;
	call->fail(call, &call->error);
}

void registry_call_fail_later(struct registry_call *call, struct error *err)
{
	error_move(&call->error, err);
	call->timer = http_timer_start(call->registry->loop, 0, on_failure, call);
}

void registry_call_unlink(struct registry_call *call)
{
	if (call->prev)
		call->prev->next = call->next;
	else
		call->registry->calls = call->next;
	if (call->next)
		call->next->prev = call->prev;
	call->prev = call->next = NULL;
}

void registry_call_free(struct registry_call *call)
{
	registry_exchange_free(call->x);
	http_timer_stop(&call->timer);
	if (call->clear)
		call->clear(call);
	error_clear(&call->error);
	free(call);
}

/* Who answered, or at whom it failed, and where the time went. */
static void reply_measured(
	struct registry_reply *reply, const struct registry_call *call, const char *backend)
{
	const struct http_response *r = call->x ? registry_exchange_response(call->x) : NULL;

	reply->backend = backend ? backend : "";
	if (!r)
		return;
	reply->timing = r->timing;
	reply->front_us = r->front_us;
}

/* The call is out of the list before the callback runs, which may free the registry. */
void registry_call_finish(
	struct registry_call *call, struct registry_reply *reply, struct error *err)
{
	AUTO_FREE char *backend = call->x ? registry_exchange_backend(call->x) : NULL;
	struct registry_reply none = {.has_digest = false};

	if (!reply)
		reply = &none;
	reply_measured(reply, call, backend);
	registry_call_unlink(call);
	call->done(call->ctx, reply, err);
	registry_call_free(call);
}

void registry_call_fail_reply(struct registry_call *call, struct error *err)
{
	registry_call_finish(call, NULL, err);
}

void registry_cancel(struct registry_call **call)
{
	if (!*call)
		return;
	registry_call_unlink(*call);
	registry_call_free(*call);
	*call = NULL;
}

void registry_resume_write(struct registry_call *call)
{
	if (call->x)
		registry_exchange_resume_write(call->x);
}

void registry_resume_read(struct registry_call *call)
{
	if (call->x)
		registry_exchange_resume_read(call->x);
}

/* ---- names ---- */

int registry_repository(const struct registry *r, const char *name, char **ret, struct error *err)
{
	if (!repository_is_valid(name))
		return error_set(err, ERR_USAGE, "'%.80s' is no repository name", name);
	*ret = r->quirks->flags & QUIRK_LIBRARY && !strchr(name, '/')
		       ? xasprintf("library/%s", name)
		       : xstrdup(name);
	return 0;
}

char *registry_url(
	const struct registry *r, const char *repository, const char *kind, const char *reference)
{
	return xasprintf("%s/v2/%s/%s/%s", r->base, repository, kind, reference);
}

char *repository_scope(const char *repository, const char *actions)
{
	return xasprintf("repository:%s:%s", repository, actions);
}

bool reference_is_valid(const char *reference)
{
	struct digest ignored;

	return tag_is_valid(reference) || digest_parse(reference, &ignored, NULL) == 0;
}

/* ---- answers ---- */

void absence_by_quirk(
	const struct registry *r, const struct registry_exchange *x, struct error *err)
{
	if (!(r->quirks->flags & QUIRK_ABSENT_IS_401) || !registry_exchange_token_was_refused(x))
		return;
	(void)error_wrap(
		err, -ERR_NOTFOUND, "not there, or private (%s says 401 for both)", r->host);
	err->code = ERR_NOTFOUND;
}

/* The type alone, in the case it came in; one that is too long says nothing. */
static void read_media_type(char *to, const char *value)
{
	size_t n = value ? strcspn(value, ";") : 0;

	while (n > 0 && isspace((unsigned char)value[n - 1]))
		n--;
	if (n > MEDIA_TYPE_MAX)
		n = 0;
	if (n > 0)
		memcpy(to, value, n);
	to[n] = '\0';
}

void reply_from_header(struct registry_reply *reply, const struct registry_exchange *x)
{
	const struct http_response *response = registry_exchange_response(x);
	const char *digest = registry_exchange_header(x, "Docker-Content-Digest");

	/*
	 * A digest that does not parse is of an algorithm that we cannot check: as if it were
	 * not there.
	 */
	reply->has_digest = digest && digest_parse(digest, &reply->digest, NULL) == 0;
	reply->has_size = response && response->content_length >= 0;
	reply->size = reply->has_size ? (uint64_t)response->content_length : 0;
	reply->warning = registry_exchange_header(x, "Warning");
	read_media_type(reply->media_type, registry_exchange_header(x, "Content-Type"));
}

int digest_agrees(
	const struct registry_reply *reply, const struct digest *expect, struct error *err)
{
	char told[DIGEST_STR_MAX], right[DIGEST_STR_MAX];

	if (!reply->has_digest || reply->digest.algo != expect->algo ||
		digest_equal(&reply->digest, expect))
		return 0;
	return error_set(err,
		ERR_CORRUPT,
		"the answer is about %s, not about %s",
		digest_format(&reply->digest, told),
		digest_format(expect, right));
}

int encoding_is_identity(const struct http_response *r, struct error *err)
{
	const char *encoding = http_header(r, "Content-Encoding");

	if (!encoding || !*encoding || strcasecmp(encoding, "identity") == 0)
		return 0;
	return error_set(err,
		ERR_REMOTE,
		"answered with Content-Encoding '%.40s' though identity was asked for, and digests are of the "
		"raw bytes; the next source is tried",
		encoding);
}

bool registry_error_is(const struct error *err, const char *code)
{
	const size_t len = strlen(code);
	const char *s = err && err->msg ? err->msg : "";

	/*
	 * Codes stand behind the status (": CODE") or behind another entry ("; CODE"): see
	 * answer_words().
	 */
	for (; *s; s++) {
		if ((s[0] != ':' && s[0] != ';') || s[1] != ' ')
			continue;
		if (strncasecmp(s + 2, code, len) == 0 &&
			(s[2 + len] == '\0' || s[2 + len] == ':' || s[2 + len] == ';'))
			return true;
	}
	return false;
}
