/* Input: two versions and a range, a line each. */
#include <inttypes.h>

#include "select/range.h"
#include "select/semver.h"
#include "util/mem.h"

#define LINES 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int sign(int n)
{
	return (n > 0) - (n < 0);
}

/* What is printed from the parts is the same version again. */
static void check_round_trip(const struct semver *v)
{
	AUTO_FREE char *text = xasprintf("%" PRIu64 ".%" PRIu64 ".%" PRIu64 "%s%.*s",
		v->major,
		v->minor,
		v->patch,
		v->prerelease ? "-" : "",
		v->prerelease ? v->prerelease_len : 0,
		v->prerelease ? v->prerelease : "");
	struct semver again;

	if (!semver_parse(text, &again) || semver_compare(v, &again) != 0)
		abort();
}

/* "=" of a whole version has that version and no other; ">=" and "<" share nothing. */
static void check_bounds(const char *text, const struct semver *a, const struct semver *b)
{
	AUTO_FREE char *equal = xasprintf("=%s", text);
	AUTO_FREE char *disjoint = xasprintf(">=%s <%s", text, text);
	AUTO(range_freep) struct range *r = NULL;
	AUTO(range_freep) struct range *none = NULL;

	/* A pre-release that ends in ".x" reads as a wildcard in a range, and is refused. */
	if (range_parse(equal, &r, NULL) < 0 || range_parse(disjoint, &none, NULL) < 0)
		return;
	if (!range_has(r, a) || range_has(none, a) || range_has(none, b))
		abort();
	if (a->n_numbers == SEMVER_NUMBERS_MAX && range_has(r, b) != (semver_compare(a, b) == 0))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = xstrndup((const char *)data, size);
	AUTO(range_freep) struct range *r = NULL;
	const char *lines[LINES] = {"", "", ""};
	struct semver a, b;
	char *rest = text;
	bool has_a, has_b;

	for (size_t i = 0; i < LINES && rest; i++)
		lines[i] = strsep(&rest, "\n");
	has_a = semver_parse(lines[0], &a);
	has_b = semver_parse(lines[1], &b);
	if (has_a) {
		check_round_trip(&a);
		if (semver_compare(&a, &a) != 0)
			abort();
	}
	if (has_a && has_b) {
		if (sign(semver_compare(&a, &b)) != -sign(semver_compare(&b, &a)))
			abort();
		check_bounds(lines[0], &a, &b);
		check_bounds(lines[1], &b, &a);
	}
	if (range_parse(lines[2], &r, NULL) == 0 && has_a && has_b && semver_compare(&a, &b) == 0 &&
		range_has(r, &a) != range_has(r, &b))
		abort();
	return 0;
}
