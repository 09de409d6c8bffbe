/* preflight.c - what would fail later anyway is found before any byte moves. */
#include "sync/run.h"
#include "util/clock.h"
#include "util/mem.h"
#include "util/parse.h"

/* Bytes left free on the store's disk, for its index, the state and everybody else. */
#define DISK_RESERVE (64ULL * 1024 * 1024)
#define PROBE_WINDOW 8

/* ---- space ---- */

static uint64_t bytes_for(const struct sync_run *run, const struct store *store)
{
	uint64_t sum = 0;

	for (size_t b = 0; b < run->n_blobs; b++) {
		uint64_t size;

		for (uint32_t p = run->blobs[b].places; p != NO_INDEX;
			p = run->places[p].next_of_blob) {
			const struct place *place = &run->places[p];
			struct store *there = run->spots[place->spot].target->store;

			if (there != store || place->state != PLACE_MISSING)
				continue;
			if (store_blob_stat(there, &run->blobs[b].digest, &size, NULL) < 0)
				sum = sum > UINT64_MAX - run->blobs[b].size
					      ? UINT64_MAX
					      : sum + run->blobs[b].size;
			break;
		}
	}
	return sum;
}

static int check_space(struct sync_run *run, struct error *err)
{
	char need[SIZE_TEXT_MAX], have[SIZE_TEXT_MAX], reserve[SIZE_TEXT_MAX];

	for (size_t i = 0; i < run->n_spots; i++) {
		const struct store *store = run->spots[i].target->store;
		uint64_t bytes, available;
		int rc;

		if (!store)
			continue;
		rc = store_disk_free(store, &available, err);
		if (rc < 0)
			return rc;
		bytes = bytes_for(run, store);
		if (bytes == 0 || (available >= DISK_RESERVE && bytes <= available - DISK_RESERVE))
			return 0;
		return error_set(err,
			ERR_IO,
			"the store needs %s and %s are free on its disk, of which %s stay free; nothing was "
			"moved: free some space, or select less",
			format_size(bytes, need),
			format_size(available, have),
			format_size(DISK_RESERVE, reserve));
	}
	return 0;
}

/* ---- sparse indexes ---- */

/* A target is asked once, in the repository of the first cell that needs it. */
struct probe {
	struct sync_run *run;
	struct sync_target *target;
	uint32_t spot;
	char *bytes;
	struct digest digest;
	char text[DIGEST_STR_MAX];
	struct registry_call *call; /* under way */
	struct error err;
};

static void fail_sparse(struct sync_run *run, const struct probe *probe)
{
	for (size_t i = 0; i < run->n_cells; i++) {
		struct cell *cell = &run->cells[i];
		const struct image *image = &run->images[cell->image];

		if (cell->state == CELL_WAITING && image->sparse &&
			run->spots[cell->spot].target == probe->target)
			cell_fail(run, cell, &probe->err);
	}
}

static void explain(struct probe *probe, struct error *err)
{
	if (err->code != ERR_REMOTE && err->code != ERR_NOTFOUND) {
		error_move(&probe->err, err);
		(void)error_wrap(&probe->err,
			-1,
			"target %s: whether it takes an index with children left out is not known",
			probe->target->name);
		return;
	}
	(void)error_set(&probe->err,
		ERR_USAGE,
		"target %s refuses an index whose children are not all there (%s), and `platforms` "
		"leaves some out; nothing was moved. Ways out: drop `platforms` and copy whole "
		"indexes, publish to a store target, or to a registry that takes sparse indexes",
		probe->target->name,
		error_text(err));
}

static void probe_gone(void *ctx, struct registry_reply *reply, struct error *err)
{
	struct probe *probe = ctx;

	(void)reply;
	probe->call = NULL;
	(void)err; /* a registry that deletes nothing keeps an untagged index of 300 bytes */
	window_done(probe->run);
}

static void probe_done(void *ctx, struct registry_reply *reply, struct error *err)
{
	struct probe *probe = ctx;
	struct registry_get get = {
		.repository = probe->run->spots[probe->spot].repository,
		.reference = probe->text,
		.expect = &probe->digest,
		.done = probe_gone,
		.ctx = probe,
	};

	(void)reply;
	probe->call = NULL;
	if (!err) {
		probe->call = registry_manifest_delete(probe->target->registry, &get);
		return;
	}
	explain(probe, err);
	fail_sparse(probe->run, probe);
	window_done(probe->run);
}

static void probe_start(struct sync_run *run, size_t i)
{
	struct probe *probe = &((struct probe *)run->window.items)[i];
	struct registry_put put = {
		.repository = run->spots[probe->spot].repository,
		.reference = probe->text,
		.media_type = MEDIA_OCI_INDEX,
		.bytes = probe->bytes,
		.len = strlen(probe->bytes),
		.digest = probe->digest,
		.attempts = REGISTRY_ATTEMPTS,
		.done = probe_done,
		.ctx = probe,
	};

	probe->call = registry_manifest_put(probe->target->registry, &put);
}

/* An index whose only child is nowhere: what the rule's indexes will look like to the target. */
static int probe_fill(struct probe *probe, struct error *err)
{
	char random[2 * 32 + 1];

	random_hex(random, 32);
	probe->bytes = xasprintf("{\"schemaVersion\":2,\"mediaType\":\"%s\",\"manifests\":"
				 "[{\"mediaType\":\"%s\",\"digest\":\"sha256:%s\",\"size\":2,"
				 "\"platform\":{\"architecture\":\"amd64\",\"os\":\"linux\"}}]}",
		MEDIA_OCI_INDEX,
		MEDIA_OCI_MANIFEST,
		random);
	if (digest_of(DIGEST_SHA256, probe->bytes, strlen(probe->bytes), &probe->digest, err) < 0)
		return -(int)ERR_IO;
	digest_format(&probe->digest, probe->text);
	return 0;
}

static int collect(struct sync_run *run, struct probe *probes, size_t *ret_n, struct error *err)
{
	size_t n = 0;

	for (size_t i = 0; i < run->n_cells; i++) {
		const struct cell *cell = &run->cells[i];
		struct sync_target *target = run->spots[cell->spot].target;
		bool known = false;

		if (cell->state != CELL_WAITING || !run->images[cell->image].sparse ||
			!target->registry)
			continue;
		for (size_t k = 0; k < n; k++)
			known = known || probes[k].target == target;
		if (known)
			continue;
		probes[n] = (struct probe){.run = run, .target = target, .spot = cell->spot};
		if (probe_fill(&probes[n++], err) < 0)
			return -(int)ERR_IO;
	}
	*ret_n = n;
	return 0;
}

static int check_sparse(struct sync_run *run, struct error *err)
{
	AUTO_FREE struct probe *probes = xcalloc(run->n_spots ? run->n_spots : 1, sizeof(*probes));
	size_t n = 0;
	int rc = collect(run, probes, &n, err);

	if (rc == 0 && n > 0)
		rc = phase_run(run, n, PROBE_WINDOW, probe_start, probes, err);
	for (size_t i = 0; i < n; i++) {
		registry_cancel(&probes[i].call);
		free(probes[i].bytes);
		error_clear(&probes[i].err);
	}
	return rc;
}

int preflight(struct sync_run *run, struct error *err)
{
	int rc = check_space(run, err);

	/* A probe is a write, if only of an index that points nowhere: `plan` makes none. */
	if (rc == 0 && !run->options.plan_only)
		rc = check_sparse(run, err);
	return rc;
}
