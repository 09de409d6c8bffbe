#include "fixture.h"

#include <signal.h>

#include "util/clock.h"

#define ROUNDS      20     /* kills; each after a random time */
#define LIFE_US_MAX 30000u /* of a child; its start takes some thousand */
#define SET_MOVES   3      /* tags of each of its sets */

struct pending {
	size_t n, done;
	int64_t last_set;
	char text[100]; /* "tag " of each */
};

static bool collect(void *ctx, int64_t set, const struct state_move *move)
{
	struct pending *p = ctx;
	size_t len = strlen(p->text);

	assert_true(set >= p->last_set);
	p->last_set = set;
	p->n++;
	p->done += move->done;
	(void)snprintf(p->text + len, sizeof(p->text) - len, "%s ", move->tag);
	return true;
}

static struct pending pending(struct state *s)
{
	struct pending p = {.n = 0};

	assert_int_equal(state_moves_pending(s, collect, &p, NULL), 0);
	return p;
}

static bool compare_first(void *ctx, int64_t set, const struct state_move *move)
{
	const struct state_move *expected = ctx;

	(void)set;
	assert_string_equal(move->target, expected->target);
	assert_string_equal(move->repository, expected->repository);
	assert_string_equal(move->tag, expected->tag);
	assert_string_equal(move->authority, expected->authority);
	assert_string_equal(move->source_repository, expected->source_repository);
	assert_string_equal(move->selection, expected->selection);
	assert_string_equal(move->media_type, expected->media_type);
	assert_int_equal(move->has_old, expected->has_old);
	if (expected->has_old)
		assert_true(digest_equal(&move->old_digest, &expected->old_digest));
	assert_true(digest_equal(&move->new_digest, &expected->new_digest));
	assert_true(digest_equal(&move->source, &expected->source));
	return false;
}

static void a_begun_set_is_pending_with_all_its_moves_in_order_until_it_ends(void **state)
{
	struct fixture *f = *state;
	struct state_move moves[] = {
		move_make("z", "v2"), move_make("a", "v1"), move_make("m", "v3")};
	struct pending found;
	int64_t set = 0;

	moves[0].has_old = true;
	moves[0].old_digest = digest_text("old");
	assert_int_equal(state_set_begin(f->state, "r", moves, ARRAY_SIZE(moves), &set, NULL), 0);
	fixture_reopen(f);
	found = pending(f->state);
	assert_string_equal(found.text, "v2 v1 v3 ");
	assert_int_equal(found.last_set, set);
	assert_int_equal(found.done, 0);
	assert_int_equal(state_moves_pending(f->state, compare_first, &moves[0], NULL), 0);

	assert_int_equal(state_move_done(f->state, set, &moves[1], NULL), 0);
	assert_int_equal(pending(f->state).done, 1);
	assert_int_equal(state_set_end(f->state, set, NULL), 0);
	assert_int_equal(pending(f->state).n, 0);
}

static void sets_are_told_oldest_first_and_their_numbers_are_not_used_again(void **state)
{
	struct fixture *f = *state;
	struct state_move one = move_make("a", "v1"), two = move_make("a", "v2");
	int64_t first = 0, second = 0, third = 0;

	assert_int_equal(state_set_begin(f->state, "r", &one, 1, &first, NULL), 0);
	assert_int_equal(state_set_begin(f->state, "r", &two, 1, &second, NULL), 0);
	assert_string_equal(pending(f->state).text, "v1 v2 ");
	assert_int_equal(state_set_end(f->state, second, NULL), 0);
	assert_int_equal(state_set_begin(f->state, "r", &two, 1, &third, NULL), 0);
	assert_true(first < second && second < third);
}

static void a_set_inside_a_batch_is_durable_at_once_and_the_batch_goes_on(void **state)
{
	struct fixture *f = *state;
	struct state_move move = move_make("a", "v1");
	int64_t set = 0;

	assert_int_equal(state_begin(f->state, NULL), 0);
	assert_int_equal(state_begin(f->state, NULL), 0);
	assert_int_equal(tag_try(f->state, BOX, "a", "before"), 0);
	assert_int_equal(state_set_begin(f->state, "r", &move, 1, &set, NULL), 0);
	assert_int_equal(tag_try(f->state, BOX, "a", "after"), 0);
	assert_int_equal(state_commit(f->state, NULL), 0);
	fixture_reopen(f); /* before the outer commit */
	assert_int_equal(pending(f->state).n, 1);
	assert_true(tag_known(f->state, BOX, "a", "before"));
	assert_false(tag_known(f->state, BOX, "a", "after"));
}

static void a_set_that_cannot_be_written_leaves_no_part_of_it(void **state)
{
	struct fixture *f = *state;
	struct state_move moves[] = {
		move_make("a", "v1"), move_make("b", "v1"), move_make("a", "v1")};
	int64_t set = -7;

	assert_int_equal(
		state_set_begin(f->state, "r", moves, ARRAY_SIZE(moves), &set, NULL), -ERR_IO);
	assert_int_equal(set, -7);
	assert_int_equal(pending(f->state).n, 0);
	assert_int_equal(tag_try(f->state, BOX, "a", "v1"), 0);
	fixture_reopen(f);
	assert_int_equal(pending(f->state).n, 0);
	assert_true(tag_known(f->state, BOX, "a", "v1"));
}

/* Begins, moves and ends sets for ever; tells 'b' when one is begun, 'e' before its end. */
static void child_run(const struct fixture *f, int announce_fd)
{
	struct state *s = NULL;
	int64_t set = 0;

	if (state_open(f->fd, false, &s, NULL) < 0)
		_exit(EXIT_FAILURE);
	for (;;) {
		struct state_move moves[SET_MOVES] = {
			move_make("a", "v1"), move_make("b", "v1"), move_make("c", "v1")};
		int rc = state_set_begin(s, "r", moves, SET_MOVES, &set, NULL);

		if (rc < 0 || write(announce_fd, "b", 1) != 1)
			_exit(EXIT_FAILURE);
		for (int i = 0; i < SET_MOVES; i++) {
			if (tag_try(s, BOX, moves[i].repository, "v1") < 0 ||
				state_move_done(s, set, &moves[i], NULL) < 0)
				_exit(EXIT_FAILURE);
		}
		if (write(announce_fd, "e", 1) != 1 || state_set_end(s, set, NULL) < 0)
			_exit(EXIT_FAILURE);
	}
}

static pid_t child_start(const struct fixture *f, int *ret_fd)
{
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0)
		child_run(f, fds[1]);
	(void)close(fds[1]);
	*ret_fd = fds[0];
	return pid;
}

/* The last thing that the child told; 0: nothing. */
static char last_told(int fd)
{
	char c = 0;

	while (read(fd, &c, 1) == 1) {
	}
	(void)close(fd);
	return c;
}

static void a_run_killed_at_any_moment_leaves_whole_sets(void **state)
{
	struct fixture *f = *state;

	for (int round = 0; round < ROUNDS; round++) {
		struct pending found;
		int fd = -1, status;
		char told;
		pid_t pid;

		state_close(steal(&f->state));
		pid = child_start(f, &fd);
		(void)usleep((useconds_t)random_below(LIFE_US_MAX));
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status)); /* it did not fail by itself */
		told = last_told(fd);

		fixture_open(f);
		found = pending(f->state);
		assert_true(found.n == 0 || found.n == SET_MOVES);
		if (told == 'b')
			assert_int_equal(found.n, SET_MOVES);
		if (told == 'e' && found.n > 0)
			assert_true(found.done == SET_MOVES || found.done == 0);
		if (found.n > 0)
			assert_int_equal(state_set_end(f->state, found.last_set, NULL), 0);
	}
}

int main(void)
{
#define WITH_STATE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		WITH_STATE(a_begun_set_is_pending_with_all_its_moves_in_order_until_it_ends),
		WITH_STATE(sets_are_told_oldest_first_and_their_numbers_are_not_used_again),
		WITH_STATE(a_set_inside_a_batch_is_durable_at_once_and_the_batch_goes_on),
		WITH_STATE(a_set_that_cannot_be_written_leaves_no_part_of_it),
		WITH_STATE(a_run_killed_at_any_moment_leaves_whole_sets),
	};

	return cmocka_run_group_tests_name("state/journal", tests, NULL, NULL);
}
