#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/file.h>
#include <time.h>

#include "../../lib/folder.h"
#include "transfer/spool.h"
#include "transfer/spool_map.h"
#include "util/file.h"

#define BLOB_SIZE 100 /* bytes, of the blobs that are spooled here */
#define DAY_SEC   86400

struct fixture {
	char *folder;
	int fd;
	struct digest digest;
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	f->folder = folder_make();
	f->fd = open(f->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f->fd >= 0);
	assert_int_equal(digest_of(DIGEST_SHA256, "blob", 4, &f->digest, NULL), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	closep(&f->fd);
	folder_remove(f->folder);
	free(f);
	return 0;
}

static struct spool_file open_spool(const struct fixture *f)
{
	struct spool_file s = SPOOL_FILE_INIT;

	assert_int_equal(spool_open(&s, f->fd, &f->digest, BLOB_SIZE, NULL), 0);
	assert_true(s.fd >= 0);
	return s;
}

static bool is_there(const struct fixture *f, const char *name)
{
	return faccessat(f->fd, name, F_OK, 0) == 0;
}

static void a_prefix_is_found_again(void **state)
{
	const struct fixture *f = *state;
	struct spool_file s = open_spool(f);
	char read[10];

	assert_int_equal(s.length, 0);
	assert_int_equal(spool_append(&s, "01234", 5, NULL), 0);
	assert_int_equal(spool_append(&s, "56789", 5, NULL), 0);
	assert_int_equal(s.length, 10);
	spool_close(&s);
	assert_int_equal(s.fd, -1);
	s = open_spool(f);
	assert_int_equal(s.length, 10);
	assert_int_equal(pread_all(s.fd, read, sizeof(read), 0, NULL), 0);
	assert_memory_equal(read, "0123456789", 10);
	assert_int_equal(spool_append(&s, "x", 1, NULL), 0);
	assert_int_equal(s.length, 11);
	spool_close(&s);
}

static void its_name_is_the_digest(void **state)
{
	const struct fixture *f = *state;
	struct spool_file s = open_spool(f);

	assert_true(is_there(
		f, "sha256-fa2c8cc4f28176bbeed4b736df569a34c79cd3723e9ec42f9674b4d46ac6b8b8"));
	spool_discard(&s);
	assert_false(is_there(
		f, "sha256-fa2c8cc4f28176bbeed4b736df569a34c79cd3723e9ec42f9674b4d46ac6b8b8"));
	spool_discard(&s);
}

static void what_is_longer_than_the_blob_is_no_prefix_of_it(void **state)
{
	const struct fixture *f = *state;
	struct spool_file s = open_spool(f);
	char more[BLOB_SIZE + 1] = {0};

	assert_int_equal(spool_append(&s, more, sizeof(more), NULL), 0);
	spool_close(&s);
	s = open_spool(f);
	assert_int_equal(s.length, 0);
	spool_close(&s);
}

static void two_cannot_write_one_file(void **state)
{
	const struct fixture *f = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct spool_file s = open_spool(f), second = SPOOL_FILE_INIT;

	assert_int_equal(spool_open(&second, f->fd, &f->digest, BLOB_SIZE, &err), -ERR_BUSY);
	assert_non_null(strstr(error_text(&err), "in use by another process"));
	assert_int_equal(second.fd, -1);
	spool_close(&s);
	s = open_spool(f);
	spool_close(&s);
}

static void a_link_is_not_followed(void **state)
{
	const struct fixture *f = *state;
	struct spool_file s = SPOOL_FILE_INIT;
	char name[DIGEST_STR_MAX];

	digest_format(&f->digest, name);
	*strchr(name, ':') = '-';
	assert_int_equal(symlinkat("/etc/hostname", f->fd, name), 0);
	assert_int_equal(spool_open(&s, f->fd, &f->digest, BLOB_SIZE, NULL), -ERR_IO);
	assert_int_equal(s.fd, -1);
}

/* ---- with holes ---- */

static void map_says(const struct fixture *f, const char *text)
{
	char name[DIGEST_STR_MAX + sizeof(SPOOL_MAP_SUFFIX)];
	struct spool_file s = open_spool(f);
	AUTO_CLOSE int fd = -1;

	(void)snprintf(name, sizeof(name), "%s" SPOOL_MAP_SUFFIX, s.name);
	spool_close(&s);
	fd = openat(f->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write_all(fd, text, strlen(text), NULL), 0);
}

static void write_whole(const struct fixture *f)
{
	struct spool_file s = open_spool(f);
	char bytes[BLOB_SIZE] = {0};

	assert_int_equal(spool_write(&s, 0, bytes, sizeof(bytes), NULL), 0);
	spool_close(&s);
}

static void pieces_with_holes_are_found_again(void **state)
{
	const struct fixture *f = *state;
	struct spool_file s = open_spool(f);

	assert_int_equal(spool_append(&s, "0123456789", 10, NULL), 0);
	assert_int_equal(spool_map_begin(&s, NULL), 0);
	assert_int_equal(spool_write(&s, 50, "0123456789", 10, NULL), 0);
	spool_note(&s, 50, 60);
	assert_int_equal(spool_write(&s, 80, "written, not noted", 18, NULL), 0);
	spool_close(&s);
	s = open_spool(f);
	assert_int_equal(s.length, 10);
	assert_non_null(s.map);
	assert_int_equal(extents_end(s.map, 50), 60);
	assert_int_equal(extents_bytes(s.map), 20);
	assert_int_equal(spool_ahead(&s), 10);
	assert_int_equal(spool_map_begin(&s, NULL), 0); /* it has one */
	assert_int_equal(extents_bytes(s.map), 20);
	spool_discard(&s);
	s = open_spool(f);
	assert_null(s.map);
	assert_int_equal(s.length, 0);
	spool_discard(&s);
}

static void what_is_appended_to_a_file_with_holes_is_noted(void **state)
{
	const struct fixture *f = *state;
	struct spool_file s = open_spool(f);
	char bytes[BLOB_SIZE] = {0};

	assert_int_equal(spool_map_begin(&s, NULL), 0);
	assert_int_equal(spool_append(&s, bytes, 60, NULL), 0);
	assert_int_equal(spool_append(&s, bytes, BLOB_SIZE - 60, NULL), 0);
	spool_close(&s);
	s = open_spool(f);
	assert_int_equal(s.length, BLOB_SIZE);
	spool_close(&s);
}

static void a_torn_line_is_ignored_and_cut_off(void **state)
{
	const struct fixture *f = *state;
	struct spool_file s;

	write_whole(f);
	map_says(f, "0 10\n30 40\n50 6");
	s = open_spool(f);
	assert_int_equal(extents_bytes(s.map), 20);
	spool_note(&s, 70, 80);
	spool_close(&s);
	s = open_spool(f);
	assert_int_equal(extents_bytes(s.map), 30);
	assert_int_equal(extents_end(s.map, 70), 80);
	spool_close(&s);
}

static void a_map_is_believed_only_as_far_as_it_can_be_true(void **state)
{
	const struct fixture *f = *state;
	const char *const lies[] = {
		"0 101\n", /* beyond the blob */
		"10 10\n",
		"10 5\n",
		"-1 5\n",
		" 0 5\n",
		"0 5 \n",
		"0 18446744073709551617\n",
		"0x0 5\n",
		"\n",
		"0 5",
	};
	struct spool_file s;

	write_whole(f);
	for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
		map_says(f, lies[i]);
		s = open_spool(f);
		assert_int_equal(extents_bytes(s.map), 0);
		assert_int_equal(s.length, 0);
		spool_close(&s);
	}
	/* Nor farther than the file goes. */
	map_says(f, "0 100\n");
	s = open_spool(f);
	assert_int_equal(s.length, 100);
	assert_int_equal(ftruncate(s.fd, 30), 0);
	spool_close(&s);
	s = open_spool(f);
	assert_int_equal(s.length, 30);
	spool_close(&s);
}

static void a_map_without_its_file_means_nothing(void **state)
{
	const struct fixture *f = *state;
	struct spool_file s;

	map_says(f, "0 100\n");
	s = open_spool(f);
	assert_null(s.map);
	assert_int_equal(s.length, 0);
	spool_close(&s);
}

static void make_file(const struct fixture *f, const char *name, time_t age_sec)
{
	struct timespec times[2] = {
		{.tv_sec = time(NULL) - age_sec}, {.tv_sec = time(NULL) - age_sec}};
	AUTO_CLOSE int fd = openat(f->fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(futimens(fd, times), 0);
}

static void sweeping_removes_what_is_old_and_nobody_holds(void **state)
{
	const struct fixture *f = *state;
	AUTO_CLOSE int held = -1;

	make_file(f, "sha256-old", 2 * DAY_SEC);
	make_file(f, "sha256-young", DAY_SEC / 2);
	make_file(f, "sha256-held", 2 * DAY_SEC);
	make_file(f, ".hidden", 2 * DAY_SEC);
	make_file(f, "sha256-old.map", DAY_SEC / 2);
	make_file(f, "sha256-held.map", 2 * DAY_SEC);
	make_file(f, "sha256-gone.map", 2 * DAY_SEC);
	assert_int_equal(mkdirat(f->fd, "folder", 0700), 0);
	held = openat(f->fd, "sha256-held", O_RDONLY | O_CLOEXEC);
	assert_int_equal(flock(held, LOCK_EX), 0);
	assert_int_equal(spool_sweep(f->fd, DAY_SEC, NULL), 0);
	assert_false(is_there(f, "sha256-old"));
	assert_true(is_there(f, "sha256-young"));
	assert_true(is_there(f, "sha256-held"));
	assert_false(is_there(f, "sha256-old.map"));
	assert_true(is_there(f, "sha256-held.map"));
	assert_false(is_there(f, "sha256-gone.map"));
	assert_true(is_there(f, ".hidden"));
	assert_true(is_there(f, "folder"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define SPOOL_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		SPOOL_TEST(a_prefix_is_found_again),
		SPOOL_TEST(its_name_is_the_digest),
		SPOOL_TEST(what_is_longer_than_the_blob_is_no_prefix_of_it),
		SPOOL_TEST(two_cannot_write_one_file),
		SPOOL_TEST(a_link_is_not_followed),
		SPOOL_TEST(pieces_with_holes_are_found_again),
		SPOOL_TEST(what_is_appended_to_a_file_with_holes_is_noted),
		SPOOL_TEST(a_torn_line_is_ignored_and_cut_off),
		SPOOL_TEST(a_map_is_believed_only_as_far_as_it_can_be_true),
		SPOOL_TEST(a_map_without_its_file_means_nothing),
		SPOOL_TEST(sweeping_removes_what_is_old_and_nobody_holds),
	};

	return cmocka_run_group_tests_name("transfer/spool", tests, NULL, NULL);
}
