/* setup_rules.c - registries, upstreams, targets and rules out of the configuration. */
#include "setup_internal.h"

#include <ctype.h>

#include "setup_kubeadm.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/mem.h"

/* What a rule of the sync package points to. */
struct rule_parts {
	struct sync_target **targets;
	struct selector *selector;
	struct pattern *immutable;
	char *authority;
	struct kubeadm_parts *kubeadm; /* or NULL */
};

/* "host[:port]" of "host[:port]/prefix". */
static char *host_part(const char *name)
{
	const char *slash = strchr(name, '/');

	return slash ? xstrndup(name, (size_t)(slash - name)) : xstrdup(name);
}

static const char *path_part(const char *name)
{
	const char *slash = strchr(name, '/');

	return slash ? slash + 1 : "";
}

/* ---- private names ---- */

/* Hosts know no case, and repositories have none. */
static char *in_small_letters(const char *text)
{
	char *small = xstrdup(text);

	for (char *c = small; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	return small;
}

static int compile_private(struct setup *s, struct error *err)
{
	if (s->private_patterns || s->config->n_private == 0)
		return 0;
	s->private_patterns = xcalloc(s->config->n_private, sizeof(struct pattern *));
	for (size_t i = 0; i < s->config->n_private; i++) {
		AUTO_FREE char *small = in_small_letters(s->config->private_names[i]);
		int rc = pattern_glob(small, &s->private_patterns[i], err);

		if (rc < 0)
			return rc;
		s->n_private++;
	}
	return 0;
}

static int match_private(struct setup *s, const char *name, bool *ret, struct error *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < s->n_private && !*ret; i++)
		rc = pattern_match(s->private_patterns[i], name, ret, err);
	return rc;
}

/* "host[:port]path", with and without a port that goes without saying: a slip must not leak. */
static int is_private(struct setup *s, const char *name, bool *ret, struct error *err)
{
	static const char *const ports[] = {":443", ":80"};
	AUTO_FREE char *small = in_small_letters(name);
	AUTO_FREE char *host = host_part(small);
	const char *path = small + strlen(host);
	bool match = false;
	int rc = compile_private(s, err);

	if (rc == 0)
		rc = match_private(s, small, &match, err);
	for (size_t i = 0; rc == 0 && i < ARRAY_SIZE(ports) && !match; i++) {
		const char *port = strrchr(host, ':');
		bool told = port && strcmp(port, ports[i]) == 0;
		AUTO_FREE char *other = NULL;

		if (port && !told)
			continue;
		other = told ? xasprintf("%.*s%s", (int)(port - host), host, path)
			     : xasprintf("%s%s%s", host, ports[i], path);
		rc = match_private(s, other, &match, err);
	}
	if (rc == 0)
		*ret = match;
	return rc;
}

/* ---- registries ---- */

/* Who to be: the configuration, else docker's config.json, else nobody. */
static int fill_credentials(struct setup *s, const char *host, const struct config_registry *config,
	struct registry_options *options, struct error *err)
{
	struct credential found;
	AUTO(error_clear) struct error why = ERROR_INIT;

	if (config && config->username) {
		options->username = config->username;
		options->password = config->password;
		return 0;
	}
	if (credentials_find(s->credentials, host, &found, &why) < 0) {
		if (why.code == ERR_NOTFOUND)
			return 0;
		error_move(err, &why);
		return -(int)err->code;
	}
	log_redact(found.password);
	log_redact(found.identity_token);
	log_redact(found.registry_token);
	options->username = found.username;
	options->password = found.password;
	options->identity_token = found.identity_token;
	options->registry_token = found.registry_token;
	return 0;
}

/* A host with private names is spoken to directly: its requests cannot be told apart there. */
static int bypasses_proxy(
	struct setup *s, const char *host, const char *name, bool *ret, struct error *err)
{
	AUTO_FREE char *below =
		xasprintf("%s/x", name); /* "host/" and two stars: all that it has */
	int rc = is_private(s, name, ret, err);

	if (rc == 0 && !*ret)
		rc = is_private(s, below, ret, err);
	*ret = *ret || map_get_str(s->private_hosts, host);
	return rc;
}

/* How to speak to a host, as configured for name ("host[:port][/prefix]"). */
static int set_host(struct setup *s, const char *host, const char *name,
	const struct config_registry *config, struct error *err)
{
	struct http_host_options http = {.connections = s->config->parallel};
	int rc;

	if (http.connections < HTTP_CONNECTIONS_DEFAULT)
		http.connections = HTTP_CONNECTIONS_DEFAULT;
	if (config) {
		http.plain = !config->tls;
		http.ca = config->ca;
		http.cert = config->cert;
		http.key = config->key;
		http.requests_per_second = config->requests_per_second;
		http.resolve_to = config->resolve_to;
		if (config->connections)
			http.connections = config->connections;
	}
	rc = bypasses_proxy(s, host, name, &http.no_proxy, err);
	return rc < 0 ? rc : http_host_set(s->loop, host, &http, err);
}

int setup_is_private(struct setup *s, const char *name, bool *ret, struct error *err)
{
	AUTO_FREE char *host = host_part(name);
	int rc = is_private(s, name, ret, err);

	if (rc < 0 || !*ret || map_get_str(s->private_hosts, host))
		return rc;
	map_put_str(s->private_hosts, host, s);
	return set_host(s, host, name, config_registry_of(s->config, name), err);
}

/* Also hosts that no rule names: redirects and token realms lead there. */
static int set_all_hosts(struct setup *s, struct error *err)
{
	for (size_t i = 0; i < s->config->n_registries; i++) {
		const struct config_registry *config = &s->config->registries[i];
		AUTO_FREE char *host = host_part(config->host);
		int rc = set_host(s, host, config->host, config, err);

		if (rc < 0)
			return error_wrap(err, rc, "registry %s", config->host);
	}
	return 0;
}

int setup_registry(struct setup *s, const char *name, struct registry **ret, struct error *err)
{
	AUTO_FREE char *host = host_part(name);
	const struct config_registry *config = config_registry_of(s->config, name);
	/* Below one path the host may know us by another name than below the next. */
	AUTO_FREE char *key = xasprintf("%s %s", host, config ? config->host : "");
	struct registry_options options = {.host = host, .plain = config && !config->tls};
	struct registry *r = map_get_str(s->registries, key);
	int rc;

	if (r) {
		*ret = r;
		return 0;
	}
	rc = map_count(s->registries) == 0 ? set_all_hosts(s, err) : 0;
	if (rc == 0)
		rc = set_host(s, host, name, config, err);
	if (rc == 0)
		rc = fill_credentials(s, host, config, &options, err);
	if (rc == 0)
		rc = registry_new(s->loop, &options, &r, err);
	if (rc < 0)
		return error_wrap(err, rc, "registry %s", name);
	map_put_str(s->registries, key, r);
	*ret = r;
	return 0;
}

/* ---- sources ---- */

static int make_sources(struct setup *s, const char *name, const struct setup_source *sources,
	size_t n, struct source_set **ret, struct error *err)
{
	AUTO(source_set_freep) struct source_set *set = source_set_new(name);

	for (size_t i = 0; i < n; i++) {
		AUTO_FREE char *full = xstrdup(sources[i].host);
		struct source source = {
			.name = full,
			.prefix = xstrdup(path_part(sources[i].host)),
			.flat = sources[i].flat,
			.authority = sources[i].authority,
			.resolve = sources[i].resolve,
		};
		int rc = setup_registry(s, sources[i].host, &source.registry, err);

		if (rc == 0)
			rc = source_set_add(set, &source, err);
		free(source.prefix);
		if (rc < 0)
			return rc;
	}
	set->stripe_from = UINT64_MAX;
	s->sets = array_grow(s->sets, s->n_sets, &s->cap_sets, sizeof(struct source_set *));
	*ret = s->sets[s->n_sets++] = steal(&set);
	return 0;
}

/* Behind the set's mode: what an ordered one has no use for is not read. */
static int load_learnt(struct setup *s, struct source_set *set, struct error *err)
{
	int rc = s->state ? source_set_load(set, s->state, clock_wall_sec(), err) : 0;

	return rc < 0 ? error_wrap(err, rc, "upstream %s", set->name) : 0;
}

int setup_sources(struct setup *s, const char *name, const struct setup_source *sources, size_t n,
	struct source_set **ret, struct error *err)
{
	int rc = make_sources(s, name, sources, n, ret, err);

	return rc < 0 ? rc : load_learnt(s, *ret, err);
}

int setup_sources_save(struct setup *s, struct error *err)
{
	int rc = state_begin(s->state, err);

	if (rc < 0)
		return error_wrap(err, rc, "state");
	for (size_t i = 0; i < s->n_sets && rc == 0; i++)
		rc = source_set_save(s->sets[i], s->state, clock_wall_sec(), err);
	/* A batch must be closed in any case; the first failure is the one that is told. */
	if (state_commit(s->state, rc == 0 ? err : NULL) < 0 && rc == 0)
		rc = -(int)err->code;
	return rc < 0 ? error_wrap(err, rc, "remember what was measured") : 0;
}

static int set_chain(const char *text, struct source_set *set, struct error *err)
{
	const char *names[SOURCES_MAX];
	int rc;

	for (size_t i = 0; i < set->n; i++)
		names[i] = set->items[i].name;
	rc = chain_parse(text, names, set->n, set->authority, &set->chain, err);
	set->has_chain = rc == 0;
	return rc < 0 ? error_wrap(err, rc, "upstream %s: chain", set->name) : 0;
}

/* How the upstream's sources are used. */
static int set_choice(
	const struct config_upstream *upstream, struct source_set *set, struct error *err)
{
	set->mode = upstream->choose == CONFIG_CHOOSE_MEASURED ? SOURCE_MEASURED : SOURCE_ORDERED;
	set->stripe_from = upstream->stripe_never ? UINT64_MAX : upstream->stripe_from;
	set->quorum = upstream->quorum;
	set->cache_tags = upstream->tag_cache;
	set->stale_sec = upstream->stale_ms / 1000;
	return upstream->chain ? set_chain(upstream->chain, set, err) : 0;
}

static int upstream_sources(struct setup *s, const struct config_upstream *upstream,
	struct source_set **ret, struct error *err)
{
	AUTO_FREE struct setup_source *sources = xcalloc(upstream->n_mirrors + 1, sizeof(*sources));
	int rc;

	for (size_t i = 0; i < s->n_sets; i++) {
		if (strcmp(s->sets[i]->name, upstream->name) == 0) {
			*ret = s->sets[i];
			return 0;
		}
	}
	for (size_t i = 0; i < upstream->n_mirrors; i++) {
		sources[i] = (struct setup_source){
			.host = upstream->mirrors[i].host,
			.resolve = upstream->mirrors[i].resolve,
			.flat = upstream->mirrors[i].flat,
		};
	}
	sources[upstream->n_mirrors] = (struct setup_source){
		.host = upstream->authority,
		.authority = true,
	};
	rc = make_sources(s, upstream->name, sources, upstream->n_mirrors + 1, ret, err);
	if (rc == 0)
		rc = set_choice(upstream, *ret, err);
	return rc < 0 ? rc : load_learnt(s, *ret, err);
}

/* ---- targets ---- */

int setup_target(struct setup *s, const char *name, const char *registry, const char *prefix,
	struct sync_target **ret, struct error *err)
{
	struct sync_target target = {.name = name, .prefix = prefix ? prefix : ""};
	AUTO_FREE char *identity = NULL;
	int rc;

	for (size_t i = 0; i < s->n_targets; i++) {
		if (strcmp(s->targets[i]->name, name) == 0) {
			*ret = s->targets[i];
			return 0;
		}
	}
	rc = registry ? setup_registry(s, registry, &target.registry, err)
		      : setup_store(s, &target.store, err);
	if (rc < 0)
		return error_wrap(err, rc, "target %s", name);
	identity = registry ? xasprintf("registry:%s/%s", registry, target.prefix)
			    : xasprintf("store:%s#%s", s->config->state, target.prefix);
	s->targets =
		array_grow(s->targets, s->n_targets, &s->cap_targets, sizeof(struct sync_target *));
	target.identity = steal(&identity);
	*ret = xkeep(1, sizeof(target));
	**ret = target;
	s->targets[s->n_targets++] = *ret;
	return 0;
}

/* ---- rules ---- */

static bool is_semver_authority(const char *authority)
{
	return strcmp(authority, "registry.k8s.io") == 0; /* design.md 2, promise 7 */
}

static int set_immutable(const struct config_rule *from, struct rule_parts *parts,
	struct sync_rule *to, struct error *err)
{
	switch (from->immutable) {
	case CONFIG_IMMUTABLE_DEFAULT:
		if (is_semver_authority(parts->authority))
			to->immutable = SYNC_IMMUTABLE_SEMVER;
		break;
	case CONFIG_IMMUTABLE_NONE:
		break;
	case CONFIG_IMMUTABLE_SEMVER:
		to->immutable = SYNC_IMMUTABLE_SEMVER;
		break;
	case CONFIG_IMMUTABLE_REGEX:
		to->immutable = SYNC_IMMUTABLE_PATTERN;
		if (pattern_regex(from->immutable_regex, &parts->immutable, err) < 0)
			return -(int)ERR_USAGE;
		to->immutable_pattern = parts->immutable;
		break;
	}
	return 0;
}

static int set_tags(const struct config_rule *from, struct rule_parts *parts, struct sync_rule *to,
	struct error *err)
{
	struct select_rules rules = {
		.include = (const char *const *)from->include,
		.n_include = from->n_include,
		.exclude = (const char *const *)from->exclude,
		.n_exclude = from->n_exclude,
		.semver = from->semver,
		.latest = from->latest,
	};

	if (selector_new(&rules, &parts->selector, err) < 0)
		return -(int)ERR_USAGE;
	to->selector = parts->selector;
	if (selector_is_literal(parts->selector)) {
		to->tags = (const char *const *)from->include;
		to->n_tags = from->n_include;
	}
	return 0;
}

static int set_targets(struct setup *s, const struct config_rule *from, struct rule_parts *parts,
	struct sync_rule *to, struct error *err)
{
	if (from->n_targets > TRANSFER_DESTINATIONS_MAX)
		return error_set(err,
			ERR_USAGE,
			"rule %s has more than %d targets",
			from->name,
			TRANSFER_DESTINATIONS_MAX);
	parts->targets = xkeep(from->n_targets, sizeof(struct sync_target *));
	for (size_t i = 0; i < from->n_targets; i++) {
		const struct config_target *t = &s->config->targets[from->targets[i]];
		int rc = setup_target(s,
			t->name,
			t->store ? NULL : t->registry,
			t->prefix,
			&parts->targets[i],
			err);

		if (rc < 0)
			return rc;
	}
	to->targets = parts->targets;
	to->n_targets = from->n_targets;
	return 0;
}

static int note_private(
	struct setup *s, const char *repository, struct sync_rule *to, struct error *err)
{
	AUTO_FREE char *name = xasprintf("%s/%s", to->authority, repository);
	bool match = false;
	int rc = setup_is_private(s, name, &match, err);

	to->authority_only = to->authority_only || match;
	return rc;
}

/* Before the versions of Kubernetes are listed, and once all repositories are known. */
static int set_private(
	struct setup *s, const struct config_rule *from, struct sync_rule *to, struct error *err)
{
	int rc = from->n_kubeadm > 0 ? note_private(s, KUBEADM_APISERVER, to, err) : 0;

	for (size_t i = 0; i < to->n_repositories && rc == 0; i++)
		rc = note_private(s, to->repositories[i], to, err);
	return rc;
}

static int set_rule(struct setup *s, const struct config_rule *from, struct rule_parts *parts,
	struct sync_rule *to, struct error *err)
{
	const struct config_upstream *upstream = &s->config->upstreams[from->upstream];
	int rc;

	parts->authority = xstrdup(upstream->authority);
	*to = (struct sync_rule){
		.name = from->name,
		.authority = parts->authority,
		.repositories = (const char *const *)from->repositories,
		.n_repositories = from->n_repositories,
		.rename = from->rename,
		.platforms = from->platforms,
		.n_platforms = from->n_platforms,
		.include_foreign = from->include_foreign,
		.publish_together = from->publish == CONFIG_PUBLISH_TOGETHER,
	};
	rc = upstream_sources(s, upstream, &to->sources, err);
	if (rc == 0)
		rc = set_targets(s, from, parts, to, err);
	if (rc == 0)
		rc = set_tags(from, parts, to, err);
	if (rc == 0)
		rc = set_immutable(from, parts, to, err);
	if (rc == 0)
		rc = set_private(s, from, to, err);
	if (rc == 0)
		rc = setup_kubeadm(s, from, &parts->kubeadm, to, err);
	if (rc == 0)
		rc = set_private(s, from, to, err);
	return rc;
}

#define RULES_LISTED_MAX 1024 /* bytes of names in a message */

static int unknown_rule(const struct config *config, const char *name, struct error *err)
{
	AUTO(buf_clear) struct buf names = BUF_INIT(RULES_LISTED_MAX);

	for (size_t i = 0; config->rules && i < config->n_rules; i++)
		if (buf_printf(&names, NULL, "%s%s", i ? ", " : "", config->rules[i].name) < 0)
			break;
	return error_set(err,
		ERR_USAGE,
		"%s: there is no rule '%.80s'; there are: %s",
		config->path,
		name,
		buf_text(&names));
}

/* A rule that is named twice is run once. */
static bool is_repeated(char *const *names, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (strcmp(names[k], names[i]) == 0)
			return true;
	return false;
}

int setup_rules(struct setup *s, char *const *names, int n_names, struct sync_rule **ret,
	size_t *ret_n, struct error *err)
{
	size_t n = n_names ? (size_t)n_names : s->config->n_rules;

	s->rules = xcalloc(n ? n : 1, sizeof(*s->rules));
	s->parts = xcalloc(n ? n : 1, sizeof(*s->parts));
	for (size_t i = 0; i < n; i++) {
		const struct config_rule *from =
			n_names ? config_rule_find(s->config, names[i]) : &s->config->rules[i];
		int rc;

		if (!from)
			return unknown_rule(s->config, names[i], err);
		if (n_names && is_repeated(names, i))
			continue;
		s->n_rules++;
		rc = set_rule(s, from, &s->parts[s->n_rules - 1], &s->rules[s->n_rules - 1], err);
		if (rc < 0)
			return error_wrap(err, rc, "rule %s", from->name);
	}
	*ret = s->rules;
	*ret_n = s->n_rules;
	return 0;
}

void setup_rules_free(struct setup *s)
{
	for (size_t i = 0; i < s->n_rules; i++) {
		free(s->parts[i].targets);
		free(s->parts[i].authority);
		selector_free(s->parts[i].selector);
		pattern_free(s->parts[i].immutable);
		kubeadm_parts_free(s->parts[i].kubeadm);
	}
	free(s->parts);
	free(s->rules);
	for (size_t i = 0; i < s->n_targets; i++) {
		void *identity;

		memcpy(&identity, &s->targets[i]->identity, sizeof(identity));
		free(identity);
		free(s->targets[i]);
	}
	free(s->targets);
	for (size_t i = 0; i < s->n_sets; i++)
		source_set_free(s->sets[i]);
	free(s->sets);
	for (size_t i = 0; i < s->n_private; i++)
		pattern_free(s->private_patterns[i]);
	free(s->private_patterns);
}
