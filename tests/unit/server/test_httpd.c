#include "scene.h"

static const char get[] = "GET /x HTTP/1.1\r\nHost: h\r\n\r\n";

static void a_request_is_told_as_it_came(void **state)
{
	struct scene s;
	struct reply r;
	int fd;

	(void)state;
	scene_start(&s, (struct httpd_options){.listen = NULL});
	fd = scene_connect(&s);
	wire_ask(fd,
		&r,
		"PROPFIND /a%2Fb%3A?n=1%3D2&n=3&m HTTP/1.1\r\nHost: h\r\nX-Say: hi\r\n\r\n");
	assert_int_equal(r.status, 200);
	assert_string_equal(r.body, "PROPFIND /a/b: q=1=2 got=0 peer=127.0.0.1 client=(none)");
	assert_string_equal(wire_field(&r, "X-Echo"), "hi");
	assert_null(wire_field(&r, "X-Injected"));
	assert_non_null(wire_field(&r, "Date"));
	(void)close(fd);
	scene_stop(&s);
}

static void an_absolute_target_is_its_path(void **state)
{
	struct scene s;
	struct reply r;
	int fd;

	(void)state;
	scene_start(&s, (struct httpd_options){.listen = NULL});
	fd = scene_connect(&s);
	wire_ask(fd, &r, "GET http://h:1/y HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_non_null(strstr(r.body, "GET /y "));
	(void)close(fd);
	scene_stop(&s);
}

static void a_connection_serves_many_requests_also_pipelined(void **state)
{
	struct scene s;
	struct reply r;
	int fd;

	(void)state;
	scene_start(&s, (struct httpd_options){.listen = NULL});
	fd = scene_connect(&s);
	for (int i = 0; i < 50; i++)
		assert_int_equal(wire_ask(fd, &r, get)->status, 200);
	for (int i = 0; i < 10; i++)
		assert_true(wire_say(fd, "%s", get));
	for (int i = 0; i < 10; i++) {
		wire_hear(fd, &r, false);
		assert_int_equal(r.status, 200);
	}
	assert_int_equal(httpd_stats(s.httpd).connections, 1);
	assert_int_equal(httpd_stats(s.httpd).requests_total, 60);
	(void)close(fd);
	scene_stop(&s);
	assert_int_equal(atomic_load(&s.complete), 60);
}

static void head_has_the_length_and_no_body(void **state)
{
	struct scene s;
	struct reply r;
	int fd;

	(void)state;
	scene_start(&s, (struct httpd_options){.listen = NULL});
	fd = scene_connect(&s);
	wire_ask(fd, &r, "HEAD /file HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_int_equal(r.length, FILE_SIZE);
	wire_ask(fd, &r, "HEAD /big?n=12345 HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_int_equal(r.length, 12345);
	wire_ask(fd, &r, "HEAD /stream?n=777 HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_int_equal(r.length, 777);
	/* Nothing of a body is in the way. */
	assert_int_equal(wire_ask(fd, &r, get)->status, 200);
	(void)close(fd);
	scene_stop(&s);
	assert_int_equal(atomic_load(&s.streams_freed), 1);
}

static void answers_without_a_body_have_none(void **state)
{
	struct scene s;
	struct reply r;
	int fd;

	(void)state;
	scene_start(&s, (struct httpd_options){.listen = NULL});
	fd = scene_connect(&s);
	wire_ask(fd, &r, "GET /not-modified HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_int_equal(r.status, 304);
	assert_string_equal(wire_field(&r, "ETag"), "\"e\"");
	assert_int_equal(r.length, 1234);
	wire_ask(fd, &r, "GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_int_equal(r.status, 204);
	assert_null(wire_field(&r, "Content-Length"));
	assert_int_equal(wire_ask(fd, &r, get)->status, 200);
	(void)close(fd);
	scene_stop(&s);
}

static void a_file_goes_out_from_its_offset(void **state)
{
	static const uint64_t offset = 4096 * 77;
	struct scene s;
	struct reply r;
	int fd;

	(void)state;
	scene_start(&s, (struct httpd_options){.listen = NULL});
	fd = scene_connect(&s);
	wire_ask(fd, &r, "GET /file?n=315392 HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_int_equal(r.status, 200);
	assert_true(r.whole);
	assert_int_equal(r.got, FILE_SIZE - offset);
	for (size_t page = 0; page < WIRE_BODY_MAX / 4096; page++)
		assert_int_equal((unsigned char)r.body[page * 4096], (77 + page) & 0xff);
	(void)close(fd);
	scene_stop(&s);
	assert_int_equal(atomic_load(&s.bytes_out), FILE_SIZE - offset);
}

static void a_body_arrives_whole_with_a_length_and_in_chunks(void **state)
{
	static char block[100000];
	struct scene s;
	struct reply r;
	int fd;

	(void)state;
	scene_start(&s, (struct httpd_options){.listen = NULL});
	fd = scene_connect(&s);
	assert_true(wire_say(fd, "PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n"));
	for (int i = 0; i < 10; i++)
		assert_true(wire_send(fd, block, sizeof(block)));
	wire_hear(fd, &r, false);
	assert_non_null(strstr(r.body, "PUT /x q=(none) got=1000000 "));
	assert_true(
		wire_say(fd, "PATCH /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"));
	for (int i = 0; i < 10; i++) {
		assert_true(wire_say(fd, "186a0\r\n"));
		assert_true(wire_send(fd, block, sizeof(block)));
		assert_true(wire_say(fd, "\r\n"));
	}
	assert_true(wire_say(fd, "0\r\n\r\n"));
	wire_hear(fd, &r, false);
	assert_non_null(strstr(r.body, "PATCH /x q=(none) got=1000000 "));
	/* An empty body of either kind is the end at once. */
	wire_ask(fd, &r, "PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
	assert_non_null(strstr(r.body, "got=0 "));
	wire_ask(fd,
		&r,
		"PUT /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
	assert_non_null(strstr(r.body, "got=0 "));
	assert_int_equal(httpd_stats(s.httpd).bytes_in, 2000000);
	(void)close(fd);
	scene_stop(&s);
}

static void a_client_that_expects_100_gets_it_only_before_a_body_that_is_wanted(void **state)
{
	struct scene s;
	struct reply r;
	int fd;

	(void)state;
	scene_start(&s, (struct httpd_options){.listen = NULL});
	fd = scene_connect(&s);
	assert_true(wire_say(fd,
		"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"));
	assert_true(wire_hear_head(fd, &r));
	assert_non_null(strstr(r.head, " 100 "));
	assert_int_equal(wire_ask(fd, &r, "abc")->status, 200);
	assert_true(wire_say(fd,
		"PUT /early HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n"
		"Expect: 100-continue\r\n\r\n"));
	assert_true(wire_hear_head(fd, &r));
	assert_non_null(strstr(r.head, " 401 "));
	(void)close(fd);
	scene_stop(&s);
}

static void a_small_body_that_nobody_wants_is_read_and_the_connection_kept(void **state)
{
	struct scene s;
	struct reply r;
	int fd;

	(void)state;
	scene_start(&s, (struct httpd_options){.listen = NULL});
	fd = scene_connect(&s);
	wire_ask(fd, &r, "PUT /early HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nabcde");
	assert_int_equal(r.status, 401);
	assert_string_equal(wire_field(&r, "WWW-Authenticate"), "Basic realm=\"r\"");
	wire_ask(fd, &r, "GET /early HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_int_equal(r.status, 401);
	assert_null(wire_field(&r, "Connection"));
	assert_int_equal(wire_ask(fd, &r, get)->status, 200);
	(void)close(fd);
	scene_stop(&s);
	assert_int_equal(atomic_load(&s.bodies), 0);
}

/* The client is in the midst of sending when it is answered; a reset would lose the answer. */
static void refuses_a_large_body(struct scene *s, const char *path, int status)
{
	static char block[100000];
	struct reply r;
	int fd = scene_connect(s);

	assert_true(wire_say(
		fd, "PUT %s HTTP/1.1\r\nHost: h\r\nContent-Length: 50000000\r\n\r\n", path));
	for (int i = 0; i < 40; i++)
		if (!wire_send(fd, block, sizeof(block)))
			break;
	wire_sleep_ms(50);
	for (int i = 0; i < 40; i++)
		if (!wire_send(fd, block, sizeof(block)))
			break;
	wire_hear(fd, &r, false);
	assert_int_equal(r.status, status);
	assert_true(r.whole);
	assert_string_equal(wire_field(&r, "Connection"), "close");
	assert_true(wire_is_over(fd, 2000));
	(void)close(fd);
}

static void a_large_body_that_nobody_wants_ends_with_the_answer_and_not_a_reset(void **state)
{
	struct scene s;

	(void)state;
	scene_start(&s, (struct httpd_options){.listen = NULL});
	refuses_a_large_body(&s, "/early", 401);
	assert_int_equal(atomic_load(&s.bodies), 0);
	refuses_a_large_body(&s, "/late", 507);
	scene_stop(&s);
	assert_int_equal(atomic_load(&s.complete), 2);
}

static void an_answer_in_the_midst_of_a_small_body_keeps_the_connection(void **state)
{
	static char block[5000];
	struct scene s;
	struct reply r;
	int fd;

	(void)state;
	scene_start(&s, (struct httpd_options){.listen = NULL});
	fd = scene_connect(&s);
	assert_true(wire_say(fd, "PUT /late HTTP/1.1\r\nHost: h\r\nContent-Length: 50000\r\n\r\n"));
	for (int i = 0; i < 10; i++)
		assert_true(wire_send(fd, block, sizeof(block)));
	wire_hear(fd, &r, false);
	assert_int_equal(r.status, 507);
	assert_int_equal(wire_ask(fd, &r, get)->status, 200);
	(void)close(fd);
	scene_stop(&s);
}

static void a_request_can_wait_for_another_thread(void **state)
{
	static const char *const paths[] = {"/defer", "/defer-begin", "/resume-first"};
	struct scene s;
	struct reply r;
	int fd;

	(void)state;
	scene_start(&s, (struct httpd_options){.listen = NULL});
	fd = scene_connect(&s);
	for (size_t i = 0; i < 3 * ARRAY_SIZE(paths); i++) {
		assert_true(wire_say(fd,
			"PUT %s HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nabcd",
			paths[i % ARRAY_SIZE(paths)]));
		wire_hear(fd, &r, false);
		assert_int_equal(r.status, 200);
		assert_non_null(strstr(r.body, "got=4 "));
	}
	(void)close(fd);
	scene_stop(&s);
}

static void a_client_is_not_told_to_send_while_its_credentials_are_looked_at(void **state)
{
	struct scene s;
	struct reply r;
	int fd;

	(void)state;
	scene_start(&s, (struct httpd_options){.listen = NULL});
	fd = scene_connect(&s);
	assert_true(wire_say(fd,
		"PUT /defer-begin HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n"
		"Expect: 100-continue\r\n\r\n"));
	atomic_store(&s.hold, true);
	scene_await(&s.waiting, 1);
	wire_sleep_ms(50);
	assert_int_equal(recv(fd, r.head, 1, MSG_DONTWAIT), -1);
	atomic_store(&s.hold, false);
	assert_true(wire_hear_head(fd, &r));
	assert_non_null(strstr(r.head, " 100 "));
	assert_int_equal(wire_ask(fd, &r, "abc")->status, 200);
	(void)close(fd);
	scene_stop(&s);
}

static void a_body_that_is_not_wanted_now_comes_again_in_order(void **state)
{
	static char block[30000];
	struct scene s;
	struct reply r;
	int fd;

	(void)state;
	scene_start(&s, (struct httpd_options){.listen = NULL});
	fd = scene_connect(&s);
	assert_true(
		wire_say(fd, "PUT /not-now HTTP/1.1\r\nHost: h\r\nContent-Length: 300000\r\n\r\n"));
	for (int i = 0; i < 10; i++)
		assert_true(wire_send(fd, block, sizeof(block)));
	wire_hear(fd, &r, false);
	assert_non_null(strstr(r.body, "got=300000 "));
	assert_true(wire_say(
		fd, "PUT /not-now HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"));
	for (int i = 0; i < 10; i++) {
		assert_true(wire_say(fd, "7530\r\n"));
		assert_true(wire_send(fd, block, sizeof(block)));
		assert_true(wire_say(fd, "\r\n"));
	}
	assert_true(wire_say(fd, "0\r\n\r\n"));
	wire_hear(fd, &r, false);
	assert_non_null(strstr(r.body, "got=300000 "));
	(void)close(fd);
	scene_stop(&s);
}

static void a_stream_waits_for_its_bytes(void **state)
{
	struct scene s;
	struct reply r;
	int fd;

	(void)state;
	scene_start(&s, (struct httpd_options){.listen = NULL});
	fd = scene_connect(&s);
	assert_true(wire_say(fd, "GET /stream?n=3000000 HTTP/1.1\r\nHost: h\r\n\r\n"));
	scene_await(&s.waiting, 1);
	for (uint64_t at = 0; at <= 3000000; at += 500000) {
		atomic_store(&s.stream.position, at);
		wire_sleep_ms(30);
	}
	wire_hear(fd, &r, false);
	assert_true(r.whole);
	for (size_t i = 0; i < WIRE_BODY_MAX; i++)
		assert_int_equal((unsigned char)r.body[i], i % 251);
	assert_int_equal(wire_ask(fd, &r, get)->status, 200);
	(void)close(fd);
	scene_stop(&s);
	assert_int_equal(atomic_load(&s.streams_freed), 1);
	assert_true(atomic_load(&s.bytes_out) > 3000000);
}

static void a_stream_that_breaks_off_is_cut_short(void **state)
{
	struct scene s;
	struct reply r;
	int fd;

	(void)state;
	scene_start(&s, (struct httpd_options){.listen = NULL});
	atomic_store(&s.stream.position, UINT64_MAX);
	fd = scene_connect(&s);
	wire_ask(fd, &r, "GET /stream-broken?n=300000 HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_int_equal(r.status, 200);
	assert_int_equal(r.length, 300000);
	assert_false(r.whole);
	assert_true(r.got < 300000);
	(void)close(fd);
	scene_stop(&s);
	assert_int_equal(atomic_load(&s.broken), 1);
	assert_int_equal(atomic_load(&s.streams_freed), 1);
}

static void a_client_that_leaves_ends_its_request(void **state)
{
	struct scene s;
	int fd;

	(void)state;
	scene_start(&s, (struct httpd_options){.listen = NULL});
	/* in the midst of its body, while it is served, while it waits for us */
	fd = scene_connect(&s);
	assert_true(wire_say(fd, "PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc"));
	scene_await(&s.bodies, 1);
	(void)close(fd);
	scene_await(&s.broken, 1);
	fd = scene_connect(&s);
	assert_true(wire_say(fd, "GET /file HTTP/1.1\r\nHost: h\r\n\r\n"));
	scene_await(&s.begun, 2);
	(void)close(fd);
	scene_await(&s.broken, 2);
	atomic_store(&s.hold, true);
	fd = scene_connect(&s);
	assert_true(wire_say(fd, "GET /defer HTTP/1.1\r\nHost: h\r\n\r\n"));
	scene_await(&s.waiting, 1);
	(void)close(fd);
	wire_sleep_ms(50);
	assert_int_equal(atomic_load(&s.ended), 2);
	atomic_store(&s.hold, false);
	/* This one may count as complete: the kernel takes a small answer for a client that left.
	 */
	scene_await(&s.ended, 3);
	scene_stop(&s);
}

static void http_1_0_gets_its_answer_and_the_end(void **state)
{
	struct scene s;
	struct reply r;
	int fd;

	(void)state;
	scene_start(&s, (struct httpd_options){.listen = NULL});
	fd = scene_connect(&s);
	assert_int_equal(wire_ask(fd, &r, "GET /x HTTP/1.0\r\n\r\n")->status, 200);
	assert_true(wire_is_over(fd, 2000));
	(void)close(fd);
	scene_stop(&s);
}

static void where_it_cannot_listen_is_said(void **state)
{
	static const char *const wrong[] = {
		"", "5000", "127.0.0.1", "127.0.0.1:", "::1:5000", "127.0.0.1:http", "[::1]"};
	struct httpd_options o = {.socket_fd = -1, .handler = &scene_handler};
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct httpd *h = NULL;
	struct scene s;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		o.listen = wrong[i];
		assert_int_equal(httpd_start(&o, &h, &err), -ERR_USAGE);
		assert_non_null(strstr(error_text(&err), "is no address to listen at"));
		error_clear(&err);
	}
	scene_start(&s, (struct httpd_options){.listen = NULL});
	o.listen = httpd_address(s.httpd);
	assert_int_equal(httpd_start(&o, &h, &err), -ERR_IO);
	assert_int_equal(err.sys, EADDRINUSE);
	assert_non_null(strstr(error_text(&err), httpd_address(s.httpd)));
	assert_null(h);
	scene_stop(&s);
}

static void a_socket_that_was_handed_over_is_listened_at(void **state)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int given = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
	struct scene s;
	struct reply r;

	(void)state;
	assert_int_equal(bind(given, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(given, 5), 0);
	scene_start(&s, (struct httpd_options){.listen = "", .socket_fd = given});
	fd = scene_connect(&s);
	assert_int_equal(wire_ask(fd, &r, get)->status, 200);
	(void)close(fd);
	scene_stop(&s);
	(void)close(given);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_told_as_it_came),
		cmocka_unit_test(an_absolute_target_is_its_path),
		cmocka_unit_test(a_connection_serves_many_requests_also_pipelined),
		cmocka_unit_test(head_has_the_length_and_no_body),
		cmocka_unit_test(answers_without_a_body_have_none),
		cmocka_unit_test(a_file_goes_out_from_its_offset),
		cmocka_unit_test(a_body_arrives_whole_with_a_length_and_in_chunks),
		cmocka_unit_test(
			a_client_that_expects_100_gets_it_only_before_a_body_that_is_wanted),
		cmocka_unit_test(a_small_body_that_nobody_wants_is_read_and_the_connection_kept),
		cmocka_unit_test(
			a_large_body_that_nobody_wants_ends_with_the_answer_and_not_a_reset),
		cmocka_unit_test(an_answer_in_the_midst_of_a_small_body_keeps_the_connection),
		cmocka_unit_test(a_request_can_wait_for_another_thread),
		cmocka_unit_test(a_client_is_not_told_to_send_while_its_credentials_are_looked_at),
		cmocka_unit_test(a_body_that_is_not_wanted_now_comes_again_in_order),
		cmocka_unit_test(a_stream_waits_for_its_bytes),
		cmocka_unit_test(a_stream_that_breaks_off_is_cut_short),
		cmocka_unit_test(a_client_that_leaves_ends_its_request),
		cmocka_unit_test(http_1_0_gets_its_answer_and_the_end),
		cmocka_unit_test(where_it_cannot_listen_is_said),
		cmocka_unit_test(a_socket_that_was_handed_over_is_listened_at),
	};

	return cmocka_run_group_tests_name("server/httpd", tests, NULL, NULL);
}
