/* sync.c - one run: its phases, its memory, its end. */
#include <fcntl.h>
#include <stdarg.h>

#include "sync/run.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/mem.h"

#define GRACE_MS 500 /* after a stop: for the DELETEs of open uploads to leave */

const char *sync_state_name(enum sync_state s)
{
	static const char *const names[] = {
		[SYNC_NEW] = "new",
		[SYNC_MOVED] = "moved",
		[SYNC_COMPLETE] = "complete",
		[SYNC_EXCLUDED] = "excluded",
		[SYNC_UNKNOWN] = "unknown",
	};

	return names[s];
}

/* ---- small things that all modules use ---- */

void run_fatal(struct sync_run *run, struct error *err)
{
	if (run->fatal.code == ERR_NONE)
		error_move(&run->fatal, err);
	run->canceled = true;
}

bool run_over(const struct sync_run *run)
{
	return run->canceled;
}

void run_note(struct sync_run *run, const char *fmt, ...)
{
	AUTO_FREE char *text = NULL;
	va_list ap;

	if (!run->options.event)
		return;
	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	run->options.event(
		run->options.ctx, &(struct sync_event){.kind = SYNC_EVENT_NOTE, .text = text});
}

void waiter_add(struct sync_run *run, uint32_t *list, uint32_t who, uint32_t depth)
{
	run->waiters =
		array_grow(run->waiters, run->n_waiters, &run->cap_waiters, sizeof(*run->waiters));
	run->waiters[run->n_waiters] = (struct waiter){who, depth, *list};
	*list = (uint32_t)run->n_waiters++;
}

const struct sync_rule *image_rule(const struct sync_run *run, const struct image *image)
{
	return run->repos[image->repo].rule;
}

const char *image_target_tag(const struct sync_run *run, const struct image *image)
{
	const struct sync_rule *rule = image_rule(run, image);

	if (rule->target_tag)
		return *rule->target_tag ? rule->target_tag : NULL;
	return image->tag;
}

struct cell *image_cell(struct sync_run *run, const struct image *image, size_t target)
{
	return &run->cells[image->cells + target];
}

char *rule_selection(const struct sync_rule *rule)
{
	AUTO(buf_clear) struct buf b = BUF_INIT(SIZE_MAX / 2);
	char text[PLATFORM_TEXT_MAX];
	int rc = buf_puts(&b, rule->include_foreign ? "foreign" : "", NULL);

	for (size_t i = 0; i < rule->n_platforms && rc == 0; i++)
		rc = buf_printf(&b, NULL, " %s", platform_format(&rule->platforms[i], text));
	return buf_steal(&b);
}

/* ---- cells ---- */

static struct sync_image describe(const struct sync_run *run, const struct cell *cell)
{
	const struct image *image = &run->images[cell->image];
	const struct repo *repo = &run->repos[image->repo];
	const struct spot *spot = &run->spots[cell->spot];
	struct sync_image out = {
		.rule = repo->rule->name,
		.target = spot->target->name,
		.source_repository = repo->name,
		.repository = spot->repository,
		.tag = image->tag ? image->tag : image_target_tag(run, image),
		.reason = image->reason,
		.published = cell->state == CELL_DONE,
		.bytes = cell->bytes,
		.blobs = cell->blobs,
		.requests = cell->requests,
		.has_old = cell->has_old,
		.old_digest = cell->old_digest,
		.resolved_by = image->resolved_by ? run->stand_ins[image->resolved_by - 1] : NULL,
		.err = cell->state == CELL_FAILED ? &cell->err : NULL,
	};

	if (image->root != NO_INDEX) {
		out.has_digest = true;
		out.digest = run->nodes[image->root].digest;
	} else if (cell->state == CELL_COMPLETE && cell->remembered) {
		out.has_digest = true;
		out.digest = cell->old_digest;
	}
	if (image->reason != SELECT_WANTED)
		out.state = SYNC_EXCLUDED;
	else if (cell->state == CELL_COMPLETE)
		out.state = SYNC_COMPLETE;
	else if (cell->state == CELL_FAILED && !out.has_digest)
		out.state = SYNC_UNKNOWN;
	else
		out.state = cell->moved ? SYNC_MOVED : SYNC_NEW;
	return out;
}

void cell_settle(struct sync_run *run, struct cell *cell, enum cell_state state)
{
	struct sync_image image;

	cell->state = state;
	if (cell->in_window) {
		cell->in_window = false;
		window_done(run);
	}
	if (!run->options.event)
		return;
	image = describe(run, cell);
	run->options.event(
		run->options.ctx, &(struct sync_event){.kind = SYNC_EVENT_IMAGE, .image = &image});
}

void cell_fail(struct sync_run *run, struct cell *cell, const struct error *err)
{
	if (cell->state == CELL_FAILED || cell->state == CELL_DONE || cell->state == CELL_COMPLETE)
		return;
	error_copy(&cell->err, err);
	cell_settle(run, cell, CELL_FAILED);
}

void image_fail(struct sync_run *run, struct image *image, const struct error *err)
{
	const struct sync_rule *rule = image_rule(run, image);

	for (size_t t = 0; t < rule->n_targets; t++)
		cell_fail(run, image_cell(run, image, t), err);
	image->state = IMAGE_SETTLED;
}

/* ---- the state's transaction ---- */

int run_state_begin(struct sync_run *run)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	int rc;

	if (run->in_transaction)
		return 0;
	rc = state_begin(run->options.state, &err);
	if (rc < 0) {
		run_fatal(run, &err);
		return rc;
	}
	run->in_transaction = true;
	run->committed_ms = clock_mono_ms();
	return 0;
}

void run_commit(struct sync_run *run)
{
	AUTO(error_clear) struct error err = ERROR_INIT;

	if (!run->in_transaction)
		return;
	run->in_transaction = false;
	if (state_commit(run->options.state, &err) < 0)
		run_fatal(run, &err);
}

void run_commit_soon(struct sync_run *run)
{
	if (run->in_transaction && clock_mono_ms() - run->committed_ms >= COMMIT_MS)
		run_commit(run);
}

/* ---- phases ---- */

static void window_fill(struct sync_run *run)
{
	struct window *w = &run->window;

	while (w->running < w->max && w->next < w->count && run->moving < MOVE_AHEAD &&
		!run_over(run)) {
		w->running++;
		w->start(run, w->next++);
	}
}

void window_done(struct sync_run *run)
{
	run->window.running--;
}

static bool stop_asked(struct sync_run *run)
{
	const struct sync_options *o = &run->options;

	if (run->canceled)
		return true;
	if (o->stop && *o->stop) {
		run->canceled = true;
		run_note(run,
			"stopping: what is complete is kept, the rest goes on in the next run");
	} else if (o->deadline_ms && clock_mono_ms() - run->started_ms >= o->deadline_ms) {
		run->canceled = true;
		run_note(run, "the deadline has come: what is complete is kept");
	}
	return run->canceled;
}

static bool window_stop(void *ctx)
{
	struct sync_run *run = ctx;
	struct window *w = &run->window;

	run_commit_soon(run);
	if (stop_asked(run))
		return true;
	window_fill(run);
	/* Blobs of images that failed meanwhile still come to their end: the next run needs them.
	 */
	return w->running == 0 && w->next == w->count && run->moving == 0;
}

int phase_run(struct sync_run *run, size_t count, size_t max,
	void (*start)(struct sync_run *, size_t), void *items, struct error *err)
{
	run->window = (struct window){.count = count, .max = max, .start = start, .items = items};
	return http_loop_run(run->options.loop, window_stop, run, err);
}

static bool grace_over(void *ctx)
{
	return clock_mono_ms() >= *(uint64_t *)ctx;
}

static bool has_open_cells(const struct sync_run *run)
{
	for (size_t i = 0; i < run->n_cells; i++)
		if (run->cells[i].state == CELL_WAITING)
			return true;
	return false;
}

/* After a stop: nothing half-done stays at a target, and every image says why it is not there. */
static void wind_up(struct sync_run *run)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	uint64_t until = clock_mono_ms() + GRACE_MS;
	bool moved = run->moving > 0;

	if (!run->canceled)
		return;
	transfer_cancel_all(run->options.engine);
	for (size_t i = 0; i < run->n_cells; i++) {
		push_free(run, run->cells[i].push);
		run->cells[i].push = NULL;
	}
	(void)error_set(&err, ERR_CANCELED, "the run was stopped before this image was complete");
	for (size_t i = 0; i < run->n_cells; i++) {
		struct cell *cell = &run->cells[i];

		if (run->images[cell->image].reason == SELECT_WANTED)
			cell_fail(run, cell, &err);
	}
	error_clear(&err);
	if (moved && http_loop_run(run->options.loop, grace_over, &until, &err) < 0)
		run_note(run, "%s", error_text(&err));
}

static void announce(struct sync_run *run)
{
	size_t images = 0;

	for (size_t i = 0; i < run->n_cells; i++)
		images += run->cells[i].state == CELL_WAITING;
	if (run->options.event)
		run->options.event(run->options.ctx,
			&(struct sync_event){
				.kind = SYNC_EVENT_PLANNED,
				.bytes = run->bytes_total,
				.blobs = run->blobs_total,
				.images = images,
			});
}

static int no_phase(struct sync_run *run, struct error *err)
{
	(void)run, (void)err;
	return 0;
}

static int announce_phase(struct sync_run *run, struct error *err)
{
	announce(run);
	return has_open_cells(run) ? preflight(run, err) : 0;
}

static int begin_phase(struct sync_run *run, struct error *err)
{
	(void)err; /* run_fatal() has it */
	if (has_open_cells(run))
		spots_begin(run);
	watch_begin(run);
	return 0;
}

static int run_phases(struct sync_run *run, struct error *err)
{
	bool write = !run->options.plan_only;
	int (*const phases[])(struct sync_run *, struct error *) = {
		write && run->options.state ? together_recover : no_phase,
		list_phase,
		resolve_phase,
		announce_phase,
		write && run->options.state ? begin_phase : no_phase,
		write ? move_phase : no_phase,
		write ? together_phase : no_phase,
		write && run->options.state ? watch_phase : no_phase,
	};
	int rc = 0;

	for (size_t i = 0; i < ARRAY_SIZE(phases) && rc == 0 && !run_over(run); i++)
		rc = phases[i](run, err);
	return rc;
}

static void write_layouts(struct sync_run *run)
{
	for (size_t r = 0; r < run->n_rules; r++) {
		for (size_t t = 0; t < run->rules[r].n_targets; t++) {
			struct store *store = run->rules[r].targets[t]->store;
			AUTO(error_clear) struct error err = ERROR_INIT;

			if (!store)
				continue;
			if (store_layouts_write(store, &err) < 0 ||
				store_lease_drop(store, run->lease, &err) < 0)
				run_fatal(run, &err);
		}
	}
}

/* ---- result and memory ---- */

static void sum_up(struct sync_run *run, struct sync_result *ret)
{
	ret->run = run;
	ret->canceled = run->canceled && run->fatal.code == ERR_NONE && !run->broken;
	ret->bytes = transfer_bytes(run->options.engine);
	ret->blobs = run->blobs_sent;
	ret->mounted = run->blobs_mounted;
	for (size_t i = 0; i < run->n_cells; i++) {
		const struct cell *cell = &run->cells[i];

		if (run->images[cell->image].reason != SELECT_WANTED)
			continue;
		ret->images++;
		ret->published += cell->state == CELL_DONE;
		ret->complete += cell->state == CELL_COMPLETE;
		ret->failed += cell->state == CELL_FAILED;
	}
}

static struct sync_run *run_new(
	const struct sync_options *options, const struct sync_rule *rules, size_t n_rules)
{
	struct sync_run *run = xcalloc(1, sizeof(*run));

	run->options = *options;
	run->rules = rules;
	run->n_rules = n_rules;
	run->scratch_fd = -1;
	run->started_ms = clock_mono_ms();
	run->now_sec = clock_wall_sec();
	(void)snprintf(run->lease, sizeof(run->lease), "run %ld", (long)getpid());
	run->spot_map = map_new(NULL);
	run->node_map = map_new(NULL);
	run->blob_map = map_new(NULL);
	run->place_map = map_new(NULL);
	run->text_map = map_new(NULL);
	run->fetch_first = run->fetch_last = NO_INDEX;
	return run;
}

int sync_run(const struct sync_options *options, const struct sync_rule *rules, size_t n_rules,
	struct sync_result *ret, struct error *err)
{
	struct sync_run *run = run_new(options, rules, n_rules);
	int rc = file_scratch(options->scratch_dirfd, &run->scratch_fd, err);

	if (rc == 0)
		rc = run_phases(run, err);
	if (rc < 0)
		run->canceled = run->broken = true; /* nothing may call back into what ends here */
	wind_up(run);
	run_commit(run);
	if (!options->plan_only)
		write_layouts(run);
	if (rc == 0 && run->fatal.code != ERR_NONE) {
		error_copy(err, &run->fatal);
		rc = -(int)run->fatal.code;
	}
	*ret = SYNC_RESULT_INIT;
	sum_up(run, ret);
	return rc;
}

static void free_nodes(struct sync_run *run)
{
	for (size_t i = 0; i < run->n_nodes; i++) {
		transfer_manifest_cancel(&run->nodes[i].fetch);
		free(run->nodes[i].fetching);
		free(run->nodes[i].children);
		free(run->nodes[i].blobs);
		error_clear(&run->nodes[i].err);
	}
	for (size_t i = 0; i < run->n_places; i++) {
		if (run->places[i].err)
			error_clear(run->places[i].err);
		free(run->places[i].err);
		place_cancel(&run->places[i]);
	}
	for (size_t i = 0; i < run->n_media_types; i++)
		free(run->media_types[i]);
	free(run->nodes);
	free(run->blobs);
	free(run->places);
	free(run->waiters);
	for (size_t i = 0; i < run->n_stand_ins; i++)
		free(run->stand_ins[i]);
	free(run->stand_ins);
	free(run->media_types);
	free(run->platforms);
	map_free(run->node_map);
	map_free(run->blob_map);
	map_free(run->place_map);
	map_free(run->text_map);
}

static void free_images(struct sync_run *run)
{
	for (size_t i = 0; i < run->n_images; i++) {
		ask_cancel(&run->images[i].ask);
		free(run->images[i].tag);
	}
	for (size_t i = 0; i < run->n_cells; i++) {
		push_free(run, run->cells[i].push);
		error_clear(&run->cells[i].err);
	}
	for (size_t i = 0; i < run->n_repos; i++) {
		struct repo *r = &run->repos[i];

		registry_cancel(&r->call);
		http_timer_stop(&r->patience);
		list_others_free(r->others);
		for (size_t k = 0; k < r->n_tags; k++)
			free(r->tags[k]);
		free(r->tags);
		error_clear(&r->err);
	}
	for (size_t i = 0; i < run->n_spots; i++) {
		registry_cancel(&run->spots[i].call);
		free(run->spots[i].repository);
		map_free(run->spots[i].tags);
		map_free(run->spots[i].pushed);
		error_clear(&run->spots[i].err);
	}
	watch_free(run);
	for (size_t i = 0; i < run->n_authorities; i++)
		error_clear(&run->authorities[i].err);
	free(run->authorities);
	free(run->images);
	free(run->cells);
	free(run->repos);
	free(run->spots);
	map_free(run->spot_map);
}

void sync_result_clear(struct sync_result *r)
{
	struct sync_run *run = r->run;

	if (run) {
		free_images(run);
		free_nodes(run);
		error_clear(&run->fatal);
		if (run->scratch_fd >= 0)
			(void)close(run->scratch_fd);
		free(run);
	}
	*r = SYNC_RESULT_INIT;
}

int sync_tags(const struct sync_options *options, const struct sync_rule *rule, sync_tag_fn *fn,
	void *ctx, struct error *err)
{
	struct sync_rule alone = *rule;
	AUTO(sync_result_clear) struct sync_result result = SYNC_RESULT_INIT;
	struct sync_run *run = run_new(options, &alone, 1);
	int rc;

	result.run = run;
	alone.n_repositories = 1;
	alone.n_targets = 0;
	rc = list_phase(run, err);
	if (rc == 0 && run_over(run))
		rc = error_set(err, ERR_CANCELED, "the run was stopped");
	if (rc == 0 && run->repos[0].err.code != ERR_NONE) {
		error_copy(err, &run->repos[0].err);
		rc = -(int)run->repos[0].err.code;
	}
	for (size_t i = 0; rc == 0 && i < run->repos[0].n_tags; i++)
		fn(ctx, run->repos[0].tags[i]);
	return rc;
}

void sync_result_each(const struct sync_result *r, bool excluded, sync_image_fn *fn, void *ctx)
{
	const struct sync_run *run = r->run;

	for (size_t i = 0; run && i < run->n_cells; i++) {
		struct sync_image image = describe(run, &run->cells[i]);

		if (excluded || image.state != SYNC_EXCLUDED)
			fn(ctx, &image);
	}
}
