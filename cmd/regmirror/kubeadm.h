/*
 * kubeadm.h - what the subcommands of `regmirror kubeadm` share.
 *
 * A place is where kubeadm's images are, or shall be: a target of a rule with `kubeadm`, a target
 * that is named, or the registry of --image-repository.
 */
#pragma once

#include "oci/platform.h"
#include "program.h"

struct kubeadm_place {
	char *name;                     /* of the target, or as given */
	char *registry;                 /* host[:port]; NULL: the store */
	char *prefix;                   /* before every repository; "" */
	char *rename;                   /* the rule's; or NULL */
	const struct config_rule *rule; /* or NULL */
};

struct kubeadm_places {
	struct kubeadm_place *items;
	size_t n, cap;
};

/* All borrowed. */
struct kubeadm_job {
	const struct config *config;
	const struct kubeadm_images *images; /* of the version; n is 0: none was given */
	const char *image_repository;        /* or NULL */
	const char *runtime;                 /* hosts: --for, or NULL */
	const char *api_version;             /* config: or NULL */
	const struct platform *platforms;    /* check */
	size_t n_platforms;
	bool json, kubeadm_only;
	char *const *names; /* targets */
	int n_names;
};

/*
 * The places that are meant: ERR_USAGE when there are none, or a name is no target's.  Cleared by
 * the caller in any case.
 */
NODISCARD int kubeadm_places(
	const struct kubeadm_job *job, struct kubeadm_places *ret, struct error *err);
void kubeadm_places_clear(struct kubeadm_places *p);
/* Where nodes find its images: "reg.local:5000/k8s"; the caller frees.  ERR_USAGE for the store. */
NODISCARD int kubeadm_place_repository(
	const struct kubeadm_place *place, char **ret, struct error *err);
/* One image's repository at the place, without its host: "k8s/coredns"; the caller frees. */
char *kubeadm_place_name(const struct kubeadm_place *place, const char *repository) NODISCARD;

/* The tag of an image of the version, by its last component: "pause"; NULL: it has none. */
const char *kubeadm_tag_of(const struct kubeadm_images *images, const char *name);

/* The subcommands: an exit code, and err filled on failure. */
int kubeadm_config(const struct kubeadm_job *job, struct error *err);
int kubeadm_hosts(const struct kubeadm_job *job, struct error *err);
int kubeadm_check(const struct kubeadm_job *job, struct error *err);
