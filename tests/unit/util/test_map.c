#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "util/map.h"
#include "util/mem.h"

#define MANY 20000

static void what_was_put_is_found_and_nothing_else(void **state)
{
	AUTO(map_freep) struct map *m = map_new(NULL);
	int one = 1, two = 2;

	(void)state;
	assert_null(map_get_str(m, "a"));
	map_put_str(m, "a", &one);
	map_put_str(m, "ab", &two);
	assert_ptr_equal(map_get_str(m, "a"), &one);
	assert_ptr_equal(map_get(m, "abc", 2), &two);
	assert_null(map_get_str(m, "b"));
	assert_null(map_get_str(m, ""));
	assert_int_equal(map_count(m), 2);
}

static void keys_may_hold_any_bytes(void **state)
{
	AUTO(map_freep) struct map *m = map_new(NULL);
	int one = 1, two = 2, three = 3;
	size_t len;

	(void)state;
	map_put(m, "a\0b", 3, &one);
	map_put(m, "a\0c", 3, &two);
	map_put(m, "", 0, &three);
	assert_ptr_equal(map_get(m, "a\0b", 3), &one);
	assert_ptr_equal(map_get(m, "a\0c", 3), &two);
	assert_ptr_equal(map_get_str(m, ""), &three);
	assert_null(map_get_str(m, "a"));
	assert_memory_equal(map_key(map_first(m), &len), "a\0b", 4);
	assert_int_equal(len, 3);
}

static int n_freed;

static void count_free(void *p)
{
	n_freed++;
	free(p);
}

static void the_destructor_sees_each_value_once(void **state)
{
	struct map *m = map_new(count_free);

	(void)state;
	n_freed = 0;
	map_put_str(m, "a", xstrdup("1"));
	map_put_str(m, "b", xstrdup("2"));
	map_put_str(m, "a", xstrdup("3"));
	assert_int_equal(n_freed, 1);
	map_put_str(m, "a", map_get_str(m, "a")); /* itself: stays alive */
	assert_int_equal(n_freed, 1);
	assert_string_equal(map_get_str(m, "a"), "3");
	assert_true(map_remove_str(m, "b"));
	assert_false(map_remove_str(m, "b"));
	assert_int_equal(n_freed, 2);
	map_free(m);
	assert_int_equal(n_freed, 3);
	map_free(NULL);
}

static void iteration_follows_the_order_of_insertion(void **state)
{
	AUTO(map_freep) struct map *m = map_new(NULL);
	static const char *const keys[] = {"z", "a", "m"};
	int values[] = {0, 1, 2};
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		map_put_str(m, keys[i], &values[i]);
	map_put_str(m, "z", &values[0]); /* replacing does not move it */
	for (struct map_item *i = map_first(m); i; i = map_next(i)) {
		assert_string_equal(map_key(i, NULL), keys[n]);
		assert_ptr_equal(map_value(i), &values[n]);
		n++;
	}
	assert_int_equal(n, 3);
}

static void items_may_be_removed_while_walking(void **state)
{
	AUTO(map_freep) struct map *m = map_new(NULL);
	struct map_item *next;
	int value;

	(void)state;
	for (int i = 0; i < MANY; i++)
		map_put(m, &i, sizeof(i), &value);
	for (struct map_item *i = map_first(m); i; i = next) {
		int key;

		next = map_next(i);
		memcpy(&key, map_key(i, NULL), sizeof(key));
		if (key % 2)
			assert_true(map_remove(m, &key, sizeof(key)));
	}
	assert_int_equal(map_count(m), MANY / 2);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(map_get(m, &i, sizeof(i)) != NULL, i % 2 == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_put_is_found_and_nothing_else),
		cmocka_unit_test(keys_may_hold_any_bytes),
		cmocka_unit_test(the_destructor_sees_each_value_once),
		cmocka_unit_test(iteration_follows_the_order_of_insertion),
		cmocka_unit_test(items_may_be_removed_while_walking),
	};

	return cmocka_run_group_tests_name("util/map", tests, NULL, NULL);
}
