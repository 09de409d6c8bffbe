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
	char *repository, *tag, *target, *error;
	enum sync_state state;
	bool published;
};

struct scene {
	struct fake from, to, other;
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

static struct registry *talk_to(struct scene *s, struct fake *f)
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

static void engine_start(struct scene *s)
{
	const struct transfer_options o = {
		.loop = s->loop, .workers = s->workers, .parallel = 4, .spool_dirfd = -1};

	transfer_engine_free(s->engine);
	s->engine = transfer_engine_new(&o);
	s->options.engine = s->engine;
}

static void on_event(void *ctx, const struct sync_event *event)
{
	struct scene *s = ctx;

	s->events += event->kind == SYNC_EVENT_IMAGE;
}

static int setup(void **state)
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

static void forget(struct scene *s)
{
	for (size_t i = 0; i < s->n_outcomes; i++) {
		free(s->outcomes[i].repository);
		free(s->outcomes[i].tag);
		free(s->outcomes[i].target);
		free(s->outcomes[i].error);
	}
	s->n_outcomes = 0;
	s->events = 0;
	sync_result_clear(&s->result);
}

static int teardown(void **state)
{
	struct scene *s = *state;

	forget(s);
	transfer_engine_free(s->engine);
	source_set_free(s->sources);
	registry_free(s->from_registry);
	registry_free(s->to_registry);
	registry_free(s->other_registry);
	workers_free(s->workers);
	http_loop_free(s->loop);
	state_close(s->state);
	store_close(s->store);
	fake_stop(&s->from);
	fake_stop(&s->to);
	fake_stop(&s->other);
	closep(&s->dir);
	folder_remove(s->folder);
	free(s);
	return 0;
}

/* All tags of these repositories, to the first n targets. */
static struct sync_rule *rule_add(struct scene *s, const char *first, const char *second, size_t n)
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

static void on_image(void *ctx, const struct sync_image *image)
{
	struct scene *s = ctx;

	assert_true(s->n_outcomes < RESULTS_MAX);
	s->outcomes[s->n_outcomes++] = (struct outcome){
		.repository = xstrdup(image->repository),
		.tag = xstrdup(image->tag),
		.target = xstrdup(image->target),
		.error = image->err ? xstrdup(error_text(image->err)) : NULL,
		.state = image->state,
		.published = image->published,
	};
}

static int run_rc(struct scene *s, struct error *err)
{
	int rc;

	forget(s);
	rc = sync_run(&s->options, s->rules, s->n_rules, &s->result, err);
	sync_result_each(&s->result, true, on_image, s);
	return rc;
}

static void run(struct scene *s)
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

static const struct outcome *outcome_of(
	const struct scene *s, const char *repository, const char *tag)
{
	for (size_t i = 0; i < s->n_outcomes; i++)
		if (s->outcomes[i].tag && strcmp(s->outcomes[i].tag, tag) == 0 &&
			strcmp(s->outcomes[i].repository, repository) == 0)
			return &s->outcomes[i];
	fail_msg("no image %s:%s", repository, tag);
	return NULL;
}

static void assert_all_published(const struct scene *s, uint32_t n)
{
	for (size_t i = 0; i < s->n_outcomes; i++)
		if (s->outcomes[i].error)
			fail_msg("%s", s->outcomes[i].error);
	assert_int_equal(s->result.published, n);
	assert_int_equal(s->result.images, n);
}

/* ---- images ---- */

/* A manifest over "<layer> config" and the layer, whose blobs are put at the source, too. */
static char *image_text(struct fake *f, const char *repository, const char *layer)
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

static struct digest image_put(
	struct scene *s, const char *repository, const char *tag, const char *layer)
{
	AUTO_FREE char *text = image_text(&s->from, repository, layer);

	return fake_manifest(&s->from, repository, tag, MEDIA_OCI_MANIFEST, text);
}

/* An entry of an index; the caller frees. */
static char *entry(const char *type, const struct digest *d, size_t size)
{
	char text[DIGEST_STR_MAX];

	return xasprintf("{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%zu}",
		type,
		digest_format(d, text),
		size);
}

static char *index_of(const char *entries)
{
	return xasprintf("{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX
			 "\",\"manifests\":[%s]}",
		entries);
}

static bool target_has_layer(struct fake *f, const char *repository, const char *layer)
{
	return fake_has_blob(f, repository, layer, strlen(layer));
}

static bool target_has_tag(struct scene *s, struct fake *f, const char *repository, const char *tag)
{
	const struct fake_item *item;
	bool has;

	(void)pthread_mutex_lock(&s->from.lock);
	item = fake_find(&s->from, repository, tag, true);
	(void)pthread_mutex_unlock(&s->from.lock);
	has = item && fake_has(f, repository, tag, item->bytes, item->len);
	return has;
}

/* ---- the way it goes ---- */

static void images_arrive_whole_and_in_order(void **state)
{
	struct scene *s = *state;
	size_t tag;

	(void)image_put(s, "a/b", "v1", "layer");
	(void)rule_add(s, "a/b", NULL, 3);
	run(s);
	assert_all_published(s, 3);
	assert_true(target_has_tag(s, &s->to, "a/b", "v1"));
	assert_true(target_has_tag(s, &s->other, "a/b", "v1"));
	assert_true(target_has_layer(&s->to, "a/b", "layer"));
	tag = fake_last(&s->to, "PUT /v2/a/b/manifests/v1");
	assert_true(tag > fake_last(&s->to, "PUT /up/"));
	/* One fetch serves all targets. */
	assert_int_equal(fake_count(&s->from, "GET /v2/a/b/blobs/"), 2);
}

static void a_second_run_asks_next_to_nothing(void **state)
{
	struct scene *s = *state;
	unsigned before;

	(void)image_put(s, "a/b", "v1", "layer");
	(void)rule_add(s, "a/b", NULL, 1);
	run(s);
	before = fake_count(&s->from, "") + fake_count(&s->to, "");
	run(s);
	assert_int_equal(s->result.complete, 1);
	/* The source's listing and a HEAD, the target's listing. */
	assert_int_equal(fake_count(&s->from, "") + fake_count(&s->to, ""), before + 3);
	s->rules[0].immutable = SYNC_IMMUTABLE_SEMVER;
	run(s);
	assert_int_equal(s->result.complete, 1);
	assert_int_equal(fake_count(&s->from, "") + fake_count(&s->to, ""), before + 5);
}

static void blobs_that_images_share_move_once(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *one = image_text(&s->from, "a/b", "layer");
	AUTO_FREE char *two = xasprintf("%.*s }", (int)strlen(one) - 1, one);

	(void)fake_manifest(&s->from, "a/b", "v1", MEDIA_OCI_MANIFEST, one);
	(void)fake_manifest(&s->from, "a/b", "v2", MEDIA_OCI_MANIFEST, two);
	(void)rule_add(s, "a/b", NULL, 1);
	run(s);
	assert_all_published(s, 2);
	assert_int_equal(s->result.blobs, 2);
	assert_int_equal(fake_count(&s->from, "GET /v2/a/b/blobs/"), 2);
	assert_int_equal(fake_count(&s->to, "POST"), 2);
}

static void blobs_are_mounted_between_repositories(void **state)
{
	struct scene *s = *state;

	(void)image_put(s, "a/b", "v1", "layer");
	(void)image_put(s, "c/d", "v1", "layer");
	(void)rule_add(s, "a/b", "c/d", 1);
	run(s);
	assert_all_published(s, 2);
	assert_int_equal(s->result.mounted, 2);
	assert_int_equal(s->result.blobs, 2);
	assert_true(target_has_layer(&s->to, "a/b", "layer"));
	assert_true(target_has_layer(&s->to, "c/d", "layer"));
}

static void a_mount_uses_what_an_earlier_run_put_there(void **state)
{
	struct scene *s = *state;

	(void)image_put(s, "a/b", "v1", "layer");
	(void)rule_add(s, "a/b", NULL, 1);
	run(s);
	(void)image_put(s, "c/d", "v1", "layer");
	s->rules[0].repositories = (const char *const[]){"c/d"};
	run(s);
	assert_all_published(s, 1);
	assert_int_equal(s->result.mounted, 2);
	assert_int_equal(fake_count(&s->from, "GET /v2/c/d/blobs/"), 0);
}

static void an_index_goes_after_its_children(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *one = image_text(&s->from, "a/b", "one");
	AUTO_FREE char *two = image_text(&s->from, "a/b", "two");
	struct digest d1 = fake_manifest(&s->from, "a/b", NULL, MEDIA_OCI_MANIFEST, one);
	struct digest d2 = fake_manifest(&s->from, "a/b", NULL, MEDIA_OCI_MANIFEST, two);
	AUTO_FREE char *e1 = entry(MEDIA_OCI_MANIFEST, &d1, strlen(one));
	AUTO_FREE char *e2 = entry(MEDIA_OCI_MANIFEST, &d2, strlen(two));
	AUTO_FREE char *both = xasprintf("%s,%s,%s", e1, e2, e1);
	AUTO_FREE char *text = index_of(both);

	(void)fake_manifest(&s->from, "a/b", "v1", MEDIA_OCI_INDEX, text);
	(void)rule_add(s, "a/b", NULL, 3);
	run(s);
	assert_all_published(s, 3);
	assert_true(target_has_tag(s, &s->to, "a/b", "v1"));
	assert_true(fake_last(&s->to, "PUT /v2/a/b/manifests/v1") >
		    fake_last(&s->to, "PUT /v2/a/b/manifests/sha256"));
	assert_int_equal(fake_count(&s->to, "PUT /v2/a/b/manifests/"), 3);
}

/* ---- sources that fail ---- */

static void a_missing_child_fails_only_its_image(void **state)
{
	struct scene *s = *state;
	struct digest gone = fake_digest("gone", 4);
	AUTO_FREE char *e = entry(MEDIA_OCI_MANIFEST, &gone, 4);
	AUTO_FREE char *text = index_of(e);

	(void)fake_manifest(&s->from, "a/b", "bad", MEDIA_OCI_INDEX, text);
	(void)image_put(s, "a/b", "good", "layer");
	(void)rule_add(s, "a/b", NULL, 2);
	run(s);
	assert_int_equal(s->result.failed, 2);
	assert_int_equal(s->result.published, 2);
	assert_non_null(strstr(outcome_of(s, "a/b", "bad")->error, "a/b:bad: manifest sha256:"));
	assert_null(outcome_of(s, "a/b", "good")->error);
	assert_int_equal(fake_count(&s->to, "PUT /v2/a/b/manifests/bad"), 0);
}

static void a_child_that_two_repositories_lack_fails_both(void **state)
{
	struct scene *s = *state;
	struct digest gone = fake_digest("gone", 4);
	AUTO_FREE char *e = entry(MEDIA_OCI_MANIFEST, &gone, 4);
	AUTO_FREE char *text = index_of(e);

	(void)fake_manifest(&s->from, "a/b", "bad", MEDIA_OCI_INDEX, text);
	(void)fake_manifest(&s->from, "c/d", "bad", MEDIA_OCI_INDEX, text);
	(void)image_put(s, "a/b", "good", "layer");
	(void)rule_add(s, "a/b", "c/d", 1);
	run(s);
	assert_int_equal(s->result.failed, 2);
	assert_int_equal(s->result.published, 1);
}

static void a_child_that_another_repository_has_is_found_there(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *one = image_text(&s->from, "c/d", "one");
	struct digest d = fake_manifest(&s->from, "c/d", NULL, MEDIA_OCI_MANIFEST, one);
	AUTO_FREE char *e = entry(MEDIA_OCI_MANIFEST, &d, strlen(one));
	AUTO_FREE char *text = index_of(e);

	(void)fake_manifest(&s->from, "a/b", "v1", MEDIA_OCI_INDEX, text);
	(void)fake_manifest(&s->from, "c/d", "v1", MEDIA_OCI_INDEX, text);
	(void)rule_add(s, "a/b", "c/d", 1);
	run(s);
	assert_null(outcome_of(s, "c/d", "v1")->error);
	assert_true(target_has_tag(s, &s->to, "c/d", "v1"));
}

static void a_missing_blob_fails_only_its_image(void **state)
{
	struct scene *s = *state;
	struct digest layer = fake_digest("lost", 4);
	char text[DIGEST_STR_MAX];

	(void)image_put(s, "a/b", "bad", "lost");
	(void)image_put(s, "a/b", "good", "layer");
	fake_drop(&s->from, "a/b", digest_format(&layer, text));
	(void)rule_add(s, "a/b", NULL, 3);
	run(s);
	assert_int_equal(s->result.failed, 3);
	assert_int_equal(s->result.published, 3);
	assert_int_equal(fake_count(&s->to, "PUT /v2/a/b/manifests/bad"), 0);
}

static void indexes_nest_only_so_deep(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *inner = image_text(&s->from, "a/b", "layer");
	const char *type = MEDIA_OCI_MANIFEST;

	for (unsigned depth = 0; depth <= 5; depth++) {
		AUTO_FREE char *tag = xasprintf("d%u", depth);
		struct digest d = fake_manifest(&s->from, "a/b", tag, type, inner);
		AUTO_FREE char *e = entry(type, &d, strlen(inner));

		free(inner);
		inner = index_of(e);
		type = MEDIA_OCI_INDEX;
	}
	(void)rule_add(s, "a/b", NULL, 1);
	run(s);
	assert_int_equal(s->result.failed, 1);
	assert_int_equal(s->result.published, 5);
	assert_non_null(strstr(outcome_of(s, "a/b", "d5")->error, "nest more than 4"));
}

/* The chain is reached by short ways first, so that each link looks shallow. */
static void a_short_way_to_a_deep_index_hides_nothing(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *inner = image_text(&s->from, "a/b", "layer");
	AUTO_FREE char *all = xstrdup("");
	const char *type = MEDIA_OCI_MANIFEST;
	AUTO_FREE char *root = NULL;

	for (unsigned depth = 0; depth <= 8; depth++) {
		struct digest d = fake_manifest(&s->from, "a/b", NULL, type, inner);
		AUTO_FREE char *e = entry(type, &d, strlen(inner));
		char *longer = xasprintf("%s%s%s", all, *all ? "," : "", e);

		free(all);
		all = longer;
		free(inner);
		inner = index_of(e);
		type = MEDIA_OCI_INDEX;
	}
	root = index_of(all);
	(void)fake_manifest(&s->from, "a/b", "v1", MEDIA_OCI_INDEX, root);
	(void)rule_add(s, "a/b", NULL, 1);
	run(s);
	assert_int_equal(s->result.failed, 1);
	assert_non_null(strstr(outcome_of(s, "a/b", "v1")->error, "nest more than 4"));
}

static void an_index_may_list_blobs(void **state)
{
	struct scene *s = *state;
	struct digest layer = fake_blob(&s->from, "a/b", "cached layer", 12);
	struct digest config = fake_blob(&s->from, "a/b", "{\"layers\":[]}", 13);
	AUTO_FREE char *e1 = entry("application/vnd.oci.image.layer.v1.tar+gzip", &layer, 12);
	AUTO_FREE char *e2 = entry("application/vnd.buildkit.cacheconfig.v0", &config, 13);
	AUTO_FREE char *both = xasprintf("%s,%s", e1, e2);
	AUTO_FREE char *text = index_of(both);

	(void)fake_manifest(&s->from, "a/b", "cache", MEDIA_OCI_INDEX, text);
	(void)rule_add(s, "a/b", NULL, 3);
	run(s);
	assert_all_published(s, 3);
	assert_true(target_has_tag(s, &s->to, "a/b", "cache"));
	assert_true(target_has_layer(&s->to, "a/b", "cached layer"));
	assert_int_equal(fake_count(&s->to, "PUT /v2/a/b/manifests/"), 1);
}

static void a_child_of_unknown_type_may_be_a_manifest(void **state)
{
	struct scene *s = *state;
	AUTO_FREE char *one = image_text(&s->from, "a/b", "one");
	struct digest d = fake_manifest(&s->from, "a/b", NULL, MEDIA_OCI_MANIFEST, one);
	AUTO_FREE char *e = entry("application/x-strange", &d, strlen(one));
	AUTO_FREE char *text = index_of(e);

	(void)fake_manifest(&s->from, "a/b", "v1", MEDIA_OCI_INDEX, text);
	(void)rule_add(s, "a/b", NULL, 1);
	run(s);
	assert_all_published(s, 1);
	assert_true(target_has_layer(&s->to, "a/b", "one"));
	assert_int_equal(fake_count(&s->to, "PUT /v2/a/b/manifests/"), 2);
}

/* ---- targets that fail ---- */

static enum fake_turn refuses_manifests(struct fake *f, struct peer_conn *c)
{
	struct scene *s = f->ctx;

	if (!fake_hears(c, "PUT /v2/a/b/manifests/v2"))
		return FAKE_GOES_ON;
	(void)atomic_fetch_add(&s->met, 1);
	return fake_refuse(c, 403, "");
}

static enum fake_turn lost_a_blob_once(struct fake *f, struct peer_conn *c)
{
	static const char body[] = "{\"errors\":[{\"code\":\"MANIFEST_BLOB_UNKNOWN\"}]}";
	struct scene *s = f->ctx;

	if (!fake_hears(c, "PUT /v2/a/b/manifests/") || atomic_fetch_add(&s->met, 1) > 0)
		return FAKE_GOES_ON;
	fake_drop(f, "a/b", s->want);
	(void)peer_take(c, NULL, c->content_length);
	(void)peer_say(c,
		"HTTP/1.1 404 X\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
		strlen(body),
		body);
	return FAKE_ANSWERED;
}

static enum fake_turn always_lost_a_blob(struct fake *f, struct peer_conn *c)
{
	struct scene *s = f->ctx;

	atomic_store(&s->met, 0);
	return lost_a_blob_once(f, c);
}

static void a_lost_blob_is_sent_again_once(void **state)
{
	struct scene *s = *state;
	struct digest layer = fake_digest("layer", 5);

	(void)image_put(s, "a/b", "v1", "layer");
	(void)image_put(s, "a/b", "v2", "layer");
	(void)digest_format(&layer, s->want);
	s->to.first = lost_a_blob_once;
	(void)rule_add(s, "a/b", NULL, 1);
	run(s);
	assert_all_published(s, 2);
	assert_true(target_has_layer(&s->to, "a/b", "layer"));
	assert_true(target_has_tag(s, &s->to, "a/b", "v1"));
	assert_true(target_has_tag(s, &s->to, "a/b", "v2"));
}

static void a_target_that_keeps_losing_fails_the_image(void **state)
{
	struct scene *s = *state;
	struct digest layer = fake_digest("layer", 5);

	(void)image_put(s, "a/b", "v1", "layer");
	(void)digest_format(&layer, s->want);
	s->to.first = always_lost_a_blob;
	(void)rule_add(s, "a/b", NULL, 2);
	run(s);
	assert_int_equal(s->result.failed, 1);
	assert_int_equal(s->result.published, 1);
	assert_int_equal(fake_count(&s->to, "PUT /v2/a/b/manifests/v1"), 2);
}

static enum fake_turn cannot_say(struct fake *f, struct peer_conn *c)
{
	(void)f;
	return fake_hears(c, "HEAD ") ? fake_say(c, 400, "") : FAKE_GOES_ON;
}

static void a_target_that_cannot_say_is_not_absent(void **state)
{
	struct scene *s = *state;

	(void)image_put(s, "a/b", "v1", "layer");
	(void)rule_add(s, "a/b", NULL, 2);
	(void)fake_manifest(&s->to, "a/b", "old", MEDIA_OCI_MANIFEST, "{}");
	s->to.first = cannot_say;
	run(s);
	assert_int_equal(s->result.failed, 1);
	assert_int_equal(s->result.published, 1);
	assert_non_null(strstr(outcome_of(s, "a/b", "v1")->error, "is not known"));
	assert_int_equal(fake_count(&s->to, "POST"), 0);
}

static void a_set_is_held_back_when_one_of_it_fails(void **state)
{
	struct scene *s = *state;
	struct digest lost = fake_digest("lost", 4);
	char text[DIGEST_STR_MAX];

	(void)image_put(s, "a/b", "v1", "layer");
	(void)image_put(s, "a/b", "bad", "lost");
	fake_drop(&s->from, "a/b", digest_format(&lost, text));
	rule_add(s, "a/b", NULL, 1)->publish_together = true;
	run(s);
	assert_int_equal(s->result.failed, 2);
	assert_non_null(strstr(outcome_of(s, "a/b", "v1")->error, "held back: 1 images"));
	assert_int_equal(fake_count(&s->to, "PUT /v2/a/b/manifests/v1"), 0);
	/* What was held back goes when the rest is there, without another byte of it. */
	(void)fake_blob(&s->from, "a/b", "lost", 4);
	run(s);
	assert_all_published(s, 2);
	assert_int_equal(s->result.blobs, 1);
	assert_true(target_has_tag(s, &s->to, "a/b", "v1"));
	assert_true(target_has_tag(s, &s->to, "a/b", "bad"));
}

static void journal_begin(struct scene *s, const char *tag, const struct digest *to, int64_t *set)
{
	const struct state_move move = {
		.target = "registry:to",
		.repository = "a/b",
		.tag = tag,
		.new_digest = *to,
		.source = *to,
		.authority = "from",
		.source_repository = "a/b",
		.selection = "",
		.media_type = MEDIA_OCI_MANIFEST,
	};

	assert_int_equal(state_set_begin(s->state, "rule", &move, 1, set, NULL), 0);
}

static unsigned pending;

static bool count_move(void *ctx, int64_t set, const struct state_move *move)
{
	(void)ctx;
	(void)set;
	(void)move;
	pending++;
	return true;
}

static unsigned moves_pending(struct scene *s)
{
	pending = 0;
	assert_int_equal(state_moves_pending(s->state, count_move, NULL, NULL), 0);
	return pending;
}

static void a_half_moved_set_is_moved_on(void **state)
{
	static const char manifest[] = "{\"schemaVersion\":2,\"layers\":[]}";
	struct scene *s = *state;
	struct digest d = fake_manifest(&s->to, "a/b", NULL, MEDIA_OCI_MANIFEST, manifest);
	int64_t set;

	journal_begin(s, "v1", &d, &set);
	(void)image_put(s, "c/d", "v1", "layer");
	(void)rule_add(s, "c/d", NULL, 1);
	run(s);
	assert_true(fake_has(&s->to, "a/b", "v1", manifest, strlen(manifest)));
	assert_int_equal(moves_pending(s), 0);
}

static void a_tag_that_moved_on_since_is_not_moved_back(void **state)
{
	static const char manifest[] = "{\"schemaVersion\":2,\"layers\":[]}";
	struct scene *s = *state;
	struct digest d = fake_manifest(&s->to, "a/b", NULL, MEDIA_OCI_MANIFEST, manifest);
	int64_t set;

	(void)image_put(s, "a/b", "v1", "layer");
	(void)rule_add(s, "a/b", NULL, 1);
	run(s);
	journal_begin(s, "v1", &d, &set);
	run(s);
	assert_true(target_has_tag(s, &s->to, "a/b", "v1"));
	assert_int_equal(fake_count(&s->to, "PUT /v2/a/b/manifests/v1"), 1);
	assert_int_equal(moves_pending(s), 0);
}

static void one_that_a_target_refuses_does_not_stop_the_others(void **state)
{
	struct scene *s = *state;

	(void)image_put(s, "a/b", "v1", "one");
	(void)image_put(s, "a/b", "v2", "two");
	(void)image_put(s, "a/b", "v3", "three");
	s->to.first = refuses_manifests;
	(void)rule_add(s, "a/b", NULL, 2);
	run(s);
	assert_int_equal(s->result.failed, 1);
	assert_int_equal(s->result.published, 5);
	assert_int_equal(s->met, 1);
}

/* ---- budgets ---- */

/* Manifests of about a megabyte: four of them fill the budget of what is pushed at once. */
static void large_manifests_wait_for_each_other_and_all_arrive(void **state)
{
	struct scene *s = *state;

	for (unsigned i = 0; i < 12; i++) {
		AUTO_FREE char *tag = xasprintf("v%u", i);
		AUTO_FREE char *text = image_text(&s->from, "a/b", tag);
		AUTO_FREE char *padded = xasprintf("%.*s,\"annotations\":{\"x\":\"%*s\"}}",
			(int)strlen(text) - 1,
			text,
			1500 * 1000,
			"");

		(void)fake_manifest(&s->from, "a/b", tag, MEDIA_OCI_MANIFEST, padded);
	}
	(void)rule_add(s, "a/b", NULL, 1);
	s->rules[0].publish_together = true;
	(void)rule_add(s, "a/b", NULL, 1);
	run(s);
	assert_all_published(s, 24);
}

/* ---- the end ---- */

/* On the loop's thread. */
static void stop_now(void *ctx)
{
	((struct scene *)ctx)->stop = 1;
}

static enum fake_turn stops_the_run(struct fake *f, struct peer_conn *c)
{
	struct scene *s = f->ctx;

	if (!fake_hears(c, s->stop_at))
		return FAKE_GOES_ON;
	http_loop_post(s->loop, stop_now, s);
	peer_linger(c);
	return FAKE_CLOSES;
}

static bool a_while(void *ctx)
{
	return clock_mono_ms() > *(uint64_t *)ctx;
}

static void a_run_is_stopped_at_any_request(void **state)
{
	static const char *const source[] = {
		"GET /v2/a/b/tags", "GET /v2/a/b/manifests/", "GET /v2/a/b/blobs/"};
	static const char *const target[] = {
		"GET /v2/a/b/tags", "POST ", "PUT /up", "PUT /v2/a/b/man", "HEAD "};
	struct scene *s = *state;

	(void)image_put(s, "a/b", "v1", "layer");
	(void)rule_add(s, "a/b", NULL, 2);
	for (size_t i = 0; i < ARRAY_SIZE(source) + ARRAY_SIZE(target); i++) {
		bool at_source = i < ARRAY_SIZE(source);
		struct fake *f = at_source ? &s->from : &s->to;
		uint64_t until;

		s->stop_at = at_source ? source[i] : target[i - ARRAY_SIZE(source)];
		f->first = stops_the_run;
		s->stop = 0;
		assert_int_equal(run_rc(s, NULL), 0);
		assert_int_equal(s->events, s->result.images);
		forget(s);
		f->first = NULL;
		/* The loop lives on, and nothing of the run calls back. */
		until = clock_mono_ms() + 20;
		assert_int_equal(http_loop_run(s->loop, a_while, &until, NULL), 0);
	}
	s->stop = 0;
	run(s);
	assert_int_equal(s->result.failed, 0);
	assert_true(target_has_tag(s, &s->to, "a/b", "v1"));
	assert_true(target_has_tag(s, &s->other, "a/b", "v1"));
}

static void a_plan_changes_nothing(void **state)
{
	struct scene *s = *state;

	(void)image_put(s, "a/b", "v1", "layer");
	(void)rule_add(s, "a/b", NULL, 3);
	s->options.plan_only = true;
	assert_int_equal(run_rc(s, NULL), 0);
	assert_int_equal(outcome_of(s, "a/b", "v1")->state, SYNC_NEW);
	assert_int_equal(fake_count(&s->to, "P"), 0);
	assert_int_equal(fake_count(&s->from, "GET /v2/a/b/blobs/"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define RUN_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		RUN_TEST(images_arrive_whole_and_in_order),
		RUN_TEST(a_second_run_asks_next_to_nothing),
		RUN_TEST(blobs_that_images_share_move_once),
		RUN_TEST(blobs_are_mounted_between_repositories),
		RUN_TEST(a_mount_uses_what_an_earlier_run_put_there),
		RUN_TEST(an_index_goes_after_its_children),
		RUN_TEST(a_missing_child_fails_only_its_image),
		RUN_TEST(a_child_that_two_repositories_lack_fails_both),
		RUN_TEST(a_child_that_another_repository_has_is_found_there),
		RUN_TEST(a_missing_blob_fails_only_its_image),
		RUN_TEST(indexes_nest_only_so_deep),
		RUN_TEST(a_short_way_to_a_deep_index_hides_nothing),
		RUN_TEST(an_index_may_list_blobs),
		RUN_TEST(a_child_of_unknown_type_may_be_a_manifest),
		RUN_TEST(a_lost_blob_is_sent_again_once),
		RUN_TEST(a_target_that_keeps_losing_fails_the_image),
		RUN_TEST(a_target_that_cannot_say_is_not_absent),
		RUN_TEST(a_set_is_held_back_when_one_of_it_fails),
		RUN_TEST(a_half_moved_set_is_moved_on),
		RUN_TEST(a_tag_that_moved_on_since_is_not_moved_back),
		RUN_TEST(one_that_a_target_refuses_does_not_stop_the_others),
		RUN_TEST(large_manifests_wait_for_each_other_and_all_arrive),
		RUN_TEST(a_run_is_stopped_at_any_request),
		RUN_TEST(a_plan_changes_nothing),
	};

	return cmocka_run_group_tests_name("sync/run", tests, NULL, NULL);
}
