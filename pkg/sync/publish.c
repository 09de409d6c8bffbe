/* publish.c - an image's manifests, children first, then its tag. */
#include "sync/run.h"
#include "util/mem.h"

/* One manifest under way. */
struct put {
	struct put *next;
	struct push *push;
	uint32_t node;
	bool by_tag;
	char *bytes;
	struct registry_call *call;
};

/* One image at one target. */
struct push {
	struct push *next_waiting; /* for the budget */
	struct sync_run *run;
	uint32_t cell;
	uint32_t *nodes; /* children before parents */
	size_t n, cap;
	size_t next; /* not yet started */
	struct put *puts;
	size_t in_flight;
	bool waiting;
};

static void push_step(struct push *push);

static void put_free(struct sync_run *run, struct put *put)
{
	registry_cancel(&put->call);
	if (put->bytes)
		run->manifest_bytes -= run->nodes[put->node].size;
	free(put->bytes);
	free(put);
}

static void leave_queue(struct sync_run *run, const struct push *push)
{
	for (struct push **at = &run->budget_waiting; *at; at = &(*at)->next_waiting) {
		if (*at != push)
			continue;
		*at = push->next_waiting;
		return;
	}
}

void push_free(struct sync_run *run, struct push *push)
{
	if (!push)
		return;
	leave_queue(run, push);
	while (push->puts) {
		struct put *put = push->puts;

		push->puts = put->next;
		put_free(run, put);
	}
	free(push->nodes);
	free(push);
}

static void drop_push(struct sync_run *run, struct cell *cell)
{
	push_free(run, cell->push);
	cell->push = NULL;
}

/*
 * Bytes were given back: those who wait for them go on, first come first served, as long as
 * there is room.  Whoever still lacks it is at the queue's end then; one that needs
 * nothing after all must not keep the others waiting.
 */
static void budget_freed(struct sync_run *run)
{
	size_t n = 0;

	for (const struct push *p = run->budget_waiting; p; p = p->next_waiting)
		n++;
	while (n-- > 0 && run->budget_waiting && run->manifest_bytes < MANIFEST_BUDGET) {
		struct push *push = run->budget_waiting;

		run->budget_waiting = push->next_waiting;
		push->waiting = false;
		push_step(push);
	}
}

/* ---- the end of it ---- */

int cell_record(struct sync_run *run, struct cell *cell, struct error *err)
{
	const struct image *image = &run->images[cell->image];
	const struct sync_rule *rule = image_rule(run, image);
	const struct spot *spot = &run->spots[cell->spot];
	const struct digest *digest = &run->nodes[image->root].digest;
	AUTO_FREE char *selection = rule_selection(rule);
	const char *tag = image_target_tag(run, image);
	struct state_tag row = {
		.authority = rule->authority,
		.source_repository = run->repos[image->repo].name,
		.target = spot->target->identity,
		.repository = spot->repository,
		.tag = tag,
		.source = *digest,
		.published = *digest,
		.selection = selection,
		.changed_at = run->now_sec,
		.confirmed_at = run->now_sec,
		.seen_at = run->now_sec,
	};

	if (!run->options.state || !tag)
		return 0;
	if (run_state_begin(run) < 0)
		return -(int)ERR_IO;
	return state_tag_put(run->options.state, &row, err);
}

void cell_published(struct sync_run *run, struct cell *cell)
{
	AUTO(error_clear) struct error err = ERROR_INIT;

	if (cell_record(run, cell, &err) < 0)
		run_fatal(run, &err);
	/* Confirmed and found whole: nothing was changed. */
	if (cell->confirm && !cell->moved && cell->blobs == 0)
		cell_settle(run, cell, CELL_COMPLETE);
	else
		cell_settle(run, cell, CELL_DONE);
}

static bool is_held(const struct sync_run *run, const struct cell *cell)
{
	const struct image *image = &run->images[cell->image];

	return image_rule(run, image)->publish_together && image_target_tag(run, image);
}

static void finished(struct sync_run *run, struct cell *cell)
{
	drop_push(run, cell);
	if (!is_held(run, cell)) {
		cell_published(run, cell);
		return;
	}
	cell->state = CELL_STAGED;
	cell->in_window = false;
	window_done(run);
}

static void unmark(struct sync_run *run, void *ctx, uint32_t node)
{
	map_remove(ctx, &node, sizeof(node));
	(void)run;
}

/* The target lost what it had: what was believed is dropped, and the image planned again, once. */
static void replan(struct sync_run *run, struct cell *cell)
{
	struct spot *spot = &run->spots[cell->spot];

	run_note(run,
		"target %s does not have all that %s needs (MANIFEST_BLOB_UNKNOWN); checking it again",
		spot->target->name,
		spot->repository);
	drop_push(run, cell);
	tree_each(run, &run->images[cell->image], unmark, spot->pushed);
	places_recheck(run, cell);
}

static void failed(struct sync_run *run, struct cell *cell, uint32_t node, struct error *err)
{
	const struct spot *spot = &run->spots[cell->spot];
	const struct image *image = &run->images[cell->image];
	const char *tag = image_target_tag(run, image);
	char text[DIGEST_STR_MAX];

	if (!cell->replanned && (registry_error_is(err, "MANIFEST_BLOB_UNKNOWN") ||
					registry_error_is(err, "BLOB_UNKNOWN"))) {
		replan(run, cell);
		return;
	}
	drop_push(run, cell);
	(void)error_wrap(err,
		-1,
		"publish %s:%s at target %s: manifest %s",
		spot->repository,
		tag ? tag : "(by digest)",
		spot->target->name,
		digest_format(&run->nodes[node].digest, text));
	cell_fail(run, cell, err);
}

/* ---- one manifest ---- */

static void remove_put(struct push *push, const struct put *put)
{
	for (struct put **at = &push->puts; *at; at = &(*at)->next) {
		if (*at != put)
			continue;
		*at = put->next;
		push->in_flight--;
		return;
	}
}

static void put_done(void *ctx, struct registry_reply *reply, struct error *err)
{
	struct put *put = ctx;
	struct push *push = put->push;
	struct sync_run *run = push->run;
	struct cell *cell = &run->cells[push->cell];
	uint32_t node = put->node;

	(void)reply;
	put->call = NULL;
	remove_put(push, put);
	put_free(run, put);
	if (err) {
		failed(run, cell, node, err);
	} else {
		index_put(run->spots[cell->spot].pushed, &node, sizeof(node), node);
		push_step(push);
	}
	budget_freed(run);
}

/* The tag under which the last manifest is put; NULL: by digest, as all others. */
static const char *tag_for(const struct push *push, uint32_t node)
{
	const struct sync_run *run = push->run;
	const struct cell *cell = &run->cells[push->cell];
	const struct image *image = &run->images[cell->image];

	if (node != image->root || is_held(run, cell))
		return NULL;
	return image_target_tag(run, image);
}

static void put_registry(struct put *put)
{
	struct push *push = put->push;
	struct sync_run *run = push->run;
	const struct cell *cell = &run->cells[push->cell];
	const struct spot *spot = &run->spots[cell->spot];
	const struct node *node = &run->nodes[put->node];
	const char *tag = tag_for(push, put->node);
	char text[DIGEST_STR_MAX];
	struct registry_put request = {
		.repository = spot->repository,
		.reference = tag ? tag : digest_format(&node->digest, text),
		.media_type = run->media_types[node->media_type],
		.bytes = put->bytes,
		.len = node->size,
		.digest = node->digest,
		.attempts = REGISTRY_ATTEMPTS,
		.done = put_done,
		.ctx = put,
	};

	put->call = registry_manifest_put(spot->target->registry, &request);
}

static void head_done(void *ctx, struct registry_reply *reply, struct error *err)
{
	struct put *put = ctx;
	const struct digest *want = &put->push->run->nodes[put->node].digest;

	put->call = NULL;
	if (!err && reply->has_digest && digest_equal(&reply->digest, want))
		put_done(put, reply, NULL);
	else if (!err || err->code == ERR_NOTFOUND || err->code == ERR_CORRUPT)
		put_registry(put);
	else
		put_done(put, NULL, err);
}

/* Something may be there already: asked first, so that nothing is written that need not be. */
static void head_registry(struct put *put)
{
	struct push *push = put->push;
	struct sync_run *run = push->run;
	const struct spot *spot = &run->spots[run->cells[push->cell].spot];
	const char *tag = tag_for(push, put->node);
	char text[DIGEST_STR_MAX];
	struct registry_get get = {
		.repository = spot->repository,
		.reference = tag ? tag : digest_format(&run->nodes[put->node].digest, text),
		.attempts = REGISTRY_ATTEMPTS,
		.done = head_done,
		.ctx = put,
	};

	put->call = registry_manifest_head(spot->target->registry, &get);
}

static int put_store(struct put *put, struct error *err)
{
	struct sync_run *run = put->push->run;
	const struct cell *cell = &run->cells[put->push->cell];
	const struct spot *spot = &run->spots[cell->spot];
	const struct node *node = &run->nodes[put->node];
	AUTO(manifest_clear) struct manifest view = MANIFEST_INIT;
	struct store_manifest manifest = {
		.repository = spot->repository,
		.tag = tag_for(put->push, put->node),
		.bytes = put->bytes,
		.len = node->size,
		.digest = node->digest,
		.view = &view,
		.sparse = run->images[cell->image].sparse,
	};
	int rc = manifest_parse(
		put->bytes, node->size, run->media_types[node->media_type], &view, err);

	if (rc == 0)
		rc = store_manifest_put(spot->target->store, &manifest, err);
	/* Its tag, or its index, may come hours later: a collector must not come first. */
	if (rc == 0)
		rc = store_lease(spot->target->store, run->lease, &node->digest, LEASE_SEC, err);
	return rc;
}

static void put_start(struct push *push, uint32_t node)
{
	struct sync_run *run = push->run;
	struct cell *cell = &run->cells[push->cell];
	struct put *put = xcalloc(1, sizeof(*put));
	AUTO(error_clear) struct error err = ERROR_INIT;

	put->push = push;
	put->node = node;
	put->next = push->puts;
	push->puts = put;
	push->in_flight++;
	if (node_read(run, &run->nodes[node], &put->bytes, &err) < 0) {
		put_done(put, NULL, &err);
		return;
	}
	run->manifest_bytes += run->nodes[node].size;
	if (run->spots[cell->spot].target->store)
		put_done(put, NULL, put_store(put, &err) < 0 ? &err : NULL);
	else if (cell->confirm || (cell->listed && !cell->remembered))
		head_registry(put);
	else
		put_registry(put);
}

/* ---- all of them ---- */

static bool is_pushed(const struct push *push, uint32_t node)
{
	const struct sync_run *run = push->run;
	const struct spot *spot = &run->spots[run->cells[push->cell].spot];

	return index_get(spot->pushed, &node, sizeof(node)) != NO_INDEX && !tag_for(push, node);
}

static bool must_wait(struct push *push, uint32_t node)
{
	struct sync_run *run = push->run;

	/* Parents after all that came before them; the root, with the tag, last of all. */
	if (push->in_flight > 0 && (run->nodes[node].n_children > 0 || push->next + 1 == push->n))
		return true;
	if (run->manifest_bytes == 0 ||
		run->manifest_bytes + run->nodes[node].size <= MANIFEST_BUDGET)
		return false;
	if (!push->waiting) {
		struct push **end = &run->budget_waiting;

		while (*end)
			end = &(*end)->next_waiting;
		push->next_waiting = NULL;
		push->waiting = true;
		*end = push;
	}
	return true;
}

static void push_step(struct push *push)
{
	struct sync_run *run = push->run;
	struct cell *cell = &run->cells[push->cell];

	/* A put at the store is over at once, and steps itself: the push may be gone after it. */
	while (push->next < push->n) {
		uint32_t node = push->nodes[push->next];

		if (is_pushed(push, node)) {
			push->next++;
			continue;
		}
		if (must_wait(push, node))
			return;
		push->next++;
		put_start(push, node);
		if (cell->push != push || run->spots[cell->spot].target->store)
			return;
	}
	if (push->in_flight == 0)
		finished(run, cell);
}

static void add_node(struct sync_run *run, void *ctx, uint32_t node)
{
	struct push *push = ctx;

	/* A blob is there already: its place was waited for. */
	if (run->nodes[node].is_blob || run->nodes[node].stamp == run->push_stamp)
		return;
	run->nodes[node].stamp = run->push_stamp;
	push->nodes = array_grow(push->nodes, push->n, &push->cap, sizeof(*push->nodes));
	push->nodes[push->n++] = node;
}

void publish_cell(struct sync_run *run, uint32_t index)
{
	struct cell *cell = &run->cells[index];
	struct push *push = xcalloc(1, sizeof(*push));

	push->run = run;
	push->cell = index;
	cell->state = CELL_PUSHING;
	cell->push = push;
	run->push_stamp++;
	tree_each(run, &run->images[cell->image], add_node, push);
	push_step(push);
}
