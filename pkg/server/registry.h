/*
 * registry.h - the built-in registry: the distribution API over a store.
 *
 * All of distribution-spec 1.1, and of what follows it what costs little (guides/protocol.md 1.12):
 * pull, push in every form, mounts, tags, referrers, deletes, the catalog.  Anybody may pull; with
 * htpasswd or client_ca, only who has a name there or a certificate may push.  Beside the API there
 * are /healthz, /readyz and /metrics.
 *
 * Requests are answered on the listener's threads where that takes a look into the index and at
 * most a small file; what waits for the disk runs on threads of the server's own.  When too many
 * wait for those, further ones are told to come back (429, Retry-After).
 *
 * Bytes that a client makes us hold, at most: the listener's for each connection (server/httpd.h),
 * one manifest (MANIFEST_MAX) for each that pushes one, together SERVER_BODIES_MAX.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "server/access_log.h"
#include "store/store.h"
#include "util/error.h"

#define SERVER_BODIES_MAX                                                      \
	((size_t)24 * 1024 * 1024) /* bytes of manifests that are being pushed \
				    */
/* Requests that wait for the disk, or are served by it; one more gets 429. */
#define SERVER_WAITING_MAX 512
#define SERVER_RETRY_SEC   2 /* Retry-After of a 429 */

struct server_options {
	struct store *store; /* borrowed until server_stop() */
	/* As of struct httpd_options; borrowed until server_stop(), as all texts are. */
	const char *listen;
	int socket_fd;
	const char *tls_cert, *tls_key, *client_ca;
	unsigned threads, connections;
	const char *htpasswd; /* file; NULL: none */
	bool read_only;       /* nobody may push or delete */
	bool sparse;          /* an index may be pushed whose children are not all here */
	/* Each request that is over; its texts are valid during the call.  May be NULL.  Called on
	 * the listener's threads: must not wait. */
	void (*access)(void *ctx, const struct access_line *line);
	/* What nobody else is told in full: an answer 5xx and its cause, upkeep that failed. */
	void (*trouble)(void *ctx, const char *text);
	void *ctx;
};

struct server;

/* Serves when it returns.  ERR_USAGE (address, certificate, htpasswd), ERR_IO. */
NODISCARD int server_start(
	const struct server_options *options, struct server **ret, struct error *err);
const char *server_address(const struct server *s); /* "127.0.0.1:40123" */
/*
 * Reads certificate and htpasswd again.  What cannot be read stays as it was, and the first such
 * error is told.
 */
NODISCARD int server_reload(struct server *s, struct error *err);
/*
 * Takes no new connections; /readyz says 503.  Requests under way have grace_ms, then end.  Frees.
 * NULL is fine.
 */
void server_stop(struct server *s, uint64_t grace_ms);
