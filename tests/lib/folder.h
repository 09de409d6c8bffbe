/* folder.h - a folder of its own for a test, on a tmpfs where there is one. */
#pragma once

#include <ftw.h>
#include <sys/stat.h>

#include "util/mem.h"

#define FOLDER_OPEN_MAX 16 /* descriptors that nftw() may hold */

static UNUSED int folder_drop_one(
	const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static UNUSED char *folder_make(void)
{
	const char *base = getenv("TMPDIR");
	const char *fast = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	char *folder = xasprintf("%s/transfer-test-XXXXXX", base ? base : fast);

	if (!mkdtemp(folder))
		abort();
	return folder;
}

static UNUSED void folder_remove(char *folder)
{
	(void)nftw(folder, folder_drop_one, FOLDER_OPEN_MAX, FTW_DEPTH | FTW_PHYS);
	free(folder);
}
