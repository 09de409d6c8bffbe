/* fixture.h - a state directory of its own. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "state/internal.h"
#include "util/mem.h"

#define OPEN_FILES_MAX 16 /* that nftw() may hold */

#define BOX  "store:/var/lib/regmirror/store#k8s"
#define FARM "registry:farm.example:5000/k8s"

struct fixture {
	char *folder; /* removed at the end */
	int fd;
	struct state *state;
};

static UNUSED int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static UNUSED void fixture_open(struct fixture *f)
{
	AUTO(error_clear) struct error err = ERROR_INIT;

	if (state_open(f->fd, false, &f->state, &err) < 0)
		fail_msg("%s", error_text(&err));
}

static UNUSED void fixture_reopen(struct fixture *f)
{
	state_close(steal(&f->state));
	fixture_open(f);
}

static UNUSED int fixture_setup(void **state)
{
	/* Syncs cost nothing on a tmpfs. */
	const char *fast = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	const char *base = getenv("TMPDIR");
	struct fixture *f = xcalloc(1, sizeof(*f));

	f->folder = xasprintf("%s/state-test-XXXXXX", base ? base : fast);
	assert_non_null(mkdtemp(f->folder));
	f->fd = open(f->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f->fd >= 0);
	fixture_open(f);
	*state = f;
	return 0;
}

static UNUSED int fixture_teardown(void **state)
{
	struct fixture *f = *state;

	state_close(f->state);
	closep(&f->fd);
	(void)nftw(f->folder, remove_one, OPEN_FILES_MAX, FTW_DEPTH | FTW_PHYS);
	free(f->folder);
	free(f);
	return 0;
}

static UNUSED struct digest digest_text(const char *text)
{
	struct digest d = {.algo = DIGEST_SHA256};

	assert_int_equal(digest_of(DIGEST_SHA256, text, strlen(text), &d, NULL), 0);
	return d;
}

/* Puts a row that can be told from others by its tag's name. */
static UNUSED int tag_try(
	struct state *s, const char *target, const char *repository, const char *tag)
{
	const struct state_tag row = {
		.authority = "registry.k8s.io",
		.source_repository = repository,
		.target = target,
		.repository = repository,
		.tag = tag,
		.source = digest_text(tag ? tag : "no tag"),
		.published = digest_text("published"),
		.selection = "linux/amd64",
		.changed_at = 1,
		.confirmed_at = 2,
		.seen_at = 3,
	};

	return state_tag_put(s, &row, NULL);
}

static UNUSED bool tag_known(
	struct state *s, const char *target, const char *repository, const char *tag)
{
	struct state_tag row;
	int rc = state_tag_get(s, target, repository, tag, &row, NULL);

	if (rc != -ERR_NOTFOUND)
		assert_int_equal(rc, 0);
	return rc == 0;
}

static UNUSED struct state_move move_make(const char *repository, const char *tag)
{
	return (struct state_move){
		.target = BOX,
		.repository = repository,
		.tag = tag,
		.new_digest = digest_text(tag),
		.source = digest_text("source"),
		.authority = "registry.k8s.io",
		.source_repository = "from",
		.selection = "all",
		.media_type = "application/vnd.oci.image.index.v1+json",
	};
}
