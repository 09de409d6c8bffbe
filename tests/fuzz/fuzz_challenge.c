#include <stdint.h>

#include "registry/challenge.h"

#include "util/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *quote(const char *text)
{
	char *quoted = xmalloc(2 * strlen(text) + 3), *to = quoted;

	*to++ = '"';
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			*to++ = '\\';
		*to++ = *text;
	}
	*to++ = '"';
	*to = '\0';
	return quoted;
}

static void same(const char *a, const char *b)
{
	if ((a == NULL) != (b == NULL) || (a && strcmp(a, b) != 0))
		abort();
}

/* What was read, written down as one header after a challenge that nobody speaks. */
static char *format(const struct challenge *c)
{
	AUTO_FREE char *realm = quote(c->realm);
	AUTO_FREE char *service = quote(c->service ? c->service : "");
	AUTO_FREE char *scope = quote(c->scope ? c->scope : "");
	AUTO_FREE char *error = quote(c->error ? c->error : "");

	return xasprintf("Negotiate abc=, %sbearer REALM=%s%s%s%s%s%s%s",
		c->basic ? "Basic realm=\"a,b\" , " : "",
		realm,
		c->service ? ",service=" : "",
		c->service ? service : "",
		c->scope ? " , scope = " : "",
		c->scope ? scope : "",
		c->error ? ",error=" : "",
		c->error ? error : "");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *value = xstrndup((const char *)data, size);
	AUTO(challenge_clear) struct challenge c = CHALLENGE_INIT, again = CHALLENGE_INIT;
	AUTO_FREE char *text = NULL;

	challenge_add(&c, value);
	if (c.bearer && (!c.realm || !*c.realm))
		abort();
	if (!c.bearer) {
		if (c.realm || c.service || c.scope || c.error)
			abort();
		return 0;
	}
	/* Whatever was read must be read again from its own text. */
	text = format(&c);
	challenge_add(&again, text);
	if (!again.bearer || again.basic != c.basic)
		abort();
	same(c.realm, again.realm);
	same(c.service, again.service);
	same(c.scope, again.scope);
	same(c.error, again.error);
	return 0;
}
