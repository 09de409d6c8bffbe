/* adhoc.h - a configuration for commands that need no file: `copy`, `bench --source`. */
#pragma once

#include "program.h"

/*
 * The file when it is asked for, or is where it is expected: its hosts and secrets serve here,
 * too.  Else the defaults, and a state directory of the user's.  Hosts of `plain` (host[:port])
 * are spoken to in plain HTTP.
 */
NODISCARD int adhoc_config(const struct program *program, const struct opt_list *plain,
	struct config **ret, struct error *err);
