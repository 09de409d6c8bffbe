/* freshness.c - what a mirror's answer for a tag means, against what the authority said before. */
#include "source/freshness.h"

#include "util/compiler.h"

bool tag_history_add(struct tag_history *h, const struct digest *digest, int64_t now_sec)
{
	if (h->n > 0 && digest_equal(&h->versions[h->n - 1].digest, digest))
		return false;
	if (h->n == TAG_HISTORY_MAX) {
		memmove(h->versions, h->versions + 1, (h->n - 1) * sizeof(h->versions[0]));
		h->n--;
	}
	h->versions[h->n++] = (struct tag_version){*digest, now_sec};
	return true;
}

int64_t tag_history_changed(const struct tag_history *h)
{
	return h->n > 0 ? h->versions[h->n - 1].first_seen_sec : 0;
}

/* The newest version with this digest; h->n: the authority never had it. */
static size_t find_version(const struct tag_history *h, const struct digest *digest)
{
	for (size_t i = h->n; i > 0; i--) {
		if (digest_equal(&h->versions[i - 1].digest, digest))
			return i - 1;
	}
	return h->n;
}

static struct freshness_verdict final(enum freshness state)
{
	return (struct freshness_verdict){.state = state};
}

/* An older digest: does the mirror have the new content? */
static struct freshness_verdict judge_lag(
	const struct freshness_facts *facts, int64_t moved_sec, int64_t now_sec)
{
	struct freshness_verdict v = {.lag_sec = now_sec > moved_sec ? now_sec - moved_sec : 0};

	if (!facts->asked_content)
		v.ask_content = true;
	else if (!facts->has_content)
		v.state = FRESH_CONTENT_LAG;
	else
		v.state = facts->blobs_missing ? FRESH_PARTIAL : FRESH_TAG_LAG;
	return v;
}

/*
 * A digest that is not known of the authority: it may have moved since it was asked, or before we
 * ever asked; then it still has the old content.
 */
static struct freshness_verdict judge_unknown_digest(
	const struct tag_history *h, const struct freshness_facts *facts, int64_t now_sec)
{
	if (!facts->asked_again)
		return (struct freshness_verdict){.ask_again = true};
	if (!facts->asked_origin)
		return (struct freshness_verdict){.ask_origin = true};
	if (facts->origin_has)
		return judge_lag(facts, h->versions[0].first_seen_sec, now_sec);
	if (!facts->asked_children)
		return (struct freshness_verdict){.ask_children = true};
	return final(facts->same_children ? FRESH_REENCODED : FRESH_DIVERGED);
}

struct freshness_verdict freshness_judge(
	const struct tag_history *h, const struct freshness_facts *facts, int64_t now_sec)
{
	size_t i;

	if (!facts->answered)
		return final(FRESH_UNKNOWN);
	if (facts->denied)
		return final(FRESH_DENIED);
	if (facts->absent)
		return final(FRESH_MISSING);
	if (h->n == 0) /* nothing to compare with */
		return (struct freshness_verdict){.ask_again = !facts->asked_again};
	i = find_version(h, &facts->digest);
	if (i == h->n)
		return judge_unknown_digest(h, facts, now_sec);
	if (i + 1 < h->n)
		return judge_lag(facts, h->versions[i + 1].first_seen_sec, now_sec);
	if (facts->blobs_missing)
		return final(FRESH_PARTIAL);
	return final(facts->asked_again ? FRESH_SKEW : FRESH_CURRENT);
}

/* ---- names and order ---- */

static const struct {
	const char *name;
	unsigned badness; /* for the summary of a source */
} states[] = {
	[FRESH_UNKNOWN] = {"unknown", 0},
	[FRESH_CURRENT] = {"fresh", 1},
	[FRESH_SKEW] = {"origin skew", 2},
	[FRESH_REENCODED] = {"re-encoded", 3},
	[FRESH_TAG_LAG] = {"tag lag", 4},
	[FRESH_PARTIAL] = {"partial", 5},
	[FRESH_CONTENT_LAG] = {"content lag", 6},
	[FRESH_MISSING] = {"missing", 7},
	[FRESH_DENIED] = {"denied", 8},
	[FRESH_DIVERGED] = {"diverged", 9},
};

const char *freshness_name(enum freshness f)
{
	return states[f].name;
}

enum freshness freshness_worse(enum freshness a, enum freshness b)
{
	return states[a].badness >= states[b].badness ? a : b;
}
