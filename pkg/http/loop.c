/* The event loop: rounds of posts, timers, queues, libcurl and its messages. */
#include "http/loop.h"

#include "http/internal.h"
#include "util/clock.h"
#include "util/mem.h"

#define CONNECTIONS_DEFAULT 64 /* kept open, all hosts together; loop.h */
#define RATE_STEPS          20 /* a second: how finely the bandwidth is handed out */

/* ---- bandwidth ---- */

/* Unused bandwidth is not saved up: at most one step of it is there at once. */
static void allowance_update(struct http_loop *loop)
{
	double most = (double)loop->bandwidth / RATE_STEPS;

	loop->allowance +=
		(double)loop->bandwidth * (double)(loop->now_ms - loop->allowance_ms) / 1000;
	if (loop->allowance > most)
		loop->allowance = most;
	loop->allowance_ms = loop->now_ms;
}

bool rate_allows(struct http_call *call)
{
	struct http_loop *loop = call->loop;

	if (loop->bandwidth == 0)
		return true;
	allowance_update(loop);
	if (loop->allowance > 0)
		return true;
	call->paused |= PAUSE_RATE;
	if (!call->throttled) {
		call->throttled = true;
		TAILQ_INSERT_TAIL(&loop->throttled, call, throttle_link);
	}
	if (loop->refill.index == TIMER_IDLE)
		timer_set(&loop->refill,
			loop->now_ms + 1 +
				(uint64_t)(-loop->allowance * 1000 / (double)loop->bandwidth));
	return false;
}

/* First paused, first resumed: those that find nothing left queue up again behind. */
void rate_on_refill(void *ctx)
{
	struct http_loop *loop = ctx;
	struct http_call *call;

	while ((call = TAILQ_FIRST(&loop->throttled))) {
		TAILQ_REMOVE(&loop->throttled, call, throttle_link);
		call->throttled = false;
		call_resume(call, PAUSE_RATE);
	}
}

/* ---- making and freeing ---- */

int http_loop_new(
	const struct http_loop_options *options, struct http_loop **ret, struct error *err)
{
	AUTO(http_loop_freep) struct http_loop *loop = NULL;
	CURLcode rc = curl_global_init(CURL_GLOBAL_DEFAULT);

	if (rc != CURLE_OK)
		return error_set(err, ERR_IO, "start libcurl: %s", curl_easy_strerror(rc));
	loop = xcalloc(1, sizeof(*loop));
	loop->user_agent = xstrdup(options->user_agent);
	loop->max_idle = options->max_connections ? options->max_connections : CONNECTIONS_DEFAULT;
	loop->bandwidth = options->bandwidth;
	loop->now_ms = loop->allowance_ms = clock_mono_ms();
	proxy_init(&loop->proxy, options);
	loop->hosts = map_new(host_free);
	loop->settings = map_new(host_settings_free);
	TAILQ_INIT(&loop->ready);
	TAILQ_INIT(&loop->idle);
	TAILQ_INIT(&loop->calls);
	TAILQ_INIT(&loop->doomed);
	TAILQ_INIT(&loop->failed);
	TAILQ_INIT(&loop->resume);
	TAILQ_INIT(&loop->throttled);
	timer_init(&loop->refill, loop, rate_on_refill, loop);
	(void)pthread_mutex_init(&loop->lock, NULL); /* never fails with default attributes */
	loop->multi = curl_multi_init();
	if (!loop->multi ||
		curl_multi_setopt(loop->multi, CURLMOPT_MAXCONNECTS, (long)loop->max_idle) !=
			CURLM_OK)
		return error_set(err, ERR_IO, "start libcurl: no multi handle");
	*ret = steal(&loop);
	return 0;
}

uint64_t http_loop_bandwidth(const struct http_loop *loop)
{
	return loop->bandwidth;
}

/* Calls that never started; http_cancel() takes them out of their queues. */
static void drop_waiting(struct http_loop *loop)
{
	for (struct map_item *i = map_first(loop->hosts); i; i = map_next(i)) {
		struct host *h = map_value(i);
		struct http_call *call;

		while ((call = TAILQ_FIRST(&h->small)) || (call = TAILQ_FIRST(&h->bulk)))
			http_cancel(&call);
	}
}

void http_loop_free(struct http_loop *loop)
{
	struct http_call *call;

	if (!loop)
		return;
	while ((call = TAILQ_FIRST(&loop->calls)) || (call = TAILQ_FIRST(&loop->failed)))
		http_cancel(&call);
	calls_reap(loop);
	drop_waiting(loop);
	timer_unset(&loop->refill);
	map_free(loop->hosts);
	map_free(loop->settings);
	timers_free(&loop->timers);
	(void)curl_multi_cleanup(loop->multi);
	proxy_clear(&loop->proxy);
	(void)pthread_mutex_destroy(&loop->lock);
	free(loop->posts);
	free(loop->sockets);
	free(loop->user_agent);
	free(loop);
	curl_global_cleanup();
}

/* ---- posts ---- */

/* One wake-up is enough for all posts of a round. */
void http_loop_post(struct http_loop *loop, void (*fn)(void *ctx), void *ctx)
{
	bool first;

	(void)pthread_mutex_lock(&loop->lock);
	first = loop->n_posts == 0;
	loop->posts = array_grow(loop->posts, loop->n_posts, &loop->cap_posts, sizeof(struct post));
	loop->posts[loop->n_posts++] = (struct post){.fn = fn, .ctx = ctx};
	(void)pthread_mutex_unlock(&loop->lock);
	if (first)
		(void)curl_multi_wakeup(loop->multi);
}

/* The lock is not held while they run: they may post again, for the next round. */
static void run_posts(struct http_loop *loop)
{
	AUTO_FREE struct post *posts = NULL;
	size_t n;

	(void)pthread_mutex_lock(&loop->lock);
	posts = steal(&loop->posts);
	n = loop->n_posts;
	loop->n_posts = loop->cap_posts = 0;
	(void)pthread_mutex_unlock(&loop->lock);
	for (size_t i = 0; i < n; i++)
		posts[i].fn(posts[i].ctx);
}

/* ---- rounds ---- */

static void take_messages(struct http_loop *loop)
{
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(loop->multi, &left))) {
		CURLcode code = msg->data.result;
		char *call = NULL;

		if (msg->msg != CURLMSG_DONE)
			continue;
		(void)curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &call);
		/* A cancelled one is reaped in a moment. */
		if (((struct http_call *)(void *)call)->state == CALL_RUNNING)
			call_finish((struct http_call *)(void *)call, code);
	}
}

/*
 * One round.  What callbacks of libcurl asked for (starts, cancels, resumes) is done after
 * it, so that the next request of a chain goes out at once; `again` says that
 * something was begun which libcurl should look at without waiting.
 */
static int round_once(struct http_loop *loop, struct error *err)
{
	CURLMcode rc;
	int running;

	loop->again = false;
	loop->now_ms = clock_mono_ms();
	run_posts(loop);
	timers_run(loop);
	calls_resume(loop);
	calls_reap(loop);
	hosts_pump(loop);
	rc = curl_multi_perform(loop->multi, &running);
	if (rc != CURLM_OK)
		return error_set(err, ERR_IO, "libcurl: %s", curl_multi_strerror(rc));
	take_messages(loop);
	calls_fail(loop);
	calls_resume(loop);
	calls_reap(loop);
	hosts_pump(loop);
	if (!TAILQ_EMPTY(&loop->failed) || !TAILQ_EMPTY(&loop->resume) ||
		!TAILQ_EMPTY(&loop->ready))
		loop->again = true;
	return 0;
}

int http_loop_run(struct http_loop *loop, bool (*stop)(void *ctx), void *ctx, struct error *err)
{
	for (;;) {
		uint64_t wait_ms;
		CURLMcode rc;
		int done = round_once(loop, err);

		if (done < 0 || stop(ctx))
			return done;
		if (loop->again)
			continue;
		wait_ms = timers_wait_ms(&loop->timers, clock_mono_ms(), LOOP_POLL_MS);
		rc = curl_multi_poll(loop->multi, NULL, 0, (int)wait_ms, NULL);
		if (rc != CURLM_OK)
			return error_set(err, ERR_IO, "libcurl: %s", curl_multi_strerror(rc));
	}
}
