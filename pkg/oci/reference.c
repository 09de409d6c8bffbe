/*
 * A reference is taken apart from its ends: the prefix or the host in front,
 * the digest and then the tag behind; what is left must be a repository.
 */
#include "oci/reference.h"

#include <arpa/inet.h>
#include <ctype.h>

#include "util/mem.h"

enum {
	PORT_DIGITS_MAX = 5,
	PORT_MAX = 65535,
	DNS_NAME_MAX = 255, /* characters, RFC 1035 2.3.4 */
	ID_HEX_LEN = 64,    /* an image ID, as docker prints it */
};

static const char hub[] = "docker.io";
static const char hub_library[] = "library/";
/* Names by which Docker Hub goes as well. */
static const char *const hub_aliases[] = {"docker.io", "index.docker.io", "registry-1.docker.io"};

static const struct scheme {
	const char *prefix;
	enum reference_kind kind;
	enum layout_kind layout;
} schemes[] = {
	{"store:", REFERENCE_STORE, LAYOUT_DIRECTORY},
	{"oci:", REFERENCE_LAYOUT, LAYOUT_DIRECTORY},
	{"oci-archive:", REFERENCE_LAYOUT, LAYOUT_ARCHIVE},
	{"bundle:", REFERENCE_LAYOUT, LAYOUT_BUNDLE},
};

static bool is_lower_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Characters of the separator at s between two runs of letters: . _ __ or dashes; 0 for none. */
static size_t separator_len(const char *s)
{
	if (*s == '.')
		return 1;
	if (*s == '_')
		return s[1] == '_' ? 2 : 1;
	return strspn(s, "-");
}

bool repository_is_valid(const char *name)
{
	const char *s = name;

	if (strlen(name) > REPOSITORY_MAX)
		return false;
	for (;;) {
		if (!is_lower_or_digit(*s))
			return false;
		while (is_lower_or_digit(*s))
			s++;
		if (*s == '\0')
			return true;
		s += *s == '/' ? 1 : separator_len(s);
	}
}

bool tag_is_valid(const char *tag)
{
	size_t n = 0;

	if (tag[0] == '.' || tag[0] == '-')
		return false;
	while (isalnum((unsigned char)tag[n]) || (tag[n] && strchr("_.-", tag[n])))
		n++;
	return tag[n] == '\0' && n > 0 && n <= TAG_MAX;
}

/* The length is looked at first, so that the number cannot overflow. */
static bool port_is_valid(const char *s)
{
	size_t n = strspn(s, "0123456789");
	long port = n <= PORT_DIGITS_MAX ? strtol(s, NULL, 10) : 0;

	return s[n] == '\0' && port > 0 && port <= PORT_MAX;
}

/* Labels of letters, digits and inner dashes, with dots between: n characters at s. */
static bool dns_name_is_valid(const char *s, size_t n)
{
	char before = '.';

	for (size_t i = 0; i < n; i++) {
		bool edge = before == '.' || i + 1 == n || s[i + 1] == '.';

		if (!isalnum((unsigned char)s[i]) && s[i] != '.' && s[i] != '-')
			return false;
		if ((s[i] == '.' || s[i] == '-') && edge)
			return false;
		before = s[i];
	}
	return n > 0 && n <= DNS_NAME_MAX;
}

bool host_is_valid(const char *host)
{
	char address[INET6_ADDRSTRLEN];
	struct in6_addr binary;
	size_t n;

	if (host[0] != '[') {
		n = strcspn(host, ":");
		return dns_name_is_valid(host, n) &&
		       (host[n] == '\0' || port_is_valid(host + n + 1));
	}
	n = strcspn(host + 1, "]");
	if (n >= sizeof(address) || host[1 + n] == '\0')
		return false;
	memcpy(address, host + 1, n);
	address[n] = '\0';
	if (inet_pton(AF_INET6, address, &binary) != 1)
		return false;
	host += n + 2;
	return *host == '\0' || (*host == ':' && port_is_valid(host + 1));
}

void reference_clear(struct reference *r)
{
	free(r->host);
	free(r->repository);
	free(r->tag);
	*r = REFERENCE_INIT;
}

/* Takes "@DIGEST" and then ":TAG" off the end of name, which is cut there. */
static int take_suffixes(struct reference *r, char *name, struct error *err)
{
	char *at = strchr(name, '@');
	char *slash;
	char *colon;
	int rc;

	if (at) {
		*at = '\0';
		rc = digest_parse(at + 1, &r->digest, err);
		if (rc < 0)
			return rc;
		r->has_digest = true;
	}
	/* A ':' before the last '/' would be a port's, and is refused as a repository's. */
	slash = strrchr(name, '/');
	colon = strchr(slash ? slash : name, ':');
	if (!colon)
		return 0;
	*colon = '\0';
	if (!tag_is_valid(colon + 1))
		return error_set(err,
			ERR_USAGE,
			"'%.140s' is not a tag: at most %d letters, digits, '_', '.' and '-', "
			"the first no '.' or '-'",
			colon + 1,
			TAG_MAX);
	r->tag = xstrdup(colon + 1);
	return 0;
}

static int check_repository(const char *name, struct error *err)
{
	if (repository_is_valid(name))
		return 0;
	return error_set(err,
		ERR_USAGE,
		"'%.80s' is not a repository name: at most %d lower-case letters and digits, in parts "
		"separated by '/', '.', '_' or '-'",
		name,
		REPOSITORY_MAX);
}

/*
 * distribution/reference, splitDockerDomain: the first part is a host when it
 * could not be part of a repository's name, or is "localhost".
 */
static bool starts_with_host(const char *s)
{
	size_t n = strcspn(s, "/");

	if (s[n] == '\0')
		return false;
	if (n == strlen("localhost") && strncmp(s, "localhost", n) == 0)
		return true;
	for (size_t i = 0; i < n; i++)
		if (strchr(".:[", s[i]) || isupper((unsigned char)s[i]))
			return true;
	return false;
}

/* Hosts are compared as DNS does, but otherwise left as they were written. */
static bool is_hub(const char *host)
{
	for (size_t i = 0; i < ARRAY_SIZE(hub_aliases); i++)
		if (strcasecmp(host, hub_aliases[i]) == 0)
			return true;
	return false;
}

static char *join(const char *a, const char *b)
{
	return xasprintf("%s%s", a, b);
}

static int parse_registry(const char *s, struct reference *r, struct error *err)
{
	bool has_host = starts_with_host(s);
	size_t host_len = has_host ? strcspn(s, "/") : 0;
	AUTO_FREE char *name = xstrdup(s + host_len + (has_host ? 1 : 0));
	int rc;

	if (strstr(s, "://"))
		return error_set(err, ERR_USAGE, "write it without the scheme and '://'");
	if (strlen(s) == ID_HEX_LEN && strspn(s, "0123456789abcdef") == ID_HEX_LEN)
		return error_set(err, ERR_USAGE, "this is an image ID, not a name");
	r->host = has_host ? xstrndup(s, host_len) : xstrdup(hub);
	if (!host_is_valid(r->host))
		return error_set(err, ERR_USAGE, "'%.80s' is not a host or host:port", r->host);
	rc = take_suffixes(r, name, err);
	if (rc < 0)
		return rc;
	if (is_hub(r->host)) {
		str_replace(&r->host, hub);
		r->repository = join(strchr(name, '/') ? "" : hub_library, name);
	} else {
		r->repository = steal(&name);
	}
	return check_repository(r->repository, err);
}

/*
 * A directory's name ends at the first ':', as in skopeo, and the rest is the
 * REF, in which ':' and '/' may stand.  A bundle has no REF.
 */
static int parse_layout(const char *s, struct reference *r, struct error *err)
{
	size_t n = r->layout == LAYOUT_BUNDLE ? strlen(s) : strcspn(s, ":");

	if (n == 0)
		return error_set(err, ERR_USAGE, "the path is missing");
	if (s[n] == ':' && s[n + 1] == '\0')
		return error_set(err, ERR_USAGE, "nothing after the last ':'");
	r->repository = xstrndup(s, n);
	if (s[n] == ':')
		r->tag = xstrdup(s + n + 1);
	return 0;
}

static int parse_store(const char *s, struct reference *r, struct error *err)
{
	AUTO_FREE char *name = xstrdup(s);
	int rc = take_suffixes(r, name, err);

	if (rc < 0)
		return rc;
	r->repository = steal(&name);
	return check_repository(r->repository, err);
}

static int parse_kind(const char *s, struct reference *r, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
		size_t n = strlen(schemes[i].prefix);

		if (strncmp(s, schemes[i].prefix, n) != 0)
			continue;
		r->kind = schemes[i].kind;
		r->layout = schemes[i].layout;
		return r->kind == REFERENCE_STORE ? parse_store(s + n, r, err)
						  : parse_layout(s + n, r, err);
	}
	return parse_registry(s, r, err);
}

int reference_parse(const char *s, struct reference *ret, struct error *err)
{
	AUTO(reference_clear) struct reference r = REFERENCE_INIT;
	int rc = parse_kind(s, &r, err);

	if (rc < 0)
		return error_wrap(err, rc, "reference '%.80s'", s);
	*ret = r;
	r = REFERENCE_INIT;
	return 0;
}

static const char *prefix_of(const struct reference *r)
{
	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++)
		if (schemes[i].kind == r->kind && schemes[i].layout == r->layout)
			return schemes[i].prefix;
	return "";
}

char *reference_format(const struct reference *r)
{
	char digest[DIGEST_STR_MAX] = "";

	if (r->has_digest)
		digest_format(&r->digest, digest);
	return xasprintf("%s%s%s%s%s%s%s%s",
		prefix_of(r),
		r->host ? r->host : "",
		r->host ? "/" : "",
		r->repository,
		r->tag ? ":" : "",
		r->tag ? r->tag : "",
		r->has_digest ? "@" : "",
		digest);
}
