/*
 * show.c - the effective configuration as YAML, driven by the settings table.
 *
 * Block style, one setting a line, everything with its value whether it was given or
 * not.  The result loads again to the same configuration, but for secrets: the fuzz target
 * holds this file to that.
 */
#include <assert.h>
#include <inttypes.h>

#include "config/settings.h"
#include "config/types.h"
#include "util/parse.h"

#define INDENT   2 /* blanks for each level */
#define REDACTED "***"

struct writer {
	const struct config *config;
	struct buf *out;
	bool after_dash; /* the next line's blanks are there, with the dash of a list's entry */
};

/*
 * Text that YAML reads back as that text without quotes, whatever stands around
 * it: a word of harmless characters that is no null.  What is a number or a truth
 * value does not matter, for config/yaml.c keeps all scalars as text.
 */
static bool is_plain(const char *s)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	static const char inner[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._/-+";

	if (!s[0] || (!strchr(letters, s[0]) && s[0] != '/'))
		return false;
	if (strcmp(s, "null") == 0 || strcmp(s, "Null") == 0 || strcmp(s, "NULL") == 0)
		return false;
	return strspn(s, inner) == strlen(s);
}

/* In double quotes only '"' and '\' need a backslash: control characters never get here (yaml.c).
 */
static int write_text(struct writer *w, const char *s, struct error *err)
{
	int rc;

	if (is_plain(s))
		return buf_puts(w->out, s, err);
	rc = buf_puts(w->out, "\"", err);
	for (; rc == 0 && *s; s++) {
		if (*s == '"' || *s == '\\')
			rc = buf_puts(w->out, "\\", err);
		if (rc == 0)
			rc = buf_append(w->out, s, 1, err);
	}
	return rc == 0 ? buf_puts(w->out, "\"", err) : rc;
}

/* The rest of a setting's line; NULL is shown as the empty text that is read back as NULL. */
static int write_line(struct writer *w, const char *text, struct error *err)
{
	int rc = buf_puts(w->out, " ", err);

	if (rc == 0)
		rc = write_text(w, text ? text : "", err);
	return rc == 0 ? buf_puts(w->out, "\n", err) : rc;
}

/* One item of a block list. */
static int write_item(struct writer *w, unsigned indent, const char *text, struct error *err)
{
	int rc = buf_printf(w->out, err, "%*s- ", (int)(indent * INDENT), "");

	if (rc == 0)
		rc = write_text(w, text, err);
	return rc == 0 ? buf_puts(w->out, "\n", err) : rc;
}

/* A list's items follow in lines of their own; an empty one is closed at once. */
static int write_list_start(struct writer *w, size_t n, struct error *err)
{
	return buf_puts(w->out, n ? "\n" : " []\n", err);
}

/* How a type's value follows its key: the rest of the line, or a block list below it. */
typedef int type_writer(struct writer *w, const struct setting *s, const void *base,
	unsigned indent, struct error *err);

static int write_scalar(struct writer *w, const struct setting *s, const void *base,
	unsigned indent UNUSED, struct error *err)
{
	return write_line(w, field_pointer(base, s->offset), err);
}

static int write_secret(struct writer *w, const struct setting *s, const void *base,
	unsigned indent UNUSED, struct error *err)
{
	return write_line(w, field_pointer(base, s->offset) ? REDACTED : "", err);
}

/* A proxy's URL may hold a password: "http://user:password@host". */
static int write_proxy(struct writer *w, const struct setting *s, const void *base,
	unsigned indent UNUSED, struct error *err)
{
	const char *url = field_pointer(base, s->offset);
	const char *scheme_end = strstr(url, "://");
	const char *host = strrchr(url, '@');

	if (!scheme_end || !host)
		return write_line(w, url, err);
	return buf_printf(w->out,
		err,
		" \"%.*s" REDACTED "%s\"\n",
		(int)(scheme_end + strlen("://") - url),
		url,
		host);
}

static int write_count(struct writer *w, const struct setting *s, const void *base,
	unsigned indent UNUSED, struct error *err)
{
	const unsigned *n = (const void *)((const char *)base + s->offset);

	return buf_printf(w->out, err, " %u\n", *n);
}

/* Read from at most three decimals, so that three are exact (types.c). */
static int write_number(struct writer *w, const struct setting *s, const void *base,
	unsigned indent UNUSED, struct error *err)
{
	const double *n = (const void *)((const char *)base + s->offset);
	uint64_t thousandths = (uint64_t)(*n * 1000 + 0.5);
	uint64_t fraction = thousandths % 1000;
	int digits = 3;

	if (fraction == 0)
		return buf_printf(w->out, err, " %" PRIu64 "\n", thousandths / 1000);
	for (; fraction % 10 == 0; fraction /= 10)
		digits--;
	return buf_printf(
		w->out, err, " %" PRIu64 ".%0*" PRIu64 "\n", thousandths / 1000, digits, fraction);
}

static int write_size(struct writer *w, const struct setting *s, const void *base,
	unsigned indent UNUSED, struct error *err)
{
	const uint64_t *n = (const void *)((const char *)base + s->offset);
	char text[SIZE_TEXT_MAX + 8]; /* as parse.h has it */

	return buf_printf(w->out, err, " %s\n", format_size_exact(*n, text));
}

/* The size of a threshold that is off was not given, and is not shown. */
static int write_threshold(struct writer *w, const struct setting *s, const void *base,
	unsigned indent, struct error *err)
{
	const bool *never = (const void *)((const char *)base + s->also);

	return *never ? write_line(w, "never", err) : write_size(w, s, base, indent, err);
}

static int write_duration(struct writer *w, const struct setting *s, const void *base,
	unsigned indent UNUSED, struct error *err)
{
	const uint64_t *n = (const void *)((const char *)base + s->offset);
	char text[DURATION_TEXT_MAX];

	return buf_printf(w->out, err, " %s\n", format_duration_exact(*n, text));
}

static int write_choice(struct writer *w, const struct setting *s, const void *base,
	unsigned indent UNUSED, struct error *err)
{
	const char *field = (const char *)base + s->offset;
	unsigned n = 0;
	size_t len = 0;
	const char *word;

	if (s->size == sizeof(bool))
		n = *(const bool *)field;
	else if (s->size == sizeof(n))
		memcpy(&n, field, sizeof(n));
	word = choice_word(s->doc.type, n, &len);
	return buf_printf(w->out, err, " %.*s\n", (int)len, word ? word : "");
}

static int write_texts(struct writer *w, const struct setting *s, const void *base, unsigned indent,
	struct error *err)
{
	char **list = field_pointer(base, s->offset);
	size_t n = field_count(base, s->also);
	int rc = write_list_start(w, n, err);

	for (size_t i = 0; i < n && rc == 0; i++)
		rc = write_item(w, indent, list[i], err);
	return rc;
}

static int write_platforms(struct writer *w, const struct setting *s UNUSED, const void *base,
	unsigned indent, struct error *err)
{
	const struct config_rule *rule = base;
	char text[PLATFORM_TEXT_MAX];
	int rc = write_list_start(w, rule->n_platforms, err);

	for (size_t i = 0; i < rule->n_platforms && rc == 0; i++)
		rc = write_item(w, indent, platform_format(&rule->platforms[i], text), err);
	return rc;
}

static int write_upstream(struct writer *w, const struct setting *s UNUSED, const void *base,
	unsigned indent UNUSED, struct error *err)
{
	const struct config_rule *rule = base;

	return write_line(w, w->config->upstreams[rule->upstream].name, err);
}

/* Kept as indexes, shown as names. */
static int write_targets(struct writer *w, const struct setting *s UNUSED, const void *base,
	unsigned indent, struct error *err)
{
	const struct config_rule *rule = base;
	int rc = write_list_start(w, rule->n_targets, err);

	for (size_t i = 0; i < rule->n_targets && rc == 0; i++)
		rc = write_item(w, indent, w->config->targets[rule->targets[i]].name, err);
	return rc;
}

static int write_immutable(struct writer *w, const struct setting *s UNUSED, const void *base,
	unsigned indent UNUSED, struct error *err)
{
	static const char *const words[] = {
		[CONFIG_IMMUTABLE_DEFAULT] = "default",
		[CONFIG_IMMUTABLE_NONE] = "none",
		[CONFIG_IMMUTABLE_SEMVER] = "semver",
	};
	const struct config_rule *rule = base;

	if (rule->immutable == CONFIG_IMMUTABLE_REGEX)
		return write_line(w, rule->immutable_regex, err);
	return write_line(w, words[rule->immutable], err);
}

static int write_schedule(struct writer *w, const struct setting *s UNUSED, const void *base,
	unsigned indent UNUSED, struct error *err)
{
	const struct config_rule *rule = base;

	return write_line(w, rule->schedule_text, err);
}

static type_writer *const writers[SETTING_MAX_] = {
	[SETTING_TEXT] = write_scalar,
	[SETTING_PROXY] = write_proxy,
	[SETTING_SECRET] = write_secret,
	[SETTING_FILE] = write_scalar,
	[SETTING_COUNT] = write_count,
	[SETTING_NUMBER] = write_number,
	[SETTING_SIZE] = write_size,
	[SETTING_THRESHOLD] = write_threshold,
	[SETTING_DURATION] = write_duration,
	[SETTING_CHOICE] = write_choice,
	[SETTING_TEXTS] = write_texts,
	[SETTING_PLATFORMS] = write_platforms,
	[SETTING_UPSTREAM] = write_upstream,
	[SETTING_TARGETS] = write_targets,
	[SETTING_IMMUTABLE] = write_immutable,
	[SETTING_SCHEDULE] = write_schedule,
};

/* The settings of one group, and what is below them, each line indented. */
static int write_group(struct writer *w, enum section_id id, const char *group, const void *base,
	unsigned indent, struct error *err);

/* Entries: "name:" or, in a list, a dash in front of the first line. */
static int write_entries(struct writer *w, const struct setting *s, const void *base,
	unsigned indent, struct error *err)
{
	const struct section *section = section_get(s->items);
	const char *entries = field_pointer(base, s->offset);
	size_t n = field_count(base, s->also);
	int blanks = (int)(indent * INDENT);
	int rc = buf_puts(w->out, n ? "\n" : section->check_name ? " {}\n" : " []\n", err);

	for (size_t i = 0; i < n && rc == 0; i++) {
		const char *entry = entries + i * section->size;

		rc = buf_printf(w->out, err, "%*s%s", blanks, "", section->check_name ? "" : "- ");
		if (rc == 0 && section->check_name)
			rc = write_text(w, field_pointer(entry, section->name), err);
		if (rc == 0 && section->check_name)
			rc = buf_puts(w->out, ":\n", err);
		w->after_dash = !section->check_name;
		if (rc == 0)
			rc = write_group(w, s->items, "", entry, indent + 1, err);
	}
	return rc;
}

/* A setting's key, then its value: in the line, or below it and deeper. */
static int write_setting(struct writer *w, const struct setting *s, const void *base,
	unsigned indent, struct error *err)
{
	int blanks = w->after_dash ? 0 : (int)(indent * INDENT);
	int rc = buf_printf(w->out, err, "%*s%s:", blanks, "", setting_name(s));

	w->after_dash = false;
	if (rc < 0)
		return rc;
	if (s->type == SETTING_GROUP || s->type == SETTING_TAGS) {
		AUTO_FREE char *group = setting_group(s);

		rc = buf_puts(w->out, "\n", err);
		return rc == 0 ? write_group(w, s->section, group, base, indent + 1, err) : rc;
	}
	if (s->type == SETTING_SECTIONS)
		return write_entries(w, s, base, indent + 1, err);
	assert(writers[s->type]);
	return writers[s->type](w, s, base, indent + 1, err);
}

static int write_group(struct writer *w, enum section_id id, const char *group, const void *base,
	unsigned indent, struct error *err)
{
	const struct setting *s;
	int rc = 0;

	for (size_t i = 0; rc == 0 && (s = setting_at(i)) != NULL; i++) {
		if (setting_is_in(s, id, group))
			rc = write_setting(w, s, base, indent, err);
	}
	return rc;
}

int config_show(const struct config *c, struct buf *out, struct error *err)
{
	struct writer w = {.config = c, .out = out};
	size_t before = out->len;
	int rc = write_group(&w, SECTION_TOP, "", c, 0, err);

	if (rc < 0 && out->data) {
		out->len = before; /* all or nothing */
		out->data[before] = '\0';
	}
	return rc;
}
