/*
 * address.h - where an answer sends us, and whether that is our own network.
 *
 * Only what a URL says is looked at: literal addresses and "localhost".  A name that
 * resolves to a private address is not seen here.
 */
#pragma once

#include <stdbool.h>

#include "http/url.h"

/* What reference, a URL of any form, means in the answer from base.  Fails with ERR_REMOTE. */
NODISCARD int address_resolve(
	const char *base, const char *reference, struct url *ret, struct error *err);

/* host as in struct url: IPv6 in brackets, no port. */
bool address_is_loopback(const char *host);
/* Loopback, link-local, private (RFC 1918, RFC 4193), shared (RFC 6598) or unspecified. */
bool address_is_private(const char *host);
