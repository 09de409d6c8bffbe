#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>

#include "../../lib/folder.h"
#include "transfer/blame.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/mem.h"

#define SIZE   ((size_t)100 * 1000)
#define PIECE  777 /* bytes of the right copy that pass at once */
#define ROUNDS 50

struct fixture {
	char right[SIZE], wrong[SIZE];
	struct blame *blame;
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	for (size_t i = 0; i < SIZE; i++)
		f->right[i] = f->wrong[i] = (char)(i * 7 + i / 256);
	f->blame = blame_new(DIGEST_SHA256);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	blame_free(f->blame);
	free(f);
	return 0;
}

/* Bytes of `from` that a source gave, in two parts. */
static void give(struct fixture *f, size_t source, const char *from, size_t first, size_t end,
	const char *place)
{
	struct blame_run run;
	size_t middle = first + (end - first) / 3;

	blame_run_begin(&run, DIGEST_SHA256, source, first, true);
	blame_run_take(&run, from + first, middle - first);
	blame_run_take(&run, from + middle, end - middle);
	blame_run_end(&run, f->blame, place);
	assert_false(run.open);
}

static void pass(struct fixture *f, size_t piece)
{
	for (size_t at = 0; at < SIZE; at += piece)
		blame_check(f->blame, at, f->right + at, SIZE - at < piece ? SIZE - at : piece);
}

static uint32_t wrong_sources(const struct fixture *f)
{
	const struct blame_segment *s;
	uint32_t bits = 0;
	size_t at = 0;

	while ((s = blame_next_wrong(f->blame, &at)))
		bits |= 1u << s->source;
	return bits;
}

static void whoever_gave_a_wrong_segment_is_named(void **state)
{
	struct fixture *f = *state;
	const struct blame_segment *s;
	size_t at = 0;

	f->wrong[60000] ^= 1;
	give(f, 2, f->wrong, 50000, SIZE, "https://c (10.0.0.3)"); /* out of order */
	give(f, 0, f->wrong, 0, 30000, "https://a (10.0.0.1)");
	give(f, 1, f->wrong, 30000, 50000, NULL);
	blame_check_begin(f->blame, -1);
	pass(f, PIECE);
	s = blame_next_wrong(f->blame, &at);
	assert_non_null(s);
	assert_int_equal(s->source, 2);
	assert_int_equal(s->first, 50000);
	assert_int_equal(s->end, SIZE);
	assert_true(s->differs_at == UINT64_MAX); /* the wrong copy was not kept */
	assert_string_equal(blame_place(f->blame, s), "https://c (10.0.0.3)");
	assert_null(blame_next_wrong(f->blame, &at));
}

static void with_the_wrong_copy_the_first_byte_is_known(void **state)
{
	struct fixture *f = *state;
	char *folder = folder_make();
	const struct blame_segment *s;
	size_t at = 0;
	int dirfd = -1, fd = -1;

	assert_int_equal(dir_open(AT_FDCWD, folder, false, &dirfd, NULL), 0);
	assert_int_equal(file_scratch(dirfd, &fd, NULL), 0);
	f->wrong[40000] ^= 1;
	f->wrong[40001] ^= 1;
	f->wrong[70000] ^= 1;
	assert_int_equal(write_all(fd, f->wrong, SIZE, NULL), 0);
	give(f, 0, f->wrong, 0, 30000, NULL);
	give(f, 1, f->wrong, 30000, 50000, NULL);
	give(f, 2, f->right, 50000, SIZE, NULL); /* others wrote over what it gave */
	blame_check_begin(f->blame, fd);
	pass(f, PIECE);
	s = blame_next_wrong(f->blame, &at);
	assert_non_null(s);
	assert_int_equal(s->source, 1);
	assert_int_equal(s->differs_at, 40000);
	assert_null(blame_next_wrong(f->blame, &at));
	closep(&dirfd);
	folder_remove(folder);
}

static void a_range_that_two_gave_is_held_against_both(void **state)
{
	struct fixture *f = *state;

	f->wrong[100] ^= 1;
	give(f, 0, f->wrong, 0, 50000, NULL);
	give(f, 1, f->right, 20, 60000, NULL);
	give(f, 2, f->wrong, 50, 101, NULL);
	give(f, 3, f->wrong, 101, SIZE, NULL);
	blame_check_begin(f->blame, -1);
	pass(f, PIECE);
	assert_int_equal(wrong_sources(f), 1 | 4);
	assert_true(blame_has(f->blame, 3));
	assert_false(blame_has(f->blame, 4));
}

static void a_check_can_begin_again(void **state)
{
	struct fixture *f = *state;

	f->wrong[SIZE - 1] ^= 1;
	give(f, 0, f->wrong, 0, SIZE, NULL);
	blame_check_begin(f->blame, -1);
	blame_check(f->blame, 0, f->right, SIZE / 2);
	assert_int_equal(wrong_sources(f), 0); /* nothing is proven yet */
	blame_check_begin(f->blame, -1);
	pass(f, SIZE);
	assert_int_equal(wrong_sources(f), 1);
}

static void what_was_not_hashed_proves_nothing(void **state)
{
	struct fixture *f = *state;
	struct blame_run run;

	blame_run_begin(&run, DIGEST_SHA256, 0, 0, false);
	blame_run_take(&run, f->wrong, 1000);
	assert_int_equal(run.at, 1000);
	blame_run_end(&run, f->blame, NULL);
	assert_false(blame_has(f->blame, 0));
}

static void more_segments_than_are_remembered_do_no_harm(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *place = NULL;

	for (size_t i = 0; i < BLAME_SEGMENTS_MAX + 100; i++) {
		free(place);
		place = xasprintf("https://host%zu", i);
		give(f, i % 32, f->right, i, i + 10, place);
	}
	blame_check_begin(f->blame, -1);
	pass(f, PIECE);
	assert_int_equal(wrong_sources(f), 0);
}

/* Whatever overlaps: exactly those are named that gave a byte that is wrong. */
static void random_segments_are_judged_by_their_bytes(void **state)
{
	struct fixture *f = *state;

	for (unsigned round = 0; round < ROUNDS; round++) {
		size_t bad = (size_t)random_below(SIZE);
		uint32_t expected = 0;

		blame_free(f->blame);
		f->blame = blame_new(DIGEST_SHA256);
		memcpy(f->wrong, f->right, SIZE);
		f->wrong[bad] ^= 1;
		for (size_t source = 0; source < 20; source++) {
			size_t first = (size_t)random_below(SIZE - 1);
			size_t end = first + 1 + (size_t)random_below(SIZE - first);

			give(f, source, f->wrong, first, end, NULL);
			if (first <= bad && bad < end)
				expected |= 1u << source;
		}
		blame_check_begin(f->blame, -1);
		pass(f, 1 + (size_t)random_below(30000));
		assert_int_equal(wrong_sources(f), expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define BLAME_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		BLAME_TEST(whoever_gave_a_wrong_segment_is_named),
		BLAME_TEST(with_the_wrong_copy_the_first_byte_is_known),
		BLAME_TEST(a_range_that_two_gave_is_held_against_both),
		BLAME_TEST(a_check_can_begin_again),
		BLAME_TEST(what_was_not_hashed_proves_nothing),
		BLAME_TEST(more_segments_than_are_remembered_do_no_harm),
		BLAME_TEST(random_segments_are_judged_by_their_bytes),
	};

	return cmocka_run_group_tests_name("transfer/blame", tests, NULL, NULL);
}
