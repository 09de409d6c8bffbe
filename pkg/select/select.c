#include "select/select.h"

#include <ctype.h>

#include "select/range.h"
#include "select/semver.h"
#include "util/mem.h"

/* One `include` or `exclude`. */
struct expression {
	char *literal;           /* the one tag that is meant, or NULL */
	struct pattern *pattern; /* else */
};

struct expressions {
	struct expression *list;
	size_t n;
};

struct selector {
	struct expressions include, exclude;
	struct range *range; /* NULL: no `semver` */
	unsigned latest;
};

const char *select_reason_text(enum select_reason r)
{
	static const char *const texts[] = {
		[SELECT_WANTED] = "selected",
		[SELECT_NOT_INCLUDED] = "not included",
		[SELECT_SEMVER] = "outside the semver range",
		[SELECT_EXCLUDED] = "excluded",
		[SELECT_OLD] = "not among the latest",
	};

	return (size_t)r < ARRAY_SIZE(texts) ? texts[r] : "unknown reason";
}

/*
 * Words of letters, digits, "_" and "-", joined by single dots: read as an
 * expression this is the tag itself, and what its dots could match besides is
 * never meant.  "1.2.." is no such tag, its dots ask for any character.
 */
static bool is_plain_tag(const char *s)
{
	bool in_word = false;

	for (; *s; s++) {
		bool is_word = isalnum((unsigned char)*s) || *s == '_' || *s == '-';

		if (!is_word && (*s != '.' || !in_word))
			return false;
		in_word = is_word;
	}
	return in_word;
}

static int expressions_compile(
	const char *const *texts, size_t n, struct expressions *ret, struct error *err)
{
	if (n > 0)
		ret->list = xcalloc(n, sizeof(*ret->list));
	for (ret->n = 0; ret->n < n; ret->n++) {
		struct expression *e = &ret->list[ret->n];
		int rc;

		if (is_plain_tag(texts[ret->n])) {
			e->literal = xstrdup(texts[ret->n]);
			continue;
		}
		rc = pattern_regex(texts[ret->n], &e->pattern, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static void expressions_clear(struct expressions *e)
{
	for (size_t i = 0; i < e->n; i++) {
		free(e->list[i].literal);
		pattern_free(e->list[i].pattern);
	}
	free(e->list);
}

void selector_free(struct selector *s)
{
	if (!s)
		return;
	expressions_clear(&s->include);
	expressions_clear(&s->exclude);
	range_free(s->range);
	free(s);
}

int selector_new(const struct select_rules *rules, struct selector **ret, struct error *err)
{
	AUTO(selector_freep) struct selector *s = xcalloc(1, sizeof(*s));
	int rc = expressions_compile(rules->include, rules->n_include, &s->include, err);

	if (rc < 0)
		return error_wrap(err, rc, "include");
	rc = expressions_compile(rules->exclude, rules->n_exclude, &s->exclude, err);
	if (rc < 0)
		return error_wrap(err, rc, "exclude");
	rc = rules->semver ? range_parse(rules->semver, &s->range, err) : 0;
	if (rc < 0)
		return rc;
	s->latest = rules->latest;
	*ret = steal(&s);
	return 0;
}

bool selector_is_literal(const struct selector *s)
{
	for (size_t i = 0; i < s->include.n; i++) {
		if (!s->include.list[i].literal)
			return false;
	}
	return s->include.n > 0 && s->exclude.n == 0 && !s->range && s->latest == 0;
}

static int any_matches(const struct expressions *e, const char *tag, bool *ret, struct error *err)
{
	bool found = false;

	for (size_t i = 0; i < e->n && !found; i++) {
		const struct expression *one = &e->list[i];
		int rc = 0;

		if (one->literal)
			found = strcmp(one->literal, tag) == 0;
		else
			rc = pattern_match(one->pattern, tag, &found, err);
		if (rc < 0)
			return rc;
	}
	*ret = found;
	return 0;
}

/* All filters but `latest`, which needs to see all tags. */
static int judge(
	const struct selector *s, const char *tag, enum select_reason *ret, struct error *err)
{
	struct semver version;
	bool found = true;
	int rc = s->include.n > 0 ? any_matches(&s->include, tag, &found, err) : 0;

	if (rc < 0)
		return error_wrap(err, rc, "include");
	if (!found) {
		*ret = SELECT_NOT_INCLUDED;
		return 0;
	}
	if (s->range && (!semver_parse(tag, &version) || !range_has(s->range, &version))) {
		*ret = SELECT_SEMVER;
		return 0;
	}
	rc = any_matches(&s->exclude, tag, &found, err);
	if (rc < 0)
		return error_wrap(err, rc, "exclude");
	*ret = found ? SELECT_EXCLUDED : SELECT_WANTED;
	return 0;
}

static int highest_first(const void *a, const void *b)
{
	return semver_compare(b, a);
}

/* The lowest version to keep: the latest'th of `sorted` when equal ones count once. */
static const struct semver *lowest_kept(const struct semver *sorted, size_t n, unsigned latest)
{
	const struct semver *lowest = sorted;
	unsigned n_versions = 1;

	for (size_t i = 1; i < n; i++) {
		if (semver_compare(&sorted[i], lowest) == 0)
			continue;
		if (n_versions++ == latest)
			break;
		lowest = &sorted[i];
	}
	return lowest;
}

static void keep_latest(
	unsigned latest, const char *const *tags, size_t n, enum select_reason *reasons)
{
	AUTO_FREE struct semver *versions = xcalloc(n, sizeof(*versions));
	const struct semver *lowest;
	size_t n_versions = 0;

	for (size_t i = 0; i < n; i++) {
		if (reasons[i] == SELECT_WANTED && semver_parse(tags[i], &versions[n_versions]))
			n_versions++;
	}
	qsort(versions, n_versions, sizeof(*versions), highest_first);
	lowest = lowest_kept(versions, n_versions, latest);
	for (size_t i = 0; i < n; i++) {
		struct semver v;

		if (reasons[i] == SELECT_WANTED &&
			(!semver_parse(tags[i], &v) || semver_compare(&v, lowest) < 0))
			reasons[i] = SELECT_OLD;
	}
}

int selector_apply(const struct selector *s, const char *const *tags, size_t n,
	enum select_reason *ret, struct error *err)
{
	AUTO_FREE enum select_reason *reasons = NULL;

	if (n == 0)
		return 0;
	reasons = xcalloc(n, sizeof(*reasons));
	for (size_t i = 0; i < n; i++) {
		int rc = judge(s, tags[i], &reasons[i], err);

		if (rc < 0)
			return rc;
	}
	if (s->latest > 0)
		keep_latest(s->latest, tags, n, reasons);
	memcpy(ret, reasons, n * sizeof(*ret));
	return 0;
}
