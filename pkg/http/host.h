/*
 * host.h - how to talk to one scheme, host and port, and its queue.
 *
 * A host's requests wait in the program's own queue, not in libcurl's (7.88.1
 * loses wake-ups there, guides/sources.md 6.3): at most `connections` run at
 * once, at most `requests_per_second` start in a second (a token bucket of one
 * second's depth), none before the gate that a 429 or 503 closed is open again.
 * Within a queue, small requests go before bulk ones, and first in is first out.
 *
 * Hosts live in the loop and are found by origin; a host that nobody configured
 * (the far end of a redirect) is made with the defaults: TLS, the system's CAs.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/loop.h"
#include "http/url.h"

#define HTTP_CONNECTIONS_DEFAULT 8    /* a host; politeness is protocol.md 8.1 step 10 */
#define HTTP_CONNECT_MS          5000 /* sources.md 3.4: default of connect time-outs */
#define HTTP_FIRST_BYTE_MS       30000
#define HTTP_STALL_MS            15000 /* no byte for so long in a body: the peer is gone */

struct http_host_options {
	bool plain; /* this origin may be spoken to in plain HTTP; without it http:// is refused */
	const char *ca;   /* PEM file of CAs, instead of the system's; or NULL */
	const char *cert; /* PEM client certificate, with key; or NULL */
	const char *key;
	unsigned connections;       /* 0: HTTP_CONNECTIONS_DEFAULT */
	double requests_per_second; /* 0: no limit */
	const char
		*resolve_to; /* pin the address: "10.1.2.3"; or NULL. A proxy resolves by itself */
	bool no_proxy;       /* never through a proxy: private names */
	uint64_t connect_ms; /* 0: HTTP_CONNECT_MS */
	uint64_t first_byte_ms; /* 0: HTTP_FIRST_BYTE_MS */
	uint64_t stall_ms;      /* 0: HTTP_STALL_MS */
};

/*
 * Configures the origin "host[:port]" for both schemes; strings are copied.
 * Fails with ERR_USAGE when host is none.  Call before the first request to it.
 */
NODISCARD int http_host_set(struct http_loop *loop, const char *host,
	const struct http_host_options *options, struct error *err);

/* Nothing starts at this host (host[:port], by origin of `url`) before `sec` seconds have gone by;
 * a later gate wins. */
void http_host_gate(struct http_loop *loop, const struct url *url, uint32_t sec);

struct http_host_stats {
	uint64_t requests;  /* sent, redirect hops and retries included */
	uint64_t bytes_in;  /* body bytes received */
	uint64_t bytes_out; /* body bytes sent */
	unsigned running, waiting;
};
struct http_host_stats http_host_stats(const struct http_loop *loop, const char *host);
