/*
 * number.h - real numbers as text, with a point whatever the locale says.
 *
 * All take finite numbers and return buf.
 */
#pragma once

/* chars, with the NUL: the smallest double with nine digits takes 332 decimals, the largest 309 */
#define NUMBER_TEXT_MAX 352

char *number_fixed(double v, int decimals, char buf[static NUMBER_TEXT_MAX]);
/* "1.5e6": a digit, so many decimals, and the exponent without a plus or zeros. */
char *number_exponent(double v, int decimals, char buf[static NUMBER_TEXT_MAX]);
/* For people, three significant digits: "4.20", "18.6", "1234", "0.00123", "1.20e-12". */
char *number_short(double v, char buf[static NUMBER_TEXT_MAX]);
/* How many decimals nine significant digits need, zeros at the end left away. */
int number_decimals(double v);
/* The power of ten of the first digit, once v is rounded to so many decimals behind it; 0 for 0. */
int number_power(double v, int decimals);
