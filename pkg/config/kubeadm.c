#include "config/kubeadm.h"

#include <fcntl.h>

#include "util/file.h"
#include "util/mem.h"

#define VERSIONS "versions"

const struct yaml_node *kubeadm_list(const struct setting *s, const struct yaml_node *node)
{
	const struct yaml_node *list;

	if (s->items != SECTION_KUBEADM || node->kind != YAML_MAP || node->n != 1)
		return node;
	list = yaml_find(node, VERSIONS);
	return list ? list : node;
}

static int locate(
	const struct reader *r, struct yaml_pos at, const char *key, int rc, struct error *err)
{
	return rc < 0 ? error_wrap(err, rc, "%s:%u:%u: %s", r->file, at.line, at.column, key) : 0;
}

int kubeadm_read_text(const struct reader *r, const struct yaml_node *entry,
	struct config_kubeadm *ret, struct error *err)
{
	int rc = kubeadm_wish_parse(entry->text, &ret->version, &ret->minor, &ret->latest, err);

	return locate(r, entry->at, "kubeadm", rc, err);
}

static struct kubeadm_wish wish_of(const struct config_kubeadm *entry)
{
	return (struct kubeadm_wish){entry->version, entry->minor, entry->latest};
}

int kubeadm_check_entry(const struct reader *r, const struct yaml_node *node,
	const struct config_kubeadm *entry, struct error *err)
{
	const struct kubeadm_wish wish = wish_of(entry);
	const char *key = entry->version ? "version" : "minor";

	if (!entry->version && !entry->minor)
		return setting_fail(r->file,
			node->at,
			err,
			"kubeadm: 'version' is missing (or 'minor' and 'latest')");
	if (entry->version && (entry->minor || entry->latest > 0))
		return setting_fail(r->file,
			yaml_key_at(node, entry->minor ? "minor" : "latest"),
			err,
			"kubeadm: either 'version', or 'minor' and 'latest'");
	if (entry->minor && entry->latest == 0)
		return setting_fail(r->file,
			yaml_key_at(node, "minor"),
			err,
			"minor: 'latest' is missing beside it");
	return locate(r, yaml_value_at(node, key), key, kubeadm_wish_check(&wish, err), err);
}

int kubeadm_check_rule(const struct reader *r, const struct yaml_node *node,
	const struct config_rule *rule, struct error *err)
{
	const struct yaml_node *item = yaml_first(node, "repositories");
	bool selects = rule->n_include > 0 || rule->n_exclude > 0 || rule->semver || rule->latest;

	if (rule->n_kubeadm == 0 && rule->n_repositories == 0) {
		if (yaml_find(node, "repositories"))
			return setting_fail(r->file,
				yaml_value_at(node, "repositories"),
				err,
				"repositories: is empty");
		return setting_fail(r->file,
			node->key_at,
			err,
			"rule: 'repositories' is missing (or 'kubeadm')");
	}
	if (rule->n_repositories == 0 && selects)
		return setting_fail(r->file,
			yaml_key_at(node, "tags"),
			err,
			"tags: has no use without 'repositories': the tags of kubeadm's images are "
			"known");
	for (size_t i = 0; rule->n_kubeadm > 0 && i < rule->n_repositories && item;
		i++, item = item->next) {
		if (kubeadm_has_repository(rule->repositories[i]))
			return setting_fail(r->file,
				item->at,
				err,
				"repositories: '%s' comes with 'kubeadm'; for more of its tags, make "
				"another rule",
				rule->repositories[i]);
	}
	return 0;
}

int config_kubeadm_table(const char *path, struct kubeadm_table **ret, struct error *err)
{
	AUTO(kubeadm_table_freep) struct kubeadm_table *table = kubeadm_table_new();
	AUTO(buf_clear) struct buf text = BUF_INIT(KUBEADM_TABLE_MAX);
	int rc = 0;

	if (path) {
		rc = file_read(AT_FDCWD, path, &text, err);
		if (rc == 0)
			rc = kubeadm_table_add(table, path, buf_text(&text), text.len, err);
	}
	if (rc == 0)
		*ret = steal(&table);
	return rc;
}

/* Versions that are named must be known now: what an upstream will list is known to nobody. */
static int check_exact(const struct reader *r, const struct config_rule *rule,
	const struct yaml_node *entry, struct error *err)
{
	for (size_t i = 0; i < rule->n_kubeadm && entry; i++, entry = entry->next) {
		const struct kubeadm_wish wish = wish_of(&rule->kubeadm[i]);
		AUTO(kubeadm_images_clear) struct kubeadm_images images = {.n = 0};
		int rc;

		if (!kubeadm_wish_is_exact(&wish))
			continue;
		rc = kubeadm_images_get(r->config->kubeadm_table, wish.version, &images, err);
		if (rc < 0)
			return locate(r, yaml_value_at(entry, "version"), "kubeadm", rc, err);
	}
	return 0;
}

int kubeadm_check_versions(const struct reader *r, const struct yaml_node *node, struct error *err)
{
	struct config *c = r->config;
	const struct yaml_node *item = yaml_first(node, "sync");
	int rc = config_kubeadm_table(c->kubeadm_file, &c->kubeadm_table, err);

	if (rc < 0 && err)
		err->code = ERR_USAGE; /* whatever is wrong with the file, the configuration is */
	if (rc < 0)
		return locate(r,
			yaml_value_at(yaml_find(node, "kubeadm"), "table"),
			"kubeadm.table",
			-ERR_USAGE,
			err);
	for (size_t i = 0; i < c->n_rules && item; i++, item = item->next) {
		const struct yaml_node *list = yaml_find(item, "kubeadm");
		const struct yaml_node *entry = list && list->kind == YAML_MAP
							? yaml_first(list, VERSIONS)
							: yaml_first(item, "kubeadm");

		rc = check_exact(r, &c->rules[i], entry, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}
