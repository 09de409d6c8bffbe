/* spool_map.c - lines of two numbers. */
#include "transfer/spool_map.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Digits up to `stop`; NULL: something else, or too large a number. */
static const char *read_number(const char *s, const char *end, char stop, uint64_t *ret)
{
	const char *start = s;
	uint64_t n = 0;

	for (; s < end && *s >= '0' && *s <= '9'; s++) {
		uint64_t digit = (uint64_t)(*s - '0');

		if (n > (UINT64_MAX - digit) / 10)
			return NULL;
		n = 10 * n + digit;
	}
	if (s == start || s == end || *s != stop)
		return NULL;
	*ret = n;
	return s + 1;
}

size_t spool_map_parse(const char *text, size_t len, uint64_t size, struct extents *ret)
{
	const char *at = text, *end = text + len;

	while (at < end) {
		uint64_t first, behind;
		const char *s = read_number(at, end, ' ', &first);

		if (s)
			s = read_number(s, end, '\n', &behind);
		if (!s || first >= behind || behind > size)
			break;
		/* One piece too many counts as missing. */
		(void)extents_add(ret, first, behind);
		at = s;
	}
	return (size_t)(at - text);
}

size_t spool_map_line(uint64_t first, uint64_t end, char buf[static SPOOL_MAP_LINE_MAX])
{
	return (size_t)snprintf(buf, SPOOL_MAP_LINE_MAX, "%" PRIu64 " %" PRIu64 "\n", first, end);
}
