/*
 * content_range.c - Content-Range and upload Range values.
 */
#include "registry/content_range.h"

#include <strings.h>

/* Digits at *s as a number; false when there are none or they overflow. */
static bool read_number(const char **s, uint64_t *ret)
{
	const char *p = *s;
	uint64_t n = 0;

	for (; *p >= '0' && *p <= '9'; p++) {
		const uint64_t digit = (uint64_t)(*p - '0');

		if (n > (UINT64_MAX - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	if (p == *s)
		return false;
	*s = p;
	*ret = n;
	return true;
}

static bool read_char(const char **s, char c)
{
	if (**s != c)
		return false;
	(*s)++;
	return true;
}

/* "a-b" or "*", then "/total" or "/STAR". */
static bool read_range(const char *s, struct content_range *r)
{
	if (read_char(&s, '*'))
		r->unsatisfied = true;
	else if (!read_number(&s, &r->first) || !read_char(&s, '-') || !read_number(&s, &r->last))
		return false;
	if (!read_char(&s, '/'))
		return false;
	if (read_char(&s, '*'))
		return *s == '\0' && !r->unsatisfied;
	r->has_total = true;
	return read_number(&s, &r->total) && *s == '\0';
}

int content_range_parse(const char *value, struct content_range *ret, struct error *err)
{
	static const char unit[] = "bytes";
	struct content_range r = {.unsatisfied = false};
	const char *s = value + strspn(value, " \t");

	if (strncasecmp(s, unit, sizeof(unit) - 1) != 0 || s[sizeof(unit) - 1] != ' ')
		return error_set(err, ERR_REMOTE, "Content-Range '%.80s' is not in bytes", value);
	s += sizeof(unit) - 1;
	s += strspn(s, " \t");
	if (!read_range(s, &r))
		return error_set(err, ERR_REMOTE, "malformed Content-Range '%.80s'", value);
	if (!r.unsatisfied && (r.last < r.first || (r.has_total && r.last >= r.total)))
		return error_set(err, ERR_REMOTE, "impossible Content-Range '%.80s'", value);
	*ret = r;
	return 0;
}

int upload_range_parse(const char *value, uint64_t *ret_last, struct error *err)
{
	static const char unit[] = "bytes=";
	const char *s = value;
	uint64_t first, last;

	if (strncasecmp(s, unit, sizeof(unit) - 1) == 0)
		s += sizeof(unit) - 1;
	if (!read_number(&s, &first) || first != 0 || !read_char(&s, '-') ||
		!read_number(&s, &last) || *s)
		return error_set(err, ERR_REMOTE, "malformed upload Range '%.80s'", value);
	*ret_last = last;
	return 0;
}
