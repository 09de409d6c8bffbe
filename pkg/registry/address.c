/*
 * address.c - resolved links, loopback and private ranges.
 */
#include "registry/address.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <stdint.h>
#include <strings.h>

#include "util/compiler.h"

struct range {
	uint8_t prefix[16];
	unsigned bits;
};

static const struct range loopback4[] = {
	{{127}, 8},
};
static const struct range loopback6[] = {
	{{[15] = 1}, 128},
};
static const struct range private4[] = {
	{{0}, 8},         /* RFC 1122 3.2.1.3: this host */
	{{10}, 8},        /* RFC 1918 */
	{{172, 16}, 12},  /* RFC 1918 */
	{{192, 168}, 16}, /* RFC 1918 */
	{{169, 254}, 16}, /* RFC 3927: link-local, where clouds keep their metadata */
	{{100, 64}, 10},  /* RFC 6598 */
};
static const struct range private6[] = {
	{{0}, 128},         /* unspecified */
	{{0xfc}, 7},        /* RFC 4193 */
	{{0xfe, 0x80}, 10}, /* RFC 4291: link-local */
};

static bool in_range(const uint8_t *address, const struct range *r)
{
	for (unsigned bit = 0; bit < r->bits; bit += 8) {
		const unsigned left = r->bits - bit;
		const unsigned mask = left >= 8 ? 0xff : (0xff00u >> left) & 0xff;

		if ((address[bit / 8] ^ r->prefix[bit / 8]) & mask)
			return false;
	}
	return true;
}

static bool in_any(const uint8_t *address, const struct range *ranges, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (in_range(address, &ranges[i]))
			return true;
	return false;
}

/* A host as a literal address: 4, 6, or 0 for a name.  IPv4 inside IPv6 comes out as 4. */
static int read_address(const char *host, uint8_t address[static 16])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff}; /* RFC 4291 2.5.5.2 */
	char text[INET6_ADDRSTRLEN];
	size_t len = strlen(host);

	if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
		host++;
		len -= 2;
	}
	if (len >= sizeof(text))
		return 0;
	memcpy(text, host, len);
	text[len] = '\0';
	if (inet_pton(AF_INET, text, address) == 1)
		return 4;
	if (inet_pton(AF_INET6, text, address) != 1)
		return 0;
	if (memcmp(address, mapped, sizeof(mapped)) != 0)
		return 6;
	memmove(address, address + sizeof(mapped), 4);
	return 4;
}

int address_resolve(const char *base, const char *reference, struct url *ret, struct error *err)
{
	AUTO(url_clear) struct url from = URL_INIT;
	int rc = url_parse(base, &from, err);

	return rc < 0 ? rc : url_resolve(&from, reference, ret, err);
}

bool address_is_loopback(const char *host)
{
	uint8_t address[16];

	switch (read_address(host, address)) {
	case 4:
		return in_any(address, loopback4, ARRAY_SIZE(loopback4));
	case 6:
		return in_any(address, loopback6, ARRAY_SIZE(loopback6));
	default:
		return strcasecmp(host, "localhost") == 0;
	}
}

bool address_is_private(const char *host)
{
	uint8_t address[16];

	if (address_is_loopback(host))
		return true;
	switch (read_address(host, address)) {
	case 4:
		return in_any(address, private4, ARRAY_SIZE(private4));
	case 6:
		return in_any(address, private6, ARRAY_SIZE(private6));
	default:
		return false;
	}
}
