/* stripe.c - closed ranges of several sources into the spool file. */
#include "transfer/stripe.h"

#include <inttypes.h>

#include "source/load.h"
#include "transfer/stripe_plan.h"
#include "util/clock.h"
#include "util/mem.h"

#define LOOK_MS 500 /* between two looks at rates, and at a frontier that rests */
/* Bytes of a range that are written before the map says so: what a kill costs, for each range. */
#define NOTE_PIECE ((uint64_t)1024 * 1024)
#define MS_PER_SEC 1000.0
#define LABEL_MAX  24 /* chars, with the NUL: "32 sources" */

/* One place of a source. */
struct slot {
	struct job *job;
	int claim; /* -1: idle */
	size_t source;
	struct registry_call *call;
	struct blame_run run;
	uint64_t asked_end;     /* of the request; the claim's end may be lower by now */
	uint64_t noted;         /* the spool's map knows of it up to here */
	uint64_t first_byte_ms; /* 0: none yet */
	bool cut;               /* we ended it: others have, or are to bring, what is missing */
};

struct stripe {
	struct stripe_plan plan;
	size_t order[SOURCES_MAX]; /* best first */
	size_t n;
	struct slot slots[STRIPE_CLAIMS_MAX];
	char *etags[SOURCES_MAX]; /* of each source's first answer that had a strong one */
	uint64_t first_byte_ms[SOURCES_MAX]; /* of each source; 0: none yet */
	uint64_t arrived[SOURCES_MAX];       /* bytes since then */
	uint64_t bytes[SOURCES_MAX];         /* of ranges that ended */
	unsigned ranges[SOURCES_MAX];
	struct http_timer *timer;
	struct error disk; /* the spool could not be written */
	char label[LABEL_MAX];
};

const char *stripe_label(const struct stripe *s)
{
	return s->label;
}

/* ---- the end of a range ---- */

static struct source_sample sample_of(
	const struct slot *slot, const struct stripe *s, const struct registry_blob_stats *stats)
{
	const struct stripe_claim *c = &s->plan.claims[slot->claim];
	const uint64_t now_ms = clock_mono_ms();
	struct source_sample sample = {
		.backend = stats->backend, .rtt_us = stats->timing.min_rtt_us};

	/* A new connection's slow start says nothing of its rate. */
	if (slot->first_byte_ms > 0 && !stats->timing.fresh) {
		sample.bytes = c->at - c->first;
		sample.window_us = 1000 * (now_ms - slot->first_byte_ms);
	}
	if (!stats->timing.fresh)
		sample.latency_us = stats->timing.wait_us;
	return sample;
}

/* Also of a range that never ends: stats NULL. */
static void end_range(struct slot *slot, const struct registry_blob_stats *stats)
{
	struct job *j = slot->job;
	struct stripe *s = j->producer.stripe;
	const struct stripe_claim *c = &s->plan.claims[slot->claim];
	AUTO_FREE char *place = verdict_place(stats);
	struct source_sample sample;

	registry_cancel(&slot->call);
	if (c->at > slot->noted && j->spool.fd >= 0)
		spool_note(&j->spool, slot->noted, c->at);
	blame_run_end(&slot->run, verdict_blame(j), place);
	if (place) {
		free(j->giver_place);
		j->giver_place = steal(&place);
	}
	if (stats)
		sample = sample_of(slot, s, stats);
	source_end(j->sources,
		slot->source,
		slot->asked_end - c->at,
		stats ? &sample : NULL,
		clock_wall_sec());
	s->bytes[slot->source] += c->at - c->first;
	s->ranges[slot->source]++;
	stripe_plan_end(&s->plan, slot->claim, clock_mono_ms());
	slot->claim = -1;
}

static bool is_in(const struct stripe *s, size_t source)
{
	return s->plan.givers[source].in;
}

static void leave(struct stripe *s, size_t source)
{
	s->plan.givers[source].in = false;
}

/* It cannot share, and may still give the whole: that is no failure. */
static void leave_unfit(struct job *j, size_t source, const char *why)
{
	AUTO(error_clear) struct error err = ERROR_INIT;

	if (is_in(j->producer.stripe, source)) {
		(void)error_set(
			&err, ERR_REMOTE, "source %s: %s", j->sources->items[source].name, why);
		job_event_of(j, source, &err, "others take over its ranges");
	}
	j->no_stripe |= 1u << source;
	leave(j->producer.stripe, source);
}

/* One failure is told, and counted, for both of its places. */
static void leave_failed(struct job *j, size_t source, struct error *err)
{
	struct stripe *s = j->producer.stripe;
	uint64_t bytes = s->bytes[source];

	if (!is_in(s, source))
		return;
	leave(s, source);
	s->bytes[source] = 0;
	s->ranges[source] = 0;
	fetch_failed(j, source, bytes, err, "others take over its ranges");
}

/* The same object for all ranges, where it says so (RFC 9110 8.8.3: weak tags say nothing). */
static bool same_etag(struct stripe *s, size_t source, const char *etag)
{
	if (!etag || strncmp(etag, "W/", 2) == 0)
		return true;
	if (!s->etags[source])
		s->etags[source] = xstrdup(etag);
	return strcmp(s->etags[source], etag) == 0;
}

static void give_up_disk(struct job *j)
{
	AUTO(error_clear) struct error err = ERROR_INIT;

	error_move(&err, &j->producer.stripe->disk);
	producer_stop(j);
	job_give_up_spool(j, &err);
}

static void settle(struct job *j);

static void range_done(void *ctx, const struct registry_blob_stats *stats, struct error *err)
{
	struct slot *slot = ctx;
	struct job *j = slot->job;
	struct stripe *s = j->producer.stripe;
	size_t source = slot->source;
	bool cut = slot->cut;
	uint64_t wait_ms = (stats->timing.wait_us ? stats->timing.wait_us : stats->ttfb_us) / 1000;
	struct stripe_giver *g = &s->plan.givers[source];

	slot->call = NULL;
	if (wait_ms > 0 && (g->rtt_ms == 0 || wait_ms < g->rtt_ms))
		g->rtt_ms = wait_ms;
	end_range(slot, stats);
	if (s->disk.code != ERR_NONE) {
		give_up_disk(j);
		job_step(j);
		return;
	}
	if (err && stats->range_ignored)
		leave_unfit(j, source, "it does not answer a Range with a part");
	else if (err && !cut)
		leave_failed(j, source, err);
	else if (!same_etag(s, source, stats->etag))
		leave_unfit(j, source, "its ETag changed from one range to the next");
	settle(j);
	job_step(j);
}

/* ---- bytes ---- */

static enum http_io range_write(void *ctx, const char *data, size_t n)
{
	struct slot *slot = ctx;
	struct job *j = slot->job;
	struct stripe *s = j->producer.stripe;
	const struct stripe_claim *c = &s->plan.claims[slot->claim];
	const uint64_t now_ms = clock_mono_ms(), frontier = s->plan.frontier;
	const size_t take = n < c->end - c->at ? n : (size_t)(c->end - c->at);

	if (spool_write(&j->spool, c->at, data, take, &s->disk) < 0)
		return HTTP_IO_ABORT;
	if (slot->first_byte_ms == 0)
		slot->first_byte_ms = now_ms;
	if (s->first_byte_ms[slot->source] == 0)
		s->first_byte_ms[slot->source] = now_ms;
	s->arrived[slot->source] += take;
	blame_run_take(&slot->run, data, take);
	source_arrived(j->sources, slot->source, take);
	j->gave |= 1u << slot->source;
	j->fetched += take;
	j->engine->bytes += take;
	stripe_plan_arrived(&s->plan, slot->claim, take, now_ms);
	if (c->at >= slot->noted + NOTE_PIECE) {
		spool_note(&j->spool, slot->noted, c->at);
		slot->noted = c->at;
	}
	/* Not at once: a step may end this very call. */
	if (s->plan.frontier > frontier)
		job_wake(j);
	slot->cut = c->end < slot->asked_end && c->at == c->end;
	return slot->cut ? HTTP_IO_ABORT : HTTP_IO_OK;
}

static void begin_range(struct job *j, struct slot *slot, size_t source, int claim)
{
	const struct source *from = &j->sources->items[source];
	const struct stripe_claim *c = &j->producer.stripe->plan.claims[claim];
	const uint64_t now_ms = clock_mono_ms();
	const struct source_patience patience =
		source_patience(j->sources, &j->trials, source, now_ms);
	AUTO_FREE char *repository = source_repository(from, j->repository);
	const struct registry_blob_get request = {
		.repository = repository,
		.digest = j->digest,
		.size = j->size,
		.offset = c->first,
		.end = c->end,
		.only_range = true,
		.connect_ms = patience.connect_ms,
		.first_byte_ms = patience.first_byte_ms,
		.stall_ms = patience.stall_ms,
		.write = range_write,
		.done = range_done,
		.ctx = slot,
	};

	*slot = (struct slot){
		.job = j,
		.claim = claim,
		.source = source,
		.asked_end = c->end,
		.noted = c->first,
	};
	blame_run_begin(&slot->run, j->digest.algo, source, c->first, true);
	source_begin(j->sources, source, c->end - c->first, now_ms);
	slot->call = registry_blob_get(from->registry, &request);
}

/* ---- who does what ---- */

/* One that has all it was asked for, or was cut, ends by itself. */
static bool is_to_be_canceled(const struct stripe *s, const struct slot *slot)
{
	return slot->claim >= 0 && !slot->cut && stripe_plan_is_moot(&s->plan, slot->claim) &&
	       s->plan.claims[slot->claim].at < slot->asked_end;
}

static void cancel_moot(struct stripe *s)
{
	for (size_t i = 0; i < STRIPE_CLAIMS_MAX; i++)
		if (is_to_be_canceled(s, &s->slots[i]))
			end_range(&s->slots[i], NULL);
}

/* The best first, and everybody's first place before anybody's second. */
static void fill(struct job *j)
{
	struct stripe *s = j->producer.stripe;

	for (size_t k = 0; k < STRIPE_SLOTS_EACH; k++)
		for (size_t i = 0; i < s->n; i++) {
			struct slot *slot = &s->slots[STRIPE_SLOTS_EACH * i + k];
			int claim;

			if (slot->claim >= 0)
				continue;
			claim = stripe_plan_next(&s->plan, s->order[i], clock_mono_ms());
			if (claim >= 0)
				begin_range(j, slot, s->order[i], claim);
		}
}

static bool goes_on(const struct stripe *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (is_in(s, s->order[i]) || stripe_plan_active(&s->plan, s->order[i]) > 0)
			return true;
	return false;
}

/* Before anybody else knows: what it gave here. */
static double own_rate(const struct stripe *s, size_t source)
{
	const uint64_t since = s->first_byte_ms[source], now_ms = clock_mono_ms();

	if (since == 0 || now_ms < since + LOOK_MS)
		return 0;
	return (double)s->arrived[source] * MS_PER_SEC / (double)(now_ms - since);
}

static void look_at_rates(struct job *j)
{
	struct stripe *s = j->producer.stripe;

	for (size_t i = 0; i < s->n; i++) {
		double rate = source_rate(j->sources, s->order[i]);

		s->plan.givers[s->order[i]].rate = rate > 0 ? rate : own_rate(s, s->order[i]);
	}
}

/* Something ended: others may go on, or nobody is left. */
static void settle(struct job *j)
{
	struct stripe *s = j->producer.stripe;

	look_at_rates(j);
	cancel_moot(s);
	fill(j);
	if (!goes_on(s)) {
		/* What is there up to the frontier is read from the spool; the rest is asked
		 * anew. */
		producer_stop(j);
	}
}

static void look(void *ctx)
{
	struct job *j = ctx;
	struct stripe *s = j->producer.stripe;

	s->timer = http_timer_start(j->engine->options.loop, LOOK_MS, look, j);
	settle(j);
	job_step(j);
}

void stripe_pump(struct job *j)
{
	struct stripe *s = j->producer.stripe;
	const uint64_t before = j->position;

	j->spool.length = s->plan.frontier;
	if (!producer_read(j, j->spool.fd, s->plan.frontier))
		return;
	s->plan.consumed = j->position;
	if (j->position == j->size) {
		producer_stop(j);
	} else if (j->position > before) {
		cancel_moot(s);
		fill(j);
	}
	if (j->position > before)
		job_wake(j);
}

/* ---- life ---- */

bool stripe_start(struct job *j, const size_t *sources, size_t n)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct stripe *s;

	if (spool_map_begin(&j->spool, &err) < 0) {
		job_give_up_spool(j, &err);
		return false;
	}
	s = xcalloc(1, sizeof(*s));
	stripe_plan_init(&s->plan, j->size, j->spool.map, j->position, clock_mono_ms());
	for (size_t i = 0; i < n && i < STRIPE_SOURCES_MAX; i++) {
		s->order[s->n++] = sources[i];
		s->plan.givers[sources[i]].in = true;
	}
	for (size_t i = 0; i < STRIPE_CLAIMS_MAX; i++)
		s->slots[i].claim = -1;
	(void)snprintf(s->label, sizeof(s->label), n == 1 ? "%zu source" : "%zu sources", s->n);
	j->producer = (struct producer){.kind = PRODUCER_STRIPE, .fd = -1, .stripe = s};
	s->timer = http_timer_start(j->engine->options.loop, LOOK_MS, look, j);
	look_at_rates(j);
	fill(j);
	return true;
}

/* Its ranges were one fetch as far as this digest's attempts go: none of them failed. */
static void learn_success(struct job *j, size_t source)
{
	const struct stripe *s = j->producer.stripe;
	struct source_trials nothing = {.attempts = 0};

	if (s->ranges[source] == 0)
		return;
	source_learn(j->sources, &nothing, source, s->bytes[source], NULL, clock_mono_ms());
	j->sources->items[source].requests += s->ranges[source] - 1;
}

void stripe_stop(struct job *j)
{
	struct stripe *s = j->producer.stripe;

	if (!s)
		return;
	http_timer_stop(&s->timer);
	for (size_t i = 0; i < STRIPE_CLAIMS_MAX; i++)
		if (s->slots[i].claim >= 0)
			end_range(&s->slots[i], NULL);
	if (j->spool.fd >= 0)
		j->spool.length = s->plan.frontier;
	for (size_t i = 0; i < s->n; i++)
		learn_success(j, s->order[i]);
	for (size_t i = 0; i < SOURCES_MAX; i++)
		free(s->etags[i]);
	error_clear(&s->disk);
	free(s);
	j->producer.stripe = NULL;
}
