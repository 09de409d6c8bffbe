#include "scene.h"

#include "source/freshness.h"
#include "sync/run.h"

#define AGE     100 /* seconds */
#define NOWHERE "sha256:1111111111111111111111111111111111111111111111111111111111111111"

/* ---- helpers ---- */

static enum fake_turn says_503(struct fake *f, struct peer_conn *c)
{
	(void)f;
	return fake_refuse(c, 503, "");
}

static enum fake_turn says_403(struct fake *f, struct peer_conn *c)
{
	(void)f;
	return fake_refuse(c, 403, "");
}

static enum fake_turn says_404(struct fake *f, struct peer_conn *c)
{
	(void)f;
	return fake_refuse(c, 404, "");
}

/* The image at a mirror, under the same names; the digest of its manifest. */
static struct digest image_at(struct fake *f, const char *tag, const char *layer)
{
	AUTO_FREE char *text = image_text(f, "a/b", layer);

	return fake_manifest(f, "a/b", tag, MEDIA_OCI_MANIFEST, text);
}

static const char *const v1[] = {"v1"};

/* One literal tag to one target. */
static struct sync_rule *rule_of_v1(struct scene *s)
{
	struct sync_rule *rule = rule_add(s, "a/b", NULL, 1);

	rule->tags = v1;
	rule->n_tags = 1;
	return rule;
}

static void assert_published_by(struct scene *s, const char *who)
{
	const struct outcome *o = outcome_of(s, "a/b", "v1");

	if (o->error)
		fail_msg("%s", o->error);
	assert_true(o->published);
	if (who)
		assert_string_equal(o->resolved_by, who);
	else
		assert_null(o->resolved_by);
}

/* ---- who is asked ---- */

static void a_tag_is_asked_of_the_authority_alone_while_it_answers(void **state)
{
	struct scene *s = *state;
	struct fake *mirror = mirror_add(s, true);

	(void)image_put(s, "a/b", "v1", "true");
	(void)image_at(mirror, "v1", "other");
	(void)rule_of_v1(s);
	run(s);
	assert_published_by(s, NULL);
	assert_true(target_has_layer(&s->to, "a/b", "true"));
	assert_false(target_has_layer(&s->to, "a/b", "other"));
}

static void a_resolving_mirror_answers_for_an_authority_that_is_away_and_is_named(void **state)
{
	struct scene *s = *state;
	struct fake *silent = mirror_add(s, false);
	struct fake *mirror = mirror_add(s, true);

	(void)image_at(silent, "v1", "other");
	(void)image_at(mirror, "v1", "true");
	s->from.first = says_503;
	(void)rule_of_v1(s);
	run(s);
	assert_published_by(s, "mirror1");
	assert_true(target_has_layer(&s->to, "a/b", "true"));
	assert_int_equal(fake_count(silent, "HEAD /v2/a/b/manifests/v1"), 0);
}

static void what_the_authority_denies_is_not_asked_elsewhere(void **state)
{
	struct scene *s = *state;
	struct fake *mirror = mirror_add(s, true);

	(void)image_at(mirror, "v1", "true");
	(void)rule_of_v1(s);
	s->from.first = says_404;
	run(s);
	assert_int_equal(s->result.failed, 1);
	s->from.first = says_403;
	run(s);
	assert_int_equal(s->result.failed, 1);
	assert_int_equal(fake_count(mirror, "HEAD /v2/a/b/manifests/v1"), 0);
}

static void private_names_are_never_asked_of_a_mirror(void **state)
{
	struct scene *s = *state;
	struct fake *mirror = mirror_add(s, true);

	s->sources->stale_sec = AGE; /* which alone must not lead to the mirror */
	(void)image_at(mirror, "v1", "true");
	s->from.first = says_503;
	rule_of_v1(s)->authority_only = true;
	run(s);
	assert_int_equal(s->result.failed, 1);
	assert_int_equal(fake_count(mirror, ""), 0);
}

static void after_one_failure_the_authority_is_not_waited_for_again(void **state)
{
	static const char *const tags[] = {"v1", "v2", "v3", "v4", "v5", "v6"};
	struct scene *s = *state;
	struct fake *mirror = mirror_add(s, true);
	struct sync_rule *rule = rule_add(s, "a/b", "c/d", 1);

	(void)rule;
	for (size_t i = 0; i < ARRAY_SIZE(tags); i++)
		(void)image_at(mirror, tags[i], tags[i]);
	s->from.first = says_503;
	rule->n_repositories = 1;
	run(s); /* lists the tags, so the failure is known before the first of them is asked for */
	assert_int_equal(s->result.published, ARRAY_SIZE(tags));
	assert_int_equal(fake_count(&s->from, "HEAD /v2/a/b/manifests/"), 0);
	assert_int_equal(fake_count(&s->from, "GET /v2/a/b/manifests/v"), 0);
}

static enum fake_turn closes_the_gate(struct fake *f, struct peer_conn *c)
{
	(void)f;
	return fake_refuse(c, 429, "Retry-After: 600\r\n");
}

/* More than the host's connections: some listings wait for the gate themselves. */
static void nobody_waits_for_a_closed_gate_while_others_may_list(void **state)
{
	static const char *const names[] = {"a/b", "a/c", "a/d", "a/e"};
	struct scene *s = *state;
	struct fake *gated = mirror_add(s, true);
	struct fake *mirror = mirror_add(s, true);
	const struct http_host_options one = {.plain = true, .connections = 1};

	assert_int_equal(http_host_set(s->loop, s->from.host, &one, NULL), 0);
	assert_int_equal(http_host_set(s->loop, gated->host, &one, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		AUTO_FREE char *text = image_text(mirror, names[i], names[i]);

		(void)fake_manifest(mirror, names[i], "v1", MEDIA_OCI_MANIFEST, text);
	}
	s->from.first = gated->first = closes_the_gate;
	(void)rule_add(s, names[0], names[1], 1);
	(void)rule_add(s, names[2], names[3], 1);
	run(s); /* which fails when the scene's patience ends */
	assert_int_equal(s->result.published, 4);
}

static void what_only_waits_for_its_turn_at_the_authority_is_not_asked_elsewhere(void **state)
{
	struct scene *s = *state;
	struct sync_run r = {.options = s->options};
	struct source *authority = &s->sources->items[s->sources->authority];
	AUTO(error_clear) struct error err = ERROR_INIT;
	uint64_t until = 1; /* long ago */

	(void)mirror_add(s, true);
	source_note(authority, NULL);
	assert_true(ask_must_wait(&r, s->sources, authority, &until, &err));
	assert_true(until > clock_mono_ms());
	/* Nothing was heard of it for long. */
	authority->heard_ms = until = 1;
	assert_false(ask_must_wait(&r, s->sources, authority, &until, &err));
	assert_int_equal(err.code, ERR_TEMP);
	/* It is parked for its blobs: its tags may still be had. */
	until = clock_mono_ms() + 1000;
	authority->parked_until_ms = clock_mono_ms() + 1000;
	error_clear(&err);
	assert_true(ask_must_wait(&r, s->sources, authority, &until, &err));
	free(r.authorities);
}

static void tags_are_listed_by_a_resolving_mirror_when_the_authority_is_away(void **state)
{
	struct scene *s = *state;
	struct fake *mirror = mirror_add(s, true);

	(void)image_at(mirror, "v1", "one");
	(void)image_at(mirror, "v2", "two");
	s->from.first = says_503;
	(void)rule_add(s, "a/b", NULL, 1);
	run(s);
	assert_int_equal(s->result.published, 2);
	assert_true(target_has_layer(&s->to, "a/b", "two"));
}

/* ---- quorum ---- */

static void a_quorum_takes_what_enough_sources_agree_on(void **state)
{
	struct scene *s = *state;
	struct fake *liar = mirror_add(s, true);
	struct fake *one = mirror_add(s, true);
	struct fake *two = mirror_add(s, true);

	s->sources->quorum = 2;
	(void)image_at(liar, "v1", "wrong");
	(void)image_at(one, "v1", "true");
	(void)image_at(two, "v1", "true");
	s->from.first = says_503;
	(void)rule_of_v1(s);
	run(s);
	assert_published_by(s, "mirror1, mirror2 agree");
	assert_false(target_has_layer(&s->to, "a/b", "wrong"));
}

static void without_a_quorum_nothing_moves_and_all_are_quoted(void **state)
{
	struct scene *s = *state;
	struct fake *one = mirror_add(s, true);
	struct fake *two = mirror_add(s, true);
	const char *why;

	s->sources->quorum = 2;
	(void)image_at(one, "v1", "this");
	(void)image_at(two, "v1", "that");
	s->from.first = says_503;
	(void)rule_of_v1(s);
	run(s);
	assert_int_equal(s->result.failed, 1);
	why = outcome_of(s, "a/b", "v1")->error;
	assert_non_null(strstr(why, "mirror0"));
	assert_non_null(strstr(why, "mirror1"));
	assert_non_null(strstr(why, "503"));
}

static void with_a_quorum_only_tags_count_that_enough_sources_list(void **state)
{
	struct scene *s = *state;
	struct fake *one = mirror_add(s, true);
	struct fake *two = mirror_add(s, true);

	s->sources->quorum = 2;
	(void)image_at(one, "v1", "true");
	(void)image_at(two, "v1", "true");
	(void)image_at(two, "v9", "smuggled");
	s->from.first = says_503;
	(void)rule_add(s, "a/b", NULL, 1);
	run(s);
	assert_int_equal(s->result.images, 1);
	assert_published_by(s, "mirror0, mirror1 agree");
}

static void a_digest_that_the_authority_has_left_is_never_taken_from_a_mirror(void **state)
{
	struct scene *s = *state;
	struct fake *late = mirror_add(s, true);

	(void)image_put(s, "a/b", "v1", "old");
	(void)image_at(late, "v1", "old");
	(void)rule_of_v1(s);
	run(s);
	(void)image_put(s, "a/b", "v1", "new");
	run(s);
	assert_published_by(s, NULL);
	s->from.first = says_503;
	run(s);
	assert_int_equal(s->result.failed, 1);
	assert_non_null(strstr(outcome_of(s, "a/b", "v1")->error, "the authority has left"));
	assert_true(target_has_tag(s, &s->to, "a/b", "v1"));
}

/* ---- memory ---- */

static void a_stale_answer_is_used_only_where_it_is_allowed_and_is_marked(void **state)
{
	struct scene *s = *state;

	s->sources->stale_sec = AGE;
	(void)image_put(s, "a/b", "v1", "layer");
	(void)rule_of_v1(s);
	run(s);
	s->from.first = says_503;
	run(s);
	assert_int_equal(s->result.complete, 1);
	assert_non_null(strstr(outcome_of(s, "a/b", "v1")->resolved_by, "stale"));
	s->sources->stale_sec = 0;
	run(s);
	assert_int_equal(s->result.failed, 1);
}

static void an_answer_that_is_too_old_is_not_used_stale(void **state)
{
	struct scene *s = *state;
	const int64_t now = clock_wall_sec();
	struct state_answer row = {.authority = "from",
		.repository = "a/b",
		.tag = "v1",
		.answered_at = now - AGE - 1,
		.due_at = now};

	s->sources->stale_sec = AGE;
	row.digest = image_put(s, "a/b", "v1", "layer");
	assert_int_equal(state_answer_put(s->state, &row, NULL), 0);
	s->from.first = says_503;
	(void)rule_of_v1(s);
	run(s);
	assert_int_equal(s->result.failed, 1);
}

static unsigned asked_for_v1(struct scene *s)
{
	return fake_count(&s->from, "HEAD /v2/a/b/manifests/v1") +
	       fake_count(&s->from, "GET /v2/a/b/manifests/v1");
}

static void a_cached_answer_saves_the_question_until_refresh_or_a_hint(void **state)
{
	struct scene *s = *state;

	s->sources->cache_tags = true;
	(void)image_put(s, "a/b", "v1", "layer");
	(void)rule_of_v1(s);
	run(s);
	assert_int_equal(asked_for_v1(s), 1);
	run(s);
	assert_int_equal(asked_for_v1(s), 1);
	assert_int_equal(s->result.complete, 1);
	s->options.refresh = true;
	run(s);
	assert_int_equal(asked_for_v1(s), 2);
	s->options.refresh = false;
	run(s);
	assert_int_equal(asked_for_v1(s), 2);
	assert_int_equal(state_answer_doubt(s->state, "from", "a/b", "v1", NULL), 0);
	(void)image_put(s, "a/b", "v1", "newer");
	run(s);
	assert_int_equal(asked_for_v1(s), 3);
	assert_true(target_has_layer(&s->to, "a/b", "newer"));
}

static void a_cached_answer_that_leads_nowhere_is_asked_again_in_the_next_run(void **state)
{
	struct scene *s = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct digest gone;
	struct state_answer row = {.authority = "from", .repository = "a/b", .tag = "v1"};

	s->sources->cache_tags = true;
	assert_int_equal(digest_parse(NOWHERE, &gone, &err), 0);
	row.digest = gone;
	row.answered_at = clock_wall_sec();
	row.due_at = row.answered_at + 1000;
	assert_int_equal(state_answer_put(s->state, &row, NULL), 0);
	(void)image_put(s, "a/b", "v1", "layer");
	(void)rule_of_v1(s);
	run(s);
	assert_int_equal(s->result.failed, 1);
	assert_non_null(strstr(outcome_of(s, "a/b", "v1")->error, "the next run asks"));
	run(s);
	assert_published_by(s, NULL);
}

/* As when the cache was off for a while: what was heard then is the newer word. */
static void a_cached_answer_that_the_authority_has_left_is_no_answer(void **state)
{
	struct scene *s = *state;
	struct state_answer row = {.authority = "from", .repository = "a/b", .tag = "v1"};

	s->sources->cache_tags = true;
	row.digest = image_put(s, "a/b", "v1", "layer");
	row.answered_at = clock_wall_sec();
	row.due_at = row.answered_at + 1000;
	(void)rule_of_v1(s);
	run(s);
	s->options.refresh = true;
	(void)image_put(s, "a/b", "v1", "newer");
	run(s);
	s->options.refresh = false;
	assert_int_equal(state_answer_put(s->state, &row, NULL), 0);
	run(s);
	assert_int_equal(asked_for_v1(s), 3);
	assert_int_equal(s->result.complete, 1);
}

static void without_the_cache_every_run_asks(void **state)
{
	struct scene *s = *state;

	(void)image_put(s, "a/b", "v1", "layer");
	(void)rule_of_v1(s);
	run(s);
	run(s);
	assert_int_equal(asked_for_v1(s), 2);
}

static void a_cached_absence_holds_for_a_minute_and_no_longer(void **state)
{
	struct scene *s = *state;
	const int64_t now = clock_wall_sec();
	struct state_answer row = {.authority = "from",
		.repository = "a/b",
		.tag = "v1",
		.absent = true,
		.answered_at = now - TAG_NEGATIVE_SEC / 2,
		.due_at = now + TAG_NEGATIVE_SEC / 2};

	s->sources->cache_tags = true;
	(void)image_put(s, "a/b", "v1", "layer");
	(void)rule_of_v1(s);
	assert_int_equal(state_answer_put(s->state, &row, NULL), 0);
	run(s);
	assert_int_equal(s->result.failed, 1);
	assert_int_equal(asked_for_v1(s), 0);
	row.answered_at = now - 2 * TAG_NEGATIVE_SEC;
	row.due_at = now - TAG_NEGATIVE_SEC;
	assert_int_equal(state_answer_put(s->state, &row, NULL), 0);
	run(s);
	assert_published_by(s, NULL);
}

static void an_answer_from_the_future_is_no_answer(void **state)
{
	struct scene *s = *state;
	const int64_t now = clock_wall_sec();
	struct state_answer row = {.authority = "from",
		.repository = "a/b",
		.tag = "v1",
		.absent = true,
		.answered_at = now + 1000000,
		.due_at = now + 2000000};

	s->sources->cache_tags = true;
	(void)image_put(s, "a/b", "v1", "layer");
	(void)rule_of_v1(s);
	assert_int_equal(state_answer_put(s->state, &row, NULL), 0);
	run(s);
	assert_published_by(s, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(a_tag_is_asked_of_the_authority_alone_while_it_answers),
		T(a_resolving_mirror_answers_for_an_authority_that_is_away_and_is_named),
		T(what_the_authority_denies_is_not_asked_elsewhere),
		T(private_names_are_never_asked_of_a_mirror),
		T(after_one_failure_the_authority_is_not_waited_for_again),
		T(nobody_waits_for_a_closed_gate_while_others_may_list),
		T(what_only_waits_for_its_turn_at_the_authority_is_not_asked_elsewhere),
		T(tags_are_listed_by_a_resolving_mirror_when_the_authority_is_away),
		T(a_quorum_takes_what_enough_sources_agree_on),
		T(without_a_quorum_nothing_moves_and_all_are_quoted),
		T(with_a_quorum_only_tags_count_that_enough_sources_list),
		T(a_digest_that_the_authority_has_left_is_never_taken_from_a_mirror),
		T(a_stale_answer_is_used_only_where_it_is_allowed_and_is_marked),
		T(an_answer_that_is_too_old_is_not_used_stale),
		T(a_cached_answer_saves_the_question_until_refresh_or_a_hint),
		T(a_cached_answer_that_leads_nowhere_is_asked_again_in_the_next_run),
		T(a_cached_answer_that_the_authority_has_left_is_no_answer),
		T(without_the_cache_every_run_asks),
		T(a_cached_absence_holds_for_a_minute_and_no_longer),
		T(an_answer_from_the_future_is_no_answer),
#undef T
	};

	return cmocka_run_group_tests_name("sync/ask", tests, NULL, NULL);
}
