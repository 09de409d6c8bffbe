#include "registry/tag_scan.h"

#include "util/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NAMES_MAX 65536 /* bytes */

/* Reads all in pieces of `step` bytes. */
static int scan(struct tag_scan *s, const char *data, size_t size, size_t step)
{
	tag_scan_init(s, NAMES_MAX);
	for (size_t i = 0; i < size; i += step) {
		int rc = tag_scan_feed(s, data + i, size - i < step ? size - i : step, NULL);

		if (rc < 0)
			return rc;
	}
	return tag_scan_finish(s, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(tag_scan_clear) struct tag_scan whole, bytes;
	const int rc = scan(&whole, (const char *)data, size, size + 1);

	/* How the page is cut must not matter. */
	if (rc != scan(&bytes, (const char *)data, size, 1))
		abort();
	if (rc < 0)
		return 0;
	if (whole.names.len != bytes.names.len ||
		(whole.names.len > 0 &&
			memcmp(whole.names.data, bytes.names.data, whole.names.len) != 0))
		abort();
	for (size_t i = 0; i < whole.names.len; i += strlen(whole.names.data + i) + 1)
		if (!tag_is_valid(whole.names.data + i))
			abort();
	return 0;
}
