/* probe.c - small requests with a time limit, and a layer's bytes against the clock. */
#include "source/probe.h"

#include <inttypes.h>
#include <time.h>

#include "oci/hasher.h"
#include "util/mem.h"

#define US_PER_SEC 1000000ULL
#define US_PER_MS  UINT64_C(1000)

struct probe {
	struct http_loop *loop;
	struct registry_call *call;
	struct http_timer *limit; /* a small request's, or a bulk one's time after the first byte */

	/* a small request */
	registry_reply_fn *answered;
	void *ctx;

	/* bulk */
	struct probe_bulk bulk;
	struct probe_meter meter;
	struct hasher *hasher; /* NULL: the digest is not verified */
	uint64_t start_us;
	bool enough; /* we ended it */
	struct registry_call *beside;
	struct http_timer *beside_timer;
	struct probe_result result;
};

/* libcurl stamps in microseconds, too; util/clock.h has milliseconds. */
static uint64_t now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail on Linux */
	return (uint64_t)t.tv_sec * US_PER_SEC + (uint64_t)t.tv_nsec / 1000;
}

static void probe_free(struct probe *p)
{
	http_timer_stop(&p->limit);
	http_timer_stop(&p->beside_timer);
	registry_cancel(&p->call);
	registry_cancel(&p->beside);
	hasher_free(p->hasher);
	free(p);
}

void probe_cancel(struct probe **p)
{
	if (*p)
		probe_free(*p);
	*p = NULL;
}

/* ---- small requests ---- */

uint64_t probe_answer_us(const struct registry_reply *reply)
{
	return reply->front_us + reply->timing.ttfb_us;
}

static void on_answer(void *ctx, struct registry_reply *reply, struct error *err)
{
	struct probe *p = ctx;

	p->call = NULL;
	p->answered(p->ctx, reply, err);
	probe_free(p);
}

static void on_answer_late(void *ctx)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct registry_reply none = {.backend = ""};
	struct probe *p = ctx;

	p->limit = NULL;
	registry_cancel(&p->call);
	(void)error_set(&err, ERR_TEMP, "no answer in %d s", PROBE_ANSWER_MS / 1000);
	p->answered(p->ctx, &none, &err);
	probe_free(p);
}

struct probe *probe_ask(struct http_loop *loop, struct registry *r, enum probe_question question,
	const struct registry_get *get)
{
	static struct registry_call *(*const ask[])(
		struct registry *, const struct registry_get *) = {
		[PROBE_MANIFEST_HEAD] = registry_manifest_head,
		[PROBE_MANIFEST_GET] = registry_manifest_get,
		[PROBE_BLOB_HEAD] = registry_blob_head,
	};
	struct probe *p = xcalloc(1, sizeof(*p));
	struct registry_get own = *get;

	p->loop = loop;
	p->answered = get->done;
	p->ctx = get->ctx;
	own.done = on_answer;
	own.ctx = p;
	own.attempts = 1;
	p->limit = http_timer_start(loop, PROBE_ANSWER_MS, on_answer_late, p);
	p->call = ask[question](r, &own);
	return p;
}

/* ---- the figures ---- */

void probe_meter_add(struct probe_meter *m, uint64_t bytes, uint64_t now)
{
	if (m->bytes == 0)
		m->first_us = now;
	m->bytes += bytes;
	m->last_us = now;
	if (m->from_us == 0 && now - m->first_us >= m->skip_us) {
		m->from_us = now;
		m->from_bytes = m->bytes;
	}
}

bool probe_meter_full(const struct probe_meter *m)
{
	return m->from_us > 0 && m->last_us - m->from_us >= m->window_us;
}

static double per_second(uint64_t bytes, uint64_t us)
{
	return us > 0 ? (double)bytes * (double)US_PER_SEC / (double)us : 0;
}

void probe_meter_result(const struct probe_meter *m, uint64_t start_us, struct probe_result *ret)
{
	ret->bytes = m->bytes;
	if (m->bytes == 0)
		return;
	ret->first_us = m->first_us - start_us;
	ret->body_us = m->last_us - m->first_us;
	if (m->from_us > 0) {
		ret->window_bytes = m->bytes - m->from_bytes;
		ret->window_us = m->last_us - m->from_us;
	}
	ret->bound = !probe_meter_full(m);
	/* What came in one burst says nothing of how fast the next would: with the request's time
	 * it is a bound that holds. */
	ret->rate = ret->bound ? per_second(m->bytes, m->last_us - start_us)
			       : per_second(ret->window_bytes, ret->window_us);
}

/* ---- bulk ---- */

static void beside_later(struct probe *p);

static void on_beside(void *ctx, struct registry_reply *reply, struct error *err)
{
	struct probe *p = ctx;
	struct probe_result *r = &p->result;

	p->beside = NULL;
	/* What a new connection costs is another question. */
	if (!err && !reply->timing.fresh && r->n_beside < PROBE_BESIDE_MAX)
		r->beside_us[r->n_beside++] = probe_answer_us(reply);
	beside_later(p);
}

static void on_beside_timer(void *ctx)
{
	struct probe *p = ctx;
	char digest[DIGEST_STR_MAX];
	const struct registry_get get = {
		.repository = p->bulk.repository,
		.reference = digest_format(p->bulk.beside, digest),
		.expect = p->bulk.beside,
		.attempts = 1,
		.done = on_beside,
		.ctx = p,
	};

	p->beside_timer = NULL;
	p->beside = registry_manifest_head(p->bulk.registry, &get);
}

static void beside_later(struct probe *p)
{
	if (p->bulk.beside && !p->enough)
		p->beside_timer = http_timer_start(p->loop, PROBE_BESIDE_MS, on_beside_timer, p);
}

/* Nothing came for most of its time: that is no slow source, of which a bound could be told. */
static bool has_stalled(const struct probe *p)
{
	const uint64_t silent_us = now_us() - p->meter.last_us;

	return !probe_meter_full(&p->meter) && silent_us >= p->bulk.ms * US_PER_MS * 3 / 4;
}

/* The time is over: what came until now is the result. */
static void on_limit(void *ctx)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct probe *p = ctx;

	p->limit = NULL;
	registry_cancel(&p->call);
	if (has_stalled(p))
		(void)error_set(&err,
			ERR_TEMP,
			"stalled: nothing after %" PRIu64 " bytes for %" PRIu64 " ms",
			p->meter.bytes,
			(now_us() - p->meter.last_us) / US_PER_MS);
	p->enough = true;
	p->result.backend = "";
	probe_meter_result(&p->meter, p->start_us, &p->result);
	p->bulk.done(p->bulk.ctx, &p->result, err.code == ERR_NONE ? NULL : &err);
	probe_free(p);
}

static enum http_io on_write(void *ctx, const char *data, size_t n)
{
	struct probe *p = ctx;

	if (p->meter.bytes == 0 && p->bulk.ms > 0)
		p->limit = http_timer_start(p->loop, p->bulk.ms, on_limit, p);
	probe_meter_add(&p->meter, n, now_us());
	if (p->hasher)
		hasher_update(p->hasher, data, n);
	if (p->bulk.early && probe_meter_full(&p->meter)) {
		p->enough = true;
		return HTTP_IO_ABORT;
	}
	return HTTP_IO_OK;
}

static void check_content(struct probe *p)
{
	struct digest got;

	if (!p->hasher || p->meter.bytes != p->bulk.size)
		return;
	got = hasher_finish(p->hasher);
	p->result.content = digest_equal(&got, &p->bulk.digest) ? PROBE_RIGHT : PROBE_WRONG;
}

static void on_done(void *ctx, const struct registry_blob_stats *stats, struct error *err)
{
	struct probe *p = ctx;

	p->call = NULL;
	p->result.backend = stats->backend;
	p->result.range_ignored = stats->range_ignored;
	p->result.front_us = stats->front_us;
	p->result.timing = stats->timing;
	probe_meter_result(&p->meter, p->start_us, &p->result);
	if (!err)
		check_content(p);
	p->bulk.done(p->bulk.ctx, &p->result, p->enough ? NULL : err);
	probe_free(p);
}

/* A digest that cannot be computed here leaves the content unchecked, and the rest measured. */
static struct hasher *hasher_of(const struct probe_bulk *bulk)
{
	struct hasher *hasher = NULL;

	if (bulk->from > 0 || bulk->end < bulk->size ||
		hasher_new(bulk->digest.algo, &hasher, NULL) < 0)
		return NULL;
	return hasher;
}

struct probe *probe_bulk(struct http_loop *loop, const struct probe_bulk *bulk)
{
	struct probe *p = xcalloc(1, sizeof(*p));
	const struct registry_blob_get get = {
		.repository = bulk->repository,
		.digest = bulk->digest,
		.size = bulk->size,
		.offset = bulk->from,
		.end = bulk->end,
		.connect_ms = PROBE_CONNECT_MS,
		.first_byte_ms = PROBE_FIRST_BYTE_MS,
		.stall_ms = PROBE_STALL_MS,
		.write = on_write,
		.done = on_done,
		.ctx = p,
	};

	p->loop = loop;
	p->bulk = *bulk;
	p->meter = (struct probe_meter){.skip_us = bulk->skip_us, .window_us = bulk->window_us};
	p->hasher = hasher_of(bulk);
	p->start_us = now_us();
	p->call = registry_blob_get(bulk->registry, &get);
	beside_later(p);
	return p;
}
