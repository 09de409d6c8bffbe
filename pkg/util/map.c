/* map.c - a hash map from byte strings to pointers, over uthash. */
#include "util/map.h"

#include <assert.h>
#include <limits.h>
#include <stdint.h>

/* As mem.h has it for sizes that the program chose; uthash would call exit(). */
#define uthash_fatal(msg) abort()
#include <uthash.h>

#include "util/clock.h"
#include "util/mem.h"

struct map_item {
	UT_hash_handle hh;
	void *value;
	size_t len;
	char key[]; /* len bytes and a NUL */
};

struct map {
	struct map_item *items;
	void (*free_value)(void *);
	uint64_t seed[2];
};

static uint64_t rotate(uint64_t v, unsigned bits)
{
	return v << bits | v >> (64 - bits);
}

static void sip_round(uint64_t v[static 4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] = rotate(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] = rotate(v[2], 32);
}

/*
 * SipHash-1-3 (Aumasson and Bernstein 2012) under a key of the map's own: keys
 * are names that a registry chose, and uthash's own hash lets it choose 100,000
 * tags that all land in one bucket.
 */
static unsigned hash(const struct map *m, const void *key, size_t len)
{
	/* "somepseudorandomlygeneratedbytes", the constants of the paper. */
	uint64_t v[4] = {
		m->seed[0] ^ UINT64_C(0x736f6d6570736575),
		m->seed[1] ^ UINT64_C(0x646f72616e646f6d),
		m->seed[0] ^ UINT64_C(0x6c7967656e657261),
		m->seed[1] ^ UINT64_C(0x7465646279746573),
	};
	const char *p = key;
	size_t left = len;
	uint64_t word;

	for (; left >= sizeof(word); p += sizeof(word), left -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
	}
	word = 0;
	memcpy(&word, p, left);
	word |= (uint64_t)len << 56;
	v[3] ^= word;
	sip_round(v);
	v[0] ^= word;
	v[2] ^= 0xff;
	sip_round(v);
	sip_round(v);
	sip_round(v);
	return (unsigned)(v[0] ^ v[1] ^ v[2] ^ v[3]);
}

/* NOLINTBEGIN(readability-function-size): what is large here are uthash's macros. */
static struct map_item *find(const struct map *m, const void *key, size_t len)
{
	struct map_item *item = NULL;

	HASH_FIND_BYHASHVALUE(hh, m->items, key, len, hash(m, key, len), item);
	return item;
}

struct map *map_new(void (*free_value)(void *))
{
	struct map *m = xcalloc(1, sizeof(*m));

	m->free_value = free_value;
	m->seed[0] = random_below(UINT64_MAX);
	m->seed[1] = random_below(UINT64_MAX);
	return m;
}

static void drop_value(const struct map *m, void *value)
{
	if (m->free_value && value)
		m->free_value(value);
}

static void drop_item(struct map *m, struct map_item *item)
{
	HASH_DELETE(hh, m->items, item);
	drop_value(m, item->value);
	free(item);
}

void map_free(struct map *m)
{
	struct map_item *item, *next;

	if (!m)
		return;
	for (item = m->items; item; item = next) {
		next = item->hh.next;
		drop_item(m, item);
	}
	free(m);
}

void map_put(struct map *m, const void *key, size_t len, void *value)
{
	struct map_item *item = find(m, key, len);

	assert(len <= UINT_MAX); /* the length that uthash can hold */
	if (item) {
		void *old = item->value;

		item->value = value;
		if (old != value)
			drop_value(m, old);
		return;
	}
	item = xmalloc(sizeof(*item) + len + 1);
	item->value = value;
	item->len = len;
	memcpy(item->key, key, len);
	item->key[len] = '\0';
	HASH_ADD_KEYPTR_BYHASHVALUE(hh, m->items, item->key, len, hash(m, key, len), item);
}

/* NOLINTEND(readability-function-size) */

void *map_get(const struct map *m, const void *key, size_t len)
{
	const struct map_item *item = find(m, key, len);

	return item ? item->value : NULL;
}

bool map_remove(struct map *m, const void *key, size_t len)
{
	struct map_item *item = find(m, key, len);

	if (!item)
		return false;
	drop_item(m, item);
	return true;
}

void map_put_str(struct map *m, const char *key, void *value)
{
	map_put(m, key, strlen(key), value);
}

void *map_get_str(const struct map *m, const char *key)
{
	return map_get(m, key, strlen(key));
}

bool map_remove_str(struct map *m, const char *key)
{
	return map_remove(m, key, strlen(key));
}

size_t map_count(const struct map *m)
{
	return HASH_COUNT(m->items);
}

struct map_item *map_first(const struct map *m)
{
	return m->items;
}

struct map_item *map_next(const struct map_item *item)
{
	return item->hh.next;
}

const void *map_key(const struct map_item *item, size_t *ret_len)
{
	if (ret_len)
		*ret_len = item->len;
	return item->key;
}

void *map_value(const struct map_item *item)
{
	return item->value;
}
