/* choose.c - the configured order or the chain's, with failures remembered. */
#include "source/learnt.h"

/* Whether the next entry's turn has come: this one failed so, or cannot be asked. */
static bool chain_passes(const struct source_set *set, const struct source_trials *t,
	const struct chain_entry *e, uint64_t now_ms)
{
	enum errc failure = t->each[e->source].failure;

	if (failure == ERR_CORRUPT || source_is_struck_out(&set->items[e->source]))
		return true;
	if (failure != ERR_NONE)
		return chain_goes_on(e, failure);
	return e->any_error && set->items[e->source].parked_until_ms > now_ms;
}

/* The sources that the chain has come to, in its order. */
static size_t chain_reached(const struct source_set *set, const struct source_trials *t,
	uint64_t now_ms, size_t ret[static CHAIN_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < set->chain.n; i++) {
		const struct chain_entry *e = &set->chain.entries[i];

		if (e->kind == CHAIN_OFF)
			break;
		ret[n++] = e->source;
		if (e->kind == CHAIN_DIRECT || !chain_passes(set, t, e, now_ms))
			break;
	}
	return n;
}

static bool by_chain(const struct source_set *set, const struct source_trials *t)
{
	return set->mode == SOURCE_ORDERED && set->has_chain && !t->authority_only;
}

/* Who may be asked, in order.  Returns how many. */
static size_t in_order(const struct source_set *set, const struct source_trials *t, uint64_t now_ms,
	size_t ret[static CHAIN_MAX])
{
	if (by_chain(set, t))
		return chain_reached(set, t, now_ms, ret);
	for (size_t i = 0; i < set->n; i++)
		ret[i] = i;
	return set->n;
}

static enum source_verdict ordered_choose(const struct source_set *set,
	const struct source_trials *trials, uint64_t now_ms, size_t *ret_index,
	uint64_t *ret_wait_ms)
{
	size_t order[CHAIN_MAX];
	size_t n = in_order(set, trials, now_ms, order);
	size_t best = SIZE_MAX;
	uint64_t best_at = UINT64_MAX;
	bool best_fresh = false;

	for (size_t k = 0; k < n; k++) {
		size_t i = order[k];
		bool fresh = trials->each[i].attempts == 0;
		uint64_t at;

		if (!source_is_eligible(set, trials, i))
			continue;
		at = source_free_at(set, trials, i, now_ms);
		if (at < best_at || (at == best_at && at != UINT64_MAX && fresh && !best_fresh)) {
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

enum source_verdict source_choose(const struct source_set *set, const struct source_trials *trials,
	const struct source_want *want, uint64_t now_ms, size_t *ret_index, uint64_t *ret_wait_ms)
{
	if (source_set_measured(set) && !trials->authority_only)
		return measured_choose(set, trials, want, now_ms, ret_index, ret_wait_ms);
	return ordered_choose(set, trials, now_ms, ret_index, ret_wait_ms);
}

bool source_should_leave(const struct source_set *set, const struct source_trials *trials,
	const struct source_want *want, size_t index, uint64_t now_ms)
{
	size_t other;
	uint64_t wait;

	return set->items[index].parked_until_ms > now_ms &&
	       source_choose(set, trials, want, now_ms, &other, &wait) == SOURCE_ASK &&
	       other != index;
}

bool source_usable(const struct source_set *set, const struct source_trials *trials, size_t index,
	uint64_t now_ms)
{
	return source_is_eligible(set, trials, index) &&
	       source_free_at(set, trials, index, now_ms) == now_ms &&
	       !source_refused(set, trials, index, now_ms);
}

static bool is_reached(
	const struct source_set *set, const struct source_trials *trials, size_t index)
{
	size_t order[CHAIN_MAX];
	size_t n = in_order(set, trials, set->book->now_ms, order);

	for (size_t i = 0; i < n; i++)
		if (order[i] == index)
			return true;
	return false;
}

bool source_counts(const struct source_set *set, const struct source_trials *trials, size_t index)
{
	const struct source *s = &set->items[index];

	if (trials->authority_only)
		return s->authority;
	return is_reached(set, trials, index) && !source_is_struck_out(s);
}
