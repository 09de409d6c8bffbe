/* freshness.c - what a mirror's answer means, step by step. */
#include "source/freshness.h"

#include <string.h>

#include "util/compiler.h"

bool tag_history_add(struct tag_history *h, const struct digest *digest, int64_t now_sec)
{
	if (h->n > 0 && digest_equal(&h->versions[h->n - 1].digest, digest))
		return false;
	if (h->n == TAG_HISTORY_MAX) {
		memmove(h->versions, h->versions + 1, (h->n - 1) * sizeof(*h->versions));
		h->n--;
	}
	h->versions[h->n++] = (struct tag_version){*digest, now_sec};
	return true;
}

int64_t tag_history_changed(const struct tag_history *h)
{
	return h->n > 0 ? h->versions[h->n - 1].first_seen_sec : 0;
}

const char *freshness_name(enum freshness f)
{
	static const char *const names[] = {
		[FRESH_UNKNOWN] = "unknown",
		[FRESH_CURRENT] = "fresh",
		[FRESH_TAG_LAG] = "tag lag",
		[FRESH_CONTENT_LAG] = "content lag",
		[FRESH_PARTIAL] = "partial",
		[FRESH_SKEW] = "origin skew",
		[FRESH_REENCODED] = "re-encoded",
		[FRESH_DIVERGED] = "diverged",
		[FRESH_MISSING] = "missing",
		[FRESH_DENIED] = "denied",
	};

	return names[f];
}

enum freshness freshness_worse(enum freshness a, enum freshness b)
{
	/* That nothing is known says less than anything that is. */
	static const unsigned weight[] = {
		[FRESH_UNKNOWN] = 0,
		[FRESH_CURRENT] = 1,
		[FRESH_SKEW] = 2,
		[FRESH_REENCODED] = 3,
		[FRESH_TAG_LAG] = 4,
		[FRESH_PARTIAL] = 5,
		[FRESH_CONTENT_LAG] = 6,
		[FRESH_MISSING] = 7,
		[FRESH_DENIED] = 8,
		[FRESH_DIVERGED] = 9,
	};

	return weight[a] >= weight[b] ? a : b;
}

/* The newest time that the tag was this digest; h->n: never. */
static size_t find(const struct tag_history *h, const struct digest *digest)
{
	for (size_t i = h->n; i-- > 0;)
		if (digest_equal(&h->versions[i].digest, digest))
			return i;
	return h->n;
}

static struct freshness_verdict judge_lag(const struct tag_history *h, size_t at,
	const struct freshness_facts *facts, int64_t now_sec)
{
	int64_t left_sec = h->versions[at + 1].first_seen_sec;
	struct freshness_verdict v = {.lag_sec = now_sec > left_sec ? now_sec - left_sec : 0};

	if (!facts->asked_content)
		v.ask_content = true;
	else if (!facts->has_content)
		v.state = FRESH_CONTENT_LAG;
	else
		v.state = facts->blobs_missing ? FRESH_PARTIAL : FRESH_TAG_LAG;
	return v;
}

/* Of a digest that is not known it is asked whether we are late, or the mirror is wrong. */
static struct freshness_verdict judge_unknown(const struct freshness_facts *facts)
{
	struct freshness_verdict v = {.state = FRESH_UNKNOWN};

	if (!facts->asked_again)
		v.ask_again = true;
	else if (!facts->asked_children)
		v.ask_children = true;
	else
		v.state = facts->same_children ? FRESH_REENCODED : FRESH_DIVERGED;
	return v;
}

struct freshness_verdict freshness_judge(
	const struct tag_history *h, const struct freshness_facts *facts, int64_t now_sec)
{
	struct freshness_verdict v = {.state = FRESH_UNKNOWN};
	size_t at;

	if (!facts->answered || h->n == 0)
		return v;
	if (facts->absent || facts->denied) {
		v.state = facts->absent ? FRESH_MISSING : FRESH_DENIED;
		return v;
	}
	at = find(h, &facts->digest);
	if (at == h->n)
		return judge_unknown(facts);
	if (at + 1 < h->n)
		return judge_lag(h, at, facts, now_sec);
	v.state = facts->asked_again ? FRESH_SKEW : FRESH_CURRENT;
	return v;
}
