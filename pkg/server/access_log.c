/* access_log.c - one line for each request. */
#include "server/access_log.h"

#include <string.h>

#include "util/clock.h"
#include "util/parse.h"
#include "util/utf8.h"

/* One character of a client's text as it is shown; the bytes of it that were read. */
static size_t append_character(
	struct buf *to, const char *s, size_t left, int *rc, struct error *err)
{
	uint32_t character;
	const size_t n = utf8_decode(s, left, &character);

	if (*s == '"' || *s == '\\')
		*rc = buf_printf(to, err, "\\%c", *s);
	else if (n > 0 && text_is_clean(s, n))
		*rc = buf_append(to, s, n, err);
	else
		*rc = buf_printf(to, err, "\\x%02x", (unsigned char)*s);
	return n > 0 && *rc == 0 && text_is_clean(s, n) ? n : 1;
}

/* ` name="text"`. */
static int append_text(
	struct buf *to, const char *name, const char *text, size_t max, struct error *err)
{
	const size_t len = strlen(text);
	int rc = buf_printf(to, err, " %s=\"", name);
	size_t shown = 0;

	for (size_t i = 0; i < len && shown < max && rc == 0; shown++)
		i += append_character(to, text + i, len - i, &rc, err);
	if (rc == 0)
		rc = buf_puts(to, shown == max && len > max ? "...\"" : "\"", err);
	return rc;
}

int access_line_format(const struct access_line *l, struct buf *to, struct error *err)
{
	char time[TIME_TEXT_MAX];
	int rc = buf_printf(
		to, err, "time=%s peer=%s", time_format_rfc3339(l->time_sec, time), l->peer);

	if (rc == 0 && l->user)
		rc = append_text(to, "user", l->user, ACCESS_USER_MAX, err);
	if (rc == 0)
		rc = append_text(to, "method", l->method, ACCESS_METHOD_MAX, err);
	if (rc == 0)
		rc = append_text(to, "path", l->path, ACCESS_PATH_MAX, err);
	if (rc == 0)
		rc = buf_printf(to,
			err,
			" status=%d complete=%s in=%llu out=%llu ms=%llu",
			l->status,
			l->complete ? "true" : "false",
			(unsigned long long)l->bytes_in,
			(unsigned long long)l->bytes_out,
			(unsigned long long)l->ms);
	if (rc == 0 && l->agent)
		rc = append_text(to, "agent", l->agent, ACCESS_AGENT_MAX, err);
	return rc;
}
