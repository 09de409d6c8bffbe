/*
 * What kubeadm printed and lines of a table: whatever is taken can be listed, and a line made of it
 * means the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "select/kubeadm.h"
#include "util/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *list(const struct kubeadm_table *t, const char *version)
{
	AUTO(kubeadm_images_clear) struct kubeadm_images images = {.n = 0};
	char *all = xstrdup("");

	if (kubeadm_images_get(t, version, &images, NULL) < 0)
		abort();
	for (size_t i = 0; i < images.n; i++) {
		AUTO_FREE char *reference = kubeadm_reference(&images, i, NULL);
		AUTO_FREE char *before = all;

		all = xasprintf("%s%s\n", before, reference);
	}
	return all;
}

static void check_version(const struct kubeadm_table *t, const char *version)
{
	AUTO(kubeadm_table_freep) struct kubeadm_table *second = kubeadm_table_new();
	AUTO(kubeadm_images_clear) struct kubeadm_images images = {.n = 0};
	AUTO(kubeadm_copies_clear) struct kubeadm_copies copies = {.n = 0};
	AUTO_FREE char *once = list(t, version);
	AUTO_FREE char *row = NULL;
	AUTO_FREE char *twice = NULL;

	if (kubeadm_images_get(t, version, &images, NULL) < 0)
		abort();
	row = kubeadm_row(&images);
	if (strchr(version, '+')) /* a table has none: builds of a version have its images */
		return;
	if (kubeadm_table_add(second, "row", row, strlen(row), NULL) < 0)
		abort();
	twice = list(second, version);
	if (strcmp(once, twice) != 0)
		abort();
	if (kubeadm_copies_add(&copies, t, version, NULL) < 0 || copies.n == 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(kubeadm_table_freep) struct kubeadm_table *t = kubeadm_table_new();
	AUTO_FREE char *version = NULL;
	const char *text = (const char *)data;
	size_t n = 0;

	if (kubeadm_table_add_output(t, "input", text, size, &version, NULL) == 0)
		check_version(t, version);
	else if (kubeadm_table_add(t, "input", text, size, NULL) == 0) {
		char **versions = kubeadm_table_versions(t, &n);

		/* The last ones are those of the input. */
		for (size_t i = 0; i < n; i++) {
			if (i + 4 > n)
				check_version(t, versions[i]);
			free(versions[i]);
		}
		free(versions);
	}
	return 0;
}
