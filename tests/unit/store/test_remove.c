#include "fixture.h"

#include "store/collect.h"

#define REPOSITORY "team/web"

/* An image without layers that is about `subject`; the caller frees. */
static char *referrer_text(const struct digest *subject, const char *name)
{
	struct digest config = digest_text("{}");
	char a[DIGEST_STR_MAX], b[DIGEST_STR_MAX];

	return xasprintf("{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_MANIFEST "\","
			 "\"artifactType\":\"application/%s\","
			 "\"config\":{\"mediaType\":\"" MEDIA_OCI_EMPTY "\","
			 "\"digest\":\"%s\",\"size\":2},\"layers\":[],"
			 "\"subject\":{\"mediaType\":\"" MEDIA_OCI_MANIFEST "\","
			 "\"digest\":\"%s\",\"size\":1}}",
		name,
		digest_format(&config, a),
		digest_format(subject, b));
}

static struct digest referrer_put(
	struct store *s, const char *repository, const struct digest *subject, const char *name)
{
	AUTO_FREE char *text = referrer_text(subject, name);

	(void)blob_put(s, repository, "{}");
	assert_int_equal(manifest_try(s, repository, NULL, text, false, NULL), 0);
	return digest_text(text);
}

static int manifest_look(struct store *s, const char *repository, const struct digest *d)
{
	AUTO(buf_clear) struct buf bytes = BUF_INIT(MANIFEST_MAX);

	return store_manifest_get(s, repository, d, &bytes, NULL, NULL);
}

static int blob_look(struct store *s, const char *repository, const struct digest *d)
{
	uint64_t size = 0;

	return store_blob_in_repository(s, repository, d, &size, NULL);
}

static int tag_look(struct store *s, const char *repository, const char *tag)
{
	struct digest d;

	return store_tag_get(s, repository, tag, &d, NULL);
}

static void a_deleted_tag_leaves_its_manifest(void **state)
{
	struct fixture *f = *state;
	struct digest d = image_put(f->store, REPOSITORY, "v1", "image");

	assert_int_equal(store_tag_put(f->store, REPOSITORY, "v2", &d, NULL), 0);
	assert_int_equal(store_tag_delete(f->store, REPOSITORY, "v1", NULL), 0);
	assert_int_equal(tag_look(f->store, REPOSITORY, "v1"), -ERR_NOTFOUND);
	assert_int_equal(tag_look(f->store, REPOSITORY, "v2"), 0);
	assert_int_equal(manifest_look(f->store, REPOSITORY, &d), 0);
	assert_int_equal(store_tag_delete(f->store, REPOSITORY, "v1", NULL), -ERR_NOTFOUND);
	assert_int_equal(store_tag_delete(f->store, "team/none", "v1", NULL), -ERR_NOTFOUND);
	assert_int_equal(
		index_number(f, "SELECT count(*) FROM repo WHERE changed <> written", NULL), 1);
}

static void a_deleted_manifest_takes_its_tags_along_here_and_nowhere_else(void **state)
{
	struct fixture *f = *state;
	struct digest d = image_put(f->store, REPOSITORY, "v1", "image");

	(void)image_put(f->store, "team/other", "v1", "image");
	assert_int_equal(store_tag_put(f->store, REPOSITORY, "v2", &d, NULL), 0);
	assert_int_equal(store_manifest_delete(f->store, REPOSITORY, &d, NULL), 0);
	assert_int_equal(tag_look(f->store, REPOSITORY, "v1"), -ERR_NOTFOUND);
	assert_int_equal(tag_look(f->store, REPOSITORY, "v2"), -ERR_NOTFOUND);
	assert_int_equal(manifest_look(f->store, REPOSITORY, &d), -ERR_NOTFOUND);
	assert_int_equal(manifest_look(f->store, "team/other", &d), 0);
	assert_int_equal(tag_look(f->store, "team/other", "v1"), 0);
	assert_int_equal(store_manifest_delete(f->store, REPOSITORY, &d, NULL), -ERR_NOTFOUND);
	/* A blob is no manifest. */
	d = digest_text("image layer");
	assert_int_equal(store_manifest_delete(f->store, REPOSITORY, &d, NULL), -ERR_NOTFOUND);
}

static void what_a_tagged_index_needs_cannot_be_deleted(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct fixture *f = *state;
	AUTO_FREE char *text = index_text("one", "two");
	struct digest one = image_put(f->store, REPOSITORY, NULL, "one");
	struct digest index = digest_text(text);

	(void)image_put(f->store, REPOSITORY, "two", "two");
	assert_int_equal(manifest_try(f->store, REPOSITORY, "all", text, false, NULL), 0);
	assert_int_equal(store_manifest_delete(f->store, REPOSITORY, &one, &err), -ERR_USAGE);
	assert_non_null(strstr(error_text(&err), "'all'"));
	assert_int_equal(store_tag_delete(f->store, REPOSITORY, "all", NULL), 0);
	assert_int_equal(store_manifest_delete(f->store, REPOSITORY, &one, NULL), 0);
	assert_int_equal(store_manifest_delete(f->store, REPOSITORY, &index, NULL), 0);
}

static void a_blob_can_be_unlinked_when_no_manifest_here_needs_it(void **state)
{
	struct fixture *f = *state;
	struct digest image = image_put(f->store, REPOSITORY, "v1", "image");
	struct digest layer = digest_text("image layer");

	assert_int_equal(store_blob_link(f->store, "team/other", &layer, NULL), 0);
	assert_int_equal(store_blob_unlink(f->store, REPOSITORY, &layer, NULL), -ERR_USAGE);
	assert_int_equal(store_blob_unlink(f->store, REPOSITORY, &image, NULL), -ERR_USAGE);
	assert_int_equal(store_blob_unlink(f->store, "team/other", &layer, NULL), 0);
	assert_int_equal(blob_look(f->store, "team/other", &layer), -ERR_NOTFOUND);
	assert_int_equal(blob_look(f->store, REPOSITORY, &layer), 0);
	assert_int_equal(store_blob_unlink(f->store, "team/other", &layer, NULL), -ERR_NOTFOUND);
	assert_int_equal(store_manifest_delete(f->store, REPOSITORY, &image, NULL), 0);
	assert_int_equal(store_blob_unlink(f->store, REPOSITORY, &layer, NULL), 0);
	assert_int_equal(blob_look(f->store, REPOSITORY, &layer), -ERR_NOTFOUND);
}

/* ---- lists ---- */

#define NAMES_MAX 300

struct names {
	char *items[NAMES_MAX];
	size_t n, limit;
};

static void names_clear(struct names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->items[i]);
	names->n = 0;
}

static bool add_name(void *ctx, const char *name)
{
	struct names *names = ctx;

	names->items[names->n++] = xstrdup(name);
	return names->limit == 0 || names->n < names->limit;
}

static bool add_tag(void *ctx, const char *tag, const struct digest *digest)
{
	(void)digest;
	return add_name(ctx, tag);
}

static void tags_come_page_by_page(void **state)
{
	struct fixture *f = *state;
	struct digest d = image_put(f->store, REPOSITORY, NULL, "image");
	AUTO(names_clear) struct names names = {.n = 0};
	const char *last = NULL;

	for (int i = 0; i < 150; i++) {
		AUTO_FREE char *tag = xasprintf("t%03d", i);

		assert_int_equal(store_tag_put(f->store, REPOSITORY, tag, &d, NULL), 0);
	}
	for (size_t before = 1; before != names.n;) {
		before = names.n;
		assert_int_equal(
			store_tags_after(f->store, REPOSITORY, last, 70, add_tag, &names, NULL), 0);
		if (names.n > 0)
			last = names.items[names.n - 1];
	}
	assert_int_equal(names.n, 150);
	for (int i = 0; i < 150; i++) {
		AUTO_FREE char *tag = xasprintf("t%03d", i);

		assert_string_equal(names.items[i], tag);
	}
	names_clear(&names);
	assert_int_equal(
		store_tags_after(f->store, REPOSITORY, "t100.", 2, add_tag, &names, NULL), 0);
	assert_int_equal(names.n, 2);
	assert_string_equal(names.items[0], "t101");
	names_clear(&names);
	assert_int_equal(store_tags_after(f->store, REPOSITORY, NULL, 0, add_tag, &names, NULL), 0);
	assert_int_equal(store_tags_after(f->store, "none", NULL, 5, add_tag, &names, NULL), 0);
	assert_int_equal(names.n, 0);
}

static void repositories_come_page_by_page_when_something_is_in_them(void **state)
{
	struct fixture *f = *state;
	AUTO(names_clear) struct names names = {.n = 0};
	struct digest d = digest_text("blob 77");

	for (int i = 0; i < 100; i++) {
		AUTO_FREE char *repository = xasprintf("r%02d", i);
		AUTO_FREE char *text = xasprintf("blob %02d", i);

		(void)blob_put(f->store, repository, text);
	}
	assert_true(store_has_repository(f->store, "r77"));
	assert_int_equal(store_blob_unlink(f->store, "r77", &d, NULL), 0);
	assert_false(store_has_repository(f->store, "r77"));
	assert_false(store_has_repository(f->store, "none"));
	assert_int_equal(store_repositories_after(f->store, "r09", 80, add_name, &names, NULL), 0);
	assert_int_equal(names.n, 80);
	assert_string_equal(names.items[0], "r10");
	assert_string_equal(names.items[66], "r76");
	assert_string_equal(names.items[67], "r78");
	names_clear(&names);
	names.limit = 3;
	assert_int_equal(store_repositories_after(f->store, NULL, 80, add_name, &names, NULL), 0);
	assert_int_equal(names.n, 3);
	assert_string_equal(names.items[0], "r00");
}

/* ---- referrers ---- */

struct found {
	struct digest digests[NAMES_MAX];
	size_t n, limit;
};

static bool add_referrer(void *ctx, const struct store_referrer *referrer)
{
	struct found *found = ctx;

	assert_string_equal(referrer->media_type, MEDIA_OCI_MANIFEST);
	assert_true(referrer->size > 0);
	found->digests[found->n++] = referrer->digest;
	return found->limit == 0 || found->n < found->limit;
}

static struct found referrers(struct store *s, const char *repository, const struct digest *subject)
{
	struct found found = {.n = 0};

	assert_int_equal(store_referrers(s, repository, subject, add_referrer, &found, NULL), 0);
	return found;
}

static void referrers_are_found_in_their_repository(void **state)
{
	struct fixture *f = *state;
	struct digest image = image_put(f->store, REPOSITORY, "v1", "image");
	struct digest missing = digest_text("never pushed");
	struct digest sbom = referrer_put(f->store, REPOSITORY, &image, "sbom");
	struct found found;

	(void)referrer_put(f->store, "team/other", &image, "signature");
	(void)referrer_put(f->store, REPOSITORY, &missing, "sbom");
	found = referrers(f->store, REPOSITORY, &image);
	assert_int_equal(found.n, 1);
	assert_true(digest_equal(&found.digests[0], &sbom));
	assert_int_equal(referrers(f->store, "team/other", &image).n, 1);
	assert_int_equal(referrers(f->store, REPOSITORY, &missing).n, 1);
	assert_int_equal(referrers(f->store, "none", &image).n, 0);
	assert_int_equal(store_manifest_delete(f->store, REPOSITORY, &sbom, NULL), 0);
	assert_int_equal(referrers(f->store, REPOSITORY, &image).n, 0);
	/* Pushed again, it is one again. */
	(void)referrer_put(f->store, REPOSITORY, &image, "sbom");
	assert_int_equal(referrers(f->store, REPOSITORY, &image).n, 1);
}

static void many_referrers_come_in_their_order(void **state)
{
	struct fixture *f = *state;
	struct digest image = image_put(f->store, REPOSITORY, "v1", "image");
	struct digest expected[50];
	struct found found = {.limit = 20};

	for (int i = 0; i < 50; i++) {
		AUTO_FREE char *name = xasprintf("type-%d", i);

		expected[i] = referrer_put(f->store, REPOSITORY, &image, name);
	}
	assert_int_equal(
		store_referrers(f->store, REPOSITORY, &image, add_referrer, &found, NULL), 0);
	assert_int_equal(found.n, 20);
	found = referrers(f->store, REPOSITORY, &image);
	assert_int_equal(found.n, 50);
	for (int i = 0; i < 50; i++)
		assert_true(digest_equal(&found.digests[i], &expected[i]));
}

/* As a store of the first version is found. */
static void subjects_of_an_older_version_are_read(void **state)
{
	struct fixture *f = *state;
	struct digest image = image_put(f->store, REPOSITORY, "v1", "image");
	struct digest sbom = referrer_put(f->store, REPOSITORY, &image, "sbom");
	struct digest lost = referrer_put(f->store, REPOSITORY, &image, "lost");
	AUTO_FREE char *path = blob_path(f, &lost);

	store_close(steal(&f->store));
	index_run(f, "DELETE FROM subject", NULL);
	index_run(f, "INSERT INTO unread SELECT id FROM blob WHERE type IS NOT NULL", NULL);
	assert_int_equal(unlink(path), 0);
	fixture_open(f);
	assert_int_equal(index_number(f, "SELECT count(*) FROM unread", NULL), 0);
	assert_int_equal(referrers(f->store, REPOSITORY, &image).n, 1);
	assert_true(digest_equal(&referrers(f->store, REPOSITORY, &image).digests[0], &sbom));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_deleted_tag_leaves_its_manifest),
		TEST(a_deleted_manifest_takes_its_tags_along_here_and_nowhere_else),
		TEST(what_a_tagged_index_needs_cannot_be_deleted),
		TEST(a_blob_can_be_unlinked_when_no_manifest_here_needs_it),
		TEST(tags_come_page_by_page),
		TEST(repositories_come_page_by_page_when_something_is_in_them),
		TEST(referrers_are_found_in_their_repository),
		TEST(many_referrers_come_in_their_order),
		TEST(subjects_of_an_older_version_are_read),
	};

	return cmocka_run_group_tests_name("store/remove", tests, NULL, NULL);
}
