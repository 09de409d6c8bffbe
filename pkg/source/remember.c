/* remember.c - what was measured of sources, and their strikes, kept between runs. */
#include "source/learnt.h"
#include "state/state.h"
#include "util/mem.h"

#define WARM_PLACES 3 /* transfers of one source that was measured before (sources.md 3.4) */

/* ---- load ---- */

struct loading {
	struct source_set *set;
	int64_t now_sec;
};

static struct source *find(struct source_set *set, const char *name)
{
	for (size_t i = 0; i < set->n; i++)
		if (strcmp(set->items[i].name, name) == 0)
			return &set->items[i];
	return NULL;
}

/* A clock that was ahead then, or is behind now: what is from the future is from now. */
static int64_t past(int64_t at_sec, int64_t now_sec)
{
	return at_sec > now_sec ? now_sec : at_sec;
}

static bool is_old(int64_t at_sec, int64_t now_sec)
{
	return at_sec <= 0 || now_sec - at_sec >= ESTIMATE_FORGET_SEC;
}

static bool take_estimate(void *ctx, const struct state_estimate *row)
{
	const struct loading *l = ctx;
	struct source *s = find(l->set, row->source);
	int64_t rate_at = past(row->rate_at, l->now_sec);
	int64_t histogram_at = past(row->histogram_at, l->now_sec);
	int64_t rtt_at = past(row->rtt_at, l->now_sec);
	int64_t newest = rate_at > histogram_at ? rate_at : histogram_at;
	struct estimate *e;

	/* The source is gone from the configuration, or all of it is too old. */
	if (!s || is_old(newest > rtt_at ? newest : rtt_at, l->now_sec))
		return true;
	e = learnt_backend(s->learnt, row->backend, newest);
	if (row->rate > 0 && row->rate_samples > 0 && !is_old(rate_at, l->now_sec)) {
		e->rate = (struct rate_estimate){
			.mean = row->rate,
			.variance = row->rate_variance,
			.samples = row->rate_samples,
			.at_sec = rate_at,
		};
		s->learnt->limit = WARM_PLACES;
	}
	/* One that cannot be read is one that is not known. */
	if (row->histogram && !is_old(histogram_at, l->now_sec) &&
		latency_decode(row->histogram, row->histogram_len, &e->warm))
		e->warm.at_sec = histogram_at;
	if (row->rtt_us > 0 && row->rtt_us <= UINT32_MAX && !is_old(rtt_at, l->now_sec))
		rtt_add(&e->rtt, row->rtt_us, l->now_sec);
	return true;
}

/* Newest first. */
static bool take_strike(void *ctx, const struct state_strike *row)
{
	const struct loading *l = ctx;
	struct source *s = find(l->set, row->source);
	int64_t at = past(row->at, l->now_sec);

	if (!s)
		return true;
	if (s->learnt->struck_sec[0] == 0)
		s->learnt->struck_sec[0] = at;
	else if (s->learnt->struck_sec[1] == 0)
		s->learnt->struck_sec[1] = at;
	if (!s->authority && s->learnt->struck_sec[1] > 0 &&
		l->now_sec - s->learnt->struck_sec[1] < SOURCE_QUARANTINE_SEC)
		s->quarantined = true;
	return true;
}

int source_set_load(struct source_set *set, struct state *state, int64_t now_sec, struct error *err)
{
	struct loading l = {.set = set, .now_sec = now_sec};
	int rc = state_strikes(state, set->name, take_strike, &l, err);

	if (rc == 0 && source_set_measured(set))
		rc = state_estimates(state, set->name, take_estimate, &l, err);
	if (rc < 0)
		return error_wrap(err, rc, "what is remembered of upstream %s", set->name);
	set->book->now_sec = now_sec;
	return 0;
}

/* ---- save ---- */

static int save_backend(struct state *state, const struct source_set *set, const struct source *s,
	const struct source_backend *b, int64_t now_sec, struct error *err)
{
	const struct estimate *e = &b->estimate;
	unsigned char histogram[LATENCY_ENCODED_MAX];
	size_t len = e->warm.at_sec > 0 ? latency_encode(&e->warm, histogram) : 0;
	uint64_t rtt = rtt_min(&e->rtt, now_sec);
	struct state_estimate row = {
		.upstream = set->name,
		.source = s->name,
		.backend = b->name,
		.rate = e->rate.mean,
		.rate_variance = e->rate.variance,
		.rate_samples = e->rate.samples,
		.rate_at = e->rate.at_sec,
		.histogram = len > 0 ? histogram : NULL,
		.histogram_len = len,
		.histogram_at = e->warm.at_sec,
		.rtt_us = rtt,
		.rtt_at = rtt > 0 ? b->used_sec : 0,
	};

	return state_estimate_put(state, &row, err);
}

static int save_strikes(
	struct state *state, const struct source_set *set, struct source *s, struct error *err)
{
	while (s->learnt->strikes) {
		struct source_strike *strike = s->learnt->strikes;
		struct state_strike row = {
			.upstream = set->name,
			.source = s->name,
			.at = strike->at_sec,
			.digest = strike->digest,
			.evidence = strike->evidence,
		};

		if (state_strike_put(state, &row, err) < 0)
			return -(int)err->code;
		s->learnt->strikes = strike->next;
		free(strike->evidence);
		free(strike);
	}
	return 0;
}

static int save_all(struct source_set *set, struct state *state, int64_t now_sec, struct error *err)
{
	int rc = 0;

	for (size_t i = 0; i < set->n && rc == 0; i++) {
		struct source *s = &set->items[i];

		rc = save_strikes(state, set, s, err);
		for (size_t k = 0; k < s->learnt->n_backends && rc == 0; k++)
			rc = save_backend(state, set, s, &s->learnt->backends[k], now_sec, err);
	}
	if (rc == 0 && source_set_measured(set))
		rc = state_estimates_expire(state, now_sec - ESTIMATE_FORGET_SEC, err);
	return rc;
}

int source_set_save(struct source_set *set, struct state *state, int64_t now_sec, struct error *err)
{
	AUTO(error_clear) struct error why = ERROR_INIT;
	int rc = state_begin(state, &why);

	if (rc == 0) {
		rc = save_all(set, state, now_sec, &why);
		/* A batch must be closed in any case; the first failure is the one that is told. */
		if (state_commit(state, rc == 0 ? &why : NULL) < 0 && rc == 0)
			rc = -(int)why.code;
	}
	if (rc < 0) {
		if (err)
			error_move(err, &why);
		return error_wrap(err, rc, "remember the sources of upstream %s", set->name);
	}
	return 0;
}
