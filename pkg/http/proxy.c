/* Which proxy leads to a host: from the options, or the environment as curl and Go read it. */
#include <arpa/inet.h>
#include <strings.h>

#include "http/internal.h"
#include "util/mem.h"
#include "util/parse.h"

#define SEPARATORS ", \t"

/* An empty variable means none, as everywhere. */
static char *environment(const char *name, const char *second)
{
	const char *value = getenv(name);

	if ((!value || !*value) && second)
		value = getenv(second);
	return value && *value ? xstrdup(value) : NULL;
}

void proxy_init(struct proxy *p, const struct http_loop_options *options)
{
	*p = (struct proxy){.https = NULL};
	if (!options->proxy) {
		p->https = environment("https_proxy", "HTTPS_PROXY");
		/* HTTP_PROXY in capitals is what a CGI client can set: nobody reads it (httpoxy).
		 */
		p->http = environment("http_proxy", NULL);
		p->skip_loopback = true;
	} else if (*options->proxy) {
		p->https = xstrdup(options->proxy);
		p->http = xstrdup(options->proxy);
	}
	p->bypass = options->no_proxy ? xstrdup(options->no_proxy)
				      : environment("no_proxy", "NO_PROXY");
	if (!p->bypass)
		p->bypass = xstrdup("");
}

void proxy_clear(struct proxy *p)
{
	free(p->https);
	free(p->http);
	free(p->bypass);
	*p = (struct proxy){.https = NULL};
}

struct address {
	int family; /* AF_INET, AF_INET6; 0: not an address */
	unsigned char raw[sizeof(struct in6_addr)];
};

/* Reads an address out of len characters; brackets around IPv6 are allowed. */
static struct address address_parse(const char *s, size_t len)
{
	struct address a = {.family = 0};
	AUTO_FREE char *text = NULL;

	if (len > 2 && s[0] == '[' && s[len - 1] == ']') {
		s++;
		len -= 2;
	}
	text = xstrndup(s, len);
	if (inet_pton(AF_INET, text, a.raw) == 1)
		a.family = AF_INET;
	else if (inet_pton(AF_INET6, text, a.raw) == 1)
		a.family = AF_INET6;
	return a;
}

/* Whether the first n_bits of both agree. */
static bool same_network(const struct address *a, const struct address *b, size_t n_bits)
{
	size_t whole = n_bits / 8, rest = n_bits % 8;
	size_t most = a->family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
	unsigned mask = 0xff00u >> rest & 0xffu;

	if (a->family == 0 || a->family != b->family || n_bits > 8 * most)
		return false;
	return memcmp(a->raw, b->raw, whole) == 0 &&
	       (rest == 0 || ((unsigned)(a->raw[whole] ^ b->raw[whole]) & mask) == 0);
}

static bool is_loopback(const struct url *u)
{
	struct address a = address_parse(u->host, strlen(u->host));
	struct address v4 = {.family = AF_INET, .raw = {127}};
	struct address v6 = {.family = AF_INET6, .raw = {[15] = 1}};

	return strcmp(u->host, "localhost") == 0 || same_network(&a, &v4, 8) ||
	       same_network(&a, &v6, 128);
}

/* An entry "10.0.0.0/8" or "192.0.2.1" against a host that is an address. */
static bool address_matches(const char *entry, size_t len, const struct url *u)
{
	const char *slash = memchr(entry, '/', len);
	size_t addr_len = slash ? (size_t)(slash - entry) : len;
	struct address net = address_parse(entry, addr_len);
	struct address host = address_parse(u->host, strlen(u->host));
	uint64_t n_bits = net.family == AF_INET ? 32 : 128;

	if (slash) {
		AUTO_FREE char *bits = xstrndup(slash + 1, len - addr_len - 1);

		if (parse_u64(bits, &n_bits, NULL) < 0)
			return false;
	}
	return same_network(&net, &host, n_bits);
}

/* An entry "example.com" or ".example.com", each with an optional ":port": the name and all below.
 */
static bool name_matches(const char *entry, size_t len, const struct url *u)
{
	const char *colon = memchr(entry, ':', len);
	size_t host_len = strlen(u->host);

	if (colon) {
		AUTO_FREE char *port = xstrndup(colon + 1, len - (size_t)(colon - entry) - 1);
		uint64_t n;

		if (parse_u64(port, &n, NULL) < 0 || n != u->port)
			return false;
		len = (size_t)(colon - entry);
	}
	if (len > 1 && entry[0] == '*' && entry[1] == '.') {
		entry++;
		len--;
	}
	if (len > 0 && entry[0] == '.') {
		entry++;
		len--;
	}
	if (len == 0 || len > host_len || strncasecmp(u->host + host_len - len, entry, len) != 0)
		return false;
	return len == host_len || u->host[host_len - len - 1] == '.';
}

/* The list is walked for each new handle only, so it stays text. */
static bool is_bypassed(const struct proxy *p, const struct url *u)
{
	if (p->skip_loopback && is_loopback(u))
		return true;
	for (const char *s = p->bypass; *s;) {
		size_t len = strcspn(s, SEPARATORS);

		if ((len == 1 && *s == '*') ||
			(len > 0 && (address_matches(s, len, u) || name_matches(s, len, u))))
			return true;
		s += len;
		s += strspn(s, SEPARATORS);
	}
	return false;
}

const char *proxy_for(const struct proxy *p, const struct url *u)
{
	const char *proxy = strcmp(u->scheme, "https") == 0 ? p->https : p->http;

	return proxy && !is_bypassed(p, u) ? proxy : "";
}
