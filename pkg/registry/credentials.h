/*
 * credentials.h - docker's config.json: who to be at which registry.
 *
 * Read once at start (protocol.md 3.6): $DOCKER_CONFIG/config.json, else ~/.docker/config.json;
 * entries of `auths` with auth, username and password, identitytoken, registrytoken.  Credential
 * helpers are not run; an entry that needs one is reported by credentials_find() with ERR_USAGE,
 * naming it.
 */
#pragma once

#include "util/error.h"

/* bytes; a config.json of some hundred registries is 100 KiB */
#define CREDENTIALS_FILE_MAX ((size_t)1024 * 1024)

struct credentials;

struct credential {
	const char *username, *password, *identity_token,
		*registry_token; /* NULL: none; owned by struct credentials */
};

/*
 * path NULL: where docker looks; a missing file is an empty set. Fails with ERR_USAGE (malformed),
 * ERR_IO.
 */
NODISCARD int credentials_load(const char *path, struct credentials **ret, struct error *err);
void credentials_free(struct credentials *c);
DEFINE_CLEANUP(struct credentials *, credentials_free);
/* The entry for host (docker.io under all its names); ERR_NOTFOUND when there is none. */
NODISCARD int credentials_find(
	const struct credentials *c, const char *host, struct credential *ret, struct error *err);
