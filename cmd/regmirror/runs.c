/* runs.c - the report of a run as JSON, the newest reports, and the rows of `status`. */
#include "runs.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "oci/json.h"
#include "sources.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/mem.h"

#define RUNS_DIR    "runs"
#define RUNS_SUFFIX ".json"

/* ---- the report ---- */

/* What happens after a failure of this class: a report that only complains helps nobody. */
static const char *next_step(enum errc code)
{
	static const char *const next[ERR_MAX_] = {
		[ERR_NONE] = "nothing is left to do",
		[ERR_USAGE] = "correct the configuration or the reference, then run again",
		[ERR_NOTFOUND] = "the next run asks again",
		[ERR_AUTH] = "check the credentials of this registry; the next run tries again",
		[ERR_TEMP] = "the next run tries again and fetches only what is still missing",
		[ERR_REMOTE] = "the next run tries again; regmirror -v sync shows what was asked",
		[ERR_CORRUPT] = "nothing of it was published; the next run fetches it again",
		[ERR_TRUST] = "the tag stays where it is until the policy lets it move",
		[ERR_IO] = "mend what the text names; the next run goes on from there",
		[ERR_NOMEM] = "the next run tries again",
		[ERR_CANCELED] = "the next run goes on from there",
		[ERR_BUSY] = "run again when the other run has ended",
	};

	return next[code];
}

static void put_time(struct jx_writer *w, const char *key, int64_t sec)
{
	char text[TIME_TEXT_MAX];

	jx_put_text(w, key, sec ? time_format_rfc3339(sec, text) : NULL);
}

static void put_digest(struct jx_writer *w, const char *key, bool has, const struct digest *d)
{
	char text[DIGEST_STR_MAX];

	jx_put_text(w, key, has ? digest_format(d, text) : NULL);
}

static void put_error(struct jx_writer *w, const char *key, const struct error *e)
{
	if (!e) {
		jx_put_text(w, key, NULL);
		return;
	}
	jx_begin_object(w, key);
	jx_put_text(w, "class", errc_name(e->code));
	jx_put_text(w, "text", error_text(e));
	jx_put_text(w, "next", next_step(e->code));
	jx_end_object(w);
}

static void put_image(void *ctx, const struct sync_image *image)
{
	struct jx_writer *w = ctx;

	jx_begin_object(w, NULL);
	jx_put_text(w, "rule", image->rule);
	jx_put_text(w, "source_repository", image->source_repository);
	jx_put_text(w, "tag", image->tag);
	jx_put_text(w, "target", image->target);
	jx_put_text(w, "repository", image->repository);
	jx_put_text(w, "state", sync_state_name(image->state));
	jx_put_bool(w, "published", image->published);
	put_digest(w, "digest", image->has_digest, &image->digest);
	put_digest(w, "old_digest", image->has_old, &image->old_digest);
	jx_put_text(w, "resolved_by", image->resolved_by); /* null: the authority */
	jx_put_u64(w, "bytes", image->bytes);
	jx_put_u64(w, "blobs", image->blobs);
	put_error(w, "error", image->err);
	jx_end_object(w);
}

static void put_totals(
	struct jx_writer *w, const struct setup *setup, const struct sync_result *result)
{
	struct registry_stats stats = setup_stats(setup);

	jx_begin_object(w, "totals");
	jx_put_u64(w, "images", result->images);
	jx_put_u64(w, "published", result->published);
	jx_put_u64(w, "complete", result->complete);
	jx_put_u64(w, "failed", result->failed);
	jx_put_u64(w, "bytes", result->bytes);
	jx_put_u64(w, "blobs_sent", result->blobs);
	jx_put_u64(w, "blobs_mounted", result->mounted);
	jx_put_bool(w, "canceled", result->canceled);
	jx_put_u64(w, "requests", stats.requests);
	jx_put_u64(w, "retries", stats.retries);
	jx_put_u64(w, "throttled", stats.throttled);
	jx_end_object(w);
}

static void put_known(struct jx_writer *w, const char *key, double v)
{
	if (v > 0)
		jx_put_fixed(w, key, v, 1);
	else
		jx_put_text(w, key, NULL);
}

/* The hosts that gave this run its bytes, or answered in it. */
static void put_backends(struct jx_writer *w, const struct source_row *row, int64_t started_at)
{
	jx_begin_array(w, "backends");
	for (size_t i = 0; row && i < row->n_backends; i++) {
		const struct backend_row *b = &row->backends[i];

		if (b->newest_at < started_at)
			continue;
		jx_begin_object(w, NULL);
		jx_put_text(w, "backend", b->name);
		put_known(w, "rate_bytes_per_second", b->rate);
		put_known(w, "latency_ms", (double)b->latency_us / 1000);
		put_known(w, "round_trip_ms", (double)b->rtt_us / 1000);
		jx_end_object(w);
	}
	jx_end_array(w);
}

static void put_source(struct jx_writer *w, const struct source_set *set, const struct source *s,
	const struct source_row *row, int64_t started_at)
{
	jx_begin_object(w, NULL);
	jx_put_text(w, "upstream", set->name);
	jx_put_text(w, "source", s->name);
	jx_put_text(w, "role", s->authority ? "authority" : "mirror");
	jx_put_u64(w, "requests", s->requests);
	jx_put_u64(w, "bytes", s->bytes);
	jx_put_u64(w, "failures", s->failures);
	jx_put_u64(w, "strikes", s->strikes);
	put_known(w, "rate_bytes_per_second", row ? source_row_rate(row) : 0);
	put_backends(w, row, started_at);
	put_time(w, "last_contact", s->last_contact_sec);
	jx_put_text(w, "last_error", s->last_error);
	put_time(w, "last_error_at", s->last_error_sec);
	jx_end_object(w);
}

/* What was measured is in the state by now; without one, nothing was. */
static int put_sources(
	struct jx_writer *w, const struct setup *setup, int64_t started_at, struct error *err)
{
	AUTO(source_rows_clear) struct source_rows rows = {.n = 0};
	struct state *state = setup_parts(setup).state;
	size_t n;
	struct source_set *const *sets = setup_source_sets(setup, &n);
	int rc = state ? source_rows_read(state, clock_wall_sec(), &rows, err) : 0;

	if (rc < 0)
		return rc;
	jx_begin_array(w, "sources");
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < sets[i]->n; k++)
			put_source(w,
				sets[i],
				&sets[i]->items[k],
				source_rows_find(&rows, sets[i]->name, sets[i]->items[k].name),
				started_at);
	jx_end_array(w);
	return 0;
}

int report_json(const struct setup *setup, const struct run_outcome *outcome, struct buf *out,
	struct error *err)
{
	struct jx_writer w = {.out = out, .pretty = true};
	int rc;

	jx_begin_object(&w, NULL);
	jx_put_u64(&w, "version", RUNS_FORMAT);
	jx_put_text(&w, "program", "regmirror " VERSION);
	put_time(&w, "started_at", outcome->started_at);
	put_time(&w, "ended_at", outcome->ended_at);
	jx_put_fixed(&w, "seconds", (double)outcome->elapsed_ms / 1000, 3);
	put_error(&w, "failure", outcome->failure);
	put_totals(&w, setup, outcome->result);
	jx_begin_array(&w, "images");
	sync_result_each(outcome->result, false, put_image, &w);
	jx_end_array(&w);
	rc = put_sources(&w, setup, outcome->started_at, err);
	if (rc < 0)
		return error_wrap(err, rc, "report");
	jx_end_object(&w);
	if (jx_writer_finish(&w, err) < 0)
		return error_wrap(err, -(int)err->code, "report");
	return buf_puts(out, "\n", err);
}

/* The open standard stream that this file is behind, or -1. */
static int stream_of(const struct stat *st)
{
	static const int streams[] = {STDOUT_FILENO, STDERR_FILENO};
	struct stat stream;

	for (size_t i = 0; i < ARRAY_SIZE(streams); i++)
		if (fstat(streams[i], &stream) == 0 && stream.st_dev == st->st_dev &&
			stream.st_ino == st->st_ino)
			return streams[i];
	return -1;
}

static int write_in_place(
	const char *path, const struct stat *st, const struct buf *json, struct error *err)
{
	AUTO_CLOSE int fd = -1;
	int stream = stream_of(st);

	/* A second descriptor would write over what the stream has written, or will write. */
	if (stream >= 0) {
		(void)fflush(stdout);
		return write_all(stream, json->data, json->len, err);
	}
	fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return error_errno(err, "open");
	return write_all(fd, json->data, json->len, err);
}

/*
 * Publishing renames, which replaces the very name it is given: never that of a link, such as
 * /dev/stdout, nor of a device or a pipe.
 */
int report_write(const char *path, const struct buf *json, struct error *err)
{
	AUTO_FREE char *real = NULL;
	struct stat st;
	int rc;

	if (stat(path, &st) < 0) {
		rc = file_publish(AT_FDCWD, path, json->data, json->len, err);
	} else if (!S_ISREG(st.st_mode) || stream_of(&st) >= 0) {
		rc = write_in_place(path, &st, json, err);
	} else {
		real = realpath(path, NULL);
		rc = real ? file_publish(AT_FDCWD, real, json->data, json->len, err)
			  : error_errno(err, "resolve");
	}
	return rc < 0 ? error_wrap(err, rc, "report '%s'", path) : 0;
}

/* ---- the newest reports ---- */

/* "20261122T220156Z": sorts by time, and no colon that tar or rsync would take for a host. */
static char *name_of_time(int64_t sec)
{
	char time[TIME_TEXT_MAX];
	size_t n = 0;

	time_format_rfc3339(sec, time);
	for (const char *c = time; *c; c++)
		if (*c != '-' && *c != ':')
			time[n++] = *c;
	return xstrndup(time, n);
}

/* Two runs may begin in one second; '_' sorts after the '.' of the first one's suffix. */
static char *free_name(int dirfd, int64_t sec)
{
	AUTO_FREE char *time = name_of_time(sec);
	char *name = xasprintf("%s" RUNS_SUFFIX, time);
	struct stat st;

	for (unsigned i = 2; fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0; i++) {
		free(name);
		name = xasprintf("%s_%u" RUNS_SUFFIX, time, i);
	}
	return name;
}

static bool is_report(const char *name)
{
	size_t len = strlen(name);

	return len > strlen(RUNS_SUFFIX) && *name >= '0' && *name <= '9' &&
	       strcmp(name + len - strlen(RUNS_SUFFIX), RUNS_SUFFIX) == 0;
}

struct names {
	char **items;
	size_t n, cap;
};

static void names_clear(struct names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->items[i]);
	free(names->items);
}

static void closedir_any(DIR *dir)
{
	if (dir)
		(void)closedir(dir);
}
DEFINE_CLEANUP(DIR *, closedir_any);

static int list_reports(int dirfd, struct names *names, struct error *err)
{
	AUTO_CLOSE int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO(closedir_anyp) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!dir)
		return error_errno(err, "read '" RUNS_DIR "'");
	(void)steal_fd(&fd); /* the DIR's now */
	while ((entry = readdir(dir))) {
		if (!is_report(entry->d_name))
			continue;
		names->items =
			array_grow(names->items, names->n, &names->cap, sizeof(*names->items));
		names->items[names->n++] = xstrdup(entry->d_name);
	}
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return strcmp(*x, *y);
}

static int drop_oldest(int dirfd, struct error *err)
{
	AUTO(names_clear) struct names names = {.n = 0};
	int rc = list_reports(dirfd, &names, err);

	if (names.n > 0)
		qsort(names.items, names.n, sizeof(*names.items), by_name);
	for (size_t i = 0; i + RUNS_KEPT < names.n && rc == 0; i++)
		rc = file_remove(dirfd, names.items[i], err);
	return rc;
}

int report_keep(int state_dirfd, const struct run_outcome *outcome, const struct buf *json,
	struct error *err)
{
	AUTO_CLOSE int fd = -1;
	AUTO_FREE char *name = NULL;
	int rc = dir_open(state_dirfd, RUNS_DIR, true, &fd, err);

	if (rc == 0) {
		name = free_name(fd, outcome->started_at);
		rc = file_publish(fd, name, json->data, json->len, err);
	}
	if (rc == 0)
		rc = drop_oldest(fd, err);
	return rc < 0 ? error_wrap(err, rc, "keep the report") : 0;
}

/* ---- rows for status ---- */

struct row {
	const char *rule, *target;
	uint32_t images, failed;
	uint64_t bytes;
	char *error; /* owned; or NULL */
	bool error_is_of_stop;
	uint32_t resolved;       /* images whose tag somebody else than the authority resolved */
	const char *resolved_by; /* the first of them; or NULL */
};

struct rows {
	struct row *items;
	size_t n;
	size_t last; /* that was found: images come in the order of rules */
};

static void rows_clear(struct rows *rows)
{
	for (size_t i = 0; i < rows->n; i++)
		free(rows->items[i].error);
	free(rows->items);
}

static struct row *row_of(struct rows *rows, const struct sync_image *image)
{
	for (size_t i = 0; i < rows->n; i++) {
		struct row *row = &rows->items[(rows->last + i) % rows->n];

		if (strcmp(row->rule, image->rule) == 0 &&
			strcmp(row->target, image->target) == 0) {
			rows->last = (rows->last + i) % rows->n;
			return row;
		}
	}
	return NULL;
}

/* Messages that do not name their image get its name in front. */
static char *image_error(const struct sync_image *image)
{
	const char *text = error_text(image->err);

	if (strstr(text, image->source_repository))
		return xstrdup(text);
	return xasprintf("%s%s%s: %s",
		image->source_repository,
		image->tag ? ":" : "",
		image->tag ? image->tag : "",
		text);
}

static void count_image(void *ctx, const struct sync_image *image)
{
	struct row *row = row_of(ctx, image);
	bool of_stop = image->err && image->err->code == ERR_CANCELED;

	if (!row)
		return;
	row->images++;
	row->bytes += image->published ? image->bytes : 0;
	if (image->resolved_by && row->resolved++ == 0)
		row->resolved_by = image->resolved_by;
	if (!image->err)
		return;
	row->failed++;
	/* The first cause is kept; that a run was stopped says less than any other. */
	if (row->error && !(row->error_is_of_stop && !of_stop))
		return;
	free(row->error);
	row->error_is_of_stop = of_stop;
	row->error = image_error(image);
}

static struct rows rows_of(const struct sync_rule *rules, size_t n_rules)
{
	struct rows rows = {.n = 0};
	size_t n = 0;

	for (size_t i = 0; i < n_rules; i++)
		n += rules[i].n_targets;
	rows.items = xcalloc(n ? n : 1, sizeof(*rows.items));
	for (size_t i = 0; i < n_rules; i++)
		for (size_t t = 0; t < rules[i].n_targets; t++)
			rows.items[rows.n++] = (struct row){
				.rule = rules[i].name,
				.target = rules[i].targets[t]->name,
			};
	return rows;
}

/* NULL: the authority answered for all tags.  Caller frees. */
static char *note_of(const struct row *row)
{
	if (row->resolved == 0)
		return NULL;
	return xasprintf("the authority was not reached; %u of %u tags were resolved by others "
			 "(%s)",
		row->resolved,
		row->images,
		row->resolved_by);
}

static int remember_row(struct state *state, const struct row *row,
	const struct run_outcome *outcome, struct error *err)
{
	bool good = row->failed == 0 && !outcome->failure && !outcome->result->canceled;
	const char *why = row->error;
	AUTO_FREE char *note = note_of(row);

	if (!why && outcome->failure)
		why = error_text(outcome->failure);
	if (!why && !good)
		why = "the run was stopped before its end";
	return state_run_put(state,
		&(struct state_run){
			.rule = row->rule,
			.target = row->target,
			.started_at = outcome->started_at,
			.ended_at = outcome->ended_at,
			.last_success = good ? outcome->ended_at : 0,
			.images = row->images,
			.failed = row->failed,
			.bytes = row->bytes,
			.error = why,
			.error_at = why ? outcome->ended_at : 0,
			.note = note,
		},
		err);
}

static int remember_sources(struct state *state, const struct source_set *set, struct error *err)
{
	int rc = 0;

	for (size_t i = 0; i < set->n && rc == 0; i++) {
		const struct source *s = &set->items[i];
		struct state_source row = {
			.upstream = set->name,
			.source = s->name,
			.last_contact = s->last_contact_sec,
			.requests = s->requests,
			.bytes = s->bytes,
			.failures = s->failures,
			.error = s->last_error,
			.error_at = s->last_error_sec,
			.role = s->authority ? "authority" : "mirror",
		};

		/* The figures are those of the last run that used it. */
		if (s->requests > 0)
			rc = state_source_put(state, &row, err);
	}
	return rc;
}

int report_remember(const struct setup *setup, const struct run_outcome *outcome,
	const struct sync_rule *rules, size_t n_rules, struct error *err)
{
	AUTO(rows_clear) struct rows rows = rows_of(rules, n_rules);
	struct state *state = setup_parts(setup).state;
	size_t n_sets;
	struct source_set *const *sets = setup_source_sets(setup, &n_sets);
	int rc = state_begin(state, err);

	if (rc < 0)
		return error_wrap(err, rc, "state");
	sync_result_each(outcome->result, false, count_image, &rows);
	for (size_t i = 0; i < rows.n && rc == 0; i++)
		rc = remember_row(state, &rows.items[i], outcome, err);
	for (size_t i = 0; i < n_sets && rc == 0; i++)
		rc = remember_sources(state, sets[i], err);
	/* A batch must be closed in any case; the first failure is the one that is told. */
	if (state_commit(state, rc == 0 ? err : NULL) < 0 && rc == 0)
		rc = -(int)err->code;
	return rc < 0 ? error_wrap(err, rc, "remember the run for status") : 0;
}
