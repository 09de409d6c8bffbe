/* httpd_check.c - whether a request's fields can be read in one way only. */
#include "server/httpd_check.h"

#include <string.h>
#include <strings.h>

/* Digits of a Content-Length: more would not fit an int64_t. */
#define LENGTH_DIGITS_MAX 18

#define ALNUM "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
/* RFC 9110 5.6.2: tchar. */
static const char token[] = ALNUM "!#$%&'*+-.^_`|~";
/* RFC 3986 3.2.2 and 3.2.3: a host, bracketed or not, and a port. */
static const char host[] = ALNUM "-._~!$&'()*+;=%:[]";

static bool is_made_of(const char *text, const char *characters)
{
	return text[strspn(text, characters)] == '\0';
}

/* RFC 9110 5.5: visible characters, space, tab, and bytes beyond ASCII. */
static bool is_field_value(const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		if ((*p < ' ' && *p != '\t') || *p == 0x7f)
			return false;
	return true;
}

static bool read_length(const char *text, int64_t *ret)
{
	const size_t digits = strspn(text, "0123456789");
	int64_t n = 0;

	if (digits == 0 || digits > LENGTH_DIGITS_MAX || text[digits] != '\0')
		return false;
	for (size_t i = 0; i < digits; i++)
		n = n * 10 + (text[i] - '0');
	*ret = n;
	return true;
}

static struct httpd_framing refuse(int status, const char *why)
{
	return (struct httpd_framing){.status = status, .why = why, .length = -1};
}

/* Those of the fields that say where the request goes and where it ends. */
struct seen {
	unsigned hosts, lengths, codings;
	const char *host, *length, *coding;
};

static const char *look_at(const struct httpd_field *f, struct seen *s)
{
	if (*f->name == '\0' || !is_made_of(f->name, token))
		return "a field's name holds characters that no name may have";
	if (!is_field_value(f->value))
		return "a field's value holds control characters";
	if (strcasecmp(f->name, "Host") == 0) {
		s->hosts++;
		s->host = f->value;
	} else if (strcasecmp(f->name, "Content-Length") == 0) {
		s->lengths++;
		s->length = f->value;
	} else if (strcasecmp(f->name, "Transfer-Encoding") == 0) {
		s->codings++;
		s->coding = f->value;
	}
	return NULL;
}

/* RFC 9112 3.2. */
static const char *check_host(const struct seen *s, bool http_1_1)
{
	if (s->hosts > 1)
		return "more than one Host";
	if (s->hosts == 0 && http_1_1)
		return "no Host";
	if (s->host && !is_made_of(s->host, host))
		return "malformed Host";
	return NULL;
}

/* RFC 9112 6.1 and 6.3. */
static const char *check_ends(const struct seen *s, bool http_1_1)
{
	if (s->lengths > 0 && s->codings > 0)
		return "Content-Length beside Transfer-Encoding";
	if (s->lengths > 1)
		return "more than one Content-Length";
	if (s->codings > 1)
		return "more than one Transfer-Encoding";
	if (s->coding && !http_1_1)
		return "Transfer-Encoding in HTTP/1.0";
	return NULL;
}

static struct httpd_framing measure(const struct seen *s, bool http_1_1)
{
	struct httpd_framing ok = {.length = -1, .chunked = s->coding != NULL};
	const char *why = check_host(s, http_1_1);

	if (!why)
		why = check_ends(s, http_1_1);
	if (why)
		return refuse(400, why);
	if (s->coding && strcasecmp(s->coding, "chunked") != 0)
		return refuse(501, "a Transfer-Encoding other than chunked");
	if (s->length && !read_length(s->length, &ok.length))
		return refuse(400, "malformed Content-Length");
	return ok;
}

struct httpd_framing httpd_check_fields(const struct httpd_field *fields, size_t n, bool http_1_1)
{
	struct seen s = {.hosts = 0};

	if (n > HTTPD_FIELDS_MAX)
		return refuse(431, "too many fields");
	for (size_t i = 0; i < n; i++) {
		const char *why = look_at(&fields[i], &s);

		if (why)
			return refuse(400, why);
	}
	return measure(&s, http_1_1);
}

bool httpd_check_target(const char *target)
{
	for (const unsigned char *p = (const unsigned char *)target; *p; p++)
		if (*p <= ' ' || *p == 0x7f || strncmp((const char *)p, "%00", 3) == 0)
			return false;
	return *target != '\0';
}

bool httpd_check_lines(
	const char *version, const struct httpd_field *fields, size_t n, const char *end)
{
	static const size_t crlf = 2;
	const char *next = version + strlen(version) + crlf;

	for (size_t i = 0; i < n; i++) {
		if (fields[i].name != next)
			return false;
		next = fields[i].value + strlen(fields[i].value) + crlf;
	}
	return next + crlf == end;
}
