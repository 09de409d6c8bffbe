/* Parsing manifests, from an ordinary one to the largest that is taken. */
#include "bench.h"

#include <inttypes.h>
#include <string.h>

#include "oci/manifest.h"
#include "util/buf.h"

static const size_t LAYERS[] = {8, 100, 8000};
static const char TYPE[] = "application/vnd.oci.image.manifest.v1+json";

static void add_descriptor(struct buf *text, const char *type, size_t number)
{
	AUTO(error_clear) struct error err = ERROR_INIT;

	if (buf_printf(text,
		    &err,
		    "{\"mediaType\":\"application/vnd.oci.image.%s\",\"size\":%zu,"
		    "\"digest\":\"sha256:%064zx\"}",
		    type,
		    number,
		    number) < 0)
		bench_die("manifest", &err);
}

static void add(struct buf *text, const char *more)
{
	AUTO(error_clear) struct error err = ERROR_INIT;

	if (buf_puts(text, more, &err) < 0)
		bench_die("manifest", &err);
}

static void make(struct buf *text, size_t layers)
{
	add(text, "{\"schemaVersion\":2,\"mediaType\":\"");
	add(text, TYPE);
	add(text, "\",\"config\":");
	add_descriptor(text, "config.v1+json", 0);
	for (size_t i = 1; i <= layers; i++) {
		add(text, i == 1 ? ",\"layers\":[" : ",");
		add_descriptor(text, "layer.v1.tar+gzip", i);
	}
	add(text, "]}");
}

static void parse(void *arg)
{
	const struct buf *text = arg;
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(manifest_clear) struct manifest m = MANIFEST_INIT;

	if (manifest_parse(text->data, text->len, TYPE, &m, &err) < 0)
		bench_die("manifest", &err);
}

int main(void)
{
	for (size_t i = 0; i < sizeof LAYERS / sizeof *LAYERS; i++) {
		AUTO(buf_clear) struct buf text = BUF_INIT(MANIFEST_MAX);
		char what[64];
		make(&text, LAYERS[i]);
		snprintf(what,
			sizeof what,
			"manifest of %zu layers, %zu KiB",
			LAYERS[i],
			text.len >> 10);
		bench_print(what, bench_rate(parse, &text), "parsed/s");
	}
	return 0;
}
