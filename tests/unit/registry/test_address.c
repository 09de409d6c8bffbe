#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "registry/address.h"
#include "registry/quirks.h"
#include "util/compiler.h"

static void loopback_and_private_hosts_are_told_from_public_ones(void **state)
{
	static const struct {
		const char *host;
		bool loopback, private;
	} cases[] = {
		{"localhost", true, true},
		{"LOCALHOST", true, true},
		{"127.0.0.1", true, true},
		{"127.255.0.9", true, true},
		{"128.0.0.1", false, false},
		{"[::1]", true, true},
		{"[::2]", false, false},
		{"[::ffff:127.0.0.1]", true, true},
		{"[::ffff:10.0.0.1]", false, true},
		{"0.0.0.0", false, true},
		{"[::]", false, true},
		{"10.0.0.1", false, true},
		{"11.0.0.1", false, false},
		{"172.15.255.255", false, false},
		{"172.16.0.1", false, true},
		{"172.31.255.255", false, true},
		{"172.32.0.1", false, false},
		{"192.168.1.1", false, true},
		{"192.169.1.1", false, false},
		{"169.254.169.254", false, true},
		{"100.64.0.1", false, true},
		{"100.128.0.1", false, false},
		{"[fd00::1]", false, true},
		{"[fe80::1]", false, true},
		{"[fec0::1]", false, false},
		{"[2001:db8::1]", false, false},
		{"registry.example", false, false},
		{"localhost.example", false, false},
		{"", false, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(address_is_loopback(cases[i].host), cases[i].loopback);
		assert_int_equal(address_is_private(cases[i].host), cases[i].private);
	}
}

static void named_registries_have_their_quirks_and_others_none(void **state)
{
	(void)state;
	assert_string_equal(quirks_of("docker.io")->api_host, "registry-1.docker.io");
	assert_true(quirks_of("docker.io")->flags & QUIRK_LIBRARY);
	assert_true(quirks_of("us-central1-docker.pkg.dev")->flags & QUIRK_NO_PATCH);
	assert_true(quirks_of("eu.gcr.io")->flags & QUIRK_NO_PATCH);
	assert_int_equal(quirks_of("ghcr.io")->chunk_max, 4 * 1024 * 1024);
	assert_int_equal(
		quirks_of("1.dkr.ecr.eu-west-1.amazonaws.com")->chunk_min, 5 * 1024 * 1024);
	assert_int_equal(quirks_of("registry.k8s.io")->flags, 0);
	assert_int_equal(quirks_of("notdocker.io")->flags, 0);
	assert_null(quirks_of("localhost:5000")->api_host);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loopback_and_private_hosts_are_told_from_public_ones),
		cmocka_unit_test(named_registries_have_their_quirks_and_others_none),
	};

	return cmocka_run_group_tests_name("registry/address", tests, NULL, NULL);
}
