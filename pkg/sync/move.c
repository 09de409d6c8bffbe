/* move.c - phase 3: each missing blob once to each target, then the manifests. */
#include "sync/run.h"
#include "util/mem.h"

/* One transfer: a blob to some places, at most one of each target. */
struct moving {
	struct sync_run *run;
	uint32_t blob;
	uint32_t repo; /* that the bytes were asked for */
	uint32_t places[TRANSFER_DESTINATIONS_MAX];
	size_t n;
};

static void start_blob(struct sync_run *run, uint32_t index);

static void remember_place(struct sync_run *run, const struct place *p)
{
	const struct spot *spot = &run->spots[p->spot];
	AUTO(error_clear) struct error err = ERROR_INIT;

	if (spot->target->store && store_lease(spot->target->store,
					   run->lease,
					   &run->blobs[p->blob].digest,
					   LEASE_SEC,
					   &err) < 0)
		run_fatal(run, &err);
	if (!run->options.state || spot->target->store || run_state_begin(run) < 0)
		return;
	if (state_location_put(run->options.state,
		    spot->target->identity,
		    spot->repository,
		    &run->blobs[p->blob].digest,
		    &err) < 0)
		run_fatal(run, &err);
}

static void place_result(struct moving *m, size_t i, struct error *err, bool mounted)
{
	struct sync_run *run = m->run;
	struct place *p = &run->places[m->places[i]];
	const struct spot *spot = &run->spots[p->spot];
	char text[DIGEST_STR_MAX];

	if (err->code == ERR_NONE) {
		p->state = PLACE_PRESENT;
		p->uploaded = true;
		run->blobs_mounted += mounted;
		run->blobs_sent += !mounted;
		remember_place(run, p);
		return;
	}
	/* What one repository could not give, another one's may: it tries for itself. */
	if (p->repo != m->repo && err->code != ERR_CANCELED) {
		p->state = PLACE_MISSING;
		return;
	}
	p->state = PLACE_FAILED;
	p->err = xkeep(1, sizeof(*p->err));
	error_move(p->err, err);
	(void)error_wrap(p->err,
		-1,
		"blob %s for target %s",
		digest_format(&run->blobs[p->blob].digest, text),
		spot->target->name);
}

/* Other repositories that want the same blob can mount it now, or must try for themselves. */
static void start_followers(struct sync_run *run, uint32_t blob)
{
	for (uint32_t p = run->blobs[blob].places; p != NO_INDEX; p = run->places[p].next_of_blob)
		if (run->places[p].state == PLACE_MISSING && run->places[p].waiters != NO_INDEX)
			start_blob(run, p);
}

static void blob_done(void *ctx, struct transfer_result *result)
{
	struct moving *m = ctx;
	struct sync_run *run = m->run;

	run->moving--;
	for (size_t i = 0; i < m->n; i++)
		place_result(m, i, &result->errors[i], result->mounted[i]);
	for (size_t i = 0; i < m->n; i++)
		if (run->places[m->places[i]].state != PLACE_MISSING)
			place_settled(run, m->places[i]);
	if (!run_over(run))
		start_followers(run, m->blob);
	free(m);
}

/* ---- who gets it, and from where it could be mounted ---- */

/* A repository of the same target that has the blob, by what this run knows; *ret_busy: one is
 * getting it now. */
static const char *mount_candidate(struct sync_run *run, const struct place *p, bool *ret_busy)
{
	const struct spot *here = &run->spots[p->spot];
	const char *known = NULL;

	*ret_busy = false;
	for (uint32_t i = run->blobs[p->blob].places; i != NO_INDEX;
		i = run->places[i].next_of_blob) {
		const struct place *other = &run->places[i];

		if (run->spots[other->spot].target != here->target)
			continue;
		if (other->state == PLACE_PRESENT)
			return run->spots[other->spot].repository;
		*ret_busy = *ret_busy || other->state == PLACE_MOVING;
	}
	if (*ret_busy || !run->options.state || !here->target->registry)
		return NULL;
	if (state_location_any(run->options.state,
		    here->target->identity,
		    &run->blobs[p->blob].digest,
		    &known,
		    NULL) < 0 ||
		strcmp(known, here->repository) == 0)
		return NULL;
	return known;
}

static void add_place(struct moving *m, struct transfer_destination *destinations, uint32_t index,
	const char *mount_from)
{
	struct sync_run *run = m->run;
	struct place *p = &run->places[index];
	const struct spot *spot = &run->spots[p->spot];

	p->state = PLACE_MOVING;
	destinations[m->n] = (struct transfer_destination){
		.registry = spot->target->registry,
		.store = spot->target->store,
		.repository = spot->repository,
		.mount_from = spot->target->registry ? mount_from : NULL,
	};
	m->places[m->n++] = index;
}

/* One fetch for all targets: the first missing place of each target that cannot mount. */
static void add_other_targets(
	struct moving *m, struct transfer_destination *destinations, uint32_t first)
{
	struct sync_run *run = m->run;

	for (uint32_t i = run->blobs[m->blob].places; i != NO_INDEX;
		i = run->places[i].next_of_blob) {
		const struct sync_target *target = run->spots[run->places[i].spot].target;
		bool taken = i == first || run->places[i].state != PLACE_MISSING, busy;

		for (size_t k = 0; k < m->n; k++)
			taken = taken ||
				run->spots[run->places[m->places[k]].spot].target == target;
		if (taken || m->n == TRANSFER_DESTINATIONS_MAX)
			continue;
		if (!mount_candidate(run, &run->places[i], &busy) && !busy)
			add_place(m, destinations, i, NULL);
	}
}

static void start_blob(struct sync_run *run, uint32_t index)
{
	const struct blob *blob = &run->blobs[run->places[index].blob];
	const struct repo *repo = &run->repos[run->places[index].repo];
	struct transfer_destination destinations[TRANSFER_DESTINATIONS_MAX];
	struct transfer_request request;
	struct moving *m;
	bool busy;
	const char *from = mount_candidate(run, &run->places[index], &busy);

	if (busy && !from)
		return; /* blob_done() of the one that moves it comes back here */
	m = xcalloc(1, sizeof(*m));
	m->run = run;
	m->blob = run->places[index].blob;
	m->repo = run->places[index].repo;
	add_place(m, destinations, index, from);
	if (!from)
		add_other_targets(m, destinations, index);
	request = (struct transfer_request){
		.digest = blob->digest,
		.size = blob->size,
		.sources = repo->rule->sources,
		.repository = repo->name,
		.authority_only = repo->rule->authority_only,
		.destinations = destinations,
		.n_destinations = m->n,
		.done = blob_done,
		.ctx = m,
	};
	run->moving++;
	transfer_blob(run->options.engine, &request);
}

/* ---- cells ---- */

static void move_place(struct sync_run *run, struct cell *cell, uint32_t index)
{
	struct place *p = &run->places[index];

	if (cell->state != CELL_WAITING)
		return; /* it failed by an earlier one: nothing is moved for it */
	switch (p->state) {
	case PLACE_PRESENT:
		return;
	case PLACE_FAILED:
		cell_fail(run, cell, p->err);
		return;
	case PLACE_UNKNOWN:
	case PLACE_CHECKING:
	case PLACE_MISSING:
	case PLACE_MOVING:
		break;
	}
	cell->pending++;
	waiter_add(run, &p->waiters, (uint32_t)(cell - run->cells), 0);
	if (p->state == PLACE_MISSING)
		start_blob(run, index);
}

void move_cell(struct sync_run *run, uint32_t index)
{
	struct cell *cell = &run->cells[index];

	cell->pending = 1; /* so that nothing publishes before all places were looked at */
	cell_places(run, cell, move_place);
	cell->pending--;
	if (cell->pending == 0 && cell->state == CELL_WAITING)
		publish_cell(run, index);
}

static void move_start(struct sync_run *run, size_t i)
{
	struct cell *cell = &run->cells[i];

	if (cell->state != CELL_WAITING) {
		window_done(run);
		return;
	}
	cell->in_window = true;
	move_cell(run, (uint32_t)i);
}

int move_phase(struct sync_run *run, struct error *err)
{
	return phase_run(run, run->n_cells, PUBLISH_WINDOW, move_start, NULL, err);
}
