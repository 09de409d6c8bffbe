#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "report/axis.h"
#include "util/mem.h"

/* From nothing over everyday values to the ends of what a double holds. */
static const double values[] = {-DBL_MAX,
	-1e300,
	-7.3e9,
	-1,
	-0.003,
	-5e-324,
	0,
	5e-324,
	1e-300,
	3.7e-5,
	0.98,
	1,
	1.0000001,
	4.2,
	98,
	117,
	892,
	1024,
	65536,
	1048577,
	7.3e9,
	1e300,
	DBL_MAX};

static const size_t most[] = {3, 5, 6, 9, TICKS_MAX};

/* As text, as a reader compares them. */
static char *labels(const struct tick *ticks, size_t n)
{
	char *all = xstrdup("");

	for (size_t i = 0; i < n; i++) {
		AUTO_FREE char *before = all;

		all = xasprintf("%s%s%s", before, i ? " " : "", ticks[i].label);
	}
	return all;
}

static char *labels_of(struct axis a, double lo, double hi, size_t max)
{
	struct tick ticks[TICKS_MAX];

	axis_fit(&a, lo, hi);
	return labels(ticks, axis_ticks(&a, max, ticks));
}

static void assert_labels(struct axis a, double lo, double hi, size_t max, const char *want)
{
	AUTO_FREE char *got = labels_of(a, lo, hi, max);

	assert_string_equal(got, want);
}

static void ticks_are_round_numbers_of_one_step(void **state)
{
	const struct axis plain = {0}, bytes = {.bytes = true};

	(void)state;
	assert_labels(plain, 1, 7, 9, "1 2 3 4 5 6 7");
	assert_labels(plain, 0, 1, 7, "0 0.2 0.4 0.6 0.8 1.0");
	assert_labels(plain, 98, 892, 6, "200 400 600 800");
	assert_labels(plain, -30, 30, 5, "-20 0 20");
	assert_labels(plain, 0, 25e6, 6, "0 5e6 1.0e7 1.5e7 2.0e7 2.5e7");
	assert_labels(plain, 0, 3e-9, 5, "0 1e-9 2e-9 3e-9");
	assert_labels(bytes, 0, 300e6, 5, "0 B 64 MiB 128 MiB 192 MiB 256 MiB");
	assert_labels(bytes, 0, 3e6, 8, "0 B 512 KiB 1 MiB 1.5 MiB 2 MiB 2.5 MiB");
}

static void logarithmic_ticks_are_powers_or_round_digits_of_them(void **state)
{
	const struct axis log = {.log = true}, bytes = {.log = true, .bytes = true};

	(void)state;
	assert_labels(log, 1, 1000, 6, "1 10 100 1000");
	assert_labels(log, 0.02, 3, 9, "0.02 0.05 0.1 0.2 0.5 1 2");
	assert_labels(log, 110, 130, 5, "110 115 120 125 130");
	assert_labels(log, 1e-9, 1e9, 5, "1e-5 1 100000");
	assert_labels(bytes, 1024, 1 << 30, 5, "1 KiB 32 KiB 1 MiB 32 MiB 1 GiB");
	assert_labels(bytes, 1e6, 1.2e6, 5, "1 MiB 1.0625 MiB 1.125 MiB");
}

static void assert_ticks_hold(const struct axis *a, size_t max)
{
	struct tick ticks[TICKS_MAX];
	size_t n = axis_ticks(a, max, ticks);

	assert_true(isfinite(a->lo) && isfinite(a->hi) && a->lo < a->hi);
	assert_in_range(n, 1, max);
	for (size_t i = 0; i < n; i++) {
		double slack = (a->hi - a->lo) * 1e-6;

		assert_true(ticks[i].at >= a->lo - slack && ticks[i].at <= a->hi + slack);
		assert_true(i == 0 || ticks[i].at > ticks[i - 1].at);
		assert_true(i == 0 || strcmp(ticks[i].label, ticks[i - 1].label) != 0);
		assert_true(strlen(ticks[i].label) > 0);
		assert_true(i == 0 ||
			    axis_place(a, ticks[i].at) - axis_place(a, ticks[i - 1].at) > 0.01);
		assert_null(strpbrk(ticks[i].label, "n,")); /* nan, inf, a locale's point */
	}
}

static void any_range_has_ticks_inside_it_and_no_more_than_asked(void **state)
{
	(void)state;
	for (size_t kind = 0; kind < 4; kind++)
		for (size_t i = 0; i < ARRAY_SIZE(values); i++)
			for (size_t j = i; j < ARRAY_SIZE(values); j++)
				for (size_t k = 0; k < ARRAY_SIZE(most); k++) {
					struct axis a = {.log = kind & 1, .bytes = kind & 2};

					if (!axis_takes(&a, values[i]))
						continue;
					axis_fit(&a, values[i], values[j]);
					assert_ticks_hold(&a, most[k]);
					axis_fit_round(&a, values[i], values[j], most[k]);
					assert_ticks_hold(&a, most[k]);
				}
}

static void a_rounded_axis_ends_at_ticks(void **state)
{
	struct tick ticks[TICKS_MAX];
	struct axis a = {0};
	size_t n;

	(void)state;
	axis_fit_round(&a, 0, 18.6, 6);
	n = axis_ticks(&a, 6, ticks);
	assert_true(a.lo == 0 && a.hi == 20);
	assert_true(ticks[0].at == 0 && ticks[n - 1].at == 20);
}

static void places_are_between_the_ends_whatever_comes(void **state)
{
	(void)state;
	for (size_t kind = 0; kind < 2; kind++)
		for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
			struct axis a = {.log = kind & 1};
			double before = -1;

			if (!axis_takes(&a, values[i]))
				continue;
			axis_fit(&a, values[i], values[ARRAY_SIZE(values) - 1]);
			for (size_t j = 0; j < ARRAY_SIZE(values); j++) {
				double p = axis_place(&a, values[j]);

				assert_true(p >= 0 && p <= 1 && p >= before);
				before = p;
			}
		}
}

static void an_axis_takes_finite_values_and_a_logarithmic_one_only_those_above_0(void **state)
{
	const struct axis plain = {0}, log = {.log = true};

	(void)state;
	assert_true(axis_takes(&plain, -1) && axis_takes(&plain, 0) && axis_takes(&log, 5e-324));
	assert_false(axis_takes(&log, 0) || axis_takes(&log, -1) || axis_takes(&log, (double)NAN));
	assert_false(axis_takes(&plain, (double)INFINITY) || axis_takes(&plain, (double)NAN));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ticks_are_round_numbers_of_one_step),
		cmocka_unit_test(logarithmic_ticks_are_powers_or_round_digits_of_them),
		cmocka_unit_test(any_range_has_ticks_inside_it_and_no_more_than_asked),
		cmocka_unit_test(a_rounded_axis_ends_at_ticks),
		cmocka_unit_test(places_are_between_the_ends_whatever_comes),
		cmocka_unit_test(
			an_axis_takes_finite_values_and_a_logarithmic_one_only_those_above_0),
	};

	return cmocka_run_group_tests_name("report/axis", tests, NULL, NULL);
}
