/*
 * upkeep.c - what the server does beside requests, on a thread of its own: writing the layouts of
 * repositories whose tags moved, dropping uploads that nobody goes on with.
 */
#include <time.h>

#include "server/internal.h"
#include "util/clock.h"

#define LAYOUT_DELAY_MS 500 /* many tags of one push, one writing */
#define SWEEP_MS        (3600 * 1000)
#define TICK_MS         60000
#define MS_PER_SEC      1000
#define NS_PER_MS       1000000

/* Until something changes or the time is over; with the lock held. */
static void wait_ms(struct upkeep *u, uint64_t ms)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(ms / MS_PER_SEC);
	until.tv_nsec += (long)(ms % MS_PER_SEC) * NS_PER_MS;
	if (until.tv_nsec >= MS_PER_SEC * NS_PER_MS) {
		until.tv_nsec -= MS_PER_SEC * NS_PER_MS;
		until.tv_sec++;
	}
	(void)pthread_cond_timedwait(&u->changed, &u->lock, &until);
}

/* What fails is tried again with the next change, or at the next start. */
static void write_layouts(struct server *s)
{
	AUTO(error_clear) struct error err = ERROR_INIT;

	if (store_layouts_write(s->options.store, &err) < 0)
		server_trouble(s, "layouts", &err);
}

static void sweep_uploads(struct server *s)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	uint32_t n = 0;

	if (store_uploads_sweep(s->options.store, UPLOAD_AGE_SEC, &n, &err) < 0)
		server_trouble(s, "old uploads", &err);
}

static void *run(void *arg)
{
	struct server *s = arg;
	struct upkeep *u = &s->upkeep;
	uint64_t swept_ms = 0;

	(void)pthread_mutex_lock(&u->lock);
	while (!u->stop) {
		bool sweep = swept_ms == 0 || clock_mono_ms() - swept_ms >= SWEEP_MS;

		if (!u->tags_moved && !sweep) {
			wait_ms(u, TICK_MS);
			continue;
		}
		if (u->tags_moved)
			wait_ms(u, LAYOUT_DELAY_MS);
		u->tags_moved = false;
		(void)pthread_mutex_unlock(&u->lock);
		write_layouts(s);
		if (sweep) {
			sweep_uploads(s);
			swept_ms = clock_mono_ms();
		}
		(void)pthread_mutex_lock(&u->lock);
	}
	(void)pthread_mutex_unlock(&u->lock);
	return NULL;
}

int upkeep_start(struct server *s, struct error *err)
{
	struct upkeep *u = &s->upkeep;
	pthread_condattr_t monotonic;
	int sys;

	(void)pthread_mutex_init(&u->lock, NULL);
	(void)pthread_condattr_init(&monotonic);
	(void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&u->changed, &monotonic);
	(void)pthread_condattr_destroy(&monotonic);
	sys = pthread_create(&u->thread, NULL, run, s);
	u->started = sys == 0;
	if (sys == 0)
		return 0;
	errno = sys;
	return error_errno(err, "start the upkeep's thread");
}

void upkeep_stop(struct server *s)
{
	struct upkeep *u = &s->upkeep;

	if (!u->started)
		return;
	(void)pthread_mutex_lock(&u->lock);
	u->stop = true;
	(void)pthread_cond_signal(&u->changed);
	(void)pthread_mutex_unlock(&u->lock);
	(void)pthread_join(u->thread, NULL);
	(void)pthread_cond_destroy(&u->changed);
	(void)pthread_mutex_destroy(&u->lock);
	u->started = false;
}

void upkeep_tags_moved(struct server *s)
{
	struct upkeep *u = &s->upkeep;

	(void)pthread_mutex_lock(&u->lock);
	if (!u->tags_moved) {
		u->tags_moved = true;
		(void)pthread_cond_signal(&u->changed);
	}
	(void)pthread_mutex_unlock(&u->lock);
}
