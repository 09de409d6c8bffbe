/*
 * manifest.c - a manifest by digest, from whichever source gives it.
 *
 * Measured, the one of the least latency is asked; when its answer takes longer than nearly all
 * before, another one is asked too, and the first good answer counts (sources.md 3.4).
 */
#include "transfer/job.h"

#include "source/load.h"
#include "util/clock.h"
#include "util/mem.h"

#define ASKED_AT_ONCE 2 /* sources of one manifest */

/* One request under way. */
struct question {
	struct manifest_fetch *fetch;
	size_t source;
	struct registry_call *call; /* NULL: none */
	bool trial;                 /* a HEAD, before the GET */
};

struct manifest_fetch {
	struct transfer_engine *engine;
	struct manifest_request request;
	char *repository;
	char digest[DIGEST_STR_MAX];
	struct source_trials trials;
	struct question questions[ASKED_AT_ONCE];
	struct http_timer *timer; /* until a source may be asked */
	struct http_timer *hedge; /* until another one is asked too */
	struct http_timer *look;  /* until the next look whether a source is worth waiting for */
	struct failures failures;
};

static const struct source_want want_manifest = {.small = true};

static void ask(void *ctx);
static void get(struct question *q);

static void give_up(struct question *q)
{
	struct source_set *set = q->fetch->request.sources;

	if (!q->call)
		return;
	registry_cancel(&q->call);
	if (q->trial)
		source_trial_end(
			set, q->source, &(struct error){.code = ERR_CANCELED}, clock_mono_ms());
	else
		source_answered(set, q->source, NULL, clock_wall_sec());
}

static void fetch_free(struct manifest_fetch *f)
{
	for (size_t i = 0; i < ASKED_AT_ONCE; i++)
		give_up(&f->questions[i]);
	http_timer_stop(&f->timer);
	http_timer_stop(&f->hedge);
	http_timer_stop(&f->look);
	failures_clear(&f->failures);
	free(f->repository);
	free(f);
}

void transfer_manifest_cancel(struct manifest_fetch **fetch)
{
	if (*fetch)
		fetch_free(*fetch);
	*fetch = NULL;
}

static void event(struct manifest_fetch *f, size_t source, const struct error *err)
{
	const struct transfer_options *o = &f->engine->options;

	if (o->event && err->code != ERR_NOTFOUND)
		o->event(o->ctx,
			&(struct transfer_event){
				.digest = &f->request.digest,
				.source = f->request.sources->items[source].name,
				.err = err,
				.next = "trying the next source",
			});
}

static bool is_asking(const struct manifest_fetch *f)
{
	for (size_t i = 0; i < ASKED_AT_ONCE; i++)
		if (f->questions[i].call)
			return true;
	return false;
}

/* ---- answers ---- */

static struct source_sample sample_of(const struct registry_reply *reply)
{
	const struct http_timing *t = &reply->timing;

	return (struct source_sample){
		.backend = reply->backend && *reply->backend ? reply->backend : NULL,
		.latency_us = t->fresh ? 0 : t->wait_us,
		.rtt_us = t->proxied ? 0 : t->min_rtt_us,
	};
}

static void failed(struct question *q, const struct error *err)
{
	struct manifest_fetch *f = q->fetch;

	source_learn(f->request.sources, &f->trials, q->source, 0, err, clock_mono_ms());
	failures_note(&f->failures, f->request.sources, q->source, err);
	event(f, q->source, err);
	/* Another answer may still come; else the next one is asked. */
	if (is_asking(f))
		return;
	http_timer_stop(&f->hedge);
	ask(f);
}

static void answered(void *ctx, struct registry_reply *reply, struct error *err)
{
	struct question *q = ctx;
	struct manifest_fetch *f = q->fetch;
	struct source_set *set = f->request.sources;
	struct source_sample sample = sample_of(reply);

	q->call = NULL;
	source_answered(set, q->source, err ? NULL : &sample, clock_wall_sec());
	if (err) {
		failed(q, err);
		return;
	}
	source_learn(set, &f->trials, q->source, reply->body->len, NULL, clock_mono_ms());
	f->request.done(f->request.ctx, reply->body, reply->media_type, NULL);
	fetch_free(f);
}

static void tried(void *ctx, struct registry_reply *reply, struct error *err)
{
	struct question *q = ctx;

	(void)reply;
	q->call = NULL;
	q->trial = false;
	source_trial_end(q->fetch->request.sources, q->source, err, clock_mono_ms());
	if (err)
		failed(q, err);
	else
		get(q);
}

/* ---- questions ---- */

static void hedge_over(void *ctx);

/* Arranges that another source is asked when this one takes long. */
static void plan_hedge(struct manifest_fetch *f, size_t first)
{
	size_t second;
	uint64_t delay;

	if (source_hedge(f->request.sources, &f->trials, first, clock_mono_ms(), &second, &delay))
		f->hedge = http_timer_start(f->engine->options.loop, delay, hedge_over, f);
}

static void send(struct question *q)
{
	struct manifest_fetch *f = q->fetch;
	const struct source *s = &f->request.sources->items[q->source];
	struct source_patience patience =
		source_patience(f->request.sources, &f->trials, q->source, clock_mono_ms());
	AUTO_FREE char *repository = source_repository(s, f->repository);
	struct registry_get request = {
		.repository = repository,
		.reference = f->digest,
		.expect = &f->request.digest,
		.expect_size = f->request.size,
		.lane = f->engine->lane,
		.connect_ms = patience.connect_ms,
		.first_byte_ms = patience.first_byte_ms,
		.done = q->trial ? tried : answered,
		.ctx = q,
	};

	q->call = q->trial ? registry_manifest_head(s->registry, &request)
			   : registry_manifest_get(s->registry, &request);
}

static void look(void *ctx);

static void look_later(struct manifest_fetch *f)
{
	if (!f->look && f->request.sources->n > 1)
		f->look = http_timer_start(f->engine->options.loop, SOURCE_LOOK_MS, look, f);
}

static void get(struct question *q)
{
	source_asked(q->fetch->request.sources, q->source);
	send(q);
	look_later(q->fetch);
}

/* Nobody waits for a source that was parked since it was asked, while another one is free. */
static void look(void *ctx)
{
	struct manifest_fetch *f = ctx;

	f->look = NULL;
	for (size_t i = 0; i < ASKED_AT_ONCE; i++) {
		struct question *q = &f->questions[i];

		if (q->call && !q->trial &&
			source_should_leave(f->request.sources,
				&f->trials,
				&want_manifest,
				q->source,
				clock_mono_ms()))
			give_up(q);
	}
	if (is_asking(f)) {
		look_later(f);
		return;
	}
	http_timer_stop(&f->hedge);
	ask(f);
}

static void hedge_over(void *ctx)
{
	struct manifest_fetch *f = ctx;
	struct question *q = &f->questions[1];
	size_t second;
	uint64_t delay;

	f->hedge = NULL;
	/* Others may have spent the budget, or the source may be parked by now. */
	if (q->call || !source_hedge(f->request.sources,
			       &f->trials,
			       f->questions[0].source,
			       clock_mono_ms(),
			       &second,
			       &delay))
		return;
	q->source = second;
	source_hedged(f->request.sources);
	get(q);
}

static void ask_first(struct manifest_fetch *f, size_t source)
{
	struct question *q = &f->questions[0];

	q->source = source;
	q->trial = source_needs_trial(f->request.sources, source);
	if (q->trial) {
		source_trial_begin(f->request.sources, source);
		send(q);
		return;
	}
	get(q);
	plan_hedge(f, source);
}

static void ask(void *ctx)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct manifest_fetch *f = ctx;
	struct source_set *set = f->request.sources;
	uint64_t wait = 0;
	size_t source;

	f->timer = NULL;
	http_timer_stop(&f->look);
	switch (source_choose(set, &f->trials, &want_manifest, clock_mono_ms(), &source, &wait)) {
	case SOURCE_ASK:
		ask_first(f, source);
		return;
	case SOURCE_WAIT:
		f->timer = http_timer_start(f->engine->options.loop, wait, ask, f);
		return;
	case SOURCE_BUSY: /* not for small ones */
	case SOURCE_NONE:
		break;
	}
	failures_conclude(&f->failures, set, &f->trials, clock_mono_ms(), &err);
	(void)error_wrap(&err, -(int)err.code, "manifest %s", f->digest);
	f->request.done(f->request.ctx, NULL, NULL, &err);
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
	f->trials.repository = f->repository;
	f->trials.digest = &f->request.digest;
	for (size_t i = 0; i < ASKED_AT_ONCE; i++)
		f->questions[i].fetch = f;
	digest_format(&request->digest, f->digest);
	/* From the loop, so that done() never comes from inside this call. */
	f->timer = http_timer_start(engine->options.loop, 0, ask, f);
	return f;
}
