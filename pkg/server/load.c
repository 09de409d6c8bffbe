/*
 * load.c - how much waits at once: requests for the disk, bytes of manifests in memory.
 *
 * Whether there is room is asked once, before a body is taken: a client that has sent a gigabyte
 * is not sent away at its end.  So more than SERVER_WAITING_MAX can wait, but no more than there
 * are connections, for which the workers' queue has places.
 */
#include "server/internal.h"

#include <assert.h>

static void shed(struct exchange *x, const char *why)
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
	shed(x, "too many requests wait for the disk");
	return false;
}

static void run_job(void *arg)
{
	struct exchange *x = arg;
	struct server *s = x->server;

	x->run(x);
	/* From the resumption on the exchange is the listener's. */
	httpd_resume(x->http);
	atomic_fetch_sub(&s->waiting, 1);
}

void load_defer(struct exchange *x, void (*run)(struct exchange *x))
{
	bool taken;

	x->run = run;
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
	shed(x, "too many manifests are being pushed");
	return false;
}

void load_release(struct exchange *x)
{
	atomic_fetch_sub(&x->server->bodies, x->held);
	x->held = 0;
}
