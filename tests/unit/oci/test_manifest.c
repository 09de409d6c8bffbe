#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "oci/manifest.h"
#include "util/buf.h"
#include "util/mem.h"

#define HEX    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SHA    "sha256:" HEX
#define SHA512 "sha512:" HEX HEX
#define D      "\"digest\":\"" SHA "\",\"size\":0"
#define LAYER  "application/vnd.oci.image.layer.v1.tar+gzip"
#define T(t)   "\"mediaType\":\"" t "\""

#define SCHEMA1 "application/vnd.docker.distribution.manifest.v1+prettyjws"

static int parse(const char *text, const char *content_type, struct manifest *m, struct error *err)
{
	return manifest_parse(text, strlen(text), content_type, m, err);
}

static void must_parse(const char *text, const char *content_type, struct manifest *m)
{
	AUTO(error_clear) struct error err = ERROR_INIT;

	if (parse(text, content_type, m, &err) < 0)
		fail_msg("%.120s: %s", text, error_text(&err));
}

static void must_refuse(const char *text, const char *content_type, const char *says)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct manifest m = {.n_items = 99};

	assert_int_equal(parse(text, content_type, &m, &err), -ERR_REMOTE);
	if (!strstr(error_text(&err), says))
		fail_msg("%.120s: says: %s", text, error_text(&err));
	assert_int_equal(m.n_items, 99);
}

static void an_image_manifest_has_its_config_first_and_then_its_layers(void **state)
{
	AUTO(manifest_clear) struct manifest m = MANIFEST_INIT;
	char text[DIGEST_STR_MAX];

	(void)state;
	must_parse(
		"{\"schemaVersion\":2," T(
			MEDIA_OCI_MANIFEST) ","
					    "\"layers\":[{" T(
						    LAYER) ",\"digest\":\"" SHA512
							   "\",\"size\":17},"
							   "{" T("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip") "," D
															      ",\"urls\":[\"https://x\"]}],"
															      "\"config\":{" T(
																      MEDIA_OCI_CONFIG) ",\"digest\":\"" SHA
																			"\",\"size\":3}}",
		NULL,
		&m);
	assert_int_equal(m.kind, MEDIA_MANIFEST);
	assert_string_equal(m.media_type, MEDIA_OCI_MANIFEST);
	assert_int_equal(m.n_items, 3);
	assert_false(m.has_subject);
	assert_int_equal(m.items[0].flags, DESCRIPTOR_CONFIG);
	assert_int_equal(m.items[0].size, 3);
	assert_string_equal(digest_format(&m.items[0].digest, text), SHA);
	assert_int_equal(m.items[1].flags, 0);
	assert_int_equal(m.items[1].size, 17);
	assert_int_equal(m.items[1].kind, MEDIA_UNKNOWN);
	assert_string_equal(digest_format(&m.items[1].digest, text), SHA512);
	assert_int_equal(m.items[2].flags, DESCRIPTOR_FOREIGN);
	assert_int_equal(m.items[2].size, 0);
}

static void an_index_has_its_children_with_kind_and_platform(void **state)
{
	static const struct {
		enum media_kind kind;
		unsigned flags;
		const char *platform;
	} want[] = {
		{MEDIA_MANIFEST, DESCRIPTOR_HAS_PLATFORM, "linux/arm64"},
		{MEDIA_INDEX, 0, NULL},
		{MEDIA_MANIFEST,
			DESCRIPTOR_HAS_PLATFORM | DESCRIPTOR_ATTESTATION,
			"unknown/unknown"},
		{MEDIA_UNKNOWN, 0, NULL},
		{MEDIA_MANIFEST, 0, NULL},
		{MEDIA_MANIFEST, 0, NULL},
	};
	AUTO(manifest_clear) struct manifest m = MANIFEST_INIT;
	char text[PLATFORM_TEXT_MAX];

	(void)state;
	must_parse(
		"{" T(MEDIA_DOCKER_INDEX) ",\"manifests\":["
					  "{" T(MEDIA_DOCKER_MANIFEST) "," D
								       ",\"platform\":{\"os\":\"linux\",\"architecture\":\"arm64\",\"variant\":\"v8\"}},"
								       "{" T(MEDIA_OCI_INDEX) "," D
											      "},"
											      "{" T(MEDIA_OCI_MANIFEST) "," D
															",\"platform\":{\"os\":\"unknown\",\"architecture\":\"unknown\"},"
															"\"annotations\":{\"vnd.docker.reference.type\":\"attestation-manifest\"}},"
															"{" T("application/vnd.buildkit.cacheconfig.v0") "," D
																					 "},"
																					 "{" T(MEDIA_OCI_MANIFEST) "," D
																								   ",\"platform\":{}},"
																								   "{" T(MEDIA_OCI_MANIFEST) "," D
																											     ",\"platform\":null,"
																											     "\"annotations\":{\"vnd.docker.reference.type\":\"other\"}}]}",
		MEDIA_DOCKER_INDEX,
		&m);
	assert_int_equal(m.kind, MEDIA_INDEX);
	assert_string_equal(m.media_type, MEDIA_DOCKER_INDEX);
	assert_int_equal(m.n_items, ARRAY_SIZE(want));
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		assert_int_equal(m.items[i].kind, want[i].kind);
		assert_int_equal(m.items[i].flags, want[i].flags);
		if (want[i].platform)
			assert_string_equal(
				platform_format(&m.items[i].platform, text), want[i].platform);
	}
}

static void the_document_decides_where_the_peer_is_vague(void **state)
{
	static const struct {
		const char *text;
		const char *content_type;
		enum media_kind kind;
		const char *media_type;
	} cases[] = {
		/* Both say it. */
		{"{" T(MEDIA_OCI_INDEX) ",\"manifests\":[]}",
			MEDIA_OCI_INDEX "; charset=utf-8",
			MEDIA_INDEX,
			MEDIA_OCI_INDEX},
		{"{" T(MEDIA_OCI_INDEX) ",\"manifests\":[]}",
			"Application/VND.OCI.image.index.v1+json",
			MEDIA_INDEX,
			MEDIA_OCI_INDEX},
		/* Only the document does. */
		{"{" T(MEDIA_DOCKER_INDEX) ",\"manifests\":[]}",
			NULL,
			MEDIA_INDEX,
			MEDIA_DOCKER_INDEX},
		{"{" T(MEDIA_DOCKER_MANIFEST) ",\"layers\":[]}",
			"text/plain; charset=utf-8",
			MEDIA_MANIFEST,
			MEDIA_DOCKER_MANIFEST},
		{"{" T(MEDIA_DOCKER_MANIFEST) ",\"layers\":[]}",
			"no type at all",
			MEDIA_MANIFEST,
			MEDIA_DOCKER_MANIFEST},
		/* Only the peer does. */
		{"{\"layers\":[]}", MEDIA_DOCKER_MANIFEST, MEDIA_MANIFEST, MEDIA_DOCKER_MANIFEST},
		{"{" T("application/json") ",\"manifests\":[]}",
			MEDIA_DOCKER_INDEX,
			MEDIA_INDEX,
			MEDIA_DOCKER_INDEX},
		/* Neither does: the members. */
		{"{\"manifests\":[]}", "application/json", MEDIA_INDEX, MEDIA_OCI_INDEX},
		{"{\"config\":{" D "}}", "", MEDIA_MANIFEST, MEDIA_OCI_MANIFEST},
		{"{\"layers\":[]}", NULL, MEDIA_MANIFEST, MEDIA_OCI_MANIFEST},
		{"{\"config\":{" T(MEDIA_OCI_CONFIG) "," D "}}",
			NULL,
			MEDIA_MANIFEST,
			MEDIA_OCI_MANIFEST},
		{"{\"config\":{" T(MEDIA_DOCKER_CONFIG) "," D "}}",
			NULL,
			MEDIA_MANIFEST,
			MEDIA_DOCKER_MANIFEST},
		/* An unknown type is kept: the shape is known. */
		{"{" T("application/vnd.example.v1+json") ",\"layers\":[]}",
			NULL,
			MEDIA_MANIFEST,
			"application/vnd.example.v1+json"},
		{"{\"manifests\":[]}",
			"application/vnd.example.v1+json",
			MEDIA_INDEX,
			"application/vnd.example.v1+json"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(manifest_clear) struct manifest m = MANIFEST_INIT;

		must_parse(cases[i].text, cases[i].content_type, &m);
		assert_int_equal(m.kind, cases[i].kind);
		assert_string_equal(m.media_type, cases[i].media_type);
	}
}

static void artifacts_and_empty_documents_are_fine(void **state)
{
	static const struct {
		const char *text;
		enum media_kind kind;
		size_t n_items;
	} cases[] = {
		{"{\"config\":{" T(MEDIA_OCI_EMPTY) "," D ",\"data\":\"e30=\"},\"layers\":[]}",
			MEDIA_MANIFEST,
			1},
		{"{\"config\":{" D "},\"layers\":null}", MEDIA_MANIFEST, 1},
		{"{\"config\":{" D "}}", MEDIA_MANIFEST, 1},
		{"{\"config\":null,\"layers\":[]}", MEDIA_MANIFEST, 0},
		{"{\"artifactType\":\"x/y\",\"layers\":[{" D "},{" D "}]}", MEDIA_MANIFEST, 2},
		{"{\"layers\":[],\"manifests\":null}", MEDIA_MANIFEST, 0},
		{"{\"manifests\":[],\"layers\":null,\"config\":null}", MEDIA_INDEX, 0},
		{"{" T(MEDIA_OCI_INDEX) ",\"manifests\":null}", MEDIA_INDEX, 0},
		{"{\"manifests\":[],\"unknown\":{\"a\":[1,{}]},\"annotations\":{\"a\":\"b\"}}",
			MEDIA_INDEX,
			0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(manifest_clear) struct manifest m = MANIFEST_INIT;

		must_parse(cases[i].text, NULL, &m);
		assert_int_equal(m.kind, cases[i].kind);
		assert_int_equal(m.n_items, cases[i].n_items);
	}
}

static void a_subject_is_noted_and_is_no_item(void **state)
{
	AUTO(manifest_clear) struct manifest m = MANIFEST_INIT;
	char text[DIGEST_STR_MAX];

	(void)state;
	must_parse("{\"manifests\":[],\"subject\":{" T(MEDIA_OCI_MANIFEST) "," D "}}", NULL, &m);
	assert_true(m.has_subject);
	assert_string_equal(digest_format(&m.subject, text), SHA);
	assert_int_equal(m.n_items, 0);
	must_refuse(
		"{\"manifests\":[],\"subject\":{\"size\":1}}", NULL, "subject: digest: missing");
	must_refuse("{\"manifests\":[],\"subject\":\"x\"}", NULL, "subject: not an object");
}

static void contradictions_are_refused(void **state)
{
	static const struct {
		const char *text;
		const char *content_type;
		const char *says;
	} cases[] = {
		{"{\"layers\":[],\"manifests\":[]}", NULL, "both 'manifests' and 'layers'"},
		{"{\"config\":{" D "},\"manifests\":[]}", NULL, "both 'manifests' and 'config'"},
		{"{" T(MEDIA_OCI_INDEX) ",\"layers\":[],\"manifests\":[]}",
			MEDIA_OCI_INDEX,
			"both 'manifests' and 'layers'"},
		{"{" T(MEDIA_OCI_INDEX) ",\"manifests\":[]}",
			MEDIA_DOCKER_INDEX,
			"declared as '" MEDIA_DOCKER_INDEX
			"', but its mediaType is '" MEDIA_OCI_INDEX "'"},
		{"{" T(MEDIA_OCI_INDEX) ",\"manifests\":[]}",
			"text/html",
			"declared as 'text/html'"},
		{"{" T("x/y") ",\"manifests\":[]}", MEDIA_OCI_INDEX, "its mediaType is 'x/y'"},
		{"{" T(MEDIA_OCI_INDEX) ",\"layers\":[]}", NULL, "those of an image manifest"},
		{"{\"layers\":[]}", MEDIA_OCI_INDEX, "those of an image manifest"},
		{"{" T(MEDIA_OCI_MANIFEST) ",\"manifests\":[]}", NULL, "those of an index"},
		{"{\"manifests\":[]}", MEDIA_DOCKER_MANIFEST, "those of an index"},
		{"{}", NULL, "neither manifest nor index"},
		{"{}", MEDIA_OCI_MANIFEST, "neither manifest nor index"},
		{"{}", MEDIA_OCI_INDEX, "neither manifest nor index"},
		{"{" T(MEDIA_OCI_MANIFEST) ",\"layers\":null}", NULL, "neither manifest nor index"},
		{"{\"manifests\":null}", NULL, "neither manifest nor index"},
		{"{\"errors\":[{\"code\":\"UNKNOWN\"}]}", NULL, "neither manifest nor index"},
		{"{\"blobs\":[]}", NULL, "neither manifest nor index"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		must_refuse(cases[i].text, cases[i].content_type, cases[i].says);
}

static void schema_1_is_refused_with_what_to_do(void **state)
{
	static const struct {
		const char *text;
		const char *content_type;
	} cases[] = {
		{"{\"schemaVersion\":1,\"fsLayers\":[],\"history\":[]}", NULL},
		{"{\"fsLayers\":null}", "application/json"},
		{"{\"fsLayers\":[],\"layers\":[]}", MEDIA_OCI_MANIFEST},
		{"{\"layers\":[]}", SCHEMA1},
		{"{" T(SCHEMA1) ",\"layers\":[]}", NULL},
		{"{" T("application/vnd.docker.distribution.manifest.v1+json") "}", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		must_refuse(cases[i].text,
			cases[i].content_type,
			"Docker schema 1 images are not supported");
		must_refuse(cases[i].text, cases[i].content_type, "skopeo copy --format v2s2");
	}
}

static void bad_descriptors_are_refused_and_named(void **state)
{
	static const struct {
		const char *text;
		const char *says;
	} cases[] = {
		{"{\"layers\":[{" D "},{\"size\":1}]}", "layers[1]: digest: missing"},
		{"{\"manifests\":[{\"size\":1}]}", "manifests[0]: digest: missing"},
		{"{\"config\":{}}", "config: digest: missing"},
		{"{\"config\":{\"digest\":\"" SHA "\"}}", "config: size: missing"},
		{"{\"layers\":[null]}", "layers[0]: not an object"},
		{"{\"layers\":[[]]}", "layers[0]: not an object"},
		{"{\"layers\":[\"" SHA "\"]}", "layers[0]: not an object"},
		{"{\"layers\":[{\"digest\":1,\"size\":1}]}", "digest: not a string"},
		{"{\"layers\":[{\"digest\":\"\",\"size\":1}]}", "digest: malformed"},
		{"{\"layers\":[{\"digest\":\"sha256:12\",\"size\":1}]}", "digest: malformed"},
		{"{\"layers\":[{\"digest\":\"SHA256:" HEX "\",\"size\":1}]}", "digest: malformed"},
		{"{\"layers\":[{\"digest\":\"../x:y/z\",\"size\":1}]}", "digest: malformed"},
		{"{\"layers\":[{\"digest\":\"blake3:" HEX "\",\"size\":1}]}",
			"layers[0]: digest: algorithm 'blake3' cannot be verified"},
		{"{\"layers\":[{\"digest\":\"multihash+base58:Qm\",\"size\":1}]}",
			"algorithm 'multihash+base58' cannot"},
		{"{\"layers\":[{\"digest\":\"" SHA "\",\"size\":-1}]}", "size: negative"},
		{"{\"layers\":[{\"digest\":\"" SHA "\",\"size\":1.0}]}",
			"size: not a whole number"},
		{"{\"layers\":[{\"digest\":\"" SHA "\",\"size\":\"1\"}]}",
			"size: not a whole number"},
		{"{\"layers\":[{\"digest\":\"" SHA "\",\"size\":null}]}", "size: missing"},
		{"{\"layers\":[{\"digest\":\"" SHA "\",\"size\":70368744177665}]}",
			"size: 70368744177665 bytes"},
		{"{\"layers\":[{\"mediaType\":1," D "}]}", "mediaType: not a string"},
		{"{\"manifests\":[{\"platform\":[]," D "}]}", "platform: not an object"},
		{"{\"manifests\":[{\"platform\":{\"os\":1}," D "}]}", "os: not a string"},
		{"{\"manifests\":[{\"platform\":{\"os\":\"a/b\"}," D "}]}", "platform.os"},
		{"{\"manifests\":[{\"annotations\":[]," D "}]}", "annotations: not an object"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		must_refuse(cases[i].text, NULL, cases[i].says);
}

static void members_of_the_wrong_type_are_refused(void **state)
{
	static const struct {
		const char *text;
		const char *says;
	} cases[] = {
		{"[]", "not an object"},
		{"<html>", "not JSON"},
		{"", "empty"},
		{"{\"layers\":{}}", "layers: not an array"},
		{"{\"manifests\":{}}", "manifests: not an array"},
		{"{\"config\":[]}", "config: not an object"},
		{"{\"mediaType\":1,\"layers\":[]}", "mediaType: not a string"},
		{"{\"mediaType\":\"a/b\\r\\nX: 1\",\"layers\":[]}", "mediaType: not a media type"},
		{"{\"layers\":[],\"layers\":[]}", "same name"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		must_refuse(cases[i].text, NULL, cases[i].says);
}

/* {"layers":[ n descriptors ]}, padded with spaces to len bytes when that is more. */
static void compose(struct buf *b, size_t n, size_t len)
{
	assert_int_equal(buf_puts(b, "{\"layers\":[", NULL), 0);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(buf_printf(b, NULL, "%s{" D "}", i > 0 ? "," : ""), 0);
	assert_int_equal(buf_puts(b, "]}", NULL), 0);
	if (len <= b->len)
		return;
	assert_int_equal(buf_reserve(b, len - b->len, NULL), 0);
	memset(b->data + b->len, ' ', len - b->len);
	b->len = len;
}

static void a_document_may_have_its_limit_of_descriptors_and_no_more(void **state)
{
	AUTO(buf_clear) struct buf most = BUF_INIT(MANIFEST_MAX);
	AUTO(buf_clear) struct buf more = BUF_INIT(MANIFEST_MAX);
	AUTO(manifest_clear) struct manifest m = MANIFEST_INIT;
	AUTO(error_clear) struct error err = ERROR_INIT;

	(void)state;
	compose(&most, MANIFEST_BLOBS_MAX, 0);
	compose(&more, MANIFEST_BLOBS_MAX + 1, 0);
	assert_int_equal(manifest_parse(more.data, more.len, NULL, &m, &err), -ERR_REMOTE);
	assert_string_equal(error_text(&err), "8193 descriptors, more than 8192");
	assert_int_equal(manifest_parse(most.data, most.len, NULL, &m, &err), 0);
	assert_int_equal(m.n_items, MANIFEST_BLOBS_MAX);
}

static void a_document_may_have_its_limit_of_bytes_and_no_more(void **state)
{
	AUTO(buf_clear) struct buf b = BUF_INIT(MANIFEST_MAX + 1);
	AUTO(manifest_clear) struct manifest m = MANIFEST_INIT;
	AUTO(error_clear) struct error err = ERROR_INIT;

	(void)state;
	compose(&b, 1, MANIFEST_MAX + 1);
	assert_int_equal(manifest_parse(b.data, b.len, NULL, &m, &err), -ERR_NOMEM);
	assert_int_equal(manifest_parse(b.data, b.len - 1, NULL, &m, &err), 0);
}

static void nesting_beyond_the_limit_is_refused(void **state)
{
	static const char head[] = "{\"layers\":[],\"x\":";
	char text[sizeof(head) + 2 * MANIFEST_DEPTH_MAX + 1];

	(void)state;
	for (size_t depth = MANIFEST_DEPTH_MAX - 1; depth <= MANIFEST_DEPTH_MAX; depth++) {
		AUTO(manifest_clear) struct manifest m = MANIFEST_INIT;
		char *at = text + sizeof(head) - 1;

		memcpy(text, head, sizeof(head));
		memset(at, '[', depth);
		memset(at + depth, ']', depth);
		memcpy(at + 2 * depth, "}", 2);
		if (depth < MANIFEST_DEPTH_MAX)
			must_parse(text, NULL, &m);
		else
			must_refuse(text, NULL, "deeper than 32 levels");
	}
}

static void the_longest_media_type_is_kept_and_a_longer_one_is_refused(void **state)
{
	char type[MEDIA_TYPE_MAX + 2];

	(void)state;
	memset(type, 'x', sizeof(type));
	type[1] = '/';
	for (size_t len = MEDIA_TYPE_MAX; len <= MEDIA_TYPE_MAX + 1; len++) {
		AUTO(manifest_clear) struct manifest m = MANIFEST_INIT;
		AUTO_FREE char *text = NULL;

		text = xasprintf("{\"mediaType\":\"%.*s\",\"layers\":[]}", (int)len, type);
		if (len > MEDIA_TYPE_MAX) {
			must_refuse(text, NULL, "mediaType: not a media type");
			continue;
		}
		must_parse(text, NULL, &m);
		assert_int_equal(strlen(m.media_type), len);
	}
}

static struct manifest index_like(struct descriptor *items, const char *children)
{
	struct manifest m = {.kind = MEDIA_INDEX, .items = items};

	for (; children[m.n_items]; m.n_items++) {
		items[m.n_items] = (struct descriptor){.digest = {.algo = DIGEST_SHA256}};
		items[m.n_items].digest.raw[0] = (uint8_t)children[m.n_items];
	}
	return m;
}

static void indexes_are_alike_by_their_children_in_any_order_each_as_often(void **state)
{
	struct descriptor x[4], y[4];
	struct manifest a = index_like(x, "abb"), b = index_like(y, "bab");

	(void)state;
	assert_true(manifest_same_children(&a, &b));
	b = index_like(y, "aab");
	assert_false(manifest_same_children(&a, &b));
	b = index_like(y, "abbb");
	assert_false(manifest_same_children(&a, &b));
	b = index_like(y, "abb");
	b.kind = MEDIA_MANIFEST;
	assert_false(manifest_same_children(&a, &b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(indexes_are_alike_by_their_children_in_any_order_each_as_often),
		cmocka_unit_test(an_image_manifest_has_its_config_first_and_then_its_layers),
		cmocka_unit_test(an_index_has_its_children_with_kind_and_platform),
		cmocka_unit_test(the_document_decides_where_the_peer_is_vague),
		cmocka_unit_test(artifacts_and_empty_documents_are_fine),
		cmocka_unit_test(a_subject_is_noted_and_is_no_item),
		cmocka_unit_test(contradictions_are_refused),
		cmocka_unit_test(schema_1_is_refused_with_what_to_do),
		cmocka_unit_test(bad_descriptors_are_refused_and_named),
		cmocka_unit_test(members_of_the_wrong_type_are_refused),
		cmocka_unit_test(a_document_may_have_its_limit_of_descriptors_and_no_more),
		cmocka_unit_test(a_document_may_have_its_limit_of_bytes_and_no_more),
		cmocka_unit_test(nesting_beyond_the_limit_is_refused),
		cmocka_unit_test(the_longest_media_type_is_kept_and_a_longer_one_is_refused),
	};

	return cmocka_run_group_tests_name("oci/manifest", tests, NULL, NULL);
}
