/* URLs in parts, over libcurl's parser. */
#include "http/url.h"

#include <ctype.h>
#include <curl/curl.h>

#include "util/mem.h"
#include "util/parse.h"

#define REDACTED_MAX 300 /* characters of a URL in a message */

DEFINE_CLEANUP(CURLU *, curl_url_cleanup);
DEFINE_CLEANUP(char *, curl_free);

void url_clear(struct url *u)
{
	free(u->scheme);
	free(u->host);
	free(u->target);
	free(u->text);
	*u = URL_INIT;
}

void url_move(struct url *to, struct url *from)
{
	struct url moved = *from;

	*from = URL_INIT;
	url_clear(to);
	*to = moved;
}

/* The text came from a peer: it is shown without what may be secret in it. */
static int refuse(const char *text, const char *why, struct error *err)
{
	AUTO_FREE char *shown = url_redact(text);

	return error_set(err, ERR_REMOTE, "URL '%s': %s", shown, why);
}

/* One part as libcurl has it; NULL when it is absent. */
static char *part(CURLU *h, CURLUPart what, unsigned flags)
{
	char *s = NULL;

	return curl_url_get(h, what, &s, flags) == CURLUE_OK ? s : NULL;
}

static bool has_user_or_zone(CURLU *h)
{
	AUTO(curl_freep) char *user = part(h, CURLUPART_USER, 0);
	AUTO(curl_freep) char *password = part(h, CURLUPART_PASSWORD, 0);
	AUTO(curl_freep) char *zone = part(h, CURLUPART_ZONEID, 0);

	return user || password || zone;
}

/*
 * A copy in lower case, or NULL when a byte belongs in no host: libcurl lets many pass, and
 * what it decodes ("%41") or a proxy understands differently must not decide who gets credentials.
 */
static char *lower_host(const char *host)
{
	const char *allowed = *host == '[' ? "[]:." : "-._";
	AUTO_FREE char *low = xstrdup(host);

	for (char *p = low; *p; p++) {
		if (!isascii((unsigned char)*p) ||
			(!isalnum((unsigned char)*p) && !strchr(allowed, *p)))
			return NULL;
		*p = (char)tolower((unsigned char)*p);
	}
	return *low ? steal(&low) : NULL;
}

/*
 * Builds *ret out of what libcurl understood, so that every URL has one spelling: lower
 * case, no default port, no fragment.  `text` is for messages alone.
 */
static int take_parts(CURLU *h, const char *text, struct url *ret, struct error *err)
{
	AUTO(curl_freep) char *scheme = part(h, CURLUPART_SCHEME, 0);
	AUTO(curl_freep) char *host = part(h, CURLUPART_HOST, 0);
	AUTO(curl_freep) char *port = part(h, CURLUPART_PORT, CURLU_DEFAULT_PORT);
	AUTO(curl_freep) char *path = part(h, CURLUPART_PATH, 0);
	AUTO(curl_freep) char *query = part(h, CURLUPART_QUERY, 0);
	AUTO(url_clear) struct url u = URL_INIT;
	bool secure;

	if (!scheme || (strcmp(scheme, "https") != 0 && strcmp(scheme, "http") != 0))
		return refuse(text, "not an http or https URL", err);
	if (has_user_or_zone(h))
		return refuse(text, "user information or a zone in a URL is not taken", err);
	u.host = host ? lower_host(host) : NULL;
	u.port = port ? (unsigned)strtoul(port, NULL, 10) : 0;
	if (!u.host || u.port == 0)
		return refuse(text, "no usable host or port", err);
	secure = strcmp(scheme, "https") == 0;
	u.scheme = xstrdup(scheme);
	u.target = xasprintf("%s%s%s", path ? path : "/", query ? "?" : "", query ? query : "");
	u.text = u.port == (secure ? 443u : 80u)
			 ? xasprintf("%s://%s%s", u.scheme, u.host, u.target)
			 : xasprintf("%s://%s:%u%s", u.scheme, u.host, u.port, u.target);
	if (strlen(u.text) > URL_MAX)
		return refuse(text, "longer than 16 KiB", err);
	*ret = URL_INIT; /* it need not have been initialised */
	url_move(ret, &u);
	return 0;
}

int url_parse(const char *text, struct url *ret, struct error *err)
{
	AUTO(curl_url_cleanupp) CURLU *h = curl_url();
	CURLUcode rc;

	if (!h)
		return error_set(err, ERR_NOMEM, "no memory for a URL");
	if (strlen(text) > URL_MAX)
		return refuse(text, "longer than 16 KiB", err);
	rc = curl_url_set(h, CURLUPART_URL, text, CURLU_URLENCODE);
	if (rc != CURLUE_OK)
		return refuse(text, curl_url_strerror(rc), err);
	return take_parts(h, text, ret, err);
}

int url_resolve(const struct url *base, const char *reference, struct url *ret, struct error *err)
{
	AUTO(curl_url_cleanupp) CURLU *h = curl_url();
	CURLUcode rc;

	if (!h)
		return error_set(err, ERR_NOMEM, "no memory for a URL");
	if (strlen(reference) > URL_MAX)
		return refuse(reference, "longer than 16 KiB", err);
	rc = curl_url_set(h, CURLUPART_URL, base->text, 0);
	if (rc == CURLUE_OK)
		rc = curl_url_set(h, CURLUPART_URL, reference, CURLU_URLENCODE);
	if (rc != CURLUE_OK)
		return refuse(reference, curl_url_strerror(rc), err);
	return take_parts(h, reference, ret, err);
}

bool url_same_origin(const struct url *a, const struct url *b)
{
	return strcmp(a->scheme, b->scheme) == 0 && strcmp(a->host, b->host) == 0 &&
	       a->port == b->port;
}

char *url_add_query(const char *text, const char *name, const char *value)
{
	static const char hex[] = "0123456789ABCDEF";
	AUTO_FREE char *encoded = xmalloc(3 * strlen(value) + 1);
	size_t len = strcspn(text, "#"), n = 0;
	const char *mark = memchr(text, '?', len);
	const char *between = !mark ? "?" : strchr("?&", text[len - 1]) ? "" : "&";

	for (const char *p = value; *p; p++) {
		unsigned char c = (unsigned char)*p;

		/* RFC 3986 2.3: only unreserved characters mean themselves everywhere. */
		if (isalnum(c) || strchr("-._~", c)) {
			encoded[n++] = *p;
			continue;
		}
		encoded[n++] = '%';
		encoded[n++] = hex[c >> 4];
		encoded[n++] = hex[c & 15];
	}
	encoded[n] = '\0';
	return xasprintf("%.*s%s%s=%s%s", (int)len, text, between, name, encoded, text + len);
}

char *url_redact(const char *text)
{
	size_t len = strcspn(text, "?#");
	const char *sep = strstr(text, "://");
	size_t start = sep && sep < text + len ? (size_t)(sep - text) + 3 : 0;
	size_t authority = start + strcspn(text + start, "/?#");
	const char *at = memrchr(text + start, '@', authority - start);
	size_t skip = at ? (size_t)(at - text) + 1 : start;
	AUTO_FREE char *kept = xasprintf("%.*s%.*s%s",
		(int)start,
		text,
		(int)(len - skip),
		text + skip,
		text[len] == '?' ? "?..." : "");

	return text_sanitize(kept, strlen(kept), REDACTED_MAX);
}
