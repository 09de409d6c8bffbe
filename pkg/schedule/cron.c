#include "schedule/cron.h"

#include <ctype.h>
#include <limits.h>
#include <strings.h>
#include <time.h>

#define MINUTE_SEC   60
#define HOUR_SEC     3600
#define DAY_SEC      86400
#define HORIZON_DAYS (8 * 366) /* 29 February 2096 to 2104 is the longest wait for a date */
#define TIME_MAX_SEC INT64_C(253402300799) /* 9999-12-31T23:59:59Z, the last time of RFC 3339 */
#define FIELD_SHOWN  80                    /* bytes of a bad field that a message quotes */
#define BLANKS       " \t"

enum field_index {
	FIELD_MINUTE,
	FIELD_HOUR,
	FIELD_DAY,
	FIELD_MONTH,
	FIELD_WEEKDAY,
	FIELD_MAX_
};

static const char *const month_names[] = {
	"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec", NULL};
static const char *const weekday_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};

static const struct field {
	const char *name;
	unsigned min, max;
	const char *const *words; /* words[0] stands for min; NULL: numbers only */
} fields[FIELD_MAX_] = {
	[FIELD_MINUTE] = {"minute", 0, 59, NULL},
	[FIELD_HOUR] = {"hour", 0, 23, NULL},
	[FIELD_DAY] = {"day of month", 1, 31, NULL},
	[FIELD_MONTH] = {"month", 1, 12, month_names},
	[FIELD_WEEKDAY] = {"day of week", 0, 7, weekday_names},
};

/* The names of crontab(5); @reboot is left out, as it is no point in time. */
static const struct {
	const char *name;
	const char *means;
} shorthands[] = {
	{"@hourly", "0 * * * *"},
	{"@daily", "0 0 * * *"},
	{"@midnight", "0 0 * * *"},
	{"@weekly", "0 0 * * 0"},
	{"@monthly", "0 0 1 * *"},
	{"@yearly", "0 0 1 1 *"},
	{"@annually", "0 0 1 1 *"},
};

/* Where parsing stands in one field: for messages that quote all of it. */
struct scan {
	const struct field *field;
	const char *text; /* the field's first byte */
	const char *at;   /* the next byte to read */
};

static bool at_field_end(char c)
{
	return c == '\0' || strchr(BLANKS, c) != NULL;
}

static int refuse(const struct scan *s, const char *why, struct error *err)
{
	size_t len = strcspn(s->text, BLANKS);

	return error_set(err,
		ERR_USAGE,
		"%s '%.*s': %s; it takes %u to %u",
		s->field->name,
		len < FIELD_SHOWN ? (int)len : FIELD_SHOWN,
		s->text,
		why,
		s->field->min,
		s->field->max);
}

static int parse_digits(struct scan *s, unsigned *ret, struct error *err)
{
	unsigned n = 0;

	if (!isdigit((unsigned char)*s->at))
		return refuse(s, "a number is missing", err);
	for (; isdigit((unsigned char)*s->at); s->at++) {
		n = n * 10 + (unsigned)(*s->at - '0');
		if (n > UINT8_MAX)
			return refuse(s, "a number is too big", err);
	}
	*ret = n;
	return 0;
}

/* A number within the field's bounds, or one of its names. */
static int parse_value(struct scan *s, unsigned *ret, struct error *err)
{
	size_t len = 0;
	unsigned n = 0;
	int rc;

	while (isalpha((unsigned char)s->at[len]))
		len++;
	for (unsigned i = 0; len > 0 && s->field->words && s->field->words[i]; i++) {
		if (strlen(s->field->words[i]) != len ||
			strncasecmp(s->field->words[i], s->at, len) != 0)
			continue;
		s->at += len;
		*ret = s->field->min + i;
		return 0;
	}
	if (len > 0)
		return refuse(s, "a name is unknown here", err);
	rc = parse_digits(s, &n, err);
	if (rc < 0)
		return rc;
	if (n < s->field->min || n > s->field->max)
		return refuse(s, "a number is out of range", err);
	*ret = n;
	return 0;
}

/* One element of a list: "*", "5", "1-5", and a step after a star or a range. */
static int parse_element(struct scan *s, uint64_t *bits, struct error *err)
{
	unsigned from = s->field->min, to = s->field->max, step = 1;
	bool is_range = true;
	int rc = 0;

	if (*s->at == '*') {
		s->at++;
	} else {
		rc = parse_value(s, &from, err);
		to = from;
		is_range = rc == 0 && *s->at == '-';
		if (is_range) {
			s->at++;
			rc = parse_value(s, &to, err);
		}
	}
	if (rc < 0)
		return rc;
	if (to < from)
		return refuse(s, "a range runs backwards", err);
	if (*s->at == '/') {
		s->at++;
		if (!is_range)
			return refuse(s, "a step needs a range or a star before it", err);
		rc = parse_digits(s, &step, err);
		if (rc < 0)
			return rc;
		if (step == 0)
			return refuse(s, "a step cannot be 0", err);
	}
	for (unsigned n = from; n <= to; n += step)
		*bits |= UINT64_C(1) << n;
	return 0;
}

static int parse_field(struct scan *s, uint64_t *ret, struct error *err)
{
	uint64_t bits = 0;

	for (;;) {
		int rc = parse_element(s, &bits, err);

		if (rc < 0)
			return rc;
		if (at_field_end(*s->at))
			break;
		if (*s->at++ != ',')
			return refuse(s, "a number, name, range, list or step was expected", err);
	}
	*ret = bits;
	return 0;
}

/* Days of a month in a leap year: the most that a date can ask for. */
static unsigned month_days_max(unsigned month)
{
	static const unsigned char days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return days[month - 1];
}

/* POSIX crontab: with both day fields restricted, one of them is enough. */
static bool day_fields_are_alternatives(const struct cron *c)
{
	return !c->days_any && !c->weekdays_any;
}

static bool date_exists(const struct cron *c)
{
	if (day_fields_are_alternatives(c))
		return true;
	for (unsigned m = 1; m <= 12; m++) {
		uint32_t days_in_month = (uint32_t)((UINT64_C(2) << month_days_max(m)) - 1);

		if (c->months >> m & 1 && c->days & days_in_month)
			return true;
	}
	return false;
}

static size_t count_fields(const char *s)
{
	size_t n = 0;

	for (s += strspn(s, BLANKS); *s; s += strspn(s, BLANKS)) {
		s += strcspn(s, BLANKS);
		n++;
	}
	return n;
}

static int expand_shorthand(const char *s, const char **ret, struct error *err)
{
	size_t len = strcspn(s, BLANKS);

	for (size_t i = 0; i < ARRAY_SIZE(shorthands); i++) {
		if (strlen(shorthands[i].name) == len &&
			strncasecmp(s, shorthands[i].name, len) == 0 && count_fields(s) == 1) {
			*ret = shorthands[i].means;
			return 0;
		}
	}
	return error_set(err, ERR_USAGE, "'%.*s' is not a schedule", FIELD_SHOWN, s);
}

static int parse_fields(const char *s, struct cron *ret, struct error *err)
{
	uint64_t bits[FIELD_MAX_] = {0};
	bool star[FIELD_MAX_] = {false};

	for (size_t i = 0; i < FIELD_MAX_; i++) {
		struct scan scan = {&fields[i], s, s};
		int rc = parse_field(&scan, &bits[i], err);

		if (rc < 0)
			return rc;
		star[i] = *s == '*';
		s = scan.at + strspn(scan.at, BLANKS);
	}
	bits[FIELD_WEEKDAY] |= bits[FIELD_WEEKDAY] >> 7 & 1; /* 7 is Sunday, too */
	*ret = (struct cron){
		.minutes = bits[FIELD_MINUTE],
		.hours = (uint32_t)bits[FIELD_HOUR],
		.days = (uint32_t)bits[FIELD_DAY],
		.months = (uint32_t)bits[FIELD_MONTH],
		.weekdays = (uint32_t)bits[FIELD_WEEKDAY] & 0x7f,
		.days_any = star[FIELD_DAY],
		.weekdays_any = star[FIELD_WEEKDAY],
	};
	return 0;
}

int cron_parse(const char *s, struct cron *ret, struct error *err)
{
	struct cron c;
	int rc;

	s += strspn(s, BLANKS);
	if (*s == '@') {
		rc = expand_shorthand(s, &s, err);
		if (rc < 0)
			return rc;
	}
	if (count_fields(s) != FIELD_MAX_)
		return error_set(err,
			ERR_USAGE,
			"'%.*s' has %zu fields, not 5: minute hour day month weekday",
			FIELD_SHOWN,
			s,
			count_fields(s));
	rc = parse_fields(s, &c, err);
	if (rc < 0)
		return rc;
	if (!date_exists(&c))
		return error_set(err, ERR_USAGE, "no month of the schedule has such a day");
	*ret = c;
	return 0;
}

/* Seconds that local clocks are ahead of UTC at the instant t. */
static int64_t offset_at(int64_t t)
{
	time_t tt = (time_t)t;
	struct tm tm;

	return localtime_r(&tt, &tm) ? tm.tm_gmtoff : 0;
}

/*
 * The instant at which local clocks show `wall` (seconds since 1970 as if local
 * time were UTC).  mktime() is no help: which of two instants it returns, and
 * what it makes of a time in a gap, is unspecified.  A clock change is never
 * further from its wall time than a day, so the offsets on both sides are the
 * only two candidates; the earlier one is tried first.
 */
static int64_t instant_of(int64_t wall)
{
	int64_t before = offset_at(wall - DAY_SEC), after = offset_at(wall + DAY_SEC);
	int64_t from = wall - after, to = wall - before, past_minute;

	if (before == after || offset_at(to) == before)
		return to;
	if (offset_at(from) == after)
		return from;
	/* In a gap: the old offset rules at `from`, the new one at `to`. */
	while (to - from > 1) {
		int64_t middle = from + (to - from) / 2;

		if (offset_at(middle) == before)
			from = middle;
		else
			to = middle;
	}
	past_minute = (to + offset_at(to)) % MINUTE_SEC; /* old offsets had seconds */
	return past_minute > 0 ? to + MINUTE_SEC - past_minute : to;
}

static bool date_matches(const struct cron *c, int64_t midnight)
{
	time_t tt = (time_t)midnight;
	bool day, weekday;
	struct tm tm;

	if (!gmtime_r(&tt, &tm))
		return false;
	if (!(c->months >> (tm.tm_mon + 1) & 1))
		return false;
	day = c->days >> tm.tm_mday & 1;
	weekday = c->weekdays >> tm.tm_wday & 1;
	return day_fields_are_alternatives(c) ? day || weekday : day && weekday;
}

static bool first_in_day(const struct cron *c, int64_t midnight, int64_t after, int64_t *ret)
{
	for (int h = 0; h < 24; h++) {
		for (int m = 0; c->hours >> h & 1 && m < 60; m++) {
			int64_t t;

			if (!(c->minutes >> m & 1))
				continue;
			t = instant_of(midnight + (int64_t)h * HOUR_SEC + (int64_t)m * MINUTE_SEC);
			if (t > after) {
				*ret = t;
				return true;
			}
		}
	}
	return false;
}

int cron_next(const struct cron *c, int64_t after_sec, int64_t *ret_sec, struct error *err)
{
	int64_t wall, midnight, past;

	if (after_sec < -TIME_MAX_SEC || after_sec > TIME_MAX_SEC)
		return error_set(err, ERR_USAGE, "no schedule reaches beyond the year 9999");
	wall = after_sec + offset_at(after_sec);
	past = wall % DAY_SEC;
	midnight = wall - past - (past < 0 ? DAY_SEC : 0);
	for (int n = 0; n <= HORIZON_DAYS; n++, midnight += DAY_SEC) {
		if (date_matches(c, midnight) && first_in_day(c, midnight, after_sec, ret_sec))
			return 0;
	}
	return error_set(err, ERR_USAGE, "the schedule has no time within 8 years");
}
