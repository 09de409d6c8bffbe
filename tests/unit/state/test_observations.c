#include "fixture.h"

static struct state_observation observation_make(
	const char *upstream, const char *source, const char *tag, int64_t at)
{
	return (struct state_observation){
		.upstream = upstream,
		.source = source,
		.repository = "pause",
		.tag = tag,
		.freshness = "tag lag",
		.has_digest = true,
		.digest = digest_text("old"),
		.lag_sec = 3600,
		.at = at,
	};
}

static void put(struct state *s, struct state_observation row)
{
	assert_int_equal(state_observation_put(s, &row, NULL), 0);
}

struct listing {
	size_t n;
	struct state_observation last; /* its texts are not valid any more */
	char text[200];                /* "source:tag=freshness " of each row */
};

static bool list_observation(void *ctx, const struct state_observation *row)
{
	struct listing *list = ctx;
	size_t len = strlen(list->text);

	list->n++;
	list->last = *row;
	assert_string_equal(row->repository, "pause");
	(void)snprintf(list->text + len,
		sizeof(list->text) - len,
		"%s:%s=%s ",
		row->source,
		row->tag,
		row->freshness);
	return true;
}

static struct listing listed(struct state *s, const char *upstream)
{
	struct listing list = {.n = 0};

	assert_int_equal(state_observations(s, upstream, list_observation, &list, NULL), 0);
	return list;
}

static void an_observation_is_remembered_whole_and_replaced_by_the_next(void **state)
{
	struct fixture *f = *state;
	struct state_observation row = observation_make("k8s", "a.example", "v1", 100);
	struct digest old = digest_text("old");
	struct listing list;

	put(f->state, row);
	fixture_reopen(f);
	list = listed(f->state, "k8s");
	assert_string_equal(list.text, "a.example:v1=tag lag ");
	assert_true(list.last.has_digest);
	assert_true(digest_equal(&list.last.digest, &old));
	assert_int_equal(list.last.lag_sec, 3600);
	assert_int_equal(list.last.at, 100);
	row.freshness = "missing";
	row.has_digest = false;
	row.lag_sec = 0;
	row.at = 200;
	put(f->state, row);
	list = listed(f->state, "k8s");
	assert_string_equal(list.text, "a.example:v1=missing ");
	assert_false(list.last.has_digest);
	assert_int_equal(list.last.lag_sec, 0);
	assert_int_equal(list.last.at, 200);
}

static void observations_are_told_in_order_of_one_upstream_or_of_all(void **state)
{
	struct fixture *f = *state;

	put(f->state, observation_make("k8s", "b.example", "v1", 1));
	put(f->state, observation_make("k8s", "a.example", "v2", 1));
	put(f->state, observation_make("k8s", "a.example", "v1", 1));
	put(f->state, observation_make("a", "c.example", "v9", 1));
	assert_string_equal(listed(f->state, "k8s").text,
		"a.example:v1=tag lag a.example:v2=tag lag b.example:v1=tag lag ");
	assert_int_equal(listed(f->state, NULL).n, 4);
	assert_int_equal(listed(f->state, "nobody").n, 0);
}

static void when_a_tag_was_looked_at_is_known_for_each_source(void **state)
{
	struct fixture *f = *state;
	int64_t at = 7;

	put(f->state, observation_make("k8s", "a.example", "v1", 100));
	assert_int_equal(
		state_observed_at(f->state, "k8s", "a.example", "pause", "v1", &at, NULL), 0);
	assert_int_equal(at, 100);
	assert_int_equal(
		state_observed_at(f->state, "k8s", "b.example", "pause", "v1", &at, NULL), 0);
	assert_int_equal(at, 0);
}

int main(void)
{
#define WITH_STATE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		WITH_STATE(an_observation_is_remembered_whole_and_replaced_by_the_next),
		WITH_STATE(observations_are_told_in_order_of_one_upstream_or_of_all),
		WITH_STATE(when_a_tag_was_looked_at_is_known_for_each_source),
	};

	return cmocka_run_group_tests_name("state/observations", tests, NULL, NULL);
}
