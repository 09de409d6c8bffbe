#include "fixture.h"

static void strike(struct state *s, const char *upstream, int64_t at)
{
	const struct state_strike row = {
		.upstream = upstream,
		.source = "a.example",
		.at = at,
		.digest = digest_text("layer"),
		.evidence = "https://cdn.example:443 (192.0.2.7): byte 4711 of 0-99999 differs",
	};

	assert_int_equal(state_strike_put(s, &row, NULL), 0);
}

struct listing {
	size_t n;
	int64_t newest, oldest;
};

static bool list_strike(void *ctx, const struct state_strike *row)
{
	struct listing *list = ctx;
	struct digest layer = digest_text("layer");

	assert_string_equal(row->source, "a.example");
	assert_string_equal(
		row->evidence, "https://cdn.example:443 (192.0.2.7): byte 4711 of 0-99999 differs");
	assert_true(digest_equal(&row->digest, &layer));
	if (list->n++ == 0)
		list->newest = row->at;
	list->oldest = row->at;
	return true;
}

static struct listing listed(struct state *s, const char *upstream)
{
	struct listing list = {.n = 0};

	assert_int_equal(state_strikes(s, upstream, list_strike, &list, NULL), 0);
	return list;
}

static void a_strike_is_remembered_whole_and_the_newest_told_first(void **state)
{
	struct fixture *f = *state;
	struct listing list;

	strike(f->state, "k8s", 300);
	strike(f->state, "other", 200);
	strike(f->state, "k8s", 100); /* the clock jumped back */
	fixture_reopen(f);
	list = listed(f->state, "k8s");
	assert_int_equal(list.n, 2);
	assert_int_equal(list.newest, 100);
	assert_int_equal(list.oldest, 300);
	assert_int_equal(listed(f->state, NULL).n, 3);
	assert_int_equal(listed(f->state, "nobody").n, 0);
}

static void beyond_the_ceiling_the_oldest_strike_goes(void **state)
{
	struct fixture *f = *state;
	struct listing list;

	assert_int_equal(state_begin(f->state, NULL), 0);
	for (int i = 0; i < STATE_STRIKES_MAX + 2; i++)
		strike(f->state, i % 2 ? "k8s" : "other", i);
	assert_int_equal(state_commit(f->state, NULL), 0);
	list = listed(f->state, NULL);
	assert_int_equal(list.n, STATE_STRIKES_MAX);
	assert_int_equal(list.newest, STATE_STRIKES_MAX + 1);
	assert_int_equal(list.oldest, 2);
}

int main(void)
{
#define WITH_STATE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		WITH_STATE(a_strike_is_remembered_whole_and_the_newest_told_first),
		WITH_STATE(beyond_the_ceiling_the_oldest_strike_goes),
	};

	return cmocka_run_group_tests_name("state/strikes", tests, NULL, NULL);
}
