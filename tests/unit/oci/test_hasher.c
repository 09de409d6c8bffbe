#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "oci/hasher.h"

/* FIPS 180-4 examples: the one-block message of each algorithm. */
#define ABC_SHA256 "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define ABC_SHA512                                                                \
	"sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a" \
	"2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"

static void assert_digest_is(struct digest d, const char *text)
{
	char got[DIGEST_STR_MAX];

	assert_string_equal(digest_format(&d, got), text);
}

static void bytes_in_any_portions_give_the_same_digest(void **state)
{
	AUTO(hasher_freep) struct hasher *h = NULL;

	(void)state;
	assert_int_equal(hasher_new(DIGEST_SHA256, &h, NULL), 0);
	hasher_update(h, "a", 1);
	hasher_update(h, "", 0);
	hasher_update(h, "bc", 2);
	assert_digest_is(hasher_finish(h), ABC_SHA256);
}

static void a_reset_hasher_starts_over_also_with_another_algorithm(void **state)
{
	AUTO(hasher_freep) struct hasher *h = NULL;

	(void)state;
	assert_int_equal(hasher_new(DIGEST_SHA256, &h, NULL), 0);
	hasher_update(h, "left over", 9);
	assert_int_equal(hasher_reset(h, DIGEST_SHA512, NULL), 0);
	hasher_update(h, "abc", 3);
	assert_digest_is(hasher_finish(h), ABC_SHA512);
	assert_int_equal(hasher_reset(h, DIGEST_SHA256, NULL), 0);
	hasher_update(h, "abc", 3);
	assert_digest_is(hasher_finish(h), ABC_SHA256);
}

static void nothing_hashed_is_the_empty_blob(void **state)
{
	AUTO(hasher_freep) struct hasher *h = NULL;
	struct digest empty;
	struct digest got;

	(void)state;
	assert_int_equal(digest_of(DIGEST_SHA512, "", 0, &empty, NULL), 0);
	assert_int_equal(hasher_new(DIGEST_SHA512, &h, NULL), 0);
	got = hasher_finish(h);
	assert_true(digest_equal(&got, &empty));
}

static void a_digest_has_zeros_behind_its_bytes(void **state)
{
	AUTO(hasher_freep) struct hasher *h = NULL;
	struct digest d;

	(void)state;
	assert_int_equal(hasher_new(DIGEST_SHA512, &h, NULL), 0);
	(void)hasher_finish(h);
	assert_int_equal(hasher_reset(h, DIGEST_SHA256, NULL), 0);
	d = hasher_finish(h);
	for (size_t i = digest_raw_len(DIGEST_SHA256); i < DIGEST_RAW_MAX; i++)
		assert_int_equal(d.raw[i], 0);
}

static void freeing_nothing_is_fine(void **state)
{
	(void)state;
	hasher_free(NULL);
}

static void a_look_on_the_way_changes_nothing(void **state)
{
	AUTO(hasher_freep) struct hasher *h = NULL;
	struct digest half, whole, expected;

	(void)state;
	assert_int_equal(hasher_new(DIGEST_SHA256, &h, NULL), 0);
	hasher_update(h, "ab", 2);
	assert_int_equal(hasher_peek(h, &half, NULL), 0);
	assert_int_equal(digest_of(DIGEST_SHA256, "ab", 2, &expected, NULL), 0);
	assert_true(digest_equal(&half, &expected));
	hasher_update(h, "c", 1);
	whole = hasher_finish(h);
	assert_int_equal(digest_of(DIGEST_SHA256, "abc", 3, &expected, NULL), 0);
	assert_true(digest_equal(&whole, &expected));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_look_on_the_way_changes_nothing),
		cmocka_unit_test(bytes_in_any_portions_give_the_same_digest),
		cmocka_unit_test(a_reset_hasher_starts_over_also_with_another_algorithm),
		cmocka_unit_test(nothing_hashed_is_the_empty_blob),
		cmocka_unit_test(a_digest_has_zeros_behind_its_bytes),
		cmocka_unit_test(freeing_nothing_is_fine),
	};

	return cmocka_run_group_tests_name("oci/hasher", tests, NULL, NULL);
}
