/* bench_facts.c - who has the content, how fresh, and what each source can do.  Nothing is timed.
 */
#include "source/bench_run.h"
#include "util/clock.h"
#include "util/mem.h"

#define AT_ONCE             8   /* requests at one source: HTTP_CONNECTIONS_DEFAULT */
#define JUDGED_MAX          5   /* freshness_judge() asks for four things at most */
#define FORBIDDEN_BY_METHOD 405 /* RFC 9110 15.5.6 */

/* ---- who has it ---- */

/* Everybody is asked the same at once; the answers are the caller's to clear. */
static struct bench_ask *ask_everybody(struct bench *b, const struct bench_ask *like, size_t *ret_n)
{
	struct bench_ask *asks = xcalloc(b->n, sizeof(*asks));
	size_t n = 0;

	for (size_t i = 0; i < b->n; i++) {
		if (!bench_works(&b->works[i]))
			continue;
		asks[n] = *like;
		asks[n++].work = &b->works[i];
	}
	bench_ask_all(b, asks, n);
	*ret_n = n;
	return asks;
}

static void clear_asks(struct bench_ask *asks, size_t n)
{
	for (size_t i = 0; i < n; i++)
		bench_ask_clear(&asks[i]);
	free(asks);
}

/* The reference's manifest, byte for byte: the client verifies what it gets. */
static void check_manifests(struct bench *b)
{
	const struct bench_ask like = {
		.question = PROBE_MANIFEST_GET,
		.digest = b->result->digest,
	};
	size_t n;
	struct bench_ask *asks = ask_everybody(b, &like, &n);

	for (size_t i = 0; i < n; i++) {
		struct bench_row *row = asks[i].work->row;

		if (asks[i].err.code == ERR_NONE)
			row->manifest = BENCH_YES;
		else if (asks[i].err.code == ERR_NOTFOUND || asks[i].err.code == ERR_CORRUPT)
			row->manifest = BENCH_NO;
		if (asks[i].err.code == ERR_CORRUPT)
			row->wrong = xasprintf("manifest: %s", error_text(&asks[i].err));
	}
	clear_asks(asks, n);
}

/* Nothing hides behind a HEAD of a blob: no fallback to GET, no digest needed. */
static void check_head(struct bench *b)
{
	const struct bench_ask like = {.question = PROBE_BLOB_HEAD, .digest = b->result->blob};
	size_t n;
	struct bench_ask *asks = ask_everybody(b, &like, &n);

	for (size_t i = 0; i < n; i++) {
		const struct error *err = &asks[i].err;
		struct bench_work *work = asks[i].work;

		if (err->code == ERR_NONE || err->code == ERR_CORRUPT)
			work->row->head = BENCH_YES;
		else if (err->http == FORBIDDEN_BY_METHOD)
			work->row->head = BENCH_NO;
		if (err->code == ERR_CORRUPT && !work->row->wrong)
			work->row->wrong = xasprintf("blob: %s", error_text(err));
		if (err->code == ERR_NOTFOUND) {
			work->lacks_blob = true;
			bench_gone(work, err);
		}
	}
	clear_asks(asks, n);
}

struct piece {
	struct bench_work *work;
	struct probe *probe;
	bool done;
};

static void on_piece(void *ctx, const struct probe_result *result, struct error *err)
{
	struct piece *piece = ctx;

	piece->probe = NULL;
	piece->done = true;
	if (!err)
		piece->work->row->range = result->range_ignored ? BENCH_NO : BENCH_YES;
	else if (err->code == ERR_REMOTE || err->code == ERR_CORRUPT)
		piece->work->row->range = BENCH_NO;
}

struct pieces {
	const struct piece *items;
	size_t n;
};

static bool all_pieces(void *ctx)
{
	const struct pieces *p = ctx;

	for (size_t i = 0; i < p->n; i++)
		if (!p->items[i].done)
			return false;
	return true;
}

/* One byte out of the middle: who sends all of it does not know Range. */
static void check_range(struct bench *b)
{
	struct piece *items = xcalloc(b->n, sizeof(*items));
	struct pieces pieces = {.items = items};

	for (size_t i = 0; i < b->n && b->result->blob_size > 2; i++) {
		struct piece *piece = &items[pieces.n];
		const struct probe_bulk bulk = {
			.registry = b->works[i].place->registry,
			.repository = b->works[i].repository,
			.digest = b->result->blob,
			.size = b->result->blob_size,
			.from = 1,
			.end = 2,
			.done = on_piece,
			.ctx = piece,
		};

		if (!bench_works(&b->works[i]))
			continue;
		piece->work = &b->works[i];
		piece->probe = probe_bulk(b->plan->loop, &bulk);
		pieces.n++;
	}
	(void)bench_wait(b, all_pieces, &pieces);
	for (size_t i = 0; i < pieces.n; i++)
		probe_cancel(&items[i].probe);
	free(items);
}

/* ---- freshness ---- */

/* A mirror's own document, to see whether it is the same in other words. */
static bool ask_children(struct bench *b, struct bench_work *work, const struct bench_sample *s)
{
	struct bench_ask ask = {
		.work = work,
		.question = PROBE_MANIFEST_GET,
		.digest = work->row->tag_digest,
	};
	struct manifest theirs = MANIFEST_INIT;
	bool same = false;

	bench_ask_all(b, &ask, 1);
	if (ask.err.code == ERR_NONE &&
		manifest_parse(ask.body.data, ask.body.len, ask.media_type, &theirs, NULL) == 0)
		same = manifest_same_children(&s->top, &theirs);
	manifest_clear(&theirs);
	bench_ask_clear(&ask);
	return same;
}

/* The authority may have moved on between the two questions. */
static void ask_again(struct bench *b, struct tag_history *history)
{
	struct bench_ask ask = {
		.work = &b->works[b->reference],
		.question = PROBE_MANIFEST_HEAD,
		.tag = b->plan->tag,
	};

	bench_ask_all(b, &ask, 1);
	if (ask.err.code == ERR_NONE && ask.has_digest)
		(void)tag_history_add(history, &ask.got, clock_wall_sec());
	bench_ask_clear(&ask);
}

/* Whether the authority has what the mirror calls by the tag: then it is an older one. */
static bool ask_origin(struct bench *b, const struct bench_work *work)
{
	struct bench_ask ask = {
		.work = &b->works[b->reference],
		.question = PROBE_MANIFEST_HEAD,
		.digest = work->row->tag_digest,
	};
	bool has;

	bench_ask_all(b, &ask, 1);
	has = ask.err.code == ERR_NONE;
	bench_ask_clear(&ask);
	return has;
}

static void judge(struct bench *b, struct bench_work *work, struct freshness_facts *facts,
	const struct bench_sample *s)
{
	struct tag_history history = b->plan->history;
	struct bench_row *row = work->row;

	(void)tag_history_add(&history, &b->result->digest, clock_wall_sec());
	for (int i = 0; i < JUDGED_MAX; i++) {
		row->freshness = freshness_judge(&history, facts, clock_wall_sec());
		if (row->freshness.ask_content) {
			facts->asked_content = true;
			facts->has_content = row->manifest == BENCH_YES;
		} else if (row->freshness.ask_again) {
			ask_again(b, &history);
			facts->asked_again = true;
		} else if (row->freshness.ask_origin) {
			facts->origin_has = ask_origin(b, work);
			facts->asked_origin = true;
		} else if (row->freshness.ask_children) {
			/* Asked once: without an answer they count as different. */
			facts->same_children = ask_children(b, work, s);
			facts->asked_children = true;
		} else {
			break;
		}
	}
}

/* answers: how the question for the tag ended at each place. */
static void check_freshness(struct bench *b, const struct bench_sample *s, const enum errc *answers)
{
	for (size_t i = 0; i < b->n; i++) {
		struct bench_work *work = &b->works[i];
		struct freshness_facts facts = {
			.answered = answers[i] == ERR_NONE || answers[i] == ERR_NOTFOUND ||
				    answers[i] == ERR_AUTH,
			.absent = answers[i] == ERR_NOTFOUND,
			.denied = answers[i] == ERR_AUTH,
		};

		if (work->row)
			facts.digest = work->row->tag_digest;
		facts.blobs_missing = work->lacks_blob;

		if (work->row && work->row->asked_tag && !bench_stopped(b))
			judge(b, work, &facts, s);
	}
}

/* ---- completeness ---- */

static void count_answers(const struct bench_ask *asks, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct bench_row *row = asks[i].work->row;

		/* A failure says nothing of what is there. */
		if (asks[i].err.code == ERR_NONE || asks[i].err.code == ERR_CORRUPT)
			row->have++;
		else if (asks[i].err.code != ERR_NOTFOUND)
			continue;
		row->wanted++;
	}
}

/* What is not there is counted also where it is the blob to measure with. */
static bool can_be_asked(const struct bench_work *work)
{
	return bench_works(work) || (work->row && !work->given_up && work->lacks_blob);
}

/* Fills in the k-th thing that a place is asked for. */
typedef void fill_fn(
	struct bench *b, const struct bench_sample *s, struct bench_ask *ask, size_t k);

static void count_some(
	struct bench *b, const struct bench_sample *s, fill_fn *fill, size_t from, size_t to)
{
	struct bench_ask *asks = xcalloc(b->n * (to - from) + 1, sizeof(*asks));
	size_t n = 0;

	for (size_t i = 0; i < b->n; i++) {
		for (size_t k = from; k < to && can_be_asked(&b->works[i]); k++) {
			asks[n].work = &b->works[i];
			fill(b, s, &asks[n++], k);
		}
	}
	bench_ask_all(b, asks, n);
	count_answers(asks, n);
	clear_asks(asks, n);
}

static void count_all(struct bench *b, const struct bench_sample *s, fill_fn *fill, size_t n)
{
	for (size_t from = 0; from < n && !bench_stopped(b); from += AT_ONCE)
		count_some(b, s, fill, from, from + AT_ONCE < n ? from + AT_ONCE : n);
}

static void fill_item(
	struct bench *b, const struct bench_sample *s, struct bench_ask *ask, size_t k)
{
	(void)b;
	ask->digest = s->items[k];
	ask->question = s->is_manifest[k] ? PROBE_MANIFEST_HEAD : PROBE_BLOB_HEAD;
}

static void fill_tag(struct bench *b, const struct bench_sample *s, struct bench_ask *ask, size_t k)
{
	const struct bench_tag *tag = &b->plan->tags[k];
	const struct source *source = ask->work->place->source;

	(void)s;
	ask->question = PROBE_MANIFEST_HEAD;
	ask->tag = tag->tag;
	if (source)
		ask->owned_repository = source_repository(source, tag->repository);
}

void bench_facts(struct bench *b, const struct bench_sample *s, const enum errc *answers)
{
	size_t n_tags = b->plan->n_tags < BENCH_TAGS_MAX ? b->plan->n_tags : BENCH_TAGS_MAX;

	check_manifests(b);
	check_head(b);
	check_range(b);
	check_freshness(b, s, answers);
	count_all(b, s, fill_item, s->n_items);
	count_all(b, s, fill_tag, n_tags);
}
