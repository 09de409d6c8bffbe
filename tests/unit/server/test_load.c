#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/internal.h"

static const struct endpoint slow = {.kind = ROUTE_TAGS}, quick = {.quick = true},
			     opened = {.quick = true, .open = push_resume};

static struct exchange request(struct server *s, const struct endpoint *endpoint)
{
	return (struct exchange){.server = s, .endpoint = endpoint, .reply = {.fd = -1}};
}

static void assert_shed(struct exchange *x)
{
	assert_int_equal(x->reply.status, 429);
	assert_string_equal(x->reply.headers[0].name, "Retry-After");
	assert_non_null(strstr(buf_text(&x->reply.body), "TOOMANYREQUESTS"));
	reply_clear(&x->reply);
}

static void who_would_wait_too_long_is_told_to_come_back(void **state)
{
	struct server s = {.waiting = SERVER_WAITING_MAX - 1};
	struct exchange x = request(&s, &slow);

	(void)state;
	assert_true(load_admit(&x));
	atomic_store(&s.waiting, SERVER_WAITING_MAX);
	assert_false(load_admit(&x));
	assert_shed(&x);
	x = request(&s, &opened);
	assert_false(load_admit(&x));
	assert_shed(&x);
	assert_int_equal(atomic_load(&s.counters.shed), 2);
}

static void who_does_not_wait_is_always_served(void **state)
{
	struct server s = {.waiting = SERVER_WAITING_MAX};
	struct exchange x = request(&s, &quick);

	(void)state;
	assert_true(load_admit(&x));
}

static void manifests_in_memory_have_a_ceiling_together(void **state)
{
	struct server s = {.waiting = 0};
	struct exchange a = request(&s, &slow), b = request(&s, &slow);

	(void)state;
	assert_true(load_hold(&a, SERVER_BODIES_MAX - 10));
	assert_true(load_hold(&b, 10));
	assert_false(load_hold(&b, 1));
	assert_shed(&b);
	load_release(&b);
	assert_true(load_hold(&a, 10));
	load_release(&a);
	assert_int_equal(atomic_load(&s.bodies), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_would_wait_too_long_is_told_to_come_back),
		cmocka_unit_test(who_does_not_wait_is_always_served),
		cmocka_unit_test(manifests_in_memory_have_a_ceiling_together),
	};

	return cmocka_run_group_tests_name("server/load", tests, NULL, NULL);
}
