/*
 * cron.h - cron expressions of five fields: minute hour day-of-month month day-of-week.
 *
 * Vixie cron's language: "*", numbers, ranges, lists, steps, names of months and days, 7 as
 * Sunday, and @hourly @daily @midnight @weekly @monthly @yearly @annually.  When both day
 * fields are restricted, either one is enough (POSIX crontab).  A pure value: nothing to free.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "util/error.h"

struct cron {
	uint64_t minutes; /* bit n: minute n */
	uint32_t hours, days, months, weekdays;
	bool days_any, weekdays_any; /* the field was "*" (or began with it) */
};

/* Fails with ERR_USAGE: names the field and what is wrong; also when no date can ever match (31
 * February). */
NODISCARD int cron_parse(const char *s, struct cron *ret, struct error *err);

/*
 * The first matching minute strictly after `after`, in local time (localtime_r, so TZ
 * counts).  A local time that does not exist (spring forward) runs at the first minute after the
 * gap; one that exists twice runs once.  Fails with ERR_USAGE if none comes within 8 years.
 */
NODISCARD int cron_next(
	const struct cron *c, int64_t after_sec, int64_t *ret_sec, struct error *err);
