/*
 * runs.h - what came of a run, for programs: the JSON report, and the rows of `status`.
 *
 * The report is one object: "version" (RUNS_FORMAT), "started_at" and "ended_at" (RFC 3339),
 * "seconds", "failure" (of the run as a whole: class, text, next; or null), "totals",
 * "images" (each with its "error": class, text, next; or null) and "sources".  Members are
 * added without a new version; readers skip what they do not know.
 */
#pragma once

#include "setup.h"

#define RUNS_FORMAT 1   /* of the report; another number: members changed their meaning */
#define RUNS_KEPT   100 /* reports in <state>/runs (design.md 7) */

struct run_outcome {
	const struct sync_result *result;
	const struct error *failure;  /* of the run as a whole, or NULL */
	int64_t started_at, ended_at; /* seconds, wall clock */
	uint64_t elapsed_ms;
};

/* The whole run as one JSON document into out.  Fails with ERR_NOMEM at its ceiling. */
NODISCARD int report_json(const struct setup *setup, const struct run_outcome *outcome,
	struct buf *out, struct error *err);
/* Writes it to a file (all or nothing), or into what is no regular file (a pipe, a device). */
NODISCARD int report_write(const char *path, const struct buf *json, struct error *err);
/* Keeps it as <state>/runs/<time>.json, and only the newest RUNS_KEPT. */
NODISCARD int report_keep(int state_dirfd, const struct run_outcome *outcome,
	const struct buf *json, struct error *err);
/* A row for each rule and target, and for each source: what `status` shows. */
NODISCARD int report_remember(const struct setup *setup, const struct run_outcome *outcome,
	const struct sync_rule *rules, size_t n_rules, struct error *err);
