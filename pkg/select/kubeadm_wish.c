/* kubeadm_wish.c - which versions are meant, and what a mirror of them holds. */
#include <assert.h>
#include <ctype.h>
#include <inttypes.h>

#include "select/kubeadm_internal.h"
#include "select/range.h"
#include "util/mem.h"
#include "util/parse.h"

#define WORD_SHOWN 80   /* bytes of a bad text that a message quotes */
#define LATEST_MAX 1000 /* patch versions of one minor version; none had more than 20 */
#define PATCH_MAX  1000 /* of a table's row, when its versions are enumerated */
/* Containerd 1.6 is the oldest whose sandbox image is still met (protocol.md 5.4). */
#define PAUSE_FROM "3.6"
#define COREDNS    "coredns"

/* ---- wishes ---- */

/* "1.34.1", "v1.34.1", "1.37.0-rc.0". */
static bool is_version(const char *text, struct semver *ret)
{
	return semver_parse(text, ret) && ret->n_numbers == SEMVER_NUMBERS_MAX;
}

bool kubeadm_wish_is_exact(const struct kubeadm_wish *w)
{
	struct semver v;

	return w->version && is_version(w->version, &v);
}

static int parse_minor(const char *text, struct semver *ret, struct error *err)
{
	if (semver_parse(text, ret) && ret->n_numbers == 2 && !ret->prerelease &&
		!strchr(text, '+'))
		return 0;
	return error_set(err,
		ERR_USAGE,
		"'%.*s' is no minor version of Kubernetes like 1.33",
		WORD_SHOWN,
		text);
}

int kubeadm_wish_check(const struct kubeadm_wish *w, struct error *err)
{
	AUTO(range_freep) struct range *range = NULL;
	struct semver v;
	int rc;

	assert(w->version || w->minor);
	if (!w->version) {
		rc = parse_minor(w->minor, &v, err);
		if (rc == 0 && (w->latest == 0 || w->latest > LATEST_MAX))
			rc = error_set(err, ERR_USAGE, "latest must be from 1 to %d", LATEST_MAX);
		return rc;
	}
	if (is_version(w->version, &v))
		return 0;
	rc = range_parse(w->version, &range, err);
	return rc < 0 ? error_wrap(err,
				rc,
				"'%.*s' is neither a version like 1.34.1 nor a range like "
				"\">=1.33 <1.35\"",
				WORD_SHOWN,
				w->version)
		      : 0;
}

/* "latest-2 of 1.33": false where it does not begin so. */
static bool parse_latest(
	const char *text, char **ret_minor, unsigned *ret_latest, int *ret_rc, struct error *err)
{
	static const char head[] = "latest-", joint[] = " of ";
	const char *digits = text + strlen(head), *of;
	AUTO_FREE char *number = NULL;
	uint64_t n = 0;

	if (strncmp(text, head, strlen(head)) != 0)
		return false;
	of = strstr(digits, joint);
	number = of ? xstrndup(digits, (size_t)(of - digits)) : xstrdup("");
	if (!of || parse_u64(number, &n, NULL) < 0 || n == 0 || n > LATEST_MAX) {
		*ret_rc = error_set(err,
			ERR_USAGE,
			"'%.*s' is not like \"latest-2 of 1.33\"",
			WORD_SHOWN,
			text);
		return true;
	}
	*ret_latest = (unsigned)n;
	*ret_minor = xstrdup(of + strlen(joint));
	*ret_rc = 0;
	return true;
}

int kubeadm_wish_parse(const char *text, char **ret_version, char **ret_minor, unsigned *ret_latest,
	struct error *err)
{
	AUTO_FREE char *minor = NULL;
	unsigned latest = 0;
	struct kubeadm_wish w = {.version = text};
	int rc = 0;

	if (parse_latest(text, &minor, &latest, &rc, err))
		w = (struct kubeadm_wish){.minor = minor, .latest = latest};
	if (rc == 0)
		rc = kubeadm_wish_check(&w, err);
	if (rc < 0)
		return rc;
	*ret_version = w.version ? xstrdup(text) : NULL;
	*ret_minor = steal(&minor);
	*ret_latest = latest;
	return 0;
}

/* kube-apiserver has other tags, too: "v1.34.1", and no "v1.34.1_build" or "sha256-....sig". */
static bool is_kubernetes_tag(const char *tag, struct semver *ret)
{
	return *tag == 'v' && is_version(tag, ret);
}

static bool wish_has(const struct range *range, const struct semver *minor, const struct semver *v)
{
	if (range)
		return range_has(range, v);
	return !v->prerelease && v->major == minor->major && v->minor == minor->minor;
}

static int newest_first(const void *a, const void *b)
{
	return semver_compare(b, a);
}

/* Drops all but the newest of those marked. */
static void keep_newest(
	const char *const *tags, size_t n, unsigned latest, bool *marked, size_t n_marked)
{
	AUTO_FREE struct semver *versions = xcalloc(n_marked + 1, sizeof(*versions));
	size_t found = 0;

	for (size_t i = 0; i < n; i++)
		if (marked[i] && semver_parse(tags[i], &versions[found]))
			found++;
	qsort(versions, found, sizeof(*versions), newest_first);
	for (size_t i = 0; i < n && found > latest; i++) {
		struct semver v;

		if (marked[i] && semver_parse(tags[i], &v))
			marked[i] = semver_compare(&v, &versions[latest - 1]) >= 0;
	}
}

int kubeadm_wish_select(const struct kubeadm_wish *w, const char *const *tags, size_t n,
	bool *chosen, struct error *err)
{
	AUTO(range_freep) struct range *range = NULL;
	AUTO_FREE bool *marked = xcalloc(n + 1, sizeof(*marked));
	struct semver minor = {.major = 0}, v;
	size_t n_marked = 0;
	int rc = w->version ? range_parse(w->version, &range, err)
			    : parse_minor(w->minor, &minor, err);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < n; i++) {
		marked[i] = is_kubernetes_tag(tags[i], &v) && wish_has(range, &minor, &v);
		n_marked += marked[i];
	}
	if (n_marked == 0)
		return error_set(err,
			ERR_NOTFOUND,
			"none of the %zu tags of " KUBEADM_APISERVER " is a version of %.*s",
			n,
			WORD_SHOWN,
			w->version ? w->version : w->minor);
	if (!w->version)
		keep_newest(tags, n, w->latest, marked, n_marked);
	for (size_t i = 0; i < n; i++)
		chosen[i] = chosen[i] || marked[i];
	return 0;
}

static char *version_text(const struct kubeadm_table_row *row, uint64_t patch)
{
	return xasprintf("v%" PRIu64 ".%" PRIu64 ".%" PRIu64 "%s%s",
		row->major,
		row->minor,
		patch,
		row->prerelease ? "-" : "",
		row->prerelease ? row->prerelease : "");
}

char **kubeadm_table_versions(const struct kubeadm_table *t, size_t *ret_n)
{
	char **list = NULL;
	size_t n = 0, cap = 0;

	for (size_t i = 0; i < t->n; i++) {
		const struct kubeadm_table_row *row = &t->rows[i];

		for (uint64_t p = row->first; p <= row->last && p - row->first < PATCH_MAX; p++) {
			list = array_grow(list, n, &cap, sizeof(*list));
			list[n++] = version_text(row, p);
		}
	}
	*ret_n = n;
	return list;
}

/* ---- copies ---- */

const char *kubeadm_use_name(enum kubeadm_use use)
{
	static const char *const names[] = {
		[KUBEADM_LISTED] = "kubeadm",
		[KUBEADM_UPSTREAM] = "upstream name",
		[KUBEADM_RUNTIME] = "runtime",
	};

	return names[use];
}

void kubeadm_copies_clear(struct kubeadm_copies *c)
{
	for (size_t i = 0; i < c->n; i++) {
		struct kubeadm_copy *copy = &c->items[i];

		for (size_t k = 0; k < copy->n_tags; k++)
			free(copy->tags[k]);
		free(copy->tags);
		free(copy->uses);
		free(copy->repository);
		free(copy->as);
	}
	free(c->items);
	*c = (struct kubeadm_copies){.n = 0};
}

static struct kubeadm_copy *copy_of(
	struct kubeadm_copies *c, const char *repository, const char *as)
{
	for (size_t i = 0; i < c->n; i++)
		if (strcmp(c->items[i].repository, repository) == 0 &&
			strcmp(c->items[i].as, as) == 0)
			return &c->items[i];
	c->items = array_grow(c->items, c->n, &c->cap, sizeof(*c->items));
	c->items[c->n] = (struct kubeadm_copy){
		.repository = xstrdup(repository),
		.as = xstrdup(as),
	};
	return &c->items[c->n++];
}

/* Of several uses of a tag the strongest is told: kubeadm's own. */
static void add_copy(struct kubeadm_copies *c, const char *repository, const char *as,
	const char *tag, enum kubeadm_use use)
{
	struct kubeadm_copy *copy = copy_of(c, repository, as);

	for (size_t i = 0; i < copy->n_tags; i++) {
		if (strcmp(copy->tags[i], tag) == 0) {
			if (use < copy->uses[i])
				copy->uses[i] = use;
			return;
		}
	}
	copy->tags = array_grow(copy->tags, copy->n_tags, &copy->cap_tags, sizeof(*copy->tags));
	copy->uses = array_grow(copy->uses, copy->n_tags, &copy->cap_uses, sizeof(*copy->uses));
	copy->tags[copy->n_tags] = xstrdup(tag);
	copy->uses[copy->n_tags++] = use;
}

static void add_pauses(struct kubeadm_copies *c, const struct kubeadm_table *t)
{
	struct semver from, v;
	bool ok = semver_parse(PAUSE_FROM, &from);

	assert(ok);
	(void)ok;
	for (size_t i = 0; i < t->n; i++) {
		for (size_t k = 0; k < t->rows[i].n_images; k++) {
			const struct kubeadm_image *image = &t->rows[i].images[k];

			if (strcmp(image->path, "pause") == 0 && semver_parse(image->tag, &v) &&
				semver_compare(&v, &from) >= 0)
				add_copy(c, image->path, image->path, image->tag, KUBEADM_RUNTIME);
		}
	}
}

/*
 * With the mirror as imageRepository, kubeadm asks for coredns; a runtime that takes the mirror
 * for the upstream asks for coredns/coredns.
 */
int kubeadm_copies_add(struct kubeadm_copies *c, const struct kubeadm_table *t, const char *version,
	struct error *err)
{
	AUTO(kubeadm_images_clear) struct kubeadm_images images = {.n = 0};
	int rc = kubeadm_images_get(t, version, &images, err);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < images.n; i++) {
		const struct kubeadm_image *image = &images.items[i];
		const char *base = kubeadm_base_name(image->path);

		add_copy(c, image->path, base, image->tag, KUBEADM_LISTED);
		if (base != image->path)
			add_copy(c, image->path, image->path, image->tag, KUBEADM_UPSTREAM);
		else if (strcmp(base, COREDNS) == 0)
			add_copy(c, image->path, COREDNS "/" COREDNS, image->tag, KUBEADM_UPSTREAM);
	}
	add_pauses(c, t);
	return 0;
}

bool kubeadm_has_repository(const char *repository)
{
	static const char *const names[] = {
		KUBEADM_APISERVER,
		"kube-controller-manager",
		"kube-scheduler",
		"kube-proxy",
		COREDNS,
		COREDNS "/" COREDNS,
		"pause",
		"etcd",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(names[i], repository) == 0)
			return true;
	return false;
}
