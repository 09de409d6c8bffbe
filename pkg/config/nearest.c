/* nearest.c - which name was probably meant by one that is not known. */
#include "config/settings.h"
#include "util/mem.h"

#define NEAREST_NAME_MAX 64 /* characters; a longer name is no slip of the finger */

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;

	return least < c ? least : c;
}

/*
 * Edits from a to b: a character put in, taken out, changed, or two neighbours
 * swapped (optimal string alignment), over three rows of its table.
 */
static size_t distance(const char *a, const char *b)
{
	size_t n = strlen(b);
	AUTO_FREE size_t *rows = xcalloc(3 * (n + 1), sizeof(*rows));
	size_t *before = rows, *last = rows + (n + 1), *row = last + (n + 1);

	for (size_t j = 0; j <= n; j++)
		last[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t *oldest = before;

		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			size_t changed = last[j - 1] + (a[i - 1] != b[j - 1]);

			row[j] = min3(row[j - 1] + 1, last[j] + 1, changed);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
				before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
		before = last;
		last = row;
		row = oldest;
	}
	return last[n];
}

const char *nearest_name(const char *name, const char *const *names, size_t n)
{
	/* A third of it may be wrong: "upstrams" is upstreams, "tag" is tags, "to" is not "from".
	 */
	size_t len = strlen(name);
	size_t best = (len + 2) / 3 + 1;
	const char *ret = NULL;

	if (len > NEAREST_NAME_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t d = distance(name, names[i]);

		if (d < best) {
			best = d;
			ret = names[i];
		}
	}
	return ret;
}
