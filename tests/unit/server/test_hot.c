#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <time.h>

#include "server/hot.h"
#include "util/mem.h"

#define NS_PER_MS 1000000
#define BYTES_MAX (2 * HOT_ENTRY_MAX)

static struct hot_manifest manifest(const char *text)
{
	struct hot_manifest m = {.type = MEDIA_OCI_MANIFEST, .bytes = BUF_INIT(BYTES_MAX)};

	assert_int_equal(buf_puts(&m.bytes, text, NULL), 0);
	assert_int_equal(digest_of(DIGEST_SHA256, text, strlen(text), &m.digest, NULL), 0);
	return m;
}

static struct route tag(const char *repository, const char *name)
{
	struct route r = {.kind = ROUTE_MANIFEST};

	(void)snprintf(r.repository, sizeof(r.repository), "%s", repository);
	(void)snprintf(r.tag, sizeof(r.tag), "%s", name);
	return r;
}

/* What is remembered of it, or NULL; the caller frees. */
static char *get(struct hot *h, const struct route *r)
{
	struct hot_manifest m = {.bytes = BUF_INIT(BYTES_MAX)};

	if (!hot_get(h, r, &m)) {
		buf_clear(&m.bytes);
		return NULL;
	}
	assert_string_equal(m.type, MEDIA_OCI_MANIFEST);
	return buf_steal(&m.bytes);
}

static void put(struct hot *h, const struct route *r, uint64_t asked, const char *text)
{
	struct hot_manifest m = manifest(text);

	hot_put(h, r, asked, &m);
	buf_clear(&m.bytes);
}

static void assert_text(char *got, const char *text)
{
	assert_non_null(got);
	assert_string_equal(got, text);
	free(got);
}

static void what_was_put_is_got_by_its_name_alone(void **state)
{
	struct hot *h = hot_new();
	struct route a = tag("a", "b"), ab = tag("a/b", "c"), by_digest = tag("a", "");

	(void)state;
	assert_null(get(h, &a));
	put(h, &a, hot_now(h), "one");
	assert_text(get(h, &a), "one");
	assert_null(get(h, &ab));
	by_digest.has_digest = true;
	assert_null(get(h, &by_digest));
	put(h, &by_digest, hot_now(h), "two");
	assert_text(get(h, &by_digest), "two");
	assert_text(get(h, &a), "one");
	hot_free(h);
}

static void a_change_makes_all_of_it_old(void **state)
{
	struct hot *h = hot_new();
	struct route a = tag("a", "b"), other = tag("x", "y");
	uint64_t before = hot_now(h);

	(void)state;
	put(h, &a, before, "one");
	hot_changed(h);
	assert_null(get(h, &a));
	/* Asked before the change, put after it. */
	put(h, &other, before, "old");
	assert_null(get(h, &other));
	put(h, &a, hot_now(h), "two");
	assert_text(get(h, &a), "two");
	hot_free(h);
}

static void what_others_change_is_seen_soon(void **state)
{
	struct hot *h = hot_new();
	struct route a = tag("a", "b");

	(void)state;
	put(h, &a, hot_now(h), "one");
	(void)nanosleep(&(struct timespec){.tv_nsec = (HOT_MS + 10) * NS_PER_MS}, NULL);
	assert_null(get(h, &a));
	hot_free(h);
}

static void memory_has_a_ceiling(void **state)
{
	struct hot *h = hot_new();
	AUTO_FREE char *text = xcalloc(1, HOT_ENTRY_MAX + 2);
	char name[TAG_MAX];
	struct route r;

	(void)state;
	memset(text, 'x', HOT_ENTRY_MAX + 1);
	r = tag("a", "too-large");
	put(h, &r, hot_now(h), text);
	assert_null(get(h, &r));
	text[HOT_ENTRY_MAX] = '\0';
	for (size_t i = 0; i < 3 * HOT_MAX / HOT_ENTRY_MAX; i++) {
		(void)snprintf(name, sizeof(name), "t%zu", i);
		r = tag("a", name);
		put(h, &r, hot_now(h), text);
	}
	r = tag("a", "t0");
	assert_null(get(h, &r));
	r = tag("a", name);
	assert_text(get(h, &r), text);
	hot_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_put_is_got_by_its_name_alone),
		cmocka_unit_test(a_change_makes_all_of_it_old),
		cmocka_unit_test(what_others_change_is_seen_soon),
		cmocka_unit_test(memory_has_a_ceiling),
	};

	return cmocka_run_group_tests_name("server/hot", tests, NULL, NULL);
}
