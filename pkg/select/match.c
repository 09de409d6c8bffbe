#include "select/match.h"

#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "util/buf.h"
#include "util/mem.h"

#define PCRE2_MESSAGE_MAX \
	120 /* chars, with the NUL: pcre2api(3), "Obtaining a textual error message" */
#define GLOB_REGEX_MAX ((size_t)8 * PATTERN_TEXT_MAX) /* bytes: "[^/]*" for a star is the most */
#define NAME_SHOWN     80                             /* bytes of a name that a message quotes */

struct pattern {
	char *text; /* as the user wrote it */
	pcre2_code *code;
	pcre2_match_context *limits;
	pcre2_match_data *scratch;
};

static void free_compile_context(pcre2_compile_context *c)
{
	pcre2_compile_context_free(c);
}
DEFINE_CLEANUP(pcre2_compile_context *, free_compile_context);

void pattern_free(struct pattern *p)
{
	if (!p)
		return;
	pcre2_match_data_free(p->scratch);
	pcre2_match_context_free(p->limits);
	pcre2_code_free(p->code);
	free(p->text);
	free(p);
}

static const char *pcre2_message(int code, char buf[static PCRE2_MESSAGE_MAX])
{
	/* A message that does not fit is cut, and still has its NUL. */
	(void)pcre2_get_error_message(code, (PCRE2_UCHAR *)buf, PCRE2_MESSAGE_MAX);
	return buf;
}

/* `regex` is what PCRE2 sees, `text` what the user wrote. */
static int compile(const char *text, const char *regex, struct pattern **ret, struct error *err)
{
	AUTO(free_compile_contextp)
	pcre2_compile_context *context = pcre2_compile_context_create(NULL);
	AUTO(pattern_freep) struct pattern *p = xcalloc(1, sizeof(*p));
	/* Names are bytes: with NEVER_UTF a pattern cannot ask for a check of their encoding. */
	uint32_t options = PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_DOTALL | PCRE2_NEVER_UTF |
			   PCRE2_NEVER_BACKSLASH_C;
	char message[PCRE2_MESSAGE_MAX];
	PCRE2_SIZE offset = 0;
	int code = 0;

	if (!context)
		return error_set(err, ERR_NOMEM, "'%.*s'", NAME_SHOWN, text);
	pcre2_set_max_pattern_length(context, GLOB_REGEX_MAX);
	p->text = xstrdup(text);
	p->code = pcre2_compile(
		(PCRE2_SPTR)regex, PCRE2_ZERO_TERMINATED, options, &code, &offset, context);
	if (!p->code)
		return error_set(err,
			ERR_USAGE,
			"'%.*s': at offset %zu: %s",
			NAME_SHOWN,
			text,
			(size_t)offset,
			pcre2_message(code, message));
	p->limits = pcre2_match_context_create(NULL);
	p->scratch = pcre2_match_data_create(1, NULL);
	if (!p->limits || !p->scratch)
		return error_set(err, ERR_NOMEM, "'%.*s'", NAME_SHOWN, text);
	pcre2_set_match_limit(p->limits, SELECT_MATCH_LIMIT);
	pcre2_set_depth_limit(p->limits, MATCH_DEPTH_LIMIT);
	pcre2_set_heap_limit(p->limits, MATCH_HEAP_KIB);
	*ret = steal(&p);
	return 0;
}

static int check_length(const char *text, struct error *err)
{
	if (strlen(text) <= PATTERN_TEXT_MAX)
		return 0;
	return error_set(err,
		ERR_USAGE,
		"'%.*s...': longer than %d bytes",
		NAME_SHOWN,
		text,
		PATTERN_TEXT_MAX);
}

int pattern_regex(const char *text, struct pattern **ret, struct error *err)
{
	int rc = check_length(text, err);

	return rc < 0 ? rc : compile(text, text, ret, err);
}

/* Writes the expression for what s begins with; *ret_len says how much of s that was. */
static int append_glob(struct buf *regex, const char *s, size_t *ret_len, struct error *err)
{
	*ret_len = 1;
	if (*s == '?')
		return buf_puts(regex, "[^/]", err);
	if (*s == '*') {
		*ret_len = strspn(s, "*");
		return buf_puts(regex, *ret_len > 1 ? ".*" : "[^/]*", err);
	}
	/* As a number: no byte means anything special then. */
	return buf_printf(regex, err, "\\x%02x", (unsigned char)*s);
}

int pattern_glob(const char *text, struct pattern **ret, struct error *err)
{
	AUTO(buf_clear) struct buf regex = BUF_INIT(GLOB_REGEX_MAX);
	int rc = check_length(text, err);
	size_t len;

	for (const char *s = text; rc == 0 && *s; s += len)
		rc = append_glob(&regex, s, &len, err);
	return rc < 0 ? rc : compile(text, buf_text(&regex), ret, err);
}

int pattern_match(const struct pattern *p, const char *name, bool *ret, struct error *err)
{
	int n = pcre2_match(
		p->code, (PCRE2_SPTR)name, PCRE2_ZERO_TERMINATED, 0, 0, p->scratch, p->limits);
	char message[PCRE2_MESSAGE_MAX];

	if (n >= 0 || n == PCRE2_ERROR_NOMATCH) {
		*ret = n >= 0;
		return 0;
	}
	return error_set(err,
		ERR_USAGE,
		"'%.*s': no answer for '%.*s': %s",
		NAME_SHOWN,
		p->text,
		NAME_SHOWN,
		name,
		pcre2_message(n, message));
}
