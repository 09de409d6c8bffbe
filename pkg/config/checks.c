/*
 * checks.c - what makes the text of a setting right.
 *
 * Where another package knows the grammar (hosts, repositories, tags, expressions,
 * ranges), it is asked; the messages here add what to write instead.
 */
#include "config/checks.h"

#include <arpa/inet.h>

#include "oci/reference.h"
#include "select/match.h"
#include "select/select.h"
#include "util/mem.h"
#include "util/parse.h"

#define NAME_MAX_LEN 64 /* characters: names stand in log lines, tables and metrics' labels */
#define NAME_CHARS   "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

int check_path(const char *text, struct error *err)
{
	/* Taken literally it would be a folder of that name; nobody wants one. */
	if (strstr(text, "${"))
		return error_set(err, ERR_USAGE, "${...} works in username and password only");
	return 0;
}

/* The schemes are libcurl's for proxies that tunnel or relay HTTP. */
int check_proxy(const char *text, struct error *err)
{
	static const char *const schemes[] = {
		"http://",
		"https://",
		"socks5://",
		"socks5h://",
	};
	const char *host = NULL;
	AUTO_FREE char *name = NULL;

	if (check_path(text, err) < 0)
		return -ERR_USAGE;
	for (size_t i = 0; i < ARRAY_SIZE(schemes) && !host; i++) {
		if (strncmp(text, schemes[i], strlen(schemes[i])) == 0)
			host = text + strlen(schemes[i]);
	}
	if (!host)
		return error_set(err,
			ERR_USAGE,
			"a proxy begins with http://, https://, socks5:// or socks5h://");
	/* The user's part may hold anything but a slash; the host begins at the last '@'. */
	if (strchr(host, '@'))
		host = strrchr(host, '@') + 1;
	name = xstrndup(host, strcspn(host, "/"));
	if (!host_is_valid(name) || strlen(host) > strlen(name) + 1)
		return error_set(err, ERR_USAGE, "'%.80s' is no proxy's host[:port]", host);
	return 0;
}

/* A host, a domain (".corp.example"), an address, a network (10.0.0.0/8), or "*" for all: as in
 * NO_PROXY. */
int check_bypass(const char *text, struct error *err)
{
	if (strpbrk(text, " ,\"'"))
		return error_set(err, ERR_USAGE, "'%.80s' is no host: one to a list item", text);
	return 0;
}

int check_address(const char *text, struct error *err)
{
	struct in6_addr room;

	if (inet_pton(AF_INET, text, &room) != 1 && inet_pton(AF_INET6, text, &room) != 1)
		return error_set(err, ERR_USAGE, "'%.80s' is no IP address", text);
	return 0;
}

/* An address, not a name: what a name stands for may change, and be more than one. */
int check_listen(const char *text, struct error *err)
{
	const char *colon = strrchr(text, ':');
	struct in6_addr room;
	uint64_t port;

	if (colon && parse_u64(colon + 1, &port, NULL) == 0 && port <= UINT16_MAX) {
		bool brackets = text[0] == '[' && colon[-1] == ']';
		AUTO_FREE char *address = brackets ? xstrndup(text + 1, (size_t)(colon - text) - 2)
						   : xstrndup(text, (size_t)(colon - text));

		if (inet_pton(brackets ? AF_INET6 : AF_INET, address, &room) == 1)
			return 0;
	}
	return error_set(err,
		ERR_USAGE,
		"'%.80s' is no address and port, such as 127.0.0.1:5000 or [::]:5000",
		text);
}

int check_name(const char *text, struct error *err)
{
	size_t len = strlen(text);

	if (len == 0 || len > NAME_MAX_LEN || strspn(text, NAME_CHARS) != len ||
		strchr("._-", text[0]))
		return error_set(err,
			ERR_USAGE,
			"'%.80s' is no name: up to %d letters, digits and '._-', a letter or digit first",
			text,
			NAME_MAX_LEN);
	return 0;
}

int check_host(const char *text, struct error *err)
{
	if (strstr(text, "://"))
		return error_set(err,
			ERR_USAGE,
			"'%.80s': without a scheme, please; plain HTTP is 'tls: off' in registries",
			text);
	if (!host_is_valid(text))
		return error_set(err, ERR_USAGE, "'%.80s' is no host[:port]", text);
	return 0;
}

int check_source(const char *text, struct error *err)
{
	const char *slash = strchr(text, '/');
	AUTO_FREE char *host = xstrndup(text, strcspn(text, "/"));

	if (strstr(text, "://") || !slash)
		return check_host(text, err);
	if (check_host(host, err) < 0)
		return -ERR_USAGE;
	/* The path becomes the front of repositories' names, so it has their grammar. */
	if (!repository_is_valid(slash + 1))
		return error_set(err,
			ERR_USAGE,
			"'%.80s' in '%.80s' is no part of a repository's name",
			slash + 1,
			text);
	return 0;
}

int check_repository(const char *text, struct error *err)
{
	if (!repository_is_valid(text))
		return error_set(err,
			ERR_USAGE,
			"'%.80s' is no repository: lower-case letters, digits, single '._-' within, '/'",
			text);
	return 0;
}

const char *chain_next(const char **text, size_t *ret_len)
{
	static const char ends[] = ",|", blanks[] = " \t";
	const char *entry = *text + strspn(*text, ",| \t"); /* empty entries mean nothing */
	size_t len = strcspn(entry, ends);

	*text = entry + len;
	while (len > 0 && strchr(blanks, entry[len - 1]))
		len--;
	*ret_len = len;
	return len ? entry : NULL;
}

int check_chain(const char *text, struct error *err)
{
	size_t len;

	if (!chain_next(&text, &len))
		return error_set(err,
			ERR_USAGE,
			"no source is in it; write mirrors' hosts, 'direct' or 'off' between ',' or '|'");
	return 0;
}

int check_tag(const char *text, struct error *err)
{
	if (!tag_is_valid(text))
		return error_set(err, ERR_USAGE, "'%.80s' is no tag", text);
	return 0;
}

char *rename_apply(const char *pattern, const char *repository)
{
	char *out = xstrdup(pattern);
	char *at;

	while ((at = strstr(out, RENAME_PLACE)) != NULL) {
		char *longer = xasprintf(
			"%.*s%s%s", (int)(at - out), out, repository, at + strlen(RENAME_PLACE));

		free(out);
		out = longer;
	}
	return out;
}

int check_rename(const char *text, struct error *err)
{
	AUTO_FREE char *example = NULL;

	/* With the shortest repository in its place, all that is wrong is the pattern's own. */
	if (strlen(text) > REPOSITORY_MAX)
		return error_set(err, ERR_USAGE, "longer than any repository's name");
	example = rename_apply(text, "r");
	if (strpbrk(example, "{}"))
		return error_set(
			err, ERR_USAGE, "'%.80s': the only placeholder is " RENAME_PLACE, text);
	if (!repository_is_valid(example))
		return error_set(err, ERR_USAGE, "'%.80s' does not make a repository's name", text);
	return 0;
}

int check_glob(const char *text, struct error *err)
{
	AUTO(pattern_freep) struct pattern *pattern = NULL;

	return pattern_glob(text, &pattern, err);
}

/* Compiled as a rule would, and thrown away: what compiles now compiles in the run. */
static int check_selector(const struct select_rules *rules, struct error *err)
{
	AUTO(selector_freep) struct selector *selector = NULL;

	return selector_new(rules, &selector, err);
}

int check_regex(const char *text, struct error *err)
{
	return check_selector(&(struct select_rules){.include = &text, .n_include = 1}, err);
}

int check_semver(const char *text, struct error *err)
{
	return check_selector(&(struct select_rules){.semver = text}, err);
}
