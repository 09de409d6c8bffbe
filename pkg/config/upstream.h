/*
 * upstream.h - what must be true of an upstream's sources together, and how they are chosen.
 *
 * Called by section_check() once the struct is read; `node` is its mapping, for positions.
 */
#pragma once

#include "config/types.h"

/* Decides `choose: default`, too.  Fails with ERR_USAGE, "file:line:column: message". */
NODISCARD int upstream_check(const struct reader *r, const struct yaml_node *node,
	struct config_upstream *up, struct error *err);
