/* semver.h - versions and their order (Semantic Versioning 2.0.0, leading "v" and missing numbers allowed). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct semver {
	uint64_t major, minor, patch;
	const char *prerelease; /* points into the text, up to '+' or its end; NULL: none */
	int prerelease_len;
	unsigned n_numbers;     /* 1 to 3: how many were written */
};

bool semver_parse(const char *s, struct semver *ret); /* false: no version; ret untouched */
int semver_compare(const struct semver *a, const struct semver *b); /* as strcmp; build metadata ignored */
