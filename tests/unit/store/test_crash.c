#include "whole.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>

#include "oci/hasher.h"
#include "util/clock.h"
#include "util/file.h"

#define ROUNDS         25     /* kills; each after a random time */
#define LIFE_US_MAX    60000u /* of a publisher; its start takes some thousand */
#define PUBLISHERS     3      /* threads of the child */
#define BIG_BLOB_BYTES 200000 /* so that some kills fall into the writing */

struct publisher {
	struct store *store;
	int announce_fd; /* tags that were acknowledged are told here */
	int number, round;
};

static void big_blob_put(struct store *s, const char *repository, int salt)
{
	AUTO(store_writer_freep) struct store_writer *w = NULL;
	AUTO_FREE char *bytes = xmalloc(BIG_BLOB_BYTES);
	struct digest d;

	memset(bytes, salt, BIG_BLOB_BYTES);
	memcpy(bytes, &salt, sizeof(salt));
	if (digest_of(DIGEST_SHA256, bytes, BIG_BLOB_BYTES, &d, NULL) < 0 ||
		store_writer_new(s, &d, BIG_BLOB_BYTES, &w, NULL) < 0 ||
		store_writer_write(w, bytes, BIG_BLOB_BYTES, NULL) < 0 ||
		store_writer_finish(w, repository, NULL) < 0)
		_exit(EXIT_FAILURE);
}

static void *publish_for_ever(void *ctx)
{
	struct publisher *p = ctx;

	for (int i = 0;; i++) {
		AUTO_FREE char *repository = xasprintf("publisher/%d", p->number);
		AUTO_FREE char *name = xasprintf("round %d image %d of %d", p->round, i, p->number);
		AUTO_FREE char *tag = xasprintf("v%d.%d", p->round, i);
		AUTO_FREE char *line = xasprintf("%s %s\n", repository, tag);

		big_blob_put(p->store, repository, p->round * 1000 + i);
		(void)image_put(p->store, repository, tag, name);
		if (write(p->announce_fd, line, strlen(line)) < 0)
			_exit(EXIT_FAILURE);
		if (i % 4 == 0 && store_layouts_write(p->store, NULL) < 0)
			_exit(EXIT_FAILURE);
	}
	return NULL;
}

/* A child that publishes until it is killed; its acknowledgements can be read from the descriptor.
 */
static pid_t child_start(const struct fixture *f, int round, int *ret_fd)
{
	struct publisher publishers[PUBLISHERS];
	pthread_t threads[PUBLISHERS];
	struct store *s = NULL;
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	if (pid != 0) {
		(void)close(fds[1]);
		*ret_fd = fds[0];
		return pid;
	}
	if (store_open(f->path, &s, NULL) < 0)
		_exit(EXIT_FAILURE);
	for (int i = 0; i < PUBLISHERS; i++) {
		publishers[i] = (struct publisher){s, fds[1], i, round};
		if (pthread_create(&threads[i], NULL, publish_for_ever, &publishers[i]) != 0)
			_exit(EXIT_FAILURE);
	}
	for (;;)
		(void)pause();
}

static void assert_acknowledged_tags_are_there(struct store *s, int fd)
{
	FILE *announced = fdopen(fd, "r");
	AUTO_FREE char *line = NULL;
	size_t cap = 0;
	ssize_t len;

	assert_non_null(announced);
	while ((len = getline(&line, &cap, announced)) > 0) {
		char *tag = strchr(line, ' ');
		struct digest d;

		assert_non_null(tag);
		*tag++ = '\0';
		tag[strcspn(tag, "\n")] = '\0';
		assert_int_equal(store_tag_get(s, line, tag, &d, NULL), 0);
	}
	(void)fclose(announced);
}

static void a_publisher_killed_at_any_moment_leaves_a_whole_store(void **state)
{
	struct fixture *f = *state;
	size_t n_tags = 0;

	for (int round = 0; round < ROUNDS; round++) {
		int fd = -1, status;
		pid_t pid;

		store_close(steal(&f->store));
		pid = child_start(f, round, &fd);
		(void)usleep((useconds_t)random_below(LIFE_US_MAX));
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status)); /* it did not fail by itself */

		fixture_open(f);
		assert_acknowledged_tags_are_there(f->store, fd);
		assert_rows_have_files(f);
		n_tags = assert_tags_are_whole(f->store);
	}
	assert_true(n_tags > 0); /* many more on a disk whose syncs are quick */
	assert_int_equal(store_layouts_write(f->store, NULL), 0);
	assert_int_equal(
		index_number(f, "SELECT count(*) FROM repo WHERE changed <> written", NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_publisher_killed_at_any_moment_leaves_a_whole_store,
			fixture_setup,
			fixture_teardown),
	};

	return cmocka_run_group_tests_name("store/crash", tests, NULL, NULL);
}
