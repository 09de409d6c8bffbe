/* cmd_sync.c - `regmirror sync` and `regmirror plan`: the rules of the configuration. */
#include "program.h"
#include "runner.h"
#include "util/opt.h"

static struct {
	bool recheck, refresh, json, all;
	const char *report;
} args;

const struct opt sync_opts[] = {
	OPT_FLAG(0, "recheck", &args.recheck, "confirm in full what is known to be complete"),
	OPT_FLAG(0, "refresh", &args.refresh, "ask for every tag, whatever is remembered"),
	OPT_STR(0, "report", &args.report, "FILE", "write a JSON report of the run to FILE"),
	OPT_FLAG('a', "all", &args.all, "list the images that were complete, too"),
	OPT_FLAG(0, "json", &args.json, "print the table as JSON"),
	OPT_END,
};

const struct opt plan_opts[] = {
	OPT_FLAG(0, "recheck", &args.recheck, "as sync --recheck"),
	OPT_FLAG(0, "refresh", &args.refresh, "as sync --refresh"),
	OPT_FLAG(0, "json", &args.json, "print the table as JSON"),
	OPT_END,
};

static int run_rules(struct program *program, char **names, int n_names,
	const struct runner_options *options, struct error *err)
{
	AUTO(config_freep) struct config *config = NULL;
	AUTO(setup_freep) struct setup *setup = NULL;
	struct runner_job job = {.program = program, .options = options};
	struct sync_rule *rules = NULL;
	int rc = program_config(program, &config, err);

	if (rc == 0)
		rc = setup_new(
			config, "sync", options->plan_only ? SETUP_READ_ONLY : 0, &setup, err);
	if (rc == 0)
		rc = setup_rules(setup, names, n_names, &rules, &job.n_rules, err);
	if (rc < 0)
		return exit_code_of(err);
	stop_on_signals();
	job.setup = setup;
	job.config = config;
	job.rules = rules;
	return runner_run(&job, err);
}

int cmd_sync(struct program *program, int argc, char **argv, struct error *err)
{
	struct runner_options options = {.keep_report = true};
	int n, rc = opt_parse(sync_opts, argc, argv, &n, err);

	if (rc != 0)
		return rc < 0 ? EXIT_USAGE : EXIT_DONE;
	options.recheck = args.recheck;
	options.refresh = args.refresh;
	options.json = args.json;
	options.report = args.report;
	options.all_rows = args.all;
	return run_rules(program, argv, n, &options, err);
}

int cmd_plan(struct program *program, int argc, char **argv, struct error *err)
{
	struct runner_options options = {.plan_only = true, .all_rows = true};
	int n, rc = opt_parse(plan_opts, argc, argv, &n, err);

	if (rc != 0)
		return rc < 0 ? EXIT_USAGE : EXIT_DONE;
	options.recheck = args.recheck;
	options.refresh = args.refresh;
	options.json = args.json;
	return run_rules(program, argv, n, &options, err);
}
