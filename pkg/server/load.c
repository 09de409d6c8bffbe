/*
 * load.c - how much waits at once: requests for the disk, bytes of manifests in memory.
 *
 * Whether there is room is asked once, before a body is taken: a client that has sent a gigabyte
 * is not sent away at its end.  So more than SERVER_WAITING_MAX can wait, but no more than there
 * are connections, for which the workers' queue has places.
 */
#include "server/internal.h"

#include <assert.h>

void load_shed(struct exchange *x, const char *why)
{
	atomic_fetch_add_explicit(&x->server->counters.shed, 1, memory_order_relaxed);
	reply_header(x, "Retry-After", "%d", SERVER_RETRY_SEC);
	reply_error(x, API_TOOMANYREQUESTS, "%s", why);
}

bool load_admit(struct exchange *x)
{
	bool waits = !x->endpoint->quick || x->endpoint->open;

	if (!waits || atomic_load(&x->server->waiting) < SERVER_WAITING_MAX)
		return true;
	load_shed(x, "too many requests wait for the disk");
	return false;
}

static void run_job(void *arg)
{
	struct exchange *x = arg;
	struct server *s = x->server;

	struct httpd_request *http = x->http;

	x->run(x);
	(void)pthread_mutex_lock(&s->job_lock);
	x->with_worker = false;
	(void)pthread_cond_broadcast(&s->job_done);
	(void)pthread_mutex_unlock(&s->job_lock);
	atomic_fetch_sub(&s->waiting, 1);
	/* The exchange is the listener's again, or gone. */
	httpd_resume(http);
}

/* A listener that is being stopped ends requests that a worker still has. */
void load_wait(struct exchange *x)
{
	struct server *s = x->server;

	(void)pthread_mutex_lock(&s->job_lock);
	while (x->with_worker)
		(void)pthread_cond_wait(&s->job_done, &s->job_lock);
	(void)pthread_mutex_unlock(&s->job_lock);
}

void load_defer(struct exchange *x, void (*run)(struct exchange *x))
{
	bool taken;

	x->run = run;
	x->with_worker = true;
	atomic_fetch_add(&x->server->waiting, 1);
	/* First: the worker may be done before this function is. */
	httpd_defer(x->http);
	taken = workers_submit(x->server->workers, run_job, x);
	/* The queue has a place for each connection. */
	assert(taken);
	(void)taken;
}

bool load_hold(struct exchange *x, size_t n)
{
	if (atomic_fetch_add(&x->server->bodies, n) + n <= SERVER_BODIES_MAX) {
		x->held += n;
		return true;
	}
	atomic_fetch_sub(&x->server->bodies, n);
	load_shed(x, "too many manifests are being pushed");
	return false;
}

void load_release(struct exchange *x)
{
	atomic_fetch_sub(&x->server->bodies, x->held);
	x->held = 0;
}
