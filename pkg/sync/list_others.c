/*
 * list_others.c - the tags of a repository whose authority cannot be reached: from those who may
 * answer in its place.
 *
 * One listing is enough, or with `quorum: N` those tags count that N listings have.
 */
#include "sync/run.h"
#include "util/clock.h"
#include "util/mem.h"

#define SAID_MAX ((size_t)8 * 1024) /* bytes of what all sources said, in one error */

struct list_others {
	struct repo *repo;
	size_t source;     /* that is asked now */
	unsigned listings; /* that came */
	uint32_t listed;   /* who gave them, a bit each */
	struct map *tags;  /* tag -> the sources that listed it, a bit each, kept as an index */
	struct error err;  /* why the authority did not answer */
	struct buf said;
	struct buf by; /* who answered */
};

static void ask_next(struct list_others *o);

void list_others_free(struct list_others *o)
{
	if (!o)
		return;
	map_free(o->tags);
	error_clear(&o->err);
	buf_clear(&o->said);
	buf_clear(&o->by);
	free(o);
}

static const struct source_set *set_of(const struct list_others *o)
{
	return o->repo->rule->sources;
}

static unsigned quorum_of(const struct list_others *o)
{
	return set_of(o)->quorum ? set_of(o)->quorum : 1;
}

/* The authority never lists here, so that all bits together are never NO_INDEX. */
static bool on_tag(void *ctx, const char *tag, const struct descriptor *descriptor)
{
	struct list_others *o = ctx;
	uint32_t sources = index_get(o->tags, tag, strlen(tag));

	(void)descriptor;
	if (sources == NO_INDEX)
		sources = 0;
	index_put(o->tags, tag, strlen(tag), sources | 1u << o->source);
	o->repo->items++;
	return true;
}

static void end(struct list_others *o)
{
	struct repo *repo = o->repo;

	repo->others = NULL;
	window_done(repo->run);
	list_others_free(o);
}

static void take(struct list_others *o)
{
	struct repo *repo = o->repo;

	for (struct map_item *i = map_first(o->tags); i; i = map_next(i)) {
		size_t len;
		const char *tag = map_key(i, &len);
		uint32_t sources = index_get(o->tags, tag, len);
		unsigned n = 0;

		/* Of a listing that broke off the tags so far count for nothing. */
		for (sources &= o->listed; sources; sources &= sources - 1)
			n++;
		if (n >= quorum_of(o))
			repo_keep_tag(repo, tag);
	}
	run_note(repo->run,
		"upstream %s: its authority cannot be reached (%s); the tags of %s are those that %s "
		"lists",
		set_of(o)->name,
		error_text(&o->err),
		repo->name,
		buf_text(&o->by));
	end(o);
}

static void give_up(struct list_others *o)
{
	struct repo *repo = o->repo;

	error_move(&repo->err, &o->err);
	if (o->said.len > 0)
		(void)error_wrap(&repo->err,
			-1,
			"the authority was not reached, and too few list them in its place (%s)",
			buf_text(&o->said));
	(void)error_wrap(&repo->err, -1, "list the tags of %s", repo->name);
	end(o);
}

/* At the ceiling the rest is not said: the first causes are the ones that help. */
static void say(struct list_others *o, const struct source *s, const char *why)
{
	(void)!buf_printf(&o->said, NULL, "%s%s: %s", o->said.len ? "; " : "", s->name, why);
}

static void listed(void *ctx, struct registry_reply *reply, struct error *err)
{
	struct list_others *o = ctx;
	struct source *s = &set_of(o)->items[o->source];

	(void)reply;
	o->repo->call = NULL;
	http_timer_stop(&o->repo->patience);
	source_note(s, err);
	if (err) {
		say(o, s, error_text(err));
	} else {
		o->listings++;
		o->listed |= 1u << o->source;
		(void)!buf_printf(&o->by, NULL, "%s%s", o->by.len ? ", " : "", s->name);
	}
	o->source++;
	if (o->listings >= quorum_of(o))
		take(o);
	else
		ask_next(o);
}

static void ask_next(struct list_others *o)
{
	const struct source_set *set = set_of(o);
	struct registry_list list = {.item = on_tag, .done = listed, .ctx = o};
	AUTO_FREE char *name = NULL;
	const struct source *s = NULL;

	for (; o->source < set->n; o->source++) {
		s = &set->items[o->source];
		if (s->authority || !s->resolve)
			continue;
		if (s->parked_until_ms <= clock_mono_ms() + ASK_PATIENCE_MS)
			break;
		say(o, s, "said to stay away for a while, or failed again and again");
	}
	if (o->source == set->n) {
		give_up(o);
		return;
	}
	name = source_repository(s, o->repo->name);
	list.repository = name;
	o->repo->call = registry_tags(s->registry, &list);
	repo_wait(o->repo, s, &list);
}

void list_others(struct repo *repo, struct error *err)
{
	struct list_others *o = xcalloc(1, sizeof(*o));

	o->repo = repo;
	o->tags = map_new(NULL);
	o->said = BUF_INIT(SAID_MAX);
	o->by = BUF_INIT(SAID_MAX);
	error_move(&o->err, err);
	repo->others = o;
	ask_next(o);
}
