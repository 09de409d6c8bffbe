/* utf8.c - one character at a time out of text that may not be UTF-8. */
#include "util/utf8.h"

#include "util/compiler.h"

/* The forms of RFC 3629 section 3, by length; `least` refuses overlong ones. */
static const struct form {
	uint8_t mask, lead;
	uint32_t least;
} forms[] = {
	{0x80, 0x00, 0},
	{0xe0, 0xc0, 0x80},
	{0xf0, 0xe0, 0x800},
	{0xf8, 0xf0, 0x10000},
};

size_t utf8_decode(const char *s, size_t len, uint32_t *ret)
{
	uint8_t first = len ? (uint8_t)*s : 0xff;

	for (size_t i = 0; i < ARRAY_SIZE(forms) && i < len; i++) {
		uint32_t c = first & (uint8_t)~forms[i].mask;

		if ((first & forms[i].mask) != forms[i].lead)
			continue;
		for (size_t k = 1; k <= i; k++) {
			if (((uint8_t)s[k] & 0xc0) != 0x80)
				return 0;
			c = c << 6 | ((uint8_t)s[k] & 0x3f);
		}
		if (c < forms[i].least || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
			return 0;
		*ret = c;
		return i + 1;
	}
	return 0;
}
