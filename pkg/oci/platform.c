/* Normal forms are a table, so that they can be laid beside containerd's. */
#include "oci/platform.h"

#include <ctype.h>

/*
 * What containerd/platforms makes of an architecture and its variant
 * (protocol.md 2.3).  First match wins; a NULL variant matches any.  A new
 * variant of NULL keeps what there is.
 */
static const struct {
	const char *architecture;
	const char *variant;
	const char *new_architecture;
	const char *new_variant;
} norms[] = {
	{"i386", NULL, "386", ""},
	{"x86_64", "v1", "amd64", ""},
	{"x86-64", "v1", "amd64", ""},
	{"amd64", "v1", "amd64", ""},
	{"x86_64", NULL, "amd64", NULL},
	{"x86-64", NULL, "amd64", NULL},
	{"armhf", NULL, "arm", "v7"},
	{"armel", NULL, "arm", "v6"},
	{"arm", "", "arm", "v7"},
	{"arm", "7", "arm", "v7"},
	{"arm", "5", "arm", "v5"},
	{"arm", "6", "arm", "v6"},
	{"arm", "8", "arm", "v8"},
	{"arm64", "8", "arm64", ""},
	{"arm64", "v8", "arm64", ""},
	{"arm64", "v8.0", "arm64", ""},
	{"arm64", "9", "arm64", "v9"},
	{"arm64", "9.0", "arm64", "v9"},
	{"arm64", "v9.0", "arm64", "v9"},
};

static void set_part(char part[static PLATFORM_PART_MAX], const char *text)
{
	memcpy(part, text, strlen(text) + 1);
}

static void normalise(struct platform *p)
{
	if (strcmp(p->os, "macos") == 0)
		set_part(p->os, "darwin");
	if (strcmp(p->architecture, "aarch64") == 0)
		set_part(p->architecture, "arm64");
	for (size_t i = 0; i < ARRAY_SIZE(norms); i++) {
		if (strcmp(p->architecture, norms[i].architecture) != 0 ||
			(norms[i].variant && strcmp(p->variant, norms[i].variant) != 0))
			continue;
		set_part(p->architecture, norms[i].new_architecture);
		if (norms[i].new_variant)
			set_part(p->variant, norms[i].new_variant);
		return;
	}
}

/* Lower-cases n characters of s into part; false when they do not fit. */
static bool copy_part(char part[static PLATFORM_PART_MAX], const char *s, size_t n)
{
	if (n >= PLATFORM_PART_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		part[i] = (char)tolower((unsigned char)s[i]);
	part[n] = '\0';
	return true;
}

/* containerd/platforms, specifierRe: what a person may write. */
static bool is_specifier(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)s[i]) && (s[i] == '\0' || !strchr("_.-", s[i])))
			return false;
	return n > 0;
}

int platform_parse(const char *s, struct platform *ret, struct error *err)
{
	struct platform p = {.os = ""};
	char *const parts[] = {p.os, p.architecture, p.variant};
	const char *at = s;
	size_t count = 0;

	if (strchr(s, '('))
		return error_set(err,
			ERR_USAGE,
			"platform '%.80s': versions of an operating system cannot be selected",
			s);
	for (;;) {
		size_t n = strcspn(at, "/");

		if (count == ARRAY_SIZE(parts) || !is_specifier(at, n) ||
			!copy_part(parts[count], at, n))
			break;
		count++;
		at += n;
		if (*at == '\0' && count >= 2) {
			normalise(&p);
			*ret = p;
			return 0;
		}
		if (*at == '\0')
			break;
		at++;
	}
	return error_set(err,
		ERR_USAGE,
		"'%.80s' is not a platform: write os/architecture or os/architecture/variant, "
		"such as linux/amd64 or linux/arm/v7",
		s);
}

/*
 * A peer's words are taken as they come, as long as they can be printed in a
 * line and told apart in "os/architecture/variant".
 */
static int take_part(
	char part[static PLATFORM_PART_MAX], const char *name, const char *s, struct error *err)
{
	for (const char *c = s; *c; c++)
		if (!isgraph((unsigned char)*c) || *c == '/')
			return error_set(err, ERR_REMOTE, "platform.%s: not a plain word", name);
	if (!copy_part(part, s, strlen(s)))
		return error_set(err,
			ERR_REMOTE,
			"platform.%s: longer than %d characters",
			name,
			PLATFORM_PART_MAX - 1);
	return 0;
}

int platform_make(const char *os, const char *architecture, const char *variant,
	struct platform *ret, struct error *err)
{
	struct platform p = {.os = ""};
	int rc = take_part(p.os, "os", os, err);

	if (rc == 0)
		rc = take_part(p.architecture, "architecture", architecture, err);
	if (rc == 0 && variant)
		rc = take_part(p.variant, "variant", variant, err);
	if (rc < 0)
		return rc;
	normalise(&p);
	*ret = p;
	return 0;
}

bool platform_equal(const struct platform *a, const struct platform *b)
{
	return strcmp(a->os, b->os) == 0 && strcmp(a->architecture, b->architecture) == 0 &&
	       strcmp(a->variant, b->variant) == 0;
}

char *platform_format(const struct platform *p, char buf[static PLATFORM_TEXT_MAX])
{
	(void)snprintf(buf,
		PLATFORM_TEXT_MAX,
		"%s/%s%s%s",
		p->os,
		p->architecture,
		p->variant[0] ? "/" : "",
		p->variant);
	return buf;
}
