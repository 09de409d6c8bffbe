/* manifest.c - a manifest by digest, from whichever source gives it. */
#include "transfer/job.h"

#include "util/clock.h"
#include "util/mem.h"

struct manifest_fetch {
	struct transfer_engine *engine;
	struct manifest_request request;
	char *repository;
	char digest[DIGEST_STR_MAX];
	struct source_trials trials;
	size_t source;
	struct registry_call *call;
	struct http_timer *timer;
	struct error last;
};

static void ask(void *ctx);

static void fetch_free(struct manifest_fetch *f)
{
	registry_cancel(&f->call);
	http_timer_stop(&f->timer);
	error_clear(&f->last);
	free(f->repository);
	free(f);
}

void transfer_manifest_cancel(struct manifest_fetch **fetch)
{
	if (*fetch)
		fetch_free(*fetch);
	*fetch = NULL;
}

static void event(struct manifest_fetch *f, const struct error *err)
{
	const struct transfer_options *o = &f->engine->options;

	if (o->event && err->code != ERR_NOTFOUND)
		o->event(o->ctx,
			&(struct transfer_event){
				.digest = &f->request.digest,
				.source = f->request.sources->items[f->source].name,
				.err = err,
				.next = "trying the next source",
			});
}

static void answered(void *ctx, struct registry_reply *reply, struct error *err)
{
	struct manifest_fetch *f = ctx;
	struct source_set *set = f->request.sources;
	uint64_t bytes = err || !reply->body ? 0 : reply->body->len;

	f->call = NULL;
	source_learn(set, &f->trials, f->source, bytes, err, clock_mono_ms());
	if (!err) {
		f->request.done(f->request.ctx, reply->body, reply->media_type, NULL);
		fetch_free(f);
		return;
	}
	event(f, err);
	/* One that does not have it says nothing against one that could not be asked (promise 5).
	 */
	if (err->code != ERR_NOTFOUND || f->last.code == ERR_NONE) {
		error_move(&f->last, err);
		(void)error_wrap(
			&f->last, -(int)f->last.code, "source %s", set->items[f->source].name);
	}
	ask(f);
}

static void get(struct manifest_fetch *f)
{
	const struct source *s = &f->request.sources->items[f->source];
	AUTO_FREE char *repository = source_repository(s, f->repository);
	struct registry_get request = {
		.repository = repository,
		.reference = f->digest,
		.expect = &f->request.digest,
		.expect_size = f->request.size,
		.lane = f->engine->lane,
		.done = answered,
		.ctx = f,
	};

	f->call = registry_manifest_get(s->registry, &request);
}

static void ask(void *ctx)
{
	struct manifest_fetch *f = ctx;
	uint64_t wait = 0;

	f->timer = NULL;
	switch (source_choose(f->request.sources,
		&f->trials,
		&(struct source_want){.small = true},
		clock_mono_ms(),
		&f->source,
		&wait)) {
	case SOURCE_ASK:
		get(f);
		return;
	case SOURCE_WAIT:
		f->timer = http_timer_start(f->engine->options.loop, wait, ask, f);
		return;
	case SOURCE_BUSY:
	case SOURCE_NONE:
		break;
	}
	if (f->last.code == ERR_NONE)
		(void)error_set(&f->last,
			ERR_TEMP,
			"every source is parked, or gave too much wrong content in this run");
	(void)error_wrap(&f->last, -(int)f->last.code, "manifest %s", f->digest);
	f->request.done(f->request.ctx, NULL, NULL, &f->last);
	fetch_free(f);
}

struct manifest_fetch *transfer_manifest(
	struct transfer_engine *engine, const struct manifest_request *request)
{
	struct manifest_fetch *f = xcalloc(1, sizeof(*f));

	f->engine = engine;
	f->request = *request;
	f->repository = xstrdup(request->repository);
	f->trials.authority_only = request->authority_only;
	digest_format(&request->digest, f->digest);
	/* From the loop, so that done() never comes from inside this call. */
	f->timer = http_timer_start(engine->options.loop, 0, ask, f);
	return f;
}
