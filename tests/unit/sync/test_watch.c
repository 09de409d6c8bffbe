#include "scene.h"

/* ---- helpers ---- */

static struct digest image_at(struct fake *f, const char *tag, const char *layer)
{
	AUTO_FREE char *text = image_text(f, "a/b", layer);

	return fake_manifest(f, "a/b", tag, MEDIA_OCI_MANIFEST, text);
}

struct seen {
	char *freshness;
	int64_t lag_sec;
	size_t n;
};

static bool on_observation(void *ctx, const struct state_observation *row)
{
	struct seen *seen = ctx;

	assert_string_equal(row->upstream, "test");
	assert_string_equal(row->repository, "a/b");
	str_replace(&seen->freshness, row->freshness);
	seen->lag_sec = row->lag_sec;
	seen->n++;
	return true;
}

/* Of the one tag at the one mirror. */
static void assert_seen(struct scene *s, const char *freshness)
{
	struct seen seen = {.n = 0};

	assert_int_equal(state_observations(s->state, "test", on_observation, &seen, NULL), 0);
	assert_int_equal(seen.n, 1);
	assert_string_equal(seen.freshness, freshness);
	free(seen.freshness);
}

static enum fake_turn says_403(struct fake *f, struct peer_conn *c)
{
	(void)f;
	return fake_refuse(c, 403, "");
}

static enum fake_turn closes_the_gate(struct fake *f, struct peer_conn *c)
{
	(void)f;
	return fake_refuse(c, 429, "Retry-After: 600\r\n");
}

static enum fake_turn says_503(struct fake *f, struct peer_conn *c)
{
	(void)f;
	return fake_refuse(c, 503, "");
}

/* The authority has the image; the rule copies it. */
static struct fake *prepare(struct scene *s)
{
	struct fake *mirror = mirror_add(s, false);

	(void)image_put(s, "a/b", "latest", "layer");
	(void)rule_add(s, "a/b", NULL, 1);
	return mirror;
}

/* ---- what a run sees of a mirror ---- */

static void a_mirror_with_the_same_digest_is_fresh(void **state)
{
	struct scene *s = *state;
	struct fake *mirror = prepare(s);

	(void)image_at(mirror, "latest", "layer");
	run(s);
	assert_seen(s, "fresh");
}

static void a_mirror_without_the_tag_is_missing_it(void **state)
{
	struct scene *s = *state;

	(void)prepare(s);
	run(s);
	assert_seen(s, "missing");
}

static void a_mirror_that_refuses_is_denied(void **state)
{
	struct scene *s = *state;

	prepare(s)->first = says_403;
	run(s);
	assert_seen(s, "denied");
}

static void a_mirror_that_does_not_answer_is_asked_once(void **state)
{
	struct scene *s = *state;
	struct fake *mirror = prepare(s);

	(void)image_put(s, "a/b", "master", "second");
	(void)image_put(s, "a/b", "nightly", "third");
	mirror->first = says_503;
	run(s);
	assert_int_equal(s->result.published, 3);
	/* As many as are looked at side by side, and no more. */
	assert_in_range(fake_count(mirror, "HEAD /v2/a/b/manifests/"), 1, 4);
}

static void a_mirror_that_closes_its_gate_does_not_hold_the_run(void **state)
{
	struct scene *s = *state;

	(void)image_put(s, "a/b", "master", "second");
	(void)image_put(s, "a/b", "nightly", "third");
	prepare(s)->first = closes_the_gate;
	run(s); /* which fails when the scene's patience ends */
	assert_int_equal(s->result.published, 3);
	assert_false(s->result.canceled);
}

static void assert_history(struct scene *s, const char *tag, const struct digest *digests, size_t n)
{
	struct state_version versions[STATE_VERSIONS_MAX];
	size_t found = 0;

	assert_int_equal(
		state_history_get(
			s->state, "from", "a/b", tag, versions, STATE_VERSIONS_MAX, &found, NULL),
		0);
	assert_int_equal(found, n);
	for (size_t i = 0; i < n; i++)
		assert_true(digest_equal(&versions[i].digest, &digests[i]));
}

/* With `tag-cache: on` the run still works with the answer from before the move. */
static void what_a_look_hears_of_the_authority_is_not_undone_by_a_cached_answer(void **state)
{
	struct scene *s = *state;
	struct fake *mirror = prepare(s);
	struct digest moves[2];

	s->sources->cache_tags = true;
	moves[0] = image_at(mirror, "latest", "layer");
	mirror->first = says_503; /* so that the next run looks */
	run(s);
	mirror->first = NULL;
	s->sources->items[1].parked_until_ms = 0;
	(void)image_put(s, "a/b", "latest", "newer");
	moves[1] = image_at(mirror, "latest", "newer");
	run(s);
	assert_seen(s, "origin skew");
	assert_history(s, "latest", moves, 2);
	run(s);
	assert_history(s, "latest", moves, 2);
	/* What was heard is the answer from then on. */
	assert_true(target_has_layer(&s->to, "a/b", "newer"));
}

/* A tag that never moves, and did: the run does not ask, the look hears it. */
static void what_a_look_hears_is_not_undone_by_what_was_published_before(void **state)
{
	struct scene *s = *state;
	struct fake *mirror = mirror_add(s, false);
	struct digest moves[2];

	(void)image_put(s, "a/b", "v1.0.0", "layer");
	rule_add(s, "a/b", NULL, 1)->immutable = SYNC_IMMUTABLE_SEMVER;
	moves[0] = image_at(mirror, "v1.0.0", "layer");
	mirror->first = says_503; /* so that the next run looks */
	run(s);
	mirror->first = NULL;
	s->sources->items[1].parked_until_ms = 0;
	(void)image_put(s, "a/b", "v1.0.0", "newer");
	moves[1] = image_at(mirror, "v1.0.0", "newer");
	run(s);
	assert_seen(s, "origin skew");
	run(s);
	assert_history(s, "v1.0.0", moves, 2);
}

static enum fake_turn loses_old_ones(struct fake *f, struct peer_conn *c)
{
	const struct scene *s = f->ctx;

	return fake_hears(c, s->want) ? fake_refuse(c, 503, "") : FAKE_GOES_ON;
}

/* Whether the authority has the mirror's digest was not answered. */
static void an_authority_that_fails_makes_no_mirror_diverged(void **state)
{
	struct scene *s = *state;
	struct fake *mirror = prepare(s);
	struct digest d = image_at(mirror, "latest", "evil");
	struct seen seen = {.n = 0};
	char text[DIGEST_STR_MAX];

	(void)snprintf(
		s->want, sizeof(s->want), "HEAD /v2/a/b/manifests/%.50s", digest_format(&d, text));
	s->from.first = loses_old_ones;
	run(s);
	assert_int_equal(s->result.published, 1);
	assert_int_equal(state_observations(s->state, "test", on_observation, &seen, NULL), 0);
	assert_int_equal(seen.n, 0);
}

static void a_foreign_digest_has_diverged_and_is_not_obeyed(void **state)
{
	struct scene *s = *state;
	struct fake *mirror = prepare(s);

	(void)image_at(mirror, "latest", "evil");
	run(s);
	assert_seen(s, "diverged");
	assert_false(target_has_layer(&s->to, "a/b", "evil"));
	assert_true(target_has_layer(&s->to, "a/b", "layer"));
}

static void an_old_digest_is_a_lag_of_tag_or_content(void **state)
{
	struct scene *s = *state;
	struct fake *mirror = prepare(s);
	struct digest old = image_at(mirror, "latest", "layer");
	struct state_version version = {.digest = old, .first_seen = clock_wall_sec() - 1000};

	assert_int_equal(state_history_add(s->state, "from", "a/b", "latest", &version, NULL), 0);
	(void)image_put(s, "a/b", "latest", "newer");
	run(s);
	assert_seen(s, "content lag");
}

static void a_mirror_that_was_behind_before_the_first_look_lags_and_has_not_diverged(void **state)
{
	struct scene *s = *state;
	struct fake *mirror = prepare(s);

	(void)image_at(mirror, "latest", "older");
	(void)image_at(&s->from, NULL, "older"); /* the authority keeps what the tag was */
	run(s);
	assert_seen(s, "content lag");
}

static void an_old_tag_over_new_content_is_a_tag_lag(void **state)
{
	struct scene *s = *state;
	struct fake *mirror = prepare(s);
	struct digest old = image_at(mirror, "latest", "layer");
	struct state_version version = {.digest = old, .first_seen = clock_wall_sec() - 1000};

	assert_int_equal(state_history_add(s->state, "from", "a/b", "latest", &version, NULL), 0);
	(void)image_put(s, "a/b", "latest", "newer");
	(void)image_at(mirror, NULL, "newer");
	run(s);
	assert_seen(s, "tag lag");
}

static void an_index_of_the_same_children_is_named_re_encoded_and_gives_blobs(void **state)
{
	struct scene *s = *state;
	struct fake *mirror = mirror_add(s, false);
	AUTO_FREE char *image = image_text(&s->from, "a/b", "layer");
	AUTO_FREE char *again = image_text(mirror, "a/b", "layer");
	struct digest d = fake_manifest(&s->from, "a/b", NULL, MEDIA_OCI_MANIFEST, image);
	AUTO_FREE char *line = entry(MEDIA_OCI_MANIFEST, &d, strlen(image));
	AUTO_FREE char *index = index_of(line);
	AUTO_FREE char *spaced = xasprintf(" %s", index);

	(void)fake_manifest(mirror, "a/b", NULL, MEDIA_OCI_MANIFEST, again);
	(void)fake_manifest(&s->from, "a/b", "latest", MEDIA_OCI_INDEX, index);
	(void)fake_manifest(mirror, "a/b", "latest", MEDIA_OCI_INDEX, spaced);
	(void)rule_add(s, "a/b", NULL, 1);
	run(s);
	assert_seen(s, "re-encoded");
	assert_all_published(s, 1);
}

static void a_tag_is_not_looked_at_again_before_its_time(void **state)
{
	struct scene *s = *state;
	struct fake *mirror = prepare(s);
	unsigned before;

	(void)image_at(mirror, "latest", "layer");
	run(s);
	before = fake_count(mirror, "HEAD /v2/a/b/manifests/latest");
	assert_int_equal(before, 1);
	run(s);
	assert_int_equal(fake_count(mirror, "HEAD /v2/a/b/manifests/latest"), before);
}

static void a_tag_that_moved_is_looked_at_again_at_once(void **state)
{
	struct scene *s = *state;
	struct fake *mirror = prepare(s);

	(void)image_at(mirror, "latest", "layer");
	run(s);
	assert_seen(s, "fresh");
	(void)image_put(s, "a/b", "latest", "newer");
	run(s);
	assert_seen(s, "content lag");
}

static void private_names_are_not_looked_at_in_mirrors(void **state)
{
	struct scene *s = *state;
	struct fake *mirror = prepare(s);

	s->rules[0].authority_only = true;
	run(s);
	assert_int_equal(fake_count(mirror, ""), 0);
}

static void a_plan_asks_no_mirror_for_tags(void **state)
{
	struct scene *s = *state;
	struct fake *mirror = prepare(s);

	s->options.plan_only = true;
	assert_int_equal(run_rc(s, NULL), 0);
	assert_int_equal(fake_count(mirror, "HEAD /v2/a/b/manifests/latest"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(a_mirror_with_the_same_digest_is_fresh),
		T(a_mirror_without_the_tag_is_missing_it),
		T(a_mirror_that_refuses_is_denied),
		T(a_mirror_that_does_not_answer_is_asked_once),
		T(a_mirror_that_closes_its_gate_does_not_hold_the_run),
		T(what_a_look_hears_is_not_undone_by_what_was_published_before),
		T(what_a_look_hears_of_the_authority_is_not_undone_by_a_cached_answer),
		T(an_authority_that_fails_makes_no_mirror_diverged),
		T(a_foreign_digest_has_diverged_and_is_not_obeyed),
		T(an_old_digest_is_a_lag_of_tag_or_content),
		T(a_mirror_that_was_behind_before_the_first_look_lags_and_has_not_diverged),
		T(an_old_tag_over_new_content_is_a_tag_lag),
		T(an_index_of_the_same_children_is_named_re_encoded_and_gives_blobs),
		T(a_tag_is_not_looked_at_again_before_its_time),
		T(a_tag_that_moved_is_looked_at_again_at_once),
		T(private_names_are_not_looked_at_in_mirrors),
		T(a_plan_asks_no_mirror_for_tags),
#undef T
	};

	return cmocka_run_group_tests_name("sync/watch", tests, NULL, NULL);
}
