/*
 * budget.h - when a failed request may be sent again, and how soon (sources.md 3.4).
 *
 * The budget belongs to a registry: when many requests fail at once, it runs dry and
 * only first attempts are left, so that retries never multiply an outage.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "util/error.h"

#define BUDGET_TOKENS 100
/* a registry that wants longer is left for this run */
#define BUDGET_RETRY_AFTER_MAX_SEC (15 * 60)

struct registry;

/* Takes the price of a retry after err; false: it cannot be paid. */
bool budget_pay(struct registry *r, const struct error *err);
void budget_earn(struct registry *r); /* a success */
/* Milliseconds before attempt + 1: full jitter, after a Retry-After on top of it. */
uint64_t budget_wait_ms(const struct error *err, unsigned attempt);
