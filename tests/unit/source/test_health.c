#include "sets.h"

#include <errno.h>
#include <stdio.h>

static const struct source_trials fresh;

static void break_it(struct source_set *set, size_t index, uint64_t now)
{
	for (int i = 0; i < SOURCE_BREAKER; i++) {
		struct source_trials t = fresh;

		fail_with(set, &t, index, ERR_TEMP, 500, now);
	}
}

static uint64_t parked_ms(const struct source_set *set, size_t index, uint64_t now)
{
	uint64_t until = set->items[index].parked_until_ms;

	return until > now ? until - now : 0;
}

/* ---- breaker ---- */

static void an_open_breaker_lets_one_request_through(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(2);
	uint64_t now = NOW;

	(void)state;
	measure(set, 0, 100, 0, 1000);
	measure(set, 1, 1, 0, 1000);
	break_it(set, 0, now);
	assert_in_range(parked_ms(set, 0, now), SOURCE_PARK_MS * 4 / 5, SOURCE_PARK_MS * 6 / 5);
	assert_int_equal(asked(set, &fresh, 100, now), 1);
	now += SOURCE_PARK_MS * 6 / 5;
	assert_int_equal(asked(set, &fresh, 100, now), 0);
	assert_true(source_needs_trial(set, 0));
	source_trial_begin(set, 0);
	assert_int_equal(asked(set, &fresh, 100, now), 1); /* only one */
	source_trial_end(set, 0, NULL, now);
	assert_false(source_needs_trial(set, 0));
	assert_int_equal(asked(set, &fresh, 100, now), 0);
}

/* Its breaker would keep the only one that can answer from being asked. */
static void a_source_is_not_parked_when_the_others_deny_what_it_is_asked_for(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(2);
	struct source_trials denied = {.repository = "a/b"};

	(void)state;
	fail_with(set, &denied, 0, ERR_AUTH, 403, NOW);
	for (int i = 0; i < 2 * SOURCE_BREAKER; i++) {
		struct source_trials t = {.repository = "a/b"};

		fail_with(set, &t, 1, ERR_TEMP, 500, NOW);
	}
	assert_int_equal(parked_ms(set, 1, NOW), 0);
}

static void each_failed_trial_makes_the_wait_longer(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(2);
	const struct error err = {.code = ERR_TEMP};
	uint64_t now = NOW;

	(void)state;
	break_it(set, 0, now);
	for (unsigned n = 2; n < 15; n++) {
		uint64_t base = SOURCE_PARK_MS * n;

		if (base > SOURCE_PARK_CAP_MS)
			base = SOURCE_PARK_CAP_MS;
		now = set->items[0].parked_until_ms;
		source_trial_begin(set, 0);
		source_trial_end(set, 0, &err, now);
		assert_in_range(parked_ms(set, 0, now), base * 4 / 5, base * 6 / 5);
		assert_true(source_needs_trial(set, 0));
	}
}

static void an_answer_that_it_is_not_there_ends_a_trial_well(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(2);
	const struct error absent = {.code = ERR_NOTFOUND}, canceled = {.code = ERR_CANCELED};
	uint64_t now;

	(void)state;
	break_it(set, 0, NOW);
	now = set->items[0].parked_until_ms;
	source_trial_begin(set, 0);
	source_trial_end(set, 0, &canceled, now);
	assert_true(source_needs_trial(set, 0));
	assert_true(source_usable(set, &fresh, 0, now));
	source_trial_begin(set, 0);
	source_trial_end(set, 0, &absent, now);
	assert_false(source_needs_trial(set, 0));
}

static void whatever_a_source_answers_ends_a_trial_well(void **state)
{
	static const struct error answers[] = {
		{.code = ERR_AUTH, .http = 403}, {.code = ERR_REMOTE, .http = 405}};
	static const struct error failures[] = {
		{.code = ERR_TEMP, .http = 503}, {.code = ERR_TEMP}, {.code = ERR_REMOTE}};
	AUTO(source_set_freep) struct source_set *set = measured_of(2);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(failures); i++) {
		break_it(set, 0, NOW);
		source_trial_begin(set, 0);
		source_trial_end(set, 0, &failures[i], set->items[0].parked_until_ms);
		assert_true(source_needs_trial(set, 0));
	}
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		break_it(set, 0, NOW);
		source_trial_begin(set, 0);
		source_trial_end(set, 0, &answers[i], set->items[0].parked_until_ms);
		assert_false(source_needs_trial(set, 0));
	}
}

static void the_last_usable_source_is_never_cut_off(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(3);

	(void)state;
	break_it(set, 0, NOW);
	set->items[1].quarantined = true;
	break_it(set, 2, NOW);
	assert_int_equal(parked_ms(set, 2, NOW), 0);
	assert_int_equal(asked(set, &fresh, 10, NOW), 2);
}

static void ordered_sources_need_no_trial(void **state)
{
	AUTO(source_set_freep) struct source_set *set = set_of(2);

	(void)state;
	break_it(set, 0, NOW);
	assert_true(parked_ms(set, 0, NOW) > 0);
	assert_false(source_needs_trial(set, 0));
}

static void broken_tls_is_a_failure_of_the_source(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(2);

	(void)state;
	for (int i = 0; i < SOURCE_BREAKER; i++) {
		struct source_trials t = fresh;

		fail_with(set, &t, 0, ERR_REMOTE, 0, NOW);
	}
	assert_true(parked_ms(set, 0, NOW) > 0);
	for (int i = 0; i < SOURCE_BREAKER; i++) {
		struct source_trials t = fresh;

		fail_with(set, &t, 1, ERR_REMOTE, 400, NOW); /* an answer, if a strange one */
	}
	assert_int_equal(parked_ms(set, 1, NOW), 0);
}

static void too_many_requests_is_no_failure_and_costs_places(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(2);
	enum source_verdict verdict;

	(void)state;
	measure(set, 0, 100, 0, 1000);
	measure(set, 1, 1, 0, 1000);
	for (int i = 0; i < 3 * SOURCE_BREAKER; i++) {
		struct source_trials t = fresh;

		fail_with(set, &t, 0, ERR_TEMP, 429, NOW);
	}
	assert_int_equal(parked_ms(set, 0, NOW), 0);
	source_begin(set, 0, MIB, NOW);
	assert_int_equal(
		choice(set, &fresh, &(struct source_want){.bytes = 100 * MIB}, NOW, &verdict),
		NONE);
	assert_int_equal(verdict, SOURCE_BUSY); /* one place is left, and taken */
}

/* ---- retries ---- */

static void retries_end_when_their_budget_is_spent(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(2);
	struct source_trials t;
	unsigned retries = 0;

	(void)state;
	for (;;) {
		t = fresh;
		t.each[1].excluded = true;
		fail_with(set, &t, 0, ERR_TEMP, 429, NOW);
		if (asked(set, &t, 1, NOW + SOURCE_BACKOFF_CAP_MS) == NONE)
			break;
		fail_with(set, &t, 0, ERR_TEMP, 429, NOW);
		retries++;
		assert_true(retries < 100);
	}
	assert_int_equal(retries, 100 / 5);
	/* Whoever was not asked yet is asked once. */
	t = fresh;
	t.each[1].excluded = true;
	assert_int_equal(asked(set, &t, 1, NOW), 0);
	for (int i = 0; i < 5; i++)
		source_learn(set, &(struct source_trials){.attempts = 0}, 0, 1, NULL, NOW);
	fail_with(set, &t, 0, ERR_TEMP, 429, NOW);
	assert_int_equal(asked(set, &t, 1, NOW + SOURCE_BACKOFF_CAP_MS), 0);
}

static void a_time_out_costs_twice_as_much(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(2);
	const struct error late = {.code = ERR_TEMP, .sys = ETIMEDOUT};
	struct source_trials t;

	(void)state;
	for (int i = 0; i < 100 / 10; i++) {
		t = fresh;
		t.each[1].excluded = true;
		fail_with(set, &t, 0, ERR_TEMP, 429, NOW);
		assert_int_equal(asked(set, &t, 1, NOW + SOURCE_BACKOFF_CAP_MS), 0);
		source_learn(set, &t, 0, 0, &late, NOW);
		set->items[0].parked_until_ms = 0; /* the breaker is not what is looked at */
	}
	t = fresh;
	t.each[1].excluded = true;
	fail_with(set, &t, 0, ERR_TEMP, 429, NOW);
	set->items[0].parked_until_ms = 0;
	assert_int_equal(asked(set, &t, 1, NOW + SOURCE_BACKOFF_CAP_MS), NONE);
}

/* ---- what was refused ---- */

static void what_is_not_there_is_not_asked_again_for_a_minute(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(2);
	struct digest digest = {.algo = DIGEST_SHA256}, other = {.algo = DIGEST_SHA512};
	struct source_trials t = {.repository = "a/b", .digest = &digest}, next = t;

	(void)state;
	measure(set, 0, 100, 0, 1000);
	measure(set, 1, 1, 0, 1000);
	fail_with(set, &t, 0, ERR_NOTFOUND, 404, NOW);
	assert_int_equal(asked(set, &next, 10, NOW), 1);
	assert_true(source_said_absent(set, &next, 0, NOW));
	assert_false(source_said_absent(set, &next, 1, NOW));
	assert_int_equal(asked(set, &next, 10, NOW + 59999), 1);
	assert_int_equal(asked(set, &next, 10, NOW + 60000), 0);
	next.digest = &other;
	assert_int_equal(asked(set, &next, 10, NOW), 0);
	next.digest = &digest;
	next.repository = "a/c";
	assert_int_equal(asked(set, &next, 10, NOW), 0);
}

static void a_forbidden_repository_is_not_asked_for_again_for_an_hour(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(2);
	struct digest digest = {.algo = DIGEST_SHA256}, other = {.algo = DIGEST_SHA512};
	struct source_trials t = {.repository = "a/b", .digest = &digest}, next = t;

	(void)state;
	measure(set, 0, 100, 0, 1000);
	measure(set, 1, 1, 0, 1000);
	fail_with(set, &t, 0, ERR_AUTH, 403, NOW);
	next.digest = &other;
	assert_int_equal(asked(set, &next, 10, NOW + 3599999), 1);
	assert_false(source_said_absent(set, &next, 0, NOW));
	assert_int_equal(asked(set, &next, 10, NOW + 3600000), 0);
	next.repository = "a/c";
	assert_int_equal(asked(set, &next, 10, NOW), 0);
}

static void refusals_have_a_ceiling(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(2);
	struct digest digest = {.algo = DIGEST_SHA256};
	struct source_trials t = {.digest = &digest};
	char name[32];

	(void)state;
	t.repository = name;
	for (unsigned i = 0; i < 20000; i++) {
		struct source_trials one = t;

		(void)snprintf(name, sizeof(name), "a/b%u", i);
		fail_with(set, &one, 0, ERR_NOTFOUND, 404, NOW);
	}
	assert_false(source_said_absent(set, &t, 0, NOW)); /* no room: it is asked again */
	/* What is over makes room. */
	fail_with(set,
		&(struct source_trials){.repository = name, .digest = &digest},
		0,
		ERR_NOTFOUND,
		404,
		NOW + 60000);
	assert_true(source_said_absent(set, &t, 0, NOW + 60000));
}

static void ordered_sources_remember_no_refusals(void **state)
{
	AUTO(source_set_freep) struct source_set *set = set_of(2);
	struct digest digest = {.algo = DIGEST_SHA256};
	struct source_trials t = {.repository = "a/b", .digest = &digest}, next = t;

	(void)state;
	fail_with(set, &t, 0, ERR_NOTFOUND, 404, NOW);
	assert_int_equal(asked(set, &next, 10, NOW), 0);
}

/* ---- chains ---- */

/* Entries in order of the text; "a,b|*": a, then b when a has it not, then the authority. */
static struct source_set *chained(const char *text)
{
	struct source_set *set = set_of(4);

	set->has_chain = true;
	for (const char *s = text; *s; s++) {
		struct chain_entry *e = &set->chain.entries[set->chain.n];

		if (*s == ',' || *s == '|') {
			set->chain.entries[set->chain.n - 1].any_error = *s == '|';
			continue;
		}
		*e = (struct chain_entry){.kind = *s == '*'   ? CHAIN_DIRECT
						  : *s == '-' ? CHAIN_OFF
							      : CHAIN_SOURCE,
			.source = *s == '*' || *s == '-' ? 3 : (size_t)(*s - 'a')};
		set->chain.n++;
	}
	return set;
}

static void after_a_comma_only_what_is_not_there_goes_on(void **state)
{
	AUTO(source_set_freep) struct source_set *set = chained("b,a|*");
	struct source_trials t = fresh;

	(void)state;
	assert_int_equal(asked(set, &t, 1, NOW), 1);
	fail_with(set, &t, 1, ERR_NOTFOUND, 404, NOW);
	assert_int_equal(asked(set, &t, 1, NOW), 0);
	fail_with(set, &t, 0, ERR_AUTH, 403, NOW);
	assert_int_equal(asked(set, &t, 1, NOW), 3);
	fail_with(set, &t, 3, ERR_NOTFOUND, 404, NOW);
	assert_int_equal(asked(set, &t, 1, NOW), NONE);
	t = fresh;
	fail_with(set, &t, 1, ERR_AUTH, 403, NOW);
	assert_int_equal(asked(set, &t, 1, NOW), NONE);
	t = fresh;
	fail_with(set, &t, 1, ERR_TEMP, 500, NOW);
	/* It is asked again, nobody else. */
	assert_int_equal(asked(set, &t, 1, NOW + SOURCE_BACKOFF_CAP_MS), 1);
}

static void wrong_content_always_goes_on(void **state)
{
	AUTO(source_set_freep) struct source_set *set = chained("b,a,*");
	struct source_trials t = fresh;

	(void)state;
	fail_with(set, &t, 1, ERR_CORRUPT, 200, NOW);
	assert_int_equal(asked(set, &t, 1, NOW), 0);
	t = fresh;
	set->items[1].quarantined = true;
	assert_int_equal(asked(set, &t, 1, NOW), 0);
}

static void sources_that_a_chain_does_not_name_are_never_asked(void **state)
{
	AUTO(source_set_freep) struct source_set *set = chained("b|-");
	struct source_trials t = fresh;

	(void)state;
	assert_int_equal(asked(set, &t, 1, NOW), 1);
	fail_with(set, &t, 1, ERR_NOTFOUND, 404, NOW);
	assert_int_equal(asked(set, &t, 1, NOW), NONE);
	assert_true(source_counts(set, &t, 1));
	assert_false(source_counts(set, &t, 0));
	assert_false(source_counts(set, &t, 3));
	/* But private names, which have no other place. */
	t = (struct source_trials){.authority_only = true};
	assert_int_equal(asked(set, &t, 1, NOW), 3);
}

/* ---- what waits at a source that is parked by now ---- */

static bool should_leave(const struct source_set *set, const struct source_trials *t, size_t index)
{
	const struct source_want want = {.small = true};

	return source_should_leave(set, t, &want, index, NOW);
}

static void a_source_that_was_parked_is_left_when_another_one_is_free(void **state)
{
	AUTO(source_set_freep) struct source_set *measured = measured_of(3);
	AUTO(source_set_freep) struct source_set *ordered = set_of(3);
	struct source_set *const sets[] = {measured, ordered};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct source_trials t = fresh;

		assert_false(should_leave(sets[i], &t, 0));
		sets[i]->items[0].parked_until_ms = NOW + 1000;
		assert_true(should_leave(sets[i], &t, 0));
		/* Nobody else can be asked at once: where it is, is as good. */
		sets[i]->items[1].parked_until_ms = sets[i]->items[2].parked_until_ms = NOW + 500;
		assert_false(should_leave(sets[i], &t, 0));
	}
}

static void private_names_never_leave_the_authority(void **state)
{
	AUTO(source_set_freep) struct source_set *set = measured_of(3);
	struct source_trials t = {.authority_only = true};

	(void)state;
	set->items[2].parked_until_ms = NOW + 1000;
	assert_false(should_leave(set, &t, 2));
}

static void a_parked_source_is_left_only_for_one_that_the_chain_reaches(void **state)
{
	AUTO(source_set_freep) struct source_set *bar = chained("b|*");
	AUTO(source_set_freep) struct source_set *comma = chained("b,*");
	struct source_trials t = fresh;

	(void)state;
	bar->items[1].parked_until_ms = comma->items[1].parked_until_ms = NOW + 1000;
	assert_true(should_leave(bar, &t, 1));
	assert_false(should_leave(comma, &t, 1));
}

static void a_parked_source_is_passed_by_after_a_bar_alone(void **state)
{
	AUTO(source_set_freep) struct source_set *bar = chained("b|*");
	AUTO(source_set_freep) struct source_set *comma = chained("b,*");

	(void)state;
	bar->items[1].parked_until_ms = comma->items[1].parked_until_ms = NOW + 5000;
	assert_int_equal(asked(bar, &fresh, 1, NOW), 3);
	assert_int_equal(asked(comma, &fresh, 1, NOW), NONE);
	assert_int_equal(asked(comma, &fresh, 1, NOW + 5000), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_open_breaker_lets_one_request_through),
		cmocka_unit_test(a_source_is_not_parked_when_the_others_deny_what_it_is_asked_for),
		cmocka_unit_test(each_failed_trial_makes_the_wait_longer),
		cmocka_unit_test(an_answer_that_it_is_not_there_ends_a_trial_well),
		cmocka_unit_test(whatever_a_source_answers_ends_a_trial_well),
		cmocka_unit_test(the_last_usable_source_is_never_cut_off),
		cmocka_unit_test(ordered_sources_need_no_trial),
		cmocka_unit_test(broken_tls_is_a_failure_of_the_source),
		cmocka_unit_test(too_many_requests_is_no_failure_and_costs_places),
		cmocka_unit_test(retries_end_when_their_budget_is_spent),
		cmocka_unit_test(a_time_out_costs_twice_as_much),
		cmocka_unit_test(what_is_not_there_is_not_asked_again_for_a_minute),
		cmocka_unit_test(a_forbidden_repository_is_not_asked_for_again_for_an_hour),
		cmocka_unit_test(refusals_have_a_ceiling),
		cmocka_unit_test(ordered_sources_remember_no_refusals),
		cmocka_unit_test(after_a_comma_only_what_is_not_there_goes_on),
		cmocka_unit_test(wrong_content_always_goes_on),
		cmocka_unit_test(sources_that_a_chain_does_not_name_are_never_asked),
		cmocka_unit_test(a_source_that_was_parked_is_left_when_another_one_is_free),
		cmocka_unit_test(private_names_never_leave_the_authority),
		cmocka_unit_test(a_parked_source_is_left_only_for_one_that_the_chain_reaches),
		cmocka_unit_test(a_parked_source_is_passed_by_after_a_bar_alone),
	};

	return cmocka_run_group_tests_name("source/health", tests, NULL, NULL);
}
