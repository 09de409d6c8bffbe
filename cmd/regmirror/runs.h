/*
 * runs.h - what came of a run, for programs: the JSON report, and the rows of `status`.
 */
#pragma once

#include "setup.h"

#define RUNS_KEPT 100 /* reports in <state>/runs (design.md 7) */

struct run_times {
	int64_t started_at, ended_at; /* seconds, wall clock */
	uint64_t elapsed_ms;
};

/* The whole run as one JSON document into out. failure: of the run as a whole, or NULL. */
NODISCARD int report_json(const struct setup *setup, const struct sync_result *result,
	const struct run_times *times, const struct error *failure, struct buf *out,
	struct error *err);
/* Writes it to a file (all or nothing). */
NODISCARD int report_write(const char *path, const struct buf *json, struct error *err);
/* Keeps it as <state>/runs/<time>.json, and only the newest RUNS_KEPT. */
NODISCARD int report_keep(
	int state_dirfd, const struct run_times *times, const struct buf *json, struct error *err);
/* A row for each rule and target, and for each source: what `status` shows. */
NODISCARD int report_remember(const struct setup *setup, const struct sync_result *result,
	const struct sync_rule *rules, size_t n_rules, const struct run_times *times,
	struct error *err);
