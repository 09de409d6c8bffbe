/* place.c - which blobs are where at the targets. */
#include "sync/run.h"
#include "util/mem.h"

/* A HEAD under way; places move in memory, so by index. */
struct checking {
	struct sync_run *run;
	uint32_t place;
	struct registry_call *call;
};

uint32_t place_find(const struct sync_run *run, uint32_t blob, uint32_t spot)
{
	uint32_t key[2] = {blob, spot};

	return index_get(run->place_map, key, sizeof(key));
}

static uint32_t place_of(struct sync_run *run, uint32_t blob, const struct cell *cell)
{
	uint32_t spot = cell->spot;
	uint32_t key[2] = {blob, spot}, index = place_find(run, blob, spot);

	if (index != NO_INDEX)
		return index;
	run->places =
		array_grow(run->places, run->n_places, &run->cap_places, sizeof(*run->places));
	index = (uint32_t)run->n_places++;
	run->places[index] = (struct place){
		.blob = blob,
		.spot = spot,
		.repo = run->images[cell->image].repo,
		.next_of_blob = run->blobs[blob].places,
		.waiters = NO_INDEX,
	};
	run->blobs[blob].places = index;
	index_put(run->place_map, key, sizeof(key), index);
	return index;
}

/* ---- one place ---- */

static void cell_checked(struct sync_run *run, struct cell *cell);

void place_settled(struct sync_run *run, uint32_t index)
{
	uint32_t at = run->places[index].waiters;

	run->places[index].waiters = NO_INDEX;
	while (at != NO_INDEX) {
		struct waiter w = run->waiters[at];
		struct cell *cell = &run->cells[w.cell];

		cell->pending--;
		if (run->places[index].state == PLACE_FAILED)
			cell_fail(run, cell, run->places[index].err);
		cell_checked(run, cell);
		at = w.next;
	}
}

static void head_done(void *ctx, struct registry_reply *reply, struct error *err)
{
	struct checking c = *(struct checking *)ctx;
	struct place *p = &c.run->places[c.place];

	(void)reply;
	free(p->checking);
	p->checking = NULL;
	if (!err) {
		p->state = PLACE_PRESENT;
	} else if (err->code == ERR_NOTFOUND || err->code == ERR_CORRUPT) {
		/* Not there, or there with a wrong size: both are mended by sending it. */
		p->state = PLACE_MISSING;
	} else {
		const struct spot *spot = &c.run->spots[p->spot];

		p->state = PLACE_FAILED;
		p->err = xkeep(1, sizeof(*p->err));
		error_move(p->err, err);
		(void)error_wrap(p->err,
			-1,
			"target %s: whether %s has a blob is not known",
			spot->target->name,
			spot->repository);
	}
	place_settled(c.run, c.place);
}

void place_cancel(struct place *p)
{
	if (!p->checking)
		return;
	registry_cancel(&p->checking->call);
	free(p->checking);
	p->checking = NULL;
}

static void head(struct sync_run *run, uint32_t index)
{
	struct place *p = &run->places[index];
	const struct spot *spot = &run->spots[p->spot];
	const struct blob *blob = &run->blobs[p->blob];
	char text[DIGEST_STR_MAX];
	struct registry_get get = {
		.repository = spot->repository,
		.reference = digest_format(&blob->digest, text),
		.expect = &blob->digest,
		.expect_size = blob->size,
		.attempts = REGISTRY_ATTEMPTS,
		.done = head_done,
	};

	p->state = PLACE_CHECKING;
	p->checking = xkeep(1, sizeof(*p->checking));
	*p->checking = (struct checking){run, index, NULL};
	get.ctx = p->checking;
	p->checking->call = registry_blob_head(spot->target->registry, &get);
}

static void check(struct sync_run *run, uint32_t index)
{
	struct place *p = &run->places[index];
	const struct spot *spot = &run->spots[p->spot];

	if (p->state != PLACE_UNKNOWN)
		return;
	if (spot->target->store || spot->absent)
		p->state =
			PLACE_MISSING; /* for the store: a link is made, or the bytes are fetched */
	else
		head(run, index);
}

/* ---- cells ---- */

/* Whether bytes must be fetched for this place: the store may have the content already. */
static bool needs_bytes(struct sync_run *run, const struct place *p)
{
	struct store *store = run->spots[p->spot].target->store;
	uint64_t size;

	return !store || store_blob_stat(store, &run->blobs[p->blob].digest, &size, NULL) < 0;
}

static void count_missing(struct sync_run *run, struct cell *cell, uint32_t index)
{
	struct place *p = &run->places[index];
	struct blob *blob = &run->blobs[p->blob];

	if (p->state != PLACE_MISSING || !needs_bytes(run, p))
		return;
	cell->blobs++;
	cell->requests += 3; /* GET, POST, PUT */
	if (blob->counted)
		return;
	blob->counted = true;
	cell->bytes += blob->size;
	run->bytes_total += blob->size;
	run->blobs_total++;
}

struct visit {
	struct cell *cell;
	void (*fn)(struct sync_run *run, struct cell *cell, uint32_t place);
};

static bool is_left_out(const struct sync_run *run, const struct cell *cell, const struct blob *b)
{
	return b->foreign && !image_rule(run, &run->images[cell->image])->include_foreign;
}

static void visit_node(struct sync_run *run, void *ctx, uint32_t node)
{
	struct visit *v = ctx;

	for (uint32_t i = 0; i < run->nodes[node].n_blobs; i++) {
		uint32_t blob = run->nodes[node].blobs[i];

		if (is_left_out(run, v->cell, &run->blobs[blob]))
			continue;
		v->fn(run, v->cell, place_of(run, blob, v->cell));
	}
	v->cell->requests += 2; /* the manifest: GET, PUT */
}

void cell_places(struct sync_run *run, struct cell *cell,
	void (*fn)(struct sync_run *run, struct cell *cell, uint32_t place))
{
	struct visit v = {cell, fn};

	tree_each(run, &run->images[cell->image], visit_node, &v);
}

static void check_for(struct sync_run *run, struct cell *cell, uint32_t index)
{
	check(run, index);
	if (run->places[index].state == PLACE_CHECKING) {
		cell->pending++;
		waiter_add(run, &run->places[index].waiters, (uint32_t)(cell - run->cells), 0);
	} else if (run->places[index].state == PLACE_FAILED) {
		cell_fail(run, cell, run->places[index].err);
	}
}

/* The image's part in phase 2 ends when none of its cells waits. */
static void image_checked(struct sync_run *run, struct image *image)
{
	const struct sync_rule *rule = image_rule(run, image);

	if (image->state != IMAGE_WALKED)
		return;
	for (size_t t = 0; t < rule->n_targets; t++)
		if (image_cell(run, image, t)->pending > 0)
			return;
	image->state = IMAGE_SETTLED;
	window_done(run);
}

static void cell_checked(struct sync_run *run, struct cell *cell)
{
	if (cell->pending > 0)
		return;
	if (cell->state == CELL_OPEN) {
		cell->state = CELL_WAITING;
		cell->requests = 0;
		cell_places(run, cell, count_missing);
	} else if (cell->state == CELL_WAITING && cell->in_window) {
		move_cell(run, (uint32_t)(cell - run->cells));
		return;
	}
	image_checked(run, &run->images[cell->image]);
}

void places_check(struct sync_run *run, struct image *image)
{
	const struct sync_rule *rule = image_rule(run, image);
	const struct digest *root = &run->nodes[image->root].digest;

	/* One more than what is really waited for, so that no callback settles the image early. */
	for (size_t t = 0; t < rule->n_targets; t++)
		image_cell(run, image, t)->pending++;
	for (size_t t = 0; t < rule->n_targets; t++) {
		struct cell *cell = image_cell(run, image, t);

		if (cell->state != CELL_OPEN)
			continue;
		cell->moved = cell->has_old && !digest_equal(&cell->old_digest, root);
		if (cell->remembered && cell->listed && !cell->confirm && !cell->moved)
			cell_settle(run, cell, CELL_COMPLETE);
		else
			cell_places(run, cell, check_for);
	}
	for (size_t t = 0; t < rule->n_targets; t++) {
		struct cell *cell = image_cell(run, image, t);

		cell->pending--;
		cell_checked(run, cell);
	}
}

static void doubt(struct sync_run *run, struct cell *cell, uint32_t index)
{
	struct place *p = &run->places[index];
	const struct spot *spot = &run->spots[p->spot];
	AUTO(error_clear) struct error err = ERROR_INIT;

	if (p->state != PLACE_PRESENT)
		return;
	p->state = PLACE_UNKNOWN;
	(void)cell;
	if (run->options.state && run_state_begin(run) == 0 &&
		state_location_forget(run->options.state,
			spot->target->identity,
			spot->repository,
			&run->blobs[p->blob].digest,
			&err) < 0)
		run_fatal(run, &err);
}

void places_recheck(struct sync_run *run, struct cell *cell)
{
	struct spot *spot = &run->spots[cell->spot];

	spot->absent = false;
	cell->replanned = true;
	cell->state = CELL_WAITING;
	cell->pending = 1;
	cell_places(run, cell, doubt);
	cell_places(run, cell, check_for);
	cell->pending--;
	cell_checked(run, cell);
}
