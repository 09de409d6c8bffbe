/* chain.c - GOPROXY's language: reading it, and its rules. */
#include "source/chain.h"

#include <string.h>

#include "util/mem.h"

#define SEPARATORS ",|"
#define SPACES     " \t\r\n"

static bool is(const char *name, size_t len, const char *word)
{
	return strlen(word) == len && strncmp(name, word, len) == 0;
}

static int find(const char *name, size_t len, const char *const *names, size_t n_names, size_t *ret,
	struct error *err)
{
	for (size_t i = 0; i < n_names; i++) {
		if (is(name, len, names[i])) {
			*ret = i;
			return 0;
		}
	}
	return error_set(err,
		ERR_USAGE,
		"'%.*s' is no source of the upstream, nor 'direct' or 'off'",
		len < 80 ? (int)len : 80,
		name);
}

static int read_entry(const char *name, size_t len, const char *const *names, size_t n_names,
	struct chain_entry *ret, struct error *err)
{
	if (is(name, len, "off")) {
		ret->kind = CHAIN_OFF;
		return 0;
	}
	if (is(name, len, "direct")) {
		ret->kind = CHAIN_DIRECT;
		return 0;
	}
	ret->kind = CHAIN_SOURCE;
	return find(name, len, names, n_names, &ret->source, err);
}

static int append(
	struct chain *c, const struct chain_entry *e, const char *const *names, struct error *err)
{
	for (size_t i = 0; e->kind != CHAIN_OFF && i < c->n; i++)
		if (c->entries[i].source == e->source)
			return error_set(err, ERR_USAGE, "'%.80s' comes twice", names[e->source]);
	if (c->n == CHAIN_MAX)
		return error_set(err, ERR_USAGE, "more than %d entries", CHAIN_MAX);
	c->entries[c->n++] = *e;
	return 0;
}

int chain_parse(const char *text, const char *const *names, size_t n_names, size_t authority,
	struct chain *ret, struct error *err)
{
	struct chain c = {.n = 0};

	/* After the end nothing counts, so it is not read either (sources.md 1.1). */
	while (*text && (c.n == 0 || c.entries[c.n - 1].kind == CHAIN_SOURCE)) {
		size_t len = strcspn(text, SEPARATORS), before = strspn(text, SPACES);
		const char *end = text + len;
		struct chain_entry e = {.source = authority, .any_error = *end == '|'};
		int rc;

		text += before < len ? before : len;
		for (len = (size_t)(end - text); len > 0 && strchr(SPACES, text[len - 1]); len--)
			;
		rc = len ? read_entry(text, len, names, n_names, &e, err) : 0;
		if (rc == 0 && len)
			rc = append(&c, &e, names, err);
		if (rc < 0)
			return rc;
		text = *end ? end + 1 : end;
	}
	if (c.n == 0)
		return error_set(err, ERR_USAGE, "the chain names no source");
	*ret = c;
	return 0;
}

bool chain_goes_on(const struct chain_entry *e, enum errc failure)
{
	return e->any_error || failure == ERR_NOTFOUND || failure == ERR_CORRUPT;
}

size_t chain_shown(const struct chain *c, const enum errc *classes)
{
	size_t other = c->n, absent = c->n;

	for (size_t i = c->n; i-- > 0;) {
		if (classes[i] == ERR_NONE || c->entries[i].kind == CHAIN_OFF)
			continue;
		if (c->entries[i].kind == CHAIN_DIRECT)
			return i;
		if (classes[i] == ERR_NOTFOUND)
			absent = i;
		else
			other = i;
	}
	return other < c->n ? other : absent;
}
