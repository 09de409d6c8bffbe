/* together.c - release sets: all tags of a rule at a target move, or none; and what a kill left
 * half-moved. */
#include "sync/run.h"
#include "util/mem.h"

#define TAG_WINDOW 32 /* tags that move at once, where their manifests are small */
/* Tags of an earlier run that move at once: their manifests' sizes are not known before. */
#define RECOVER_WINDOW 4

/* One tag to be moved: the journal's row, and what it takes to do it. */
struct tag_move {
	struct sync_run *run;
	struct sync_target *target; /* NULL: not of this run */
	struct state_move row;      /* text owned when recovered, borrowed otherwise */
	int64_t set;
	struct cell *cell; /* NULL: recovered */
	char *bytes;
	size_t len;
	bool gone; /* the target has no such manifest any more, or the tag has moved on since */
	struct registry_call *call; /* under way */
	struct error err;
};

struct moves {
	struct tag_move *items;
	size_t n, cap;
};

static struct tag_move *moves_add(struct moves *m)
{
	m->items = array_grow(m->items, m->n, &m->cap, sizeof(*m->items));
	m->items[m->n] = (struct tag_move){.err = ERROR_INIT};
	return &m->items[m->n++];
}

/* ---- moving one tag ---- */

static void move_over(struct tag_move *m)
{
	struct sync_run *run = m->run;

	free(m->bytes);
	m->bytes = NULL;
	if (m->err.code == ERR_NONE && !m->gone && run->options.state && m->set &&
		state_move_done(run->options.state, m->set, &m->row, &m->err) < 0)
		run_fatal(run, &m->err);
	window_done(run);
}

static void tag_put_done(void *ctx, struct registry_reply *reply, struct error *err)
{
	struct tag_move *m = ctx;

	(void)reply;
	m->call = NULL;
	if (err)
		error_move(&m->err, err);
	move_over(m);
}

static void put_tag(struct tag_move *m, const char *media_type)
{
	struct registry_put put = {
		.repository = m->row.repository,
		.reference = m->row.tag,
		.media_type = media_type,
		.bytes = m->bytes,
		.len = m->len,
		.digest = m->row.new_digest,
		.attempts = REGISTRY_ATTEMPTS,
		.done = tag_put_done,
		.ctx = m,
	};

	m->call = registry_manifest_put(m->target->registry, &put);
}

static void fetched(void *ctx, struct registry_reply *reply, struct error *err)
{
	struct tag_move *m = ctx;

	m->call = NULL;
	if (err && err->code == ERR_NOTFOUND) {
		m->gone = true;
		move_over(m);
		return;
	}
	if (err) {
		error_move(&m->err, err);
		move_over(m);
		return;
	}
	m->len = reply->body->len;
	m->bytes = buf_steal(reply->body);
	put_tag(m, m->row.media_type);
}

/* The manifest is at the target already, by digest: from there it gets its name. */
static void fetch_from_target(struct tag_move *m)
{
	char text[DIGEST_STR_MAX];
	struct registry_get get = {
		.repository = m->row.repository,
		.reference = digest_format(&m->row.new_digest, text),
		.expect = &m->row.new_digest,
		.attempts = REGISTRY_ATTEMPTS,
		.lane = transfer_lane(m->run->options.engine),
		.done = fetched,
		.ctx = m,
	};

	m->call = registry_manifest_get(m->target->registry, &get);
}

static void put_from_scratch(struct tag_move *m)
{
	struct sync_run *run = m->run;
	const struct node *node = &run->nodes[run->images[m->cell->image].root];

	m->len = node->size;
	if (node_read(run, node, &m->bytes, &m->err) < 0)
		move_over(m);
	else
		put_tag(m, m->row.media_type);
}

/* Whether a later run published something else under this tag: it must not be moved back. */
static bool has_moved_on(const struct tag_move *m)
{
	const struct state_move *row = &m->row;
	struct state_tag now;

	if (state_tag_get(
		    m->run->options.state, row->target, row->repository, row->tag, &now, NULL) < 0)
		return false;
	if (digest_equal(&now.published, &row->new_digest))
		return false;
	return !row->has_old || !digest_equal(&now.published, &row->old_digest);
}

static void move_start(struct sync_run *run, size_t i)
{
	struct tag_move *m = &((struct tag_move *)run->window.items)[i];

	if (!m->target || m->row.done) {
		window_done(run);
		return;
	}
	if (!m->cell && has_moved_on(m)) {
		m->gone = true;
		move_over(m);
		return;
	}
	if (m->target->store) {
		if (store_tag_put(m->target->store,
			    m->row.repository,
			    m->row.tag,
			    &m->row.new_digest,
			    &m->err) < 0 &&
			m->err.code == ERR_NOTFOUND && !m->cell) {
			m->gone = true;
			error_clear(&m->err);
		}
		move_over(m);
		return;
	}
	if (m->cell)
		put_from_scratch(m);
	else
		fetch_from_target(m);
}

/* ---- a set of this run ---- */

static bool belongs(const struct sync_run *run, const struct cell *cell,
	const struct sync_rule *rule, const struct sync_target *target)
{
	return image_rule(run, &run->images[cell->image]) == rule &&
	       run->spots[cell->spot].target == target &&
	       run->images[cell->image].reason == SELECT_WANTED;
}

static void add_staged(struct sync_run *run, struct moves *moves, const struct sync_rule *rule,
	struct cell *cell, const char *selection)
{
	const struct image *image = &run->images[cell->image];
	const struct spot *spot = &run->spots[cell->spot];
	const struct node *root = &run->nodes[image->root];
	struct tag_move *m = moves_add(moves);

	m->run = run;
	m->target = spot->target;
	m->cell = cell;
	m->row = (struct state_move){
		.target = spot->target->identity,
		.repository = spot->repository,
		.tag = image_target_tag(run, image),
		.has_old = cell->has_old,
		.old_digest = cell->old_digest,
		.new_digest = root->digest,
		.source = root->digest,
		.authority = rule->authority,
		.source_repository = run->repos[image->repo].name,
		.selection = selection,
		.media_type = run->media_types[root->media_type],
	};
}

static void hold_back(struct sync_run *run, struct moves *moves, size_t n_failed)
{
	AUTO(error_clear) struct error err = ERROR_INIT;

	(void)error_set(&err,
		ERR_TEMP,
		"held back: %zu images of its release set failed (publish: together); its content is "
		"at the target, its tag moves when the set is complete",
		n_failed);
	for (size_t i = 0; i < moves->n; i++)
		cell_fail(run, moves->items[i].cell, &err);
}

/* Failures that another run would meet again: the set must not be rolled forward for ever. */
static bool is_final(const struct error *err)
{
	return err->code != ERR_TEMP && err->code != ERR_CANCELED;
}

static int end_set(struct sync_run *run, struct moves *moves, int64_t set, struct error *err)
{
	bool pending = false;

	for (size_t i = 0; i < moves->n; i++) {
		struct tag_move *m = &moves->items[i];

		if (m->err.code == ERR_NONE) {
			cell_published(run, m->cell);
			continue;
		}
		pending = pending || !is_final(&m->err);
		(void)error_wrap(&m->err,
			-1,
			"move tag %s:%s at target %s",
			m->row.repository,
			m->row.tag,
			m->target->name);
		cell_fail(run, m->cell, &m->err);
	}
	if (pending || !run->options.state || run_over(run))
		return 0;
	return state_set_end(run->options.state, set, err);
}

static int begin_set(struct sync_run *run, const struct sync_rule *rule, struct moves *moves,
	int64_t *ret_set, struct error *err)
{
	AUTO_FREE struct state_move *rows = xcalloc(moves->n, sizeof(*rows));
	int rc;

	*ret_set = 0;
	if (!run->options.state)
		return 0;
	for (size_t i = 0; i < moves->n; i++)
		rows[i] = moves->items[i].row;
	rc = state_set_begin(run->options.state, rule->name, rows, moves->n, ret_set, err);
	for (size_t i = 0; rc == 0 && i < moves->n; i++)
		moves->items[i].set = *ret_set;
	return rc;
}

/* As many as the budget has room for when all are as large as the largest. */
static size_t window_for(const struct moves *moves)
{
	size_t largest = MANIFEST_BUDGET / TAG_WINDOW;

	for (size_t i = 0; i < moves->n; i++) {
		const struct tag_move *m = &moves->items[i];
		size_t size = m->run->nodes[m->run->images[m->cell->image].root].size;

		if (size > largest)
			largest = size;
	}
	return MANIFEST_BUDGET / largest ? MANIFEST_BUDGET / largest : 1;
}

static int move_set(struct sync_run *run, const struct sync_rule *rule, struct sync_target *target,
	struct error *err)
{
	struct moves moves = {NULL, 0, 0};
	AUTO_FREE char *selection = rule_selection(rule);
	size_t n_failed = 0;
	int64_t set = 0;
	int rc = 0;

	for (size_t i = 0; i < run->n_cells; i++) {
		struct cell *cell = &run->cells[i];

		if (!belongs(run, cell, rule, target))
			continue;
		n_failed += cell->state == CELL_FAILED;
		if (cell->state == CELL_STAGED)
			add_staged(run, &moves, rule, cell, selection);
	}
	if (moves.n > 0 && n_failed > 0) {
		hold_back(run, &moves, n_failed);
	} else if (moves.n > 0) {
		/* The journal must be on disk before the first tag moves. */
		run_commit(run);
		rc = begin_set(run, rule, &moves, &set, err);
		if (rc == 0)
			rc = phase_run(
				run, moves.n, window_for(&moves), move_start, moves.items, err);
		if (rc == 0 && !run_over(run))
			rc = end_set(run, &moves, set, err);
	}
	for (size_t i = 0; i < moves.n; i++) {
		registry_cancel(&moves.items[i].call);
		error_clear(&moves.items[i].err);
		free(moves.items[i].bytes);
	}
	free(moves.items);
	return rc;
}

int together_phase(struct sync_run *run, struct error *err)
{
	int rc = 0;

	for (size_t r = 0; r < run->n_rules; r++) {
		const struct sync_rule *rule = &run->rules[r];

		for (size_t t = 0; rule->publish_together && t < rule->n_targets; t++) {
			if (rc == 0 && !run_over(run))
				rc = move_set(run, rule, rule->targets[t], err);
		}
	}
	return rc;
}

/* ---- after a crash ---- */

static struct sync_target *target_of(const struct sync_run *run, const char *identity)
{
	for (size_t r = 0; r < run->n_rules; r++)
		for (size_t t = 0; t < run->rules[r].n_targets; t++)
			if (strcmp(run->rules[r].targets[t]->identity, identity) == 0)
				return run->rules[r].targets[t];
	return NULL;
}

struct pending {
	struct sync_run *run;
	struct moves moves;
};

static bool collect(void *ctx, int64_t set, const struct state_move *move)
{
	struct pending *p = ctx;
	struct tag_move *m = moves_add(&p->moves);

	m->run = p->run;
	m->set = set;
	m->target = target_of(p->run, move->target);
	m->row = *move;
	m->row.target = xstrdup(move->target);
	m->row.repository = xstrdup(move->repository);
	m->row.tag = xstrdup(move->tag);
	m->row.authority = xstrdup(move->authority);
	m->row.source_repository = xstrdup(move->source_repository);
	m->row.selection = xstrdup(move->selection);
	m->row.media_type = xstrdup(move->media_type);
	return true;
}

static void row_free(struct tag_move *m)
{
	const char *texts[] = {m->row.target,
		m->row.repository,
		m->row.tag,
		m->row.authority,
		m->row.source_repository,
		m->row.selection,
		m->row.media_type};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		void *p;

		memcpy(&p, &texts[i], sizeof(p)); /* owned here, const for everybody else */
		free(p);
	}
	registry_cancel(&m->call);
	free(m->bytes);
	error_clear(&m->err);
}

static int remember(struct sync_run *run, const struct tag_move *m, struct error *err)
{
	struct state_tag row = {
		.authority = m->row.authority,
		.source_repository = m->row.source_repository,
		.target = m->row.target,
		.repository = m->row.repository,
		.tag = m->row.tag,
		.source = m->row.source,
		.published = m->row.new_digest,
		.selection = m->row.selection,
		.changed_at = run->now_sec,
		.confirmed_at = run->now_sec,
		.seen_at = run->now_sec,
	};

	return state_tag_put(run->options.state, &row, err);
}

/* A set whose tags all moved, or can never move, is over. */
static int close_sets(struct sync_run *run, const struct moves *moves, struct error *err)
{
	int rc = 0;

	for (size_t i = 0; i < moves->n && rc == 0; i++) {
		const struct tag_move *m = &moves->items[i];
		bool first = i == 0 || moves->items[i - 1].set != m->set;
		bool over = true;

		for (size_t k = i; k < moves->n && moves->items[k].set == m->set; k++) {
			const struct tag_move *other = &moves->items[k];

			over = over && other->target &&
			       (other->err.code == ERR_NONE || is_final(&other->err));
		}
		if (m->target && m->err.code == ERR_NONE && !m->gone)
			rc = remember(run, m, err);
		if (rc == 0 && first && over)
			rc = state_set_end(run->options.state, m->set, err);
	}
	return rc;
}

int together_recover(struct sync_run *run, struct error *err)
{
	struct pending p = {.run = run};
	int rc = state_moves_pending(run->options.state, collect, &p, err);

	if (rc == 0 && p.moves.n > 0) {
		run_note(run,
			"an earlier run was stopped while it moved %zu tags together; moving them on",
			p.moves.n);
		rc = phase_run(run, p.moves.n, RECOVER_WINDOW, move_start, p.moves.items, err);
	}
	if (rc == 0 && p.moves.n > 0 && !run_over(run))
		rc = close_sets(run, &p.moves, err);
	for (size_t i = 0; i < p.moves.n; i++)
		row_free(&p.moves.items[i]);
	free(p.moves.items);
	return rc;
}
