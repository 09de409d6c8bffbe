#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../lib/answers.h"
#include "http/internal.h"

#define PROXY "http://proxy.example:3128"

static void without_options_the_environment_names_the_proxies(void **state)
{
	struct http_loop_options none = {.proxy = NULL};
	AUTO(proxy_clear) struct proxy p = {.https = NULL}, q = {.https = NULL};

	(void)state;
	assert_int_equal(setenv("https_proxy", "", 1), 0);
	assert_int_equal(setenv("HTTPS_PROXY", PROXY, 1), 0);
	assert_int_equal(setenv("HTTP_PROXY", "http://cgi.example", 1), 0);
	assert_int_equal(unsetenv("http_proxy"), 0);
	assert_int_equal(unsetenv("no_proxy"), 0);
	assert_int_equal(setenv("NO_PROXY", "a.example,b.example", 1), 0);
	proxy_init(&p, &none);
	assert_string_equal(p.https, PROXY);
	assert_null(p.http);
	assert_string_equal(p.bypass, "a.example,b.example");
	proxy_init(&q, &(struct http_loop_options){.proxy = "", .no_proxy = "c"});
	assert_null(q.https);
	assert_string_equal(q.bypass, "c");
	assert_int_equal(unsetenv("HTTPS_PROXY"), 0);
	assert_int_equal(unsetenv("HTTP_PROXY"), 0);
	assert_int_equal(unsetenv("NO_PROXY"), 0);
}

static void bypass_entries_name_hosts_domains_ports_and_networks(void **state)
{
	static const struct {
		const char *bypass, *url;
		bool through; /* the proxy */
	} cases[] = {
		{"", "https://h.example/", true},
		{"*", "https://h.example/", false},
		{"h.example", "https://h.example/", false},
		{"H.Example", "https://h.example/", false},
		{"example", "https://h.example/", false},
		{".example", "https://h.example/", false},
		{"*.example", "https://h.example/", false},
		{"ample", "https://h.example/", true},
		{"x.h.example", "https://h.example/", true},
		{"h.example:443", "https://h.example/", false},
		{"h.example:5000", "https://h.example/", true},
		{"h.example:x", "https://h.example/", true},
		{"a.example, h.example", "https://h.example/", false},
		{" , ,\th.example", "https://h.example/", false},
		{"10.0.0.0/8", "https://10.1.2.3/", false},
		{"10.0.0.0/8", "https://11.1.2.3/", true},
		{"10.0.0.0/9", "https://10.128.0.1/", true},
		{"10.0.0.0/99", "https://10.0.0.0/", true},
		{"10.0.0.0/x", "https://10.0.0.0/", true},
		{"10.1.2.3", "https://10.1.2.3/", false},
		{"fd00::/8", "https://[fd12::1]/", false},
		{"[fd12::1]", "https://[fd12::1]/", false},
		{"fd00::/8", "https://[fe80::1]/", true},
		{"10.0.0.0/8", "https://ten.example/", true},
		{"", "https://127.0.0.1/", true},
		{"", "http://h.example/", true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct http_loop_options o = {.proxy = PROXY, .no_proxy = cases[i].bypass};
		AUTO(proxy_clear) struct proxy p = {.https = NULL};
		AUTO(url_clear) struct url u = URL_INIT;
		const char *found;

		proxy_init(&p, &o);
		assert_int_equal(url_parse(cases[i].url, &u, NULL), 0);
		found = proxy_for(&p, &u);
		if (strcmp(found, cases[i].through ? PROXY : "") != 0)
			fail_msg("'%s' for %s: '%s'", cases[i].bypass, cases[i].url, found);
	}
}

static void a_proxy_of_the_environment_is_not_asked_for_this_machine(void **state)
{
	static const char *const here[] = {
		"http://localhost:5000/", "http://127.8.9.1/", "http://[::1]/"};
	AUTO(proxy_clear) struct proxy p = {.https = NULL};

	(void)state;
	assert_int_equal(setenv("http_proxy", PROXY, 1), 0);
	proxy_init(&p, &(struct http_loop_options){.proxy = NULL});
	for (size_t i = 0; i < ARRAY_SIZE(here); i++) {
		AUTO(url_clear) struct url u = URL_INIT;

		assert_int_equal(url_parse(here[i], &u, NULL), 0);
		assert_string_equal(proxy_for(&p, &u), "");
	}
	assert_int_equal(unsetenv("http_proxy"), 0);
}

/* A proxy that answers plain requests itself and refuses tunnels. */
static void play_proxy(struct peer_conn *c)
{
	while (peer_hear(c)) {
		int len = (int)strcspn(c->request, "\r");

		if (peer_heard(c, "CONNECT "))
			peer_say(c, "HTTP/1.1 403 No\r\nX-Mark: p\r\nContent-Length: 0\r\n\r\n");
		else
			peer_say(c,
				"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%.*s",
				len,
				len,
				c->request);
	}
}

static void requests_go_through_the_proxy_unless_the_host_says_no(void **state)
{
	AUTO(http_loop_freep) struct http_loop *loop = NULL;
	AUTO(answer_clear)
	struct answer a = {.done = false}, b = {.done = false}, c = {.done = false};
	struct http_request r = {.method = HTTP_GET, .body_max = 1024, .done = keep};
	AUTO_FREE char *proxy = NULL, *own = NULL;
	struct peer p;

	(void)state;
	peer_start(&p, play_proxy, NULL);
	proxy = xasprintf("http://127.0.0.1:%u", p.port);
	own = xasprintf("direct.example:%u", p.port);
	assert_int_equal(
		http_loop_new(&(struct http_loop_options){.proxy = proxy}, &loop, NULL), 0);
	assert_int_equal(
		http_host_set(
			loop, "plain.example", &(struct http_host_options){.plain = true}, NULL),
		0);
	assert_int_equal(
		http_host_set(loop,
			own,
			&(struct http_host_options){
				.plain = true, .no_proxy = true, .resolve_to = "127.0.0.1"},
			NULL),
		0);
	r.url = "http://plain.example/x";
	r.ctx = &a;
	http_start(loop, &r);
	r.url = "https://tls.example/x";
	r.ctx = &b;
	http_start(loop, &r);
	free(proxy);
	proxy = xasprintf("http://%s/x", own);
	r.url = proxy;
	r.ctx = &c;
	http_start(loop, &r);
	await(loop, &a, 1);
	await(loop, &b, 1);
	await(loop, &c, 1);
	assert_string_equal(a.body, "GET http://plain.example/x HTTP/1.1");
	assert_int_equal(b.err.code, ERR_TEMP);
	assert_int_equal(b.status, 0);
	assert_null(b.marked);
	assert_string_equal(c.body, "GET /x HTTP/1.1");
	peer_stop(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_options_the_environment_names_the_proxies),
		cmocka_unit_test(bypass_entries_name_hosts_domains_ports_and_networks),
		cmocka_unit_test(a_proxy_of_the_environment_is_not_asked_for_this_machine),
		cmocka_unit_test(requests_go_through_the_proxy_unless_the_host_says_no),
	};

	return cmocka_run_group_tests_name("http/proxy", tests, NULL, NULL);
}
