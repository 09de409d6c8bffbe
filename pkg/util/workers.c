/*
 * workers.c - a pool of threads behind a bounded ring of jobs.
 *
 * One mutex and one condition: jobs here take milliseconds (an fsync, a megabyte to hash), so
 * the queue's own cost does not show.
 */
#include "util/workers.h"

#include <pthread.h>
#include <signal.h>

#include "util/mem.h"

struct job {
	void (*run)(void *ctx);
	void *ctx;
};

struct workers {
	pthread_mutex_t lock;
	pthread_cond_t changed; /* a job came, or the end */
	struct job *ring;       /* `size` places, `n` of them used from `first` on */
	size_t size, first, n;
	bool ending;
	size_t n_threads;
	pthread_t threads[];
};

/* False when there is nothing left and the end has come. */
static bool take(struct workers *w, struct job *ret)
{
	bool found;

	pthread_mutex_lock(&w->lock);
	while (w->n == 0 && !w->ending)
		pthread_cond_wait(&w->changed, &w->lock);
	found = w->n > 0;
	if (found) {
		*ret = w->ring[w->first];
		w->first = (w->first + 1) % w->size;
		w->n--;
	}
	pthread_mutex_unlock(&w->lock);
	return found;
}

static void *work(void *arg)
{
	struct job job;

	while (take(arg, &job))
		job.run(job.ctx);
	return NULL;
}

/* Signals stay with the threads that the program started itself. */
static int start_threads(struct workers *w, size_t n, struct error *err)
{
	sigset_t all, before;
	int sys = 0;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	while (w->n_threads < n && sys == 0) {
		sys = pthread_create(&w->threads[w->n_threads], NULL, work, w);
		w->n_threads += sys == 0;
	}
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (sys == 0)
		return 0;
	errno = sys;
	return error_errno(err, "start worker thread %zu of %zu", w->n_threads + 1, n);
}

int workers_new(size_t n_threads, size_t queue_max, struct workers **ret, struct error *err)
{
	AUTO(workers_freep)
	struct workers *w = xcalloc(1, sizeof(*w) + n_threads * sizeof(*w->threads));
	int rc;

	(void)pthread_mutex_init(&w->lock, NULL); /* cannot fail on Linux, nor the next */
	(void)pthread_cond_init(&w->changed, NULL);
	w->ring = xcalloc(queue_max, sizeof(*w->ring));
	w->size = queue_max;
	rc = start_threads(w, n_threads, err);
	if (rc < 0)
		return rc;
	*ret = steal(&w);
	return 0;
}

void workers_free(struct workers *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->ending = true;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
	for (size_t i = 0; i < w->n_threads; i++)
		(void)pthread_join(w->threads[i], NULL);
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->lock);
	free(w->ring);
	free(w);
}

bool workers_submit(struct workers *w, void (*run)(void *ctx), void *ctx)
{
	bool room;

	pthread_mutex_lock(&w->lock);
	room = w->n < w->size;
	if (room) {
		w->ring[(w->first + w->n) % w->size] = (struct job){run, ctx};
		w->n++;
		pthread_cond_signal(&w->changed);
	}
	pthread_mutex_unlock(&w->lock);
	return room;
}
