#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scene.h"

static enum fake_turn is_busy(struct fake *f, struct peer_conn *c)
{
	(void)f;
	return fake_hears(c, "GET ") ? fake_say(c, 503, "") : FAKE_GOES_ON;
}

static struct manifest_got {
	bool done;
	char *body, *type;
	struct error err;
} got;

static void on_manifest(void *ctx, struct buf *body, const char *type, struct error *err)
{
	struct scene *s = ctx;

	s->out.done = got.done = true;
	got.body = body ? buf_steal(body) : NULL;
	got.type = xstrdup(type);
	if (err)
		error_move(&got.err, err);
}

static void got_clear(void)
{
	free(got.body);
	free(got.type);
	error_clear(&got.err);
	got = (struct manifest_got){.done = false};
}

static struct manifest_fetch *ask_manifest(struct scene *s, const struct digest *d)
{
	outcome_clear(&s->out);
	return transfer_manifest(s->engine,
		&(struct manifest_request){
			.sources = s->sources,
			.repository = "from/there",
			.digest = *d,
			.done = on_manifest,
			.ctx = s,
		});
}

static enum fake_turn gives_another_manifest(struct fake *f, struct peer_conn *c)
{
	static const char other[] = "{\"other\":1}";

	(void)f;
	if (!fake_hears(c, "GET /v2/from/there/manifests/"))
		return FAKE_GOES_ON;
	(void)peer_say(c,
		"HTTP/1.1 200 OK\r\nContent-Type: x/y\r\nContent-Length: %zu\r\n\r\n%s",
		strlen(other),
		other);
	return FAKE_ANSWERED;
}

static void a_manifest_comes_from_the_next_source_when_one_lies(void **state)
{
	static const char text[] = "{\"schemaVersion\":2}";
	struct scene *s = *state;
	struct digest d = fake_manifest(&s->from[1], "from/there", NULL, "a/b", text);

	s->from[0].first = gives_another_manifest;
	(void)ask_manifest(s, &d);
	run(s);
	assert_int_equal(got.err.code, ERR_NONE);
	assert_string_equal(got.body, text);
	assert_string_equal(got.type, "a/b");
	assert_int_equal(s->sources->items[0].strikes, 1);
	got_clear();
}

static void a_manifest_that_nobody_has_is_not_found(void **state)
{
	struct scene *s = *state;
	struct digest d = fake_digest("x", 1);

	(void)ask_manifest(s, &d);
	run(s);
	assert_int_equal(got.err.code, ERR_NOTFOUND);
	assert_null(got.body);
	got_clear();
	s->from[0].first = is_busy;
	(void)ask_manifest(s, &d);
	run(s);
	assert_int_equal(got.err.code, ERR_TEMP);
	got_clear();
}

/* A manifest of about n bytes; the caller frees. */
static char *large_manifest(size_t n, unsigned number)
{
	return xasprintf("{\"n\":%u,\"x\":\"%*s\"}", number, (int)n, "");
}

#define LARGE  ((size_t)1024 * 1024)
#define LARGES 8

static atomic_bool no_length; /* the large bodies end with their connections */

static enum fake_turn sends_large(struct fake *f, struct peer_conn *c)
{
	const struct fake_item *item = NULL;

	for (size_t i = 0; i < f->n_items; i++)
		if (strstr(c->request, f->items[i].name))
			item = &f->items[i];
	if (!item)
		return FAKE_GOES_ON;
	(void)peer_say(c, "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nConnection: close\r\n");
	if (!no_length)
		(void)peer_say(c, "Content-Length: %zu\r\n", item->len);
	(void)peer_say(c, "\r\n");
	(void)peer_send(c, item->bytes, item->len);
	return FAKE_CLOSES;
}

struct larges {
	unsigned ended, right;
	uint64_t until_ms;
	char *texts[LARGES];
};

static void on_large(void *ctx, struct buf *body, const char *type, struct error *err)
{
	struct larges *l = ctx;

	(void)type;
	l->ended++;
	for (size_t i = 0; !err && i < LARGES; i++)
		l->right += strcmp(buf_text(body), l->texts[i]) == 0;
}

static bool larges_ended(void *ctx)
{
	const struct larges *l = ctx;

	return l->ended == LARGES || clock_mono_ms() > l->until_ms;
}

static void large_manifests_arrive_with_and_without_a_length(void **state)
{
	struct scene *s = *state;

	s->from[0].first = sends_large;
	for (int round = 0; round < 3; round++) {
		struct larges l = {.until_ms = clock_mono_ms() + PATIENCE_MS};

		no_length = round == 1;
		for (unsigned i = 0; i < LARGES; i++) {
			struct digest d;

			l.texts[i] = large_manifest(LARGE, i + 100 * (unsigned)round);
			d = fake_manifest(&s->from[0], "from/there", NULL, "a/b", l.texts[i]);
			(void)transfer_manifest(s->engine,
				&(struct manifest_request){
					.sources = s->sources,
					.repository = "from/there",
					.digest = d,
					.size = round == 2 ? strlen(l.texts[i]) : 0,
					.done = on_large,
					.ctx = &l,
				});
		}
		assert_int_equal(http_loop_run(s->loop, larges_ended, &l, NULL), 0);
		assert_int_equal(l.right, LARGES);
		for (size_t i = 0; i < LARGES; i++)
			free(l.texts[i]);
	}
}

static void a_large_manifest_is_asked_for_twice_unless_its_size_is_known(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *text = large_manifest(LARGE, 1);
	struct digest d = fake_manifest(&s->from[0], "from/there", NULL, "a/b", text);

	(void)ask_manifest(s, &d);
	run(s);
	assert_string_equal(got.body, text);
	got_clear();
	assert_int_equal(fake_count(&s->from[0], "GET"), 2);
	outcome_clear(&s->out);
	(void)transfer_manifest(s->engine,
		&(struct manifest_request){
			.sources = s->sources,
			.repository = "from/there",
			.digest = d,
			.size = strlen(text),
			.done = on_manifest,
			.ctx = s,
		});
	run(s);
	assert_string_equal(got.body, text);
	got_clear();
	assert_int_equal(fake_count(&s->from[0], "GET"), 3);
	assert_int_equal(fake_count(&s->from[1], "GET"), 0);
}

static void a_cancelled_manifest_gives_its_place_to_the_next(void **state)
{
	struct scene *s = *state;
	struct manifest_fetch *fetches[LARGES];
	AUTO_FREE char *text = large_manifest(LARGE, 1);
	struct digest d = fake_manifest(&s->from[0], "from/there", NULL, "a/b", text);

	for (size_t i = 0; i < LARGES; i++)
		fetches[i] = ask_manifest(s, &d);
	s->until_ms = clock_mono_ms() + 1;
	assert_int_equal(http_loop_run(s->loop, is_done, s, NULL), 0);
	assert_false(s->out.done);
	for (size_t i = 0; i + 1 < LARGES; i++)
		transfer_manifest_cancel(&fetches[i]);
	run(s);
	assert_string_equal(got.body, text);
	got_clear();
}

static void a_cancelled_manifest_calls_nobody_back(void **state)
{
	struct scene *s = *state;
	struct digest d = fake_digest("x", 1);
	struct manifest_fetch *fetch = NULL;

	transfer_manifest_cancel(&fetch);
	for (unsigned ms = 0; ms < 10; ms++) {
		fetch = ask_manifest(s, &d);
		s->until_ms = clock_mono_ms() + ms;
		assert_int_equal(http_loop_run(s->loop, is_done, s, NULL), 0);
		if (!got.done)
			transfer_manifest_cancel(&fetch);
		got_clear();
	}
	outcome_clear(&s->out);
	s->until_ms = clock_mono_ms() + 50;
	assert_int_equal(http_loop_run(s->loop, is_done, s, NULL), 0);
	assert_false(got.done);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define MANIFEST_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		MANIFEST_TEST(a_manifest_comes_from_the_next_source_when_one_lies),
		MANIFEST_TEST(a_manifest_that_nobody_has_is_not_found),
		MANIFEST_TEST(a_cancelled_manifest_calls_nobody_back),
		MANIFEST_TEST(large_manifests_arrive_with_and_without_a_length),
		MANIFEST_TEST(a_large_manifest_is_asked_for_twice_unless_its_size_is_known),
		MANIFEST_TEST(a_cancelled_manifest_gives_its_place_to_the_next),
	};

	return cmocka_run_group_tests_name("transfer/manifest", tests, NULL, NULL);
}
