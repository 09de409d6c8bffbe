#include "fixture.h"

#define HUB "registry.k8s.io"

static void answered(struct state *s, const char *tag, bool absent)
{
	const struct state_answer row = {
		.authority = HUB,
		.repository = "pause",
		.tag = tag,
		.absent = absent,
		.digest = digest_text(tag),
		.answered_at = 100,
		.due_at = 160,
	};

	assert_int_equal(state_answer_put(s, &row, NULL), 0);
}

static struct state_answer get(struct state *s, const char *tag)
{
	struct state_answer row;

	assert_int_equal(state_answer_get(s, HUB, "pause", tag, &row, NULL), 0);
	return row;
}

static void an_answer_is_remembered_whole(void **state)
{
	struct fixture *f = *state;
	struct digest d = digest_text("3.10");
	struct state_answer row;

	answered(f->state, "3.10", false);
	fixture_reopen(f);
	row = get(f->state, "3.10");
	assert_string_equal(row.authority, HUB);
	assert_string_equal(row.repository, "pause");
	assert_string_equal(row.tag, "3.10");
	assert_false(row.absent);
	assert_true(digest_equal(&row.digest, &d));
	assert_int_equal(row.answered_at, 100);
	assert_int_equal(row.due_at, 160);
}

static void that_a_tag_is_absent_is_an_answer_and_replaced_by_the_next(void **state)
{
	struct fixture *f = *state;

	answered(f->state, "3.10", true);
	assert_true(get(f->state, "3.10").absent);
	assert_int_equal(get(f->state, "3.10").due_at, 160);
	answered(f->state, "3.10", false);
	assert_false(get(f->state, "3.10").absent);
}

static void a_tag_that_was_not_asked_for_is_not_found(void **state)
{
	struct fixture *f = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct state_answer row = {.due_at = 7};

	answered(f->state, "3.10", false);
	assert_int_equal(
		state_answer_get(f->state, HUB, "pause", "3.9", &row, &err), -ERR_NOTFOUND);
	assert_int_equal(
		state_answer_get(f->state, HUB, "etcd", "3.10", &row, &err), -ERR_NOTFOUND);
	assert_int_equal(state_answer_get(f->state, "mirror.example", "pause", "3.10", &row, &err),
		-ERR_NOTFOUND);
	assert_int_equal(row.due_at, 7);
}

static void a_doubt_makes_an_answer_due_and_keeps_it(void **state)
{
	struct fixture *f = *state;
	struct digest d = digest_text("3.10");
	struct state_answer row;

	answered(f->state, "3.10", false);
	answered(f->state, "3.9", false);
	assert_int_equal(state_answer_doubt(f->state, HUB, "pause", "3.10", NULL), 0);
	row = get(f->state, "3.10");
	assert_int_equal(row.due_at, 0);
	assert_int_equal(row.answered_at, 100);
	assert_true(digest_equal(&row.digest, &d));
	assert_int_equal(get(f->state, "3.9").due_at, 160);
	answered(f->state, "3.10", false);
	assert_int_equal(get(f->state, "3.10").due_at, 160);
}

static void a_doubt_of_what_nobody_asked_for_is_no_answer(void **state)
{
	struct fixture *f = *state;
	struct state_answer row;

	assert_int_equal(state_answer_doubt(f->state, HUB, "pause", "3.10", NULL), 0);
	row = get(f->state, "3.10");
	assert_true(row.absent);
	assert_int_equal(row.answered_at, 0);
	assert_int_equal(row.due_at, 0);
}

static void seen(struct state *s, const char *tag, const char *digest, int64_t at)
{
	const struct state_version version = {.digest = digest_text(digest), .first_seen = at};

	assert_int_equal(state_history_add(s, HUB, "pause", tag, &version, NULL), 0);
}

static size_t history(
	struct state *s, const char *tag, struct state_version ret[static STATE_VERSIONS_MAX])
{
	size_t n = 99;

	assert_int_equal(
		state_history_get(s, HUB, "pause", tag, ret, STATE_VERSIONS_MAX, &n, NULL), 0);
	return n;
}

static void a_history_tells_each_move_once_and_the_oldest_first(void **state)
{
	struct fixture *f = *state;
	struct state_version found[STATE_VERSIONS_MAX];
	struct digest one = digest_text("one"), two = digest_text("two");

	assert_int_equal(history(f->state, "latest", found), 0);
	seen(f->state, "latest", "one", 100);
	seen(f->state, "latest", "one", 150);
	seen(f->state, "latest", "two", 200);
	seen(f->state, "latest", "one", 50); /* moved back, and so did the clock */
	seen(f->state, "edge", "two", 300);
	fixture_reopen(f);
	assert_int_equal(history(f->state, "latest", found), 3);
	assert_true(digest_equal(&found[0].digest, &one));
	assert_int_equal(found[0].first_seen, 100);
	assert_true(digest_equal(&found[1].digest, &two));
	assert_int_equal(found[1].first_seen, 200);
	assert_true(digest_equal(&found[2].digest, &one));
	assert_int_equal(found[2].first_seen, 50);
	assert_int_equal(history(f->state, "edge", found), 1);
	assert_int_equal(found[0].first_seen, 300);
}

static void a_long_history_keeps_the_newest(void **state)
{
	struct fixture *f = *state;
	struct state_version found[STATE_VERSIONS_MAX];
	size_t n = 0;
	char name[20];

	seen(f->state, "edge", "other", 1);
	for (int i = 0; i < STATE_VERSIONS_MAX + 3; i++) {
		(void)snprintf(name, sizeof(name), "%d", i);
		seen(f->state, "latest", name, 100 + i);
	}
	assert_int_equal(history(f->state, "latest", found), STATE_VERSIONS_MAX);
	assert_int_equal(found[0].first_seen, 103);
	assert_int_equal(found[STATE_VERSIONS_MAX - 1].first_seen, 102 + STATE_VERSIONS_MAX);
	assert_int_equal(history(f->state, "edge", found), 1);
	assert_int_equal(
		state_history_get(f->state, HUB, "pause", "latest", found, 2, &n, NULL), 0);
	assert_int_equal(n, 2);
	assert_int_equal(found[1].first_seen, 102 + STATE_VERSIONS_MAX);
}

int main(void)
{
#define WITH_STATE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		WITH_STATE(an_answer_is_remembered_whole),
		WITH_STATE(that_a_tag_is_absent_is_an_answer_and_replaced_by_the_next),
		WITH_STATE(a_tag_that_was_not_asked_for_is_not_found),
		WITH_STATE(a_doubt_makes_an_answer_due_and_keeps_it),
		WITH_STATE(a_doubt_of_what_nobody_asked_for_is_no_answer),
		WITH_STATE(a_history_tells_each_move_once_and_the_oldest_first),
		WITH_STATE(a_long_history_keeps_the_newest),
	};

	return cmocka_run_group_tests_name("state/answers", tests, NULL, NULL);
}
