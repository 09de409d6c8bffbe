/*
 * address.h - which hosts are near: a guard against being sent to one's own network.
 *
 * Only what a URL says is looked at: literal addresses and "localhost".  A name that
 * resolves to a private address is not seen here.
 */
#pragma once

#include <stdbool.h>

/* host as in struct url: IPv6 in brackets, no port. */
bool address_is_loopback(const char *host);
/* Loopback, link-local, private (RFC 1918, RFC 4193), shared (RFC 6598) or unspecified. */
bool address_is_private(const char *host);
