/* resolve.c - phase 2: what each tag is, and whether anything must be done for it. */
#include "select/semver.h"
#include "source/freshness.h"
#include "sync/run.h"
#include "util/mem.h"

/* ---- images out of listings ---- */

static void add_cells(struct sync_run *run, const struct repo *repo)
{
	for (size_t t = 0; t < repo->rule->n_targets; t++) {
		run->cells =
			array_grow(run->cells, run->n_cells, &run->cap_cells, sizeof(*run->cells));
		run->cells[run->n_cells++] = (struct cell){
			.run = run,
			.image = (uint32_t)run->n_images,
			.spot = repo->spots[t],
		};
	}
}

/* Takes tag over. NOLINTNEXTLINE(readability-non-const-parameter): owned, and freed one day */
static void add_image(struct sync_run *run, size_t repo, char *tag, enum select_reason reason)
{
	uint32_t first = (uint32_t)run->n_cells;

	add_cells(run, &run->repos[repo]);
	run->images =
		array_grow(run->images, run->n_images, &run->cap_images, sizeof(*run->images));
	run->images[run->n_images++] = (struct image){
		.run = run,
		.repo = (uint32_t)repo,
		.cells = first,
		.tag = tag,
		.root = NO_INDEX,
		.reason = reason,
	};
}

static int select_tags(struct repo *repo, enum select_reason *reasons, struct error *err)
{
	const struct sync_rule *rule = repo->rule;
	size_t n;

	for (size_t i = 0; i < repo->n_tags; i++)
		reasons[i] = SELECT_WANTED;
	if (repo_literal_tags(repo, &n) || !rule->selector)
		return 0;
	return selector_apply(
		rule->selector, (const char *const *)repo->tags, repo->n_tags, reasons, err);
}

static void add_images(struct sync_run *run, size_t index)
{
	struct repo *repo = &run->repos[index];
	AUTO_FREE enum select_reason *reasons =
		xcalloc(repo->n_tags ? repo->n_tags : 1, sizeof(*reasons));

	if (repo->err.code == ERR_NONE && select_tags(repo, reasons, &repo->err) < 0)
		(void)error_wrap(&repo->err, -1, "rule %s", repo->rule->name);
	if (repo->err.code != ERR_NONE || repo->rule->digest) {
		add_image(run, index, NULL, SELECT_WANTED);
		return;
	}
	for (size_t i = 0; i < repo->n_tags; i++) {
		add_image(run, index, repo->tags[i], reasons[i]);
		repo->tags[i] = NULL;
	}
	repo->n_tags = 0;
}

/* ---- what is remembered ---- */

static void recall_store(struct cell *cell, const struct spot *spot, const char *tag)
{
	struct digest there;

	if (store_tag_get(spot->target->store, spot->repository, tag, &there, NULL) < 0)
		return;
	cell->listed = !cell->remembered || digest_equal(&there, &cell->old_digest);
	cell->has_old = true;
	cell->old_digest = there;
}

static void recall(struct sync_run *run, struct cell *cell, int64_t *ret_confirmed_at)
{
	const struct image *image = &run->images[cell->image];
	const struct spot *spot = &run->spots[cell->spot];
	const char *tag = image_target_tag(run, image);
	AUTO_FREE char *selection = rule_selection(image_rule(run, image));
	struct state_tag row;

	*ret_confirmed_at = INT64_MAX / 2;
	if (!tag)
		return;
	if (run->options.state && state_tag_get(run->options.state,
					  spot->target->identity,
					  spot->repository,
					  tag,
					  &row,
					  NULL) == 0) {
		cell->has_old = true;
		cell->old_digest = row.published;
		cell->remembered = strcmp(row.selection, selection) == 0 &&
				   digest_equal(&row.source, &row.published);
		*ret_confirmed_at = row.confirmed_at;
	}
	if (spot->target->store)
		recall_store(cell, spot, tag);
	else if (spot->tags)
		cell->listed = map_get_str(spot->tags, tag) != NULL;
}

/* Reads the state for all cells, and picks those that are confirmed in full this time. */
static void recall_all(struct sync_run *run)
{
	size_t n = 0;
	AUTO_FREE int64_t *at = xcalloc(run->n_cells ? run->n_cells : 1, sizeof(*at));
	AUTO_FREE bool *confirm = xcalloc(run->n_cells ? run->n_cells : 1, sizeof(*confirm));
	AUTO_FREE uint32_t *known = xcalloc(run->n_cells ? run->n_cells : 1, sizeof(*known));

	/* One transaction for all reads: each of its own would lock and unlock the file. */
	if (run->options.state && !run->options.plan_only && run_state_begin(run) < 0)
		return;
	for (size_t i = 0; i < run->n_cells; i++) {
		struct cell *cell = &run->cells[i];

		if (run->images[cell->image].reason != SELECT_WANTED)
			continue;
		recall(run, cell, &at[n]);
		if (cell->remembered && cell->listed)
			known[n++] = (uint32_t)i;
	}
	if (run->options.recheck_ms)
		plan_confirm(at, n, run->now_sec, run->options.recheck_ms / 1000, confirm);
	for (size_t i = 0; i < n; i++)
		run->cells[known[i]].confirm = confirm[i] || run->options.recheck_all;
}

static bool is_immutable(const struct sync_rule *rule, const char *tag)
{
	struct semver version;
	bool match = false;

	switch (rule->immutable) {
	case SYNC_IMMUTABLE_SEMVER:
		return tag && semver_parse(tag, &version);
	case SYNC_IMMUTABLE_PATTERN:
		return tag && pattern_match(rule->immutable_pattern, tag, &match, NULL) == 0 &&
		       match;
	case SYNC_IMMUTABLE_NONE:
		break;
	}
	return false;
}

/* ---- asking the authority ---- */

static void settle_complete(struct sync_run *run, struct image *image)
{
	const struct sync_rule *rule = image_rule(run, image);

	for (size_t t = 0; t < rule->n_targets; t++) {
		struct cell *cell = image_cell(run, image, t);

		if (cell->state == CELL_OPEN)
			cell_settle(run, cell, CELL_COMPLETE);
	}
	image->state = IMAGE_SETTLED;
	window_done(run);
}

static void fail(struct sync_run *run, struct image *image, struct error *err)
{
	const struct repo *repo = &run->repos[image->repo];

	(void)error_wrap(err, -1, "%s:%s", repo->name, image->tag ? image->tag : "(by digest)");
	image_fail(run, image, err);
	window_done(run);
}

/* Nothing moved at the authority: complete, unless a cell is due for a full confirmation. */
static bool unchanged(struct sync_run *run, struct image *image, const struct digest *now)
{
	const struct sync_rule *rule = image_rule(run, image);

	for (size_t t = 0; t < rule->n_targets; t++) {
		const struct cell *cell = image_cell(run, image, t);

		if (cell->confirm || !digest_equal(&cell->old_digest, now))
			return false;
	}
	return true;
}

static uint32_t stand_in_index(struct sync_run *run, const char *who)
{
	AUTO_FREE char *key = xasprintf("tag by %s", who);
	uint32_t index = index_get(run->text_map, key, strlen(key));

	if (index != NO_INDEX)
		return index;
	run->stand_ins = array_grow(
		run->stand_ins, run->n_stand_ins, &run->cap_stand_ins, sizeof(*run->stand_ins));
	run->stand_ins[run->n_stand_ins] = xstrdup(who);
	index = (uint32_t)run->n_stand_ins++;
	index_put(run->text_map, key, strlen(key), index);
	return index;
}

static void take_answer(struct sync_run *run, struct image *image, const struct ask_answer *answer)
{
	if (answer->by)
		image->resolved_by = 1 + stand_in_index(run, answer->by);
	if (answer->body)
		tree_take(run, image, answer->body, answer->media_type, &answer->digest);
	else if (unchanged(run, image, &answer->digest))
		settle_complete(run, image);
	else
		tree_walk(run, image, &answer->digest);
}

static void asked(void *ctx, const struct ask_answer *answer, struct error *err)
{
	struct image *image = ctx;
	struct sync_run *run = image->run;

	image->ask = NULL;
	if (err)
		fail(run, image, err);
	else
		take_answer(run, image, answer);
}

static void ask(struct sync_run *run, struct image *image, bool body)
{
	const struct repo *repo = &run->repos[image->repo];
	struct ask_request request = {
		.sources = repo->rule->sources,
		.repository = repo->name,
		.tag = image->tag,
		.authority_only = repo->rule->authority_only,
		.body = body,
		.done = asked,
		.ctx = image,
	};

	image->ask = ask_tag(run, &request);
}

/* With `tag-cache: on`: an answer that still holds. */
static bool use_remembered(struct sync_run *run, struct image *image)
{
	const struct repo *repo = &run->repos[image->repo];
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct ask_answer answer = {.body = NULL};
	bool absent;

	if (!ask_remembered(
		    run, repo->rule->sources, repo->name, image->tag, &answer.digest, &absent))
		return false;
	if (!absent) {
		image->cached = true;
		take_answer(run, image, &answer);
		return true;
	}
	(void)error_set(&err,
		ERR_NOTFOUND,
		"the authority said less than %d seconds ago that it is not there; --refresh asks again",
		TAG_NEGATIVE_SEC);
	fail(run, image, &err);
	return true;
}

static void resolve_in_store(struct sync_run *run, struct image *image)
{
	const struct repo *repo = &run->repos[image->repo];
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct digest digest;

	if (repo->rule->digest)
		digest = *repo->rule->digest;
	else if (store_tag_get(repo->rule->from_store, repo->name, image->tag, &digest, &err) < 0) {
		fail(run, image, &err);
		return;
	}
	tree_walk(run, image, &digest);
}

/* What the listings say against looking any further. */
static const struct error *obstacle(struct sync_run *run, struct image *image)
{
	const struct repo *repo = &run->repos[image->repo];
	const struct error *first = NULL;
	size_t bad = 0;

	if (repo->err.code != ERR_NONE)
		return &repo->err;
	for (size_t t = 0; t < repo->rule->n_targets; t++) {
		const struct spot *spot = &run->spots[repo->spots[t]];

		if (spot->err.code == ERR_NONE)
			continue;
		bad++;
		first = first ? first : &spot->err;
		cell_fail(run, image_cell(run, image, t), &spot->err);
	}
	return bad == repo->rule->n_targets ? first : NULL;
}

static enum plan_ask decide(struct sync_run *run, const struct image *image)
{
	const struct sync_rule *rule = image_rule(run, image);
	struct plan_facts facts[TRANSFER_DESTINATIONS_MAX];
	size_t n = 0;

	for (size_t t = 0; t < rule->n_targets; t++) {
		const struct cell *cell = image_cell(run, image, t);

		if (cell->state != CELL_FAILED)
			facts[n++] =
				(struct plan_facts){cell->remembered, cell->listed, cell->confirm};
	}
	return plan_ask(facts, n, is_immutable(rule, image->tag));
}

static void resolve_image(struct sync_run *run, size_t i)
{
	struct image *image = &run->images[i];
	const struct sync_rule *rule = image_rule(run, image);
	const struct error *no = image->reason == SELECT_WANTED ? obstacle(run, image) : NULL;

	if (no)
		image_fail(run, image, no);
	if (no || image->reason != SELECT_WANTED) {
		window_done(run);
		return;
	}
	if (rule->from_store) {
		resolve_in_store(run, image);
		return;
	}
	if (rule->digest) {
		tree_walk(run, image, rule->digest);
		return;
	}
	switch (decide(run, image)) {
	case PLAN_NOTHING:
		settle_complete(run, image);
		break;
	case PLAN_HEAD:
		if (!use_remembered(run, image))
			ask(run, image, false);
		break;
	case PLAN_GET:
		if (!use_remembered(run, image))
			ask(run, image, true);
		break;
	}
}

int resolve_phase(struct sync_run *run, struct error *err)
{
	for (size_t i = 0; i < run->n_repos; i++)
		add_images(run, i);
	recall_all(run);
	return phase_run(run, run->n_images, RESOLVE_WINDOW, resolve_image, NULL, err);
}
