/*
 * rules.c - what must hold between the settings of one section.
 *
 * Each setting is right on its own by now.  The structs tell what is wrong, the tree
 * is only asked for the place to blame, and has its nodes in the order of the structs.
 */
#include "config/rules.h"

#include "config/checks.h"
#include "config/kubeadm.h"
#include "config/upstream.h"
#include "oci/reference.h"
#include "util/map.h"
#include "util/mem.h"

#define KUBEADM_REPOSITORIES 8 /* at a target, of one version: coredns is there twice */

/* A lone half would be sent as an empty user or password, and fail far from its cause. */
static int check_credentials(const struct reader *r, const struct yaml_node *node,
	const struct config_registry *reg, struct error *err)
{
	if (reg->username && !reg->password)
		return setting_fail(r->file,
			yaml_key_at(node, "username"),
			err,
			"username: 'password' is missing beside it");
	if (reg->password && !reg->username)
		return setting_fail(r->file,
			yaml_key_at(node, "password"),
			err,
			"password: 'username' is missing beside it");
	/* RFC 7617 section 2: the first colon ends the user's name. */
	if (reg->username && strchr(reg->username, ':'))
		return setting_fail(r->file,
			yaml_value_at(node, "username"),
			err,
			"username: a colon cannot be sent in it");
	return 0;
}

static int check_registry(const struct reader *r, const struct yaml_node *node,
	const struct config_registry *reg, struct error *err)
{
	/* Given for plain HTTP they are a misunderstanding about what protects the connection. */
	const char *tls_only = reg->ca ? "ca" : reg->cert ? "cert" : reg->key ? "key" : NULL;

	if (!reg->tls && tls_only)
		return setting_fail(r->file,
			yaml_key_at(node, tls_only),
			err,
			"%s: has no use with 'tls: off'",
			tls_only);
	if (reg->cert && !reg->key)
		return setting_fail(r->file,
			yaml_key_at(node, "cert"),
			err,
			"cert: 'key' is missing beside it");
	if (reg->key && !reg->cert)
		return setting_fail(
			r->file, yaml_key_at(node, "key"), err, "key: 'cert' is missing beside it");
	return check_credentials(r, node, reg, err);
}

/* Exactly one of the two kinds. */
static int check_target(const struct reader *r, const struct yaml_node *node,
	const struct config_target *target, struct error *err)
{
	if (target->store && target->registry)
		return setting_fail(r->file,
			yaml_key_at(node, "registry"),
			err,
			"registry: a target is the store or a registry, not both");
	if (!target->store && !target->registry)
		return setting_fail(r->file,
			node->key_at,
			err,
			"target '%s': 'registry' is missing (or 'store: true')",
			target->name);
	return 0;
}

/* The repository's name at each target must be one. */
static int check_destination(const struct reader *r, struct yaml_pos at,
	const struct config_rule *rule, const char *repository, struct error *err)
{
	AUTO_FREE char *name = rename_apply(rule->rename ? rule->rename : RENAME_PLACE, repository);

	for (size_t i = 0; i < rule->n_targets; i++) {
		const struct config_target *target = &r->config->targets[rule->targets[i]];
		AUTO_FREE char *full =
			xasprintf("%s%s%s", target->prefix, target->prefix[0] ? "/" : "", name);

		if (!repository_is_valid(full))
			return setting_fail(r->file,
				at,
				err,
				"repositories: at target '%s' the name would be too long: '%.80s...'",
				target->name,
				full);
	}
	return 0;
}

/* Repositories must neither fall together under one name nor outgrow the limit of names. */
static int check_rule(const struct reader *r, const struct yaml_node *node,
	const struct config_rule *rule, struct error *err)
{
	const struct yaml_node *item = yaml_first(node, "repositories");
	size_t n = rule->n_repositories + (rule->n_kubeadm > 0 ? KUBEADM_REPOSITORIES : 0);
	int rc = kubeadm_check_rule(r, node, rule, err);

	if (rc < 0)
		return rc;
	if (rule->rename && n > 1 && !strstr(rule->rename, RENAME_PLACE))
		return setting_fail(r->file,
			yaml_value_at(node, "rename"),
			err,
			"rename: %zu repositories would all be '%.80s'; put " RENAME_PLACE
			" into it",
			n,
			rule->rename);
	/* The longest name of kubeadm's images. */
	if (rule->n_kubeadm > 0)
		rc = check_destination(
			r, yaml_value_at(node, "kubeadm"), rule, "kube-controller-manager", err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < rule->n_repositories && item; i++, item = item->next) {
		rc = check_destination(r, item->at, rule, rule->repositories[i], err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* The path of the setting `name` of the mapping `serve`, and what it lacks. */
static int serve_lacks(const struct reader *r, const struct yaml_node *node, const char *name,
	const char *what, struct error *err)
{
	return setting_fail(r->file,
		yaml_key_at(yaml_find(node, "serve"), name),
		err,
		"serve.%s: %s",
		name,
		what);
}

static int check_serve(const struct reader *r, const struct yaml_node *node,
	const struct config_serve *serve, struct error *err)
{
	if (serve->tls_cert && !serve->tls_key)
		return serve_lacks(r, node, "tls-cert", "'tls-key' is missing beside it", err);
	if (serve->tls_key && !serve->tls_cert)
		return serve_lacks(r, node, "tls-key", "'tls-cert' is missing beside it", err);
	/* Without TLS no client can show a certificate: nobody could push. */
	if (serve->client_ca && !serve->tls_cert)
		return serve_lacks(r, node, "client-ca", "'tls-cert' is missing beside it", err);
	return 0;
}

/* Rules are found by name: on the command line, in reports, in the state. */
static int check_top(const struct reader *r, const struct yaml_node *node, const struct config *c,
	struct error *err)
{
	AUTO(map_freep) struct map *seen = map_new(NULL);
	const struct yaml_node *item = yaml_first(node, "sync");

	for (size_t i = 0; i < c->n_rules && item; i++, item = item->next) {
		if (map_get_str(seen, c->rules[i].name))
			return setting_fail(r->file,
				yaml_value_at(item, "name"),
				err,
				"name: there is a rule '%s' already",
				c->rules[i].name);
		map_put_str(seen, c->rules[i].name, seen);
	}
	if (kubeadm_check_versions(r, node, err) < 0)
		return -ERR_USAGE;
	return check_serve(r, node, &c->serve, err);
}

int section_check(const struct reader *r, enum section_id id, const struct yaml_node *node,
	void *base, struct error *err)
{
	switch (id) {
	case SECTION_TOP:
		return check_top(r, node, base, err);
	case SECTION_REGISTRY:
		return check_registry(r, node, base, err);
	case SECTION_UPSTREAM:
		return upstream_check(r, node, base, err);
	case SECTION_TARGET:
		return check_target(r, node, base, err);
	case SECTION_RULE:
		return check_rule(r, node, base, err);
	case SECTION_KUBEADM:
		return kubeadm_check_entry(r, node, base, err);
	case SECTION_MIRROR:
	case SECTION_MAX_:
		break;
	}
	return 0;
}
