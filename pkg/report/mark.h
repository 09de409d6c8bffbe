/* mark.h - how the series of a chart are told apart: colours, dashes and shapes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "report/markup.h"

#define MARK_COLOURS 6
#define MARK_DASHES  6
#define MARK_SHAPES  6
#define MARK_REACH   4.5 /* how far a mark reaches from its point, units of the drawing */

/*
 * Which of each the index-th series has: neighbours differ in all three, and all of the first
 * MARK_COLOURS * MARK_DASHES in colour or dashes.
 */
size_t mark_colour(size_t index);
size_t mark_dashes(size_t index);
size_t mark_shape(size_t index);
/* Appends the commands of a path that draws the mark at a point. */
void mark_path(struct markup *m, size_t index, double x, double y);
/* Appends a small drawing for a legend: the mark, on a line or alone. */
void mark_sample(struct markup *m, size_t index, bool on_line);
/* Appends the rules of a style sheet: the classes c<colour>, by the variables --c<colour>, and
 * d<dashes>. */
void mark_style(struct markup *m);
