/* The input is a Content-Type up to the first newline, and then the document. */
#include "oci/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_sound(const struct manifest *m)
{
	char type[MEDIA_TYPE_MAX + 1];
	char text[DIGEST_STR_MAX];
	struct digest d;

	if (m->kind != MEDIA_MANIFEST && m->kind != MEDIA_INDEX)
		return false;
	if (m->n_items > MANIFEST_BLOBS_MAX || !media_copy(m->media_type, type))
		return false;
	if (media_kind(type) != MEDIA_UNKNOWN && media_kind(type) != m->kind)
		return false;
	for (size_t i = 0; i < m->n_items; i++) {
		const struct descriptor *item = &m->items[i];

		if (item->size > DESCRIPTOR_SIZE_MAX ||
			digest_parse(digest_format(&item->digest, text), &d, NULL) < 0 ||
			(m->kind == MEDIA_INDEX && item->flags & DESCRIPTOR_CONFIG))
			return false;
	}
	return true;
}

static bool is_same_item(const struct descriptor *a, const struct descriptor *b)
{
	return digest_equal(&a->digest, &b->digest) && a->size == b->size && a->kind == b->kind &&
	       a->flags == b->flags && platform_equal(&a->platform, &b->platform);
}

static bool is_same(const struct manifest *a, const struct manifest *b)
{
	if (a->kind != b->kind || a->n_items != b->n_items || a->has_subject != b->has_subject ||
		strcmp(a->media_type, b->media_type) != 0)
		return false;
	for (size_t i = 0; i < a->n_items; i++)
		if (!is_same_item(&a->items[i], &b->items[i]))
			return false;
	return !a->has_subject || digest_equal(&a->subject, &b->subject);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(manifest_clear) struct manifest m = MANIFEST_INIT;
	AUTO(manifest_clear) struct manifest again = MANIFEST_INIT;
	const uint8_t *newline = size ? memchr(data, '\n', size) : NULL;
	size_t head = newline ? (size_t)(newline - data) : 0;
	AUTO_FREE char *type = strndup((const char *)data, head);
	const uint8_t *body = newline ? newline + 1 : data;
	size_t len = size - (size_t)(body - data);

	if (!type || manifest_parse(body, len, type, &m, NULL) < 0)
		return 0;
	/* A view keeps the limits, and is the same whenever and with whatever type it is made. */
	if (!is_sound(&m) || manifest_parse(body, len, m.media_type, &again, NULL) < 0 ||
		!is_same(&m, &again))
		abort();
	return 0;
}
