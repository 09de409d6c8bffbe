/*
 * rules.h - what must be true between the settings of one section.
 *
 * Called once a section's struct is read; `node` is its mapping, for positions.  What a setting
 * left to others (`choose: default`) is decided here.
 */
#pragma once

#include "config/types.h"

NODISCARD int section_check(const struct reader *r, enum section_id id,
	const struct yaml_node *node, void *base, struct error *err);
