#include <stdint.h>

#include "registry/link.h"

#include "util/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *value = xstrndup((const char *)data, size);
	AUTO_FREE char *next = NULL;
	AUTO_FREE char *text = NULL;
	AUTO_FREE char *again = NULL;

	if (link_next(value, &next, NULL) < 0) {
		if (next)
			abort();
		return 0;
	}
	if (!next)
		return 0;
	/* A target is never empty, has nothing that could leave its header line, and comes from the
	 * text. */
	if (!*next || next[strcspn(next, " \t\r\n>")] || !strstr(value, next))
		abort();
	/* And is found again behind a link of another relation. */
	text = xasprintf("<x>; title=\"<y>; rel=next\", <%s>;foo ; rel=\"prev next\"", next);
	if (link_next(text, &again, NULL) < 0 || !again || strcmp(next, again) != 0)
		abort();
	return 0;
}
