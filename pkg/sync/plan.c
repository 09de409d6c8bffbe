/* plan.c - how little must be asked. */
#include "sync/plan.h"

#include "util/mem.h"

#define CONFIRM_SHARE 8 /* one run confirms at most this part of what is known */

enum plan_ask plan_ask(const struct plan_facts *facts, size_t n_targets, bool immutable)
{
	bool confirm = false;

	for (size_t i = 0; i < n_targets; i++) {
		if (!facts[i].remembered || !facts[i].listed)
			return PLAN_GET;
		confirm = confirm || facts[i].confirm;
	}
	if (confirm || !immutable)
		return PLAN_HEAD;
	return PLAN_NOTHING;
}

struct due {
	int64_t at;
	size_t index;
};

static int older(const void *a, const void *b)
{
	const struct due *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return x->index < y->index ? -1 : 1;
}

void plan_confirm(
	const int64_t *confirmed_at, size_t n, int64_t now_sec, uint64_t age_sec, bool *ret)
{
	AUTO_FREE struct due *due = xcalloc(n ? n : 1, sizeof(*due));
	size_t n_due = 0, quota = (n + CONFIRM_SHARE - 1) / CONFIRM_SHARE;

	if (quota < PLAN_CONFIRM_MIN)
		quota = PLAN_CONFIRM_MIN;
	for (size_t i = 0; i < n; i++) {
		ret[i] = false;
		if (confirmed_at[i] + (int64_t)age_sec <= now_sec)
			due[n_due++] = (struct due){confirmed_at[i], i};
	}
	qsort(due, n_due, sizeof(*due), older);
	for (size_t i = 0; i < n_due && i < quota; i++)
		ret[due[i].index] = true;
}
