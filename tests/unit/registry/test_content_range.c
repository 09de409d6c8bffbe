#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "registry/content_range.h"

static void ranges_with_and_without_a_total_are_read(void **state)
{
	struct content_range r;

	(void)state;
	assert_int_equal(content_range_parse("bytes 0-0/1", &r, NULL), 0);
	assert_true(r.first == 0 && r.last == 0 && r.has_total && r.total == 1 && !r.unsatisfied);
	assert_int_equal(content_range_parse("Bytes  5-9/*", &r, NULL), 0);
	assert_true(r.first == 5 && r.last == 9 && !r.has_total && !r.unsatisfied);
	assert_int_equal(content_range_parse("bytes */5", &r, NULL), 0);
	assert_true(r.unsatisfied && r.has_total && r.total == 5);
	assert_int_equal(
		content_range_parse("bytes 18446744073709551613-18446744073709551614/*", &r, NULL),
		0);
	assert_true(r.last == UINT64_MAX - 1);
}

static void impossible_ranges_are_refused_and_leave_the_result_alone(void **state)
{
	static const char *const bad[] = {
		"",
		"bytes",
		"bytes ",
		"bytes=0-4/5",
		"items 0-4/5",
		"bytes 0-4",
		"bytes 0-4/",
		"bytes 4-0/5",
		"bytes 0-5/5",
		"bytes 0-4/4",
		"bytes -4/5",
		"bytes 0-/5",
		"bytes */*",
		"bytes 0-4/5 ",
		"bytes 0-4/5, 6-7/8",
		"bytes +0-4/5",
		"bytes 0x0-4/5",
		"bytes 18446744073709551616-18446744073709551617/*",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct content_range r = {.first = 77};

		assert_int_equal(content_range_parse(bad[i], &r, NULL), -ERR_REMOTE);
		assert_true(r.first == 77);
	}
}

static void the_range_of_an_upload_is_read_in_the_forms_that_occur(void **state)
{
	uint64_t last = 77;

	(void)state;
	assert_int_equal(upload_range_parse("0-0", &last, NULL), 0);
	assert_true(last == 0);
	assert_int_equal(upload_range_parse("0-1048575", &last, NULL), 0);
	assert_true(last == 1048575);
	assert_int_equal(upload_range_parse("bytes=0-9", &last, NULL), 0);
	assert_true(last == 9);
	assert_int_equal(upload_range_parse("1-9", &last, NULL), -ERR_REMOTE);
	assert_int_equal(upload_range_parse("0-", &last, NULL), -ERR_REMOTE);
	assert_int_equal(upload_range_parse("0-9,", &last, NULL), -ERR_REMOTE);
	assert_int_equal(upload_range_parse("", &last, NULL), -ERR_REMOTE);
	assert_true(last == 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_with_and_without_a_total_are_read),
		cmocka_unit_test(impossible_ranges_are_refused_and_leave_the_result_alone),
		cmocka_unit_test(the_range_of_an_upload_is_read_in_the_forms_that_occur),
	};

	return cmocka_run_group_tests_name("registry/content_range", tests, NULL, NULL);
}
