/*
 * Input: one byte that picks a zone, four for the time (seconds since 1970, low byte
 * first), then the schedule.  The next time is compared with a scan that walks
 * minute by minute and knows nothing of offsets: whenever local clocks show a
 * minute that they never showed before, that minute and all that were skipped are due.
 */
#include <time.h>

#include "schedule/cron.h"
#include "util/compiler.h"

#define HEAD_LEN      5
#define MINUTE_SEC    60
#define LOOK_BACK_SEC (4 * 3600) /* longer than any zone below turns its clocks back */
#define SCAN_SEC      (2 * 86400)

static const char *const zones[] = {
	"UTC0",
	"CET-1CEST,M3.5.0,M10.5.0/3",
	"<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", /* half an hour, southern */
	"AST4ADT,M3.2.0/0,M11.1.0/0",           /* at midnight, both ways */
	"NST3:30NDT1:30,M3.2.0/23,M11.1.0/1",   /* two hours, across midnight */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int64_t wall_at(int64_t t)
{
	time_t tt = (time_t)t;
	struct tm tm;

	if (!localtime_r(&tt, &tm))
		abort();
	return t + tm.tm_gmtoff;
}

static bool matches(const struct cron *c, int64_t wall)
{
	time_t tt = (time_t)wall;
	bool day, weekday;
	struct tm tm;

	if (!gmtime_r(&tt, &tm))
		abort();
	day = c->days >> tm.tm_mday & 1;
	weekday = c->weekdays >> tm.tm_wday & 1;
	return (c->minutes >> tm.tm_min & 1) && (c->hours >> tm.tm_hour & 1) &&
	       (c->months >> (tm.tm_mon + 1) & 1) &&
	       (c->days_any || c->weekdays_any ? day && weekday : day || weekday);
}

/* The first due minute after `after`, or a time beyond the scan. */
static int64_t scan(const struct cron *c, int64_t after)
{
	int64_t t = after - after % MINUTE_SEC - LOOK_BACK_SEC;
	int64_t shown = wall_at(t);

	for (t += MINUTE_SEC; t <= after + SCAN_SEC; t += MINUTE_SEC) {
		for (int64_t wall = wall_at(t); shown < wall;) {
			shown += MINUTE_SEC;
			if (t > after && matches(c, shown))
				return t;
		}
	}
	return INT64_MAX;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *s = NULL;
	int64_t after, due, next;
	struct cron c;

	if (size < HEAD_LEN)
		return 0;
	s = strndup((const char *)data + HEAD_LEN, size - HEAD_LEN);
	if (!s || cron_parse(s, &c, NULL) < 0)
		return 0;
	if (setenv("TZ", zones[data[0] % ARRAY_SIZE(zones)], 1) < 0)
		abort();
	tzset();
	after = (int64_t)(data[1] | (uint32_t)data[2] << 8 | (uint32_t)data[3] << 16 |
			  (uint32_t)data[4] << 24);
	due = scan(&c, after);
	if (cron_next(&c, after, &next, NULL) < 0)
		next = INT64_MAX;
	if (due == INT64_MAX ? next <= after + SCAN_SEC : next != due)
		abort();
	return 0;
}
