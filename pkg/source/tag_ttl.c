/* tag_ttl.c - how long an answer for a tag holds, by the tag's name and age. */
#include <ctype.h>

#include "source/freshness.h"
#include "util/compiler.h"

#define VERSION_TTL_SEC 86400 /* (sources.md 4) */
#define LEAST_TTL_SEC   60    /* (sources.md 4) */
#define MOST_TTL_SEC    21600 /* (sources.md 4) */
#define AGE_SHARE       10    /* a tenth of its age (RFC 9111 4.2.2) */
#define JITTER_SHARE    10    /* a tenth more or less (sources.md 4) */
#define VERSION_NUMBERS 3

static bool starts_with(const char *s, const char *start)
{
	return strncmp(s, start, strlen(start)) == 0;
}

static bool ends_with(const char *s, const char *end)
{
	size_t len = strlen(s), n = strlen(end);

	return len >= n && strcmp(s + len - n, end) == 0;
}

/* "v1.2.3", "1.2.3-rc.1": as SemVer 2 has it, whatever the pre-release says. */
static bool is_exact_version(const char *s)
{
	s += *s == 'v';
	for (int i = 0; i < VERSION_NUMBERS; i++) {
		size_t digits = strspn(s, "0123456789");

		if (digits == 0 || (digits > 1 && *s == '0'))
			return false;
		s += digits;
		if (i + 1 < VERSION_NUMBERS && *s++ != '.')
			return false;
	}
	return *s == '\0' || (*s == '-' && isalnum((unsigned char)s[1]));
}

enum tag_class tag_class_of(const char *tag)
{
	static const char *const rolling[] = {
		"latest", "stable", "edge", "nightly", "master", "main"};

	for (size_t i = 0; i < ARRAY_SIZE(rolling); i++) {
		if (strcmp(tag, rolling[i]) == 0)
			return TAG_ROLLING;
	}
	if (ends_with(tag, "-dev"))
		return TAG_ROLLING;
	if (starts_with(tag, "sha256-") || is_exact_version(tag))
		return TAG_VERSION;
	return TAG_OTHER;
}

uint64_t tag_ttl(enum tag_class c, int64_t changed_sec, int64_t now_sec)
{
	uint64_t ttl = LEAST_TTL_SEC;

	switch (c) {
	case TAG_VERSION:
		return VERSION_TTL_SEC;
	case TAG_ROLLING:
		return LEAST_TTL_SEC;
	case TAG_OTHER:
		break;
	}
	/* The difference as unsigned: no two times overflow it. */
	if (changed_sec != 0 && now_sec > changed_sec)
		ttl = ((uint64_t)now_sec - (uint64_t)changed_sec) / AGE_SHARE;
	if (ttl < LEAST_TTL_SEC)
		return LEAST_TTL_SEC;
	return ttl < MOST_TTL_SEC ? ttl : MOST_TTL_SEC;
}

/* FNV-1a, with the NUL, so that two texts do not run into each other. */
static uint64_t mix(uint64_t hash, const char *s)
{
	do {
		hash = (hash ^ (unsigned char)*s) * UINT64_C(0x100000001b3);
	} while (*s++);
	return hash;
}

uint64_t tag_ttl_jittered(uint64_t ttl_sec, const char *repository, const char *tag)
{
	uint64_t most = ttl_sec / JITTER_SHARE;
	uint64_t hash = mix(mix(UINT64_C(0xcbf29ce484222325), repository), tag);
	uint64_t least = ttl_sec - most, more = (hash >> 32) % (2 * most + 1);

	return least > UINT64_MAX - more ? UINT64_MAX : least + more;
}
