/* set.c - an upstream's sources, and their names for its repositories. */
#include "source/learnt.h"
#include "source/load.h"
#include "util/clock.h"
#include "util/mem.h"

#define FIRST_PLACES 2   /* transfers of one source while nothing is known of it (sources.md 3.4) */
#define FIRST_HEDGES 1.0 /* extra requests before the first one earned its share */

struct source_set *source_set_new(const char *name)
{
	struct source_set *set = xcalloc(1, sizeof(*set));

	set->name = xstrdup(name);
	set->items = xcalloc(SOURCES_MAX, sizeof(*set->items));
	set->authority = SOURCES_MAX;
	set->stripe_from = SOURCE_STRIPE_FROM;
	set->book = xkeep(1, sizeof(*set->book));
	*set->book = (struct source_book){
		.refusals = map_new(free),
		.hedge = FIRST_HEDGES,
		.seed = random_below(UINT64_MAX),
	};
	return set;
}

void source_set_seed(struct source_set *set, uint64_t seed)
{
	set->book->seed = seed;
}

bool source_set_measured(const struct source_set *set)
{
	return set->mode == SOURCE_MEASURED && set->n > 1;
}

int source_set_add(struct source_set *set, const struct source *source, struct error *err)
{
	struct source *s = &set->items[set->n];

	if (set->n == SOURCES_MAX)
		return error_set(err,
			ERR_USAGE,
			"upstream '%s' has more than %d sources",
			set->name,
			SOURCES_MAX);
	if (source->authority && set->authority != SOURCES_MAX)
		return error_set(err, ERR_USAGE, "upstream '%s' has two authorities", set->name);
	*s = (struct source){
		.name = xstrdup(source->name),
		.registry = source->registry,
		.prefix = xstrdup(source->prefix ? source->prefix : ""),
		.flat = source->flat,
		.authority = source->authority,
		.resolve = source->resolve,
		.learnt = xkeep(1, sizeof(*s->learnt)),
	};
	*s->learnt = (struct source_learnt){.limit = FIRST_PLACES, .tokens = SOURCE_TOKENS};
	if (s->authority)
		set->authority = set->n;
	set->n++;
	return 0;
}

void source_set_free(struct source_set *set)
{
	if (!set)
		return;
	for (size_t i = 0; i < set->n; i++) {
		free(set->items[i].name);
		free(set->items[i].prefix);
		free(set->items[i].last_error);
		learnt_free(set->items[i].learnt);
	}
	book_free(set->book);
	free(set->items);
	free(set->name);
	free(set);
}

char *source_repository(const struct source *s, const char *repository)
{
	const char *slash = s->flat ? strrchr(repository, '/') : NULL;
	const char *name = slash ? slash + 1 : repository;

	return *s->prefix ? xasprintf("%s/%s", s->prefix, name) : xstrdup(name);
}
