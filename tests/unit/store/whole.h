/* whole.h - whether a store is whole: rows have their files, tags all below them. */
#pragma once

#include "fixture.h"
#include "util/file.h"

#define FILE_MAX ((size_t)1024 * 1024) /* bytes: more than any that these tests make */

static UNUSED void assert_file_has_digest(int folder, const char *name, uint64_t expected_size)
{
	AUTO(buf_clear) struct buf bytes = BUF_INIT(FILE_MAX);
	struct digest d;
	char hex[BLOB_NAME_MAX];

	assert_int_equal(file_read(folder, name, &bytes, NULL), 0);
	assert_int_equal(bytes.len, expected_size);
	assert_int_equal(digest_of(DIGEST_SHA256, buf_text(&bytes), bytes.len, &d, NULL), 0);
	assert_string_equal(blob_name(&d, hex), name);
}

/* Every row has its file, with the right content. */
static UNUSED void assert_rows_have_files(const struct fixture *f)
{
	AUTO_FREE char *path = xasprintf("%s/index.db", f->path);
	AUTO_FREE char *blobs = xasprintf("%s/blobs/sha256", f->path);
	AUTO_CLOSE int folder = open(blobs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const char *const statements[] = {"SELECT digest, size FROM blob", NULL};
	const struct db_options options = {
		.path = path,
		.application_id = 0x726d7374u,
		.migrations = store_migrations,
		.statements = statements,
	};
	AUTO(db_closep) struct db *db = NULL;

	assert_int_equal(db_open(&options, &db, NULL), 0);
	{
		AUTO(db_reset) struct db_stmt rows = db_stmt(db, 0);
		int rc;

		while ((rc = db_step(&rows, NULL)) == 1) {
			struct digest d;
			char hex[BLOB_NAME_MAX];

			assert_true(db_digest(&rows, 0, &d));
			assert_file_has_digest(
				folder, blob_name(&d, hex), (uint64_t)db_i64(&rows, 1));
		}
		assert_int_equal(rc, 0);
	}
}

struct tag_check {
	struct store *store;
	const char *repository;
	size_t n;
};

static UNUSED bool tag_is_whole(void *ctx, const char *tag, const struct digest *digest)
{
	struct tag_check *check = ctx;

	(void)tag;
	assert_true(is_complete(check->store, check->repository, digest, false));
	check->n++;
	return true;
}

static UNUSED bool repository_is_whole(void *ctx, const char *repository)
{
	struct tag_check *check = ctx;

	check->repository = repository;
	assert_int_equal(store_tags(check->store, repository, tag_is_whole, check, NULL), 0);
	return true;
}

/* Each tag, with all below it; returns how many there are. */
static UNUSED size_t assert_tags_are_whole(struct store *s)
{
	struct tag_check check = {.store = s};

	assert_int_equal(store_repositories(s, repository_is_whole, &check, NULL), 0);
	return check.n;
}
