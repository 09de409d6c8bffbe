/* failures.c - why each source did not give a digest. */
#include "transfer/failures.h"

#include "util/buf.h"
#include "util/mem.h"
#include "util/utf8.h"

struct failure {
	struct error err;
	unsigned turn; /* from 1, in order of time; 0: it did not fail */
};

void failures_clear(struct failures *f)
{
	for (size_t i = 0; f->each && i < SOURCES_MAX; i++)
		error_clear(&f->each[i].err);
	free(f->each);
	f->each = NULL;
}

static unsigned newest(const struct failures *f)
{
	unsigned turn = 0;

	for (size_t i = 0; i < SOURCES_MAX; i++)
		if (f->each[i].turn > turn)
			turn = f->each[i].turn;
	return turn;
}

void failures_note(
	struct failures *f, const struct source_set *set, size_t index, const struct error *err)
{
	struct failure *one;

	(void)set;
	if (!f->each)
		f->each = xcalloc(SOURCES_MAX, sizeof(*f->each));
	one = &f->each[index];
	one->turn = newest(f) + 1;
	error_copy(&one->err, err);
}

/* ---- the end ---- */

enum standing {
	IRRELEVANT, /* it was not to be asked */
	FAILED,
	ABSENT_BEFORE, /* it said "not there" to another job a short while ago */
	NOT_ASKED
};

static enum standing standing_of(const struct failures *f, const struct source_set *set,
	const struct source_trials *trials, size_t i, uint64_t now_ms)
{
	if (f->each && f->each[i].turn > 0)
		return FAILED;
	if (!source_counts(set, trials, i))
		return IRRELEVANT;
	return source_said_absent(set, trials, i, now_ms) ? ABSENT_BEFORE : NOT_ASKED;
}

/* The failure whose class is told; SIZE_MAX: none. */
static size_t shown(
	const struct failures *f, const struct source_set *set, const struct source_trials *trials)
{
	size_t found = SIZE_MAX;

	if (!f->each)
		return SIZE_MAX;
	if (set->mode == SOURCE_ORDERED && set->has_chain && !trials->authority_only) {
		enum errc classes[CHAIN_MAX] = {ERR_NONE};
		size_t entry;

		for (size_t i = 0; i < set->chain.n; i++)
			if (set->chain.entries[i].kind != CHAIN_OFF)
				classes[i] = f->each[set->chain.entries[i].source].err.code;
		entry = chain_shown(&set->chain, classes);
		return entry < set->chain.n ? set->chain.entries[entry].source : SIZE_MAX;
	}
	for (size_t i = 0; i < set->n; i++) {
		const struct failure *a = &f->each[i];

		if (a->turn == 0)
			continue;
		if (found == SIZE_MAX ||
			(a->err.code != ERR_NOTFOUND && (f->each[found].err.code == ERR_NOTFOUND ||
								a->turn > f->each[found].turn)))
			found = i;
	}
	return found;
}

static int text_length(const char *text)
{
	size_t n = strlen(text);

	return (int)(n > FAILURE_TEXT_MAX ? FAILURE_TEXT_MAX : n);
}

static const char *reason(const struct failures *f, const struct source_set *set,
	const struct source_trials *trials, size_t i, uint64_t now_ms)
{
	switch (standing_of(f, set, trials, i, now_ms)) {
	case FAILED:
		return error_text(&f->each[i].err);
	case ABSENT_BEFORE:
		return "not there, as it said a short while ago";
	case NOT_ASKED:
		return "not asked: parked, or refused a short while ago";
	case IRRELEVANT:
		break;
	}
	return NULL;
}

static void append(char **text, const char *name, const char *why)
{
	char *longer =
		xasprintf("%s%s%s: %.*s", *text, **text ? "; " : "", name, text_length(why), why);

	free(*text);
	*text = longer;
}

/* "a: 404 ...; b: no connection"; the one whose class is told comes first. */
static char *list(const struct failures *f, const struct source_set *set,
	const struct source_trials *trials, size_t first, uint64_t now_ms)
{
	char *text = xstrdup("");

	if (first < set->n)
		append(&text, set->items[first].name, error_text(&f->each[first].err));
	for (size_t i = 0; i < set->n; i++) {
		const char *why = reason(f, set, trials, i, now_ms);

		if (why && i != first)
			append(&text, set->items[i].name, why);
	}
	return text;
}

/* Of the newest failure that is not "not there"; ERR_NOTFOUND when there is none. */
static enum errc worse_than_absent(const struct failures *f)
{
	enum errc code = ERR_NOTFOUND;
	unsigned turn = 0;

	for (size_t i = 0; f->each && i < SOURCES_MAX; i++) {
		const struct failure *one = &f->each[i];

		if (one->turn <= turn || one->err.code == ERR_NOTFOUND)
			continue;
		turn = one->turn;
		code = one->err.code;
	}
	return code;
}

static size_t count(const struct failures *f, const struct source_set *set,
	const struct source_trials *trials, uint64_t now_ms, enum standing standing)
{
	size_t n = 0;

	for (size_t i = 0; i < set->n; i++)
		n += standing_of(f, set, trials, i, now_ms) == standing;
	return n;
}

void failures_conclude(const struct failures *f, const struct source_set *set,
	const struct source_trials *trials, uint64_t now_ms, struct error *err)
{
	AUTO(error_clear) struct error told = ERROR_INIT;
	AUTO_FREE char *text = NULL;
	size_t one = shown(f, set, trials);
	size_t unasked = count(f, set, trials, now_ms, NOT_ASKED);
	size_t absent = count(f, set, trials, now_ms, ABSENT_BEFORE);

	if (one == SIZE_MAX && absent == 0) {
		error_clear(err);
		(void)error_set(err,
			ERR_TEMP,
			"every source is parked, or gave too much wrong content in this run");
		return;
	}
	if (one != SIZE_MAX)
		error_copy(&told, &f->each[one].err);
	else
		told.code = ERR_NOTFOUND;
	/* Whoever was not asked, or gave no answer, did not say "not there" (promise 5). */
	if (told.code == ERR_NOTFOUND)
		told.code = worse_than_absent(f);
	if (told.code == ERR_NOTFOUND && unasked > 0)
		told.code = ERR_TEMP;
	if (count(f, set, trials, now_ms, FAILED) == 1 && unasked + absent == 0) {
		(void)error_wrap(&told, -(int)told.code, "source %s", set->items[one].name);
	} else {
		text = list(f, set, trials, one, now_ms);
		free(told.msg);
		told.msg = steal(&text);
	}
	error_move(err, &told);
}
