/*
 * scene.h - a server for the tests of httpd, whose paths do one thing each.
 *
 * Included by test programs, which are one file each.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "../../lib/wire.h"
#include "server/httpd.h"
#include "util/mem.h"

#define FILE_SIZE ((uint64_t)64 * 1024 * 1024) /* more than any socket buffer */

struct scene {
	struct httpd *httpd;
	int file; /* FILE_SIZE bytes: position >> 12 in each page's first byte */
	atomic_uint begun, ended, complete, broken, streams_freed, bodies;
	_Atomic uint64_t bytes, bytes_out;
	atomic_bool hold; /* waits stay as long as this is true */
	atomic_uint waiting;
	struct {
		_Atomic uint64_t position; /* of a stream, how far it may go */
	} stream;
};

struct visit {
	struct scene *scene;
	struct httpd_request *request;
	unsigned calls; /* of the callback that defers */
	uint64_t got;
	bool resumed;
	pthread_t thread;
	bool has_thread;
};

static inline void *resume_later(void *arg)
{
	struct visit *v = arg;

	do
		wire_sleep_ms(20);
	while (atomic_load(&v->scene->hold));
	httpd_resume(v->request);
	return NULL;
}

static inline void defer_to_thread(struct visit *v)
{
	if (v->has_thread)
		(void)pthread_join(v->thread, NULL);
	v->has_thread = true;
	atomic_fetch_add(&v->scene->waiting, 1);
	if (pthread_create(&v->thread, NULL, resume_later, v) != 0)
		abort();
}

static inline bool is_at(const struct visit *v, const char *path)
{
	return strcmp(httpd_path(v->request), path) == 0;
}

static inline void scene_begin(void *server_ctx, struct httpd_request *r, void **ctx)
{
	struct scene *s = server_ctx;
	struct visit *v = *ctx;

	if (!v) {
		v = xcalloc(1, sizeof(*v));
		*v = (struct visit){.scene = s, .request = r};
		*ctx = v;
		atomic_fetch_add(&s->begun, 1);
	}
	if (is_at(v, "/early")) {
		httpd_add_header(r, "WWW-Authenticate", "Basic realm=\"r\"");
		httpd_answer(r, 401, "no\n", 3);
	} else if (is_at(v, "/defer-begin") && v->calls++ == 0) {
		httpd_defer(r);
		defer_to_thread(v);
	} else if (is_at(v, "/defer-begin-early") && v->calls == 1) {
		httpd_answer(r, 401, "no\n", 3);
	}
}

static inline bool scene_body(struct httpd_request *r, void *ctx, const void *data, size_t n)
{
	struct visit *v = ctx;

	(void)data;
	if (is_at(v, "/not-now") && v->calls++ % 3 == 0) {
		defer_to_thread(v);
		return false;
	}
	v->got += n;
	atomic_fetch_add(&v->scene->bytes, n);
	atomic_fetch_add(&v->scene->bodies, 1);
	if (is_at(v, "/late") && v->got >= 1000)
		httpd_answer(r, 507, "full\n", 5);
	return true;
}

static inline int64_t scene_read(void *ctx, uint64_t position, void *to, size_t room)
{
	struct visit *v = ctx;
	const uint64_t limit = atomic_load(&v->scene->stream.position);

	if (is_at(v, "/stream-broken") && position >= 100000)
		return -1;
	if (position >= limit) {
		defer_to_thread(v);
		return 0;
	}
	if (room > limit - position)
		room = (size_t)(limit - position);
	for (size_t i = 0; i < room; i++)
		((unsigned char *)to)[i] = (unsigned char)((position + i) % 251);
	return (int64_t)room;
}

static inline void visit_free(void *ctx)
{
	struct visit *v = ctx;

	if (v->has_thread)
		(void)pthread_join(v->thread, NULL);
	free(v);
}

static inline void scene_free_stream(void *ctx)
{
	struct visit *v = ctx;

	atomic_fetch_add(&v->scene->streams_freed, 1);
	visit_free(v);
}

static inline void scene_answer(struct visit *v, struct httpd_request *r)
{
	AUTO_FREE char *text = NULL;
	const char *q = httpd_query(r, "n");
	const uint64_t n = q ? strtoull(q, NULL, 10) : 0;

	if (is_at(v, "/file")) {
		httpd_answer_file(r, 200, dup(v->scene->file), n, FILE_SIZE - n);
	} else if (strncmp(httpd_path(r), "/stream", 7) == 0) {
		httpd_answer_stream(r, 200, n, scene_read, v, scene_free_stream);
	} else if (is_at(v, "/not-modified")) {
		httpd_add_header(r, "ETag", "\"e\"");
		httpd_answer(r, 304, NULL, 1234);
	} else if (is_at(v, "/nothing")) {
		httpd_answer(r, 204, NULL, 0);
	} else if (is_at(v, "/big")) {
		text = xcalloc(n, 1);
		httpd_answer(r, 200, text, n);
	} else {
		text = xasprintf("%s %s q=%s got=%llu peer=%s client=%s",
			httpd_method_text(r),
			httpd_path(r),
			q ? q : "(none)",
			(unsigned long long)v->got,
			httpd_peer(r),
			httpd_client_name(r) ? httpd_client_name(r) : "(none)");
		httpd_add_header(r, "X-Two", "lines\r\nX-Injected: yes");
		httpd_add_header(
			r, "X-Echo", httpd_header(r, "x-say") ? httpd_header(r, "x-say") : "-");
		httpd_answer(r, 200, text, strlen(text));
	}
}

static inline void scene_end(struct httpd_request *r, void *ctx)
{
	struct visit *v = ctx;

	if (is_at(v, "/defer") && v->calls++ == 0) {
		httpd_defer(r);
		defer_to_thread(v);
	} else if (is_at(v, "/resume-first") && v->calls++ < 5) {
		httpd_resume(r);
		httpd_defer(r);
	} else {
		scene_answer(v, r);
	}
}

static inline void scene_done(struct httpd_request *r, void *ctx, bool complete)
{
	struct visit *v = ctx;
	struct scene *s = v->scene;

	if (complete)
		atomic_fetch_add(&s->complete, 1);
	else
		atomic_fetch_add(&s->broken, 1);
	atomic_fetch_add(&s->bytes_out, httpd_bytes_out(r));
	/* A stream's context is freed by itself, after this. */
	if (strncmp(httpd_path(r), "/stream", 7) != 0 || httpd_status(r) != 200)
		visit_free(v);
	atomic_fetch_add(&s->ended, 1);
}

static const struct httpd_handler scene_handler = {
	.begin = scene_begin, .body = scene_body, .end = scene_end, .done = scene_done};

static inline int scene_file(void)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)FILE_SIZE) < 0)
		abort();
	for (uint64_t at = 0; at < FILE_SIZE; at += 4096) {
		const unsigned char mark = (unsigned char)(at >> 12);

		if (pwrite(fd, &mark, 1, (off_t)at) != 1)
			abort();
	}
	return fd;
}

static inline void scene_start(struct scene *s, struct httpd_options o)
{
	struct error err = ERROR_INIT;

	memset(s, 0, sizeof(*s));
	s->file = scene_file();
	o.listen = o.listen ? o.listen : "127.0.0.1:0";
	if (o.socket_fd == 0)
		o.socket_fd = -1;
	o.threads = o.threads ? o.threads : 2;
	o.handler = &scene_handler;
	o.ctx = s;
	if (httpd_start(&o, &s->httpd, &err) < 0)
		fail_msg("%s", error_text(&err));
}

static inline void scene_stop(struct scene *s)
{
	atomic_store(&s->hold, false);
	httpd_stop(s->httpd, 5000);
	(void)close(s->file);
	assert_int_equal(atomic_load(&s->begun), atomic_load(&s->ended));
}

static inline int scene_connect(const struct scene *s)
{
	int fd = wire_connect(httpd_address(s->httpd));

	assert_true(fd >= 0);
	return fd;
}

/* Waits until the counter is so high. */
static inline void scene_await(const atomic_uint *counter, unsigned n)
{
	const uint64_t end = clock_mono_ms() + WIRE_SEC * 1000;

	while (atomic_load(counter) < n) {
		if (clock_mono_ms() > end)
			fail_msg("waited in vain for %u, have %u", n, atomic_load(counter));
		wire_sleep_ms(5);
	}
}
