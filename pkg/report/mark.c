/* mark.c - how the series of a chart are told apart. */
#include "report/mark.h"

#include "util/compiler.h"

#define SAMPLE_WIDTH  34 /* units, and CSS pixels */
#define SAMPLE_HEIGHT 14

/* From the point: where the outline begins, and what draws it, in relative commands. */
static const struct shape {
	double x, y;
	const char *outline;
} shapes[MARK_SHAPES] = {
	{-3.6, 0, "a3.6 3.6 0 1 0 7.2 0a3.6 3.6 0 1 0-7.2 0z"},             /* circle */
	{-3.2, -3.2, "h6.4v6.4h-6.4z"},                                     /* square */
	{0, -4.2, "l4.2 7.2h-8.4z"},                                        /* triangle */
	{0, -4.5, "l4.5 4.5l-4.5 4.5l-4.5-4.5z"},                           /* diamond */
	{-4.2, -3, "h8.4l-4.2 7.2z"},                                       /* its point down */
	{-1.4, -4.2, "h2.8v2.8h2.8v2.8h-2.8v2.8h-2.8v-2.8h-2.8v-2.8h2.8z"}, /* cross */
};

static const char *const dashes[MARK_DASHES] = {
	"none",
	"8 3",
	"2.5 2.5",
	"10 3 2.5 3",
	"5 2.5",
	"10 3 2.5 3 2.5 3",
};

size_t mark_colour(size_t index)
{
	return index % MARK_COLOURS;
}

/* Shifted by one from each turn of the colours to the next. */
size_t mark_dashes(size_t index)
{
	return (index + index / MARK_COLOURS) % MARK_DASHES;
}

size_t mark_shape(size_t index)
{
	return index % MARK_SHAPES;
}

void mark_path(struct markup *m, size_t index, double x, double y)
{
	const struct shape *s = &shapes[mark_shape(index)];

	markup_raw(m, "M");
	markup_number(m, x + s->x);
	markup_raw(m, " ");
	markup_number(m, y + s->y);
	markup_raw(m, s->outline);
}

void mark_sample(struct markup *m, size_t index, bool on_line)
{
	markup_format(m,
		"<svg class=\"sample c%zu d%zu\" viewBox=\"0 0 %d %d\" aria-hidden=\"true\">",
		mark_colour(index),
		mark_dashes(index),
		SAMPLE_WIDTH,
		SAMPLE_HEIGHT);
	if (on_line)
		markup_format(m,
			"<path class=\"line\" d=\"M1 %dL%d %d\"/>",
			SAMPLE_HEIGHT / 2,
			SAMPLE_WIDTH - 1,
			SAMPLE_HEIGHT / 2);
	markup_raw(m, "<path class=\"mark\" d=\"");
	mark_path(m, index, SAMPLE_WIDTH / 2.0, SAMPLE_HEIGHT / 2.0);
	markup_raw(m, "\"/></svg>");
}

void mark_style(struct markup *m)
{
	for (size_t i = 0; i < MARK_COLOURS; i++)
		markup_format(m, ".c%zu{color:var(--c%zu)}\n", i, i);
	for (size_t i = 0; i < MARK_DASHES; i++)
		markup_format(m, ".d%zu .line{stroke-dasharray:%s}\n", i, dashes[i]);
}
