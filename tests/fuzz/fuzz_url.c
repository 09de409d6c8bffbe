#include <stdint.h>

#include "http/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever was accepted is accepted again, as the same text, and is fit for a request line. */
static void check(const struct url *u)
{
	AUTO(url_clear) struct url again = URL_INIT;
	AUTO_FREE char *shown = url_redact(u->text);

	if (url_parse(u->text, &again, NULL) < 0 || strcmp(u->text, again.text) != 0 ||
		!url_same_origin(u, &again))
		abort();
	if (strpbrk(u->text, " \r\n\t") || u->target[0] != '/' || strchr(u->host, '@'))
		abort();
	if (strlen(u->text) > URL_MAX || !shown)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *s = strndup((const char *)data, size);
	AUTO(url_clear) struct url base = URL_INIT, u = URL_INIT, next = URL_INIT;

	if (!s || url_parse("https://registry.example/v2/a/blobs/uploads/1?x=y", &base, NULL) < 0)
		abort();
	if (url_parse(s, &u, NULL) == 0)
		check(&u);
	if (url_resolve(&base, s, &next, NULL) == 0)
		check(&next);
	return 0;
}
