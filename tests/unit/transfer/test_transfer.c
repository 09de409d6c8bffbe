#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scene.h"

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
	/* The sources may have said no before the upload's session was even open. */
	assert_true(s->to[0].n_uploads <= 1);
	assert_true(s->to[0].n_uploads == 0 || !s->to[0].uploads[0].complete);
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
	s->from[0].first = fake_behaves;
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
	};

	return cmocka_run_group_tests_name("transfer/transfer", tests, NULL, NULL);
}
