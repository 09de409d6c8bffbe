/* scene.h - one upstream, two registries and a store as targets, and whole runs between them. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>

#include "../../lib/fake.h"
#include "../../lib/folder.h"
#include "sync/sync.h"
#include "util/clock.h"
#include "util/file.h"

#define PATIENCE_MS 20000 /* the deadline of a run: one that hangs fails its test */
#define REPOS_MAX   4
#define RULES_MAX   3
#define RESULTS_MAX 64

struct outcome {
	char *repository, *tag, *target, *error, *resolved_by;
	enum sync_state state;
	bool published;
};

#define MIRRORS_MAX 3

struct scene {
	struct fake from, to, other;
	struct fake mirrors[MIRRORS_MAX]; /* those that mirror_add() started */
	struct registry *mirror_registries[MIRRORS_MAX];
	size_t n_mirrors;
	struct http_loop *loop;
	struct registry *from_registry, *to_registry, *other_registry;
	struct source_set *sources;
	char *folder;
	int dir;
	struct store *store;
	struct state *state;
	struct workers *workers;
	struct transfer_engine *engine;
	struct sync_target to_target, other_target, store_target;
	struct sync_target *targets[3];
	struct sync_rule rules[RULES_MAX];
	size_t n_rules;
	const char *repositories[RULES_MAX][REPOS_MAX];
	struct sync_options options;
	struct sync_result result;
	struct outcome outcomes[RESULTS_MAX];
	size_t n_outcomes;
	unsigned events; /* images that became final */
	atomic_uint met; /* for what the fakes do wrong */
	volatile sig_atomic_t stop;
	char want[DIGEST_STR_MAX];   /* for what the fakes do wrong */
	const char *_Atomic stop_at; /* beginning of the request that stops the run */
};

/* ---- the scene ---- */

static UNUSED struct registry *talk_to(struct scene *s, struct fake *f)
{
	const struct http_host_options ho = {.plain = true, .stall_ms = 3000};
	const struct registry_options ro = {.host = f->host, .plain = true};
	struct registry *r = NULL;

	fake_start(f);
	f->ctx = s;
	assert_int_equal(http_host_set(s->loop, f->host, &ho, NULL), 0);
	assert_int_equal(registry_new(s->loop, &ro, &r, NULL), 0);
	return r;
}

static UNUSED void engine_start(struct scene *s)
{
	const struct transfer_options o = {
		.loop = s->loop, .workers = s->workers, .parallel = 4, .spool_dirfd = -1};

	transfer_engine_free(s->engine);
	s->engine = transfer_engine_new(&o);
	s->options.engine = s->engine;
}

static UNUSED void on_event(void *ctx, const struct sync_event *event)
{
	struct scene *s = ctx;

	s->events += event->kind == SYNC_EVENT_IMAGE;
}

static UNUSED int setup(void **state)
{
	const struct http_loop_options lo = {.user_agent = "test", .proxy = ""};
	struct scene *s = xcalloc(1, sizeof(*s));
	AUTO_FREE char *path = NULL;
	char name[] = "from";
	struct source source = {.name = name, .authority = true};

	s->folder = folder_make();
	path = xasprintf("%s/store", s->folder);
	assert_int_equal(dir_open(AT_FDCWD, s->folder, false, &s->dir, NULL), 0);
	assert_int_equal(http_loop_new(&lo, &s->loop, NULL), 0);
	s->from_registry = source.registry = talk_to(s, &s->from);
	s->to_registry = talk_to(s, &s->to);
	s->other_registry = talk_to(s, &s->other);
	s->sources = source_set_new("test");
	assert_int_equal(source_set_add(s->sources, &source, NULL), 0);
	assert_int_equal(workers_new(2, 4, &s->workers, NULL), 0);
	assert_int_equal(store_open(path, &s->store, NULL), 0);
	assert_int_equal(state_open(s->dir, false, &s->state, NULL), 0);
	engine_start(s);
	s->to_target = (struct sync_target){
		.name = "to", .registry = s->to_registry, .prefix = "", .identity = "registry:to"};
	s->other_target = (struct sync_target){.name = "other",
		.registry = s->other_registry,
		.prefix = "",
		.identity = "registry:other"};
	s->store_target = (struct sync_target){
		.name = "box", .store = s->store, .prefix = "", .identity = "store:box"};
	s->targets[0] = &s->to_target;
	s->targets[1] = &s->other_target;
	s->targets[2] = &s->store_target;
	s->options.loop = s->loop;
	s->options.state = s->state;
	s->options.scratch_dirfd = s->dir;
	s->options.deadline_ms = PATIENCE_MS;
	s->options.stop = &s->stop;
	s->options.event = on_event;
	s->options.ctx = s;
	s->result = SYNC_RESULT_INIT;
	*state = s;
	return 0;
}

/* An empty mirror of the upstream, by the name "mirror0" and so on. */
static UNUSED struct fake *mirror_add(struct scene *s, bool resolve)
{
	size_t i = s->n_mirrors++;
	char name[] = {'m', 'i', 'r', 'r', 'o', 'r', (char)('0' + i), '\0'};
	const struct source source = {
		.name = name,
		.registry = s->mirror_registries[i] = talk_to(s, &s->mirrors[i]),
		.resolve = resolve,
	};

	assert_true(i < MIRRORS_MAX);
	assert_int_equal(source_set_add(s->sources, &source, NULL), 0);
	return &s->mirrors[i];
}

static UNUSED void forget(struct scene *s)
{
	for (size_t i = 0; i < s->n_outcomes; i++) {
		free(s->outcomes[i].repository);
		free(s->outcomes[i].tag);
		free(s->outcomes[i].target);
		free(s->outcomes[i].error);
		free(s->outcomes[i].resolved_by);
	}
	s->n_outcomes = 0;
	s->events = 0;
	sync_result_clear(&s->result);
}

static UNUSED int teardown(void **state)
{
	struct scene *s = *state;

	forget(s);
	transfer_engine_free(s->engine);
	source_set_free(s->sources);
	registry_free(s->from_registry);
	registry_free(s->to_registry);
	registry_free(s->other_registry);
	for (size_t i = 0; i < s->n_mirrors; i++)
		registry_free(s->mirror_registries[i]);
	workers_free(s->workers);
	http_loop_free(s->loop);
	state_close(s->state);
	store_close(s->store);
	fake_stop(&s->from);
	fake_stop(&s->to);
	fake_stop(&s->other);
	for (size_t i = 0; i < s->n_mirrors; i++)
		fake_stop(&s->mirrors[i]);
	closep(&s->dir);
	folder_remove(s->folder);
	free(s);
	return 0;
}

/* All tags of these repositories, to the first n targets. */
static UNUSED struct sync_rule *rule_add(
	struct scene *s, const char *first, const char *second, size_t n)
{
	struct sync_rule *r = &s->rules[s->n_rules];
	const char **repositories = s->repositories[s->n_rules++];

	repositories[0] = first;
	repositories[1] = second;
	*r = (struct sync_rule){
		.name = "rule",
		.sources = s->sources,
		.authority = "from",
		.targets = s->targets,
		.n_targets = n,
		.repositories = repositories,
		.n_repositories = second ? 2 : 1,
	};
	return r;
}

static UNUSED void on_image(void *ctx, const struct sync_image *image)
{
	struct scene *s = ctx;

	assert_true(s->n_outcomes < RESULTS_MAX);
	s->outcomes[s->n_outcomes++] = (struct outcome){
		.repository = xstrdup(image->repository),
		.tag = xstrdup(image->tag),
		.target = xstrdup(image->target),
		.error = image->err ? xstrdup(error_text(image->err)) : NULL,
		.resolved_by = xstrdup(image->resolved_by),
		.state = image->state,
		.published = image->published,
	};
}

static UNUSED int run_rc(struct scene *s, struct error *err)
{
	int rc;

	forget(s);
	rc = sync_run(&s->options, s->rules, s->n_rules, &s->result, err);
	sync_result_each(&s->result, true, on_image, s);
	return rc;
}

static UNUSED void run(struct scene *s)
{
	AUTO(error_clear) struct error err = ERROR_INIT;

	if (run_rc(s, &err) < 0)
		fail_msg("%s", error_text(&err));
	/* Each image settles, once, and not because the time was up. */
	assert_false(s->result.canceled);
	assert_int_equal(s->events, s->result.images);
	assert_int_equal(
		s->result.images, s->result.published + s->result.complete + s->result.failed);
}

static UNUSED const struct outcome *outcome_of(
	const struct scene *s, const char *repository, const char *tag)
{
	for (size_t i = 0; i < s->n_outcomes; i++)
		if (s->outcomes[i].tag && strcmp(s->outcomes[i].tag, tag) == 0 &&
			strcmp(s->outcomes[i].repository, repository) == 0)
			return &s->outcomes[i];
	fail_msg("no image %s:%s", repository, tag);
	return NULL;
}

static UNUSED void assert_all_published(const struct scene *s, uint32_t n)
{
	for (size_t i = 0; i < s->n_outcomes; i++)
		if (s->outcomes[i].error)
			fail_msg("%s", s->outcomes[i].error);
	assert_int_equal(s->result.published, n);
	assert_int_equal(s->result.images, n);
}

/* ---- images ---- */

/* A manifest over "<layer> config" and the layer, whose blobs are put at the source, too. */
static UNUSED char *image_text(struct fake *f, const char *repository, const char *layer)
{
	AUTO_FREE char *config = xasprintf("{\"about\":\"%s\"}", layer);
	struct digest c = fake_blob(f, repository, config, strlen(config));
	struct digest l = fake_blob(f, repository, layer, strlen(layer));
	char a[DIGEST_STR_MAX], b[DIGEST_STR_MAX];

	return xasprintf("{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_MANIFEST "\","
			 "\"config\":{\"mediaType\":\"" MEDIA_OCI_CONFIG
			 "\",\"digest\":\"%s\",\"size\":%zu},"
			 "\"layers\":[{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\","
			 "\"digest\":\"%s\",\"size\":%zu}]}",
		digest_format(&c, a),
		strlen(config),
		digest_format(&l, b),
		strlen(layer));
}

static UNUSED struct digest image_put(
	struct scene *s, const char *repository, const char *tag, const char *layer)
{
	AUTO_FREE char *text = image_text(&s->from, repository, layer);

	return fake_manifest(&s->from, repository, tag, MEDIA_OCI_MANIFEST, text);
}

/* An entry of an index; the caller frees. */
static UNUSED char *entry(const char *type, const struct digest *d, size_t size)
{
	char text[DIGEST_STR_MAX];

	return xasprintf("{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%zu}",
		type,
		digest_format(d, text),
		size);
}

static UNUSED char *index_of(const char *entries)
{
	return xasprintf("{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX
			 "\",\"manifests\":[%s]}",
		entries);
}

static UNUSED bool target_has_layer(struct fake *f, const char *repository, const char *layer)
{
	return fake_has_blob(f, repository, layer, strlen(layer));
}

static UNUSED bool target_has_tag(
	struct scene *s, struct fake *f, const char *repository, const char *tag)
{
	const struct fake_item *item;
	bool has;

	(void)pthread_mutex_lock(&s->from.lock);
	item = fake_find(&s->from, repository, tag, true);
	(void)pthread_mutex_unlock(&s->from.lock);
	has = item && fake_has(f, repository, tag, item->bytes, item->len);
	return has;
}
