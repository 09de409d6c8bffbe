/*
 * types.c - how each type of setting is read from its node and freed.
 *
 * A reader gets the node of one setting, checks its kind, its text and its bounds,
 * and only then touches the field.  What goes wrong is said with the value's place in
 * the file, in one of two ways: setting_fail() where the message is made here, locate()
 * where a check or a parser of another package made it.
 */
#include "config/types.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "config/checks.h"
#include "config/secret.h"
#include "util/map.h"
#include "util/mem.h"
#include "util/parse.h"

#define THOUSAND  1000              /* a SETTING_NUMBER has three digits behind the point */
#define BOUND_MAX DURATION_TEXT_MAX /* chars, with the NUL: a size or 64 bits need no more */

typedef int type_reader(const struct reader *r, const struct setting *s,
	const struct yaml_node *node, void *base, struct error *err);

/*
 * Fields are reached by offset.  Those whose type the setting's type fixes are cast to
 * it; pointers and counts, which belong to many types, are copied byte by byte.
 */
static void *at(void *base, size_t offset)
{
	return (char *)base + offset;
}

void *field_pointer(const void *base, size_t offset)
{
	void *p;

	memcpy(&p, (const char *)base + offset, sizeof(p));
	return p;
}

size_t field_count(const void *base, size_t offset)
{
	size_t n;

	memcpy(&n, (const char *)base + offset, sizeof(n));
	return n;
}

void field_set_pointer(void *base, size_t offset, void *p)
{
	memcpy(at(base, offset), &p, sizeof(p));
}

void field_set_count(void *base, size_t offset, size_t n)
{
	memcpy(at(base, offset), &n, sizeof(n));
}

/* Puts place and key before a message that a check made. */
static int locate(const struct reader *r, const struct setting *s, struct yaml_pos pos, int rc,
	struct error *err)
{
	if (rc == 0)
		return 0;
	/* Whatever was wrong, the configuration is: e.g. a limit of the regex library. */
	if (err)
		err->code = ERR_USAGE;
	return error_wrap(
		err, -ERR_USAGE, "%s:%u:%u: %s", r->file, pos.line, pos.column, setting_key(s));
}

/* The node must be of that kind: text for a scalar, a list, a mapping. */
static int expect(const struct reader *r, const struct setting *s, const struct yaml_node *node,
	enum yaml_kind kind, struct error *err)
{
	if (node->kind == kind)
		return 0;
	return setting_fail(r->file,
		node->at,
		err,
		"%s: %s is needed (%s), not %s",
		setting_key(s),
		yaml_kind_text(kind),
		s->doc.type,
		yaml_kind_text(node->kind));
}

/* The text of a scalar, which may be empty only where that means something: checked, not copied. */
static int read_scalar(const struct reader *r, const struct setting *s,
	const struct yaml_node *node, const char **ret, struct error *err)
{
	int rc = expect(r, s, node, YAML_TEXT, err);

	if (rc < 0)
		return rc;
	if (!node->text[0] && s->empty == EMPTY_REFUSED)
		return setting_fail(r->file, node->at, err, "%s: is empty", setting_key(s));
	/* A file is checked with its place, which is its key's (read_file). */
	if (node->text[0] && s->check && s->type != SETTING_FILE)
		rc = s->check(node->text, err);
	*ret = node->text;
	return locate(r, s, node->at, rc, err);
}

/* An empty text is kept as such, or is the NULL that the field has already. */
static int read_text(const struct reader *r, const struct setting *s, const struct yaml_node *node,
	void *base, struct error *err)
{
	const char *text = "";
	int rc = read_scalar(r, s, node, &text, err);

	if (rc == 0 && (text[0] || s->empty == EMPTY_TEXT))
		field_set_pointer(base, s->offset, xstrdup(text));
	return rc;
}

/* A secret that was expanded may be anything: only its source is ever named in a message. */
static int read_secret(const struct reader *r, const struct setting *s,
	const struct yaml_node *node, void *base, struct error *err)
{
	char *secret = NULL;
	const char *text = "";
	int rc = read_scalar(r, s, node, &text, err);

	if (rc < 0 || !text[0])
		return rc;
	rc = secret_expand(text, &secret, err);
	if (rc == 0)
		field_set_pointer(base, s->offset, secret);
	return locate(r, s, node->at, rc, err);
}

/* Looks whether the file can be opened, so that a run does not find out at its first request. */
static int check_readable(const char *path, struct error *err)
{
	AUTO_CLOSE int fd = -1;
	struct stat st;

	if (check_path(path, err) < 0)
		return -ERR_USAGE;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, "'%s'", path);
	if (S_ISDIR(st.st_mode))
		return error_set(err, ERR_USAGE, "'%s' is a directory", path);
	return 0;
}

/* The key is blamed, not the value: both are right as they are written. */
static int read_file(const struct reader *r, const struct setting *s, const struct yaml_node *node,
	void *base, struct error *err)
{
	const char *text = "";
	int rc = read_scalar(r, s, node, &text, err);

	if (rc < 0 || !text[0])
		return rc;
	rc = check_readable(text, err);
	if (rc == 0)
		field_set_pointer(base, s->offset, xstrdup(text));
	return locate(r, s, node->key_at, rc, err);
}

/* A bound as the file would have it: "256", "1EiB", "3660d". */
static const char *bound_text(const struct setting *s, uint64_t n, char buf[static BOUND_MAX])
{
	if (s->type == SETTING_SIZE || s->type == SETTING_THRESHOLD)
		return format_size_exact(n, buf);
	if (s->type == SETTING_DURATION)
		return format_duration_exact(n, buf);
	(void)snprintf(buf, BOUND_MAX, "%" PRIu64, n);
	return buf;
}

/* Any setting that is a number, by the parser of its type; within the bounds of its row. */
static int read_quantity(const struct reader *r, const struct setting *s,
	const struct yaml_node *node, int (*parse)(const char *, uint64_t *, struct error *),
	uint64_t *ret, struct error *err)
{
	/* The bounds of a SETTING_NUMBER are whole, its value is in thousandths. */
	uint64_t scale = s->type == SETTING_NUMBER ? THOUSAND : 1;
	char min[BOUND_MAX], max[BOUND_MAX];
	const char *text = "";
	uint64_t n = 0;
	int rc = read_scalar(r, s, node, &text, err);

	if (rc < 0)
		return rc;
	rc = parse(text, &n, err);
	if (rc == 0 && (n < s->min * scale || n > s->max * scale))
		rc = error_set(err,
			ERR_USAGE,
			"must be from %s to %s",
			bound_text(s, s->min, min),
			bound_text(s, s->max, max));
	if (rc == 0)
		*ret = n;
	return locate(r, s, node->at, rc, err);
}

static int read_count(const struct reader *r, const struct setting *s, const struct yaml_node *node,
	void *base, struct error *err)
{
	uint64_t n = 0;
	int rc = read_quantity(r, s, node, parse_u64, &n, err);

	if (rc == 0)
		*(unsigned *)at(base, s->offset) =
			(unsigned)n; /* the rows' bounds are below 2^32 */
	return rc;
}

/* Digits with at most three behind a point; strtod() would want a locale's comma. */
static int parse_thousandths(const char *text, uint64_t *ret, struct error *err)
{
	const char *point = strchr(text, '.');
	size_t whole = point ? (size_t)(point - text) : strlen(text);
	size_t decimals = point ? strlen(point + 1) : 0;
	AUTO_FREE char *digits = xasprintf("%.*s%s000", (int)whole, text, point ? point + 1 : "");

	if (whole == 0 || decimals > 3 || (point && decimals == 0))
		return error_set(err, ERR_USAGE, "'%.80s' is no number like 20 or 0.5", text);
	digits[whole + 3] = '\0'; /* "2.5" has become "25000", and is 2500 now */
	return parse_u64(digits, ret, err);
}

static int read_number(const struct reader *r, const struct setting *s,
	const struct yaml_node *node, void *base, struct error *err)
{
	uint64_t n = 0;
	int rc = read_quantity(r, s, node, parse_thousandths, &n, err);

	if (rc == 0)
		*(double *)at(base, s->offset) = (double)n / THOUSAND;
	return rc;
}

static int read_size(const struct reader *r, const struct setting *s, const struct yaml_node *node,
	void *base, struct error *err)
{
	return read_quantity(r, s, node, parse_size, at(base, s->offset), err);
}

/* "never" leaves the size at 0; whoever asks looks at the bool first. */
static int read_threshold(const struct reader *r, const struct setting *s,
	const struct yaml_node *node, void *base, struct error *err)
{
	bool never = node->kind == YAML_TEXT && strcmp(node->text, "never") == 0;

	*(bool *)at(base, s->also) = never;
	return never ? 0 : read_size(r, s, node, base, err);
}

static int read_duration(const struct reader *r, const struct setting *s,
	const struct yaml_node *node, void *base, struct error *err)
{
	return read_quantity(r, s, node, parse_duration, at(base, s->offset), err);
}

/*
 * The words are the type's text in the table, "each | together": their order is that of
 * the enum, or of false and true.  Words behind the row's `max` belong to later versions.
 */
static int read_choice(const struct reader *r, const struct setting *s,
	const struct yaml_node *node, void *base, struct error *err)
{
	const char *text = "", *word;
	unsigned n = 0;
	size_t len = 0;
	int rc = read_scalar(r, s, node, &text, err);

	if (rc < 0)
		return rc;
	for (; (word = choice_word(s->doc.type, n, &len)) != NULL; n++) {
		if (strlen(text) == len && memcmp(text, word, len) == 0)
			break;
	}
	if (!word)
		return setting_fail(r->file,
			node->at,
			err,
			"%s: '%.80s' is none of %s",
			setting_key(s),
			text,
			s->doc.type);
	if (n > s->max)
		return setting_fail(r->file,
			node->at,
			err,
			"%s: %s is not supported by this version",
			setting_key(s),
			text);
	if (s->size == sizeof(bool))
		*(bool *)at(base, s->offset) = n != 0;
	else if (s->size == sizeof(n))
		*(unsigned *)at(base, s->offset) = n;
	return 0;
}

/* One text of a list; `seen` has those before it, so that long lists cost no more than their
 * length. */
static int check_item(const struct reader *r, const struct setting *s, text_check *check,
	const struct yaml_node *item, struct map *seen, struct error *err)
{
	int rc = expect(r, s, item, YAML_TEXT, err);

	if (rc < 0)
		return rc;
	if (!item->text[0])
		return setting_fail(r->file, item->at, err, "%s: is empty", setting_key(s));
	if (map_get_str(seen, item->text))
		return setting_fail(r->file,
			item->at,
			err,
			"%s: '%.80s' is listed twice",
			setting_key(s),
			item->text);
	map_put_str(seen, item->text, seen);
	return locate(r, s, item->at, check(item->text, err), err);
}

/* A list of texts, at least as many as the row's `min`, all different. */
static int read_list(const struct reader *r, const struct setting *s, const struct yaml_node *node,
	text_check *check, void *base, struct error *err)
{
	AUTO(map_freep) struct map *seen = map_new(NULL);
	int rc = expect(r, s, node, YAML_LIST, err);
	char **list;
	size_t n = 0;

	if (rc < 0)
		return rc;
	if (node->n < s->min)
		return setting_fail(r->file, node->at, err, "%s: is empty", setting_key(s));
	if (node->n == 0)
		return 0;
	/* The field owns the list at once, and its count follows: an error leaves nothing behind.
	 */
	list = xcalloc(node->n, sizeof(*list));
	field_set_pointer(base, s->offset, list);
	for (const struct yaml_node *item = node->first; item && rc == 0; item = item->next) {
		rc = check_item(r, s, check, item, seen, err);
		if (rc == 0)
			list[n++] = xstrdup(item->text);
		field_set_count(base, s->also, n);
	}
	return rc;
}

static int read_texts(const struct reader *r, const struct setting *s, const struct yaml_node *node,
	void *base, struct error *err)
{
	return read_list(r, s, node, s->check, base, err);
}

/* A plain list of tags is their names, whatever other keys would say: they go to `include`. */
static int read_tags(const struct reader *r, const struct setting *s, const struct yaml_node *node,
	void *base, struct error *err)
{
	struct setting include = *s;

	include.offset = offsetof(struct config_rule, include);
	include.also = offsetof(struct config_rule, n_include);
	include.min = 1;
	return read_list(r, &include, node, check_tag, base, err);
}

/* Compared as platforms, not as texts: linux/x86_64 is linux/amd64. */
static int read_platforms(const struct reader *r, const struct setting *s,
	const struct yaml_node *node, void *base, struct error *err)
{
	int rc = expect(r, s, node, YAML_LIST, err);
	struct platform *list;
	size_t n = 0;

	if (rc < 0 || node->n == 0)
		return rc;
	list = xcalloc(node->n, sizeof(*list));
	field_set_pointer(base, s->offset, list);
	for (const struct yaml_node *item = node->first; item; item = item->next, n++) {
		rc = expect(r, s, item, YAML_TEXT, err);
		if (rc < 0)
			return rc;
		rc = platform_parse(item->text, &list[n], err);
		for (size_t i = 0; i < n && rc == 0; i++) {
			if (platform_equal(&list[i], &list[n]))
				rc = error_set(
					err, ERR_USAGE, "'%.80s' is listed twice", item->text);
		}
		if (rc < 0)
			return locate(r, s, item->at, rc, err);
		field_set_count(base, s->also, n + 1);
	}
	return 0;
}

/* The names that a setting may have: all upstreams, or all targets. */
struct names {
	const char *what;
	const char **name;
	size_t n;
};

/* What stands for a name: its place among the others. */
static int find_name(const struct reader *r, const struct setting *s, const struct yaml_node *node,
	const struct names *names, size_t *ret, struct error *err)
{
	const char *nearest;

	for (size_t i = 0; i < names->n; i++) {
		if (strcmp(names->name[i], node->text) == 0) {
			*ret = i;
			return 0;
		}
	}
	nearest = nearest_name(node->text, names->name, names->n);
	if (nearest)
		return setting_fail(r->file,
			node->at,
			err,
			"%s: there is no %s '%.80s'; did you mean '%s'?",
			setting_key(s),
			names->what,
			node->text,
			nearest);
	return setting_fail(r->file,
		node->at,
		err,
		"%s: there is no %s '%.80s'",
		setting_key(s),
		names->what,
		node->text);
}

/* Upstreams are read before rules (the table's order), so that all names are known here. */
static int read_upstream(const struct reader *r, const struct setting *s,
	const struct yaml_node *node, void *base, struct error *err)
{
	const struct config *c = r->config;
	AUTO_FREE const char **name = xcalloc(c->n_upstreams + 1, sizeof(*name));
	const struct names names = {"upstream", name, c->n_upstreams};
	const char *text = "";
	int rc = read_scalar(r, s, node, &text, err);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < c->n_upstreams; i++)
		name[i] = c->upstreams[i].name;
	return find_name(r, s, node, &names, at(base, s->offset), err);
}

/* One name of the list `to`, appended to the rule's targets. */
static int read_target(const struct reader *r, const struct setting *s,
	const struct yaml_node *item, const struct names *names, struct config_rule *rule,
	struct error *err)
{
	size_t found = 0;
	int rc = expect(r, s, item, YAML_TEXT, err);

	if (rc == 0)
		rc = find_name(r, s, item, names, &found, err);
	for (size_t i = 0; i < rule->n_targets && rc == 0; i++) {
		if (rule->targets[i] == found)
			rc = setting_fail(r->file,
				item->at,
				err,
				"%s: '%.80s' is listed twice",
				setting_key(s),
				item->text);
	}
	if (rc == 0)
		rule->targets[rule->n_targets++] = found;
	return rc;
}

static int read_targets(const struct reader *r, const struct setting *s,
	const struct yaml_node *node, void *base, struct error *err)
{
	const struct config *c = r->config;
	AUTO_FREE const char **name = xcalloc(c->n_targets + 1, sizeof(*name));
	const struct names names = {"target", name, c->n_targets};
	struct config_rule *rule = base;
	int rc = expect(r, s, node, YAML_LIST, err);

	if (rc < 0)
		return rc;
	if (node->n == 0)
		return setting_fail(r->file, node->at, err, "%s: is empty", setting_key(s));
	if (node->n > s->max)
		return setting_fail(r->file,
			node->at,
			err,
			"%s: %zu targets are more than %" PRIu64,
			setting_key(s),
			node->n,
			s->max);
	for (size_t i = 0; i < c->n_targets; i++)
		name[i] = c->targets[i].name;
	/* None is listed twice: there are never more than there are targets. */
	rule->targets = xcalloc(c->n_targets + 1, sizeof(*rule->targets));
	for (const struct yaml_node *item = node->first; item && rc == 0; item = item->next)
		rc = read_target(r, s, item, &names, rule, err);
	return rc;
}

/* Three words have a meaning of their own; anything else is an expression for tags. */
static int read_immutable(const struct reader *r, const struct setting *s,
	const struct yaml_node *node, void *base, struct error *err)
{
	struct config_rule *rule = base;
	const char *text = "";
	int rc = read_scalar(r, s, node, &text, err);

	if (rc < 0)
		return rc;
	if (strcmp(text, "default") == 0) {
		rule->immutable = CONFIG_IMMUTABLE_DEFAULT;
	} else if (strcmp(text, "none") == 0) {
		rule->immutable = CONFIG_IMMUTABLE_NONE;
	} else if (strcmp(text, "semver") == 0) {
		rule->immutable = CONFIG_IMMUTABLE_SEMVER;
	} else {
		rc = check_regex(text, err);
		if (rc < 0)
			return locate(r, s, node->at, rc, err);
		rule->immutable = CONFIG_IMMUTABLE_REGEX;
		rule->immutable_regex = xstrdup(text);
	}
	return 0;
}

static int read_schedule(const struct reader *r, const struct setting *s,
	const struct yaml_node *node, void *base, struct error *err)
{
	struct config_rule *rule = base;
	const char *text = "";
	int rc = read_scalar(r, s, node, &text, err);

	if (rc < 0 || !text[0])
		return rc;
	rc = cron_parse(text, &rule->schedule, err);
	if (rc < 0)
		return locate(r, s, node->at, rc, err);
	rule->has_schedule = true;
	rule->schedule_text = xstrdup(text);
	return 0;
}

static type_reader *const readers[SETTING_MAX_] = {
	[SETTING_TAGS] = read_tags,
	[SETTING_TEXT] = read_text,
	[SETTING_PROXY] = read_text,
	[SETTING_SECRET] = read_secret,
	[SETTING_FILE] = read_file,
	[SETTING_COUNT] = read_count,
	[SETTING_NUMBER] = read_number,
	[SETTING_SIZE] = read_size,
	[SETTING_THRESHOLD] = read_threshold,
	[SETTING_DURATION] = read_duration,
	[SETTING_CHOICE] = read_choice,
	[SETTING_TEXTS] = read_texts,
	[SETTING_PLATFORMS] = read_platforms,
	[SETTING_UPSTREAM] = read_upstream,
	[SETTING_TARGETS] = read_targets,
	[SETTING_IMMUTABLE] = read_immutable,
	[SETTING_SCHEDULE] = read_schedule,
};

/* Groups and sections have no reader: config.c goes through them itself. */
int type_read(const struct reader *r, const struct setting *s, const struct yaml_node *node,
	void *base, struct error *err)
{
	assert(readers[s->type]);
	return readers[s->type](r, s, node, base, err);
}

/* The fields that point to memory: of the rest, the values are all there is. */
void type_clear(const struct setting *s, void *base)
{
	switch (s->type) {
	case SETTING_TEXTS:
		for (size_t i = 0; i < field_count(base, s->also); i++)
			free(((char **)field_pointer(base, s->offset))[i]);
		free(field_pointer(base, s->offset));
		break;
	case SETTING_TEXT:
	case SETTING_PROXY:
	case SETTING_SECRET:
	case SETTING_FILE:
	case SETTING_PLATFORMS:
	case SETTING_TARGETS:
		free(field_pointer(base, s->offset));
		break;
	case SETTING_IMMUTABLE:
	case SETTING_SCHEDULE:
		free(field_pointer(base, s->also));
		break;
	case SETTING_GROUP:
	case SETTING_TAGS:
	case SETTING_SECTIONS:
	case SETTING_COUNT:
	case SETTING_NUMBER:
	case SETTING_SIZE:
	case SETTING_THRESHOLD:
	case SETTING_DURATION:
	case SETTING_CHOICE:
	case SETTING_UPSTREAM:
	case SETTING_MAX_:
		break;
	}
}
