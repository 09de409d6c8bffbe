/*
 * A view is made in four steps, each of which trusts the one before: JSON
 * within its limits; the members that give a document its shape; one kind and
 * one type that all witnesses agree on; the descriptors.
 */
#include "oci/manifest.h"

#include <strings.h>

#include "oci/json.h"
#include "util/mem.h"

/* The members that tell what a document is; a null one counts as missing. */
struct shape {
	const struct jx_value *root;
	const struct jx_value *config;
	const struct jx_value *layers;
	const struct jx_value *manifests;
	const char *media_type; /* of the document; NULL: none */
};

void manifest_clear(struct manifest *m)
{
	free(m->items);
	*m = MANIFEST_INIT;
}

static int refuse_schema1(struct error *err)
{
	return error_set(err,
		ERR_REMOTE,
		"Docker schema 1 images are not supported: have it pushed again by Docker 1.10 or "
		"later, or convert it first with 'skopeo copy --format v2s2'");
}

/*
 * The algorithm's name in text of the form of a digest (image-spec "Digests"),
 * or 0 characters when it has not that form.
 */
static size_t algorithm_len(const char *text)
{
	size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789+._-");
	size_t encoded;

	if (text[n] != ':')
		return 0;
	encoded = strspn(
		text + n + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789=_-");
	return encoded > 0 && text[n + 1 + encoded] == '\0' ? n : 0;
}

/* Such a digest is then malformed in its other half. */
static bool is_known_algorithm(const char *text, size_t n)
{
	return n == strlen("sha256") &&
	       (strncmp(text, "sha256", n) == 0 || strncmp(text, "sha512", n) == 0);
}

static int read_digest(const struct jx_value *v, struct digest *ret, struct error *err)
{
	const char *text;
	size_t n;
	int rc = jx_text(v, "digest", &text, err);

	if (rc < 0)
		return rc;
	if (!text)
		return error_set(err, ERR_REMOTE, "digest: missing");
	if (digest_parse(text, ret, NULL) == 0)
		return 0;
	n = algorithm_len(text);
	if (n == 0 || is_known_algorithm(text, n))
		return error_set(err, ERR_REMOTE, "digest: malformed");
	return error_set(err,
		ERR_REMOTE,
		"digest: algorithm '%.*s' cannot be verified, only sha256 and sha512 can",
		(int)(n < MEDIA_TYPE_MAX ? n : MEDIA_TYPE_MAX),
		text);
}

static int read_size(const struct jx_value *v, uint64_t *ret, struct error *err)
{
	int rc = jx_u64(v, "size", UINT64_MAX, ret, err);

	if (rc < 0)
		return rc;
	if (*ret == UINT64_MAX)
		return error_set(err, ERR_REMOTE, "size: missing");
	if (*ret > DESCRIPTOR_SIZE_MAX)
		return error_set(err, ERR_REMOTE, "size: %ju bytes cannot be", (uintmax_t)*ret);
	return 0;
}

/* What every descriptor has, wherever it stands. */
static int read_common(
	const struct jx_value *v, struct descriptor *d, const char **ret_type, struct error *err)
{
	int rc;

	if (!jx_is_object(v))
		return error_set(err, ERR_REMOTE, "not an object");
	rc = read_digest(v, &d->digest, err);
	if (rc == 0)
		rc = read_size(v, &d->size, err);
	if (rc == 0)
		rc = jx_text(v, "mediaType", ret_type, err);
	if (rc == 0)
		d->kind = media_kind(*ret_type);
	return rc;
}

/* A platform without a word in it, as some tools write it, is none. */
static int read_platform(const struct jx_value *v, struct descriptor *d, struct error *err)
{
	const struct jx_value *p;
	const char *os = NULL;
	const char *architecture = NULL;
	const char *variant = NULL;
	int rc = jx_object(v, "platform", &p, err);

	if (rc == 0)
		rc = jx_text(p, "os", &os, err);
	if (rc == 0)
		rc = jx_text(p, "architecture", &architecture, err);
	if (rc == 0)
		rc = jx_text(p, "variant", &variant, err);
	if (rc < 0)
		return rc;
	os = os ? os : "";
	architecture = architecture ? architecture : "";
	if (!*os && !*architecture)
		return 0;
	d->flags |= DESCRIPTOR_HAS_PLATFORM;
	return platform_make(os, architecture, variant, &d->platform, err);
}

static int read_child(const struct jx_value *v, struct descriptor *d, struct error *err)
{
	const struct jx_value *annotations = NULL;
	const char *reference_type = NULL;
	const char *type = NULL;
	int rc = read_common(v, d, &type, err);

	if (rc == 0)
		rc = read_platform(v, d, err);
	if (rc == 0)
		rc = jx_object(v, "annotations", &annotations, err);
	if (rc == 0)
		rc = jx_text(annotations, "vnd.docker.reference.type", &reference_type, err);
	if (rc == 0 && reference_type && strcmp(reference_type, "attestation-manifest") == 0)
		d->flags |= DESCRIPTOR_ATTESTATION;
	return rc;
}

static int read_layer(const struct jx_value *v, struct descriptor *d, struct error *err)
{
	const char *type = NULL;
	int rc = read_common(v, d, &type, err);

	if (rc == 0 && media_is_foreign(type))
		d->flags |= DESCRIPTOR_FOREIGN;
	return rc;
}

static int read_config(const struct jx_value *v, struct descriptor *d, struct error *err)
{
	const char *type = NULL;

	d->flags = DESCRIPTOR_CONFIG;
	return read_common(v, d, &type, err);
}

static int read_items(const struct shape *s, struct manifest *m, struct error *err)
{
	const struct jx_value *list = s->manifests ? s->manifests : s->layers;
	const char *list_name = s->manifests ? "manifests" : "layers";
	size_t n = jx_count(list) + (s->config ? 1 : 0);
	int rc;

	if (n > MANIFEST_BLOBS_MAX)
		return error_set(
			err, ERR_REMOTE, "%zu descriptors, more than %d", n, MANIFEST_BLOBS_MAX);
	if (n == 0)
		return 0;
	m->items = xcalloc(n, sizeof(*m->items));
	/* Whatever the document's order: who copies wants the small and vital one first. */
	if (s->config) {
		rc = read_config(s->config, &m->items[m->n_items++], err);
		if (rc < 0)
			return error_wrap(err, rc, "config");
	}
	for (size_t i = 0; i < jx_count(list); i++) {
		struct descriptor *d = &m->items[m->n_items++];

		rc = s->manifests ? read_child(jx_at(list, i), d, err)
				  : read_layer(jx_at(list, i), d, err);
		if (rc < 0)
			return error_wrap(err, rc, "%s[%zu]", list_name, i);
	}
	return 0;
}

/* What the document refers to is not a part of it: it is noted, not copied. */
static int read_subject(const struct jx_value *root, struct manifest *m, struct error *err)
{
	const struct jx_value *v;
	struct descriptor d = {.size = 0};
	const char *type = NULL;
	int rc = jx_object(root, "subject", &v, err);

	if (rc < 0 || !v)
		return rc;
	rc = read_common(v, &d, &type, err);
	if (rc < 0)
		return error_wrap(err, rc, "subject");
	m->has_subject = true;
	m->subject = d.digest;
	return 0;
}

/* Only types are checked here: which members may go together is for classify(). */
static int read_shape(const struct jx_value *root, struct shape *s, struct error *err)
{
	int rc;

	s->root = root;
	if (!jx_is_object(root))
		return error_set(err, ERR_REMOTE, "a JSON array, not an object");
	rc = jx_text(root, "mediaType", &s->media_type, err);
	if (rc == 0)
		rc = jx_object(root, "config", &s->config, err);
	if (rc == 0)
		rc = jx_array(root, "layers", &s->layers, err);
	if (rc == 0)
		rc = jx_array(root, "manifests", &s->manifests, err);
	return rc;
}

/*
 * One type out of what the peer says and what the document says, into
 * m->media_type; "" when neither says anything.
 */
static int decide_type(
	const struct shape *s, const char *content_type, struct manifest *m, struct error *err)
{
	char theirs[MEDIA_TYPE_MAX + 1] = "";
	bool has_theirs = !media_is_vague(content_type) && media_copy(content_type, theirs);

	if (media_kind(content_type) == MEDIA_SCHEMA1 ||
		media_kind(s->media_type) == MEDIA_SCHEMA1 || jx_has(s->root, "fsLayers"))
		return refuse_schema1(err);
	if (!media_is_vague(s->media_type) && !media_copy(s->media_type, m->media_type))
		return error_set(err, ERR_REMOTE, "mediaType: not a media type");
	if (has_theirs && m->media_type[0] && strcasecmp(theirs, m->media_type) != 0)
		return error_set(err,
			ERR_REMOTE,
			"declared as '%s', but its mediaType is '%s'",
			theirs,
			m->media_type);
	if (!m->media_type[0])
		memcpy(m->media_type, theirs, sizeof(theirs));
	return 0;
}

/* For a document without a type: what its members make it (protocol.md 2.2). */
static int default_type(const struct shape *s, struct manifest *m, struct error *err)
{
	const char *config_type = NULL;
	const char *type = m->kind == MEDIA_INDEX ? MEDIA_OCI_INDEX : MEDIA_OCI_MANIFEST;
	int rc = jx_text(s->config, "mediaType", &config_type, err);

	if (rc < 0)
		return error_wrap(err, rc, "config");
	if (config_type && strcasecmp(config_type, MEDIA_DOCKER_CONFIG) == 0)
		type = MEDIA_DOCKER_MANIFEST;
	memcpy(m->media_type, type, strlen(type) + 1);
	return 0;
}

/*
 * What its members make it.  A document that can be read as both kinds is refused whatever its
 * type says: two readers would see two images (CVE-2021-41190).
 */
static int kind_of_members(
	const struct shape *s, enum media_kind by_type, enum media_kind *ret, struct error *err)
{
	/* "manifests": null is how Go's encoder writes an empty list. */
	bool index = s->manifests || (by_type == MEDIA_INDEX && jx_has(s->root, "manifests"));
	bool manifest = s->layers || s->config;

	if (s->manifests && manifest)
		return error_set(err,
			ERR_REMOTE,
			"has both 'manifests' and '%s'",
			s->layers ? "layers" : "config");
	if (!index && !manifest)
		return error_set(err,
			ERR_REMOTE,
			"neither manifest nor index: it has no config, layers or manifests");
	*ret = manifest ? MEDIA_MANIFEST : MEDIA_INDEX;
	return 0;
}

/* Settles kind and media_type. */
static int classify(
	const struct shape *s, const char *content_type, struct manifest *m, struct error *err)
{
	enum media_kind by_type;
	int rc = decide_type(s, content_type, m, err);

	if (rc < 0)
		return rc;
	by_type = media_kind(m->media_type);
	rc = kind_of_members(s, by_type, &m->kind, err);
	if (rc < 0)
		return rc;
	if (by_type != MEDIA_UNKNOWN && by_type != m->kind)
		return error_set(err,
			ERR_REMOTE,
			"its type is '%s', but its members are those of %s",
			m->media_type,
			m->kind == MEDIA_INDEX ? "an index" : "an image manifest");
	return m->media_type[0] ? 0 : default_type(s, m, err);
}

int manifest_parse(const void *bytes, size_t len, const char *content_type, struct manifest *ret,
	struct error *err)
{
	AUTO(manifest_clear) struct manifest m = MANIFEST_INIT;
	AUTO(jx_freep) struct jx *doc = NULL;
	struct shape s = {.root = NULL};
	int rc;

	if (len > MANIFEST_MAX)
		return error_set(err,
			ERR_NOMEM,
			"a manifest of %zu bytes, more than %u MiB",
			len,
			MANIFEST_MAX >> 20);
	rc = jx_parse(bytes, len, MANIFEST_DEPTH_MAX, &doc, err);
	if (rc == 0)
		rc = read_shape(jx_root(doc), &s, err);
	if (rc == 0)
		rc = classify(&s, content_type, &m, err);
	if (rc == 0)
		rc = read_items(&s, &m, err);
	if (rc == 0)
		rc = read_subject(s.root, &m, err);
	if (rc < 0)
		return rc;
	*ret = m;
	m = MANIFEST_INIT;
	return 0;
}

static int by_digest(const void *a, const void *b)
{
	const struct digest *x = a, *y = b;

	if (x->algo != y->algo)
		return x->algo < y->algo ? -1 : 1;
	return memcmp(x->raw, y->raw, digest_raw_len(x->algo));
}

/* In order; the caller frees. */
static struct digest *sorted_children(const struct manifest *m)
{
	struct digest *children = xcalloc(m->n_items ? m->n_items : 1, sizeof(*children));

	for (size_t i = 0; i < m->n_items; i++)
		children[i] = m->items[i].digest;
	qsort(children, m->n_items, sizeof(*children), by_digest);
	return children;
}

bool manifest_same_children(const struct manifest *a, const struct manifest *b)
{
	AUTO_FREE struct digest *x = NULL;
	AUTO_FREE struct digest *y = NULL;

	if (a->kind != MEDIA_INDEX || b->kind != MEDIA_INDEX || a->n_items != b->n_items)
		return false;
	x = sorted_children(a);
	y = sorted_children(b);
	for (size_t i = 0; i < a->n_items; i++)
		if (!digest_equal(&x[i], &y[i]))
			return false;
	return true;
}
