#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "select/kubeadm.h"
#include "util/buf.h"
#include "util/mem.h"

/* The rows of guides/protocol.md 5.4, written out a second time and in its own terms. */
static const struct {
	unsigned minor, first, last; /* patch versions */
	const char *coredns, *etcd, *pause;
} guide[] = {
	{20, 0, 15, "1.7.0", "3.4.13-0", "3.2"},
	{21, 0, 14, "v1.8.0", "3.4.13-0", "3.4.1"},
	{22, 0, 16, "v1.8.4", "3.5.0-0", "3.5"},
	{22, 17, 17, "v1.8.4", "3.5.6-0", "3.5"},
	{23, 0, 13, "v1.8.6", "3.5.1-0", "3.6"},
	{23, 14, 14, "v1.8.6", "3.5.5-0", "3.6"},
	{23, 15, 17, "v1.8.6", "3.5.6-0", "3.6"},
	{24, 0, 7, "v1.8.6", "3.5.3-0", "3.7"},
	{24, 8, 8, "v1.8.6", "3.5.5-0", "3.7"},
	{24, 9, 17, "v1.8.6", "3.5.6-0", "3.7"},
	{25, 0, 3, "v1.9.3", "3.5.4-0", "3.8"},
	{25, 4, 4, "v1.9.3", "3.5.5-0", "3.8"},
	{25, 5, 14, "v1.9.3", "3.5.6-0", "3.8"},
	{25, 15, 16, "v1.9.3", "3.5.9-0", "3.8"},
	{26, 0, 9, "v1.9.3", "3.5.6-0", "3.9"},
	{26, 10, 12, "v1.9.3", "3.5.9-0", "3.9"},
	{26, 13, 15, "v1.9.3", "3.5.10-0", "3.9"},
	{27, 0, 6, "v1.10.1", "3.5.7-0", "3.9"},
	{27, 7, 9, "v1.10.1", "3.5.9-0", "3.9"},
	{27, 10, 11, "v1.10.1", "3.5.10-0", "3.9"},
	{27, 12, 16, "v1.10.1", "3.5.12-0", "3.9"},
	{28, 0, 5, "v1.10.1", "3.5.9-0", "3.9"},
	{28, 6, 7, "v1.10.1", "3.5.10-0", "3.9"},
	{28, 8, 13, "v1.10.1", "3.5.12-0", "3.9"},
	{28, 14, 15, "v1.10.1", "3.5.15-0", "3.9"},
	{29, 0, 2, "v1.11.1", "3.5.10-0", "3.9"},
	{29, 3, 8, "v1.11.1", "3.5.12-0", "3.9"},
	{29, 9, 10, "v1.11.1", "3.5.15-0", "3.9"},
	{29, 11, 15, "v1.11.1", "3.5.16-0", "3.9"},
	{30, 0, 4, "v1.11.1", "3.5.12-0", "3.9"},
	{30, 5, 14, "v1.11.3", "3.5.15-0", "3.9"},
	{31, 0, 0, "v1.11.1", "3.5.15-0", "3.10"},
	{31, 1, 13, "v1.11.3", "3.5.15-0", "3.10"},
	{31, 14, 14, "v1.11.3", "3.5.24-0", "3.10"},
	{32, 0, 9, "v1.11.3", "3.5.16-0", "3.10"},
	{32, 10, 13, "v1.11.3", "3.5.24-0", "3.10"},
	{33, 0, 5, "v1.12.0", "3.5.21-0", "3.10"},
	{33, 6, 13, "v1.12.0", "3.5.24-0", "3.10"},
	{34, 0, 1, "v1.12.1", "3.6.4-0", "3.10.1"},
	{34, 2, 10, "v1.12.1", "3.6.5-0", "3.10.1"},
	{35, 0, 7, "v1.13.1", "3.6.6-0", "3.10.1"},
	{36, 0, 3, "v1.14.2", "3.6.8-0", "3.10.2"},
};

/* The list as one text, a reference a line; the caller frees. */
static char *list(const struct kubeadm_table *t, const char *version, const char *repository)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(kubeadm_images_clear) struct kubeadm_images images = {.n = 0};
	AUTO(buf_clear) struct buf out = BUF_INIT(4096);

	if (kubeadm_images_get(t, version, &images, &err) < 0)
		fail_msg("%s", error_text(&err));
	for (size_t i = 0; i < images.n; i++) {
		AUTO_FREE char *reference = kubeadm_reference(&images, i, repository);

		assert_int_equal(buf_printf(&out, NULL, "%s\n", reference), 0);
	}
	return buf_steal(&out);
}

/* Default repository up to 1.24, with the exceptions of December 2022. */
static bool is_old(unsigned minor, unsigned patch)
{
	return minor < 22 || (minor == 22 && patch < 17) || (minor == 23 && patch < 15) ||
	       (minor == 24 && patch < 9);
}

static char *expected(size_t row, unsigned patch)
{
	const char *registry = is_old(guide[row].minor, patch) ? "k8s.gcr.io" : "registry.k8s.io";
	AUTO_FREE char *version = xasprintf("v1.%u.%u", guide[row].minor, patch);
	AUTO_FREE char *dns = xasprintf("%s/%s:%s\n",
		registry,
		guide[row].minor == 20 ? "coredns" : "coredns/coredns",
		guide[row].coredns);
	bool dns_first = guide[row].minor >= 29;

	return xasprintf("%s/kube-apiserver:%s\n%s/kube-controller-manager:%s\n"
			 "%s/kube-scheduler:%s\n%s/kube-proxy:%s\n%s%s/pause:%s\n%s/etcd:%s\n%s",
		registry,
		version,
		registry,
		version,
		registry,
		version,
		registry,
		version,
		dns_first ? dns : "",
		registry,
		guide[row].pause,
		registry,
		guide[row].etcd,
		dns_first ? "" : dns);
}

static void the_list_of_every_patch_version_is_that_of_the_guide(void **state)
{
	AUTO(kubeadm_table_freep) struct kubeadm_table *t = kubeadm_table_new();
	size_t n = 0, n_known = 0;
	char **known = kubeadm_table_versions(t, &n_known);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(guide); i++) {
		for (unsigned p = guide[i].first; p <= guide[i].last; p++, n++) {
			AUTO_FREE char *version = xasprintf("1.%u.%u", guide[i].minor, p);
			AUTO_FREE char *got = list(t, version, NULL);
			AUTO_FREE char *want = expected(i, p);

			assert_string_equal(got, want);
		}
	}
	/* And 1.37.0-rc.0, below. */
	assert_int_equal(n_known, n + 1);
	for (size_t i = 0; i < n_known; i++)
		free(known[i]);
	free(known);
}

static void a_release_candidate_is_a_version_of_its_own(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(kubeadm_table_freep) struct kubeadm_table *t = kubeadm_table_new();
	AUTO(kubeadm_images_clear) struct kubeadm_images images = {.n = 0};
	AUTO_FREE char *got = list(t, "v1.37.0-rc.0", NULL);

	(void)state;
	assert_string_equal(got,
		"registry.k8s.io/kube-apiserver:v1.37.0-rc.0\n"
		"registry.k8s.io/kube-controller-manager:v1.37.0-rc.0\n"
		"registry.k8s.io/kube-scheduler:v1.37.0-rc.0\n"
		"registry.k8s.io/kube-proxy:v1.37.0-rc.0\n"
		"registry.k8s.io/coredns/coredns:v1.14.6\n"
		"registry.k8s.io/pause:3.10.2\n"
		"registry.k8s.io/etcd:3.7.0-0\n");
	assert_int_equal(kubeadm_images_get(t, "1.37.0", &images, &err), -ERR_USAGE);
	assert_int_equal(kubeadm_images_get(t, "1.37.0-rc.1", &images, NULL), -ERR_USAGE);
	assert_int_equal(kubeadm_images_get(t, "1.34.1-rc.0", &images, NULL), -ERR_USAGE);
}

static void another_repository_has_coredns_without_its_directory(void **state)
{
	AUTO(kubeadm_table_freep) struct kubeadm_table *t = kubeadm_table_new();
	AUTO_FREE char *own = list(t, "1.34.1", "registry.k8s.io");
	AUTO_FREE char *other = list(t, "1.34.1", "reg.local:5000/k8s");
	AUTO_FREE char *old = list(t, "1.23.0", "registry.k8s.io");

	(void)state;
	assert_non_null(strstr(own, "registry.k8s.io/coredns/coredns:v1.12.1\n"));
	assert_non_null(strstr(other, "reg.local:5000/k8s/coredns:v1.12.1\n"));
	assert_null(strstr(other, "coredns/coredns"));
	/* What is kubeadm's own is a matter of its version. */
	assert_non_null(strstr(old, "registry.k8s.io/coredns:v1.8.6\n"));
}

static void build_metadata_is_written_as_kubeadm_writes_it(void **state)
{
	AUTO(kubeadm_table_freep) struct kubeadm_table *t = kubeadm_table_new();
	AUTO_FREE char *got = list(t, "v1.31.0+build.1", NULL);

	(void)state;
	assert_non_null(strstr(got, "registry.k8s.io/kube-proxy:v1.31.0_build.1\n"));
	assert_non_null(strstr(got, "registry.k8s.io/etcd:3.5.15-0\n"));
}

static void an_unknown_version_says_what_is_known_and_what_to_do(void **state)
{
	static const struct {
		const char *version, *says;
	} cases[] = {
		{"1.34.11", "which has 1.34.0 to 1.34.10;"},
		{"v1.99.0", "which has 1.20.0 to 1.36.3;"},
		{"1.19.16", "which has 1.20.0 to 1.36.3;"},
		{"1.34.11", "--kubernetes-version v1.34.11 | regmirror kubeadm images"},
		{"1.34", "'1.34' is no version"},
		{"", "'' is no version"},
		{"latest", "'latest' is no version"},
		{"1.34.01", "'1.34.01' is no version"},
		{"1.34.1.1", "is no version"},
		{"18446744073709551616.0.0", "is no version"},
	};
	AUTO(kubeadm_table_freep) struct kubeadm_table *t = kubeadm_table_new();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(error_clear) struct error err = ERROR_INIT;
		AUTO(kubeadm_images_clear) struct kubeadm_images images = {.n = 0};

		assert_int_equal(
			kubeadm_images_get(t, cases[i].version, &images, &err), -ERR_USAGE);
		if (!strstr(error_text(&err), cases[i].says))
			fail_msg("%s: %s", cases[i].version, error_text(&err));
		assert_int_equal(images.n, 0);
	}
}

static void add(struct kubeadm_table *t, const char *text)
{
	AUTO(error_clear) struct error err = ERROR_INIT;

	if (kubeadm_table_add(t, "file", text, strlen(text), &err) < 0)
		fail_msg("%s", error_text(&err));
}

static void rows_of_a_file_win_and_leave_the_others(void **state)
{
	AUTO(kubeadm_table_freep) struct kubeadm_table *t = kubeadm_table_new();
	AUTO_FREE char *before = list(t, "1.34.1", NULL);

	(void)state;
	add(t,
		"# ours\n\n"
		"v1.38.0..2  registry.k8s.io\tcoredns/coredns:v2.0.0 pause:4.0 etcd:4.0.0-0 # new\n"
		"1.34.0  reg.example:5000/k8s  coredns:v9 extra/thing:1\r\n");
	{
		AUTO_FREE char *added = list(t, "1.38.2", NULL);
		AUTO_FREE char *replaced = list(t, "1.34.0", NULL);
		AUTO_FREE char *other = list(t, "1.34.1", NULL);

		assert_non_null(strstr(added, "registry.k8s.io/etcd:4.0.0-0\n"));
		assert_non_null(strstr(replaced, "reg.example:5000/k8s/extra/thing:1\n"));
		assert_string_equal(other, before);
	}
}

static void a_bad_file_is_refused_with_its_line(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"1.34.0..x registry.k8s.io etcd:1", "file:1: '1.34.0..x': behind the dots"},
		{"\n1.34.3..2 registry.k8s.io etcd:1", "file:2: '1.34.3..2': behind the dots"},
		{"1.34 registry.k8s.io etcd:1", "'1.34' is neither a version"},
		{"1.34.0-rc.0..2 registry.k8s.io etcd:1", "is neither a version"},
		{"1.34.0", "is no registry"},
		{"1.34.0 not_a_host etcd:1", "'not_a_host' is no registry"},
		{"1.34.0 registry.k8s.io", "there are no images"},
		{"1.34.0 registry.k8s.io etcd", "'etcd' is no image"},
		{"1.34.0 registry.k8s.io etcd:", "'etcd:' is no image"},
		{"1.34.0 registry.k8s.io ../etcd:1", "'../etcd:1' is no image"},
		{"1.34.0 registry.k8s.io etcd:a/b", "'etcd:a/b' is no image"},
		{"1.36.0 registry.k8s.io etcd:1\nx", "file:2:"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(kubeadm_table_freep) struct kubeadm_table *t = kubeadm_table_new();
		AUTO(error_clear) struct error err = ERROR_INIT;
		AUTO_FREE char *before = list(t, "1.36.0", NULL);
		AUTO_FREE char *after = NULL;

		assert_int_equal(
			kubeadm_table_add(t, "file", cases[i].text, strlen(cases[i].text), &err),
			-ERR_USAGE);
		if (!strstr(error_text(&err), cases[i].says))
			fail_msg("%s: %s", cases[i].text, error_text(&err));
		after = list(t, "1.36.0", NULL);
		assert_string_equal(before, after);
	}
	{
		AUTO(kubeadm_table_freep) struct kubeadm_table *t = kubeadm_table_new();

		assert_int_equal(kubeadm_table_add(t, "file", "1.0.0\0x", 7, NULL), -ERR_USAGE);
	}
}

#define OF_1_34_11                                           \
	"registry.k8s.io/kube-apiserver:v1.34.11\n"          \
	"registry.k8s.io/kube-controller-manager:v1.34.11\n" \
	"registry.k8s.io/kube-scheduler:v1.34.11\n"          \
	"registry.k8s.io/kube-proxy:v1.34.11\n"              \
	"registry.k8s.io/coredns/coredns:v1.12.9\n"          \
	"registry.k8s.io/pause:3.10.1\n"                     \
	"registry.k8s.io/etcd:3.6.9-0\n"

static void what_kubeadm_printed_is_printed_again(void **state)
{
	static const char text[] =
		"W0920 16:52:19.059128 2142217 version.go:105] falling back\n" OF_1_34_11;
	static const char json[] =
		"\n{\"kind\":\"Images\",\"apiVersion\":\"output.kubeadm.k8s.io/v1alpha3\",\"images\":["
		"\"registry.k8s.io/kube-apiserver:v1.34.11\","
		"\"registry.k8s.io/kube-controller-manager:v1.34.11\","
		"\"registry.k8s.io/kube-scheduler:v1.34.11\",\"registry.k8s.io/kube-proxy:v1.34.11\","
		"\"registry.k8s.io/coredns/coredns:v1.12.9\",\"registry.k8s.io/pause:3.10.1\","
		"\"registry.k8s.io/etcd:3.6.9-0\"]}";
	const char *const inputs[] = {text, json};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(inputs); i++) {
		AUTO(kubeadm_table_freep) struct kubeadm_table *t = kubeadm_table_new();
		AUTO(error_clear) struct error err = ERROR_INIT;
		AUTO_FREE char *version = NULL;
		AUTO_FREE char *again = NULL;

		if (kubeadm_table_add_output(t, "-", inputs[i], strlen(inputs[i]), &version, &err) <
			0)
			fail_msg("%s", error_text(&err));
		assert_string_equal(version, "v1.34.11");
		again = list(t, version, NULL);
		assert_string_equal(again, OF_1_34_11);
	}
}

static void the_list_of_another_repository_is_one_of_the_upstream(void **state)
{
	static const char text[] =
		"reg.example/google/kube-apiserver:v1.34.11\nreg.example/google/coredns:v1.12.9\n"
		"reg.example/google/pause:3.10.1\nreg.example/google/etcd:3.6.9-0";
	AUTO(kubeadm_table_freep) struct kubeadm_table *t = kubeadm_table_new();
	AUTO_FREE char *version = NULL;
	AUTO_FREE char *again = NULL;

	(void)state;
	assert_int_equal(kubeadm_table_add_output(t, "-", text, strlen(text), &version, NULL), 0);
	again = list(t, version, NULL);
	assert_string_equal(again, OF_1_34_11);
}

static void a_row_can_be_kept_in_a_file(void **state)
{
	AUTO(kubeadm_table_freep) struct kubeadm_table *t = kubeadm_table_new();
	AUTO(kubeadm_table_freep) struct kubeadm_table *second = kubeadm_table_new();
	AUTO(kubeadm_images_clear) struct kubeadm_images images = {.n = 0};
	AUTO_FREE char *version = NULL;
	AUTO_FREE char *row = NULL;
	AUTO_FREE char *again = NULL;

	(void)state;
	assert_int_equal(
		kubeadm_table_add_output(t, "-", OF_1_34_11, strlen(OF_1_34_11), &version, NULL),
		0);
	assert_int_equal(kubeadm_images_get(t, version, &images, NULL), 0);
	row = kubeadm_row(&images);
	assert_string_equal(
		row, "1.34.11  registry.k8s.io  coredns/coredns:v1.12.9 pause:3.10.1 etcd:3.6.9-0");
	add(second, row);
	again = list(second, "1.34.11", NULL);
	assert_string_equal(again, OF_1_34_11);
}

static void other_output_is_refused(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"", "no kube-apiserver is listed"},
		{"registry.k8s.io/pause:3.10\n", "no kube-apiserver is listed"},
		{"r.io/kube-apiserver:latest\nr.io/etcd:1", "has no version as its tag"},
		{"r.io/kube-apiserver:v1.34.1\n", "coredns, etcd and pause are not listed"},
		{"r.io/kube-apiserver:v1.34.1\nr.io/kube-proxy:v1.34.2\n",
			"not of version v1.34.1"},
		{"r.io/kube-apiserver:v1.34.1\nother.io/etcd:1\n", "not of the repository 'r.io'"},
		{"r.io/kube-apiserver:v1.34.1\nr.io/etcd\n", "is no image"},
		{"{\"kind\":\"Text\",\"images\":[]}", "no list of the kind 'Images'"},
		{"{\"kind\":\"Images\",\"images\":[1]}", "images[0] is no text"},
		{"{\"kind\":\"Images\"", "-: "},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(kubeadm_table_freep) struct kubeadm_table *t = kubeadm_table_new();
		AUTO(error_clear) struct error err = ERROR_INIT;
		char *version = NULL;

		assert_int_equal(
			kubeadm_table_add_output(
				t, "-", cases[i].text, strlen(cases[i].text), &version, &err),
			-ERR_USAGE);
		if (!strstr(error_text(&err), cases[i].says))
			fail_msg("%s: %s", cases[i].text, error_text(&err));
		assert_null(version);
	}
}

static const char *const apiserver_tags[] = {
	"v1.32.9",
	"v1.33.0",
	"v1.33.10",
	"v1.33.9",
	"v1.33.11-rc.0",
	"v1.34.0",
	"v1.34.1",
	"v1.35.0-rc.1",
	"1.33.12",
	"v1.33",
	"sha256-0123.sig",
	"latest",
};

/* The tags that a wish means, joined; the caller frees. */
static char *selected(const struct kubeadm_wish *w)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(buf_clear) struct buf out = BUF_INIT(4096);
	bool chosen[ARRAY_SIZE(apiserver_tags)] = {false};

	if (kubeadm_wish_select(w, apiserver_tags, ARRAY_SIZE(apiserver_tags), chosen, &err) < 0)
		return xstrdup(error_text(&err));
	for (size_t i = 0; i < ARRAY_SIZE(chosen); i++)
		if (chosen[i])
			assert_int_equal(buf_printf(&out, NULL, " %s", apiserver_tags[i]), 0);
	return buf_steal(&out);
}

static void versions_are_chosen_from_the_tags_of_kube_apiserver(void **state)
{
	static const struct {
		struct kubeadm_wish wish;
		const char *means;
	} cases[] = {
		{{.version = ">=1.33 <1.35"}, " v1.33.0 v1.33.10 v1.33.9 v1.34.0 v1.34.1"},
		{{.version = "1.34"}, " v1.34.0 v1.34.1"},
		{{.minor = "1.33", .latest = 2}, " v1.33.10 v1.33.9"},
		{{.minor = "v1.33", .latest = 1}, " v1.33.10"},
		{{.minor = "1.33", .latest = 50}, " v1.33.0 v1.33.10 v1.33.9"},
		/* A pre-release is never among the newest, and in a range only where it is named.
		 */
		{{.version = ">=1.33.11-rc.0 <1.34"}, " v1.33.11-rc.0"},
		{{.minor = "1.35", .latest = 1},
			"none of the 12 tags of kube-apiserver is a version of 1.35"},
		{{.version = ">=1.35"},
			"none of the 12 tags of kube-apiserver is a version of >=1.35"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_FREE char *got = selected(&cases[i].wish);

		assert_string_equal(got, cases[i].means);
	}
}

static void a_wish_can_be_one_text(void **state)
{
	static const struct {
		const char *text, *version, *minor;
		unsigned latest;
		bool exact;
	} good[] = {
		{"1.34.1", "1.34.1", NULL, 0, true},
		{"v1.37.0-rc.0", "v1.37.0-rc.0", NULL, 0, true},
		{"1.34", "1.34", NULL, 0, false},
		{">=1.33 <1.35", ">=1.33 <1.35", NULL, 0, false},
		{"latest-2 of 1.33", NULL, "1.33", 2, false},
	};
	static const char *const bad[] = {
		"",
		"latest",
		"latest-2",
		"latest-0 of 1.33",
		"latest-x of 1.33",
		"latest-2 of 1.33.1",
		"latest-2 of 1",
		"latest-2 of ",
		">=",
		"one",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		AUTO_FREE char *version = NULL;
		AUTO_FREE char *minor = NULL;
		unsigned latest = 99;

		assert_int_equal(
			kubeadm_wish_parse(good[i].text, &version, &minor, &latest, NULL), 0);
		assert_int_equal(latest, good[i].latest);
		assert_true(good[i].version ? strcmp(version, good[i].version) == 0 : !version);
		assert_true(good[i].minor ? strcmp(minor, good[i].minor) == 0 : !minor);
		assert_int_equal(
			kubeadm_wish_is_exact(&(struct kubeadm_wish){version, minor, latest}),
			good[i].exact);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		AUTO(error_clear) struct error err = ERROR_INIT;
		char *version = NULL, *minor = NULL;
		unsigned latest;

		assert_int_equal(
			kubeadm_wish_parse(bad[i], &version, &minor, &latest, &err), -ERR_USAGE);
		assert_null(version);
		assert_null(minor);
	}
}

/* "repository as tag use" of all copies, a line each; the caller frees. */
static char *copies_text(const struct kubeadm_copies *c, const char *base)
{
	AUTO(buf_clear) struct buf out = BUF_INIT(65536);

	for (size_t i = 0; i < c->n; i++) {
		const struct kubeadm_copy *copy = &c->items[i];

		assert_true(kubeadm_has_repository(copy->repository));
		for (size_t k = 0; strstr(copy->as, base) && k < copy->n_tags; k++)
			assert_int_equal(buf_printf(&out,
						 NULL,
						 "%s %s %s %s\n",
						 copy->repository,
						 copy->as,
						 copy->tags[k],
						 kubeadm_use_name(copy->uses[k])),
				0);
	}
	return buf_steal(&out);
}

static void a_mirror_has_coredns_under_both_names_and_all_pauses(void **state)
{
	AUTO(kubeadm_table_freep) struct kubeadm_table *t = kubeadm_table_new();
	AUTO(kubeadm_copies_clear) struct kubeadm_copies c = {.n = 0};
	AUTO_FREE char *coredns = NULL;
	AUTO_FREE char *pause = NULL;
	AUTO_FREE char *rest = NULL;

	(void)state;
	assert_int_equal(kubeadm_copies_add(&c, t, "1.34.1", NULL), 0);
	coredns = copies_text(&c, "coredns");
	assert_string_equal(coredns,
		"coredns/coredns coredns v1.12.1 kubeadm\n"
		"coredns/coredns coredns/coredns v1.12.1 upstream name\n");
	pause = copies_text(&c, "pause");
	assert_string_equal(pause,
		"pause pause 3.10.1 kubeadm\npause pause 3.6 runtime\npause pause 3.7 runtime\n"
		"pause pause 3.8 runtime\npause pause 3.9 runtime\npause pause 3.10 runtime\n"
		"pause pause 3.10.2 runtime\n");
	rest = copies_text(&c, "etcd");
	assert_string_equal(rest, "etcd etcd 3.6.4-0 kubeadm\n");
	assert_int_equal(c.n, 8); /* four kube-*, two coredns, pause, etcd */
}

static void versions_share_what_they_have_in_common(void **state)
{
	AUTO(kubeadm_table_freep) struct kubeadm_table *t = kubeadm_table_new();
	AUTO(kubeadm_copies_clear) struct kubeadm_copies c = {.n = 0};
	AUTO_FREE char *coredns = NULL;
	AUTO_FREE char *pause = NULL;
	AUTO_FREE char *proxy = NULL;
	AUTO_FREE char *etcd = NULL;

	(void)state;
	assert_int_equal(kubeadm_copies_add(&c, t, "1.34.1", NULL), 0);
	assert_int_equal(kubeadm_copies_add(&c, t, "1.34.2", NULL), 0);
	assert_int_equal(kubeadm_copies_add(&c, t, "1.20.0", NULL), 0);
	assert_int_equal(kubeadm_copies_add(&c, t, "1.34.11", NULL), -ERR_USAGE);
	proxy = copies_text(&c, "kube-proxy");
	assert_string_equal(proxy,
		"kube-proxy kube-proxy v1.34.1 kubeadm\nkube-proxy kube-proxy v1.34.2 kubeadm\n"
		"kube-proxy kube-proxy v1.20.0 kubeadm\n");
	etcd = copies_text(&c, "etcd");
	assert_string_equal(etcd,
		"etcd etcd 3.6.4-0 kubeadm\netcd etcd 3.6.5-0 kubeadm\netcd etcd 3.4.13-0 kubeadm\n");
	coredns = copies_text(&c, "coredns");
	assert_string_equal(coredns,
		"coredns/coredns coredns v1.12.1 kubeadm\n"
		"coredns/coredns coredns/coredns v1.12.1 upstream name\n"
		"coredns coredns 1.7.0 kubeadm\n"
		"coredns coredns/coredns 1.7.0 upstream name\n");
	pause = copies_text(&c, "pause");
	assert_non_null(strstr(pause, "pause pause 3.2 kubeadm\n"));
	assert_null(strstr(pause, "pause pause 3.5 ")); /* too old, and not asked for */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_list_of_every_patch_version_is_that_of_the_guide),
		cmocka_unit_test(a_release_candidate_is_a_version_of_its_own),
		cmocka_unit_test(another_repository_has_coredns_without_its_directory),
		cmocka_unit_test(build_metadata_is_written_as_kubeadm_writes_it),
		cmocka_unit_test(an_unknown_version_says_what_is_known_and_what_to_do),
		cmocka_unit_test(rows_of_a_file_win_and_leave_the_others),
		cmocka_unit_test(a_bad_file_is_refused_with_its_line),
		cmocka_unit_test(what_kubeadm_printed_is_printed_again),
		cmocka_unit_test(the_list_of_another_repository_is_one_of_the_upstream),
		cmocka_unit_test(a_row_can_be_kept_in_a_file),
		cmocka_unit_test(other_output_is_refused),
		cmocka_unit_test(versions_are_chosen_from_the_tags_of_kube_apiserver),
		cmocka_unit_test(a_wish_can_be_one_text),
		cmocka_unit_test(a_mirror_has_coredns_under_both_names_and_all_pauses),
		cmocka_unit_test(versions_share_what_they_have_in_common),
	};

	return cmocka_run_group_tests_name("select/kubeadm", tests, NULL, NULL);
}
