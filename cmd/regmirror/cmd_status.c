/* cmd_status.c - `regmirror status`: what the last runs did, from what they left in the state. */
#include <fcntl.h>

#include "program.h"
#include "report/table.h"
#include "state/state.h"
#include "util/clock.h"
#include "util/file.h"
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
};

static const struct column source_columns[] = {
	{"upstream", "upstream", CELL_TEXT},
	{"source", "source", CELL_TEXT},
	{"last contact", "last_contact", CELL_TIME},
	{"requests", "requests", CELL_COUNT},
	{"bytes", "bytes", CELL_BYTES},
	{"failures", "failures", CELL_COUNT},
	{"last error at", "last_error_at", CELL_TIME},
	{"last error", "last_error", CELL_TEXT},
};

#define ERROR_COLUMNS 2 /* the last of each table */

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

static void add_error(struct status *s, struct table *table, const char *where[static 2],
	int64_t at, const char *text)
{
	char time[TIME_TEXT_MAX];

	if (args.json) {
		table_time(table, at);
		table_text(table, text);
		return;
	}
	/* At the ceiling the list is cut: the rows still count the failures. */
	if (text)
		(void)!buf_printf(&s->errors,
			NULL,
			"%s, %s: last error, %s: %s\n",
			where[0],
			where[1],
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
	add_error(s, s->runs, (const char *[]){row->rule, row->target}, row->error_at, row->error);
	return true;
}

static bool add_source(void *ctx, const struct state_source *row)
{
	struct status *s = ctx;

	table_row(s->sources);
	table_text(s->sources, row->upstream);
	table_text(s->sources, row->source);
	table_time(s->sources, row->last_contact);
	table_number(s->sources, row->requests);
	table_number(s->sources, row->bytes);
	table_number(s->sources, row->failures);
	add_error(s,
		s->sources,
		(const char *[]){row->upstream, row->source},
		row->error_at,
		row->error);
	return true;
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
		rc = state_sources(state, add_source, s, err);
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

	if (table_rows(s->runs) == 0) {
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
		.sources = table_new(source_columns, ARRAY_SIZE(source_columns) - hidden),
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
