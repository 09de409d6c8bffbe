#include "fixture.h"

static void a_tag_is_remembered_whole(void **state)
{
	struct fixture *f = *state;
	struct state_tag row;
	struct digest source = digest_text("v1"), published = digest_text("published");

	assert_int_equal(tag_try(f->state, BOX, "kube-proxy", "v1"), 0);
	fixture_reopen(f);
	assert_int_equal(state_tag_get(f->state, BOX, "kube-proxy", "v1", &row, NULL), 0);
	assert_string_equal(row.authority, "registry.k8s.io");
	assert_string_equal(row.source_repository, "kube-proxy");
	assert_string_equal(row.target, BOX);
	assert_string_equal(row.repository, "kube-proxy");
	assert_string_equal(row.tag, "v1");
	assert_string_equal(row.selection, "linux/amd64");
	assert_true(digest_equal(&row.source, &source));
	assert_true(digest_equal(&row.published, &published));
	assert_int_equal(row.changed_at, 1);
	assert_int_equal(row.confirmed_at, 2);
	assert_int_equal(row.seen_at, 3);
}

static void a_row_replaces_the_one_before(void **state)
{
	struct fixture *f = *state;
	struct state_tag row;

	assert_int_equal(tag_try(f->state, BOX, "a", "v1"), 0);
	assert_int_equal(state_tag_get(f->state, BOX, "a", "v1", &row, NULL), 0);
	row.selection = "linux/arm64";
	row.seen_at = 30;
	assert_int_equal(state_tag_put(f->state, &row, NULL), 0);
	assert_int_equal(state_tag_get(f->state, BOX, "a", "v1", &row, NULL), 0);
	assert_string_equal(row.selection, "linux/arm64");
	assert_int_equal(row.seen_at, 30);
	assert_int_equal(row.changed_at, 1);
}

static void what_is_not_remembered_is_not_found(void **state)
{
	struct fixture *f = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct state_tag row = {.seen_at = 7};

	assert_int_equal(tag_try(f->state, BOX, "a", "v1"), 0);
	assert_int_equal(state_tag_get(f->state, BOX, "a", "v2", &row, &err), -ERR_NOTFOUND);
	assert_int_equal(state_tag_get(f->state, BOX, "b", "v1", &row, &err), -ERR_NOTFOUND);
	assert_int_equal(state_tag_get(f->state, FARM, "a", "v1", &row, &err), -ERR_NOTFOUND);
	assert_int_equal(row.seen_at, 7);
}

static void a_forgotten_tag_is_gone_and_others_stay(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(tag_try(f->state, BOX, "a", "v1"), 0);
	assert_int_equal(tag_try(f->state, BOX, "a", "v2"), 0);
	assert_int_equal(state_tag_forget(f->state, BOX, "a", "v1", NULL), 0);
	assert_int_equal(state_tag_forget(f->state, BOX, "nowhere", "v1", NULL), 0);
	assert_false(tag_known(f->state, BOX, "a", "v1"));
	assert_true(tag_known(f->state, BOX, "a", "v2"));
}

static void a_forgotten_repository_loses_tags_and_locations_at_that_target_only(void **state)
{
	struct fixture *f = *state;
	struct digest d = digest_text("layer");
	bool here = true, other = false, elsewhere = false;

	assert_int_equal(tag_try(f->state, BOX, "a", "v1"), 0);
	assert_int_equal(tag_try(f->state, BOX, "a/b", "v1"), 0);
	assert_int_equal(tag_try(f->state, FARM, "a", "v1"), 0);
	assert_int_equal(state_location_put(f->state, BOX, "a", &d, NULL), 0);
	assert_int_equal(state_location_put(f->state, BOX, "a/b", &d, NULL), 0);
	assert_int_equal(state_location_put(f->state, FARM, "a", &d, NULL), 0);
	assert_int_equal(state_repository_forget(f->state, BOX, "a", NULL), 0);
	assert_false(tag_known(f->state, BOX, "a", "v1"));
	assert_true(tag_known(f->state, BOX, "a/b", "v1"));
	assert_true(tag_known(f->state, FARM, "a", "v1"));
	assert_int_equal(state_location_has(f->state, BOX, "a", &d, &here, NULL), 0);
	assert_int_equal(state_location_has(f->state, BOX, "a/b", &d, &other, NULL), 0);
	assert_int_equal(state_location_has(f->state, FARM, "a", &d, &elsewhere, NULL), 0);
	assert_false(here);
	assert_true(other);
	assert_true(elsewhere);
}

static enum state_repository known(struct state *state, const char *repository)
{
	enum state_repository found = STATE_REPOSITORY_UNKNOWN;

	assert_int_equal(state_repository_get(state, BOX, repository, &found, NULL), 0);
	return found;
}

static void a_repository_that_was_begun_is_known_before_it_has_tags(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(known(f->state, "a"), STATE_REPOSITORY_UNKNOWN);
	assert_int_equal(state_repository_begin(f->state, BOX, "a", NULL), 0);
	assert_int_equal(known(f->state, "a"), STATE_REPOSITORY_BEGUN);
	assert_int_equal(known(f->state, "a/b"), STATE_REPOSITORY_UNKNOWN);
	assert_int_equal(tag_try(f->state, BOX, "a", "v1"), 0);
	assert_int_equal(known(f->state, "a"), STATE_REPOSITORY_PUBLISHED);
	assert_int_equal(state_repository_begin(f->state, BOX, "a", NULL), 0);
	assert_int_equal(known(f->state, "a"), STATE_REPOSITORY_PUBLISHED);
	assert_int_equal(state_repository_forget(f->state, BOX, "a", NULL), 0);
	assert_int_equal(known(f->state, "a"), STATE_REPOSITORY_BEGUN);
}

struct listing {
	struct state *state;
	char text[100]; /* "repository:tag " of each row */
	size_t enough;
};

static bool list_tag(void *ctx, const struct state_tag *row)
{
	struct listing *list = ctx;
	size_t len = strlen(list->text);
	bool here;

	/* Reading is allowed meanwhile. */
	assert_true(tag_known(list->state, row->target, row->repository, row->tag));
	assert_int_equal(
		state_location_has(
			list->state, row->target, row->repository, &row->source, &here, NULL),
		0);
	(void)snprintf(
		list->text + len, sizeof(list->text) - len, "%s:%s ", row->repository, row->tag);
	return list->enough == 0 || --list->enough > 0;
}

static void tags_are_listed_in_order_of_repository_and_name(void **state)
{
	struct fixture *f = *state;
	struct listing all = {.state = f->state}, one = {.state = f->state};
	struct listing first = {.state = f->state, .enough = 1};

	assert_int_equal(tag_try(f->state, BOX, "b", "v1"), 0);
	assert_int_equal(tag_try(f->state, FARM, "a", "v9"), 0);
	assert_int_equal(tag_try(f->state, BOX, "a", "v2"), 0);
	assert_int_equal(tag_try(f->state, BOX, "a", "v1"), 0);
	assert_int_equal(state_tags(f->state, BOX, NULL, list_tag, &all, NULL), 0);
	assert_string_equal(all.text, "a:v1 a:v2 b:v1 ");
	assert_int_equal(state_tags(f->state, BOX, "b", list_tag, &one, NULL), 0);
	assert_string_equal(one.text, "b:v1 ");
	assert_int_equal(state_tags(f->state, BOX, NULL, list_tag, &first, NULL), 0);
	assert_string_equal(first.text, "a:v1 ");
}

static void a_location_is_believed_until_it_is_forgotten(void **state)
{
	struct fixture *f = *state;
	struct digest d = digest_text("layer"), other = digest_text("other");
	const char *repository = NULL;
	bool has = false;

	assert_int_equal(state_location_any(f->state, BOX, &d, &repository, NULL), -ERR_NOTFOUND);
	assert_null(repository);
	assert_int_equal(state_location_put(f->state, BOX, "a", &d, NULL), 0);
	assert_int_equal(state_location_put(f->state, BOX, "a", &d, NULL), 0);
	assert_int_equal(state_location_has(f->state, BOX, "a", &d, &has, NULL), 0);
	assert_true(has);
	assert_int_equal(state_location_has(f->state, BOX, "b", &d, &has, NULL), 0);
	assert_false(has);
	assert_int_equal(state_location_has(f->state, BOX, "a", &other, &has, NULL), 0);
	assert_false(has);
	assert_int_equal(state_location_any(f->state, BOX, &d, &repository, NULL), 0);
	assert_string_equal(repository, "a");
	assert_int_equal(state_location_any(f->state, FARM, &d, &repository, NULL), -ERR_NOTFOUND);
	assert_int_equal(state_location_forget(f->state, BOX, "a", &d, NULL), 0);
	assert_int_equal(state_location_has(f->state, BOX, "a", &d, &has, NULL), 0);
	assert_false(has);
}

int main(void)
{
#define WITH_STATE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		WITH_STATE(a_tag_is_remembered_whole),
		WITH_STATE(a_row_replaces_the_one_before),
		WITH_STATE(what_is_not_remembered_is_not_found),
		WITH_STATE(a_forgotten_tag_is_gone_and_others_stay),
		WITH_STATE(a_forgotten_repository_loses_tags_and_locations_at_that_target_only),
		WITH_STATE(a_repository_that_was_begun_is_known_before_it_has_tags),
		WITH_STATE(tags_are_listed_in_order_of_repository_and_name),
		WITH_STATE(a_location_is_believed_until_it_is_forgotten),
	};

	return cmocka_run_group_tests_name("state/tags", tests, NULL, NULL);
}
