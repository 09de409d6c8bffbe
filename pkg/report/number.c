/* number.c - real numbers as text, with a point whatever the locale says. */
#include "report/number.h"

#include <math.h>
#include <stdbool.h>

#include "util/compiler.h"

#define DECIMALS_MAX   340  /* of any text here; NUMBER_TEXT_MAX holds them */
#define SHORT_DECIMALS 2    /* behind the first digit: three significant digits */
#define SHORT_LEAST    (-9) /* powers of ten outside of which zeros would hide the digits */
#define SHORT_MOST     14
#define EXACT_DECIMALS 8 /* nine significant digits: a nanosecond in a second */

/* A locale may write its point as a comma, or in two bytes of UTF-8. */
static char *with_point(char *s)
{
	size_t n = 0;
	bool in_point = false;

	for (const char *p = s; *p; p++) {
		bool is_point = !strchr("0123456789eE+-", *p);

		if (!is_point)
			s[n++] = *p;
		else if (!in_point)
			s[n++] = '.';
		in_point = is_point;
	}
	s[n] = '\0';
	return s;
}

char *number_fixed(double v, int decimals, char buf[static NUMBER_TEXT_MAX])
{
	if (decimals < 0)
		decimals = 0;
	if (decimals > DECIMALS_MAX)
		decimals = DECIMALS_MAX;
	(void)snprintf(buf, NUMBER_TEXT_MAX, "%.*f", decimals, v);
	with_point(buf);
	/* What rounds to nothing has no sign. */
	if (buf[0] == '-' && !buf[1 + strspn(buf + 1, "0.")])
		memmove(buf, buf + 1, strlen(buf));
	return buf;
}

char *number_exponent(double v, int decimals, char buf[static NUMBER_TEXT_MAX])
{
	char *e, *from;

	(void)snprintf(buf, NUMBER_TEXT_MAX, "%.*e", decimals, v);
	e = strchr(with_point(buf), 'e');
	if (!e)
		return buf;
	from = ++e;
	if (*from == '-')
		e++;
	from += strspn(from, "+-0");
	if (*from)
		memmove(e, from, strlen(from) + 1);
	else /* e0 */
		e[-1] = '\0';
	return buf;
}

int number_power(double v, int decimals)
{
	char text[NUMBER_TEXT_MAX];
	const char *e;

	if (v == 0)
		return 0;
	(void)snprintf(text, sizeof(text), "%.*e", decimals, v);
	e = strchr(text, 'e');
	return e ? (int)strtol(e + 1, NULL, 10) : 0;
}

char *number_short(double v, char buf[static NUMBER_TEXT_MAX])
{
	int power = number_power(v, SHORT_DECIMALS);

	if (v == 0)
		return number_fixed(0, 0, buf);
	if (power < SHORT_LEAST || power > SHORT_MOST)
		return number_exponent(v, SHORT_DECIMALS, buf);
	return number_fixed(v, SHORT_DECIMALS - power, buf);
}

int number_decimals(double v)
{
	char text[NUMBER_TEXT_MAX];
	int decimals = EXACT_DECIMALS - number_power(v, EXACT_DECIMALS);
	size_t len;

	if (v == 0 || decimals <= 0)
		return 0;
	len = strlen(number_fixed(v, decimals, text));
	while (decimals > 0 && text[--len] == '0')
		decimals--;
	return decimals;
}
