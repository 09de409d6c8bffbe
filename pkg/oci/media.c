/*
 * Types are compared where they stand, without a copy: a struct bare is the
 * part of the caller's text that counts.
 */
#include "oci/media.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "util/compiler.h"

const char *const media_accept = MEDIA_OCI_INDEX ", " MEDIA_DOCKER_INDEX ", " MEDIA_OCI_MANIFEST
						 ", " MEDIA_DOCKER_MANIFEST ", */*";

static const struct {
	const char *type;
	enum media_kind kind;
} kinds[] = {
	{MEDIA_OCI_MANIFEST, MEDIA_MANIFEST},
	{MEDIA_DOCKER_MANIFEST, MEDIA_MANIFEST},
	{MEDIA_OCI_INDEX, MEDIA_INDEX},
	{MEDIA_DOCKER_INDEX, MEDIA_INDEX},
	{"application/vnd.docker.distribution.manifest.v1+json", MEDIA_SCHEMA1},
	{"application/vnd.docker.distribution.manifest.v1+prettyjws", MEDIA_SCHEMA1},
};

/* By prefix, as containerd does: compressions and encryptions are suffixes of these. */
static const char *const foreign_prefixes[] = {
	"application/vnd.oci.image.layer.nondistributable.",
	"application/vnd.docker.image.rootfs.foreign.",
};

static const char *const vague_types[] = {
	"",
	"text/plain",
	"application/json",
	"application/octet-stream",
	"binary/octet-stream",
};

/* The type itself, without space around it and without parameters. */
struct bare {
	const char *at;
	size_t len;
};

static struct bare bare_type(const char *type)
{
	static const char space[] = " \t";
	struct bare b;

	/* Types come from optional headers and members. */
	if (!type)
		type = "";
	b.at = type + strspn(type, space);
	b.len = strcspn(b.at, ";");
	while (b.len > 0 && strchr(space, b.at[b.len - 1]))
		b.len--;
	return b;
}

static bool bare_is(struct bare b, const char *type)
{
	return strlen(type) == b.len && strncasecmp(b.at, type, b.len) == 0;
}

enum media_kind media_kind(const char *type)
{
	struct bare b = bare_type(type);

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (bare_is(b, kinds[i].type))
			return kinds[i].kind;
	return MEDIA_UNKNOWN;
}

bool media_is_foreign(const char *type)
{
	struct bare b = bare_type(type);

	for (size_t i = 0; i < ARRAY_SIZE(foreign_prefixes); i++) {
		size_t n = strlen(foreign_prefixes[i]);

		if (b.len > n && strncasecmp(b.at, foreign_prefixes[i], n) == 0)
			return true;
	}
	return false;
}

bool media_is_vague(const char *type)
{
	struct bare b = bare_type(type);

	for (size_t i = 0; i < ARRAY_SIZE(vague_types); i++)
		if (bare_is(b, vague_types[i]))
			return true;
	return false;
}

/* RFC 6838 4.2, restricted-name-chars. */
static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("!#$&-^_.+", c));
}

/* Exactly one slash, with a name on either side of it. */
bool media_copy(const char *type, char ret[static MEDIA_TYPE_MAX + 1])
{
	struct bare b = bare_type(type);
	const char *slash = memchr(b.at, '/', b.len);

	if (b.len > MEDIA_TYPE_MAX || !slash || slash == b.at || slash == b.at + b.len - 1)
		return false;
	for (const char *p = b.at; p < b.at + b.len; p++)
		if (p != slash && !is_name_char(*p))
			return false;
	memcpy(ret, b.at, b.len);
	ret[b.len] = '\0';
	return true;
}
