#include "oci/reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was parsed keeps the promises of the header. */
static bool is_sound(const struct reference *r)
{
	if (r->has_digest && r->digest.algo >= DIGEST_ALGO_MAX_)
		return false;
	if (r->kind == REFERENCE_LAYOUT)
		return !r->host && r->repository[0] != '\0';
	if (!repository_is_valid(r->repository) || (r->tag && !tag_is_valid(r->tag)))
		return false;
	return r->kind == REFERENCE_STORE ? !r->host : host_is_valid(r->host);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(reference_clear) struct reference r = REFERENCE_INIT;
	AUTO(reference_clear) struct reference again = REFERENCE_INIT;
	AUTO_FREE char *s = strndup((const char *)data, size);
	AUTO_FREE char *text = NULL;
	AUTO_FREE char *text_again = NULL;

	if (!s || reference_parse(s, &r, NULL) < 0)
		return 0;
	/* The canonical text parses, and prints back as itself. */
	text = reference_format(&r);
	if (!is_sound(&r) || reference_parse(text, &again, NULL) < 0)
		abort();
	text_again = reference_format(&again);
	if (strcmp(text, text_again) != 0 || again.kind != r.kind)
		abort();
	return 0;
}
