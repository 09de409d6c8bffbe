#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "transfer/extents.h"
#include "util/clock.h"

#define ROUNDS 20000
#define BYTES  200 /* of the blob that random pieces are laid on */

static void pieces_that_touch_become_one(void **state)
{
	struct extents e = {.n = 0};

	(void)state;
	assert_true(extents_add(&e, 10, 20));
	assert_true(extents_add(&e, 30, 40));
	assert_int_equal(e.n, 2);
	assert_true(extents_add(&e, 20, 30));
	assert_int_equal(e.n, 1);
	assert_int_equal(e.items[0].first, 10);
	assert_int_equal(e.items[0].end, 40);
	assert_int_equal(extents_bytes(&e), 30);
	assert_true(extents_add(&e, 50, 50)); /* nothing */
	assert_int_equal(e.n, 1);
}

static void the_end_of_a_piece_and_the_next_are_found(void **state)
{
	struct extents e = {.n = 0};

	(void)state;
	assert_int_equal(extents_end(&e, 7), 7);
	assert_int_equal(extents_next(&e, 7), UINT64_MAX);
	assert_true(extents_add(&e, 10, 20));
	assert_true(extents_add(&e, 30, 40));
	assert_int_equal(extents_end(&e, 9), 9);
	assert_int_equal(extents_end(&e, 10), 20);
	assert_int_equal(extents_end(&e, 19), 20);
	assert_int_equal(extents_end(&e, 20), 20);
	assert_int_equal(extents_next(&e, 0), 10);
	assert_int_equal(extents_next(&e, 10), 30);
	assert_int_equal(extents_next(&e, 20), 30);
	assert_int_equal(extents_next(&e, 30), UINT64_MAX);
	assert_int_equal(extents_end(&e, UINT64_MAX), UINT64_MAX);
}

static void what_lies_behind_a_cut_is_forgotten(void **state)
{
	struct extents e = {.n = 0};

	(void)state;
	assert_true(extents_add(&e, 10, 20));
	assert_true(extents_add(&e, 30, 40));
	extents_cut(&e, 35);
	assert_int_equal(extents_bytes(&e), 15);
	extents_cut(&e, 30);
	assert_int_equal(e.n, 1);
	extents_cut(&e, 0);
	assert_int_equal(e.n, 0);
}

static void one_piece_too_many_is_refused(void **state)
{
	static struct extents e;

	(void)state;
	for (uint64_t i = 0; i < EXTENTS_MAX; i++)
		assert_true(extents_add(&e, 10 * i, 10 * i + 5));
	assert_false(extents_add(&e, 10 * EXTENTS_MAX, 10 * EXTENTS_MAX + 5));
	assert_int_equal(e.n, EXTENTS_MAX);
	/* What joins two is no piece more. */
	assert_true(extents_add(&e, 5, 10));
	assert_int_equal(e.n, EXTENTS_MAX - 1);
}

static void random_pieces_are_what_a_bitmap_says(void **state)
{
	(void)state;
	for (unsigned round = 0; round < ROUNDS / BYTES; round++) {
		struct extents e = {.n = 0};
		bool there[BYTES + 1] = {false};

		for (unsigned i = 0; i < BYTES / 8; i++) {
			uint64_t first = random_below(BYTES);
			uint64_t end = first + random_below(BYTES + 1 - first);

			assert_true(extents_add(&e, first, end));
			for (uint64_t b = first; b < end; b++)
				there[b] = true;
		}
		for (uint64_t b = 0; b < BYTES; b++) {
			uint64_t end = b;

			while (there[end])
				end++;
			assert_int_equal(extents_end(&e, b), end);
		}
		for (size_t i = 1; i < e.n; i++)
			assert_true(e.items[i - 1].end < e.items[i].first);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_that_touch_become_one),
		cmocka_unit_test(the_end_of_a_piece_and_the_next_are_found),
		cmocka_unit_test(what_lies_behind_a_cut_is_forgotten),
		cmocka_unit_test(one_piece_too_many_is_refused),
		cmocka_unit_test(random_pieces_are_what_a_bitmap_says),
	};

	return cmocka_run_group_tests_name("transfer/extents", tests, NULL, NULL);
}
