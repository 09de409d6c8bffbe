/* cmd_gc.c - `regmirror gc`: what nothing needs leaves the store, while everybody goes on. */
#include "oci/json.h"
#include "program.h"
#include "report/table.h"
#include "store/collect.h"
#include "store/upload.h"
#include "util/log.h"
#include "util/mem.h"
#include "util/opt.h"
#include "util/parse.h"
#include "util/tty.h"

#define MS_PER_SEC  1000u
#define GC_JSON_MAX ((size_t)64 * 1024) /* bytes: an object of some lines */

static struct {
	bool dry_run, json;
	uint64_t grace_ms;
} args = {.grace_ms = (uint64_t)COLLECT_GRACE_SEC * MS_PER_SEC};

const struct opt gc_opts[] = {
	OPT_FLAG('n', "dry-run", &args.dry_run, "say what would go; remove nothing"),
	OPT_DURATION(0, "grace", &args.grace_ms, "DURATION",
		"keep what somebody asked for within this time (24h)"),
	OPT_FLAG(0, "json", &args.json, "print the sums as JSON"),
	OPT_END,
};

static const struct column columns[] = {
	{"what", "what", CELL_TEXT},
	{"number", "number", CELL_COUNT},
	{"bytes", "bytes", CELL_BYTES},
};

static const char *const reasons[] = {
	COLLECT_MANIFEST, COLLECT_BLOB, COLLECT_ORPHAN, COLLECT_TEMPORARY};

#define UPLOAD_WHAT "upload that nobody went on with for 7 days" /* UPLOAD_AGE_SEC */

struct gc {
	struct collect_result result;
	uint32_t uploads;
	struct {
		uint64_t number, bytes;
	} sums[ARRAY_SIZE(reasons)];
};

static bool add_item(void *ctx, const struct digest *digest, uint64_t size, const char *why)
{
	char text[DIGEST_STR_MAX] = "a temporary", bytes[SIZE_TEXT_MAX];
	struct gc *gc = ctx;

	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
		if (strcmp(reasons[i], why) == 0) {
			gc->sums[i].number++;
			gc->sums[i].bytes += size;
		}
	}
	if (digest)
		(void)digest_format(digest, text);
	log_debug("%s %s, %s: %s",
		args.dry_run ? "would remove" : "removed",
		text,
		format_size(size, bytes),
		why);
	return !stop_requested;
}

/* What is older goes beside it; a dry run cannot tell. */
static int sweep_uploads(struct store *store, struct gc *gc, struct error *err)
{
	return args.dry_run ? 0 : store_uploads_sweep(store, UPLOAD_AGE_SEC, &gc->uploads, err);
}

static int collect(const char *path, struct gc *gc, struct error *err)
{
	AUTO(store_closep) struct store *store = NULL;
	const struct collect_options options = {
		.grace_sec = (uint32_t)((args.grace_ms + MS_PER_SEC - 1) / MS_PER_SEC),
		.dry_run = args.dry_run,
		.item = add_item,
		.ctx = gc,
	};
	int rc = store_open(path, &store, err);

	if (rc == 0)
		rc = store_collect(store, &options, &gc->result, err);
	if (rc == 0 && !stop_requested)
		rc = sweep_uploads(store, gc, err);
	return rc;
}

static struct table *make_table(const struct gc *gc)
{
	struct table *t = table_new(columns, ARRAY_SIZE(columns));

	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
		if (gc->sums[i].number == 0)
			continue;
		table_row(t);
		table_text(t, reasons[i]);
		table_number(t, gc->sums[i].number);
		table_number(t, gc->sums[i].bytes);
	}
	if (gc->uploads > 0) {
		table_row(t);
		table_text(t, UPLOAD_WHAT);
		table_number(t, gc->uploads);
	}
	return t;
}

static void print_text(const struct gc *gc, const struct table *t)
{
	const struct collect_result *r = &gc->result;
	char bytes[SIZE_TEXT_MAX], grace[DURATION_TEXT_MAX];

	if (table_rows(t) > 0)
		table_print(t, stdout, tty_is(STDOUT_FILENO) ? tty_width(STDOUT_FILENO) : 0);
	printf("%s%s %s\n",
		table_rows(t) > 0 ? "\n" : "",
		args.dry_run ? "would free" : "freed",
		format_size(r->bytes, bytes));
	if (r->kept > 0)
		printf("%llu more that no tag leads to: somebody asked for them in the last %s\n",
			(unsigned long long)r->kept,
			format_duration(args.grace_ms, grace));
}

static int print_json(const struct gc *gc, const struct table *t, struct error *err)
{
	AUTO(buf_clear) struct buf out = BUF_INIT(GC_JSON_MAX);
	struct jx_writer w = {.out = &out};
	int rc;

	jx_begin_object(&w, NULL);
	jx_put_bool(&w, "dry_run", args.dry_run);
	jx_put_u64(&w, "grace_seconds", args.grace_ms / MS_PER_SEC);
	jx_put_u64(&w, "blobs", gc->result.blobs);
	jx_put_u64(&w, "orphans", gc->result.orphans);
	jx_put_u64(&w, "uploads", gc->uploads);
	jx_put_u64(&w, "bytes", gc->result.bytes);
	jx_put_u64(&w, "kept", gc->result.kept);
	jx_end_object(&w);
	rc = jx_writer_finish(&w, err);
	if (rc == 0) {
		out.len--; /* the brace: the rows go in before it */
		rc = buf_puts(&out, ",\"reasons\":", err);
	}
	if (rc == 0)
		rc = table_json(t, &out, err);
	if (rc == 0)
		rc = buf_puts(&out, "}\n", err);
	if (rc == 0)
		(void)fwrite(out.data, 1, out.len, stdout);
	return rc;
}

static int gc(const char *state, struct error *err)
{
	AUTO_FREE char *path = xasprintf("%s/store", state);
	AUTO_FREE char *format = xasprintf("%s/format", path);
	AUTO(table_freep) struct table *t = NULL;
	struct gc gc = {.uploads = 0};

	/* Looking must not make a store. */
	if (access(format, F_OK) < 0 && errno == ENOENT)
		log_info("there is no store in '%s' yet", state);
	else if (collect(path, &gc, err) < 0)
		return exit_code_of(err);
	t = make_table(&gc);
	if (!args.json)
		print_text(&gc, t);
	else if (print_json(&gc, t, err) < 0)
		return exit_code_of(err);
	if (!stop_requested)
		return EXIT_DONE;
	(void)error_set(err, ERR_CANCELED, "stopped; what is left goes the next time");
	return exit_code_of(err);
}

int cmd_gc(struct program *program, int argc, char **argv, struct error *err)
{
	AUTO(config_freep) struct config *config = NULL;
	int n, rc = opt_parse(gc_opts, argc, argv, &n, err);

	if (rc != 0)
		return rc < 0 ? EXIT_USAGE : EXIT_DONE;
	if (n > 0) {
		(void)error_set(err, ERR_USAGE, "gc takes no operands");
		return EXIT_USAGE;
	}
	if (args.grace_ms / MS_PER_SEC >= UINT32_MAX) {
		(void)error_set(err, ERR_USAGE, "--grace: at most 49710d");
		return EXIT_USAGE;
	}
	stop_on_signals();
	/* With the directory named, no file is needed: `copy` works without one, too. */
	if (program->state_dir)
		return gc(program->state_dir, err);
	if (program_config(program, &config, err) < 0)
		return exit_code_of(err);
	return gc(config->state, err);
}
