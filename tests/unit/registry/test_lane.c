#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "registry/lane.h"

#define TURNS (LANE_PLACES + 3)

struct fixture {
	struct manifest_lane *lane;
	struct lane_turn turns[TURNS];
};

static unsigned begun;

static void on_begin(struct lane_turn *turn)
{
	assert_true(turn->has_place);
	begun++;
}

static int setup(void **state)
{
	static struct fixture f;

	f = (struct fixture){.lane = manifest_lane_new()};
	begun = 0;
	for (size_t i = 0; i < TURNS; i++) {
		f.turns[i].begin = on_begin;
		lane_enter(f.lane, &f.turns[i]);
	}
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < TURNS; i++)
		lane_leave(&f->turns[i]);
	manifest_lane_free(f->lane);
	return 0;
}

static void only_so_many_have_a_place(void **state)
{
	const struct fixture *f = *state;

	assert_int_equal(begun, LANE_PLACES);
	for (size_t i = 0; i < TURNS; i++)
		assert_int_equal(f->turns[i].has_place, i < LANE_PLACES);
}

static void who_came_first_is_next(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i + LANE_PLACES < TURNS; i++) {
		lane_leave(&f->turns[i]);
		assert_false(f->turns[i].has_place);
		assert_true(f->turns[i + LANE_PLACES].has_place);
	}
	assert_int_equal(begun, TURNS);
}

static void who_leaves_the_queue_is_passed_over(void **state)
{
	struct fixture *f = *state;

	lane_leave(&f->turns[LANE_PLACES]);
	assert_int_equal(begun, LANE_PLACES);
	lane_leave(&f->turns[0]);
	assert_false(f->turns[LANE_PLACES].has_place);
	assert_true(f->turns[LANE_PLACES + 1].has_place);
}

static void leaving_twice_or_without_entering_is_nothing(void **state)
{
	struct fixture *f = *state;
	struct lane_turn never = {.begin = on_begin};

	lane_leave(&never);
	lane_leave(&f->turns[0]);
	lane_leave(&f->turns[0]);
	assert_int_equal(begun, LANE_PLACES + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define LANE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		LANE_TEST(only_so_many_have_a_place),
		LANE_TEST(who_came_first_is_next),
		LANE_TEST(who_leaves_the_queue_is_passed_over),
		LANE_TEST(leaving_twice_or_without_entering_is_nothing),
	};

	return cmocka_run_group_tests_name("registry/lane", tests, NULL, NULL);
}
