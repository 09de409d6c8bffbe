/* kubeadm_output.c - what `kubeadm config images list` prints, as a row of the table. */
#include <ctype.h>

#include "oci/json.h"
#include "oci/reference.h"
#include "select/kubeadm_internal.h"
#include "util/buf.h"
#include "util/mem.h"

#define OUTPUT_DEPTH_MAX 8  /* nesting of its JSON; it has 2 */
#define LINE_SHOWN       80 /* bytes of a bad line that a message quotes */
#define KLOG_PREFIX      5  /* chars: a letter of IWEF, month and day */
#define DEFAULT_REGISTRY "registry.k8s.io"

/* The references, as they were printed. */
struct listed {
	char *items[KUBEADM_IMAGES_MAX];
	size_t n;
};

static void listed_clear(struct listed *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->items[i]);
}

static int listed_add(struct listed *l, const char *text, size_t len, struct error *err)
{
	if (l->n == ARRAY_SIZE(l->items))
		return error_set(err, ERR_USAGE, "more than %d images", KUBEADM_IMAGES_MAX);
	l->items[l->n++] = xstrndup(text, len);
	return 0;
}

static int read_json(const char *text, size_t len, struct listed *l, struct error *err)
{
	AUTO(jx_freep) struct jx *j = NULL;
	const struct jx_value *images = NULL;
	const char *kind = NULL;
	int rc = jx_parse(text, len, OUTPUT_DEPTH_MAX, &j, err);

	if (rc == 0)
		rc = jx_text(jx_root(j), "kind", &kind, err);
	if (rc == 0)
		rc = jx_array(jx_root(j), "images", &images, err);
	if (rc == 0 && (!kind || strcmp(kind, "Images") != 0 || !images))
		rc = error_set(err, ERR_USAGE, "no list of the kind 'Images'");
	for (size_t i = 0; i < jx_count(images) && rc == 0; i++) {
		const char *image = jx_as_text(jx_at(images, i));

		rc = image ? listed_add(l, image, strlen(image), err)
			   : error_set(err, ERR_USAGE, "images[%zu] is no text", i);
	}
	if (rc < 0 && err)
		err->code = ERR_USAGE; /* whatever is wrong with it, another file must be given */
	return rc < 0 ? -ERR_USAGE : 0;
}

/* "W1104 23:11:04.95 1715 version.go:104] could not fetch ...": stderr, caught with the list. */
static bool is_log_line(const char *line, size_t len)
{
	if (len <= KLOG_PREFIX || !strchr("IWEF", line[0]) || line[KLOG_PREFIX] != ' ')
		return false;
	for (size_t i = 1; i < KLOG_PREFIX; i++)
		if (!isdigit((unsigned char)line[i]))
			return false;
	return true;
}

static int read_lines(const char *text, size_t len, struct listed *l, struct error *err)
{
	for (size_t at = 0; at < len;) {
		const char *end = memchr(text + at, '\n', len - at);
		size_t line_len = end ? (size_t)(end - (text + at)) : len - at;
		const char *line = text + at;
		int rc;

		at += line_len + 1;
		while (line_len > 0 && isspace((unsigned char)line[line_len - 1]))
			line_len--;
		if (line_len == 0 || is_log_line(line, line_len))
			continue;
		rc = listed_add(l, line, line_len, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* "registry.k8s.io/kube-apiserver:v1.34.1", and the length of its registry; NULL: not listed. */
static const char *apiserver_of(const struct listed *l, size_t *ret_registry_len)
{
	for (size_t i = 0; i < l->n; i++) {
		const char *at = strstr(l->items[i], "/" KUBEADM_APISERVER ":");

		if (at) {
			*ret_registry_len = (size_t)(at - l->items[i]);
			return l->items[i];
		}
	}
	return NULL;
}

/* kubeadm adds "coredns/" for its own registry only, from 1.21 on (images.go). */
static bool wants_directory(const struct kubeadm_table_row *row, const char *image)
{
	bool had_one = row->major == 1 && row->minor < 21;

	return !had_one && strncmp(image, "coredns:", strlen("coredns:")) == 0;
}

static int set_version(
	struct kubeadm_table_row *row, const char *tag, const char *image, struct error *err)
{
	struct semver v;

	if (!tag_is_valid(tag) || !semver_parse(tag, &v) || v.n_numbers != SEMVER_NUMBERS_MAX ||
		*tag != 'v')
		return error_set(
			err, ERR_USAGE, "'%.*s' has no version as its tag", LINE_SHOWN, image);
	row->major = v.major;
	row->minor = v.minor;
	row->first = row->last = v.patch;
	row->prerelease = v.prerelease ? xstrndup(v.prerelease, (size_t)v.prerelease_len) : NULL;
	return 0;
}

static int take_image(struct kubeadm_table_row *row, const char *text, size_t prefix,
	const char *version, struct error *err)
{
	const char *image = text + prefix + 1;
	const char *tag = strchr(image, ':');
	AUTO_FREE char *longer = NULL;

	if (strncmp(image, "kube-", strlen("kube-")) == 0) {
		if (tag && strcmp(tag + 1, version) == 0)
			return 0;
		return error_set(err,
			ERR_USAGE,
			"'%.*s' is not of version %.*s, as others are",
			LINE_SHOWN,
			text,
			LINE_SHOWN,
			version);
	}
	if (strcmp(row->registry, DEFAULT_REGISTRY) == 0 && wants_directory(row, image))
		longer = xasprintf("coredns/%s", image);
	image = longer ? longer : image;
	return kubeadm_row_image(row, image, strlen(image), err);
}

/* k8s.gcr.io was kubeadm's own; any other registry was given to it, and is not ours to copy from.
 */
static char *registry_of(const char *text, size_t len)
{
	static const char old[] = "k8s.gcr.io";

	if (len == strlen(old) && memcmp(text, old, len) == 0)
		return xstrdup(old);
	return xstrdup(DEFAULT_REGISTRY);
}

static int make_row(const struct listed *l, struct kubeadm_table_row *row, char **ret_version,
	struct error *err)
{
	size_t prefix = 0;
	const char *first = apiserver_of(l, &prefix);
	const char *version;
	int rc;

	if (!first)
		return error_set(err,
			ERR_USAGE,
			"no " KUBEADM_APISERVER
			" is listed: is this what 'kubeadm config images list' "
			"printed?");
	version = first + prefix + strlen("/" KUBEADM_APISERVER ":");
	row->registry = registry_of(first, prefix);
	rc = set_version(row, version, first, err);
	for (size_t i = 0; i < l->n && rc == 0; i++) {
		if (strncmp(l->items[i], first, prefix + 1) == 0)
			rc = take_image(row, l->items[i], prefix, version, err);
		else
			rc = error_set(err,
				ERR_USAGE,
				"'%.*s' is not of the repository '%.*s', as others are",
				LINE_SHOWN,
				l->items[i],
				(int)prefix,
				first);
	}
	if (rc == 0 && row->n_images == 0)
		rc = error_set(err, ERR_USAGE, "coredns, etcd and pause are not listed");
	if (rc == 0)
		*ret_version = xstrdup(version);
	return rc;
}

int kubeadm_table_add_output(struct kubeadm_table *t, const char *name, const char *text,
	size_t len, char **ret_version, struct error *err)
{
	AUTO(listed_clear) struct listed l = {.n = 0};
	struct kubeadm_table_row row = {.n_images = 0};
	size_t blank = 0;
	int rc = 0;

	if (len > KUBEADM_OUTPUT_MAX)
		return error_set(
			err, ERR_USAGE, "%s: larger than %zu bytes", name, KUBEADM_OUTPUT_MAX);
	while (blank < len && isspace((unsigned char)text[blank]))
		blank++;
	if (blank < len && text[blank] == '{')
		rc = read_json(text, len, &l, err);
	else
		rc = read_lines(text, len, &l, err);
	if (rc == 0)
		rc = make_row(&l, &row, ret_version, err);
	if (rc == 0)
		kubeadm_row_add(t, &row);
	kubeadm_row_clear(&row);
	return rc < 0 ? error_wrap(err, rc, "%s", name) : 0;
}
