#include "transfer/spool_map.h"

#include <stdlib.h>

#define BLOB_SIZE (1ULL << 40) /* bytes */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct extents e, again;
	char line[SPOOL_MAP_LINE_MAX];
	size_t good;

	e.n = again.n = 0;
	good = spool_map_parse((const char *)data, size, BLOB_SIZE, &e);
	if (good > size || (good > 0 && data[good - 1] != '\n'))
		abort();
	/* What was good is so alone, and says the same. */
	if (spool_map_parse((const char *)data, good, BLOB_SIZE, &again) != good || again.n != e.n)
		abort();
	for (size_t i = 0; i < e.n; i++) {
		struct extents one = {.n = 0};
		const struct extent *x = &e.items[i];
		size_t len = spool_map_line(x->first, x->end, line);

		if (x->first >= x->end || x->end > BLOB_SIZE ||
			(i > 0 && e.items[i - 1].end >= x->first))
			abort();
		if (spool_map_parse(line, len, BLOB_SIZE, &one) != len || one.n != 1 ||
			one.items[0].first != x->first || one.items[0].end != x->end)
			abort();
	}
	return 0;
}
