#include "fixture.h"

#include <pthread.h>

#define PUBLISHERS 6  /* threads, of which every third has nothing but broken manifests */
#define IMAGES     30 /* of each */
#define MANY_TAGS  (2 * TAG_PAGE + 1) /* three pages, the last of one tag */

static void a_manifest_comes_back_byte_for_byte_with_its_type(void **state)
{
	struct fixture *f = *state;
	AUTO(buf_clear) struct buf bytes = BUF_INIT(MANIFEST_MAX);
	AUTO_FREE char *text = image_text("one");
	struct digest d = image_put(f->store, "a/b", "v1", "one");
	char type[MEDIA_TYPE_MAX + 1];

	assert_int_equal(buf_puts(&bytes, "before ", NULL), 0);
	assert_int_equal(store_manifest_get(f->store, "a/b", &d, &bytes, type, NULL), 0);
	assert_memory_equal(buf_text(&bytes), "before ", 7);
	assert_string_equal(buf_text(&bytes) + 7, text);
	assert_string_equal(type, MEDIA_OCI_MANIFEST);
	assert_int_equal(store_manifest_get(f->store, "a", &d, &bytes, NULL, NULL), -ERR_NOTFOUND);
}

static void a_plain_blob_is_no_manifest(void **state)
{
	struct fixture *f = *state;
	AUTO(buf_clear) struct buf bytes = BUF_INIT(MANIFEST_MAX);
	struct digest d = blob_put(f->store, "a", "{}");

	assert_int_equal(store_manifest_get(f->store, "a", &d, &bytes, NULL, NULL), -ERR_NOTFOUND);
	assert_int_equal(store_tag_put(f->store, "a", "v1", &d, NULL), -ERR_NOTFOUND);
	assert_false(is_complete(f->store, "a", &d, true));
}

static void a_manifest_with_a_missing_blob_is_refused_by_name_and_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO_FREE char *text = image_text("one");
	struct digest d = digest_text(text), layer = digest_text("one layer"), found;
	AUTO_FREE char *path = blob_path(f, &d);
	char name[DIGEST_STR_MAX];
	uint64_t size;

	(void)blob_put(f->store, "a", "one config");
	assert_int_equal(manifest_try(f->store, "a", "v1", text, false, &err), -ERR_NOTFOUND);
	assert_non_null(strstr(error_text(&err), digest_format(&layer, name)));
	assert_int_equal(store_blob_stat(f->store, &d, &size, NULL), -ERR_NOTFOUND);
	assert_int_equal(store_tag_get(f->store, "a", "v1", &found, NULL), -ERR_NOTFOUND);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(index_number(f, "SELECT count(*) FROM absent", NULL), 0);
}

static void a_blob_of_another_repository_is_missing_until_it_is_linked(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *text = image_text("one");
	struct digest layer = blob_put(f->store, "other", "one layer");

	(void)blob_put(f->store, "a", "one config");
	assert_int_equal(manifest_try(f->store, "a", NULL, text, false, NULL), -ERR_NOTFOUND);
	assert_int_equal(store_blob_link(f->store, "a", &layer, NULL), 0);
	assert_int_equal(manifest_try(f->store, "a", NULL, text, false, NULL), 0);
}

static void a_foreign_layer_may_be_missing(void **state)
{
	struct fixture *f = *state;
	struct digest config = blob_put(f->store, "a", "one config");
	struct digest layer = digest_text("far away");
	char c[DIGEST_STR_MAX], l[DIGEST_STR_MAX];
	AUTO_FREE char *text = xasprintf(
		"{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_DOCKER_MANIFEST "\",\"config\":"
		"{\"mediaType\":\"application/vnd.docker.container.image.v1+json\","
		"\"digest\":\"%s\",\"size\":10},\"layers\":[{\"mediaType\":"
		"\"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip\","
		"\"digest\":\"%s\",\"size\":8,\"urls\":[\"https://example.org/l\"]}]}",
		digest_format(&config, c),
		digest_format(&layer, l));
	struct digest d = digest_text(text);

	assert_int_equal(manifest_try(f->store, "a", "v1", text, false, NULL), 0);
	assert_true(is_complete(f->store, "a", &d, false));
}

static void an_index_needs_its_children_as_manifests_of_the_repository(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *text = index_text("one", "two");
	AUTO_FREE char *second = image_text("two");
	struct digest d = digest_text(text);

	(void)image_put(f->store, "a", NULL, "one");
	assert_int_equal(manifest_try(f->store, "a", "v1", text, false, NULL), -ERR_NOTFOUND);
	/* Its bytes alone do not make it a manifest whose blobs are known to be here. */
	(void)blob_put(f->store, "a", second);
	assert_int_equal(manifest_try(f->store, "a", "v1", text, false, NULL), -ERR_NOTFOUND);
	(void)image_put(f->store, "other", NULL, "two");
	assert_int_equal(manifest_try(f->store, "b", "v1", text, false, NULL), -ERR_NOTFOUND);
	(void)image_put(f->store, "a", NULL, "two");
	assert_int_equal(manifest_try(f->store, "a", "v1", text, false, NULL), 0);
	assert_true(is_complete(f->store, "a", &d, false));
	assert_false(is_complete(f->store, "other", &d, false));
}

static void a_sparse_index_is_complete_as_such_and_whole_when_the_child_comes(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *text = index_text("one", "two");
	struct digest d = digest_text(text);

	(void)image_put(f->store, "a", NULL, "one");
	assert_int_equal(manifest_try(f->store, "a", "v1", text, true, NULL), 0);
	assert_true(is_complete(f->store, "a", &d, true));
	assert_false(is_complete(f->store, "a", &d, false));
	(void)image_put(f->store, "other", NULL, "two");
	assert_false(is_complete(f->store, "a", &d, false));
	assert_true(is_complete(f->store, "a", &d, true));
	(void)image_put(f->store, "a", NULL, "two");
	assert_true(is_complete(f->store, "a", &d, false));
	assert_int_equal(index_number(f, "SELECT count(*) FROM absent", NULL), 0);
}

static void a_child_that_is_here_without_its_blobs_is_never_complete(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *text = index_text("one", "two");
	struct digest child = image_put(f->store, "other", NULL, "one");
	struct digest d = digest_text(text);

	(void)image_put(f->store, "a", NULL, "two");
	/* A link makes the child visible here, but not what it references. */
	assert_int_equal(store_blob_link(f->store, "a", &child, NULL), 0);
	assert_false(is_complete(f->store, "a", &child, true));
	assert_int_equal(manifest_try(f->store, "a", "v1", text, true, NULL), -ERR_NOTFOUND);
	assert_int_equal(store_tag_put(f->store, "a", "v1", &child, NULL), -ERR_NOTFOUND);
	assert_false(is_complete(f->store, "a", &d, true));
}

static void what_a_manifest_references_cannot_be_deleted_by_a_collectors_mistake(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *path = xasprintf("%s/index.db", f->path);
	const char *const statements[] = {"DELETE FROM blob WHERE digest = ?1", NULL};
	const struct db_options options = {
		.path = path,
		.application_id = 0x726d7374u,
		.migrations = store_migrations,
		.statements = statements,
	};
	struct digest manifest = image_put(f->store, "a", "v1", "one");
	struct digest wanted[] = {manifest, digest_text("one layer"), digest_text("one config")};
	AUTO(db_closep) struct db *db = NULL;

	assert_int_equal(db_open(&options, &db, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		AUTO(db_reset) struct db_stmt stmt = db_stmt(db, 0);

		db_bind_digest(&stmt, 1, &wanted[i]);
		assert_true(db_run(&stmt, NULL) < 0);
	}
	assert_true(is_complete(f->store, "a", &manifest, false));
}

static void a_manifest_whose_bytes_changed_on_disk_is_corrupt(void **state)
{
	struct fixture *f = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(buf_clear) struct buf bytes = BUF_INIT(MANIFEST_MAX);
	struct digest d = image_put(f->store, "a", "v1", "one");
	AUTO_FREE char *path = blob_path(f, &d);
	char type[MEDIA_TYPE_MAX + 1] = "untouched";

	assert_int_equal(chmod(path, 0644), 0);
	{
		AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);

		assert_int_equal(pwrite(fd, " ", 1, 0), 1);
	}
	assert_int_equal(store_manifest_get(f->store, "a", &d, &bytes, type, &err), -ERR_CORRUPT);
	assert_int_equal(bytes.len, 0);
	assert_string_equal(buf_text(&bytes), "");
	assert_string_equal(type, "untouched");
}

static void a_manifest_larger_than_the_callers_ceiling_is_refused(void **state)
{
	struct fixture *f = *state;
	AUTO(buf_clear) struct buf bytes = BUF_INIT(10);
	struct digest d = image_put(f->store, "a", "v1", "one");

	assert_int_equal(store_manifest_get(f->store, "a", &d, &bytes, NULL, NULL), -ERR_NOMEM);
}

static void a_tag_moves_to_a_manifest_that_is_here_and_to_no_other(void **state)
{
	struct fixture *f = *state;
	struct digest one = image_put(f->store, "a", "v1", "one"), found;
	struct digest two = image_put(f->store, "a", NULL, "two");
	struct digest elsewhere = image_put(f->store, "b", NULL, "three");

	assert_int_equal(store_tag_get(f->store, "a", "v1", &found, NULL), 0);
	assert_true(digest_equal(&found, &one));
	assert_int_equal(store_tag_put(f->store, "a", "v1", &two, NULL), 0);
	assert_int_equal(store_tag_put(f->store, "a", "v1", &elsewhere, NULL), -ERR_NOTFOUND);
	assert_int_equal(store_tag_get(f->store, "a", "v1", &found, NULL), 0);
	assert_true(digest_equal(&found, &two));
	assert_int_equal(store_tag_put(f->store, "nowhere", "v1", &two, NULL), -ERR_NOTFOUND);
	assert_int_equal(store_tag_put(f->store, "a", "no tag", &two, NULL), -ERR_USAGE);
}

static void putting_the_same_manifest_again_changes_nothing(void **state)
{
	struct fixture *f = *state;
	int64_t changes;

	(void)image_put(f->store, "a", "v1", "one");
	changes = index_number(f, "SELECT changed FROM repo", NULL);
	(void)image_put(f->store, "a", "v1", "one");
	assert_int_equal(index_number(f, "SELECT changed FROM repo", NULL), changes);
	assert_int_equal(index_number(f, "SELECT count(*) FROM ref", NULL), 2);
}

struct names {
	size_t n, enough;
	struct store *store;
	char last[REPOSITORY_MAX + 1];
};

static bool collect_tag(void *ctx, const char *tag, const struct digest *digest)
{
	struct names *names = ctx;
	struct digest found;

	assert_true(strcmp(tag, names->last) > 0);
	/* No lock is held: the store can be asked from here. */
	assert_int_equal(store_tag_get(names->store, "a", tag, &found, NULL), 0);
	assert_true(digest_equal(&found, digest));
	(void)snprintf(names->last, sizeof(names->last), "%s", tag);
	return ++names->n != names->enough;
}

static bool collect_repository(void *ctx, const char *repository)
{
	struct names *names = ctx;

	assert_true(strcmp(repository, names->last) > 0);
	(void)snprintf(names->last, sizeof(names->last), "%s", repository);
	return ++names->n != names->enough;
}

static void tags_are_listed_in_order_page_by_page_until_the_caller_has_enough(void **state)
{
	struct fixture *f = *state;
	struct names all = {.store = f->store}, some = {.store = f->store, .enough = 3};
	struct names none = {.store = f->store};
	struct digest d = image_put(f->store, "a", NULL, "one");

	for (int i = 0; i < MANY_TAGS; i++) {
		AUTO_FREE char *tag = xasprintf("v%d", i);

		assert_int_equal(store_tag_put(f->store, "a", tag, &d, NULL), 0);
	}
	assert_int_equal(store_tags(f->store, "a", collect_tag, &all, NULL), 0);
	assert_int_equal(all.n, MANY_TAGS);
	assert_int_equal(store_tags(f->store, "a", collect_tag, &some, NULL), 0);
	assert_int_equal(some.n, 3);
	assert_int_equal(store_tags(f->store, "unknown", collect_tag, &none, NULL), 0);
	assert_int_equal(none.n, 0);
}

static void repositories_are_listed_in_order(void **state)
{
	struct fixture *f = *state;
	struct names all = {.n = 0}, one = {.enough = 1};

	(void)blob_put(f->store, "b/c", "x");
	(void)blob_put(f->store, "b", "x");
	(void)blob_put(f->store, "a", "x");
	assert_int_equal(store_repositories(f->store, collect_repository, &all, NULL), 0);
	assert_int_equal(all.n, 3);
	assert_string_equal(all.last, "b/c");
	assert_int_equal(store_repositories(f->store, collect_repository, &one, NULL), 0);
	assert_string_equal(one.last, "a");
}

struct publisher {
	struct store *store;
	int number;
	int failed;
};

static void *publish_many(void *ctx)
{
	struct publisher *p = ctx;

	for (int i = 0; i < IMAGES; i++) {
		AUTO_FREE char *name = xasprintf("image %d of %d", i, p->number);
		AUTO_FREE char *tag = xasprintf("v%d.%d", p->number, i);
		AUTO_FREE char *text = image_text(name);
		bool broken = p->number % 3 == 0;

		if (!broken)
			(void)image_put(p->store, "a", NULL, name);
		if (manifest_try(p->store, "a", tag, text, false, NULL) !=
			(broken ? -ERR_NOTFOUND : 0))
			p->failed++;
	}
	return NULL;
}

static void a_broken_manifest_does_not_spoil_what_is_published_with_it(void **state)
{
	struct fixture *f = *state;
	struct publisher publishers[PUBLISHERS];
	pthread_t threads[PUBLISHERS];
	struct names names = {.store = f->store};

	for (int i = 0; i < PUBLISHERS; i++) {
		publishers[i] = (struct publisher){.store = f->store, .number = i};
		assert_int_equal(
			pthread_create(&threads[i], NULL, publish_many, &publishers[i]), 0);
	}
	for (int i = 0; i < PUBLISHERS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(publishers[i].failed, 0);
	}
	assert_int_equal(store_tags(f->store, "a", collect_tag, &names, NULL), 0);
	assert_int_equal(names.n, PUBLISHERS * 2 / 3 * IMAGES);
}

int main(void)
{
#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		WITH_STORE(a_manifest_comes_back_byte_for_byte_with_its_type),
		WITH_STORE(a_plain_blob_is_no_manifest),
		WITH_STORE(a_manifest_with_a_missing_blob_is_refused_by_name_and_leaves_nothing),
		WITH_STORE(a_blob_of_another_repository_is_missing_until_it_is_linked),
		WITH_STORE(a_foreign_layer_may_be_missing),
		WITH_STORE(an_index_needs_its_children_as_manifests_of_the_repository),
		WITH_STORE(a_sparse_index_is_complete_as_such_and_whole_when_the_child_comes),
		WITH_STORE(a_child_that_is_here_without_its_blobs_is_never_complete),
		WITH_STORE(what_a_manifest_references_cannot_be_deleted_by_a_collectors_mistake),
		WITH_STORE(a_manifest_whose_bytes_changed_on_disk_is_corrupt),
		WITH_STORE(a_manifest_larger_than_the_callers_ceiling_is_refused),
		WITH_STORE(a_tag_moves_to_a_manifest_that_is_here_and_to_no_other),
		WITH_STORE(putting_the_same_manifest_again_changes_nothing),
		WITH_STORE(tags_are_listed_in_order_page_by_page_until_the_caller_has_enough),
		WITH_STORE(repositories_are_listed_in_order),
		WITH_STORE(a_broken_manifest_does_not_spoil_what_is_published_with_it),
	};

	return cmocka_run_group_tests_name("store/manifest", tests, NULL, NULL);
}
