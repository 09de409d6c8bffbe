#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "source/source.h"

#define NOW  UINT64_C(1000000) /* ms */
#define NONE SIZE_MAX

/* Mirrors, then the authority last. */
static struct source_set *set_of(size_t n)
{
	struct source_set *set = source_set_new("test");

	for (size_t i = 0; i < n; i++) {
		const struct source s = {
			.name = (char[]){'s', (char)('0' + i % 10), '\0'}, .authority = i + 1 == n};

		assert_int_equal(source_set_add(set, &s, NULL), 0);
	}
	return set;
}

/* Who is asked at this time; NONE: nobody, and then *ret_wait says for how long, 0: for good. */
static size_t asked(const struct source_set *set, const struct source_trials *t, uint64_t now,
	uint64_t *ret_wait)
{
	size_t index = NONE;
	uint64_t wait = 0;

	switch (source_choose(set, t, &(struct source_want){.bytes = 1}, now, &index, &wait)) {
	case SOURCE_ASK:
		return index;
	case SOURCE_WAIT:
		assert_true(wait > 0);
		break;
	case SOURCE_BUSY:
	case SOURCE_NONE:
		assert_int_equal(wait, 0);
		break;
	}
	if (ret_wait)
		*ret_wait = wait;
	return NONE;
}

static void fail_with(struct source_set *set, struct source_trials *t, size_t index,
	enum errc class, int retry_sec, uint64_t now)
{
	AUTO(error_clear) struct error err = ERROR_INIT;

	(void)error_set(&err, class, "something of class %d", (int)class);
	err.retry_sec = retry_sec;
	source_learn(set, t, index, 0, &err, now);
}

static void sources_are_asked_in_the_configured_order(void **state)
{
	AUTO(source_set_freep) struct source_set *set = set_of(3);
	struct source_trials t = {.attempts = 0};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(asked(set, &t, NOW, NULL), i);
		fail_with(set, &t, i, ERR_TEMP, 0, NOW);
	}
}

static void a_source_that_failed_waits_behind_one_that_was_not_tried(void **state)
{
	AUTO(source_set_freep) struct source_set *set = set_of(2);
	struct source_trials t = {.attempts = 0};

	(void)state;
	fail_with(set, &t, 0, ERR_TEMP, 0, NOW);
	assert_int_equal(asked(set, &t, NOW + SOURCE_BACKOFF_CAP_MS, NULL), 1);
	fail_with(set, &t, 1, ERR_NOTFOUND, 0, NOW);
	assert_int_equal(asked(set, &t, NOW + SOURCE_BACKOFF_CAP_MS, NULL), 0);
}

static void a_failure_is_waited_out_within_its_ceiling(void **state)
{
	AUTO(source_set_freep) struct source_set *set = set_of(1);

	(void)state;
	for (int round = 0; round < 100; round++) {
		struct source_trials t = {.attempts = 0};
		uint64_t wait = 0;

		fail_with(set, &t, 0, ERR_TEMP, 0, NOW);
		if (asked(set, &t, NOW, &wait) == NONE)
			assert_in_range(wait, 1, 2 * SOURCE_BACKOFF_MS);
		assert_int_equal(asked(set, &t, NOW + 2 * SOURCE_BACKOFF_MS, NULL), 0);
	}
}

static void a_success_of_one_blob_leaves_the_others_trials_alone(void **state)
{
	AUTO(source_set_freep) struct source_set *set = set_of(1);
	struct source_trials t = {.attempts = 0}, other = t;

	(void)state;
	fail_with(set, &t, 0, ERR_NOTFOUND, 0, NOW);
	source_learn(set, &other, 0, 10, NULL, NOW);
	assert_int_equal(asked(set, &t, NOW, NULL), NONE);
	assert_int_equal(set->items[0].bytes, 10);
	assert_int_equal(set->items[0].requests, 2);
}

static void retry_after_parks_a_source_for_every_blob(void **state)
{
	AUTO(source_set_freep) struct source_set *set = set_of(2);
	struct source_trials t = {.attempts = 0}, other = {.attempts = 0};
	uint64_t wait = 0;

	(void)state;
	fail_with(set, &t, 0, ERR_TEMP, 60, NOW);
	assert_int_equal(asked(set, &other, NOW, NULL), 1);
	other.each[1].excluded = true;
	assert_int_equal(asked(set, &other, NOW, &wait), NONE);
	assert_int_equal(wait, 60000);
	assert_int_equal(asked(set, &other, NOW + 60000, NULL), 0);
}

static void an_answer_to_an_older_question_does_not_lift_a_park(void **state)
{
	AUTO(source_set_freep) struct source_set *set = set_of(2);
	struct source_trials t = {.attempts = 0}, other = {.attempts = 0};

	(void)state;
	fail_with(set, &t, 0, ERR_TEMP, 60, NOW);
	source_learn(set, &other, 0, 1, NULL, NOW + 1);
	other = (struct source_trials){.attempts = 0};
	assert_int_equal(asked(set, &other, NOW + 2, NULL), 1);
}

static void a_retry_after_beyond_the_ceiling_is_not_waited_for(void **state)
{
	AUTO(source_set_freep) struct source_set *set = set_of(1);
	struct source_trials t = {.attempts = 0}, other = {.attempts = 0};
	uint64_t wait = 1;

	(void)state;
	fail_with(set, &t, 0, ERR_TEMP, SOURCE_PARK_MAX_SEC + 100, NOW);
	assert_int_equal(asked(set, &t, NOW, &wait), NONE);
	assert_int_equal(wait, 0);
	wait = 1;
	assert_int_equal(asked(set, &other, NOW, &wait), NONE);
	assert_int_equal(wait, 0);
	assert_int_equal(asked(set, &other, NOW + (SOURCE_PARK_MAX_SEC + 100) * 1000, NULL), 0);
}

static void many_failures_in_a_row_park_a_source(void **state)
{
	AUTO(source_set_freep) struct source_set *set = set_of(2);
	struct source_trials t;

	(void)state;
	for (int i = 0; i < SOURCE_BREAKER; i++) {
		t = (struct source_trials){.attempts = 0};
		assert_int_equal(asked(set, &t, NOW, NULL), 0);
		fail_with(set, &t, 0, ERR_TEMP, 0, NOW);
	}
	t = (struct source_trials){.attempts = 0};
	assert_int_equal(asked(set, &t, NOW, NULL), 1);
	assert_int_equal(asked(set, &t, NOW + SOURCE_PARK_MS * 4 / 5 - 1, NULL), 1);
	assert_int_equal(asked(set, &t, NOW + SOURCE_PARK_MS * 6 / 5, NULL), 0);
}

static void the_last_source_is_never_parked_for_failures(void **state)
{
	AUTO(source_set_freep) struct source_set *set = set_of(2);
	struct source_trials t = {.attempts = 0};

	(void)state;
	set->items[0].strikes = SOURCE_STRIKES;
	for (int i = 0; i < 3 * SOURCE_BREAKER; i++) {
		t = (struct source_trials){.attempts = 0};
		fail_with(set, &t, 1, ERR_TEMP, 0, NOW);
	}
	t = (struct source_trials){.attempts = 0};
	assert_int_equal(asked(set, &t, NOW, NULL), 1);
}

static void private_names_never_park_the_authority_for_failures(void **state)
{
	AUTO(source_set_freep) struct source_set *set = set_of(2);
	struct source_trials t = {.attempts = 0};

	(void)state;
	for (int i = 0; i < 3 * SOURCE_BREAKER; i++) {
		t = (struct source_trials){.authority_only = true};
		fail_with(set, &t, 1, ERR_TEMP, 0, NOW);
	}
	t = (struct source_trials){.authority_only = true};
	assert_int_equal(asked(set, &t, NOW, NULL), 1);
}

static void a_good_answer_ends_a_row_of_failures(void **state)
{
	AUTO(source_set_freep) struct source_set *set = set_of(2);
	struct source_trials t = {.attempts = 0};

	(void)state;
	for (int i = 0; i < 3 * SOURCE_BREAKER; i++) {
		t = (struct source_trials){.attempts = 0};
		fail_with(set, &t, 0, ERR_TEMP, 0, NOW);
		if (i % 3 == 1)
			source_learn(set, &t, 0, 1, NULL, NOW);
		if (i % 3 == 2)
			fail_with(set, &t, 0, ERR_NOTFOUND, 0, NOW);
	}
	t = (struct source_trials){.attempts = 0};
	assert_int_equal(asked(set, &t, NOW, NULL), 0);
	assert_int_equal(set->items[0].failures, 3 * SOURCE_BREAKER);
}

static void a_mirror_that_corrupts_again_and_again_is_struck_out(void **state)
{
	AUTO(source_set_freep) struct source_set *set = set_of(2);
	struct source_trials t;

	(void)state;
	for (int i = 0; i < SOURCE_STRIKES; i++) {
		t = (struct source_trials){.attempts = 0};
		assert_int_equal(asked(set, &t, NOW, NULL), 0);
		fail_with(set, &t, 0, ERR_CORRUPT, 0, NOW);
		assert_int_equal(asked(set, &t, NOW, NULL), 1);
	}
	t = (struct source_trials){.attempts = 0};
	assert_int_equal(asked(set, &t, NOW, NULL), 1);
}

static void the_authority_is_never_struck_out(void **state)
{
	AUTO(source_set_freep) struct source_set *set = set_of(1);
	struct source_trials t;

	(void)state;
	for (int i = 0; i < 2 * SOURCE_STRIKES; i++) {
		t = (struct source_trials){.attempts = 0};
		fail_with(set, &t, 0, ERR_CORRUPT, 0, NOW);
		assert_int_equal(asked(set, &t, NOW, NULL), NONE);
	}
	t = (struct source_trials){.attempts = 0};
	assert_int_equal(asked(set, &t, NOW, NULL), 0);
}

static void what_is_final_excludes_a_source_for_this_digest_alone(void **state)
{
	static const enum errc classes[] = {
		ERR_NOTFOUND, ERR_AUTH, ERR_REMOTE, ERR_CORRUPT, ERR_IO, ERR_USAGE};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
		AUTO(source_set_freep) struct source_set *set = set_of(2);
		struct source_trials t = {.attempts = 0}, other = {.attempts = 0};
		uint64_t wait = 1;

		fail_with(set, &t, 0, classes[i], 0, NOW);
		assert_int_equal(asked(set, &t, NOW, NULL), 1);
		fail_with(set, &t, 1, classes[i], 0, NOW);
		assert_int_equal(asked(set, &t, NOW, &wait), NONE);
		assert_int_equal(wait, 0);
		assert_int_equal(asked(set, &other, NOW, NULL), 0);
	}
}

static void one_source_is_asked_for_a_blob_only_so_often(void **state)
{
	AUTO(source_set_freep) struct source_set *set = set_of(1);
	struct source_trials t = {.attempts = 0};
	uint64_t now = NOW;

	(void)state;
	for (int i = 0; i < SOURCE_ATTEMPTS_EACH; i++) {
		now += SOURCE_BACKOFF_CAP_MS;
		assert_int_equal(asked(set, &t, now, NULL), 0);
		fail_with(set, &t, 0, ERR_TEMP, 0, now);
	}
	assert_int_equal(asked(set, &t, now + SOURCE_BACKOFF_CAP_MS, NULL), NONE);
}

static void all_sources_together_are_asked_for_a_blob_only_so_often(void **state)
{
	AUTO(source_set_freep) struct source_set *set = set_of(4);
	struct source_trials t = {.attempts = 0};
	uint64_t now = NOW;
	unsigned n = 0;
	size_t index;

	(void)state;
	while ((index = asked(set, &t, now, NULL)) != NONE) {
		fail_with(set, &t, index, ERR_TEMP, 0, now);
		set->items[index].parked_until_ms = 0;
		now += SOURCE_BACKOFF_CAP_MS;
		n++;
	}
	assert_int_equal(n, SOURCE_ATTEMPTS_BLOB);
}

static void the_authority_is_asked_however_many_mirrors_lack_a_blob(void **state)
{
	AUTO(source_set_freep) struct source_set *set = set_of(SOURCES_MAX);
	struct source_trials t = {.attempts = 0};

	(void)state;
	for (size_t i = 0; i + 1 < SOURCES_MAX; i++) {
		assert_int_equal(asked(set, &t, NOW, NULL), i);
		fail_with(set, &t, i, ERR_NOTFOUND, 0, NOW);
	}
	assert_int_equal(asked(set, &t, NOW, NULL), SOURCES_MAX - 1);
}

static void private_names_go_to_the_authority_alone(void **state)
{
	AUTO(source_set_freep) struct source_set *set = set_of(3);
	struct source_trials t = {.authority_only = true};

	(void)state;
	assert_int_equal(asked(set, &t, NOW, NULL), 2);
	fail_with(set, &t, 2, ERR_NOTFOUND, 0, NOW);
	assert_int_equal(asked(set, &t, NOW, NULL), NONE);
}

static void the_last_error_is_kept_for_the_status(void **state)
{
	AUTO(source_set_freep) struct source_set *set = set_of(1);
	struct source_trials t = {.attempts = 0};

	(void)state;
	assert_null(set->items[0].last_error);
	fail_with(set, &t, 0, ERR_TEMP, 0, NOW);
	assert_string_equal(set->items[0].last_error, "something of class 4");
	assert_true(set->items[0].last_error_sec > 0);
	assert_int_equal(set->items[0].last_contact_sec, 0);
	source_learn(set, &t, 0, 1, NULL, NOW);
	assert_true(set->items[0].last_contact_sec > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sources_are_asked_in_the_configured_order),
		cmocka_unit_test(a_source_that_failed_waits_behind_one_that_was_not_tried),
		cmocka_unit_test(a_failure_is_waited_out_within_its_ceiling),
		cmocka_unit_test(a_success_of_one_blob_leaves_the_others_trials_alone),
		cmocka_unit_test(retry_after_parks_a_source_for_every_blob),
		cmocka_unit_test(an_answer_to_an_older_question_does_not_lift_a_park),
		cmocka_unit_test(a_retry_after_beyond_the_ceiling_is_not_waited_for),
		cmocka_unit_test(many_failures_in_a_row_park_a_source),
		cmocka_unit_test(the_last_source_is_never_parked_for_failures),
		cmocka_unit_test(private_names_never_park_the_authority_for_failures),
		cmocka_unit_test(a_good_answer_ends_a_row_of_failures),
		cmocka_unit_test(a_mirror_that_corrupts_again_and_again_is_struck_out),
		cmocka_unit_test(the_authority_is_never_struck_out),
		cmocka_unit_test(what_is_final_excludes_a_source_for_this_digest_alone),
		cmocka_unit_test(one_source_is_asked_for_a_blob_only_so_often),
		cmocka_unit_test(all_sources_together_are_asked_for_a_blob_only_so_often),
		cmocka_unit_test(the_authority_is_asked_however_many_mirrors_lack_a_blob),
		cmocka_unit_test(private_names_go_to_the_authority_alone),
		cmocka_unit_test(the_last_error_is_kept_for_the_status),
	};

	return cmocka_run_group_tests_name("source/choose", tests, NULL, NULL);
}
