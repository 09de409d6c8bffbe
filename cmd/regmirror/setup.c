/* setup.c - opening and closing what a run needs. */
#include "setup.h"

#include <fcntl.h>
#include <ftw.h>

#include "setup_internal.h"
#include "setup_kubeadm.h"
#include "transfer/spool.h"
#include "util/file.h"
#include "util/lock.h"
#include "util/log.h"
#include "util/mem.h"

#define WORKERS       4                  /* fsync waits, it does not compute: more than the cores */
#define WORKERS_QUEUE 1024               /* finished blobs that wait for their fsync */
#define SPOOL_MAX_AGE (7ULL * 24 * 3600) /* seconds: what nobody resumed for a week goes */
#define REMOVE_FDS    8                  /* directories that nftw() holds open */

static const char *proxy_of(const struct config *config)
{
	return config->proxy_url && *config->proxy_url ? config->proxy_url : NULL;
}

/* The bypass list as the environment's NO_PROXY writes it. */
static char *no_proxy_of(const struct config *config)
{
	AUTO(buf_clear) struct buf b = BUF_INIT(CONFIG_FILE_MAX);

	if (config->n_proxy_bypass == 0)
		return NULL;
	for (size_t i = 0; i < config->n_proxy_bypass; i++)
		if (buf_printf(&b, NULL, "%s%s", i ? "," : "", config->proxy_bypass[i]) < 0)
			break;
	return buf_steal(&b);
}

static int open_loop(struct setup *s, struct error *err)
{
	struct http_loop_options options = {
		.user_agent = "regmirror/" VERSION,
		.max_connections = 2 * s->config->parallel + 8,
		.bandwidth = s->config->bandwidth,
		.proxy = proxy_of(s->config),
	};

	s->no_proxy = no_proxy_of(s->config);
	options.no_proxy = s->no_proxy;
	return http_loop_new(&options, &s->loop, err);
}

static int open_state(struct setup *s, const char *what, struct error *err)
{
	int rc = dir_open(AT_FDCWD, s->config->state, true, &s->state_fd, err);

	if (rc < 0)
		return error_wrap(err, rc, "state directory");
	rc = lock_take(s->state_fd, "lock", what, &s->lock_fd, err);
	if (rc < 0)
		return error_wrap(err, rc, "state directory '%s'", s->config->state);
	rc = state_open(s->state_fd, false, &s->state, err);
	if (rc == 0 && !s->config->spool_never)
		rc = dir_open(s->state_fd, "spool", true, &s->spool_fd, err);
	if (rc == 0 && s->spool_fd >= 0)
		rc = spool_sweep(s->spool_fd, SPOOL_MAX_AGE, err);
	s->scratch_fd = s->state_fd;
	return rc;
}

/* Nothing is made: what is not there is as good as empty. */
static int open_state_read_only(struct setup *s, struct error *err)
{
	const char *tmp = getenv("TMPDIR");
	int rc = dir_open(AT_FDCWD, s->config->state, false, &s->state_fd, err);

	if (rc == 0)
		rc = state_open(s->state_fd, true, &s->state, err);
	if (rc < 0 && err->code != ERR_NOTFOUND)
		return error_wrap(err, rc, "state directory");
	error_clear(err);
	s->own_scratch = true;
	return dir_open(AT_FDCWD, tmp && *tmp ? tmp : "/tmp", false, &s->scratch_fd, err);
}

int setup_new(const struct config *config, const char *what, unsigned flags, struct setup **ret,
	struct error *err)
{
	AUTO(setup_freep) struct setup *s = xcalloc(1, sizeof(*s));
	int rc;

	s->config = config;
	s->read_only = flags & SETUP_READ_ONLY;
	s->state_fd = s->lock_fd = s->spool_fd = s->scratch_fd = -1;
	s->private_hosts = map_new(NULL);
	s->registries = map_new((void (*)(void *))registry_free);
	s->listings = map_new(kubeadm_listing_free);
	for (size_t i = 0; i < config->n_registries; i++) {
		log_redact(config->registries[i].password);
	}
	rc = s->read_only ? open_state_read_only(s, err) : open_state(s, what, err);
	if (rc == 0)
		rc = credentials_load(NULL, &s->credentials, err);
	if (rc == 0)
		rc = open_loop(s, err);
	if (rc == 0)
		rc = workers_new(WORKERS, WORKERS_QUEUE, &s->workers, err);
	if (rc < 0)
		return rc;
	*ret = steal(&s);
	return 0;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		(void)close(fd);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void remove_temporary(struct setup *s)
{
	if (s->temporary && nftw(s->temporary, remove_entry, REMOVE_FDS, FTW_DEPTH | FTW_PHYS) < 0)
		log_warn("'%s' could not be removed: %s", s->temporary, strerror(errno));
	free(s->temporary);
}

void setup_free(struct setup *s)
{
	if (!s)
		return;
	workers_free(s->workers);
	setup_rules_free(s);
	map_free(s->registries);
	map_free(s->listings);
	map_free(s->private_hosts);
	http_loop_free(s->loop);
	store_close(s->store);
	remove_temporary(s);
	state_close(s->state);
	credentials_free(s->credentials);
	free(s->no_proxy);
	close_fd(s->spool_fd);
	if (s->own_scratch)
		close_fd(s->scratch_fd);
	close_fd(s->state_fd);
	close_fd(s->lock_fd);
	free(s);
}

/* Nothing may be made in the state directory: a store that is not there is an empty one elsewhere.
 */
static int open_empty_store(struct setup *s, struct error *err)
{
	const char *tmp = getenv("TMPDIR");
	AUTO_FREE char *path = xasprintf("%s/regmirror-plan.XXXXXX", tmp && *tmp ? tmp : "/tmp");

	if (!mkdtemp(path))
		return error_errno(err, "make a temporary directory '%s'", path);
	s->temporary = steal(&path);
	return store_open(s->temporary, &s->store, err);
}

int setup_store(struct setup *s, struct store **ret, struct error *err)
{
	AUTO_FREE char *path = xasprintf("%s/store", s->config->state);
	AUTO_FREE char *format = xasprintf("%s/format", path);
	int rc = 0;

	if (!s->store && s->read_only && access(format, F_OK) < 0)
		rc = open_empty_store(s, err);
	else if (!s->store)
		rc = store_open(path, &s->store, err);
	if (rc < 0)
		return error_wrap(err, rc, "store");
	*ret = s->store;
	return 0;
}

struct setup_parts setup_parts(const struct setup *s)
{
	return (struct setup_parts){
		.loop = s->loop,
		.state = s->state,
		.workers = s->workers,
		.store = s->store,
		.state_dirfd = s->state_fd,
		.scratch_dirfd = s->scratch_fd,
		.spool_dirfd = s->spool_fd,
	};
}

struct source_set *const *setup_source_sets(const struct setup *s, size_t *ret_n)
{
	*ret_n = s->n_sets;
	return s->sets;
}

struct registry_stats setup_stats(const struct setup *s)
{
	struct registry_stats all = {.requests = 0};

	for (struct map_item *i = map_first(s->registries); i; i = map_next(i)) {
		struct registry_stats one = registry_stats(map_value(i));

		all.requests += one.requests;
		all.retries += one.retries;
		all.throttled += one.throttled;
	}
	return all;
}
