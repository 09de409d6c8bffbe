/* sink.c - what all destinations have in common. */
#include "transfer/job.h"

bool sink_is_active(const struct sink *s)
{
	return s->state == SINK_OPENING || s->state == SINK_OPEN || s->state == SINK_CLOSING;
}

const char *sink_name(const struct sink *s)
{
	return s->store ? "the store" : registry_host(s->registry);
}

static void leave_ring(struct sink *s)
{
	if (s->reader >= 0)
		ring_reader_remove(&s->job->ring, s->reader);
	s->reader = -1;
}

void sink_fail(struct sink *s, struct error *err)
{
	leave_ring(s);
	s->state = SINK_FAILED;
	error_move(&s->err, err);
}

void sink_done(struct sink *s)
{
	leave_ring(s);
	s->state = SINK_DONE;
	error_clear(&s->err);
}

void sink_open(struct sink *s)
{
	s->attempts++;
	if (s->store)
		sink_store_open(s);
	else
		sink_registry_open(s);
}

void sink_pump(struct sink *s)
{
	if (s->store)
		sink_store_pump(s);
	else
		sink_registry_pump(s);
}

void sink_abort(struct sink *s)
{
	if (s->store)
		sink_store_abort(s);
	else
		sink_registry_abort(s);
	leave_ring(s);
	/* A restart is the source's fault, not the destination's. */
	if (sink_is_active(s)) {
		s->state = SINK_IDLE;
		s->attempts--;
	}
}
