/*
 * scratch.h - a directory of its own for each test: cmocka set-up and tear-down.
 *
 * *state is the path.  Included by test programs, which are one file each.
 */
#pragma once

#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "util/mem.h"

/* Descriptors that the walk may hold open at once. */
#define SCRATCH_WALK_FDS 8

static inline int scratch_set_up(void **state)
{
	const char *base = getenv("TMPDIR");
	char *path = xasprintf("%s/regmirror-test-XXXXXX", base && *base ? base : "/tmp");

	*state = path;
	return mkdtemp(path) ? 0 : -1;
}

static inline int scratch_remove_one(
	const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st, (void)kind, (void)ftw;
	return remove(path);
}

static inline int scratch_tear_down(void **state)
{
	(void)nftw(*state, scratch_remove_one, SCRATCH_WALK_FDS, FTW_DEPTH | FTW_PHYS);
	free(*state);
	return 0;
}

#define scratch_unit_test(test) \
	cmocka_unit_test_setup_teardown(test, scratch_set_up, scratch_tear_down)
