/*
 * plan.h - what must be asked about a tag, as a pure function of what is known.
 *
 * Promise 7 (a no-op costs next to nothing, and is not blind) is decided here and nowhere else.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/compiler.h"

/* One tag at one target. */
struct plan_facts {
	bool remembered; /* the state says: published, complete, of the same selection */
	bool listed;     /* the target has the tag now */
	bool confirm;    /* due for a full confirmation */
};

enum plan_ask {
	PLAN_NOTHING, /* complete: no request at all */
	PLAN_HEAD,    /* one HEAD at the authority: has the tag moved? */
	PLAN_GET      /* the manifest is needed in any case */
};

enum plan_ask plan_ask(const struct plan_facts *facts, size_t n_targets, bool immutable);

/*
 * Which of n known-complete images are confirmed in full in this run: those whose
 * last confirmation is at least `age_sec` old, oldest first, at most an eighth of all (at least
 * PLAN_CONFIRM_MIN), so that no run pays for all and each is met when there are eight runs in that
 * time. Sets ret[i].
 */
#define PLAN_CONFIRM_MIN 4
void plan_confirm(
	const int64_t *confirmed_at, size_t n, int64_t now_sec, uint64_t age_sec, bool *ret);
