#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "oci/media.h"
#include "util/compiler.h"

#define SCHEMA1 "application/vnd.docker.distribution.manifest.v1+json"

static void the_six_manifest_types_are_known_whatever_their_case_and_parameters(void **state)
{
	static const struct {
		const char *type;
		enum media_kind kind;
	} cases[] = {
		{MEDIA_OCI_MANIFEST, MEDIA_MANIFEST},
		{MEDIA_DOCKER_MANIFEST, MEDIA_MANIFEST},
		{MEDIA_OCI_INDEX, MEDIA_INDEX},
		{MEDIA_DOCKER_INDEX, MEDIA_INDEX},
		{SCHEMA1, MEDIA_SCHEMA1},
		{"application/vnd.docker.distribution.manifest.v1+prettyjws", MEDIA_SCHEMA1},
		{MEDIA_OCI_INDEX "; charset=utf-8", MEDIA_INDEX},
		{" " MEDIA_OCI_INDEX "\t;q=1", MEDIA_INDEX},
		{"Application/VND.oci.image.INDEX.v1+json", MEDIA_INDEX},
		{MEDIA_OCI_INDEX "x", MEDIA_UNKNOWN},
		{"application/vnd.oci.image.index.v1", MEDIA_UNKNOWN},
		{MEDIA_OCI_CONFIG, MEDIA_UNKNOWN},
		{"application/json", MEDIA_UNKNOWN},
		{"", MEDIA_UNKNOWN},
		{NULL, MEDIA_UNKNOWN},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(media_kind(cases[i].type), cases[i].kind);
}

static void foreign_layers_are_told_by_their_type_alone(void **state)
{
	static const struct {
		const char *type;
		bool foreign;
	} cases[] = {
		{"application/vnd.oci.image.layer.nondistributable.v1.tar", true},
		{"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", true},
		{"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", true},
		{"application/vnd.docker.image.rootfs.foreign.diff.tar", true},
		{"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", true},
		{"application/vnd.docker.image.rootfs.FOREIGN.diff.tar.gzip", true},
		{"application/vnd.docker.image.rootfs.diff.tar.gzip", false},
		{"application/vnd.oci.image.layer.v1.tar+gzip", false},
		{"application/vnd.docker.image.rootfs.foreign.", false},
		{"", false},
		{NULL, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(media_is_foreign(cases[i].type), cases[i].foreign);
}

static void types_that_say_nothing_are_vague(void **state)
{
	static const struct {
		const char *type;
		bool vague;
	} cases[] = {
		{NULL, true},
		{"", true},
		{"  ", true},
		{"text/plain", true},
		{"text/plain; charset=utf-8", true},
		{"application/json", true},
		{"Application/JSON;charset=utf-8", true},
		{"application/octet-stream", true},
		{"binary/octet-stream", true},
		{"text/html", false},
		{MEDIA_OCI_MANIFEST, false},
		{"application/vnd.example", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(media_is_vague(cases[i].type), cases[i].vague);
}

static void a_copied_type_is_fit_for_a_header(void **state)
{
	static const struct {
		const char *type;
		const char *copy; /* NULL: refused */
	} cases[] = {
		{MEDIA_OCI_INDEX, MEDIA_OCI_INDEX},
		{" " MEDIA_OCI_INDEX " ; a=b", MEDIA_OCI_INDEX},
		{"Application/Vnd.Example+JSON", "Application/Vnd.Example+JSON"},
		{"a/b", "a/b"},
		{"", NULL},
		{NULL, NULL},
		{"json", NULL},
		{"/json", NULL},
		{"application/", NULL},
		{"a/b/c", NULL},
		{"a/b c", NULL},
		{"a/b\r\nX-Evil: 1", NULL},
		{"a/\033[31m", NULL},
		{"a/\xc3\xa4", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char copy[MEDIA_TYPE_MAX + 1] = "untouched";

		assert_int_equal(media_copy(cases[i].type, copy), cases[i].copy != NULL);
		assert_string_equal(copy, cases[i].copy ? cases[i].copy : "untouched");
	}
}

static void the_longest_type_is_copied_and_a_longer_one_is_refused(void **state)
{
	char type[MEDIA_TYPE_MAX + 2];
	char copy[MEDIA_TYPE_MAX + 1];

	(void)state;
	memset(type, 'x', sizeof(type));
	type[1] = '/';
	type[MEDIA_TYPE_MAX + 1] = '\0';
	assert_false(media_copy(type, copy));
	type[MEDIA_TYPE_MAX] = '\0';
	assert_true(media_copy(type, copy));
	assert_string_equal(copy, type);
}

static void the_accept_header_names_indexes_first_then_manifests_then_all(void **state)
{
	static const char *const order[] = {
		MEDIA_OCI_INDEX,
		MEDIA_DOCKER_INDEX,
		MEDIA_OCI_MANIFEST,
		MEDIA_DOCKER_MANIFEST,
		"*/*",
	};
	const char *at = media_accept;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		at = strstr(at, order[i]);
		assert_non_null(at);
	}
	assert_null(strstr(media_accept, "distribution.manifest.v1+"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			the_six_manifest_types_are_known_whatever_their_case_and_parameters),
		cmocka_unit_test(foreign_layers_are_told_by_their_type_alone),
		cmocka_unit_test(types_that_say_nothing_are_vague),
		cmocka_unit_test(a_copied_type_is_fit_for_a_header),
		cmocka_unit_test(the_longest_type_is_copied_and_a_longer_one_is_refused),
		cmocka_unit_test(the_accept_header_names_indexes_first_then_manifests_then_all),
	};

	return cmocka_run_group_tests_name("oci/media", tests, NULL, NULL);
}
