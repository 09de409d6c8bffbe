/* adhoc.c - a configuration for commands that need no file. */
#include "adhoc.h"

#include <assert.h>
#include <pwd.h>

#include "oci/reference.h"
#include "util/mem.h"

/* Where a run without a configuration remembers: as root the system's place, else the user's. */
static char *default_state_dir(void)
{
	const char *home = getenv("HOME"), *xdg = getenv("XDG_STATE_HOME");
	const struct passwd *user;

	if (geteuid() == 0)
		return xstrdup("/var/lib/regmirror");
	if (xdg && *xdg == '/')
		return xasprintf("%s/regmirror", xdg);
	if (home && *home == '/')
		return xasprintf("%s/.local/state/regmirror", home);
	user = getpwuid(geteuid());
	return user ? xasprintf("%s/.local/state/regmirror", user->pw_dir) : NULL;
}

static int base_config(const struct program *program, struct config **ret, struct error *err)
{
	AUTO(config_freep) struct config *config = NULL;
	const char *named = getenv("REGMIRROR_CONFIG");
	int rc;

	/* A file only when it is asked for, or is where it is expected: its hosts and secrets serve
	 * here, too. */
	rc = program_config(program, &config, err);
	if (rc < 0 && (program->config_path || (named && *named)))
		return rc;
	if (rc < 0 && access(config_default_path(), F_OK) == 0)
		return rc;
	if (rc < 0) {
		error_clear(err);
		config = config_default();
		free(config->state);
		config->state =
			program->state_dir ? xstrdup(program->state_dir) : default_state_dir();
		if (!config->state)
			return error_set(err, ERR_USAGE, "no home directory: say --state DIR");
	}
	*ret = steal(&config);
	return 0;
}

/* Hosts of --plain become entries like those of a file. */
static int add_plain_hosts(struct config *config, const struct opt_list *plain, struct error *err)
{
	assert(config);
	for (size_t i = 0; i < plain->n; i++) {
		const char *host = plain->items[i];

		if (!host_is_valid(host))
			return error_set(
				err, ERR_USAGE, "--plain: '%.80s' is no host[:port]", host);
		config->registries = xrealloc(config->registries,
			config->n_registries + 1,
			sizeof(struct config_registry));
		config->registries[config->n_registries++] =
			(struct config_registry){.host = xstrdup(host), .tls = false};
	}
	return 0;
}

int adhoc_config(const struct program *program, const struct opt_list *plain, struct config **ret,
	struct error *err)
{
	AUTO(config_freep) struct config *config = NULL;
	int rc = base_config(program, &config, err);

	if (rc == 0)
		rc = add_plain_hosts(config, plain, err);
	if (rc < 0)
		return rc;
	*ret = steal(&config);
	return 0;
}
