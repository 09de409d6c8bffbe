/*
 * pki.h - throw-away certificates in PEM files, for tests of TLS.
 *
 * Included by test programs, which are one file each.
 */
#pragma once

#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdbool.h>
#include <time.h>

#include "util/clock.h"
#include "util/file.h"
#include "util/mem.h"

#define PKI_LIFE_SEC (3600 * 24)

struct pki {
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t cert;
};

static inline void pki_must(int rc)
{
	if (rc < 0) {
		(void)fprintf(stderr, "gnutls: %s\n", gnutls_strerror(rc));
		abort();
	}
}

/* A CA when issuer is NULL, else a certificate for localhost, or for a client of this name. */
static inline struct pki pki_new(const char *name, const struct pki *issuer, bool client)
{
	const unsigned char serial = (unsigned char)(1 + random_below(100));
	const unsigned char loopback[] = {127, 0, 0, 1};
	struct pki p;

	pki_must(gnutls_x509_privkey_init(&p.key));
	pki_must(gnutls_x509_privkey_generate(
		p.key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0));
	pki_must(gnutls_x509_crt_init(&p.cert));
	pki_must(gnutls_x509_crt_set_version(p.cert, 3));
	pki_must(gnutls_x509_crt_set_key(p.cert, p.key));
	pki_must(gnutls_x509_crt_set_serial(p.cert, &serial, 1));
	pki_must(gnutls_x509_crt_set_activation_time(p.cert, time(NULL) - 60));
	pki_must(gnutls_x509_crt_set_expiration_time(p.cert, time(NULL) + PKI_LIFE_SEC));
	pki_must(gnutls_x509_crt_set_dn_by_oid(
		p.cert, GNUTLS_OID_X520_COMMON_NAME, 0, name, (unsigned)strlen(name)));
	if (issuer) {
		pki_must(gnutls_x509_crt_set_key_purpose_oid(
			p.cert, client ? GNUTLS_KP_TLS_WWW_CLIENT : GNUTLS_KP_TLS_WWW_SERVER, 0));
		pki_must(gnutls_x509_crt_set_subject_alt_name(
			p.cert, GNUTLS_SAN_IPADDRESS, loopback, sizeof(loopback), 0));
		pki_must(gnutls_x509_crt_set_basic_constraints(p.cert, 0, -1));
	} else {
		pki_must(gnutls_x509_crt_set_basic_constraints(p.cert, 1, -1));
		pki_must(gnutls_x509_crt_set_key_usage(
			p.cert, GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN));
	}
	pki_must(gnutls_x509_crt_sign2(p.cert,
		issuer ? issuer->cert : p.cert,
		issuer ? issuer->key : p.key,
		GNUTLS_DIG_SHA256,
		0));
	return p;
}

static inline void pki_free(struct pki *p)
{
	gnutls_x509_privkey_deinit(p->key);
	gnutls_x509_crt_deinit(p->cert);
}

static inline void pki_write(const char *folder, const char *name, const gnutls_datum_t *pem)
{
	AUTO_FREE char *path = xasprintf("%s/%s", folder, name);

	if (file_publish(AT_FDCWD, path, pem->data, pem->size, NULL) < 0)
		abort();
}

/* <name>.crt and <name>.key below the folder. */
static inline void pki_save(const struct pki *p, const char *folder, const char *name)
{
	AUTO_FREE char *crt = xasprintf("%s.crt", name), *key = xasprintf("%s.key", name);
	gnutls_datum_t pem;

	pki_must(gnutls_x509_crt_export2(p->cert, GNUTLS_X509_FMT_PEM, &pem));
	pki_write(folder, crt, &pem);
	gnutls_free(pem.data);
	pki_must(gnutls_x509_privkey_export2_pkcs8(p->key, GNUTLS_X509_FMT_PEM, NULL, 0, &pem));
	pki_write(folder, key, &pem);
	gnutls_free(pem.data);
}
