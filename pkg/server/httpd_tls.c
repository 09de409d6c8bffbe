/* httpd_tls.c - the server's certificate, and those of its clients, over GnuTLS. */
#include "server/httpd_tls.h"

#include <fcntl.h>
#include <gnutls/x509.h>
#include <pthread.h>

#include "server/httpd.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/mem.h"

#define CHAIN_MAX 16u /* certificates in a chain; real ones have two to four */
/* A handshake has ended by then, one way or another: it counts as a header (httpd_watch.c). */
#define RETIRED_MS   (2 * (uint64_t)HTTPD_IDLE_SEC * 1000)
#define KEY_ID_BYTES 32 /* of SHA-256 */

/* One certificate with its key, and the clients' CAs that were read with it. */
struct identity {
	gnutls_pcert_st chain[CHAIN_MAX];
	unsigned n;
	gnutls_privkey_t key;
	gnutls_x509_trust_list_t clients; /* NULL: none */
	uint64_t retired_ms;
	struct identity *older; /* that it replaced, and some handshake may still use */
};

struct httpd_tls {
	char *cert, *key, *client_ca; /* paths */
	char *client_pem;
	pthread_mutex_t lock;
	struct identity *newest;
};

static void identity_free(struct identity *i)
{
	if (!i)
		return;
	for (unsigned n = 0; n < i->n; n++)
		gnutls_pcert_deinit(&i->chain[n]);
	if (i->key)
		gnutls_privkey_deinit(i->key);
	if (i->clients)
		gnutls_x509_trust_list_deinit(i->clients, 1);
	free(i);
}
DEFINE_CLEANUP(struct identity *, identity_free);

/* Whatever is wrong with it, it is the user's file. */
static int read_pem(const char *path, struct buf *ret, struct error *err)
{
	AUTO(error_clear) struct error why = ERROR_INIT;

	if (file_read(AT_FDCWD, path, ret, &why) < 0)
		return error_set(err, ERR_USAGE, "%s", error_text(&why));
	return 0;
}

static gnutls_datum_t datum(const struct buf *b)
{
	return (gnutls_datum_t){.data = (unsigned char *)b->data, .size = (unsigned)b->len};
}

static int load_chain(struct identity *i, const char *path, struct error *err)
{
	AUTO(buf_clear) struct buf pem = BUF_INIT(TLS_FILE_MAX);
	gnutls_datum_t d;
	unsigned n = CHAIN_MAX;
	int rc = read_pem(path, &pem, err);

	if (rc < 0)
		return rc;
	d = datum(&pem);
	rc = gnutls_pcert_list_import_x509_raw(i->chain, &n, &d, GNUTLS_X509_FMT_PEM, 0);
	if (rc < 0)
		return error_set(err, ERR_USAGE, "certificate '%s': %s", path, gnutls_strerror(rc));
	i->n = n;
	return 0;
}

static int load_key(struct identity *i, const char *path, struct error *err)
{
	AUTO(buf_clear) struct buf pem = BUF_INIT(TLS_FILE_MAX);
	gnutls_datum_t d;
	int rc = read_pem(path, &pem, err);

	if (rc < 0)
		return rc;
	d = datum(&pem);
	rc = gnutls_privkey_init(&i->key);
	if (rc == 0)
		rc = gnutls_privkey_import_x509_raw(i->key, &d, GNUTLS_X509_FMT_PEM, NULL, 0);
	if (pem.data)
		explicit_bzero(pem.data, pem.len);
	if (rc < 0)
		return error_set(err, ERR_USAGE, "key '%s': %s", path, gnutls_strerror(rc));
	return 0;
}

static bool key_id(gnutls_pubkey_t key, unsigned char id[static KEY_ID_BYTES])
{
	size_t len = KEY_ID_BYTES;

	return gnutls_pubkey_get_key_id(key, GNUTLS_KEYID_USE_SHA256, id, &len) == 0 &&
	       len == KEY_ID_BYTES;
}

/* A certificate that was renewed while its key was not yet fails here, not at every client. */
static int check_pair(const struct identity *i, struct error *err)
{
	unsigned char of_cert[KEY_ID_BYTES], of_key[KEY_ID_BYTES];
	gnutls_pubkey_t key = NULL;
	bool same = false;

	if (gnutls_pubkey_init(&key) == 0) {
		same = gnutls_pubkey_import_privkey(key, i->key, 0, 0) == 0 &&
		       key_id(key, of_key) && key_id(i->chain[0].pubkey, of_cert) &&
		       memcmp(of_key, of_cert, KEY_ID_BYTES) == 0;
		gnutls_pubkey_deinit(key);
	}
	return same ? 0 : error_set(err, ERR_USAGE, "the key is not the certificate's");
}

static int load_clients(struct identity *i, const char *path, char **ret_pem, struct error *err)
{
	AUTO(buf_clear) struct buf pem = BUF_INIT(TLS_FILE_MAX);
	gnutls_datum_t d;
	int rc = read_pem(path, &pem, err);

	if (rc < 0)
		return rc;
	d = datum(&pem);
	rc = gnutls_x509_trust_list_init(&i->clients, 0);
	if (rc == 0)
		rc = gnutls_x509_trust_list_add_trust_mem(
			i->clients, &d, NULL, GNUTLS_X509_FMT_PEM, 0, 0);
	if (rc < 0)
		return error_set(err, ERR_USAGE, "CA '%s': %s", path, gnutls_strerror(rc));
	if (rc == 0)
		return error_set(err, ERR_USAGE, "CA '%s' holds no certificate", path);
	if (!*ret_pem)
		*ret_pem = buf_steal(&pem);
	return 0;
}

static int load(struct httpd_tls *tls, struct identity **ret, struct error *err)
{
	AUTO(identity_freep) struct identity *i = xcalloc(1, sizeof(*i));
	int rc = load_chain(i, tls->cert, err);

	if (rc == 0)
		rc = load_key(i, tls->key, err);
	if (rc == 0) {
		rc = check_pair(i, err);
		if (rc < 0)
			return error_wrap(err, rc, "'%s' and '%s'", tls->cert, tls->key);
	}
	if (rc == 0 && tls->client_ca)
		rc = load_clients(i, tls->client_ca, &tls->client_pem, err);
	if (rc == 0)
		*ret = steal(&i);
	return rc;
}

int httpd_tls_new(const char *cert, const char *key, const char *client_ca, struct httpd_tls **ret,
	struct error *err)
{
	AUTO(httpd_tls_freep) struct httpd_tls *tls = xcalloc(1, sizeof(*tls));
	int rc;

	(void)pthread_mutex_init(&tls->lock, NULL); /* cannot fail on Linux */
	tls->cert = xstrdup(cert);
	tls->key = xstrdup(key);
	tls->client_ca = xstrdup(client_ca);
	rc = load(tls, &tls->newest, err);
	if (rc == 0)
		*ret = steal(&tls);
	return rc;
}

static void free_all(struct identity *i)
{
	while (i) {
		struct identity *older = i->older;

		identity_free(i);
		i = older;
	}
}

void httpd_tls_free(struct httpd_tls *tls)
{
	if (!tls)
		return;
	free_all(tls->newest);
	(void)pthread_mutex_destroy(&tls->lock);
	free(tls->cert);
	free(tls->key);
	free(tls->client_ca);
	free(tls->client_pem);
	free(tls);
}

int httpd_tls_reload(struct httpd_tls *tls, struct error *err)
{
	const uint64_t now = clock_mono_ms();
	struct identity *fresh = NULL, *old = NULL;
	int rc = load(tls, &fresh, err);

	if (rc < 0)
		return rc;
	(void)pthread_mutex_lock(&tls->lock);
	fresh->older = tls->newest;
	fresh->older->retired_ms = now;
	tls->newest = fresh;
	/* Each is newer than the next, so one that is old enough ends the list. */
	for (struct identity *i = fresh->older; i && !old; i = i->older) {
		if (i->older && now - i->older->retired_ms > RETIRED_MS) {
			old = i->older;
			i->older = NULL;
		}
	}
	(void)pthread_mutex_unlock(&tls->lock);
	free_all(old);
	return 0;
}

void httpd_tls_certificate(
	struct httpd_tls *tls, gnutls_pcert_st **ret, unsigned *ret_n, gnutls_privkey_t *ret_key)
{
	(void)pthread_mutex_lock(&tls->lock);
	*ret = tls->newest->chain;
	*ret_n = tls->newest->n;
	*ret_key = tls->newest->key;
	(void)pthread_mutex_unlock(&tls->lock);
}

const char *httpd_tls_client_ca(const struct httpd_tls *tls)
{
	return tls->client_pem;
}

static char *common_name(gnutls_x509_crt_t cert)
{
	size_t len = 0;
	char *name;

	(void)gnutls_x509_crt_get_dn_by_oid(cert, GNUTLS_OID_X520_COMMON_NAME, 0, 0, NULL, &len);
	if (len == 0 || len > TLS_FILE_MAX)
		return NULL;
	name = xcalloc(len + 1, 1);
	if (gnutls_x509_crt_get_dn_by_oid(cert, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name, &len) == 0)
		return name;
	free(name);
	return NULL;
}

static bool is_trusted(struct httpd_tls *tls, gnutls_x509_crt_t *chain, unsigned n)
{
	char usage[] = GNUTLS_KP_TLS_WWW_CLIENT;
	gnutls_typed_vdata_st purpose = {
		.type = GNUTLS_DT_KEY_PURPOSE_OID, .data = (unsigned char *)usage};
	unsigned status = GNUTLS_CERT_INVALID;
	int rc;

	(void)pthread_mutex_lock(&tls->lock);
	rc = gnutls_x509_trust_list_verify_crt2(
		tls->newest->clients, chain, n, &purpose, 1, 0, &status, NULL);
	(void)pthread_mutex_unlock(&tls->lock);
	return rc == 0 && status == 0;
}

enum httpd_tls_client httpd_tls_client(
	struct httpd_tls *tls, gnutls_session_t session, char **ret_name)
{
	enum httpd_tls_client verdict = TLS_CLIENT_REFUSED;
	gnutls_x509_crt_t chain[CHAIN_MAX];
	const gnutls_datum_t *raw;
	unsigned n = 0, loaded = 0;
	char *name = NULL;

	raw = tls->client_ca ? gnutls_certificate_get_peers(session, &n) : NULL;
	if (!raw || n == 0)
		return TLS_CLIENT_NONE;
	for (; loaded < n && loaded < CHAIN_MAX; loaded++) {
		if (gnutls_x509_crt_init(&chain[loaded]) < 0)
			break;
		if (gnutls_x509_crt_import(chain[loaded], &raw[loaded], GNUTLS_X509_FMT_DER) < 0) {
			gnutls_x509_crt_deinit(chain[loaded]);
			break;
		}
	}
	if (loaded == n && is_trusted(tls, chain, n))
		name = common_name(chain[0]);
	while (loaded > 0)
		gnutls_x509_crt_deinit(chain[--loaded]);
	if (name) {
		*ret_name = name;
		verdict = TLS_CLIENT_TRUSTED;
	}
	return verdict;
}

ssize_t httpd_tls_send(gnutls_session_t session, const void *data, size_t len)
{
	ssize_t n = gnutls_record_send(session, data, len);

	return n < 0 ? -1 : n;
}
