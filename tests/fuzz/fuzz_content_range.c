#include "registry/content_range.h"

#include "util/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *format(const struct content_range *r)
{
	AUTO_FREE char *total =
		r->has_total ? xasprintf("%llu", (unsigned long long)r->total) : xstrdup("*");

	if (r->unsatisfied)
		return xasprintf("bytes */%s", total);
	return xasprintf("bytes %llu-%llu/%s",
		(unsigned long long)r->first,
		(unsigned long long)r->last,
		total);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *value = xstrndup((const char *)data, size);
	AUTO_FREE char *text = NULL;
	struct content_range r, again;
	uint64_t last;

	/* An upload's Range and a Content-Range are never the same text. */
	if (upload_range_parse(value, &last, NULL) == 0 &&
		content_range_parse(value, &r, NULL) == 0)
		abort();
	if (content_range_parse(value, &r, NULL) < 0)
		return 0;
	if (!r.unsatisfied && (r.first > r.last || (r.has_total && r.last >= r.total)))
		abort();
	if (r.unsatisfied && !r.has_total)
		abort();
	text = format(&r);
	if (content_range_parse(text, &again, NULL) < 0 || r.unsatisfied != again.unsatisfied ||
		r.first != again.first || r.last != again.last || r.has_total != again.has_total ||
		r.total != again.total)
		abort();
	return 0;
}
