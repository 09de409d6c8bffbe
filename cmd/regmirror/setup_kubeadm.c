#include "setup_kubeadm.h"

#include "program.h"
#include "setup_internal.h"
#include "util/log.h"
#include "util/mem.h"

struct kubeadm_parts {
	struct kubeadm_copies copies;
	struct error *refused; /* why versions cannot be had */
	size_t n_refused, cap_refused;
	const char **repositories;
	struct sync_own *own;
};

struct kubeadm_listing {
	char **tags;
	size_t n, cap;
	struct error err; /* why there are none */
};

void kubeadm_parts_free(struct kubeadm_parts *p)
{
	if (!p)
		return;
	kubeadm_copies_clear(&p->copies);
	for (size_t i = 0; i < p->n_refused; i++)
		error_clear(&p->refused[i]);
	free(p->refused);
	free(p->repositories);
	free(p->own);
	free(p);
}

void kubeadm_listing_free(void *listing)
{
	struct kubeadm_listing *l = listing;

	for (size_t i = 0; i < l->n; i++)
		free(l->tags[i]);
	free(l->tags);
	error_clear(&l->err);
	free(l);
}

/* ---- versions that the upstream knows ---- */

static void on_tag(void *ctx, const char *tag)
{
	struct kubeadm_listing *l = ctx;

	l->tags = array_grow(l->tags, l->n, &l->cap, sizeof(*l->tags));
	l->tags[l->n++] = xstrdup(tag);
}

static void on_note(void *ctx, const struct sync_event *event)
{
	(void)ctx;
	if (event->kind == SYNC_EVENT_NOTE)
		log_warn("%s", event->text);
}

static const struct kubeadm_listing *listing_of(struct setup *s, const struct sync_rule *rule)
{
	static const char *const repositories[] = {KUBEADM_APISERVER};
	const struct sync_options options = {
		.loop = s->loop,
		.state = s->state,
		.scratch_dirfd = s->scratch_fd,
		.plan_only = true,
		.stop = &stop_requested,
		.event = on_note,
	};
	const struct sync_rule list = {
		.name = rule->name,
		.sources = rule->sources,
		.authority = rule->authority,
		.authority_only = rule->authority_only,
		.repositories = repositories,
		.n_repositories = 1,
	};
	struct kubeadm_listing *l = map_get_str(s->listings, rule->sources->name);

	if (l)
		return l;
	l = xkeep(1, sizeof(*l));
	if (sync_tags(&options, &list, on_tag, l, &l->err) == 0)
		log_debug("upstream %s lists %zu tags of " KUBEADM_APISERVER,
			rule->sources->name,
			l->n);
	map_put_str(s->listings, rule->sources->name, l);
	return l;
}

static void refuse(struct kubeadm_parts *p, struct error *err)
{
	p->refused = array_grow(p->refused, p->n_refused, &p->cap_refused, sizeof(*p->refused));
	p->refused[p->n_refused] = ERROR_INIT;
	error_move(&p->refused[p->n_refused++], err);
}

/* What the upstream has is not always what the table knows: a version that is too new for it. */
static void add_listed(struct kubeadm_parts *p, const struct kubeadm_table *table,
	const struct kubeadm_wish *wish, const struct kubeadm_listing *l)
{
	AUTO_FREE bool *chosen = xcalloc(l->n + 1, sizeof(*chosen));
	AUTO(error_clear) struct error err = ERROR_INIT;

	if (l->err.code != ERR_NONE) {
		error_copy(&err, &l->err);
		refuse(p, &err);
		return;
	}
	if (kubeadm_wish_select(wish, (const char *const *)l->tags, l->n, chosen, &err) < 0) {
		refuse(p, &err);
		return;
	}
	for (size_t i = 0; i < l->n; i++) {
		if (chosen[i] && kubeadm_copies_add(&p->copies, table, l->tags[i], &err) < 0)
			refuse(p, &err);
	}
}

/* ---- the rule ---- */

static void fill_rule(struct kubeadm_parts *p, const struct config_rule *from, struct sync_rule *to)
{
	size_t n = 0, max = from->n_repositories + p->copies.n + p->n_refused;

	p->repositories = xcalloc(max + 1, sizeof(*p->repositories));
	p->own = xcalloc(max + 1, sizeof(*p->own));
	for (size_t i = 0; i < from->n_repositories; i++)
		p->repositories[n++] = from->repositories[i];
	for (size_t i = 0; i < p->copies.n; i++) {
		const struct kubeadm_copy *copy = &p->copies.items[i];

		p->own[n] = (struct sync_own){
			.as = copy->as,
			.tags = (const char *const *)copy->tags,
			.n_tags = copy->n_tags,
		};
		p->repositories[n++] = copy->repository;
	}
	for (size_t i = 0; i < p->n_refused; i++) {
		p->own[n] = (struct sync_own){.refused = &p->refused[i]};
		p->repositories[n++] = KUBEADM_APISERVER;
	}
	to->repositories = p->repositories;
	to->own = p->own;
	to->n_repositories = n;
}

int setup_kubeadm(struct setup *s, const struct config_rule *from, struct kubeadm_parts **ret,
	struct sync_rule *to, struct error *err)
{
	const struct kubeadm_table *table = s->config->kubeadm_table;
	struct kubeadm_parts *p;

	if (from->n_kubeadm == 0)
		return 0;
	*ret = p = xkeep(1, sizeof(*p)); /* the caller's at once, also after a failure */
	for (size_t i = 0; i < from->n_kubeadm; i++) {
		const struct kubeadm_wish wish = {
			.version = from->kubeadm[i].version,
			.minor = from->kubeadm[i].minor,
			.latest = from->kubeadm[i].latest,
		};
		int rc = 0;

		if (kubeadm_wish_is_exact(&wish))
			rc = kubeadm_copies_add(&p->copies, table, wish.version, err);
		else
			add_listed(p, table, &wish, listing_of(s, to));
		if (rc < 0)
			return rc;
	}
	fill_rule(p, from, to);
	return 0;
}
