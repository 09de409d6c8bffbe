#include "fixture.h"

#include <sched.h>
#include <sys/mount.h>

#include "util/file.h"

#define SMALL_DISK  "size=2m" /* of the tmpfs on which the disk gets full */
#define MANY_BYTES  (4u * 1024 * 1024)
#define PIECE_BYTES 4096

static int refused(const struct fixture *f, const char *path, const char *words)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct store *s = NULL;
	int rc = store_open(path, &s, &err);

	(void)f;
	assert_null(s);
	if (!strstr(error_text(&err), words) || !strstr(error_text(&err), path))
		fail_msg("'%s' does not name '%s' and '%s'", error_text(&err), path, words);
	return rc;
}

static void format_set(const struct fixture *f, const char *text)
{
	AUTO_CLOSE int fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(file_publish(fd, "format", text, strlen(text), NULL), 0);
}

static void a_new_store_says_its_format(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *path = xasprintf("%s/format", f->path);
	AUTO(buf_clear) struct buf text = BUF_INIT(100);

	assert_int_equal(file_read(AT_FDCWD, path, &text, NULL), 0);
	assert_string_equal(buf_text(&text), "regmirror-store 1\n");
}

static void another_format_is_refused_by_name(void **state)
{
	struct fixture *f = *state;

	format_set(f, "regmirror-store 2\n");
	assert_int_equal(refused(f, f->path, "'regmirror-store 2'"), -ERR_USAGE);
	format_set(f, "a very long line that no version of the format would ever have, I think\n");
	assert_int_equal(refused(f, f->path, "format"), -ERR_USAGE);
}

static void an_index_without_a_format_is_no_store(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *path = xasprintf("%s/format", f->path);

	assert_int_equal(unlink(path), 0);
	assert_int_equal(refused(f, f->path, "not a store"), -ERR_USAGE);
}

static void places_where_nothing_can_be_written_are_refused(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *file = xasprintf("%s/file", f->folder);
	AUTO_FREE char *below = xasprintf("%s/store", file);
	AUTO_CLOSE int fd = open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(refused(f, file, "irectory"), -ERR_IO);
	assert_int_equal(refused(f, below, "irectory"), -ERR_IO);
	assert_true(refused(f, "/proc/regmirror", "") < 0);
}

static void two_openers_see_each_others_content(void **state)
{
	struct fixture *f = *state;
	AUTO(store_closep) struct store *other = NULL;
	struct digest d, found;

	assert_int_equal(store_open(f->path, &other, NULL), 0);
	d = image_put(f->store, "a", "v1", "one");
	assert_int_equal(store_tag_get(other, "a", "v1", &found, NULL), 0);
	assert_true(digest_equal(&found, &d));
	(void)image_put(other, "a", "v2", "two");
	assert_int_equal(store_tag_get(f->store, "a", "v2", &found, NULL), 0);
}

static void free_space_is_told(void **state)
{
	struct fixture *f = *state;
	uint64_t bytes = 0;

	assert_int_equal(store_disk_free(f->store, &bytes, NULL), 0);
	assert_true(bytes > 0);
}

/* Writes until the disk is full, and keeps what it wrote; the class of the failure. */
static int fill(struct store *s, struct store_writer **ret, struct error *err)
{
	static const char piece[PIECE_BYTES];
	struct digest d = digest_text("never whole");
	int rc = store_writer_new(s, &d, MANY_BYTES, ret, err);

	for (size_t n = 0; rc == 0 && n < MANY_BYTES; n += sizeof(piece))
		rc = store_writer_write(*ret, piece, sizeof(piece), err);
	return rc;
}

/* On a disk without a free byte. */
static void assert_reads_work_and_writes_say_why(struct store *s, const struct digest *digest)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct digest found;

	assert_int_equal(store_tag_put(s, "a", "v3", digest, &err), -ERR_IO);
	assert_int_equal(err.sys, ENOSPC);
	assert_non_null(strstr(error_text(&err), "no space left"));
	assert_int_equal(blob_try(s, "a", ""), -ERR_IO);
	assert_int_equal(store_tag_get(s, "a", "v3", &found, NULL), -ERR_NOTFOUND);
	assert_int_equal(store_tag_get(s, "a", "v1", &found, NULL), 0);
	assert_true(digest_equal(&found, digest));
	assert_true(is_complete(s, "a", digest, false));
}

static void a_full_disk_says_so_and_harms_nothing(void **state)
{
	struct fixture *f = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO_FREE char *folder = xasprintf("%s/disk", f->folder);
	AUTO_FREE char *path = xasprintf("%s/store", folder);
	struct store_writer *w = NULL;
	struct store *s = NULL;
	struct digest d;

	assert_int_equal(mkdir(folder, 0755), 0);
	/* A file system that only this process sees. */
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("none", folder, "tmpfs", 0, SMALL_DISK) < 0) {
		print_message("no permission to mount a small file system\n");
		skip();
	}
	assert_int_equal(store_open(path, &s, &err), 0);
	d = image_put(s, "a", "v1", "one");
	assert_int_equal(fill(s, &w, &err), -ERR_IO);
	assert_int_equal(err.sys, ENOSPC);
	assert_non_null(strstr(error_text(&err), "no space left"));
	assert_reads_work_and_writes_say_why(s, &d);
	/* The space comes back with the failed writer, and nothing was harmed. */
	store_writer_free(w);
	assert_int_equal(store_tag_put(s, "a", "v3", &d, NULL), 0);
	(void)image_put(s, "a", "v2", "two");
	store_close(s);
	assert_int_equal(umount2(folder, MNT_DETACH), 0);
}

int main(void)
{
#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		WITH_STORE(a_new_store_says_its_format),
		WITH_STORE(another_format_is_refused_by_name),
		WITH_STORE(an_index_without_a_format_is_no_store),
		WITH_STORE(places_where_nothing_can_be_written_are_refused),
		WITH_STORE(two_openers_see_each_others_content),
		WITH_STORE(free_space_is_told),
		WITH_STORE(a_full_disk_says_so_and_harms_nothing),
	};

	return cmocka_run_group_tests_name("store/open", tests, NULL, NULL);
}
