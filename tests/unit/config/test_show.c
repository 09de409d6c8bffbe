#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/config.h"

#define SHOWN_MAX (1024 * 1024) /* bytes */

static char *show(const char *text)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(buf_clear) struct buf shown = BUF_INIT(SHOWN_MAX);
	AUTO(config_freep) struct config *c = NULL;

	if (config_parse("f", text, strlen(text), &c, &err) < 0 || config_show(c, &shown, &err) < 0)
		fail_msg("%s", error_text(&err));
	return buf_steal(&shown);
}

static void everything_is_shown_with_its_default(void **state)
{
	AUTO_FREE char *shown = show("upstreams: {u: {authority: h}}\ntargets: {t: {store: true}}\n"
				     "sync: [{name: r, from: u, to: [t], repositories: [a]}]\n");

	(void)state;
	assert_string_equal(shown,
		"state: /var/lib/regmirror\n"
		"parallel: 8\n"
		"bandwidth: 0\n"
		"recheck: 1d\n"
		"deadline: 0\n"
		"spool:\n"
		"  from: 64MiB\n"
		"  limit: 20GiB\n"
		"proxy:\n"
		"  url: \"\"\n"
		"  bypass: []\n"
		"registries: {}\n"
		"private: []\n"
		"upstreams:\n"
		"  u:\n"
		"    authority: h\n"
		"    mirrors: []\n"
		"    quorum: 1\n"
		"    choose: ordered\n"
		"    chain: \"\"\n"
		"    stripe:\n"
		"      from: 64MiB\n"
		"    tag-cache: off\n"
		"    stale: 0\n"
		"targets:\n"
		"  t:\n"
		"    store: true\n"
		"    registry: \"\"\n"
		"    prefix: \"\"\n"
		"serve:\n"
		"  listen: \"127.0.0.1:5000\"\n"
		"  tls-cert: \"\"\n"
		"  tls-key: \"\"\n"
		"  client-ca: \"\"\n"
		"  htpasswd: \"\"\n"
		"  read-only: false\n"
		"  sparse: false\n"
		"sync:\n"
		"  - name: r\n"
		"    from: u\n"
		"    to:\n"
		"      - t\n"
		"    repositories:\n"
		"      - a\n"
		"    rename: \"\"\n"
		"    tags:\n"
		"      include: []\n"
		"      exclude: []\n"
		"      semver: \"\"\n"
		"      latest: 0\n"
		"    platforms: []\n"
		"    index: keep\n"
		"    include-foreign: false\n"
		"    publish: each\n"
		"    immutable: default\n"
		"    schedule: \"\"\n"
		"    jitter: 0\n");
}

static void what_is_shown_loads_again_to_the_same(void **state)
{
	static const char text[] =
		"state: '/srv/with \"quotes\" and \\'\n"
		"spool: {from: never}\n"
		"proxy: {url: \"http://proxy:3128\", bypass: [\"*\"]}\n"
		"private: [null-and-void/**, '~', 'null']\n"
		"registries: {\"[::1]:5000\": {tls: off, requests-per-second: 0.25}, h: {}}\n"
		"upstreams: {u: {authority: h, quorum: 2, mirrors:\n"
		"  [{host: a, resolve: true}, {host: b, resolve: true, names: flat}],\n"
		"  stripe: {from: never}, tag-cache: on, stale: 90m},\n"
		"  v: {authority: h, mirrors: [{host: a}], choose: ordered, chain: 'a | off'}}\n"
		"targets: {t: {registry: \"h:1\", prefix: p}, null-: {store: true}}\n"
		"sync: [{name: r, from: u, to: [null-, t], repositories: [a], rename: 'x/{repository}',\n"
		"  tags: {include: ['#a', \"\\\\d+\"], semver: '>=1 <2', latest: 2},\n"
		"  platforms: [linux/arm/v7], publish: together, immutable: '[a-z]+',\n"
		"  schedule: '@daily', jitter: 90s}]\n";
	AUTO_FREE char *once = show(text);
	AUTO_FREE char *twice = show(once);

	(void)state;
	assert_string_equal(once, twice);
	assert_non_null(strstr(once, "state: \"/srv/with \\\"quotes\\\" and \\\\\"\n"));
	assert_non_null(strstr(once, "  from: never\n"));
	assert_non_null(strstr(once,
		"    choose: measured\n    chain: \"\"\n    stripe:\n      from: never\n"
		"    tag-cache: on\n    stale: 90m\n"));
	assert_non_null(strstr(once, "    choose: ordered\n    chain: \"a | off\"\n"));
	assert_non_null(strstr(once, "requests-per-second: 0.25\n"));
	assert_non_null(strstr(once, "  - \"~\"\n  - \"null\"\n"));
}

static void secrets_are_not_shown(void **state)
{
	AUTO_FREE char *shown = show("proxy: {url: \"http://me:hunter2@proxy:3128\"}\n"
				     "registries: {h: {username: hunter2, password: hunter2}}\n"
				     "upstreams: {}\nsync: []\n");

	(void)state;
	assert_null(strstr(shown, "hunter2"));
	assert_non_null(strstr(shown, "url: \"http://***@proxy:3128\"\n"));
	assert_non_null(strstr(shown, "    username: \"***\"\n    password: \"***\"\n"));
}

static void a_full_buffer_is_left_as_it_was(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(buf_clear) struct buf small = BUF_INIT(64);
	AUTO(config_freep) struct config *c = config_default();

	(void)state;
	assert_int_equal(buf_puts(&small, "before", NULL), 0);
	assert_int_equal(config_show(c, &small, &err), -ERR_NOMEM);
	assert_string_equal(buf_text(&small), "before");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_is_shown_with_its_default),
		cmocka_unit_test(what_is_shown_loads_again_to_the_same),
		cmocka_unit_test(secrets_are_not_shown),
		cmocka_unit_test(a_full_buffer_is_left_as_it_was),
	};

	return cmocka_run_group_tests_name("config/show", tests, NULL, NULL);
}
