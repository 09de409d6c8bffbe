/* bench_subject.c - sources and a sample image for `bench`. */
#include "bench_subject.h"

#include "oci/reference.h"
#include "program.h"
#include "select/semver.h"
#include "state/state.h"
#include "util/mem.h"

void bench_subject_free(struct bench_subject *s)
{
	if (!s)
		return;
	free(s->upstream);
	for (size_t i = 0; i < BENCH_PLACES_MAX; i++) {
		free(s->repositories[i]);
		free(s->names[i]);
	}
	free(s->repository);
	free(s->tag);
	free(s->tags);
	for (size_t i = 0; i < s->n_texts; i++)
		free(s->texts[i]);
	free(s->texts);
	free(s);
}

/* ---- places ---- */

static int add_place(struct bench_subject *s, const struct bench_place *place, struct error *err)
{
	if (s->n_places == BENCH_PLACES_MAX)
		return error_set(err, ERR_USAGE, "more than %d sources", BENCH_PLACES_MAX);
	for (size_t i = 0; i < s->n_places; i++)
		if (strcmp(s->places[i].name, place->name) == 0)
			return error_set(
				err, ERR_USAGE, "source '%.80s' is named twice", place->name);
	s->names[s->n_places] = xstrdup(place->name);
	s->places[s->n_places] = *place;
	s->places[s->n_places].name = s->names[s->n_places];
	s->n_places++;
	return 0;
}

/* A name that only one place may hear is compared with nothing. */
static int refuse_private(
	struct setup *setup, const char *host, const char *repository, size_t n, struct error *err)
{
	AUTO_FREE char *name = xasprintf("%s/%s", host, repository);
	bool is_private;
	int rc = setup_is_private(setup, name, &is_private, err);

	if (rc == 0 && is_private && n > 1)
		return error_set(err,
			ERR_USAGE,
			"'%.200s' is private: no other source is asked for it; measure it alone",
			name);
	return rc;
}

/* The first source's tag or digest counts; another one may repeat it. */
static int take_reference(struct bench_subject *s, const struct reference *r, struct error *err)
{
	if (s->n_places == 1) {
		s->repository = xstrdup(r->repository);
		s->tag = xstrdup(r->tag);
		s->has_digest = r->has_digest;
		s->digest = r->digest;
		return 0;
	}
	if ((r->tag && (!s->tag || strcmp(r->tag, s->tag) != 0)) ||
		(r->has_digest && (!s->has_digest || !digest_equal(&r->digest, &s->digest))))
		return error_set(err,
			ERR_USAGE,
			"'%s/%s' names another tag or digest than the first source: sources of the "
			"same content are compared",
			r->host,
			r->repository);
	return 0;
}

static int add_full(
	struct setup *setup, struct bench_subject *s, const char *text, size_t n, struct error *err)
{
	AUTO(reference_clear) struct reference r = REFERENCE_INIT;
	struct bench_place place = {.name = NULL};
	AUTO_FREE char *name = NULL;
	int rc = reference_parse(text, &r, err);

	if (rc == 0 && r.kind != REFERENCE_REGISTRY)
		return error_set(err, ERR_USAGE, "--source: '%.80s' is no registry's", text);
	if (rc == 0)
		rc = refuse_private(setup, r.host, r.repository, n, err);
	if (rc < 0)
		return error_wrap(err, rc, "--source");
	name = xasprintf("%s/%s", r.host, r.repository);
	rc = setup_registry(setup, name, &place.registry, err);
	place.name = name;
	if (rc == 0)
		rc = add_place(s, &place, err);
	if (rc < 0)
		return rc;
	s->repositories[s->n_places - 1] = xstrdup(r.repository);
	s->places[s->n_places - 1].repository = s->repositories[s->n_places - 1];
	return take_reference(s, &r, err);
}

/* REPO[:TAG|@DIGEST], without a host. */
static int parse_image(const char *text, struct reference *ret, struct error *err)
{
	AUTO_FREE char *full = xasprintf("localhost/%s", text);
	int rc = reference_parse(full, ret, err);

	return rc < 0 ? error_wrap(err, rc, "--image '%.80s'", text) : 0;
}

static void take_image(struct bench_subject *s, const struct reference *r)
{
	s->repository = xstrdup(r->repository);
	s->tag = xstrdup(r->tag);
	s->has_digest = r->has_digest;
	s->digest = r->digest;
}

static int add_set(struct bench_subject *s, const struct source_set *set, struct error *err)
{
	for (size_t i = 0; i < set->n; i++) {
		const struct source *source = &set->items[(set->authority + i) % set->n];
		const struct bench_place place = {
			.name = source->name,
			.registry = source->registry,
			.source = source,
		};
		int rc = add_place(s, &place, err);

		if (rc < 0)
			return rc;
	}
	return 0;
}

static int sources_of_image(struct setup *setup, struct bench_subject *s,
	const struct bench_wishes *wishes, struct error *err)
{
	AUTO(reference_clear) struct reference image = REFERENCE_INIT;
	AUTO_FREE struct setup_source *sources = NULL;
	struct source_set *set = NULL;
	size_t n = wishes->sources->n;
	int rc = parse_image(wishes->image, &image, err);

	if (rc < 0)
		return rc;
	take_image(s, &image);
	sources = xcalloc(n, sizeof(*sources));
	for (size_t i = 0; i < n && rc == 0; i++) {
		sources[i] = (struct setup_source){
			.host = wishes->sources->items[i],
			.authority = i == 0,
		};
		rc = refuse_private(setup, sources[i].host, s->repository, n, err);
	}
	if (rc == 0)
		rc = setup_sources(setup, "bench", sources, n, &set, err);
	return rc < 0 ? error_wrap(err, rc, "--source") : add_set(s, set, err);
}

int bench_subject_named(struct setup *setup, const struct bench_wishes *wishes,
	struct bench_subject **ret, struct error *err)
{
	AUTO(bench_subject_freep) struct bench_subject *s = xcalloc(1, sizeof(*s));
	const struct opt_list *sources = wishes->sources;
	int rc = 0;

	if (wishes->image)
		rc = sources_of_image(setup, s, wishes, err);
	for (size_t i = 0; i < sources->n && rc == 0 && !wishes->image; i++)
		rc = add_full(setup, s, sources->items[i], sources->n, err);
	if (rc < 0)
		return rc;
	if (!s->tag && !s->has_digest)
		return error_set(err,
			ERR_USAGE,
			"name a tag or a digest: '%.200s:TAG'",
			wishes->image ? wishes->image : sources->items[0]);
	*ret = steal(&s);
	return 0;
}

/* ---- tags of an upstream ---- */

/* Keeps a text as long as the subject lives. */
static const char *keep(struct bench_subject *s, const char *text)
{
	s->texts = xrealloc(s->texts, s->n_texts + 1, sizeof(*s->texts));
	s->texts[s->n_texts] = xstrdup(text);
	return s->texts[s->n_texts++];
}

static void want(struct bench_subject *s, const char *repository, const char *tag)
{
	for (size_t i = 0; i < s->n_tags; i++)
		if (strcmp(s->tags[i].repository, repository) == 0 &&
			strcmp(s->tags[i].tag, tag) == 0)
			return;
	if (s->n_tags == BENCH_TAGS_MAX)
		return;
	s->tags = xrealloc(s->tags, s->n_tags + 1, sizeof(*s->tags));
	s->tags[s->n_tags++] = (struct bench_tag){
		.repository = keep(s, repository),
		.tag = keep(s, tag),
	};
}

struct listing {
	char **tags;
	size_t n, cap;
	bool done;
	struct error err;
};

static bool on_tag(void *ctx, const char *tag, const struct descriptor *descriptor)
{
	struct listing *l = ctx;

	(void)descriptor;
	l->tags = array_grow(l->tags, l->n, &l->cap, sizeof(*l->tags));
	l->tags[l->n++] = xstrdup(tag);
	return true;
}

static void on_listed(void *ctx, struct registry_reply *reply, struct error *err)
{
	struct listing *l = ctx;

	(void)reply;
	l->done = true;
	if (err)
		error_move(&l->err, err);
}

static bool listed(void *ctx)
{
	const struct listing *l = ctx;

	return l->done || stop_requested;
}

static void listing_clear(struct listing *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->tags[i]);
	free(l->tags);
	error_clear(&l->err);
}

static int list_tags(struct setup *setup, const struct bench_place *authority,
	const char *repository, struct listing *l, struct error *err)
{
	AUTO_FREE char *name = source_repository(authority->source, repository);
	const struct registry_list list = {
		.repository = name,
		.attempts = 1,
		.item = on_tag,
		.done = on_listed,
		.ctx = l,
	};
	struct registry_call *call = registry_tags(authority->registry, &list);
	int rc = http_loop_run(setup_parts(setup).loop, listed, l, err);

	if (!l->done)
		registry_cancel(&call);
	if (rc < 0)
		return rc;
	if (!l->done)
		return error_set(err, ERR_CANCELED, "stopped");
	if (l->err.code == ERR_NONE)
		return 0;
	error_move(err, &l->err);
	return error_wrap(err, -(int)err->code, "list the tags of %s", repository);
}

/* The highest release; without any version the last tag. */
static const char *highest(const char *const *tags, const enum select_reason *reasons, size_t n)
{
	struct semver best = {.major = 0}, version;
	const char *found = NULL, *last = NULL;

	for (size_t i = 0; i < n; i++) {
		if (reasons && reasons[i] != SELECT_WANTED)
			continue;
		last = tags[i];
		if (!semver_parse(tags[i], &version) || version.prerelease)
			continue;
		if (!found || semver_compare(&version, &best) > 0) {
			found = tags[i];
			best = version;
		}
	}
	return found ? found : last;
}

/* selector NULL: all tags are wanted. */
static int choose_listed(struct setup *setup, struct bench_subject *s, const char *repository,
	const struct selector *selector, struct error *err)
{
	AUTO(listing_clear) struct listing l = {.n = 0};
	AUTO_FREE enum select_reason *reasons = NULL;
	const char *const *tags;
	const char *best;
	int rc = list_tags(setup, &s->places[0], repository, &l, err);

	if (rc < 0)
		return rc;
	tags = (const char *const *)l.tags;
	if (selector) {
		reasons = xcalloc(l.n + 1, sizeof(*reasons));
		rc = selector_apply(selector, tags, l.n, reasons, err);
	}
	best = rc == 0 ? highest(tags, reasons, l.n) : NULL;
	if (!best)
		return rc;
	s->repository = xstrdup(repository);
	s->tag = xstrdup(best);
	want(s, repository, best);
	for (size_t i = 0; i < l.n; i++)
		if (reasons && reasons[i] == SELECT_WANTED)
			want(s, repository, tags[i]);
	return 0;
}

static int choose_by_rule(struct setup *setup, struct bench_subject *s,
	const struct config_rule *rule, const char *repository, struct error *err)
{
	AUTO(selector_freep) struct selector *selector = NULL;
	const struct select_rules rules = {
		.include = (const char *const *)rule->include,
		.n_include = rule->n_include,
		.exclude = (const char *const *)rule->exclude,
		.n_exclude = rule->n_exclude,
		.semver = rule->semver,
		.latest = rule->latest,
	};
	int rc = selector_new(&rules, &selector, err);

	if (rc < 0)
		return rc;
	if (!selector_is_literal(selector))
		return s->repository ? 0 : choose_listed(setup, s, repository, selector, err);
	for (size_t i = 0; i < rule->n_include; i++)
		want(s, repository, rule->include[i]);
	if (!s->repository && rule->n_include > 0) {
		s->repository = xstrdup(repository);
		s->tag = xstrdup(rule->include[0]);
	}
	return 0;
}

/* kube-apiserver first, as the sample; private names are left out by the caller. */
static int want_version(struct bench_subject *s, const struct kubeadm_table *table,
	const char *version, struct error *err)
{
	AUTO(kubeadm_images_clear) struct kubeadm_images images = {.n = 0};
	int rc = kubeadm_images_get(table, version, &images, err);

	for (size_t i = 0; i < images.n; i++) {
		want(s, images.items[i].path, images.items[i].tag);
		if (!s->repository) {
			s->repository = xstrdup(images.items[i].path);
			s->tag = xstrdup(images.items[i].tag);
		}
	}
	return rc;
}

/* Of versions that a run would look for at the upstream, those that are known will do here. */
static int choose_by_kubeadm(struct bench_subject *s, const struct kubeadm_table *table,
	const struct config_kubeadm *entry, struct error *err)
{
	const struct kubeadm_wish wish = {entry->version, entry->minor, entry->latest};
	AUTO(error_clear) struct error none = ERROR_INIT;
	AUTO_FREE bool *chosen = NULL;
	size_t n = 0;
	char **versions;
	int rc = 0;

	if (kubeadm_wish_is_exact(&wish))
		return want_version(s, table, wish.version, err);
	versions = kubeadm_table_versions(table, &n);
	chosen = xcalloc(n + 1, sizeof(*chosen));
	if (kubeadm_wish_select(&wish, (const char *const *)versions, n, chosen, &none) < 0)
		memset(chosen, 0, n);
	for (size_t i = 0; i < n; i++) {
		if (rc == 0 && chosen[i])
			rc = want_version(s, table, versions[i], err);
		free(versions[i]);
	}
	free(versions);
	return rc;
}

static int choose_by_versions(struct setup *setup, const struct config *config,
	const struct config_rule *rule, struct bench_subject *s, struct error *err)
{
	AUTO_FREE char *name =
		xasprintf("%s/" KUBEADM_APISERVER, config->upstreams[rule->upstream].authority);
	bool is_private = false;
	int rc = setup_is_private(setup, name, &is_private, err);

	for (size_t i = 0; i < rule->n_kubeadm && rc == 0 && !is_private; i++)
		rc = choose_by_kubeadm(s, config->kubeadm_table, &rule->kubeadm[i], err);
	return rc;
}

/* What the rules of this upstream want of names that any source may hear. */
static int choose_sample(struct setup *setup, const struct config *config,
	const struct config_upstream *upstream, struct bench_subject *s, struct error *err)
{
	for (size_t r = 0; r < config->n_rules; r++) {
		const struct config_rule *rule = &config->rules[r];

		if (&config->upstreams[rule->upstream] != upstream)
			continue;
		if (choose_by_versions(setup, config, rule, s, err) < 0)
			return -(int)err->code;
		for (size_t i = 0; i < rule->n_repositories; i++) {
			AUTO_FREE char *name =
				xasprintf("%s/%s", upstream->authority, rule->repositories[i]);
			bool is_private;
			int rc = setup_is_private(setup, name, &is_private, err);

			if (rc == 0 && is_private)
				continue;
			if (rc == 0)
				rc = choose_by_rule(setup, s, rule, rule->repositories[i], err);
			if (rc < 0)
				return rc;
		}
	}
	if (!s->repository)
		return error_set(err,
			ERR_USAGE,
			"no rule names an image of it that every source may be asked for: say "
			"--image REPO[:TAG]");
	return 0;
}

static int choose_image(struct setup *setup, const struct config_upstream *upstream,
	struct bench_subject *s, const char *text, struct error *err)
{
	AUTO(reference_clear) struct reference image = REFERENCE_INIT;
	AUTO_FREE char *name = NULL;
	int rc = parse_image(text, &image, err);

	if (rc < 0)
		return rc;
	name = xasprintf("%s/%s", upstream->authority, image.repository);
	rc = setup_is_private(setup, name, &s->is_private, err);
	if (rc < 0)
		return rc;
	if (s->is_private)
		s->n_places = 1;
	if (!image.tag && !image.has_digest)
		return choose_listed(setup, s, image.repository, NULL, err);
	take_image(s, &image);
	if (image.tag && !image.has_digest)
		want(s, s->repository, s->tag);
	return 0;
}

/* ---- an upstream ---- */

static int add_upstream(struct setup *setup, struct bench_subject *s,
	const struct config_upstream *upstream, struct error *err)
{
	AUTO_FREE struct setup_source *sources = xcalloc(upstream->n_mirrors + 1, sizeof(*sources));
	struct source_set *set = NULL;
	size_t n = 0;
	int rc;

	sources[n++] = (struct setup_source){.host = upstream->authority, .authority = true};
	for (size_t i = 0; i < upstream->n_mirrors; i++)
		sources[n++] = (struct setup_source){
			.host = upstream->mirrors[i].host,
			.resolve = upstream->mirrors[i].resolve,
			.flat = upstream->mirrors[i].flat,
		};
	rc = setup_sources(setup, upstream->name, sources, n, &set, err);
	return rc < 0 ? rc : add_set(s, set, err);
}

/* With --compare: two are measured, and the authority is still asked what is right. */
static void keep_only(struct bench_subject *s, const char *const only[static 2])
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_places; i++) {
		bool measured = strcmp(s->places[i].name, only[0]) == 0 ||
				strcmp(s->places[i].name, only[1]) == 0;

		if (!measured && i > 0)
			continue;
		s->places[n] = s->places[i];
		s->places[n++].only_reference = !measured;
	}
	s->n_places = n;
}

static int read_history(struct setup *setup, const struct config_upstream *upstream,
	struct bench_subject *s, struct error *err)
{
	struct state *state = setup_parts(setup).state;
	struct state_version versions[TAG_HISTORY_MAX];
	size_t n = 0;
	int rc = 0;

	if (state && s->tag)
		rc = state_history_get(state,
			upstream->authority,
			s->repository,
			s->tag,
			versions,
			TAG_HISTORY_MAX,
			&n,
			err);
	for (size_t i = 0; rc == 0 && i < n; i++)
		s->history.versions[i] = (struct tag_version){
			.digest = versions[i].digest,
			.first_seen_sec = versions[i].first_seen,
		};
	s->history.n = n;
	return rc;
}

int bench_subject_configured(struct setup *setup, const struct config *config,
	const struct config_upstream *upstream, const struct bench_wishes *wishes,
	struct bench_subject **ret, struct error *err)
{
	AUTO(bench_subject_freep) struct bench_subject *s = xcalloc(1, sizeof(*s));
	int rc;

	s->upstream = xstrdup(upstream->name);
	rc = add_upstream(setup, s, upstream, err);
	if (rc == 0 && wishes->image)
		rc = choose_image(setup, upstream, s, wishes->image, err);
	else if (rc == 0)
		rc = choose_sample(setup, config, upstream, s, err);
	if (rc == 0 && !s->repository)
		rc = error_set(err, ERR_NOTFOUND, "its authority lists no tag that is wanted");
	if (rc == 0 && wishes->only[0])
		keep_only(s, wishes->only);
	if (rc == 0)
		rc = read_history(setup, upstream, s, err);
	if (rc < 0)
		return error_wrap(err, rc, "upstream %s", upstream->name);
	*ret = steal(&s);
	return 0;
}
