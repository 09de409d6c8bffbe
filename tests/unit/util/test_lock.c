#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "../scratch.h"
#include "util/file.h"
#include "util/lock.h"

static int open_scratch(void **state)
{
	int fd = -1;

	assert_int_equal(dir_open(AT_FDCWD, *state, false, &fd, NULL), 0);
	return fd;
}

static void the_second_is_told_who_is_first(void **state)
{
	AUTO_CLOSE int root = open_scratch(state);
	AUTO_CLOSE int first = -1;
	AUTO_FREE char *want =
		xasprintf("'lock' is held by sync, pid %ld, since 20", (long)getpid());
	AUTO(error_clear) struct error err = ERROR_INIT;
	int second = -1;

	assert_int_equal(lock_take(root, "lock", "sync", &first, NULL), 0);
	assert_int_equal(lock_take(root, "lock", "prune", &second, &err), -ERR_BUSY);
	assert_int_equal(second, -1);
	assert_memory_equal(error_text(&err), want, strlen(want));
	assert_null(strchr(error_text(&err), '\n'));
}

static void closing_gives_the_lock_back(void **state)
{
	AUTO_CLOSE int root = open_scratch(state);
	AUTO_CLOSE int again = -1;
	AUTO(buf_clear) struct buf text = BUF_INIT(1000);
	int first = -1;

	assert_int_equal(lock_take(root, "lock", "a very long name of a command", &first, NULL), 0);
	(void)close(first);
	assert_int_equal(lock_take(root, "lock", "gc", &again, NULL), 0);
	assert_int_equal(file_read(root, "lock", &text, NULL), 0);
	assert_memory_equal(buf_text(&text), "gc, pid ", 8);
	assert_int_equal(strcspn(buf_text(&text), "\n") + 1, text.len);
}

static void a_killed_holder_holds_nothing(void **state)
{
	AUTO_CLOSE int root = open_scratch(state);
	AUTO_CLOSE int mine = -1;
	int ends[2], status;
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		int theirs = -1;

		if (lock_take(root, "lock", "sync", &theirs, NULL) < 0)
			_exit(1);
		(void)!write(ends[1], "x", 1);
		(void)pause();
	}
	assert_int_equal(read(ends[0], &byte, 1), 1);
	assert_int_equal(lock_take(root, "lock", "gc", &mine, NULL), -ERR_BUSY);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(lock_take(root, "lock", "gc", &mine, NULL), 0);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

static void a_holder_that_wrote_nothing_yet_is_another_run(void **state)
{
	AUTO_CLOSE int root = open_scratch(state);
	AUTO_CLOSE int first = -1;
	AUTO(error_clear) struct error err = ERROR_INIT;
	int second = -1;

	assert_int_equal(lock_take(root, "lock", "sync", &first, NULL), 0);
	assert_int_equal(ftruncate(first, 0), 0);
	assert_int_equal(lock_take(root, "lock", "sync", &second, &err), -ERR_BUSY);
	assert_string_equal(error_text(&err), "'lock' is held by another run");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_unit_test(the_second_is_told_who_is_first),
		scratch_unit_test(closing_gives_the_lock_back),
		scratch_unit_test(a_killed_holder_holds_nothing),
		scratch_unit_test(a_holder_that_wrote_nothing_yet_is_another_run),
	};

	return cmocka_run_group_tests_name("util/lock", tests, NULL, NULL);
}
