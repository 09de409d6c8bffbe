/*
 * watch.c - how far each mirror is behind its authority, looked at beside the moving of blobs.
 *
 * A mirror's answer for a tag is observed and compared, never obeyed (promise 1).  At most
 * WATCH_TAGS tags are looked at in each mirror and run, those first that were not looked at for
 * their time to live; a mirror that does not answer is asked nothing more in this run.  Private
 * names are never asked of a mirror.
 */
#include "source/freshness.h"
#include "sync/run.h"
#include "util/clock.h"
#include "util/mem.h"

#define WATCH_TAGS 16 /* of one mirror in one run: some HEADs, less than a second at 50 ms */
#define WATCH_LOOK                                                                                \
	512            /* images that are considered in one run: a look costs a read of the state \
			*/
#define WATCH_WINDOW 4 /* tags looked at at once */
#define WATCH_MS     15000 /* after its own work a run waits so long for mirrors, and no longer */
/* A mirror that is silent for so long is asked nothing more: it must not hold up the looks at
 * others. */
#define WATCH_ANSWER_MS 4000

/* One tag at one mirror. */
struct watch {
	struct sync_run *run;
	struct watch_list *list;
	uint32_t image;
	size_t source;
	struct registry_call *call;
	struct tag_history history;
	struct freshness_facts facts;
	struct manifest theirs; /* the mirror's index, while it is compared */
};

struct watch_list {
	struct sync_run *run;
	struct watch *items;
	size_t n, cap;
	size_t next, running; /* the first that was not begun; under way */
	bool over;            /* nobody waits for the rest */
	/* Mirrors that did not answer, a bit each, by authority as in run->authorities. */
	uint32_t *silent;
};

static void look_on(struct watch *w);

/* ---- names ---- */

static const struct sync_rule *rule_of(const struct watch *w)
{
	return image_rule(w->run, &w->run->images[w->image]);
}

static const char *repository_of(const struct watch *w)
{
	return w->run->repos[w->run->images[w->image].repo].name;
}

static const char *tag_of(const struct watch *w)
{
	return w->run->images[w->image].tag;
}

static struct source *mirror_of(const struct watch *w)
{
	return &rule_of(w)->sources->items[w->source];
}

static struct source *authority_of(const struct watch *w)
{
	const struct source_set *set = rule_of(w)->sources;

	return &set->items[set->authority];
}

static uint32_t *silent_of(struct watch *w)
{
	size_t i = (size_t)(ask_authority_of(w->run, rule_of(w)->sources) - w->run->authorities);

	return &w->list->silent[i];
}

/* The tag's digest now: the newest of the history. */
static const struct digest *current(const struct watch *w)
{
	return &w->history.versions[w->history.n - 1].digest;
}

/* ---- the end of one ---- */

static void look_further(struct watch_list *list);

static void done(struct watch *w)
{
	manifest_clear(&w->theirs);
	w->list->running--;
	look_further(w->list);
}

static void conclude(struct watch *w, const struct freshness_verdict *v)
{
	const struct sync_rule *rule = rule_of(w);
	AUTO(error_clear) struct error err = ERROR_INIT;
	char text[DIGEST_STR_MAX];
	struct state_observation row = {
		.upstream = rule->sources->name,
		.source = mirror_of(w)->name,
		.repository = repository_of(w),
		.tag = tag_of(w),
		.freshness = freshness_name(v->state),
		.has_digest = w->facts.answered && !w->facts.absent && !w->facts.denied,
		.digest = w->facts.digest,
		.lag_sec = v->lag_sec,
		.at = clock_wall_sec(),
	};

	/* What was seen before still tells more, and the next run looks again. */
	if (v->state == FRESH_UNKNOWN) {
		done(w);
		return;
	}
	if (v->state == FRESH_DIVERGED)
		run_note(w->run,
			"mirror %s says that %s:%s is %s, which the authority does not have; its tags "
			"are not used, and its bytes only by digest",
			mirror_of(w)->name,
			row.repository,
			row.tag,
			digest_format(&w->facts.digest, text));
	if (run_state_begin(w->run) == 0 &&
		state_observation_put(w->run->options.state, &row, &err) < 0)
		run_fatal(w->run, &err);
	done(w);
}

/* ---- one question after the other ---- */

static void head(struct watch *w, struct source *s, const char *reference, registry_reply_fn *fn)
{
	AUTO_FREE char *name = source_repository(s, repository_of(w));
	const struct registry_get get = {
		.repository = name,
		.reference = reference,
		.connect_ms = WATCH_ANSWER_MS,
		.first_byte_ms = WATCH_ANSWER_MS,
		.done = fn,
		.ctx = w,
	};

	w->call = registry_manifest_head(s->registry, &get);
}

static void tag_answered(void *ctx, struct registry_reply *reply, struct error *err)
{
	struct watch *w = ctx;

	w->call = NULL;
	source_note(mirror_of(w), err);
	w->facts.answered = !err || err->code == ERR_NOTFOUND || err->code == ERR_AUTH;
	w->facts.absent = err && err->code == ERR_NOTFOUND;
	w->facts.denied = err && err->code == ERR_AUTH;
	if (!err)
		w->facts.digest = reply->digest;
	if (!w->facts.answered)
		*silent_of(w) |= 1u << w->source;
	look_on(w);
}

/* A failure that is no answer: nothing can be said of the mirror then. */
static bool gave_no_answer(struct watch *w, const struct error *err)
{
	if (!err || err->code == ERR_NOTFOUND)
		return false;
	w->facts.answered = false;
	look_on(w);
	return true;
}

static void content_answered(void *ctx, struct registry_reply *reply, struct error *err)
{
	struct watch *w = ctx;

	(void)reply;
	w->call = NULL;
	source_note(mirror_of(w), err);
	if (gave_no_answer(w, err))
		return;
	w->facts.asked_content = true;
	w->facts.has_content = !err;
	look_on(w);
}

static void authority_answered(void *ctx, struct registry_reply *reply, struct error *err)
{
	struct watch *w = ctx;

	w->call = NULL;
	source_note(authority_of(w), err);
	if (err) { /* also when it says that the tag is gone: then there is nothing to compare */
		w->facts.answered = false;
		look_on(w);
		return;
	}
	w->facts.asked_again = true;
	ask_learnt(w->run,
		rule_of(w)->sources,
		repository_of(w),
		tag_of(w),
		&reply->digest,
		&w->history);
	look_on(w);
}

static void origin_answered(void *ctx, struct registry_reply *reply, struct error *err)
{
	struct watch *w = ctx;

	(void)reply;
	w->call = NULL;
	source_note(authority_of(w), err);
	if (gave_no_answer(w, err))
		return;
	w->facts.asked_origin = true;
	w->facts.origin_has = !err;
	look_on(w);
}

/* ---- the same children in another index ---- */

static void compared(void *ctx, struct registry_reply *reply, struct error *err)
{
	struct watch *w = ctx;
	AUTO(manifest_clear) struct manifest own = MANIFEST_INIT;

	w->call = NULL;
	source_note(authority_of(w), err);
	if (gave_no_answer(w, err))
		return;
	w->facts.same_children =
		!err &&
		manifest_parse(
			reply->body->data, reply->body->len, reply->media_type, &own, NULL) == 0 &&
		manifest_same_children(&own, &w->theirs);
	w->facts.asked_children = true;
	look_on(w);
}

static void get(
	struct watch *w, struct source *s, const struct digest *digest, registry_reply_fn *fn)
{
	AUTO_FREE char *name = source_repository(s, repository_of(w));
	char text[DIGEST_STR_MAX];
	const struct registry_get q = {
		.repository = name,
		.reference = digest_format(digest, text),
		.expect = digest,
		.lane = transfer_lane(w->run->options.engine),
		.done = fn,
		.ctx = w,
	};

	w->call = registry_manifest_get(s->registry, &q);
}

static void index_came(void *ctx, struct registry_reply *reply, struct error *err)
{
	struct watch *w = ctx;

	w->call = NULL;
	source_note(mirror_of(w), err);
	if (gave_no_answer(w, err))
		return;
	if (!err &&
		manifest_parse(
			reply->body->data, reply->body->len, reply->media_type, &w->theirs, NULL) ==
			0 &&
		w->theirs.kind == MEDIA_INDEX && w->theirs.n_items > 0) {
		get(w, authority_of(w), current(w), compared);
		return;
	}
	w->facts.asked_children = true;
	look_on(w);
}

/* What is still to be asked, or the end. */
static void look_on(struct watch *w)
{
	const struct freshness_verdict v =
		freshness_judge(&w->history, &w->facts, clock_wall_sec());
	char text[DIGEST_STR_MAX];

	if (run_over(w->run))
		done(w);
	else if (v.ask_again)
		head(w, authority_of(w), tag_of(w), authority_answered);
	else if (v.ask_origin)
		head(w, authority_of(w), digest_format(&w->facts.digest, text), origin_answered);
	else if (v.ask_content)
		head(w, mirror_of(w), digest_format(current(w), text), content_answered);
	else if (v.ask_children)
		get(w, mirror_of(w), &w->facts.digest, index_came);
	else
		conclude(w, &v);
}

static void look_further(struct watch_list *list)
{
	while (list->running < WATCH_WINDOW && list->next < list->n && !list->over &&
		!run_over(list->run)) {
		struct watch *w = &list->items[list->next++];

		if (*silent_of(w) & 1u << w->source ||
			mirror_of(w)->parked_until_ms > clock_mono_ms())
			continue;
		list->running++;
		head(w, mirror_of(w), tag_of(w), tag_answered);
	}
}

/* ---- which tags ---- */

/* What the authority says that the tag is; false: nobody asked it. */
static bool known_digest(const struct sync_run *run, const struct image *image, struct digest *ret)
{
	const struct cell *cell = &run->cells[image->cells];

	if (image->resolved_by)
		return false;
	if (image->root != NO_INDEX)
		*ret = run->nodes[image->root].digest;
	else if (cell->state == CELL_COMPLETE && cell->remembered)
		*ret = cell->old_digest;
	else
		return false;
	return true;
}

static bool is_due(struct sync_run *run, const struct watch *w)
{
	int64_t at = 0;
	uint64_t ttl =
		tag_ttl(tag_class_of(tag_of(w)), tag_history_changed(&w->history), run->now_sec);

	if (state_observed_at(run->options.state,
		    rule_of(w)->sources->name,
		    mirror_of(w)->name,
		    repository_of(w),
		    tag_of(w),
		    &at,
		    NULL) < 0)
		return false;
	/* Of a look in the future (a clock that jumped back) nothing is known; nor does one count
	 * from before the tag moved, or from the same second. */
	return at > run->now_sec || (w->history.n > 1 && at <= tag_history_changed(&w->history)) ||
	       at + (int64_t)ttl <= run->now_sec;
}

static void consider(struct sync_run *run, struct watch_list *list, uint32_t index)
{
	const struct image *image = &run->images[index];
	const struct sync_rule *rule = image_rule(run, image);
	struct digest digest;

	if (image->reason != SELECT_WANTED || !image->tag || rule->from_store ||
		rule->authority_only || rule->sources->n < 2 || !known_digest(run, image, &digest))
		return;
	for (size_t s = 0; s < rule->sources->n; s++) {
		struct watch w = {.run = run, .list = list, .image = index, .source = s};
		struct source *mirror = &rule->sources->items[s];

		if (mirror->authority || mirror->watched >= WATCH_TAGS)
			continue;
		ask_known(run, rule->sources, repository_of(&w), image->tag, &digest, &w.history);
		if (w.history.n == 0 || !is_due(run, &w))
			continue;
		mirror->watched++;
		list->items = array_grow(list->items, list->n, &list->cap, sizeof(*list->items));
		list->items[list->n++] = w;
	}
}

static void choose(struct sync_run *run, struct watch_list *list)
{
	size_t first = (size_t)random_below(run->n_images);
	size_t n = run->n_images < WATCH_LOOK ? run->n_images : WATCH_LOOK;

	for (size_t r = 0; r < run->n_rules; r++)
		for (size_t s = 0; run->rules[r].sources && s < run->rules[r].sources->n; s++)
			run->rules[r].sources->items[s].watched = 0;
	for (size_t i = 0; i < n && !run_over(run); i++)
		consider(run, list, (uint32_t)((first + i) % run->n_images));
}

static bool has_mirrors(const struct sync_run *run)
{
	for (size_t r = 0; r < run->n_rules; r++)
		if (run->rules[r].sources && run->rules[r].sources->n > 1 &&
			!run->rules[r].authority_only)
			return true;
	return false;
}

void watch_begin(struct sync_run *run)
{
	struct watch_list *list;

	if (!has_mirrors(run) || run->n_images == 0)
		return;
	run->watching = list = xcalloc(1, sizeof(*list));
	list->run = run;
	choose(run, list);
	for (size_t i = 0; i < list->n; i++) /* before the array of answers is sized */
		(void)ask_authority_of(run, rule_of(&list->items[i])->sources);
	list->silent = xcalloc(run->n_authorities ? run->n_authorities : 1, sizeof(*list->silent));
	look_further(list);
}

/* A mirror may have closed its gate for minutes: nobody waits for that. */
static void time_is_up(void *ctx)
{
	struct watch_list *list = ctx;

	list->run->watch_timer = NULL;
	list->over = true;
}

static bool all_seen(void *ctx)
{
	struct watch_list *list = ctx;
	const struct sync_options *o = &list->run->options;

	/* Whatever stops it: what the run was asked for is done. */
	return list->running == 0 || list->over || (o->stop && *o->stop);
}

int watch_phase(struct sync_run *run, struct error *err)
{
	struct watch_list *list = run->watching;
	int rc = 0;

	if (list && list->running > 0) {
		run->watch_timer = http_timer_start(run->options.loop, WATCH_MS, time_is_up, list);
		rc = http_loop_run(run->options.loop, all_seen, list, err);
		http_timer_stop(&run->watch_timer);
	}
	watch_free(run);
	return rc;
}

void watch_free(struct sync_run *run)
{
	struct watch_list *list = run->watching;

	run->watching = NULL;
	if (!list)
		return;
	http_timer_stop(&run->watch_timer);
	for (size_t i = 0; i < list->n; i++) {
		registry_cancel(&list->items[i].call);
		manifest_clear(&list->items[i].theirs);
	}
	free(list->silent);
	free(list->items);
	free(list);
}
