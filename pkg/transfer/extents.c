/* extents.c - few pieces, so a plain array that is shifted. */
#include "transfer/extents.h"

#include <string.h>

/* The first piece that ends at `at` or behind it. */
static size_t find(const struct extents *e, uint64_t at)
{
	size_t low = 0, high = e->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (e->items[middle].end < at)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool extents_add(struct extents *e, uint64_t first, uint64_t end)
{
	size_t at = find(e, first), behind = at;

	if (first >= end)
		return true;
	while (behind < e->n && e->items[behind].first <= end) {
		if (e->items[behind].first < first)
			first = e->items[behind].first;
		if (e->items[behind].end > end)
			end = e->items[behind].end;
		behind++;
	}
	if (behind == at && e->n == EXTENTS_MAX)
		return false;
	memmove(&e->items[at + 1], &e->items[behind], (e->n - behind) * sizeof(e->items[0]));
	e->n = e->n - (behind - at) + 1;
	e->items[at] = (struct extent){.first = first, .end = end};
	return true;
}

uint64_t extents_end(const struct extents *e, uint64_t at)
{
	size_t i = at < UINT64_MAX ? find(e, at + 1) : e->n;

	return i < e->n && e->items[i].first <= at ? e->items[i].end : at;
}

uint64_t extents_next(const struct extents *e, uint64_t at)
{
	for (size_t i = find(e, at); i < e->n; i++)
		if (e->items[i].first > at)
			return e->items[i].first;
	return UINT64_MAX;
}

uint64_t extents_bytes(const struct extents *e)
{
	uint64_t n = 0;

	for (size_t i = 0; i < e->n; i++)
		n += e->items[i].end - e->items[i].first;
	return n;
}

void extents_cut(struct extents *e, uint64_t end)
{
	while (e->n > 0 && e->items[e->n - 1].first >= end)
		e->n--;
	if (e->n > 0 && e->items[e->n - 1].end > end)
		e->items[e->n - 1].end = end;
}
