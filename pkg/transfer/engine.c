/* engine.c - what waits and what runs. */
#include "transfer/job.h"
#include "transfer/stripe.h"

#include "util/mem.h"

struct transfer_engine *transfer_engine_new(const struct transfer_options *options)
{
	struct transfer_engine *e = xcalloc(1, sizeof(*e));

	e->options = *options;
	e->lane = manifest_lane_new();
	if (e->options.parallel == 0)
		e->options.parallel = 1;
	e->ring_pool = xcalloc(e->options.parallel, sizeof(*e->ring_pool));
	return e;
}

static bool is_quiet(void *ctx)
{
	const struct transfer_engine *e = ctx;

	return e->kicks == 0 && e->finishing == 0;
}

void transfer_engine_free(struct transfer_engine *engine)
{
	if (!engine)
		return;
	http_timer_stop(&engine->watch);
	while (engine->running) {
		struct job *j = engine->running;

		engine->running = j->next;
		job_free(j);
	}
	for (struct job *j; (j = schedule_pop(engine));)
		job_free(j);
	/* Workers that write into the store cannot be stopped: their last word is awaited. */
	if (!is_quiet(engine) && http_loop_run(engine->options.loop, is_quiet, engine, NULL) < 0)
		return; /* the loop is broken; what it holds may still point here */
	for (size_t i = 0; i < engine->n_ring_pool; i++)
		free(engine->ring_pool[i]);
	free(engine->ring_pool);
	manifest_lane_free(engine->lane);
	free(engine);
}

static void take_ring(struct transfer_engine *e, struct job *j)
{
	if (e->n_ring_pool > 0)
		j->ring = (struct ring){.data = e->ring_pool[--e->n_ring_pool]};
	else
		ring_init(&j->ring);
}

void engine_run(struct transfer_engine *engine, struct job *j)
{
	struct job **end = &engine->running;

	j->next = NULL;
	j->running = true;
	while (*end)
		end = &(*end)->next;
	*end = j;
	engine->n_running++;
	engine->n_measured += j->measured;
	engine->n_small += j->measured && j->size <= SOURCE_SMALL;
	take_ring(engine, j);
	job_start(j);
	if (j->measured)
		watch_start(engine);
}

/* From the loop: so that done() never comes from inside transfer_blob(). */
static void kicked(void *ctx)
{
	struct transfer_engine *e = ctx;

	e->kicks--;
	schedule_run(e);
}

void engine_kick(struct transfer_engine *engine)
{
	if (engine->kicks > 0)
		return;
	engine->kicks++;
	http_loop_post(engine->options.loop, kicked, engine);
}

void engine_ended(struct transfer_engine *engine, struct job *j)
{
	for (struct job **at = &engine->running; *at; at = &(*at)->next) {
		if (*at != j)
			continue;
		*at = j->next;
		engine->n_running--;
		engine->n_measured -= j->measured;
		engine->n_small -= j->measured && j->size <= SOURCE_SMALL;
		break;
	}
	if (j->ring.data && engine->n_ring_pool < engine->options.parallel) {
		engine->ring_pool[engine->n_ring_pool++] = j->ring.data;
		j->ring.data = NULL;
	}
	job_free(j);
	if (!schedule_is_empty(engine))
		engine_kick(engine);
}

static struct sink sink_of(struct job *j, const struct transfer_destination *d)
{
	return (struct sink){
		.job = j,
		.reader = -1,
		.registry = d->registry,
		.store = d->store,
		.repository = xstrdup(d->repository),
		.mount_from = xstrdup(d->mount_from),
	};
}

void transfer_blob(struct transfer_engine *engine, const struct transfer_request *request)
{
	struct job *j = xcalloc(1, sizeof(*j));

	j->engine = engine;
	j->digest = request->digest;
	j->size = request->size;
	j->sources = request->sources;
	j->repository = xstrdup(request->repository);
	j->trials.authority_only = request->authority_only;
	j->trials.repository = j->repository;
	j->trials.digest = &j->digest;
	j->measured = j->sources && source_set_measured(j->sources) && !request->authority_only;
	j->done = request->done;
	j->ctx = request->ctx;
	j->spool = SPOOL_FILE_INIT;
	for (size_t i = 0; i < request->n_destinations && i < TRANSFER_DESTINATIONS_MAX; i++)
		j->sinks[j->n_sinks++] = sink_of(j, &request->destinations[i]);
	schedule_add(engine, j);
	engine_kick(engine);
}

void transfer_cancel_all(struct transfer_engine *engine)
{
	for (struct job *j; (j = schedule_pop(engine));)
		job_cancel(j);
	while (engine->running)
		job_cancel(engine->running);
}

struct manifest_lane *transfer_lane(const struct transfer_engine *engine)
{
	return engine->lane;
}

size_t transfer_running(const struct transfer_engine *engine)
{
	return engine->n_running;
}

size_t transfer_progress(
	const struct transfer_engine *engine, struct transfer_progress *ret, size_t max)
{
	size_t n = 0;

	for (const struct job *j = engine->running; j && n < max; j = j->next) {
		const struct producer *p = &j->producer;

		ret[n++] = (struct transfer_progress){
			.digest = j->digest,
			.size = j->size,
			.position = j->position,
			.source = p->kind == PRODUCER_SOURCE   ? j->sources->items[p->source].name
				  : p->kind == PRODUCER_STRIPE ? stripe_label(p->stripe)
				  : p->kind == PRODUCER_FILE   ? "local"
							       : "",
		};
	}
	return n;
}

uint64_t transfer_bytes(const struct transfer_engine *engine)
{
	return engine->bytes;
}
