/* producer.c - where a job's bytes come from: the store, the spool, a source. */
#include "transfer/job.h"

#include <inttypes.h>

#include "util/clock.h"
#include "util/file.h"
#include "util/mem.h"

#define FILE_PIECE \
	((size_t)128 * 1024) /* bytes read from a file at once: two to three fill the ring */

bool producer_is_idle(const struct job *j)
{
	return j->producer.kind == PRODUCER_NONE;
}

void producer_stop(struct job *j)
{
	struct producer *p = &j->producer;

	registry_cancel(&p->call);
	http_timer_stop(&p->timer);
	if (p->own_fd)
		(void)close(p->fd);
	*p = (struct producer){.kind = PRODUCER_NONE, .fd = -1};
}

/* ---- files ---- */

static void file_failed(struct job *j, struct error *err)
{
	bool spool = !j->producer.own_fd;

	job_event(j, NULL, err, "fetching it from a source");
	error_move(&j->last, err);
	producer_stop(j);
	if (spool) {
		j->engine->spool_used -= j->size;
		spool_discard(&j->spool);
	} else {
		j->avoid_store = true;
	}
}

static void pump_file(struct job *j)
{
	struct producer *p = &j->producer;
	const uint64_t before = j->position;
	AUTO(error_clear) struct error err = ERROR_INIT;

	while (j->position < p->file_end) {
		char *to;
		size_t room = ring_space(&j->ring, &to);
		uint64_t left = p->file_end - j->position;

		if (room == 0)
			break;
		if (room > FILE_PIECE)
			room = FILE_PIECE;
		if (room > left)
			room = (size_t)left;
		if (pread_all(p->fd, to, room, j->position, &err) < 0) {
			file_failed(j, &err);
			break;
		}
		j->reused += room;
		j->from_file = true;
		ring_wrote(&j->ring, room);
		job_took(j, to, room);
	}
	if (p->kind == PRODUCER_FILE && j->position == p->file_end)
		producer_stop(j);
	/* Whoever made the room knows of these bytes; sinks that wait for some do not. */
	if (p->kind == PRODUCER_NONE || j->position > before)
		job_wake(j);
}

/* True when the store has the blob, and is now being read. */
static bool start_from_store(struct job *j)
{
	struct store *store = j->engine->options.store;
	uint64_t size;
	int fd;

	if (!store || j->avoid_store || j->position > 0)
		return false;
	if (store_blob_open(store, &j->digest, &fd, &size, NULL) < 0)
		return false;
	if (size != j->size) {
		(void)close(fd);
		return false;
	}
	j->producer = (struct producer){
		.kind = PRODUCER_FILE, .fd = fd, .own_fd = true, .file_end = size};
	return true;
}

static void open_spool(struct job *j)
{
	const struct transfer_options *o = &j->engine->options;
	AUTO(error_clear) struct error err = ERROR_INIT;

	/* From byte 0 or not at all: what the ring no longer holds could not be written. */
	if (j->spool_tried || j->position > 0 || o->spool_dirfd < 0 || j->size < o->spool_from)
		return;
	j->spool_tried = true;
	if (j->engine->spool_used + j->size > o->spool_limit) {
		(void)error_set(&err,
			ERR_IO,
			"the spool's limit of %" PRIu64 " bytes is reached",
			o->spool_limit);
		job_event(j, NULL, &err, "going on without it: no resume of this blob");
		return;
	}
	if (spool_open(&j->spool, o->spool_dirfd, &j->digest, j->size, &err) < 0) {
		job_event(j, NULL, &err, "going on without the spool");
		return;
	}
	j->engine->spool_used += j->size;
}

static bool start_from_spool(struct job *j)
{
	open_spool(j);
	if (j->spool.fd < 0 || j->position > 0 || j->spool.length == 0)
		return false;
	j->producer = (struct producer){
		.kind = PRODUCER_FILE, .fd = j->spool.fd, .file_end = j->spool.length};
	return true;
}

/* ---- sources ---- */

static enum http_io source_write(void *ctx, const char *data, size_t n)
{
	struct job *j = ctx;

	if (ring_room(&j->ring) < n) {
		j->producer.paused = true;
		return HTTP_IO_PAUSE;
	}
	ring_write(&j->ring, data, n);
	j->gave |= 1u << j->producer.source;
	j->fetched += n;
	j->engine->bytes += n;
	job_took(j, data, n);
	/* Not job_step(): a step may end this very call.  Sinks only take what is there. */
	for (size_t i = 0; i < j->n_sinks; i++)
		if (sink_is_active(&j->sinks[i]))
			sink_pump(&j->sinks[i]);
	return HTTP_IO_OK;
}

/* A source broke off: the bytes so far stay, unless the whole must come from one source. */
static void source_failed(struct job *j, size_t index, uint64_t bytes, struct error *err)
{
	source_learn(j->sources, &j->trials, index, bytes, err, clock_mono_ms());
	job_event(j, NULL, err, "trying the next source from byte %" PRIu64, j->position);
	/* One that does not have it says nothing against one that could not be asked (promise 5).
	 */
	if (err->code == ERR_NOTFOUND && j->last.code != ERR_NONE)
		return;
	error_move(&j->last, err);
	(void)error_wrap(&j->last, -(int)j->last.code, "source %s", j->sources->items[index].name);
}

static void source_done(void *ctx, const struct registry_blob_stats *stats, struct error *err)
{
	struct job *j = ctx;
	size_t index = j->producer.source;
	uint64_t bytes = j->position - j->producer.start;
	AUTO(error_clear) struct error failure = ERROR_INIT;

	(void)stats;
	j->producer.call = NULL;
	if (!err && j->position < j->size) {
		(void)error_set(&failure,
			ERR_TEMP,
			"the body ended at byte %" PRIu64 " of %" PRIu64,
			j->position,
			j->size);
		err = &failure;
	}
	if (err)
		source_failed(j, index, bytes, err);
	else
		source_learn(j->sources, &j->trials, index, bytes, NULL, clock_mono_ms());
	producer_stop(j);
	if (err && j->one_source && j->position > 0)
		job_restart(j);
	job_step(j);
}

static void wait_over(void *ctx)
{
	struct job *j = ctx;

	j->producer.timer = NULL;
	producer_stop(j);
	job_step(j);
}

static void get(struct job *j, size_t index)
{
	const struct source *s = &j->sources->items[index];
	AUTO_FREE char *repository = source_repository(s, j->repository);
	struct registry_blob_get request = {
		.repository = repository,
		.digest = j->digest,
		.size = j->size,
		.offset = j->position,
		.write = source_write,
		.done = source_done,
		.ctx = j,
	};

	j->producer = (struct producer){
		.kind = PRODUCER_SOURCE, .fd = -1, .source = index, .start = j->position};
	j->producer.call = registry_blob_get(s->registry, &request);
}

static bool start_from_source(struct job *j)
{
	size_t index;
	uint64_t wait;

	if (!j->sources) {
		if (j->last.code == ERR_NONE)
			(void)error_set(&j->last, ERR_NOTFOUND, "the store has no such blob");
		return false;
	}
	switch (source_choose(j->sources,
		&j->trials,
		&(struct source_want){.bytes = j->size - j->position, .running = true},
		clock_mono_ms(),
		&index,
		&wait)) {
	case SOURCE_ASK:
		get(j, index);
		return true;
	case SOURCE_WAIT:
		j->producer = (struct producer){.kind = PRODUCER_WAIT, .fd = -1};
		j->producer.timer = http_timer_start(j->engine->options.loop, wait, wait_over, j);
		return true;
	case SOURCE_BUSY:
	case SOURCE_NONE:
		break;
	}
	/* Nobody said that it is not there: it was not asked for. */
	if (j->last.code == ERR_NONE)
		(void)error_set(&j->last,
			ERR_TEMP,
			"every source is parked, or gave too much wrong content in this run");
	return false;
}

bool producer_start(struct job *j)
{
	if (!start_from_store(j) && !start_from_spool(j))
		return start_from_source(j);
	/* A short file is read to its end in here: what follows it is the next step's affair. */
	pump_file(j);
	return true;
}

void producer_pump(struct job *j)
{
	struct producer *p = &j->producer;

	if (p->kind == PRODUCER_FILE) {
		pump_file(j);
	} else if (p->kind == PRODUCER_SOURCE && p->paused &&
		   ring_room(&j->ring) >= RING_SIZE / 2) {
		p->paused = false;
		registry_resume_write(p->call);
	}
}
