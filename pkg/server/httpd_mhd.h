/* httpd_mhd.h - the functions that libmicrohttpd calls (httpd_request.c). */
#pragma once

#include <gnutls/abstract.h>
#include <microhttpd.h>

void mhd_on_connection(void *httpd, struct MHD_Connection *mhd, void **conn,
	enum MHD_ConnectionNotificationCode what);
int mhd_on_handshake(gnutls_session_t session, const gnutls_datum_t *asked, int n_asked,
	const gnutls_pk_algorithm_t *algorithms, int n_algorithms, gnutls_pcert_st **ret,
	unsigned *ret_n, gnutls_privkey_t *ret_key);
/* The request line as it was sent; what it returns is *request from then on. */
void *mhd_on_target(void *httpd, const char *target, struct MHD_Connection *mhd);
enum MHD_Result mhd_on_request(void *httpd, struct MHD_Connection *mhd, const char *url,
	const char *method, const char *version, const char *data, size_t *n, void **request);
void mhd_on_completed(void *httpd, struct MHD_Connection *mhd, void **request,
	enum MHD_RequestTerminationCode how);
