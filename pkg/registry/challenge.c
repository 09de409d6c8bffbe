/*
 * challenge.c - challenges, split by the same commas that split their parameters.
 *
 * A name followed by "=" is a parameter of the challenge before it; any other name begins
 * a challenge.  A token68 (Negotiate has one) looks like a name with its value cut off,
 * and is known by what follows it.
 */
#include "registry/challenge.h"

#include <ctype.h>
#include <strings.h>

#include "util/mem.h"

/* The challenge being read; it is taken over when the next scheme begins. */
struct reader {
	bool is_basic, is_bearer;
	char *realm, *service, *scope, *error;
};

void challenge_clear(struct challenge *c)
{
	free(c->realm);
	free(c->service);
	free(c->scope);
	free(c->error);
	*c = CHALLENGE_INIT;
}

static size_t skip_space(const char *s)
{
	return strspn(s, " \t");
}

/* Characters of a token (RFC 9110 5.6.2). */
static size_t token_len(const char *s)
{
	size_t n = 0;

	while (isalnum((unsigned char)s[n]) || (s[n] && strchr("!#$%&'*+-.^_`|~", s[n])))
		n++;
	return n;
}

/*
 * Characters of a token68 that stands alone up to a comma or the end; 0 when it is something else.
 */
static size_t token68_len(const char *s)
{
	size_t n = 0, end;

	while (isalnum((unsigned char)s[n]) || (s[n] && strchr("-._~+/", s[n])))
		n++;
	if (n == 0)
		return 0;
	n += strspn(s + n, "=");
	end = n + skip_space(s + n);
	return s[end] == ',' || s[end] == '\0' ? n : 0;
}

/*
 * A value, quoted or bare, as text of its own; *s moves behind it. NULL: a quote that does not end.
 */
static char *read_value(const char **s)
{
	const char *p = *s;
	char *value;
	size_t n = 0;

	if (*p != '"') {
		n = strcspn(p, ", \t");
		*s = p + n;
		return xstrndup(p, n);
	}
	value = xmalloc(strlen(p));
	for (p++; *p && *p != '"'; p++) {
		if (*p == '\\' && p[1])
			p++;
		value[n++] = *p;
	}
	value[n] = '\0';
	if (*p != '"') {
		free(value);
		return NULL;
	}
	*s = p + 1;
	return value;
}

static void take_param(struct reader *r, const char *name, size_t len, char *value)
{
	const struct {
		const char *name;
		char **place;
	} known[] = {
		{"realm", &r->realm},
		{"service", &r->service},
		{"scope", &r->scope},
		{"error", &r->error},
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (strlen(known[i].name) != len || strncasecmp(known[i].name, name, len) != 0)
			continue;
		/* A parameter occurs once in a challenge (RFC 9110 11.2); the first one counts. */
		if (!*known[i].place)
			*known[i].place = steal(&value);
		break;
	}
	free(value);
}

/* Ends the challenge being read and keeps what is wanted of it. */
static void take_challenge(struct challenge *c, struct reader *r)
{
	if (r->is_basic)
		c->basic = true;
	if (r->is_bearer && r->realm && *r->realm && !c->bearer) {
		c->bearer = true;
		c->realm = steal(&r->realm);
		c->service = steal(&r->service);
		c->scope = steal(&r->scope);
		c->error = steal(&r->error);
	}
	free(r->realm);
	free(r->service);
	free(r->scope);
	free(r->error);
	*r = (struct reader){.is_basic = false};
}

static void begin_scheme(struct reader *r, const char *name, size_t len)
{
	r->is_basic = len == 5 && strncasecmp(name, "Basic", len) == 0;
	r->is_bearer = len == 6 && strncasecmp(name, "Bearer", len) == 0;
}

/* One scheme or one parameter; false: the rest cannot be understood. */
static bool read_item(struct challenge *c, struct reader *r, const char **s)
{
	const char *name = *s;
	const size_t len = token_len(name);
	const char *p = name + len + skip_space(name + len);
	char *value;

	if (len == 0)
		return false;
	if (*p == '=') {
		p += 1 + skip_space(p + 1);
		value = read_value(&p);
		if (!value)
			return false;
		take_param(r, name, len, value);
	} else {
		take_challenge(c, r);
		begin_scheme(r, name, len);
		p += token68_len(p);
	}
	*s = p;
	return true;
}

void challenge_add(struct challenge *c, const char *value)
{
	struct reader r = {.is_basic = false};
	const char *s = value;

	do {
		s += strspn(s, " \t,");
	} while (*s && read_item(c, &r, &s));
	take_challenge(c, &r);
}
