/* setup_kubeadm.h - the versions of Kubernetes in a rule, as repositories with their tags. */
#pragma once

#include "setup.h"

struct kubeadm_parts;                             /* what such a rule points to */
void kubeadm_parts_free(struct kubeadm_parts *p); /* NULL is fine */

/* The tags of kube-apiserver at an upstream, listed once for all rules. */
struct kubeadm_listing;
void kubeadm_listing_free(void *listing);

/*
 * Gives `to`, which is complete but for them, its repositories.  Ranges and newest versions are
 * looked for among the upstream's tags: that is a listing, and waits for it.  Versions that cannot
 * be had become failed images of the rule, and do not stop the others.  Fails with ERR_USAGE.
 */
NODISCARD int setup_kubeadm(struct setup *s, const struct config_rule *from,
	struct kubeadm_parts **ret, struct sync_rule *to, struct error *err);
