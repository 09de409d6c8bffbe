/* cmd_copy.c - `regmirror copy SRC DST`: one repository, tag or digest, without a configuration
 * file. */
#include "adhoc.h"
#include "oci/reference.h"
#include "program.h"
#include "runner.h"
#include "util/mem.h"
#include "util/opt.h"

static struct {
	struct opt_list from, plain, platforms;
	const char *report;
	int parallel;
	bool json, foreign;
} args;

const struct opt copy_opts[] = {
	OPT_LIST(0, "from", &args.from, "HOST[/PREFIX]",
		"take bytes from this mirror of SRC's registry first; may be repeated"),
	OPT_LIST(0, "plain", &args.plain, "HOST[:PORT]",
		"speak plain HTTP to this host; may be repeated"),
	OPT_LIST(0, "platform", &args.platforms, "OS/ARCH",
		"leave other platforms out; may be repeated"),
	OPT_FLAG(0, "include-foreign", &args.foreign,
		"copy layers that are meant to stay elsewhere, too"),
	OPT_INT('j', "parallel", &args.parallel, "N", "transfers that run at once"),
	OPT_STR(0, "report", &args.report, "FILE", "write a JSON report of the run to FILE"),
	OPT_FLAG(0, "json", &args.json, "print the table as JSON"),
	OPT_END,
};

/* The two references and the rule made of them. */
struct copying {
	struct reference src, dst;
	struct sync_rule rule;
	struct sync_target *target;
	struct selector *selector;
	struct platform *platforms;
	const char *repositories[1];
	const char *tags[1];
	char *registry;
};

static void copying_clear(struct copying *c)
{
	reference_clear(&c->src);
	reference_clear(&c->dst);
	selector_free(c->selector);
	free(c->platforms);
	free(c->registry);
}

static int parse_platforms(struct copying *c, struct error *err)
{
	c->platforms = xcalloc(args.platforms.n + 1, sizeof(*c->platforms));
	for (size_t i = 0; i < args.platforms.n; i++) {
		int rc = platform_parse(args.platforms.items[i], &c->platforms[i], err);

		if (rc < 0)
			return error_wrap(err, rc, "--platform");
	}
	c->rule.platforms = c->platforms;
	c->rule.n_platforms = args.platforms.n;
	return 0;
}

static int parse_operands(struct copying *c, char **argv, int n, struct error *err)
{
	struct reference *const refs[] = {&c->src, &c->dst};

	if (n != 2)
		return error_set(err, ERR_USAGE, "copy needs two operands: SRC and DST");
	for (int i = 0; i < 2; i++) {
		int rc = reference_parse(argv[i], refs[i], err);

		if (rc < 0)
			return rc;
		if (refs[i]->kind == REFERENCE_LAYOUT)
			return error_set(err,
				ERR_USAGE,
				"'%.80s': this version copies from and to registries and the store: "
				"layouts and archives not yet",
				argv[i]);
	}
	if (c->dst.has_digest)
		return error_set(err,
			ERR_USAGE,
			"'%.80s': the digest of a copy is its source's: name a tag, or none",
			argv[1]);
	return 0;
}

static int set_source(struct setup *setup, struct copying *c, struct error *err)
{
	AUTO_FREE struct setup_source *sources = NULL;
	size_t n = 0;
	int rc;

	if (c->src.kind == REFERENCE_STORE) {
		c->rule.authority = "store";
		return setup_store(setup, &c->rule.from_store, err);
	}
	sources = xcalloc(args.from.n + 1, sizeof(*sources));
	for (; n < args.from.n; n++)
		sources[n] = (struct setup_source){.host = args.from.items[n]};
	sources[n++] = (struct setup_source){.host = c->src.host, .authority = true};
	c->rule.authority = c->src.host;
	rc = setup_sources(setup, "copy", sources, n, &c->rule.sources, err);
	if (rc == 0) {
		AUTO_FREE char *name = xasprintf("%s/%s", c->src.host, c->src.repository);

		rc = setup_is_private(setup, name, &c->rule.authority_only, err);
	}
	return rc;
}

/* One repository; one tag or digest of it, or all tags. */
static int set_rule(struct setup *setup, struct copying *c, struct error *err)
{
	const struct select_rules all = {.latest = 0};
	struct sync_rule *rule = &c->rule;
	int rc = set_source(setup, c, err);

	if (rc == 0)
		rc = setup_target(setup,
			c->dst.kind == REFERENCE_STORE ? "store" : c->dst.host,
			c->dst.kind == REFERENCE_STORE ? NULL : c->dst.host,
			"",
			&c->target,
			err);
	if (rc == 0)
		rc = selector_new(&all, &c->selector, err);
	if (rc == 0)
		rc = parse_platforms(c, err);
	if (rc < 0)
		return rc;
	rule->name = "copy";
	rule->targets = &c->target;
	rule->n_targets = 1;
	c->repositories[0] = c->src.repository;
	rule->repositories = c->repositories;
	rule->n_repositories = 1;
	rule->rename = c->dst.repository;
	rule->selector = c->selector;
	rule->include_foreign = args.foreign;
	if (c->src.has_digest) {
		rule->digest = &c->src.digest;
		/* The digest wins; whether SRC's tag names it was not asked, so only DST's is given
		 * to it. */
		rule->target_tag = c->dst.tag ? c->dst.tag : "";
	} else if (c->src.tag) {
		c->tags[0] = c->src.tag;
		rule->tags = c->tags;
		rule->n_tags = 1;
		rule->target_tag = c->dst.tag;
	} else if (c->dst.tag) {
		return error_set(err,
			ERR_USAGE,
			"'%s' names a tag, but the source is a whole repository",
			c->dst.tag);
	}
	return 0;
}

static int copy(struct program *program, struct copying *c, struct error *err)
{
	AUTO(config_freep) struct config *config = NULL;
	AUTO(setup_freep) struct setup *setup = NULL;
	struct runner_options options = {
		.json = args.json, .report = args.report, .all_rows = true};
	int rc = adhoc_config(program, &args.plain, &config, err);

	if (rc == 0 && args.parallel > 0)
		config->parallel = (unsigned)args.parallel;
	if (rc == 0)
		rc = setup_new(config, "copy", 0, &setup, err);
	if (rc == 0)
		rc = set_rule(setup, c, err);
	if (rc < 0)
		return exit_code_of(err);
	stop_on_signals();
	return runner_run(
		&(struct runner_job){
			.program = program,
			.setup = setup,
			.config = config,
			.rules = &c->rule,
			.n_rules = 1,
			.options = &options,
		},
		err);
}

int cmd_copy(struct program *program, int argc, char **argv, struct error *err)
{
	AUTO(copying_clear) struct copying c = {.src = REFERENCE_INIT};
	int n, code, rc = opt_parse(copy_opts, argc, argv, &n, err);

	if (rc != 0)
		return rc < 0 ? EXIT_USAGE : EXIT_DONE;
	if (parse_operands(&c, argv, n, err) < 0)
		code = EXIT_USAGE;
	else
		code = copy(program, &c, err);
	opt_list_clear(&args.from);
	opt_list_clear(&args.plain);
	opt_list_clear(&args.platforms);
	return code;
}
