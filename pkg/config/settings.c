/*
 * settings.c - the table of all settings, and the look-ups in it.
 *
 * To add a setting: a field in config.h, a row here, a paragraph in regmirror.conf(5)
 * (test_settings compares them), a line in conf/regmirror.yaml.  Rows are in the order
 * in which they are read and shown: what is named by others (upstreams, targets) comes
 * before those (rules).
 */
#include "config/settings.h"

#include <stdarg.h>

#include "config/checks.h"
#include "util/mem.h"

/* Where a setting is kept: the field, and for some types a second one. */
#define AT(owner, field) \
	.offset = offsetof(struct owner, field), .size = sizeof(((struct owner *)0)->field)
#define ALSO(owner, field) .also = offsetof(struct owner, field)
#define TOP                .section = SECTION_TOP
#define REGISTRY           .section = SECTION_REGISTRY
#define UPSTREAM           .section = SECTION_UPSTREAM
#define MIRROR             .section = SECTION_MIRROR
#define TARGET             .section = SECTION_TARGET
#define RULE               .section = SECTION_RULE
#define KUBEADM            .section = SECTION_KUBEADM

/* Bounds: beyond them is a slip of the finger, or a harm to a peer. */
#define PARALLEL_MAX    256     /* transfers: each may hold 1 MiB */
#define CONNECTIONS_MAX 256     /* to one host */
#define REQUESTS_MAX    1000000 /* per second */
#define TO_MAX          8       /* targets of one rule: transfer.h's TRANSFER_DESTINATIONS_MAX */
#define MIRRORS_MAX     31      /* of one upstream: with the authority, source.h's SOURCES_MAX */
#define LATEST_MAX      1000000 /* tags of one repository */
#define VERSIONS_MAX    1000    /* of Kubernetes in one rule; 300 are known */
#define STALE_MAX       (UINT64_C(24) * 3600 * 1000) /* ms: source/freshness.h's TAG_STALE_MAX_SEC */
#define BYTES_MAX       (UINT64_C(1) << 60)
#define DURATION_MAX    (UINT64_C(10) * 366 * 24 * 3600 * 1000) /* ms: ten years */

/* clang-format off */
/* NOLINTBEGIN(bugprone-sizeof-expression): the size of a field that is a pointer is meant */
static const struct setting settings[] = {
	{{"state", "path", "/var/lib/regmirror"},
		TOP, SETTING_TEXT, AT(config, state), .check = check_path},
	{{"parallel", "count", "8"},
		TOP, SETTING_COUNT, AT(config, parallel), .min = 1, .max = PARALLEL_MAX},
	{{"bandwidth", "size", "0"},
		TOP, SETTING_SIZE, AT(config, bandwidth), .max = BYTES_MAX},
	{{"recheck", "duration", "24h"},
		TOP, SETTING_DURATION, AT(config, recheck_ms), .max = DURATION_MAX},
	{{"deadline", "duration", "0"},
		TOP, SETTING_DURATION, AT(config, deadline_ms), .max = DURATION_MAX},
	{{"spool", "mapping", "{}"}, TOP, SETTING_GROUP},
	{{"spool.from", "size | never", "64MiB"},
		TOP, SETTING_THRESHOLD, AT(config, spool_from), ALSO(config, spool_never), .max = BYTES_MAX},
	{{"spool.limit", "size", "20GiB"},
		TOP, SETTING_SIZE, AT(config, spool_limit), .max = BYTES_MAX},
	{{"proxy", "mapping", "{}"}, TOP, SETTING_GROUP},
	{{"proxy.url", "URL", ""},
		TOP, SETTING_PROXY, AT(config, proxy_url), .check = check_proxy, .empty = EMPTY_TEXT},
	{{"proxy.bypass", "list of hosts", "[]"},
		TOP, SETTING_TEXTS, AT(config, proxy_bypass), ALSO(config, n_proxy_bypass),
		.check = check_bypass},
	{{"registries", "mapping by host", "{}"},
		TOP, SETTING_SECTIONS, AT(config, registries), ALSO(config, n_registries),
		.items = SECTION_REGISTRY},
	{{"registries.*.tls", "off | on", "on"},
		REGISTRY, SETTING_CHOICE, AT(config_registry, tls), .max = 1},
	{{"registries.*.ca", "file", ""},
		REGISTRY, SETTING_FILE, AT(config_registry, ca), .check = check_path, .empty = EMPTY_NULL},
	{{"registries.*.cert", "file", ""},
		REGISTRY, SETTING_FILE, AT(config_registry, cert), .check = check_path, .empty = EMPTY_NULL},
	{{"registries.*.key", "file", ""},
		REGISTRY, SETTING_FILE, AT(config_registry, key), .check = check_path, .empty = EMPTY_NULL},
	{{"registries.*.username", "secret", ""},
		REGISTRY, SETTING_SECRET, AT(config_registry, username), .empty = EMPTY_NULL},
	{{"registries.*.password", "secret", ""},
		REGISTRY, SETTING_SECRET, AT(config_registry, password), .empty = EMPTY_NULL},
	{{"registries.*.connections", "count", "0"},
		REGISTRY, SETTING_COUNT, AT(config_registry, connections), .max = CONNECTIONS_MAX},
	{{"registries.*.requests-per-second", "number", "0"},
		REGISTRY, SETTING_NUMBER, AT(config_registry, requests_per_second), .max = REQUESTS_MAX},
	{{"registries.*.resolve-to", "address", ""},
		REGISTRY, SETTING_TEXT, AT(config_registry, resolve_to), .check = check_address,
		.empty = EMPTY_NULL},
	{{"private", "list of globs", "[]"},
		TOP, SETTING_TEXTS, AT(config, private_names), ALSO(config, n_private), .check = check_glob},

	{{"upstreams", "mapping by name", NULL},
		TOP, SETTING_SECTIONS, AT(config, upstreams), ALSO(config, n_upstreams),
		.items = SECTION_UPSTREAM},
	{{"upstreams.*.authority", "host", NULL},
		UPSTREAM, SETTING_TEXT, AT(config_upstream, authority), .check = check_source},
	{{"upstreams.*.mirrors", "list of mappings", "[]"},
		UPSTREAM, SETTING_SECTIONS, AT(config_upstream, mirrors), ALSO(config_upstream, n_mirrors),
		.max = MIRRORS_MAX, .items = SECTION_MIRROR},
	{{"upstreams.*.mirrors[].host", "host", NULL},
		MIRROR, SETTING_TEXT, AT(config_mirror, host), .check = check_source},
	{{"upstreams.*.mirrors[].resolve", "false | true", "false"},
		MIRROR, SETTING_CHOICE, AT(config_mirror, resolve), .max = 1},
	{{"upstreams.*.mirrors[].names", "full | flat", "full"},
		MIRROR, SETTING_CHOICE, AT(config_mirror, flat), .max = 1},
	{{"upstreams.*.quorum", "count", "1"},
		UPSTREAM, SETTING_COUNT, AT(config_upstream, quorum), .min = 1, .max = MIRRORS_MAX},
	{{"upstreams.*.choose", "default | ordered | measured", "default"},
		UPSTREAM, SETTING_CHOICE, AT(config_upstream, choose), .max = CONFIG_CHOOSE_MEASURED},
	{{"upstreams.*.chain", "chain", ""},
		UPSTREAM, SETTING_TEXT, AT(config_upstream, chain), .check = check_chain,
		.empty = EMPTY_NULL},
	{{"upstreams.*.stripe", "mapping", "{}"}, UPSTREAM, SETTING_GROUP},
	{{"upstreams.*.stripe.from", "size | never", "64MiB"},
		UPSTREAM, SETTING_THRESHOLD, AT(config_upstream, stripe_from),
		ALSO(config_upstream, stripe_never), .max = BYTES_MAX},
	{{"upstreams.*.tag-cache", "off | on", "off"},
		UPSTREAM, SETTING_CHOICE, AT(config_upstream, tag_cache), .max = 1},
	{{"upstreams.*.stale", "duration", "0"},
		UPSTREAM, SETTING_DURATION, AT(config_upstream, stale_ms), .max = STALE_MAX},

	{{"targets", "mapping by name", "{}"},
		TOP, SETTING_SECTIONS, AT(config, targets), ALSO(config, n_targets),
		.items = SECTION_TARGET},
	{{"targets.*.store", "false | true", "false"},
		TARGET, SETTING_CHOICE, AT(config_target, store), .max = 1},
	{{"targets.*.registry", "host", ""},
		TARGET, SETTING_TEXT, AT(config_target, registry), .check = check_host, .empty = EMPTY_NULL},
	{{"targets.*.prefix", "repository", ""},
		TARGET, SETTING_TEXT, AT(config_target, prefix), .check = check_repository,
		.empty = EMPTY_TEXT},

	{{"serve", "mapping", "{}"}, TOP, SETTING_GROUP},
	{{"serve.listen", "address:port", "127.0.0.1:5000"},
		TOP, SETTING_TEXT, AT(config, serve.listen), .check = check_listen},
	{{"serve.tls-cert", "file", ""},
		TOP, SETTING_FILE, AT(config, serve.tls_cert), .check = check_path, .empty = EMPTY_NULL},
	{{"serve.tls-key", "file", ""},
		TOP, SETTING_FILE, AT(config, serve.tls_key), .check = check_path, .empty = EMPTY_NULL},
	{{"serve.client-ca", "file", ""},
		TOP, SETTING_FILE, AT(config, serve.client_ca), .check = check_path, .empty = EMPTY_NULL},
	{{"serve.htpasswd", "file", ""},
		TOP, SETTING_FILE, AT(config, serve.htpasswd), .check = check_path, .empty = EMPTY_NULL},
	{{"serve.read-only", "false | true", "false"},
		TOP, SETTING_CHOICE, AT(config, serve.read_only), .max = 1},
	{{"serve.sparse", "false | true", "false"},
		TOP, SETTING_CHOICE, AT(config, serve.sparse), .max = 1},

	{{"kubeadm", "mapping", "{}"}, TOP, SETTING_GROUP},
	{{"kubeadm.table", "file", ""},
		TOP, SETTING_FILE, AT(config, kubeadm_file), .check = check_path, .empty = EMPTY_NULL},

	{{"sync", "list of mappings", NULL},
		TOP, SETTING_SECTIONS, AT(config, rules), ALSO(config, n_rules), .items = SECTION_RULE},
	{{"sync[].name", "name", NULL},
		RULE, SETTING_TEXT, AT(config_rule, name), .check = check_name},
	{{"sync[].from", "upstream", NULL},
		RULE, SETTING_UPSTREAM, AT(config_rule, upstream)},
	{{"sync[].to", "list of targets", NULL},
		RULE, SETTING_TARGETS, AT(config_rule, targets), ALSO(config_rule, n_targets),
		.max = TO_MAX},
	{{"sync[].repositories", "list of repositories", "[]"},
		RULE, SETTING_TEXTS, AT(config_rule, repositories), ALSO(config_rule, n_repositories),
		.check = check_repository},
	{{"sync[].kubeadm", "list of mappings", "[]"},
		RULE, SETTING_SECTIONS, AT(config_rule, kubeadm), ALSO(config_rule, n_kubeadm),
		.max = VERSIONS_MAX, .items = SECTION_KUBEADM},
	{{"sync[].kubeadm[].version", "version, or version range", ""},
		KUBEADM, SETTING_TEXT, AT(config_kubeadm, version), .empty = EMPTY_NULL},
	{{"sync[].kubeadm[].minor", "minor version", ""},
		KUBEADM, SETTING_TEXT, AT(config_kubeadm, minor), .empty = EMPTY_NULL},
	{{"sync[].kubeadm[].latest", "count", "0"},
		KUBEADM, SETTING_COUNT, AT(config_kubeadm, latest), .max = VERSIONS_MAX},
	{{"sync[].rename", "pattern", ""},
		RULE, SETTING_TEXT, AT(config_rule, rename), .check = check_rename, .empty = EMPTY_NULL},
	{{"sync[].tags", "mapping, or list of tags", "{}"}, RULE, SETTING_TAGS},
	{{"sync[].tags.include", "list of regular expressions", "[]"},
		RULE, SETTING_TEXTS, AT(config_rule, include), ALSO(config_rule, n_include),
		.check = check_regex},
	{{"sync[].tags.exclude", "list of regular expressions", "[]"},
		RULE, SETTING_TEXTS, AT(config_rule, exclude), ALSO(config_rule, n_exclude),
		.check = check_regex},
	{{"sync[].tags.semver", "version range", ""},
		RULE, SETTING_TEXT, AT(config_rule, semver), .check = check_semver, .empty = EMPTY_NULL},
	{{"sync[].tags.latest", "count", "0"},
		RULE, SETTING_COUNT, AT(config_rule, latest), .max = LATEST_MAX},
	{{"sync[].platforms", "list of platforms", "[]"},
		RULE, SETTING_PLATFORMS, AT(config_rule, platforms), ALSO(config_rule, n_platforms)},
	{{"sync[].index", "keep | rewrite", "keep"},
		RULE, SETTING_CHOICE, AT(config_rule, index), .max = CONFIG_INDEX_KEEP},
	{{"sync[].include-foreign", "false | true", "false"},
		RULE, SETTING_CHOICE, AT(config_rule, include_foreign), .max = 1},
	{{"sync[].publish", "each | together", "each"},
		RULE, SETTING_CHOICE, AT(config_rule, publish), .max = CONFIG_PUBLISH_TOGETHER},
	{{"sync[].immutable", "default | none | semver | regular expression", "default"},
		RULE, SETTING_IMMUTABLE, AT(config_rule, immutable), ALSO(config_rule, immutable_regex)},
	{{"sync[].schedule", "cron expression", ""},
		RULE, SETTING_SCHEDULE, AT(config_rule, schedule), ALSO(config_rule, schedule_text),
		.empty = EMPTY_NULL},
	{{"sync[].jitter", "duration", "0"},
		RULE, SETTING_DURATION, AT(config_rule, jitter_ms), .max = DURATION_MAX},
};
/* NOLINTEND(bugprone-sizeof-expression) */
/* clang-format on */

/* Keys that are designed but not there yet: refused by name, so that nobody waits for an effect. */
static const struct {
	enum section_id section;
	const char *key;
} later[] = {
	{SECTION_TOP, "serve.pull-through"},
	{SECTION_RULE, "with"},
	{SECTION_RULE, "tags.newer-than"},
};

/* Entries with a name have the offset of its field and the check of its text. */
static const struct section sections[SECTION_MAX_] = {
	[SECTION_TOP] = {.prefix = "", .what = "configuration", .size = sizeof(struct config)},
	[SECTION_REGISTRY] = {"registries.*.",
		"registry",
		sizeof(struct config_registry),
		offsetof(struct config_registry, host),
		check_source},
	[SECTION_UPSTREAM] = {"upstreams.*.",
		"upstream",
		sizeof(struct config_upstream),
		offsetof(struct config_upstream, name),
		check_name},
	[SECTION_MIRROR] = {.prefix = "upstreams.*.mirrors[].",
		.what = "mirror",
		.size = sizeof(struct config_mirror)},
	[SECTION_TARGET] = {"targets.*.",
		"target",
		sizeof(struct config_target),
		offsetof(struct config_target, name),
		check_name},
	[SECTION_RULE] = {.prefix = "sync[].", .what = "rule", .size = sizeof(struct config_rule)},
	[SECTION_KUBEADM] = {.prefix = "sync[].kubeadm[].",
		.what = "version",
		.size = sizeof(struct config_kubeadm)},
};

const struct section *section_get(enum section_id id)
{
	return &sections[id];
}

const struct setting *setting_at(size_t i)
{
	return i < ARRAY_SIZE(settings) ? &settings[i] : NULL;
}

const struct config_setting *config_setting_at(size_t i)
{
	return i < ARRAY_SIZE(settings) ? &settings[i].doc : NULL;
}

const char *setting_key(const struct setting *s)
{
	return s->doc.path + strlen(sections[s->section].prefix);
}

const char *setting_name(const struct setting *s)
{
	const char *key = setting_key(s);
	const char *dot = strrchr(key, '.');

	return dot ? dot + 1 : key;
}

bool setting_is_in(const struct setting *s, enum section_id section, const char *group)
{
	const char *key;

	if (s->section != section)
		return false;
	key = setting_key(s);
	return strncmp(key, group, strlen(group)) == 0 && !strchr(key + strlen(group), '.');
}

char *setting_group(const struct setting *s)
{
	return xasprintf("%s.", setting_key(s));
}

int setting_fail(const char *file, struct yaml_pos at, struct error *err, const char *fmt, ...)
{
	AUTO_FREE char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	return error_set(err, ERR_USAGE, "%s:%u:%u: %s", file, at.line, at.column, text);
}

/* Whether a key is in the design, but not in this version. */
static bool is_later(enum section_id section, const char *group, const char *name)
{
	AUTO_FREE char *key = xasprintf("%s%s", group, name);

	for (size_t i = 0; i < ARRAY_SIZE(later); i++) {
		if (later[i].section == section && strcmp(later[i].key, key) == 0)
			return true;
	}
	return false;
}

/* A key that is no setting here: only those of the same mapping can have been meant. */
static int unknown_key(const char *file, enum section_id section, const char *group,
	const struct yaml_node *node, struct error *err)
{
	const char *known[ARRAY_SIZE(settings)];
	const char *nearest;
	size_t n = 0;

	if (is_later(section, group, node->key))
		return setting_fail(file,
			node->key_at,
			err,
			"%s%s is not supported by this version",
			group,
			node->key);
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		if (setting_is_in(&settings[i], section, group))
			known[n++] = setting_name(&settings[i]);
	}
	nearest = nearest_name(node->key, known, n);
	if (nearest)
		return setting_fail(file,
			node->key_at,
			err,
			"unknown key '%s%.80s'; did you mean '%s'?",
			group,
			node->key,
			nearest);
	return setting_fail(file, node->key_at, err, "unknown key '%s%.80s'", group, node->key);
}

int settings_check_keys(const char *file, enum section_id section, const char *group,
	const struct yaml_node *map, struct error *err)
{
	for (const struct yaml_node *node = map->first; node; node = node->next) {
		bool known = false;

		for (size_t i = 0; i < ARRAY_SIZE(settings) && !known; i++)
			known = setting_is_in(&settings[i], section, group) &&
				strcmp(setting_name(&settings[i]), node->key) == 0;
		if (!known)
			return unknown_key(file, section, group, node, err);
	}
	return 0;
}

/* The words are looked for in place: the table has them as the manual shows them. */
const char *choice_word(const char *choices, size_t n, size_t *ret_len)
{
	static const char bar[] = " | ";
	const char *end;

	while (n-- > 0) {
		choices = strstr(choices, bar);
		if (!choices)
			return NULL;
		choices += strlen(bar);
	}
	end = strstr(choices, bar);
	*ret_len = end ? (size_t)(end - choices) : strlen(choices);
	return choices;
}
