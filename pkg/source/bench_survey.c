/*
 * bench_survey.c - what there is to measure, and who has it.
 *
 * All sources are asked at once here: nothing is timed.  What is right is what the first source
 * says that answers, in the order of the plan; with the authority reachable that is the authority.
 */
#include "source/bench_run.h"
#include "util/mem.h"
#include "util/parse.h"

static void sample_clear(struct bench_sample *s)
{
	manifest_clear(&s->top);
	free(s->items);
	free(s->is_manifest);
	free(s->layers);
	free(s->sizes);
}

/* ---- who says what is right ---- */

void bench_gone(struct bench_work *work, const struct error *err)
{
	work->gone = true;
	if (work->row && !work->row->error)
		work->row->error = xstrdup(error_text(err));
}

static void note_tag(const struct bench *b, const struct bench_ask *ask, size_t i)
{
	struct bench_row *row = b->works[i].row;

	if (!row || !b->plan->tag)
		return;
	row->asked_tag = true;
	row->has_tag_digest = ask->err.code == ERR_NONE && ask->has_digest;
	row->tag_digest = ask->got;
}

/* Who was only too busy is asked once more, when it said. */
static void ask_throttled_again(struct bench *b, struct bench_ask *asks)
{
	for (size_t i = 0; i < b->n; i++) {
		struct bench_ask again = asks[i];

		if (again.err.code != ERR_TEMP || again.work->not_before_ms == 0)
			continue;
		again.err = ERROR_INIT; /* the old one stays where it is */
		again.done = false;
		bench_ask_all(b, &again, 1);
		if (again.err.code == ERR_CANCELED) {
			bench_ask_clear(&again);
			continue;
		}
		bench_ask_clear(&asks[i]);
		asks[i] = again;
	}
}

/* Everybody is asked for the tag; a dead source is known by its error then. */
static void ask_for_sample(struct bench *b, struct bench_ask *asks)
{
	const struct bench_plan *plan = b->plan;

	for (size_t i = 0; i < b->n; i++)
		asks[i] = (struct bench_ask){
			.work = &b->works[i],
			.question = PROBE_MANIFEST_HEAD,
			.tag = plan->has_digest ? NULL : plan->tag,
			.digest = plan->digest,
		};
	bench_ask_all(b, asks, b->n);
	ask_throttled_again(b, asks);
	for (size_t i = 0; i < b->n; i++) {
		const struct error *err = &asks[i].err;

		if (!plan->has_digest)
			note_tag(b, &asks[i], i);
		/* A mirror without the tag may have its content; one that is down has nothing. */
		if (err->code != ERR_NONE && err->code != ERR_NOTFOUND)
			bench_gone(&b->works[i], err);
		else if (err->code == ERR_NONE && asks[i].has_digest && b->reference == b->n)
			b->reference = i;
	}
}

/* Nobody has it: then that is why nothing can be measured. */
static void nobody_has_it(struct bench *b, const struct bench_ask *asks)
{
	for (size_t i = 0; i < b->n; i++)
		if (!b->works[i].gone)
			bench_gone(&b->works[i], &asks[i].err);
}

static bool find_reference(struct bench *b, enum errc *answers)
{
	struct bench_ask *asks = xcalloc(b->n, sizeof(*asks));
	struct bench_result *r = b->result;

	bench_tell(b, BENCH_LOOKING, "", 0, 0, 0);
	ask_for_sample(b, asks);
	if (b->reference == b->n) {
		nobody_has_it(b, asks);
	} else {
		r->digest = b->plan->has_digest ? b->plan->digest : asks[b->reference].got;
		r->has_digest = true;
		r->reference = xstrdup(b->works[b->reference].place->name);
		b->child = r->digest;
	}
	if (b->reference < b->n && b->reference > 0)
		bench_warn(b,
			"%s could not be asked: what is right is what %s says",
			b->works[0].place->name,
			r->reference);
	for (size_t i = 0; i < b->n; i++) {
		answers[i] = asks[i].err.code;
		bench_ask_clear(&asks[i]);
	}
	free(asks);
	return b->reference < b->n;
}

/* ---- what the sample holds ---- */

static bool read_manifest(
	struct bench *b, const struct digest *digest, struct manifest *ret, struct error *err)
{
	struct bench_ask ask = {
		.work = &b->works[b->reference],
		.question = PROBE_MANIFEST_GET,
		.digest = *digest,
	};
	int rc;

	bench_ask_all(b, &ask, 1);
	if (ask.err.code != ERR_NONE) {
		error_move(err, &ask.err);
		rc = -1;
	} else {
		rc = manifest_parse(ask.body.data, ask.body.len, ask.media_type, ret, err);
	}
	bench_ask_clear(&ask);
	return rc == 0;
}

static void add_item(struct bench_sample *s, const struct digest *digest, bool is_manifest)
{
	for (size_t i = 0; i < s->n_items; i++)
		if (digest_equal(&s->items[i], digest))
			return;
	if (s->n_items == BENCH_ITEMS_MAX)
		return;
	s->items[s->n_items] = *digest;
	s->is_manifest[s->n_items++] = is_manifest;
}

static void add_blobs(struct bench_sample *s, const struct manifest *m)
{
	s->layers = xrealloc(s->layers, s->n_layers + m->n_items + 1, sizeof(*s->layers));
	s->sizes = xrealloc(s->sizes, s->n_layers + m->n_items + 1, sizeof(*s->sizes));
	for (size_t i = 0; i < m->n_items; i++) {
		const struct descriptor *d = &m->items[i];

		if (d->flags & DESCRIPTOR_FOREIGN)
			continue;
		add_item(s, &d->digest, false);
		if (d->size == 0)
			continue;
		s->layers[s->n_layers] = d->digest;
		s->sizes[s->n_layers++] = d->size;
	}
}

static bool measures_well(const struct bench_sample *s)
{
	for (size_t i = 0; i < s->n_layers; i++)
		if (s->sizes[i] >= BENCH_BLOB_MIN && s->sizes[i] <= BENCH_BLOB_MAX)
			return true;
	return false;
}

/* Children are read until one has a layer of the right size; most images need one. */
static bool read_children(struct bench *b, struct bench_sample *s, struct error *err)
{
	unsigned read = 0;

	for (size_t i = 0; i < s->top.n_items; i++)
		add_item(s, &s->top.items[i].digest, s->top.items[i].kind != MEDIA_UNKNOWN);
	for (size_t i = 0; i < s->top.n_items && read < BENCH_CHILDREN_MAX; i++) {
		const struct descriptor *d = &s->top.items[i];
		struct manifest child = MANIFEST_INIT;

		if (d->kind != MEDIA_MANIFEST || d->flags & DESCRIPTOR_ATTESTATION)
			continue;
		if (measures_well(s))
			break;
		read++;
		if (!read_manifest(b, &d->digest, &child, err))
			return false;
		if (child.kind == MEDIA_MANIFEST)
			add_blobs(s, &child);
		manifest_clear(&child);
	}
	return true;
}

static bool read_sample(struct bench *b, struct bench_sample *s, struct error *err)
{
	s->items = xcalloc(BENCH_ITEMS_MAX, sizeof(*s->items));
	s->is_manifest = xcalloc(BENCH_ITEMS_MAX, sizeof(*s->is_manifest));
	if (!read_manifest(b, &b->result->digest, &s->top, err))
		return false;
	if (s->top.kind == MEDIA_INDEX)
		return read_children(b, s, err);
	add_blobs(s, &s->top);
	return true;
}

/* The size of a blob that the sample does not name. */
static bool ask_size(struct bench *b, uint64_t *ret, struct error *err)
{
	struct bench_ask ask = {
		.work = &b->works[b->reference],
		.question = PROBE_BLOB_HEAD,
		.digest = b->plan->blob,
	};
	bool known;

	bench_ask_all(b, &ask, 1);
	known = ask.err.code == ERR_NONE && ask.has_size;
	if (known)
		*ret = ask.size;
	else if (ask.err.code != ERR_NONE)
		error_move(err, &ask.err);
	else
		(void)error_set(err, ERR_REMOTE, "the size of the blob was not told");
	bench_ask_clear(&ask);
	return known;
}

static bool choose_blob(struct bench *b, const struct bench_sample *s, struct error *err)
{
	struct bench_result *r = b->result;
	size_t at;

	if (!b->plan->has_blob) {
		at = bench_blob_choose(s->sizes, s->n_layers);
		if (at == s->n_layers) {
			(void)error_set(err, ERR_NOTFOUND, "it has no layer to measure with");
			return false;
		}
		r->blob = s->layers[at];
		r->blob_size = s->sizes[at];
		r->has_blob = true;
		return true;
	}
	r->blob = b->plan->blob;
	for (at = 0; at < s->n_layers; at++)
		if (digest_equal(&s->layers[at], &r->blob))
			break;
	if (at < s->n_layers)
		r->blob_size = s->sizes[at];
	else if (!ask_size(b, &r->blob_size, err))
		return false;
	if (r->blob_size == 0) {
		(void)error_set(err, ERR_USAGE, "the blob is empty: there is nothing to measure");
		return false;
	}
	r->has_blob = true;
	return true;
}

static void warn_of_size(struct bench *b)
{
	char size[SIZE_TEXT_MAX], least[SIZE_TEXT_MAX];

	if (b->result->blob_size < BENCH_BLOB_MIN)
		bench_warn(b,
			"the blob of %s may be too small to measure throughput: %s are needed; "
			"figures with >= and <= are bounds",
			format_size(b->result->blob_size, size),
			format_size(BENCH_BLOB_MIN, least));
}

/* ---- all of it ---- */

static void nothing_to_measure(struct bench *b, const struct error *err)
{
	for (size_t i = 0; i < b->n; i++)
		if (bench_works(&b->works[i]))
			bench_gone(&b->works[i], err);
}

void bench_survey(struct bench *b)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(sample_clear) struct bench_sample sample = {.n_items = 0};
	AUTO_FREE enum errc *answers = xcalloc(b->n, sizeof(*answers));

	if (!find_reference(b, answers))
		return;
	if (!read_sample(b, &sample, &err) || !choose_blob(b, &sample, &err)) {
		if (err.code != ERR_CANCELED)
			nothing_to_measure(b, &err);
		return;
	}
	warn_of_size(b);
	bench_facts(b, &sample, answers);
}
