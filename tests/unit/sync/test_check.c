/* Whether everything is at a target: whole, and with exactly one thing taken away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scene.h"
#include "sync/check.h"

/* "v1" of two repositories: an index of two platforms over a layer that all share. */
struct content {
	struct digest index, child[2], own[2], shared;
};

static const char *const platforms[] = {"amd64", "arm64"};

static char *manifest_text(struct fake *f, const char *repository, const char *own)
{
	struct digest config = fake_blob(f, repository, "{}", 2);
	struct digest shared = fake_blob(f, repository, "shared", strlen("shared"));
	struct digest layer = fake_blob(f, repository, own, strlen(own));
	char a[DIGEST_STR_MAX], b[DIGEST_STR_MAX], c[DIGEST_STR_MAX];

	return xasprintf("{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_MANIFEST "\","
			 "\"config\":{\"mediaType\":\"" MEDIA_OCI_CONFIG
			 "\",\"digest\":\"%s\",\"size\":2},\"layers\":["
			 "{\"mediaType\":\"x/y\",\"digest\":\"%s\",\"size\":6},"
			 "{\"mediaType\":\"x/y\",\"digest\":\"%s\",\"size\":%zu}]}",
		digest_format(&config, a),
		digest_format(&shared, b),
		digest_format(&layer, c),
		strlen(own));
}

static struct content content_put(struct scene *s, const char *repository)
{
	struct content c = {.shared = fake_digest("shared", strlen("shared"))};
	AUTO_FREE char *entries = xstrdup("");
	AUTO_FREE char *text = NULL;

	for (size_t i = 0; i < 2; i++) {
		AUTO_FREE char *own = xasprintf("layer of %s for %s", repository, platforms[i]);
		AUTO_FREE char *child = manifest_text(&s->from, repository, own);
		AUTO_FREE char *before = steal(&entries);
		char digest[DIGEST_STR_MAX];

		c.own[i] = fake_digest(own, strlen(own));
		c.child[i] = fake_manifest(&s->from, repository, NULL, MEDIA_OCI_MANIFEST, child);
		entries = xasprintf("%s%s{\"mediaType\":\"" MEDIA_OCI_MANIFEST
				    "\",\"digest\":\"%s\",\"size\":%zu,\"platform\":"
				    "{\"os\":\"linux\",\"architecture\":\"%s\"}}",
			before,
			i ? "," : "",
			digest_format(&c.child[i], digest),
			strlen(child),
			platforms[i]);
	}
	text = index_of(entries);
	c.index = fake_manifest(&s->from, repository, "v1", MEDIA_OCI_INDEX, text);
	return c;
}

static const struct check_image images[] = {{"a/b", "v1"}, {"c/d", "v1"}};

static void check(struct scene *s, const struct sync_target *target, const char *platform,
	struct check_result ret[static 2])
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct platform wanted;
	const struct check_options options = {
		.loop = s->loop,
		.platforms = platform ? &wanted : NULL,
		.n_platforms = platform ? 1 : 0,
	};

	if (platform)
		assert_int_equal(platform_parse(platform, &wanted, NULL), 0);
	if (check_run(&options, target, images, 2, ret, &err) < 0)
		fail_msg("%s", error_text(&err));
}

/* Both repositories at both kinds of target. */
static struct content everything(struct scene *s)
{
	struct content c = content_put(s, "a/b");

	(void)content_put(s, "c/d");
	s->targets[1] = &s->store_target;
	(void)rule_add(s, "a/b", "c/d", 2);
	run(s);
	assert_all_published(s, 4);
	return c;
}

static void drop(struct scene *s, const char *repository, const struct digest *digest)
{
	char text[DIGEST_STR_MAX];

	fake_drop(&s->to, repository, digest_format(digest, text));
}

static void what_was_synced_is_complete(void **state)
{
	struct scene *s = *state;
	const struct content c = everything(s);
	const struct sync_target *const targets[] = {&s->to_target, &s->store_target};

	for (size_t i = 0; i < 2; i++) {
		struct check_result r[2];

		check(s, targets[i], NULL, r);
		for (size_t k = 0; k < 2; k++) {
			assert_true(r[k].complete);
			assert_int_equal(r[k].manifests, 3);
			assert_int_equal(r[k].blobs, 4); /* config, shared, and two of their own */
			assert_int_equal(r[k].n_problems, 0);
		}
		assert_true(r[0].has_digest);
		assert_true(digest_equal(&r[0].digest, &c.index));
		check_results_clear(r, 2);
	}
}

static void what_images_of_a_repository_share_is_asked_for_once(void **state)
{
	static const struct check_image twice[] = {{"a/b", "v1"}, {"a/b", "v1"}};
	struct scene *s = *state;
	const struct check_options options = {.loop = s->loop};
	const struct content c = everything(s);
	unsigned before = fake_count(&s->to, "HEAD ");
	struct check_result r[2];

	drop(s, "a/b", &c.own[0]);
	assert_int_equal(check_run(&options, &s->to_target, twice, 2, r, NULL), 0);
	assert_int_equal(fake_count(&s->to, "HEAD "), before + 4);
	/* And what is missing is told of each. */
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(r[i].n_problems, 1);
		assert_true(digest_equal(&r[i].problems[0].digest, &c.own[0]));
	}
	check_results_clear(r, 2);
}

static void assert_one_problem(const struct check_result r[static 2], size_t bad,
	enum check_state state, const char *what, const struct digest *digest)
{
	const struct check_problem *p = r[bad].problems;

	assert_true(r[1 - bad].complete);
	assert_false(r[bad].complete);
	assert_int_equal(r[bad].n_problems, 1);
	assert_int_equal(p->state, state);
	assert_string_equal(p->what, what);
	assert_true(p->has_digest == (digest != NULL));
	assert_true(!digest || digest_equal(&p->digest, digest));
	assert_non_null(p->text);
}

static void exactly_what_is_gone_from_a_registry_is_named(void **state)
{
	struct scene *s = *state;
	const struct content c = everything(s);
	struct check_result r[2];

	drop(s, "a/b", &c.own[1]);
	check(s, &s->to_target, NULL, r);
	assert_one_problem(r, 0, CHECK_MISSING, "blob", &c.own[1]);
	assert_string_equal(r[0].problems[0].platform, "linux/arm64");
	check_results_clear(r, 2);
	/* For the other platform it is all there. */
	check(s, &s->to_target, "linux/amd64", r);
	assert_true(r[0].complete && r[1].complete);
	assert_int_equal(r[0].manifests, 2);
	check_results_clear(r, 2);
	drop(s, "a/b", &c.child[1]);
	check(s, &s->to_target, NULL, r);
	assert_one_problem(r, 0, CHECK_MISSING, "manifest", &c.child[1]);
	check_results_clear(r, 2);
	fake_drop(&s->to, "a/b", "v1");
	check(s, &s->to_target, NULL, r);
	assert_one_problem(r, 0, CHECK_MISSING, "tag", NULL);
	check_results_clear(r, 2);
}

/* As with real registries, content of another repository is not there. */
static void a_shared_blob_that_is_gone_is_told_for_each_platform(void **state)
{
	struct scene *s = *state;
	const struct content c = everything(s);
	struct check_result r[2];

	drop(s, "c/d", &c.shared);
	check(s, &s->to_target, NULL, r);
	assert_one_problem(r, 1, CHECK_MISSING, "blob", &c.shared);
	check_results_clear(r, 2);
}

static void an_index_without_the_platform_is_not_complete(void **state)
{
	struct scene *s = *state;
	struct check_result r[2];

	(void)everything(s);
	check(s, &s->to_target, "linux/s390x", r);
	for (size_t i = 0; i < 2; i++) {
		assert_false(r[i].complete);
		assert_int_equal(r[i].n_problems, 1);
		assert_string_equal(r[i].problems[0].what, "platform");
		assert_string_equal(r[i].problems[0].platform, "linux/s390x");
	}
	check_results_clear(r, 2);
}

static char *file_of(const struct scene *s, const struct digest *digest)
{
	char text[DIGEST_STR_MAX];

	digest_format(digest, text);
	return xasprintf("%s/store/blobs/sha256/%s", s->folder, strchr(text, ':') + 1);
}

static void exactly_what_is_gone_from_the_store_is_named(void **state)
{
	struct scene *s = *state;
	const struct content c = everything(s);
	AUTO_FREE char *blob = file_of(s, &c.own[0]);
	AUTO_FREE char *child = file_of(s, &c.child[0]);
	struct check_result r[2];

	assert_int_equal(truncate(blob, 3), 0);
	check(s, &s->store_target, NULL, r);
	assert_one_problem(r, 0, CHECK_WRONG, "blob", &c.own[0]);
	check_results_clear(r, 2);
	assert_int_equal(unlink(blob), 0);
	check(s, &s->store_target, NULL, r);
	assert_one_problem(r, 0, CHECK_WRONG, "blob", &c.own[0]); /* a row without its file */
	check_results_clear(r, 2);
	assert_int_equal(unlink(child), 0);
	check(s, &s->store_target, NULL, r);
	assert_false(r[0].complete);
	assert_true(r[1].complete);
	assert_string_equal(r[0].problems[0].what, "manifest");
	check_results_clear(r, 2);
}

static enum fake_turn refuse_heads(struct fake *f UNUSED, struct peer_conn *c)
{
	if (!peer_heard(c, "HEAD /"))
		return FAKE_GOES_ON;
	return fake_refuse(c, 403, "");
}

static void a_target_that_does_not_say_is_not_called_empty(void **state)
{
	struct scene *s = *state;
	struct check_result r[2];

	(void)everything(s);
	s->to.first = refuse_heads;
	check(s, &s->to_target, NULL, r);
	for (size_t i = 0; i < 2; i++) {
		assert_false(r[i].complete);
		assert_int_equal(r[i].n_problems, 4);
		for (size_t k = 0; k < r[i].n_problems; k++)
			assert_int_equal(r[i].problems[k].state, CHECK_UNKNOWN);
	}
	check_results_clear(r, 2);
}

static void a_check_can_be_stopped(void **state)
{
	struct scene *s = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	const struct check_options options = {.loop = s->loop, .stop = &s->stop};
	struct check_result r[2];

	(void)everything(s);
	s->stop = 1;
	assert_int_equal(check_run(&options, &s->to_target, images, 2, r, &err), -ERR_CANCELED);
	assert_false(r[0].complete);
	check_results_clear(r, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define RUN_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		RUN_TEST(what_was_synced_is_complete),
		RUN_TEST(what_images_of_a_repository_share_is_asked_for_once),
		RUN_TEST(exactly_what_is_gone_from_a_registry_is_named),
		RUN_TEST(a_shared_blob_that_is_gone_is_told_for_each_platform),
		RUN_TEST(an_index_without_the_platform_is_not_complete),
		RUN_TEST(exactly_what_is_gone_from_the_store_is_named),
		RUN_TEST(a_target_that_does_not_say_is_not_called_empty),
		RUN_TEST(a_check_can_be_stopped),
	};

	return cmocka_run_group_tests_name("sync/check", tests, NULL, NULL);
}
