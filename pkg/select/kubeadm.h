/*
 * kubeadm.h - which images a version of Kubernetes needs.
 *
 * kubeadm has the tags of coredns, etcd and pause in its binary (guides/protocol.md 5.1), so they
 * are known per patch version only: a table (kubeadm_table.c) has them, and what it does not know
 * is an error that says how to extend it, never a guess.  Rows of a file, or what `kubeadm config
 * images list` printed, are added to the table and win over what is there.  Pure: no I/O.
 *
 * A table in text: lines of words; '#' begins a comment.
 *
 *	VERSIONS     REGISTRY         IMAGE...
 *	1.34.0..1    registry.k8s.io  coredns/coredns:v1.12.1 pause:3.10.1 etcd:3.6.4-0
 *	1.37.0-rc.0  registry.k8s.io  coredns/coredns:v1.14.6 pause:3.10.2 etcd:3.7.0-0
 *
 * VERSIONS is one version, or the patch versions "from..to" of one minor version.  REGISTRY is
 * kubeadm's default repository then; the images are in the order in which kubeadm lists them,
 * behind kube-apiserver and its kin, which have the version as their tag.
 *
 *	AUTO(kubeadm_table_freep) struct kubeadm_table *table = kubeadm_table_new();
 *	AUTO(kubeadm_images_clear) struct kubeadm_images images = {.n = 0};
 *
 *	if (kubeadm_images_get(table, "1.34.1", &images, &err) < 0)
 *		...
 *
 * All ERR_USAGE unless said otherwise.  A table may be read by several threads.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "util/error.h"

#define KUBEADM_TABLE_MAX  ((size_t)1024 * 1024) /* bytes of a table's file; 100 lines are 8 KiB */
#define KUBEADM_OUTPUT_MAX ((size_t)256 * 1024)  /* bytes of what kubeadm printed; it is 1 KiB */
#define KUBEADM_IMAGES_MAX 64                    /* images of one version; there are 7 */
#define KUBEADM_APISERVER  "kube-apiserver"      /* whose tags are the versions of Kubernetes */

/* ---- the table ---- */

struct kubeadm_table;

struct kubeadm_table *kubeadm_table_new(void) NODISCARD; /* the built-in rows */
void kubeadm_table_free(struct kubeadm_table *t);        /* NULL is fine */
DEFINE_CLEANUP(struct kubeadm_table *, kubeadm_table_free);

/* Adds the rows of a text.  "name:line: message"; the table is unchanged then. */
NODISCARD int kubeadm_table_add(
	struct kubeadm_table *t, const char *name, const char *text, size_t len, struct error *err);
/*
 * Adds what `kubeadm config images list` printed, as text or with -o json; klog's lines
 * ("W1104 23:11:04 ...") are skipped.  A list with another image repository counts as one of
 * registry.k8s.io.  *ret_version, the caller's, is the version that it is of: "v1.34.1".
 */
NODISCARD int kubeadm_table_add_output(struct kubeadm_table *t, const char *name, const char *text,
	size_t len, char **ret_version, struct error *err);

/* ---- the images of a version ---- */

struct kubeadm_image {
	char *path; /* behind the registry: "coredns/coredns" */
	char *tag;
};

struct kubeadm_images {
	char *version;  /* "v1.34.1" */
	char *registry; /* kubeadm's default: "registry.k8s.io" */
	struct kubeadm_image *items;
	size_t n;
};

void kubeadm_images_clear(struct kubeadm_images *images);
/*
 * "1.34.1", "v1.34.1", "1.37.0-rc.0".  An unknown version says what is known, and how to make this
 * one known.
 */
NODISCARD int kubeadm_images_get(const struct kubeadm_table *t, const char *version,
	struct kubeadm_images *ret, struct error *err);
/*
 * As kubeadm writes it: for another repository than the version's own, only the last component of
 * a path is kept ("REPOSITORY/coredns:v1.12.1").  NULL: the version's own.  The caller frees.
 */
char *kubeadm_reference(
	const struct kubeadm_images *images, size_t i, const char *repository) NODISCARD;
/* The version as a line of a table; the caller frees. */
char *kubeadm_row(const struct kubeadm_images *images) NODISCARD;

/* ---- which versions are wanted ---- */

/* Either version, or minor and latest. */
struct kubeadm_wish {
	const char *version; /* "1.34.1", or a range (range.h): ">=1.33 <1.35", "1.34" */
	const char *minor;   /* "1.33" ... */
	unsigned latest;     /* ... and so many of its newest patch versions */
};

/* "1.34.1", ">=1.33 <1.35", "latest-2 of 1.33".  The texts are the caller's. */
NODISCARD int kubeadm_wish_parse(const char *text, char **ret_version, char **ret_minor,
	unsigned *ret_latest, struct error *err);
/* One version, with all three numbers: no upstream needs to be asked. */
bool kubeadm_wish_is_exact(const struct kubeadm_wish *w);
/* Whether it is one: its form only. */
NODISCARD int kubeadm_wish_check(const struct kubeadm_wish *w, struct error *err);
/*
 * Sets chosen[i] where the wish means tags[i], a tag of kube-apiserver; the others are left.
 * Pre-releases are chosen only by a range with a bound that is one of the same version (range.h).
 * Fails with ERR_NOTFOUND when none is meant.
 */
NODISCARD int kubeadm_wish_select(const struct kubeadm_wish *w, const char *const *tags, size_t n,
	bool *chosen, struct error *err);
/* The versions of the table among which a wish may be looked for without an upstream, as tags. */
char **kubeadm_table_versions(const struct kubeadm_table *t, size_t *ret_n) NODISCARD;

/* ---- what a mirror of versions holds ---- */

/* Who asks for an image under its name at the mirror. */
enum kubeadm_use {
	KUBEADM_LISTED,   /* kubeadm, with the mirror as imageRepository */
	KUBEADM_UPSTREAM, /* a runtime that takes the mirror for registry.k8s.io */
	KUBEADM_RUNTIME,  /* a runtime: its own sandbox image may differ from kubeadm's */
};
const char *kubeadm_use_name(enum kubeadm_use use); /* "kubeadm", "upstream name", "runtime" */

struct kubeadm_copy {
	char *repository; /* at the upstream */
	char *as;         /* at the mirror, behind its prefix; another one for coredns */
	char **tags;
	enum kubeadm_use *uses; /* of each tag */
	size_t n_tags, cap_tags, cap_uses;
};

struct kubeadm_copies {
	struct kubeadm_copy *items;
	size_t n, cap;
};

void kubeadm_copies_clear(struct kubeadm_copies *c);
/*
 * Adds all that a version needs (protocol.md 8.2): its images, coredns under both of its names,
 * and every pause image that runtimes ask for.  Each once, however many versions share it.
 */
NODISCARD int kubeadm_copies_add(struct kubeadm_copies *c, const struct kubeadm_table *t,
	const char *version, struct error *err);
/* Whether kubeadm_copies_add() may name this repository of an upstream. */
bool kubeadm_has_repository(const char *repository);
