/*
 * check.c - a list of probes: the tags first, then what each answer names.
 *
 * A probe is one question to the target.  Blobs that images of one repository share are asked for
 * once; what came of it is told to all of them at the end.
 */
#include "sync/check.h"

#include <sys/stat.h>

#include "oci/manifest.h"
#include "sync/run.h"
#include "util/map.h"
#include "util/mem.h"

#define CHECK_WINDOW 32 /* questions at once; the host's own limits are narrower */

enum probe_kind {
	PROBE_TAG,
	PROBE_MANIFEST,
	PROBE_EITHER, /* a child of no known type: a manifest, or else a blob */
	PROBE_BLOB,
};

struct probe {
	enum probe_kind kind;
	uint32_t image;
	uint32_t depth; /* below the tag */
	uint32_t twin;  /* another probe that asks the same; NO_INDEX: this one asks */
	struct digest digest;
	uint64_t size; /* as declared */
	char platform[PLATFORM_TEXT_MAX];
	bool failed;
	struct error err;
};

struct check {
	const struct check_options *options;
	const struct sync_target *target;
	const struct check_image *images;
	struct check_result *results;
	struct probe *probes; /* they move: callbacks hold indexes */
	size_t n, cap, next, running;
	struct map *asked;   /* what is asked for already -> index */
	struct asking *open; /* calls under way */
	struct manifest_lane *lane;
	bool stopped;
};

/* A call under way. */
struct asking {
	struct check *check;
	size_t probe;
	struct registry_call *call;
	struct asking *next, *before;
};

const char *check_state_name(enum check_state s)
{
	static const char *const names[] = {
		[CHECK_MISSING] = "missing",
		[CHECK_WRONG] = "wrong",
		[CHECK_UNKNOWN] = "unknown",
	};

	return names[s];
}

void check_results_clear(struct check_result *results, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < results[i].n_problems; k++)
			free(results[i].problems[k].text);
		free(results[i].problems);
		results[i] = (struct check_result){.complete = false};
	}
}

/* ---- what is found ---- */

/* problem->text is taken over. */
static void add_problem(struct check_result *r, const struct check_problem *problem)
{
	r->problems =
		array_grow(r->problems, r->n_problems, &r->cap_problems, sizeof(*r->problems));
	r->problems[r->n_problems++] = *problem;
}

static enum check_state state_of(const struct error *err)
{
	if (err->code == ERR_NOTFOUND)
		return CHECK_MISSING;
	return err->code == ERR_CORRUPT ? CHECK_WRONG : CHECK_UNKNOWN;
}

static void fail(struct check *c, size_t index, struct error *err)
{
	c->probes[index].failed = true;
	error_move(&c->probes[index].err, err);
}

static void add_probe(struct check *c, const struct probe *probe)
{
	c->probes = array_grow(c->probes, c->n, &c->cap, sizeof(*c->probes));
	c->probes[c->n++] = *probe;
}

/* The probe that `p` repeats within the image, or for blobs within its repository. */
static uint32_t first_of(struct check *c, const struct probe *p, bool in_repository)
{
	const char *repository = c->images[p->image].repository;
	char digest[DIGEST_STR_MAX];
	AUTO_FREE char *key = NULL;
	uint32_t index;

	digest_format(&p->digest, digest);
	key = in_repository
		      ? xasprintf("%s %s %ju", repository, digest, (uintmax_t)p->size)
		      : xasprintf(
				"%u %d %s %ju", p->image, (int)p->kind, digest, (uintmax_t)p->size);
	index = index_get(c->asked, key, strlen(key));
	if (index == NO_INDEX)
		index_put(c->asked, key, strlen(key), (uint32_t)c->n);
	return index;
}

static void want(struct check *c, struct probe *p)
{
	struct check_result *r = &c->results[p->image];

	p->twin = NO_INDEX;
	if (first_of(c, p, false) != NO_INDEX)
		return;
	if (p->kind == PROBE_BLOB) {
		p->twin = first_of(c, p, true);
		r->blobs++;
		r->bytes += p->size;
	}
	add_probe(c, p);
}

static bool is_wanted(const struct check *c, const struct descriptor *d)
{
	const struct check_options *o = c->options;

	if (o->n_platforms == 0)
		return true;
	/* As a run has it: see is_wanted() of tree.c. */
	if (d->flags & DESCRIPTOR_ATTESTATION)
		return false;
	if (!(d->flags & DESCRIPTOR_HAS_PLATFORM))
		return true;
	for (size_t i = 0; i < o->n_platforms; i++)
		if (platform_equal(&o->platforms[i], &d->platform))
			return true;
	return false;
}

/* A platform that no child has; an index with children of no platform may have it further down. */
static void look_for_platforms(struct check *c, const struct probe *p, const struct manifest *view)
{
	const struct check_options *o = c->options;

	for (size_t k = 0; k < view->n_items; k++)
		if (!(view->items[k].flags & DESCRIPTOR_HAS_PLATFORM))
			return;
	for (size_t i = 0; i < o->n_platforms; i++) {
		struct check_problem problem = {.state = CHECK_MISSING, .what = "platform"};
		bool found = false;

		for (size_t k = 0; k < view->n_items && !found; k++)
			found = platform_equal(&o->platforms[i], &view->items[k].platform);
		if (found)
			continue;
		platform_format(&o->platforms[i], problem.platform);
		problem.text =
			xasprintf("the index at the target has no child for %s", problem.platform);
		add_problem(&c->results[p->image], &problem);
	}
}

static int take_children(
	struct check *c, const struct probe *parent, const struct manifest *view, struct error *err)
{
	if (parent->depth == INDEX_DEPTH_MAX)
		return error_set(
			err, ERR_REMOTE, "indexes are nested deeper than %d", INDEX_DEPTH_MAX);
	if (parent->kind == PROBE_TAG)
		look_for_platforms(c, parent, view);
	for (size_t i = 0; i < view->n_items; i++) {
		const struct descriptor *d = &view->items[i];
		struct probe child = {
			.kind = d->kind == MEDIA_UNKNOWN ? PROBE_EITHER : PROBE_MANIFEST,
			.image = parent->image,
			.depth = parent->depth + 1,
			.digest = d->digest,
			.size = d->size,
		};

		if (!is_wanted(c, d))
			continue;
		memcpy(child.platform, parent->platform, sizeof(child.platform));
		if (d->flags & DESCRIPTOR_HAS_PLATFORM)
			platform_format(&d->platform, child.platform);
		want(c, &child);
	}
	return 0;
}

static void take_blobs(struct check *c, const struct probe *parent, const struct manifest *view)
{
	for (size_t i = 0; i < view->n_items; i++) {
		const struct descriptor *d = &view->items[i];
		struct probe blob = {
			.kind = PROBE_BLOB,
			.image = parent->image,
			.depth = parent->depth + 1,
			.digest = d->digest,
			.size = d->size,
		};

		if ((d->flags & DESCRIPTOR_FOREIGN) && !c->options->include_foreign)
			continue;
		memcpy(blob.platform, parent->platform, sizeof(blob.platform));
		want(c, &blob);
	}
}

/* The bytes are right: what do they name? */
static int take_manifest(struct check *c, size_t index, const struct buf *body,
	const char *media_type, const struct digest *digest, struct error *err)
{
	const struct probe probe = c->probes[index]; /* a copy: the array grows below */
	struct check_result *r = &c->results[probe.image];
	AUTO(manifest_clear) struct manifest view = MANIFEST_INIT;
	int rc = manifest_parse(buf_text(body), body->len, media_type, &view, err);

	if (rc < 0)
		return rc;
	if (probe.kind == PROBE_TAG) {
		r->has_digest = true;
		r->digest = *digest;
	}
	r->manifests++;
	r->bytes += body->len;
	if (r->manifests > IMAGE_MANIFESTS_MAX || r->blobs > IMAGE_BLOBS_MAX)
		return error_set(err,
			ERR_REMOTE,
			"more than %d manifests or %d blobs below one tag",
			IMAGE_MANIFESTS_MAX,
			IMAGE_BLOBS_MAX);
	if (view.kind == MEDIA_INDEX)
		return take_children(c, &probe, &view, err);
	take_blobs(c, &probe, &view);
	return 0;
}

/* A child that is no manifest there may be a blob of the same digest. */
static bool try_as_blob(struct check *c, size_t index, const struct error *err)
{
	struct probe blob = c->probes[index];

	if (blob.kind != PROBE_EITHER || err->code != ERR_NOTFOUND)
		return false;
	blob.kind = PROBE_BLOB;
	want(c, &blob);
	return true;
}

/* ---- in the store ---- */

static int store_blob(struct check *c, const struct probe *p, struct error *err)
{
	AUTO_CLOSE int fd = -1;
	struct stat st;
	uint64_t size = 0;
	int rc = store_blob_open(c->target->store, &p->digest, &fd, &size, err);

	if (rc < 0)
		return rc;
	if (fstat(fd, &st) < 0)
		return error_errno(err, "look at the file");
	if (size != p->size || (uint64_t)st.st_size != p->size)
		return error_set(err,
			ERR_CORRUPT,
			"the file has %ju bytes, and not %ju",
			(uintmax_t)st.st_size,
			(uintmax_t)p->size);
	return 0;
}

static int store_manifest(struct check *c, size_t index, struct error *err)
{
	struct probe *p = &c->probes[index];
	const struct check_image *image = &c->images[p->image];
	AUTO(buf_clear) struct buf body = BUF_INIT(MANIFEST_MAX);
	char type[MEDIA_TYPE_MAX + 1] = "";
	struct digest wanted = p->digest, got = {.algo = DIGEST_SHA256};
	int rc = 0;

	if (p->kind == PROBE_TAG)
		rc = store_tag_get(c->target->store, image->repository, image->tag, &wanted, err);
	if (rc == 0)
		rc = store_manifest_get(
			c->target->store, image->repository, &wanted, &body, type, err);
	if (rc == 0)
		rc = digest_of(wanted.algo, buf_text(&body), body.len, &got, err);
	if (rc < 0)
		return rc;
	if (!digest_equal(&got, &wanted))
		return error_set(err, ERR_CORRUPT, "the file has other bytes than its digest says");
	return take_manifest(c, index, &body, type, &wanted, err);
}

static void probe_store(struct check *c, size_t index)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	int rc = c->probes[index].kind == PROBE_BLOB ? store_blob(c, &c->probes[index], &err)
						     : store_manifest(c, index, &err);

	if (rc < 0 && !try_as_blob(c, index, &err))
		fail(c, index, &err);
}

/* Content of another repository is not served in this one: the store knows by its links. */
static int check_links(
	struct check *c, const struct check_image *image, struct check_result *r, struct error *err)
{
	struct check_problem problem = {.state = CHECK_MISSING, .what = "link"};
	bool complete = false;
	int rc;

	if (!c->target->store || r->n_problems > 0 || !r->has_digest)
		return 0;
	rc = store_is_complete(c->target->store,
		image->repository,
		&r->digest,
		c->options->n_platforms > 0,
		&complete,
		err);
	if (rc < 0 || complete)
		return rc;
	problem.text = xstrdup("some of its content is in the store, but not in this repository");
	add_problem(r, &problem);
	return 0;
}

/* ---- at a registry ---- */

static void asking_end(struct asking *a)
{
	if (a->before)
		a->before->next = a->next;
	else
		a->check->open = a->next;
	if (a->next)
		a->next->before = a->before;
	a->check->running--;
	free(a);
}

static void answered(void *ctx, struct registry_reply *reply, struct error *err)
{
	struct asking *a = ctx;
	struct check *c = a->check;
	size_t index = a->probe;
	AUTO(error_clear) struct error broken = ERROR_INIT;

	asking_end(a);
	if (!err && c->probes[index].kind != PROBE_BLOB &&
		take_manifest(c, index, reply->body, reply->media_type, &reply->digest, &broken) <
			0)
		err = &broken;
	if (err && !try_as_blob(c, index, err))
		fail(c, index, err);
}

static void probe_registry(struct check *c, size_t index)
{
	const struct probe *p = &c->probes[index];
	const struct check_image *image = &c->images[p->image];
	struct asking *a = xkeep(1, sizeof(*a));
	char digest[DIGEST_STR_MAX];
	struct registry_get get = {
		.repository = image->repository,
		.reference = p->kind == PROBE_TAG ? image->tag : digest_format(&p->digest, digest),
		.expect = p->kind == PROBE_TAG ? NULL : &p->digest,
		.expect_size = p->size,
		.attempts = REGISTRY_ATTEMPTS,
		.lane = c->lane,
		.done = answered,
		.ctx = a,
	};

	*a = (struct asking){.check = c, .probe = index, .next = c->open};
	if (c->open)
		c->open->before = a;
	c->open = a;
	c->running++;
	a->call = p->kind == PROBE_BLOB ? registry_blob_head(c->target->registry, &get)
					: registry_manifest_get(c->target->registry, &get);
}

/* ---- all of it ---- */

static bool step(void *ctx)
{
	struct check *c = ctx;

	if (c->options->stop && *c->options->stop) {
		c->stopped = true;
		return true;
	}
	while (c->running < CHECK_WINDOW && c->next < c->n) {
		size_t index = c->next++;

		if (c->probes[index].twin != NO_INDEX)
			continue;
		if (c->target->store)
			probe_store(c, index);
		else
			probe_registry(c, index);
	}
	return c->running == 0 && c->next == c->n;
}

static void tell(struct check *c, const struct probe *p)
{
	static const char *const what[] = {
		[PROBE_TAG] = "tag",
		[PROBE_MANIFEST] = "manifest",
		[PROBE_EITHER] = "manifest",
		[PROBE_BLOB] = "blob",
	};
	const struct probe *asked = p->twin == NO_INDEX ? p : &c->probes[p->twin];
	struct check_problem problem = {
		.what = what[p->kind],
		.has_digest = p->kind != PROBE_TAG,
		.digest = p->digest,
		.size = p->size,
	};

	if (!asked->failed)
		return;
	problem.state = state_of(&asked->err);
	problem.text = xstrdup(error_text(&asked->err));
	memcpy(problem.platform, p->platform, sizeof(problem.platform));
	add_problem(&c->results[p->image], &problem);
}

static int conclude(struct check *c, size_t n, struct error *err)
{
	int rc = 0;

	for (size_t i = 0; i < c->n; i++)
		tell(c, &c->probes[i]);
	for (size_t i = 0; i < n && rc == 0; i++) {
		rc = check_links(c, &c->images[i], &c->results[i], err);
		c->results[i].complete = rc == 0 && c->results[i].n_problems == 0;
	}
	return rc;
}

static void check_clear(struct check *c)
{
	while (c->open) {
		struct asking *a = c->open;

		registry_cancel(&a->call);
		asking_end(a);
	}
	for (size_t i = 0; i < c->n; i++)
		error_clear(&c->probes[i].err);
	free(c->probes);
	map_free(c->asked);
	manifest_lane_free(c->lane);
}

int check_run(const struct check_options *options, const struct sync_target *target,
	const struct check_image *images, size_t n, struct check_result *ret, struct error *err)
{
	AUTO(check_clear)
	struct check c = {
		.options = options,
		.target = target,
		.images = images,
		.results = ret,
		.asked = map_new(NULL),
		.lane = manifest_lane_new(),
	};
	int rc;

	for (size_t i = 0; i < n; i++) {
		ret[i] = (struct check_result){.complete = false};
		add_probe(&c,
			&(struct probe){.kind = PROBE_TAG, .image = (uint32_t)i, .twin = NO_INDEX});
	}
	rc = http_loop_run(options->loop, step, &c, err);
	if (rc == 0 && c.stopped)
		rc = error_set(err, ERR_CANCELED, "the check was stopped");
	return rc < 0 ? rc : conclude(&c, n, err);
}
