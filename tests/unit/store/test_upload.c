#include "fixture.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

#include "store/collect.h"
#include "store/upload.h"
#include "util/clock.h"
#include "util/file.h"

#define REPOSITORY "team/web"

static struct store_upload *begin(struct store *s)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct store_upload *u = NULL;

	if (store_upload_begin(s, REPOSITORY, &u, &err) < 0)
		fail_msg("%s", error_text(&err));
	return u;
}

static struct store_upload *resume(struct store *s, const char *id)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct store_upload *u = NULL;

	if (store_upload_resume(s, REPOSITORY, id, &u, &err) < 0)
		fail_msg("%s", error_text(&err));
	return u;
}

static int resume_try(struct store *s, const char *repository, const char *id)
{
	struct store_upload *u = NULL;
	int rc = store_upload_resume(s, repository, id, &u, NULL);

	store_upload_release(u);
	return rc;
}

static void write_text(struct store_upload *u, const char *text)
{
	assert_int_equal(store_upload_write(u, text, strlen(text), NULL), 0);
}

/* A session of this text that nobody holds; its name is written to id. */
static void leave(struct store *s, const char *text, char id[static UPLOAD_ID_MAX])
{
	struct store_upload *u = begin(s);

	(void)snprintf(id, UPLOAD_ID_MAX, "%s", store_upload_id(u));
	write_text(u, text);
	store_upload_release(u);
}

static size_t files_in(const struct fixture *f, const char *folder)
{
	AUTO_FREE char *path = xasprintf("%s/%s", f->path, folder);
	DIR *dir = opendir(path);
	struct dirent *entry;
	size_t n = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	(void)closedir(dir);
	return n;
}

static void assert_content(const struct fixture *f, const struct digest *d, const char *text)
{
	AUTO_CLOSE int fd = -1;
	AUTO_FREE char *bytes = xcalloc(1, strlen(text) + 1);
	AUTO_FREE char *path = blob_path(f, d);
	struct stat st;
	uint64_t size = 0;

	assert_int_equal(store_blob_open(f->store, d, &fd, &size, NULL), 0);
	assert_int_equal(size, strlen(text));
	assert_int_equal(pread_all(fd, bytes, size, 0, NULL), 0);
	assert_string_equal(bytes, text);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0444);
	assert_int_equal(store_blob_in_repository(f->store, REPOSITORY, d, &size, NULL), 0);
}

static void pieces_become_a_blob_of_the_repository(void **state)
{
	struct fixture *f = *state;
	struct store_upload *u = begin(f->store);
	struct digest d = digest_text("one two three");
	char id[UPLOAD_ID_MAX];

	(void)snprintf(id, sizeof(id), "%s", store_upload_id(u));
	assert_int_equal(strlen(id), UPLOAD_ID_MAX - 1);
	write_text(u, "one ");
	write_text(u, "two ");
	assert_int_equal(store_upload_size(u), 8);
	store_upload_release(u);
	u = resume(f->store, id);
	assert_int_equal(store_upload_size(u), 8);
	write_text(u, "three");
	assert_int_equal(store_upload_close(u, &d, NULL), 0);
	assert_content(f, &d, "one two three");
	assert_int_equal(resume_try(f->store, REPOSITORY, id), -ERR_NOTFOUND);
	assert_int_equal(files_in(f, "uploads"), 0);
}

static void an_empty_upload_is_the_empty_blob(void **state)
{
	struct fixture *f = *state;
	struct digest d = digest_text("");

	assert_int_equal(store_upload_close(begin(f->store), &d, NULL), 0);
	assert_content(f, &d, "");
}

static void content_that_is_here_already_is_published_again(void **state)
{
	struct fixture *f = *state;
	struct digest d = blob_put(f->store, "other", "the same");
	struct store_upload *u = begin(f->store);

	write_text(u, "the same");
	assert_int_equal(store_upload_close(u, &d, NULL), 0);
	assert_content(f, &d, "the same");
	assert_int_equal(files_in(f, "uploads"), 0);
}

static void sha512_is_read_again_at_the_end(void **state)
{
	struct fixture *f = *state;
	struct store_upload *u = begin(f->store);
	struct digest d;

	assert_int_equal(digest_of(DIGEST_SHA512, "long hash", 9, &d, NULL), 0);
	write_text(u, "long ");
	write_text(u, "hash");
	assert_int_equal(store_upload_close(u, &d, NULL), 0);
	assert_content(f, &d, "long hash");
}

static void a_wrong_digest_drops_the_session(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct fixture *f = *state;
	struct digest wrong = digest_text("something else");
	struct store_upload *u;
	char id[UPLOAD_ID_MAX];

	leave(f->store, "something", id);
	u = resume(f->store, id);
	assert_int_equal(store_upload_close(u, &wrong, &err), -ERR_CORRUPT);
	assert_non_null(strstr(error_text(&err), "sha256:"));
	assert_int_equal(resume_try(f->store, REPOSITORY, id), -ERR_NOTFOUND);
	assert_int_equal(files_in(f, "uploads"), 0);
	assert_int_equal(files_in(f, "blobs/sha256"), 0);
}

static void a_session_outlives_the_program(void **state)
{
	struct fixture *f = *state;
	struct digest d = digest_text("before after");
	struct store_upload *u;
	char id[UPLOAD_ID_MAX];

	leave(f->store, "before ", id);
	store_close(steal(&f->store));
	fixture_open(f);
	u = resume(f->store, id);
	assert_int_equal(store_upload_size(u), 7);
	write_text(u, "after");
	assert_int_equal(store_upload_close(u, &d, NULL), 0);
	assert_content(f, &d, "before after");
}

static void what_another_process_added_is_hashed_too(void **state)
{
	struct fixture *f = *state;
	struct digest d = digest_text("mine yours mine");
	struct store *other = NULL;
	struct store_upload *u;
	char id[UPLOAD_ID_MAX];

	leave(f->store, "mine ", id);
	assert_int_equal(store_open(f->path, &other, NULL), 0);
	u = resume(other, id);
	write_text(u, "yours ");
	store_upload_release(u);
	u = resume(f->store, id);
	assert_int_equal(store_upload_size(u), 11);
	write_text(u, "mine");
	assert_int_equal(store_upload_close(u, &d, NULL), 0);
	assert_content(f, &d, "mine yours mine");
	store_close(other);
}

static void a_second_writer_is_busy(void **state)
{
	struct fixture *f = *state;
	struct store_upload *u = begin(f->store);
	struct store *other = NULL;

	assert_int_equal(resume_try(f->store, REPOSITORY, store_upload_id(u)), -ERR_BUSY);
	assert_int_equal(store_open(f->path, &other, NULL), 0);
	assert_int_equal(resume_try(other, REPOSITORY, store_upload_id(u)), -ERR_BUSY);
	store_close(other);
	store_upload_abandon(u);
}

static void an_abandoned_session_is_gone(void **state)
{
	struct fixture *f = *state;
	struct store_upload *u;
	char id[UPLOAD_ID_MAX];

	leave(f->store, "no more", id);
	u = resume(f->store, id);
	store_upload_abandon(u);
	assert_int_equal(resume_try(f->store, REPOSITORY, id), -ERR_NOTFOUND);
	assert_int_equal(files_in(f, "uploads"), 0);
	store_upload_release(NULL);
	store_upload_abandon(NULL);
}

static void only_its_repository_finds_a_session(void **state)
{
	struct fixture *f = *state;
	char id[UPLOAD_ID_MAX], upper[UPLOAD_ID_MAX];

	leave(f->store, "mine", id);
	(void)snprintf(upper, sizeof(upper), "%.31sF", id);
	assert_int_equal(resume_try(f->store, "team/other", id), -ERR_NOTFOUND);
	assert_int_equal(resume_try(f->store, REPOSITORY, ""), -ERR_NOTFOUND);
	assert_int_equal(resume_try(f->store, REPOSITORY, "../format"), -ERR_NOTFOUND);
	assert_int_equal(resume_try(f->store, REPOSITORY, upper), -ERR_NOTFOUND);
	assert_int_equal(resume_try(f->store, REPOSITORY, id), 0);
	assert_int_equal(
		store_upload_begin(f->store, "../up", &(struct store_upload *){NULL}, NULL),
		-ERR_USAGE);
}

/* The kill between the commit and the answer: its second name is a blob's. */
static void a_session_that_is_a_blob_already_takes_no_more_bytes(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *session = NULL;
	AUTO_FREE char *path = NULL;
	struct digest d = digest_text("published");
	struct store_upload *u;
	char id[UPLOAD_ID_MAX];

	leave(f->store, "published", id);
	session = xasprintf("%s/uploads/%s", f->path, id);
	path = blob_path(f, &d);
	assert_int_equal(chmod(session, 0444), 0);
	assert_int_equal(link(session, path), 0);
	u = resume(f->store, id);
	assert_int_equal(store_upload_write(u, "!", 1, NULL), -ERR_USAGE);
	assert_int_equal(store_upload_close(u, &d, NULL), 0);
	assert_content(f, &d, "published");
	assert_int_equal(files_in(f, "uploads"), 0);
}

static void old_sessions_are_swept_and_held_ones_are_not(void **state)
{
	struct fixture *f = *state;
	const struct timespec long_ago[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	AUTO_FREE char *stray = xasprintf("%s/uploads/%032d.repo", f->path, 0);
	char ids[3][UPLOAD_ID_MAX];
	struct store_upload *held;
	uint32_t n = 0;

	for (int i = 0; i < 3; i++)
		leave(f->store, "left", ids[i]);
	assert_int_equal(close(open(stray, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0);
	for (int i = 0; i < 2; i++) {
		AUTO_FREE char *path = xasprintf("%s/uploads/%s", f->path, ids[i]);

		assert_int_equal(utimensat(AT_FDCWD, path, long_ago, 0), 0);
	}
	assert_int_equal(utimensat(AT_FDCWD, stray, long_ago, 0), 0);
	held = resume(f->store, ids[1]);
	assert_int_equal(store_uploads_sweep(f->store, 3600, &n, NULL), 0);
	assert_int_equal(n, 1);
	assert_int_equal(access(stray, F_OK), -1);
	store_upload_release(held);
	assert_int_equal(resume_try(f->store, REPOSITORY, ids[0]), -ERR_NOTFOUND);
	assert_int_equal(resume_try(f->store, REPOSITORY, ids[1]), 0);
	assert_int_equal(resume_try(f->store, REPOSITORY, ids[2]), 0);
	assert_int_equal(store_uploads_sweep(f->store, 0, &n, NULL), 0);
	assert_int_equal(n, 2);
	assert_int_equal(files_in(f, "uploads"), 0);
}

static void sessions_have_a_ceiling(void **state)
{
	struct fixture *f = *state;
	struct store_upload *u = begin(f->store);

	f->store->n_uploads = UPLOADS_MAX;
	assert_int_equal(
		store_upload_begin(f->store, REPOSITORY, &(struct store_upload *){NULL}, NULL),
		-ERR_BUSY);
	/* They are counted again when the ceiling was met a while ago: others' sessions end, too.
	 */
	f->store->uploads_listed_ms -= 2000;
	store_upload_abandon(begin(f->store));
	store_upload_abandon(u);
	assert_int_equal(f->store->n_uploads, 0);
}

/* RLIMIT_FSIZE stands for the full disk: the write comes to an end in the middle. */
static void a_full_disk_keeps_what_was_acknowledged(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *big = xcalloc(1, 100001);
	struct rlimit old, small;
	struct digest d;
	struct store_upload *u = begin(f->store);

	memset(big, 'b', 100000);
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = (struct rlimit){.rlim_cur = 150000, .rlim_max = old.rlim_max};
	assert_int_equal(store_upload_write(u, big, 100000, NULL), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(store_upload_write(u, big, 100000, NULL), -ERR_IO);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(store_upload_size(u), 100000);
	assert_int_equal(digest_of(DIGEST_SHA256, big, 100000, &d, NULL), 0);
	assert_int_equal(store_upload_close(u, &d, NULL), 0);
	assert_content(f, &d, big);
}

/* A commit that fails: the index refuses rows. */
static void an_upload_that_could_not_be_published_can_be_closed_again(void **state)
{
	struct fixture *f = *state;
	struct digest d = digest_text("twice");
	struct store_upload *u;
	uint64_t size;
	char id[UPLOAD_ID_MAX];

	leave(f->store, "twice", id);
	index_run(f,
		"CREATE TRIGGER full BEFORE INSERT ON link BEGIN SELECT raise(ABORT, 'full'); END",
		NULL);
	u = resume(f->store, id);
	assert_int_equal(store_upload_close(u, &d, NULL), -ERR_IO);
	assert_int_equal(store_blob_stat(f->store, &d, &size, NULL), -ERR_NOTFOUND);
	index_run(f, "DROP TRIGGER full", NULL);
	u = resume(f->store, id);
	assert_int_equal(store_upload_size(u), 5);
	assert_int_equal(store_upload_close(u, &d, NULL), 0);
	assert_content(f, &d, "twice");
	assert_int_equal(files_in(f, "uploads"), 0);
}

/* The hash of an upload waits between its requests: bytes that change on the disk are not read. */
static void the_hash_is_not_made_twice(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *session = NULL;
	struct timespec times[2];
	struct store_upload *u;
	struct stat st;
	struct digest d = digest_text("remembered");
	char id[UPLOAD_ID_MAX];
	int fd;

	leave(f->store, "remembered", id);
	session = xasprintf("%s/uploads/%s", f->path, id);
	assert_int_equal(stat(session, &st), 0);
	fd = open(session, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "X", 1, 0), 1);
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	assert_int_equal(futimens(fd, times), 0);
	(void)close(fd);
	u = resume(f->store, id);
	assert_int_equal(store_upload_close(u, &d, NULL), 0);
}

/* And it is not relied on when the file was written to by somebody else. */
static void a_file_that_changed_is_hashed_again(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *session = NULL;
	struct store_upload *u;
	struct digest d = digest_text("remembered");
	char id[UPLOAD_ID_MAX];
	int fd;

	leave(f->store, "remembered", id);
	session = xasprintf("%s/uploads/%s", f->path, id);
	(void)usleep(20000); /* a tick of the file system's clock */
	fd = open(session, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "X", 1, 0), 1);
	(void)close(fd);
	u = resume(f->store, id);
	assert_int_equal(store_upload_close(u, &d, NULL), -ERR_CORRUPT);
}

#define UPLOADERS 8
#define EACH      20

struct uploader {
	struct store *store;
	int number;
};

static void *upload_many(void *ctx)
{
	struct uploader *me = ctx;

	for (int i = 0; i < EACH; i++) {
		AUTO_FREE char *text = xasprintf("upload %d of %d", i, me->number % 4);
		struct digest d = digest_text(text);
		struct store_upload *u = begin(me->store);
		char id[UPLOAD_ID_MAX];

		(void)snprintf(id, sizeof(id), "%s", store_upload_id(u));
		write_text(u, text);
		store_upload_release(u);
		assert_int_equal(store_upload_close(resume(me->store, id), &d, NULL), 0);
	}
	return NULL;
}

static void many_uploads_run_at_once(void **state)
{
	struct fixture *f = *state;
	struct uploader uploaders[UPLOADERS];
	pthread_t threads[UPLOADERS];

	for (int i = 0; i < UPLOADERS; i++) {
		uploaders[i] = (struct uploader){f->store, i};
		assert_int_equal(pthread_create(&threads[i], NULL, upload_many, &uploaders[i]), 0);
	}
	for (int i = 0; i < UPLOADERS; i++)
		(void)pthread_join(threads[i], NULL);
	assert_int_equal(files_in(f, "blobs/sha256"), 4 * EACH);
	assert_int_equal(files_in(f, "uploads"), 0);
	assert_int_equal(f->store->n_uploads, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pieces_become_a_blob_of_the_repository),
		TEST(an_empty_upload_is_the_empty_blob),
		TEST(content_that_is_here_already_is_published_again),
		TEST(sha512_is_read_again_at_the_end),
		TEST(a_wrong_digest_drops_the_session),
		TEST(a_session_outlives_the_program),
		TEST(what_another_process_added_is_hashed_too),
		TEST(a_second_writer_is_busy),
		TEST(an_abandoned_session_is_gone),
		TEST(only_its_repository_finds_a_session),
		TEST(a_session_that_is_a_blob_already_takes_no_more_bytes),
		TEST(old_sessions_are_swept_and_held_ones_are_not),
		TEST(sessions_have_a_ceiling),
		TEST(a_full_disk_keeps_what_was_acknowledged),
		TEST(an_upload_that_could_not_be_published_can_be_closed_again),
		TEST(the_hash_is_not_made_twice),
		TEST(a_file_that_changed_is_hashed_again),
		TEST(many_uploads_run_at_once),
	};

	return cmocka_run_group_tests_name("store/upload", tests, NULL, NULL);
}
