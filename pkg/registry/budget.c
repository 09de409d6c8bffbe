/*
 * budget.c - prices and waiting times of retries.
 */
#include "registry/budget.h"

#include "registry/answer.h"
#include "registry/internal.h"
#include "util/clock.h"

/* All figures: sources.md 3.4. */
#define RETRY_PRICE    5u
#define TIMEOUT_PRICE  10u /* a time-out has cost its waiting time already */
#define BACKOFF_MS     200
#define THROTTLED_MS   5000 /* base after a 429 */
#define BACKOFF_CAP_MS 20000

bool budget_pay(struct registry *r, const struct error *err)
{
	const bool timed_out = err->sys == ETIMEDOUT || err->http == ANSWER_REQUEST_TIMEOUT ||
			       err->http == ANSWER_GATEWAY_TIMEOUT;
	const unsigned price = timed_out ? TIMEOUT_PRICE : RETRY_PRICE;

	if (r->retry_tokens < price)
		return false;
	r->retry_tokens -= price;
	return true;
}

void budget_earn(struct registry *r)
{
	if (r->retry_tokens < BUDGET_TOKENS)
		r->retry_tokens++;
}

uint64_t budget_wait_ms(const struct error *err, unsigned attempt)
{
	const uint64_t base = err->http == ANSWER_TOO_MANY_REQUESTS ? THROTTLED_MS : BACKOFF_MS;
	const uint64_t told = err->retry_sec > 0 ? (uint64_t)err->retry_sec * 1000 : 0;

	/*
	 * With a Retry-After the peer's time is the base, and jitter spreads those who wait for it.
	 */
	return told + backoff_ms(told ? BACKOFF_MS : base, BACKOFF_CAP_MS, attempt);
}
