/* parse.c - numbers, sizes, durations: text to value and back. */
#include "util/parse.h"

#include <inttypes.h>

#include "util/mem.h"
#include "util/utf8.h"

/* How much of a bad text a message quotes, bytes. */
#define QUOTE "%.80s"

#define MS_PER_SEC  UINT64_C(1000)
#define MS_PER_MIN  (60 * MS_PER_SEC)
#define MS_PER_HOUR (60 * MS_PER_MIN)
#define MS_PER_DAY  (24 * MS_PER_HOUR)

struct unit {
	const char *name;
	uint64_t factor;
};

/* Largest first: the order in which a duration must have them. */
static const struct unit durations[] = {
	{"d", MS_PER_DAY},
	{"h", MS_PER_HOUR},
	{"m", MS_PER_MIN},
	{"s", MS_PER_SEC},
	{"ms", 1},
};

static const struct unit sizes[] = {
	{"EiB", UINT64_C(1) << 60},
	{"PiB", UINT64_C(1) << 50},
	{"TiB", UINT64_C(1) << 40},
	{"GiB", UINT64_C(1) << 30},
	{"MiB", UINT64_C(1) << 20},
	{"KiB", UINT64_C(1) << 10},
};

/* Digits at *s, which moves on; false when there are none, or too many for 64 bits. */
static bool take_u64(const char **s, uint64_t *ret)
{
	const char *p = *s;
	uint64_t v = 0;

	for (; *p >= '0' && *p <= '9'; p++) {
		uint64_t digit = (uint64_t)(*p - '0');

		if (v > (UINT64_MAX - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	if (p == *s)
		return false;
	*s = p;
	*ret = v;
	return true;
}

static bool multiply(uint64_t v, uint64_t factor, uint64_t *ret)
{
	if (v > UINT64_MAX / factor)
		return false;
	*ret = v * factor;
	return true;
}

int parse_u64(const char *s, uint64_t *ret, struct error *err)
{
	const char *p = s;
	uint64_t v;

	if (!take_u64(&p, &v) || *p)
		return error_set(err, ERR_USAGE, "'" QUOTE "' is not a whole number", s);
	*ret = v;
	return 0;
}

int parse_size(const char *s, uint64_t *ret_bytes, struct error *err)
{
	const char *p = s;
	uint64_t v;

	if (!take_u64(&p, &v))
		goto bad;
	if (!*p) {
		*ret_bytes = v;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		if (strcmp(p, sizes[i].name) == 0 && multiply(v, sizes[i].factor, ret_bytes))
			return 0;
	}
bad:
	return error_set(
		err, ERR_USAGE, "'" QUOTE "' is not a size such as 512, 64KiB or 20GiB", s);
}

/* The unit that p starts with, as a whole word of letters: "ms" is not "m". */
static size_t find_duration(const char *p, size_t from)
{
	size_t len = strspn(p, "dhms");

	while (from < ARRAY_SIZE(durations) &&
		(strlen(durations[from].name) != len || strncmp(p, durations[from].name, len) != 0))
		from++;
	return from;
}

int parse_duration(const char *s, uint64_t *ret_ms, struct error *err)
{
	const char *p = s;
	uint64_t total = 0;

	if (strcmp(s, "0") == 0) {
		*ret_ms = 0;
		return 0;
	}
	/* Each unit once, larger before smaller. */
	for (size_t from = 0; *p || p == s; from++) {
		uint64_t v, part;

		if (!take_u64(&p, &v))
			goto bad;
		from = find_duration(p, from);
		if (from == ARRAY_SIZE(durations) || !multiply(v, durations[from].factor, &part))
			goto bad;
		if (part > UINT64_MAX - total)
			goto bad;
		total += part;
		p += strlen(durations[from].name);
	}
	*ret_ms = total;
	return 0;
bad:
	return error_set(
		err, ERR_USAGE, "'" QUOTE "' is not a duration such as 250ms, 90s, 1h30m or 7d", s);
}

int parse_bool(const char *s, bool *ret, struct error *err)
{
	bool yes = strcmp(s, "true") == 0;

	if (!yes && strcmp(s, "false") != 0)
		return error_set(err, ERR_USAGE, "'" QUOTE "' is neither true nor false", s);
	*ret = yes;
	return 0;
}

char *format_size(uint64_t bytes, char buf[static SIZE_TEXT_MAX])
{
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		uint64_t factor = sizes[i].factor;

		if (bytes < factor)
			continue;
		/* Rounded down, so that 1023.99 MiB does not read as 1024.0 MiB. */
		(void)snprintf(buf,
			SIZE_TEXT_MAX,
			"%u.%u %s",
			(unsigned)(bytes / factor),
			(unsigned)(bytes % factor * 10 / factor),
			sizes[i].name);
		return buf;
	}
	(void)snprintf(buf, SIZE_TEXT_MAX, "%u B", (unsigned)bytes);
	return buf;
}

char *format_duration(uint64_t ms, char buf[static DURATION_TEXT_MAX])
{
	if (ms >= MS_PER_MIN) {
		/* The largest unit that it reaches, and the one below. */
		const struct unit *u = durations;

		while (ms < u->factor)
			u++;
		(void)snprintf(buf,
			DURATION_TEXT_MAX,
			"%" PRIu64 "%s %" PRIu8 "%s",
			ms / u->factor,
			u->name,
			(uint8_t)(ms % u->factor / u[1].factor),
			u[1].name);
	} else if (ms >= MS_PER_SEC) {
		(void)snprintf(buf,
			DURATION_TEXT_MAX,
			"%u.%us",
			(unsigned)(ms / MS_PER_SEC),
			(unsigned)(ms % MS_PER_SEC / 100));
	} else {
		(void)snprintf(buf, DURATION_TEXT_MAX, "%ums", (unsigned)ms);
	}
	return buf;
}

/* The largest unit that leaves no rest; n units, then the bare number. */
static void format_exact(uint64_t v, const struct unit *units, size_t n, char *buf, size_t size)
{
	size_t i = 0;

	while (v && i < n && v % units[i].factor)
		i++;
	if (v && i < n)
		(void)snprintf(buf, size, "%" PRIu64 "%s", v / units[i].factor, units[i].name);
	else
		(void)snprintf(buf, size, "%" PRIu64, v);
}

char *format_size_exact(uint64_t bytes, char buf[static SIZE_TEXT_MAX + 8])
{
	format_exact(bytes, sizes, ARRAY_SIZE(sizes), buf, SIZE_TEXT_MAX + 8);
	return buf;
}

char *format_duration_exact(uint64_t ms, char buf[static DURATION_TEXT_MAX])
{
	format_exact(ms, durations, ARRAY_SIZE(durations), buf, DURATION_TEXT_MAX);
	return buf;
}

/*
 * Controls (C0, DEL, C1), line separators, and the marks that turn the reading
 * direction, with which a line can be made to read as another (Unicode TR 36).
 */
static bool is_unfit(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c <= 0x9f) || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069);
}

/* Length of the fit character at s, or 0. */
static size_t fit_len(const char *s, size_t len)
{
	uint32_t c;
	size_t n = utf8_decode(s, len, &c);

	return n && !is_unfit(c) ? n : 0;
}

bool text_is_clean(const char *s, size_t len)
{
	while (len > 0) {
		size_t n = fit_len(s, len);

		if (!n)
			return false;
		s += n;
		len -= n;
	}
	return true;
}

char *text_sanitize(const char *s, size_t len, size_t max)
{
	static const char hex[] = "0123456789abcdef";
	static const char dots[] = "...";
	const size_t n_dots = sizeof(dots) - 1;
	/* Each byte becomes at most four ("\xNN"). */
	size_t room = len < max ? len : max;
	char *out = xmalloc(4 * room + sizeof(dots));
	size_t n = 0, n_chars = 0, cut = 0;

	while (len > 0) {
		size_t fit = fit_len(s, len);
		size_t wide = fit ? 1 : 4;

		if (n_chars + n_dots <= max)
			cut = n; /* as far as the text may go when it has to be cut */
		if (n_chars + wide > max) {
			n = cut;
			memcpy(out + n, dots, max < n_dots ? max : n_dots);
			n += max < n_dots ? max : n_dots;
			break;
		}
		if (fit) {
			memcpy(out + n, s, fit);
			n += fit;
		} else {
			out[n++] = '\\';
			out[n++] = 'x';
			out[n++] = hex[(uint8_t)*s >> 4];
			out[n++] = hex[(uint8_t)*s & 15];
			fit = 1;
		}
		n_chars += wide;
		s += fit;
		len -= fit;
	}
	out[n] = '\0';
	return out;
}
