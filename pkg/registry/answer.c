/*
 * answer.c - from statuses and error bodies to classes and words.
 */
#include "registry/answer.h"

#include <ctype.h>
#include <stdbool.h>
#include <strings.h>

#include "oci/json.h"
#include "util/mem.h"
#include "util/parse.h"

#define ERROR_DEPTH_MAX 16 /* JSON nesting of an error body; `detail` is free-form */
#define SECRET_MIN      4  /* characters: shorter ones would blank out half of each message */
#define SECRET_SIGN     "***"
#define ERROR_CODES_MAX 4  /* entries of an error list that are told */
#define CODE_MAX        64 /* characters of an error code; the longest known has 28 */

static const struct {
	int status;
	enum errc class;
	const char *reason;
} statuses[] = {
	{400, ERR_REMOTE, "Bad Request"},
	{401, ERR_AUTH, "Unauthorized"},
	{403, ERR_AUTH, "Forbidden"},
	{404, ERR_NOTFOUND, "Not Found"},
	{405, ERR_REMOTE, "Method Not Allowed"},
	{408, ERR_TEMP, "Request Timeout"},
	{409, ERR_REMOTE, "Conflict"},
	{410, ERR_NOTFOUND, "Gone"},
	{411, ERR_REMOTE, "Length Required"},
	{412, ERR_REMOTE, "Precondition Failed"},
	{413, ERR_REMOTE, "Content Too Large"},
	{414, ERR_REMOTE, "URI Too Long"},
	{415, ERR_REMOTE, "Unsupported Media Type"},
	{416, ERR_REMOTE, "Range Not Satisfiable"},
	{417, ERR_REMOTE, "Expectation Failed"},
	{422, ERR_REMOTE, "Unprocessable Content"},
	{425, ERR_TEMP, "Too Early"},
	{429, ERR_TEMP, "Too Many Requests"},
	{451, ERR_REMOTE, "Unavailable For Legal Reasons"},
	{500, ERR_TEMP, "Internal Server Error"},
	{501, ERR_TEMP, "Not Implemented"},
	{502, ERR_TEMP, "Bad Gateway"},
	{503, ERR_TEMP, "Service Unavailable"},
	{504, ERR_TEMP, "Gateway Timeout"},
};

enum errc answer_class(int status)
{
	if (status >= 200 && status < 300)
		return ERR_NONE;
	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++)
		if (statuses[i].status == status)
			return statuses[i].class;
	return status >= 500 && status < 600 ? ERR_TEMP : ERR_REMOTE;
}

const char *answer_reason(int status)
{
	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++)
		if (statuses[i].status == status)
			return statuses[i].reason;
	return "";
}

/* An error code as the specification writes them; anything else is left out of messages. */
static bool code_is_plain(const char *code)
{
	size_t n = 0;

	for (; code[n]; n++)
		if (!isalnum((unsigned char)code[n]) && code[n] != '_' && code[n] != '-')
			return false;
	return n > 0 && n <= CODE_MAX;
}

/* A member's text; NULL when there is none. */
static const char *text_of(const struct jx_value *object, const char *key)
{
	const char *text = NULL;

	return jx_text(object, key, &text, NULL) == 0 ? text : NULL;
}

static bool was_told(const char *code, const char *const *seen, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcasecmp(seen[i], code) == 0)
			return true;
	return false;
}

/* Appends "CODE: message" for one entry, unless its code was told already. */
static void add_entry(struct buf *out, const struct jx_value *entry, const char **seen, size_t *n)
{
	const char *code, *message;

	if (!jx_is_object(entry))
		return;
	code = text_of(entry, "code");
	message = text_of(entry, "message");
	if (!code || !code_is_plain(code))
		code = "";
	if (!message)
		message = "";
	if ((!*code && !*message) || (*code && was_told(code, seen, *n)))
		return;
	seen[*n] = code;
	/* The ceiling of out is the only way to fail, and then what fitted is enough. */
	(void)!buf_printf(out,
		NULL,
		"%s%s%s%s",
		*n > 0 ? "; " : "",
		code,
		*code && *message ? ": " : "",
		message);
	(*n)++;
}

/* The entries of {"errors":[...]}; false when the body is nothing like it. */
static bool words_of_json(struct buf *out, const void *body, size_t len)
{
	const struct jx_value *errors = NULL;
	const char *seen[ERROR_CODES_MAX];
	AUTO(jx_freep) struct jx *j = NULL;
	size_t n = 0;

	if (jx_parse(body, len, ERROR_DEPTH_MAX, &j, NULL) < 0 || !jx_is_object(jx_root(j)))
		return false;
	if (jx_array(jx_root(j), "errors", &errors, NULL) < 0 || jx_count(errors) == 0) {
		/* Token servers and gateways, and OAuth2 (RFC 6749 5.2). */
		static const char *const keys[] = {
			"details", "message", "error_description", "error"};
		const char *text = NULL;

		for (size_t i = 0; i < ARRAY_SIZE(keys) && !text; i++)
			text = text_of(jx_root(j), keys[i]);
		if (text)
			(void)!buf_puts(out, text, NULL);
		return out->len > 0;
	}
	for (size_t i = 0; i < jx_count(errors) && n < ERROR_CODES_MAX; i++)
		add_entry(out, jx_at(errors, i), seen, &n);
	return true;
}

/* The text between tags, with runs of white space as one space; what a person would read. */
static void words_of_markup(struct buf *out, const char *body, size_t len)
{
	bool in_tag = false, space = false;

	for (size_t i = 0; i < len; i++) {
		const char c = body[i];

		if (c == '<') {
			in_tag = true;
			space = true;
		} else if (c == '>' && in_tag) {
			in_tag = false;
		} else if (isspace((unsigned char)c)) {
			space = true;
		} else if (!in_tag) {
			if (space && out->len > 0 && buf_append(out, " ", 1, NULL) < 0)
				return;
			space = false;
			if (buf_append(out, &c, 1, NULL) < 0)
				return;
		}
	}
}

/* Replaces every occurrence in place; the text gets shorter, never longer. */
static void blank(struct buf *text, const char *secret)
{
	const size_t len = strlen(secret), sign_len = strlen(SECRET_SIGN);
	char *at;

	if (len < SECRET_MIN)
		return;
	while ((at = memmem(text->data, text->len, secret, len))) {
		const size_t rest = text->len - (size_t)(at - text->data) - len;

		memcpy(at, SECRET_SIGN, sign_len);
		memmove(at + sign_len, at + len, rest);
		text->len -= len - sign_len;
		text->data[text->len] = '\0';
	}
}

char *answer_words(const void *body, size_t len, const char *const *secrets)
{
	AUTO(buf_clear) struct buf out = BUF_INIT(ANSWER_BODY_MAX);

	if (len > 0 && !words_of_json(&out, body, len))
		words_of_markup(&out, body, len);
	for (size_t i = 0; secrets && secrets[i] && out.len > 0; i++)
		blank(&out, secrets[i]);
	return text_sanitize(buf_text(&out), out.len, ANSWER_WORDS_MAX);
}
