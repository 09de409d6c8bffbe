#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "oci/json.h"
#include "server/internal.h"

static struct exchange fresh(void)
{
	return (struct exchange){.reply = {.fd = -1}};
}

static const char *header(const struct exchange *x, const char *name)
{
	for (size_t i = 0; i < x->reply.n_headers; i++)
		if (strcmp(x->reply.headers[i].name, name) == 0)
			return x->reply.headers[i].value;
	return NULL;
}

static void an_error_is_json_of_the_specification(void **state)
{
	struct exchange x = fresh();

	(void)state;
	reply_error(&x, API_MANIFEST_UNKNOWN, "there is no '%s'", "a\"b");
	assert_int_equal(x.reply.status, 404);
	assert_string_equal(header(&x, "Content-Type"), "application/json");
	assert_string_equal(buf_text(&x.reply.body),
		"{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\","
		"\"message\":\"there is no 'a\\\"b'\"}]}");
	reply_clear(&x.reply);
}

static void bytes_of_a_client_come_back_as_text(void **state)
{
	AUTO(jx_freep) struct jx *doc = NULL;
	struct exchange x = fresh();

	(void)state;
	reply_error(&x, API_NAME_INVALID, "%s", "\xff\r\n\x01");
	assert_int_equal(jx_parse(x.reply.body.data, x.reply.body.len, 4, &doc, NULL), 0);
	reply_clear(&x.reply);
}

static void every_code_has_its_status(void **state)
{
	(void)state;
	for (int code = 0; code < API_ERROR_MAX_; code++) {
		struct exchange x = fresh();

		reply_error(&x, (enum api_error)code, "x");
		assert_in_range(x.reply.status, 400, 599);
		assert_null(strstr(buf_text(&x.reply.body), "null"));
		reply_clear(&x.reply);
	}
}

static void each_missing_blob_is_an_error_of_its_own(void **state)
{
	struct exchange x = fresh();
	struct digest missing[2];
	char text[DIGEST_STR_MAX];

	(void)state;
	assert_int_equal(digest_of(DIGEST_SHA256, "a", 1, &missing[0], NULL), 0);
	assert_int_equal(digest_of(DIGEST_SHA512, "b", 1, &missing[1], NULL), 0);
	reply_missing(&x, missing, 2);
	assert_int_equal(x.reply.status, 404);
	for (size_t i = 0; i < 2; i++)
		assert_non_null(strstr(buf_text(&x.reply.body), digest_format(&missing[i], text)));
	reply_clear(&x.reply);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_error_is_json_of_the_specification),
		cmocka_unit_test(bytes_of_a_client_come_back_as_text),
		cmocka_unit_test(every_code_has_its_status),
		cmocka_unit_test(each_missing_blob_is_an_error_of_its_own),
	};

	return cmocka_run_group_tests_name("server/error", tests, NULL, NULL);
}
