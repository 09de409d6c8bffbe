/* Digests of a stream, by the size of the pieces in which it comes: what each blob costs at least.
 */
#include "bench.h"

#include "oci/hasher.h"
#include "util/mem.h"

static const size_t PIECES[] = {4 << 10, 64 << 10, 256 << 10}; /* bytes */
static const double MIB = 1 << 20;

struct stream {
	struct hasher *hasher;
	const void *piece;
	size_t size;
};

static void hash_piece(void *arg)
{
	struct stream *s = arg;

	hasher_update(s->hasher, s->piece, s->size);
}

static void run(enum digest_algo algorithm, const char *name)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(hasher_freep) struct hasher *hasher = NULL;

	if (hasher_new(algorithm, &hasher, &err) < 0)
		bench_die(name, &err);
	for (size_t i = 0; i < sizeof PIECES / sizeof *PIECES; i++) {
		AUTO(freep) void *piece = xcalloc(1, PIECES[i]);
		struct stream s = {.hasher = hasher, .piece = piece, .size = PIECES[i]};
		char what[64];
		snprintf(what, sizeof what, "%s, pieces of %zu KiB", name, PIECES[i] >> 10);
		bench_print(what, bench_rate(hash_piece, &s) * (double)PIECES[i] / MIB, "MiB/s");
	}
}

int main(void)
{
	run(DIGEST_SHA256, "sha256");
	run(DIGEST_SHA512, "sha512");
	return 0;
}
