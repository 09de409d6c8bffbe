/* cmd_status.c - `regmirror status`: what the last runs did, from what they left in the state. */
#include <fcntl.h>
#include <math.h>

#include "program.h"
#include "report/table.h"
#include "sources.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/opt.h"
#include "util/tty.h"

static struct {
	bool json;
} args;

const struct opt status_opts[] = {
	OPT_FLAG(0, "json", &args.json, "print rules and sources as JSON"),
	OPT_END,
};

#define STATUS_JSON_MAX \
	((size_t)64 * 1024 * 1024) /* bytes; 10,000 rules with errors of 4 KiB are 40 MiB */

static const struct column run_columns[] = {
	{"rule", "rule", CELL_TEXT},
	{"target", "target", CELL_TEXT},
	{"last success", "last_success", CELL_TIME},
	{"last run", "last_run", CELL_TIME},
	{"images", "images", CELL_COUNT},
	{"failed", "failed", CELL_COUNT},
	{"bytes", "bytes", CELL_BYTES},
	{"last error at", "last_error_at", CELL_TIME},
	{"last error", "last_error", CELL_TEXT},
	{"note", "note", CELL_TEXT},
};

/*
 * As text, a source stands as a replica does: how far it is behind, how quick it is, what was
 * wrong. What the last run asked of it is only in JSON; so is its role, which the state of an
 * authority says.
 */
static const struct column source_columns[] = {
	{"upstream", "upstream", CELL_TEXT},
	{"source", "source", CELL_TEXT},
	{"state", "state", CELL_TEXT},
	{"lag (s)", "lag_seconds", CELL_DECIMAL},
	{"last contact", "last_contact", CELL_TIME},
	{"MiB/s", "rate", CELL_DECIMAL},
	{"latency (ms)", "latency_ms", CELL_DECIMAL},
	{"strikes", "strikes", CELL_COUNT},
	{"failures", "failures", CELL_COUNT},
};

static const struct column source_json_columns[] = {
	{"upstream", "upstream", CELL_TEXT},
	{"source", "source", CELL_TEXT},
	{"role", "role", CELL_TEXT},
	{"state", "state", CELL_TEXT},
	{"tags", "tags", CELL_COUNT},
	{"tags behind", "tags_behind", CELL_COUNT},
	{"lag (s)", "lag_seconds", CELL_DECIMAL},
	{"last contact", "last_contact", CELL_TIME},
	{"rate (bytes/s)", "rate_bytes_per_second", CELL_DECIMAL},
	{"latency (ms)", "latency_ms", CELL_DECIMAL},
	{"backends", "backends", CELL_COUNT},
	{"strikes", "strikes", CELL_COUNT},
	{"quarantined until", "quarantined_until", CELL_TIME},
	{"requests", "requests", CELL_COUNT},
	{"bytes", "bytes", CELL_BYTES},
	{"failures", "failures", CELL_COUNT},
	{"last strike at", "last_strike_at", CELL_TIME},
	{"last strike", "last_strike", CELL_TEXT},
	{"last error at", "last_error_at", CELL_TIME},
	{"last error", "last_error", CELL_TEXT},
};

#define ERROR_COLUMNS 3 /* the last of the rules' */
#define MIB           (1024.0 * 1024)

/*
 * As text, errors stand in full below the table: in a cell of a terminal's width the cause,
 * which comes last in them, would be cut.
 */
struct status {
	struct table *runs, *sources;
	struct buf errors;
};

static void status_clear(struct status *s)
{
	table_free(s->runs);
	table_free(s->sources);
	buf_clear(&s->errors);
}

/* A line below the tables; at the ceiling the list is cut: the rows still count the failures. */
static void add_line(struct status *s, const char *where[static 2], const char *what, int64_t at,
	const char *text)
{
	char time[TIME_TEXT_MAX];

	if (text)
		(void)!buf_printf(&s->errors,
			NULL,
			"%s, %s: %s, %s: %s\n",
			where[0],
			where[1],
			what,
			time_format_rfc3339(at, time),
			text);
}

static bool add_run(void *ctx, const struct state_run *row)
{
	struct status *s = ctx;

	table_row(s->runs);
	table_text(s->runs, row->rule);
	table_text(s->runs, row->target);
	table_time(s->runs, row->last_success);
	table_time(s->runs, row->ended_at);
	table_number(s->runs, row->images);
	table_number(s->runs, row->failed);
	table_number(s->runs, row->bytes);
	if (args.json) {
		table_time(s->runs, row->error_at);
		table_text(s->runs, row->error);
		table_text(s->runs, row->note);
	} else {
		add_line(s,
			(const char *[]){row->rule, row->target},
			"last run",
			row->ended_at,
			row->note);
		add_line(s,
			(const char *[]){row->rule, row->target},
			"last error",
			row->error_at,
			row->error);
	}
	return true;
}

/* NULL: of this source nothing is known that would be worth a word. */
static const char *state_word(const struct source_row *row, int64_t now_sec)
{
	if (row->out_until > now_sec)
		return "quarantined";
	if (row->role && strcmp(row->role, "authority") == 0)
		return "authority";
	return row->tags ? freshness_name(row->freshness) : NULL;
}

/* What is not known is no number: "-", or null. */
static double or_unknown(double v)
{
	return v > 0 ? v : NAN;
}

static double lag(const struct source_row *row)
{
	return row->tags ? (double)row->lag_sec : NAN;
}

/* "tag lag, 2 of 7": the worst, and how many tags are not the authority's. */
static void add_source_text(struct status *s, const struct source_row *row, int64_t now_sec)
{
	const char *where[] = {row->upstream, row->source};
	const char *word = state_word(row, now_sec);
	AUTO_FREE char *counted = row->behind ? xasprintf("%s, %llu of %llu",
							word,
							(unsigned long long)row->behind,
							(unsigned long long)row->tags)
					      : NULL;

	table_row(s->sources);
	table_text(s->sources, row->upstream);
	table_text(s->sources, row->source);
	table_text(s->sources, counted ? counted : word);
	table_decimal(s->sources, lag(row));
	table_time(s->sources, row->last_contact);
	table_decimal(s->sources, or_unknown(source_row_rate(row) / MIB));
	table_decimal(s->sources, or_unknown((double)source_row_latency(row) / 1000));
	table_number(s->sources, row->strikes);
	table_number(s->sources, row->failures);
	add_line(s, where, "wrong content", row->struck_at, row->evidence);
	add_line(s, where, "last error", row->error_at, row->error);
}

static void add_source_json(struct status *s, const struct source_row *row, int64_t now_sec)
{
	table_row(s->sources);
	table_text(s->sources, row->upstream);
	table_text(s->sources, row->source);
	table_text(s->sources, row->role);
	table_text(s->sources, state_word(row, now_sec));
	table_number(s->sources, row->tags);
	table_number(s->sources, row->behind);
	table_decimal(s->sources, lag(row));
	table_time(s->sources, row->last_contact);
	table_decimal(s->sources, or_unknown(source_row_rate(row)));
	table_decimal(s->sources, or_unknown((double)source_row_latency(row) / 1000));
	table_number(s->sources, row->n_backends);
	table_number(s->sources, row->strikes);
	table_time(s->sources, row->out_until > now_sec ? row->out_until : 0);
	table_number(s->sources, row->requests);
	table_number(s->sources, row->bytes);
	table_number(s->sources, row->failures);
	table_time(s->sources, row->struck_at);
	table_text(s->sources, row->evidence);
	table_time(s->sources, row->error_at);
	table_text(s->sources, row->error);
}

static int read_sources(struct state *state, struct status *s, struct error *err)
{
	AUTO(source_rows_clear) struct source_rows rows = {.n = 0};
	int64_t now_sec = clock_wall_sec();
	int rc = source_rows_read(state, now_sec, &rows, err);

	for (size_t i = 0; i < rows.n && rc == 0; i++)
		(args.json ? add_source_json : add_source_text)(s, &rows.items[i], now_sec);
	return rc;
}

/* ERR_NOTFOUND: there is no state yet. */
static int read_state(const char *path, struct status *s, struct error *err)
{
	AUTO_CLOSE int fd = -1;
	AUTO(state_closep) struct state *state = NULL;
	int rc = dir_open(AT_FDCWD, path, false, &fd, err);

	if (rc == 0)
		rc = state_open(fd, true, &state, err);
	if (rc == 0)
		rc = state_runs(state, add_run, s, err);
	if (rc == 0)
		rc = read_sources(state, s, err);
	return rc < 0 ? error_wrap(err, rc, "state directory '%s'", path) : 0;
}

static int print_json(const struct status *s, struct error *err)
{
	AUTO(buf_clear) struct buf out = BUF_INIT(STATUS_JSON_MAX);
	int rc = buf_puts(&out, "{\"rules\":", err);

	if (rc == 0)
		rc = table_json(s->runs, &out, err);
	if (rc == 0)
		rc = buf_puts(&out, ",\"sources\":", err);
	if (rc == 0)
		rc = table_json(s->sources, &out, err);
	if (rc == 0)
		rc = buf_puts(&out, "}\n", err);
	if (rc == 0)
		(void)fwrite(out.data, 1, out.len, stdout);
	return rc;
}

static void print_text(const struct status *s, const char *state)
{
	size_t width = tty_is(STDOUT_FILENO) ? tty_width(STDOUT_FILENO) : 0;

	if (table_rows(s->runs) == 0 && table_rows(s->sources) == 0) {
		printf("no run yet in %s\n", state);
		return;
	}
	table_print(s->runs, stdout, width);
	if (table_rows(s->sources) > 0) {
		putchar('\n');
		table_print(s->sources, stdout, width);
	}
	if (s->errors.len > 0)
		printf("\n%s", buf_text(&s->errors));
}

static int status(const char *state, struct error *err)
{
	size_t hidden = args.json ? 0 : ERROR_COLUMNS;
	AUTO(status_clear)
	struct status s = {
		.runs = table_new(run_columns, ARRAY_SIZE(run_columns) - hidden),
		.sources = args.json
				   ? table_new(source_json_columns, ARRAY_SIZE(source_json_columns))
				   : table_new(source_columns, ARRAY_SIZE(source_columns)),
		.errors = BUF_INIT(STATUS_JSON_MAX),
	};
	int rc = read_state(state, &s, err);

	if (rc < 0 && err->code != ERR_NOTFOUND)
		return exit_code_of(err);
	error_clear(err);
	if (!args.json)
		print_text(&s, state);
	else if (print_json(&s, err) < 0)
		return exit_code_of(err);
	return EXIT_DONE;
}

int cmd_status(struct program *program, int argc, char **argv, struct error *err)
{
	AUTO(config_freep) struct config *config = NULL;
	int n, rc = opt_parse(status_opts, argc, argv, &n, err);

	if (rc != 0)
		return rc < 0 ? EXIT_USAGE : EXIT_DONE;
	if (n > 0) {
		(void)error_set(err, ERR_USAGE, "status takes no operands");
		return EXIT_USAGE;
	}
	/* With the directory named, no file is needed: `copy` works without one, too. */
	if (program->state_dir)
		return status(program->state_dir, err);
	if (program_config(program, &config, err) < 0)
		return exit_code_of(err);
	return status(config->state, err);
}
