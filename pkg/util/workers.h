/*
 * workers.h - a pool of threads for work that would block a loop: fsync, hashing of files.
 *
 * Jobs run in any order.  The queue is bounded: workers_submit() says no when it
 * is full, and the caller keeps the job for later.  A job that must tell a
 * loop that it is done does so itself, with the loop's own post function.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "util/error.h"

struct workers;

/* n_threads >= 1; queue_max >= 1 jobs waiting.  Fails with ERR_IO (no thread to be had). */
NODISCARD int workers_new(
	size_t n_threads, size_t queue_max, struct workers **ret, struct error *err);
/* Runs what is queued to the end, then joins the threads.  NULL is fine. */
void workers_free(struct workers *w);
DEFINE_CLEANUP(struct workers *, workers_free);

/* Runs run(ctx) on some thread.  False: the queue is full, nothing was taken.  Any thread may call.
 */
NODISCARD bool workers_submit(struct workers *w, void (*run)(void *ctx), void *ctx);
