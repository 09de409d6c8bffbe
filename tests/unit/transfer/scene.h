/* scene.h - two sources, two registries and a store as targets, and one blob at a time. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>

#include "../../lib/fake.h"
#include "../../lib/folder.h"
#include "transfer/ring.h"
#include "transfer/spool.h"
#include "transfer/transfer.h"
#include "util/clock.h"
#include "util/file.h"

#define PATIENCE_MS 20000 /* after that a test has failed */
#ifndef PLACES
#define PLACES 2 /* mirror and authority; two targets */
#endif
#define BIG    ((size_t)3 * 1024 * 1024 + 12345)
#define MIDDLE ((size_t)300 * 1000)

struct outcome {
	bool done;
	size_t n;
	struct error errors[PLACES + 1];
	bool mounted[PLACES + 1];
	uint64_t fetched, reused;
	char *source;
};

struct scene {
	struct fake from[PLACES], to[PLACES];
	struct http_loop *loop;
	struct registry *from_registry[PLACES], *to_registry[PLACES];
	struct source_set *sources;
	char *folder;
	int spool;
	struct store *store;
	struct workers *workers;
	struct transfer_engine *engine;
	struct outcome out;
	uint64_t until_ms;
	unsigned events;
	char *told; /* a line for each event: "SOURCE: ERROR; NEXT" */
	/* For what the fakes do wrong. */
	atomic_uint met;
};

/* ---- the scene ---- */

static UNUSED void on_event(void *ctx, const struct transfer_event *event)
{
	struct scene *s = ctx;
	char *longer;

	assert_non_null(event->next);
	s->events++;
	longer = xasprintf("%s%s: %s; %s\n",
		s->told ? s->told : "",
		event->source ? event->source : "-",
		event->err ? error_text(event->err) : "-",
		event->next);
	free(s->told);
	s->told = longer;
}

static UNUSED void engine_start(struct scene *s, bool with_store)
{
	const struct transfer_options o = {
		.loop = s->loop,
		.workers = s->workers,
		.store = with_store ? s->store : NULL,
		.parallel = 4,
		.spool_dirfd = s->spool,
		.spool_from = MIDDLE + 1,
		.spool_limit = 16 * BIG,
		.event = on_event,
		.ctx = s,
	};

	transfer_engine_free(s->engine);
	s->engine = transfer_engine_new(&o);
}

static UNUSED struct registry *talk_to(struct scene *s, struct fake *f)
{
	const struct http_host_options ho = {.plain = true, .stall_ms = 3000};
	const struct registry_options ro = {.host = f->host, .plain = true};
	struct registry *r = NULL;

	fake_start(f);
	f->ctx = s;
	assert_int_equal(http_host_set(s->loop, f->host, &ho, NULL), 0);
	/* The name is known now. */
	assert_int_equal(registry_new(s->loop, &ro, &r, NULL), 0);
	return r;
}

static UNUSED int setup(void **state)
{
	const struct http_loop_options lo = {.user_agent = "test", .proxy = ""};
	struct scene *s = xcalloc(1, sizeof(*s));
	AUTO_FREE char *path = NULL, *spool = NULL;

	s->folder = folder_make();
	path = xasprintf("%s/store", s->folder);
	spool = xasprintf("%s/spool", s->folder);
	assert_int_equal(http_loop_new(&lo, &s->loop, NULL), 0);
	s->sources = source_set_new("test");
	for (size_t i = 0; i < PLACES; i++) {
		char name[] = {'s', (char)('0' + i), '\0'};
		struct source source = {.name = name, .authority = i + 1 == PLACES};

		source.registry = s->from_registry[i] = talk_to(s, &s->from[i]);
		s->to_registry[i] = talk_to(s, &s->to[i]);
		assert_int_equal(source_set_add(s->sources, &source, NULL), 0);
	}
	assert_int_equal(workers_new(2, 4, &s->workers, NULL), 0);
	assert_int_equal(store_open(path, &s->store, NULL), 0);
	assert_int_equal(dir_open(AT_FDCWD, spool, true, &s->spool, NULL), 0);
	engine_start(s, false);
	*state = s;
	return 0;
}

static UNUSED void outcome_clear(struct outcome *o)
{
	for (size_t i = 0; i < ARRAY_SIZE(o->errors); i++)
		error_clear(&o->errors[i]);
	free(o->source);
	*o = (struct outcome){.done = false};
}

static UNUSED int teardown(void **state)
{
	struct scene *s = *state;

	transfer_engine_free(s->engine);
	outcome_clear(&s->out);
	source_set_free(s->sources);
	for (size_t i = 0; i < PLACES; i++) {
		registry_free(s->from_registry[i]);
		registry_free(s->to_registry[i]);
	}
	workers_free(s->workers);
	http_loop_free(s->loop);
	store_close(s->store);
	for (size_t i = 0; i < PLACES; i++) {
		fake_stop(&s->from[i]);
		fake_stop(&s->to[i]);
	}
	closep(&s->spool);
	folder_remove(s->folder);
	free(s->told);
	free(s);
	return 0;
}

static UNUSED char *content(size_t n)
{
	char *bytes = xmalloc(n ? n : 1);
	uint32_t x = 0x12345678u + (uint32_t)n;

	for (size_t i = 0; i < n; i++) {
		x = x * 1664525u + 1013904223u;
		bytes[i] = (char)(x >> 24);
	}
	return bytes;
}

/* ---- one blob ---- */

static UNUSED void on_done(void *ctx, struct transfer_result *result)
{
	struct scene *s = ctx;

	assert_false(s->out.done);
	s->out.done = true;
	s->out.n = result->n;
	for (size_t i = 0; i < result->n; i++) {
		error_move(&s->out.errors[i], &result->errors[i]);
		s->out.mounted[i] = result->mounted[i];
	}
	s->out.fetched = result->fetched;
	s->out.reused = result->reused;
	s->out.source = xstrdup(result->source);
}

static UNUSED bool is_done(void *ctx)
{
	const struct scene *s = ctx;

	return s->out.done || clock_mono_ms() > s->until_ms;
}

static UNUSED void run(struct scene *s)
{
	s->until_ms = clock_mono_ms() + PATIENCE_MS;
	assert_int_equal(http_loop_run(s->loop, is_done, s, NULL), 0);
	assert_true(s->out.done);
}

enum where {
	TO_FIRST = 1,
	TO_SECOND = 2,
	TO_STORE = 1 << 16,
};

static UNUSED void ask(struct scene *s, const struct digest *digest, uint64_t size, unsigned where,
	const char *mount_from)
{
	struct transfer_destination to[PLACES + 1];
	size_t n = 0;

	for (size_t i = 0; i < PLACES; i++)
		if (where & (1u << i))
			to[n++] = (struct transfer_destination){.registry = s->to_registry[i],
				.repository = "to/here",
				.mount_from = mount_from};
	if (where & TO_STORE)
		to[n++] = (struct transfer_destination){.store = s->store, .repository = "to/here"};
	outcome_clear(&s->out);
	transfer_blob(s->engine,
		&(struct transfer_request){
			.digest = *digest,
			.size = size,
			.sources = s->sources,
			.repository = "from/there",
			.destinations = to,
			.n_destinations = n,
			.done = on_done,
			.ctx = s,
		});
	assert_false(s->out.done);
}

static UNUSED void move_blob(
	struct scene *s, const struct digest *digest, uint64_t size, unsigned where)
{
	ask(s, digest, size, where, NULL);
	run(s);
}

static UNUSED void assert_ok(const struct scene *s)
{
	for (size_t i = 0; i < s->out.n; i++)
		if (s->out.errors[i].code != ERR_NONE)
			fail_msg("destination %zu: %s", i, error_text(&s->out.errors[i]));
}

static UNUSED bool store_has(
	struct scene *s, const struct digest *digest, const char *bytes, size_t n)
{
	AUTO_FREE char *read = xmalloc(n ? n : 1);
	AUTO_CLOSE int fd = -1;
	uint64_t size = 0;

	if (store_blob_open(s->store, digest, &fd, &size, NULL) < 0 || size != n)
		return false;
	assert_int_equal(pread_all(fd, read, n, 0, NULL), 0);
	return memcmp(read, bytes, n) == 0;
}

static UNUSED bool spool_is_empty(struct scene *s)
{
	AUTO_FREE char *path = xasprintf("%s/spool", s->folder);
	DIR *dir = opendir(path);
	size_t n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	(void)closedir(dir);
	return n == 2; /* itself and its parent */
}

static UNUSED void spool_fill(
	struct scene *s, const struct digest *digest, const char *bytes, size_t n, size_t size)
{
	struct spool_file f = SPOOL_FILE_INIT;

	assert_int_equal(spool_open(&f, s->spool, digest, size, NULL), 0);
	assert_int_equal(spool_append(&f, bytes, n, NULL), 0);
	spool_close(&f);
}
