#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "registry/token.h"
#include "util/mem.h"

#define SEC 1000u /* milliseconds */

static void cache_freep(struct token_cache **c)
{
	token_cache_free(*c);
}

static void a_token_is_used_until_15_seconds_before_its_end(void **state)
{
	AUTO(cache_freep) struct token_cache *c = token_cache_new();
	const struct token *t;

	(void)state;
	token_cache_put(c, "key", "secret", 1000 * SEC, 60);
	t = token_cache_get(c, "key", 1000 * SEC);
	assert_non_null(t);
	assert_string_equal(t->text, "secret");
	assert_non_null(token_cache_get(c, "key", 1044 * SEC));
	assert_null(token_cache_get(c, "key", 1045 * SEC));
	assert_null(token_cache_get(c, "other", 1000 * SEC));
}

static void a_dropped_token_is_gone_and_a_new_one_has_another_id(void **state)
{
	AUTO(cache_freep) struct token_cache *c = token_cache_new();
	uint64_t id;

	(void)state;
	token_cache_put(c, "key", "one", 0, 60);
	id = token_cache_get(c, "key", 0)->id;
	assert_true(id != 0);
	token_cache_put(c, "key", "two", 0, 60);
	assert_true(token_cache_get(c, "key", 0)->id != id);
	assert_null(token_cache_find(c, id));
	token_cache_drop(c, id);
	assert_non_null(token_cache_get(c, "key", 0));
	token_cache_drop(c, token_cache_get(c, "key", 0)->id);
	assert_null(token_cache_get(c, "key", 0));
}

static void the_oldest_token_makes_room_at_the_limit(void **state)
{
	AUTO(cache_freep) struct token_cache *c = token_cache_new();

	(void)state;
	for (unsigned i = 0; i <= TOKENS_MAX; i++) {
		AUTO_FREE char *key = xasprintf("key %u", i);

		token_cache_put(c, key, "t", 0, 60);
	}
	assert_null(token_cache_get(c, "key 0", 0));
	assert_non_null(token_cache_get(c, "key 1", 0));
}

static void a_token_request_names_service_scopes_account_and_client(void **state)
{
	struct scope_set scopes = {.n = 0};
	AUTO_FREE char *url = NULL;
	AUTO_FREE char *form = NULL;

	(void)state;
	(void)scope_add(&scopes, "repository:x:pull,push repository:y:pull");
	url = token_url("https://a/t?k=v", "my service", &scopes, "me&you");
	assert_non_null(strstr(url,
		"https://a/t?k=v&service=my%20service&scope=repository%3Ax%3Apull%2Cpush"
		"&scope=repository%3Ay%3Apull&account=me%26you&client_id=regmirror"));
	form = token_form("s", &scopes, "a+b/c=");
	assert_string_equal(form,
		"grant_type=refresh_token&service=s&client_id=regmirror&scope="
		"repository%3Ax%3Apull%2Cpush%20repository%3Ay%3Apull&refresh_token=a%2Bb%2Fc%3D");
}

static void an_answer_gives_its_token_and_a_life_of_a_minute_at_least(void **state)
{
	static const struct {
		const char *body, *token;
		uint64_t life_sec;
	} cases[] = {
		{"{\"token\":\"t\"}", "t", 60},
		{"{\"token\":\"t\",\"access_token\":\"a\",\"expires_in\":300}", "a", 300},
		{"{\"token\":\"t\",\"expires_in\":5}", "t", 60},
		{"{\"token\":\"t\",\"expires_in\":\"soon\"}", "t", 60},
		{"{\"token\":\"t\",\"expires_in\":-1}", "t", 60},
		{"{\"token\":\"t\",\"expires_in\":99999999999}", "t", 86400},
		{"{\"access_token\":null,\"token\":\"t\",\"refresh_token\":\"r\"}", "t", 60},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_FREE char *text = NULL;
		uint64_t life_sec = 0;

		assert_int_equal(
			token_parse(cases[i].body, strlen(cases[i].body), &text, &life_sec, NULL),
			0);
		assert_string_equal(text, cases[i].token);
		assert_true(life_sec == cases[i].life_sec);
	}
}

static void an_answer_without_a_usable_token_is_refused_and_not_quoted(void **state)
{
	static const char *const cases[] = {
		"",
		"<html>secret</html>",
		"[\"secret\"]",
		"{}",
		"{\"token\":\"\"}",
		"{\"token\":5}",
		"{\"token\":\"secret\\r\\nX: y\"}",
		"{\"token\":\"secret with space\"}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(error_clear) struct error err = ERROR_INIT;
		char *text = NULL;
		uint64_t life_sec = 7;

		assert_int_equal(token_parse(cases[i], strlen(cases[i]), &text, &life_sec, &err),
			-ERR_REMOTE);
		assert_null(text);
		assert_null(strstr(error_text(&err), "secret"));
	}
}

static int check_realm(const char *origin, const char *realm, bool with_credentials)
{
	AUTO(url_clear) struct url a = URL_INIT, b = URL_INIT;

	assert_int_equal(url_parse(origin, &a, NULL), 0);
	assert_int_equal(url_parse(realm, &b, NULL), 0);
	return token_realm_check(&a, &b, with_credentials, NULL);
}

static void credentials_go_only_to_realms_that_are_safe(void **state)
{
	static const struct {
		const char *origin, *realm;
		bool anonymous, with_credentials; /* allowed */
	} cases[] = {
		{"https://registry-1.docker.io", "https://auth.docker.io/token", true, true},
		{"https://r.example", "http://r.example/token", false, false},
		{"https://r.example", "https://127.0.0.1/token", false, false},
		{"https://r.example", "https://localhost/token", false, false},
		{"https://r.example", "https://[::1]/token", false, false},
		{"https://r.example", "https://169.254.169.254/token", false, false},
		{"https://r.example", "https://10.1.2.3/token", false, false},
		{"https://10.0.0.1", "https://10.1.2.3/token", true, true},
		{"https://localhost:5000", "https://127.0.0.1:5001/token", true, true},
		{"http://localhost:5000", "http://127.0.0.1:5001/token", true, true},
		{"http://r.lan:5000", "http://r.lan:5001/token", true, true},
		{"http://r.lan:5000", "http://elsewhere.example/token", true, false},
		{"http://r.lan:5000", "https://elsewhere.example/token", true, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(check_realm(cases[i].origin, cases[i].realm, false),
			cases[i].anonymous ? 0 : -ERR_AUTH);
		assert_int_equal(check_realm(cases[i].origin, cases[i].realm, true),
			cases[i].with_credentials ? 0 : -ERR_AUTH);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_is_used_until_15_seconds_before_its_end),
		cmocka_unit_test(a_dropped_token_is_gone_and_a_new_one_has_another_id),
		cmocka_unit_test(the_oldest_token_makes_room_at_the_limit),
		cmocka_unit_test(a_token_request_names_service_scopes_account_and_client),
		cmocka_unit_test(an_answer_gives_its_token_and_a_life_of_a_minute_at_least),
		cmocka_unit_test(an_answer_without_a_usable_token_is_refused_and_not_quoted),
		cmocka_unit_test(credentials_go_only_to_realms_that_are_safe),
	};

	return cmocka_run_group_tests_name("registry/token", tests, NULL, NULL);
}
