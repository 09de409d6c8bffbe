/*
 * credentials.c - reading docker's config.json.
 *
 * The whole file is read at once into a map by host, so that a mistake in it is told at
 * start and not when some registry is first met.
 */
#include "registry/credentials.h"

#include <fcntl.h>
#include <strings.h>

#include "oci/json.h"
#include "registry/base64.h"
#include "util/file.h"
#include "util/map.h"
#include "util/mem.h"

#define FILE_DEPTH_MAX 16 /* JSON nesting; the keys that matter are three deep */
/* bytes of a decoded "user:password"; tokens as passwords reach some KiB */
#define AUTH_MAX ((size_t)64 * 1024)

struct entry {
	char *username, *password, *identity_token, *registry_token;
	char *helper; /* the credential helper that has it; NULL: none */
};

struct credentials {
	struct map *entries; /* host -> struct entry */
	char *path;
	char *store; /* "credsStore": the helper of every host */
};

/* The names under which Docker Hub is found, and the one it is kept under here. */
static const char hub[] = "docker.io";
static const char *const hub_names[] = {"docker.io", "index.docker.io", "registry-1.docker.io"};

static void entry_free(void *p)
{
	struct entry *e = p;

	if (!e)
		return;
	free(e->username);
	free(e->password);
	free(e->identity_token);
	free(e->registry_token);
	free(e->helper);
	free(e);
}

static void entry_freep(struct entry **e)
{
	entry_free(*e);
}

void credentials_free(struct credentials *c)
{
	if (!c)
		return;
	map_free(c->entries);
	free(c->path);
	free(c->store);
	free(c);
}

/* A key as a host: without scheme and path, in lower case, Docker Hub under one name. */
static char *host_of_key(const char *key)
{
	const char *scheme = strstr(key, "://");
	AUTO_FREE char *host = NULL;

	if (scheme)
		key = scheme + 3;
	host = xstrndup(key, strcspn(key, "/"));
	for (char *c = host; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	for (size_t i = 0; i < ARRAY_SIZE(hub_names); i++)
		if (strcmp(host, hub_names[i]) == 0)
			return xstrdup(hub);
	return steal(&host);
}

/* ---- one entry ---- */

/* "user:password", where the password may hold colons and some writers add NULs behind it. */
static int take_auth(struct entry *e, const char *text, struct error *err)
{
	AUTO(buf_clear) struct buf plain = BUF_INIT(AUTH_MAX);
	const char *colon;
	int rc = base64_decode(text, &plain, NULL);

	if (rc < 0)
		return error_set(err, ERR_USAGE, "auth: not base64, or too long");
	if (plain.len == 0)
		return 0;
	colon = strchr(buf_text(&plain), ':');
	if (!colon)
		return error_set(err, ERR_USAGE, "auth: not user:password");
	free(e->username);
	free(e->password);
	e->username = xstrndup(plain.data, (size_t)(colon - plain.data));
	e->password = xstrdup(colon + 1);
	return 0;
}

static int read_text(const struct jx_value *v, const char *key, char **place, struct error *err)
{
	const char *text = NULL;
	int rc = jx_text(v, key, &text, err);

	if (rc == 0 && text && *text)
		str_replace(place, text);
	return rc;
}

static int read_entry(void *ctx, const char *key, const struct jx_value *v, struct error *err)
{
	struct credentials *c = ctx;
	AUTO(entry_freep) struct entry *e = xcalloc(1, sizeof(*e));
	AUTO_FREE char *host = host_of_key(key);
	AUTO_FREE char *auth = NULL;
	int rc;

	if (!jx_is_object(v))
		return error_set(err, ERR_USAGE, "auths.%.80s: not an object", key);
	rc = read_text(v, "username", &e->username, err);
	if (rc == 0)
		rc = read_text(v, "password", &e->password, err);
	if (rc == 0)
		rc = read_text(v, "identitytoken", &e->identity_token, err);
	if (rc == 0)
		rc = read_text(v, "registrytoken", &e->registry_token, err);
	if (rc == 0)
		rc = read_text(v, "auth", &auth, err);
	if (rc == 0 && auth)
		rc = take_auth(e, auth, err);
	if (rc < 0)
		return error_wrap(err, rc, "auths.%.80s", key);
	/* An empty entry means that the store has it (protocol.md 3.6). */
	if (!e->username && !e->identity_token && !e->registry_token)
		str_replace(&e->helper, c->store);
	map_put_str(c->entries, host, steal(&e));
	return 0;
}

static int read_helper(void *ctx, const char *key, const struct jx_value *v, struct error *err)
{
	struct credentials *c = ctx;
	AUTO_FREE char *host = host_of_key(key);
	const char *suffix = jx_as_text(v);
	struct entry *e;

	if (!suffix)
		return error_set(err, ERR_USAGE, "credHelpers.%.80s: not a string", key);
	e = xcalloc(1, sizeof(*e));
	e->helper = xstrdup(suffix);
	map_put_str(c->entries, host, e);
	return 0;
}

/* ---- the file ---- */

static int read_members(struct credentials *c, const struct jx_value *root, struct error *err)
{
	const struct jx_value *auths = NULL, *helpers = NULL;
	int rc = read_text(root, "credsStore", &c->store, err);

	if (rc == 0)
		rc = jx_object(root, "auths", &auths, err);
	if (rc == 0)
		rc = jx_object(root, "credHelpers", &helpers, err);
	if (rc == 0 && auths)
		rc = jx_each(auths, read_entry, c, err);
	/* A helper of a host goes before what auths says of it (protocol.md 3.6). */
	if (rc == 0 && helpers)
		rc = jx_each(helpers, read_helper, c, err);
	return rc;
}

static int parse(struct credentials *c, const struct buf *text, struct error *err)
{
	AUTO(jx_freep) struct jx *j = NULL;
	int rc = jx_parse(buf_text(text), text->len, FILE_DEPTH_MAX, &j, err);

	if (rc == 0 && !jx_is_object(jx_root(j)))
		rc = error_set(err, ERR_USAGE, "not a JSON object");
	if (rc == 0)
		rc = read_members(c, jx_root(j), err);
	if (rc == 0)
		return 0;
	(void)error_wrap(err, -ERR_USAGE, "%s", c->path);
	/* The getters blame a peer; this one is the user's own file. */
	if (err)
		err->code = ERR_USAGE;
	return -ERR_USAGE;
}

static char *default_path(void)
{
	const char *folder = getenv("DOCKER_CONFIG");
	const char *home = getenv("HOME");

	if (folder && *folder)
		return xasprintf("%s/config.json", folder);
	return home && *home ? xasprintf("%s/.docker/config.json", home) : NULL;
}

int credentials_load(const char *path, struct credentials **ret, struct error *err)
{
	AUTO(credentials_freep) struct credentials *c = xcalloc(1, sizeof(*c));
	AUTO(error_clear) struct error why = ERROR_INIT;
	AUTO(buf_clear) struct buf text = BUF_INIT(CREDENTIALS_FILE_MAX);
	int rc;

	c->entries = map_new(entry_free);
	c->path = path ? xstrdup(path) : default_path();
	rc = c->path ? file_read(AT_FDCWD, c->path, &text, &why) : -ERR_NOTFOUND;
	if (rc == -ERR_NOMEM)
		return error_set(err,
			ERR_USAGE,
			"%s: larger than %zu bytes (CREDENTIALS_FILE_MAX)",
			c->path,
			CREDENTIALS_FILE_MAX);
	if (rc < 0 && rc != -ERR_NOTFOUND) {
		if (err)
			error_move(err, &why);
		return rc;
	}
	rc = rc == 0 ? parse(c, &text, err) : 0;
	if (rc < 0)
		return rc;
	*ret = steal(&c);
	return 0;
}

int credentials_find(
	const struct credentials *c, const char *host, struct credential *ret, struct error *err)
{
	AUTO_FREE char *key = host_of_key(host);
	const struct entry *e = map_get_str(c->entries, key);

	if (e && e->helper)
		return error_set(err,
			ERR_USAGE,
			"%s: the credentials for %.80s are kept by the helper docker-credential-%.40s, which is "
			"not run; put a user name and password into the configuration",
			c->path,
			host,
			e->helper);
	if (!e || (!e->username && !e->identity_token && !e->registry_token))
		return error_set(err, ERR_NOTFOUND, "no credentials for %.80s", host);
	*ret = (struct credential){
		.username = e->username,
		.password = e->password,
		.identity_token = e->identity_token,
		.registry_token = e->registry_token,
	};
	return 0;
}
