#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "oci/json.h"
#include "util/mem.h"

enum {
	DEPTH = 8,              /* levels, for documents that need few */
	WRITTEN_MAX = 64 * 1024 /* bytes */
};

/* The document of a text that must parse; the caller frees. */
static struct jx *parsed(const char *text)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct jx *j = NULL;

	if (jx_parse(text, strlen(text), DEPTH, &j, &err) < 0)
		fail_msg("%s: %s", text, error_text(&err));
	return j;
}

static void assert_refused(const void *text, size_t len, unsigned depth, const char *says)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(jx_freep) struct jx *j = NULL;

	assert_int_equal(jx_parse(text, len, depth, &j, &err), -ERR_REMOTE);
	assert_null(j);
	if (!strstr(error_text(&err), says))
		fail_msg("%.80s: says: %s", (const char *)text, error_text(&err));
}

static void what_is_no_json_document_is_refused_with_its_reason(void **state)
{
	static const struct {
		const char *text;
		const char *says;
	} cases[] = {
		{"", "empty"},
		{" ", "too early"},
		{"<html>", "not JSON (line 1, column 1)"},
		{"{\"a\":\n1", "too early (line 2"},
		{"{} {}", "not JSON"},
		{"1", "not JSON"},
		{"\"a\"", "not JSON"},
		{"null", "not JSON"},
		{"{\"a\":1,}", "not JSON"},
		{"{'a':1}", "not JSON"},
		{"{\"a\":1,\"a\":2}", "same name"},
		{"{\"b\":{\"a\":1,\"\\u0061\":2}}", "same name"},
		{"[\"\xff\"]", "not UTF-8"},
		{"[\"\xed\xa0\x80\"]", "not UTF-8"},
		{"[\"\\u0000\"]", "NUL"},
		{"{\"a\\u0000b\":1}", "NUL"},
		{"[9223372036854775808]", "too large"},
		{"[1e999]", "too large"},
		{"[\"", "too early"},
		{"[\"\\", "not JSON"},
		{"]", "not JSON"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_refused(cases[i].text, strlen(cases[i].text), DEPTH, cases[i].says);
	assert_refused("[\"a\0b\"]", 7, DEPTH, "not JSON");
}

static void nesting_is_allowed_up_to_the_limit_and_counted_outside_strings(void **state)
{
	(void)state;
	jx_free(parsed("[[[[[[[[]]]]]]]]"));
	jx_free(parsed("[{\"a\":[{\"a\":[{\"a\":[{}]}]}]}]"));
	jx_free(parsed("[[],[],[],[],[],[],[],[],[],[]]"));
	jx_free(parsed("[\"[[[[[[[[[[[{{{{\\\"[[[[[[[[[\"]"));
	assert_refused("[[[[[[[[[]]]]]]]]]", 18, DEPTH, "deeper than 8 levels");
	assert_refused("]]]]]]]]][[[[[[[[[[[", 20, DEPTH, "deeper than 8 levels");
	assert_refused("{\"a\":{}}", 8, 1, "deeper than 1 levels");
}

static void getters_return_what_is_there(void **state)
{
	AUTO(jx_freep)
	struct jx *j = parsed("{\"o\":{\"x\":1},\"a\":[\"p\",2,{}],\"t\":\"text\","
			      "\"n\":9223372036854775807,\"z\":0,\"null\":null}");
	const struct jx_value *root = jx_root(j);
	const struct jx_value *v = NULL;
	const char *text = NULL;
	uint64_t n = 7;

	(void)state;
	assert_true(jx_is_object(root));
	assert_int_equal(jx_object(root, "o", &v, NULL), 0);
	assert_int_equal(jx_u64(v, "x", 0, &n, NULL), 0);
	assert_int_equal(n, 1);
	assert_int_equal(jx_array(root, "a", &v, NULL), 0);
	assert_int_equal(jx_count(v), 3);
	assert_string_equal(jx_as_text(jx_at(v, 0)), "p");
	assert_null(jx_as_text(jx_at(v, 1)));
	assert_true(jx_is_object(jx_at(v, 2)));
	assert_null(jx_at(v, 3));
	assert_int_equal(jx_text(root, "t", &text, NULL), 0);
	assert_string_equal(text, "text");
	assert_int_equal(jx_u64(root, "n", 0, &n, NULL), 0);
	assert_true(n == INT64_MAX);
	assert_int_equal(jx_u64(root, "z", 5, &n, NULL), 0);
	assert_int_equal(n, 0);
	assert_true(jx_has(root, "null"));
	assert_false(jx_has(root, "missing"));
}

static void missing_and_null_members_are_nothing_and_no_error(void **state)
{
	static const char *const keys[] = {"missing", "null"};
	AUTO(jx_freep) struct jx *j = parsed("{\"null\":null}");
	const struct jx_value *from[] = {jx_root(j), NULL};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(keys) * ARRAY_SIZE(from); i++) {
		const struct jx_value *root = from[i / 2];
		const char *key = keys[i % 2];
		const struct jx_value *v = jx_root(j);
		const char *text = "before";
		uint64_t n = 7;

		assert_int_equal(jx_object(root, key, &v, NULL), 0);
		assert_null(v);
		v = jx_root(j);
		assert_int_equal(jx_array(root, key, &v, NULL), 0);
		assert_null(v);
		assert_int_equal(jx_text(root, key, &text, NULL), 0);
		assert_null(text);
		assert_int_equal(jx_u64(root, key, 42, &n, NULL), 0);
		assert_int_equal(n, 42);
	}
	assert_int_equal(jx_count(NULL), 0);
	assert_null(jx_at(NULL, 0));
	assert_null(jx_as_text(NULL));
	assert_false(jx_is_object(NULL));
}

static void the_wrong_type_names_the_member_and_leaves_the_result_alone(void **state)
{
	AUTO(jx_freep) struct jx *j = parsed("{\"t\":\"x\",\"n\":-1,\"r\":1.5,\"e\":1e3,\"a\":[]}");
	const struct jx_value *root = jx_root(j);
	const struct jx_value *v = root;
	const char *text = "before";
	uint64_t n = 7;

	(void)state;
	for (int i = 0; i < 7; i++) {
		static const char *const says[] = {
			"t: not an object",
			"t: not an array",
			"a: not a string",
			"t: not a whole number",
			"n: negative",
			"r: not a whole number",
			"e: not a whole number",
		};
		AUTO(error_clear) struct error err = ERROR_INIT;
		int rc = i == 0   ? jx_object(root, "t", &v, &err)
			 : i == 1 ? jx_array(root, "t", &v, &err)
			 : i == 2 ? jx_text(root, "a", &text, &err)
				  : jx_u64(root, (const char[]){says[i][0], '\0'}, 0, &n, &err);

		assert_int_equal(rc, -ERR_REMOTE);
		assert_string_equal(error_text(&err), says[i]);
	}
	assert_ptr_equal(v, root);
	assert_string_equal(text, "before");
	assert_int_equal(n, 7);
}

static void a_member_of_what_is_no_object_is_an_error(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(jx_freep) struct jx *j = parsed("[\"x\"]");
	const char *text;

	(void)state;
	assert_int_equal(jx_text(jx_root(j), "a", &text, &err), -ERR_REMOTE);
	assert_string_equal(error_text(&err), "not an object");
}

struct walk {
	char keys[8];
	size_t n;
	size_t stop_at;
};

static int note_key(void *ctx, const char *key, const struct jx_value *v, struct error *err)
{
	struct walk *w = ctx;

	assert_non_null(v);
	w->keys[w->n++] = key[0];
	return w->n == w->stop_at ? error_set(err, ERR_CANCELED, "enough") : 0;
}

static void members_are_walked_in_the_documents_order_until_one_fails(void **state)
{
	AUTO(jx_freep) struct jx *j = parsed("{\"z\":1,\"a\":2,\"m\":null,\"b\":[]}");
	AUTO(jx_freep) struct jx *list = parsed("[]");
	struct walk all = {.n = 0};
	struct walk two = {.stop_at = 2};

	(void)state;
	assert_int_equal(jx_each(jx_root(j), note_key, &all, NULL), 0);
	assert_string_equal(all.keys, "zamb");
	assert_int_equal(jx_each(jx_root(j), note_key, &two, NULL), -ERR_CANCELED);
	assert_string_equal(two.keys, "za");
	assert_int_equal(jx_each(NULL, note_key, &two, NULL), 0);
	assert_int_equal(jx_each(jx_root(list), note_key, &two, NULL), -ERR_REMOTE);
}

/* Writes one of everything. */
static void write_sample(struct jx_writer *w)
{
	jx_begin_object(w, NULL);
	jx_put_text(w, "text", "a\"b\\c\n\t\x7f\xc3\xa4\xf0\x9f\x9a\x80");
	jx_put_text(w, "none", NULL);
	jx_begin_array(w, "list");
	jx_put_u64(w, NULL, UINT64_MAX);
	jx_put_i64(w, NULL, INT64_MIN);
	jx_put_fixed(w, NULL, -1.75, 1);
	jx_put_fixed(w, NULL, 2.0, 0);
	jx_put_bool(w, NULL, true);
	jx_begin_object(w, NULL);
	jx_end_object(w);
	jx_end_array(w);
	jx_put_bool(w, "no", false);
	jx_end_object(w);
}

static void the_writer_sets_commas_quotes_and_escapes(void **state)
{
	AUTO(buf_clear) struct buf b = BUF_INIT(WRITTEN_MAX);
	struct jx_writer w = {.out = &b};

	(void)state;
	write_sample(&w);
	assert_int_equal(jx_writer_finish(&w, NULL), 0);
	assert_string_equal(buf_text(&b),
		"{\"text\":\"a\\\"b\\\\c\\n\\u0009\\u007f\xc3\xa4\xf0\x9f\x9a\x80\",\"none\":null,"
		"\"list\":[18446744073709551615,-9223372036854775808,-1.8,2,true,{}],\"no\":false}");
}

static void pretty_text_has_one_member_a_line(void **state)
{
	AUTO(buf_clear) struct buf b = BUF_INIT(WRITTEN_MAX);
	struct jx_writer w = {.out = &b, .pretty = true};

	(void)state;
	jx_begin_object(&w, NULL);
	jx_put_u64(&w, "a", 1);
	jx_begin_array(&w, "b");
	jx_put_text(&w, NULL, "x");
	jx_put_text(&w, NULL, "y");
	jx_end_array(&w);
	jx_begin_object(&w, "empty");
	jx_end_object(&w);
	jx_end_object(&w);
	assert_int_equal(jx_writer_finish(&w, NULL), 0);
	assert_string_equal(buf_text(&b),
		"{\n  \"a\": 1,\n  \"b\": [\n    \"x\",\n    \"y\"\n  ],\n  \"empty\": {}\n}");
}

static void what_is_written_can_be_read_whatever_the_bytes(void **state)
{
	/* cut, overlong, surrogate, beyond Unicode, lone continuation */
	static const char *const odd[] = {
		"\xc3",
		"a\xe2\x82",
		"\xc0\xaf",
		"\xe0\x80\xaf",
		"\xed\xa0\x80",
		"\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80",
		"\x80z",
		"\x01\x1f",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
		AUTO(buf_clear) struct buf b = BUF_INIT(WRITTEN_MAX);
		AUTO(jx_freep) struct jx *j = NULL;
		struct jx_writer w = {.out = &b};

		jx_begin_object(&w, NULL);
		jx_put_text(&w, odd[i], odd[i]);
		jx_end_object(&w);
		assert_int_equal(jx_writer_finish(&w, NULL), 0);
		j = parsed(buf_text(&b));
		assert_non_null(j);
	}
}

static void numbers_that_json_has_not_are_null(void **state)
{
	static const double odd[] = {1e308 * 10, -1e308 * 10};
	AUTO(buf_clear) struct buf b = BUF_INIT(WRITTEN_MAX);
	struct jx_writer w = {.out = &b};

	(void)state;
	jx_begin_array(&w, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(odd); i++)
		jx_put_fixed(&w, NULL, odd[i], 2);
	jx_end_array(&w);
	assert_int_equal(jx_writer_finish(&w, NULL), 0);
	assert_string_equal(buf_text(&b), "[null,null]");
}

static void the_writers_ceiling_is_reported_at_the_end(void **state)
{
	(void)state;
	for (size_t max = 0; max < 100; max += 7) {
		AUTO(error_clear) struct error err = ERROR_INIT;
		AUTO(buf_clear) struct buf b = BUF_INIT(max);
		struct jx_writer w = {.out = &b};

		write_sample(&w);
		assert_int_equal(jx_writer_finish(&w, &err), -ERR_NOMEM);
		assert_true(b.len <= max);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_json_document_is_refused_with_its_reason),
		cmocka_unit_test(nesting_is_allowed_up_to_the_limit_and_counted_outside_strings),
		cmocka_unit_test(getters_return_what_is_there),
		cmocka_unit_test(missing_and_null_members_are_nothing_and_no_error),
		cmocka_unit_test(the_wrong_type_names_the_member_and_leaves_the_result_alone),
		cmocka_unit_test(a_member_of_what_is_no_object_is_an_error),
		cmocka_unit_test(members_are_walked_in_the_documents_order_until_one_fails),
		cmocka_unit_test(the_writer_sets_commas_quotes_and_escapes),
		cmocka_unit_test(pretty_text_has_one_member_a_line),
		cmocka_unit_test(what_is_written_can_be_read_whatever_the_bytes),
		cmocka_unit_test(numbers_that_json_has_not_are_null),
		cmocka_unit_test(the_writers_ceiling_is_reported_at_the_end),
	};

	return cmocka_run_group_tests_name("oci/json", tests, NULL, NULL);
}
