/* cmd_serve.c - `regmirror serve`: the built-in registry over the store, in the foreground. */
#include <fcntl.h>
#include <sys/resource.h>

#include "adhoc.h"
#include "config/checks.h"
#include "program.h"
#include "server/registry.h"
#include "systemd.h"
#include "util/file.h"
#include "util/log.h"
#include "util/mem.h"

#define GRACE_MS    30000 /* for requests under way when it is stopped; systemd kills after 120 s */
#define DESCRIPTORS 65536 /* as LimitNOFILE of the unit: four for each connection that may be */

static struct {
	const char *listen;
	bool read_only;
} args;

const struct opt serve_opts[] = {
	OPT_STR(0, "listen", &args.listen, "ADDRESS:PORT",
		"listen here; port 0 is any that is free"),
	OPT_FLAG(0, "read-only", &args.read_only, "nobody may push or delete"),
	OPT_END,
};

/* Secrets travel in headers, which are not logged. */
static void log_fields(const struct access_line *a)
{
	const struct log_field fields[] = {
		{"peer", a->peer, 0},
		{"user", a->user ? a->user : "-", 0},
		{"method", a->method, 0},
		{"path", a->path, 0},
		{"status", NULL, (uint64_t)a->status},
		{"complete", a->complete ? "true" : "false", 0},
		{"in", NULL, a->bytes_in},
		{"out", NULL, a->bytes_out},
		{"ms", NULL, a->ms},
		{"agent", a->agent ? a->agent : "-", 0},
		{NULL, NULL, 0},
	};

	log_event(LOG_INFO_, fields, "request");
}

static void on_access(void *ctx, const struct access_line *a)
{
	const struct program *program = ctx;
	AUTO(buf_clear) struct buf line = BUF_INIT(ACCESS_LINE_MAX);

	if (strcmp(program->log_format, "json") == 0)
		log_fields(a);
	else if (access_line_format(a, &line, NULL) == 0)
		log_info("%s", buf_text(&line));
}

static void on_trouble(void *ctx, const char *text)
{
	(void)ctx;
	log_error("%s", text);
}

/* A password that anybody on the way can read. */
static void warn_of_plain_passwords(const struct config_serve *serve)
{
	if (serve->htpasswd && !serve->tls_cert && strncmp(serve->listen, "127.", 4) != 0 &&
		strncmp(serve->listen, "[::1]", 5) != 0)
		log_warn("passwords are sent over plain HTTP to %s: set serve.tls-cert and "
			 "serve.tls-key",
			serve->listen);
}

/* Until it is to end; SIGHUP reads certificate and users again. */
static void wait_for_signals(struct server *server, const sigset_t *signals, const char *status)
{
	int sig = 0;

	while (sigwait(signals, &sig) == 0 && sig == SIGHUP) {
		AUTO(error_clear) struct error err = ERROR_INIT;

		systemd_reloading();
		if (server_reload(server, &err) < 0)
			log_error("not all was read again: %s; what was there before is used",
				error_text(&err));
		else
			log_info("certificate and users were read again");
		systemd_ready(status);
	}
}

static int run(struct program *program, const struct config *config, struct store *store,
	int socket_fd, struct error *err)
{
	const struct config_serve *serve = &config->serve;
	struct server_options options = {
		.store = store,
		.listen = serve->listen,
		.socket_fd = socket_fd,
		.tls_cert = serve->tls_cert,
		.tls_key = serve->tls_key,
		.client_ca = serve->client_ca,
		.htpasswd = serve->htpasswd,
		.read_only = serve->read_only,
		.sparse = serve->sparse,
		.access = log_enabled(LOG_INFO_) ? on_access : NULL,
		.trouble = on_trouble,
		.ctx = program,
	};
	struct server *server = NULL;
	AUTO_FREE char *status = NULL;
	sigset_t signals, before;
	int rc;

	/* Before any thread is there, so that all of them leave the signals to this one. */
	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGHUP);
	(void)sigaddset(&signals, SIGINT);
	(void)sigaddset(&signals, SIGTERM);
	(void)pthread_sigmask(SIG_BLOCK, &signals, &before);
	rc = server_start(&options, &server, err);
	if (rc < 0)
		return rc;
	status = xasprintf(
		"listening on %s://%s", serve->tls_cert ? "https" : "http", server_address(server));
	puts(status);
	(void)fflush(stdout);
	systemd_ready(status);
	wait_for_signals(server, &signals, status);
	/* A second signal ends it at once. */
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	systemd_stopping();
	log_info("stopping: requests under way have %d s", GRACE_MS / 1000);
	server_stop(server, GRACE_MS);
	return 0;
}

/* Each connection is a descriptor, and the limit that shells hand on is for older programs. */
static void raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* As of the configuration's setting. */
static int listen_here(struct config *config, const char *address, struct error *err)
{
	int rc = check_listen(address, err);

	if (rc < 0)
		return error_wrap(err, rc, "--listen");
	str_replace(&config->serve.listen, address);
	return 0;
}

static int open_store(const struct config *config, struct store **ret, struct error *err)
{
	AUTO_FREE char *path = xasprintf("%s/store", config->state);
	AUTO_CLOSE int fd = -1;
	int rc = dir_open(AT_FDCWD, config->state, true, &fd, err);

	if (rc == 0)
		rc = store_open(path, ret, err);
	return rc < 0 ? error_wrap(err, rc, "store") : 0;
}

int cmd_serve(struct program *program, int argc, char **argv, struct error *err)
{
	AUTO(config_freep) struct config *config = NULL;
	AUTO(store_closep) struct store *store = NULL;
	struct opt_list no_hosts = {.n = 0};
	int n, socket_fd = -1;
	int rc = opt_parse(serve_opts, argc, argv, &n, err);

	if (rc != 0)
		return rc < 0 ? EXIT_USAGE : EXIT_DONE;
	if (n > 0) {
		(void)error_set(err, ERR_USAGE, "serve takes no operands");
		return EXIT_USAGE;
	}
	rc = adhoc_config(program, &no_hosts, &config, err);
	if (rc == 0 && args.listen)
		rc = listen_here(config, args.listen, err);
	if (rc == 0)
		rc = systemd_socket(&socket_fd, err);
	if (rc == 0)
		rc = open_store(config, &store, err);
	if (rc < 0)
		return exit_code_of(err);
	config->serve.read_only |= args.read_only;
	raise_descriptors();
	warn_of_plain_passwords(&config->serve);
	rc = run(program, config, store, socket_fd, err);
	return rc < 0 ? exit_code_of(err) : EXIT_DONE;
}
