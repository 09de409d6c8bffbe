/* clock.c - time, waiting times and chance. */
#include "util/clock.h"

#include <limits.h>
#include <sys/random.h>
#include <time.h>

#define MS_PER_SEC 1000
#define NS_PER_MS  1000000

/* What time_format_rfc3339() can show: years 0 to 9999 (RFC 3339 section 1). */
#define SEC_YEAR_0    INT64_C(-62167219200)
#define SEC_YEAR_9999 INT64_C(253402300799)

/* RFC 9110 5.6.7: a two-digit year further ahead than this is of the last century. */
#define TWO_DIGIT_YEARS_AHEAD 50

/* A moment as text has it, before the calendar was asked whether it exists. */
struct moment {
	int year, month, day; /* month from 1 */
	int hour, minute, second;
	bool short_year; /* two digits */
};

uint64_t clock_mono_ms(void)
{
	struct timespec ts = {0};

	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail on Linux */
	return (uint64_t)ts.tv_sec * MS_PER_SEC + (uint64_t)ts.tv_nsec / NS_PER_MS;
}

int64_t clock_wall_sec(void)
{
	return time(NULL);
}

char *time_format_rfc3339(int64_t sec, char buf[static TIME_TEXT_MAX])
{
	struct tm tm = {0};
	time_t t = sec < SEC_YEAR_0 ? SEC_YEAR_0 : sec > SEC_YEAR_9999 ? SEC_YEAR_9999 : sec;

	(void)gmtime_r(&t, &tm);
	/* %Y of strftime() does not pad the years before 1000. */
	(void)snprintf(buf, TIME_TEXT_MAX, "%04d", tm.tm_year + 1900);
	(void)strftime(buf + 4, TIME_TEXT_MAX - 4, "-%m-%dT%H:%M:%SZ", &tm);
	return buf;
}

/* From min to max digits at *s, which moves on. */
static bool take_digits(const char **s, int min, int max, int *ret)
{
	int n = 0, v = 0;

	for (; n < max && (*s)[n] >= '0' && (*s)[n] <= '9'; n++)
		v = v * 10 + ((*s)[n] - '0');
	*s += n;
	*ret = v;
	return n >= min;
}

/* One of the names; RFC 9110 5.6.7 makes them case-sensitive. */
static bool take_name(const char **s, const char *const *names, int n, int *ret)
{
	for (int i = 0; i < n; i++) {
		size_t len = strlen(names[i]);

		if (strncmp(*s, names[i], len) != 0)
			continue;
		*s += len;
		*ret = i;
		return true;
	}
	return false;
}

static bool take_field(const char **s, char field, struct moment *m)
{
	/* Long names first: each starts with its short form. */
	static const char *const days[] = {"Sunday",
		"Monday",
		"Tuesday",
		"Wednesday",
		"Thursday",
		"Friday",
		"Saturday",
		"Sun",
		"Mon",
		"Tue",
		"Wed",
		"Thu",
		"Fri",
		"Sat"};
	static const char *const months[] = {
		"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	int ignored;

	switch (field) {
	case 'a':
		return take_name(s, days, (int)ARRAY_SIZE(days), &ignored);
	case 'b':
		if (!take_name(s, months, (int)ARRAY_SIZE(months), &m->month))
			return false;
		m->month++;
		return true;
	case 'Y':
		return take_digits(s, 4, 4, &m->year);
	case 'y':
		m->short_year = true;
		return take_digits(s, 2, 2, &m->year);
	case 'm':
		return take_digits(s, 2, 2, &m->month);
	case 'd':
		return take_digits(s, 2, 2, &m->day);
	case 'e': /* padded with a space, as asctime() does */
		if (**s == ' ')
			++*s;
		return take_digits(s, 1, 2, &m->day);
	case 'H':
		return take_digits(s, 2, 2, &m->hour);
	case 'M':
		return take_digits(s, 2, 2, &m->minute);
	default:
		return take_digits(s, 2, 2, &m->second);
	}
}

/*
 * strptime() for the few forms needed here: the real one follows the locale,
 * and takes more than the RFCs allow.  Returns where the text goes on, or NULL.
 */
static const char *take_moment(const char *s, const char *fmt, struct moment *m)
{
	*m = (struct moment){0};
	for (; *fmt; fmt++) {
		if (*fmt == '%') {
			if (!take_field(&s, *++fmt, m))
				return NULL;
		} else if (*s++ != *fmt) {
			return NULL;
		}
	}
	return s;
}

/* False when there is no such moment (the 30th of February, 25:00). */
static bool moment_to_sec(const struct moment *m, int64_t *ret)
{
	/* 60 is a leap second: the first of the next minute here. */
	int leap = m->second == 60;
	struct tm tm = {
		.tm_year = m->year - 1900,
		.tm_mon = m->month - 1,
		.tm_mday = m->day,
		.tm_hour = m->hour,
		.tm_min = m->minute,
		.tm_sec = m->second - leap,
	};
	time_t t = timegm(&tm); /* moves what does not exist into another day */

	if (tm.tm_mon != m->month - 1 || tm.tm_mday != m->day || tm.tm_hour != m->hour)
		return false;
	if (tm.tm_min != m->minute || tm.tm_sec != m->second - leap)
		return false;
	*ret = t + leap;
	return true;
}

/* "Z" or "+hh:mm" at s, to its end; seconds east of UTC. */
static bool parse_offset(const char *s, int64_t *ret_sec)
{
	int sign = *s == '-' ? -1 : 1;
	int hours, minutes;

	if ((*s == 'Z' || *s == 'z') && !s[1]) {
		*ret_sec = 0;
		return true;
	}
	if (*s != '+' && *s != '-')
		return false;
	s++;
	if (!take_digits(&s, 2, 2, &hours) || *s++ != ':' || !take_digits(&s, 2, 2, &minutes))
		return false;
	if (*s || hours > 23 || minutes > 59)
		return false;
	*ret_sec = sign * (hours * INT64_C(3600) + minutes * INT64_C(60));
	return true;
}

int time_parse_rfc3339(const char *s, int64_t *ret_sec, struct error *err)
{
	struct moment date, time;
	int64_t sec, offset;
	const char *p = take_moment(s, "%Y-%m-%d", &date);

	if (!p || (*p != 'T' && *p != 't'))
		goto bad;
	p = take_moment(p + 1, "%H:%M:%S", &time);
	if (!p)
		goto bad;
	time.year = date.year;
	time.month = date.month;
	time.day = date.day;
	if (*p == '.') {
		size_t n = strspn(++p, "0123456789");

		if (!n)
			goto bad;
		p += n;
	}
	if (!moment_to_sec(&time, &sec) || !parse_offset(p, &offset))
		goto bad;
	*ret_sec = sec - offset;
	return 0;
bad:
	return error_set(err, ERR_USAGE, "'%.80s' is not a time such as 2026-11-22T22:01:56Z", s);
}

/* The whole of s is an HTTP date; spaces may follow it. */
static bool parse_http_date(const char *s, int64_t now_sec, int64_t *ret)
{
	static const char *const forms[] = {
		"%a, %d %b %Y %H:%M:%S GMT", /* IMF-fixdate */
		"%a, %d-%b-%y %H:%M:%S GMT", /* RFC 850 */
		"%a %b %e %H:%M:%S %Y",      /* asctime() */
	};

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		struct moment m;
		const char *end = take_moment(s, forms[i], &m);
		time_t now = now_sec;
		struct tm tm = {0};

		if (!end || end[strspn(end, " \t")])
			continue;
		if (m.short_year) {
			(void)gmtime_r(&now, &tm);
			m.year += (tm.tm_year + 1900) / 100 * 100;
			if (m.year > tm.tm_year + 1900 + TWO_DIGIT_YEARS_AHEAD)
				m.year -= 100;
		}
		return moment_to_sec(&m, ret);
	}
	return false;
}

int retry_after_parse(const char *s, int64_t now_sec, uint32_t *ret_sec, struct error *err)
{
	const char *p = s + strspn(s, " \t");
	size_t digits = strspn(p, "0123456789");
	int64_t when;

	if (digits && !p[digits + strspn(p + digits, " \t")]) {
		uint64_t v = 0;

		for (; digits && v <= UINT32_MAX; digits--)
			v = v * 10 + (uint64_t)(*p++ - '0');
		*ret_sec = v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
		return 0;
	}
	if (!parse_http_date(p, now_sec, &when))
		return error_set(err, ERR_REMOTE, "'%.80s' is neither seconds nor an HTTP date", s);
	if (when <= now_sec)
		*ret_sec = 0;
	else
		*ret_sec = when - now_sec > UINT32_MAX ? UINT32_MAX : (uint32_t)(when - now_sec);
	return 0;
}

static void random_fill(void *p, size_t n)
{
	uint8_t *out = p;

	while (n > 0) {
		ssize_t got = getrandom(out, n, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			abort(); /* no such kernel since Linux 3.17: nothing sensible could go on */
		out += got;
		n -= (size_t)got;
	}
}

uint64_t random_below(uint64_t n)
{
	uint64_t v, limit;

	if (n == 0)
		return 0;
	/* Numbers from limit on would make the small results likelier: drawn again. */
	limit = UINT64_MAX - UINT64_MAX % n;
	do
		random_fill(&v, sizeof(v));
	while (v >= limit);
	return v % n;
}

void random_hex(char *buf, size_t len)
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		uint8_t byte;

		random_fill(&byte, sizeof(byte));
		buf[2 * i] = hex[byte >> 4];
		buf[2 * i + 1] = hex[byte & 15];
	}
	buf[2 * len] = '\0';
}

uint64_t backoff_ms(uint64_t base_ms, uint64_t cap_ms, unsigned attempt)
{
	uint64_t ceiling = cap_ms;

	if (attempt < sizeof(base_ms) * CHAR_BIT && base_ms <= cap_ms >> attempt)
		ceiling = base_ms << attempt;
	return ceiling == UINT64_MAX ? random_below(UINT64_MAX) : random_below(ceiling + 1);
}
