/*
 * axis.c - from values to places along an axis, and round numbers on it.
 *
 * A tick is a whole multiple of a step.  Steps are 1, 2 or 5 times a power of ten, for bytes a
 * power of two; on a logarithmic axis the powers themselves are what is stepped over.
 */
#include "report/axis.h"

#include <assert.h>
#include <math.h>

#include "report/number.h"
#include "util/compiler.h"

#define PAD          0.03   /* share of the axis that is left free at each end */
#define SAME         1e-6   /* relative width below which a range counts as one value */
#define LOG_ROOM_MAX 5      /* powers of ten: AXIS_LIMIT and the room around it fit into a double */
#define TINY         1e-290 /* width below which a step could not be counted in doubles */
#define NEAR         1e-9   /* share of a step that is rounding */
#define PLAIN_MOST   6      /* powers of ten that are written out; beyond, as 1e7 */
#define PLAIN_LEAST  (-4)
#define LABEL_DIGITS 7 /* significant digits at most: neighbours must not look equal (SAME) */

/* digit * 10^power, or 2^power for bytes */
struct step {
	bool bytes;
	int digit, power;
};

static const int digits[] = {1, 2, 5};
/* Powers passed over on a logarithmic axis: multiples of 10 keep bytes at KiB, MiB, GiB. */
static const int strides[] = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000};

static double held(double v)
{
	return fmin(fmax(v, -AXIS_LIMIT), AXIS_LIMIT);
}

static double held_above_zero(double v)
{
	return fmin(fmax(v, 1 / AXIS_LIMIT), AXIS_LIMIT);
}

bool axis_takes(const struct axis *a, double v)
{
	return isfinite(v) && (!a->log || v > 0);
}

/* By division where the power is negative: 3 / 10 is the double nearest to 0.3, 3 * 0.1 is not. */
static double times_power(double n, int power)
{
	return power < 0 ? n / pow(10, -power) : n * pow(10, power);
}

static double step_times(const struct step *s, double n)
{
	return s->bytes ? ldexp(n, s->power) : times_power(n * s->digit, s->power);
}

/* Multiples of the step at or inside both ends, or at or outside of them. */
static void step_bounds(const struct step *s, double lo, double hi, bool outside, double *ret_first,
	double *ret_last)
{
	double unit = step_times(s, 1);

	*ret_first = outside ? floor(lo / unit + NEAR) : ceil(lo / unit - NEAR);
	*ret_last = outside ? ceil(hi / unit - NEAR) : floor(hi / unit + NEAR);
}

static void step_next(struct step *s)
{
	if (s->bytes || s->digit == 5)
		s->power++;
	s->digit = s->bytes || s->digit == 5 ? 1 : s->digit == 1 ? 2 : 5;
}

/* The smallest step that has at most max multiples. */
static struct step step_choose(const struct axis *a, double lo, double hi, bool outside, size_t max)
{
	double least = (hi - lo) / (double)max, first, last;
	struct step s = {.bytes = a->bytes, .digit = 1};

	s.power = (int)floor(a->bytes ? log2(least) : log10(least));
	for (;; step_next(&s)) {
		step_bounds(&s, lo, hi, outside, &first, &last);
		if (last - first + 1 <= (double)max)
			return s;
	}
}

/* Gives a range of one value some width: a half to either side, or 1 around 0. */
static void widen(double *lo, double *hi)
{
	double middle = *lo / 2 + *hi / 2, half = fabs(middle) / 2;

	if (*hi - *lo > TINY && *hi - *lo > SAME * fmax(fabs(*lo), fabs(*hi)))
		return;
	if (half < TINY)
		half = 1;
	*lo = middle - half;
	*hi = middle + half;
}

static void fit_log(struct axis *a, double lo, double hi)
{
	double from = log10(held_above_zero(lo)), to = log10(held_above_zero(hi)), room;

	if (to - from < SAME) {
		from -= 0.5;
		to += 0.5;
	}
	room = fmin((to - from) * PAD, LOG_ROOM_MAX);
	a->lo = pow(10, from - room);
	a->hi = pow(10, to + room);
}

void axis_fit(struct axis *a, double lo, double hi)
{
	double room;

	assert(lo <= hi);
	if (a->log) {
		fit_log(a, lo, hi);
		return;
	}
	lo = held(lo);
	hi = held(hi);
	widen(&lo, &hi);
	room = (hi - lo) * PAD;
	a->lo = lo - room;
	a->hi = hi + room;
}

void axis_fit_round(struct axis *a, double lo, double hi, size_t max)
{
	struct step s;
	double first, last;

	if (a->log) {
		axis_fit(a, lo, hi);
		return;
	}
	assert(lo <= hi && max >= 3);
	lo = held(lo);
	hi = held(hi);
	widen(&lo, &hi);
	s = step_choose(a, lo, hi, true, max);
	step_bounds(&s, lo, hi, true, &first, &last);
	a->lo = step_times(&s, first);
	a->hi = step_times(&s, last);
}

/* "e" where zeros would hide the digits; as many decimals as the step has, so that they line up. */
static void label_decimal(const struct axis *a, struct tick *t, int step_power)
{
	char text[NUMBER_TEXT_MAX];
	int power = number_power(t->at, LABEL_DIGITS);
	/* Written alike along an axis, except where it runs through the powers. */
	int most = a->log ? power : number_power(fmax(fabs(a->lo), fabs(a->hi)), LABEL_DIGITS);

	if (t->at == 0)
		number_fixed(0, 0, text);
	else if (most > PLAIN_MOST || step_power < PLAIN_LEAST)
		number_exponent(t->at, power > step_power ? power - step_power : 0, text);
	else
		number_fixed(t->at, -step_power, text);
	(void)snprintf(t->label, sizeof(t->label), "%.*s", TICK_LABEL_MAX - 1, text);
}

static void label_bytes(struct tick *t)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	char text[NUMBER_TEXT_MAX];
	double v = t->at;
	size_t unit = 0;
	int power, decimals;

	while (fabs(v) >= 1024 && unit + 1 < ARRAY_SIZE(units)) {
		v /= 1024;
		unit++;
	}
	power = number_power(v, LABEL_DIGITS - 1);
	decimals = number_decimals(v);
	if (decimals > LABEL_DIGITS - 1 - power)
		decimals = LABEL_DIGITS - 1 - power;
	if (v != 0 && (power > PLAIN_MOST || power < PLAIN_LEAST))
		number_exponent(v, LABEL_DIGITS - 1, text);
	else
		number_fixed(v, decimals, text);
	(void)snprintf(t->label, sizeof(t->label), "%.16s %s", text, units[unit]);
}

static void label(const struct axis *a, struct tick *t, int step_power)
{
	if (a->bytes)
		label_bytes(t);
	else
		label_decimal(a, t, step_power);
}

static size_t linear_ticks(const struct axis *a, size_t max, struct tick *ret)
{
	struct step s = step_choose(a, a->lo, a->hi, false, max);
	double first, last;
	size_t n = 0;

	step_bounds(&s, a->lo, a->hi, false, &first, &last);
	for (double i = first; i <= last && n < max; i++, n++) {
		ret[n].at = step_times(&s, i);
		label(a, &ret[n], s.power);
	}
	return n;
}

/* Powers of the base that are multiples of the least stride which leaves at most max of them. */
static size_t power_ticks(const struct axis *a, size_t max, struct tick *ret)
{
	double from = a->bytes ? log2(a->lo) : log10(a->lo);
	double to = a->bytes ? log2(a->hi) : log10(a->hi);
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(strides); i++) {
		int first = (int)ceil(from / strides[i] - NEAR);
		int last = (int)floor(to / strides[i] + NEAR);

		if (last - first + 1 > (int)max)
			continue;
		for (; first <= last; first++, n++) {
			int power = first * strides[i];

			ret[n].at = a->bytes ? ldexp(1, power) : times_power(1, power);
			label(a, &ret[n], power);
		}
		break;
	}
	return n;
}

/* 1, 2 and 5 times each power of ten; 0 when there are more than max. */
static size_t digit_ticks(const struct axis *a, size_t max, struct tick *ret)
{
	int first = (int)floor(log10(a->lo)), last = (int)floor(log10(a->hi));
	size_t n = 0;

	for (int power = first; power <= last; power++) {
		for (size_t i = 0; i < ARRAY_SIZE(digits); i++) {
			double at = times_power(digits[i], power);

			if (at < a->lo || at > a->hi)
				continue;
			if (n == max)
				return 0;
			ret[n].at = at;
			label(a, &ret[n++], power);
		}
	}
	return n;
}

size_t axis_ticks(const struct axis *a, size_t max, struct tick *ret)
{
	size_t n = 0;

	assert(max >= 2 && max <= TICKS_MAX);
	if (a->log && !a->bytes)
		n = digit_ticks(a, max, ret);
	if (a->log && n < 3)
		n = power_ticks(a, max, ret);
	/* Less than a power lies between the ends: plain multiples do better. */
	if (n < 2)
		n = linear_ticks(a, max, ret);
	return n;
}

double axis_place(const struct axis *a, double v)
{
	double place;

	v = fmin(fmax(v, a->lo), a->hi);
	if (a->log)
		place = (log10(v) - log10(a->lo)) / (log10(a->hi) - log10(a->lo));
	else
		place = (v - a->lo) / (a->hi - a->lo);
	return fmin(fmax(place, 0), 1); /* rounding */
}
