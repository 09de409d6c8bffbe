#include "scene.h"

static const char get[] = "GET /x HTTP/1.1\r\nHost: h\r\n\r\n";

/* Deadlines that a test can wait for. */
#define IDLE_MS  400
#define STALL_MS 400
static const struct httpd_options hasty = {.idle_ms = IDLE_MS, .stall_ms = STALL_MS};
static const struct httpd_options patient = {.idle_ms = 0};

/* Sends a byte of text over and over; milliseconds until the server has enough. */
static uint64_t drip(int fd, char byte, unsigned every_ms)
{
	const uint64_t start = clock_mono_ms();

	while (clock_mono_ms() - start < WIRE_SEC * 1000) {
		if (!wire_send(fd, &byte, 1) || wire_is_over(fd, 0))
			break;
		wire_sleep_ms(every_ms);
	}
	return clock_mono_ms() - start;
}

static void a_header_that_drips_in_has_one_deadline_for_all_of_it(void **state)
{
	static const char *const beginnings[] = {
		"G", "GET /x HTTP/1.1\r\n", "GET /x HTTP/1.1\r\nHost: h\r\nX-A: "};
	struct scene s;
	int fd;

	(void)state;
	scene_start(&s, hasty);
	for (size_t i = 0; i < ARRAY_SIZE(beginnings); i++) {
		fd = scene_connect(&s);
		assert_true(wire_say(fd, "%s", beginnings[i]));
		assert_in_range(drip(fd, 'a', 50), IDLE_MS / 2, IDLE_MS * 10);
		(void)close(fd);
	}
	scene_stop(&s);
	assert_int_equal(atomic_load(&s.begun), 0);
}

static void a_connection_without_a_request_is_closed_in_time_and_not_before(void **state)
{
	struct scene s;
	struct reply r;
	int fd;

	(void)state;
	scene_start(&s, hasty);
	fd = scene_connect(&s);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(wire_ask(fd, &r, get)->status, 200);
		wire_sleep_ms(IDLE_MS / 3);
	}
	assert_true(wire_is_over(fd, IDLE_MS * 10));
	(void)close(fd);
	scene_stop(&s);
}

static void a_body_that_stops_or_drips_is_given_up(void **state)
{
	struct scene s;
	int fd;

	(void)state;
	scene_start(&s, hasty);
	fd = scene_connect(&s);
	assert_true(wire_say(fd, "PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\na"));
	assert_true(wire_is_over(fd, STALL_MS * 10));
	(void)close(fd);
	fd = scene_connect(&s);
	assert_true(wire_say(fd, "PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 9999\r\n\r\na"));
	assert_in_range(drip(fd, 'a', 50), STALL_MS * 3, STALL_MS * 16);
	(void)close(fd);
	scene_stop(&s);
	assert_int_equal(atomic_load(&s.broken), 2);
}

static void a_reader_that_stops_or_drips_is_given_up(void **state)
{
	struct scene s;
	uint64_t start;
	char byte;
	int fd;

	(void)state;
	scene_start(&s, hasty);
	fd = scene_connect(&s);
	assert_true(wire_say(fd, "GET /file HTTP/1.1\r\nHost: h\r\n\r\n"));
	scene_await(&s.broken, 1);
	(void)close(fd);
	fd = scene_connect(&s);
	start = clock_mono_ms();
	assert_true(wire_say(fd, "GET /file HTTP/1.1\r\nHost: h\r\n\r\n"));
	while (atomic_load(&s.broken) < 2 && clock_mono_ms() - start < WIRE_SEC * 1000) {
		if (recv(fd, &byte, 1, MSG_DONTWAIT) == 0)
			break;
		wire_sleep_ms(50);
	}
	scene_await(&s.broken, 2);
	(void)close(fd);
	scene_stop(&s);
}

static void who_waits_for_us_is_not_hurried(void **state)
{
	struct scene s;
	struct reply r;
	int fd[3];

	(void)state;
	scene_start(&s, hasty);
	atomic_store(&s.hold, true);
	fd[0] = scene_connect(&s);
	assert_true(wire_say(fd[0], "GET /defer HTTP/1.1\r\nHost: h\r\n\r\n"));
	fd[1] = scene_connect(&s);
	assert_true(wire_say(fd[1], "GET /stream?n=5 HTTP/1.1\r\nHost: h\r\n\r\n"));
	fd[2] = scene_connect(&s);
	assert_true(
		wire_say(fd[2], "PUT /not-now HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab"));
	scene_await(&s.waiting, 3);
	wire_sleep_ms(STALL_MS * 5);
	atomic_store(&s.stream.position, 5);
	atomic_store(&s.hold, false);
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++) {
		wire_hear(fd[i], &r, false);
		assert_int_equal(r.status, 200);
		assert_true(r.whole);
		(void)close(fd[i]);
	}
	scene_stop(&s);
}

static void a_stream_whose_client_left_is_freed_while_it_waits(void **state)
{
	struct scene s;
	int fd;

	(void)state;
	scene_start(&s, hasty);
	fd = scene_connect(&s);
	assert_true(wire_say(fd, "GET /stream?n=5 HTTP/1.1\r\nHost: h\r\n\r\n"));
	scene_await(&s.waiting, 1);
	(void)close(fd);
	scene_await(&s.ended, 1);
	scene_await(&s.streams_freed, 1);
	scene_stop(&s);
	assert_int_equal(atomic_load(&s.broken), 1);
}

static void a_header_has_a_ceiling(void **state)
{
	AUTO_FREE char *pad = xcalloc(HTTPD_POOL + 1, 1);
	struct scene s;
	struct reply r;
	int fd;

	(void)state;
	memset(pad, 'a', HTTPD_POOL);
	scene_start(&s, patient);
	fd = scene_connect(&s);
	assert_true(wire_say(fd,
		"GET /x HTTP/1.1\r\nHost: h\r\nX-A: %.*s\r\n\r\n",
		(int)HTTPD_HEADER_MAX - 100,
		pad));
	wire_hear(fd, &r, false);
	assert_int_equal(r.status, 200);
	assert_true(wire_say(
		fd, "GET /x HTTP/1.1\r\nHost: h\r\nX-A: %.*s\r\n\r\n", (int)HTTPD_HEADER_MAX, pad));
	wire_hear(fd, &r, false);
	assert_int_equal(r.status, 431);
	assert_true(wire_is_over(fd, 2000));
	(void)close(fd);
	fd = scene_connect(&s);
	assert_true(wire_say(fd, "GET /x HTTP/1.1\r\nHost: h\r\nX-A: %s\r\n\r\n", pad));
	wire_hear(fd, &r, false);
	assert_int_equal(r.status, 431);
	(void)close(fd);
	fd = scene_connect(&s);
	assert_true(wire_say(fd, "GET /%s HTTP/1.1\r\nHost: h\r\n\r\n", pad));
	wire_hear(fd, &r, false);
	assert_int_equal(r.status, 414);
	(void)close(fd);
	scene_stop(&s);
	assert_int_equal(atomic_load(&s.begun), 1);
}

static void a_connection_too_many_is_closed_at_once(void **state)
{
	struct httpd_options o = {.connections = 3};
	struct scene s;
	struct reply r;
	int fd[4];

	(void)state;
	scene_start(&s, o);
	for (size_t i = 0; i < 3; i++) {
		fd[i] = scene_connect(&s);
		assert_int_equal(wire_ask(fd[i], &r, get)->status, 200);
	}
	fd[3] = scene_connect(&s);
	assert_int_equal(wire_ask(fd[3], &r, get)->status, 0);
	assert_int_equal(httpd_stats(s.httpd).refused_total, 1);
	(void)close(fd[0]);
	for (unsigned i = 0; httpd_stats(s.httpd).connections > 2 && i < 1000; i++)
		wire_sleep_ms(5);
	(void)close(fd[3]);
	fd[3] = scene_connect(&s);
	assert_int_equal(wire_ask(fd[3], &r, get)->status, 200);
	for (size_t i = 1; i < 4; i++)
		(void)close(fd[i]);
	scene_stop(&s);
}

static void a_tls_hello_is_answered_in_http(void **state)
{
	/* A record of a handshake, 0x1 bytes long, with a line feed among them. */
	static const char hello[] = "\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03\n\n";
	struct scene s;
	struct reply r;
	int fd;

	(void)state;
	scene_start(&s, patient);
	fd = scene_connect(&s);
	assert_true(wire_send(fd, hello, sizeof(hello)));
	wire_hear(fd, &r, false);
	assert_int_equal(r.status, 400);
	(void)close(fd);
	scene_stop(&s);
	assert_int_equal(atomic_load(&s.begun), 0);
}

/* ---- stop ---- */

struct stopping {
	struct scene *scene;
	uint64_t grace_ms, took_ms;
	pthread_t thread;
	atomic_bool done;
};

static void *stop(void *arg)
{
	struct stopping *st = arg;
	const uint64_t start = clock_mono_ms();

	httpd_stop(st->scene->httpd, st->grace_ms);
	st->took_ms = clock_mono_ms() - start;
	atomic_store(&st->done, true);
	return NULL;
}

static void stop_begin(struct stopping *st)
{
	assert_int_equal(pthread_create(&st->thread, NULL, stop, st), 0);
}

static void stop_end(struct stopping *st)
{
	(void)pthread_join(st->thread, NULL);
	(void)close(st->scene->file);
}

static void stop_lets_requests_end_and_closes_what_idles(void **state)
{
	struct scene s;
	struct stopping st = {.scene = &s, .grace_ms = 10000};
	AUTO_FREE char *address = NULL;
	struct reply r;
	int fd, idle;

	(void)state;
	scene_start(&s, patient);
	address = xstrdup(httpd_address(s.httpd));
	idle = scene_connect(&s);
	assert_int_equal(wire_ask(idle, &r, get)->status, 200);
	atomic_store(&s.hold, true);
	fd = scene_connect(&s);
	assert_true(wire_say(fd, "GET /defer HTTP/1.1\r\nHost: h\r\n\r\n"));
	scene_await(&s.waiting, 1);
	stop_begin(&st);
	assert_true(wire_is_over(idle, 3000));
	assert_int_equal(wire_connect(address), -1);
	assert_false(atomic_load(&st.done));
	atomic_store(&s.hold, false);
	wire_hear(fd, &r, false);
	assert_int_equal(r.status, 200);
	assert_string_equal(wire_field(&r, "Connection"), "close");
	stop_end(&st);
	assert_true(st.took_ms < 5000);
	(void)close(fd);
	(void)close(idle);
}

static void stop_ends_what_still_waits_with_503(void **state)
{
	struct scene s;
	struct stopping st = {.scene = &s, .grace_ms = 100};
	struct reply r;
	int fd[3];

	(void)state;
	scene_start(&s, patient);
	atomic_store(&s.hold, true);
	fd[0] = scene_connect(&s);
	assert_true(wire_say(fd[0], "GET /defer HTTP/1.1\r\nHost: h\r\n\r\n"));
	fd[1] = scene_connect(&s);
	assert_true(wire_say(
		fd[1], "PUT /defer-begin HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab"));
	fd[2] = scene_connect(&s);
	assert_true(wire_say(fd[2], "GET /stream?n=5 HTTP/1.1\r\nHost: h\r\n\r\n"));
	scene_await(&s.waiting, 3);
	stop_begin(&st);
	/* done() joins the thread that will resume, which must find the request's memory. */
	wire_sleep_ms(300);
	atomic_store(&s.hold, false);
	for (size_t i = 0; i < 2; i++) {
		wire_hear(fd[i], &r, false);
		assert_int_equal(r.status, 503);
		assert_string_equal(wire_field(&r, "Retry-After"), "5");
	}
	wire_hear(fd[2], &r, false);
	assert_false(r.whole);
	stop_end(&st);
	assert_int_equal(atomic_load(&s.ended), 3);
	assert_int_equal(atomic_load(&s.streams_freed), 1);
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++)
		(void)close(fd[i]);
}

static void stop_cuts_what_does_not_end(void **state)
{
	struct scene s;
	int fd[2];

	(void)state;
	scene_start(&s, patient);
	fd[0] = scene_connect(&s);
	assert_true(wire_say(fd[0], "GET /file HTTP/1.1\r\nHost: h\r\n\r\n"));
	fd[1] = scene_connect(&s);
	assert_true(wire_say(fd[1], "PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\na"));
	scene_await(&s.begun, 2);
	httpd_stop(s.httpd, 50);
	(void)close(s.file);
	assert_int_equal(atomic_load(&s.broken), 2);
	(void)close(fd[0]);
	(void)close(fd[1]);
}

struct hammer {
	const char *address;
	pthread_t thread;
	unsigned number, answers;
};

static void *hammer(void *arg)
{
	static const char *const requests[] = {get,
		"GET /defer HTTP/1.1\r\nHost: h\r\n\r\n",
		"PUT /not-now HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
		"GET /stream?n=200000 HTTP/1.1\r\nHost: h\r\n\r\n",
		"HEAD /file HTTP/1.1\r\nHost: h\r\n\r\n",
		"PUT /early HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"};
	struct hammer *hm = arg;
	struct reply *r = xcalloc(1, sizeof(*r));
	int fd = wire_connect(hm->address);

	for (unsigned i = hm->number; fd >= 0; i++) {
		if (wire_ask(fd, r, requests[i % ARRAY_SIZE(requests)])->status == 0)
			break;
		hm->answers++;
		if (wire_field(r, "Connection")) {
			(void)close(fd);
			fd = wire_connect(hm->address);
		}
	}
	if (fd >= 0)
		(void)close(fd);
	free(r);
	return NULL;
}

static void stop_under_load_loses_no_request(void **state)
{
	struct hammer hm[12];
	struct scene s;

	(void)state;
	for (unsigned grace = 0; grace <= 500; grace += 250) {
		AUTO_FREE char *address = NULL;

		scene_start(&s, patient);
		address = xstrdup(httpd_address(s.httpd));
		atomic_store(&s.stream.position, 100000);
		for (unsigned i = 0; i < ARRAY_SIZE(hm); i++) {
			hm[i] = (struct hammer){.address = address, .number = i};
			assert_int_equal(pthread_create(&hm[i].thread, NULL, hammer, &hm[i]), 0);
		}
		wire_sleep_ms(100);
		atomic_store(&s.stream.position, 200000);
		wire_sleep_ms(300);
		httpd_stop(s.httpd, grace);
		for (unsigned i = 0; i < ARRAY_SIZE(hm); i++) {
			(void)pthread_join(hm[i].thread, NULL);
			assert_true(hm[i].answers > 0);
		}
		assert_int_equal(atomic_load(&s.begun), atomic_load(&s.ended));
		(void)close(s.file);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_header_that_drips_in_has_one_deadline_for_all_of_it),
		cmocka_unit_test(a_connection_without_a_request_is_closed_in_time_and_not_before),
		cmocka_unit_test(a_body_that_stops_or_drips_is_given_up),
		cmocka_unit_test(a_reader_that_stops_or_drips_is_given_up),
		cmocka_unit_test(who_waits_for_us_is_not_hurried),
		cmocka_unit_test(a_stream_whose_client_left_is_freed_while_it_waits),
		cmocka_unit_test(a_header_has_a_ceiling),
		cmocka_unit_test(a_connection_too_many_is_closed_at_once),
		cmocka_unit_test(a_tls_hello_is_answered_in_http),
		cmocka_unit_test(stop_lets_requests_end_and_closes_what_idles),
		cmocka_unit_test(stop_ends_what_still_waits_with_503),
		cmocka_unit_test(stop_cuts_what_does_not_end),
		cmocka_unit_test(stop_under_load_loses_no_request),
	};

	return cmocka_run_group_tests_name("server/httpd limits", tests, NULL, NULL);
}
