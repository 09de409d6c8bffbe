#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/wait.h>

#include "../scratch.h"
#include "db/db.h"
#include "util/file.h"

#define OUR_ID      0x72656730u
#define NOBODY      65534 /* uid of a user that owns nothing, on every Linux */
#define N_PROCESSES 4
#define MESSAGE_MAX 500 /* bytes of an error with two paths */

static const char *const first_format[] = {
	"CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT UNIQUE);",
	NULL,
};

static const char *const second_format[] = {
	"CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT UNIQUE);",
	"ALTER TABLE item ADD COLUMN size INTEGER; CREATE INDEX item_size ON item(size);",
	NULL,
};

static const char *const broken_format[] = {
	"CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT UNIQUE);",
	"CREATE TABLE other(id); CREATE TABLE item(id);",
	NULL,
};

enum statement {
	PUT,
	COUNT,
	PUT_SIZE,
};

static const char *const statements[] = {
	[PUT] = "INSERT INTO item(name) VALUES (?1)",
	[COUNT] = "SELECT count(*) FROM item",
	[PUT_SIZE] = "INSERT INTO item(name, size) VALUES (?1, ?2)",
	NULL,
};

/* The database of a test, and its options, whose path is owned: for AUTO(finish). */
static struct db_options options_for(void **state, const char *const *migrations)
{
	return (struct db_options){
		.path = xasprintf("%s/test.db", (const char *)*state),
		.application_id = OUR_ID,
		.migrations = migrations,
		.statements = statements,
	};
}

static void finish(struct db_options *options)
{
	AUTO_FREE char *path = NULL;

	memcpy(&path, &options->path, sizeof(path));
}

static int put(struct db *db, const char *name)
{
	AUTO(db_reset) struct db_stmt s = db_stmt(db, PUT);

	db_bind_text(&s, 1, name);
	return db_run(&s, NULL);
}

static int64_t count(struct db *db)
{
	AUTO(db_reset) struct db_stmt s = db_stmt(db, COUNT);

	return db_step(&s, NULL) == 1 ? db_i64(&s, 0) : -1;
}

static void a_file_grows_by_the_migrations_it_lacks(void **state)
{
	AUTO(finish) struct db_options options = options_for(state, first_format);
	AUTO(db_closep) struct db *db = NULL;

	assert_int_equal(db_open(&options, &db, NULL), 0);
	assert_int_equal(put(db, "a"), 0);
	db_close(steal(&db));

	options.migrations = second_format;
	assert_int_equal(db_open(&options, &db, NULL), 0);
	assert_int_equal(count(db), 1);
	{
		AUTO(db_reset) struct db_stmt s = db_stmt(db, PUT_SIZE);

		db_bind_text(&s, 1, "b");
		db_bind_i64(&s, 2, 7);
		assert_int_equal(db_run(&s, NULL), 0);
	}
	db_close(steal(&db));
	assert_int_equal(db_open(&options, &db, NULL), 0);
	assert_int_equal(count(db), 2);
}

static void a_broken_migration_changes_nothing(void **state)
{
	AUTO(finish) struct db_options options = options_for(state, broken_format);
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(db_closep) struct db *db = NULL;

	assert_int_equal(db_open(&options, &db, &err), -ERR_IO);
	assert_non_null(strstr(error_text(&err), "migration from format 1"));
	assert_null(db);
	/* The first step stands, of the second nothing. */
	options.migrations = second_format;
	assert_int_equal(db_open(&options, &db, NULL), 0);
	assert_int_equal(count(db), 0);
}

static void a_newer_format_is_refused(void **state)
{
	AUTO(finish) struct db_options options = options_for(state, second_format);
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(db_closep) struct db *db = NULL;

	assert_int_equal(db_open(&options, &db, NULL), 0);
	db_close(steal(&db));
	options.migrations = first_format;
	assert_int_equal(db_open(&options, &db, &err), -ERR_USAGE);
	assert_non_null(strstr(error_text(&err), "newer version"));
	options.read_only = true;
	assert_int_equal(db_open(&options, &db, NULL), -ERR_USAGE);
	assert_null(db);
}

static void a_reader_does_not_migrate(void **state)
{
	AUTO(finish) struct db_options options = options_for(state, first_format);
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(db_closep) struct db *db = NULL;

	assert_int_equal(db_open(&options, &db, NULL), 0);
	db_close(steal(&db));
	options.read_only = true;
	options.migrations = second_format;
	assert_int_equal(db_open(&options, &db, &err), -ERR_USAGE);
	assert_non_null(strstr(error_text(&err), "older version"));
}

static void another_programs_database_is_refused(void **state)
{
	AUTO(finish) struct db_options options = options_for(state, first_format);
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(db_closep) struct db *db = NULL;

	options.application_id = OUR_ID + 1;
	assert_int_equal(db_open(&options, &db, NULL), 0);
	db_close(steal(&db));
	options.application_id = OUR_ID;
	assert_int_equal(db_open(&options, &db, &err), -ERR_USAGE);
	assert_non_null(strstr(error_text(&err), "another program"));
}

static void a_file_that_is_no_database_is_left_alone(void **state)
{
	static const char text[] =
		"state: /var/lib/regmirror # a configuration, put here by mistake\n";
	AUTO(finish) struct db_options options = options_for(state, first_format);
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(buf_clear) struct buf content = BUF_INIT(1000);
	AUTO(db_closep) struct db *db = NULL;

	assert_int_equal(file_publish(AT_FDCWD, options.path, text, strlen(text), NULL), 0);
	assert_int_equal(db_open(&options, &db, &err), -ERR_IO);
	assert_non_null(strstr(error_text(&err), "not an SQLite database"));
	assert_int_equal(file_read(AT_FDCWD, options.path, &content, NULL), 0);
	assert_string_equal(buf_text(&content), text);
}

static void a_reader_finds_nothing_where_nothing_was_written(void **state)
{
	AUTO(finish) struct db_options options = options_for(state, first_format);
	AUTO(db_closep) struct db *db = NULL;

	options.read_only = true;
	assert_int_equal(db_open(&options, &db, NULL), -ERR_NOTFOUND);
	assert_int_equal(access(options.path, F_OK), -1);
	assert_int_equal(file_publish(AT_FDCWD, options.path, "", 0, NULL), 0);
	assert_int_equal(db_open(&options, &db, NULL), -ERR_NOTFOUND);
}

static void a_reader_sees_what_a_writer_commits_and_cannot_write(void **state)
{
	AUTO(finish) struct db_options options = options_for(state, first_format);
	AUTO(db_closep) struct db *writer = NULL;
	AUTO(db_closep) struct db *reader = NULL;
	AUTO(error_clear) struct error err = ERROR_INIT;

	assert_int_equal(db_open(&options, &writer, NULL), 0);
	options.read_only = true;
	assert_int_equal(db_open(&options, &reader, NULL), 0);
	assert_int_equal(db_begin(writer, NULL), 0);
	assert_int_equal(put(writer, "a"), 0);
	assert_int_equal(count(reader), 0);
	assert_int_equal(db_commit(writer, NULL), 0);
	assert_int_equal(count(reader), 1);
	{
		AUTO(db_reset) struct db_stmt s = db_stmt(reader, PUT);

		db_bind_text(&s, 1, "b");
		assert_int_equal(db_run(&s, &err), -ERR_IO);
	}
	assert_non_null(strstr(error_text(&err), "no permission to write"));
}

/* In a child without rights, in a directory that it may not write to: the exit status. */
static int status_of_a_stranger(struct db_options *options, void **state)
{
	int status = 0;
	pid_t pid;

	assert_int_equal(chmod(*state, 0555), 0);
	pid = fork();
	if (pid == 0) {
		struct db *db = NULL;

		if (geteuid() == 0 && setuid(NOBODY) < 0)
			_exit(99);
		options->read_only = true;
		if (db_open(options, &db, NULL) < 0)
			_exit(98);
		_exit((int)count(db));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(chmod(*state, 0755), 0);
	return WEXITSTATUS(status);
}

static void reading_needs_no_permission_to_write(void **state)
{
	AUTO(finish) struct db_options options = options_for(state, first_format);
	AUTO(db_closep) struct db *db = NULL;

	assert_int_equal(db_open(&options, &db, NULL), 0);
	assert_int_equal(put(db, "a"), 0);
	assert_int_equal(put(db, "b"), 0);
	assert_int_equal(status_of_a_stranger(&options, state), 2); /* while it is in use */
	db_close(steal(&db));
	options.read_only = false;
	assert_int_equal(status_of_a_stranger(&options, state), 2); /* and after */
}

/* The child's message is written into the pipe, for the parent to look at. */
static void a_reader_that_cannot_read_says_why(void **state)
{
	AUTO(finish) struct db_options options = options_for(state, first_format);
	AUTO_FREE char *shm = xasprintf("%s-shm", options.path);
	AUTO_FREE char *wal = xasprintf("%s-wal", options.path);
	AUTO(db_closep) struct db *db = NULL;
	char text[MESSAGE_MAX] = "";
	int ends[2];

	assert_int_equal(db_open(&options, &db, NULL), 0);
	db_close(steal(&db));
	assert_int_equal(unlink(shm), 0);
	assert_int_equal(unlink(wal), 0);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(chmod(*state, 0555), 0);
	if (fork() == 0) {
		AUTO(error_clear) struct error err = ERROR_INIT;

		if (geteuid() == 0 && setuid(NOBODY) < 0)
			_exit(99);
		options.read_only = true;
		(void)!db_open(&options, &db, &err);
		(void)!write_all(ends[1], error_text(&err), strlen(error_text(&err)), NULL);
		_exit(0);
	}
	(void)close(ends[1]);
	(void)wait(NULL);
	assert_true(read(ends[0], text, sizeof(text) - 1) > 0);
	(void)close(ends[0]);
	assert_int_equal(chmod(*state, 0755), 0);
	assert_non_null(strstr(text, "run as the user that owns it"));
}

static void an_inner_rollback_spoils_the_whole(void **state)
{
	AUTO(finish) struct db_options options = options_for(state, first_format);
	AUTO(db_closep) struct db *db = NULL;
	AUTO(error_clear) struct error err = ERROR_INIT;

	assert_int_equal(db_open(&options, &db, NULL), 0);
	assert_int_equal(db_begin(db, NULL), 0);
	assert_int_equal(put(db, "a"), 0);
	assert_int_equal(db_begin(db, NULL), 0);
	assert_int_equal(put(db, "b"), 0);
	db_rollback(db);
	assert_int_equal(put(db, "c"), 0);
	assert_int_equal(db_commit(db, &err), -ERR_IO);
	assert_non_null(strstr(error_text(&err), "nothing was changed"));
	db_rollback(db); /* as callers do after a commit that failed */
	assert_int_equal(count(db), 0);
	/* And the next one is not spoiled. */
	assert_int_equal(db_begin(db, NULL), 0);
	assert_int_equal(put(db, "d"), 0);
	assert_int_equal(db_commit(db, NULL), 0);
	assert_int_equal(count(db), 1);
}

static void nested_commits_become_real_with_the_outermost(void **state)
{
	AUTO(finish) struct db_options options = options_for(state, first_format);
	AUTO(db_closep) struct db *db = NULL;
	AUTO(db_closep) struct db *other = NULL;

	assert_int_equal(db_open(&options, &db, NULL), 0);
	assert_int_equal(db_open(&options, &other, NULL), 0);
	assert_int_equal(db_begin(db, NULL), 0);
	assert_int_equal(db_begin(db, NULL), 0);
	assert_int_equal(put(db, "a"), 0);
	assert_int_equal(db_commit(db, NULL), 0);
	assert_int_equal(count(other), 0);
	assert_int_equal(db_commit(db, NULL), 0);
	assert_int_equal(count(other), 1);
}

static void what_a_killed_process_did_not_commit_is_gone(void **state)
{
	AUTO(finish) struct db_options options = options_for(state, first_format);
	AUTO(db_closep) struct db *db = NULL;
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		if (db_open(&options, &db, NULL) < 0 || put(db, "kept") < 0 ||
			db_begin(db, NULL) < 0 || put(db, "lost") < 0)
			_exit(1);
		(void)kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(db_open(&options, &db, NULL), 0);
	assert_int_equal(count(db), 1);
}

static void processes_may_open_a_new_file_at_once(void **state)
{
	AUTO(finish) struct db_options options = options_for(state, second_format);
	AUTO(db_closep) struct db *db = NULL;

	for (int i = 0; i < N_PROCESSES; i++) {
		if (fork() == 0) {
			AUTO_FREE char *name = xasprintf("process %d", i);

			_exit(db_open(&options, &db, NULL) < 0 || put(db, name) < 0);
		}
	}
	for (int i = 0; i < N_PROCESSES; i++) {
		int status = 0;

		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	assert_int_equal(db_open(&options, &db, NULL), 0);
	assert_int_equal(count(db), N_PROCESSES);
}

static void a_full_disk_is_said_in_words_and_undoes_the_transaction(void **state)
{
	static const char *const sql[] = {
		"PRAGMA max_page_count=8",
		"INSERT INTO item(name) VALUES (hex(zeroblob(100000)))",
		"SELECT count(*) FROM item",
		NULL,
	};
	AUTO(finish) struct db_options options = options_for(state, first_format);
	AUTO(db_closep) struct db *db = NULL;
	AUTO(error_clear) struct error err = ERROR_INIT;

	options.statements = sql;
	assert_int_equal(db_open(&options, &db, NULL), 0);
	for (size_t i = 0; i < 2; i++) {
		AUTO(db_reset) struct db_stmt s = db_stmt(db, i);
		int rc = i == 0 ? db_run(&s, NULL) : db_begin(db, NULL);

		assert_int_equal(rc, 0);
		if (i == 1)
			assert_int_equal(db_run(&s, &err), -ERR_IO);
	}
	assert_non_null(strstr(error_text(&err), "no space left on the disk; free some"));
	assert_int_equal(err.sys, ENOSPC);
	db_rollback(db);
	{
		AUTO(db_reset) struct db_stmt s = db_stmt(db, 2);

		assert_int_equal(db_step(&s, NULL), 1);
		assert_int_equal(db_i64(&s, 0), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_unit_test(a_file_grows_by_the_migrations_it_lacks),
		scratch_unit_test(a_broken_migration_changes_nothing),
		scratch_unit_test(a_newer_format_is_refused),
		scratch_unit_test(a_reader_does_not_migrate),
		scratch_unit_test(another_programs_database_is_refused),
		scratch_unit_test(a_file_that_is_no_database_is_left_alone),
		scratch_unit_test(a_reader_finds_nothing_where_nothing_was_written),
		scratch_unit_test(a_reader_sees_what_a_writer_commits_and_cannot_write),
		scratch_unit_test(reading_needs_no_permission_to_write),
		scratch_unit_test(a_reader_that_cannot_read_says_why),
		scratch_unit_test(an_inner_rollback_spoils_the_whole),
		scratch_unit_test(nested_commits_become_real_with_the_outermost),
		scratch_unit_test(what_a_killed_process_did_not_commit_is_gone),
		scratch_unit_test(processes_may_open_a_new_file_at_once),
		scratch_unit_test(a_full_disk_is_said_in_words_and_undoes_the_transaction),
	};

	return cmocka_run_group_tests_name("db/db", tests, NULL, NULL);
}
