#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "source/freshness.h"
#include "util/compiler.h"
#include "util/mem.h"

#define NOW  INT64_C(1790000000) /* seconds */
#define HOUR INT64_C(3600)

static struct digest digest_no(unsigned n)
{
	struct digest d = {.algo = DIGEST_SHA256};

	d.raw[0] = (uint8_t)n;
	d.raw[31] = (uint8_t)~n;
	return d;
}

/* The authority had the digests of these numbers, an hour each, the last since an hour ago. */
static struct tag_history history_of(size_t n, const unsigned *numbers)
{
	struct tag_history h = {.n = 0};

	for (size_t i = 0; i < n; i++) {
		const struct digest d = digest_no(numbers[i]);

		assert_true(tag_history_add(&h, &d, NOW - (int64_t)(n - i) * HOUR));
	}
	return h;
}

#define HISTORY(...) \
	history_of(sizeof((unsigned[]){__VA_ARGS__}) / sizeof(unsigned), (unsigned[]){__VA_ARGS__})

static struct freshness_facts answer(unsigned number)
{
	return (struct freshness_facts){.answered = true, .digest = digest_no(number)};
}

static void assert_final(
	struct tag_history h, struct freshness_facts facts, enum freshness state, int64_t lag_sec)
{
	struct freshness_verdict v = freshness_judge(&h, &facts, NOW);

	assert_string_equal(freshness_name(v.state), freshness_name(state));
	assert_int_equal(v.lag_sec, lag_sec);
	assert_false(v.ask_content);
	assert_false(v.ask_again);
	assert_false(v.ask_origin);
	assert_false(v.ask_children);
}

enum asks {
	CONTENT = 1,
	AGAIN = 2,
	CHILDREN = 4,
	ORIGIN = 8
};

static void assert_asks(struct tag_history h, struct freshness_facts facts, enum asks asks)
{
	struct freshness_verdict v = freshness_judge(&h, &facts, NOW);

	assert_int_equal(v.state, FRESH_UNKNOWN);
	assert_int_equal(v.ask_content, asks == CONTENT);
	assert_int_equal(v.ask_again, asks == AGAIN);
	assert_int_equal(v.ask_children, asks == CHILDREN);
	assert_int_equal(v.ask_origin, asks == ORIGIN);
}

/* ---- the history ---- */

static void a_history_grows_when_the_tag_moves(void **state)
{
	struct tag_history h = {.n = 0};
	struct digest a = digest_no(1), b = digest_no(2);

	(void)state;
	assert_int_equal(tag_history_changed(&h), 0);
	assert_true(tag_history_add(&h, &a, NOW));
	assert_int_equal(tag_history_changed(&h), NOW);
	assert_false(tag_history_add(&h, &a, NOW + 5));
	assert_int_equal(tag_history_changed(&h), NOW);
	assert_true(tag_history_add(&h, &b, NOW + 10));
	assert_int_equal(tag_history_changed(&h), NOW + 10);
	assert_true(tag_history_add(&h, &a, NOW + 20)); /* rolled back */
	assert_int_equal(h.n, 3);
	assert_int_equal(tag_history_changed(&h), NOW + 20);
	assert_int_equal(h.versions[0].first_seen_sec, NOW);
}

static void the_oldest_of_a_long_history_is_forgotten(void **state)
{
	struct tag_history h = {.n = 0};

	(void)state;
	for (unsigned i = 0; i < TAG_HISTORY_MAX + 5; i++) {
		struct digest d = digest_no(i);

		assert_true(tag_history_add(&h, &d, NOW + i));
	}
	assert_int_equal(h.n, TAG_HISTORY_MAX);
	for (unsigned i = 0; i < TAG_HISTORY_MAX; i++) {
		struct digest d = digest_no(i + 5);

		assert_true(digest_equal(&h.versions[i].digest, &d));
		assert_int_equal(h.versions[i].first_seen_sec, NOW + i + 5);
	}
	assert_asks(h, answer(4), AGAIN); /* it is as if it had never been */
}

static void other_algorithms_are_other_digests(void **state)
{
	struct tag_history h = HISTORY(1);
	struct digest d = digest_no(1);

	(void)state;
	d.algo = DIGEST_SHA512;
	assert_true(tag_history_add(&h, &d, NOW));
}

/* ---- every state, by every path ---- */

static void a_mirror_that_did_not_answer_is_unknown(void **state)
{
	struct freshness_facts f = {.answered = false, .absent = true, .has_content = true};

	(void)state;
	assert_final(HISTORY(1), f, FRESH_UNKNOWN, 0);
	f.digest = digest_no(1);
	assert_final(HISTORY(1), f, FRESH_UNKNOWN, 0);
}

static void absence_and_refusal_are_named(void **state)
{
	const struct freshness_facts absent = {.answered = true, .absent = true};
	const struct freshness_facts denied = {.answered = true, .denied = true};

	(void)state;
	assert_final(HISTORY(1, 2), absent, FRESH_MISSING, 0);
	assert_final(HISTORY(1, 2), denied, FRESH_DENIED, 0);
	assert_final((struct tag_history){.n = 0}, absent, FRESH_MISSING, 0);
	assert_final((struct tag_history){.n = 0}, denied, FRESH_DENIED, 0);
}

static void the_authoritys_digest_is_fresh(void **state)
{
	(void)state;
	assert_final(HISTORY(1), answer(1), FRESH_CURRENT, 0);
	assert_final(HISTORY(1, 2, 3), answer(3), FRESH_CURRENT, 0);
	assert_final(HISTORY(1, 2, 1), answer(1), FRESH_CURRENT, 0); /* moved back */
}

static void a_fresh_tag_over_missing_blobs_is_partial(void **state)
{
	struct freshness_facts f = answer(1);

	(void)state;
	f.has_content = true;
	f.blobs_missing = true;
	assert_final(HISTORY(1), f, FRESH_PARTIAL, 0);
}

static void an_older_digest_lags_since_the_authority_moved_on(void **state)
{
	struct freshness_facts f = answer(2);

	(void)state;
	assert_asks(HISTORY(1, 2, 3), f, CONTENT);
	f.asked_content = true;
	assert_final(HISTORY(1, 2, 3), f, FRESH_CONTENT_LAG, HOUR);
	f.has_content = true;
	assert_final(HISTORY(1, 2, 3), f, FRESH_TAG_LAG, HOUR);
	f.blobs_missing = true;
	assert_final(HISTORY(1, 2, 3), f, FRESH_PARTIAL, HOUR);
	/* Two versions behind: since the first move away from it. */
	f = answer(1);
	f.asked_content = true;
	assert_final(HISTORY(1, 2, 3), f, FRESH_CONTENT_LAG, 2 * HOUR);
	f.asked_again = true;
	assert_final(HISTORY(1, 2, 3), f, FRESH_CONTENT_LAG, 2 * HOUR);
}

static void the_lag_is_known_before_the_content_is(void **state)
{
	const struct tag_history h = HISTORY(1, 2);
	const struct freshness_facts f = answer(1);

	(void)state;
	assert_int_equal(freshness_judge(&h, &f, NOW).lag_sec, HOUR);
}

static void a_move_back_counts_from_the_last_time_the_digest_held(void **state)
{
	struct freshness_facts f = answer(1);

	(void)state;
	f.asked_content = f.has_content = true;
	assert_final(HISTORY(1, 2, 1, 3), f, FRESH_TAG_LAG, HOUR);
	/* The authority is back at 1; who still has 2 lags since then. */
	f.digest = digest_no(2);
	assert_final(HISTORY(1, 2, 1), f, FRESH_TAG_LAG, HOUR);
}

static void a_mirror_that_was_ahead_is_skewed_when_the_authority_agrees(void **state)
{
	struct tag_history h = HISTORY(1, 2);
	struct freshness_facts f = answer(3);

	(void)state;
	assert_asks(h, f, AGAIN);
	assert_true(tag_history_add(&h, &f.digest, NOW));
	f.asked_again = true;
	assert_final(h, f, FRESH_SKEW, 0);
}

static void a_mirror_that_was_ahead_may_be_behind_by_then(void **state)
{
	struct tag_history h = HISTORY(1, 2);
	struct freshness_facts f = answer(3);
	const struct digest d = digest_no(4);

	(void)state;
	assert_true(tag_history_add(&h, &f.digest, NOW - 60));
	assert_true(tag_history_add(&h, &d, NOW - 20));
	f.asked_again = true;
	assert_asks(h, f, CONTENT);
	f.asked_content = true;
	assert_final(h, f, FRESH_CONTENT_LAG, 20);
}

static void a_digest_that_never_was_is_diverged_or_encoded_anew(void **state)
{
	struct freshness_facts f = answer(9);

	(void)state;
	assert_asks(HISTORY(1, 2), f, AGAIN);
	f.asked_again = true; /* and the authority said 2, as before */
	assert_asks(HISTORY(1, 2), f, ORIGIN);
	f.asked_origin = true; /* which does not have 9 */
	assert_asks(HISTORY(1, 2), f, CHILDREN);
	f.asked_children = true;
	assert_final(HISTORY(1, 2), f, FRESH_DIVERGED, 0);
	f.same_children = true;
	assert_final(HISTORY(1, 2), f, FRESH_REENCODED, 0);
}

/* The mirror was behind already when the authority was first asked. */
static void a_digest_that_the_authority_still_has_is_an_older_one(void **state)
{
	struct freshness_facts f = answer(9);

	(void)state;
	f.asked_again = f.asked_origin = f.origin_has = true;
	assert_asks(HISTORY(1, 2), f, CONTENT);
	f.asked_content = true;
	/* At least since we know the authority. */
	assert_final(HISTORY(1, 2), f, FRESH_CONTENT_LAG, 2 * HOUR);
	f.has_content = true;
	assert_final(HISTORY(2), f, FRESH_TAG_LAG, HOUR);
}

static void children_are_no_excuse_before_the_authority_was_asked_again(void **state)
{
	struct freshness_facts f = answer(9);

	(void)state;
	f.asked_children = f.same_children = true;
	assert_asks(HISTORY(1, 2), f, AGAIN);
}

static void without_a_history_the_authority_is_asked(void **state)
{
	const struct tag_history none = {.n = 0};
	struct freshness_facts f = answer(1);

	(void)state;
	assert_asks(none, f, AGAIN);
	f.asked_again = true; /* and it has no such tag, or did not answer */
	assert_final(none, f, FRESH_UNKNOWN, 0);
}

static void a_clock_that_jumps_back_makes_no_lag(void **state)
{
	const struct tag_history h = HISTORY(1, 2);
	struct freshness_facts f = answer(1);
	struct freshness_verdict v;

	(void)state;
	f.asked_content = f.has_content = true;
	v = freshness_judge(&h, &f, NOW - 100 * HOUR);
	assert_int_equal(v.state, FRESH_TAG_LAG);
	assert_int_equal(v.lag_sec, 0);
	v = freshness_judge(&h, &f, NOW + 100 * HOUR);
	assert_int_equal(v.lag_sec, 101 * HOUR);
}

/* Whatever the facts are, answering what is asked comes to an end, and no end asks. */
static void asking_comes_to_an_end(void **state)
{
	(void)state;
	for (unsigned bits = 0; bits < 1u << 10; bits++) {
		struct tag_history h = HISTORY(1, 2);
		struct freshness_facts f = answer(bits % 4);
		unsigned asked = 0;

		f.answered = bits >> 2 & 1;
		f.absent = bits >> 3 & 1;
		f.denied = bits >> 4 & 1;
		for (;;) {
			struct freshness_verdict v = freshness_judge(&h, &f, NOW);

			if (!v.ask_content && !v.ask_again && !v.ask_children && !v.ask_origin)
				break;
			assert_int_equal(
				v.ask_content + v.ask_again + v.ask_children + v.ask_origin, 1);
			assert_true(++asked <= 4);
			f.origin_has = v.ask_origin ? bits >> 9 & 1 : f.origin_has;
			f.asked_origin |= v.ask_origin;
			f.asked_content |= v.ask_content;
			f.has_content = v.ask_content ? bits >> 5 & 1 : f.has_content;
			f.blobs_missing = f.has_content && (bits >> 6 & 1);
			f.asked_again |= v.ask_again;
			if (v.ask_again && (bits >> 7 & 1))
				(void)tag_history_add(&h, &f.digest, NOW);
			f.asked_children |= v.ask_children;
			f.same_children = v.ask_children && (bits >> 8 & 1);
		}
	}
}

/* ---- names and order ---- */

static void states_have_the_names_that_status_shows(void **state)
{
	static const char *const names[] = {
		[FRESH_UNKNOWN] = "unknown",
		[FRESH_CURRENT] = "fresh",
		[FRESH_TAG_LAG] = "tag lag",
		[FRESH_CONTENT_LAG] = "content lag",
		[FRESH_PARTIAL] = "partial",
		[FRESH_SKEW] = "origin skew",
		[FRESH_REENCODED] = "re-encoded",
		[FRESH_DIVERGED] = "diverged",
		[FRESH_MISSING] = "missing",
		[FRESH_DENIED] = "denied",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_string_equal(freshness_name((enum freshness)i), names[i]);
}

static void the_worse_of_two_is_the_same_either_way(void **state)
{
	static const enum freshness order[] = {FRESH_UNKNOWN,
		FRESH_CURRENT,
		FRESH_SKEW,
		FRESH_REENCODED,
		FRESH_TAG_LAG,
		FRESH_PARTIAL,
		FRESH_CONTENT_LAG,
		FRESH_MISSING,
		FRESH_DENIED,
		FRESH_DIVERGED};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		for (size_t j = 0; j <= i; j++) {
			assert_int_equal(freshness_worse(order[i], order[j]), order[i]);
			assert_int_equal(freshness_worse(order[j], order[i]), order[i]);
		}
	}
}

/* ---- how long an answer holds ---- */

static void names_of_tags_tell_how_they_move(void **state)
{
	static const struct {
		const char *tag;
		enum tag_class class;
	} rows[] = {
		{"v1.2.3", TAG_VERSION},
		{"1.2.3", TAG_VERSION},
		{"v1.34.1", TAG_VERSION},
		{"0.0.0", TAG_VERSION},
		{"1.2.3-rc.1", TAG_VERSION},
		{"v1.2.3-alpha.0.10", TAG_VERSION},
		{"1.25.3-alpine", TAG_VERSION},
		{"2024.1.15", TAG_VERSION},
		{"sha256-0123abcd.sig", TAG_VERSION},
		{"sha256-0123abcd", TAG_VERSION},
		{"sha256-0123abcd.att", TAG_VERSION},
		{"latest", TAG_ROLLING},
		{"stable", TAG_ROLLING},
		{"edge", TAG_ROLLING},
		{"nightly", TAG_ROLLING},
		{"master", TAG_ROLLING},
		{"main", TAG_ROLLING},
		{"foo-dev", TAG_ROLLING},
		{"1.2.3-dev", TAG_ROLLING},
		{"-dev", TAG_ROLLING},
		{"", TAG_OTHER},
		{"v", TAG_OTHER},
		{"1", TAG_OTHER},
		{"1.2", TAG_OTHER},
		{"v1.34", TAG_OTHER},
		{"1.2.", TAG_OTHER},
		{"1..3", TAG_OTHER},
		{"1.2.3.4", TAG_OTHER},
		{"1.2.3-", TAG_OTHER},
		{"1.2.3_4", TAG_OTHER},
		{"1.2.3rc1", TAG_OTHER},
		{"vv1.2.3", TAG_OTHER},
		{"V1.2.3", TAG_OTHER},
		{"22.04.1", TAG_OTHER}, /* a leading zero: no version */
		{"20240115", TAG_OTHER},
		{"stable-alpine", TAG_OTHER},
		{"latest-amd64", TAG_OTHER},
		{"Latest", TAG_OTHER},
		{"dev", TAG_OTHER},
		{"foo-devel", TAG_OTHER},
		{"mainline", TAG_OTHER},
		{"sha512-0123abcd", TAG_OTHER},
		{"sha256", TAG_OTHER},
		{"bookworm", TAG_OTHER},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (tag_class_of(rows[i].tag) != rows[i].class)
			fail_msg("%s: class %d, expected %d",
				rows[i].tag,
				(int)tag_class_of(rows[i].tag),
				(int)rows[i].class);
	}
}

static void an_answer_holds_for_a_tenth_of_the_tags_age(void **state)
{
	(void)state;
	assert_int_equal(tag_ttl(TAG_OTHER, NOW - 10 * HOUR, NOW), HOUR);
	assert_int_equal(tag_ttl(TAG_OTHER, NOW - 6010, NOW), 601);
	assert_int_equal(tag_ttl(TAG_OTHER, NOW, NOW), 60);
	assert_int_equal(tag_ttl(TAG_OTHER, NOW - 600, NOW), 60);
	assert_int_equal(tag_ttl(TAG_OTHER, NOW - 619, NOW), 61);
	assert_int_equal(tag_ttl(TAG_OTHER, NOW - 60 * HOUR, NOW), 6 * HOUR);
	assert_int_equal(tag_ttl(TAG_OTHER, NOW - 61 * HOUR, NOW), 6 * HOUR);
	assert_int_equal(tag_ttl(TAG_OTHER, 1, NOW), 6 * HOUR);
	assert_int_equal(tag_ttl(TAG_OTHER, 0, NOW), 60); /* not known */
}

static void classes_have_their_own_times(void **state)
{
	static const int64_t changes[] = {0, 1, NOW - 1, NOW, NOW + 1, INT64_MIN, INT64_MAX};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		assert_int_equal(tag_ttl(TAG_VERSION, changes[i], NOW), 24 * HOUR);
		assert_int_equal(tag_ttl(TAG_ROLLING, changes[i], NOW), 60);
	}
}

static void jumping_clocks_stay_within_the_bounds(void **state)
{
	(void)state;
	assert_int_equal(tag_ttl(TAG_OTHER, NOW + 100 * HOUR, NOW), 60);
	assert_int_equal(tag_ttl(TAG_OTHER, INT64_MAX, INT64_MIN), 60);
	assert_int_equal(tag_ttl(TAG_OTHER, INT64_MIN, INT64_MAX), 6 * HOUR);
	assert_int_equal(tag_ttl(TAG_OTHER, -1, INT64_MAX), 6 * HOUR);
}

static void jitter_spreads_over_a_tenth_either_way_and_repeats(void **state)
{
	uint64_t least = UINT64_MAX, most = 0, sum = 0;
	char tag[8];

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		uint64_t ttl;

		(void)snprintf(tag, sizeof(tag), "v%u", i);
		ttl = tag_ttl_jittered(3600, "kube-proxy", tag);
		assert_int_equal(tag_ttl_jittered(3600, "kube-proxy", tag), ttl);
		assert_in_range(ttl, 3240, 3960);
		least = ttl < least ? ttl : least;
		most = ttl > most ? ttl : most;
		sum += ttl;
	}
	assert_true(least < 3260 && most > 3940);
	assert_in_range(sum / 1000, 3570, 3630);
	assert_true(tag_ttl_jittered(86400, "a", "bc") != tag_ttl_jittered(86400, "ab", "c"));
}

static void jitter_knows_small_and_huge_times(void **state)
{
	(void)state;
	assert_int_equal(tag_ttl_jittered(0, "r", "t"), 0);
	assert_int_equal(tag_ttl_jittered(9, "r", "t"), 9);
	assert_in_range(tag_ttl_jittered(60, "r", "t"), 54, 66);
	assert_true(tag_ttl_jittered(UINT64_MAX, "r", "t") >= UINT64_MAX / 10 * 9);
	assert_true(tag_ttl_jittered(60, "", "") >= 54);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_history_grows_when_the_tag_moves),
		cmocka_unit_test(the_oldest_of_a_long_history_is_forgotten),
		cmocka_unit_test(other_algorithms_are_other_digests),
		cmocka_unit_test(a_mirror_that_did_not_answer_is_unknown),
		cmocka_unit_test(absence_and_refusal_are_named),
		cmocka_unit_test(the_authoritys_digest_is_fresh),
		cmocka_unit_test(a_fresh_tag_over_missing_blobs_is_partial),
		cmocka_unit_test(an_older_digest_lags_since_the_authority_moved_on),
		cmocka_unit_test(the_lag_is_known_before_the_content_is),
		cmocka_unit_test(a_move_back_counts_from_the_last_time_the_digest_held),
		cmocka_unit_test(a_mirror_that_was_ahead_is_skewed_when_the_authority_agrees),
		cmocka_unit_test(a_mirror_that_was_ahead_may_be_behind_by_then),
		cmocka_unit_test(a_digest_that_never_was_is_diverged_or_encoded_anew),
		cmocka_unit_test(a_digest_that_the_authority_still_has_is_an_older_one),
		cmocka_unit_test(children_are_no_excuse_before_the_authority_was_asked_again),
		cmocka_unit_test(without_a_history_the_authority_is_asked),
		cmocka_unit_test(a_clock_that_jumps_back_makes_no_lag),
		cmocka_unit_test(asking_comes_to_an_end),
		cmocka_unit_test(states_have_the_names_that_status_shows),
		cmocka_unit_test(the_worse_of_two_is_the_same_either_way),
		cmocka_unit_test(names_of_tags_tell_how_they_move),
		cmocka_unit_test(an_answer_holds_for_a_tenth_of_the_tags_age),
		cmocka_unit_test(classes_have_their_own_times),
		cmocka_unit_test(jumping_clocks_stay_within_the_bounds),
		cmocka_unit_test(jitter_spreads_over_a_tenth_either_way_and_repeats),
		cmocka_unit_test(jitter_knows_small_and_huge_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
