/*
 * semver.h - versions and their order (Semantic Versioning 2.0.0, leading "v" and missing numbers
 * allowed).
 *
 * "v1.34.1", "3.9" (3.9.0) and "1.0-rc.1" (1.0.0-rc.1) are versions; "22.04"
 * and "1.2.3.4" are none: SemVer forbids leading zeros and a fourth number.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define SEMVER_NUMBERS_MAX 3
#define SEMVER_DIGITS_MAX  18 /* of one number: it fits 64 bits, with room to add 1 */

struct semver {
	uint64_t major, minor, patch;
	const char *prerelease; /* points into the text, up to '+' or its end; NULL: none */
	int prerelease_len;     /* bytes */
	unsigned n_numbers;     /* 1 to 3: how many were written */
};

bool semver_parse(const char *s, struct semver *ret); /* false: no version; ret untouched */
int semver_compare(
	const struct semver *a, const struct semver *b); /* as strcmp; build metadata ignored */
