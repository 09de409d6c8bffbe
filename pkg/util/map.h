/*
 * map.h - a hash map from byte strings to pointers.
 *
 * Keys are copied into the map; values are the caller's and are not freed,
 * unless a destructor was given to map_new().  Order of iteration is the order
 * of insertion.  Not thread-safe.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "util/compiler.h"

struct map;

/* free_value may be NULL; it is called for values that are replaced, removed, or left at the end.
 */
struct map *map_new(void (*free_value)(void *));
void map_free(struct map *m); /* NULL is fine */
DEFINE_CLEANUP(struct map *, map_free);

/* Keys are len bytes; the _str forms take NUL-terminated text without its NUL. */
void map_put(struct map *m, const void *key, size_t len, void *value); /* replaces */
void *map_get(const struct map *m, const void *key, size_t len);       /* NULL: not there */
bool map_remove(struct map *m, const void *key, size_t len);           /* false: was not there */
void map_put_str(struct map *m, const char *key, void *value);
void *map_get_str(const struct map *m, const char *key);
bool map_remove_str(struct map *m, const char *key);

size_t map_count(const struct map *m);

/*
 * Iteration: `for (struct map_item *i = map_first(m); i; i = map_next(i))`.
 * The current item may be removed by the loop only after map_next() was taken.
 */
struct map_item;
struct map_item *map_first(const struct map *m);
struct map_item *map_next(const struct map_item *item);
const void *map_key(
	const struct map_item *item, size_t *ret_len); /* ret_len may be NULL; has a NUL */
void *map_value(const struct map_item *item);
