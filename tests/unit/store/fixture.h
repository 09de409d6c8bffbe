/* fixture.h - a store in a folder of its own, and content to put into it. */
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

#include "oci/manifest.h"
#include "store/internal.h"
#include "util/mem.h"

#define OPEN_FILES_MAX 16 /* that nftw() may hold */

struct fixture {
	char *folder; /* removed at the end */
	char *path;   /* of the store in it */
	struct store *store;
};

static UNUSED int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static UNUSED char *folder_make(void)
{
	const char *base = getenv("TMPDIR");
	const char *fast =
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"; /* syncs cost nothing there */
	char *folder = xasprintf("%s/store-test-XXXXXX", base ? base : fast);

	assert_non_null(mkdtemp(folder));
	return folder;
}

static UNUSED void folder_remove(char *folder)
{
	(void)nftw(folder, remove_one, OPEN_FILES_MAX, FTW_DEPTH | FTW_PHYS);
	free(folder);
}

static UNUSED void fixture_open(struct fixture *f)
{
	AUTO(error_clear) struct error err = ERROR_INIT;

	if (store_open(f->path, &f->store, &err) < 0)
		fail_msg("%s", error_text(&err));
}

static UNUSED int fixture_setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	f->folder = folder_make();
	f->path = xasprintf("%s/store", f->folder);
	fixture_open(f);
	*state = f;
	return 0;
}

static UNUSED int fixture_teardown(void **state)
{
	struct fixture *f = *state;

	store_close(f->store);
	folder_remove(f->folder);
	free(f->path);
	free(f);
	return 0;
}

static UNUSED struct digest digest_text(const char *text)
{
	struct digest d = {.algo = DIGEST_SHA256};

	assert_int_equal(digest_of(DIGEST_SHA256, text, strlen(text), &d, NULL), 0);
	return d;
}

/* Publishes text as a blob of the repository (NULL: of none); the error's class, or 0. */
static UNUSED int blob_try(struct store *s, const char *repository, const char *text)
{
	AUTO(store_writer_freep) struct store_writer *w = NULL;
	struct digest d = digest_text(text);
	int rc = store_writer_new(s, &d, strlen(text), &w, NULL);

	if (rc == 0)
		rc = store_writer_write(w, text, strlen(text), NULL);
	return rc < 0 ? rc : store_writer_finish(w, repository, NULL);
}

static UNUSED struct digest blob_put(struct store *s, const char *repository, const char *text)
{
	assert_int_equal(blob_try(s, repository, text), 0);
	return digest_text(text);
}

/* An image of two blobs, "<name> config" and "<name> layer"; the caller frees. */
static UNUSED char *image_text(const char *name)
{
	AUTO_FREE char *config = xasprintf("%s config", name);
	AUTO_FREE char *layer = xasprintf("%s layer", name);
	struct digest config_digest = digest_text(config), layer_digest = digest_text(layer);
	char a[DIGEST_STR_MAX], b[DIGEST_STR_MAX];

	return xasprintf("{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_MANIFEST "\","
			 "\"config\":{\"mediaType\":\"" MEDIA_OCI_CONFIG "\","
			 "\"digest\":\"%s\",\"size\":%zu},"
			 "\"layers\":[{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\","
			 "\"digest\":\"%s\",\"size\":%zu}]}",
		digest_format(&config_digest, a),
		strlen(config),
		digest_format(&layer_digest, b),
		strlen(layer));
}

/* An index over the two images' manifests; the caller frees. */
static UNUSED char *index_text(const char *first, const char *second)
{
	AUTO_FREE char *one = image_text(first);
	AUTO_FREE char *two = image_text(second);
	struct digest one_digest = digest_text(one), two_digest = digest_text(two);
	char a[DIGEST_STR_MAX], b[DIGEST_STR_MAX];

	return xasprintf("{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX
			 "\",\"manifests\":["
			 "{\"mediaType\":\"" MEDIA_OCI_MANIFEST "\",\"digest\":\"%s\",\"size\":%zu,"
			 "\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}},"
			 "{\"mediaType\":\"" MEDIA_OCI_MANIFEST "\",\"digest\":\"%s\",\"size\":%zu,"
			 "\"platform\":{\"os\":\"linux\",\"architecture\":\"arm64\"}}]}",
		digest_format(&one_digest, a),
		strlen(one),
		digest_format(&two_digest, b),
		strlen(two));
}

static UNUSED int manifest_try(struct store *s, const char *repository, const char *tag,
	const char *text, bool sparse, struct error *err)
{
	AUTO(manifest_clear) struct manifest view = MANIFEST_INIT;
	struct store_manifest m = {
		.repository = repository,
		.tag = tag,
		.bytes = text,
		.len = strlen(text),
		.digest = digest_text(text),
		.view = &view,
		.sparse = sparse,
	};

	assert_int_equal(manifest_parse(text, strlen(text), NULL, &view, NULL), 0);
	return store_manifest_put(s, &m, err);
}

/* A whole image with its blobs. */
static UNUSED struct digest image_put(
	struct store *s, const char *repository, const char *tag, const char *name)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO_FREE char *config = xasprintf("%s config", name);
	AUTO_FREE char *layer = xasprintf("%s layer", name);
	AUTO_FREE char *text = image_text(name);

	(void)blob_put(s, repository, config);
	(void)blob_put(s, repository, layer);
	if (manifest_try(s, repository, tag, text, false, &err) < 0)
		fail_msg("%s", error_text(&err));
	return digest_text(text);
}

static UNUSED bool is_complete(
	struct store *s, const char *repository, const struct digest *digest, bool sparse)
{
	bool complete = false;

	assert_int_equal(store_is_complete(s, repository, digest, sparse, &complete, NULL), 0);
	return complete;
}

/* The file of a blob, for looking at and damaging; the caller frees. */
static UNUSED char *blob_path(const struct fixture *f, const struct digest *digest)
{
	char hex[BLOB_NAME_MAX];

	return xasprintf("%s/blobs/%s/%s",
		f->path,
		digest->algo == DIGEST_SHA512 ? "sha512" : "sha256",
		blob_name(digest, hex));
}

/* Runs one statement on index.db behind the store's back. */
static UNUSED void index_run(const struct fixture *f, const char *sql, const struct digest *digest)
{
	AUTO_FREE char *path = xasprintf("%s/index.db", f->path);
	const char *const statements[] = {sql, NULL};
	const struct db_options options = {
		.path = path,
		.application_id = 0x726d7374u,
		.migrations = store_migrations,
		.statements = statements,
	};
	AUTO(db_closep) struct db *db = NULL;

	assert_int_equal(db_open(&options, &db, NULL), 0);
	{
		AUTO(db_reset) struct db_stmt stmt = db_stmt(db, 0);

		if (digest)
			db_bind_digest(&stmt, 1, digest);
		assert_int_equal(db_run(&stmt, NULL), 0);
	}
}

/* The first column of the first row, or -1 when there is none. */
static UNUSED int64_t index_number(
	const struct fixture *f, const char *sql, const struct digest *digest)
{
	AUTO_FREE char *path = xasprintf("%s/index.db", f->path);
	const char *const statements[] = {sql, NULL};
	const struct db_options options = {
		.path = path,
		.application_id = 0x726d7374u,
		.migrations = store_migrations,
		.statements = statements,
	};
	AUTO(db_closep) struct db *db = NULL;
	int64_t number = -1;

	assert_int_equal(db_open(&options, &db, NULL), 0);
	{
		AUTO(db_reset) struct db_stmt stmt = db_stmt(db, 0);

		if (digest)
			db_bind_digest(&stmt, 1, digest);
		if (db_step(&stmt, NULL) == 1)
			number = db_i64(&stmt, 0);
	}
	return number;
}
