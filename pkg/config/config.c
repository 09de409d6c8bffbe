/*
 * config.c - from a file to a struct config, driven by the settings table.
 *
 * Three steps: config/yaml.c makes a tree of the text, read_section() walks the
 * table and looks up each setting in the tree, section_check() looks at what must
 * hold between settings.  A setting that is not there gets its default through the same
 * reader, so that the table's defaults are written as a file would have them.
 */
#include "config/config.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>

#include "config/kubeadm.h"
#include "config/rules.h"
#include "config/settings.h"
#include "config/types.h"
#include "util/file.h"
#include "util/mem.h"

/* What a section is read from: where an error about something missing belongs. */
struct place {
	const struct reader *reader;
	enum section_id section;
	const struct yaml_node *map;
	void *base;
};

static int read_section(const struct place *p, struct error *err);

/* The struct of one entry, with its name where entries have one. */
static int read_entry(const struct reader *r, const struct setting *s,
	const struct yaml_node *entry, void *base, struct error *err)
{
	const struct section *section = section_get(s->items);

	if (s->items == SECTION_KUBEADM && entry->kind == YAML_TEXT)
		return kubeadm_read_text(r, entry, base, err);
	if (section->check_name) {
		int rc = section->check_name(entry->key, err);

		if (rc < 0)
			return error_wrap(err,
				rc,
				"%s:%u:%u: %s",
				r->file,
				entry->key_at.line,
				entry->key_at.column,
				setting_key(s));
		field_set_pointer(base, section->name, xstrdup(entry->key));
	}
	return read_section(&(struct place){r, s->items, entry, base}, err);
}

/* All entries of a list, or of a mapping from names. */
static int read_entries(const struct reader *r, const struct setting *s,
	const struct yaml_node *node, void *base, struct error *err)
{
	const struct section *section = section_get(s->items);
	enum yaml_kind kind = section->check_name ? YAML_MAP : YAML_LIST;
	char *entries;
	size_t n = 0;

	node = kubeadm_list(s, node);
	if (node->kind != kind)
		return setting_fail(r->file,
			node->at,
			err,
			"%s: %s is needed, not %s",
			setting_key(s),
			yaml_kind_text(kind),
			yaml_kind_text(node->kind));
	if (s->max && node->n > s->max)
		return setting_fail(r->file,
			node->at,
			err,
			"%s: %zu of them are more than %" PRIu64,
			setting_key(s),
			node->n,
			s->max);
	if (node->n == 0)
		return 0;
	entries = xcalloc(node->n, section->size);
	field_set_pointer(base, s->offset, entries);
	for (const struct yaml_node *entry = node->first; entry; entry = entry->next) {
		int rc;

		/* Counted before it is read: a half-read entry is freed, too. */
		field_set_count(base, s->also, n + 1);
		rc = read_entry(r, s, entry, entries + n++ * section->size, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* The value of a setting that was not given: its default, read as if it had been written. */
static int read_default(const struct place *p, const struct setting *s, struct error *err)
{
	struct yaml_node node = {.kind = YAML_TEXT};
	int rc;

	if (!s->doc.def)
		return setting_fail(p->reader->file,
			p->map->key_at,
			err,
			"%s: '%s' is missing",
			section_get(p->section)->what,
			setting_key(s));
	/* Lists and mappings are empty by default. */
	if (strcmp(s->doc.def, "[]") == 0 || strcmp(s->doc.def, "{}") == 0)
		return 0;
	node.text = xstrdup(s->doc.def);
	rc = type_read(p->reader, s, &node, p->base, err);
	free(node.text);
	return rc;
}

/* Groups hold settings, and settings can be groups. */
static int read_group(
	const struct place *p, const char *group, const struct yaml_node *map, struct error *err);

/* One setting from its node, which is NULL when it was not given: then groups have only defaults.
 */
static int read_setting(const struct place *p, const struct setting *s,
	const struct yaml_node *node, struct error *err)
{
	if (s->type == SETTING_TAGS && node && node->kind == YAML_LIST)
		return type_read(p->reader, s, node, p->base, err);
	if (s->type == SETTING_GROUP || s->type == SETTING_TAGS) {
		AUTO_FREE char *group = setting_group(s);

		if (node && node->kind != YAML_MAP)
			return setting_fail(p->reader->file,
				node->at,
				err,
				"%s: a mapping is needed, not %s",
				setting_key(s),
				yaml_kind_text(node->kind));
		return read_group(p, group, node, err);
	}
	if (!node)
		return read_default(p, s, err);
	if (s->type == SETTING_SECTIONS)
		return read_entries(p->reader, s, node, p->base, err);
	return type_read(p->reader, s, node, p->base, err);
}

/* `~`, or a key whose values are all commented out, is an empty list or mapping. */
static bool is_absent(const struct setting *s, const struct yaml_node *node)
{
	const char *def = s->doc.def;

	return !node || (node->kind == YAML_NULL &&
				(!def || strcmp(def, "[]") == 0 || strcmp(def, "{}") == 0));
}

/*
 * All settings of one group ("" for the section itself) from its mapping, or the
 * defaults where map is NULL.  In the table's order: upstreams and targets come before
 * the rules that name them.
 */
static int read_group(
	const struct place *p, const char *group, const struct yaml_node *map, struct error *err)
{
	const struct setting *s;
	int rc = 0;

	if (map)
		rc = settings_check_keys(p->reader->file, p->section, group, map, err);
	for (size_t i = 0; rc == 0 && (s = setting_at(i)) != NULL; i++) {
		const struct yaml_node *node;

		if (!setting_is_in(s, p->section, group))
			continue;
		node = yaml_find(map, setting_name(s));
		rc = read_setting(p, s, is_absent(s, node) ? NULL : node, err);
	}
	return rc;
}

/* A whole struct: its settings, then what must hold between them. */
static int read_section(const struct place *p, struct error *err)
{
	int rc;

	if (p->map->kind != YAML_MAP)
		return setting_fail(p->reader->file,
			p->map->at,
			err,
			"%s: a mapping is needed, not %s",
			section_get(p->section)->what,
			yaml_kind_text(p->map->kind));
	rc = read_group(p, "", p->map, err);
	if (rc == 0)
		rc = section_check(p->reader, p->section, p->map, p->base, err);
	return rc;
}

int config_parse(
	const char *name, const char *text, size_t len, struct config **ret, struct error *err)
{
	AUTO(config_freep) struct config *c = xcalloc(1, sizeof(*c));
	AUTO(yaml_freep) struct yaml_node *root = NULL;
	struct reader reader = {.file = name, .config = c};
	int rc;

	if (len > CONFIG_FILE_MAX)
		return error_set(
			err, ERR_USAGE, "%s: larger than %zu bytes", name, CONFIG_FILE_MAX);
	rc = yaml_parse(name, text, len, &root, err);
	if (rc < 0)
		return rc;
	c->path = xstrdup(name);
	rc = read_section(&(struct place){&reader, SECTION_TOP, root, c}, err);
	if (rc == 0)
		*ret = steal(&c);
	return rc;
}

int config_load(const char *path, struct config **ret, struct error *err)
{
	AUTO(buf_clear) struct buf text = BUF_INIT(CONFIG_FILE_MAX);
	int rc = file_read(AT_FDCWD, path, &text, err);

	if (rc == -ERR_NOMEM)
		return error_set(
			err, ERR_USAGE, "%s: larger than %zu bytes", path, CONFIG_FILE_MAX);
	if (rc < 0)
		return error_wrap(err, rc, "configuration");
	return config_parse(path, buf_text(&text), text.len, ret, err);
}

struct config *config_default(void)
{
	/* An empty mapping, but for what must be given: nothing else is looked at. */
	static const char text[] = "upstreams: {}\nsync: []\n";
	struct config *c = NULL;
	int rc = config_parse("defaults", text, strlen(text), &c, NULL);

	assert(rc == 0 && c);
	return c;
}

/* Freeing walks the same table: a new setting cannot be forgotten here. */
static void clear_section(enum section_id id, void *base);

static void free_entries(const struct setting *s, void *base)
{
	char *entries = field_pointer(base, s->offset);

	for (size_t i = 0; i < field_count(base, s->also); i++)
		clear_section(s->items, entries + i * section_get(s->items)->size);
	free(entries);
}

static void clear_section(enum section_id id, void *base)
{
	const struct section *section = section_get(id);
	const struct setting *s;

	for (size_t i = 0; (s = setting_at(i)) != NULL; i++) {
		if (s->section != id)
			continue;
		if (s->type == SETTING_SECTIONS)
			free_entries(s, base);
		else
			type_clear(s, base);
	}
	if (section->check_name)
		free(field_pointer(base, section->name));
}

void config_free(struct config *c)
{
	if (!c)
		return;
	clear_section(SECTION_TOP, c);
	kubeadm_table_free(c->kubeadm_table);
	free(c->path);
	free(c);
}

const char *config_default_path(void)
{
	const char *path = getenv("REGMIRROR_CONFIG");

	return path && path[0] ? path : "/etc/regmirror/regmirror.yaml";
}

const struct config_registry *config_registry_of(const struct config *c, const char *name)
{
	const struct config_registry *best = NULL;
	size_t best_len = 0;

	for (size_t i = 0; i < c->n_registries; i++) {
		const char *host = c->registries[i].host;
		size_t len = strlen(host);

		/* Only whole components match: "h/team" is not for h/teams. */
		if (len > best_len && strncmp(name, host, len) == 0 &&
			(name[len] == '\0' || name[len] == '/')) {
			best = &c->registries[i];
			best_len = len;
		}
	}
	return best;
}

const struct config_rule *config_rule_find(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->n_rules; i++) {
		if (strcmp(c->rules[i].name, name) == 0)
			return &c->rules[i];
	}
	return NULL;
}
