#include "server/range.h"

#include "util/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void of_request(const char *text, uint64_t size)
{
	AUTO_FREE char *plain = NULL;
	struct range r, again;

	if (range_of_request(text, size, &r) != RANGE_PART)
		return;
	if (r.first > r.last || r.last >= size)
		abort();
	plain = xasprintf(
		"bytes=%llu-%llu", (unsigned long long)r.first, (unsigned long long)r.last);
	if (range_of_request(plain, size, &again) != RANGE_PART || again.first != r.first ||
		again.last != r.last)
		abort();
}

static void of_piece(const char *text)
{
	AUTO_FREE char *plain = NULL;
	struct range r, again;

	if (range_of_piece(text, &r, NULL) < 0)
		return;
	if (r.first > r.last)
		abort();
	plain = xasprintf("%llu-%llu", (unsigned long long)r.first, (unsigned long long)r.last);
	if (range_of_piece(plain, &again, NULL) < 0 || again.first != r.first ||
		again.last != r.last)
		abort();
}

/* A list goes on matching when more tags stand before it. */
static void of_condition(const char *text)
{
	AUTO_FREE char *longer = xasprintf("\"x\", %s", text);

	if (strchr(text, '*') || !etag_matches(text, "\"a\""))
		return;
	if (!strstr(text, "\"a\"") || !etag_matches(longer, "\"a\""))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = xstrndup((const char *)data, size);

	of_request(text, 0);
	of_request(text, 1);
	of_request(text, 1000);
	of_request(text, UINT64_MAX);
	of_piece(text);
	of_condition(text);
	return 0;
}
