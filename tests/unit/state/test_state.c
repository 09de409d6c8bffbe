#include "fixture.h"

static void a_batch_is_there_whole_after_its_outermost_commit(void **state)
{
	struct fixture *f = *state;
	AUTO(state_closep) struct state *other = NULL;

	assert_int_equal(state_open(f->fd, true, &other, NULL), 0);
	assert_int_equal(state_begin(f->state, NULL), 0);
	assert_int_equal(state_begin(f->state, NULL), 0);
	assert_int_equal(tag_try(f->state, BOX, "a", "v1"), 0);
	assert_int_equal(state_commit(f->state, NULL), 0);
	assert_false(tag_known(other, BOX, "a", "v1"));
	assert_int_equal(state_commit(f->state, NULL), 0);
	assert_true(tag_known(other, BOX, "a", "v1"));
}

static void a_batch_that_was_not_committed_is_gone(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(state_begin(f->state, NULL), 0);
	assert_int_equal(tag_try(f->state, BOX, "a", "v1"), 0);
	fixture_reopen(f);
	assert_false(tag_known(f->state, BOX, "a", "v1"));
}

static void a_write_that_fails_does_not_harm_the_batch(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(state_begin(f->state, NULL), 0);
	assert_int_equal(tag_try(f->state, BOX, "a", "v1"), 0);
	assert_int_equal(tag_try(f->state, BOX, "a", NULL), -ERR_IO);
	assert_int_equal(tag_try(f->state, BOX, "a", "v2"), 0);
	assert_int_equal(state_commit(f->state, NULL), 0);
	fixture_reopen(f);
	assert_true(tag_known(f->state, BOX, "a", "v1"));
	assert_true(tag_known(f->state, BOX, "a", "v2"));
}

static void read_only_reads_and_never_writes(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(tag_try(f->state, BOX, "a", "v1"), 0);
	state_close(steal(&f->state));
	assert_int_equal(state_open(f->fd, true, &f->state, NULL), 0);
	assert_true(tag_known(f->state, BOX, "a", "v1"));
	assert_int_equal(tag_try(f->state, BOX, "a", "v2"), -ERR_IO);
}

static void read_only_makes_no_file(void **state)
{
	struct fixture *f = *state;

	state_close(steal(&f->state));
	assert_int_equal(unlinkat(f->fd, "state.db", 0), 0);
	assert_int_equal(state_open(f->fd, true, &f->state, NULL), -ERR_NOTFOUND);
	assert_null(f->state);
	assert_int_equal(faccessat(f->fd, "state.db", F_OK, 0), -1);
}

static bool check_source(void *ctx, const struct state_source *row)
{
	bool *seen = ctx;

	assert_string_equal(row->upstream, "k8s");
	assert_string_equal(row->source, "registry.k8s.io");
	assert_int_equal(row->last_contact, 100);
	assert_int_equal(row->requests, 6);
	assert_string_equal(row->error, "timed out");
	assert_int_equal(row->error_at, 90);
	if (row->role)
		assert_string_equal(row->role, "authority");
	*seen = true;
	return true;
}

static void a_file_of_the_first_version_is_brought_up_to_date_and_keeps_its_rows(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *path = xasprintf("%s/state.db", f->folder);
	const char *const first[] = {state_migrations[0], NULL};
	const char *const statements[] = {
		"INSERT INTO source (upstream, source, last_contact, requests, bytes, failures,"
		" error, error_at) VALUES ('k8s', 'registry.k8s.io', 100, 6, 0, 0, 'timed out', 90)",
		NULL};
	const struct db_options options = {
		.path = path,
		.application_id = 0x726d7364u,
		.migrations = first,
		.statements = statements,
	};
	struct db *db = NULL;
	bool seen = false;

	state_close(steal(&f->state));
	assert_int_equal(unlinkat(f->fd, "state.db", 0), 0);
	assert_int_equal(db_open(&options, &db, NULL), 0);
	{
		AUTO(db_reset) struct db_stmt stmt = db_stmt(db, 0);

		assert_int_equal(db_run(&stmt, NULL), 0);
	}
	db_close(db);
	fixture_open(f);
	assert_int_equal(state_sources(f->state, check_source, &seen, NULL), 0);
	assert_true(seen);
	assert_int_equal(state_answer_doubt(f->state, "registry.k8s.io", "a", "v1", NULL), 0);
}

static void a_newer_version_is_refused(void **state)
{
	struct fixture *f = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO_FREE char *path = xasprintf("%s/state.db", f->folder);
	const char *const statements[] = {"PRAGMA user_version = 1000", NULL};
	const struct db_options options = {
		.path = path,
		.application_id = 0x726d7364u,
		.migrations = state_migrations,
		.statements = statements,
	};
	struct db *db = NULL;

	state_close(steal(&f->state));
	assert_int_equal(db_open(&options, &db, NULL), 0);
	{
		AUTO(db_reset) struct db_stmt stmt = db_stmt(db, 0);

		assert_int_equal(db_run(&stmt, NULL), 0);
	}
	db_close(db);
	assert_int_equal(state_open(f->fd, false, &f->state, &err), -ERR_USAGE);
	assert_int_equal(state_open(f->fd, true, &f->state, &err), -ERR_USAGE);
}

static void a_file_that_cannot_be_opened_is_named(void **state)
{
	struct fixture *f = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;

	state_close(steal(&f->state));
	assert_int_equal(unlinkat(f->fd, "state.db", 0), 0);
	assert_int_equal(mkdirat(f->fd, "state.db", 0755), 0);
	assert_int_equal(state_open(f->fd, false, &f->state, &err), -ERR_IO);
	assert_non_null(strstr(error_text(&err), "state.db"));
	assert_non_null(strstr(error_text(&err), f->folder));
}

static bool copy_run(void *ctx, const struct state_run *row)
{
	struct state_run *copy = ctx;

	*copy = *row;
	copy->rule = copy->target = NULL;
	copy->error = row->error ? "error" : NULL;
	if (row->error)
		assert_string_equal(row->error, "refused");
	return true;
}

static void the_last_run_is_told_with_the_last_success_and_the_last_error(void **state)
{
	struct fixture *f = *state;
	struct state_run found = {.images = 0};
	struct state_run row = {.rule = "k8s", .target = BOX, .started_at = 10, .ended_at = 20};

	row.last_success = 20;
	row.images = 7;
	row.bytes = UINT64_C(1) << 40;
	assert_int_equal(state_run_put(f->state, &row, NULL), 0);
	assert_int_equal(state_runs(f->state, copy_run, &found, NULL), 0);
	assert_null(found.error);
	assert_int_equal(found.bytes, row.bytes);

	row.last_success = 0;
	row.failed = 2;
	row.error = "refused";
	row.error_at = 30;
	assert_int_equal(state_run_put(f->state, &row, NULL), 0);
	assert_int_equal(state_runs(f->state, copy_run, &found, NULL), 0);
	assert_int_equal(found.last_success, 20);
	assert_int_equal(found.failed, 2);
	assert_non_null(found.error);

	row.last_success = 40;
	row.failed = 0;
	row.error = NULL;
	row.error_at = 0;
	assert_int_equal(state_run_put(f->state, &row, NULL), 0);
	assert_int_equal(state_runs(f->state, copy_run, &found, NULL), 0);
	assert_int_equal(found.last_success, 40);
	assert_int_equal(found.error_at, 30);
	assert_non_null(found.error);
	assert_int_equal(found.failed, 0);
}

static bool count_run(void *ctx, const struct state_run *row)
{
	size_t *n = ctx;

	assert_string_equal(row->rule, *n == 0 ? "a" : "b");
	(*n)++;
	return true;
}

static void runs_are_told_in_order_of_rule(void **state)
{
	struct fixture *f = *state;
	struct state_run b = {.rule = "b", .target = BOX}, a = {.rule = "a", .target = FARM};
	size_t n = 0;

	assert_int_equal(state_run_put(f->state, &b, NULL), 0);
	assert_int_equal(state_run_put(f->state, &a, NULL), 0);
	assert_int_equal(state_runs(f->state, count_run, &n, NULL), 0);
	assert_int_equal(n, 2);
}

static bool check_role(void *ctx, const struct state_source *row)
{
	(void)ctx;
	assert_string_equal(row->role, "authority");
	return true;
}

static void a_source_keeps_its_last_contact_and_its_last_error(void **state)
{
	struct fixture *f = *state;
	struct state_source row = {.upstream = "k8s", .source = "registry.k8s.io"};
	bool seen = false;

	row.error = "timed out";
	row.error_at = 90;
	row.requests = 5;
	assert_int_equal(state_source_put(f->state, &row, NULL), 0);
	row.error = NULL;
	row.error_at = 0;
	row.last_contact = 100;
	row.role = "authority";
	assert_int_equal(state_source_put(f->state, &row, NULL), 0);
	row.last_contact = 0;
	row.requests = 6;
	row.role = NULL;
	assert_int_equal(state_source_put(f->state, &row, NULL), 0);
	assert_int_equal(state_sources(f->state, check_source, &seen, NULL), 0);
	assert_true(seen);
	assert_int_equal(state_sources(f->state, check_role, NULL, NULL), 0);
}

int main(void)
{
#define WITH_STATE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		WITH_STATE(a_batch_is_there_whole_after_its_outermost_commit),
		WITH_STATE(a_batch_that_was_not_committed_is_gone),
		WITH_STATE(a_write_that_fails_does_not_harm_the_batch),
		WITH_STATE(read_only_reads_and_never_writes),
		WITH_STATE(read_only_makes_no_file),
		WITH_STATE(a_file_of_the_first_version_is_brought_up_to_date_and_keeps_its_rows),
		WITH_STATE(a_newer_version_is_refused),
		WITH_STATE(a_file_that_cannot_be_opened_is_named),
		WITH_STATE(the_last_run_is_told_with_the_last_success_and_the_last_error),
		WITH_STATE(runs_are_told_in_order_of_rule),
		WITH_STATE(a_source_keeps_its_last_contact_and_its_last_error),
	};

	return cmocka_run_group_tests_name("state/state", tests, NULL, NULL);
}
