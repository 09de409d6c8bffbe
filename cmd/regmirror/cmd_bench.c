/* cmd_bench.c - `regmirror bench`: sources of the same content, compared. */
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adhoc.h"
#include "bench_print.h"
#include "bench_progress.h"
#include "bench_subject.h"
#include "runs.h"
#include "source/bench_save.h"
#include "state/state.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/log.h"
#include "util/mem.h"
#include "util/opt.h"

static struct {
	struct opt_list sources, plain;
	const char *image, *blob, *html;
	int rounds, seed;
	uint64_t duration_ms, max_bytes;
	bool compare, save, json, csv;
} args = {.rounds = BENCH_ROUNDS};

const struct opt bench_opts[] = {
	OPT_LIST(0, "source", &args.sources, "HOST/REPO:TAG",
		"compare this source, without a configuration; may be repeated"),
	OPT_STR(0, "image", &args.image, "REPO[:TAG]",
		"measure with this image; --source is HOST[/PREFIX] then"),
	OPT_STR(0, "blob", &args.blob, "DIGEST", "measure with this blob of the image"),
	OPT_LIST(0, "plain", &args.plain, "HOST[:PORT]",
		"speak plain HTTP to this host; may be repeated"),
	OPT_FLAG(0, "compare", &args.compare, "say whether A is faster than B: two operands"),
	OPT_INT(0, "rounds", &args.rounds, "N", "timed rounds of throughput"),
	OPT_DURATION(0, "duration", &args.duration_ms, "TIME", "stop after this long"),
	OPT_SIZE(0, "max-bytes", &args.max_bytes, "SIZE", "fetch no more of blobs than this"),
	OPT_INT(0, "seed", &args.seed, "N", "order of the trials, to repeat a run"),
	OPT_FLAG(0, "save", &args.save, "let sync begin with what was measured"),
	OPT_FLAG(0, "json", &args.json, "print all figures and samples as JSON"),
	OPT_FLAG(0, "csv", &args.csv, "print a line for each source as CSV"),
	OPT_STR(0, "html", &args.html, "FILE", "write a page with plots to FILE"),
	OPT_END,
};

/* What is measured, one after the other. */
struct benching {
	const struct config *config;
	struct setup *setup;
	struct bench_wishes wishes;
	struct opt_list sources; /* of --source, and the operands of --compare */
	bool has_blob;
	struct digest blob;
	uint64_t seed;
	struct bench_report *reports;
	size_t n_reports;
	char **upstreams; /* their names, which the reports point to */
	struct bench_display *display;
};

static void benching_clear(struct benching *b)
{
	for (size_t i = 0; i < b->n_reports; i++) {
		struct bench_result *result;

		memcpy(&result, &b->reports[i].result, sizeof(result));
		bench_result_free(result);
		free(b->upstreams[i]);
	}
	free(b->reports);
	free(b->upstreams);
	opt_list_clear(&b->sources);
	setup_free(b->setup);
}

/* Found before the measuring, which takes minutes, and not after it. */
static int check_page(const char *path, struct error *err)
{
	const char *slash = strrchr(path, '/');
	AUTO_FREE char *folder = NULL;
	struct stat st;

	if (!slash)
		folder = xstrdup(".");
	else
		folder = xstrndup(path, slash == path ? 1 : (size_t)(slash - path));
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return error_set(err, ERR_USAGE, "--html: '%.200s' is a folder", path);
	if (stat(folder, &st) < 0 || !S_ISDIR(st.st_mode))
		return error_set(err, ERR_USAGE, "--html: there is no folder '%.200s'", folder);
	if (access(folder, W_OK | X_OK) < 0)
		return error_set(
			err, ERR_USAGE, "--html: folder '%.200s' cannot be written", folder);
	return 0;
}

static int check_args(struct benching *b, struct error *err)
{
	if (args.json && args.csv)
		return error_set(err, ERR_USAGE, "--json and --csv exclude each other");
	if (args.rounds > BENCH_ROUNDS_MAX)
		return error_set(err,
			ERR_USAGE,
			"--rounds: %d is more than %d",
			args.rounds,
			BENCH_ROUNDS_MAX);
	if (args.blob && digest_parse(args.blob, &b->blob, err) < 0)
		return error_wrap(err, -ERR_USAGE, "--blob");
	if (args.html && check_page(args.html, err) < 0)
		return -ERR_USAGE;
	b->has_blob = args.blob != NULL;
	b->seed = args.seed > 0 ? (uint64_t)args.seed : 1 + random_below(INT32_MAX);
	return 0;
}

/* ---- one subject ---- */

static bool stopped(void *ctx)
{
	(void)ctx;
	return stop_requested != 0;
}

static void show(void *ctx, const struct bench_progress *progress)
{
	const struct benching *b = ctx;

	bench_display_show(b->display, progress);
}

static int measure(struct benching *b, const struct bench_subject *s, struct error *err)
{
	struct bench_plan plan = {
		.loop = setup_parts(b->setup).loop,
		.upstream = s->upstream,
		.places = s->places,
		.n_places = s->n_places,
		.repository = s->repository,
		.tag = s->tag,
		.has_digest = s->has_digest,
		.digest = s->digest,
		.has_blob = b->has_blob,
		.blob = b->blob,
		.tags = s->tags,
		.n_tags = s->n_tags,
		.history = s->history,
		.cold = BENCH_COLD,
		.warm = BENCH_WARM,
		.rounds = (unsigned)args.rounds,
		.duration_ms = args.duration_ms,
		.max_bytes = args.max_bytes,
		.seed = b->seed,
		.stopped = stopped,
		.progress = show,
		.ctx = b,
	};
	struct bench_result *result = NULL;
	int rc;

	if (s->is_private)
		log_warn("%s is private: its mirrors are not asked, only %s is measured",
			s->repository,
			s->places[0].name);
	b->display = bench_display_start(s->upstream);
	rc = bench_run(&plan, &result, err);
	bench_display_stop(b->display);
	b->display = NULL;
	if (rc < 0)
		return rc;
	b->reports = xrealloc(b->reports, b->n_reports + 1, sizeof(*b->reports));
	b->upstreams = xrealloc(b->upstreams, b->n_reports + 1, sizeof(*b->upstreams));
	b->upstreams[b->n_reports] = xstrdup(s->upstream);
	b->reports[b->n_reports] = (struct bench_report){
		.upstream = b->upstreams[b->n_reports],
		.result = result,
		.seed = b->seed,
	};
	b->n_reports++;
	return 0;
}

/* A bare host would be read as an image of Docker Hub, which nobody meant to ask. */
static int check_named(const struct benching *b, struct error *err)
{
	for (size_t i = 0; i < b->sources.n && !args.image; i++)
		if (!strchr(b->sources.items[i], '/'))
			return error_set(err,
				ERR_USAGE,
				"'%.80s': name HOST/REPOSITORY:TAG, or add --image",
				b->sources.items[i]);
	return 0;
}

static int measure_named(struct benching *b, struct error *err)
{
	AUTO(bench_subject_freep) struct bench_subject *subject = NULL;
	int rc;

	if (args.save)
		return error_set(err,
			ERR_USAGE,
			"--save is for the upstreams of a configuration, not for --source");
	rc = check_named(b, err);
	if (rc == 0)
		rc = bench_subject_named(b->setup, &b->wishes, &subject, err);
	return rc < 0 ? rc : measure(b, subject, err);
}

static int measure_upstream(
	struct benching *b, const struct config_upstream *upstream, struct error *err)
{
	AUTO(bench_subject_freep) struct bench_subject *subject = NULL;
	int rc = bench_subject_configured(b->setup, b->config, upstream, &b->wishes, &subject, err);

	return rc < 0 ? rc : measure(b, subject, err);
}

/* ---- which ---- */

static const struct config_upstream *find_upstream(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->n_upstreams; i++)
		if (strcmp(c->upstreams[i].name, name) == 0)
			return &c->upstreams[i];
	return NULL;
}

static bool has_source(const struct config_upstream *u, const char *name)
{
	bool found = strcmp(u->authority, name) == 0;

	for (size_t i = 0; i < u->n_mirrors; i++)
		found = found || strcmp(u->mirrors[i].host, name) == 0;
	return found;
}

/* The upstream that has both as sources; NULL: none. */
static const struct config_upstream *upstream_of_both(
	const struct config *c, const char *a, const char *b)
{
	for (size_t i = 0; i < c->n_upstreams; i++)
		if (has_source(&c->upstreams[i], a) && has_source(&c->upstreams[i], b))
			return &c->upstreams[i];
	return NULL;
}

static int measure_upstreams(struct benching *b, char *const *names, int n, struct error *err)
{
	const struct config *c = b->config;
	int rc = 0;

	if (c->n_upstreams == 0)
		return error_set(err,
			ERR_USAGE,
			"no upstream is configured: name sources with --source HOST/REPO:TAG");
	for (int i = 0; i < n; i++)
		if (!find_upstream(c, names[i]))
			return error_set(err, ERR_USAGE, "there is no upstream '%.80s'", names[i]);
	for (int i = 0; i < n && rc == 0; i++)
		rc = measure_upstream(b, find_upstream(c, names[i]), err);
	for (size_t i = 0; i < c->n_upstreams && n == 0 && rc == 0 && !stop_requested; i++)
		if (c->upstreams[i].n_mirrors > 0 || c->n_upstreams == 1)
			rc = measure_upstream(b, &c->upstreams[i], err);
	if (rc == 0 && b->n_reports == 0)
		rc = error_set(err,
			ERR_USAGE,
			"no upstream has more than one source: name those that are to be measured");
	return rc;
}

/* "a, b" */
static char *names_of_sources(const struct config *c)
{
	char *names = xstrdup("");

	for (size_t i = 0; i < c->n_upstreams; i++) {
		const struct config_upstream *u = &c->upstreams[i];

		for (size_t k = 0; k <= u->n_mirrors; k++) {
			char *more = xasprintf("%s%s%s",
				names,
				*names ? ", " : "",
				k == 0 ? u->authority : u->mirrors[k - 1].host);

			free(names);
			names = more;
		}
	}
	return names;
}

/* With a configuration an operand without a repository is one of its sources. */
static int check_configured(const struct config *c, char *const *operands, int n, struct error *err)
{
	for (int i = 0; i < n && !args.image && c->n_upstreams > 0; i++) {
		bool found = strchr(operands[i], '/') != NULL;
		AUTO_FREE char *names = NULL;

		for (size_t k = 0; k < c->n_upstreams; k++)
			found = found || has_source(&c->upstreams[k], operands[i]);
		if (found)
			continue;
		names = names_of_sources(c);
		return error_set(err,
			ERR_USAGE,
			"'%.80s' is no source of the upstreams (there are: %.400s)",
			operands[i],
			names);
	}
	return 0;
}

static int measure_two(struct benching *b, char *const *operands, int n, struct error *err)
{
	const struct config_upstream *upstream;
	int rc;

	if (b->sources.n != 2)
		return error_set(err, ERR_USAGE, "--compare needs two sources: A and B");
	if (n == 2) {
		upstream = upstream_of_both(b->config, operands[0], operands[1]);
		if (upstream && strcmp(operands[0], operands[1]) != 0) {
			b->wishes.only[0] = operands[0];
			b->wishes.only[1] = operands[1];
			return measure_upstream(b, upstream, err);
		}
	}
	rc = check_configured(b->config, operands, n, err);
	return rc < 0 ? rc : measure_named(b, err);
}

static int measure_all(struct benching *b, char *const *operands, int n, struct error *err)
{
	if (args.compare)
		return measure_two(b, operands, n, err);
	if (b->sources.n == 0)
		return measure_upstreams(b, operands, n, err);
	if (n > 0)
		return error_set(err,
			ERR_USAGE,
			"'%.80s': with --source there are no operands",
			operands[0]);
	return measure_named(b, err);
}

/* Sources of the command line in the order of their naming. */
static void gather_sources(struct benching *b, char *const *operands, int n)
{
	size_t cap = 0;

	for (size_t i = 0; i < args.sources.n + (size_t)n; i++) {
		b->sources.items =
			array_grow(b->sources.items, b->sources.n, &cap, sizeof(*b->sources.items));
		b->sources.items[b->sources.n++] =
			i < args.sources.n ? args.sources.items[i] : operands[i - args.sources.n];
	}
}

/* ---- what comes out ---- */

static int print_machine_readable(const struct benching *b, struct error *err)
{
	AUTO(buf_clear) struct buf out = BUF_INIT(BENCH_OUT_MAX);
	int rc = args.json ? bench_print_json(b->reports, b->n_reports, &out, err)
			   : bench_print_csv(b->reports, b->n_reports, &out, err);

	if (rc == 0)
		(void)fwrite(out.data, 1, out.len, stdout);
	return rc;
}

static int print(const struct benching *b, struct error *err)
{
	if (args.json || args.csv)
		return print_machine_readable(b, err);
	for (size_t i = 0; i < b->n_reports; i++) {
		if (i > 0)
			putchar('\n');
		if (args.compare)
			bench_print_comparison(&b->reports[i]);
		else
			bench_print_text(&b->reports[i]);
	}
	return 0;
}

static int write_page(const struct benching *b, struct error *err)
{
	AUTO(buf_clear) struct buf out = BUF_INIT(BENCH_OUT_MAX);
	int rc = bench_print_page(b->reports, b->n_reports, &out, err);

	return rc < 0 ? rc : report_write(args.html, &out, err);
}

/* No lock: a run that reads the estimates meanwhile reads the old or the new ones. */
static int save(const struct benching *b, struct error *err)
{
	AUTO_CLOSE int fd = -1;
	AUTO(state_closep) struct state *state = NULL;
	int rc = dir_open(AT_FDCWD, b->config->state, true, &fd, err);

	if (rc == 0)
		rc = state_open(fd, false, &state, err);
	if (rc == 0)
		rc = state_begin(state, err);
	for (size_t i = 0; i < b->n_reports && rc == 0; i++)
		rc = bench_save(
			b->reports[i].result, b->reports[i].upstream, state, clock_wall_sec(), err);
	if (rc == 0)
		rc = state_commit(state, err);
	return rc < 0 ? error_wrap(err, rc, "state directory '%s'", b->config->state) : 0;
}

static int code_of_results(const struct benching *b)
{
	size_t measured = 0, all = 0;

	for (size_t i = 0; i < b->n_reports; i++) {
		const struct bench_result *r = b->reports[i].result;

		all += r->n_rows;
		for (size_t k = 0; k < r->n_rows; k++)
			measured += r->rows[k].measured;
	}
	if (measured == 0)
		return EXIT_FAILED;
	return measured < all ? EXIT_PARTLY : EXIT_DONE;
}

static int finish(const struct benching *b, struct error *err)
{
	int rc = print(b, err);

	if (rc == 0 && args.html)
		rc = write_page(b, err);
	if (rc == 0 && args.save)
		rc = save(b, err);
	return rc < 0 ? exit_code_of(err) : code_of_results(b);
}

static int bench(struct program *program, char *const *operands, int n, struct error *err)
{
	AUTO(config_freep) struct config *config = NULL;
	AUTO(benching_clear) struct benching b = {.n_reports = 0};
	int rc = check_args(&b, err);

	gather_sources(&b, operands, args.compare ? n : 0);
	b.wishes = (struct bench_wishes){.sources = &b.sources, .image = args.image};
	if (rc == 0)
		rc = b.sources.n > 0 || args.compare
			     ? adhoc_config(program, &args.plain, &config, err)
			     : program_config(program, &config, err);
	b.config = config;
	if (rc == 0)
		rc = setup_new(config, "bench", SETUP_READ_ONLY, &b.setup, err);
	if (rc < 0)
		return exit_code_of(err);
	stop_on_signals();
	rc = measure_all(&b, operands, n, err);
	return rc < 0 ? exit_code_of(err) : finish(&b, err);
}

int cmd_bench(struct program *program, int argc, char **argv, struct error *err)
{
	int n, code, rc = opt_parse(bench_opts, argc, argv, &n, err);

	if (rc != 0)
		return rc < 0 ? EXIT_USAGE : EXIT_DONE;
	code = bench(program, argv, n, err);
	opt_list_clear(&args.sources);
	opt_list_clear(&args.plain);
	return code;
}
