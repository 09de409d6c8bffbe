#include "util/clock.h"
#include "util/mem.h"
#include "util/parse.h"
#include "util/tty.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Characters of a sanitized text: enough for a cut to happen, and for none. */
#define SANITIZED_MAX 40

static void check(bool holds)
{
	if (!holds)
		abort();
}

/* What is printed is read as the same value. */
static void values_survive_a_round_trip(const char *s)
{
	char size[SIZE_TEXT_MAX + 8], duration[DURATION_TEXT_MAX], time[TIME_TEXT_MAX];
	uint64_t v, back;
	int64_t sec, sec_back;

	if (parse_size(s, &v, NULL) == 0)
		check(parse_size(format_size_exact(v, size), &back, NULL) == 0 && back == v);
	if (parse_duration(s, &v, NULL) == 0)
		check(parse_duration(format_duration_exact(v, duration), &back, NULL) == 0 &&
			back == v);
	if (time_parse_rfc3339(s, &sec, NULL) < 0)
		return;
	/* An offset can carry the first and last day out of the years that have a form. */
	check(time_parse_rfc3339(time_format_rfc3339(sec, time), &sec_back, NULL) == 0);
	check(sec_back == sec || time[0] == '0' || time[0] == '9');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *s = xstrndup((const char *)data, size);
	AUTO_FREE char *clean = text_sanitize((const char *)data, size, SANITIZED_MAX);
	uint32_t wait;

	values_survive_a_round_trip(s);
	check(text_is_clean(clean, strlen(clean)));
	check(text_columns(clean) <= 2 * (size_t)SANITIZED_MAX);
	(void)!retry_after_parse(s, INT64_C(784111717), &wait, NULL);
	return 0;
}
