/*
 * config.h - the configuration file as typed data.
 *
 * YAML 1.2 (libfyaml), one settings table (config/settings.c) that also feeds the
 * manual page's check.  Every error reads "file:line:column: message" and is
 * ERR_USAGE: unknown key, wrong type, duplicate key, bad value, an unknown upstream
 * or target named by a rule.  All strings belong to the struct config.
 * ${VAR} and file:PATH are expanded in secrets only (username, password), and those never appear in
 * config_show().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "oci/platform.h"
#include "schedule/cron.h"
#include "select/kubeadm.h"
#include "util/buf.h"
#include "util/error.h"

#define CONFIG_FILE_MAX \
	((size_t)8 * 1024 * 1024) /* bytes; a rule with 100,000 literal tags is 2 MiB */

struct config_registry {
	char *host; /* "localhost:5000", "registry.corp.example/team": longest match wins */
	bool tls;   /* false: plain HTTP ("tls: off") */
	char *ca, *cert, *key;      /* PEM paths or NULL */
	char *username, *password;  /* expanded; NULL: none, then docker's config.json is asked */
	unsigned connections;       /* 0: default */
	double requests_per_second; /* 0: no limit */
	char *resolve_to;           /* or NULL */
};

struct config_mirror {
	char *host;   /* host[:port][/prefix] */
	bool resolve; /* may answer for tags when the authority cannot be reached */
	bool flat;    /* names: flat - the last path component only */
};

/* Once read, one of the last two: the default is `measured` with mirrors and without a chain. */
enum config_choose {
	CONFIG_CHOOSE_DEFAULT,
	CONFIG_CHOOSE_ORDERED,
	CONFIG_CHOOSE_MEASURED
};

struct config_upstream {
	char *name;
	char *authority; /* host[:port][/prefix] */
	struct config_mirror *mirrors;
	size_t n_mirrors;
	unsigned quorum;
	enum config_choose choose;
	char *chain; /* the order by hand, in the language of source/chain.h; or NULL */
	bool stripe_never;
	uint64_t stripe_from; /* bytes */
	bool tag_cache;       /* an answer for a tag is used again until its time is over */
	uint64_t stale_ms;    /* so old a one may be used when nobody can be asked; 0: none */
};

struct config_target {
	char *name;
	bool store;     /* the built-in store; else registry */
	char *registry; /* host[:port] or NULL */
	char *prefix;   /* "" or "k8s" */
};

/* The built-in registry. */
struct config_serve {
	char *listen;             /* "127.0.0.1:5000", "[::]:5000"; port 0: any that is free */
	char *tls_cert, *tls_key; /* PEM paths or NULL: plain HTTP */
	char *client_ca; /* PEM path or NULL: clients that show a certificate of it may push */
	char *htpasswd;  /* path or NULL: users that may push */
	bool read_only;  /* nobody may push */
	bool sparse;     /* an index may be pushed whose children are not all here */
};

enum config_index {
	CONFIG_INDEX_KEEP,
	CONFIG_INDEX_REWRITE
};
enum config_publish {
	CONFIG_PUBLISH_EACH,
	CONFIG_PUBLISH_TOGETHER
};

enum config_immutable {
	CONFIG_IMMUTABLE_DEFAULT, /* semver for registry.k8s.io, none elsewhere */
	CONFIG_IMMUTABLE_NONE,
	CONFIG_IMMUTABLE_SEMVER,
	CONFIG_IMMUTABLE_REGEX,
};

/* Versions of Kubernetes: either version, or minor and latest. */
struct config_kubeadm {
	char *version; /* one, or a range; or NULL */
	char *minor;   /* "1.33"; or NULL */
	unsigned latest;
};

struct config_rule {
	char *name;
	size_t upstream; /* index into upstreams */
	size_t *targets; /* indexes into targets, in the order written */
	size_t n_targets;
	char **repositories; /* without the upstream's prefix; at least one, or kubeadm */
	size_t n_repositories;
	struct config_kubeadm *kubeadm; /* the images of these versions, too */
	size_t n_kubeadm;
	char *rename;              /* "mirror/{repository}"; NULL: unchanged */
	char **include, **exclude; /* regular expressions; include literal names too */
	size_t n_include, n_exclude;
	char *semver;               /* or NULL */
	unsigned latest;            /* 0: all */
	struct platform *platforms; /* none: all */
	size_t n_platforms;
	enum config_index index;
	enum config_publish publish;
	bool include_foreign;
	enum config_immutable immutable;
	char *immutable_regex;
	bool has_schedule;
	struct cron schedule;
	char *schedule_text; /* or NULL */
	uint64_t jitter_ms;
};

struct config {
	char *path;  /* of the file */
	char *state; /* directory */
	unsigned parallel;
	uint64_t bandwidth; /* bytes/s; 0: no cap */
	uint64_t recheck_ms;
	uint64_t deadline_ms; /* 0: never */
	bool spool_never;
	uint64_t spool_from;  /* bytes */
	uint64_t spool_limit; /* bytes */
	char *proxy_url;      /* "": from the environment */
	char **proxy_bypass;
	size_t n_proxy_bypass;
	struct config_registry *registries;
	size_t n_registries;
	char **private_names; /* globs */
	size_t n_private;
	struct config_upstream *upstreams;
	size_t n_upstreams;
	struct config_target *targets;
	size_t n_targets;
	struct config_serve serve;
	char *kubeadm_file;                  /* lines for the table of images; or NULL */
	struct kubeadm_table *kubeadm_table; /* with them */
	struct config_rule *rules;
	size_t n_rules;
};

/* Reads a file; ERR_NOTFOUND when it is not there.  *ret is the caller's. */
NODISCARD int config_load(const char *path, struct config **ret, struct error *err);
/* The same from memory; name stands for the file in messages. */
NODISCARD int config_parse(
	const char *name, const char *text, size_t len, struct config **ret, struct error *err);
/* A configuration with every default and nothing else: for `copy`. */
struct config *config_default(void) NODISCARD;
void config_free(struct config *c);
DEFINE_CLEANUP(struct config *, config_free);

/* $REGMIRROR_CONFIG, else /etc/regmirror/regmirror.yaml. */
const char *config_default_path(void);

/* The table of images with the lines of a file (NULL: none); ERR_USAGE, or the file's failure. */
NODISCARD int config_kubeadm_table(const char *path, struct kubeadm_table **ret, struct error *err);

/* How to talk to host[:port][/path]: the entry with the longest match, or NULL. */
const struct config_registry *config_registry_of(const struct config *c, const char *name);
const struct config_rule *config_rule_find(const struct config *c, const char *name); /* or NULL */

/* The effective configuration as YAML with all defaults, secrets as "***"; loads again to the same
 * (but for secrets). */
NODISCARD int config_show(const struct config *c, struct buf *out, struct error *err);

/* The settings table, for the manual page's check: the key's path ("sync[].tags.latest"), its type,
 * its default. NULL at the end. */
struct config_setting {
	const char *path, *type, *def;
};
const struct config_setting *config_setting_at(size_t i);
