/* sink_store.c - a blob into the store: a temporary file, and a worker for its fsync. */
#include "transfer/job.h"

#include "util/mem.h"

/* What a worker needs; it outlives the sink when that is aborted meanwhile. */
struct sink_finish {
	struct sink *sink; /* NULL: nobody waits any more */
	struct transfer_engine *engine;
	struct store_writer *writer;
	char *repository;
	struct error err;
	int rc;
};

static void finish_free(struct sink_finish *f)
{
	store_writer_free(f->writer);
	error_clear(&f->err);
	free(f->repository);
	free(f);
}

/* In the loop again. */
static void finished(void *ctx)
{
	struct sink_finish *f = ctx;
	struct sink *s = f->sink;

	f->engine->finishing--;
	if (s) {
		struct job *j = s->job;

		s->finish = NULL;
		if (f->rc < 0)
			sink_fail(s, &f->err);
		else
			sink_done(s);
		job_step(j);
	}
	finish_free(f);
}

/* On a worker. */
static void finish_run(void *ctx)
{
	struct sink_finish *f = ctx;

	f->rc = store_writer_finish(f->writer, f->repository, &f->err);
	http_loop_post(f->engine->options.loop, finished, f);
}

static void submit(struct sink *s)
{
	struct transfer_engine *e = s->job->engine;
	struct sink_finish *f = xcalloc(1, sizeof(*f));

	f->sink = s;
	f->engine = e;
	f->writer = steal(&s->writer);
	f->repository = xstrdup(s->repository);
	s->finish = f;
	s->state = SINK_CLOSING;
	e->finishing++;
	/* A full queue: this thread does it, which is the back-pressure the workers ask for. */
	if (!workers_submit(e->options.workers, finish_run, f))
		finish_run(f);
}

static void fail(struct sink *s, struct error *err)
{
	store_writer_free(s->writer);
	s->writer = NULL;
	sink_fail(s, err);
}

void sink_store_open(struct sink *s)
{
	const struct digest *digest = &s->job->digest;
	AUTO(error_clear) struct error err = ERROR_INIT;
	uint64_t size;
	int rc = store_blob_stat(s->store, digest, &size, &err);

	if (rc == 0)
		rc = store_blob_link(s->store, s->repository, digest, &err);
	if (rc == 0) {
		s->mounted = true;
		sink_done(s);
		return;
	}
	if (err.code == ERR_NOTFOUND) {
		error_clear(&err);
		rc = store_writer_new(s->store, digest, s->job->size, &s->writer, &err);
	}
	if (rc < 0)
		sink_fail(s, &err);
	else
		s->state = SINK_OPEN;
}

void sink_store_pump(struct sink *s)
{
	struct ring *r = &s->job->ring;
	AUTO(error_clear) struct error err = ERROR_INIT;
	const char *data;
	size_t n;
	bool took = false;

	if (s->state != SINK_OPEN)
		return;
	while ((n = ring_peek(r, s->reader, &data)) > 0) {
		if (store_writer_write(s->writer, data, n, &err) < 0) {
			fail(s, &err);
			job_wake(s->job);
			return;
		}
		ring_skip(r, s->reader, n);
		s->sent += n;
		took = true;
	}
	if (s->job->verified && s->sent == s->job->size)
		submit(s);
	else if (took && s->job->producer.kind == PRODUCER_FILE)
		job_wake(s->job);
}

void sink_store_abort(struct sink *s)
{
	if (s->finish)
		s->finish->sink = NULL;
	s->finish = NULL;
	store_writer_free(s->writer);
	s->writer = NULL;
}
