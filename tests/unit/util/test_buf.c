#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "util/buf.h"

static void an_empty_buffer_reads_as_empty_text(void **state)
{
	struct buf b = BUF_INIT(10);
	AUTO_FREE char *stolen = NULL;

	(void)state;
	assert_string_equal(buf_text(&b), "");
	stolen = buf_steal(&b);
	assert_string_equal(stolen, "");
}

static void the_ceiling_can_be_reached_but_not_passed(void **state)
{
	AUTO(buf_clear) struct buf b = BUF_INIT(5);
	AUTO(error_clear) struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(buf_puts(&b, "abc", &err), 0);
	assert_int_equal(buf_puts(&b, "def", &err), -ERR_NOMEM);
	assert_string_equal(error_text(&err), "more than the 5 bytes allowed");
	assert_string_equal(buf_text(&b), "abc");
	assert_int_equal(buf_puts(&b, "de", &err), 0);
	assert_string_equal(buf_text(&b), "abcde");
	assert_int_equal(buf_append(&b, "", 0, &err), 0);
	assert_int_equal(buf_printf(&b, &err, "%d", 1), -ERR_NOMEM);
	assert_int_equal(b.len, 5);
}

static void memory_stays_near_the_ceiling(void **state)
{
	AUTO(buf_clear) struct buf b = BUF_INIT(1000);

	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_int_equal(buf_append(&b, "x", 1, NULL), 0);
	assert_int_equal(b.len, 1000);
	assert_int_equal(b.cap, 1001);
}

static void sizes_that_would_wrap_around_are_refused(void **state)
{
	AUTO(buf_clear) struct buf b = BUF_INIT(SIZE_MAX);

	(void)state;
	assert_int_equal(buf_puts(&b, "ab", NULL), 0);
	assert_int_equal(buf_reserve(&b, SIZE_MAX, NULL), -ERR_NOMEM);
	assert_int_equal(buf_reserve(&b, SIZE_MAX - 2, NULL), -ERR_NOMEM);
	assert_string_equal(buf_text(&b), "ab");
}

static void bytes_with_nul_are_kept_as_they_are(void **state)
{
	AUTO(buf_clear) struct buf b = BUF_INIT(100);

	(void)state;
	assert_int_equal(buf_append(&b, "a\0b", 3, NULL), 0);
	assert_int_equal(b.len, 3);
	assert_memory_equal(b.data, "a\0b", 4);
}

static void reset_keeps_the_memory_and_steal_hands_it_on(void **state)
{
	struct buf b = BUF_INIT(100);
	AUTO_FREE char *stolen = NULL;
	char *memory;

	(void)state;
	assert_int_equal(buf_printf(&b, NULL, "%s/%d", "v", 2), 0);
	memory = b.data;
	buf_reset(&b);
	assert_string_equal(buf_text(&b), "");
	assert_int_equal(buf_puts(&b, "again", NULL), 0);
	assert_ptr_equal(b.data, memory);
	stolen = buf_steal(&b);
	assert_string_equal(stolen, "again");
	assert_null(b.data);
	assert_int_equal(b.max, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_buffer_reads_as_empty_text),
		cmocka_unit_test(the_ceiling_can_be_reached_but_not_passed),
		cmocka_unit_test(memory_stays_near_the_ceiling),
		cmocka_unit_test(sizes_that_would_wrap_around_are_refused),
		cmocka_unit_test(bytes_with_nul_are_kept_as_they_are),
		cmocka_unit_test(reset_keeps_the_memory_and_steal_hands_it_on),
	};

	return cmocka_run_group_tests_name("util/buf", tests, NULL, NULL);
}
