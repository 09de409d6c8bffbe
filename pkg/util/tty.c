/* tty.c - what the terminal can show. */
#include "util/tty.h"

#include <stdint.h>
#include <sys/ioctl.h>

#include "util/compiler.h"
#include "util/parse.h"
#include "util/utf8.h"

#define WIDTH_UNKNOWN 80

struct range {
	uint32_t first, last;
};

/* Characters that add nothing to a line: combining marks, joiners, variation selectors. */
static const struct range zero[] = {
	{0x0300, 0x036f},
	{0x0483, 0x0489},
	{0x0591, 0x05bd},
	{0x0610, 0x061a},
	{0x064b, 0x065f},
	{0x1ab0, 0x1aff},
	{0x1dc0, 0x1dff},
	{0x200b, 0x200f},
	{0x20d0, 0x20ff},
	{0xfe00, 0xfe0f},
	{0xfe20, 0xfe2f},
	{0xe0100, 0xe01ef},
};

/* Wide and full-width blocks of Unicode 15's EastAsianWidth.txt; wcwidth() would need a locale. */
static const struct range wide[] = {
	{0x1100, 0x115f},
	{0x2e80, 0x303e},
	{0x3041, 0x33ff},
	{0x3400, 0x4dbf},
	{0x4e00, 0x9fff},
	{0xa000, 0xa4cf},
	{0xa960, 0xa97f},
	{0xac00, 0xd7a3},
	{0xf900, 0xfaff},
	{0xfe30, 0xfe6f},
	{0xff00, 0xff60},
	{0xffe0, 0xffe6},
	{0x1f300, 0x1f64f},
	{0x1f680, 0x1f6ff},
	{0x1f900, 0x1f9ff},
	{0x20000, 0x3fffd},
};

static bool in(uint32_t c, const struct range *ranges, size_t n)
{
	for (size_t i = 0; i < n && ranges[i].first <= c; i++) {
		if (c <= ranges[i].last)
			return true;
	}
	return false;
}

bool tty_is(int fd)
{
	const char *term = getenv("TERM");

	return isatty(fd) && term && *term && strcmp(term, "dumb") != 0;
}

bool tty_wants_color(int fd)
{
	const char *no = getenv("NO_COLOR");

	return tty_is(fd) && !(no && *no);
}

size_t tty_width(int fd)
{
	struct winsize size = {0};
	const char *columns = getenv("COLUMNS");
	uint64_t n;

	if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	/* What the user asks for where there is no terminal to ask. */
	if (columns && parse_u64(columns, &n, NULL) == 0 && n > 0 && n <= UINT16_MAX)
		return (size_t)n;
	return WIDTH_UNKNOWN;
}

size_t text_columns(const char *s)
{
	size_t len = strlen(s), columns = 0;

	while (len > 0) {
		uint32_t c = 0;
		size_t n = utf8_decode(s, len, &c);

		/* What is not UTF-8 shows as one replacement character each. */
		if (!n)
			n = 1, columns++;
		else if (!in(c, zero, ARRAY_SIZE(zero)))
			columns += in(c, wide, ARRAY_SIZE(wide)) ? 2 : 1;
		s += n;
		len -= n;
	}
	return columns;
}
