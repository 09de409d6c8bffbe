/* range.c - which bytes a request is about. */
#include "server/range.h"

#include <string.h>
#include <strings.h>

static void skip_space(const char **s)
{
	*s += strspn(*s, " \t");
}

/* Digits at *s as a number, UINT64_MAX when it is larger; false: there are none. */
static bool read_number(const char **s, uint64_t *ret)
{
	const char *p = *s;
	uint64_t n = 0;

	for (; *p >= '0' && *p <= '9'; p++) {
		const uint64_t digit = (uint64_t)(*p - '0');

		n = n > (UINT64_MAX - digit) / 10 ? UINT64_MAX : n * 10 + digit;
	}
	if (p == *s)
		return false;
	*s = p;
	*ret = n;
	return true;
}

static bool read_text(const char **s, const char *text)
{
	const size_t len = strlen(text);

	if (strncasecmp(*s, text, len) != 0)
		return false;
	*s += len;
	return true;
}

/* "-N": the last N bytes. */
static enum range_kind last_bytes(uint64_t n, uint64_t size, struct range *ret)
{
	if (n == 0 || size == 0)
		return RANGE_BEYOND;
	*ret = (struct range){.first = n < size ? size - n : 0, .last = size - 1};
	return RANGE_PART;
}

enum range_kind range_of_request(const char *text, uint64_t size, struct range *ret)
{
	uint64_t first, last = UINT64_MAX;
	const char *s = text;
	bool has_first;

	if (!s || !read_text(&s, "bytes="))
		return RANGE_NONE;
	skip_space(&s);
	has_first = read_number(&s, &first);
	if (!read_text(&s, "-"))
		return RANGE_NONE;
	if (!read_number(&s, &last) && !has_first)
		return RANGE_NONE;
	skip_space(&s);
	if (*s != '\0')
		return RANGE_NONE;
	if (!has_first)
		return last_bytes(last, size, ret);
	/* RFC 9110 14.2 lets a server reject an inverted one, and the conformance suite of
	 * distribution-spec asks for it. */
	if (last < first || first >= size)
		return RANGE_BEYOND;
	*ret = (struct range){.first = first, .last = last < size ? last : size - 1};
	return RANGE_PART;
}

/* "/200" or with a star, of a range that ends at last. */
static bool read_total(const char **s, uint64_t last)
{
	uint64_t total;

	if (!read_text(s, "/"))
		return false;
	return read_text(s, "*") || (read_number(s, &total) && last < total);
}

int range_of_piece(const char *text, struct range *ret, struct error *err)
{
	const char *s = text;
	struct range r;
	bool unit, whole;

	skip_space(&s);
	unit = read_text(&s, "bytes");
	if (unit) {
		s += *s == '=';
		skip_space(&s);
	}
	whole = read_number(&s, &r.first) && read_text(&s, "-") && read_number(&s, &r.last) &&
		r.first <= r.last && r.last < UINT64_MAX;
	if (whole && (unit || *s == '/') && *s != '\0')
		whole = read_total(&s, r.last);
	skip_space(&s);
	if (!whole || *s != '\0')
		return error_set(err, ERR_USAGE, "malformed Content-Range '%.80s'", text);
	*ret = r;
	return 0;
}

/* The tag at *s without its weakness, with its quotes; 0: there is none. */
static size_t tag_len(const char **s)
{
	const char *end;

	(void)(**s == 'W' && (*s)[1] == '/' && (*s += 2));
	if (**s != '"')
		return 0;
	end = strchr(*s + 1, '"');
	return end ? (size_t)(end + 1 - *s) : 0;
}

bool etag_matches(const char *list, const char *etag)
{
	const size_t wanted = tag_len(&etag);
	const char *s = list;

	if (!s)
		return false;
	skip_space(&s);
	if (s[0] == '*' && s[1 + strspn(s + 1, " \t")] == '\0')
		return true;
	while (*s) {
		size_t len;

		s += strspn(s, " \t,");
		len = tag_len(&s);
		if (len == 0)
			return false;
		if (len == wanted && memcmp(s, etag, len) == 0)
			return true;
		s += len;
		skip_space(&s);
		if (*s != ',' && *s != '\0')
			return false;
	}
	return false;
}

bool if_range_holds(const char *if_range, const char *etag)
{
	return !if_range || strcmp(if_range, etag) == 0;
}
