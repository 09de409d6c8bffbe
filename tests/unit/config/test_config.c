#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/config.h"
#include "util/mem.h"

/* Lines 1 to 5 of most configurations here; what is tested begins in line 6. */
#define NAMES                              \
	"upstreams:\n"                     \
	"  k8s: {authority: up.example}\n" \
	"targets:\n"                       \
	"  box: {store: true}\n"           \
	"  reg: {registry: \"localhost:5000\", prefix: k8s}\n"
#define RULE NAMES "sync:\n- {name: r, from: k8s, to: [box], repositories: [pause]"

static struct config *parse(const char *text)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct config *c = NULL;

	if (config_parse("f", text, strlen(text), &c, &err) < 0)
		fail_msg("%s", error_text(&err));
	return c;
}

static void missing_settings_have_their_defaults(void **state)
{
	AUTO(config_freep) struct config *c = parse(RULE "}\n");
	const struct config_rule *rule = &c->rules[0];

	(void)state;
	assert_string_equal(c->path, "f");
	assert_string_equal(c->state, "/var/lib/regmirror");
	assert_int_equal(c->parallel, 8);
	assert_int_equal(c->bandwidth, 0);
	assert_int_equal(c->recheck_ms, 24 * 3600 * 1000);
	assert_int_equal(c->deadline_ms, 0);
	assert_false(c->spool_never);
	assert_int_equal(c->spool_from, 64 << 20);
	assert_int_equal(c->spool_limit, UINT64_C(20) << 30);
	assert_string_equal(c->proxy_url, "");
	assert_int_equal(c->n_proxy_bypass + c->n_registries + c->n_private, 0);
	assert_int_equal(c->upstreams[0].quorum, 1);
	assert_int_equal(c->upstreams[0].n_mirrors, 0);
	assert_string_equal(c->targets[0].prefix, "");
	assert_null(c->targets[0].registry);
	assert_null(rule->rename);
	assert_null(rule->semver);
	assert_null(rule->schedule_text);
	assert_false(rule->has_schedule);
	assert_false(rule->include_foreign);
	assert_int_equal(rule->n_include + rule->n_exclude + rule->n_platforms, 0);
	assert_int_equal(rule->latest, 0);
	assert_int_equal(rule->index, CONFIG_INDEX_KEEP);
	assert_int_equal(rule->publish, CONFIG_PUBLISH_EACH);
	assert_int_equal(rule->immutable, CONFIG_IMMUTABLE_DEFAULT);
	assert_int_equal(rule->jitter_ms, 0);
}

static void general_settings_are_read(void **state)
{
	AUTO(config_freep)
	struct config *c =
		parse("state: /srv/mirror\nparallel: 16\nbandwidth: 10MiB\nrecheck: 7d\n"
		      "deadline: 90s\nspool: {from: never, limit: 1GiB}\n"
		      "proxy: {url: \"http://proxy:3128\", bypass: [.corp.example, 10.0.0.0/8]}\n"
		      "private: [\"registry.corp.example/**\"]\n"
		      "registries:\n  h.example/team:\n    tls: off\n    connections: 4\n"
		      "    requests-per-second: 2.5\n    resolve-to: \"::1\"\n"
		      "upstreams: {}\nsync: []\n");
	const struct config_registry *r = &c->registries[0];

	(void)state;
	assert_string_equal(c->state, "/srv/mirror");
	assert_int_equal(c->parallel, 16);
	assert_int_equal(c->bandwidth, 10 << 20);
	assert_int_equal(c->recheck_ms, UINT64_C(7) * 24 * 3600 * 1000);
	assert_int_equal(c->deadline_ms, 90 * 1000);
	assert_true(c->spool_never);
	assert_int_equal(c->spool_limit, 1 << 30);
	assert_string_equal(c->proxy_url, "http://proxy:3128");
	assert_int_equal(c->n_proxy_bypass, 2);
	assert_string_equal(c->proxy_bypass[1], "10.0.0.0/8");
	assert_string_equal(c->private_names[0], "registry.corp.example/**");
	assert_string_equal(r->host, "h.example/team");
	assert_false(r->tls);
	assert_int_equal(r->connections, 4);
	assert_true(r->requests_per_second > 2.49 && r->requests_per_second < 2.51);
	assert_string_equal(r->resolve_to, "::1");
	assert_null(r->username);
}

static void upstreams_and_targets_are_read(void **state)
{
	AUTO(config_freep)
	struct config *c = parse(
		"upstreams:\n  k8s:\n    authority: registry.k8s.io\n    quorum: 2\n"
		"    choose: ordered\n    mirrors:\n"
		"    - host: a.example\n      resolve: true\n"
		"    - {host: b.example/google_containers, names: flat, resolve: true}\n"
		"targets:\n  box: {store: true, prefix: k8s}\n  reg: {registry: \"[::1]:5000\"}\n"
		"sync: []\n");
	const struct config_upstream *up = &c->upstreams[0];

	(void)state;
	assert_int_equal(c->n_upstreams, 1);
	assert_string_equal(up->name, "k8s");
	assert_string_equal(up->authority, "registry.k8s.io");
	assert_int_equal(up->quorum, 2);
	assert_int_equal(up->n_mirrors, 2);
	assert_string_equal(up->mirrors[0].host, "a.example");
	assert_true(up->mirrors[0].resolve);
	assert_false(up->mirrors[0].flat);
	assert_string_equal(up->mirrors[1].host, "b.example/google_containers");
	assert_true(up->mirrors[1].flat);
	assert_int_equal(c->n_targets, 2);
	assert_true(c->targets[0].store);
	assert_string_equal(c->targets[0].prefix, "k8s");
	assert_string_equal(c->targets[1].registry, "[::1]:5000");
}

/* One upstream of an authority with mirrors, and more lines. */
#define UPSTREAM(lines)                                 \
	"upstreams:\n  u:\n    authority: up.example\n" \
	"    mirrors: [{host: a.example, resolve: true}, {host: \"b.example:5000/x\"}]\n" lines
#define NO_MIRRORS(lines) "upstreams:\n  u:\n    authority: up.example\n" lines

static void sources_are_measured_where_there_are_several_and_no_chain(void **state)
{
	static const struct {
		const char *text;
		enum config_choose choose;
	} cases[] = {
		{UPSTREAM("sync: []\n"), CONFIG_CHOOSE_MEASURED},
		{UPSTREAM("    choose: default\nsync: []\n"), CONFIG_CHOOSE_MEASURED},
		{UPSTREAM("    choose: measured\nsync: []\n"), CONFIG_CHOOSE_MEASURED},
		{UPSTREAM("    choose: ordered\nsync: []\n"), CONFIG_CHOOSE_ORDERED},
		{UPSTREAM("    chain: direct\nsync: []\n"), CONFIG_CHOOSE_ORDERED},
		{NO_MIRRORS("sync: []\n"), CONFIG_CHOOSE_ORDERED},
		{NO_MIRRORS("    choose: measured\nsync: []\n"), CONFIG_CHOOSE_MEASURED},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(config_freep) struct config *c = parse(cases[i].text);

		assert_int_equal(c->upstreams[0].choose, cases[i].choose);
	}
}

static void how_sources_are_used_is_read(void **state)
{
	AUTO(config_freep) struct config *def = parse(UPSTREAM("sync: []\n"));
	AUTO(config_freep)
	struct config *c = parse(UPSTREAM("    choose: ordered\n"
					  "    chain: a.example , b.example:5000/x | direct\n"
					  "    stripe: {from: 1MiB}\n    tag-cache: on\n"
					  "    stale: 24h\nsync: []\n"));
	AUTO(config_freep)
	struct config *never = parse(UPSTREAM("    stripe: {from: never}\nsync: []\n"));
	const struct config_upstream *up = &def->upstreams[0];

	(void)state;
	assert_null(up->chain);
	assert_false(up->stripe_never);
	assert_int_equal(up->stripe_from, 64 << 20);
	assert_false(up->tag_cache);
	assert_int_equal(up->stale_ms, 0);
	up = &c->upstreams[0];
	assert_string_equal(up->chain, "a.example , b.example:5000/x | direct");
	assert_int_equal(up->stripe_from, 1 << 20);
	assert_true(up->tag_cache);
	assert_int_equal(up->stale_ms, 24 * 3600 * 1000);
	assert_true(never->upstreams[0].stripe_never);
}

static void a_chain_may_name_every_source_and_ends_where_it_says(void **state)
{
	static const char *const chains[] = {
		"off",
		"direct",
		"up.example",
		"a.example|b.example:5000/x,up.example",
		" , a.example,| ,direct, ",
		"a.example | off | nobody.example",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(chains); i++) {
		AUTO_FREE char *text =
			xasprintf(UPSTREAM("    chain: \"%s\"\nsync: []\n"), chains[i]);
		AUTO(config_freep) struct config *c = parse(text);

		assert_string_equal(c->upstreams[0].chain, chains[i]);
	}
}

static void rules_are_read(void **state)
{
	AUTO(config_freep)
	struct config *c = parse(NAMES
		"sync:\n"
		"- name: ingress\n"
		"  from: k8s\n"
		"  to: [reg, box]\n"
		"  repositories: [ingress-nginx/controller, pause]\n"
		"  rename: mirror/{repository}\n"
		"  tags: {include: ['v1\\..*'], exclude: ['.*-rc.*'], semver: '>=1.10', latest: 5}\n"
		"  platforms: [linux/amd64, linux/arm/v7]\n"
		"  index: keep\n"
		"  include-foreign: true\n"
		"  publish: together\n"
		"  immutable: 'v.*'\n"
		"  schedule: '*/30 * * * *'\n"
		"  jitter: 10m\n");
	const struct config_rule *rule = &c->rules[0];

	(void)state;
	assert_int_equal(c->n_rules, 1);
	assert_string_equal(rule->name, "ingress");
	assert_int_equal(rule->upstream, 0);
	assert_int_equal(rule->n_targets, 2);
	assert_int_equal(rule->targets[0], 1);
	assert_int_equal(rule->targets[1], 0);
	assert_int_equal(rule->n_repositories, 2);
	assert_string_equal(rule->repositories[0], "ingress-nginx/controller");
	assert_string_equal(rule->rename, "mirror/{repository}");
	assert_string_equal(rule->include[0], "v1\\..*");
	assert_string_equal(rule->exclude[0], ".*-rc.*");
	assert_string_equal(rule->semver, ">=1.10");
	assert_int_equal(rule->latest, 5);
	assert_int_equal(rule->n_platforms, 2);
	assert_string_equal(rule->platforms[1].variant, "v7");
	assert_true(rule->include_foreign);
	assert_int_equal(rule->publish, CONFIG_PUBLISH_TOGETHER);
	assert_int_equal(rule->immutable, CONFIG_IMMUTABLE_REGEX);
	assert_string_equal(rule->immutable_regex, "v.*");
	assert_true(rule->has_schedule);
	assert_string_equal(rule->schedule_text, "*/30 * * * *");
	assert_int_equal(rule->jitter_ms, 10 * 60 * 1000);
}

static void a_plain_list_of_tags_is_their_names(void **state)
{
	AUTO(config_freep) struct config *c = parse(RULE ", tags: [\"3.10\", latest]}\n");

	(void)state;
	assert_int_equal(c->rules[0].n_include, 2);
	assert_string_equal(c->rules[0].include[0], "3.10");
	assert_string_equal(c->rules[0].include[1], "latest");
}

static void keys_without_a_value_are_empty_lists_and_mappings(void **state)
{
	AUTO(config_freep)
	struct config *c = parse("registries:\nprivate:\nproxy:\nupstreams: {}\nsync: []\n");

	(void)state;
	assert_int_equal(c->n_registries, 0);
	assert_string_equal(c->proxy_url, "");
}

struct refusal {
	const char *text, *message;
};

static void assert_refused(const struct refusal *r)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct config *c = NULL;
	int rc = config_parse("f", r->text, strlen(r->text), &c, &err);

	if (rc == 0)
		fail_msg("accepted: %s", r->text);
	assert_int_equal(rc, -ERR_USAGE);
	assert_int_equal(err.code, ERR_USAGE);
	assert_null(c);
	/* Up to the end of what this package says; causes are the other packages' words. */
	if (strncmp(error_text(&err), r->message, strlen(r->message)) != 0)
		assert_string_equal(error_text(&err), r->message);
}

static void wrong_keys_are_refused_where_they_stand(void **state)
{
	static const struct refusal refusals[] = {
		{"paralell: 8\n", "f:1:1: unknown key 'paralell'; did you mean 'parallel'?"},
		{"spool: {form: 1}\n", "f:1:9: unknown key 'spool.form'; did you mean 'from'?"},
		{"zzzzzz: 8\n", "f:1:1: unknown key 'zzzzzz'"},
		{"state: /x\n", "f:1:1: configuration: 'upstreams' is missing"},
		{"", "f:1:1: configuration: 'upstreams' is missing"},
		{"upstreams: {}\n", "f:1:1: configuration: 'sync' is missing"},
		{"upstreams:\n  k8s: {}\nsync: []\n", "f:2:3: upstream: 'authority' is missing"},
		{NAMES "sync:\n- name: r\n  to: [box]\n", "f:7:3: rule: 'from' is missing"},
		{NAMES "sync:\n- {name: r, from: k8s, to: [box]}\n",
			"f:7:3: rule: 'repositories' is missing (or 'kubeadm')"},
		{RULE "}\n- {name: r, from: k8s, to: [box], repositories: [a]}\n",
			"f:8:10: name: there is a rule 'r' already"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++)
		assert_refused(&refusals[i]);
}

static void keys_of_later_versions_are_refused_by_name(void **state)
{
	static const struct refusal refusals[] = {
		{NAMES "serve: {pull-through: [k8s]}\n",
			"f:6:9: serve.pull-through is not supported by this version"},
		{RULE ", with: []}\n", "f:7:58: with is not supported by this version"},
		{RULE ", tags: {newer-than: 1d}}\n",
			"f:7:65: tags.newer-than is not supported by this version"},
		{RULE ", index: rewrite}\n",
			"f:7:65: index: rewrite is not supported by this version"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++)
		assert_refused(&refusals[i]);
}

static void wrong_types_are_refused_where_they_stand(void **state)
{
	static const struct refusal refusals[] = {
		{"[]\n", "f:1:1: configuration: a mapping is needed, not a list"},
		{"parallel: [8]\n", "f:1:11: parallel: plain text is needed (count), not a list"},
		{"parallel:\n", "f:1:1: parallel: plain text is needed (count), not nothing"},
		{"spool: 8\n", "f:1:8: spool: a mapping is needed, not plain text"},
		{"private: x\n",
			"f:1:10: private: a list is needed (list of globs), not plain text"},
		{"private: [[x]]\n",
			"f:1:11: private: plain text is needed (list of globs), not a list"},
		{"upstreams: []\n", "f:1:12: upstreams: a mapping is needed, not a list"},
		{"upstreams: {k8s: 1}\n", "f:1:18: upstream: a mapping is needed, not plain text"},
		{NAMES "sync: {}\n", "f:6:7: sync: a list is needed, not a mapping"},
		{RULE ", tags: v1}\n", "f:7:64: tags: a mapping is needed, not plain text"},
		{RULE ", platforms: {}}\n",
			"f:7:69: platforms: a list is needed (list of platforms), not a mapping"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++)
		assert_refused(&refusals[i]);
}

static void wrong_numbers_and_words_are_refused_where_they_stand(void **state)
{
	static const struct refusal refusals[] = {
		{"parallel: 0\n", "f:1:11: parallel: must be from 1 to 256"},
		{"parallel: 257\n", "f:1:11: parallel: must be from 1 to 256"},
		{"parallel: 4294967297\n", "f:1:11: parallel: must be from 1 to 256"},
		{"parallel: eight\n", "f:1:11: parallel: "},
		{"bandwidth: 10MB\n", "f:1:12: bandwidth: "},
		{"bandwidth: 15EiB\n", "f:1:12: bandwidth: must be from 0 to 1EiB"},
		{"recheck: 24\n", "f:1:10: recheck: "},
		{"recheck: 4000d\n", "f:1:10: recheck: must be from 0 to 3660d"},
		{"spool: {from: always}\n", "f:1:15: spool.from: "},
		{"state: ''\n", "f:1:8: state: is empty"},
		{"state: ${HOME}\n", "f:1:8: state: ${...} works in username and password only"},
		{"registries: {h: {tls: maybe}}\n", "f:1:23: tls: 'maybe' is none of off | on"},
		{"registries: {h: {requests-per-second: 1.2345}}\n",
			"f:1:39: requests-per-second: '1.2345' is no number like 20 or 0.5"},
		{"registries: {h: {requests-per-second: 1000000.001}}\n",
			"f:1:39: requests-per-second: must be from 0 to 1000000"},
		{"registries: {h: {requests-per-second: 18446744073709551.615}}\n",
			"f:1:39: requests-per-second: must be from 0 to 1000000"},
		{"registries: {h: {requests-per-second: .5}}\n",
			"f:1:39: requests-per-second: '.5' is no number like 20 or 0.5"},
		{"registries: {h: {requests-per-second: -1}}\n", "f:1:39: requests-per-second: "},
		{RULE ", publish: sometimes}\n",
			"f:7:67: publish: 'sometimes' is none of each | together"},
		{RULE ", jitter: ten}\n", "f:7:66: jitter: "},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++)
		assert_refused(&refusals[i]);
}

static void wrong_hosts_and_names_are_refused_where_they_stand(void **state)
{
	static const struct refusal refusals[] = {
		{"proxy: {url: proxy.example}\n", "f:1:14: proxy.url: a proxy begins with http://"},
		{"proxy: {url: \"http://\"}\n", "f:1:14: proxy.url: '' is no proxy's host[:port]"},
		{"proxy: {bypass: ['a, b']}\n", "f:1:18: proxy.bypass: 'a, b' is no host"},
		{"registries:\n  https://h: {}\n",
			"f:2:3: registries: 'https://h': without a scheme"},
		{"registries:\n  h/UP: {}\n", "f:2:3: registries: 'UP' in 'h/UP' is no part of"},
		{"registries: {h: {resolve-to: h2}}\n",
			"f:1:30: resolve-to: 'h2' is no IP address"},
		{"upstreams:\n  'a b': {}\n", "f:2:3: upstreams: 'a b' is no name"},
		{"upstreams:\n  .a: {}\n", "f:2:3: upstreams: '.a' is no name"},
		{"upstreams:\n  u: {authority: 'h h'}\n",
			"f:2:18: authority: 'h h' is no host[:port]"},
		{"upstreams:\n  u:\n    authority: a\n    mirrors: [{host: b}, {host: b}]\n",
			"f:4:33: host: 'b' is listed twice"},
		{"upstreams:\n  u:\n    authority: a\n    mirrors: [{host: a}]\n",
			"f:4:22: host: 'a' is the authority itself"},
		{"upstreams:\n  u:\n    authority: a\n    mirrors: [{host: b}]\n    quorum: 2\n",
			"f:5:13: quorum: 2 sources cannot agree: 0 of the mirrors"},
		{"upstreams: {}\ntargets:\n  t: {}\n", "f:3:3: target 't': 'registry' is missing"},
		{"upstreams: {}\ntargets:\n  t: {store: true, registry: h}\n",
			"f:3:20: registry: a target is the store or a registry, not both"},
		{"upstreams: {}\ntargets:\n  t: {registry: h/p}\n",
			"f:3:17: registry: 'h/p' is no host[:port]"},
		{"upstreams: {}\ntargets:\n  t: {store: true, prefix: /k8s}\n",
			"f:3:28: prefix: '/k8s' is no repository"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++)
		assert_refused(&refusals[i]);
}

static void wrong_choices_of_sources_are_refused_where_they_stand(void **state)
{
	static const struct refusal refusals[] = {
		{UPSTREAM("    choose: fastest\n"),
			"f:5:13: choose: 'fastest' is none of default | ordered | measured"},
		{UPSTREAM("    choose: measured\n    chain: direct\n"),
			"f:6:5: chain: has no use with 'choose: measured'"},
		{UPSTREAM("    chain: a.exmple | direct\n"),
			"f:5:12: chain: 'a.exmple' is no source of this upstream; did you mean "
			"'a.example'?"},
		{UPSTREAM("    chain: a.example , elsewhere.invalid\n"),
			"f:5:12: chain: 'elsewhere.invalid' is no source of this upstream: neither"},
		{UPSTREAM("    chain: A.example\n"), "f:5:12: chain: 'A.example' is no source"},
		{UPSTREAM("    chain: a.example | a.example\n"),
			"f:5:12: chain: 'a.example' is listed twice"},
		{UPSTREAM("    chain: ' , |'\n"), "f:5:12: chain: no source is in it"},
		{UPSTREAM("    chain: [a.example]\n"),
			"f:5:12: chain: plain text is needed (chain), not a list"},
		{UPSTREAM("    stripe: 64MiB\n"),
			"f:5:13: stripe: a mapping is needed, not plain text"},
		{UPSTREAM("    stripe: {from: always}\n"), "f:5:20: stripe.from: "},
		{UPSTREAM("    stripe: {form: 1}\n"),
			"f:5:14: unknown key 'stripe.form'; did you mean 'from'?"},
		{UPSTREAM("    tag-cache: sometimes\n"),
			"f:5:16: tag-cache: 'sometimes' is none of off | on"},
		{UPSTREAM("    stale: 25h\n"), "f:5:12: stale: must be from 0 to 1d"},
		{UPSTREAM("    quorum: 2\n"),
			"f:5:13: quorum: 2 sources cannot agree: 1 of the mirrors"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++)
		assert_refused(&refusals[i]);
}

static void one_source_in_other_words_is_refused_where_it_stands(void **state)
{
#define MIRRORS(list) "upstreams: {u: {authority: Up.example, mirrors: [" list "]}}\n"
#define PLAIN(list)   "registries: {Up.example: {tls: off}, b: {tls: off}}\n" MIRRORS(list)
	static const struct refusal refusals[] = {
		{MIRRORS("{host: up.EXAMPLE}"),
			"f:1:57: host: 'up.EXAMPLE' is the same as the authority 'Up.example'"},
		{MIRRORS("{host: \"up.example:443\"}"),
			"f:1:57: host: 'up.example:443' is the same as the authority"},
		{MIRRORS("{host: b}, {host: \"B:443\"}"),
			"f:1:68: host: 'B:443' is the same as 'b'"},
		{MIRRORS("{host: b/x}, {host: \"b:443/x\"}"),
			"f:1:70: host: 'b:443/x' is the same as 'b/x'"},
		{MIRRORS("{host: \"[::1]\"}, {host: \"[::1]:443\"}"),
			"f:1:74: host: '[::1]:443' is the same as '[::1]'"},
		{PLAIN("{host: b}, {host: \"b:80\"}"), "f:2:68: host: 'b:80' is the same as 'b'"},
	};
	static const char *const different[] = {
		MIRRORS("{host: b}, {host: \"b:80\"}") "sync: []\n",
		MIRRORS("{host: b}, {host: b/x}, {host: b/y}") "sync: []\n",
		MIRRORS("{host: \"[::1]\"}, {host: \"[::2]:443\"}") "sync: []\n",
		PLAIN("{host: b}, {host: \"b:443\"}") "sync: []\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++)
		assert_refused(&refusals[i]);
	for (size_t i = 0; i < ARRAY_SIZE(different); i++)
		config_free(parse(different[i]));
}

static void wrong_rules_are_refused_where_they_stand(void **state)
{
	static const struct refusal refusals[] = {
		{NAMES "sync:\n- {name: r, from: k9s, to: [box], repositories: [a]}\n",
			"f:7:19: from: there is no upstream 'k9s'; did you mean 'k8s'?"},
		{NAMES "sync:\n- {name: r, from: k8s, to: [box, bix], repositories: [a]}\n",
			"f:7:34: to: there is no target 'bix'; did you mean 'box'?"},
		{NAMES "sync:\n- {name: r, from: k8s, to: [elsewhere], repositories: [a]}\n",
			"f:7:29: to: there is no target 'elsewhere'"},
		{NAMES "sync:\n- {name: r, from: k8s, to: [box, box], repositories: [a]}\n",
			"f:7:34: to: 'box' is listed twice"},
		{NAMES "sync:\n- {name: r, from: k8s, to: [1, 2, 3, 4, 5, 6, 7, 8, 9]}\n",
			"f:7:28: to: 9 targets are more than 8"},
		{NAMES "sync:\n- {name: r, from: k8s, to: [], repositories: [a]}\n",
			"f:7:28: to: is empty"},
		{NAMES "sync:\n- {name: r, from: k8s, to: [box], repositories: []}\n",
			"f:7:49: repositories: is empty"},
		{NAMES "sync:\n- {name: r, from: k8s, to: [box], repositories: [a, a]}\n",
			"f:7:53: repositories: 'a' is listed twice"},
		{NAMES "sync:\n- {name: r, from: k8s, to: [box], repositories: [A]}\n",
			"f:7:50: repositories: 'A' is no repository"},
		{NAMES "sync:\n- {name: r, from: k8s, to: [box], repositories: [a, b], rename: x}\n",
			"f:7:65: rename: 2 repositories would all be 'x'"},
		{RULE ", rename: 'x/{repo}'}\n",
			"f:7:66: rename: 'x/{repo}': the only placeholder is {repository}"},
		{RULE ", rename: 'X/{repository}'}\n",
			"f:7:66: rename: 'X/{repository}' does not make a repository's name"},
		{RULE ", tags: [a, 'b c']}\n", "f:7:68: tags: 'b c' is no tag"},
		{RULE ", tags: []}\n", "f:7:64: tags: is empty"},
		{RULE ", tags: {include: ['a(']}}\n", "f:7:75: tags.include: "},
		{RULE ", tags: {exclude: [x, 'a(']}}\n", "f:7:78: tags.exclude: "},
		{RULE ", tags: {semver: '>=x'}}\n", "f:7:73: tags.semver: "},
		{RULE ", platforms: [linux/amd64, linux/x86_64]}\n",
			"f:7:83: platforms: 'linux/x86_64' is listed twice"},
		{RULE ", platforms: ['linux/']}\n", "f:7:70: platforms: "},
		{RULE ", immutable: 'v('}\n", "f:7:69: immutable: "},
		{RULE ", schedule: '61 * * * *'}\n", "f:7:68: schedule: "},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++)
		assert_refused(&refusals[i]);
}

#define KUBEADM NAMES "sync:\n- {name: r, from: k8s, to: [box], kubeadm: "

static void versions_of_kubernetes_need_no_repositories(void **state)
{
	static const char *const same[] = {
		KUBEADM
		"[{version: 1.34.1}, {version: '>=1.33 <1.35'}, {minor: 1.33, latest: 2}]}\n",
		KUBEADM "['1.34.1', '>=1.33 <1.35', 'latest-2 of 1.33']}\n",
		KUBEADM "{versions: [1.34.1, '>=1.33 <1.35', {minor: '1.33', latest: 2}]}}\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
		AUTO(config_freep) struct config *c = parse(same[i]);
		const struct config_rule *rule = &c->rules[0];

		assert_int_equal(rule->n_repositories, 0);
		assert_int_equal(rule->n_kubeadm, 3);
		assert_string_equal(rule->kubeadm[0].version, "1.34.1");
		assert_string_equal(rule->kubeadm[1].version, ">=1.33 <1.35");
		assert_null(rule->kubeadm[2].version);
		assert_string_equal(rule->kubeadm[2].minor, "1.33");
		assert_int_equal(rule->kubeadm[2].latest, 2);
		assert_non_null(c->kubeadm_table);
	}
	config_free(parse(KUBEADM "[1.34.1], repositories: [team/web], tags: [v1]}\n"));
}

static void wrong_versions_of_kubernetes_are_refused_where_they_stand(void **state)
{
	static const struct refusal refusals[] = {
		{KUBEADM "[]}\n", "f:7:3: rule: 'repositories' is missing (or 'kubeadm')"},
		{KUBEADM "1.34.1}\n", "f:7:44: kubeadm: a list is needed, not plain text"},
		{KUBEADM "{version: 1.34.1}}\n",
			"f:7:44: kubeadm: a list is needed, not a mapping"},
		{KUBEADM "[1.34.11]}\n",
			"f:7:45: kubeadm: Kubernetes v1.34.11 is not in the table of images, which has "
			"1.34.0 to 1.34.10; "},
		{KUBEADM "[1.34.1, {version: v1.99.0}]}\n",
			"f:7:63: kubeadm: Kubernetes v1.99.0 is"},
		{KUBEADM "{versions: [1.99.0]}}\n", "f:7:56: kubeadm: Kubernetes v1.99.0 is"},
		{KUBEADM "[latest]}\n", "f:7:45: kubeadm: 'latest' is neither a version"},
		{KUBEADM "['latest-2 of 1']}\n", "f:7:45: kubeadm: '1' is no minor version"},
		{KUBEADM "[{version: '>='}]}\n", "f:7:55: version: '>=' is neither a version"},
		{KUBEADM "[{minor: 1.33}]}\n", "f:7:46: minor: 'latest' is missing beside it"},
		{KUBEADM "[{minor: 1.33.1, latest: 1}]}\n", "f:7:53: minor: '1.33.1' is no minor"},
		{KUBEADM "[{latest: 1}]}\n", "f:7:45: kubeadm: 'version' is missing (or 'minor'"},
		{KUBEADM "[{version: 1.34.1, minor: 1.34}]}\n",
			"f:7:63: kubeadm: either 'version', or 'minor' and 'latest'"},
		{KUBEADM "[{version: 1.34.1, latest: 1}]}\n",
			"f:7:63: kubeadm: either 'version', or 'minor' and 'latest'"},
		{KUBEADM "[{vresion: 1.34.1}]}\n", "f:7:46: unknown key 'vresion'"},
		{KUBEADM "[1.34.1], repositories: [etcd]}\n",
			"f:7:69: repositories: 'etcd' comes with 'kubeadm'"},
		{KUBEADM "[1.34.1], tags: [v1]}\n",
			"f:7:54: tags: has no use without 'repositories'"},
		{KUBEADM "[1.34.1], rename: x}\n",
			"f:7:62: rename: 8 repositories would all be 'x'"},
		{"kubeadm: {table: /nonexistent}\n" KUBEADM "[1.34.1]}\n",
			"f:1:11: kubeadm.table: '/nonexistent': No such file"},
		{"kubeadm: {table: conf/regmirror.conf.5}\nupstreams: {}\nsync: []\n",
			"f:1:18: kubeadm.table: conf/regmirror.conf.5:1: '.Dd' is neither a version"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++)
		assert_refused(&refusals[i]);
}

static void a_name_that_is_too_long_at_a_target_is_refused(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(buf_clear) struct buf text = BUF_INIT(4096);
	struct config *c = NULL;

	(void)state;
	/* 252 characters are a repository, but not behind "k8s/": distribution stops at 255. */
	assert_int_equal(
		buf_printf(&text,
			NULL,
			NAMES
			"sync:\n- {name: r, from: k8s, to: [box, reg], repositories: [%0252d]}\n",
			0),
		0);
	assert_int_equal(config_parse("f", text.data, text.len, &c, &err), -ERR_USAGE);
	assert_non_null(strstr(error_text(&err),
		"f:7:55: repositories: at target 'reg' the name would be too long: 'k8s/000"));
}

static void files_that_cannot_be_read_are_refused_at_their_key(void **state)
{
	static const struct refusal refusals[] = {
		{"registries: {h: {ca: /nonexistent/ca.pem}}\n",
			"f:1:18: ca: '/nonexistent/ca.pem': No such file or directory"},
		{"registries: {h: {cert: /tmp, key: /tmp}}\n",
			"f:1:18: cert: '/tmp' is a directory"},
		{"registries: {h: {key: /dev/null}}\n", "f:1:18: key: 'cert' is missing beside it"},
		{"registries: {h: {cert: /dev/null}}\n",
			"f:1:18: cert: 'key' is missing beside it"},
		{"registries: {h: {tls: off, ca: /dev/null}}\n",
			"f:1:28: ca: has no use with 'tls: off'"},
		{"registries: {h: {username: x, password: file:/nonexistent/p}}\n",
			"f:1:41: password: "},
		{"registries: {h: {username: u}}\n",
			"f:1:18: username: 'password' is missing beside it"},
		{"registries: {h: {password: p}}\n",
			"f:1:18: password: 'username' is missing beside it"},
		{"registries: {h: {username: 'a:b', password: p}}\n",
			"f:1:28: username: a colon cannot be sent in it"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++)
		assert_refused(&refusals[i]);
}

static void more_mirrors_than_sources_can_be_are_refused(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(buf_clear) struct buf text = BUF_INIT(4096);
	struct config *c = NULL;

	(void)state;
	assert_int_equal(
		buf_puts(&text, "upstreams:\n  u:\n    authority: a\n    mirrors: [", NULL), 0);
	for (int i = 0; i < 32; i++)
		assert_int_equal(buf_printf(&text, NULL, "{host: m%d}, ", i), 0);
	assert_int_equal(buf_puts(&text, "]\nsync: []\n", NULL), 0);
	assert_int_equal(config_parse("f", text.data, text.len, &c, &err), -ERR_USAGE);
	assert_string_equal(error_text(&err), "f:4:14: mirrors: 32 of them are more than 31");
}

static void a_file_that_is_not_there_is_not_found(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct config *c = NULL;

	(void)state;
	assert_int_equal(config_load("/nonexistent/regmirror.yaml", &c, &err), -ERR_NOTFOUND);
	assert_null(c);
	assert_non_null(strstr(error_text(&err), "/nonexistent/regmirror.yaml"));
}

static void the_registry_is_read_and_refused_where_it_stands(void **state)
{
	static const struct refusal refusals[] = {
		{NAMES "serve: 1\n", "f:6:8: serve: a mapping is needed, not plain text"},
		{NAMES "serve: {listen: localhost:5000}\n",
			"f:6:17: serve.listen: 'localhost:5000' is no address and port, such as "
			"127.0.0.1:5000 or [::]:5000"},
		{NAMES "serve: {listen: \":5000\"}\n",
			"f:6:17: serve.listen: ':5000' is no address"},
		{NAMES "serve: {listen: \"::1:5000\"}\n", "f:6:17: serve.listen: '::1:5000' is no"},
		{NAMES "serve: {listen: 127.0.0.1:65536}\n",
			"f:6:17: serve.listen: '127.0.0.1:65536'"},
		{NAMES "serve: {tls-cert: /dev/null}\nsync: []\n",
			"f:6:9: serve.tls-cert: 'tls-key' is missing beside it"},
		{NAMES "serve: {tls-key: /dev/null}\nsync: []\n",
			"f:6:9: serve.tls-key: 'tls-cert' is missing beside it"},
		{NAMES "serve: {client-ca: /dev/null}\nsync: []\n",
			"f:6:9: serve.client-ca: 'tls-cert' is missing beside it"},
	};
	AUTO(config_freep)
	struct config *c = parse(NAMES "serve: { listen: '[::1]:0', tls-cert: /dev/null, "
				       "tls-key: /dev/null, read-only: true }\nsync: []\n");

	(void)state;
	assert_string_equal(c->serve.listen, "[::1]:0");
	assert_string_equal(c->serve.tls_cert, "/dev/null");
	assert_null(c->serve.htpasswd);
	assert_true(c->serve.read_only);
	assert_false(c->serve.sparse);
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++)
		assert_refused(&refusals[i]);
}

static void the_longest_registry_entry_wins(void **state)
{
	AUTO(config_freep)
	struct config *c = parse("registries: {h: {}, h/team: {}, h/team/x: {}, \"h:5000\": {}}\n"
				 "upstreams: {}\nsync: []\n");
	static const struct {
		const char *name, *host;
	} cases[] = {
		{"h", "h"},
		{"h/teams/a", "h"},
		{"h/team", "h/team"},
		{"h/team/a", "h/team"},
		{"h/team/x/y", "h/team/x"},
		{"h:5000/team", "h:5000"},
		{"h:50001", NULL},
		{"hh", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct config_registry *r = config_registry_of(c, cases[i].name);

		if (cases[i].host)
			assert_string_equal(r->host, cases[i].host);
		else
			assert_null(r);
	}
}

static void rules_are_found_by_name(void **state)
{
	AUTO(config_freep) struct config *c = parse(RULE "}\n");

	(void)state;
	assert_ptr_equal(config_rule_find(c, "r"), &c->rules[0]);
	assert_null(config_rule_find(c, "s"));
}

static void the_default_configuration_has_no_rules(void **state)
{
	AUTO(config_freep) struct config *c = config_default();

	(void)state;
	assert_non_null(c);
	assert_int_equal(c->n_rules, 0);
	assert_int_equal(c->parallel, 8);
}

static void the_environment_can_name_the_file(void **state)
{
	(void)state;
	assert_int_equal(unsetenv("REGMIRROR_CONFIG"), 0);
	assert_string_equal(config_default_path(), "/etc/regmirror/regmirror.yaml");
	assert_int_equal(setenv("REGMIRROR_CONFIG", "/x.yaml", 1), 0);
	assert_string_equal(config_default_path(), "/x.yaml");
	assert_int_equal(unsetenv("REGMIRROR_CONFIG"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(missing_settings_have_their_defaults),
		cmocka_unit_test(general_settings_are_read),
		cmocka_unit_test(upstreams_and_targets_are_read),
		cmocka_unit_test(sources_are_measured_where_there_are_several_and_no_chain),
		cmocka_unit_test(how_sources_are_used_is_read),
		cmocka_unit_test(a_chain_may_name_every_source_and_ends_where_it_says),
		cmocka_unit_test(rules_are_read),
		cmocka_unit_test(a_plain_list_of_tags_is_their_names),
		cmocka_unit_test(keys_without_a_value_are_empty_lists_and_mappings),
		cmocka_unit_test(wrong_keys_are_refused_where_they_stand),
		cmocka_unit_test(keys_of_later_versions_are_refused_by_name),
		cmocka_unit_test(wrong_types_are_refused_where_they_stand),
		cmocka_unit_test(wrong_numbers_and_words_are_refused_where_they_stand),
		cmocka_unit_test(wrong_hosts_and_names_are_refused_where_they_stand),
		cmocka_unit_test(wrong_choices_of_sources_are_refused_where_they_stand),
		cmocka_unit_test(one_source_in_other_words_is_refused_where_it_stands),
		cmocka_unit_test(wrong_rules_are_refused_where_they_stand),
		cmocka_unit_test(versions_of_kubernetes_need_no_repositories),
		cmocka_unit_test(wrong_versions_of_kubernetes_are_refused_where_they_stand),
		cmocka_unit_test(a_name_that_is_too_long_at_a_target_is_refused),
		cmocka_unit_test(files_that_cannot_be_read_are_refused_at_their_key),
		cmocka_unit_test(more_mirrors_than_sources_can_be_are_refused),
		cmocka_unit_test(a_file_that_is_not_there_is_not_found),
		cmocka_unit_test(the_registry_is_read_and_refused_where_it_stands),
		cmocka_unit_test(the_longest_registry_entry_wins),
		cmocka_unit_test(rules_are_found_by_name),
		cmocka_unit_test(the_default_configuration_has_no_rules),
		cmocka_unit_test(the_environment_can_name_the_file),
	};

	return cmocka_run_group_tests_name("config/config", tests, NULL, NULL);
}
