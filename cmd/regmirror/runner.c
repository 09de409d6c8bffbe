/* runner.c - a run as the user sees it. */
#include "runner.h"

#include "progress.h"
#include "report/table.h"
#include "runs.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/mem.h"
#include "util/parse.h"
#include "util/tty.h"

struct runner {
	const struct runner_options *options;
	struct progress *progress;
	struct table *table;
};

/* ---- events ---- */

static const char *outcome(const struct sync_image *image)
{
	if (image->err)
		return "failed";
	if (image->published)
		return image->state == SYNC_MOVED ? "moved" : "copied";
	return sync_state_name(image->state);
}

static void on_image(struct runner *r, const struct sync_image *image)
{
	char digest[DIGEST_STR_MAX] = "-";
	struct log_field fields[] = {
		{"repository", image->source_repository, 0},
		{"tag", image->tag ? image->tag : "-", 0},
		{"target", image->target, 0},
		{"digest", digest, 0},
		{"state", outcome(image), 0},
		{"bytes", NULL, image->bytes},
		{image->resolved_by ? "resolved_by" : NULL, image->resolved_by, 0},
		{NULL, NULL, 0},
	};

	progress_image_done(r->progress);
	if (image->has_digest)
		digest_format(&image->digest, digest);
	if (image->err)
		log_event(LOG_ERROR_, fields, "image failed: %s", error_text(image->err));
	else if (image->published)
		log_event(LOG_INFO_, fields, "image published");
	else
		log_event(LOG_DEBUG_, fields, "image is complete");
}

static void on_event(void *ctx, const struct sync_event *event)
{
	struct runner *r = ctx;

	switch (event->kind) {
	case SYNC_EVENT_IMAGE:
		if (!r->options->plan_only)
			on_image(r, event->image);
		break;
	case SYNC_EVENT_PLANNED:
		progress_total(r->progress, event->bytes, event->images);
		log_debug("planned: %llu images, %llu blobs, %llu bytes to move",
			(unsigned long long)event->images,
			(unsigned long long)event->blobs,
			(unsigned long long)event->bytes);
		break;
	case SYNC_EVENT_NOTE:
		log_warn("%s", event->text);
		break;
	}
}

static void on_transfer(void *ctx, const struct transfer_event *event)
{
	char digest[DIGEST_STR_MAX];
	struct log_field fields[] = {
		{"digest", digest_format(event->digest, digest), 0},
		{event->source ? "source" : "target",
			event->source ? event->source : event->destination,
			0},
		{NULL, NULL, 0},
	};

	(void)ctx;
	if (!fields[1].text)
		fields[1].key = NULL;
	if (event->err)
		log_event(LOG_WARN_, fields, "%s; %s", error_text(event->err), event->next);
	else
		log_event(LOG_DEBUG_, fields, "%s", event->next);
}

/* ---- result ---- */

static const struct column columns[] = {
	{"image", "image", CELL_TEXT},
	{"target", "target", CELL_TEXT},
	{"state", "state", CELL_TEXT},
	{"digest", "digest", CELL_DIGEST},
	{"blobs", "blobs", CELL_COUNT},
	{"bytes", "bytes", CELL_BYTES},
	{"requests", "requests", CELL_COUNT},
	{"reason", "reason", CELL_TEXT},
};

/* The last columns are of a plan; a run's errors are in its log, and in JSON. */
#define PLAN_COLUMNS 2

static bool has_plan_columns(const struct runner_options *options)
{
	return options->plan_only || options->json;
}

/* Why it is so, in the last column; the caller frees. */
static char *reason(const struct sync_image *image)
{
	if (image->err)
		return xstrdup(error_text(image->err));
	if (image->state == SYNC_EXCLUDED)
		return xstrdup(select_reason_text(image->reason));
	return image->resolved_by ? xasprintf("tag by %s", image->resolved_by) : NULL;
}

static void add_row(void *ctx, const struct sync_image *image)
{
	struct runner *r = ctx;
	AUTO_FREE char *name = NULL;
	AUTO_FREE char *why = NULL;

	if (!r->options->all_rows && !image->published && !image->err)
		return;
	name = image->tag ? xasprintf("%s:%s", image->repository, image->tag)
			  : xstrdup(image->repository);
	table_row(r->table);
	table_text(r->table, name);
	table_text(r->table, image->target);
	table_text(
		r->table, r->options->plan_only ? sync_state_name(image->state) : outcome(image));
	table_digest(r->table, image->has_digest ? &image->digest : NULL);
	table_number(r->table, image->blobs);
	table_number(r->table, image->bytes);
	if (!has_plan_columns(r->options))
		return;
	table_number(r->table, image->requests);
	why = reason(image);
	table_text(r->table, why);
}

#define TABLE_JSON_MAX \
	((size_t)1024 * 1024 * 1024) /* bytes; 100,000 images with long errors are 100 MiB */

static int print_result(struct runner *r, const struct sync_result *result, struct error *err)
{
	AUTO(table_freep)
	struct table *table = table_new(
		columns, ARRAY_SIZE(columns) - (has_plan_columns(r->options) ? 0 : PLAN_COLUMNS));
	AUTO(buf_clear) struct buf json = BUF_INIT(TABLE_JSON_MAX);
	int rc;

	r->table = table;
	sync_result_each(result, r->options->all_rows, add_row, r);
	if (!r->options->json) {
		if (table_rows(table) > 0)
			table_print(table,
				stdout,
				tty_is(STDOUT_FILENO) ? tty_width(STDOUT_FILENO) : 0);
		return 0;
	}
	rc = table_json(table, &json, err);
	if (rc == 0)
		(void)fwrite(json.data, 1, json.len, stdout);
	return rc;
}

static int exit_of(const struct sync_result *result)
{
	if (result->failed == 0 && !result->canceled)
		return EXIT_DONE;
	return result->published + result->complete > 0 ? EXIT_PARTLY : EXIT_FAILED;
}

static void plan_summary(const struct sync_result *result)
{
	log_info("plan: %u images, %u of them complete, %u that could not be found out",
		result->images,
		result->complete,
		result->failed);
}

static void summary(const struct run_outcome *outcome)
{
	const struct sync_result *result = outcome->result;
	char size[SIZE_TEXT_MAX], time[DURATION_TEXT_MAX];

	log_info(
		"images: %u, of these %u copied, %u complete before, %u failed; %s fetched, %llu blobs sent, "
		"%llu mounted, in %s",
		result->images,
		result->published,
		result->complete,
		result->failed,
		format_size(result->bytes, size),
		(unsigned long long)result->blobs,
		(unsigned long long)result->mounted,
		format_duration(outcome->elapsed_ms, time));
}

/* Reports, rows for status: their failure is told, but does not undo the run. */
static int keep(const struct runner_job *job, const struct run_outcome *outcome)
{
	const struct runner_options *options = job->options;
	AUTO(buf_clear) struct buf json = BUF_INIT(TABLE_JSON_MAX);
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct setup_parts parts = setup_parts(job->setup);
	int rc = 0;

	/* Before the report, which reads it again. */
	if (parts.state && !options->plan_only)
		rc = setup_sources_save(job->setup, &err);
	/* A plan's report is wanted by nobody: 100,000 tags are 30 MB of it. */
	if (rc == 0 && (options->report || options->keep_report))
		rc = report_json(job->setup, outcome, &json, &err);
	if (rc == 0 && options->report)
		rc = report_write(options->report, &json, &err);
	if (rc == 0 && options->keep_report)
		rc = report_keep(parts.state_dirfd, outcome, &json, &err);
	if (rc == 0 && parts.state && !options->plan_only)
		rc = report_remember(job->setup, outcome, job->rules, job->n_rules, &err);
	if (rc < 0)
		log_error("%s", error_text(&err));
	return rc;
}

static struct transfer_engine *engine_of(
	struct setup *setup, const struct config *config, struct runner *r)
{
	struct setup_parts parts = setup_parts(setup);
	struct transfer_options options = {
		.loop = parts.loop,
		.workers = parts.workers,
		.store = parts.store,
		.parallel = config->parallel,
		.spool_dirfd = parts.spool_dirfd,
		.spool_from = config->spool_from,
		.spool_limit = config->spool_limit,
		.event = on_transfer,
		.ctx = r,
	};

	return transfer_engine_new(&options);
}

static int sync_job(const struct runner_job *job, struct runner *r, struct transfer_engine *engine,
	struct sync_result *ret, struct error *err)
{
	struct setup_parts parts = setup_parts(job->setup);
	struct sync_options sync = {
		.loop = parts.loop,
		.engine = engine,
		.state = parts.state,
		.scratch_dirfd = parts.scratch_dirfd,
		.plan_only = job->options->plan_only,
		.recheck_all = job->options->recheck,
		.refresh = job->options->refresh,
		.recheck_ms = job->config->recheck_ms,
		.deadline_ms = job->config->deadline_ms,
		.stop = &stop_requested,
		.event = on_event,
		.ctx = r,
	};
	int rc;

	if (!job->program->quiet)
		r->progress = progress_start(parts.loop, engine);
	rc = sync_run(&sync, job->rules, job->n_rules, ret, err);
	progress_stop(r->progress);
	return rc;
}

int runner_run(const struct runner_job *job, struct error *err)
{
	struct runner r = {.options = job->options};
	AUTO(transfer_engine_freep)
	struct transfer_engine *engine = engine_of(job->setup, job->config, &r);
	AUTO(sync_result_clear) struct sync_result result = SYNC_RESULT_INIT;
	struct run_outcome outcome = {.result = &result, .started_at = clock_wall_sec()};
	uint64_t started_ms = clock_mono_ms();
	int rc = sync_job(job, &r, engine, &result, err);

	outcome.ended_at = clock_wall_sec();
	outcome.elapsed_ms = clock_mono_ms() - started_ms;
	if (print_result(&r, &result, err) < 0 && rc == 0)
		rc = -(int)err->code;
	if (job->options->plan_only)
		plan_summary(&result);
	else
		summary(&outcome);
	outcome.failure = rc < 0 ? err : NULL;
	if (keep(job, &outcome) < 0 && rc == 0)
		return EXIT_FAILED;
	return rc < 0 ? exit_code_of(err) : exit_of(&result);
}
