#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>

#define PLACES 4 /* three mirrors and the authority */
#include "scene.h"
#include "transfer/spool_map.h"
#include "transfer/stripe_plan.h"

#define MIB       ((size_t)1024 * 1024)
#define HUGE_SIZE (15 * MIB + 12345) /* four ranges of 4 MiB, nearly */
#define FROM      "from/there"
#define A_BLOB    "GET /v2/from/there/blobs/"
#define AUTHORITY (PLACES - 1)

/* ---- what fakes do wrong ---- */

/* The header of an answer; *ret_end is one past the last byte that it announces. */
static const char *announce(struct fake *f, struct peer_conn *c, size_t *ret_from, size_t *ret_end)
{
	const struct fake_item *item = &f->items[0];

	(void)fake_range(c, item->len, ret_from, ret_end);
	fake_send(c, "x/y", item->bytes, item->len, *ret_from);
	return item->bytes;
}

/* One wrong bit, after 100 bytes. */
static enum fake_turn lies(struct fake *f, struct peer_conn *c)
{
	const char *bytes;
	size_t from, end;
	char wrong;

	if (!fake_hears(c, A_BLOB))
		return FAKE_GOES_ON;
	bytes = announce(f, c, &from, &end);
	wrong = (char)(bytes[from + 100] ^ 1);
	(void)peer_send(c, bytes + from, 100);
	(void)peer_send(c, &wrong, 1);
	(void)peer_send(c, bytes + from + 101, end - from - 101);
	return FAKE_ANSWERED;
}

static enum fake_turn ignores_ranges(struct fake *f, struct peer_conn *c)
{
	const struct fake_item *item = &f->items[0];

	if (!fake_hears(c, A_BLOB))
		return FAKE_GOES_ON;
	(void)peer_say(c, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", item->len);
	(void)peer_send(c, item->bytes, item->len);
	return FAKE_ANSWERED;
}

static enum fake_turn dies(struct fake *f, struct peer_conn *c)
{
	const struct fake_item *item = &f->items[0];
	size_t from, end;

	if (!fake_hears(c, A_BLOB))
		return FAKE_GOES_ON;
	(void)fake_range(c, item->len, &from, &end);
	fake_send(c, "x/y", item->bytes, item->len, from + (end - from) / 2);
	return FAKE_CLOSES;
}

static enum fake_turn stalls(struct fake *f, struct peer_conn *c)
{
	const struct fake_item *item = &f->items[0];
	size_t from, end;

	if (!fake_hears(c, A_BLOB))
		return FAKE_GOES_ON;
	(void)fake_range(c, item->len, &from, &end);
	fake_send(c, "x/y", item->bytes, item->len, from + 1000);
	peer_linger(c);
	return FAKE_CLOSES;
}

/* 2 MiB/s for each connection. */
static enum fake_turn is_slow(struct fake *f, struct peer_conn *c)
{
	const char *bytes;
	size_t from, end;

	if (!fake_hears(c, A_BLOB))
		return FAKE_GOES_ON;
	bytes = announce(f, c, &from, &end);
	for (; from < end; from += 64 * 1024) {
		size_t n = end - from < 64 * 1024 ? end - from : 64 * 1024;

		if (!peer_send(c, bytes + from, n))
			return FAKE_CLOSES;
		(void)usleep(32 * 1000);
	}
	return FAKE_ANSWERED;
}

static enum fake_turn takes_slowly(struct fake *f, struct peer_conn *c)
{
	(void)f;
	if (fake_hears(c, "PUT /up/"))
		(void)usleep(1000 * 1000);
	return FAKE_GOES_ON;
}

static enum fake_turn cuts_first_upload(struct fake *f, struct peer_conn *c)
{
	struct scene *s = f->ctx;

	if (!fake_hears(c, "PUT /up/") || atomic_fetch_add(&s->met, 1) > 0)
		return FAKE_GOES_ON;
	(void)peer_take(c, NULL, c->content_length / 2);
	return FAKE_CLOSES;
}

/* Each answer has another strong ETag. */
static enum fake_turn changes_its_etag(struct fake *f, struct peer_conn *c)
{
	struct scene *s = f->ctx;
	const struct fake_item *item = &f->items[0];
	size_t from, end;

	if (!fake_hears(c, A_BLOB))
		return FAKE_GOES_ON;
	(void)fake_range(c, item->len, &from, &end);
	(void)peer_say(c,
		"HTTP/1.1 206 Partial\r\nContent-Range: bytes %zu-%zu/%zu\r\nETag: \"%u\"\r\n"
		"Content-Length: %zu\r\n\r\n",
		from,
		end - 1,
		item->len,
		atomic_fetch_add(&s->met, 1),
		end - from);
	(void)peer_send(c, item->bytes + from, end - from);
	return FAKE_ANSWERED;
}

/* ---- the scene ---- */

static int striped(void **state)
{
	int rc = setup(state);
	struct scene *s = *state;

	s->sources->mode = SOURCE_MEASURED;
	s->sources->stripe_from = MIB;
	return rc;
}

/* The same blob everywhere. */
static struct digest hold(struct scene *s, const char *bytes, size_t n)
{
	struct digest d = fake_digest(bytes, n);

	for (size_t i = 0; i < PLACES; i++)
		d = fake_blob(&s->from[i], FROM, bytes, n);
	return d;
}

static void misbehave(
	struct scene *s, size_t source, enum fake_turn (*first)(struct fake *, struct peer_conn *))
{
	atomic_store(&s->from[source].first, first);
}

static unsigned givers(struct scene *s)
{
	unsigned n = 0;

	for (size_t i = 0; i < PLACES; i++)
		n += s->sources->items[i].bytes > 0;
	return n;
}

static unsigned strikes_of_others(const struct scene *s, size_t source)
{
	unsigned n = 0;

	for (size_t i = 0; i < PLACES; i++)
		n += i == source ? 0 : s->sources->items[i].strikes;
	return n;
}

static bool is_told(const struct scene *s, const char *text)
{
	if (s->told && strstr(s->told, text))
		return true;
	print_message("told: %s", s->told ? s->told : "nothing\n");
	return false;
}

/* ---- the way it goes ---- */

static void a_large_blob_comes_from_several_sources(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(HUGE_SIZE);
	struct digest d = hold(s, bytes, HUGE_SIZE);

	move_blob(s, &d, HUGE_SIZE, TO_FIRST | TO_STORE);
	assert_ok(s);
	assert_true(givers(s) >= 3);
	assert_true(s->out.fetched >= HUGE_SIZE);
	assert_int_equal(s->out.reused, 0);
	assert_true(fake_has_blob(&s->to[0], "to/here", bytes, HUGE_SIZE));
	assert_true(store_has(s, &d, bytes, HUGE_SIZE));
	assert_true(spool_is_empty(s));
	assert_int_equal(s->events, 0);
}

static void a_small_blob_does_not(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(MIB - 1);
	struct digest d = hold(s, bytes, MIB - 1);

	move_blob(s, &d, MIB - 1, TO_FIRST);
	assert_ok(s);
	assert_int_equal(givers(s), 1);
}

static void without_a_spool_nothing_is_striped(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(HUGE_SIZE);
	struct digest d = hold(s, bytes, HUGE_SIZE);

	closep(&s->spool);
	s->spool = -1;
	engine_start(s, false);
	move_blob(s, &d, HUGE_SIZE, TO_FIRST);
	assert_ok(s);
	assert_int_equal(givers(s), 1);
}

static void in_order_means_one_after_the_other(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(HUGE_SIZE);
	struct digest d = hold(s, bytes, HUGE_SIZE);

	s->sources->mode = SOURCE_ORDERED;
	move_blob(s, &d, HUGE_SIZE, TO_FIRST);
	assert_ok(s);
	assert_int_equal(fake_count(&s->from[0], A_BLOB), 1);
	assert_int_equal(givers(s), 1);
}

static void a_slow_target_is_waited_for(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(HUGE_SIZE);
	struct digest d = hold(s, bytes, HUGE_SIZE);

	atomic_store(&s->to[0].first, takes_slowly);
	move_blob(s, &d, HUGE_SIZE, TO_FIRST);
	assert_ok(s);
	assert_true(givers(s) >= 3);
	assert_true(fake_has_blob(&s->to[0], "to/here", bytes, HUGE_SIZE));
}

static void a_slow_source_gives_up_its_tail(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(HUGE_SIZE);
	struct digest d = hold(s, bytes, HUGE_SIZE);

	misbehave(s, 1, is_slow);
	move_blob(s, &d, HUGE_SIZE, TO_FIRST);
	assert_ok(s);
	/* Of its range of 4 MiB. */
	assert_in_range(s->sources->items[1].bytes, 1, 4 * MIB - 1);
	assert_int_equal(s->sources->items[1].failures, 0);
	assert_int_equal(s->events, 0);
}

/* ---- sources that fail ---- */

static void a_source_that_dies_leaves_its_ranges_to_others(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(HUGE_SIZE);
	struct digest d = hold(s, bytes, HUGE_SIZE);

	/* Slow, so that nobody has taken over its tail before. */
	misbehave(s, 0, dies);
	misbehave(s, 1, is_slow);
	misbehave(s, 2, dies);
	misbehave(s, 3, is_slow);
	move_blob(s, &d, HUGE_SIZE, TO_FIRST);
	assert_ok(s);
	assert_true(fake_has_blob(&s->to[0], "to/here", bytes, HUGE_SIZE));
	assert_int_equal(s->sources->items[0].failures, 1);
	assert_int_equal(s->sources->items[2].failures, 1);
	/* What it gave was kept. */
	assert_true(s->sources->items[0].bytes > MIB);
	assert_true(is_told(s, "s0: "));
	assert_true(is_told(s, "others take over its ranges"));
}

static void the_last_source_goes_on_alone(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(HUGE_SIZE);
	struct digest d = hold(s, bytes, HUGE_SIZE);

	for (size_t i = 0; i < AUTHORITY; i++)
		misbehave(s, i, dies);
	move_blob(s, &d, HUGE_SIZE, TO_FIRST);
	assert_ok(s);
	assert_true(fake_has_blob(&s->to[0], "to/here", bytes, HUGE_SIZE));
}

static void a_source_that_stalls_is_replaced(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(HUGE_SIZE);
	struct digest d = hold(s, bytes, HUGE_SIZE);

	misbehave(s, 0, stalls);
	move_blob(s, &d, HUGE_SIZE, TO_FIRST);
	assert_ok(s);
	assert_true(fake_has_blob(&s->to[0], "to/here", bytes, HUGE_SIZE));
}

static void a_source_without_ranges_is_no_failure(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(HUGE_SIZE);
	struct digest d = hold(s, bytes, HUGE_SIZE);

	misbehave(s, 1, ignores_ranges);
	move_blob(s, &d, HUGE_SIZE, TO_FIRST);
	assert_ok(s);
	assert_int_equal(s->sources->items[1].failures, 0);
	assert_int_equal(s->sources->items[1].strikes, 0);
	assert_int_equal(s->sources->items[1].bytes, 0);
	assert_true(is_told(s, "s1: source s1: it does not answer a Range with a part"));
}

static void without_ranges_anywhere_one_gives_the_whole(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(HUGE_SIZE);
	struct digest d = hold(s, bytes, HUGE_SIZE);

	for (size_t i = 0; i < PLACES; i++)
		misbehave(s, i, ignores_ranges);
	move_blob(s, &d, HUGE_SIZE, TO_FIRST);
	assert_ok(s);
	assert_int_equal(givers(s), 1);
	assert_int_equal(s->out.fetched, HUGE_SIZE);
}

static void a_source_whose_etag_changes_leaves(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(HUGE_SIZE);
	struct digest d = hold(s, bytes, HUGE_SIZE);

	misbehave(s, 0, changes_its_etag);
	for (size_t i = 1; i < PLACES; i++)
		misbehave(s, i, is_slow);
	move_blob(s, &d, HUGE_SIZE, TO_FIRST);
	assert_ok(s);
	assert_true(is_told(s, "s0: source s0: its ETag changed"));
	assert_int_equal(s->sources->items[0].failures, 0);
}

static void a_full_disk_costs_the_stripe_and_no_more(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(HUGE_SIZE);
	struct digest d = hold(s, bytes, HUGE_SIZE);
	struct rlimit before, full;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	full = (struct rlimit){.rlim_cur = 5 * MIB, .rlim_max = before.rlim_max};
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
	move_blob(s, &d, HUGE_SIZE, TO_FIRST);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_ok(s);
	assert_true(fake_has_blob(&s->to[0], "to/here", bytes, HUGE_SIZE));
	assert_true(is_told(s, "going on without the spool"));
	assert_true(spool_is_empty(s));
	for (size_t i = 0; i < PLACES; i++)
		assert_int_equal(s->sources->items[i].failures, 0);
}

/* ---- again ---- */

static void an_upload_that_was_cut_is_sent_again_from_the_spool(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(HUGE_SIZE);
	struct digest d = hold(s, bytes, HUGE_SIZE);

	atomic_store(&s->to[0].first, cuts_first_upload);
	move_blob(s, &d, HUGE_SIZE, TO_FIRST);
	assert_ok(s);
	assert_true(fake_has_blob(&s->to[0], "to/here", bytes, HUGE_SIZE));
	/* A range that was under way then is asked for again. */
	assert_true(s->out.fetched < HUGE_SIZE + PLACES * STRIPE_SLOTS_EACH * MIB);
}

struct halfway {
	struct scene *s;
	uint64_t bytes;
};

static bool is_halfway(void *ctx)
{
	const struct halfway *h = ctx;

	return transfer_bytes(h->s->engine) >= h->bytes || clock_mono_ms() > h->s->until_ms;
}

static void run_halfway(struct scene *s, uint64_t bytes)
{
	struct halfway h = {.s = s, .bytes = bytes};

	s->until_ms = clock_mono_ms() + PATIENCE_MS;
	assert_int_equal(http_loop_run(s->loop, is_halfway, &h, NULL), 0);
	assert_true(transfer_bytes(s->engine) >= bytes);
}

static void what_came_is_not_fetched_again_by_the_next_run(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(HUGE_SIZE);
	struct digest d = hold(s, bytes, HUGE_SIZE);
	uint64_t had;

	for (size_t i = 0; i < PLACES; i++)
		misbehave(s, i, is_slow);
	ask(s, &d, HUGE_SIZE, TO_FIRST, NULL);
	run_halfway(s, HUGE_SIZE / 2);
	had = transfer_bytes(s->engine);
	engine_start(s, false); /* frees the other one, in mid-stripe */
	for (size_t i = 0; i < PLACES; i++)
		misbehave(s, i, fake_behaves);
	move_blob(s, &d, HUGE_SIZE, TO_FIRST);
	assert_ok(s);
	assert_int_equal(s->out.fetched + s->out.reused, HUGE_SIZE);
	assert_int_equal(s->out.reused, had);
	assert_true(fake_has_blob(&s->to[0], "to/here", bytes, HUGE_SIZE));
	assert_true(spool_is_empty(s));
}

/* Pieces with holes between, as a stripe leaves them. */
static void spool_pieces(struct scene *s, const struct digest *d, const char *bytes)
{
	struct spool_file f = SPOOL_FILE_INIT;

	assert_int_equal(spool_open(&f, s->spool, d, HUGE_SIZE, NULL), 0);
	assert_int_equal(spool_map_begin(&f, NULL), 0);
	for (size_t at = 2 * MIB; at < 14 * MIB; at += 4 * MIB) {
		assert_int_equal(spool_write(&f, at, bytes + at, 2 * MIB, NULL), 0);
		spool_note(&f, at, at + 2 * MIB);
	}
	spool_close(&f);
}

static void holes_are_filled_by_one_source_too(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(HUGE_SIZE);
	struct digest d = fake_blob(&s->from[AUTHORITY], FROM, bytes, HUGE_SIZE);

	s->sources->mode = SOURCE_ORDERED;
	spool_pieces(s, &d, bytes);
	move_blob(s, &d, HUGE_SIZE, TO_FIRST);
	assert_ok(s);
	assert_int_equal(s->out.reused, 6 * MIB);
	assert_int_equal(s->out.fetched, HUGE_SIZE - 6 * MIB);
	assert_true(fake_has_blob(&s->to[0], "to/here", bytes, HUGE_SIZE));
}

/* ---- blame ---- */

static void a_liar_is_named_with_proof_and_the_run_succeeds(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(HUGE_SIZE);
	struct digest d = hold(s, bytes, HUGE_SIZE);

	misbehave(s, 1, lies);
	move_blob(s, &d, HUGE_SIZE, TO_FIRST | TO_STORE);
	assert_ok(s);
	assert_true(fake_has_blob(&s->to[0], "to/here", bytes, HUGE_SIZE));
	assert_true(store_has(s, &d, bytes, HUGE_SIZE));
	assert_int_equal(s->sources->items[1].strikes, 1);
	assert_int_equal(strikes_of_others(s, 1), 0);
	assert_true(is_told(s, "s1: source s1 gave wrong bytes: bytes "));
	assert_true(is_told(s, "differ from those verified by s3, first at byte "));
	assert_true(is_told(s, s->from[1].host));
}

static void two_liars_are_both_named(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(HUGE_SIZE);
	struct digest d = hold(s, bytes, HUGE_SIZE);

	misbehave(s, 0, lies);
	misbehave(s, 2, lies);
	move_blob(s, &d, HUGE_SIZE, TO_FIRST);
	assert_ok(s);
	assert_int_equal(s->sources->items[0].strikes, 1);
	assert_int_equal(s->sources->items[2].strikes, 1);
	assert_int_equal(s->sources->items[1].strikes + s->sources->items[3].strikes, 0);
}

static void an_authority_that_lies_is_found_out_by_a_mirror(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(HUGE_SIZE);
	struct digest d = hold(s, bytes, HUGE_SIZE);

	misbehave(s, AUTHORITY, lies);
	move_blob(s, &d, HUGE_SIZE, TO_FIRST);
	assert_ok(s);
	assert_true(fake_has_blob(&s->to[0], "to/here", bytes, HUGE_SIZE));
	assert_int_equal(s->sources->items[AUTHORITY].strikes, 1);
	assert_int_equal(strikes_of_others(s, AUTHORITY), 0);
}

static void wrong_bytes_on_disk_are_nobodys_fault(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(HUGE_SIZE);
	AUTO_FREE char *wrong = xmemdup(bytes, HUGE_SIZE);
	struct digest d = hold(s, bytes, HUGE_SIZE);

	wrong[7 * MIB] ^= 1;
	spool_pieces(s, &d, wrong);
	move_blob(s, &d, HUGE_SIZE, TO_FIRST);
	assert_ok(s);
	assert_true(fake_has_blob(&s->to[0], "to/here", bytes, HUGE_SIZE));
	assert_int_equal(strikes_of_others(s, PLACES), 0);
	assert_true(is_told(s, "they were on disk"));
}

/* Half of it, and that with one wrong bit. */
static enum fake_turn lies_and_dies(struct fake *f, struct peer_conn *c)
{
	const struct fake_item *item = &f->items[0];
	AUTO_FREE char *bytes = NULL;

	if (!fake_hears(c, A_BLOB))
		return FAKE_GOES_ON;
	bytes = xmemdup(item->bytes, item->len);
	bytes[1234] ^= 1;
	fake_send(c, "x/y", bytes, item->len, item->len / 2);
	return FAKE_CLOSES;
}

static void the_liar_of_a_plain_blob_is_named_too(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(BIG);
	struct digest d = hold(s, bytes, BIG);

	s->sources->mode = SOURCE_ORDERED;
	misbehave(s, 0, lies_and_dies);
	move_blob(s, &d, BIG, TO_FIRST);
	assert_ok(s);
	assert_true(fake_has_blob(&s->to[0], "to/here", bytes, BIG));
	assert_int_equal(s->sources->items[0].strikes, 1);
	assert_int_equal(strikes_of_others(s, 0), 0);
	assert_true(is_told(s, "s0: source s0 gave wrong bytes: bytes 0-"));
	assert_true(is_told(s, "verified by s3, first at byte 1234, kept "));
}

static void whoever_went_on_after_a_failure_is_named_when_it_lied(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(MIDDLE);
	struct digest d = hold(s, bytes, MIDDLE);

	s->sources->mode = SOURCE_ORDERED;
	misbehave(s, 0, dies);
	misbehave(s, 1, lies);
	move_blob(s, &d, MIDDLE, TO_FIRST);
	assert_ok(s);
	assert_int_equal(s->sources->items[1].strikes, 1);
	assert_int_equal(strikes_of_others(s, 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define STRIPE_TEST(f) cmocka_unit_test_setup_teardown(f, striped, teardown)
		STRIPE_TEST(a_large_blob_comes_from_several_sources),
		STRIPE_TEST(a_small_blob_does_not),
		STRIPE_TEST(without_a_spool_nothing_is_striped),
		STRIPE_TEST(in_order_means_one_after_the_other),
		STRIPE_TEST(a_slow_target_is_waited_for),
		STRIPE_TEST(a_slow_source_gives_up_its_tail),
		STRIPE_TEST(a_source_that_dies_leaves_its_ranges_to_others),
		STRIPE_TEST(the_last_source_goes_on_alone),
		STRIPE_TEST(a_source_that_stalls_is_replaced),
		STRIPE_TEST(a_source_without_ranges_is_no_failure),
		STRIPE_TEST(without_ranges_anywhere_one_gives_the_whole),
		STRIPE_TEST(a_full_disk_costs_the_stripe_and_no_more),
		STRIPE_TEST(an_upload_that_was_cut_is_sent_again_from_the_spool),
		STRIPE_TEST(what_came_is_not_fetched_again_by_the_next_run),
		STRIPE_TEST(holes_are_filled_by_one_source_too),
		STRIPE_TEST(a_liar_is_named_with_proof_and_the_run_succeeds),
		STRIPE_TEST(two_liars_are_both_named),
		STRIPE_TEST(an_authority_that_lies_is_found_out_by_a_mirror),
		STRIPE_TEST(wrong_bytes_on_disk_are_nobodys_fault),
		STRIPE_TEST(the_liar_of_a_plain_blob_is_named_too),
		STRIPE_TEST(whoever_went_on_after_a_failure_is_named_when_it_lied),
		STRIPE_TEST(a_source_whose_etag_changes_leaves),
	};

	return cmocka_run_group_tests_name("transfer/stripe", tests, NULL, NULL);
}
