/* hot.c - a map from names to manifests that is emptied when it is full. */
#include "server/hot.h"

#include <pthread.h>

#include "util/clock.h"
#include "util/map.h"
#include "util/mem.h"

struct entry {
	uint64_t asked;      /* the count of changes before the store was asked */
	uint64_t expires_ms; /* monotonic */
	struct digest digest;
	char type[MEDIA_TYPE_MAX + 1];
	size_t len;
	char bytes[];
};

struct hot {
	pthread_mutex_t lock;
	uint64_t changes;
	struct map *entries;
	size_t used; /* bytes of all, with those that were replaced since it was emptied */
};

struct hot *hot_new(void)
{
	struct hot *h = xcalloc(1, sizeof(*h));

	(void)pthread_mutex_init(&h->lock, NULL);
	h->entries = map_new(free);
	return h;
}

void hot_free(struct hot *h)
{
	if (!h)
		return;
	map_free(h->entries);
	(void)pthread_mutex_destroy(&h->lock);
	free(h);
}

#define KEY_MAX (REPOSITORY_MAX + 1 + DIGEST_STR_MAX)

/* "repository reference": neither holds a space. */
static size_t key_of(const struct route *route, char key[static KEY_MAX + 1])
{
	char digest[DIGEST_STR_MAX];
	int n = snprintf(key,
		KEY_MAX + 1,
		"%s %s",
		route->repository,
		route->has_digest ? digest_format(&route->digest, digest) : route->tag);

	return n > 0 ? (size_t)n : 0;
}

bool hot_get(struct hot *h, const struct route *route, struct hot_manifest *ret)
{
	char key[KEY_MAX + 1];
	size_t len = key_of(route, key);
	uint64_t now_ms = clock_mono_ms();
	const struct entry *e;
	bool found;

	(void)pthread_mutex_lock(&h->lock);
	e = map_get(h->entries, key, len);
	found = e && e->asked == h->changes && now_ms < e->expires_ms &&
		buf_append(&ret->bytes, e->bytes, e->len, NULL) == 0;
	if (found) {
		ret->digest = e->digest;
		memcpy(ret->type, e->type, sizeof(e->type));
	}
	(void)pthread_mutex_unlock(&h->lock);
	return found;
}

uint64_t hot_now(struct hot *h)
{
	uint64_t changes;

	(void)pthread_mutex_lock(&h->lock);
	changes = h->changes;
	(void)pthread_mutex_unlock(&h->lock);
	return changes;
}

void hot_put(struct hot *h, const struct route *route, uint64_t asked,
	const struct hot_manifest *manifest)
{
	char key[KEY_MAX + 1];
	size_t key_len = key_of(route, key), len = manifest->bytes.len;
	struct entry *e;

	if (len > HOT_ENTRY_MAX)
		return;
	e = xkeep(1, sizeof(*e) + len);
	e->asked = asked;
	e->expires_ms = clock_mono_ms() + HOT_MS;
	e->digest = manifest->digest;
	memcpy(e->type, manifest->type, sizeof(e->type));
	e->len = len;
	memcpy(e->bytes, buf_text(&manifest->bytes), len);
	(void)pthread_mutex_lock(&h->lock);
	if (h->used + sizeof(*e) + len > HOT_MAX) {
		map_free(h->entries);
		h->entries = map_new(free);
		h->used = 0;
	}
	h->used += sizeof(*e) + len;
	map_put(h->entries, key, key_len, e);
	(void)pthread_mutex_unlock(&h->lock);
}

void hot_changed(struct hot *h)
{
	(void)pthread_mutex_lock(&h->lock);
	h->changes++;
	(void)pthread_mutex_unlock(&h->lock);
}
