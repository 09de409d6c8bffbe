#include "select/kubeadm.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>

#include "oci/reference.h"
#include "select/kubeadm_internal.h"
#include "util/buf.h"
#include "util/mem.h"

#define WORD_SHOWN 80 /* bytes of a bad word that a message quotes */
#define RANGE_MARK ".."
#define BLANKS     " \t\r"

/* The images that are the version itself, in kubeadm's order (images.go). */
static const char *const core[] = {
	KUBEADM_APISERVER,
	"kube-controller-manager",
	"kube-scheduler",
	"kube-proxy",
};

const char *kubeadm_base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* ---- rows ---- */

void kubeadm_row_clear(struct kubeadm_table_row *row)
{
	for (size_t i = 0; i < row->n_images; i++) {
		free(row->images[i].path);
		free(row->images[i].tag);
	}
	free(row->images);
	free(row->prerelease);
	free(row->registry);
	*row = (struct kubeadm_table_row){.n_images = 0};
}

void kubeadm_row_add(struct kubeadm_table *t, struct kubeadm_table_row *row)
{
	t->rows = array_grow(t->rows, t->n, &t->cap, sizeof(*t->rows));
	t->rows[t->n++] = *row;
	*row = (struct kubeadm_table_row){.n_images = 0};
}

int kubeadm_row_image(
	struct kubeadm_table_row *row, const char *text, size_t len, struct error *err)
{
	AUTO_FREE char *path = xstrndup(text, len);
	char *colon = strchr(path, ':');

	if (colon)
		*colon = '\0';
	if (!colon || !repository_is_valid(path) || !tag_is_valid(colon + 1))
		return error_set(err,
			ERR_USAGE,
			"'%.*s' is no image like etcd:3.6.4-0",
			(int)(len < WORD_SHOWN ? len : WORD_SHOWN),
			text);
	if (row->n_images == KUBEADM_IMAGES_MAX)
		return error_set(
			err, ERR_USAGE, "more than %d images of one version", KUBEADM_IMAGES_MAX);
	row->images =
		array_grow(row->images, row->n_images, &row->cap_images, sizeof(*row->images));
	row->images[row->n_images++] = (struct kubeadm_image){
		.path = xstrdup(path),
		.tag = xstrdup(colon + 1),
	};
	return 0;
}

/* "1.34.0..1": digits behind the dots. */
static bool parse_last(const char *text, uint64_t *ret)
{
	struct semver v;
	AUTO_FREE char *padded = xasprintf("0.0.%s", text);

	if (!semver_parse(padded, &v) || v.prerelease || strchr(padded, '+'))
		return false;
	*ret = v.patch;
	return true;
}

static int parse_versions(const char *word, struct kubeadm_table_row *row, struct error *err)
{
	const char *dots = strstr(word, RANGE_MARK);
	AUTO_FREE char *first = dots ? xstrndup(word, (size_t)(dots - word)) : xstrdup(word);
	struct semver v;

	/* A version is a tag, with a "v". */
	if (strlen(first) >= TAG_MAX || !semver_parse(first, &v) ||
		v.n_numbers != SEMVER_NUMBERS_MAX || strchr(first, '+') || (dots && v.prerelease))
		return error_set(err,
			ERR_USAGE,
			"'%.*s' is neither a version like 1.34.1 nor versions like 1.34.0..3",
			WORD_SHOWN,
			word);
	row->major = v.major;
	row->minor = v.minor;
	row->first = row->last = v.patch;
	if (dots && (!parse_last(dots + strlen(RANGE_MARK), &row->last) || row->last < row->first))
		return error_set(err,
			ERR_USAGE,
			"'%.*s': behind the dots stands the last patch version, as in 1.34.0..3",
			WORD_SHOWN,
			word);
	if (v.prerelease)
		row->prerelease = xstrndup(v.prerelease, (size_t)v.prerelease_len);
	return 0;
}

static bool registry_is_valid(const char *text)
{
	const char *slash = strchr(text, '/');
	AUTO_FREE char *host = slash ? xstrndup(text, (size_t)(slash - text)) : xstrdup(text);

	return host_is_valid(host) && (!slash || repository_is_valid(slash + 1));
}

/* The next word of a line; NULL at its end. The line is cut up. */
static char *next_word(char **at)
{
	char *word = *at + strspn(*at, BLANKS);
	size_t len = strcspn(word, BLANKS);

	*at = word + len;
	if (len == 0)
		return NULL;
	if (**at)
		*(*at)++ = '\0';
	return word;
}

/* A row, or nothing: then n_images is 0. */
static int parse_line(char *line, struct kubeadm_table_row *row, struct error *err)
{
	const char *word;
	int rc;

	line[strcspn(line, "#")] = '\0';
	word = next_word(&line);
	if (!word)
		return 0;
	rc = parse_versions(word, row, err);
	if (rc < 0)
		return rc;
	word = next_word(&line);
	if (!word || !registry_is_valid(word))
		return error_set(err,
			ERR_USAGE,
			"'%.*s' is no registry: a line is VERSIONS REGISTRY IMAGE...",
			WORD_SHOWN,
			word ? word : "");
	row->registry = xstrdup(word);
	while (rc == 0 && (word = next_word(&line)) != NULL)
		rc = kubeadm_row_image(row, word, strlen(word), err);
	if (rc == 0 && row->n_images == 0)
		rc = error_set(err,
			ERR_USAGE,
			"there are no images: a line is VERSIONS REGISTRY IMAGE...");
	return rc;
}

static int parse_rows(
	struct kubeadm_table *t, const char *name, const char *text, size_t len, struct error *err)
{
	unsigned number = 1;

	for (size_t at = 0; at < len; number++) {
		const char *end = memchr(text + at, '\n', len - at);
		size_t line_len = end ? (size_t)(end - (text + at)) : len - at;
		AUTO_FREE char *line = xstrndup(text + at, line_len);
		struct kubeadm_table_row row = {.n_images = 0};
		int rc = strlen(line) == line_len
				 ? parse_line(line, &row, err)
				 : error_set(err, ERR_USAGE, "there is a NUL in it");

		if (rc == 0 && row.n_images > 0)
			kubeadm_row_add(t, &row);
		kubeadm_row_clear(&row);
		if (rc < 0)
			return error_wrap(err, rc, "%s:%u", name, number);
		at += line_len + 1;
	}
	return 0;
}

int kubeadm_table_add(
	struct kubeadm_table *t, const char *name, const char *text, size_t len, struct error *err)
{
	AUTO(kubeadm_table_freep) struct kubeadm_table *added = xcalloc(1, sizeof(*added));
	int rc;

	if (len > KUBEADM_TABLE_MAX)
		return error_set(
			err, ERR_USAGE, "%s: larger than %zu bytes", name, KUBEADM_TABLE_MAX);
	rc = parse_rows(added, name, text, len, err);
	for (size_t i = 0; i < added->n && rc == 0; i++)
		kubeadm_row_add(t, &added->rows[i]);
	return rc;
}

struct kubeadm_table *kubeadm_table_new(void)
{
	struct kubeadm_table *t = xkeep(1, sizeof(*t));
	int rc = kubeadm_table_add(t, "built-in", kubeadm_builtin, strlen(kubeadm_builtin), NULL);

	assert(rc == 0);
	(void)rc;
	return t;
}

void kubeadm_table_free(struct kubeadm_table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n; i++)
		kubeadm_row_clear(&t->rows[i]);
	free(t->rows);
	free(t);
}

/* ---- versions ---- */

static bool same_prerelease(const char *row, const struct semver *v)
{
	if (!row || !v->prerelease)
		return !row && !v->prerelease;
	return strlen(row) == (size_t)v->prerelease_len &&
	       memcmp(row, v->prerelease, (size_t)v->prerelease_len) == 0;
}

static const struct kubeadm_table_row *find_row(
	const struct kubeadm_table *t, const struct semver *v)
{
	for (size_t i = t->n; i-- > 0;) {
		const struct kubeadm_table_row *row = &t->rows[i];

		if (row->major == v->major && row->minor == v->minor && row->first <= v->patch &&
			v->patch <= row->last && same_prerelease(row->prerelease, v))
			return row;
	}
	return NULL;
}

static bool is_below(const struct kubeadm_table_row *a, const struct kubeadm_table_row *b)
{
	if (a->major != b->major)
		return a->major < b->major;
	return a->minor != b->minor ? a->minor < b->minor : a->first < b->first;
}

static bool is_of_minor(const struct kubeadm_table_row *row, const struct semver *v)
{
	return !row->prerelease && row->major == v->major && row->minor == v->minor;
}

/* The versions that the table has, pre-releases not counted: of v's minor version if there are. */
static char *known_versions(const struct kubeadm_table *t, const struct semver *v)
{
	const struct kubeadm_table_row *low = NULL, *high = NULL;
	bool same_minor = false;

	for (size_t i = 0; i < t->n; i++)
		same_minor = same_minor || is_of_minor(&t->rows[i], v);
	for (size_t i = 0; i < t->n; i++) {
		const struct kubeadm_table_row *row = &t->rows[i];

		if (row->prerelease || (same_minor && !is_of_minor(row, v)))
			continue;
		low = !low || is_below(row, low) ? row : low;
		high = !high || is_below(high, row) ? row : high;
	}
	if (!low || !high)
		return xstrdup("none");
	return xasprintf("%" PRIu64 ".%" PRIu64 ".%" PRIu64 " to %" PRIu64 ".%" PRIu64 ".%" PRIu64,
		low->major,
		low->minor,
		low->first,
		high->major,
		high->minor,
		high->last);
}

static int unknown_version(
	const struct kubeadm_table *t, const char *text, const struct semver *v, struct error *err)
{
	AUTO_FREE char *known = known_versions(t, v);

	return error_set(err,
		ERR_USAGE,
		"Kubernetes %s is not in the table of images, which has %s; with the kubeadm of that "
		"version, 'kubeadm config images list --kubernetes-version %s | regmirror kubeadm "
		"images --from-kubeadm=- -o table' prints the line that is missing, for the file of "
		"--table, or of kubeadm.table in the configuration",
		text,
		known,
		text);
}

void kubeadm_images_clear(struct kubeadm_images *images)
{
	for (size_t i = 0; i < images->n; i++) {
		free(images->items[i].path);
		free(images->items[i].tag);
	}
	free(images->items);
	free(images->version);
	free(images->registry);
	*images = (struct kubeadm_images){.n = 0};
}

/* As kubeadm's KubernetesVersionToImageTag(): "v1.31.0+build" is v1.31.0_build. */
static char *tag_of(const char *version)
{
	char *tag = xstrdup(version);

	for (char *c = tag; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("-_.", *c))
			*c = '_';
	return tag;
}

static void fill_images(
	const struct kubeadm_table_row *row, const char *version, struct kubeadm_images *images)
{
	size_t n = 0;

	images->version = xstrdup(version);
	images->registry = xstrdup(row->registry);
	images->items = xcalloc(ARRAY_SIZE(core) + row->n_images, sizeof(*images->items));
	for (size_t i = 0; i < ARRAY_SIZE(core); i++)
		images->items[n++] = (struct kubeadm_image){xstrdup(core[i]), tag_of(version)};
	for (size_t i = 0; i < row->n_images; i++)
		images->items[n++] = (struct kubeadm_image){
			xstrdup(row->images[i].path),
			xstrdup(row->images[i].tag),
		};
	images->n = n;
}

int kubeadm_images_get(const struct kubeadm_table *t, const char *version,
	struct kubeadm_images *ret, struct error *err)
{
	const struct kubeadm_table_row *row;
	AUTO_FREE char *full = NULL;
	struct semver v;

	if (strlen(version) >= TAG_MAX || !semver_parse(version, &v) ||
		v.n_numbers != SEMVER_NUMBERS_MAX)
		return error_set(err,
			ERR_USAGE,
			"'%.*s' is no version of Kubernetes like v1.34.1",
			WORD_SHOWN,
			version);
	full = xasprintf("v%s", *version == 'v' ? version + 1 : version);
	row = find_row(t, &v);
	if (!row)
		return unknown_version(t, full, &v, err);
	fill_images(row, full, ret);
	return 0;
}

/* kubeadm compares the texts: "registry.k8s.io/" would be another repository (images.go). */
char *kubeadm_reference(const struct kubeadm_images *images, size_t i, const char *repository)
{
	const struct kubeadm_image *image = &images->items[i];

	if (!repository || strcmp(repository, images->registry) == 0)
		return xasprintf("%s/%s:%s", images->registry, image->path, image->tag);
	return xasprintf("%s/%s:%s", repository, kubeadm_base_name(image->path), image->tag);
}

char *kubeadm_row(const struct kubeadm_images *images)
{
	AUTO(buf_clear) struct buf out = BUF_INIT(KUBEADM_TABLE_MAX);
	int rc = buf_printf(&out, NULL, "%s  %s ", images->version + 1, images->registry);

	for (size_t i = ARRAY_SIZE(core); i < images->n && rc == 0; i++)
		rc = buf_printf(&out, NULL, " %s:%s", images->items[i].path, images->items[i].tag);
	return buf_steal(&out);
}
