/* sources.c - what the tables of the state say of each source. */
#include "sources.h"

#include "source/estimate.h"
#include "util/mem.h"

/* ---- rows ---- */

static int compare(const struct source_row *row, const char *upstream, const char *source)
{
	int c = strcmp(row->upstream, upstream);

	return c ? c : strcmp(row->source, source);
}

static struct source_row *find(struct source_rows *rows, const char *upstream, const char *source)
{
	/* The state tells rows in order, so that the one wanted is the last one or near it. */
	for (size_t i = 0; i < rows->n; i++) {
		size_t at = (rows->last + i) % rows->n;

		if (compare(&rows->items[at], upstream, source) == 0) {
			rows->last = at;
			return &rows->items[at];
		}
	}
	return NULL;
}

static struct source_row *row_of(struct source_rows *rows, const char *upstream, const char *source)
{
	struct source_row *row = find(rows, upstream, source);

	if (row)
		return row;
	rows->items = array_grow(rows->items, rows->n, &rows->cap, sizeof(*rows->items));
	row = &rows->items[rows->n++];
	*row = (struct source_row){
		.upstream = xstrdup(upstream),
		.source = xstrdup(source),
	};
	return row;
}

const struct source_row *source_rows_find(
	struct source_rows *rows, const char *upstream, const char *source)
{
	return find(rows, upstream, source);
}

static void row_clear(struct source_row *row)
{
	for (size_t i = 0; i < row->n_backends; i++)
		free(row->backends[i].name);
	free(row->backends);
	free(row->upstream);
	free(row->source);
	free(row->role);
	free(row->error);
	free(row->evidence);
}

void source_rows_clear(struct source_rows *rows)
{
	for (size_t i = 0; i < rows->n; i++)
		row_clear(&rows->items[i]);
	free(rows->items);
	*rows = (struct source_rows){.n = 0};
}

/* ---- what each table says ---- */

/* Nothing in the future counts as old: a clock that jumped back is no reason to forget. */
static bool is_recent(const struct source_rows *rows, int64_t at)
{
	return at > 0 && rows->now_sec - at < SOURCE_QUARANTINE_SEC;
}

static bool add_source(void *ctx, const struct state_source *from)
{
	struct source_row *row = row_of(ctx, from->upstream, from->source);

	row->role = from->role ? xstrdup(from->role) : NULL;
	row->last_contact = from->last_contact;
	row->requests = from->requests;
	row->bytes = from->bytes;
	row->failures = from->failures;
	row->error = from->error ? xstrdup(from->error) : NULL;
	row->error_at = from->error_at;
	return true;
}

static bool add_estimate(void *ctx, const struct state_estimate *from)
{
	struct source_row *row = row_of(ctx, from->upstream, from->source);
	struct latency_estimate latency;
	struct backend_row b = {.name = xstrdup(from->backend)};

	b.rate = from->rate;
	b.rate_at = from->rate_at;
	b.rtt_us = from->rtt_us;
	if (from->histogram && latency_decode(from->histogram, from->histogram_len, &latency)) {
		b.latency_us = latency_quantile(&latency, 0.5);
		b.latency_at = from->histogram_at;
	}
	b.newest_at = b.rate_at > b.latency_at ? b.rate_at : b.latency_at;
	if (from->rtt_at > b.newest_at)
		b.newest_at = from->rtt_at;
	row->backends = array_grow(
		row->backends, row->n_backends, &row->cap_backends, sizeof(*row->backends));
	row->backends[row->n_backends++] = b;
	return true;
}

/* They come newest first. */
static bool add_strike(void *ctx, const struct state_strike *from)
{
	struct source_rows *rows = ctx;
	struct source_row *row = row_of(rows, from->upstream, from->source);

	if (!row->evidence) {
		row->evidence = xstrdup(from->evidence);
		row->struck_at = from->at;
	}
	if (!is_recent(rows, from->at))
		return true;
	row->strikes++;
	if (row->strikes == SOURCE_QUARANTINE_STRIKES)
		row->out_until = from->at + SOURCE_QUARANTINE_SEC;
	return true;
}

/* The word of a verdict; one that this version does not know says nothing. */
static enum freshness freshness_of(const char *name)
{
	for (enum freshness f = FRESH_UNKNOWN; f <= FRESH_DENIED; f++)
		if (strcmp(freshness_name(f), name) == 0)
			return f;
	return FRESH_UNKNOWN;
}

static bool add_observation(void *ctx, const struct state_observation *from)
{
	struct source_rows *rows = ctx;
	struct source_row *row;
	enum freshness f = freshness_of(from->freshness);

	/* A tag that no rule wants any more is not looked at again, and leaves the picture. */
	if (!is_recent(rows, from->at))
		return true;
	row = row_of(rows, from->upstream, from->source);
	row->freshness = row->tags ? freshness_worse(row->freshness, f) : f;
	row->tags++;
	row->behind += f != FRESH_CURRENT;
	if (from->lag_sec > row->lag_sec)
		row->lag_sec = from->lag_sec;
	return true;
}

static int by_name(const void *a, const void *b)
{
	const struct source_row *x = a, *y = b;

	return compare(x, y->upstream, y->source);
}

int source_rows_read(
	struct state *state, int64_t now_sec, struct source_rows *ret, struct error *err)
{
	int rc;

	ret->now_sec = now_sec;
	rc = state_sources(state, add_source, ret, err);
	if (rc == 0)
		rc = state_estimates(state, NULL, add_estimate, ret, err);
	if (rc == 0)
		rc = state_strikes(state, NULL, add_strike, ret, err);
	if (rc == 0)
		rc = state_observations(state, NULL, add_observation, ret, err);
	if (ret->n > 0)
		qsort(ret->items, ret->n, sizeof(*ret->items), by_name);
	return rc;
}

/* ---- what follows ---- */

double source_row_rate(const struct source_row *row)
{
	const struct backend_row *newest = NULL;

	for (size_t i = 0; i < row->n_backends; i++) {
		const struct backend_row *b = &row->backends[i];

		if (b->rate > 0 && (!newest || b->rate_at > newest->rate_at))
			newest = b;
	}
	return newest ? newest->rate : 0;
}

uint64_t source_row_latency(const struct source_row *row)
{
	const struct backend_row *newest = NULL;

	for (size_t i = 0; i < row->n_backends; i++) {
		const struct backend_row *b = &row->backends[i];

		if (b->latency_us > 0 && (!newest || b->latency_at > newest->latency_at))
			newest = b;
	}
	return newest ? newest->latency_us : 0;
}
