#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>

#include "../../lib/fake.h"
#include "../../lib/folder.h"
#include "transfer/ring.h"
#include "transfer/spool.h"
#include "transfer/transfer.h"
#include "util/clock.h"
#include "util/file.h"

#define PATIENCE_MS 20000 /* after that a test has failed */
#define PLACES      2     /* mirror and authority; two targets */
#define BIG         ((size_t)3 * 1024 * 1024 + 12345)
#define MIDDLE      ((size_t)300 * 1000)

struct outcome {
	bool done;
	size_t n;
	struct error errors[PLACES + 1];
	bool mounted[PLACES + 1];
	uint64_t fetched, reused;
	char *source;
};

struct scene {
	struct fake from[PLACES], to[PLACES];
	struct http_loop *loop;
	struct registry *from_registry[PLACES], *to_registry[PLACES];
	struct source_set *sources;
	char *folder;
	int spool;
	struct store *store;
	struct workers *workers;
	struct transfer_engine *engine;
	struct outcome out;
	uint64_t until_ms;
	unsigned events;
	/* For what the fakes do wrong. */
	atomic_uint met;
};

/* ---- the scene ---- */

static void on_event(void *ctx, const struct transfer_event *event)
{
	struct scene *s = ctx;

	assert_non_null(event->next);
	assert_non_null(event->err);
	s->events++;
}

static void engine_start(struct scene *s, bool with_store)
{
	const struct transfer_options o = {
		.loop = s->loop,
		.workers = s->workers,
		.store = with_store ? s->store : NULL,
		.parallel = 4,
		.spool_dirfd = s->spool,
		.spool_from = MIDDLE + 1,
		.spool_limit = 16 * BIG,
		.event = on_event,
		.ctx = s,
	};

	transfer_engine_free(s->engine);
	s->engine = transfer_engine_new(&o);
}

static struct registry *talk_to(struct scene *s, struct fake *f)
{
	const struct http_host_options ho = {.plain = true, .stall_ms = 3000};
	const struct registry_options ro = {.host = f->host, .plain = true};
	struct registry *r = NULL;

	fake_start(f);
	f->ctx = s;
	assert_int_equal(http_host_set(s->loop, f->host, &ho, NULL), 0);
	/* The name is known now. */
	assert_int_equal(registry_new(s->loop, &ro, &r, NULL), 0);
	return r;
}

static int setup(void **state)
{
	const struct http_loop_options lo = {.user_agent = "test", .proxy = ""};
	struct scene *s = xcalloc(1, sizeof(*s));
	AUTO_FREE char *path = NULL, *spool = NULL;

	s->folder = folder_make();
	path = xasprintf("%s/store", s->folder);
	spool = xasprintf("%s/spool", s->folder);
	assert_int_equal(http_loop_new(&lo, &s->loop, NULL), 0);
	s->sources = source_set_new("test");
	for (size_t i = 0; i < PLACES; i++) {
		char name[] = {'s', (char)('0' + i), '\0'};
		struct source source = {.name = name, .authority = i + 1 == PLACES};

		source.registry = s->from_registry[i] = talk_to(s, &s->from[i]);
		s->to_registry[i] = talk_to(s, &s->to[i]);
		assert_int_equal(source_set_add(s->sources, &source, NULL), 0);
	}
	assert_int_equal(workers_new(2, 4, &s->workers, NULL), 0);
	assert_int_equal(store_open(path, &s->store, NULL), 0);
	assert_int_equal(dir_open(AT_FDCWD, spool, true, &s->spool, NULL), 0);
	engine_start(s, false);
	*state = s;
	return 0;
}

static void outcome_clear(struct outcome *o)
{
	for (size_t i = 0; i < ARRAY_SIZE(o->errors); i++)
		error_clear(&o->errors[i]);
	free(o->source);
	*o = (struct outcome){.done = false};
}

static int teardown(void **state)
{
	struct scene *s = *state;

	transfer_engine_free(s->engine);
	outcome_clear(&s->out);
	source_set_free(s->sources);
	for (size_t i = 0; i < PLACES; i++) {
		registry_free(s->from_registry[i]);
		registry_free(s->to_registry[i]);
	}
	workers_free(s->workers);
	http_loop_free(s->loop);
	store_close(s->store);
	for (size_t i = 0; i < PLACES; i++) {
		fake_stop(&s->from[i]);
		fake_stop(&s->to[i]);
	}
	closep(&s->spool);
	folder_remove(s->folder);
	free(s);
	return 0;
}

static char *content(size_t n)
{
	char *bytes = xmalloc(n ? n : 1);
	uint32_t x = 0x12345678u + (uint32_t)n;

	for (size_t i = 0; i < n; i++) {
		x = x * 1664525u + 1013904223u;
		bytes[i] = (char)(x >> 24);
	}
	return bytes;
}

/* ---- one blob ---- */

static void on_done(void *ctx, struct transfer_result *result)
{
	struct scene *s = ctx;

	assert_false(s->out.done);
	s->out.done = true;
	s->out.n = result->n;
	for (size_t i = 0; i < result->n; i++) {
		error_move(&s->out.errors[i], &result->errors[i]);
		s->out.mounted[i] = result->mounted[i];
	}
	s->out.fetched = result->fetched;
	s->out.reused = result->reused;
	s->out.source = xstrdup(result->source);
}

static bool is_done(void *ctx)
{
	const struct scene *s = ctx;

	return s->out.done || clock_mono_ms() > s->until_ms;
}

static void run(struct scene *s)
{
	s->until_ms = clock_mono_ms() + PATIENCE_MS;
	assert_int_equal(http_loop_run(s->loop, is_done, s, NULL), 0);
	assert_true(s->out.done);
}

enum where {
	TO_FIRST = 1,
	TO_SECOND = 2,
	TO_STORE = 4,
};

static void ask(struct scene *s, const struct digest *digest, uint64_t size, unsigned where,
	const char *mount_from)
{
	struct transfer_destination to[PLACES + 1];
	size_t n = 0;

	for (size_t i = 0; i < PLACES; i++)
		if (where & (1u << i))
			to[n++] = (struct transfer_destination){.registry = s->to_registry[i],
				.repository = "to/here",
				.mount_from = mount_from};
	if (where & TO_STORE)
		to[n++] = (struct transfer_destination){.store = s->store, .repository = "to/here"};
	outcome_clear(&s->out);
	transfer_blob(s->engine,
		&(struct transfer_request){
			.digest = *digest,
			.size = size,
			.sources = s->sources,
			.repository = "from/there",
			.destinations = to,
			.n_destinations = n,
			.done = on_done,
			.ctx = s,
		});
	assert_false(s->out.done);
}

static void move_blob(struct scene *s, const struct digest *digest, uint64_t size, unsigned where)
{
	ask(s, digest, size, where, NULL);
	run(s);
}

static void assert_ok(const struct scene *s)
{
	for (size_t i = 0; i < s->out.n; i++)
		if (s->out.errors[i].code != ERR_NONE)
			fail_msg("destination %zu: %s", i, error_text(&s->out.errors[i]));
}

static bool store_has(struct scene *s, const struct digest *digest, const char *bytes, size_t n)
{
	AUTO_FREE char *read = xmalloc(n ? n : 1);
	AUTO_CLOSE int fd = -1;
	uint64_t size = 0;

	if (store_blob_open(s->store, digest, &fd, &size, NULL) < 0 || size != n)
		return false;
	assert_int_equal(pread_all(fd, read, n, 0, NULL), 0);
	return memcmp(read, bytes, n) == 0;
}

static bool spool_is_empty(struct scene *s)
{
	AUTO_FREE char *path = xasprintf("%s/spool", s->folder);
	DIR *dir = opendir(path);
	size_t n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	(void)closedir(dir);
	return n == 2; /* itself and its parent */
}

static void spool_fill(
	struct scene *s, const struct digest *digest, const char *bytes, size_t n, size_t size)
{
	struct spool_file f = SPOOL_FILE_INIT;

	assert_int_equal(spool_open(&f, s->spool, digest, size, NULL), 0);
	assert_int_equal(spool_append(&f, bytes, n, NULL), 0);
	spool_close(&f);
}

/* ---- what fakes do wrong ---- */

#define A_BLOB "GET /v2/from/there/blobs/"

static unsigned meet(struct fake *f)
{
	struct scene *s = f->ctx;

	return atomic_fetch_add(&s->met, 1);
}

/* The first answer breaks off in the middle. */
static enum fake_turn breaks_once(struct fake *f, struct peer_conn *c)
{
	const struct fake_item *item = &f->items[0];

	if (!fake_hears(c, A_BLOB) || meet(f) > 0)
		return FAKE_GOES_ON;
	fake_send(c, "x/y", item->bytes, item->len, item->len / 2);
	return FAKE_CLOSES;
}

static enum fake_turn breaks_always(struct fake *f, struct peer_conn *c)
{
	const struct fake_item *item = &f->items[0];

	if (!fake_hears(c, A_BLOB))
		return FAKE_GOES_ON;
	fake_send(c, "x/y", item->bytes, item->len, item->len / 2);
	return FAKE_CLOSES;
}

/* Right length, one wrong bit in the middle. */
static enum fake_turn corrupts(struct fake *f, struct peer_conn *c)
{
	const struct fake_item *item = &f->items[0];
	AUTO_FREE char *bytes = NULL;

	if (!fake_hears(c, A_BLOB))
		return FAKE_GOES_ON;
	bytes = xmemdup(item->bytes, item->len);
	bytes[item->len / 3] ^= 1;
	fake_send(c, "x/y", bytes, item->len, item->len);
	return FAKE_ANSWERED;
}

static enum fake_turn corrupts_then_breaks(struct fake *f, struct peer_conn *c)
{
	const struct fake_item *item = &f->items[0];
	AUTO_FREE char *bytes = NULL;

	if (!fake_hears(c, A_BLOB))
		return FAKE_GOES_ON;
	bytes = xmemdup(item->bytes, item->len);
	bytes[item->len / 3] ^= 1;
	fake_send(c, "x/y", bytes, item->len, item->len / 2);
	return FAKE_CLOSES;
}

static enum fake_turn refuses_uploads(struct fake *f, struct peer_conn *c)
{
	(void)f;
	return fake_hears(c, "POST ") ? fake_refuse(c, 403, "") : FAKE_GOES_ON;
}

static enum fake_turn cuts_first_upload(struct fake *f, struct peer_conn *c)
{
	if (!fake_hears(c, "PUT /up/") || meet(f) > 0)
		return FAKE_GOES_ON;
	(void)peer_take(c, NULL, c->content_length / 2);
	return FAKE_CLOSES;
}

static enum fake_turn wants_chunks(struct fake *f, struct peer_conn *c)
{
	(void)f;
	if (fake_hears(c, "PUT /up/") && c->content_length > 0)
		return fake_refuse(c, 413, "");
	return FAKE_GOES_ON;
}

static enum fake_turn reads_slowly(struct fake *f, struct peer_conn *c)
{
	(void)f;
	if (fake_hears(c, "PUT /up/"))
		(void)usleep(200 * 1000);
	return FAKE_GOES_ON;
}

static enum fake_turn says_nothing(struct fake *f, struct peer_conn *c)
{
	(void)f;
	if (!fake_hears(c, A_BLOB))
		return FAKE_GOES_ON;
	peer_linger(c);
	return FAKE_CLOSES;
}

static enum fake_turn has_none(struct fake *f, struct peer_conn *c)
{
	(void)f;
	return fake_hears(c, "GET ") ? fake_say(c, 404, "") : FAKE_GOES_ON;
}

static enum fake_turn is_busy(struct fake *f, struct peer_conn *c)
{
	(void)f;
	return fake_hears(c, "GET ") ? fake_say(c, 503, "") : FAKE_GOES_ON;
}

/* ---- the way it goes ---- */

static void a_blob_goes_to_all_destinations_with_one_fetch(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(BIG);
	struct digest d = fake_blob(&s->from[0], "from/there", bytes, BIG);

	move_blob(s, &d, BIG, TO_FIRST | TO_SECOND | TO_STORE);
	assert_ok(s);
	assert_int_equal(s->out.n, 3);
	assert_int_equal(s->out.fetched, BIG);
	assert_int_equal(transfer_bytes(s->engine), BIG);
	assert_string_equal(s->out.source, "s0");
	assert_true(fake_has_blob(&s->to[0], "to/here", bytes, BIG));
	assert_true(fake_has_blob(&s->to[1], "to/here", bytes, BIG));
	assert_true(store_has(s, &d, bytes, BIG));
	assert_int_equal(fake_count(&s->from[0], A_BLOB), 1);
	assert_true(spool_is_empty(s));
}

static void blobs_of_all_sizes_arrive(void **state)
{
	static const size_t sizes[] = {1,
		TRANSFER_HOLD_BACK - 1,
		TRANSFER_HOLD_BACK,
		TRANSFER_HOLD_BACK + 1,
		RING_SIZE - 1,
		RING_SIZE,
		RING_SIZE + 1,
		RING_SIZE + TRANSFER_HOLD_BACK,
		2 * RING_SIZE};
	struct scene *s = *state;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		AUTO_FREE char *bytes = content(sizes[i]);
		struct digest d = fake_blob(&s->from[0], "from/there", bytes, sizes[i]);

		move_blob(s, &d, sizes[i], TO_FIRST | TO_STORE);
		assert_ok(s);
		assert_true(fake_has_blob(&s->to[0], "to/here", bytes, sizes[i]));
		assert_true(store_has(s, &d, bytes, sizes[i]));
	}
}

static void an_empty_blob_needs_no_source(void **state)
{
	struct scene *s = *state;
	struct digest d = fake_digest("", 0);

	move_blob(s, &d, 0, TO_FIRST | TO_STORE);
	assert_ok(s);
	assert_true(fake_has_blob(&s->to[0], "to/here", "", 0));
	assert_true(store_has(s, &d, "", 0));
	assert_int_equal(fake_count(&s->from[0], "GET"), 0);
}

static void an_empty_blob_with_another_digest_fails_at_once(void **state)
{
	struct scene *s = *state;
	struct digest d = fake_digest("x", 1);

	move_blob(s, &d, 0, TO_FIRST | TO_STORE);
	assert_int_equal(s->out.errors[0].code, ERR_CORRUPT);
	assert_int_equal(s->out.errors[1].code, ERR_CORRUPT);
	assert_true(fake_count(&s->to[0], "POST") <= 1);
	assert_int_equal(fake_count(&s->to[0], "PUT"), 0);
}

static void a_mount_moves_no_byte(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(MIDDLE);
	struct digest d = fake_blob(&s->to[0], "to/elsewhere", bytes, MIDDLE);

	ask(s, &d, MIDDLE, TO_FIRST, "to/elsewhere");
	run(s);
	assert_ok(s);
	assert_true(s->out.mounted[0]);
	assert_true(fake_has_blob(&s->to[0], "to/here", bytes, MIDDLE));
	assert_int_equal(fake_count(&s->from[0], "GET"), 0);
	assert_int_equal(s->to[0].n_uploads, 0);
}

static void a_refused_mount_becomes_an_upload(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(MIDDLE);
	struct digest d = fake_blob(&s->from[0], "from/there", bytes, MIDDLE);

	s->to[0].no_mounts = true;
	ask(s, &d, MIDDLE, TO_FIRST, "to/elsewhere");
	run(s);
	assert_ok(s);
	assert_false(s->out.mounted[0]);
	assert_true(fake_has_blob(&s->to[0], "to/here", bytes, MIDDLE));
}

static void the_store_is_asked_before_any_source(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(BIG);
	struct digest d = fake_blob(&s->from[0], "from/there", bytes, BIG);

	move_blob(s, &d, BIG, TO_STORE);
	assert_ok(s);
	engine_start(s, true);
	s->to[1].first = reads_slowly;
	move_blob(s, &d, BIG, TO_FIRST | TO_SECOND);
	assert_ok(s);
	assert_int_equal(s->out.fetched, 0);
	assert_int_equal(s->out.reused, BIG);
	assert_int_equal(fake_count(&s->from[0], A_BLOB), 1);
	assert_true(fake_has_blob(&s->to[0], "to/here", bytes, BIG));
	assert_true(fake_has_blob(&s->to[1], "to/here", bytes, BIG));
}

static void a_damaged_copy_in_the_store_is_replaced_by_a_source(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(MIDDLE), *wrong = content(MIDDLE);
	struct digest d = fake_blob(&s->from[0], "from/there", bytes, MIDDLE);
	struct store_writer *w = NULL;

	/* The store believes what its writer says. */
	wrong[0] ^= 1;
	assert_int_equal(store_writer_new(s->store, &d, MIDDLE, &w, NULL), 0);
	assert_int_equal(store_writer_write(w, wrong, MIDDLE, NULL), 0);
	assert_int_equal(store_writer_finish(w, "from/there", NULL), 0);
	store_writer_free(w);
	engine_start(s, true);
	move_blob(s, &d, MIDDLE, TO_FIRST);
	assert_ok(s);
	assert_true(fake_has_blob(&s->to[0], "to/here", bytes, MIDDLE));
}

/* ---- sources that fail ---- */

static void a_source_that_breaks_is_replaced_in_mid_blob(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(BIG);
	struct digest d = fake_blob(&s->from[0], "from/there", bytes, BIG);

	(void)fake_blob(&s->from[1], "from/there", bytes, BIG);
	s->from[0].first = breaks_once;
	move_blob(s, &d, BIG, TO_FIRST | TO_STORE);
	assert_ok(s);
	/* Not one byte came twice, and the upload was not begun again. */
	assert_int_equal(s->out.fetched, BIG);
	assert_int_equal(s->to[0].n_uploads, 1);
	assert_string_equal(s->out.source, "s1");
	assert_int_equal(s->sources->items[0].failures, 1);
	assert_true(fake_has_blob(&s->to[0], "to/here", bytes, BIG));
	assert_true(store_has(s, &d, bytes, BIG));
}

static void the_same_source_goes_on_where_it_broke(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(BIG);
	struct digest d = fake_blob(&s->from[1], "from/there", bytes, BIG);

	s->from[1].first = breaks_once;
	move_blob(s, &d, BIG, TO_FIRST);
	assert_ok(s);
	assert_int_equal(s->out.fetched, BIG);
	assert_int_equal(fake_count(&s->from[1], A_BLOB), 2);
}

static void a_source_that_stalls_is_replaced(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(MIDDLE);
	const struct http_host_options ho = {.plain = true, .stall_ms = 300, .first_byte_ms = 300};
	struct digest d = fake_blob(&s->from[1], "from/there", bytes, MIDDLE);

	assert_int_equal(http_host_set(s->loop, s->from[0].host, &ho, NULL), 0);
	s->from[0].first = says_nothing;
	move_blob(s, &d, MIDDLE, TO_FIRST);
	assert_ok(s);
	assert_string_equal(s->out.source, "s1");
}

static void wrong_bytes_never_reach_a_target_whole(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(BIG);
	struct digest d = fake_blob(&s->from[0], "from/there", bytes, BIG);

	(void)fake_blob(&s->from[1], "from/there", bytes, BIG);
	s->from[0].first = corrupts;
	move_blob(s, &d, BIG, TO_FIRST | TO_STORE);
	assert_ok(s);
	assert_string_equal(s->out.source, "s1");
	assert_int_equal(s->sources->items[0].strikes, 1);
	assert_int_equal(s->sources->items[1].strikes, 0);
	assert_true(fake_has_blob(&s->to[0], "to/here", bytes, BIG));
	assert_true(store_has(s, &d, bytes, BIG));
	/* The first upload was given up, its end was never sent. */
	assert_int_equal(s->to[0].n_uploads, 2);
	assert_true(s->to[0].uploads[0].len <= BIG - TRANSFER_HOLD_BACK);
	assert_false(s->to[0].uploads[0].complete);
	assert_int_equal(fake_count(&s->to[0], "DELETE /up/0"), 1);
}

static void wrong_bytes_from_everybody_fail_and_leave_nothing(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(BIG);
	struct digest d = fake_blob(&s->from[0], "from/there", bytes, BIG);

	(void)fake_blob(&s->from[1], "from/there", bytes, BIG);
	s->from[0].first = s->from[1].first = corrupts;
	move_blob(s, &d, BIG, TO_FIRST | TO_STORE);
	assert_int_equal(s->out.errors[0].code, ERR_CORRUPT);
	assert_int_equal(s->out.errors[1].code, ERR_CORRUPT);
	assert_non_null(strstr(error_text(&s->out.errors[0]), "source s1"));
	assert_false(fake_has_blob(&s->to[0], "to/here", bytes, BIG));
	assert_false(store_has(s, &d, bytes, BIG));
	assert_true(spool_is_empty(s));
}

static void wrong_bytes_of_mixed_origin_are_fetched_whole_from_one(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(BIG);
	struct digest d = fake_blob(&s->from[0], "from/there", bytes, BIG);

	(void)fake_blob(&s->from[1], "from/there", bytes, BIG);
	s->from[0].first = corrupts_then_breaks;
	move_blob(s, &d, BIG, TO_FIRST | TO_STORE);
	assert_ok(s);
	assert_true(fake_has_blob(&s->to[0], "to/here", bytes, BIG));
	assert_int_equal(s->sources->items[1].strikes, 0);
}

static void nobody_has_it(void **state)
{
	struct scene *s = *state;
	struct digest d = fake_digest("x", 1);

	move_blob(s, &d, MIDDLE, TO_FIRST | TO_STORE);
	assert_int_equal(s->out.errors[0].code, ERR_NOTFOUND);
	assert_int_equal(s->out.errors[1].code, ERR_NOTFOUND);
	assert_int_equal(s->to[0].n_uploads, 1);
	assert_false(s->to[0].uploads[0].complete);
}

static void absent_is_only_what_every_source_said_was_absent(void **state)
{
	struct scene *s = *state;
	struct digest d = fake_digest("x", 1);

	s->from[0].first = is_busy;
	s->from[1].first = has_none;
	move_blob(s, &d, MIDDLE, TO_STORE);
	assert_int_equal(s->out.errors[0].code, ERR_TEMP);
}

static void a_source_that_always_breaks_ends_the_blob(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(MIDDLE);
	struct digest d = fake_blob(&s->from[1], "from/there", bytes, MIDDLE);

	s->from[0].first = has_none;
	s->from[1].first = breaks_always;
	move_blob(s, &d, MIDDLE, TO_FIRST | TO_STORE);
	assert_int_equal(s->out.errors[0].code, ERR_TEMP);
	assert_int_equal(s->out.errors[1].code, ERR_TEMP);
	assert_true(fake_count(&s->from[1], A_BLOB) <= SOURCE_ATTEMPTS_EACH);
}

/* ---- destinations that fail ---- */

static void a_destination_that_refuses_does_not_disturb_the_others(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(BIG);
	struct digest d = fake_blob(&s->from[0], "from/there", bytes, BIG);

	s->to[0].first = refuses_uploads;
	move_blob(s, &d, BIG, TO_FIRST | TO_SECOND | TO_STORE);
	assert_int_equal(s->out.errors[0].code, ERR_AUTH);
	assert_int_equal(s->out.errors[1].code, ERR_NONE);
	assert_int_equal(s->out.errors[2].code, ERR_NONE);
	assert_true(fake_has_blob(&s->to[1], "to/here", bytes, BIG));
	assert_true(store_has(s, &d, bytes, BIG));
	assert_int_equal(s->out.fetched, BIG);
}

static void an_upload_that_was_cut_is_sent_again_from_the_spool(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(BIG);
	struct digest d = fake_blob(&s->from[0], "from/there", bytes, BIG);

	s->to[0].first = cuts_first_upload;
	move_blob(s, &d, BIG, TO_FIRST | TO_SECOND);
	assert_ok(s);
	assert_int_equal(s->out.fetched, BIG);
	assert_int_equal(s->out.reused, BIG);
	assert_int_equal(s->to[0].n_uploads, 2);
	assert_int_equal(s->to[1].n_uploads, 1);
	assert_true(fake_has_blob(&s->to[0], "to/here", bytes, BIG));
	assert_true(spool_is_empty(s));
}

static void a_small_upload_that_was_cut_is_fetched_again(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(MIDDLE);
	struct digest d = fake_blob(&s->from[0], "from/there", bytes, MIDDLE);

	s->to[0].first = cuts_first_upload;
	move_blob(s, &d, MIDDLE, TO_FIRST);
	assert_ok(s);
	assert_int_equal(s->out.fetched, 2 * MIDDLE);
	assert_true(fake_has_blob(&s->to[0], "to/here", bytes, MIDDLE));
}

static void a_registry_that_wants_chunks_gets_them(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(BIG);
	struct digest d = fake_blob(&s->from[0], "from/there", bytes, BIG);

	s->to[0].first = wants_chunks;
	move_blob(s, &d, BIG, TO_FIRST | TO_SECOND);
	assert_ok(s);
	assert_true(fake_has_blob(&s->to[0], "to/here", bytes, BIG));
	assert_int_equal(fake_count(&s->to[0], "PATCH"), 4);
}

static void chunks_are_fed_from_the_store_alike(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(BIG);
	struct digest d = fake_blob(&s->from[0], "from/there", bytes, BIG);

	move_blob(s, &d, BIG, TO_STORE);
	engine_start(s, true);
	s->to[0].first = wants_chunks;
	move_blob(s, &d, BIG, TO_FIRST);
	assert_ok(s);
	assert_int_equal(s->out.fetched, 0);
	assert_true(fake_has_blob(&s->to[0], "to/here", bytes, BIG));
}

static void wrong_bytes_are_never_closed_in_chunks(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(BIG), *first = content(MIDDLE);
	struct digest small = fake_blob(&s->from[1], "from/there", first, MIDDLE);
	struct digest d;

	s->to[0].first = wants_chunks;
	move_blob(s, &small, MIDDLE, TO_FIRST);
	assert_ok(s);
	d = fake_blob(&s->from[0], "from/there", bytes, BIG);
	s->from[0].first = corrupts;
	move_blob(s, &d, BIG, TO_FIRST);
	assert_int_equal(s->out.errors[0].code, ERR_CORRUPT);
	assert_false(fake_has_blob(&s->to[0], "to/here", bytes, BIG));
	assert_int_equal(fake_count(&s->to[0], "PUT"), 2);
}

/* ---- the spool ---- */

static void a_spooled_prefix_is_not_fetched_again(void **state)
{
	/* Shorter than the ring, longer, all of it. */
	static const size_t prefixes[] = {1, 1000, RING_SIZE, RING_SIZE + 1, BIG - 1, BIG};
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(BIG);
	struct digest d = fake_blob(&s->from[0], "from/there", bytes, BIG);
	char text[DIGEST_STR_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		spool_fill(s, &d, bytes, prefixes[i], BIG);
		move_blob(s, &d, BIG, TO_FIRST);
		assert_ok(s);
		assert_int_equal(s->out.reused, prefixes[i]);
		assert_int_equal(s->out.fetched, BIG - prefixes[i]);
		assert_true(fake_has_blob(&s->to[0], "to/here", bytes, BIG));
		fake_drop(&s->to[0], "to/here", digest_format(&d, text));
		assert_true(spool_is_empty(s));
	}
}

static void a_wrong_spooled_prefix_is_thrown_away(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(BIG), *wrong = content(BIG);
	struct digest d = fake_blob(&s->from[0], "from/there", bytes, BIG);

	wrong[5] ^= 1;
	spool_fill(s, &d, wrong, BIG / 2, BIG);
	move_blob(s, &d, BIG, TO_FIRST | TO_STORE);
	assert_ok(s);
	assert_int_equal(s->sources->items[0].strikes, 0);
	assert_true(fake_has_blob(&s->to[0], "to/here", bytes, BIG));
	assert_true(store_has(s, &d, bytes, BIG));
}

static void what_was_fetched_stays_for_the_next_run(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(BIG);
	struct digest d = fake_blob(&s->from[0], "from/there", bytes, BIG);

	s->to[0].first = refuses_uploads;
	s->from[1].first = has_none;
	s->from[0].first = breaks_always;
	move_blob(s, &d, BIG, TO_SECOND);
	assert_int_equal(s->out.errors[0].code, ERR_TEMP);
	s->from[0].first = NULL;
	engine_start(s, false);
	s->sources->items[0].parked_until_ms = 0;
	move_blob(s, &d, BIG, TO_SECOND);
	assert_ok(s);
	assert_true(s->out.reused >= BIG / 2);
	assert_true(s->out.fetched < BIG);
}

/* ---- the end ---- */

static void cancelling_tells_everybody_and_keeps_the_spool(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(BIG);
	struct digest d = fake_blob(&s->from[0], "from/there", bytes, BIG);
	struct transfer_progress progress;

	s->from[0].first = says_nothing;
	spool_fill(s, &d, bytes, 1000, BIG);
	ask(s, &d, BIG, TO_FIRST | TO_STORE, NULL);
	s->until_ms = clock_mono_ms() + 200;
	assert_int_equal(http_loop_run(s->loop, is_done, s, NULL), 0);
	assert_int_equal(transfer_running(s->engine), 1);
	assert_int_equal(transfer_progress(s->engine, &progress, 1), 1);
	assert_int_equal(progress.position, 1000);
	assert_string_equal(progress.source, "s0");
	transfer_cancel_all(s->engine);
	assert_true(s->out.done);
	assert_int_equal(s->out.errors[0].code, ERR_CANCELED);
	assert_int_equal(s->out.errors[1].code, ERR_CANCELED);
	assert_non_null(strstr(error_text(&s->out.errors[0]), "stopped at byte 1000 of"));
	assert_int_equal(transfer_running(s->engine), 0);
	assert_false(spool_is_empty(s));
}

static void cancelling_reaches_what_waits(void **state)
{
	struct scene *s = *state;
	struct digest d = fake_digest("x", 1);

	ask(s, &d, 1, TO_FIRST, NULL);
	transfer_cancel_all(s->engine);
	assert_true(s->out.done);
	assert_int_equal(s->out.errors[0].code, ERR_CANCELED);
}

static void an_engine_is_freed_at_any_moment(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(BIG);
	struct digest d = fake_blob(&s->from[0], "from/there", bytes, BIG);

	for (unsigned i = 0; i < 40; i++) {
		ask(s, &d, BIG, TO_FIRST | TO_STORE, NULL);
		s->until_ms = clock_mono_ms() + i;
		assert_int_equal(http_loop_run(s->loop, is_done, s, NULL), 0);
		engine_start(s, i % 2);
	}
	/* And the loop lives on. */
	outcome_clear(&s->out);
	s->until_ms = clock_mono_ms() + 50;
	assert_int_equal(http_loop_run(s->loop, is_done, s, NULL), 0);
	assert_false(s->out.done);
}

/* ---- manifests ---- */

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
#define TRANSFER_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		TRANSFER_TEST(a_blob_goes_to_all_destinations_with_one_fetch),
		TRANSFER_TEST(blobs_of_all_sizes_arrive),
		TRANSFER_TEST(an_empty_blob_needs_no_source),
		TRANSFER_TEST(an_empty_blob_with_another_digest_fails_at_once),
		TRANSFER_TEST(a_mount_moves_no_byte),
		TRANSFER_TEST(a_refused_mount_becomes_an_upload),
		TRANSFER_TEST(the_store_is_asked_before_any_source),
		TRANSFER_TEST(a_damaged_copy_in_the_store_is_replaced_by_a_source),
		TRANSFER_TEST(a_source_that_breaks_is_replaced_in_mid_blob),
		TRANSFER_TEST(the_same_source_goes_on_where_it_broke),
		TRANSFER_TEST(a_source_that_stalls_is_replaced),
		TRANSFER_TEST(wrong_bytes_never_reach_a_target_whole),
		TRANSFER_TEST(wrong_bytes_from_everybody_fail_and_leave_nothing),
		TRANSFER_TEST(wrong_bytes_of_mixed_origin_are_fetched_whole_from_one),
		TRANSFER_TEST(nobody_has_it),
		TRANSFER_TEST(absent_is_only_what_every_source_said_was_absent),
		TRANSFER_TEST(a_source_that_always_breaks_ends_the_blob),
		TRANSFER_TEST(a_destination_that_refuses_does_not_disturb_the_others),
		TRANSFER_TEST(an_upload_that_was_cut_is_sent_again_from_the_spool),
		TRANSFER_TEST(a_small_upload_that_was_cut_is_fetched_again),
		TRANSFER_TEST(a_registry_that_wants_chunks_gets_them),
		TRANSFER_TEST(chunks_are_fed_from_the_store_alike),
		TRANSFER_TEST(wrong_bytes_are_never_closed_in_chunks),
		TRANSFER_TEST(a_spooled_prefix_is_not_fetched_again),
		TRANSFER_TEST(a_wrong_spooled_prefix_is_thrown_away),
		TRANSFER_TEST(what_was_fetched_stays_for_the_next_run),
		TRANSFER_TEST(cancelling_tells_everybody_and_keeps_the_spool),
		TRANSFER_TEST(cancelling_reaches_what_waits),
		TRANSFER_TEST(an_engine_is_freed_at_any_moment),
		TRANSFER_TEST(a_manifest_comes_from_the_next_source_when_one_lies),
		TRANSFER_TEST(a_manifest_that_nobody_has_is_not_found),
		TRANSFER_TEST(a_cancelled_manifest_calls_nobody_back),
		TRANSFER_TEST(large_manifests_arrive_with_and_without_a_length),
		TRANSFER_TEST(a_large_manifest_is_asked_for_twice_unless_its_size_is_known),
		TRANSFER_TEST(a_cancelled_manifest_gives_its_place_to_the_next),
	};

	return cmocka_run_group_tests_name("transfer/transfer", tests, NULL, NULL);
}
