#include "select/semver.h"

#include <ctype.h>
#include <limits.h>
#include <string.h>

/* Reads a number as SemVer 2 writes it: without leading zeros. */
static bool parse_number(const char **s, uint64_t *ret)
{
	const char *digits = *s;
	size_t len = 0;
	uint64_t n = 0;

	while (len <= SEMVER_DIGITS_MAX && isdigit((unsigned char)digits[len]))
		n = n * 10 + (uint64_t)(digits[len++] - '0');
	if (len == 0 || len > SEMVER_DIGITS_MAX || (len > 1 && digits[0] == '0'))
		return false;
	*s += len;
	*ret = n;
	return true;
}

static bool is_number(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!isdigit((unsigned char)s[i]))
			return false;
	}
	return true;
}

/* Bytes of the identifier at s: letters, digits and hyphens (SemVer 2, items 9 and 10). */
static size_t identifier_len(const char *s)
{
	size_t len = 0;

	while (isalnum((unsigned char)s[len]) || s[len] == '-')
		len++;
	return len;
}

/* Identifiers joined by dots; leading zeros are allowed in build metadata only. */
static bool skip_identifiers(const char **s, bool is_build)
{
	const char *at = *s;

	for (;;) {
		size_t len = identifier_len(at);

		if (len == 0 || (!is_build && len > 1 && *at == '0' && is_number(at, len)))
			return false;
		at += len;
		if (*at != '.')
			break;
		at++;
	}
	*s = at;
	return true;
}

bool semver_parse(const char *s, struct semver *ret)
{
	uint64_t numbers[SEMVER_NUMBERS_MAX] = {0};
	struct semver v = {0};

	if (*s == 'v')
		s++;
	do {
		if (!parse_number(&s, &numbers[v.n_numbers++]))
			return false;
	} while (v.n_numbers < SEMVER_NUMBERS_MAX && *s == '.' && s++);
	if (*s == '-') {
		v.prerelease = ++s;
		if (!skip_identifiers(&s, false) || s - v.prerelease > INT_MAX)
			return false;
		v.prerelease_len = (int)(s - v.prerelease);
	}
	if (*s == '+') {
		s++;
		if (!skip_identifiers(&s, true))
			return false;
	}
	if (*s != '\0')
		return false;
	v.major = numbers[0];
	v.minor = numbers[1];
	v.patch = numbers[2];
	*ret = v;
	return true;
}

static int compare_numbers(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

/* SemVer 2, item 11.4: numbers by value, below words; words by their bytes. */
static int compare_identifiers(const char *a, size_t a_len, const char *b, size_t b_len)
{
	bool a_number = is_number(a, a_len), b_number = is_number(b, b_len);
	int order;

	if (a_number != b_number)
		return a_number ? -1 : 1;
	if (a_number && a_len != b_len) /* no leading zeros: the longer one is greater */
		return a_len < b_len ? -1 : 1;
	order = memcmp(a, b, a_len < b_len ? a_len : b_len);
	return order ? order : compare_numbers(a_len, b_len);
}

static int compare_prereleases(const struct semver *a, const struct semver *b)
{
	const char *p = a->prerelease, *p_end, *q = b->prerelease, *q_end;

	if (!p || !q)
		return (q != NULL) - (p != NULL); /* a release is above its pre-releases */
	p_end = p + a->prerelease_len;
	q_end = q + b->prerelease_len;
	for (;;) {
		size_t p_len = identifier_len(p), q_len = identifier_len(q);
		int order = compare_identifiers(p, p_len, q, q_len);

		p += p_len;
		q += q_len;
		if (order || p == p_end || q == q_end)
			return order ? order : (p != p_end) - (q != q_end);
		p++;
		q++;
	}
}

int semver_compare(const struct semver *a, const struct semver *b)
{
	int order = compare_numbers(a->major, b->major);

	if (!order)
		order = compare_numbers(a->minor, b->minor);
	if (!order)
		order = compare_numbers(a->patch, b->patch);
	return order ? order : compare_prereleases(a, b);
}
