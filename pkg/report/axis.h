/*
 * axis.h - from values to places along an axis, and the round numbers that are written there.
 *
 * Pure functions; any double may come in.  An axis ends near AXIS_LIMIT at the latest, so
 * that no difference of two places overflows; values beyond are drawn at its end.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define AXIS_LIMIT     1e300
#define TICKS_MAX      12
#define TICK_LABEL_MAX 24 /* chars, with the NUL: "-1.234567e-300 B" and more */

struct axis {
	double lo, hi; /* finite, lo < hi; both above 0 when log */
	bool log;      /* by powers: equal ratios are equally wide */
	bool bytes;    /* ticks at powers of 2, labelled in KiB, MiB, ... */
};

struct tick {
	double at;
	char label[TICK_LABEL_MAX];
};

/* True when v has a place on such an axis: finite, and above 0 when log. */
bool axis_takes(const struct axis *a, double v);
/*
 * Makes the axis hold lo to hi, which it takes, with a little room around; a range without width
 * gets one.
 */
void axis_fit(struct axis *a, double lo, double hi);
/* The same, but with both ends at ticks, of which there are at most max; log as axis_fit(). */
void axis_fit_round(struct axis *a, double lo, double hi, size_t max);
/* Ticks between both ends, ascending, from 1 to max (2 to TICKS_MAX) of them; returns how many. */
size_t axis_ticks(const struct axis *a, size_t max, struct tick *ret);
/* 0 at lo, 1 at hi; what lies outside is moved to the end. */
double axis_place(const struct axis *a, double v);
