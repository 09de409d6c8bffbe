/*
 * quirks.c - the table of named registries and their ways.
 */
#include "registry/quirks.h"

#include <fnmatch.h>

#include "util/compiler.h"

#define MIB ((size_t)1024 * 1024)

/* Sources: guides/protocol.md 4.2 (Docker Hub) and 4.3 (all others). */
static const struct quirks table[] = {
	{.hosts = "docker.io",
		.api_host = "registry-1.docker.io",
		.flags = QUIRK_LIBRARY | QUIRK_ABSENT_IS_401},
	{.hosts = "index.docker.io",
		.api_host = "registry-1.docker.io",
		.flags = QUIRK_LIBRARY | QUIRK_ABSENT_IS_401},
	{.hosts = "registry-1.docker.io", .flags = QUIRK_LIBRARY | QUIRK_ABSENT_IS_401},
	/* A PATCH with Content-Range above 4 MiB is answered 416 "too large". */
	{.hosts = "ghcr.io", .chunk_max = 4 * MIB},
	/* Parts of 5 to 10 MiB; its Range answer stays at the first chunk's end. */
	{.hosts = "*.dkr.ecr.*.amazonaws.com", .chunk_min = 5 * MIB, .chunk_max = 10 * MIB},
	/*
	 * Artifact Registry and what is left of Container Registry: documented as monolithic only.
	 */
	{.hosts = "*-docker.pkg.dev", .flags = QUIRK_NO_PATCH},
	{.hosts = "gcr.io", .flags = QUIRK_NO_PATCH},
	{.hosts = "*.gcr.io", .flags = QUIRK_NO_PATCH},
	{.hosts = "quay.io", .flags = QUIRK_DELETE_IS_PUSH},
	/* Artifactory in the cloud: RTFACT-13797. */
	{.hosts = "*.jfrog.io", .flags = QUIRK_ABSENT_IS_403},
	{.hosts = "*"},
};

const struct quirks *quirks_of(const char *host)
{
	size_t i = 0;

	while (i + 1 < ARRAY_SIZE(table) && fnmatch(table[i].hosts, host, 0) != 0)
		i++;
	return &table[i];
}
