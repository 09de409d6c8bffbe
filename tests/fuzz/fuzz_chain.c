/*
 * Input: a chain.  The sources are s0 to s31 and "auth", which is the authority.  What is accepted
 * and printed again is the same chain, and following it ends.
 */
#include <stdint.h>

#include "source/chain.h"
#include "util/compiler.h"
#include "util/mem.h"

#define SOURCES  33
#define NAME_LEN 8 /* "s31" and its NUL */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char names_text[SOURCES][NAME_LEN];
static const char *names[SOURCES];

static void name_sources(void)
{
	for (size_t i = 0; i < SOURCES; i++) {
		(void)snprintf(names_text[i], NAME_LEN, i + 1 < SOURCES ? "s%zu" : "auth", i);
		names[i] = names_text[i];
	}
}

static char *printed(const struct chain *c)
{
	char *text = xstrdup("");

	for (size_t i = 0; i < c->n; i++) {
		const struct chain_entry *e = &c->entries[i];
		const char *name = e->kind == CHAIN_DIRECT ? "direct"
				   : e->kind == CHAIN_OFF  ? "off"
							   : names[e->source];
		char *longer = xasprintf("%s%s%c", text, name, e->any_error ? '|' : ',');

		free(text);
		text = longer;
	}
	return text;
}

static void check_form(const struct chain *c)
{
	uint64_t seen = 0;

	if (c->n == 0 || c->n > CHAIN_MAX)
		abort();
	for (size_t i = 0; i < c->n; i++) {
		const struct chain_entry *e = &c->entries[i];

		if (e->source >= SOURCES || (e->kind != CHAIN_SOURCE && i + 1 < c->n))
			abort();
		if (e->kind != CHAIN_OFF && (seen >> e->source & 1))
			abort();
		seen |= e->kind != CHAIN_OFF ? UINT64_C(1) << e->source : 0;
		if (e->authority != (e->kind != CHAIN_OFF && e->source == SOURCES - 1))
			abort();
		/* A bar lets on what a comma does. */
		for (int f = ERR_NONE; f < ERR_MAX_; f++) {
			struct chain_entry strict = *e;

			strict.any_error = false;
			if (chain_goes_on(&strict, (enum errc)f) && !chain_goes_on(e, (enum errc)f))
				abort();
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = xstrndup((const char *)data, size);
	AUTO_FREE char *again = NULL;
	enum errc classes[CHAIN_MAX] = {ERR_NONE};
	struct chain c, d;

	if (!names[0])
		name_sources();
	if (chain_parse(text, names, SOURCES, SOURCES - 1, &c, NULL) < 0)
		return 0;
	check_form(&c);
	again = printed(&c);
	if (chain_parse(again, names, SOURCES, SOURCES - 1, &d, NULL) < 0 || d.n != c.n)
		abort();
	for (size_t i = 0; i < c.n; i++) {
		if (c.entries[i].kind != d.entries[i].kind ||
			c.entries[i].source != d.entries[i].source ||
			c.entries[i].authority != d.entries[i].authority ||
			c.entries[i].any_error != d.entries[i].any_error)
			abort();
	}
	if (chain_shown(&c, classes) != c.n)
		abort();
	for (size_t i = 0; i < c.n; i++) {
		classes[i] = data[i % size] % ERR_MAX_;
		if (chain_shown(&c, classes) < c.n && classes[chain_shown(&c, classes)] == ERR_NONE)
			abort();
	}
	return 0;
}
