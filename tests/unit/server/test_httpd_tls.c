#include "scene.h"

#include "../scratch.h"
#include "pki.h"

static const char get[] = "GET /x HTTP/1.1\r\nHost: h\r\n\r\n";

struct place {
	struct pki ca, other_ca, server, renewed, client, stranger;
	char *cert, *key, *client_ca;
};

static void place_set_up(struct place *p, const char *folder)
{
	p->ca = pki_new("test CA", NULL, false);
	p->other_ca = pki_new("another CA", NULL, false);
	p->server = pki_new("first", &p->ca, false);
	p->renewed = pki_new("second", &p->ca, false);
	p->client = pki_new("kubelet-7", &p->ca, true);
	p->stranger = pki_new("kubelet-7", &p->other_ca, true);
	pki_save(&p->ca, folder, "ca");
	pki_save(&p->server, folder, "server");
	p->cert = xasprintf("%s/server.crt", folder);
	p->key = xasprintf("%s/server.key", folder);
	p->client_ca = xasprintf("%s/ca.crt", folder);
}

static void place_clear(struct place *p)
{
	pki_free(&p->ca);
	pki_free(&p->other_ca);
	pki_free(&p->server);
	pki_free(&p->renewed);
	pki_free(&p->client);
	pki_free(&p->stranger);
	free(p->cert);
	free(p->key);
	free(p->client_ca);
}

static struct httpd_options tls_options(const struct place *p, bool clients)
{
	return (struct httpd_options){
		.tls_cert = p->cert, .tls_key = p->key, .client_ca = clients ? p->client_ca : NULL};
}

/* ---- a client ---- */

struct tls {
	int fd;
	gnutls_session_t session;
	gnutls_certificate_credentials_t credentials;
	char *server; /* common name of its certificate */
};

static struct tls tls_connect(const struct scene *s, const struct place *p, const struct pki *as)
{
	struct tls t = {.fd = scene_connect(s)};
	size_t len = 0;
	const gnutls_datum_t *raw;
	gnutls_x509_crt_t cert;
	unsigned n;
	gnutls_x509_crt_t own;

	pki_must(gnutls_certificate_allocate_credentials(&t.credentials));
	pki_must(gnutls_certificate_set_x509_trust(
		t.credentials, (gnutls_x509_crt_t *)(intptr_t)&p->ca.cert, 1));
	if (as) {
		own = as->cert;
		pki_must(gnutls_certificate_set_x509_key(t.credentials, &own, 1, as->key));
	}
	pki_must(gnutls_init(&t.session, GNUTLS_CLIENT | GNUTLS_FORCE_CLIENT_CERT));
	pki_must(gnutls_set_default_priority(t.session));
	pki_must(gnutls_credentials_set(t.session, GNUTLS_CRD_CERTIFICATE, t.credentials));
	gnutls_session_set_verify_cert(t.session, "127.0.0.1", 0);
	gnutls_transport_set_int(t.session, t.fd);
	pki_must(gnutls_handshake(t.session));
	raw = gnutls_certificate_get_peers(t.session, &n);
	assert_non_null(raw);
	pki_must(gnutls_x509_crt_init(&cert));
	pki_must(gnutls_x509_crt_import(cert, raw, GNUTLS_X509_FMT_DER));
	(void)gnutls_x509_crt_get_dn_by_oid(cert, GNUTLS_OID_X520_COMMON_NAME, 0, 0, NULL, &len);
	t.server = xcalloc(len + 1, 1);
	pki_must(gnutls_x509_crt_get_dn_by_oid(
		cert, GNUTLS_OID_X520_COMMON_NAME, 0, 0, t.server, &len));
	gnutls_x509_crt_deinit(cert);
	return t;
}

static void tls_close(struct tls *t)
{
	gnutls_deinit(t->session);
	gnutls_certificate_free_credentials(t->credentials);
	(void)close(t->fd);
	free(t->server);
}

static bool tls_send(struct tls *t, const void *data, size_t len)
{
	for (const char *p = data; len > 0;) {
		ssize_t n = gnutls_record_send(t->session, p, len);

		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

static void tls_hear(struct tls *t, struct reply *r)
{
	size_t len = 0;

	memset(r, 0, sizeof(*r));
	while (len < 4 || strcmp(r->head + len - 4, "\r\n\r\n") != 0) {
		if (len == WIRE_HEAD_MAX - 1 ||
			gnutls_record_recv(t->session, r->head + len, 1) != 1)
			return;
		len++;
	}
	r->status = (int)strtol(r->head + 9, NULL, 10);
	r->length = strtoull(wire_field(r, "Content-Length"), NULL, 10);
	while (r->got < r->length) {
		char scrap[16384];
		ssize_t n = gnutls_record_recv(t->session, scrap, sizeof(scrap));

		if (n <= 0)
			return;
		if (r->got + (uint64_t)n <= WIRE_BODY_MAX)
			memcpy(r->body + r->got, scrap, (size_t)n);
		r->got += (uint64_t)n;
	}
	r->whole = true;
}

static struct reply *tls_ask(struct tls *t, struct reply *r, const char *request)
{
	assert_true(tls_send(t, request, strlen(request)));
	tls_hear(t, r);
	return r;
}

/* ---- tests ---- */

static void everything_goes_over_tls_too(void **state)
{
	static const char not_now[] =
		"PUT /not-now HTTP/1.1\r\nHost: h\r\nContent-Length: 500000\r\n\r\n";
	static char block[100000];
	struct place p;
	struct scene s;
	struct reply r;
	struct tls t;

	place_set_up(&p, *state);
	scene_start(&s, tls_options(&p, false));
	t = tls_connect(&s, &p, NULL);
	assert_string_equal(t.server, "first");
	tls_ask(&t, &r, get);
	assert_string_equal(r.body, "GET /x q=(none) got=0 peer=127.0.0.1 client=(none)");
	tls_ask(&t, &r, "GET /file?n=4096 HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_true(r.whole);
	assert_int_equal(r.got, FILE_SIZE - 4096);
	assert_int_equal(r.body[4096], 2);
	tls_ask(&t, &r, "PUT /defer HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc");
	assert_non_null(strstr(r.body, "got=3 "));
	assert_true(tls_send(&t, not_now, sizeof(not_now) - 1));
	for (int i = 0; i < 5; i++)
		assert_true(tls_send(&t, block, sizeof(block)));
	tls_hear(&t, &r);
	assert_non_null(strstr(r.body, "got=500000 "));
	tls_close(&t);
	scene_stop(&s);
	place_clear(&p);
}

static void an_answer_in_the_midst_of_a_large_body_is_read_over_tls(void **state)
{
	static const char request[] =
		"PUT /late HTTP/1.1\r\nHost: h\r\nContent-Length: 90000000\r\n\r\n";
	static char block[16000];
	struct place p;
	struct scene s;
	struct reply r;
	struct tls t;

	place_set_up(&p, *state);
	scene_start(&s, tls_options(&p, false));
	t = tls_connect(&s, &p, NULL);
	assert_true(tls_send(&t, request, sizeof(request) - 1));
	for (int i = 0; i < 200; i++)
		if (!tls_send(&t, block, sizeof(block)))
			break;
	tls_hear(&t, &r);
	assert_int_equal(r.status, 507);
	assert_string_equal(r.body, "full\n");
	tls_close(&t);
	scene_stop(&s);
	place_clear(&p);
}

static void a_renewed_certificate_is_for_new_connections(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct place p;
	struct scene s;
	struct reply r;
	struct tls old, t;

	place_set_up(&p, *state);
	scene_start(&s, tls_options(&p, false));
	old = tls_connect(&s, &p, NULL);
	pki_save(&p.renewed, *state, "server");
	for (int i = 0; i < 3; i++) {
		assert_int_equal(httpd_reload(s.httpd, &err), 0);
		t = tls_connect(&s, &p, NULL);
		assert_string_equal(t.server, "second");
		assert_int_equal(tls_ask(&t, &r, get)->status, 200);
		tls_close(&t);
	}
	assert_int_equal(tls_ask(&old, &r, get)->status, 200);
	tls_close(&old);
	scene_stop(&s);
	place_clear(&p);
}

static void a_reload_that_fails_leaves_what_was(void **state)
{
	unsigned char text[] = "rubbish";
	const gnutls_datum_t rubbish = {.data = text, .size = 7};
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct place p;
	struct scene s;
	struct tls t;

	place_set_up(&p, *state);
	scene_start(&s, tls_options(&p, false));
	/* The certificate is new, its key not yet. */
	pki_save(&p.renewed, *state, "server");
	{
		gnutls_datum_t pem;

		pki_must(gnutls_x509_privkey_export2_pkcs8(
			p.server.key, GNUTLS_X509_FMT_PEM, NULL, 0, &pem));
		pki_write(*state, "server.key", &pem);
		gnutls_free(pem.data);
	}
	assert_int_equal(httpd_reload(s.httpd, &err), -ERR_USAGE);
	assert_non_null(strstr(error_text(&err), "the key is not the certificate's"));
	assert_non_null(strstr(error_text(&err), p.key));
	error_clear(&err);
	pki_write(*state, "server.crt", &rubbish);
	assert_int_equal(httpd_reload(s.httpd, &err), -ERR_USAGE);
	assert_non_null(strstr(error_text(&err), p.cert));
	t = tls_connect(&s, &p, NULL);
	assert_string_equal(t.server, "first");
	tls_close(&t);
	scene_stop(&s);
	place_clear(&p);
}

static void a_clients_certificate_is_verified_and_named(void **state)
{
	struct place p;
	struct scene s;
	struct reply r;
	struct tls t;

	place_set_up(&p, *state);
	scene_start(&s, tls_options(&p, true));
	t = tls_connect(&s, &p, NULL);
	assert_non_null(strstr(tls_ask(&t, &r, get)->body, "client=(none)"));
	tls_close(&t);
	t = tls_connect(&s, &p, &p.client);
	for (int i = 0; i < 3; i++)
		assert_non_null(strstr(tls_ask(&t, &r, get)->body, "client=kubelet-7"));
	tls_close(&t);
	/* Of another CA, though of the same name; and one that is for servers. */
	t = tls_connect(&s, &p, &p.stranger);
	assert_int_equal(tls_ask(&t, &r, get)->status, 403);
	tls_close(&t);
	t = tls_connect(&s, &p, &p.server);
	assert_int_equal(tls_ask(&t, &r, get)->status, 403);
	tls_close(&t);
	scene_stop(&s);
	place_clear(&p);
	assert_int_equal(atomic_load(&s.begun), 4);
}

static void who_speaks_http_to_the_tls_port_is_told_so(void **state)
{
	struct place p;
	struct scene s;
	struct reply r;
	int fd;

	place_set_up(&p, *state);
	scene_start(&s, tls_options(&p, false));
	fd = scene_connect(&s);
	assert_true(wire_say(fd, "%s", get));
	wire_hear(fd, &r, false);
	assert_int_equal(r.status, 400);
	(void)close(fd);
	/* Neither HTTP nor TLS, and TLS that is none. */
	fd = scene_connect(&s);
	assert_true(wire_say(fd, "\x16\x03\x01rubbish rubbish rubbish"));
	assert_true(wire_is_over(fd, 5000) || recv(fd, r.head, 1, 0) == 1);
	(void)close(fd);
	scene_stop(&s);
	place_clear(&p);
	assert_int_equal(atomic_load(&s.begun), 0);
}

static void a_handshake_that_stops_is_given_up(void **state)
{
	struct httpd_options o;
	struct place p;
	struct scene s;
	int fd;

	place_set_up(&p, *state);
	o = tls_options(&p, false);
	o.idle_ms = 300;
	scene_start(&s, o);
	fd = scene_connect(&s);
	assert_true(wire_send(fd, "\x16\x03\x01\x02\x00\x01\x00", 7));
	assert_true(wire_is_over(fd, 5000));
	(void)close(fd);
	scene_stop(&s);
	place_clear(&p);
}

static void what_is_wrong_with_the_files_is_said(void **state)
{
	AUTO_FREE char *absent = xasprintf("%s/absent", (const char *)*state);
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct httpd_options o = {
		.socket_fd = -1, .listen = "127.0.0.1:0", .handler = &scene_handler};
	struct httpd *h = NULL;
	struct place p;

	place_set_up(&p, *state);
	o.tls_cert = absent;
	o.tls_key = p.key;
	assert_int_equal(httpd_start(&o, &h, &err), -ERR_USAGE);
	assert_non_null(strstr(error_text(&err), absent));
	error_clear(&err);
	o.tls_cert = p.cert;
	o.tls_key = p.cert;
	assert_int_equal(httpd_start(&o, &h, &err), -ERR_USAGE);
	assert_non_null(strstr(error_text(&err), p.cert));
	error_clear(&err);
	o.tls_key = p.key;
	o.client_ca = p.key;
	assert_int_equal(httpd_start(&o, &h, &err), -ERR_USAGE);
	assert_non_null(strstr(error_text(&err), p.key));
	assert_null(h);
	place_clear(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_unit_test(everything_goes_over_tls_too),
		scratch_unit_test(an_answer_in_the_midst_of_a_large_body_is_read_over_tls),
		scratch_unit_test(a_renewed_certificate_is_for_new_connections),
		scratch_unit_test(a_reload_that_fails_leaves_what_was),
		scratch_unit_test(a_clients_certificate_is_verified_and_named),
		scratch_unit_test(who_speaks_http_to_the_tls_port_is_told_so),
		scratch_unit_test(a_handshake_that_stops_is_given_up),
		scratch_unit_test(what_is_wrong_with_the_files_is_said),
	};

	return cmocka_run_group_tests_name("server/httpd_tls", tests, NULL, NULL);
}
