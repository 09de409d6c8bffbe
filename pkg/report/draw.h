/* draw.h - the figure of one chart: caption, legend, and the drawing for wide and narrow pages. */
#pragma once

#include "report/chart.h"
#include "report/markup.h"

/*
 * Appends <figure>...</figure>.  number: unique in the page, ids are made of it.  The page's style
 * sheet gives the classes their colours and shows one of both drawings.
 */
void draw_figure(struct markup *m, const struct chart *chart, unsigned number);
