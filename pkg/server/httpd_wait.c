/*
 * httpd_wait.c - requests that wait: defer and resume.
 *
 * A request is suspended only when the callback that deferred it has returned, so that a resume
 * can come at any time: before the defer (a worker was faster), before the suspension, after it,
 * or when the request was ended for another reason and only its memory is left.
 */
#include <microhttpd.h>

#include "server/httpd_internal.h"
#include "util/clock.h"

/* With the lock held, which is let go. */
static void unlock_unref(struct httpd_request *r)
{
	const bool last = --r->refs == 0;

	(void)pthread_mutex_unlock(&r->lock);
	if (last)
		request_free(r);
}

void request_unref(struct httpd_request *r)
{
	(void)pthread_mutex_lock(&r->lock);
	unlock_unref(r);
}

void httpd_defer(struct httpd_request *r)
{
	(void)pthread_mutex_lock(&r->lock);
	if (r->early) {
		r->early = false;
		r->again = true;
	} else if (!r->owed && !r->again) {
		r->owed = true;
		r->refs++;
	}
	(void)pthread_mutex_unlock(&r->lock);
}

/* With the lock held.  While it is suspended its connection is there. */
static void wake(struct httpd_request *r)
{
	r->suspended = false;
	atomic_fetch_add(&r->conn->round, 1);
	MHD_resume_connection(r->mhd);
}

void httpd_resume(struct httpd_request *r)
{
	(void)pthread_mutex_lock(&r->lock);
	if (!r->owed) {
		r->early = true;
		(void)pthread_mutex_unlock(&r->lock);
		return;
	}
	r->owed = false;
	if (r->suspended) {
		wake(r);
	} else if (!r->ended) {
		r->again = true;
	}
	unlock_unref(r);
}

enum parked request_enter(struct httpd_request *r)
{
	bool ended;

	(void)pthread_mutex_lock(&r->lock);
	ended = r->ended;
	(void)pthread_mutex_unlock(&r->lock);
	return ended ? PARK_ENDED : PARK_AGAIN;
}

enum parked request_park(struct httpd_request *r)
{
	enum parked how = PARK_GO;

	(void)pthread_mutex_lock(&r->lock);
	/* After "ending" was set, nothing is suspended: httpd_stop() looks for those that are. */
	if (atomic_load(&r->httpd->ending) && (r->again || r->owed))
		r->ended = true;
	if (r->ended) {
		r->again = false;
		how = PARK_ENDED;
	} else if (r->again) {
		r->again = false;
		how = PARK_AGAIN;
	} else if (r->owed) {
		r->suspended = true;
		r->wait_ms = clock_mono_ms();
		MHD_suspend_connection(r->mhd);
		how = PARK_WAITS;
	}
	(void)pthread_mutex_unlock(&r->lock);
	return how;
}

void request_end_wait(struct httpd_request *r)
{
	(void)pthread_mutex_lock(&r->lock);
	if (r->suspended) {
		r->ended = true;
		wake(r);
	}
	(void)pthread_mutex_unlock(&r->lock);
}

bool httpd_is_gone(const struct httpd_request *r)
{
	return atomic_load(&r->gone);
}
