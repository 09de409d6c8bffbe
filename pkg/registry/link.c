/*
 * link.c - reading a Link header's links one by one.
 *
 * Commas and semicolons may stand inside <> and quotes, so the value is read from the
 * left, never split.
 */
#include "registry/link.h"

#include <ctype.h>
#include <stdbool.h>
#include <strings.h>

#include "util/mem.h"

#define NEXT "next"

static const char *skip_space(const char *s)
{
	return s + strspn(s, " \t");
}

static bool is_token_char(char c)
{
	/* RFC 9110 5.6.2 "tchar" */
	return isalnum((unsigned char)c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

/* The characters of a quoted string or a token, without quotes; *s is moved behind it. */
static bool read_value(const char **s, const char **ret, size_t *ret_len)
{
	const char *p = *s;

	if (*p != '"') {
		while (is_token_char(*p) || *p == '/' || *p == ':')
			p++;
		*ret = *s;
		*ret_len = (size_t)(p - *s);
		*s = p;
		return *ret_len > 0;
	}
	for (p++; *p && *p != '"'; p++)
		if (*p == '\\' && p[1])
			p++;
	if (!*p)
		return false;
	*ret = *s + 1;
	*ret_len = (size_t)(p - *s) - 1;
	*s = p + 1;
	return true;
}

/* Whether "next" is one of the relations in a rel value, which are split by spaces. */
static bool has_next(const char *rel, size_t len)
{
	const char *end = rel + len;

	while (rel < end) {
		size_t n = 0;

		while (rel + n < end && rel[n] != ' ')
			n++;
		if (n == sizeof(NEXT) - 1 && strncasecmp(rel, NEXT, n) == 0)
			return true;
		rel += n + (rel + n < end);
	}
	return false;
}

/* The parameters of one link; *s ends at the comma behind them or at the end. */
static bool read_params(const char **s, bool *ret_next)
{
	bool seen_rel = false;

	*ret_next = false;
	for (*s = skip_space(*s); **s == ';'; *s = skip_space(*s)) {
		const char *name, *value = "";
		size_t name_len = 0, value_len = 0;

		*s = skip_space(*s + 1);
		for (name = *s; is_token_char(**s); (*s)++)
			name_len++;
		*s = skip_space(*s);
		if (**s == '=') {
			*s = skip_space(*s + 1);
			if (!read_value(s, &value, &value_len))
				return false;
		}
		/* The first rel of a link counts, later ones do not (RFC 8288 3.3). */
		if (name_len == 3 && strncasecmp(name, "rel", 3) == 0 && !seen_rel) {
			seen_rel = true;
			*ret_next = has_next(value, value_len);
		}
	}
	return **s == ',' || **s == '\0';
}

static bool uri_is_clean(const char *uri, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)uri[i] <= ' ' || uri[i] == '\x7f')
			return false;
	return len > 0;
}

int link_next(const char *value, char **ret, struct error *err)
{
	const char *s = value;

	for (;;) {
		const char *uri;
		size_t len;
		bool next;

		s += strspn(s, " \t,");
		if (!*s) {
			*ret = NULL;
			return 0;
		}
		if (*s != '<')
			break;
		uri = s + 1;
		len = strcspn(uri, ">");
		if (uri[len] != '>' || !uri_is_clean(uri, len))
			break;
		s = uri + len + 1;
		if (!read_params(&s, &next))
			break;
		if (next) {
			*ret = xstrndup(uri, len);
			return 0;
		}
	}
	return error_set(err, ERR_REMOTE, "malformed Link header '%.80s'", value);
}
