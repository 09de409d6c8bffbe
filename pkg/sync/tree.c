/* tree.c - an image's manifests: fetched once, read once, kept in a nameless file. */
#include <inttypes.h>

#include "sync/run.h"
#include "util/file.h"
#include "util/mem.h"

/* ---- tables ---- */

/* Peers choose both, so neither their number nor the time to find one may grow unchecked. */
static uint32_t media_type_index(struct sync_run *run, const char *type)
{
	uint32_t index = index_get(run->text_map, type, strlen(type));

	if (index != NO_INDEX)
		return index;
	run->media_types = array_grow(run->media_types,
		run->n_media_types,
		&run->cap_media_types,
		sizeof(*run->media_types));
	run->media_types[run->n_media_types] = xstrdup(type);
	index = (uint32_t)run->n_media_types++;
	index_put(run->text_map, type, strlen(type), index);
	return index;
}

static uint32_t platform_index(struct sync_run *run, const struct platform *p)
{
	char text[PLATFORM_TEXT_MAX];
	AUTO_FREE char *key = xasprintf("platform %s", platform_format(p, text));
	uint32_t index = index_get(run->text_map, key, strlen(key));

	if (index != NO_INDEX)
		return index;
	run->platforms = array_grow(
		run->platforms, run->n_platforms, &run->cap_platforms, sizeof(*run->platforms));
	run->platforms[run->n_platforms] = *p;
	index = (uint32_t)run->n_platforms++;
	index_put(run->text_map, key, strlen(key), index);
	return index;
}

/* What may be a blob is a node of its own: an index that calls a manifest so harms only itself. */
struct node_key {
	uint64_t declared;
	struct digest digest;
	uint32_t may_be_blob;
};

/* maybe: the descriptor of a child that may be a blob; NULL: a manifest. */
static uint32_t node_of(
	struct sync_run *run, const struct digest *digest, const struct descriptor *maybe)
{
	struct node_key key;
	uint32_t index;

	memset(&key, 0, sizeof(key)); /* its padding is hashed, too */
	key.digest = *digest;
	key.declared = maybe ? maybe->size : 0;
	key.may_be_blob = maybe != NULL;
	index = index_get(run->node_map, &key, sizeof(key));
	if (index != NO_INDEX)
		return index;
	run->nodes = array_grow(run->nodes, run->n_nodes, &run->cap_nodes, sizeof(*run->nodes));
	index = (uint32_t)run->n_nodes++;
	run->nodes[index] = (struct node){
		.digest = *digest,
		.may_be_blob = maybe != NULL,
		.declared = key.declared,
		.next_fetch = NO_INDEX,
		.waiters = NO_INDEX,
	};
	index_put(run->node_map, &key, sizeof(key), index);
	return index;
}

/* Images that disagree about size or kind of the same digest do not share it: one of them is
 * wrong, and harms only itself. */
struct blob_key {
	uint64_t size;
	struct digest digest;
	uint32_t foreign;
};

static uint32_t blob_of(struct sync_run *run, const struct descriptor *d)
{
	struct blob_key key;
	uint32_t index;

	memset(&key, 0, sizeof(key)); /* its padding is hashed, too */
	key.size = d->size;
	key.digest = d->digest;
	key.foreign = (d->flags & DESCRIPTOR_FOREIGN) != 0;
	index = index_get(run->blob_map, &key, sizeof(key));

	if (index != NO_INDEX)
		return index;
	run->blobs = array_grow(run->blobs, run->n_blobs, &run->cap_blobs, sizeof(*run->blobs));
	index = (uint32_t)run->n_blobs++;
	run->blobs[index] = (struct blob){
		.digest = d->digest,
		.size = d->size,
		.foreign = d->flags & DESCRIPTOR_FOREIGN,
		.places = NO_INDEX,
	};
	index_put(run->blob_map, &key, sizeof(key), index);
	return index;
}

/* ---- which children are wanted ---- */

static bool is_wanted(const struct sync_run *run, const struct image *image, const struct child *c)
{
	const struct sync_rule *rule = image_rule(run, image);

	if (rule->n_platforms == 0)
		return true;
	/* Attestations speak of children that may be left out: they go with the whole index or not
	 * at all. */
	if (c->attestation)
		return false;
	if (!c->has_platform)
		return true;
	for (size_t i = 0; i < rule->n_platforms; i++)
		if (platform_equal(&rule->platforms[i], &run->platforms[c->platform]))
			return true;
	return false;
}

static void each_below(
	struct sync_run *run, const struct image *image, uint32_t index, tree_fn *fn, void *ctx)
{
	for (uint32_t i = 0; i < run->nodes[index].n_children; i++) {
		const struct child *c = &run->nodes[index].children[i];

		if (is_wanted(run, image, c))
			each_below(run, image, c->node, fn, ctx);
	}
	fn(run, ctx, index);
}

void tree_each(struct sync_run *run, const struct image *image, tree_fn *fn, void *ctx)
{
	if (image->root != NO_INDEX)
		each_below(run, image, image->root, fn, ctx);
}

/* ---- walking ---- */

static void want(struct sync_run *run, struct image *image, uint32_t index, unsigned depth);

static void fail_image(struct sync_run *run, struct image *image, const struct error *why)
{
	const struct repo *repo = &run->repos[image->repo];
	AUTO(error_clear) struct error err = ERROR_INIT;

	if (image->state != IMAGE_WALKING)
		return;
	error_copy(&err, why);
	if (image->cached && why->code == ERR_NOTFOUND) {
		ask_doubt(run, repo->rule->sources, repo->name, image->tag);
		(void)error_wrap(&err,
			-1,
			"the tag as it was remembered (the next run asks the authority again)");
	}
	(void)error_wrap(&err, -1, "%s:%s", repo->name, image->tag ? image->tag : "(by digest)");
	image_fail(run, image, &err);
	window_done(run);
}

static void refuse(struct sync_run *run, struct image *image, const char *why, unsigned limit)
{
	AUTO(error_clear) struct error err = ERROR_INIT;

	(void)error_set(&err, ERR_REMOTE, "%s more than %u; the image is not copied", why, limit);
	fail_image(run, image, &err);
}

/* The children of a node that is ready. */
static void want_children(struct sync_run *run, struct image *image, uint32_t index, unsigned depth)
{
	uint32_t n = run->nodes[index].n_children, kept = 0;

	for (uint32_t i = 0; i < n && image->state == IMAGE_WALKING; i++) {
		/* want() may grow the arrays: no pointer into them is held across it. */
		struct child c = run->nodes[index].children[i];

		if (!is_wanted(run, image, &c)) {
			image->sparse = true;
			continue;
		}
		kept++;
		want(run, image, c.node, depth + 1);
	}
	if (n > 0 && kept == 0 && image->state == IMAGE_WALKING) {
		AUTO(error_clear) struct error err = ERROR_INIT;

		(void)error_set(&err,
			ERR_REMOTE,
			"none of its %u children is of the wanted platforms; the image is not copied",
			n);
		fail_image(run, image, &err);
	}
}

/* A child whose parent declares another size than it has; NULL: all agree. */
static const struct child *find_misstated(
	const struct sync_run *run, const struct image *image, uint32_t index)
{
	for (uint32_t i = 0; i < run->nodes[index].n_children; i++) {
		const struct child *c = &run->nodes[index].children[i], *below;

		if (!is_wanted(run, image, c))
			continue;
		if (run->nodes[c->node].is_blob)
			continue; /* its size is part of what it is */
		if (c->size != run->nodes[c->node].size)
			return c;
		below = find_misstated(run, image, c->node);
		if (below)
			return below;
	}
	return NULL;
}

static bool sizes_agree(struct sync_run *run, struct image *image)
{
	const struct child *c = find_misstated(run, image, image->root);
	AUTO(error_clear) struct error err = ERROR_INIT;
	char text[DIGEST_STR_MAX];

	if (!c)
		return true;
	(void)error_set(&err,
		ERR_REMOTE,
		"manifest %s has %" PRIu32 " bytes instead of the %" PRIu64
		" declared; the image is not copied",
		digest_format(&run->nodes[c->node].digest, text),
		run->nodes[c->node].size,
		c->size);
	fail_image(run, image, &err);
	return false;
}

static void walked(struct sync_run *run, struct image *image)
{
	if (image->state != IMAGE_WALKING || image->pending > 0 || !sizes_agree(run, image))
		return;
	image->state = IMAGE_WALKED;
	places_check(run, image);
}

/* What one repository could not give, another one's may. */
static bool may_have_better(const struct node *node, const struct image *image)
{
	return node->state == NODE_FAILED && !node->unreadable && node->repo != image->repo;
}

/* An image that waited for this node goes on with it, or fails by it. */
static void wake_one(struct sync_run *run, uint32_t index, const struct waiter *w)
{
	struct image *image = &run->images[w->cell];

	image->pending--;
	if (image->state != IMAGE_WALKING)
		return;
	image->n_nodes--; /* want() counts it again */
	want(run, image, index, w->depth);
	walked(run, image);
}

/*
 * After a failure those go first that asked the repository which failed, and fail: only then may
 * the others ask their own, or two repositories would be asked in turn for ever.
 */
static void wake(struct sync_run *run, uint32_t index)
{
	uint32_t at = run->nodes[index].waiters, later = NO_INDEX;

	run->nodes[index].waiters = NO_INDEX;
	while (at != NO_INDEX) {
		struct waiter w = run->waiters[at];

		if (may_have_better(&run->nodes[index], &run->images[w.cell])) {
			run->waiters[at].next = later;
			later = at;
		} else {
			wake_one(run, index, &w);
		}
		at = w.next;
	}
	while (later != NO_INDEX) {
		struct waiter w = run->waiters[later];

		wake_one(run, index, &w);
		later = w.next;
	}
}

static void read_children(struct sync_run *run, uint32_t index, const struct manifest *view)
{
	uint32_t n = 0;
	struct node *node;
	struct child *children = xkeep(view->n_items ? view->n_items : 1, sizeof(*children));

	for (size_t i = 0; i < view->n_items; i++) {
		const struct descriptor *d = &view->items[i];
		struct child c = {
			.node = node_of(run, &d->digest, d->kind == MEDIA_UNKNOWN ? d : NULL),
			.size = d->size,
			.has_platform = d->flags & DESCRIPTOR_HAS_PLATFORM,
			.attestation = d->flags & DESCRIPTOR_ATTESTATION,
		};

		if (c.has_platform)
			c.platform = platform_index(run, &d->platform);
		children[n++] = c;
	}
	node = &run->nodes[index]; /* only now: node_of() moves them */
	node->children = children;
	node->n_children = n;
}

static void read_blobs(struct sync_run *run, uint32_t index, const struct manifest *view)
{
	struct node *node;
	uint32_t *blobs = xkeep(view->n_items ? view->n_items : 1, sizeof(*blobs));

	for (size_t i = 0; i < view->n_items; i++)
		blobs[i] = blob_of(run, &view->items[i]);
	node = &run->nodes[index];
	node->blobs = blobs;
	node->n_blobs = (uint32_t)view->n_items;
}

static int keep_bytes(
	struct sync_run *run, struct node *node, const struct buf *body, struct error *err)
{
	int rc = pwrite_all(run->scratch_fd, body->data, body->len, run->scratch_end, err);

	if (rc < 0)
		return rc;
	node->offset = run->scratch_end;
	node->size = (uint32_t)body->len;
	run->scratch_end += body->len;
	return 0;
}

int node_read(const struct sync_run *run, const struct node *node, char **ret, struct error *err)
{
	AUTO_FREE char *bytes = xmalloc(node->size ? node->size : 1);
	int rc = pread_all(run->scratch_fd, bytes, node->size, node->offset, err);

	if (rc < 0)
		return rc;
	*ret = steal(&bytes);
	return 0;
}

static void become_blob(struct sync_run *run, uint32_t index)
{
	struct node *node = &run->nodes[index];
	const struct descriptor d = {.digest = node->digest, .size = node->declared};

	error_clear(&node->err);
	node->blobs = xkeep(1, sizeof(*node->blobs));
	node->blobs[0] = blob_of(run, &d);
	node->n_blobs = 1;
	node->is_blob = true;
	node->state = NODE_READY;
}

/* Takes err over. */
static void node_failed(struct sync_run *run, uint32_t index, struct error *err)
{
	struct node *node = &run->nodes[index];

	if (node->may_be_blob &&
		(node->unreadable || err->code == ERR_NOTFOUND || err->code == ERR_REMOTE)) {
		become_blob(run, index);
		return;
	}
	error_move(&node->err, err);
	node->state = NODE_FAILED;
}

/* The bytes of a node, verified: reads them into children and blobs. */
static void node_take(
	struct sync_run *run, uint32_t index, const struct buf *body, const char *type)
{
	AUTO(manifest_clear) struct manifest view = MANIFEST_INIT;
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct node *node = &run->nodes[index];
	char text[DIGEST_STR_MAX];

	if (manifest_parse(body->data, body->len, type, &view, &err) < 0) {
		(void)error_wrap(&err, -1, "manifest %s", digest_format(&node->digest, text));
		node->unreadable = true;
		node_failed(run, index, &err);
		return;
	}
	if (keep_bytes(run, node, body, &err) < 0) {
		error_copy(&node->err, &err);
		node->state = NODE_FAILED;
		run_fatal(run, &err);
		return;
	}
	node->state = NODE_READY;
	node->kind = view.kind;
	node->media_type = media_type_index(run, view.media_type);
	if (view.kind == MEDIA_INDEX)
		read_children(run, index, &view);
	else
		read_blobs(run, index, &view);
}

struct fetching {
	struct sync_run *run;
	uint32_t node;
};

static bool is_wanted_by_any(const struct sync_run *run, const struct node *node)
{
	for (uint32_t at = node->waiters; at != NO_INDEX; at = run->waiters[at].next)
		if (run->images[run->waiters[at].cell].state == IMAGE_WALKING)
			return true;
	return false;
}

static void start_fetches(struct sync_run *run);

static void fetched(void *ctx, struct buf *body, const char *media_type, struct error *err)
{
	struct fetching f = *(struct fetching *)ctx;
	struct sync_run *run = f.run;
	struct node *node = &run->nodes[f.node];

	free(node->fetching);
	node->fetching = NULL;
	node->fetch = NULL;
	run->fetching--;
	if (!is_wanted_by_any(run, node)) {
		/* Whoever wanted it has failed meanwhile: what it names is not planned. */
		node->state = NODE_NEW;
		node->waiters = NO_INDEX;
	} else if (err) {
		node_failed(run, f.node, err);
		wake(run, f.node);
	} else {
		node_take(run, f.node, body, media_type);
		wake(run, f.node);
	}
	start_fetches(run);
}

static void start_fetch(struct sync_run *run, uint32_t index)
{
	struct node *node = &run->nodes[index];
	const struct repo *repo = &run->repos[node->repo];
	struct fetching *f = xmalloc(sizeof(*f));
	struct manifest_request request = {
		.sources = repo->rule->sources,
		.repository = repo->name,
		.digest = node->digest,
		.authority_only = repo->rule->authority_only,
		.done = fetched,
		.ctx = f,
	};

	*f = (struct fetching){run, index};
	run->fetching++;
	node->fetching = f;
	node->fetch = transfer_manifest(run->options.engine, &request);
}

/* Those that wait for the window, first come first served; forgotten when nobody wants them. */
static void start_fetches(struct sync_run *run)
{
	while (run->fetch_first != NO_INDEX && run->fetching < FETCH_WINDOW) {
		uint32_t index = run->fetch_first;
		struct node *node = &run->nodes[index];

		run->fetch_first = node->next_fetch;
		if (run->fetch_first == NO_INDEX)
			run->fetch_last = NO_INDEX;
		node->next_fetch = NO_INDEX;
		if (is_wanted_by_any(run, node)) {
			start_fetch(run, index);
		} else {
			node->state = NODE_NEW;
			node->waiters = NO_INDEX;
		}
	}
}

static void fetch_from_store(struct sync_run *run, uint32_t index)
{
	const struct repo *repo = &run->repos[run->nodes[index].repo];
	const struct digest digest = run->nodes[index].digest;
	AUTO(buf_clear) struct buf body = BUF_INIT(MANIFEST_MAX);
	AUTO(error_clear) struct error err = ERROR_INIT;
	char type[MEDIA_TYPE_MAX + 1];

	if (store_manifest_get(repo->rule->from_store, repo->name, &digest, &body, type, &err) < 0)
		node_failed(run, index, &err);
	else
		node_take(run, index, &body, type);
}

static void fetch(struct sync_run *run, const struct image *image, uint32_t index)
{
	struct node *node = &run->nodes[index];

	error_clear(&node->err);
	node->repo = image->repo;
	if (node->may_be_blob && node->declared > MANIFEST_MAX) {
		become_blob(run, index);
		return;
	}
	if (image_rule(run, image)->from_store) {
		fetch_from_store(run, index);
		return;
	}
	node->state = NODE_FETCHING;
	if (run->fetching < FETCH_WINDOW) {
		start_fetch(run, index);
		return;
	}
	if (run->fetch_last == NO_INDEX)
		run->fetch_first = index;
	else
		run->nodes[run->fetch_last].next_fetch = index;
	run->fetch_last = index;
}

static void want(struct sync_run *run, struct image *image, uint32_t index, unsigned depth)
{
	if (depth > INDEX_DEPTH_MAX) {
		refuse(run, image, "its indexes nest", INDEX_DEPTH_MAX);
		return;
	}
	if (++image->n_nodes > IMAGE_MANIFESTS_MAX) {
		refuse(run, image, "its manifests are", IMAGE_MANIFESTS_MAX);
		return;
	}
	if (run->nodes[index].state == NODE_NEW || may_have_better(&run->nodes[index], image))
		fetch(run, image, index);
	switch (run->nodes[index].state) {
	case NODE_READY:
		image->n_blobs += run->nodes[index].n_blobs;
		if (image->n_blobs > IMAGE_BLOBS_MAX)
			refuse(run, image, "its blobs are", IMAGE_BLOBS_MAX);
		else
			want_children(run, image, index, depth);
		break;
	case NODE_FAILED:
		fail_image(run, image, &run->nodes[index].err);
		break;
	case NODE_NEW:
	case NODE_FETCHING:
		image->pending++;
		waiter_add(run, &run->nodes[index].waiters, (uint32_t)(image - run->images), depth);
		break;
	}
}

void tree_walk(struct sync_run *run, struct image *image, const struct digest *root)
{
	image->root = node_of(run, root, NULL);
	image->state = IMAGE_WALKING;
	want(run, image, image->root, 0);
	walked(run, image);
}

void tree_take(struct sync_run *run, struct image *image, struct buf *body, const char *media_type,
	const struct digest *digest)
{
	uint32_t index = node_of(run, digest, NULL);

	if (run->nodes[index].state == NODE_NEW || run->nodes[index].state == NODE_FAILED)
		node_take(run, index, body, media_type);
	tree_walk(run, image, digest);
}
