/*
 * Pushers against a collector whose grace is tiny (guides/server.md 2.4): whoever was told that a
 * blob is here finds it here when the manifest comes, and no tag ever misses anything.  They work
 * through stores of their own, as processes do.  REGMIRROR_RACE_SEC and REGMIRROR_KILLS make it
 * longer.
 */
#include "whole.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "store/collect.h"
#include "store/upload.h"
#include "util/clock.h"

#define PUSHERS      16
#define LAYERS       3       /* of an image */
#define POOL         1500    /* blobs to choose from: each rests for seconds, and is garbage then */
#define REPOSITORIES 3       /* that share the blobs */
#define TAGS         5       /* that a pusher has at a time, of each repository */
#define WAIT_US_MAX  100000u /* between HEAD and PUT */
#define GRACE_SEC    1u
#define RACE_SEC     5 /* a collector's second look comes after GRACE_SEC */
#define KILLS        25
#define LIFE_US_MAX  250000u /* of a child; its start takes some thousand */

struct race {
	_Atomic unsigned pushed, answers, late; /* answers: "it is here" */
	_Atomic unsigned broken_promises, failures;
	_Atomic uint64_t collected;
	atomic_bool over;
	int announce_fd; /* -1, or where each tag that came, or is about to go, is told */
	const char *round;
};

struct pusher {
	struct race *race;
	struct store *store;
	int number;
	char *tags[REPOSITORIES][TAGS];
};

static void fault(struct race *r, const char *what, const struct error *err)
{
	if (atomic_fetch_add(&r->failures, 1) == 0)
		(void)fprintf(stderr, "%s: %s\n", what, error_text(err));
}

static unsigned setting(const char *name, unsigned normal)
{
	const char *text = getenv(name);

	return text ? (unsigned)strtoul(text, NULL, 10) : normal;
}

/* Half of them as a client of the registry pushes, half as a transfer does. */
static int blob_upload(struct store *s, const char *repository, const char *text, bool as_client,
	struct error *err)
{
	AUTO(store_writer_freep) struct store_writer *w = NULL;
	struct digest d = digest_text(text);
	struct store_upload *u = NULL;
	int rc;

	if (as_client) {
		rc = store_upload_begin(s, repository, &u, err);
		if (rc == 0)
			rc = store_upload_write(u, text, strlen(text), err);
		if (rc == 0)
			return store_upload_close(u, &d, err);
		store_upload_release(u);
		return rc;
	}
	rc = store_writer_new(s, &d, strlen(text), &w, err);
	if (rc == 0)
		rc = store_writer_write(w, text, strlen(text), err);
	return rc < 0 ? rc : store_writer_finish(w, repository, err);
}

/* HEAD, by repository or for a mount, and what is missing is uploaded. */
static void blob_want(struct pusher *p, const char *repository, const char *text)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct digest d = digest_text(text);
	uint64_t size = 0, chance = random_below(4);
	int rc = chance == 0 ? store_blob_link(p->store, repository, &d, &err)
			     : store_blob_in_repository(p->store, repository, &d, &size, &err);

	if (rc == 0) {
		atomic_fetch_add(&p->race->answers, 1);
		return;
	}
	error_clear(&err);
	if (rc != -ERR_NOTFOUND || blob_upload(p->store, repository, text, chance & 1, &err) < 0)
		fault(p->race, "upload", &err);
}

static char *image_of(char *const layers[static LAYERS])
{
	AUTO(buf_clear) struct buf text = BUF_INIT(8192);

	assert_int_equal(buf_puts(&text, "{\"schemaVersion\":2,\"layers\":[", NULL), 0);
	for (int i = 0; i < LAYERS; i++) {
		struct digest d = digest_text(layers[i]);
		char hex[DIGEST_STR_MAX];

		assert_int_equal(buf_printf(&text,
					 NULL,
					 "%s{\"mediaType\":\"application/x\",\"digest\":\"%s\","
					 "\"size\":%zu}",
					 i > 0 ? "," : "",
					 digest_format(&d, hex),
					 strlen(layers[i])),
			0);
	}
	assert_int_equal(buf_puts(&text, "]}", NULL), 0);
	return xstrdup(buf_text(&text));
}

static void announce(const struct race *r, char sign, const char *repository, const char *tag)
{
	AUTO_FREE char *line = xasprintf("%c%s %s\n", sign, repository, tag);

	if (r->announce_fd >= 0 && write(r->announce_fd, line, strlen(line)) < 0)
		_exit(EXIT_FAILURE);
}

static void tag_drop(struct pusher *p, const char *repository, char **tag)
{
	AUTO(error_clear) struct error err = ERROR_INIT;

	if (!*tag)
		return;
	announce(p->race, '-', repository, *tag);
	if (store_tag_delete(p->store, repository, *tag, &err) < 0)
		fault(p->race, "delete", &err);
	free(*tag);
	*tag = NULL;
}

static void push(struct pusher *p, int n)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	unsigned number = (unsigned)random_below(REPOSITORIES);
	AUTO_FREE char *repository = xasprintf("team/%u", number);
	AUTO_FREE char *text = NULL;
	char **tag = &p->tags[number][random_below(TAGS)], *layers[LAYERS];
	uint64_t begun = clock_mono_ms();
	int rc;

	tag_drop(p, repository, tag);
	for (int i = 0; i < LAYERS; i++) {
		layers[i] = xasprintf("blob %llu", (unsigned long long)random_below(POOL));
		blob_want(p, repository, layers[i]);
	}
	text = image_of(layers);
	for (int i = 0; i < LAYERS; i++)
		free(layers[i]);
	(void)usleep((useconds_t)random_below(WAIT_US_MAX));
	*tag = xasprintf("%s-%d-%d", p->race->round, p->number, n);
	rc = manifest_try(p->store, repository, *tag, text, false, &err);
	if (rc == 0) {
		announce(p->race, '+', repository, *tag);
		atomic_fetch_add(&p->race->pushed, 1);
		return;
	}
	free(steal(tag));
	/* On a machine that was too busy to be quick, the promise had ended. */
	if (rc == -ERR_NOTFOUND && clock_mono_ms() - begun >= GRACE_SEC * 1000)
		atomic_fetch_add(&p->race->late, 1);
	else if (rc == -ERR_NOTFOUND)
		atomic_fetch_add(&p->race->broken_promises, 1);
	else
		fault(p->race, "manifest", &err);
}

static void *push_all_the_time(void *ctx)
{
	struct pusher *p = ctx;

	for (int n = 0; !atomic_load(&p->race->over); n++)
		push(p, n);
	for (int i = 0; i < REPOSITORIES * TAGS; i++)
		free(p->tags[i / TAGS][i % TAGS]);
	return NULL;
}

struct collector {
	struct race *race;
	struct store *store;
};

static void *collect_all_the_time(void *ctx)
{
	const struct collect_options options = {.grace_sec = GRACE_SEC};
	struct collector *c = ctx;

	while (!atomic_load(&c->race->over)) {
		AUTO(error_clear) struct error err = ERROR_INIT;
		struct collect_result result = {.blobs = 0};

		if (store_collect(c->store, &options, &result, &err) < 0)
			fault(c->race, "collect", &err);
		atomic_fetch_add(&c->race->collected, result.blobs);
		(void)usleep(10000);
	}
	return NULL;
}

/* All of a race's threads, on three stores; returns when it is over. */
static void race_run(const struct fixture *f, struct race *r, int n_pushers, unsigned sec)
{
	struct pusher pushers[PUSHERS] = {{.race = r}};
	struct collector collector = {.race = r};
	pthread_t threads[PUSHERS + 1];
	struct store *stores[3];

	for (int i = 0; i < 3; i++)
		assert_int_equal(store_open(f->path, &stores[i], NULL), 0);
	collector.store = stores[2];
	for (int i = 0; i < n_pushers; i++) {
		pushers[i].race = r;
		pushers[i].store = stores[i % 2];
		pushers[i].number = i;
		assert_int_equal(
			pthread_create(&threads[i], NULL, push_all_the_time, &pushers[i]), 0);
	}
	assert_int_equal(
		pthread_create(&threads[n_pushers], NULL, collect_all_the_time, &collector), 0);
	(void)sleep(sec);
	atomic_store(&r->over, true);
	for (int i = 0; i <= n_pushers; i++)
		(void)pthread_join(threads[i], NULL);
	for (int i = 0; i < 3; i++)
		store_close(stores[i]);
}

/* As if a collector of this grace had been at work for long. */
static void grace_is_known(const struct fixture *f)
{
	index_run(f, "UPDATE grace SET sec = 1, since = 0, before = 0", NULL);
}

static void assert_index_is_sound(const struct fixture *f)
{
	assert_int_equal(index_number(f, "SELECT 1 FROM pragma_foreign_key_check", NULL), -1);
	assert_int_equal(
		index_number(f,
			"SELECT 1 FROM pragma_integrity_check WHERE integrity_check <> 'ok'",
			NULL),
		-1);
}

static bool drop_repository_tag(void *ctx, const char *tag, const struct digest *digest)
{
	struct tag_check *check = ctx;

	(void)digest;
	assert_int_equal(store_tag_delete(check->store, check->repository, tag, NULL), 0);
	return true;
}

static bool drop_tags(void *ctx, const char *repository)
{
	struct tag_check *check = ctx;

	check->repository = repository;
	assert_int_equal(store_tags(check->store, repository, drop_repository_tag, check, NULL), 0);
	return true;
}

/* Without tags and without mercy, everything goes: no row, no file, no mark is left. */
static void assert_all_can_go(const struct fixture *f)
{
	const struct collect_options options = {.grace_sec = 0};
	struct tag_check check = {.store = f->store};
	AUTO_FREE char *blobs = xasprintf("%s/blobs/sha256", f->path);
	struct collect_result result;

	assert_int_equal(store_repositories(f->store, drop_tags, &check, NULL), 0);
	assert_int_equal(store_collect(f->store, &options, &result, NULL), 0);
	assert_int_equal(index_number(f, "SELECT count(*) FROM blob", NULL), 0);
	assert_int_equal(index_number(f, "SELECT count(*) FROM doomed", NULL), 0);
	assert_int_equal(rmdir(blobs), 0); /* it is empty */
	assert_int_equal(mkdir(blobs, 0755), 0);
}

static void nobody_is_told_of_what_then_goes(void **state)
{
	struct fixture *f = *state;
	struct race race = {.announce_fd = -1, .round = "race"};

	grace_is_known(f);
	race_run(f, &race, PUSHERS, setting("REGMIRROR_RACE_SEC", RACE_SEC));
	print_message("%u pushed, %u late, %u times 'it is here', %llu collected\n",
		race.pushed,
		race.late,
		race.answers,
		(unsigned long long)race.collected);
	assert_int_equal(race.broken_promises, 0);
	assert_int_equal(race.failures, 0);
	/* It was a race: something was here, and something went. */
	assert_true(race.pushed > PUSHERS);
	assert_true(race.answers > 0);
	assert_true(race.collected > 0);
	assert_index_is_sound(f);
	assert_rows_have_files(f);
	assert_true(assert_tags_are_whole(f->store) > 0);
	assert_all_can_go(f);
}

/* ---- kill -9 ---- */

/* A child that races until it is killed. */
static pid_t child_start(const struct fixture *f, int round, int *ret_fd)
{
	char name[16];
	struct race race = {.round = name};
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	if (pid != 0) {
		(void)close(fds[1]);
		*ret_fd = fds[0];
		return pid;
	}
	(void)snprintf(name, sizeof(name), "r%d", round);
	race.announce_fd = fds[1];
	race_run(f, &race, PUSHERS / 4, 30); /* never so long */
	_exit(EXIT_FAILURE);
}

/* What was acknowledged and not about to go: those tags are there. */
static size_t assert_announced_tags_are_there(struct store *s, int fd)
{
	AUTO(map_freep) struct map *tags = map_new(NULL);
	FILE *announced = fdopen(fd, "r");
	AUTO_FREE char *line = NULL;
	size_t cap = 0, n;
	ssize_t len;

	assert_non_null(announced);
	while ((len = getline(&line, &cap, announced)) > 0 && line[len - 1] == '\n') {
		line[len - 1] = '\0';
		if (line[0] == '+')
			map_put_str(tags, line + 1, s);
		else
			(void)map_remove_str(tags, line + 1);
	}
	(void)fclose(announced);
	n = map_count(tags);
	for (struct map_item *i = map_first(tags); i; i = map_next(i)) {
		AUTO_FREE char *repository = xstrdup(map_key(i, NULL));
		char *tag = strchr(repository, ' ');
		struct digest d;

		assert_non_null(tag);
		*tag++ = '\0';
		assert_int_equal(store_tag_get(s, repository, tag, &d, NULL), 0);
	}
	return n;
}

static void killed_at_any_moment_pushers_and_collector_leave_a_whole_store(void **state)
{
	struct fixture *f = *state;
	unsigned kills = setting("REGMIRROR_KILLS", KILLS);
	size_t announced = 0;

	grace_is_known(f);
	for (unsigned round = 0; round < kills; round++) {
		int fd = -1, status;
		pid_t pid;

		store_close(steal(&f->store));
		pid = child_start(f, (int)round, &fd);
		(void)usleep((useconds_t)random_below(LIFE_US_MAX));
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status)); /* it did not fail by itself */

		fixture_open(f);
		announced += assert_announced_tags_are_there(f->store, fd);
		assert_index_is_sound(f);
		assert_rows_have_files(f);
		(void)assert_tags_are_whole(f->store);
	}
	assert_true(announced > 0);
	assert_all_can_go(f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(killed_at_any_moment_pushers_and_collector_leave_a_whole_store),
		TEST(nobody_is_told_of_what_then_goes),
	};

	return cmocka_run_group_tests_name("store/collect_race", tests, NULL, NULL);
}
