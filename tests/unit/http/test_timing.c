#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../lib/answers.h"
#include "http/internal.h"

#define DELAY_MS 60 /* of the peer; well above what a busy machine adds by itself */
#define STALL_MS                                                                                  \
	150           /* time-outs of a request, counted from the round of the loop that began it \
		       */
#define MARGIN_US 500 /* of the clocks on both sides against each other */

static uint64_t us(uint64_t ms)
{
	return ms * 1000;
}

static void rest(uint64_t ms)
{
	(void)poll(NULL, 0, (int)ms);
}

/*
 * "/slow" waits before its answer, "/stuck" after half of its body, "/mute" for ever before it,
 * "/away" leads to the other peer after a wait, "/hints" sends an interim answer at once.
 */
static void play(struct peer_conn *c)
{
	const struct peer *other = c->peer->ctx;

	while (peer_hear(c)) {
		(void)peer_take(c, NULL, c->content_length);
		if (peer_heard(c, " /hints"))
			peer_say(c, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n");
		if (peer_heard(c, " /slow") || peer_heard(c, " /away") || peer_heard(c, " /hints"))
			rest(DELAY_MS);
		if (peer_heard(c, " /mute"))
			peer_linger(c);
		else if (peer_heard(c, " /stuck"))
			peer_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok");
		else if (peer_heard(c, " /away"))
			peer_say(c,
				"HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:%u/end\r\n"
				"Content-Length: 0\r\n\r\n",
				other->port);
		else
			peer_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
	}
}

static const struct http_request get = {.method = HTTP_GET, .max_redirects = HTTP_REDIRECTS_MAX};
static const struct http_request fresh_get = {.method = HTTP_GET, .fresh = true};

static void ask(struct http_loop *loop, struct peer *p, const char *path, struct http_request r,
	struct answer *a)
{
	answer_clear(a);
	start(loop, p, path, r, a);
	await(loop, a, 1);
}

static void a_delay_of_the_peer_is_the_wait_on_new_and_old_connections(void **state)
{
	AUTO(http_loop_freep) struct http_loop *loop = NULL;
	AUTO(answer_clear) struct answer a = {.done = false};
	struct peer p;

	(void)state;
	peer_start(&p, play, NULL);
	loop = loop_plain(&p, NULL);
	for (unsigned i = 0; i < 3; i++) {
		ask(loop, &p, i == 2 ? "/hints" : "/slow", get, &a);
		assert_int_equal(a.status, 200);
		assert_true(a.timing.fresh == (i == 0));
		assert_true(a.timing.wait_us >= us(DELAY_MS) - MARGIN_US);
		assert_true(a.timing.wait_us < us(PATIENCE_MS));
		/* The connection's part is known of a new one alone. */
		assert_true((a.timing.tcp_us > 0) == (i == 0));
		assert_true(i == 0 || a.timing.name_us == 0);
		assert_int_equal(a.timing.tls_us, 0);
		assert_int_equal(
			a.timing.ttfb_us, a.timing.name_us + a.timing.tcp_us + a.timing.wait_us);
		assert_int_equal(a.ttfb_us, a.timing.ttfb_us);
		assert_true(a.total_us >= a.ttfb_us);
		assert_int_equal(a.front_us, 0);
	}
	assert_int_equal(atomic_load(&p.n_conns), 1);
	peer_stop(&p);
}

static void the_wait_in_the_queue_is_no_part_of_the_times(void **state)
{
	AUTO(http_loop_freep) struct http_loop *loop = NULL;
	struct answer a[2] = {{.done = false}};
	uint64_t begin_us = timing_now_us(), all_us;
	struct peer p;

	(void)state;
	peer_start(&p, play, NULL);
	loop = loop_plain(&p, &(struct http_host_options){.connections = 1});
	start(loop, &p, "/slow", get, &a[0]);
	start(loop, &p, "/", get, &a[1]);
	await(loop, a, 2);
	all_us = timing_now_us() - begin_us;
	/* One ran behind the other: the second waited in the queue for as long as the first ran. */
	assert_int_equal(atomic_load(&p.n_conns), 1);
	assert_true(a[0].total_us >= us(DELAY_MS) - MARGIN_US);
	assert_true(a[0].total_us + a[1].total_us <= all_us);
	assert_true(a[1].timing.ttfb_us <= a[1].total_us);
	answer_clear(&a[0]);
	answer_clear(&a[1]);
	peer_stop(&p);
}

static void the_wait_for_the_answer_to_an_upload_begins_behind_its_body(void **state)
{
	static const char body[] = "0123456789";
	const struct http_request put = {
		.method = HTTP_PUT, .body = body, .body_size = sizeof(body)};
	AUTO(http_loop_freep) struct http_loop *loop = NULL;
	AUTO(answer_clear) struct answer a = {.done = false};
	struct peer p;

	(void)state;
	peer_start(&p, play, NULL);
	loop = loop_plain(&p, NULL);
	ask(loop, &p, "/slow", put, &a);
	assert_int_equal(a.status, 200);
	assert_true(a.timing.wait_us >= us(DELAY_MS) - MARGIN_US);
	peer_stop(&p);
}

static void a_fresh_request_opens_a_connection_and_leaves_none(void **state)
{
	AUTO(http_loop_freep) struct http_loop *loop = NULL;
	AUTO(answer_clear) struct answer a = {.done = false};
	struct peer p;

	(void)state;
	peer_start(&p, play, NULL);
	loop = loop_plain(&p, NULL);
	ask(loop, &p, "/", get, &a);
	for (unsigned i = 0; i < 3; i++) {
		ask(loop, &p, "/", fresh_get, &a);
		assert_int_equal(a.status, 200);
		assert_true(a.timing.fresh && a.timing.tcp_us > 0);
		assert_int_equal(atomic_load(&p.n_conns), 2 + i);
		/* The handle is as it was: the first request's connection is used again. */
		ask(loop, &p, "/", get, &a);
		assert_false(a.timing.fresh);
		assert_int_equal(atomic_load(&p.n_conns), 2 + i);
	}
	/* Of those that were opened only the first one is open. */
	assert_int_equal(loop->n_sockets, 1);
	peer_stop(&p);
}

static void the_cost_of_a_redirect_stands_apart_from_the_last_hop(void **state)
{
	AUTO(http_loop_freep) struct http_loop *loop = NULL;
	AUTO(answer_clear) struct answer a = {.done = false};
	AUTO_FREE char *host = NULL;
	struct peer home, other;

	(void)state;
	peer_start(&other, play, NULL);
	peer_start(&home, play, &other);
	loop = loop_plain(&home, NULL);
	host = xasprintf("127.0.0.1:%u", other.port);
	assert_int_equal(
		http_host_set(loop, host, &(struct http_host_options){.plain = true}, NULL), 0);
	for (unsigned i = 0; i < 2; i++) {
		struct http_request r = get;

		r.fresh = i == 1;
		ask(loop, &home, "/away", r, &a);
		assert_int_equal(a.status, 200);
		assert_int_equal(a.redirects, 1);
		assert_true(a.front_us >= us(DELAY_MS) - MARGIN_US);
		assert_true(a.timing.fresh);
		assert_true(a.total_us >= a.front_us + a.timing.ttfb_us);
		/* Each hop of a fresh request has a connection of its own. */
		assert_int_equal(atomic_load(&home.n_conns), 1 + i);
		assert_int_equal(atomic_load(&other.n_conns), 1 + i);
	}
	peer_stop(&home);
	peer_stop(&other);
}

static void the_patience_of_a_request_goes_before_that_of_its_host(void **state)
{
	static const struct {
		const char *path;
		struct http_request request;
	} cases[] = {
		{"/stuck", {.method = HTTP_GET, .stall_ms = STALL_MS}},
		{"/mute", {.method = HTTP_GET, .first_byte_ms = STALL_MS}},
		{"/mute", {.method = HTTP_PUT, .first_byte_ms = STALL_MS}},
	};
	AUTO(http_loop_freep) struct http_loop *loop = NULL;
	AUTO(answer_clear) struct answer a = {.done = false};
	struct peer p;

	(void)state;
	peer_start(&p, play, NULL);
	loop = loop_plain(&p, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		ask(loop, &p, cases[i].path, cases[i].request, &a);
		assert_int_equal(a.err.code, ERR_TEMP);
		assert_int_equal(a.err.sys, ETIMEDOUT);
		assert_true(a.total_us >= us(STALL_MS) / 2);
		/* What the connection cost is known all the same. */
		assert_true(a.timing.fresh && a.timing.tcp_us > 0);
	}
	assert_int_equal(a.ttfb_us, 0);
	peer_stop(&p);
}

/* A longer patience than the host's also counts. */
static void a_request_may_be_more_patient_than_its_host(void **state)
{
	const struct http_host_options hasty = {.first_byte_ms = DELAY_MS / 2};
	struct http_request patient = get;
	AUTO(http_loop_freep) struct http_loop *loop = NULL;
	AUTO(answer_clear) struct answer a = {.done = false};
	struct peer p;

	(void)state;
	peer_start(&p, play, NULL);
	loop = loop_plain(&p, &hasty);
	ask(loop, &p, "/slow", get, &a);
	assert_int_equal(a.err.sys, ETIMEDOUT);
	patient.first_byte_ms = PATIENCE_MS;
	ask(loop, &p, "/slow", patient, &a);
	assert_int_equal(a.status, 200);
	peer_stop(&p);
}

/*
 * Connections that nobody accepts: the listener's queue is full, and the kernel drops what
 * comes then.
 */
static void a_request_may_have_its_own_time_for_a_connection(void **state)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), filler[4];
	AUTO(http_loop_freep) struct http_loop *loop = NULL;
	AUTO(answer_clear) struct answer a = {.done = false};
	struct http_request r = get;
	socklen_t len = sizeof(at);
	struct peer nobody = {.listener = -1};

	(void)state;
	assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(listener, 0), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
	nobody.port = ntohs(at.sin_port);
	for (size_t i = 0; i < ARRAY_SIZE(filler); i++) {
		filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void)connect(filler[i], (struct sockaddr *)&at, sizeof(at));
	}
	loop = loop_plain(&nobody, &(struct http_host_options){.connect_ms = PATIENCE_MS * 2});
	r.connect_ms = STALL_MS;
	ask(loop, &nobody, "/", r, &a);
	assert_int_equal(a.err.code, ERR_TEMP);
	assert_int_equal(a.status, 0);
	assert_string_equal(a.timing.address, "");
	assert_true(a.total_us >= us(STALL_MS) / 2);
	for (size_t i = 0; i < ARRAY_SIZE(filler); i++)
		(void)close(filler[i]);
	(void)close(listener);
}

static void the_address_of_the_peer_and_the_round_trip_to_it_are_told(void **state)
{
	AUTO(http_loop_freep) struct http_loop *loop = NULL;
	AUTO(answer_clear) struct answer a = {.done = false};
	struct peer p;

	(void)state;
	peer_start(&p, play, NULL);
	loop = loop_plain(&p, NULL);
	for (unsigned i = 0; i < 3; i++) {
		ask(loop, &p, "/slow", i == 2 ? fresh_get : get, &a);
		assert_string_equal(a.timing.address, "127.0.0.1");
		assert_false(a.timing.proxied);
		/* The delay is the peer's, not the way's. */
		assert_true(a.timing.min_rtt_us > 0);
		assert_true(a.timing.min_rtt_us < us(DELAY_MS));
	}
	peer_stop(&p);
}

static void behind_a_proxy_no_round_trip_is_told(void **state)
{
	AUTO_FREE char *proxy = NULL;
	AUTO(http_loop_freep) struct http_loop *loop = NULL;
	AUTO(answer_clear) struct answer a = {.done = false};
	struct peer p, far = {.port = 80};

	(void)state;
	peer_start(&p, play, NULL);
	proxy = xasprintf("http://127.0.0.1:%u", p.port);
	assert_int_equal(
		http_loop_new(&(struct http_loop_options){.proxy = proxy}, &loop, NULL), 0);
	assert_int_equal(
		http_host_set(
			loop, "127.0.0.1:80", &(struct http_host_options){.plain = true}, NULL),
		0);
	ask(loop, &far, "/slow", get, &a);
	assert_int_equal(a.status, 200);
	assert_true(a.timing.proxied);
	assert_int_equal(a.timing.min_rtt_us, 0);
	assert_true(a.timing.wait_us > 0);
	peer_stop(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_delay_of_the_peer_is_the_wait_on_new_and_old_connections),
		cmocka_unit_test(the_wait_in_the_queue_is_no_part_of_the_times),
		cmocka_unit_test(the_wait_for_the_answer_to_an_upload_begins_behind_its_body),
		cmocka_unit_test(a_fresh_request_opens_a_connection_and_leaves_none),
		cmocka_unit_test(the_cost_of_a_redirect_stands_apart_from_the_last_hop),
		cmocka_unit_test(the_patience_of_a_request_goes_before_that_of_its_host),
		cmocka_unit_test(a_request_may_be_more_patient_than_its_host),
		cmocka_unit_test(a_request_may_have_its_own_time_for_a_connection),
		cmocka_unit_test(the_address_of_the_peer_and_the_round_trip_to_it_are_told),
		cmocka_unit_test(behind_a_proxy_no_round_trip_is_told),
	};

	return cmocka_run_group_tests_name("http/timing", tests, NULL, NULL);
}
