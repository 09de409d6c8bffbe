/* choose.c - the configured order, with failures remembered. */
#include "source/source.h"

#include "util/clock.h"
#include "util/mem.h"

/* The authority never is: what it corrupts nobody can give, but its other images are wanted. */
static bool is_struck_out(const struct source *s)
{
	return s->strikes >= SOURCE_STRIKES && !s->authority;
}

/* The limit for all together stops repetitions: whoever was not asked yet is asked once. */
static bool eligible(const struct source_set *set, const struct source_trials *t, size_t i)
{
	const struct source *s = &set->items[i];

	if (t->attempts >= SOURCE_ATTEMPTS_BLOB && t->each[i].attempts > 0)
		return false;
	if (t->authority_only && !s->authority)
		return false;
	return !t->each[i].excluded && t->each[i].attempts < SOURCE_ATTEMPTS_EACH &&
	       !is_struck_out(s);
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

enum source_verdict source_choose(const struct source_set *set, const struct source_trials *trials,
	uint64_t now_ms, size_t *ret_index, uint64_t *ret_wait_ms)
{
	size_t best = SIZE_MAX;
	uint64_t best_at = UINT64_MAX;
	bool best_fresh = false;

	for (size_t i = 0; i < set->n; i++) {
		const struct source_trial *t = &trials->each[i];
		bool fresh = t->attempts == 0;
		uint64_t at;

		if (!eligible(set, trials, i))
			continue;
		at = later(later(t->not_before_ms, set->items[i].parked_until_ms), now_ms);
		if (at - now_ms > SOURCE_PARK_MAX_SEC * (uint64_t)1000)
			continue; /* not in this run */
		if (at < best_at || (at == best_at && fresh && !best_fresh)) {
			best = i;
			best_at = at;
			best_fresh = fresh;
		}
	}
	if (best == SIZE_MAX)
		return SOURCE_NONE;
	if (best_at > now_ms) {
		*ret_wait_ms = best_at - now_ms;
		return SOURCE_WAIT;
	}
	*ret_index = best;
	return SOURCE_ASK;
}

static void remember_error(struct source *s, const struct error *err)
{
	s->failures++;
	str_replace(&s->last_error, error_text(err));
	s->last_error_sec = clock_wall_sec();
}

/* Whether any other source of the set could be asked at all. */
static bool has_other(const struct source_set *set, const struct source *s, uint64_t now_ms)
{
	for (size_t i = 0; i < set->n; i++)
		if (&set->items[i] != s && !is_struck_out(&set->items[i]) &&
			set->items[i].parked_until_ms <= now_ms)
			return true;
	return false;
}

/* Failures that tell something of the source, not of this digest. */
static void learn_health(const struct source_set *set, struct source *s, const struct error *err,
	bool authority_only, uint64_t now_ms)
{
	s->failures_in_row++;
	if (err->retry_sec > 0) {
		uint64_t until = now_ms + 1000 * (uint64_t)err->retry_sec;

		s->parked_until_ms = later(s->parked_until_ms, until);
	} else if (s->failures_in_row >= SOURCE_BREAKER && !authority_only &&
		   has_other(set, s, now_ms)) {
		s->parked_until_ms =
			now_ms + SOURCE_PARK_MS * 4 / 5 + random_below(SOURCE_PARK_MS * 2 / 5);
		s->failures_in_row = 0;
	}
}

static void learn_failure(struct source_set *set, struct source_trials *trials, size_t index,
	const struct error *err, uint64_t now_ms)
{
	struct source *s = &set->items[index];
	struct source_trial *t = &trials->each[index];

	remember_error(s, err);
	switch (err->code) {
	case ERR_TEMP:
		learn_health(set, s, err, trials->authority_only, now_ms);
		t->not_before_ms =
			now_ms + backoff_ms(SOURCE_BACKOFF_MS, SOURCE_BACKOFF_CAP_MS, t->attempts);
		if (err->retry_sec > SOURCE_PARK_MAX_SEC)
			t->excluded = true;
		break;
	case ERR_CORRUPT:
		s->strikes++;
		t->excluded = true;
		break;
	case ERR_NOTFOUND:
		/* An answer like any other: the source is well, the digest is not there. */
		s->failures--;
		s->failures_in_row = 0;
		t->excluded = true;
		break;
	case ERR_NONE:
	case ERR_USAGE:
	case ERR_AUTH:
	case ERR_REMOTE:
	case ERR_TRUST:
	case ERR_IO:
	case ERR_NOMEM:
	case ERR_CANCELED:
	case ERR_BUSY:
	case ERR_MAX_:
		t->excluded = true;
		break;
	}
}

void source_learn(struct source_set *set, struct source_trials *trials, size_t index,
	uint64_t bytes, const struct error *err, uint64_t now_ms)
{
	struct source *s = &set->items[index];
	struct source_trial *t = &trials->each[index];

	s->requests++;
	s->bytes += bytes;
	t->attempts++;
	trials->attempts++;
	if (err) {
		learn_failure(set, trials, index, err, now_ms);
		return;
	}
	/* A park stays: this answer may be to a question from before. */
	s->failures_in_row = 0;
	s->last_contact_sec = clock_wall_sec();
}

void source_note(struct source *s, const struct error *err)
{
	s->requests++;
	if (err && err->code != ERR_NOTFOUND) {
		remember_error(s, err);
		return;
	}
	s->last_contact_sec = clock_wall_sec();
}
