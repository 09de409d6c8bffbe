/* bench_result.c - from samples to figures, ranks and limits.  Pure. */
#include <math.h>

#include "source/bench_run.h"
#include "util/mem.h"

#define US_PER_MS 1000.0
#define P90       0.9

/* Of the time allowed: for trials, of which round 0 is one; and how much idling may take of one. */
#define TRIALS_SHARE      0.6
#define IDLE_SHARE        4
#define TRIAL_MS_MIN      200 /* less measures nothing */
#define IDLE_MS_MIN       20
#define TRIAL_BYTES_MIN   ((uint64_t)64 * 1024)
#define XORSHIFT_MULTIPLY 0x2545F4914F6CDD1DULL /* xorshift64*: Vigna 2016 */

/* ---- limits ---- */

static uint64_t clamp(uint64_t v, uint64_t low, uint64_t high)
{
	if (v < low)
		return low;
	return v < high ? v : high;
}

struct bench_budget bench_budget(uint64_t blob_size, size_t places, unsigned rounds,
	uint64_t duration_ms, uint64_t max_bytes)
{
	const uint64_t n = places > 0 ? places : 1;
	struct bench_budget budget = {
		.whole = blob_size <= BENCH_WHOLE_MAX,
		.trial_bytes = blob_size < BENCH_TRIAL_BYTES ? blob_size : BENCH_TRIAL_BYTES,
		.trial_ms = BENCH_TRIAL_MS,
		.idle_ms = BENCH_IDLE_MS,
	};

	if (duration_ms > 0) {
		double share = TRIALS_SHARE * (double)duration_ms / (double)(n * (rounds + 1));

		budget.trial_ms = clamp((uint64_t)share, TRIAL_MS_MIN, BENCH_TRIAL_MS);
		budget.idle_ms = clamp(budget.trial_ms / IDLE_SHARE, IDLE_MS_MIN, BENCH_IDLE_MS);
	}
	if (max_bytes > 0) {
		uint64_t left, trials = n * (rounds > 0 ? rounds : 1);

		/* Verifying may take half of what is allowed, when there are rounds. */
		budget.whole = budget.whole && blob_size <= max_bytes / n / (rounds > 0 ? 2 : 1);
		if (!budget.whole)
			trials += n;
		left = budget.whole ? max_bytes - n * blob_size : max_bytes;
		if (left / trials < budget.trial_bytes)
			budget.trial_bytes = left / trials;
		if (budget.trial_bytes < TRIAL_BYTES_MIN)
			budget.trial_bytes =
				blob_size < TRIAL_BYTES_MIN ? blob_size : TRIAL_BYTES_MIN;
	}
	return budget;
}

static uint64_t distance(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

/* Lower is better: first the class, then how far from what is best in it. */
static void blob_grade(uint64_t size, unsigned *ret_class, uint64_t *ret_far)
{
	*ret_class = 0;
	*ret_far = distance(size, BENCH_TRIAL_BYTES);
	if (size > BENCH_BLOB_MAX)
		*ret_class = 1;
	else if (size < BENCH_BLOB_MIN)
		*ret_class = 2;
}

size_t bench_blob_choose(const uint64_t *sizes, size_t n)
{
	unsigned best_class = 0;
	uint64_t best_far = 0;
	size_t best = n;

	for (size_t i = 0; i < n; i++) {
		unsigned class;
		uint64_t far;

		blob_grade(sizes[i], &class, &far);
		if (best == n || class < best_class || (class == best_class && far < best_far)) {
			best = i;
			best_class = class;
			best_far = far;
		}
	}
	return best;
}

/* ---- chance ---- */

uint64_t bench_random(uint64_t *state)
{
	uint64_t x = *state ? *state : 1;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * XORSHIFT_MULTIPLY;
}

void bench_shuffle(uint64_t *state, size_t *order, size_t n)
{
	for (size_t i = n; i > 1; i--) {
		size_t k = (size_t)((bench_random(state) >> 32) % i);
		size_t other = order[k];

		order[k] = order[i - 1];
		order[i - 1] = other;
	}
}

/* ---- rounds ---- */

unsigned bench_rounds_needed(size_t k)
{
	const double pairs = (double)k * ((double)k - 1) / 2;
	double ways = 2; /* C(2n,n) */
	unsigned n = 1;

	while (n < BENCH_ROUNDS_MAX && pairs * 2 / ways > COMPARE_ALPHA) {
		n++;
		ways = ways * 2 * (2 * n - 1) / n;
	}
	return n;
}

/* ---- one row ---- */

static double median_or_nan(const double *v, size_t n)
{
	return n > 0 ? stat_median(v, n) : NAN;
}

static double quantile_or_nan(const double *v, size_t n, double q)
{
	return n > 0 ? stat_quantile(v, n, q) : NAN;
}

/* The median of one part of the cold requests, which begins so many doubles into them. */
static double median_part(const struct bench_row *row, size_t offset)
{
	double v[BENCH_COLD];

	for (size_t i = 0; i < row->n_cold; i++)
		memcpy(&v[i], (const char *)&row->cold[i] + offset, sizeof(v[i]));
	return median_or_nan(v, row->n_cold);
}

static void derive_latency(struct bench_row *row)
{
	double v[BENCH_COLD];
	const size_t n = row->n_cold;

	for (size_t i = 0; i < n; i++) {
		v[i] = row->cold[i].total;
		row->proxied = row->proxied || row->cold[i].proxied;
	}
	row->cold_mean = n > 0 ? stat_mean(v, n) : NAN;
	row->cold_median = median_or_nan(v, n);
	row->cold_min = quantile_or_nan(v, n, 0);
	row->cold_p90 = quantile_or_nan(v, n, P90);
	row->cold_max = quantile_or_nan(v, n, 1);
	row->cold_interval = n > 0 ? stat_mean_interval(v, n) : (struct interval){NAN, NAN};
	row->front_ms = median_part(row, offsetof(struct bench_latency, front));
	row->name_ms = median_part(row, offsetof(struct bench_latency, name));
	row->tcp_ms = median_part(row, offsetof(struct bench_latency, tcp));
	row->tls_ms = median_part(row, offsetof(struct bench_latency, tls));
	row->wait_ms = median_part(row, offsetof(struct bench_latency, wait));
	row->warm_median = median_or_nan(row->warm, row->n_warm);
	row->warm_p90 = quantile_or_nan(row->warm, row->n_warm, P90);
}

size_t bench_rates(const struct bench_row *row, double ret[static BENCH_ROUNDS_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < row->n_trials && n < BENCH_ROUNDS_MAX; i++) {
		const struct bench_trial *t = &row->trials[i];

		if (t->round > 0 && !t->error && t->result.rate > 0)
			ret[n++] = t->result.rate;
	}
	return n;
}

/* Small requests beside the bulk of all rounds. */
static void derive_loaded(struct bench_row *row)
{
	double v[COMPARE_MAX];
	size_t n = 0;

	for (size_t i = 0; i < row->n_trials; i++) {
		const struct probe_result *r = &row->trials[i].result;

		for (size_t k = 0; k < r->n_beside && n < COMPARE_MAX; k++)
			v[n++] = (double)r->beside_us[k] / US_PER_MS;
	}
	row->loaded_p90 = quantile_or_nan(v, n, P90);
	row->bloat =
		n > 0 && row->n_warm > 0 && row->loaded_p90 - row->warm_median > BENCH_BLOAT_MS;
}

static void derive_rate(struct bench_row *row, uint64_t seed)
{
	double rates[BENCH_ROUNDS_MAX];
	size_t n = bench_rates(row, rates);

	row->rate = median_or_nan(rates, n);
	row->rate_interval =
		n > 0 ? stat_median_interval(rates, n, seed) : (struct interval){NAN, NAN};
	row->first_rate = NAN;
	row->fetch_ms = NAN;
	row->bound = false;
	for (size_t i = 0; i < row->n_trials; i++) {
		const struct bench_trial *t = &row->trials[i];
		double ms = (double)(t->result.first_us + t->result.body_us) / US_PER_MS;

		if (t->error || t->result.bytes == 0)
			continue;
		if (t->round == 0)
			row->first_rate = t->result.rate;
		else
			row->bound = row->bound || t->result.bound;
		if (t->round > 0 && t->result.bound && !(ms > row->fetch_ms))
			row->fetch_ms = ms;
	}
}

/* All trials failed, but the time was over before it was given up: the row says why it has no rate.
 */
static void derive_failure(struct bench_row *row)
{
	if (row->error || row->n_trials == 0)
		return;
	for (size_t i = 0; i < row->n_trials; i++)
		if (!row->trials[i].error)
			return;
	row->error = xstrdup(row->trials[row->n_trials - 1].error);
}

static void derive_rtt(struct bench_row *row)
{
	row->rtt_ms = NAN;
	for (size_t i = 0; i < row->n_trials; i++) {
		double ms = (double)row->trials[i].result.timing.min_rtt_us / US_PER_MS;

		if (ms > 0 && !(ms > row->rtt_ms))
			row->rtt_ms = ms;
	}
	for (size_t i = 0; i < row->n_cold; i++)
		if (row->cold[i].tcp > 0 && !(row->cold[i].tcp > row->rtt_ms))
			row->rtt_ms = row->cold[i].tcp;
	if (row->proxied)
		row->rtt_ms = NAN;
}

/* ---- all rows ---- */

static void rank_small(struct bench_result *r)
{
	struct contestant c[BENCH_PLACES_MAX];
	unsigned rank[BENCH_PLACES_MAX];
	bool tied[BENCH_PLACES_MAX];

	for (size_t i = 0; i < r->n_rows; i++)
		c[i] = (struct contestant){.values = r->rows[i].warm, .n = r->rows[i].n_warm};
	rank_contestants(c, r->n_rows, false, rank, tied, NULL);
	for (size_t i = 0; i < r->n_rows; i++) {
		r->rows[i].rank_small = c[i].n > 0 ? rank[i] : 0;
		r->rows[i].tied_small = c[i].n > 0 && tied[i];
	}
}

static void rank_bulk(struct bench_result *r)
{
	double(*rates)[BENCH_ROUNDS_MAX] = xcalloc(r->n_rows + 1, sizeof(*rates));
	struct contestant c[BENCH_PLACES_MAX];
	unsigned rank[BENCH_PLACES_MAX];
	bool tied[BENCH_PLACES_MAX];

	for (size_t i = 0; i < r->n_rows; i++)
		c[i] = (struct contestant){
			.values = rates[i],
			.n = bench_rates(&r->rows[i], rates[i]),
		};
	rank_contestants(c, r->n_rows, true, rank, tied, NULL);
	for (size_t i = 0; i < r->n_rows; i++) {
		r->rows[i].rank_bulk = c[i].n > 0 ? rank[i] : 0;
		r->rows[i].tied_bulk = c[i].n > 0 && tied[i];
	}
	free(rates);
}

/* Who is told apart from whom, in both respects, the other way round. */
static void find_crossovers(struct bench_result *r)
{
	r->n_crossovers = 0;
	for (size_t a = 0; a < r->n_rows; a++) {
		for (size_t b = 0; b < r->n_rows; b++) {
			const struct bench_row *x = &r->rows[a], *y = &r->rows[b];
			double bytes;

			if (!x->rank_small || !y->rank_small || !x->rank_bulk || !y->rank_bulk ||
				x->rank_small >= y->rank_small || x->rank_bulk <= y->rank_bulk ||
				r->n_crossovers == BENCH_PLACES_MAX)
				continue;
			bytes = crossover_bytes(
				x->warm_median / 1e3, x->rate, y->warm_median / 1e3, y->rate);
			if (bytes > 0)
				r->crossovers[r->n_crossovers++] =
					(struct bench_crossover){.a = a, .b = b, .bytes = bytes};
		}
	}
}

void bench_derive(struct bench_result *r, uint64_t seed)
{
	for (size_t i = 0; i < r->n_rows; i++) {
		struct bench_row *row = &r->rows[i];

		derive_latency(row);
		derive_rate(row, seed);
		derive_failure(row);
		derive_loaded(row);
		derive_rtt(row);
		row->measured = row->n_cold > 0 || row->n_warm > 0 || isfinite(row->rate);
	}
	if (r->n_rows == 0)
		return;
	rank_small(r);
	rank_bulk(r);
	find_crossovers(r);
}

bool bench_tied_pair(const struct bench_result *r, size_t *ret_a, size_t *ret_b)
{
	bool found = false;
	double best = 0;

	for (size_t a = 0; a < r->n_rows; a++) {
		for (size_t b = a + 1; b < r->n_rows; b++) {
			double x = r->rows[a].rate, y = r->rows[b].rate;
			double high = fmax(x, y), low = fmin(x, y);

			if (!isfinite(x) || !isfinite(y) || high > low * BENCH_TIE ||
				r->rows[a].bound || r->rows[b].bound || low <= best)
				continue;
			best = low;
			*ret_a = a;
			*ret_b = b;
			found = true;
		}
	}
	return found;
}

bool bench_compare(const struct bench_result *r, size_t a, size_t b, uint64_t seed,
	struct bench_comparison *ret, bool *ret_latency)
{
	double x[BENCH_ROUNDS_MAX], y[BENCH_ROUNDS_MAX];
	size_t n = bench_rates(&r->rows[a], x), m = bench_rates(&r->rows[b], y);
	const bool latency = n == 0 || m == 0;

	if (latency) {
		/* Times: the quicker one has less, so the ratio is the other way round. */
		n = r->rows[b].n_warm;
		m = r->rows[a].n_warm;
		memcpy(x, r->rows[b].warm, n * sizeof(*x));
		memcpy(y, r->rows[a].warm, m * sizeof(*y));
	}
	if (n == 0 || m == 0)
		return false;
	*ret = (struct bench_comparison){
		.n_a = latency ? m : n,
		.n_b = latency ? n : m,
		.ratio = ratio_estimate(x, n, y, m),
		.interval = ratio_interval(x, n, y, m, seed),
		.p = mann_whitney(x, n, y, m, NULL),
	};
	*ret_latency = latency;
	return true;
}
