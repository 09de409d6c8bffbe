/* health.c - who may be asked, and what an attempt's end says of a source. */
#include "source/learnt.h"

#include <errno.h>
#include <stdio.h>

#include "oci/reference.h"
#include "util/clock.h"
#include "util/mem.h"

#define STATUS_FORBIDDEN         403
#define STATUS_REQUEST_TIMEOUT   408
#define STATUS_TOO_MANY_REQUESTS 429
#define STATUS_GATEWAY_TIMEOUT   504
#define RETRY_PRICE              5u   /* tokens (sources.md 3.4) */
#define TIMEOUT_PRICE            10u  /* tokens: a time-out has cost its waiting time already */
#define THROTTLED_MS             5000 /* base of the back-off after a 429 (sources.md 3.4) */

/* ---- what was refused to other jobs ---- */

#define KEY_MAX (REPOSITORY_MAX + DIGEST_STR_MAX + 16)

/* digest NULL: the whole repository.  False: too long to be remembered. */
static bool refusal_key(
	size_t index, const char *repository, const struct digest *digest, char key[static KEY_MAX])
{
	char text[DIGEST_STR_MAX] = "";
	int n;

	if (digest)
		digest_format(digest, text);
	n = snprintf(key, KEY_MAX, "%zu %s %s", index, repository, text);
	return n > 0 && (size_t)n < KEY_MAX;
}

static bool refused(const struct source_set *set, size_t index, const char *repository,
	const struct digest *digest, uint64_t now_ms)
{
	char key[KEY_MAX];
	const uint64_t *until;

	if (!repository || map_count(set->book->refusals) == 0 ||
		!refusal_key(index, repository, digest, key))
		return false;
	until = map_get_str(set->book->refusals, key);
	return until && *until > now_ms;
}

static void forget_old(struct map *m, uint64_t now_ms)
{
	struct map_item *next;

	for (struct map_item *i = map_first(m); i; i = next) {
		const uint64_t *until = map_value(i);

		next = map_next(i);
		if (*until <= now_ms)
			map_remove_str(m, map_key(i, NULL));
	}
}

static void refuse(struct source_set *set, size_t index, const char *repository,
	const struct digest *digest, uint64_t until_ms, uint64_t now_ms)
{
	char key[KEY_MAX];
	uint64_t *until;

	if (!repository || !source_set_measured(set) ||
		!refusal_key(index, repository, digest, key))
		return;
	if (map_count(set->book->refusals) >= SOURCE_REFUSALS_MAX)
		forget_old(set->book->refusals, now_ms);
	if (map_count(set->book->refusals) >= SOURCE_REFUSALS_MAX)
		return; /* it is asked again: that is all it costs */
	until = xkeep(1, sizeof(*until));
	*until = until_ms;
	map_put_str(set->book->refusals, key, until);
}

bool source_said_absent(const struct source_set *set, const struct source_trials *trials,
	size_t index, uint64_t now_ms)
{
	return trials->digest && refused(set, index, trials->repository, trials->digest, now_ms);
}

bool source_refused(
	const struct source_set *set, const struct source_trials *t, size_t i, uint64_t now_ms)
{
	return source_said_absent(set, t, i, now_ms) ||
	       refused(set, i, t->repository, NULL, now_ms);
}

/* ---- who may be asked ---- */

/* The authority never is: what it corrupts nobody can give, but its other images are wanted. */
bool source_is_struck_out(const struct source *s)
{
	return !s->authority && (s->quarantined || s->strikes >= SOURCE_STRIKES);
}

/* The limit for all together stops repetitions: whoever was not asked yet is asked once. */
bool source_is_eligible(const struct source_set *set, const struct source_trials *t, size_t i)
{
	const struct source *s = &set->items[i];

	if (t->attempts >= SOURCE_ATTEMPTS_BLOB && t->each[i].attempts > 0)
		return false;
	if (t->authority_only && !s->authority)
		return false;
	if (source_set_measured(set) && t->each[i].attempts > 0 && s->learnt->tokens < RETRY_PRICE)
		return false;
	return !t->each[i].excluded && t->each[i].attempts < SOURCE_ATTEMPTS_EACH &&
	       !source_is_struck_out(s);
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

uint64_t source_free_at(
	const struct source_set *set, const struct source_trials *t, size_t i, uint64_t now_ms)
{
	uint64_t at = later(t->each[i].not_before_ms, set->items[i].parked_until_ms);

	if (set->items[i].learnt->on_trial)
		at = later(at, now_ms + SOURCE_TRIAL_MS);
	at = later(at, now_ms);
	return at - now_ms > SOURCE_PARK_MAX_SEC * (uint64_t)1000 ? UINT64_MAX : at;
}

/* ---- what an attempt's end says ---- */

static void remember_error(struct source *s, const struct error *err)
{
	s->failures++;
	str_replace(&s->last_error, error_text(err));
	s->last_error_sec = clock_wall_sec();
}

static void heard(struct source *s)
{
	s->heard_ms = clock_mono_ms();
	s->last_contact_sec = clock_wall_sec();
}

/* Whether any other source could be asked for this: one that denied it is nobody to turn to. */
static bool has_other(
	const struct source_set *set, const struct source_trials *t, size_t index, uint64_t now_ms)
{
	for (size_t i = 0; i < set->n; i++)
		if (i != index && !source_is_struck_out(&set->items[i]) &&
			set->items[i].parked_until_ms <= now_ms && !t->each[i].excluded &&
			!source_refused(set, t, i, now_ms))
			return true;
	return false;
}

/* Measured: longer each time in a row, and one question before bytes are asked for again. */
static void open_breaker(const struct source_set *set, struct source *s, uint64_t now_ms)
{
	uint64_t base = SOURCE_PARK_MS;

	if (source_set_measured(set)) {
		s->learnt->opened++;
		s->learnt->half_open = true;
		base *= s->learnt->opened;
		if (base > SOURCE_PARK_CAP_MS)
			base = SOURCE_PARK_CAP_MS;
	}
	s->parked_until_ms = now_ms + base * 4 / 5 + random_below(base * 2 / 5);
	s->failures_in_row = 0;
}

static void halve_places(struct source_learnt *l)
{
	if (l->limit > 1)
		l->limit /= 2;
}

/* Failures that tell something of the source, not of this digest. */
static void learn_health(const struct source_set *set, const struct source_trials *trials,
	size_t index, const struct error *err, uint64_t now_ms)
{
	struct source *s = &set->items[index];
	bool measured = source_set_measured(set);

	if (measured && err->http == STATUS_TOO_MANY_REQUESTS) {
		/* It is well, and wants less. */
		halve_places(s->learnt);
	} else {
		s->failures_in_row++;
	}
	if (err->retry_sec > 0) {
		uint64_t until = now_ms + 1000 * (uint64_t)err->retry_sec;

		s->parked_until_ms = later(s->parked_until_ms, until);
	} else if (s->failures_in_row >= SOURCE_BREAKER && !trials->authority_only &&
		   has_other(set, trials, index, now_ms)) {
		open_breaker(set, s, now_ms);
	}
}

static void learn_temporary(struct source_set *set, struct source_trials *trials, size_t index,
	const struct error *err, uint64_t now_ms)
{
	struct source_trial *t = &trials->each[index];
	uint64_t base = SOURCE_BACKOFF_MS;

	if (source_set_measured(set) && err->http == STATUS_TOO_MANY_REQUESTS)
		base = THROTTLED_MS;
	learn_health(set, trials, index, err, now_ms);
	t->not_before_ms = now_ms + backoff_ms(base, SOURCE_BACKOFF_CAP_MS, t->attempts);
	if (err->retry_sec > SOURCE_PARK_MAX_SEC)
		t->excluded = true;
}

static void learn_failure(struct source_set *set, struct source_trials *trials, size_t index,
	const struct error *err, uint64_t now_ms)
{
	struct source *s = &set->items[index];

	remember_error(s, err);
	trials->each[index].failure = err->code;
	trials->each[index].excluded = err->code != ERR_TEMP;
	switch (err->code) {
	case ERR_TEMP:
		learn_temporary(set, trials, index, err, now_ms);
		break;
	case ERR_CORRUPT:
		s->strikes++;
		break;
	case ERR_NOTFOUND:
		/* An answer like any other: the source is well, the digest is not there. */
		s->failures--;
		s->failures_in_row = 0;
		refuse(set,
			index,
			trials->digest ? trials->repository : NULL,
			trials->digest,
			now_ms + SOURCE_ABSENT_SEC * UINT64_C(1000),
			now_ms);
		break;
	case ERR_AUTH:
		if (err->http == STATUS_FORBIDDEN)
			refuse(set,
				index,
				trials->repository,
				NULL,
				now_ms + SOURCE_DENIED_SEC * UINT64_C(1000),
				now_ms);
		break;
	case ERR_REMOTE:
		/* TLS that fails, an answer that is none: not this digest's fault. */
		if (err->http == 0 && source_set_measured(set))
			learn_health(set, trials, index, err, now_ms);
		break;
	case ERR_NONE:
	case ERR_USAGE:
	case ERR_TRUST:
	case ERR_IO:
	case ERR_NOMEM:
	case ERR_CANCELED:
	case ERR_BUSY:
	case ERR_MAX_:
		break;
	}
}

/* A repetition costs, so that many of them never multiply an outage. */
static void pay(struct source_learnt *l, const struct error *err)
{
	const bool timed_out =
		err && (err->sys == ETIMEDOUT || err->http == STATUS_REQUEST_TIMEOUT ||
			       err->http == STATUS_GATEWAY_TIMEOUT);
	const unsigned price = timed_out ? TIMEOUT_PRICE : RETRY_PRICE;

	l->tokens = l->tokens > price ? l->tokens - price : 0;
}

void source_learn(struct source_set *set, struct source_trials *trials, size_t index,
	uint64_t bytes, const struct error *err, uint64_t now_ms)
{
	struct source *s = &set->items[index];
	struct source_trial *t = &trials->each[index];

	book_at_ms(set, now_ms);
	set->book->turn++;
	s->requests++;
	s->bytes += bytes;
	t->attempts++;
	trials->attempts++;
	if (t->attempts > 1)
		pay(s->learnt, err);
	if (err) {
		learn_failure(set, trials, index, err, now_ms);
		return;
	}
	/* A park stays: this answer may be to a question from before. */
	s->failures_in_row = 0;
	heard(s);
	if (!s->learnt->half_open && s->parked_until_ms <= now_ms)
		s->learnt->opened = 0;
	if (s->learnt->tokens < SOURCE_TOKENS)
		s->learnt->tokens++;
}

void source_note(struct source *s, const struct error *err)
{
	s->requests++;
	if (!err || err->code == ERR_NOTFOUND) {
		heard(s);
		return;
	}
	remember_error(s, err);
	if (err->code == ERR_TEMP && err->retry_sec > 0 && err->retry_sec <= SOURCE_PARK_MAX_SEC)
		s->parked_until_ms = later(
			s->parked_until_ms, clock_mono_ms() + 1000 * (uint64_t)err->retry_sec);
}

bool source_heard_within(const struct source *s, uint64_t ms)
{
	return s->heard_ms > 0 && clock_mono_ms() - s->heard_ms < ms;
}

void source_struck(struct source_set *set, size_t index, const struct digest *digest,
	const char *evidence, int64_t now_sec)
{
	struct source *s = &set->items[index];
	struct source_learnt *l = s->learnt;
	struct source_strike *strike = xkeep(1, sizeof(*strike));

	book_at_sec(set, now_sec);
	*strike = (struct source_strike){
		.at_sec = now_sec,
		.digest = *digest,
		.evidence = xstrdup(evidence),
		.next = l->strikes,
	};
	l->strikes = strike;
	l->struck_sec[1] = l->struck_sec[0];
	l->struck_sec[0] = now_sec;
	if (!s->authority && l->struck_sec[1] > 0 &&
		now_sec - l->struck_sec[1] < SOURCE_QUARANTINE_SEC)
		s->quarantined = true;
}

/* ---- half open ---- */

bool source_needs_trial(const struct source_set *set, size_t index)
{
	return source_set_measured(set) && set->items[index].learnt->half_open;
}

void source_trial_begin(struct source_set *set, size_t index)
{
	set->items[index].learnt->on_trial = true;
}

/* It answers again, whatever it says of this digest: 403, 404, or that it knows no HEAD. */
static bool is_answer(const struct error *err)
{
	return !err || err->code == ERR_NOTFOUND || err->code == ERR_AUTH ||
	       (err->code == ERR_REMOTE && err->http != 0);
}

void source_trial_end(
	struct source_set *set, size_t index, const struct error *err, uint64_t now_ms)
{
	struct source *s = &set->items[index];

	book_at_ms(set, now_ms);
	s->learnt->on_trial = false;
	if (err && err->code == ERR_CANCELED)
		return;
	s->requests++;
	if (is_answer(err)) {
		s->learnt->half_open = false;
		s->failures_in_row = 0;
		heard(s);
		return;
	}
	remember_error(s, err);
	open_breaker(set, s, now_ms);
	if (err->retry_sec > 0)
		s->parked_until_ms =
			later(s->parked_until_ms, now_ms + 1000 * (uint64_t)err->retry_sec);
}
