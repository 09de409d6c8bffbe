/* Measured sources: which blob goes where, moves in mid-blob, trials, hedges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scene.h"
#include "source/load.h"

#define A_BLOB     "GET /v2/from/there/blobs/"
#define A_MANIFEST "GET /v2/from/there/manifests/"
#define SOME       ((size_t)1024 * 1024 + 1)
#define JOBS_MAX   8

static unsigned moves;
static unsigned failures;

static void note(void *ctx, const struct transfer_event *event)
{
	(void)ctx;
	assert_non_null(event->next);
	if (event->err)
		failures++;
	else
		moves++;
}

static void measured(struct scene *s, unsigned parallel)
{
	const struct transfer_options o = {
		.loop = s->loop,
		.workers = s->workers,
		.parallel = parallel,
		.spool_dirfd = -1,
		.event = note,
		.ctx = s,
	};

	transfer_engine_free(s->engine);
	s->engine = transfer_engine_new(&o);
	s->sources->mode = SOURCE_MEASURED;
	source_set_seed(s->sources, 1);
	moves = failures = 0;
}

/* What a former run measured: bytes/s, and microseconds. */
static void know(struct scene *s, size_t index, uint64_t rate, uint64_t latency_us)
{
	const struct source_sample sample = {
		.backend = "http://before",
		.bytes = rate * 10,
		.window_us = 10000000,
		.latency_us = latency_us,
		.rtt_us = 1000,
	};

	source_begin(s->sources, index, 0, clock_mono_ms());
	source_end(s->sources, index, 0, &sample, clock_wall_sec());
}

static void assert_idle(const struct scene *s)
{
	for (size_t i = 0; i < PLACES; i++)
		assert_true(source_is_idle(s->sources, i));
}

/* ---- where blobs come from ---- */

static void the_quicker_source_gives_the_blob(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(BIG);
	struct digest d = fake_blob(&s->from[0], "from/there", bytes, BIG);

	(void)fake_blob(&s->from[1], "from/there", bytes, BIG);
	measured(s, 4);
	know(s, 0, 1000000, 1000);
	know(s, 1, 9000000, 1000);
	move_blob(s, &d, BIG, TO_FIRST);
	assert_ok(s);
	assert_int_equal(fake_count(&s->from[0], A_BLOB), 0);
	assert_int_equal(fake_count(&s->from[1], A_BLOB), 1);
	assert_true(fake_has_blob(&s->to[0], "to/here", bytes, BIG));
	assert_idle(s);
}

/* 64 KiB each tenth of a second, as long as anybody listens. */
static enum fake_turn trickles(struct fake *f, struct peer_conn *c)
{
	const struct fake_item *item = &f->items[0];

	if (!fake_hears(c, A_BLOB))
		return FAKE_GOES_ON;
	fake_send(c, "x/y", item->bytes, item->len, 0);
	for (size_t at = 0; at < item->len; at += 64 * 1024) {
		size_t n = item->len - at < 64 * 1024 ? item->len - at : 64 * 1024;

		if (!peer_send(c, item->bytes + at, n))
			return FAKE_CLOSES;
		(void)usleep(100 * 1000);
	}
	return FAKE_ANSWERED;
}

static void a_blob_moves_on_to_a_source_that_is_much_quicker(void **state)
{
	struct scene *s = *state;
	const size_t size = 3 * BIG;
	AUTO_FREE char *bytes = content(size);
	struct digest d = fake_blob(&s->from[0], "from/there", bytes, size);
	uint64_t begun = clock_mono_ms();

	(void)fake_blob(&s->from[1], "from/there", bytes, size);
	s->from[0].first = trickles;
	measured(s, 4);
	know(s, 0, 90000000, 1000);
	know(s, 1, 20000000, 1000);
	move_blob(s, &d, size, TO_FIRST);
	assert_ok(s);
	assert_int_equal(moves, 1);
	assert_int_equal(failures, 0);
	assert_int_equal(fake_count(&s->from[0], A_BLOB), 1);
	assert_int_equal(fake_count(&s->from[1], A_BLOB), 1);
	assert_int_equal(s->out.fetched, size); /* no byte twice */
	assert_int_equal(s->sources->items[0].failures, 0);
	assert_true(s->sources->items[0].bytes > 0);
	assert_int_equal(s->sources->items[0].bytes + s->sources->items[1].bytes, size);
	assert_true(fake_has_blob(&s->to[0], "to/here", bytes, size));
	assert_true(clock_mono_ms() - begun < 8000); /* all of it there: 15 s */
	assert_idle(s);
}

static enum fake_turn reads_late(struct fake *f, struct peer_conn *c)
{
	(void)f;
	if (fake_hears(c, "PUT /up/"))
		(void)usleep(4000 * 1000);
	return FAKE_GOES_ON;
}

static void a_slow_destination_is_not_the_sources_fault(void **state)
{
	struct scene *s = *state;
	const size_t size = 5 * BIG; /* more than the kernel's buffers hold */
	AUTO_FREE char *bytes = content(size);
	struct digest d = fake_blob(&s->from[0], "from/there", bytes, size);

	(void)fake_blob(&s->from[1], "from/there", bytes, size);
	assert_int_equal(http_host_set(s->loop,
				 s->to[0].host,
				 &(struct http_host_options){.plain = true, .stall_ms = 9000},
				 NULL),
		0);
	s->to[0].first = reads_late;
	measured(s, 4);
	know(s, 0, 90000000, 1000);
	know(s, 1, 50000000, 1000);
	move_blob(s, &d, size, TO_FIRST);
	assert_ok(s);
	assert_int_equal(moves, 0);
	assert_int_equal(fake_count(&s->from[1], A_BLOB), 0);
	assert_true(source_rate(s->sources, 0) > 80000000);
}

static void a_cap_of_our_own_is_not_the_sources_fault(void **state)
{
	const struct http_loop_options lo = {
		.user_agent = "test", .proxy = "", .bandwidth = 3 * 1024 * 1024};
	struct scene *s = *state;
	const size_t size = 4 * BIG;
	AUTO_FREE char *bytes = content(size);
	struct digest d = fake_blob(&s->from[0], "from/there", bytes, size);

	(void)fake_blob(&s->from[1], "from/there", bytes, size);
	/* The scene once more, on a loop that is throttled. */
	transfer_engine_free(s->engine);
	s->engine = NULL;
	for (size_t i = 0; i < PLACES; i++) {
		registry_free(s->from_registry[i]);
		registry_free(s->to_registry[i]);
	}
	http_loop_free(s->loop);
	assert_int_equal(http_loop_new(&lo, &s->loop, NULL), 0);
	for (size_t i = 0; i < PLACES; i++) {
		const struct http_host_options ho = {.plain = true};
		const struct registry_options from = {.host = s->from[i].host, .plain = true};
		const struct registry_options to = {.host = s->to[i].host, .plain = true};

		assert_int_equal(http_host_set(s->loop, from.host, &ho, NULL), 0);
		assert_int_equal(http_host_set(s->loop, to.host, &ho, NULL), 0);
		assert_int_equal(registry_new(s->loop, &from, &s->from_registry[i], NULL), 0);
		assert_int_equal(registry_new(s->loop, &to, &s->to_registry[i], NULL), 0);
		s->sources->items[i].registry = s->from_registry[i];
	}
	measured(s, 4);
	know(s, 0, 90000000, 1000);
	know(s, 1, 50000000, 1000);
	move_blob(s, &d, size, TO_FIRST);
	assert_ok(s);
	assert_int_equal(moves, 0);
	assert_true(source_rate(s->sources, 0) > 80000000);
}

/* ---- in which order ---- */

struct several {
	struct scene *scene;
	size_t ended;
	unsigned wrong;
};

static void one_ended(void *ctx, struct transfer_result *result)
{
	struct several *all = ctx;

	all->ended++;
	all->wrong += result->errors[0].code != ERR_NONE;
}

static bool all_ended(void *ctx)
{
	const struct several *all = ctx;

	return all->ended == 3 || clock_mono_ms() > all->scene->until_ms;
}

static void ask_one(struct scene *s, struct digest d, uint64_t size, struct several *all)
{
	struct transfer_destination to = {.registry = s->to_registry[0], .repository = "to/here"};

	transfer_blob(s->engine,
		&(struct transfer_request){
			.digest = d,
			.size = size,
			.sources = s->sources,
			.repository = "from/there",
			.destinations = &to,
			.n_destinations = 1,
			.done = one_ended,
			.ctx = all,
		});
}

static void the_largest_goes_first_when_rates_are_known(void **state)
{
	static const size_t sizes[] = {MIDDLE, BIG, SOME};
	struct scene *s = *state;
	struct several all = {.scene = s};
	char names[3][DIGEST_STR_MAX];
	size_t at[3];

	measured(s, 1);
	know(s, 0, 90000000, 1000);
	know(s, 1, 1000000, 1000);
	for (size_t i = 0; i < 3; i++) {
		AUTO_FREE char *bytes = content(sizes[i]);
		struct digest d = fake_blob(&s->from[0], "from/there", bytes, sizes[i]);
		(void)fake_blob(&s->from[1], "from/there", bytes, sizes[i]);
		digest_format(&d, names[i]);
		ask_one(s, d, sizes[i], &all);
	}
	s->until_ms = clock_mono_ms() + PATIENCE_MS;
	assert_int_equal(http_loop_run(s->loop, all_ended, &all, NULL), 0);
	assert_int_equal(all.ended, 3);
	assert_int_equal(all.wrong, 0);
	for (size_t i = 0; i < 3; i++) {
		AUTO_FREE char *line = xasprintf(A_BLOB "%s", names[i]);
		size_t first = fake_last(&s->from[0], line);

		/* An idle source may give one of them: then it was not asked here. */
		at[i] = first;
	}
	assert_true(at[1] > 0);
	assert_true(at[2] == 0 || at[1] < at[2]);
	assert_true(at[0] == 0 || at[2] < at[0]);
	assert_true(at[0] + at[2] > 0);
	assert_idle(s);
}

static char small_name[DIGEST_STR_MAX];

static enum fake_turn is_slow_with_large_ones(struct fake *f, struct peer_conn *c)
{
	(void)f;
	if (fake_hears(c, A_BLOB) && !strstr(c->request, small_name))
		(void)usleep(700 * 1000);
	return FAKE_GOES_ON;
}

static void a_small_blob_does_not_wait_for_all_large_ones(void **state)
{
	static const size_t sizes[] = {SOME, SOME + 1, 1000};
	struct scene *s = *state;
	struct several all = {.scene = s};

	measured(s, 2);
	for (size_t i = 3; i-- > 0;) {
		AUTO_FREE char *bytes = content(sizes[i]);
		struct digest d = fake_blob(&s->from[0], "from/there", bytes, sizes[i]);

		(void)fake_blob(&s->from[1], "from/there", bytes, sizes[i]);
		if (i == 2)
			digest_format(&d, small_name);
	}
	s->from[0].first = s->from[1].first = is_slow_with_large_ones;
	for (size_t i = 0; i < 3; i++) {
		AUTO_FREE char *bytes = content(sizes[i]);

		ask_one(s, fake_digest(bytes, sizes[i]), sizes[i], &all);
	}
	s->until_ms = clock_mono_ms() + 500;
	assert_int_equal(http_loop_run(s->loop, all_ended, &all, NULL), 0);
	assert_int_equal(all.ended, 1);
	s->until_ms = clock_mono_ms() + PATIENCE_MS;
	assert_int_equal(http_loop_run(s->loop, all_ended, &all, NULL), 0);
	assert_int_equal(all.ended, 3);
	assert_int_equal(all.wrong, 0);
}

static void a_mount_gives_its_place_back(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(BIG);
	struct digest d = fake_blob(&s->to[0], "to/elsewhere", bytes, BIG);

	measured(s, 4);
	ask(s, &d, BIG, TO_FIRST, "to/elsewhere");
	run(s);
	assert_ok(s);
	assert_true(s->out.mounted[0]);
	assert_int_equal(fake_count(&s->from[0], A_BLOB) + fake_count(&s->from[1], A_BLOB), 0);
	assert_idle(s);
}

static void what_is_cancelled_gives_its_place_back(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(BIG);
	struct digest d = fake_blob(&s->from[0], "from/there", bytes, BIG);

	measured(s, 4);
	s->from[0].first = s->from[1].first = trickles;
	(void)fake_blob(&s->from[1], "from/there", bytes, BIG);
	ask(s, &d, BIG, TO_FIRST, NULL);
	while (transfer_bytes(s->engine) == 0)
		assert_int_equal(
			http_loop_run(s->loop, is_done, &(struct scene){.until_ms = 1}, NULL), 0);
	transfer_cancel_all(s->engine);
	assert_true(s->out.done);
	assert_int_equal(s->out.errors[0].code, ERR_CANCELED);
	assert_idle(s);
}

/* ---- failures ---- */

static enum fake_turn has_none(struct fake *f, struct peer_conn *c)
{
	(void)f;
	return fake_hears(c, "GET ") ? fake_say(c, 404, "") : FAKE_GOES_ON;
}

static enum fake_turn has_none_for_us(struct fake *f, struct peer_conn *c)
{
	(void)f;
	return fake_hears(c, "GET ") ? fake_say(c, 403, "") : FAKE_GOES_ON;
}

static enum fake_turn is_busy(struct fake *f, struct peer_conn *c)
{
	(void)f;
	return fake_say(c, 503, "");
}

static void the_error_names_each_source_and_why(void **state)
{
	struct scene *s = *state;
	struct digest d = fake_digest("x", 1);
	const char *text;

	s->from[0].first = is_busy;
	s->from[1].first = has_none;
	measured(s, 4);
	move_blob(s, &d, MIDDLE, TO_STORE);
	assert_int_equal(s->out.errors[0].code, ERR_TEMP);
	text = error_text(&s->out.errors[0]);
	assert_non_null(strstr(text, "s0: "));
	assert_non_null(strstr(text, "503"));
	assert_non_null(strstr(text, "; s1: "));
	assert_non_null(strstr(text, "404"));
	assert_idle(s);
}

static void what_nobody_has_is_not_asked_for_again_at_once(void **state)
{
	struct scene *s = *state;
	struct digest d = fake_digest("x", 1);

	measured(s, 4);
	move_blob(s, &d, MIDDLE, TO_STORE);
	assert_int_equal(s->out.errors[0].code, ERR_NOTFOUND);
	move_blob(s, &d, MIDDLE, TO_STORE);
	assert_int_equal(s->out.errors[0].code, ERR_NOTFOUND);
	assert_non_null(strstr(error_text(&s->out.errors[0]), "s0: not there"));
	assert_int_equal(fake_count(&s->from[0], A_BLOB), 1);
	assert_int_equal(fake_count(&s->from[1], A_BLOB), 1);
}

static void what_a_source_was_not_asked_for_is_not_absent(void **state)
{
	struct scene *s = *state;
	struct digest d = fake_digest("x", 1);

	measured(s, 4);
	s->sources->items[1].parked_until_ms =
		clock_mono_ms() + 2 * SOURCE_PARK_MAX_SEC * UINT64_C(1000);
	move_blob(s, &d, MIDDLE, TO_STORE);
	assert_int_equal(s->out.errors[0].code, ERR_TEMP);
	assert_non_null(strstr(error_text(&s->out.errors[0]), "s1: not asked"));
}

static void chain_of(struct scene *s, bool any_error)
{
	measured(s, 4);
	s->sources->mode = SOURCE_ORDERED;
	s->sources->has_chain = true;
	s->sources->chain = (struct chain){.n = 2};
	s->sources->chain.entries[0] =
		(struct chain_entry){.kind = CHAIN_SOURCE, .source = 0, .any_error = any_error};
	s->sources->chain.entries[1] =
		(struct chain_entry){.kind = CHAIN_DIRECT, .source = 1, .authority = true};
}

static void a_chain_ends_where_its_rule_says(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(MIDDLE);
	struct digest d = fake_blob(&s->from[1], "from/there", bytes, MIDDLE);

	chain_of(s, false);
	move_blob(s, &d, MIDDLE, TO_STORE);
	assert_ok(s); /* 404 there goes on */
	s->from[0].first = has_none_for_us;
	d = fake_blob(&s->from[1], "from/there", bytes, MIDDLE - 1);
	move_blob(s, &d, MIDDLE - 1, TO_STORE);
	assert_int_equal(s->out.errors[0].code, ERR_AUTH);
	assert_non_null(strstr(error_text(&s->out.errors[0]), "source s0: "));
	assert_int_equal(fake_count(&s->from[1], A_BLOB), 1);
	chain_of(s, true);
	move_blob(s, &d, MIDDLE - 1, TO_STORE);
	assert_ok(s);
}

static void a_chain_shows_the_authoritys_answer_first(void **state)
{
	struct scene *s = *state;
	struct digest d = fake_digest("x", 1);
	const char *said;

	s->from[0].first = has_none_for_us;
	chain_of(s, true);
	move_blob(s, &d, MIDDLE, TO_STORE);
	said = error_text(&s->out.errors[0]);
	assert_non_null(strstr(said, "s1: "));
	assert_true(strstr(said, "s1: ") < strstr(said, "; s0: "));
	/* But it is not absent: s0 did not say so. */
	assert_int_equal(s->out.errors[0].code, ERR_AUTH);
}

static void a_proven_lie_is_kept_for_other_runs(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(BIG), *wrong = content(BIG);
	char name[DIGEST_STR_MAX];
	struct digest d = fake_blob(&s->from[1], "from/there", bytes, BIG);

	wrong[7] ^= 1;
	fake_keep(&s->from[0], "from/there", digest_format(&d, name), NULL, wrong, BIG);
	measured(s, 4);
	know(s, 0, 90000000, 1000);
	know(s, 1, 1000000, 1000);
	move_blob(s, &d, BIG, TO_FIRST);
	assert_ok(s);
	assert_true(fake_has_blob(&s->to[0], "to/here", bytes, BIG));
	assert_false(s->sources->items[0].quarantined);
	source_struck(s->sources, 0, &d, "again", clock_wall_sec());
	assert_true(s->sources->items[0].quarantined); /* so the first one counted */
}

/* ---- half open ---- */

static void break_first(struct scene *s)
{
	const struct error err = {.code = ERR_TEMP};

	for (int i = 0; i < SOURCE_BREAKER; i++)
		source_learn(s->sources,
			&(struct source_trials){.attempts = 0},
			0,
			0,
			&err,
			clock_mono_ms());
	s->sources->items[0].parked_until_ms = 0;
	assert_true(source_needs_trial(s->sources, 0));
}

static void a_source_that_was_cut_off_is_asked_by_head_first(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(BIG);
	struct digest d = fake_blob(&s->from[0], "from/there", bytes, BIG);

	(void)fake_blob(&s->from[1], "from/there", bytes, BIG);
	measured(s, 4);
	know(s, 0, 90000000, 1000);
	know(s, 1, 1000000, 1000);
	break_first(s);
	move_blob(s, &d, BIG, TO_FIRST);
	assert_ok(s);
	assert_int_equal(fake_last(&s->from[0], "HEAD /v2/from/there/blobs/"), 1);
	assert_int_equal(fake_last(&s->from[0], A_BLOB), 2);
	assert_int_equal(fake_count(&s->from[1], A_BLOB), 0);
	assert_false(source_needs_trial(s->sources, 0));
	assert_idle(s);
}

static void a_source_that_fails_its_trial_gives_no_bytes(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *bytes = content(BIG);
	struct digest d = fake_blob(&s->from[0], "from/there", bytes, BIG);

	(void)fake_blob(&s->from[1], "from/there", bytes, BIG);
	s->from[0].first = is_busy;
	measured(s, 4);
	know(s, 0, 90000000, 1000);
	know(s, 1, 1000000, 1000);
	break_first(s);
	move_blob(s, &d, BIG, TO_FIRST);
	assert_ok(s);
	assert_int_equal(fake_count(&s->from[0], "HEAD "), 1);
	assert_int_equal(fake_count(&s->from[0], A_BLOB), 0);
	assert_int_equal(fake_count(&s->from[1], A_BLOB), 1);
	assert_true(s->sources->items[0].parked_until_ms > clock_mono_ms());
	assert_idle(s);
}

/* ---- manifests ---- */

static char *got_body;

static void on_manifest(void *ctx, struct buf *body, const char *type, struct error *err)
{
	struct scene *s = ctx;

	(void)type;
	s->out.done = true;
	if (err)
		error_move(&s->out.errors[0], err);
	got_body = body ? buf_steal(body) : NULL;
}

static void fetch_manifest(struct scene *s, const struct digest *d)
{
	outcome_clear(&s->out);
	free(got_body);
	got_body = NULL;
	(void)transfer_manifest(s->engine,
		&(struct manifest_request){
			.sources = s->sources,
			.repository = "from/there",
			.digest = *d,
			.done = on_manifest,
			.ctx = s,
		});
	run(s);
}

static const char text[] = "{\"schemaVersion\":2}";

static void a_manifest_comes_from_the_one_that_answers_soonest(void **state)
{
	struct scene *s = *state;
	struct digest d = fake_manifest(&s->from[0], "from/there", NULL, "a/b", text);

	(void)fake_manifest(&s->from[1], "from/there", NULL, "a/b", text);
	measured(s, 4);
	know(s, 0, 90000000, 90000);
	know(s, 1, 1000, 20000);
	fetch_manifest(s, &d);
	assert_string_equal(got_body, text);
	assert_int_equal(fake_count(&s->from[0], A_MANIFEST), 0);
	assert_int_equal(fake_count(&s->from[1], A_MANIFEST), 1);
	free(got_body);
	got_body = NULL;
}

static enum fake_turn is_late(struct fake *f, struct peer_conn *c)
{
	(void)f;
	(void)c;
	(void)usleep(1500 * 1000);
	return FAKE_GOES_ON;
}

static void a_late_answer_is_not_waited_for(void **state)
{
	struct scene *s = *state;
	struct digest d = fake_manifest(&s->from[0], "from/there", NULL, "a/b", text);
	uint64_t begun = clock_mono_ms();

	(void)fake_manifest(&s->from[1], "from/there", NULL, "a/b", text);
	s->from[0].first = is_late;
	measured(s, 4);
	know(s, 0, 1000, 20000);
	know(s, 1, 1000, 90000);
	fetch_manifest(s, &d);
	assert_string_equal(got_body, text);
	assert_true(clock_mono_ms() - begun < 1400);
	assert_int_equal(fake_count(&s->from[1], A_MANIFEST), 1);
	/* The budget is spent: the next one is waited for. */
	begun = clock_mono_ms();
	fetch_manifest(s, &d);
	assert_string_equal(got_body, text);
	assert_true(clock_mono_ms() - begun >= 1400);
	assert_int_equal(fake_count(&s->from[1], A_MANIFEST), 1);
	free(got_body);
	got_body = NULL;
}

static void a_manifest_asks_a_source_that_was_cut_off_by_head_first(void **state)
{
	struct scene *s = *state;
	struct digest d = fake_manifest(&s->from[0], "from/there", NULL, "a/b", text);

	(void)fake_manifest(&s->from[1], "from/there", NULL, "a/b", text);
	measured(s, 4);
	know(s, 0, 1000, 20000);
	know(s, 1, 1000, 90000);
	break_first(s);
	fetch_manifest(s, &d);
	assert_string_equal(got_body, text);
	assert_int_equal(fake_last(&s->from[0], "HEAD /v2/from/there/manifests/"), 1);
	assert_int_equal(fake_last(&s->from[0], A_MANIFEST), 2);
	assert_false(source_needs_trial(s->sources, 0));
	free(got_body);
	got_body = NULL;
}

static void a_manifest_that_fails_everywhere_names_each_source(void **state)
{
	struct scene *s = *state;
	struct digest d = fake_digest(text, strlen(text));

	s->from[0].first = is_busy;
	measured(s, 4);
	fetch_manifest(s, &d);
	assert_null(got_body);
	assert_int_equal(s->out.errors[0].code, ERR_TEMP);
	assert_non_null(strstr(error_text(&s->out.errors[0]), "s0: "));
	assert_non_null(strstr(error_text(&s->out.errors[0]), "s1: "));
	error_clear(&s->out.errors[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define SCENE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
		SCENE(the_quicker_source_gives_the_blob),
		SCENE(a_blob_moves_on_to_a_source_that_is_much_quicker),
		SCENE(a_slow_destination_is_not_the_sources_fault),
		SCENE(a_cap_of_our_own_is_not_the_sources_fault),
		SCENE(a_small_blob_does_not_wait_for_all_large_ones),
		SCENE(the_largest_goes_first_when_rates_are_known),
		SCENE(a_mount_gives_its_place_back),
		SCENE(what_is_cancelled_gives_its_place_back),
		SCENE(the_error_names_each_source_and_why),
		SCENE(what_nobody_has_is_not_asked_for_again_at_once),
		SCENE(what_a_source_was_not_asked_for_is_not_absent),
		SCENE(a_chain_ends_where_its_rule_says),
		SCENE(a_chain_shows_the_authoritys_answer_first),
		SCENE(a_proven_lie_is_kept_for_other_runs),
		SCENE(a_source_that_was_cut_off_is_asked_by_head_first),
		SCENE(a_source_that_fails_its_trial_gives_no_bytes),
		SCENE(a_manifest_comes_from_the_one_that_answers_soonest),
		SCENE(a_late_answer_is_not_waited_for),
		SCENE(a_manifest_asks_a_source_that_was_cut_off_by_head_first),
		SCENE(a_manifest_that_fails_everywhere_names_each_source),
	};

	return cmocka_run_group_tests_name("transfer/measured", tests, NULL, NULL);
}
