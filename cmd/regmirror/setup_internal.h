/* setup_internal.h - what setup.c and setup_rules.c share. */
#pragma once

#include "setup.h"
#include "util/map.h"

struct setup {
	const struct config *config;
	bool read_only, own_scratch;
	int state_fd, lock_fd, spool_fd, scratch_fd;
	char *no_proxy;
	char *temporary; /* directory of a plan's empty store; or NULL */
	struct http_loop *loop;
	struct workers *workers;
	struct state *state;
	struct store *store;
	struct credentials *credentials;
	struct map *registries; /* host and its entry in the configuration -> struct registry */
	struct map *listings;   /* upstream -> struct kubeadm_listing */

	struct source_set **sets;
	size_t n_sets, cap_sets;
	struct sync_target **targets;
	size_t n_targets, cap_targets;
	struct sync_rule *rules;
	struct rule_parts *parts; /* what each rule owns */
	size_t n_rules;
	struct pattern **private_patterns;
	size_t n_private;
	struct map *private_hosts; /* that hold names which are private -> itself */
};

void setup_rules_free(struct setup *s);
