/* list.c - phase 1: which tags there are, at the authorities and at the targets. */
#include "sync/run.h"
#include "util/clock.h"
#include "util/mem.h"

#define LIST_WINDOW 64 /* listings asked for at once; the hosts' own limits are narrower */

/* ---- at the authority ---- */

void repo_keep_tag(struct repo *repo, const char *tag)
{
	repo->tags = array_grow(repo->tags, repo->n_tags, &repo->cap_tags, sizeof(*repo->tags));
	repo->tags[repo->n_tags++] = xstrdup(tag);
}

static void look(void *ctx);

static void look_later(struct repo *repo)
{
	repo->patience = http_timer_start(repo->run->options.loop, SOURCE_LOOK_MS, look, repo);
}

void repo_wait(struct repo *repo, const struct source *s, const struct registry_list *list)
{
	repo->listing = s;
	repo->listed = list->done;
	repo->listed_ctx = list->ctx;
	repo->items_before = repo->items;
	repo->patient_until_ms = clock_mono_ms() + ASK_PATIENCE_MS;
	look_later(repo);
}

static void look(void *ctx)
{
	struct repo *repo = ctx;
	AUTO(error_clear) struct error err = ERROR_INIT;

	repo->patience = NULL;
	if (repo->items != repo->items_before)
		repo->patient_until_ms = clock_mono_ms() + ASK_PATIENCE_MS;
	repo->items_before = repo->items;
	if (ask_must_wait(
		    repo->run, repo->rule->sources, repo->listing, &repo->patient_until_ms, &err)) {
		look_later(repo);
		return;
	}
	registry_cancel(&repo->call);
	repo->listed(repo->listed_ctx, &(struct registry_reply){.has_digest = false}, &err);
}

static bool source_item(void *ctx, const char *tag, const struct descriptor *descriptor)
{
	struct repo *repo = ctx;

	(void)descriptor;
	repo_keep_tag(repo, tag);
	repo->items++;
	return true;
}

static void list_at_authority(void *ctx);

/* Once more, where it may be a passing fault: not when it said how long to stay away. */
static bool try_again(struct repo *repo, const struct error *err)
{
	if (err->code != ERR_TEMP || err->retry_sec > 0 || ++repo->tries >= AUTHORITY_ATTEMPTS)
		return false;
	repo->patience = http_timer_start(repo->run->options.loop,
		backoff_ms(SOURCE_BACKOFF_MS, SOURCE_BACKOFF_CAP_MS, repo->tries),
		list_at_authority,
		repo);
	return true;
}

static void forget_tags(struct repo *repo)
{
	for (size_t i = 0; i < repo->n_tags; i++)
		free(repo->tags[i]);
	repo->n_tags = 0;
}

static void source_done(void *ctx, struct registry_reply *reply, struct error *err)
{
	struct repo *repo = ctx;
	const struct source_set *set = repo->rule->sources;
	const bool others = ask_has_resolvers(set, repo->rule->authority_only);

	(void)reply;
	repo->call = NULL;
	http_timer_stop(&repo->patience);
	source_note(&set->items[set->authority], err);
	if (err) /* of pages before the one that failed */
		forget_tags(repo);
	if (err && others && try_again(repo, err))
		return;
	ask_authority_failed(repo->run, set, err);
	if (err && err->code == ERR_TEMP && others) {
		list_others(repo, err);
		return;
	}
	if (err) {
		error_move(&repo->err, err);
		(void)error_wrap(&repo->err, -1, "list the tags of %s", repo->name);
	}
	window_done(repo->run);
}

static bool store_item(void *ctx, const char *tag, const struct digest *digest)
{
	(void)digest;
	repo_keep_tag(ctx, tag);
	return true;
}

const char *const *repo_literal_tags(const struct repo *repo, size_t *ret_n)
{
	if (repo->own && repo->own->tags) {
		*ret_n = repo->own->n_tags;
		return repo->own->tags;
	}
	*ret_n = repo->rule->n_tags;
	return repo->rule->tags;
}

/* What needs no listing: literal tags, a digest, the store.  False: a registry must be asked. */
static bool list_without_asking(struct repo *repo)
{
	const struct sync_rule *rule = repo->rule;
	size_t n_tags;
	const char *const *tags = repo_literal_tags(repo, &n_tags);

	if (repo->own && repo->own->refused) {
		error_copy(&repo->err, repo->own->refused);
		return true;
	}
	if (tags || rule->digest) {
		for (size_t i = 0; tags && i < n_tags; i++)
			repo_keep_tag(repo, tags[i]);
		return true;
	}
	if (!rule->from_store)
		return false;
	if (store_tags(rule->from_store, repo->name, store_item, repo, &repo->err) < 0)
		repo->n_tags = 0;
	else if (repo->n_tags == 0)
		(void)error_set(&repo->err,
			ERR_NOTFOUND,
			"the store has no repository '%s' with a tag",
			repo->name);
	return true;
}

static void list_at_authority(void *ctx)
{
	struct repo *repo = ctx;
	const struct source_set *set = repo->rule->sources;
	const struct source *authority = &set->items[set->authority];
	const bool others = ask_has_resolvers(set, repo->rule->authority_only);
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO_FREE char *name = source_repository(authority, repo->name);
	const struct registry_list list = {
		.repository = name,
		.attempts = others ? 1 : REGISTRY_ATTEMPTS,
		.item = source_item,
		.done = source_done,
		.ctx = repo,
	};

	repo->patience = NULL;
	if (others && ask_authority_is_down(repo->run, set, &err)) {
		list_others(repo, &err);
		return;
	}
	repo->call = registry_tags(authority->registry, &list);
	if (others)
		repo_wait(repo, authority, &list);
}

static void list_source(struct sync_run *run, uint32_t index)
{
	struct repo *repo = &run->repos[index];

	if (list_without_asking(repo))
		window_done(run);
	else
		list_at_authority(repo);
}

/* ---- at the target ---- */

static bool target_item(void *ctx, const char *tag, const struct descriptor *descriptor)
{
	struct spot *spot = ctx;

	(void)descriptor;
	map_put_str(spot->tags, tag, spot);
	return true;
}

/*
 * A repository without tags was never there, or has been wiped: what was remembered of it is worth
 * nothing then, and no blob needs to be asked for.  Or a run was stopped before it published: what
 * that one sent is there.
 */
static void explain_absence(struct sync_run *run, struct spot *spot)
{
	const char *identity = spot->target->identity;
	enum state_repository known = STATE_REPOSITORY_UNKNOWN;
	struct state *state = run->options.state;
	AUTO(error_clear) struct error err = ERROR_INIT;

	if (!state)
		return;
	if (state_repository_get(state, identity, spot->repository, &known, &err) < 0) {
		run_fatal(run, &err);
		return;
	}
	spot->absent = known != STATE_REPOSITORY_BEGUN;
	if (known != STATE_REPOSITORY_PUBLISHED || run->options.plan_only ||
		run_state_begin(run) < 0)
		return;
	if (state_repository_forget(state, identity, spot->repository, &err) < 0)
		run_fatal(run, &err);
}

void spots_begin(struct sync_run *run)
{
	AUTO(error_clear) struct error err = ERROR_INIT;

	if (run_state_begin(run) < 0)
		return;
	for (size_t i = 0; i < run->n_spots; i++) {
		const struct spot *spot = &run->spots[i];

		if (spot->target->registry && state_repository_begin(run->options.state,
						      spot->target->identity,
						      spot->repository,
						      &err) < 0) {
			run_fatal(run, &err);
			return;
		}
	}
	run_commit(run);
}

static void target_done(void *ctx, struct registry_reply *reply, struct error *err)
{
	struct spot *spot = ctx;

	(void)reply;
	spot->call = NULL;
	if (err && err->code == ERR_NOTFOUND) {
		spot->absent = true;
	} else if (err) {
		error_move(&spot->err, err);
		(void)error_wrap(&spot->err,
			-1,
			"list the tags of %s at target %s",
			spot->repository,
			spot->target->name);
	}
	window_done(spot->run);
}

static void list_target(struct sync_run *run, uint32_t index)
{
	struct spot *spot = &run->spots[index];
	struct registry_list list = {
		.repository = spot->repository,
		.attempts = REGISTRY_ATTEMPTS,
		.item = target_item,
		.done = target_done,
		.ctx = spot,
	};

	if (!spot->target->registry) {
		window_done(run);
		return;
	}
	spot->tags = map_new(NULL);
	spot->call = registry_tags(spot->target->registry, &list);
}

static void list_start(struct sync_run *run, size_t i)
{
	if (i < run->n_repos)
		list_source(run, (uint32_t)i);
	else
		list_target(run, (uint32_t)(i - run->n_repos));
}

/* ---- repositories and spots ---- */

uint32_t run_spot(struct sync_run *run, struct sync_target *target, const char *repository)
{
	AUTO_FREE char *key = xasprintf("%p %s", (const void *)target, repository);
	uint32_t index = index_get(run->spot_map, key, strlen(key));

	if (index != NO_INDEX)
		return index;
	run->spots = array_grow(run->spots, run->n_spots, &run->cap_spots, sizeof(*run->spots));
	run->spots[run->n_spots] = (struct spot){
		.run = run,
		.target = target,
		.repository = xstrdup(repository),
		.pushed = map_new(NULL),
	};
	index = (uint32_t)run->n_spots++;
	index_put(run->spot_map, key, strlen(key), index);
	return index;
}

/* prefix + "/" + the renamed repository. */
static char *target_repository(
	const struct sync_rule *rule, const struct sync_target *target, const char *name)
{
	static const char mark[] = "{repository}";
	const char *at = rule->rename ? strstr(rule->rename, mark) : NULL;
	AUTO_FREE char *renamed = NULL;

	if (!rule->rename)
		renamed = xstrdup(name);
	else if (!at)
		renamed = xstrdup(rule->rename);
	else
		renamed = xasprintf("%.*s%s%s",
			(int)(at - rule->rename),
			rule->rename,
			name,
			at + sizeof(mark) - 1);
	if (!target->prefix || !*target->prefix)
		return steal(&renamed);
	return *renamed ? xasprintf("%s/%s", target->prefix, renamed) : xstrdup(target->prefix);
}

static void add_repo(struct sync_run *run, const struct sync_rule *rule, size_t i)
{
	struct repo repo = {
		.run = run,
		.rule = rule,
		.own = rule->own ? &rule->own[i] : NULL,
		.name = rule->repositories[i],
	};
	const char *as = repo.own && repo.own->as ? repo.own->as : repo.name;

	for (size_t t = 0; t < rule->n_targets; t++) {
		AUTO_FREE char *there = target_repository(rule, rule->targets[t], as);

		repo.spots[t] = run_spot(run, rule->targets[t], there);
	}
	run->repos = array_grow(run->repos, run->n_repos, &run->cap_repos, sizeof(*run->repos));
	run->repos[run->n_repos++] = repo;
}

int list_phase(struct sync_run *run, struct error *err)
{
	int rc;

	for (size_t r = 0; r < run->n_rules; r++)
		for (size_t i = 0; i < run->rules[r].n_repositories; i++)
			add_repo(run, &run->rules[r], i);
	rc = phase_run(run, run->n_repos + run->n_spots, LIST_WINDOW, list_start, NULL, err);
	for (size_t i = 0; rc == 0 && i < run->n_spots; i++)
		if (run->spots[i].absent)
			explain_absence(run, &run->spots[i]);
	return rc;
}
