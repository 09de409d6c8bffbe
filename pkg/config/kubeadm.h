/*
 * kubeadm.h - versions of Kubernetes in a rule: how they may be written, and that they are known.
 *
 * `kubeadm` is a list of mappings; a text stands for one ("1.34.1", ">=1.33 <1.35",
 * "latest-2 of 1.33"), and { versions: [...] } for the list.
 */
#pragma once

#include "config/types.h"

/* The list that a setting's node stands for: another node for { versions: [...] }. */
const struct yaml_node *kubeadm_list(const struct setting *s, const struct yaml_node *node);
/* An entry that is a text. */
NODISCARD int kubeadm_read_text(const struct reader *r, const struct yaml_node *entry,
	struct config_kubeadm *ret, struct error *err);

/* What must hold in an entry, in a rule, and of all rules.  ERR_USAGE, "file:line:column: ...". */
NODISCARD int kubeadm_check_entry(const struct reader *r, const struct yaml_node *node,
	const struct config_kubeadm *entry, struct error *err);
NODISCARD int kubeadm_check_rule(const struct reader *r, const struct yaml_node *node,
	const struct config_rule *rule, struct error *err);
NODISCARD int kubeadm_check_versions(
	const struct reader *r, const struct yaml_node *node, struct error *err);
