/* kubeadm_internal.h - what the files of the table share (internal to the package). */
#pragma once

#include <stdint.h>

#include "select/kubeadm.h"
#include "select/semver.h"

/* Some patch versions of one minor version, or one pre-release, and their images. */
struct kubeadm_table_row {
	uint64_t major, minor, first, last; /* patch versions first to last */
	char *prerelease;                   /* "rc.0": of first, which is last; or NULL */
	char *registry;
	struct kubeadm_image *images;
	size_t n_images, cap_images;
};

/* Later rows win. */
struct kubeadm_table {
	struct kubeadm_table_row *rows;
	size_t n, cap;
};

extern const char kubeadm_builtin[]; /* kubeadm_table.c */

void kubeadm_row_clear(struct kubeadm_table_row *row);
/* Takes *row over. */
void kubeadm_row_add(struct kubeadm_table *t, struct kubeadm_table_row *row);
/* Appends a copy; path and tag are texts of path_len and tag_len bytes. */
NODISCARD int kubeadm_row_image(struct kubeadm_table_row *row, const char *text, size_t len,
	struct error *err); /* "coredns/coredns:v1.12.1" */

/* The last component of a path. */
const char *kubeadm_base_name(const char *path);
