/*
 * httpd_tls.h - the server's certificate, and those of its clients, over GnuTLS.
 *
 * The certificate can be exchanged while connections are made: each handshake takes the one that
 * is newest at its beginning, and one that was replaced stays in memory until no handshake can be
 * using it any more.  Any thread may call.
 */
#pragma once

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <stddef.h>

#include "util/error.h"

#define TLS_FILE_MAX ((size_t)1024 * 1024) /* bytes of a PEM file: a bundle of CAs has 0.3 MB */

struct httpd_tls;

/*
 * Paths are copied and read again by httpd_tls_reload(); client_ca may be NULL.  ERR_USAGE with
 * the file's name: it cannot be read, holds no certificate or key, or they do not fit together.
 */
NODISCARD int httpd_tls_new(const char *cert, const char *key, const char *client_ca,
	struct httpd_tls **ret, struct error *err);
void httpd_tls_free(struct httpd_tls *tls);
DEFINE_CLEANUP(struct httpd_tls *, httpd_tls_free);
/* All or nothing; what was there stays when it fails. */
NODISCARD int httpd_tls_reload(struct httpd_tls *tls, struct error *err);

/* For gnutls_certificate_set_retrieve_function2(): valid for a handshake's time. */
void httpd_tls_certificate(
	struct httpd_tls *tls, gnutls_pcert_st **ret, unsigned *ret_n, gnutls_privkey_t *ret_key);
/* PEM of the CAs for clients, as it was at the start; NULL: none are asked for. */
const char *httpd_tls_client_ca(const struct httpd_tls *tls);

enum httpd_tls_client {
	TLS_CLIENT_NONE,    /* no certificate was given */
	TLS_CLIENT_TRUSTED, /* *ret_name is its common name; caller frees */
	TLS_CLIENT_REFUSED, /* not of these CAs, expired, or for another purpose */
};
enum httpd_tls_client httpd_tls_client(
	struct httpd_tls *tls, gnutls_session_t session, char **ret_name);

/* As much of it as goes out without waiting; the count, or -1. */
ssize_t httpd_tls_send(gnutls_session_t session, const void *data, size_t len);
