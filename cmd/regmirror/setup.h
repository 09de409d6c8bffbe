/*
 * setup.h - a configuration turned into what a run needs: loop, registries, store, state, rules.
 *
 * A struct setup owns all of it and frees it in the right order.  One thread.
 */
#pragma once

#include "config/config.h"
#include "registry/credentials.h"
#include "sync/sync.h"

struct setup;

enum setup_flags {
	SETUP_READ_ONLY = 1 << 0, /* no lock, nothing is made in the state directory */
};

/*
 * Opens the state directory (ERR_BUSY when another run holds its lock; `what` names this
 * one), starts the loop and the workers.  config is borrowed.
 */
NODISCARD int setup_new(const struct config *config, const char *what, unsigned flags,
	struct setup **ret, struct error *err);
void setup_free(struct setup *s);
DEFINE_CLEANUP(struct setup *, setup_free);

/* The client of a registry, one for each host, with its credentials and TLS files. host may carry a
 * path. */
NODISCARD int setup_registry(
	struct setup *s, const char *host, struct registry **ret, struct error *err);
/* The store of the state directory, opened when first asked for. */
NODISCARD int setup_store(struct setup *s, struct store **ret, struct error *err);

/* Rules by name (none: all) as the sync package wants them, owned by s. */
NODISCARD int setup_rules(struct setup *s, char *const *names, int n_names, struct sync_rule **ret,
	size_t *ret_n, struct error *err);

/*
 * An upstream of the given sources, owned by s: authority[/prefix] and mirrors, in the order given,
 * with what earlier runs learnt of them.
 */
struct setup_source {
	const char *host; /* host[:port][/prefix] */
	bool authority, resolve, flat;
};
NODISCARD int setup_sources(struct setup *s, const char *name, const struct setup_source *sources,
	size_t n, struct source_set **ret, struct error *err);

/* What the run measured and proved of all sources, for the next one; also after a run that failed.
 */
NODISCARD int setup_sources_save(struct setup *s, struct error *err);

/* A target, owned by s. registry NULL: the store. */
NODISCARD int setup_target(struct setup *s, const char *name, const char *registry,
	const char *prefix, struct sync_target **ret, struct error *err);

/* Whether this name (host/repository) is private: the authority alone is asked. */
NODISCARD int setup_is_private(struct setup *s, const char *name, bool *ret, struct error *err);

struct setup_parts {
	struct http_loop *loop;
	struct state *state; /* NULL: read-only and there is none */
	struct workers *workers;
	struct store *store; /* NULL: not opened */
	int state_dirfd;     /* -1: read-only and there is none */
	int scratch_dirfd;
	int spool_dirfd; /* -1: none */
};
struct setup_parts setup_parts(const struct setup *s);
struct source_set *const *setup_source_sets(const struct setup *s, size_t *ret_n);
/* What all registries together were asked. */
struct registry_stats setup_stats(const struct setup *s);
