/*
 * program.h - what all commands share: global options, exit codes, the command table.
 *
 * A command returns an exit code; on failure it fills err instead and returns
 * exit_code_of(err), and main() prints the message once.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>

#include "config/config.h"
#include "util/error.h"
#include "util/opt.h"

enum exit_code {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_PARTLY = 3,
	EXIT_REFUSED = 4, /* by trust policy */
	EXIT_BUSY = 75    /* another run holds the lock (EX_TEMPFAIL of sysexits.h) */
};

struct program {
	const char *config_path; /* -c, or NULL */
	const char *state_dir;   /* --state, or NULL */
	const char *log_format;  /* "text" or "json" */
	bool verbose, quiet;
};

struct command {
	const char *name;
	const char *operands;
	const char *help;
	int (*run)(struct program *program, int argc, char **argv, struct error *err);
	const struct opt *opts; /* for completion and for the check against the manual */
};

int exit_code_of(const struct error *err);

/* Set by SIGINT and SIGTERM after stop_on_signals(). */
extern volatile sig_atomic_t stop_requested;
void stop_on_signals(void);

/* The configuration file of the program: -c, $REGMIRROR_CONFIG, /etc; --state applied. */
NODISCARD int program_config(const struct program *program, struct config **ret, struct error *err);

extern const struct opt sync_opts[], plan_opts[], copy_opts[], bench_opts[], status_opts[],
	serve_opts[], gc_opts[], config_opts[], kubeadm_opts[];
int cmd_sync(struct program *program, int argc, char **argv, struct error *err);
int cmd_plan(struct program *program, int argc, char **argv, struct error *err);
int cmd_copy(struct program *program, int argc, char **argv, struct error *err);
int cmd_bench(struct program *program, int argc, char **argv, struct error *err);
int cmd_serve(struct program *program, int argc, char **argv, struct error *err);
int cmd_status(struct program *program, int argc, char **argv, struct error *err);
int cmd_gc(struct program *program, int argc, char **argv, struct error *err);
int cmd_config(struct program *program, int argc, char **argv, struct error *err);
int cmd_kubeadm(struct program *program, int argc, char **argv, struct error *err);
