#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scene.h"

/* ---- the way it goes ---- */

static void images_arrive_whole_and_in_order(void **state)
{
	struct scene *s = *state;
	size_t tag;

	(void)image_put(s, "a/b", "v1", "layer");
	(void)rule_add(s, "a/b", NULL, 3);
	run(s);
	assert_all_published(s, 3);
	assert_true(target_has_tag(s, &s->to, "a/b", "v1"));
	assert_true(target_has_tag(s, &s->other, "a/b", "v1"));
	assert_true(target_has_layer(&s->to, "a/b", "layer"));
	tag = fake_last(&s->to, "PUT /v2/a/b/manifests/v1");
	assert_true(tag > fake_last(&s->to, "PUT /up/"));
	/* One fetch serves all targets. */
	assert_int_equal(fake_count(&s->from, "GET /v2/a/b/blobs/"), 2);
}

static void a_second_run_asks_next_to_nothing(void **state)
{
	struct scene *s = *state;
	unsigned before;

	(void)image_put(s, "a/b", "v1", "layer");
	(void)rule_add(s, "a/b", NULL, 1);
	run(s);
	before = fake_count(&s->from, "") + fake_count(&s->to, "");
	run(s);
	assert_int_equal(s->result.complete, 1);
	/* The source's listing and a HEAD, the target's listing. */
	assert_int_equal(fake_count(&s->from, "") + fake_count(&s->to, ""), before + 3);
	s->rules[0].immutable = SYNC_IMMUTABLE_SEMVER;
	run(s);
	assert_int_equal(s->result.complete, 1);
	assert_int_equal(fake_count(&s->from, "") + fake_count(&s->to, ""), before + 5);
}

static void blobs_that_images_share_move_once(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *one = image_text(&s->from, "a/b", "layer");
	AUTO_FREE char *two = xasprintf("%.*s }", (int)strlen(one) - 1, one);

	(void)fake_manifest(&s->from, "a/b", "v1", MEDIA_OCI_MANIFEST, one);
	(void)fake_manifest(&s->from, "a/b", "v2", MEDIA_OCI_MANIFEST, two);
	(void)rule_add(s, "a/b", NULL, 1);
	run(s);
	assert_all_published(s, 2);
	assert_int_equal(s->result.blobs, 2);
	assert_int_equal(fake_count(&s->from, "GET /v2/a/b/blobs/"), 2);
	assert_int_equal(fake_count(&s->to, "POST"), 2);
}

static void blobs_are_mounted_between_repositories(void **state)
{
	struct scene *s = *state;

	(void)image_put(s, "a/b", "v1", "layer");
	(void)image_put(s, "c/d", "v1", "layer");
	(void)rule_add(s, "a/b", "c/d", 1);
	run(s);
	assert_all_published(s, 2);
	assert_int_equal(s->result.mounted, 2);
	assert_int_equal(s->result.blobs, 2);
	assert_true(target_has_layer(&s->to, "a/b", "layer"));
	assert_true(target_has_layer(&s->to, "c/d", "layer"));
}

static void a_mount_uses_what_an_earlier_run_put_there(void **state)
{
	struct scene *s = *state;

	(void)image_put(s, "a/b", "v1", "layer");
	(void)rule_add(s, "a/b", NULL, 1);
	run(s);
	(void)image_put(s, "c/d", "v1", "layer");
	s->rules[0].repositories = (const char *const[]){"c/d"};
	run(s);
	assert_all_published(s, 1);
	assert_int_equal(s->result.mounted, 2);
	assert_int_equal(fake_count(&s->from, "GET /v2/c/d/blobs/"), 0);
}

static void an_index_goes_after_its_children(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *one = image_text(&s->from, "a/b", "one");
	AUTO_FREE char *two = image_text(&s->from, "a/b", "two");
	struct digest d1 = fake_manifest(&s->from, "a/b", NULL, MEDIA_OCI_MANIFEST, one);
	struct digest d2 = fake_manifest(&s->from, "a/b", NULL, MEDIA_OCI_MANIFEST, two);
	AUTO_FREE char *e1 = entry(MEDIA_OCI_MANIFEST, &d1, strlen(one));
	AUTO_FREE char *e2 = entry(MEDIA_OCI_MANIFEST, &d2, strlen(two));
	AUTO_FREE char *both = xasprintf("%s,%s,%s", e1, e2, e1);
	AUTO_FREE char *text = index_of(both);

	(void)fake_manifest(&s->from, "a/b", "v1", MEDIA_OCI_INDEX, text);
	(void)rule_add(s, "a/b", NULL, 3);
	run(s);
	assert_all_published(s, 3);
	assert_true(target_has_tag(s, &s->to, "a/b", "v1"));
	assert_true(fake_last(&s->to, "PUT /v2/a/b/manifests/v1") >
		    fake_last(&s->to, "PUT /v2/a/b/manifests/sha256"));
	assert_int_equal(fake_count(&s->to, "PUT /v2/a/b/manifests/"), 3);
}

/* ---- sources that fail ---- */

static void a_missing_child_fails_only_its_image(void **state)
{
	struct scene *s = *state;
	struct digest gone = fake_digest("gone", 4);
	AUTO_FREE char *e = entry(MEDIA_OCI_MANIFEST, &gone, 4);
	AUTO_FREE char *text = index_of(e);

	(void)fake_manifest(&s->from, "a/b", "bad", MEDIA_OCI_INDEX, text);
	(void)image_put(s, "a/b", "good", "layer");
	(void)rule_add(s, "a/b", NULL, 2);
	run(s);
	assert_int_equal(s->result.failed, 2);
	assert_int_equal(s->result.published, 2);
	assert_non_null(strstr(outcome_of(s, "a/b", "bad")->error, "a/b:bad: manifest sha256:"));
	assert_null(outcome_of(s, "a/b", "good")->error);
	assert_int_equal(fake_count(&s->to, "PUT /v2/a/b/manifests/bad"), 0);
}

static void a_child_that_two_repositories_lack_fails_both(void **state)
{
	struct scene *s = *state;
	struct digest gone = fake_digest("gone", 4);
	AUTO_FREE char *e = entry(MEDIA_OCI_MANIFEST, &gone, 4);
	AUTO_FREE char *text = index_of(e);

	(void)fake_manifest(&s->from, "a/b", "bad", MEDIA_OCI_INDEX, text);
	(void)fake_manifest(&s->from, "c/d", "bad", MEDIA_OCI_INDEX, text);
	(void)image_put(s, "a/b", "good", "layer");
	(void)rule_add(s, "a/b", "c/d", 1);
	run(s);
	assert_int_equal(s->result.failed, 2);
	assert_int_equal(s->result.published, 1);
}

static void a_child_that_another_repository_has_is_found_there(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *one = image_text(&s->from, "c/d", "one");
	struct digest d = fake_manifest(&s->from, "c/d", NULL, MEDIA_OCI_MANIFEST, one);
	AUTO_FREE char *e = entry(MEDIA_OCI_MANIFEST, &d, strlen(one));
	AUTO_FREE char *text = index_of(e);

	(void)fake_manifest(&s->from, "a/b", "v1", MEDIA_OCI_INDEX, text);
	(void)fake_manifest(&s->from, "c/d", "v1", MEDIA_OCI_INDEX, text);
	(void)rule_add(s, "a/b", "c/d", 1);
	run(s);
	assert_null(outcome_of(s, "c/d", "v1")->error);
	assert_true(target_has_tag(s, &s->to, "c/d", "v1"));
}

static void a_missing_blob_fails_only_its_image(void **state)
{
	struct scene *s = *state;
	struct digest layer = fake_digest("lost", 4);
	char text[DIGEST_STR_MAX];

	(void)image_put(s, "a/b", "bad", "lost");
	(void)image_put(s, "a/b", "good", "layer");
	fake_drop(&s->from, "a/b", digest_format(&layer, text));
	(void)rule_add(s, "a/b", NULL, 3);
	run(s);
	assert_int_equal(s->result.failed, 3);
	assert_int_equal(s->result.published, 3);
	assert_int_equal(fake_count(&s->to, "PUT /v2/a/b/manifests/bad"), 0);
}

static void indexes_nest_only_so_deep(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *inner = image_text(&s->from, "a/b", "layer");
	const char *type = MEDIA_OCI_MANIFEST;

	for (unsigned depth = 0; depth <= 5; depth++) {
		AUTO_FREE char *tag = xasprintf("d%u", depth);
		struct digest d = fake_manifest(&s->from, "a/b", tag, type, inner);
		AUTO_FREE char *e = entry(type, &d, strlen(inner));

		free(inner);
		inner = index_of(e);
		type = MEDIA_OCI_INDEX;
	}
	(void)rule_add(s, "a/b", NULL, 1);
	run(s);
	assert_int_equal(s->result.failed, 1);
	assert_int_equal(s->result.published, 5);
	assert_non_null(strstr(outcome_of(s, "a/b", "d5")->error, "nest more than 4"));
}

/* The chain is reached by short ways first, so that each link looks shallow. */
static void a_short_way_to_a_deep_index_hides_nothing(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *inner = image_text(&s->from, "a/b", "layer");
	AUTO_FREE char *all = xstrdup("");
	const char *type = MEDIA_OCI_MANIFEST;
	AUTO_FREE char *root = NULL;

	for (unsigned depth = 0; depth <= 8; depth++) {
		struct digest d = fake_manifest(&s->from, "a/b", NULL, type, inner);
		AUTO_FREE char *e = entry(type, &d, strlen(inner));
		char *longer = xasprintf("%s%s%s", all, *all ? "," : "", e);

		free(all);
		all = longer;
		free(inner);
		inner = index_of(e);
		type = MEDIA_OCI_INDEX;
	}
	root = index_of(all);
	(void)fake_manifest(&s->from, "a/b", "v1", MEDIA_OCI_INDEX, root);
	(void)rule_add(s, "a/b", NULL, 1);
	run(s);
	assert_int_equal(s->result.failed, 1);
	assert_non_null(strstr(outcome_of(s, "a/b", "v1")->error, "nest more than 4"));
}

static void an_index_may_list_blobs(void **state)
{
	struct scene *s = *state;
	struct digest layer = fake_blob(&s->from, "a/b", "cached layer", 12);
	struct digest config = fake_blob(&s->from, "a/b", "{\"layers\":[]}", 13);
	AUTO_FREE char *e1 = entry("application/vnd.oci.image.layer.v1.tar+gzip", &layer, 12);
	AUTO_FREE char *e2 = entry("application/vnd.buildkit.cacheconfig.v0", &config, 13);
	AUTO_FREE char *both = xasprintf("%s,%s", e1, e2);
	AUTO_FREE char *text = index_of(both);

	(void)fake_manifest(&s->from, "a/b", "cache", MEDIA_OCI_INDEX, text);
	(void)rule_add(s, "a/b", NULL, 3);
	run(s);
	assert_all_published(s, 3);
	assert_true(target_has_tag(s, &s->to, "a/b", "cache"));
	assert_true(target_has_layer(&s->to, "a/b", "cached layer"));
	assert_int_equal(fake_count(&s->to, "PUT /v2/a/b/manifests/"), 1);
}

static void a_child_of_unknown_type_may_be_a_manifest(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *one = image_text(&s->from, "a/b", "one");
	struct digest d = fake_manifest(&s->from, "a/b", NULL, MEDIA_OCI_MANIFEST, one);
	AUTO_FREE char *e = entry("application/x-strange", &d, strlen(one));
	AUTO_FREE char *text = index_of(e);

	(void)fake_manifest(&s->from, "a/b", "v1", MEDIA_OCI_INDEX, text);
	(void)rule_add(s, "a/b", NULL, 1);
	run(s);
	assert_all_published(s, 1);
	assert_true(target_has_layer(&s->to, "a/b", "one"));
	assert_int_equal(fake_count(&s->to, "PUT /v2/a/b/manifests/"), 2);
}

/* ---- targets that fail ---- */

static enum fake_turn refuses_manifests(struct fake *f, struct peer_conn *c)
{
	struct scene *s = f->ctx;

	if (!fake_hears(c, "PUT /v2/a/b/manifests/v2"))
		return FAKE_GOES_ON;
	(void)atomic_fetch_add(&s->met, 1);
	return fake_refuse(c, 403, "");
}

static enum fake_turn lost_a_blob_once(struct fake *f, struct peer_conn *c)
{
	static const char body[] = "{\"errors\":[{\"code\":\"MANIFEST_BLOB_UNKNOWN\"}]}";
	struct scene *s = f->ctx;

	if (!fake_hears(c, "PUT /v2/a/b/manifests/") || atomic_fetch_add(&s->met, 1) > 0)
		return FAKE_GOES_ON;
	fake_drop(f, "a/b", s->want);
	(void)peer_take(c, NULL, c->content_length);
	(void)peer_say(c,
		"HTTP/1.1 404 X\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
		strlen(body),
		body);
	return FAKE_ANSWERED;
}

static enum fake_turn always_lost_a_blob(struct fake *f, struct peer_conn *c)
{
	struct scene *s = f->ctx;

	atomic_store(&s->met, 0);
	return lost_a_blob_once(f, c);
}

static void a_lost_blob_is_sent_again_once(void **state)
{
	struct scene *s = *state;
	struct digest layer = fake_digest("layer", 5);

	(void)image_put(s, "a/b", "v1", "layer");
	(void)image_put(s, "a/b", "v2", "layer");
	(void)digest_format(&layer, s->want);
	s->to.first = lost_a_blob_once;
	(void)rule_add(s, "a/b", NULL, 1);
	run(s);
	assert_all_published(s, 2);
	assert_true(target_has_layer(&s->to, "a/b", "layer"));
	assert_true(target_has_tag(s, &s->to, "a/b", "v1"));
	assert_true(target_has_tag(s, &s->to, "a/b", "v2"));
}

static void a_target_that_keeps_losing_fails_the_image(void **state)
{
	struct scene *s = *state;
	struct digest layer = fake_digest("layer", 5);

	(void)image_put(s, "a/b", "v1", "layer");
	(void)digest_format(&layer, s->want);
	s->to.first = always_lost_a_blob;
	(void)rule_add(s, "a/b", NULL, 2);
	run(s);
	assert_int_equal(s->result.failed, 1);
	assert_int_equal(s->result.published, 1);
	assert_int_equal(fake_count(&s->to, "PUT /v2/a/b/manifests/v1"), 2);
}

static enum fake_turn cannot_say(struct fake *f, struct peer_conn *c)
{
	(void)f;
	return fake_hears(c, "HEAD ") ? fake_say(c, 400, "") : FAKE_GOES_ON;
}

static void a_target_that_cannot_say_is_not_absent(void **state)
{
	struct scene *s = *state;

	(void)image_put(s, "a/b", "v1", "layer");
	(void)rule_add(s, "a/b", NULL, 2);
	(void)fake_manifest(&s->to, "a/b", "old", MEDIA_OCI_MANIFEST, "{}");
	s->to.first = cannot_say;
	run(s);
	assert_int_equal(s->result.failed, 1);
	assert_int_equal(s->result.published, 1);
	assert_non_null(strstr(outcome_of(s, "a/b", "v1")->error, "is not known"));
	assert_int_equal(fake_count(&s->to, "POST"), 0);
}

static void a_set_is_held_back_when_one_of_it_fails(void **state)
{
	struct scene *s = *state;
	struct digest lost = fake_digest("lost", 4);
	char text[DIGEST_STR_MAX];

	(void)image_put(s, "a/b", "v1", "layer");
	(void)image_put(s, "a/b", "bad", "lost");
	fake_drop(&s->from, "a/b", digest_format(&lost, text));
	rule_add(s, "a/b", NULL, 1)->publish_together = true;
	run(s);
	assert_int_equal(s->result.failed, 2);
	assert_non_null(strstr(outcome_of(s, "a/b", "v1")->error, "held back: 1 images"));
	assert_int_equal(fake_count(&s->to, "PUT /v2/a/b/manifests/v1"), 0);
	/* What was held back goes when the rest is there, without another byte of it. */
	(void)fake_blob(&s->from, "a/b", "lost", 4);
	run(s);
	assert_all_published(s, 2);
	assert_int_equal(s->result.blobs, 1);
	assert_true(target_has_tag(s, &s->to, "a/b", "v1"));
	assert_true(target_has_tag(s, &s->to, "a/b", "bad"));
}

static void journal_begin(struct scene *s, const char *tag, const struct digest *to, int64_t *set)
{
	const struct state_move move = {
		.target = "registry:to",
		.repository = "a/b",
		.tag = tag,
		.new_digest = *to,
		.source = *to,
		.authority = "from",
		.source_repository = "a/b",
		.selection = "",
		.media_type = MEDIA_OCI_MANIFEST,
	};

	assert_int_equal(state_set_begin(s->state, "rule", &move, 1, set, NULL), 0);
}

static unsigned pending;

static bool count_move(void *ctx, int64_t set, const struct state_move *move)
{
	(void)ctx;
	(void)set;
	(void)move;
	pending++;
	return true;
}

static unsigned moves_pending(struct scene *s)
{
	pending = 0;
	assert_int_equal(state_moves_pending(s->state, count_move, NULL, NULL), 0);
	return pending;
}

static void a_half_moved_set_is_moved_on(void **state)
{
	static const char manifest[] = "{\"schemaVersion\":2,\"layers\":[]}";
	struct scene *s = *state;
	struct digest d = fake_manifest(&s->to, "a/b", NULL, MEDIA_OCI_MANIFEST, manifest);
	int64_t set;

	journal_begin(s, "v1", &d, &set);
	(void)image_put(s, "c/d", "v1", "layer");
	(void)rule_add(s, "c/d", NULL, 1);
	run(s);
	assert_true(fake_has(&s->to, "a/b", "v1", manifest, strlen(manifest)));
	assert_int_equal(moves_pending(s), 0);
}

static void a_tag_that_moved_on_since_is_not_moved_back(void **state)
{
	static const char manifest[] = "{\"schemaVersion\":2,\"layers\":[]}";
	struct scene *s = *state;
	struct digest d = fake_manifest(&s->to, "a/b", NULL, MEDIA_OCI_MANIFEST, manifest);
	int64_t set;

	(void)image_put(s, "a/b", "v1", "layer");
	(void)rule_add(s, "a/b", NULL, 1);
	run(s);
	journal_begin(s, "v1", &d, &set);
	run(s);
	assert_true(target_has_tag(s, &s->to, "a/b", "v1"));
	assert_int_equal(fake_count(&s->to, "PUT /v2/a/b/manifests/v1"), 1);
	assert_int_equal(moves_pending(s), 0);
}

static void one_that_a_target_refuses_does_not_stop_the_others(void **state)
{
	struct scene *s = *state;

	(void)image_put(s, "a/b", "v1", "one");
	(void)image_put(s, "a/b", "v2", "two");
	(void)image_put(s, "a/b", "v3", "three");
	s->to.first = refuses_manifests;
	(void)rule_add(s, "a/b", NULL, 2);
	run(s);
	assert_int_equal(s->result.failed, 1);
	assert_int_equal(s->result.published, 5);
	assert_int_equal(s->met, 1);
}

/* ---- budgets ---- */

/* Manifests of about a megabyte: four of them fill the budget of what is pushed at once. */
static void large_manifests_wait_for_each_other_and_all_arrive(void **state)
{
	struct scene *s = *state;

	for (unsigned i = 0; i < 12; i++) {
		AUTO_FREE char *tag = xasprintf("v%u", i);
		AUTO_FREE char *text = image_text(&s->from, "a/b", tag);
		AUTO_FREE char *padded = xasprintf("%.*s,\"annotations\":{\"x\":\"%*s\"}}",
			(int)strlen(text) - 1,
			text,
			1500 * 1000,
			"");

		(void)fake_manifest(&s->from, "a/b", tag, MEDIA_OCI_MANIFEST, padded);
	}
	(void)rule_add(s, "a/b", NULL, 1);
	s->rules[0].publish_together = true;
	(void)rule_add(s, "a/b", NULL, 1);
	run(s);
	assert_all_published(s, 24);
}

/* ---- the end ---- */

/* On the loop's thread. */
static void stop_now(void *ctx)
{
	((struct scene *)ctx)->stop = 1;
}

static enum fake_turn stops_the_run(struct fake *f, struct peer_conn *c)
{
	struct scene *s = f->ctx;

	if (!fake_hears(c, s->stop_at))
		return FAKE_GOES_ON;
	http_loop_post(s->loop, stop_now, s);
	peer_linger(c);
	return FAKE_CLOSES;
}

static bool a_while(void *ctx)
{
	return clock_mono_ms() > *(uint64_t *)ctx;
}

static void a_run_is_stopped_at_any_request(void **state)
{
	static const char *const source[] = {
		"GET /v2/a/b/tags", "GET /v2/a/b/manifests/", "GET /v2/a/b/blobs/"};
	static const char *const target[] = {
		"GET /v2/a/b/tags", "POST ", "PUT /up", "PUT /v2/a/b/man", "HEAD "};
	struct scene *s = *state;

	(void)image_put(s, "a/b", "v1", "layer");
	(void)rule_add(s, "a/b", NULL, 2);
	for (size_t i = 0; i < ARRAY_SIZE(source) + ARRAY_SIZE(target); i++) {
		bool at_source = i < ARRAY_SIZE(source);
		struct fake *f = at_source ? &s->from : &s->to;
		uint64_t until;

		s->stop_at = at_source ? source[i] : target[i - ARRAY_SIZE(source)];
		f->first = stops_the_run;
		s->stop = 0;
		assert_int_equal(run_rc(s, NULL), 0);
		assert_int_equal(s->events, s->result.images);
		forget(s);
		f->first = fake_behaves;
		/* The loop lives on, and nothing of the run calls back. */
		until = clock_mono_ms() + 20;
		assert_int_equal(http_loop_run(s->loop, a_while, &until, NULL), 0);
	}
	s->stop = 0;
	run(s);
	assert_int_equal(s->result.failed, 0);
	assert_true(target_has_tag(s, &s->to, "a/b", "v1"));
	assert_true(target_has_tag(s, &s->other, "a/b", "v1"));
}

static void a_plan_changes_nothing(void **state)
{
	struct scene *s = *state;

	(void)image_put(s, "a/b", "v1", "layer");
	(void)rule_add(s, "a/b", NULL, 3);
	s->options.plan_only = true;
	assert_int_equal(run_rc(s, NULL), 0);
	assert_int_equal(outcome_of(s, "a/b", "v1")->state, SYNC_NEW);
	assert_int_equal(fake_count(&s->to, "P"), 0);
	assert_int_equal(fake_count(&s->from, "GET /v2/a/b/blobs/"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define RUN_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		RUN_TEST(images_arrive_whole_and_in_order),
		RUN_TEST(a_second_run_asks_next_to_nothing),
		RUN_TEST(blobs_that_images_share_move_once),
		RUN_TEST(blobs_are_mounted_between_repositories),
		RUN_TEST(a_mount_uses_what_an_earlier_run_put_there),
		RUN_TEST(an_index_goes_after_its_children),
		RUN_TEST(a_missing_child_fails_only_its_image),
		RUN_TEST(a_child_that_two_repositories_lack_fails_both),
		RUN_TEST(a_child_that_another_repository_has_is_found_there),
		RUN_TEST(a_missing_blob_fails_only_its_image),
		RUN_TEST(indexes_nest_only_so_deep),
		RUN_TEST(a_short_way_to_a_deep_index_hides_nothing),
		RUN_TEST(an_index_may_list_blobs),
		RUN_TEST(a_child_of_unknown_type_may_be_a_manifest),
		RUN_TEST(a_lost_blob_is_sent_again_once),
		RUN_TEST(a_target_that_keeps_losing_fails_the_image),
		RUN_TEST(a_target_that_cannot_say_is_not_absent),
		RUN_TEST(a_set_is_held_back_when_one_of_it_fails),
		RUN_TEST(a_half_moved_set_is_moved_on),
		RUN_TEST(a_tag_that_moved_on_since_is_not_moved_back),
		RUN_TEST(one_that_a_target_refuses_does_not_stop_the_others),
		RUN_TEST(large_manifests_wait_for_each_other_and_all_arrive),
		RUN_TEST(a_run_is_stopped_at_any_request),
		RUN_TEST(a_plan_changes_nothing),
	};

	return cmocka_run_group_tests_name("sync/run", tests, NULL, NULL);
}
