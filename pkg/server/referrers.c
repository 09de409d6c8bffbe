/*
 * referrers.c - which manifests have this one as their subject (distribution-spec "Listing
 * Referrers").
 *
 * The store knows who refers; type and annotations are read from each manifest.  Clients that
 * found no such API before kept a list of their own, an index under the tag <alg>-<hex>
 * ("Referrers Tag Schema"): its entries are added.  A page ends before it outgrows what
 * clients read; the Link names the last digest in it.
 */
#include <ctype.h>

#include "oci/json.h"
#include "server/internal.h"
#include "util/map.h"
#include "util/mem.h"

#define PAGE_BYTES ((size_t)2 * 1024 * 1024) /* a page ends at the first entry behind it */
/* Bytes: an entry has a manifest's annotations at most, so less than MANIFEST_MAX of text, which
 * escapes may double. */
#define ANSWER_MAX (PAGE_BYTES + (size_t)2 * MANIFEST_MAX)

#define TAG_SCHEMA_HEX 64 /* digits of a digest in its tag; the rest of a longer one is cut */

struct listing {
	struct exchange *x;
	const char *filter; /* artifactType; NULL: all */
	bool skipping;      /* up to and with `after` */
	struct digest after;
	bool full;          /* there is more */
	struct map *listed; /* by digest's text */
	struct digest last; /* of those listed */
	struct jx_writer json;
	struct buf bytes; /* of one manifest */
	struct error err;
};

/* One entry: a descriptor, and what its manifest says of itself. */
struct entry {
	const struct digest *digest;
	const char *media_type;
	const char *artifact_type; /* NULL: none */
	const struct jx_value *annotations;
	uint64_t size;
};

static int put_annotation(void *ctx, const char *key, const struct jx_value *v, struct error *err)
{
	(void)err;
	if (jx_as_text(v))
		jx_put_text(ctx, key, jx_as_text(v));
	return 0;
}

static void put_entry(struct listing *l, const struct entry *e)
{
	struct jx_writer *w = &l->json;
	char text[DIGEST_STR_MAX];

	(void)digest_format(e->digest, text);
	if (map_get_str(l->listed, text) ||
		(l->filter && (!e->artifact_type || strcmp(l->filter, e->artifact_type) != 0)))
		return;
	map_put_str(l->listed, text, l);
	l->last = *e->digest;
	jx_begin_object(w, NULL);
	jx_put_text(w, "mediaType", e->media_type);
	jx_put_text(w, "digest", text);
	jx_put_u64(w, "size", e->size);
	if (e->artifact_type)
		jx_put_text(w, "artifactType", e->artifact_type);
	if (e->annotations) {
		jx_begin_object(w, "annotations");
		w->failed |= jx_each(e->annotations, put_annotation, w, NULL) < 0;
		jx_end_object(w);
	}
	jx_end_object(w);
}

/* artifactType, or an image manifest's config type, or none; the annotations. */
static void read_entry(const struct jx_value *root, struct entry *e)
{
	const struct jx_value *config = NULL;

	if (jx_text(root, "artifactType", &e->artifact_type, NULL) < 0)
		e->artifact_type = NULL;
	if (!e->artifact_type || !*e->artifact_type) {
		e->artifact_type = NULL;
		if (jx_object(root, "config", &config, NULL) == 0 &&
			jx_text(config, "mediaType", &e->artifact_type, NULL) < 0)
			e->artifact_type = NULL;
	}
	if (jx_object(root, "annotations", &e->annotations, NULL) < 0)
		e->annotations = NULL;
}

/* One that goes, or cannot be read, between the list and its turn is left out. */
static void list_one(struct listing *l, const struct store_referrer *r)
{
	AUTO(jx_freep) struct jx *doc = NULL;
	struct entry e = {.digest = &r->digest, .size = r->size, .media_type = r->media_type};

	buf_reset(&l->bytes);
	if (store_manifest_get(
		    store_of(l->x), l->x->route.repository, &r->digest, &l->bytes, NULL, NULL) <
			0 ||
		jx_parse(buf_text(&l->bytes), l->bytes.len, MANIFEST_DEPTH_MAX, &doc, NULL) < 0)
		return;
	read_entry(jx_root(doc), &e);
	put_entry(l, &e);
}

static bool on_referrer(void *ctx, const struct store_referrer *r)
{
	struct listing *l = ctx;
	char text[DIGEST_STR_MAX];

	if (l->skipping) {
		map_put_str(l->listed, digest_format(&r->digest, text), l);
		l->skipping = !digest_equal(&r->digest, &l->after);
		return true;
	}
	if (l->json.out->len > PAGE_BYTES) {
		l->full = true;
		return false;
	}
	list_one(l, r);
	return true;
}

/* ---- the tag schema ---- */

static void list_fallback_entry(struct listing *l, const struct jx_value *v)
{
	struct digest digest;
	struct entry e = {.digest = &digest};
	const char *text = NULL;

	if (jx_text(v, "digest", &text, NULL) < 0 || !text ||
		digest_parse(text, &digest, NULL) < 0 ||
		jx_text(v, "mediaType", &e.media_type, NULL) < 0 || !e.media_type ||
		jx_u64(v, "size", 0, &e.size, NULL) < 0)
		return;
	read_entry(v, &e);
	put_entry(l, &e);
}

/* The last page ends with it. */
static void list_fallback(struct listing *l)
{
	AUTO(jx_freep) struct jx *doc = NULL;
	const struct jx_value *list = NULL;
	const char *repository = l->x->route.repository;
	char tag[DIGEST_STR_MAX];
	struct digest index;

	(void)digest_format(&l->x->route.digest, tag);
	tag[strcspn(tag, ":")] = '-';
	tag[strlen("sha256-") + TAG_SCHEMA_HEX] = '\0';
	buf_reset(&l->bytes);
	if (store_tag_get(store_of(l->x), repository, tag, &index, NULL) < 0 ||
		store_manifest_get(store_of(l->x), repository, &index, &l->bytes, NULL, NULL) < 0 ||
		jx_parse(buf_text(&l->bytes), l->bytes.len, MANIFEST_DEPTH_MAX, &doc, NULL) < 0 ||
		jx_array(jx_root(doc), "manifests", &list, NULL) < 0)
		return;
	for (size_t i = 0; i < jx_count(list); i++)
		list_fallback_entry(l, jx_at(list, i));
}

/* ---- the answer ---- */

/* A media type as a query's value: all but letters, digits and "-./_" escaped. */
static char *escape(const char *type)
{
	AUTO(buf_clear) struct buf b = BUF_INIT((size_t)3 * MEDIA_TYPE_MAX);
	int rc = 0;

	for (const char *c = type; *c && rc == 0; c++)
		rc = isalnum((unsigned char)*c) || strchr("-./_", *c)
			     ? buf_append(&b, c, 1, NULL)
			     : buf_printf(&b, NULL, "%%%02X", (unsigned)(unsigned char)*c);
	return buf_steal(&b);
}

static void add_link(struct exchange *x, const struct listing *l)
{
	char subject[DIGEST_STR_MAX], last[DIGEST_STR_MAX];
	AUTO_FREE char *filter = l->filter ? escape(l->filter) : NULL;

	reply_header(x,
		"Link",
		"</v2/%s/referrers/%s?last=%s%s%s>; rel=\"next\"",
		x->route.repository,
		digest_format(&x->route.digest, subject),
		digest_format(&l->last, last),
		filter ? "&artifactType=" : "",
		filter ? filter : "");
}

static int list_all(struct listing *l, struct error *err)
{
	struct exchange *x = l->x;
	int rc;

	jx_begin_object(&l->json, NULL);
	jx_put_u64(&l->json, "schemaVersion", 2);
	jx_put_text(&l->json, "mediaType", MEDIA_OCI_INDEX);
	jx_begin_array(&l->json, "manifests");
	rc = store_referrers(
		store_of(x), x->route.repository, &x->route.digest, on_referrer, l, err);
	if (rc == 0 && !l->full)
		list_fallback(l);
	jx_end_array(&l->json);
	jx_end_object(&l->json);
	return rc == 0 ? jx_writer_finish(&l->json, err) : rc;
}

void list_referrers(struct exchange *x)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(buf_clear) struct buf body = BUF_INIT(ANSWER_MAX);
	AUTO(map_freep) struct map *listed = map_new(NULL);
	const char *last = httpd_query(x->http, "last");
	const char *filter = httpd_query(x->http, "artifactType");
	char type[MEDIA_TYPE_MAX + 1] = ""; /* of nothing, when the query's is no media type */
	struct listing l = {
		.x = x,
		.filter = filter && *filter ? type : NULL,
		.listed = listed,
		.json = {.out = &body},
		.bytes = BUF_INIT(MANIFEST_MAX),
	};
	int rc;

	(void)media_copy(filter, type);
	l.skipping = last && digest_parse(last, &l.after, NULL) == 0;
	rc = list_all(&l, &err);
	buf_clear(&l.bytes);
	if (rc < 0) {
		reply_failure(x, &err);
		return;
	}
	if (l.filter)
		reply_header(x, "OCI-Filters-Applied", "artifactType");
	if (l.full)
		add_link(x, &l);
	reply_body(x, 200, MEDIA_OCI_INDEX, &body);
}
