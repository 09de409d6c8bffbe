/* producer.c - where a job's bytes come from: the store, the spool, or a source (fetch.c). */
#include "transfer/job.h"

#include <inttypes.h>

#include "source/load.h"
#include "transfer/stripe.h"
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
	verdict_get_ends(j, NULL);
	stripe_stop(j);
	meter_end(j, NULL);
	if (p->kind == PRODUCER_TRIAL)
		source_trial_end(j->sources,
			p->source,
			&(struct error){.code = ERR_CANCELED},
			clock_mono_ms());
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

bool producer_read(struct job *j, int fd, uint64_t end)
{
	AUTO(error_clear) struct error err = ERROR_INIT;

	while (j->position < end) {
		char *to;
		size_t room = ring_space(&j->ring, &to);
		uint64_t left = end - j->position;

		if (room == 0)
			break;
		if (room > FILE_PIECE)
			room = FILE_PIECE;
		if (room > left)
			room = (size_t)left;
		if (pread_all(fd, to, room, j->position, &err) < 0) {
			file_failed(j, &err);
			return false;
		}
		ring_wrote(&j->ring, room);
		job_took(j, to, room);
	}
	return true;
}

static void pump_file(struct job *j)
{
	struct producer *p = &j->producer;
	const uint64_t before = j->position;

	if (producer_read(j, p->fd, p->file_end) && j->position == p->file_end)
		producer_stop(j);
	j->reused += j->position - before;
	j->from_file = j->from_file || j->position > before;
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
	job_unreserve(j);
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
	if (spool_ahead(&j->spool) == 0)
		return;
	j->old_pieces = j->from_file = true;
	j->reused += spool_ahead(&j->spool);
}

static bool start_from_spool(struct job *j)
{
	open_spool(j);
	/* A stripe may have left more than was read. */
	if (j->spool.fd < 0 || j->position >= j->spool.length)
		return false;
	j->producer = (struct producer){
		.kind = PRODUCER_FILE, .fd = j->spool.fd, .file_end = j->spool.length};
	return true;
}

bool producer_start(struct job *j)
{
	if (!start_from_store(j) && !start_from_spool(j))
		return fetch_start(j);
	/* A short file is read to its end in here: what follows it is the next step's affair. */
	pump_file(j);
	return true;
}

void producer_pump(struct job *j)
{
	struct producer *p = &j->producer;

	if (p->kind == PRODUCER_FILE) {
		pump_file(j);
	} else if (p->kind == PRODUCER_STRIPE) {
		stripe_pump(j);
	} else if (p->kind == PRODUCER_SOURCE && p->paused &&
		   ring_room(&j->ring) >= RING_SIZE / 2) {
		p->paused = false;
		meter_resumed(j);
		registry_resume_write(p->call);
	}
}
