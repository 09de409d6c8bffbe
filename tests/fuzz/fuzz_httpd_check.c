#include <strings.h>

#include "server/httpd_check.h"

#include "util/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t count(const struct httpd_field *f, size_t n, const char *name)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++)
		found += strcasecmp(f[i].name, name) == 0;
	return found;
}

static const char *value_of(const struct httpd_field *f, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcasecmp(f[i].name, name) == 0)
			return f[i].value;
	return "";
}

/* Lines of "name:value". */
static size_t split(char *text, struct httpd_field *f, size_t max)
{
	size_t n = 0;

	for (char *line = text, *next; line && n < max; line = next) {
		char *colon;

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		colon = strchr(line, ':');
		f[n].name = line;
		f[n].value = colon ? colon + 1 : "";
		n++;
		if (colon)
			*colon = '\0';
	}
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = xstrndup((const char *)data, size);
	struct httpd_field f[HTTPD_FIELDS_MAX + 2];
	struct httpd_framing r;
	size_t n;

	if (httpd_check_target(text) && strpbrk(text, " \t\r\n"))
		abort();
	n = split(text, f, HTTPD_FIELDS_MAX + 2);
	r = httpd_check_fields(f, n, true);
	if ((r.status != 0) != (r.why != NULL))
		abort();
	if (r.status != 0)
		return 0;
	/* Whatever passes has one host and one end. */
	if (n > HTTPD_FIELDS_MAX || count(f, n, "Host") != 1 ||
		count(f, n, "Content-Length") + count(f, n, "Transfer-Encoding") > 1)
		abort();
	if (r.chunked != (count(f, n, "Transfer-Encoding") == 1) ||
		(r.length >= 0) != (count(f, n, "Content-Length") == 1))
		abort();
	if (r.chunked && strcasecmp(value_of(f, n, "Transfer-Encoding"), "chunked") != 0)
		abort();
	if (r.length >= 0 &&
		(uint64_t)r.length != strtoull(value_of(f, n, "Content-Length"), NULL, 10))
		abort();
	return 0;
}
