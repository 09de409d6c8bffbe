/*
 * runner.h - one run, from rules to exit code: what sync, plan and copy have in common.
 *
 * Turns events into log lines and progress, and the result into a table or
 * JSON on stdout, a report file, and the state's rows for `status`.
 */
#pragma once

#include "program.h"
#include "setup.h"

struct runner_options {
	bool plan_only;
	bool recheck;       /* confirm all in full */
	bool refresh;       /* ask for all tags */
	bool json;          /* rows as JSON on stdout */
	const char *report; /* file for the JSON report; or NULL */
	bool all_rows;      /* the table has the complete and excluded ones, too */
	bool keep_report;   /* in <state>/runs */
};

/* All borrowed. */
struct runner_job {
	const struct program *program;
	struct setup *setup;
	const struct config *config;
	const struct sync_rule *rules;
	size_t n_rules;
	const struct runner_options *options;
};

/* Returns the exit code; err is filled when the run as a whole failed. */
int runner_run(const struct runner_job *job, struct error *err);
