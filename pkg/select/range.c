#include "select/range.h"

#include <string.h>

#include "util/mem.h"

#define SEPARATORS  " \t,"
#define RANGE_SHOWN 80 /* bytes of a bad range that a message quotes */

/* The versions from `from` to `to`, or all others.  Every comparison comes down to this. */
struct interval {
	struct semver from, to;
	bool has_from, has_to;
	bool without_from; /* `from` itself is outside */
	bool with_to;      /* `to` itself is inside */
	bool negated;
	unsigned alternative; /* intervals of the same number must all hold */
};

struct range {
	char *text; /* versions point into it; separators are NUL */
	struct interval *intervals;
	size_t n, cap;
};

enum comparison {
	OP_NONE,
	OP_EQUAL,
	OP_DIFFERENT,
	OP_AT_LEAST,
	OP_AT_MOST,
	OP_ABOVE,
	OP_BELOW,
	OP_CARET,
	OP_TILDE,
};

/* Longer ones first, so that ">=" is not taken for ">". */
static const struct {
	const char *text;
	enum comparison op;
} operators[] = {
	{"!=", OP_DIFFERENT},
	{">=", OP_AT_LEAST},
	{"<=", OP_AT_MOST},
	{"==", OP_EQUAL},
	{"=", OP_EQUAL},
	{">", OP_ABOVE},
	{"<", OP_BELOW},
	{"^", OP_CARET},
	{"~", OP_TILDE},
};

struct parser {
	const char *original; /* for messages: `at` is cut up */
	const struct range *range;
	char *at;
};

static int refuse(const struct parser *p, const char *word, const char *why, struct error *err)
{
	return error_set(err,
		ERR_USAGE,
		"semver range '%.*s': at offset %zu: %s",
		RANGE_SHOWN,
		p->original,
		(size_t)(word - p->range->text),
		why);
}

/* Cuts the next word off, or returns NULL at the end of the alternative. */
static char *next_word(struct parser *p)
{
	char *word = p->at + strspn(p->at, SEPARATORS);
	size_t len = strcspn(word, SEPARATORS);

	p->at = word + len;
	if (len == 0)
		return NULL;
	if (*p->at)
		*p->at++ = '\0';
	return word;
}

static bool is_wildcard(const char *s)
{
	return (*s == 'x' || *s == 'X' || *s == '*') && s[1] == '\0';
}

/* Cuts ".x" and ".*" off the end.  True: nothing but a wildcard is left. */
static bool strip_wildcards(char *word, bool *ret_stripped)
{
	char *dot;

	*ret_stripped = false;
	while ((dot = strrchr(word, '.')) && is_wildcard(dot + 1)) {
		*dot = '\0';
		*ret_stripped = true;
	}
	return is_wildcard(*word == 'v' ? word + 1 : word);
}

/* ret_any says that the word stands for every version; it is NULL where that makes no sense. */
static int parse_version(
	const struct parser *p, char *word, struct semver *ret, bool *ret_any, struct error *err)
{
	bool stripped, any = strip_wildcards(word, &stripped);

	if (any && !ret_any)
		return refuse(p, word, "a star stands only alone or after a number", err);
	if (!any) {
		if (!semver_parse(word, ret) ||
			(stripped && (ret->prerelease || ret->n_numbers == SEMVER_NUMBERS_MAX)))
			return refuse(p, word, "not a version", err);
		if (ret->prerelease)
			ret->n_numbers =
				SEMVER_NUMBERS_MAX; /* 1.2-rc is one version, not all of 1.2 */
	}
	if (ret_any)
		*ret_any = any;
	return 0;
}

/* The first version after all that share the first n numbers of v (at least one). */
static struct semver after_prefix(const struct semver *v, unsigned n)
{
	struct semver next = {.n_numbers = SEMVER_NUMBERS_MAX, .major = v->major};

	if (n <= 1) {
		next.major++;
	} else if (n == 2) {
		next.minor = v->minor + 1;
	} else {
		next.minor = v->minor;
		next.patch = v->patch + 1;
	}
	return next;
}

/* How many numbers a caret holds still: up to the first that is not 0. */
static unsigned caret_numbers(const struct semver *v)
{
	unsigned n = v->major ? 1 : v->minor ? 2 : 3;

	return n < v->n_numbers ? n : v->n_numbers;
}

static struct interval interval_of(enum comparison op, const struct semver *v)
{
	struct interval i = {.from = *v, .to = *v, .has_from = true, .has_to = true};
	bool exact = v->n_numbers == SEMVER_NUMBERS_MAX;
	struct semver past = after_prefix(v, v->n_numbers);

	switch (op) {
	case OP_NONE:
	case OP_EQUAL:
	case OP_DIFFERENT:
		i.with_to = exact;
		i.to = exact ? *v : past;
		i.negated = op == OP_DIFFERENT;
		break;
	case OP_AT_LEAST:
		i.has_to = false;
		break;
	case OP_ABOVE:
		i.has_to = false;
		i.without_from = exact;
		i.from = exact ? *v : past;
		break;
	case OP_AT_MOST:
		i.has_from = false;
		i.with_to = exact;
		i.to = exact ? *v : past;
		break;
	case OP_BELOW:
		i.has_from = false;
		break;
	case OP_CARET:
		i.to = after_prefix(v, caret_numbers(v));
		break;
	case OP_TILDE:
		i.to = after_prefix(v, v->n_numbers < 2 ? v->n_numbers : 2);
		break;
	}
	return i;
}

static enum comparison take_operator(char **word)
{
	for (size_t i = 0; i < ARRAY_SIZE(operators); i++) {
		size_t len = strlen(operators[i].text);

		if (strncmp(*word, operators[i].text, len) == 0) {
			*word += len;
			return operators[i].op;
		}
	}
	return OP_NONE;
}

/* True, and the word taken, when a hyphen of its own comes next: "1.2 - 1.4". */
static bool take_hyphen(struct parser *p)
{
	char *word = p->at + strspn(p->at, SEPARATORS);

	if (word[0] != '-' || (word[1] && !strchr(SEPARATORS, word[1])))
		return false;
	p->at = word + 1;
	return true;
}

static int parse_hyphen(struct parser *p, struct interval *i, struct error *err)
{
	char *word = next_word(p);
	struct interval upper;
	struct semver v = {0};
	int rc;

	if (!word)
		return refuse(p, p->at, "a version is missing", err);
	rc = parse_version(p, word, &v, NULL, err);
	if (rc < 0)
		return rc;
	upper = interval_of(OP_AT_MOST, &v);
	i->has_to = true;
	i->to = upper.to;
	i->with_to = upper.with_to;
	return 0;
}

static int parse_interval(struct parser *p, char *word, struct interval *ret, struct error *err)
{
	enum comparison op = take_operator(&word);
	bool any = false;
	struct semver v = {0};
	int rc;

	if (op != OP_NONE && *word == '\0') {
		word = next_word(p);
		if (!word)
			return refuse(p, p->at, "a version is missing", err);
	}
	rc = parse_version(p, word, &v, op == OP_NONE || op == OP_EQUAL ? &any : NULL, err);
	if (rc < 0)
		return rc;
	if (any) {
		*ret = (struct interval){0};
		return 0;
	}
	*ret = interval_of(op, &v);
	if (op == OP_NONE && take_hyphen(p)) {
		*ret = interval_of(OP_AT_LEAST, &v);
		return parse_hyphen(p, ret, err);
	}
	return 0;
}

static int parse_alternative(
	struct parser *p, struct range *r, unsigned alternative, struct error *err)
{
	const char *start = p->at;
	char *word = next_word(p);

	if (!word)
		return refuse(p, start, "a version is missing", err);
	for (; word; word = next_word(p)) {
		struct interval i;
		int rc = parse_interval(p, word, &i, err);

		if (rc < 0)
			return rc;
		i.alternative = alternative;
		r->intervals = array_grow(r->intervals, r->n, &r->cap, sizeof(*r->intervals));
		r->intervals[r->n++] = i;
	}
	return 0;
}

int range_parse(const char *text, struct range **ret, struct error *err)
{
	AUTO(range_freep) struct range *r = xcalloc(1, sizeof(*r));
	unsigned n_alternatives = 0;
	char *next;

	r->text = xstrdup(text);
	for (char *at = r->text; at; at = next) {
		struct parser p = {.original = text, .range = r, .at = at};
		int rc;

		next = strstr(at, "||");
		if (next) {
			*next = '\0';
			next += strlen("||");
		}
		rc = parse_alternative(&p, r, n_alternatives++, err);
		if (rc < 0)
			return rc;
	}
	*ret = steal(&r);
	return 0;
}

void range_free(struct range *r)
{
	if (!r)
		return;
	free(r->intervals);
	free(r->text);
	free(r);
}

static bool interval_has(const struct interval *i, const struct semver *v)
{
	int from = i->has_from ? semver_compare(v, &i->from) : 1;
	int to = i->has_to ? semver_compare(v, &i->to) : -1;
	bool inside = (from > 0 || (from == 0 && !i->without_from)) &&
		      (to < 0 || (to == 0 && i->with_to));

	return inside != i->negated;
}

static bool is_prerelease_of_same(const struct semver *bound, const struct semver *v)
{
	return bound->prerelease && bound->major == v->major && bound->minor == v->minor &&
	       bound->patch == v->patch;
}

static bool names_prerelease(const struct interval *i, const struct semver *v)
{
	return (i->has_from && is_prerelease_of_same(&i->from, v)) ||
	       (i->has_to && is_prerelease_of_same(&i->to, v));
}

bool range_has(const struct range *r, const struct semver *v)
{
	for (size_t i = 0; i < r->n;) {
		unsigned alternative = r->intervals[i].alternative;
		bool holds = true, named = !v->prerelease;

		for (; i < r->n && r->intervals[i].alternative == alternative; i++) {
			holds = holds && interval_has(&r->intervals[i], v);
			named = named || names_prerelease(&r->intervals[i], v);
		}
		if (holds && named)
			return true;
	}
	return false;
}
