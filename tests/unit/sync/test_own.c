/* Rules whose repositories have tags and names of their own, and listings on their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scene.h"

static void each_repository_has_its_own_tags_and_no_listing(void **state)
{
	static const char *const one[] = {"v1"}, *const two[] = {"v2", "v3"};
	static const struct sync_own own[] = {
		{.tags = one, .n_tags = 1},
		{.tags = two, .n_tags = 2},
	};
	struct scene *s = *state;
	struct sync_rule *rule = rule_add(s, "a/b", "c/d", 2);

	(void)image_put(s, "a/b", "v1", "one");
	(void)image_put(s, "a/b", "v2", "not wanted");
	(void)image_put(s, "c/d", "v2", "two");
	(void)image_put(s, "c/d", "v3", "three");
	rule->own = own;
	run(s);
	assert_all_published(s, 6);
	assert_true(target_has_tag(s, &s->other, "c/d", "v3"));
	assert_false(target_has_layer(&s->to, "a/b", "not wanted"));
	assert_int_equal(fake_count(&s->from, "GET /v2/a/b/tags/list"), 0);
}

static void a_repository_can_be_published_under_two_names(void **state)
{
	static const char *const tags[] = {"v1"};
	static const struct sync_own own[] = {
		{.as = "dns", .tags = tags, .n_tags = 1},
		{.tags = tags, .n_tags = 1},
	};
	struct scene *s = *state;
	struct sync_rule *rule = rule_add(s, "dns/dns", "dns/dns", 1);

	(void)image_put(s, "dns/dns", "v1", "layer");
	rule->own = own;
	rule->rename = "k8s/{repository}";
	run(s);
	assert_all_published(s, 2);
	assert_non_null(fake_find(&s->to, "k8s/dns", "v1", true));
	assert_non_null(fake_find(&s->to, "k8s/dns/dns", "v1", true));
	/* It is fetched once. */
	assert_int_equal(fake_count(&s->from, "GET /v2/dns/dns/blobs/"), 2);
	run(s);
	assert_int_equal(s->result.complete, 2);
}

static void others_are_listed_and_selected_as_ever(void **state)
{
	static const char *const tags[] = {"v1"};
	static const struct sync_own own[] = {{.tags = NULL}, {.tags = tags, .n_tags = 1}};
	static const char *const excluded[] = {"v9"};
	const struct select_rules rules = {.exclude = excluded, .n_exclude = 1};
	struct scene *s = *state;
	struct sync_rule *rule = rule_add(s, "a/b", "c/d", 1);
	AUTO(selector_freep) struct selector *selector = NULL;

	(void)image_put(s, "a/b", "v1", "one");
	(void)image_put(s, "a/b", "v9", "excluded");
	(void)image_put(s, "c/d", "v1", "two");
	(void)image_put(s, "c/d", "v9", "not named");
	assert_int_equal(selector_new(&rules, &selector, NULL), 0);
	rule->own = own;
	rule->selector = selector;
	run(s);
	assert_all_published(s, 2); /* and nothing but these two: v9 is left out in both */
	assert_int_equal(s->n_outcomes, 3);
	assert_false(target_has_tag(s, &s->to, "a/b", "v9"));
	assert_false(target_has_tag(s, &s->to, "c/d", "v9"));
}

static void what_is_refused_fails_and_holds_nothing_back(void **state)
{
	static const char *const tags[] = {"v1"};
	AUTO(error_clear) struct error why = ERROR_INIT;
	struct scene *s = *state;
	struct sync_rule *rule = rule_add(s, "a/b", "a/b", 2);
	const struct sync_own own[] = {
		{.tags = tags, .n_tags = 1},
		{.refused = &why},
	};

	(void)error_set(&why, ERR_USAGE, "version v9 is not known");
	(void)image_put(s, "a/b", "v1", "layer");
	rule->own = own;
	rule->publish_together = true;
	run(s);
	assert_int_equal(s->result.published, 2);
	assert_int_equal(s->result.failed, 2);
	assert_true(target_has_tag(s, &s->to, "a/b", "v1"));
	for (size_t i = 0; i < s->n_outcomes; i++)
		if (s->outcomes[i].error)
			assert_string_equal(s->outcomes[i].error, "version v9 is not known");
}

/* ---- listings ---- */

static void count_tag(void *ctx, const char *tag)
{
	AUTO_FREE char *old = *(char **)ctx;

	*(char **)ctx = xasprintf("%s %s", old, tag);
}

static void tags_can_be_listed_alone(void **state)
{
	struct scene *s = *state;
	const struct sync_rule *rule = rule_add(s, "a/b", NULL, 1);
	char *tags = xstrdup("");

	(void)image_put(s, "a/b", "v1", "one");
	(void)image_put(s, "a/b", "v2", "two");
	assert_int_equal(sync_tags(&s->options, rule, count_tag, &tags, NULL), 0);
	assert_string_equal(tags, " v1 v2");
	assert_int_equal(fake_count(&s->from, ""), 1);
	assert_int_equal(fake_count(&s->to, ""), 0);
	free(tags);
}

static void a_listing_that_fails_says_why(void **state)
{
	struct scene *s = *state;
	const struct sync_rule *rule = rule_add(s, "no/such", NULL, 1);
	AUTO(error_clear) struct error err = ERROR_INIT;
	char *tags = xstrdup("");

	assert_int_equal(sync_tags(&s->options, rule, count_tag, &tags, &err), -ERR_NOTFOUND);
	assert_non_null(strstr(error_text(&err), "list the tags of no/such"));
	assert_string_equal(tags, "");
	free(tags);
}

static enum fake_turn away(struct fake *f UNUSED, struct peer_conn *c)
{
	return fake_refuse(c, 503, "");
}

static void a_listing_comes_from_those_who_may_answer(void **state)
{
	struct scene *s = *state;
	const struct sync_rule *rule = rule_add(s, "a/b", NULL, 1);
	struct fake *mirror = mirror_add(s, true);
	AUTO_FREE char *text = image_text(mirror, "a/b", "layer");
	char *tags = xstrdup("");

	(void)fake_manifest(mirror, "a/b", "v7", MEDIA_OCI_MANIFEST, text);
	s->from.first = away;
	assert_int_equal(sync_tags(&s->options, rule, count_tag, &tags, NULL), 0);
	assert_string_equal(tags, " v7");
	free(tags);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define RUN_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		RUN_TEST(each_repository_has_its_own_tags_and_no_listing),
		RUN_TEST(a_repository_can_be_published_under_two_names),
		RUN_TEST(others_are_listed_and_selected_as_ever),
		RUN_TEST(what_is_refused_fails_and_holds_nothing_back),
		RUN_TEST(tags_can_be_listed_alone),
		RUN_TEST(a_listing_that_fails_says_why),
		RUN_TEST(a_listing_comes_from_those_who_may_answer),
	};

	return cmocka_run_group_tests_name("sync/own", tests, NULL, NULL);
}
