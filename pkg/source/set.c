/* set.c - an upstream's sources, and their names for its repositories. */
#include "source/source.h"

#include "util/mem.h"

struct source_set *source_set_new(const char *name)
{
	struct source_set *set = xcalloc(1, sizeof(*set));

	set->name = xstrdup(name);
	set->items = xcalloc(SOURCES_MAX, sizeof(*set->items));
	set->authority = SOURCES_MAX;
	return set;
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
	};
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
	}
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
