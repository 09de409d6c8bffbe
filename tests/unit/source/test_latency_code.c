#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "source/latency_code.h"
#include "state/state.h"

static void a_histogram_comes_back_to_the_bit(void **state)
{
	struct latency_estimate e = {.at_sec = 7}, back = {.at_sec = 0};
	uint8_t bytes[LATENCY_CODE_BYTES];

	(void)state;
	for (size_t i = 0; i < LATENCY_BUCKETS; i++)
		e.counts[i] = 0.1F * (float)i;
	assert_int_equal(latency_encode(&e, bytes, sizeof(bytes) - 1), 0);
	assert_int_equal(latency_encode(&e, bytes, sizeof(bytes)), sizeof(bytes));
	assert_true(latency_decode(bytes, sizeof(bytes), 7, &back));
	assert_int_equal(back.at_sec, 7);
	assert_memory_equal(back.counts, e.counts, sizeof(e.counts));
	assert_true(sizeof(bytes) <= STATE_HISTOGRAM_MAX);
}

static void bytes_are_the_same_on_every_machine(void **state)
{
	struct latency_estimate e = {.counts = {1.0F, 0.5F}};
	uint8_t bytes[LATENCY_CODE_BYTES];

	(void)state;
	(void)latency_encode(&e, bytes, sizeof(bytes));
	assert_memory_equal(bytes, "\x00\x00\x80\x3f\x00\x00\x00\x3f", 8);
}

static void what_is_no_histogram_is_refused(void **state)
{
	uint8_t bytes[LATENCY_CODE_BYTES] = {0};
	struct latency_estimate e = {.at_sec = 7};

	(void)state;
	assert_false(latency_decode(bytes, sizeof(bytes) - 1, 1, &e));
	assert_false(latency_decode(NULL, 0, 1, &e));
	memcpy(bytes + 4, "\x00\x00\x80\xbf", 4); /* -1 */
	assert_false(latency_decode(bytes, sizeof(bytes), 1, &e));
	memcpy(bytes + 4, "\x00\x00\xc0\x7f", 4); /* no number */
	assert_false(latency_decode(bytes, sizeof(bytes), 1, &e));
	assert_int_equal(e.at_sec, 7);
	memcpy(bytes + 4, "\x00\x00\x80\x3f", 4);
	assert_true(latency_decode(bytes, sizeof(bytes), 1, &e));
	assert_true(e.counts[1] == 1.0F);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_histogram_comes_back_to_the_bit),
		cmocka_unit_test(bytes_are_the_same_on_every_machine),
		cmocka_unit_test(what_is_no_histogram_is_refused),
	};

	return cmocka_run_group_tests_name("source/latency_code", tests, NULL, NULL);
}
