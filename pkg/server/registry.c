/* registry.c - starting and stopping the registry, and the parts that it is made of. */
#include "server/registry.h"

#include "server/internal.h"
#include "util/mem.h"

static void server_free(struct server *s)
{
	if (!s)
		return;
	upkeep_stop(s);
	workers_free(s->workers);
	htpasswd_free(s->htpasswd);
	hot_free(s->hot);
	(void)pthread_mutex_destroy(&s->parse_lock);
	(void)pthread_mutex_destroy(&s->job_lock);
	(void)pthread_cond_destroy(&s->job_done);
	free(s);
}
DEFINE_CLEANUP(struct server *, server_free);

static int listen_on(struct server *s, struct error *err)
{
	const struct server_options *o = &s->options;
	struct httpd_options options = {
		.listen = o->listen,
		.socket_fd = o->socket_fd,
		.tls_cert = o->tls_cert,
		.tls_key = o->tls_key,
		.client_ca = o->client_ca,
		.threads = o->threads,
		.connections = o->connections,
		.handler = &exchange_handler,
		.ctx = s,
	};

	struct httpd *httpd = NULL;
	int rc = httpd_start(&options, &httpd, err);

	if (rc == 0)
		atomic_store(&s->httpd, httpd);
	return rc;
}

int server_start(const struct server_options *options, struct server **ret, struct error *err)
{
	AUTO(server_freep) struct server *s = xcalloc(1, sizeof(*s));
	unsigned connections = options->connections ? options->connections : HTTPD_CONNECTIONS_MAX;
	int rc = 0;

	s->options = *options;
	s->hot = hot_new();
	(void)pthread_mutex_init(&s->parse_lock, NULL);
	(void)pthread_mutex_init(&s->job_lock, NULL);
	(void)pthread_cond_init(&s->job_done, NULL);
	if (options->htpasswd)
		rc = htpasswd_open(options->htpasswd, &s->htpasswd, err);
	if (rc == 0)
		rc = workers_new(SERVER_WORKERS, connections, &s->workers, err);
	if (rc == 0)
		rc = upkeep_start(s, err);
	/* Last: from here on requests come. */
	if (rc == 0)
		rc = listen_on(s, err);
	if (rc < 0)
		return rc;
	*ret = steal(&s);
	return 0;
}

void server_trouble(struct server *s, const char *what, const struct error *err)
{
	AUTO_FREE char *text = xasprintf("%s: %s", what, error_text(err));

	if (s->options.trouble)
		s->options.trouble(s->options.ctx, text);
}

void server_changed(struct server *s)
{
	hot_changed(s->hot);
	upkeep_tags_moved(s);
}

const char *server_address(const struct server *s)
{
	return httpd_address(s->httpd);
}

int server_reload(struct server *s, struct error *err)
{
	int rc = httpd_reload(s->httpd, err);
	int users = s->htpasswd ? htpasswd_reload(s->htpasswd, rc < 0 ? NULL : err) : 0;

	return rc < 0 ? rc : users;
}

void server_stop(struct server *s, uint64_t grace_ms)
{
	if (!s)
		return;
	atomic_store(&s->draining, true);
	httpd_stop(s->httpd, grace_ms);
	server_free(s);
}
