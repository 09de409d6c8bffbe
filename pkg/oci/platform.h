/*
 * platform.h - os/architecture/variant, as a value.
 *
 * Names are normalised as containerd/platforms does (protocol.md 2.3): x86_64 is
 * amd64, aarch64 and arm64/v8 are arm64, arm alone is arm/v7.  Matching is
 * strict after that: a mirror copies what was asked for, not what would run.
 */
#pragma once

#include <stdbool.h>

#include "util/error.h"

#define PLATFORM_PART_MAX 32                          /* chars, with the NUL */
#define PLATFORM_TEXT_MAX (3 * PLATFORM_PART_MAX + 2) /* chars, with the NUL */

struct platform {
	char os[PLATFORM_PART_MAX];
	char architecture[PLATFORM_PART_MAX];
	char variant[PLATFORM_PART_MAX];
};

/* "linux/arm64", "linux/arm/v7", as a person writes it.  Fails with ERR_USAGE. */
NODISCARD int platform_parse(const char *s, struct platform *ret, struct error *err);
/*
 * From the parts of a descriptor (variant may be NULL).  Unknown words are fine;
 * a part that is too long, or holds '/', space or control characters, fails
 * with ERR_REMOTE.
 */
NODISCARD int platform_make(const char *os, const char *architecture, const char *variant,
	struct platform *ret, struct error *err);
bool platform_equal(const struct platform *a, const struct platform *b);
char *platform_format(const struct platform *p, char buf[static PLATFORM_TEXT_MAX]);
