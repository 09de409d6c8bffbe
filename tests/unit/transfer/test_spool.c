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
	assert_int_equal(mkdirat(f->fd, "folder", 0700), 0);
	held = openat(f->fd, "sha256-held", O_RDONLY | O_CLOEXEC);
	assert_int_equal(flock(held, LOCK_EX), 0);
	assert_int_equal(spool_sweep(f->fd, DAY_SEC, NULL), 0);
	assert_false(is_there(f, "sha256-old"));
	assert_true(is_there(f, "sha256-young"));
	assert_true(is_there(f, "sha256-held"));
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
		SPOOL_TEST(sweeping_removes_what_is_old_and_nobody_holds),
	};

	return cmocka_run_group_tests_name("transfer/spool", tests, NULL, NULL);
}
