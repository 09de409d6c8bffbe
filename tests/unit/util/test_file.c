#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>

#include "../scratch.h"
#include "util/file.h"

/* Names in a directory, without "." and "..". */
static int count_names(const char *path)
{
	DIR *dir = opendir(path);
	int n = -2;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	(void)closedir(dir);
	return n;
}

static int open_scratch(void **state)
{
	int fd = -1;

	assert_int_equal(dir_open(AT_FDCWD, *state, false, &fd, NULL), 0);
	return fd;
}

static void directories_are_made_with_their_parents(void **state)
{
	AUTO_CLOSE int root = open_scratch(state);
	AUTO_CLOSE int deep = -1;
	AUTO_CLOSE int again = -1;
	AUTO_CLOSE int absolute = -1;
	AUTO_FREE char *path = xasprintf("%s/x//y/", (const char *)*state);
	int missing = -1;

	assert_int_equal(dir_open(root, "a/b", false, &missing, NULL), -ERR_NOTFOUND);
	assert_int_equal(missing, -1);
	assert_int_equal(dir_open(root, "a/b/c", true, &deep, NULL), 0);
	assert_int_equal(faccessat(root, "a/b/c", F_OK, 0), 0);
	assert_int_equal(dir_open(root, "a/b/c", true, &again, NULL), 0);
	assert_int_equal(dir_open(AT_FDCWD, path, true, &absolute, NULL), 0);
	assert_int_equal(faccessat(root, "x/y", F_OK, 0), 0);
}

static void a_file_in_the_way_of_a_directory_is_named(void **state)
{
	AUTO_CLOSE int root = open_scratch(state);
	AUTO(error_clear) struct error err = ERROR_INIT;
	int fd = -1;

	assert_int_equal(file_publish(root, "a", "", 0, NULL), 0);
	assert_int_equal(dir_open(root, "a", true, &fd, &err), -ERR_IO);
	assert_int_equal(err.sys, ENOTDIR);
	assert_non_null(strstr(error_text(&err), "'a'"));
	assert_int_equal(dir_open(root, "a/b", true, &fd, NULL), -ERR_IO);
	assert_int_equal(fd, -1);
}

static void a_published_file_replaces_the_old_one_and_leaves_no_rest(void **state)
{
	AUTO_CLOSE int root = open_scratch(state);
	AUTO(buf_clear) struct buf b = BUF_INIT(100);

	assert_int_equal(file_publish(root, "f", "old content", 11, NULL), 0);
	assert_int_equal(file_publish(root, "f", "new", 3, NULL), 0);
	assert_int_equal(file_read(root, "f", &b, NULL), 0);
	assert_string_equal(buf_text(&b), "new");
	assert_int_equal(count_names(*state), 1);
}

static void publishing_works_below_and_beside_the_directory(void **state)
{
	AUTO_CLOSE int root = open_scratch(state);
	AUTO_CLOSE int sub = -1;
	AUTO_FREE char *path = xasprintf("%s/report.json", (const char *)*state);

	assert_int_equal(dir_open(root, "runs", true, &sub, NULL), 0);
	assert_int_equal(file_publish(root, "runs/1.json", "1", 1, NULL), 0);
	assert_int_equal(file_publish(AT_FDCWD, path, "2", 1, NULL), 0);
	assert_int_equal(faccessat(sub, "1.json", F_OK, 0), 0);
	assert_int_equal(faccessat(root, "report.json", F_OK, 0), 0);
}

static void a_failed_publication_leaves_no_rest_either(void **state)
{
	AUTO_CLOSE int root = open_scratch(state);
	AUTO_CLOSE int in_the_way = -1;
	AUTO(error_clear) struct error err = ERROR_INIT;

	assert_int_equal(dir_open(root, "f", true, &in_the_way, NULL), 0);
	assert_int_equal(file_publish(root, "f", "x", 1, &err), -ERR_IO);
	assert_non_null(strstr(error_text(&err), "write 'f': rename"));
	assert_int_equal(count_names(*state), 1);
	assert_int_equal(file_publish(root, "none/f", "x", 1, NULL), -ERR_NOTFOUND);
}

static void reading_stops_at_the_ceiling_and_keeps_what_was_there(void **state)
{
	AUTO_CLOSE int root = open_scratch(state);
	AUTO(buf_clear) struct buf b = BUF_INIT(8);
	AUTO(error_clear) struct error err = ERROR_INIT;

	assert_int_equal(file_publish(root, "f", "12345", 5, NULL), 0);
	assert_int_equal(buf_puts(&b, "abc", NULL), 0);
	assert_int_equal(file_read(root, "f", &b, NULL), 0);
	assert_string_equal(buf_text(&b), "abc12345");
	assert_int_equal(file_read(root, "f", &b, &err), -ERR_NOMEM);
	assert_string_equal(error_text(&err), "'f': more than the 8 bytes allowed");
	assert_string_equal(buf_text(&b), "abc12345");
	assert_int_equal(file_read(root, "g", &b, NULL), -ERR_NOTFOUND);
}

static void a_large_file_is_read_whole(void **state)
{
	AUTO_CLOSE int root = open_scratch(state);
	AUTO(buf_clear) struct buf in = BUF_INIT(1 << 20);
	AUTO(buf_clear) struct buf out = BUF_INIT(1 << 20);

	while (in.len + 8 <= in.max)
		assert_int_equal(buf_printf(&in, NULL, "%08zx", in.len), 0);
	assert_int_equal(file_publish(root, "f", in.data, in.len, NULL), 0);
	assert_int_equal(file_read(root, "f", &out, NULL), 0);
	assert_int_equal(out.len, in.len);
	assert_memory_equal(out.data, in.data, in.len);
}

static void bytes_are_read_where_they_were_written(void **state)
{
	AUTO_CLOSE int root = open_scratch(state);
	AUTO_CLOSE int fd = -1;
	AUTO(error_clear) struct error err = ERROR_INIT;
	char bytes[5] = "";
	uint64_t size = 0;

	assert_int_equal(file_scratch(root, &fd, NULL), 0);
	assert_int_equal(count_names(*state), 0);
	assert_int_equal(pwrite_all(fd, "tail", 4, 6, NULL), 0);
	assert_int_equal(file_size(fd, &size, NULL), 0);
	assert_int_equal(size, 10);
	assert_int_equal(pread_all(fd, bytes, 4, 6, NULL), 0);
	assert_string_equal(bytes, "tail");
	assert_int_equal(pread_all(fd, bytes, 5, 6, &err), -ERR_IO);
	assert_string_equal(error_text(&err), "the file ends at 10, 1 bytes too early");
}

static void a_full_disk_says_what_to_do(void **state)
{
	AUTO_CLOSE int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	AUTO(error_clear) struct error err = ERROR_INIT;

	(void)state;
	assert_true(full >= 0);
	assert_int_equal(write_all(full, "x", 1, &err), -ERR_IO);
	assert_int_equal(err.sys, ENOSPC);
	assert_string_equal(error_text(&err),
		"write: no space left on the disk; free some or move the state directory");
}

static void removing_what_is_not_there_is_fine(void **state)
{
	AUTO_CLOSE int root = open_scratch(state);

	assert_int_equal(file_publish(root, "f", "", 0, NULL), 0);
	assert_int_equal(file_remove(root, "f", NULL), 0);
	assert_int_equal(file_remove(root, "f", NULL), 0);
	assert_int_equal(file_remove(root, ".", NULL), -ERR_IO);
}

static void the_disk_has_some_room(void **state)
{
	AUTO_CLOSE int root = open_scratch(state);
	uint64_t bytes = 0;

	assert_int_equal(disk_free(root, &bytes, NULL), 0);
	assert_true(bytes > 0);
	assert_int_equal(dir_sync(root, NULL), 0);
	assert_int_equal(disk_free(-1, &bytes, NULL), -ERR_IO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_unit_test(directories_are_made_with_their_parents),
		scratch_unit_test(a_file_in_the_way_of_a_directory_is_named),
		scratch_unit_test(a_published_file_replaces_the_old_one_and_leaves_no_rest),
		scratch_unit_test(publishing_works_below_and_beside_the_directory),
		scratch_unit_test(a_failed_publication_leaves_no_rest_either),
		scratch_unit_test(reading_stops_at_the_ceiling_and_keeps_what_was_there),
		scratch_unit_test(a_large_file_is_read_whole),
		scratch_unit_test(bytes_are_read_where_they_were_written),
		scratch_unit_test(a_full_disk_says_what_to_do),
		scratch_unit_test(removing_what_is_not_there_is_fine),
		scratch_unit_test(the_disk_has_some_room),
	};

	return cmocka_run_group_tests_name("util/file", tests, NULL, NULL);
}
