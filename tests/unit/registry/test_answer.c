#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "registry/answer.h"
#include "registry/client.h"

static void statuses_become_what_the_caller_should_do(void **state)
{
	static const struct {
		int status;
		enum errc class;
	} cases[] = {
		{200, ERR_NONE},
		{201, ERR_NONE},
		{202, ERR_NONE},
		{204, ERR_NONE},
		{206, ERR_NONE},
		{304, ERR_REMOTE},
		{307, ERR_REMOTE},
		{400, ERR_REMOTE},
		{401, ERR_AUTH},
		{403, ERR_AUTH},
		{404, ERR_NOTFOUND},
		{405, ERR_REMOTE},
		{408, ERR_TEMP},
		{410, ERR_NOTFOUND},
		{413, ERR_REMOTE},
		{416, ERR_REMOTE},
		{418, ERR_REMOTE},
		{425, ERR_TEMP},
		{429, ERR_TEMP},
		{500, ERR_TEMP},
		{502, ERR_TEMP},
		{503, ERR_TEMP},
		{504, ERR_TEMP},
		{522, ERR_TEMP},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(answer_class(cases[i].status), cases[i].class);
}

static void error_bodies_of_all_kinds_become_words(void **state)
{
	static const struct {
		const char *body, *words;
	} cases[] = {
		{"", ""},
		{"{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\",\"message\":\"no such manifest\",\"detail\":{}}]}",
			"MANIFEST_UNKNOWN: no such manifest"},
		{"{\"errors\":[{\"code\":\"A\"},{\"code\":\"a\",\"message\":\"again\"},{\"code\":\"B\",\"message\":"
		 "\"b\"}]}",
			"A; B: b"},
		{"{\"errors\":[{\"message\":\"only words\"}]}", "only words"},
		{"{\"errors\":[\"text\",null,{\"code\":7}]}", ""},
		{"{\"errors\":[{\"code\":\"not a code!\",\"message\":\"m\"}]}", "m"},
		{"{\"details\":\"incorrect username or password\"}",
			"incorrect username or password"},
		{"<html><head><title>502 Bad\nGateway</title></head>\n<body> <h1>nginx</h1></body></html>",
			"502 Bad Gateway nginx"},
		{"plain\x1b[31m text\n", "plain\\x1B[31m text"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_FREE char *words = answer_words(cases[i].body, strlen(cases[i].body), NULL);

		assert_int_equal(strcasecmp(words, cases[i].words), 0);
	}
}

static void words_of_a_peer_are_cut(void **state)
{
	char body[4 * ANSWER_WORDS_MAX];
	AUTO_FREE char *words = NULL;

	(void)state;
	memset(body, 'x', sizeof(body));
	words = answer_words(body, sizeof(body), NULL);
	assert_true(strlen(words) <= ANSWER_WORDS_MAX + sizeof("..."));
}

static void secrets_that_a_peer_repeats_are_blanked_out(void **state)
{
	static const char *const secrets[] = {"s3cret", "abc", "dG9rZW4", NULL};
	static const struct {
		const char *body, *words;
	} cases[] = {
		{"{\"errors\":[{\"code\":\"DENIED\",\"message\":\"Basic s3cret, s3crets3cret\"}]}",
			"DENIED: Basic ***, ******"},
		{"{\"message\":\"dG9rZW4\"}", "***"},
		{"<p>dG9rZW4 is abc</p>", "*** is abc"}, /* too short to be told from a word */
		{"", ""},
	};
	char body[ANSWER_WORDS_MAX + sizeof("s3cret")];
	AUTO_FREE char *cut = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_FREE char *words = answer_words(cases[i].body, strlen(cases[i].body), secrets);

		assert_string_equal(words, cases[i].words);
	}
	memset(body, 'x', sizeof(body));
	memcpy(body + ANSWER_WORDS_MAX - 3, "s3cret", strlen("s3cret"));
	cut = answer_words(body, sizeof(body), secrets);
	assert_null(strstr(cut, "s3c"));
}

static void an_error_code_is_found_in_any_case_but_not_in_names(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;

	(void)state;
	(void)error_set(&err,
		ERR_REMOTE,
		"PUT /v2/blob_unknown/manifests/name_unknown: 400 Bad Request: OTHER: words; "
		"manifest_blob_unknown: blob unknown to registry");
	assert_true(registry_error_is(&err, "MANIFEST_BLOB_UNKNOWN"));
	assert_true(registry_error_is(&err, "OTHER"));
	assert_false(registry_error_is(&err, "BLOB_UNKNOWN"));
	assert_false(registry_error_is(&err, "NAME_UNKNOWN"));
	assert_false(registry_error_is(&err, "MANIFEST_BLOB"));
	assert_false(registry_error_is(&(struct error){.code = ERR_TEMP}, "OTHER"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(statuses_become_what_the_caller_should_do),
		cmocka_unit_test(error_bodies_of_all_kinds_become_words),
		cmocka_unit_test(words_of_a_peer_are_cut),
		cmocka_unit_test(secrets_that_a_peer_repeats_are_blanked_out),
		cmocka_unit_test(an_error_code_is_found_in_any_case_but_not_in_names),
	};

	return cmocka_run_group_tests_name("registry/answer", tests, NULL, NULL);
}
