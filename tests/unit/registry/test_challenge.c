#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "registry/challenge.h"

static void assert_text(const char *is, const char *want)
{
	if (want)
		assert_non_null(is);
	else
		assert_null(is);
	if (want)
		assert_string_equal(is, want);
}

struct one {
	const char *headers[3];
	bool basic;
	const char *realm, *service, *scope, *error;
};

static void check(const struct one *t)
{
	AUTO(challenge_clear) struct challenge c = CHALLENGE_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(t->headers) && t->headers[i]; i++)
		challenge_add(&c, t->headers[i]);
	assert_int_equal(c.basic, t->basic);
	assert_int_equal(c.bearer, t->realm != NULL);
	assert_text(c.realm, t->realm);
	assert_text(c.service, t->service);
	assert_text(c.scope, t->scope);
	assert_text(c.error, t->error);
}

static void the_challenges_of_real_registries_are_read(void **state)
{
	static const struct one cases[] = {
		{{"Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\",scope="
		  "\"repository:library/alpine:pull\""},
			.realm = "https://auth.docker.io/token",
			.service = "registry.docker.io",
			.scope = "repository:library/alpine:pull"},
		{{"Basic realm=\"Registry Realm\""}, .basic = true},
		{{"Bearer realm=\"/token\", error=\"insufficient_scope\", scope=\"a:b:pull,push c:d:pull\""},
			.realm = "/token",
			.scope = "a:b:pull,push c:d:pull",
			.error = "insufficient_scope"},
		{{"bEARER REALM=\"x\" , Service = bare"}, .realm = "x", .service = "bare"},
		{{"Bearer realm=https://h/t,service=s"}, .realm = "https://h/t", .service = "s"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check(&cases[i]);
}

static void several_challenges_in_a_line_and_in_several_headers_are_told_apart(void **state)
{
	static const struct one cases[] = {
		{{"Basic realm=\"a, b\", Bearer realm=\"t\",service=\"s\""},
			.basic = true,
			.realm = "t",
			.service = "s"},
		{{"Bearer realm=\"t\", Basic realm=\"b\""}, .basic = true, .realm = "t"},
		{{"Negotiate", "Basic realm=\"b\"", "Bearer realm=\"t\""},
			.basic = true,
			.realm = "t"},
		{{"Negotiate YIIGhg==, Basic realm=\"b\""}, .basic = true},
		{{"Digest realm=\"d\", qop=\"auth,auth-int\", nonce=\"n\", Basic"}, .basic = true},
		{{"Bearer realm=\"first\"", "Bearer realm=\"second\""}, .realm = "first"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check(&cases[i]);
}

static void quoted_strings_keep_commas_and_lose_backslashes(void **state)
{
	static const struct one cases[] = {
		{{"Bearer realm=\"a\\\"b\\\\c, Basic realm=x\",service=\"\""},
			.realm = "a\"b\\c, Basic realm=x",
			.service = ""},
	};

	(void)state;
	check(&cases[0]);
}

static void what_cannot_be_answered_is_no_challenge(void **state)
{
	static const struct one cases[] = {
		{.headers = {""}},
		{.headers = {",,, ,"}},
		{.headers = {"realm=\"x\""}},
		{.headers = {"Bearer service=\"without realm\""}},
		{.headers = {"Bearer realm=\"\""}},
		{.headers = {"Bearer realm=\"never ends"}},
		{.headers = {"Negotiate, NTLM"}},
		{.headers = {"Basicrealm=\"x\""}},
		{.headers = {"@?/"}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check(&cases[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_challenges_of_real_registries_are_read),
		cmocka_unit_test(
			several_challenges_in_a_line_and_in_several_headers_are_told_apart),
		cmocka_unit_test(quoted_strings_keep_commas_and_lose_backslashes),
		cmocka_unit_test(what_cannot_be_answered_is_no_challenge),
	};

	return cmocka_run_group_tests_name("registry/challenge", tests, NULL, NULL);
}
