/* learnt.c - what was measured of a source, over its backends. */
#include "source/learnt.h"

#include "util/mem.h"

#define US_PER_SEC 1e6

static void strikes_free(struct source_strike *s)
{
	while (s) {
		struct source_strike *next = s->next;

		free(s->evidence);
		free(s);
		s = next;
	}
}

void learnt_free(struct source_learnt *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->n_backends; i++)
		free(l->backends[i].name);
	free(l->backends);
	strikes_free(l->strikes);
	free(l);
}

void book_free(struct source_book *b)
{
	if (!b)
		return;
	map_free(b->refusals);
	free(b);
}

void book_at_ms(struct source_set *set, uint64_t now_ms)
{
	if (now_ms > set->book->now_ms)
		set->book->now_ms = now_ms;
}

void book_at_sec(struct source_set *set, int64_t now_sec)
{
	set->book->now_sec = now_sec;
}

/* ---- backends ---- */

static struct source_backend *oldest(struct source_learnt *l)
{
	struct source_backend *found = &l->backends[0];

	for (size_t i = 1; i < l->n_backends; i++)
		if (l->backends[i].used_sec < found->used_sec)
			found = &l->backends[i];
	return found;
}

static struct source_backend *make_room(struct source_learnt *l)
{
	struct source_backend *b;

	if (l->n_backends == SOURCE_BACKENDS_MAX) {
		b = oldest(l);
		free(b->name);
		return b;
	}
	l->backends = xrealloc(l->backends, l->n_backends + 1, sizeof(*l->backends));
	return &l->backends[l->n_backends++];
}

static struct estimate *used_last(struct source_learnt *l)
{
	struct source_backend *found = NULL;

	for (size_t i = 0; i < l->n_backends; i++)
		if (!found || l->backends[i].used_sec > found->used_sec)
			found = &l->backends[i];
	return found ? &found->estimate : NULL;
}

static char *name_of(const char *name)
{
	size_t n = strnlen(name, SOURCE_BACKEND_TEXT);
	char *copy = xkeep(n + 1, 1);

	memcpy(copy, name, n);
	return copy;
}

struct estimate *learnt_backend(struct source_learnt *l, const char *name, int64_t now_sec)
{
	struct source_backend *b;

	if (!name)
		return used_last(l);

	for (size_t i = 0; i < l->n_backends; i++) {
		b = &l->backends[i];
		if (strncmp(b->name, name, SOURCE_BACKEND_TEXT) == 0) {
			b->used_sec = now_sec;
			return &b->estimate;
		}
	}
	b = make_room(l);
	*b = (struct source_backend){.name = name_of(name), .used_sec = now_sec};
	return &b->estimate;
}

/* ---- one figure for all backends: the newest, for that is who answers now ---- */

double learnt_latency(const struct source_learnt *l, int64_t now_sec)
{
	const struct latency_estimate *newest = NULL;

	for (size_t i = 0; i < l->n_backends; i++) {
		const struct latency_estimate *e = &l->backends[i].estimate.warm;

		if (e->at_sec > 0 && now_sec - e->at_sec < ESTIMATE_FORGET_SEC &&
			(!newest || e->at_sec > newest->at_sec))
			newest = e;
	}
	return newest ? (double)latency_quantile(newest, 0.5) / US_PER_SEC : 0;
}

double learnt_rtt(const struct source_learnt *l, int64_t now_sec)
{
	uint64_t least = 0;

	for (size_t i = 0; i < l->n_backends; i++) {
		uint64_t us = rtt_min(&l->backends[i].estimate.rtt, now_sec);

		if (us > 0 && (least == 0 || us < least))
			least = us;
	}
	return (double)least / US_PER_SEC;
}

static const struct rate_estimate *newest_rate(const struct source_learnt *l)
{
	const struct rate_estimate *newest = NULL;

	for (size_t i = 0; i < l->n_backends; i++) {
		const struct rate_estimate *e = &l->backends[i].estimate.rate;

		if (e->samples > 0 && (!newest || e->at_sec > newest->at_sec))
			newest = e;
	}
	return newest;
}

double learnt_rate(const struct source_learnt *l, int64_t now_sec)
{
	const struct rate_estimate *e = newest_rate(l);

	return e && rate_known(e, now_sec) ? e->mean : 0;
}

int64_t learnt_measured(const struct source_learnt *l)
{
	const struct rate_estimate *e = newest_rate(l);

	return e ? e->at_sec : 0;
}

double learnt_setup(const struct source_learnt *l, int64_t now_sec)
{
	double latency = learnt_latency(l, now_sec);
	double rtt = learnt_rtt(l, now_sec);

	/* A connection that is in use now is open afterwards. */
	if (latency > 0 && l->running + l->asking > 0)
		return latency;
	if (rtt > 0)
		return 3 * rtt;
	return latency > 0 ? latency : SOURCE_SETUP_SEC;
}
