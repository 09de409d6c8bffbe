/*
 * base64.c - three bytes as four characters, and back.
 */
#include "registry/base64.h"

#include <ctype.h>
#include <stdint.h>

#include "util/mem.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *base64_encode(const void *data, size_t len)
{
	const uint8_t *in = data;
	char *text = xmalloc((len + 2) / 3 * 4 + 1);
	size_t n = 0;

	for (size_t i = 0; i < len; i += 3) {
		const size_t have = len - i;
		const uint32_t bits = (uint32_t)in[i] << 16 |
				      (have > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
				      (have > 2 ? in[i + 2] : 0u);

		text[n++] = alphabet[bits >> 18];
		text[n++] = alphabet[bits >> 12 & 63];
		text[n] = text[n + 1] = '=';
		if (have > 1)
			text[n] = alphabet[bits >> 6 & 63];
		if (have > 2)
			text[n + 1] = alphabet[bits & 63];
		n += 2;
	}
	text[n] = '\0';
	return text;
}

int base64_decode(const char *text, struct buf *ret, struct error *err)
{
	uint32_t bits = 0;
	unsigned n_bits = 0;
	const char *s = text;

	for (; *s && *s != '='; s++) {
		const char *at = strchr(alphabet, *s);
		int rc;

		if (isspace((unsigned char)*s))
			continue;
		if (!at)
			return error_set(err, ERR_USAGE, "not base64");
		bits = bits << 6 | (uint32_t)(at - alphabet);
		n_bits += 6;
		if (n_bits < 8)
			continue;
		n_bits -= 8;
		rc = buf_append(ret, &(char){(char)(bits >> n_bits & 0xff)}, 1, err);
		if (rc < 0)
			return rc;
	}
	s += strspn(s, "= \t\r\n");
	return *s ? error_set(err, ERR_USAGE, "not base64") : 0;
}
