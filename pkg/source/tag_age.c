/* tag_age.c - how long an answer for a tag holds, by the tag's name and age (sources.md 4). */
#include <ctype.h>
#include <string.h>

#include "source/freshness.h"
#include "util/compiler.h"

#define VERSION_SEC 86400 /* of an exact version, or a signature's tag (sources.md 4) */
#define LEAST_SEC   60    /* (sources.md 4) */
#define MOST_SEC    21600 /* (sources.md 4) */
#define AGE_SHARE   10    /* a tenth of the tag's age: RFC 9111 section 4.2.2 */
#define JITTER      10    /* a tenth more or less (sources.md 4) */

static bool begins(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

static bool ends(const char *s, const char *with)
{
	size_t n = strlen(s), m = strlen(with);

	return n >= m && strcmp(s + n - m, with) == 0;
}

/* Skips a number without leading zeros; NULL: there is none. */
static const char *number(const char *s)
{
	if (!isdigit((unsigned char)*s) || (*s == '0' && isdigit((unsigned char)s[1])))
		return NULL;
	while (isdigit((unsigned char)*s))
		s++;
	return s;
}

/*
 * "v1.2.3", "1.2.3-rc.1": Semantic Versioning 2.0.0 with all three numbers, "v" allowed.  With one
 * or two of them it is a name that moves with each release.
 */
static bool is_exact_version(const char *tag)
{
	const char *s = number(*tag == 'v' ? tag + 1 : tag);

	for (int i = 0; i < 2; i++) {
		if (!s || *s != '.')
			return false;
		s = number(s + 1);
	}
	if (!s || !*s)
		return s != NULL;
	return (*s == '-' || *s == '+' || *s == '_') && s[1] != '\0';
}

enum tag_class tag_class_of(const char *tag)
{
	static const char *const rolling[] = {
		"latest", "stable", "edge", "nightly", "master", "main", "dev", "devel", "canary"};

	for (size_t i = 0; i < ARRAY_SIZE(rolling); i++)
		if (strcmp(tag, rolling[i]) == 0)
			return TAG_ROLLING;
	if (ends(tag, "-dev"))
		return TAG_ROLLING;
	if (begins(tag, "sha256-") || is_exact_version(tag))
		return TAG_VERSION;
	return TAG_OTHER;
}

uint64_t tag_ttl(enum tag_class c, int64_t changed_sec, int64_t now_sec)
{
	uint64_t age;

	if (c == TAG_VERSION)
		return VERSION_SEC;
	if (c == TAG_ROLLING || changed_sec == 0 || changed_sec >= now_sec)
		return LEAST_SEC;
	age = ((uint64_t)now_sec - (uint64_t)changed_sec) / AGE_SHARE;
	if (age < LEAST_SEC)
		return LEAST_SEC;
	return age < MOST_SEC ? age : MOST_SEC;
}

/* FNV-1a, 32 bits (draft-eastlake-fnv): spreads, and need not resist anybody. */
static uint32_t spread(uint32_t h, const char *s)
{
	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * UINT32_C(16777619);
	return h;
}

uint64_t tag_ttl_jittered(uint64_t ttl_sec, const char *repository, const char *tag)
{
	uint32_t h = spread(spread(UINT32_C(2166136261), repository), tag);
	uint64_t width = 2 * ttl_sec / JITTER;

	return ttl_sec - ttl_sec / JITTER + h % (width + 1);
}
