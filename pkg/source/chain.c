/* chain.c - GOPROXY's list, read and followed as cmd/go does (modfetch/proxy.go). */
#include "source/chain.h"

#include "util/compiler.h"

#define SEPARATORS ",|"
#define SPACES     " \t\r\n\v\f"
#define SHOWN_MAX  80 /* bytes of an entry that a message quotes */

/* One entry's text, without the spaces around it. */
struct word {
	const char *s;
	size_t len;
};

static struct word trimmed(const char *s, size_t len)
{
	size_t front;

	while (len > 0 && strchr(SPACES, s[len - 1]))
		len--;
	front = strspn(s, SPACES);
	front = front < len ? front : len;
	return (struct word){s + front, len - front};
}

static bool is(struct word w, const char *text)
{
	return w.len == strlen(text) && memcmp(w.s, text, w.len) == 0;
}

/* For "%.*s". */
static int shown_len(struct word w)
{
	return w.len < SHOWN_MAX ? (int)w.len : SHOWN_MAX;
}

struct names {
	const char *const *items;
	size_t n, authority;
};

static int read_entry(
	struct word w, const struct names *names, struct chain_entry *ret, struct error *err)
{
	*ret = (struct chain_entry){.source = names->authority, .authority = true};
	if (is(w, "direct")) {
		ret->kind = CHAIN_DIRECT;
		return 0;
	}
	if (is(w, "off")) {
		ret->kind = CHAIN_OFF;
		ret->authority = false;
		return 0;
	}
	for (size_t i = 0; i < names->n; i++) {
		if (is(w, names->items[i])) {
			ret->kind = CHAIN_SOURCE;
			ret->source = i;
			ret->authority = i == names->authority;
			return 0;
		}
	}
	return error_set(err,
		ERR_USAGE,
		"'%.*s' is no source of this upstream, nor \"direct\" or \"off\"",
		shown_len(w),
		w.s);
}

/* An entry that asks nobody, "off", may follow anything. */
static bool is_asked_already(const struct chain *c, const struct chain_entry *e)
{
	for (size_t i = 0; i < c->n && e->kind != CHAIN_OFF; i++) {
		if (c->entries[i].source == e->source)
			return true;
	}
	return false;
}

static int append(struct chain *c, const struct chain_entry *e, struct word w, struct error *err)
{
	if (is_asked_already(c, e))
		return error_set(err,
			ERR_USAGE,
			e->authority ? "'%.*s' comes when the authority was asked already"
				     : "'%.*s' comes twice",
			shown_len(w),
			w.s);
	if (c->n == CHAIN_MAX)
		return error_set(err, ERR_USAGE, "more than %d entries", CHAIN_MAX);
	c->entries[c->n++] = *e;
	return 0;
}

int chain_parse(const char *text, const char *const *names, size_t n_names, size_t authority,
	struct chain *ret, struct error *err)
{
	const struct names all = {names, n_names, authority};
	struct chain c = {.n = 0};
	bool ended = false;

	while (*text && !ended) {
		size_t len = strcspn(text, SEPARATORS);
		struct word w = trimmed(text, len);
		struct chain_entry e;
		int rc;

		if (w.len > 0) {
			if ((rc = read_entry(w, &all, &e, err)) < 0)
				return rc;
			ended = e.kind != CHAIN_SOURCE;
			e.any_error = !ended && text[len] == '|';
			if ((rc = append(&c, &e, w, err)) < 0)
				return rc;
		}
		text += text[len] ? len + 1 : len;
	}
	if (c.n == 0)
		return error_set(err, ERR_USAGE, "a chain without entries");
	*ret = c;
	return 0;
}

bool chain_goes_on(const struct chain_entry *e, enum errc failure)
{
	if (e->kind != CHAIN_SOURCE)
		return false;
	switch (failure) {
	case ERR_NOTFOUND:
	case ERR_CORRUPT:
		return true;
	case ERR_NONE:
	case ERR_TRUST:
	case ERR_CANCELED:
	case ERR_MAX_:
		return false;
	case ERR_USAGE:
	case ERR_AUTH:
	case ERR_TEMP:
	case ERR_REMOTE:
	case ERR_IO:
	case ERR_NOMEM:
	case ERR_BUSY:
		break;
	}
	return e->any_error;
}

size_t chain_shown(const struct chain *c, const enum errc *classes)
{
	size_t failure = c->n, absence = c->n;

	for (size_t i = 0; i < c->n; i++) {
		const struct chain_entry *e = &c->entries[i];

		if (classes[i] == ERR_NONE)
			continue;
		if (e->kind == CHAIN_DIRECT || (e->kind == CHAIN_SOURCE && e->authority))
			return i;
		if (classes[i] != ERR_NOTFOUND && failure == c->n)
			failure = i;
		if (classes[i] == ERR_NOTFOUND && absence == c->n)
			absence = i;
	}
	return failure != c->n ? failure : absence;
}
