#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "util/workers.h"

#define N_JOBS 1000

static void count(void *ctx)
{
	atomic_int *n = ctx;

	atomic_fetch_add(n, 1);
}

static void hold(void *ctx)
{
	pthread_mutex_t *gate = ctx;

	pthread_mutex_lock(gate);
	pthread_mutex_unlock(gate);
}

static void every_job_runs_once_also_when_the_end_comes(void **state)
{
	struct workers *w = NULL;
	atomic_int n = 0;

	(void)state;
	assert_int_equal(workers_new(3, N_JOBS, &w, NULL), 0);
	for (int i = 0; i < N_JOBS; i++)
		assert_true(workers_submit(w, count, &n));
	workers_free(w);
	assert_int_equal(atomic_load(&n), N_JOBS);
	workers_free(NULL);
}

static void a_full_queue_says_no_and_keeps_its_jobs(void **state)
{
	pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
	struct workers *w = NULL;
	atomic_int n = 0;
	int taken = 0;

	(void)state;
	assert_int_equal(workers_new(1, 2, &w, NULL), 0);
	pthread_mutex_lock(&gate);
	assert_true(workers_submit(w, hold, &gate));
	/* At most one running and two waiting. */
	while (taken <= 3 && workers_submit(w, count, &n))
		taken++;
	assert_true(taken == 1 || taken == 2);
	assert_int_equal(atomic_load(&n), 0);
	pthread_mutex_unlock(&gate);
	workers_free(w);
	assert_int_equal(atomic_load(&n), taken);
}

static void look_at_mask(void *ctx)
{
	sigset_t now;

	(void)pthread_sigmask(SIG_SETMASK, NULL, &now);
	*(bool *)ctx = sigismember(&now, SIGINT) == 1 && sigismember(&now, SIGTERM) == 1;
}

static void signals_are_left_to_the_other_threads(void **state)
{
	struct workers *w = NULL;
	bool blocked = false;
	sigset_t now;

	(void)state;
	assert_int_equal(workers_new(1, 1, &w, NULL), 0);
	assert_true(workers_submit(w, look_at_mask, &blocked));
	workers_free(w);
	assert_true(blocked);
	(void)pthread_sigmask(SIG_SETMASK, NULL, &now);
	assert_int_equal(sigismember(&now, SIGINT), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_job_runs_once_also_when_the_end_comes),
		cmocka_unit_test(a_full_queue_says_no_and_keeps_its_jobs),
		cmocka_unit_test(signals_are_left_to_the_other_threads),
	};

	return cmocka_run_group_tests_name("util/workers", tests, NULL, NULL);
}
