#include "fixture.h"

#include <dirent.h>
#include <pthread.h>

#include "util/clock.h"
#include "util/file.h"

#define WRITERS          8  /* threads that publish at once */
#define BLOBS_PER_WRITER 40 /* of which every other one is everybody's */

static size_t count_files(const char *folder)
{
	DIR *dir = opendir(folder);
	size_t n = 0;

	assert_non_null(dir);
	for (struct dirent *e = readdir(dir); e; e = readdir(dir))
		n += e->d_name[0] != '.';
	(void)closedir(dir);
	return n;
}

static void assert_content(struct store *s, const struct digest *digest, const char *text)
{
	AUTO_CLOSE int fd = -1;
	AUTO_FREE char *found = xcalloc(1, strlen(text) + 1);
	uint64_t size = 0;

	assert_int_equal(store_blob_open(s, digest, &fd, &size, NULL), 0);
	assert_int_equal(size, strlen(text));
	assert_int_equal(pread_all(fd, found, size, 0, NULL), 0);
	assert_string_equal(found, text);
}

static void what_was_written_is_read_back(void **state)
{
	struct fixture *f = *state;
	struct digest d = blob_put(f->store, NULL, "some content");
	uint64_t size = 0;

	assert_int_equal(store_blob_stat(f->store, &d, &size, NULL), 0);
	assert_int_equal(size, strlen("some content"));
	assert_content(f->store, &d, "some content");
	store_close(f->store);
	fixture_open(f);
	assert_content(f->store, &d, "some content");
}

static void files_are_readable_by_all_and_writable_by_none(void **state)
{
	struct fixture *f = *state;
	mode_t old = umask(0077);
	struct digest d = blob_put(f->store, NULL, "x");
	AUTO_FREE char *path = blob_path(f, &d);
	struct stat st;

	(void)umask(old);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0444);
}

static void an_empty_blob_is_a_blob(void **state)
{
	struct fixture *f = *state;
	struct digest d = blob_put(f->store, "a", "");

	assert_content(f->store, &d, "");
}

static void sha512_content_has_its_own_folder(void **state)
{
	struct fixture *f = *state;
	AUTO(store_writer_freep) struct store_writer *w = NULL;
	struct digest d;

	assert_int_equal(digest_of(DIGEST_SHA512, "long", 4, &d, NULL), 0);
	assert_int_equal(store_writer_new(f->store, &d, 4, &w, NULL), 0);
	assert_int_equal(store_writer_write(w, "long", 4, NULL), 0);
	assert_int_equal(store_writer_finish(w, NULL, NULL), 0);
	assert_content(f->store, &d, "long");

	AUTO_FREE char *path = blob_path(f, &d);
	assert_int_equal(access(path, R_OK), 0);
}

static void content_that_nobody_published_is_not_found(void **state)
{
	struct fixture *f = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct digest d = digest_text("nothing");
	uint64_t size = 7;
	int fd = -7;

	assert_int_equal(store_blob_stat(f->store, &d, &size, &err), -ERR_NOTFOUND);
	assert_int_equal(store_blob_open(f->store, &d, &fd, &size, &err), -ERR_NOTFOUND);
	assert_int_equal(store_blob_link(f->store, "a", &d, &err), -ERR_NOTFOUND);
	assert_int_equal(size, 7);
	assert_int_equal(fd, -7);
}

static void a_writer_that_is_dropped_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *uploads = xasprintf("%s/uploads", f->path);
	AUTO_FREE char *blobs = xasprintf("%s/blobs/sha256", f->path);

	for (int named = 0; named < 2; named++) {
		AUTO(store_writer_freep) struct store_writer *w = NULL;
		struct digest d = digest_text("abc");
		uint64_t size;

		f->store->named = named;
		assert_int_equal(store_writer_new(f->store, &d, 3, &w, NULL), 0);
		assert_int_equal(store_writer_write(w, "abc", 3, NULL), 0);
		assert_int_equal(count_files(uploads), named);
		store_writer_free(steal(&w));
		assert_int_equal(store_blob_stat(f->store, &d, &size, NULL), -ERR_NOTFOUND);
		assert_int_equal(count_files(uploads), 0);
		assert_int_equal(count_files(blobs), 0);
	}
}

static void a_size_that_was_promised_is_held(void **state)
{
	struct fixture *f = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(store_writer_freep) struct store_writer *more = NULL;
	AUTO(store_writer_freep) struct store_writer *less = NULL;
	struct digest d = digest_text("abcd");
	uint64_t size;

	assert_int_equal(store_writer_new(f->store, &d, 3, &more, NULL), 0);
	assert_int_equal(store_writer_write(more, "ab", 2, NULL), 0);
	assert_int_equal(store_writer_write(more, "cd", 2, &err), -ERR_CORRUPT);
	assert_int_equal(store_writer_new(f->store, &d, 4, &less, NULL), 0);
	assert_int_equal(store_writer_write(less, "abc", 3, NULL), 0);
	assert_int_equal(store_writer_finish(less, NULL, &err), -ERR_CORRUPT);
	assert_int_equal(store_blob_stat(f->store, &d, &size, NULL), -ERR_NOTFOUND);
	assert_int_equal(store_writer_new(f->store, &d, UINT64_MAX, &more, &err), -ERR_CORRUPT);
}

static void the_same_content_twice_is_one_file_and_one_row(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *blobs = xasprintf("%s/blobs/sha256", f->path);
	struct digest d = blob_put(f->store, "a", "same");

	(void)blob_put(f->store, "b", "same");
	assert_content(f->store, &d, "same");
	assert_int_equal(count_files(blobs), 1);
	assert_int_equal(index_number(f, "SELECT count(*) FROM blob", NULL), 1);
	assert_int_equal(index_number(f, "SELECT count(*) FROM link", NULL), 2);
}

static void named_temporaries_serve_where_nameless_files_do_not_work(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *uploads = xasprintf("%s/uploads", f->path);

	f->store->named = true;
	for (int i = 0; i < 2; i++) {
		struct digest d = blob_put(f->store, "a", "named");

		assert_content(f->store, &d, "named");
		assert_int_equal(count_files(uploads), 0);
	}
}

static void old_temporaries_are_swept_and_young_ones_are_not(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *old = xasprintf("%s/uploads/tmp-old", f->path);
	AUTO_FREE char *young = xasprintf("%s/uploads/tmp-young", f->path);
	AUTO_FREE char *other = xasprintf("%s/uploads/0b5e7c1a", f->path);
	const struct timespec past[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
	const char *names[] = {old, young, other};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		AUTO_CLOSE int fd = open(names[i], O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

		assert_true(fd >= 0);
	}
	assert_int_equal(utimensat(AT_FDCWD, old, past, 0), 0);
	assert_int_equal(utimensat(AT_FDCWD, other, past, 0), 0);
	store_close(f->store);
	fixture_open(f);
	assert_int_equal(access(old, F_OK), -1);
	assert_int_equal(access(young, F_OK), 0);
	assert_int_equal(access(other, F_OK), 0);
}

static void a_row_without_its_file_is_told_and_healed_by_publishing_again(void **state)
{
	struct fixture *f = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct digest d = blob_put(f->store, NULL, "lost");
	AUTO_FREE char *path = blob_path(f, &d);
	uint64_t size;
	int fd = -1;

	assert_int_equal(unlink(path), 0);
	assert_int_equal(store_blob_open(f->store, &d, &fd, &size, &err), -ERR_CORRUPT);
	(void)blob_put(f->store, NULL, "lost");
	assert_content(f->store, &d, "lost");
}

static void a_file_of_the_wrong_size_is_told_and_replaced(void **state)
{
	struct fixture *f = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct digest d = blob_put(f->store, NULL, "torn");
	AUTO_FREE char *path = blob_path(f, &d);
	uint64_t size;
	int fd = -1;

	for (int named = 0; named < 2; named++) {
		f->store->named = named;
		assert_int_equal(chmod(path, 0644), 0);
		assert_int_equal(truncate(path, 2), 0);
		assert_int_equal(store_blob_open(f->store, &d, &fd, &size, &err), -ERR_CORRUPT);
		(void)blob_put(f->store, NULL, "torn");
		assert_content(f->store, &d, "torn");
	}
}

static void publishing_takes_the_content_off_the_list_of_the_doomed(void **state)
{
	struct fixture *f = *state;
	struct digest d = digest_text("doomed");

	index_run(f, "INSERT INTO doomed (digest) VALUES (?1)", &d);
	(void)blob_put(f->store, NULL, "doomed");
	assert_int_equal(index_number(f, "SELECT count(*) FROM doomed", NULL), 0);
}

static void an_old_stamp_is_renewed_before_the_answer(void **state)
{
	struct fixture *f = *state;
	struct digest d = blob_put(f->store, NULL, "old");
	int64_t now = clock_wall_sec();
	uint64_t size;

	index_run(f, "UPDATE blob SET seen = 0 WHERE digest = ?1", &d);
	assert_int_equal(store_blob_stat(f->store, &d, &size, NULL), 0);
	assert_true(index_number(f, "SELECT seen FROM blob WHERE digest = ?1", &d) >= now);
}

static void a_fresh_stamp_is_written_at_the_latest_when_the_store_closes(void **state)
{
	struct fixture *f = *state;
	struct digest d = blob_put(f->store, NULL, "fresh");
	int64_t now = clock_wall_sec();
	uint64_t size;

	index_run(f, "UPDATE blob SET seen = seen - 3600 WHERE digest = ?1", &d);
	assert_int_equal(store_blob_stat(f->store, &d, &size, NULL), 0);
	assert_true(index_number(f, "SELECT seen FROM blob WHERE digest = ?1", &d) < now);
	store_close(f->store);
	fixture_open(f);
	assert_true(index_number(f, "SELECT seen FROM blob WHERE digest = ?1", &d) >= now);
}

static void a_blob_that_was_collected_under_an_old_stamp_is_not_promised(void **state)
{
	struct fixture *f = *state;
	const struct blob_row gone = {.id = 4711, .seen_sec = 0};

	assert_int_equal(seen_stamp(f->store, &gone, NULL), -ERR_NOTFOUND);
}

static void names_that_are_no_repositories_are_refused(void **state)
{
	static const char *const bad[] = {
		"", "..", "a/../b", "/a", "a/", "A", "_layout", "a/_layout"};
	struct fixture *f = *state;
	struct digest d = blob_put(f->store, NULL, "x");

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(blob_try(f->store, bad[i], "y"), -ERR_USAGE);
		assert_int_equal(store_blob_link(f->store, bad[i], &d, NULL), -ERR_USAGE);
	}
}

static void leases_are_kept_renewed_dropped_and_expire(void **state)
{
	static const char until[] = "SELECT until FROM lease WHERE digest = ?1";
	struct fixture *f = *state;
	struct digest a = digest_text("a"), b = digest_text("b");
	int64_t now = clock_wall_sec();

	assert_int_equal(store_lease(f->store, "run", &a, 60, NULL), 0);
	assert_true(index_number(f, until, &a) >= now + 60);
	assert_int_equal(store_lease(f->store, "run", &a, 3600, NULL), 0);
	assert_true(index_number(f, until, &a) >= now + 3600);
	assert_int_equal(store_lease(f->store, "run", &a, 0, NULL), 0);
	assert_int_equal(index_number(f, until, &a), -1);

	assert_int_equal(store_lease(f->store, "run", &a, 60, NULL), 0);
	assert_int_equal(store_lease(f->store, "other", &b, 60, NULL), 0);
	assert_int_equal(store_lease_drop(f->store, "run", NULL), 0);
	assert_int_equal(index_number(f, until, &a), -1);
	assert_true(index_number(f, until, &b) > 0);

	index_run(f, "UPDATE lease SET until = 1", NULL);
	store_close(f->store);
	fixture_open(f);
	assert_int_equal(index_number(f, "SELECT count(*) FROM lease", NULL), 0);
}

struct writer {
	struct store *store;
	int number;
	int failed;
};

static void *write_many(void *ctx)
{
	struct writer *w = ctx;

	for (int i = 0; i < BLOBS_PER_WRITER; i++) {
		AUTO_FREE char *text = xasprintf("blob %d of %d", i, i % 2 ? w->number : -1);
		struct digest d = digest_text(text);
		uint64_t size = 0;

		w->failed += blob_try(w->store, i % 2 ? "mine" : "ours", text) < 0;
		w->failed += store_blob_stat(w->store, &d, &size, NULL) < 0;
		w->failed += store_blob_link(w->store, "linked", &d, NULL) < 0;
		w->failed += store_lease(w->store, "test", &d, 60, NULL) < 0;
	}
	return NULL;
}

static void many_threads_publish_at_once(void **state)
{
	struct fixture *f = *state;
	struct writer writers[WRITERS];
	pthread_t threads[WRITERS];

	for (int i = 0; i < WRITERS; i++) {
		writers[i] = (struct writer){.store = f->store, .number = i};
		assert_int_equal(pthread_create(&threads[i], NULL, write_many, &writers[i]), 0);
	}
	for (int i = 0; i < WRITERS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(writers[i].failed, 0);
	}
	assert_int_equal(index_number(f, "SELECT count(*) FROM blob", NULL),
		(WRITERS + 1) * BLOBS_PER_WRITER / 2);
	assert_int_equal(index_number(f,
				 "SELECT count(*) FROM link JOIN repo ON repo.id = link.repo"
				 " WHERE name = 'linked'",
				 NULL),
		(WRITERS + 1) * BLOBS_PER_WRITER / 2);
}

int main(void)
{
#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		WITH_STORE(what_was_written_is_read_back),
		WITH_STORE(files_are_readable_by_all_and_writable_by_none),
		WITH_STORE(an_empty_blob_is_a_blob),
		WITH_STORE(sha512_content_has_its_own_folder),
		WITH_STORE(content_that_nobody_published_is_not_found),
		WITH_STORE(a_writer_that_is_dropped_leaves_nothing),
		WITH_STORE(a_size_that_was_promised_is_held),
		WITH_STORE(the_same_content_twice_is_one_file_and_one_row),
		WITH_STORE(named_temporaries_serve_where_nameless_files_do_not_work),
		WITH_STORE(old_temporaries_are_swept_and_young_ones_are_not),
		WITH_STORE(a_row_without_its_file_is_told_and_healed_by_publishing_again),
		WITH_STORE(a_file_of_the_wrong_size_is_told_and_replaced),
		WITH_STORE(publishing_takes_the_content_off_the_list_of_the_doomed),
		WITH_STORE(an_old_stamp_is_renewed_before_the_answer),
		WITH_STORE(a_fresh_stamp_is_written_at_the_latest_when_the_store_closes),
		WITH_STORE(a_blob_that_was_collected_under_an_old_stamp_is_not_promised),
		WITH_STORE(names_that_are_no_repositories_are_refused),
		WITH_STORE(leases_are_kept_renewed_dropped_and_expire),
		WITH_STORE(many_threads_publish_at_once),
	};

	return cmocka_run_group_tests_name("store/blob", tests, NULL, NULL);
}
