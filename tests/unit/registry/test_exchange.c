#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "script.h"

static void ask(struct script *s, unsigned attempts)
{
	const struct registry_get get = {
		.repository = "a/b",
		.reference = "v1",
		.attempts = attempts,
		.done = script_on_reply,
		.ctx = s,
	};

	script_forget(s);
	assert_non_null(registry_manifest_get(s->registry, &get));
}

static enum errc get(struct script *s, unsigned attempts)
{
	ask(s, attempts);
	return script_wait(s);
}

static void temporary_failures_are_repeated_as_often_as_allowed(void **state)
{
	SCRIPT(s,
		NULL,
		{.want = "GET ", .status = 500},
		{.want = "GET ", .drop = true},
		{.want = "GET ", .drop = true}, /* silently sent once more on a fresh connection */
		{.want = "GET ", .status = 200, .body = "{}"},
		{.want = "GET ", .status = 502},
		{.want = "GET ", .status = 504},
		{.want = "GET ", .status = 500});

	(void)state;
	assert_int_equal(get(&s, 3), ERR_NONE);
	assert_int_equal(get(&s, 2), ERR_TEMP);
	assert_says(&s, "attempt 2: GET /v2/a/b/manifests/v1: 504 Gateway Timeout");
	assert_int_equal(s.err.http, 504);
	assert_int_equal(get(&s, 0), ERR_TEMP);
	assert_null(strstr(error_text(&s.err), "attempt"));
	assert_int_equal(registry_stats(s.registry).retries, 3);
	script_end(&s);
}

static void what_another_attempt_cannot_cure_is_not_repeated(void **state)
{
	SCRIPT(s,
		NULL,
		{.want = "GET ", .status = 404},
		{.want = "GET ", .status = 403},
		{.want = "GET ", .status = 400},
		{.want = "GET ", .status = 301});

	(void)state;
	assert_int_equal(get(&s, 5), ERR_NOTFOUND);
	assert_int_equal(get(&s, 5), ERR_AUTH);
	assert_int_equal(get(&s, 5), ERR_REMOTE);
	assert_int_equal(get(&s, 5), ERR_REMOTE);
	assert_int_equal(registry_stats(s.registry).retries, 0);
	script_end(&s);
}

static void retry_after_is_waited_for(void **state)
{
	SCRIPT(s,
		NULL,
		{.want = "GET ", .status = 429, .headers = "Retry-After: 1\r\n"},
		{.want = "GET ", .status = 200, .body = "{}"});
	const uint64_t before_ms = clock_mono_ms();

	(void)state;
	assert_int_equal(get(&s, 2), ERR_NONE);
	assert_true(clock_mono_ms() >= before_ms + 1000);
	assert_int_equal(registry_stats(s.registry).throttled, 1);
	script_end(&s);
}

static void a_throttling_registry_gets_no_other_request_meanwhile(void **state)
{
	SCRIPT(s,
		NULL,
		{.want = "GET ", .status = 503, .headers = "Retry-After: 1\r\n"},
		{.want = "GET ", .status = 200, .body = "{}"});
	uint64_t before_ms;

	(void)state;
	assert_int_equal(get(&s, 1), ERR_TEMP);
	assert_int_equal(s.err.retry_sec, 1);
	before_ms = clock_mono_ms();
	assert_int_equal(get(&s, 1), ERR_NONE);
	assert_true(clock_mono_ms() >= before_ms + 900);
	script_end(&s);
}

static void a_registry_that_wants_too_long_a_wait_is_left(void **state)
{
	SCRIPT(s, NULL, {.want = "GET ", .status = 429, .headers = "Retry-After: 901\r\n"});

	(void)state;
	assert_int_equal(get(&s, 5), ERR_TEMP);
	assert_int_equal(s.err.retry_sec, 901);
	script_end(&s);
}

#define BUDGET_RETRIES 20 /* 100 tokens at 5 each */

static void an_empty_budget_leaves_first_attempts_only(void **state)
{
	struct step steps[2 * BUDGET_RETRIES + 2];
	struct script s;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		steps[i] = (struct step){.want = "GET ", .status = 500};
	script_begin(&s, steps, ARRAY_SIZE(steps), NULL);
	for (unsigned i = 0; i < BUDGET_RETRIES + 2; i++)
		assert_int_equal(get(&s, 2), ERR_TEMP);
	assert_int_equal(registry_stats(s.registry).retries, BUDGET_RETRIES);
	script_end(&s);
}

static void peers_words_are_sanitised_and_cut(void **state)
{
	char words[500], body[600];
	struct step steps[] = {{.want = "GET ", .status = 400, .body = body}};
	struct script s;

	(void)state;
	memset(words, 'w', sizeof(words) - 1);
	words[sizeof(words) - 1] = '\0';
	(void)snprintf(body, sizeof(body), "\x1b]0;%s", words);
	script_begin(&s, steps, 1, NULL);
	assert_int_equal(get(&s, 1), ERR_REMOTE);
	assert_null(strchr(error_text(&s.err), '\x1b'));
	assert_true(strlen(error_text(&s.err)) < 300);
	script_end(&s);
}

static void a_huge_error_body_does_not_hide_the_status(void **state)
{
	const size_t len = 8 * 1024 * 1024;
	AUTO_FREE char *big = xmalloc(len);
	const struct step steps[] = {
		{.want = "GET ", .status = 404, .body = big, .len = len, .cut = true}};
	struct script s;

	(void)state;
	memset(big, '.', len);
	script_begin(&s, steps, 1, NULL);
	assert_int_equal(get(&s, 1), ERR_NOTFOUND);
	assert_int_equal(s.err.http, 404);
	script_end(&s);
}

static void a_freed_registry_ends_calls_that_wait_for_their_next_attempt(void **state)
{
	SCRIPT(s, NULL, {.want = "GET ", .status = 429, .headers = "Retry-After: 9\r\n"});

	(void)state;
	ask(&s, 2);
	s.until_ms = clock_mono_ms() + 150;
	assert_int_equal(http_loop_run(s.loop, script_is_done, &s, NULL), 0);
	assert_false(s.done);
	script_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(temporary_failures_are_repeated_as_often_as_allowed),
		cmocka_unit_test(what_another_attempt_cannot_cure_is_not_repeated),
		cmocka_unit_test(retry_after_is_waited_for),
		cmocka_unit_test(a_throttling_registry_gets_no_other_request_meanwhile),
		cmocka_unit_test(a_registry_that_wants_too_long_a_wait_is_left),
		cmocka_unit_test(an_empty_budget_leaves_first_attempts_only),
		cmocka_unit_test(peers_words_are_sanitised_and_cut),
		cmocka_unit_test(a_huge_error_body_does_not_hide_the_status),
		cmocka_unit_test(a_freed_registry_ends_calls_that_wait_for_their_next_attempt),
	};

	return cmocka_run_group_tests_name("registry/exchange", tests, NULL, NULL);
}
