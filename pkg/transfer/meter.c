/* meter.c - what a GET tells of its source. */
#include "transfer/job.h"

#include "source/estimate.h"
#include "source/load.h"
#include "util/clock.h"

#define HELD_SHARE 10 /* one part in so many of a window without room says that we were slow */
#define US_PER_MS  1000
#define MS_PER_SEC 1000.0

void meter_begin(struct job *j)
{
	uint64_t now_ms = clock_mono_ms();

	j->producer.meter = (struct meter){
		.on = true,
		.asked = j->size - j->position,
		.begun_ms = now_ms,
		.tick_ms = now_ms,
	};
	source_begin(j->sources, j->producer.source, j->size - j->position, now_ms);
}

void meter_took(struct job *j, size_t n)
{
	struct meter *m = &j->producer.meter;

	m->got += n;
	source_arrived(j->sources, j->producer.source, n);
	if (!j->measured)
		return;
	m->last_ms = clock_mono_ms();
	if (m->first_ms == 0)
		m->first_ms = m->last_ms;
	if (m->window_ms == 0 && (m->last_ms - m->first_ms) * US_PER_MS >=
					 source_settle_us(j->sources, j->producer.source)) {
		m->window_ms = m->last_ms;
		m->window_at = m->got;
	}
}

void meter_paused(struct job *j)
{
	if (j->measured)
		j->producer.meter.paused_ms = clock_mono_ms();
}

void meter_resumed(struct job *j)
{
	struct meter *m = &j->producer.meter;
	uint64_t held;

	if (m->paused_ms == 0)
		return;
	held = clock_mono_ms() - m->paused_ms;
	m->paused_ms = 0;
	m->held_ms += held;
	m->tick_held_ms += held;
	if (m->tick_held_ms * HELD_SHARE >= SOURCE_TICK_MS) {
		m->tick_held = true;
		source_held_up(j->sources, j->producer.source);
	}
}

static uint64_t rtt_of(const struct http_timing *t)
{
	if (t->proxied)
		return 0;
	if (t->min_rtt_us > 0)
		return t->min_rtt_us;
	return t->fresh ? t->tcp_us : 0;
}

void meter_end(struct job *j, const struct registry_blob_stats *stats)
{
	struct meter *m = &j->producer.meter;
	struct source_sample sample = {.bytes = 0};

	if (!m->on)
		return;
	m->on = false;
	meter_resumed(j);
	if (m->window_ms > 0) {
		sample.bytes = m->got - m->window_at;
		sample.window_us = (m->last_ms - m->window_ms) * US_PER_MS;
		sample.held_up =
			j->engine->capped || m->held_ms * HELD_SHARE > m->last_ms - m->window_ms;
	}
	if (stats) {
		sample.backend = stats->backend && *stats->backend ? stats->backend : NULL;
		sample.latency_us = stats->timing.fresh ? 0 : stats->timing.wait_us;
		sample.rtt_us = rtt_of(&stats->timing);
	}
	source_end(j->sources,
		j->producer.source,
		m->asked - m->got,
		j->measured ? &sample : NULL,
		clock_wall_sec());
}

void meter_hold(struct job *j, uint64_t now_ms)
{
	if (j->reserved)
		source_held_up(j->sources, j->reserved_at);
	if (j->engine->capped && j->producer.kind == PRODUCER_SOURCE) {
		j->producer.meter.tick_held = true;
		source_held_up(j->sources, j->producer.source);
	}
	if (j->producer.meter.paused_ms == 0)
		return;
	meter_resumed(j);
	j->producer.meter.paused_ms = now_ms;
}

double meter_tick(struct job *j, uint64_t now_ms, bool *ret_known)
{
	struct meter *m = &j->producer.meter;
	uint64_t elapsed = now_ms - m->tick_ms;
	double rate, both;

	rate = elapsed > 0 ? (double)(m->got - m->tick_at) * MS_PER_SEC / (double)elapsed : 0;
	both = m->rate_before > 0 ? (rate + m->rate_before) / 2 : rate;
	*ret_known = elapsed > 0 && !m->tick_held;
	m->tick_ms = now_ms;
	m->tick_at = m->got;
	m->rate_before = m->tick_held ? 0 : rate;
	m->tick_held = false;
	m->tick_held_ms = 0;
	return both;
}
