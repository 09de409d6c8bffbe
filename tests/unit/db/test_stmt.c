#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../scratch.h"
#include "db/db.h"

enum statement {
	PUT,
	GET,
	LIST,
	FRACTION_PUT,
	FRACTION_GET,
	BROKEN,
};

static const char *const statements[] = {
	[PUT] = "INSERT INTO thing(text, number, bytes) VALUES (?1, ?2, ?3)",
	[GET] = "SELECT text, number, bytes FROM thing WHERE id = ?1",
	[LIST] = "SELECT id FROM thing ORDER BY id",
	[FRACTION_PUT] = "INSERT INTO fraction(value) VALUES (?1)",
	[FRACTION_GET] = "SELECT value FROM fraction WHERE id = ?1",
	[BROKEN] = "SELECT x FROM nowhere",
	NULL,
};

static const char *const migrations[] = {
	"CREATE TABLE thing(id INTEGER PRIMARY KEY, text TEXT UNIQUE, number INTEGER, bytes BLOB);"
	"CREATE TABLE fraction(id INTEGER PRIMARY KEY, value REAL)",
	NULL,
};

struct fixture {
	void *dir;
	struct db *db;
};

static int set_up(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	AUTO_FREE char *path = NULL;
	struct db_options options = {.migrations = migrations, .statements = statements};

	*state = f;
	if (scratch_set_up(&f->dir) < 0)
		return -1;
	path = xasprintf("%s/test.db", (const char *)f->dir);
	options.path = path;
	return db_open(&options, &f->db, NULL);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	db_close(f->db);
	(void)scratch_tear_down(&f->dir);
	free(f);
	return 0;
}

static int64_t put(struct db *db, const char *text, int64_t number)
{
	AUTO(db_reset) struct db_stmt s = db_stmt(db, PUT);

	db_bind_text(&s, 1, text);
	db_bind_i64(&s, 2, number);
	return db_run(&s, NULL) < 0 ? -1 : db_last_id(db);
}

static void values_come_back_as_they_were_bound(void **state)
{
	struct fixture *f = *state;
	AUTO(db_reset) struct db_stmt in = db_stmt(f->db, PUT);
	AUTO(db_reset) struct db_stmt out = db_stmt(f->db, GET);
	const char *bytes;
	size_t len;

	db_bind_text(&in, 1, "größe");
	db_bind_i64(&in, 2, INT64_MIN);
	db_bind_blob(&in, 3, "a\0b", 3);
	assert_int_equal(db_run(&in, NULL), 0);
	assert_int_equal(db_changes(f->db), 1);
	db_bind_i64(&out, 1, db_last_id(f->db));
	assert_int_equal(db_step(&out, NULL), 1);
	assert_string_equal(db_text(&out, 0), "größe");
	assert_true(db_i64(&out, 1) == INT64_MIN);
	bytes = db_blob(&out, 2, &len);
	assert_int_equal(len, 3);
	assert_memory_equal(bytes, "a\0b", 3);
	assert_int_equal(db_step(&out, NULL), 0);
}

static void a_fraction_keeps_every_bit(void **state)
{
	struct fixture *f = *state;
	AUTO(db_reset) struct db_stmt in = db_stmt(f->db, FRACTION_PUT);
	AUTO(db_reset) struct db_stmt out = db_stmt(f->db, FRACTION_GET);
	static const double values[] = {0.1, -1e-300, 1.7976931348623157e308, 18.6 * 1024 * 1024};

	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		db_bind_f64(&in, 1, values[i]);
		assert_int_equal(db_run(&in, NULL), 0);
		db_bind_i64(&out, 1, db_last_id(f->db));
		assert_int_equal(db_step(&out, NULL), 1);
		assert_true(db_f64(&out, 0) == values[i]);
	}
}

static void null_and_empty_are_different(void **state)
{
	struct fixture *f = *state;
	AUTO(db_reset) struct db_stmt in = db_stmt(f->db, PUT);
	AUTO(db_reset) struct db_stmt out = db_stmt(f->db, GET);
	struct digest d;

	db_bind_text(&in, 1, NULL);
	assert_int_equal(db_run(&in, NULL), 0);
	db_bind_text(&in, 1, "");
	assert_int_equal(db_run(&in, NULL), 0);
	db_bind_i64(&out, 1, 1);
	assert_int_equal(db_step(&out, NULL), 1);
	assert_null(db_text(&out, 0));
	assert_int_equal(db_i64(&out, 1), 0);
	assert_false(db_digest(&out, 2, &d));
	db_bind_i64(&out, 1, 2);
	assert_int_equal(db_step(&out, NULL), 1);
	assert_string_equal(db_text(&out, 0), "");
}

static void digests_of_both_algorithms_survive(void **state)
{
	struct fixture *f = *state;
	static const enum digest_algo algos[] = {DIGEST_SHA256, DIGEST_SHA512};

	for (size_t i = 0; i < ARRAY_SIZE(algos); i++) {
		AUTO(db_reset) struct db_stmt in = db_stmt(f->db, PUT);
		AUTO(db_reset) struct db_stmt out = db_stmt(f->db, GET);
		struct digest d, back = {0};
		size_t len;

		assert_int_equal(digest_of(algos[i], "x", 1, &d, NULL), 0);
		db_bind_digest(&in, 3, &d);
		assert_int_equal(db_run(&in, NULL), 0);
		db_bind_i64(&out, 1, db_last_id(f->db));
		assert_int_equal(db_step(&out, NULL), 1);
		(void)db_blob(&out, 2, &len);
		assert_int_equal(len, 1 + digest_raw_len(algos[i]));
		assert_true(db_digest(&out, 2, &back));
		assert_true(digest_equal(&d, &back));
	}
}

static void bytes_that_are_no_digest_are_noticed(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *bytes;
		size_t len;
	} cases[] = {
		{"", 0},
		{"\0", 1},
		{"\7"
		 "0123456789abcdef0123456789abcdef",
			33},
		{"\0"
		 "0123456789abcdef0123456789abcde",
			32},
		{"\1"
		 "0123456789abcdef0123456789abcdef",
			33},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(db_reset) struct db_stmt in = db_stmt(f->db, PUT);
		AUTO(db_reset) struct db_stmt out = db_stmt(f->db, GET);
		struct digest d;

		db_bind_blob(&in, 3, cases[i].bytes, cases[i].len);
		assert_int_equal(db_run(&in, NULL), 0);
		db_bind_i64(&out, 1, db_last_id(f->db));
		assert_int_equal(db_step(&out, NULL), 1);
		assert_false(db_digest(&out, 2, &d));
	}
}

static void a_statement_can_be_used_inside_itself(void **state)
{
	struct fixture *f = *state;
	AUTO(db_reset) struct db_stmt outer = db_stmt(f->db, LIST);
	int pairs = 0;

	assert_int_equal(put(f->db, "a", 1), 1);
	assert_int_equal(put(f->db, "b", 2), 2);
	while (db_step(&outer, NULL) == 1) {
		AUTO(db_reset) struct db_stmt inner = db_stmt(f->db, LIST);

		while (db_step(&inner, NULL) == 1)
			pairs++;
	}
	assert_int_equal(pairs, 4);
}

static void a_statement_keeps_nothing_of_its_last_use(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(put(f->db, "a", 5), 1);
	{
		AUTO(db_reset) struct db_stmt s = db_stmt(f->db, PUT);

		assert_int_equal(db_run(&s, NULL), 0);
	}
	{
		AUTO(db_reset) struct db_stmt s = db_stmt(f->db, GET);

		db_bind_i64(&s, 1, 2);
		assert_int_equal(db_step(&s, NULL), 1);
		assert_null(db_text(&s, 0));
		assert_int_equal(db_i64(&s, 1), 0);
	}
}

static void mistakes_are_told_by_the_step(void **state)
{
	struct fixture *f = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct db_stmt s = db_stmt(f->db, BROKEN);

	assert_int_equal(db_step(&s, &err), -ERR_IO);
	assert_non_null(strstr(error_text(&err), "no such table: nowhere"));
	db_reset(&s);

	s = db_stmt(f->db, GET);
	db_bind_i64(&s, 9, 1);
	assert_int_equal(db_step(&s, &err), -ERR_IO);
	assert_non_null(strstr(error_text(&err), "used wrongly"));
	db_reset(&s);
	assert_int_equal(db_step(&s, &err), -ERR_IO);
	assert_non_null(strstr(error_text(&err), "used wrongly"));
}

static void a_broken_rule_of_the_table_is_an_error_and_changes_nothing(void **state)
{
	struct fixture *f = *state;
	AUTO(db_reset) struct db_stmt s = db_stmt(f->db, PUT);
	AUTO(error_clear) struct error err = ERROR_INIT;

	assert_int_equal(put(f->db, "a", 1), 1);
	db_bind_text(&s, 1, "a");
	assert_int_equal(db_run(&s, &err), -ERR_IO);
	assert_non_null(strstr(error_text(&err), "UNIQUE"));
	db_bind_text(&s, 1, "b");
	assert_int_equal(db_run(&s, NULL), 0);
	assert_int_equal(db_last_id(f->db), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			values_come_back_as_they_were_bound, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_fraction_keeps_every_bit, set_up, tear_down),
		cmocka_unit_test_setup_teardown(null_and_empty_are_different, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			digests_of_both_algorithms_survive, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			bytes_that_are_no_digest_are_noticed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_statement_can_be_used_inside_itself, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_statement_keeps_nothing_of_its_last_use, set_up, tear_down),
		cmocka_unit_test_setup_teardown(mistakes_are_told_by_the_step, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_broken_rule_of_the_table_is_an_error_and_changes_nothing,
			set_up,
			tear_down),
	};

	return cmocka_run_group_tests_name("db/stmt", tests, NULL, NULL);
}
