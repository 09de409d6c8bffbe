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

/* The parameters that are kept; the order of param_names. */
enum param {
	PARAM_REALM,
	PARAM_SERVICE,
	PARAM_SCOPE,
	PARAM_ERROR,
	PARAM_MAX_
};

static const char *const param_names[PARAM_MAX_] = {"realm", "service", "scope", "error"};

/* A value as it stands in the header, without its quotes but with its backslashes. */
struct value {
	const char *text; /* NULL: not there */
	size_t len;
	bool quoted;
};

/* The challenge being read; it is taken over when the next scheme begins. */
struct reader {
	bool is_basic, is_bearer;
	struct value values[PARAM_MAX_];
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

/* A value, quoted or bare; *s moves behind it.  False: a quote that does not end. */
static bool read_value(const char **s, struct value *ret)
{
	const char *p = *s;

	if (*p != '"') {
		*ret = (struct value){.text = p, .len = strcspn(p, ", \t")};
		*s = p + ret->len;
		return true;
	}
	for (p++; *p && *p != '"'; p++)
		if (*p == '\\' && p[1])
			p++;
	if (!*p)
		return false;
	*ret = (struct value){.text = *s + 1, .len = (size_t)(p - *s) - 1, .quoted = true};
	*s = p + 1;
	return true;
}

/* What a value says (RFC 9110 5.6.4); NULL when it is not there.  Caller frees. */
static char *value_text(const struct value *v)
{
	char *text;
	size_t n = 0;

	if (!v->text)
		return NULL;
	text = xmalloc(v->len + 1);
	for (size_t i = 0; i < v->len; i++) {
		if (v->quoted && v->text[i] == '\\' && i + 1 < v->len)
			i++;
		text[n++] = v->text[i];
	}
	text[n] = '\0';
	return text;
}

/* A parameter occurs once in a challenge (RFC 9110 11.2); the first one counts. */
static void take_param(struct reader *r, const char *name, size_t len, const struct value *value)
{
	for (size_t i = 0; i < PARAM_MAX_; i++)
		if (strlen(param_names[i]) == len && strncasecmp(param_names[i], name, len) == 0 &&
			!r->values[i].text)
			r->values[i] = *value;
}

/* Ends the challenge being read and keeps what is wanted of it. */
static void take_challenge(struct challenge *c, struct reader *r)
{
	if (r->is_basic)
		c->basic = true;
	if (r->is_bearer && r->values[PARAM_REALM].len > 0 && !c->bearer) {
		c->bearer = true;
		c->realm = value_text(&r->values[PARAM_REALM]);
		c->service = value_text(&r->values[PARAM_SERVICE]);
		c->scope = value_text(&r->values[PARAM_SCOPE]);
		c->error = value_text(&r->values[PARAM_ERROR]);
	}
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
	struct value value;

	if (len == 0)
		return false;
	if (*p == '=') {
		p += 1 + skip_space(p + 1);
		if (!read_value(&p, &value))
			return false;
		take_param(r, name, len, &value);
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
