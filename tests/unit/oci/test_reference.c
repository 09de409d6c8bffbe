#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "oci/reference.h"
#include "util/mem.h"

#define SHA "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define HEX "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* n times c; the caller frees. */
static char *repeat(char c, size_t n)
{
	char *s = xmalloc(n + 1);

	memset(s, c, n);
	s[n] = '\0';
	return s;
}

static void repository_names_follow_the_grammar(void **state)
{
	static const struct {
		const char *name;
		bool valid;
	} cases[] = {
		{"a", true},
		{"0", true},
		{"library/alpine", true},
		{"a/b/c/d", true},
		{"a.b", true},
		{"a_b", true},
		{"a__b", true},
		{"a-b", true},
		{"a----b", true},
		{"a.b_c__d-e/f", true},
		{HEX, true},
		{"", false},
		{"/", false},
		{"a/", false},
		{"/a", false},
		{"a//b", false},
		{"A", false},
		{"a/B", false},
		{"a..b", false},
		{"a___b", false},
		{"a._b", false},
		{"a.-b", false},
		{".a", false},
		{"-a", false},
		{"_a", false},
		{"a.", false},
		{"a-", false},
		{"a_", false},
		{"a__", false},
		{"a/../b", false},
		{"a:b", false},
		{"a@b", false},
		{"a b", false},
		{"a\n", false},
		{"\xc3\xa4", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(repository_is_valid(cases[i].name), cases[i].valid);
}

static void tags_follow_the_grammar(void **state)
{
	static const struct {
		const char *tag;
		bool valid;
	} cases[] = {
		{"latest", true},
		{"v1.34.1", true},
		{"3.6.4-0", true},
		{"_x", true},
		{"A.-_z", true},
		{"", false},
		{".a", false},
		{"-a", false},
		{"a+b", false},
		{"a/b", false},
		{"a:b", false},
		{"a b", false},
		{"a\n", false},
		{"\xc3\xa4", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(tag_is_valid(cases[i].tag), cases[i].valid);
}

static void the_longest_names_are_valid_and_one_more_is_not(void **state)
{
	AUTO_FREE char *repository = repeat('a', REPOSITORY_MAX + 1);
	AUTO_FREE char *tag = repeat('a', TAG_MAX + 1);

	(void)state;
	assert_false(repository_is_valid(repository));
	assert_true(repository_is_valid(repository + 1));
	assert_false(tag_is_valid(tag));
	assert_true(tag_is_valid(tag + 1));
}

static void hosts_are_names_or_addresses_with_an_optional_port(void **state)
{
	static const struct {
		const char *host;
		bool valid;
	} cases[] = {
		{"registry.k8s.io", true},
		{"localhost", true},
		{"localhost:5000", true},
		{"Registry.Example:1", true},
		{"r-1.example:65535", true},
		{"127.0.0.1:5000", true},
		{"[::1]", true},
		{"[::1]:5000", true},
		{"[2001:db8::a]:443", true},
		{"", false},
		{":5000", false},
		{"a:", false},
		{"a:0", false},
		{"a:65536", false},
		{"a:123456", false},
		{"a:5000x", false},
		{"a:+5", false},
		{"a:5:5", false},
		{"-a", false},
		{"a-", false},
		{"a-.b", false},
		{"a.-b", false},
		{".a", false},
		{"a.", false},
		{"a..b", false},
		{"a_b", false},
		{"a/b", false},
		{"user@a", false},
		{"https://a", false},
		{"a b", false},
		{"::1", false},
		{"[::1", false},
		{"[]", false},
		{"[::1]5000", false},
		{"[::1]:", false},
		{"[fe80::1%eth0]", false},
		{"[a.b]", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(host_is_valid(cases[i].host), cases[i].valid);
}

static void the_longest_host_is_valid_and_one_more_is_not(void **state)
{
	AUTO_FREE char *name = repeat('a', HOST_MAX - strlen(":65535") + 1);
	AUTO_FREE char *longer = xasprintf("%s:65535", name);
	AUTO_FREE char *longest = xasprintf("%s:65535", name + 1);

	(void)state;
	assert_int_equal(strlen(longest), HOST_MAX);
	assert_true(host_is_valid(longest));
	assert_false(host_is_valid(longer));
}

static const struct {
	const char *text;
	const char *canonical;
	const char *host;
	const char *repository;
	const char *tag;
} good[] = {
	{"alpine", "docker.io/library/alpine", "docker.io", "library/alpine", NULL},
	{"alpine:3.20", "docker.io/library/alpine:3.20", "docker.io", "library/alpine", "3.20"},
	{"grafana/grafana", "docker.io/grafana/grafana", "docker.io", "grafana/grafana", NULL},
	{"docker.io/alpine", "docker.io/library/alpine", "docker.io", "library/alpine", NULL},
	{"index.docker.io/a/b:c", "docker.io/a/b:c", "docker.io", "a/b", "c"},
	{"registry-1.docker.io/a", "docker.io/library/a", "docker.io", "library/a", NULL},
	{"r.example/pause:3.10", "r.example/pause:3.10", "r.example", "pause", "3.10"},
	{"localhost/a", "localhost/a", "localhost", "a", NULL},
	{"localhost:5000/a:b", "localhost:5000/a:b", "localhost:5000", "a", "b"},
	{"[::1]:5000/a:b", "[::1]:5000/a:b", "[::1]:5000", "a", "b"},
	{"Registry/a", "Registry/a", "Registry", "a", NULL},
	{"store:k8s/pause", "store:k8s/pause", NULL, "k8s/pause", NULL},
	{"store:a:v1", "store:a:v1", NULL, "a", "v1"},
	{"oci:/srv/images", "oci:/srv/images", NULL, "/srv/images", NULL},
	{"oci:dir:r.example/x:1", "oci:dir:r.example/x:1", NULL, "dir", "r.example/x:1"},
	{"oci-archive:a.tar:v1", "oci-archive:a.tar:v1", NULL, "a.tar", "v1"},
	{"bundle:a:b.tar", "bundle:a:b.tar", NULL, "a:b.tar", NULL},
};

static void assert_same_text(const char *got, const char *want)
{
	if (want)
		assert_string_equal(got, want);
	else
		assert_null(got);
}

static void references_are_split_and_written_in_one_form(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		AUTO(reference_clear) struct reference r = REFERENCE_INIT;
		AUTO(reference_clear) struct reference again = REFERENCE_INIT;
		AUTO(error_clear) struct error err = ERROR_INIT;
		AUTO_FREE char *text = NULL;
		AUTO_FREE char *text_again = NULL;

		if (reference_parse(good[i].text, &r, &err) < 0)
			fail_msg("%s", error_text(&err));
		assert_same_text(r.host, good[i].host);
		assert_same_text(r.repository, good[i].repository);
		assert_same_text(r.tag, good[i].tag);
		assert_false(r.has_digest);
		text = reference_format(&r);
		assert_string_equal(text, good[i].canonical);
		assert_int_equal(reference_parse(text, &again, &err), 0);
		text_again = reference_format(&again);
		assert_string_equal(text_again, text);
	}
}

static void the_prefix_tells_the_kind(void **state)
{
	static const struct {
		const char *text;
		enum reference_kind kind;
		enum layout_kind layout;
	} cases[] = {
		{"store.example/a", REFERENCE_REGISTRY, LAYOUT_DIRECTORY},
		{"ocix:a", REFERENCE_REGISTRY, LAYOUT_DIRECTORY},
		{"store:a", REFERENCE_STORE, LAYOUT_DIRECTORY},
		{"oci:a", REFERENCE_LAYOUT, LAYOUT_DIRECTORY},
		{"oci-archive:a", REFERENCE_LAYOUT, LAYOUT_ARCHIVE},
		{"bundle:a", REFERENCE_LAYOUT, LAYOUT_BUNDLE},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(reference_clear) struct reference r = REFERENCE_INIT;

		assert_int_equal(reference_parse(cases[i].text, &r, NULL), 0);
		assert_int_equal(r.kind, cases[i].kind);
		assert_int_equal(r.layout, cases[i].layout);
	}
}

static void a_digest_stands_behind_the_tag_or_alone(void **state)
{
	static const struct {
		const char *text;
		const char *tag;
	} cases[] = {
		{"r.example/a@" SHA, NULL},
		{"r.example/a:v1@" SHA, "v1"},
		{"r.example:5000/a@" SHA, NULL},
		{"store:a@" SHA, NULL},
		{"store:a:v1@" SHA, "v1"},
	};
	char digest[DIGEST_STR_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(reference_clear) struct reference r = REFERENCE_INIT;
		AUTO_FREE char *text = NULL;

		assert_int_equal(reference_parse(cases[i].text, &r, NULL), 0);
		assert_string_equal(r.repository, "a");
		assert_same_text(r.tag, cases[i].tag);
		assert_true(r.has_digest);
		assert_string_equal(digest_format(&r.digest, digest), SHA);
		text = reference_format(&r);
		assert_string_equal(text, cases[i].text);
	}
}

static void a_bad_reference_is_refused_and_the_bad_part_is_named(void **state)
{
	static const struct {
		const char *text;
		const char *says;
	} cases[] = {
		{"", "not a repository name"},
		{"/a", "not a repository name"},
		{"r.example/", "'' is not a repository name"},
		{"Alpine", "'library/Alpine' is not a repository name"},
		{"r.example/A", "'A' is not a repository name"},
		{"r.example/a/../b", "'a/../b' is not a repository name"},
		{"a:", "'' is not a tag"},
		{"a:-b", "'-b' is not a tag"},
		{"a:b:c", "'b:c' is not a tag"},
		{"a@", "'' is not a sha256 or sha512 digest"},
		{"a@sha256:12", "'sha256:12' is not"},
		{"a@" SHA ":b", "is not a sha256 or sha512 digest"},
		{"a@blake3:" HEX, "is not a sha256 or sha512 digest"},
		{"r_1.example/a", "'r_1.example' is not a host"},
		{"r.example:0/a", "'r.example:0' is not a host"},
		{"[::1/a", "'[::1' is not a host"},
		{HEX, "image ID"},
		{"docker://r.example/a", "without the scheme"},
		{"https://r.example/a", "without the scheme"},
		{"store:", "'' is not a repository name"},
		{"store:/a", "'/a' is not a repository name"},
		{"store:r.example:5/a", "'r.example:5/a' is not a repository name"},
		{"oci:", "the path is missing"},
		{"oci::v1", "the path is missing"},
		{"oci:dir:", "nothing after the last ':'"},
		{"bundle:", "the path is missing"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(error_clear) struct error err = ERROR_INIT;
		struct reference r = {.tag = NULL, .kind = REFERENCE_LAYOUT};

		assert_int_equal(reference_parse(cases[i].text, &r, &err), -ERR_USAGE);
		if (!strstr(error_text(&err), cases[i].says))
			fail_msg("'%s' says: %s", cases[i].text, error_text(&err));
		assert_int_equal(r.kind, REFERENCE_LAYOUT);
	}
}

static void the_length_limit_counts_what_docker_hub_puts_in_front(void **state)
{
	AUTO_FREE char *name = repeat('a', REPOSITORY_MAX - strlen("library/") + 1);
	AUTO(reference_clear) struct reference r = REFERENCE_INIT;

	(void)state;
	assert_int_equal(reference_parse(name, &r, NULL), -ERR_USAGE);
	assert_int_equal(reference_parse(name + 1, &r, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(repository_names_follow_the_grammar),
		cmocka_unit_test(tags_follow_the_grammar),
		cmocka_unit_test(the_longest_names_are_valid_and_one_more_is_not),
		cmocka_unit_test(hosts_are_names_or_addresses_with_an_optional_port),
		cmocka_unit_test(the_longest_host_is_valid_and_one_more_is_not),
		cmocka_unit_test(references_are_split_and_written_in_one_form),
		cmocka_unit_test(the_prefix_tells_the_kind),
		cmocka_unit_test(a_digest_stands_behind_the_tag_or_alone),
		cmocka_unit_test(a_bad_reference_is_refused_and_the_bad_part_is_named),
		cmocka_unit_test(the_length_limit_counts_what_docker_hub_puts_in_front),
	};

	return cmocka_run_group_tests_name("oci/reference", tests, NULL, NULL);
}
