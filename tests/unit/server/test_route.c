#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/route.h"

#include "util/mem.h"

#define HEX  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SHA  "sha256:" HEX
#define SHA5 "sha512:" HEX HEX

static const struct {
	const char *path;
	enum route_kind kind;
	enum route_fault fault;
	const char *repository, *last;
} cases[] = {
	{"/v2", ROUTE_BASE, ROUTE_FINE, "", ""},
	{"/v2/", ROUTE_BASE, ROUTE_FINE, "", ""},
	{"/v2/_catalog", ROUTE_CATALOG, ROUTE_FINE, "", ""},
	{"/healthz", ROUTE_HEALTHZ, ROUTE_FINE, "", ""},
	{"/readyz", ROUTE_READYZ, ROUTE_FINE, "", ""},
	{"/metrics", ROUTE_METRICS, ROUTE_FINE, "", ""},
	{"/v2/a/manifests/v1.0", ROUTE_MANIFEST, ROUTE_FINE, "a", "v1.0"},
	{"/v2/a/b/c/manifests/" SHA, ROUTE_MANIFEST, ROUTE_FINE, "a/b/c", SHA},
	{"/v2/a/manifests/" SHA5, ROUTE_MANIFEST, ROUTE_FINE, "a", SHA5},
	{"/v2/a/blobs/" SHA, ROUTE_BLOB, ROUTE_FINE, "a", SHA},
	{"/v2/a/referrers/" SHA, ROUTE_REFERRERS, ROUTE_FINE, "a", SHA},
	{"/v2/a/tags/list", ROUTE_TAGS, ROUTE_FINE, "a", ""},
	{"/v2/a/blobs/uploads/", ROUTE_UPLOADS, ROUTE_FINE, "a", ""},
	{"/v2/a/blobs/uploads", ROUTE_UPLOADS, ROUTE_FINE, "a", ""},
	{"/v2/a/blobs/uploads/0f-_A", ROUTE_UPLOAD, ROUTE_FINE, "a", "0f-_A"},
	/* names that are words of the API as well: what is last decides */
	{"/v2/blobs/manifests/manifests/x", ROUTE_MANIFEST, ROUTE_FINE, "blobs/manifests", "x"},
	{"/v2/tags/list/tags/list", ROUTE_TAGS, ROUTE_FINE, "tags/list", ""},
	{"/v2/tags/list/manifests/list", ROUTE_MANIFEST, ROUTE_FINE, "tags/list", "list"},
	{"/v2/a/blobs/uploads/blobs/uploads/", ROUTE_UPLOADS, ROUTE_FINE, "a/blobs/uploads", ""},
	{"/v2/a/blobs/uploads/manifests/x", ROUTE_MANIFEST, ROUTE_FINE, "a/blobs/uploads", "x"},
	{"/v2/manifests/tags/list", ROUTE_TAGS, ROUTE_FINE, "manifests", ""},
	/* nothing of ours */
	{"", ROUTE_NONE, ROUTE_FINE, "", ""},
	{"/", ROUTE_NONE, ROUTE_FINE, "", ""},
	{"*", ROUTE_NONE, ROUTE_FINE, "", ""},
	{"/v1/", ROUTE_NONE, ROUTE_FINE, "", ""},
	{"/v2x", ROUTE_NONE, ROUTE_FINE, "", ""},
	{"//v2/", ROUTE_NONE, ROUTE_FINE, "", ""},
	{"/v2/a", ROUTE_NONE, ROUTE_FINE, "", ""},
	{"/v2/a/manifests", ROUTE_NONE, ROUTE_FINE, "", ""},
	{"/v2/a/tags", ROUTE_NONE, ROUTE_FINE, "", ""},
	{"/v2/a/tags/list/", ROUTE_NONE, ROUTE_FINE, "", ""},
	{"/v2/_catalog/", ROUTE_NONE, ROUTE_FINE, "", ""},
	{"/v2/tags/list", ROUTE_NONE, ROUTE_FINE, "", ""},
	{"/healthz/", ROUTE_NONE, ROUTE_FINE, "", ""},
	/* grammar */
	{"/v2/A/tags/list", ROUTE_TAGS, ROUTE_BAD_NAME, "", ""},
	{"/v2//tags/list", ROUTE_TAGS, ROUTE_BAD_NAME, "", ""},
	{"/v2/a//b/tags/list", ROUTE_TAGS, ROUTE_BAD_NAME, "", ""},
	{"/v2/../a/tags/list", ROUTE_TAGS, ROUTE_BAD_NAME, "", ""},
	{"/v2/a/../../etc/manifests/x", ROUTE_MANIFEST, ROUTE_BAD_NAME, "", ""},
	{"/v2/a/./b/blobs/" SHA, ROUTE_BLOB, ROUTE_BAD_NAME, "", ""},
	{"/v2/_x/tags/list", ROUTE_TAGS, ROUTE_BAD_NAME, "", ""},
	{"/v2/a\\b/tags/list", ROUTE_TAGS, ROUTE_BAD_NAME, "", ""},
	{"/v2/a b/tags/list", ROUTE_TAGS, ROUTE_BAD_NAME, "", ""},
	{"/v2/a/manifests/", ROUTE_MANIFEST, ROUTE_BAD_TAG, "a", ""},
	{"/v2/a/manifests/.INVALID", ROUTE_MANIFEST, ROUTE_BAD_TAG, "a", ""},
	{"/v2/a/manifests/..", ROUTE_MANIFEST, ROUTE_BAD_TAG, "a", ""},
	{"/v2/a/manifests/a b", ROUTE_MANIFEST, ROUTE_BAD_TAG, "a", ""},
	{"/v2/a/manifests/sha256:bad", ROUTE_MANIFEST, ROUTE_BAD_DIGEST, "a", ""},
	{"/v2/a/manifests/md5:d41d8cd98f00b204e9800998ecf8427e",
		ROUTE_MANIFEST,
		ROUTE_BAD_DIGEST,
		"a",
		""},
	{"/v2/a/blobs/x", ROUTE_BLOB, ROUTE_BAD_DIGEST, "a", ""},
	{"/v2/a/blobs/", ROUTE_BLOB, ROUTE_BAD_DIGEST, "a", ""},
	{"/v2/a/blobs/" SHA "0", ROUTE_BLOB, ROUTE_BAD_DIGEST, "a", ""},
	{"/v2/a/referrers/v1", ROUTE_REFERRERS, ROUTE_BAD_DIGEST, "a", ""},
	{"/v2/a/blobs/uploads/..", ROUTE_UPLOAD, ROUTE_BAD_UPLOAD, "a", ""},
	{"/v2/a/blobs/uploads/a.b", ROUTE_UPLOAD, ROUTE_BAD_UPLOAD, "a", ""},
	{"/v2/a/blobs/uploads/a\n", ROUTE_UPLOAD, ROUTE_BAD_UPLOAD, "a", ""},
};

static void every_path_means_one_thing(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char digest[DIGEST_STR_MAX];
		struct route r;
		enum route_fault fault = route_parse(cases[i].path, &r);
		const char *last = r.upload[0] ? r.upload : r.tag;

		if (r.has_digest)
			last = digest_format(&r.digest, digest);
		if (r.kind != cases[i].kind || fault != cases[i].fault ||
			strcmp(r.repository, cases[i].repository) != 0 ||
			strcmp(last, cases[i].last) != 0)
			fail_msg("%s: kind %d fault %d repository '%s' last '%s'",
				cases[i].path,
				(int)r.kind,
				(int)fault,
				r.repository,
				last);
	}
}

static char *path_of(size_t repository, const char *end, size_t last)
{
	AUTO_FREE char *name = xcalloc(repository + 1, 1), *tail = xcalloc(last + 1, 1);

	memset(name, 'a', repository);
	memset(tail, 'a', last);
	return xasprintf("/v2/%s%s%s", name, end, tail);
}

static enum route_fault fault_of(size_t repository, const char *end, size_t last)
{
	AUTO_FREE char *path = path_of(repository, end, last);
	struct route r;

	return route_parse(path, &r);
}

static void lengths_end_where_they_should(void **state)
{
	(void)state;
	assert_int_equal(fault_of(REPOSITORY_MAX, "/tags/list", 0), ROUTE_FINE);
	assert_int_equal(fault_of(REPOSITORY_MAX + 1, "/tags/list", 0), ROUTE_BAD_NAME);
	assert_int_equal(fault_of(1, "/manifests/", TAG_MAX), ROUTE_FINE);
	assert_int_equal(fault_of(1, "/manifests/", TAG_MAX + 1), ROUTE_BAD_TAG);
	assert_int_equal(fault_of(1, "/blobs/uploads/", ROUTE_UPLOAD_MAX), ROUTE_FINE);
	assert_int_equal(fault_of(1, "/blobs/uploads/", ROUTE_UPLOAD_MAX + 1), ROUTE_BAD_UPLOAD);
	assert_int_equal(fault_of(100000, "/manifests/", 100000), ROUTE_BAD_NAME);
}

static void every_kind_has_a_name_and_its_methods(void **state)
{
	(void)state;
	for (int k = ROUTE_NONE; k < ROUTE_MAX_; k++) {
		assert_non_null(route_name((enum route_kind)k));
		if (k != ROUTE_NONE)
			assert_non_null(route_allow((enum route_kind)k));
	}
	assert_null(route_allow(ROUTE_NONE));
	assert_string_equal(route_allow(ROUTE_MANIFEST), "GET, HEAD, PUT, DELETE");
	assert_string_equal(route_allow(ROUTE_UPLOADS), "POST");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_path_means_one_thing),
		cmocka_unit_test(lengths_end_where_they_should),
		cmocka_unit_test(every_kind_has_a_name_and_its_methods),
	};

	return cmocka_run_group_tests_name("server/route", tests, NULL, NULL);
}
