/*
 * What a document costs: Jansson's allocations are counted through its own
 * hooks, which holds the figures in json.c to the truth.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <malloc.h>

#include "oci/json.h"

enum {
	DEPTH = 32,                 /* levels */
	TEXT_MAX = 4 * 1024 * 1024, /* bytes, as a manifest may have */
	CHUNK_HEADER = 8,           /* bytes that malloc adds to each block */
	FIRST_TRY = 1000,           /* items, which no pattern below makes too dear */
	TEXT_ROOM = 64 * 1024 * 1024
};

static size_t in_use; /* bytes that Jansson holds, with malloc's rounding */
static size_t peak;   /* the most there were since it was set to 0 */

static void *counted_malloc(size_t n)
{
	void *p = malloc(n);

	if (p)
		in_use += malloc_usable_size(p) + CHUNK_HEADER;
	if (in_use > peak)
		peak = in_use;
	return p;
}

static void counted_free(void *p)
{
	if (p)
		in_use -= malloc_usable_size(p) + CHUNK_HEADER;
	free(p);
}

static int count_allocations(void **state)
{
	(void)state;
	json_set_alloc_funcs(counted_malloc, counted_free);
	return 0;
}

/* head, n times unit with commas between, tail; a '#' in unit becomes the item's number. */
struct pattern {
	const char *head;
	const char *unit;
	const char *tail;
};

static void put_unit(struct buf *b, const char *unit, size_t number)
{
	size_t n = strcspn(unit, "#");

	assert_int_equal(buf_append(b, unit, n, NULL), 0);
	if (unit[n] == '\0')
		return;
	assert_int_equal(buf_printf(b, NULL, "%zx%s", number, unit + n + 1), 0);
}

static void compose(struct buf *b, const struct pattern *p, size_t n)
{
	buf_reset(b);
	assert_int_equal(buf_puts(b, p->head, NULL), 0);
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			assert_int_equal(buf_puts(b, ",", NULL), 0);
		put_unit(b, p->unit, i);
	}
	assert_int_equal(buf_puts(b, p->tail, NULL), 0);
}

/* Whether the document is taken; either way it must not have cost more than it may. */
static bool is_taken(const struct buf *b)
{
	struct jx *j = NULL;
	int rc;

	in_use = 0;
	peak = 0;
	rc = jx_parse(b->data, b->len, DEPTH, &j, NULL);
	assert_in_range(peak, 0, JX_TREE_MAX);
	jx_free(j);
	assert_int_equal(in_use, 0);
	return rc == 0;
}

static bool is_taken_when_made_of(const struct pattern *p, size_t n, struct buf *scratch)
{
	compose(scratch, p, n);
	return is_taken(scratch);
}

static void no_document_costs_more_than_the_limit_however_it_is_made(void **state)
{
	static const struct pattern hostile[] = {
		{"[", "[]", "]"},
		{"[", "{}", "]"},
		{"[", "0", "]"},
		{"[", "1.5", "]"},
		{"[", "\"\"", "]"},
		{"[", "\"123456789012345678901234\"", "]"},
		{"[", "null", "]"},
		{"[", "[[[[[[]]]]]]", "]"},
		{"[", "{\"a\":{\"a\":{}}}", "]"},
		{"[", "{\"a\":0}", "]"},
		{"[", "[0,0,0,0,0,0,0,0,0]", "]"},
		{"[",
			"{\"1\":0,\"2\":0,\"3\":0,\"4\":0,\"5\":0,\"6\":0,\"7\":0,\"8\":0,\"9\":0}",
			"]"},
		{"{", "\"#\":0", "}"},
		{"{", "\"#\":[]", "}"},
		{"{", "\"#\":null", "}"},
		{"{", "\"#-long-enough-to-cost-more-than-one-chunk\":\"\"", "}"},
	};
	AUTO(buf_clear) struct buf b = BUF_INIT(TEXT_ROOM);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
		size_t n = FIRST_TRY;

		assert_true(is_taken_when_made_of(&hostile[i], n, &b));
		while (is_taken_when_made_of(&hostile[i], 2 * n, &b))
			n *= 2;
		/* The dearest one is just below what is refused. */
		for (size_t step = n / 2; step > n / 64; step /= 2)
			if (is_taken_when_made_of(&hostile[i], n + step, &b))
				n += step;
	}
}

static void one_long_string_costs_no_more_than_the_limit(void **state)
{
	static const struct pattern forms[] = {
		{"[\"", "xxxxxxx", "\"]"},
		{"{\"", "xxxxxxx", "\":0}"},
		{"[\"", "\\u00e4", "\"]"},
		{"[\"", "\\\"\\\"", "\"]"},
	};
	AUTO(buf_clear) struct buf b = BUF_INIT(TEXT_ROOM);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		for (size_t len = TEXT_MAX / 64; len <= TEXT_MAX; len *= 2) {
			compose(&b, &forms[i], len / 8);
			if (len <= TEXT_MAX / 2)
				assert_true(is_taken(&b));
			else
				(void)is_taken(&b);
		}
	}
}

static void a_text_cut_anywhere_costs_no_more_than_the_limit(void **state)
{
	static const struct pattern tags = {"{\"tags\":[", "\"v1.#\"", "]}"};
	AUTO(buf_clear) struct buf b = BUF_INIT(TEXT_ROOM);

	(void)state;
	compose(&b, &tags, 1000);
	for (size_t len = b.len; len > 0; len -= len > 97 ? 97 : len) {
		b.len = len;
		b.data[len] = '\0';
		(void)is_taken(&b);
	}
}

static void the_largest_documents_of_the_real_world_are_taken(void **state)
{
#define HEX "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define TENTH \
	"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
	static const struct {
		struct pattern pattern;
		size_t n;
	} real[] = {
		/* An index of as many children as are allowed. */
		{{"{\"manifests\":[",
			 "{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\","
			 "\"digest\":\"sha256:" HEX "\",\"size\":123456,"
			 "\"platform\":{\"architecture\":\"amd64\",\"os\":\"linux\"}}",
			 "]}"},
			8192},
		/* A manifest of as many layers. */
		{{"{\"layers\":[",
			 "{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\","
			 "\"digest\":\"sha256:" HEX "\",\"size\":123456}",
			 "]}"},
			8192},
		/* The conformance suite's: nearly 4 MiB of annotations. */
		{{"{\"annotations\":{",
			 "\"#\":\"" TENTH TENTH TENTH TENTH TENTH TENTH TENTH TENTH TENTH TENTH
			 "\"",
			 "}}"},
			3900},
		/* One repository's tags in one answer. */
		{{"{\"tags\":[", "\"v1.2.3-#-g0123abcd\"", "]}"}, 100000},
	};
	AUTO(buf_clear) struct buf b = BUF_INIT(TEXT_ROOM);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(real); i++) {
		compose(&b, &real[i].pattern, real[i].n);
		assert_true(is_taken(&b));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_document_costs_more_than_the_limit_however_it_is_made),
		cmocka_unit_test(one_long_string_costs_no_more_than_the_limit),
		cmocka_unit_test(a_text_cut_anywhere_costs_no_more_than_the_limit),
		cmocka_unit_test(the_largest_documents_of_the_real_world_are_taken),
	};

	return cmocka_run_group_tests_name("oci/json cost", tests, count_allocations, NULL);
}
