/*
 * httpd.c - the HTTP server under the registry: start and stop.
 *
 * Each thread is a libmicrohttpd of its own, without a listener; the door hands connections to
 * them in turn (httpd_door.c says why).
 */
#include <limits.h>
#include <microhttpd.h>
#include <signal.h>
#include <time.h>

#include "server/httpd_internal.h"
#include "server/httpd_mhd.h"
#include "util/clock.h"
#include "util/mem.h"

#define THREADS_MAX 64u
/* Answers to requests that httpd_stop() ended may take this long to go out. */
#define LAST_ANSWERS_MS ((uint64_t)1000)
/* The library's own ceiling for each thread is not to be met before ours. */
#define CONNECTIONS_SLACK 64u

static struct MHD_Daemon *start_daemon(struct httpd *h)
{
	const unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET |
			       MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC;
	const char *clients = h->tls ? httpd_tls_client_ca(h->tls) : NULL;
	const struct MHD_OptionItem of_tls[] = {
		{MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)(intptr_t)mhd_on_handshake},
		{MHD_OPTION_HTTPS_PRIORITIES,
			0,
			(void *)(intptr_t) "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"},
		{clients ? MHD_OPTION_HTTPS_MEM_TRUST : MHD_OPTION_END,
			0,
			(void *)(intptr_t)clients},
		{MHD_OPTION_END, 0, NULL}};
	const struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};

	return MHD_start_daemon(flags | (h->tls ? (unsigned)MHD_USE_TLS : 0),
		0,
		NULL,
		NULL,
		mhd_on_request,
		h,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		HTTPD_POOL,
		MHD_OPTION_CONNECTION_LIMIT,
		h->connections_max + CONNECTIONS_SLACK,
		MHD_OPTION_STRICT_FOR_CLIENT,
		1,
		MHD_OPTION_URI_LOG_CALLBACK,
		mhd_on_target,
		h,
		MHD_OPTION_NOTIFY_COMPLETED,
		mhd_on_completed,
		h,
		MHD_OPTION_NOTIFY_CONNECTION,
		mhd_on_connection,
		h,
		MHD_OPTION_ARRAY,
		h->tls ? of_tls : none,
		MHD_OPTION_END);
}

/* Signals stay with the threads that the program started itself. */
static int start_threads(struct httpd *h, unsigned n, struct error *err)
{
	sigset_t all, before;
	int sys = 0;

	h->daemons = xcalloc(n, sizeof(struct MHD_Daemon *));
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	while (h->n_daemons < n) {
		struct MHD_Daemon *d = start_daemon(h);

		if (!d)
			break;
		h->daemons[h->n_daemons++] = d;
	}
	if (h->n_daemons == n) {
		sys = pthread_create(&h->door, NULL, door_run, h);
		h->has_door = sys == 0;
	}
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (h->has_door)
		return 0;
	if (sys == 0)
		return error_set(err, ERR_IO, "the HTTP server's threads cannot be started");
	errno = sys;
	return error_errno(err, "start the HTTP server's thread");
}

static void httpd_free(struct httpd *h)
{
	if (!h)
		return;
	atomic_store(&h->closing, true);
	if (h->has_door) {
		door_wake(h);
		(void)pthread_join(h->door, NULL);
	}
	for (unsigned i = 0; i < h->n_daemons; i++)
		MHD_stop_daemon(h->daemons[i]);
	free(h->daemons);
	if (h->listener >= 0)
		(void)close(h->listener);
	if (h->wake >= 0)
		(void)close(h->wake);
	httpd_tls_free(h->tls);
	(void)pthread_cond_destroy(&h->changed);
	(void)pthread_mutex_destroy(&h->lock);
	free(h->address);
	free(h);
}
DEFINE_CLEANUP(struct httpd *, httpd_free);

static struct httpd *httpd_new(const struct httpd_options *o)
{
	struct httpd *h = xcalloc(1, sizeof(*h));
	pthread_condattr_t monotonic;

	h->handler = o->handler;
	h->ctx = o->ctx;
	h->listener = h->wake = -1;
	h->connections_max = o->connections > 0 ? o->connections : HTTPD_CONNECTIONS_MAX;
	h->idle_ms = o->idle_ms > 0 ? o->idle_ms : HTTPD_IDLE_SEC * UINT64_C(1000);
	h->stall_ms = o->stall_ms > 0 ? o->stall_ms : HTTPD_STALL_SEC * UINT64_C(1000);
	/* None of these can fail on Linux. */
	(void)pthread_mutex_init(&h->lock, NULL);
	(void)pthread_condattr_init(&monotonic);
	(void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&h->changed, &monotonic);
	(void)pthread_condattr_destroy(&monotonic);
	return h;
}

int httpd_start(const struct httpd_options *o, struct httpd **ret, struct error *err)
{
	AUTO(httpd_freep) struct httpd *h = httpd_new(o);
	const long cores = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned threads = o->threads;
	int rc = 0;

	if (threads == 0)
		threads = cores > 0 ? (unsigned)cores : 1;
	if (threads > THREADS_MAX)
		threads = THREADS_MAX;
	if (o->tls_cert && *o->tls_cert)
		rc = httpd_tls_new(o->tls_cert,
			o->tls_key ? o->tls_key : "",
			o->client_ca && *o->client_ca ? o->client_ca : NULL,
			&h->tls,
			err);
	if (rc == 0)
		rc = door_open(h, o, err);
	if (rc == 0)
		rc = start_threads(h, threads, err);
	if (rc == 0)
		*ret = steal(&h);
	return rc;
}

const char *httpd_address(const struct httpd *h)
{
	return h->address;
}

int httpd_reload(struct httpd *h, struct error *err)
{
	return h->tls ? httpd_tls_reload(h->tls, err) : 0;
}

struct httpd_stats httpd_stats(const struct httpd *h)
{
	return (struct httpd_stats){.connections = atomic_load(&h->connections),
		.requests = atomic_load(&h->requests),
		.requests_total = atomic_load(&h->requests_total),
		.refused_total = atomic_load(&h->refused_total),
		.bytes_in = atomic_load(&h->bytes_in),
		.bytes_out = atomic_load(&h->bytes_out)};
}

/* ---- stop ---- */

static struct timespec moment(uint64_t mono_ms)
{
	return (struct timespec){
		.tv_sec = (time_t)(mono_ms / 1000), .tv_nsec = (long)(mono_ms % 1000) * 1000000};
}

/* Until no request is under way, or so long. */
static void await_requests(struct httpd *h, uint64_t ms)
{
	const uint64_t now = clock_mono_ms();
	const struct timespec end = moment(ms > UINT32_MAX ? now + UINT32_MAX : now + ms);
	int sys = 0;

	(void)pthread_mutex_lock(&h->lock);
	while (atomic_load(&h->requests) > 0 && sys == 0)
		sys = pthread_cond_timedwait(&h->changed, &h->lock, &end);
	(void)pthread_mutex_unlock(&h->lock);
}

/* True when there were any. */
static bool end_waits(struct httpd *h)
{
	bool any = false;

	(void)pthread_mutex_lock(&h->lock);
	for (struct conn *c = h->conns; c; c = c->next) {
		(void)pthread_mutex_lock(&c->lock);
		if (c->request) {
			request_end_wait(c->request);
			any = true;
		}
		(void)pthread_mutex_unlock(&c->lock);
	}
	(void)pthread_mutex_unlock(&h->lock);
	return any;
}

void httpd_stop(struct httpd *h, uint64_t grace_ms)
{
	if (!h)
		return;
	atomic_store(&h->stopping, true);
	door_wake(h);
	await_requests(h, grace_ms);
	/* From here on nothing is suspended: the library ends the process when it is stopped with
	 * a suspended connection. */
	atomic_store(&h->ending, true);
	if (end_waits(h))
		await_requests(h, LAST_ANSWERS_MS);
	httpd_free(h);
}
