/*
 * tag_scan.c - a JSON reader of one pass that remembers where it is and little else.
 *
 * It reads the grammar of RFC 8259 (numbers loosely) so that a page is known to be whole,
 * and looks at nothing but the strings right inside the top object's "tags".
 */
#include "registry/tag_scan.h"

#include <ctype.h>

enum state {
	WANT_VALUE,
	WANT_VALUE_OR_END, /* behind '[' */
	WANT_KEY_OR_END,   /* behind '{' */
	WANT_KEY,          /* behind ',' in an object */
	WANT_COLON,
	WANT_COMMA_OR_END,
	IN_STRING,
	IN_ESCAPE,
	IN_LITERAL,
	AT_END
};

static const char tags_key[] = "tags";

void tag_scan_init(struct tag_scan *s, size_t names_max)
{
	*s = (struct tag_scan){.names = BUF_INIT(names_max), .state = WANT_VALUE};
}

void tag_scan_clear(struct tag_scan *s)
{
	buf_clear(&s->names);
}

static int malformed(struct error *err)
{
	return error_set(err, ERR_REMOTE, "the tag listing is no JSON");
}

static bool text_is(const struct tag_scan *s, const char *text)
{
	return s->len == strlen(text) && memcmp(s->text, text, s->len) == 0;
}

static void keep(struct tag_scan *s, char c)
{
	if (s->len < TAG_MAX)
		s->text[s->len] = c;
	s->len++;
}

/* Whether the value that begins or ends now is an item of the tags array. */
static bool at_item(const struct tag_scan *s)
{
	return s->in_tags && s->depth == 2;
}

static void value_ended(struct tag_scan *s)
{
	s->state = s->depth == 0 ? AT_END : WANT_COMMA_OR_END;
}

/* ---- objects and arrays ---- */

static int open_level(struct tag_scan *s, char c, struct error *err)
{
	if (s->depth == TAG_SCAN_DEPTH_MAX)
		return error_set(err, ERR_REMOTE, "the tag listing is nested too deep");
	if (at_item(s))
		return error_set(
			err, ERR_REMOTE, "the tag listing has something else than names in it");
	if (s->depth == 1 && s->key_is_tags && c == '[')
		s->in_tags = true;
	else if (s->depth == 1 && s->key_is_tags)
		return error_set(err, ERR_REMOTE, "\"tags\" is no array");
	s->closers[s->depth++] = c == '{' ? '}' : ']';
	s->state = c == '{' ? WANT_KEY_OR_END : WANT_VALUE_OR_END;
	return 0;
}

static int close_level(struct tag_scan *s, char c, struct error *err)
{
	if (s->depth == 0 || s->closers[s->depth - 1] != c)
		return malformed(err);
	if (at_item(s))
		s->in_tags = false;
	s->depth--;
	value_ended(s);
	return 0;
}

/* ---- strings ---- */

static void open_string(struct tag_scan *s, bool is_key)
{
	s->is_key = is_key;
	s->len = 0;
	s->state = IN_STRING;
}

/* A name that is no tag could not be asked for, and is left out. */
static int take_name(struct tag_scan *s, struct error *err)
{
	if (s->len > TAG_MAX)
		return 0;
	s->text[s->len] = '\0';
	if (!tag_is_valid(s->text))
		return 0;
	if (buf_append(&s->names, s->text, s->len + 1, NULL) < 0)
		return error_set(
			err, ERR_REMOTE, "more than %zu bytes of tags on one page", s->names.max);
	return 0;
}

static int close_string(struct tag_scan *s, struct error *err)
{
	if (!s->is_key) {
		const bool item = at_item(s);

		if (!item && s->depth == 1 && s->key_is_tags)
			return error_set(err, ERR_REMOTE, "\"tags\" is no array");
		value_ended(s);
		return item ? take_name(s, err) : 0;
	}
	if (s->depth == 1) {
		s->key_is_tags = text_is(s, tags_key);
		if (s->key_is_tags && s->seen_tags)
			return error_set(err, ERR_REMOTE, "the tag listing has \"tags\" twice");
		s->seen_tags |= s->key_is_tags;
	}
	s->state = WANT_COLON;
	return 0;
}

/*
 * No tag and no key that matters needs an escape: what one stands for is kept as a character that
 * fits neither.
 */
static int read_escape(struct tag_scan *s, char c, struct error *err)
{
	if (s->hex_left > 0) {
		if (!isxdigit((unsigned char)c))
			return malformed(err);
		s->hex_left--;
	} else if (c == 'u') {
		s->hex_left = 4;
	} else if (!strchr("\"\\/bfnrt", c) || c == '\0') {
		return malformed(err);
	}
	if (s->hex_left == 0) {
		keep(s, '\\');
		s->state = IN_STRING;
	}
	return 0;
}

static int read_string(struct tag_scan *s, char c, struct error *err)
{
	if (c == '"')
		return close_string(s, err);
	if ((unsigned char)c < ' ')
		return malformed(err);
	if (c == '\\')
		s->state = IN_ESCAPE;
	else
		keep(s, c);
	return 0;
}

/* ---- numbers, true, false, null ---- */

static bool is_literal_char(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == '+' || c == '.';
}

static bool literal_is_number(const struct tag_scan *s)
{
	for (size_t i = 0; i < s->len && i < TAG_MAX; i++)
		if (!isdigit((unsigned char)s->text[i]) && !strchr("+-.eE", s->text[i]))
			return false;
	return s->len > 0 && (isdigit((unsigned char)s->text[0]) || s->text[0] == '-');
}

static int close_literal(struct tag_scan *s, struct error *err)
{
	const bool null = text_is(s, "null");

	if (!null && !text_is(s, "true") && !text_is(s, "false") && !literal_is_number(s))
		return malformed(err);
	/* "tags": null and [null] are none (protocol.md 1.7). */
	if (!null && ((s->depth == 1 && s->key_is_tags) || at_item(s)))
		return error_set(
			err, ERR_REMOTE, "the tag listing has something else than names in it");
	value_ended(s);
	return 0;
}

/* ---- one byte ---- */

static int begin_value(struct tag_scan *s, char c, struct error *err)
{
	if (c == '{')
		return open_level(s, c, err);
	if (s->depth == 0)
		return malformed(err);
	if (c == '[')
		return open_level(s, c, err);
	if (c == '"') {
		open_string(s, false);
		return 0;
	}
	if (!is_literal_char(c))
		return malformed(err);
	s->len = 0;
	keep(s, c);
	s->state = IN_LITERAL;
	return 0;
}

/* Between values: c is no white space. */
static int read_structure(struct tag_scan *s, char c, struct error *err)
{
	switch ((enum state)s->state) {
	case WANT_VALUE:
		return begin_value(s, c, err);
	case WANT_VALUE_OR_END:
		return c == ']' ? close_level(s, c, err) : begin_value(s, c, err);
	case WANT_KEY_OR_END:
	case WANT_KEY:
		if (c == '}' && s->state == WANT_KEY_OR_END)
			return close_level(s, c, err);
		if (c != '"')
			return malformed(err);
		open_string(s, true);
		return 0;
	case WANT_COLON:
		s->state = WANT_VALUE;
		return c == ':' ? 0 : malformed(err);
	case WANT_COMMA_OR_END:
		if (c != ',')
			return close_level(s, c, err);
		s->state = s->closers[s->depth - 1] == '}' ? WANT_KEY : WANT_VALUE;
		return 0;
	case AT_END:
	case IN_STRING:
	case IN_ESCAPE:
	case IN_LITERAL:
	default:
		return malformed(err);
	}
}

static int read_byte(struct tag_scan *s, char c, struct error *err)
{
	if (s->state == IN_STRING)
		return read_string(s, c, err);
	if (s->state == IN_ESCAPE)
		return read_escape(s, c, err);
	if (s->state == IN_LITERAL) {
		int rc;

		if (is_literal_char(c)) {
			keep(s, c);
			return 0;
		}
		rc = close_literal(s, err);
		if (rc < 0)
			return rc;
	}
	if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
		return 0;
	return read_structure(s, c, err);
}

int tag_scan_feed(struct tag_scan *s, const char *data, size_t n, struct error *err)
{
	for (size_t i = 0; i < n; i++) {
		int rc = read_byte(s, data[i], err);

		if (rc < 0)
			return rc;
	}
	return 0;
}

int tag_scan_finish(const struct tag_scan *s, struct error *err)
{
	if (s->state != AT_END)
		return malformed(err);
	/* An empty list must be said, not left out: somebody may remove things because of it. */
	if (!s->seen_tags)
		return error_set(err, ERR_REMOTE, "the tag listing has no \"tags\"");
	return 0;
}
