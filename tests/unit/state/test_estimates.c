#include "fixture.h"

/* A row that can be told from others by its backend, last heard of at a time. */
static struct state_estimate estimate_make(const char *source, const char *backend, int64_t at)
{
	return (struct state_estimate){
		.upstream = "k8s",
		.source = source,
		.backend = backend,
		.rate = 18.6 * 1024 * 1024,
		.rate_variance = 0.1,
		.rate_samples = 7,
		.rate_at = at,
	};
}

static void put(struct state *s, struct state_estimate row)
{
	assert_int_equal(state_estimate_put(s, &row, NULL), 0);
}

struct listing {
	size_t n;
	char text[400]; /* "source>backend " of each row */
};

static bool list_estimate(void *ctx, const struct state_estimate *row)
{
	struct listing *list = ctx;
	size_t len = strlen(list->text);

	list->n++;
	(void)snprintf(
		list->text + len, sizeof(list->text) - len, "%s>%s ", row->source, row->backend);
	return true;
}

static struct listing listed(struct state *s, const char *upstream)
{
	struct listing list = {.n = 0};

	assert_int_equal(state_estimates(s, upstream, list_estimate, &list, NULL), 0);
	return list;
}

static bool check_whole(void *ctx, const struct state_estimate *row)
{
	bool *seen = ctx;

	assert_string_equal(row->upstream, "k8s");
	assert_string_equal(row->source, "a.example");
	assert_string_equal(row->backend, "https://cdn.example:443");
	assert_true(row->rate == 18.6 * 1024 * 1024);
	assert_true(row->rate_variance == 0.1);
	assert_int_equal(row->rate_samples, 7);
	assert_int_equal(row->rate_at, 100);
	assert_int_equal(row->histogram_len, 4);
	assert_memory_equal(row->histogram, "\1\0\2\3", 4);
	assert_int_equal(row->histogram_at, 90);
	assert_int_equal(row->rtt_us, 37300);
	assert_int_equal(row->rtt_at, 80);
	*seen = true;
	return true;
}

static void an_estimate_is_remembered_whole(void **state)
{
	struct fixture *f = *state;
	struct state_estimate row = estimate_make("a.example", "https://cdn.example:443", 100);
	bool seen = false;

	row.histogram = "\1\0\2\3";
	row.histogram_len = 4;
	row.histogram_at = 90;
	row.rtt_us = 37300;
	row.rtt_at = 80;
	put(f->state, row);
	put(f->state, row);
	fixture_reopen(f);
	assert_int_equal(state_estimates(f->state, "k8s", check_whole, &seen, NULL), 0);
	assert_true(seen);
	assert_int_equal(listed(f->state, "k8s").n, 1);
}

static bool check_no_histogram(void *ctx, const struct state_estimate *row)
{
	bool *seen = ctx;

	assert_null(row->histogram);
	assert_int_equal(row->histogram_len, 0);
	*seen = true;
	return true;
}

static void what_was_not_measured_is_none(void **state)
{
	struct fixture *f = *state;
	bool seen = false;

	put(f->state, estimate_make("a.example", "b", 100));
	assert_int_equal(state_estimates(f->state, NULL, check_no_histogram, &seen, NULL), 0);
	assert_true(seen);
}

static void estimates_are_told_in_order_of_one_upstream_or_of_all(void **state)
{
	struct fixture *f = *state;
	struct state_estimate other = estimate_make("z.example", "z", 1);

	other.upstream = "a";
	put(f->state, estimate_make("b.example", "y", 1));
	put(f->state, estimate_make("b.example", "x", 1));
	put(f->state, estimate_make("a.example", "z", 1));
	put(f->state, other);
	assert_string_equal(listed(f->state, "k8s").text, "a.example>z b.example>x b.example>y ");
	assert_string_equal(
		listed(f->state, NULL).text, "z.example>z a.example>z b.example>x b.example>y ");
	assert_int_equal(listed(f->state, "nobody").n, 0);
}

static void of_a_source_the_backends_heard_of_last_are_kept(void **state)
{
	struct fixture *f = *state;
	struct state_estimate old = estimate_make("b.example", "old", 1);
	struct listing list;
	char name[20];

	put(f->state, old);
	for (int i = 0; i < STATE_BACKENDS_MAX; i++) {
		(void)snprintf(name, sizeof(name), "%c", 'a' + i);
		put(f->state, estimate_make("a.example", name, 100 + i));
	}
	assert_int_equal(listed(f->state, NULL).n, STATE_BACKENDS_MAX + 1);
	put(f->state, estimate_make("a.example", "new", 1000));
	list = listed(f->state, NULL);
	assert_int_equal(list.n, STATE_BACKENDS_MAX + 1);
	assert_null(strstr(list.text, "a.example>a "));
	assert_non_null(strstr(list.text, "a.example>b "));
	assert_non_null(strstr(list.text, "a.example>new "));
	assert_non_null(strstr(list.text, "b.example>old "));
}

static void a_clock_that_jumped_back_does_not_keep_new_backends_out(void **state)
{
	struct fixture *f = *state;
	char name[20];

	for (int i = 0; i < STATE_BACKENDS_MAX; i++) {
		(void)snprintf(name, sizeof(name), "%c", 'a' + i);
		put(f->state, estimate_make("a.example", name, 100 + i));
	}
	put(f->state, estimate_make("a.example", "new", 1));
	assert_non_null(strstr(listed(f->state, NULL).text, "a.example>new "));
	assert_int_equal(listed(f->state, NULL).n, STATE_BACKENDS_MAX);
}

static void an_estimate_expires_when_all_of_it_is_old(void **state)
{
	struct fixture *f = *state;
	struct state_estimate rtt_is_new = estimate_make("a.example", "rtt", 10);
	struct state_estimate latency_is_new = estimate_make("a.example", "latency", 10);

	rtt_is_new.rtt_at = 100;
	latency_is_new.histogram_at = 100;
	put(f->state, rtt_is_new);
	put(f->state, latency_is_new);
	put(f->state, estimate_make("a.example", "rate", 100));
	put(f->state, estimate_make("a.example", "old", 99));
	assert_int_equal(state_estimates_expire(f->state, 100, NULL), 0);
	assert_string_equal(
		listed(f->state, NULL).text, "a.example>latency a.example>rate a.example>rtt ");
}

static void a_histogram_beyond_the_ceiling_is_refused(void **state)
{
	struct fixture *f = *state;
	char bytes[STATE_HISTOGRAM_MAX + 1] = {0};
	struct state_estimate row = estimate_make("a.example", "b", 1);
	AUTO(error_clear) struct error err = ERROR_INIT;

	row.histogram = bytes;
	row.histogram_len = sizeof(bytes);
	assert_int_equal(state_estimate_put(f->state, &row, &err), -ERR_USAGE);
	assert_int_equal(listed(f->state, NULL).n, 0);
	row.histogram_len--;
	assert_int_equal(state_estimate_put(f->state, &row, NULL), 0);
	assert_int_equal(listed(f->state, NULL).n, 1);
}

int main(void)
{
#define WITH_STATE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		WITH_STATE(an_estimate_is_remembered_whole),
		WITH_STATE(what_was_not_measured_is_none),
		WITH_STATE(estimates_are_told_in_order_of_one_upstream_or_of_all),
		WITH_STATE(of_a_source_the_backends_heard_of_last_are_kept),
		WITH_STATE(a_clock_that_jumped_back_does_not_keep_new_backends_out),
		WITH_STATE(an_estimate_expires_when_all_of_it_is_old),
		WITH_STATE(a_histogram_beyond_the_ceiling_is_refused),
	};

	return cmocka_run_group_tests_name("state/estimates", tests, NULL, NULL);
}
