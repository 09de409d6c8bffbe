#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/yaml.h"
#include "util/buf.h"

static struct yaml_node *parse(const char *text)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct yaml_node *root = NULL;
	int rc = yaml_parse("f", text, strlen(text), &root, &err);

	if (rc < 0)
		fail_msg("%s", error_text(&err));
	return root;
}

#define assert_pos(pos, l, c)                      \
	do {                                       \
		assert_int_equal((pos).line, l);   \
		assert_int_equal((pos).column, c); \
	} while (0)

static void keys_and_values_know_their_line_and_column(void **state)
{
	AUTO(yaml_freep)
	struct yaml_node *root = parse("# comment\n"
				       "a: 1\n"
				       "list:\n"
				       "  - 'x'\n"
				       "  - {k: \"v\"}\n"
				       "\xc3\xa9: y # wide\n");
	const struct yaml_node *list = yaml_find(root, "list");

	(void)state;
	assert_pos(root->at, 2, 1);
	assert_pos(yaml_find(root, "a")->key_at, 2, 1);
	assert_pos(yaml_find(root, "a")->at, 2, 4);
	assert_pos(list->key_at, 3, 1);
	assert_pos(list->at, 4, 3);
	assert_pos(list->first->at, 4, 5);
	assert_pos(list->first->next->at, 5, 5);
	assert_pos(yaml_find(list->first->next, "k")->key_at, 5, 6);
	assert_pos(yaml_find(list->first->next, "k")->at, 5, 9);
	/* Columns count characters, not bytes. */
	assert_pos(yaml_find(root, "\xc3\xa9")->at, 6, 4);
}

static void all_scalars_are_text_but_nulls(void **state)
{
	AUTO(yaml_freep) struct yaml_node *root = parse("[off, 1.0, 'null', \"~\", '', null, ~]\n");
	static const char *const expected[] = {"off", "1.0", "null", "~", "", NULL, NULL};
	const struct yaml_node *item = root->first;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++, item = item->next) {
		assert_int_equal(item->kind, expected[i] ? YAML_TEXT : YAML_NULL);
		if (expected[i])
			assert_string_equal(item->text, expected[i]);
	}
}

static void a_document_without_content_is_an_empty_mapping(void **state)
{
	static const char *const empty[] = {"", "\n", "# only a comment\n", "---\n", "~\n"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(empty); i++) {
		AUTO(yaml_freep) struct yaml_node *root = parse(empty[i]);

		assert_int_equal(root->kind, YAML_MAP);
		assert_int_equal(root->n, 0);
		assert_pos(root->at, 1, 1);
	}
}

static void what_no_configuration_needs_is_refused_with_its_place(void **state)
{
	static const struct {
		const char *text, *message;
	} bad[] = {
		{"a: 1\na: 2\n", "f:2:1: 'a' is given twice"},
		{"x: {a: 1, 'a': 2}\n", "f:1:11: 'a' is given twice"},
		{"a: &x 1\n", "f:1:4: anchors (&) are not supported: write the value out"},
		{"a: &x [1]\nb: *x\n", "f:1:4: anchors (&) are not supported: write the value out"},
		{"b: *x\n", "f:1:4: aliases (*) are not supported: write the value out"},
		{"a: !!int 3\n", "f:1:4: tags (!) are not supported: write the plain value"},
		{"? [x]\n: y\n", "f:1:3: a key must be plain text"},
		{"~: y\n", "f:1:1: a key is missing"},
		{"--- {}\n--- {}\n", "f:2:1: a second document: one is enough"},
		{"a: \"x\\ny\"\n",
			"f:1:4: control characters and line breaks are not allowed here"},
		{"a: \"\\0\"\n", "f:1:4: control characters and line breaks are not allowed here"},
		{"a: 1\nb: \xff\n", "f:2:4: not UTF-8"},
		{"a: \x01\n", "f:1:4: a control character"},
		{"a:\n\tb: 1\n", "f:2:1: tab character may not be used as indentation"},
		{"a: [1, 2\n", "f:2:1: flow sequence without a closing bracket"},
		{"[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]", "f:1:17: nested too deep"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		AUTO(error_clear) struct error err = ERROR_INIT;
		struct yaml_node *root = NULL;

		assert_int_equal(
			yaml_parse("f", bad[i].text, strlen(bad[i].text), &root, &err), -ERR_USAGE);
		assert_null(root);
		assert_string_equal(error_text(&err), bad[i].message);
	}
}

/* Nine levels of nine aliases each would be 387 million values. */
static void aliases_cannot_make_a_document_grow(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(buf_clear) struct buf text = BUF_INIT(4096);
	struct yaml_node *root = NULL;

	(void)state;
	assert_int_equal(buf_puts(&text, "a: &a [x, x, x, x, x, x, x, x, x]\n", NULL), 0);
	for (char c = 'b'; c < 'j'; c++)
		assert_int_equal(buf_printf(&text,
					 NULL,
					 "%c: &%c [*%c, *%c, *%c]\n",
					 c,
					 c,
					 c - 1,
					 c - 1,
					 c - 1),
			0);
	assert_int_equal(yaml_parse("f", text.data, text.len, &root, &err), -ERR_USAGE);
}

static void a_long_list_is_read_and_a_longer_one_is_not(void **state)
{
	static const size_t sizes[] = {100000, YAML_NODES_MAX};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		AUTO(error_clear) struct error err = ERROR_INIT;
		AUTO(buf_clear) struct buf text = BUF_INIT(4 * YAML_NODES_MAX);
		AUTO(yaml_freep) struct yaml_node *root = NULL;
		int rc;

		for (size_t n = 0; n < sizes[i]; n++)
			assert_int_equal(buf_puts(&text, "- a\n", NULL), 0);
		rc = yaml_parse("f", text.data, text.len, &root, &err);
		assert_int_equal(rc, sizes[i] < YAML_NODES_MAX ? 0 : -ERR_USAGE);
		if (rc == 0)
			assert_int_equal(root->n, sizes[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_and_values_know_their_line_and_column),
		cmocka_unit_test(all_scalars_are_text_but_nulls),
		cmocka_unit_test(a_document_without_content_is_an_empty_mapping),
		cmocka_unit_test(what_no_configuration_needs_is_refused_with_its_place),
		cmocka_unit_test(aliases_cannot_make_a_document_grow),
		cmocka_unit_test(a_long_list_is_read_and_a_longer_one_is_not),
	};

	return cmocka_run_group_tests_name("config/yaml", tests, NULL, NULL);
}
