/* kubeadm_place.c - where the images are, as the configuration or the command line says it. */
#include "kubeadm.h"

#include "oci/reference.h"
#include "util/mem.h"

#define LISTED_MAX 1024 /* bytes of names in a message */
#define MARK       "{repository}"

void kubeadm_places_clear(struct kubeadm_places *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->items[i].name);
		free(p->items[i].registry);
		free(p->items[i].prefix);
		free(p->items[i].rename);
	}
	free(p->items);
	*p = (struct kubeadm_places){.n = 0};
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* rule may be NULL. */
static void add_target(struct kubeadm_places *p, const struct config_target *target,
	const struct config_rule *rule)
{
	const char *rename = rule ? rule->rename : NULL;

	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->items[i].name, target->name) == 0 &&
			same_text(p->items[i].rename, rename))
			return;
	p->items = array_grow(p->items, p->n, &p->cap, sizeof(*p->items));
	p->items[p->n++] = (struct kubeadm_place){
		.name = xstrdup(target->name),
		.registry = target->store ? NULL : xstrdup(target->registry),
		.prefix = xstrdup(target->prefix),
		.rename = xstrdup(rename),
		.rule = rule,
	};
}

static int add_named(const char *text, struct kubeadm_places *p, struct error *err)
{
	const char *slash = strchr(text, '/');
	AUTO_FREE char *host = slash ? xstrndup(text, (size_t)(slash - text)) : xstrdup(text);

	if (!host_is_valid(host) || (slash && !repository_is_valid(slash + 1)))
		return error_set(err,
			ERR_USAGE,
			"--image-repository: '%.80s' is not HOST[:PORT][/PREFIX]",
			text);
	p->items = array_grow(p->items, p->n, &p->cap, sizeof(*p->items));
	p->items[p->n++] = (struct kubeadm_place){
		.name = xstrdup(text),
		.registry = steal(&host),
		.prefix = xstrdup(slash ? slash + 1 : ""),
	};
	return 0;
}

/* name NULL: any. */
static void add_of_rules(const struct config *c, const char *name, struct kubeadm_places *p)
{
	for (size_t r = 0; r < c->n_rules; r++) {
		const struct config_rule *rule = &c->rules[r];

		for (size_t t = 0; rule->n_kubeadm > 0 && t < rule->n_targets; t++) {
			const struct config_target *target = &c->targets[rule->targets[t]];

			if (!name || strcmp(name, target->name) == 0)
				add_target(p, target, rule);
		}
	}
}

static int unknown_target(const struct config *c, const char *name, struct error *err)
{
	AUTO(buf_clear) struct buf names = BUF_INIT(LISTED_MAX);

	for (size_t i = 0; i < c->n_targets; i++)
		if (buf_printf(&names, NULL, "%s%s", i ? ", " : "", c->targets[i].name) < 0)
			break;
	return error_set(err,
		ERR_USAGE,
		"there is no target '%.80s'; there are: %s",
		name,
		c->n_targets ? buf_text(&names) : "none");
}

/* A target that no rule fills with kubeadm's images may have them from elsewhere. */
static int add_by_name(
	const struct config *c, const char *name, struct kubeadm_places *p, struct error *err)
{
	size_t before = p->n;

	add_of_rules(c, name, p);
	for (size_t i = 0; i < c->n_targets && p->n == before; i++)
		if (strcmp(c->targets[i].name, name) == 0)
			add_target(p, &c->targets[i], NULL);
	return p->n == before ? unknown_target(c, name, err) : 0;
}

int kubeadm_places(const struct kubeadm_job *job, struct kubeadm_places *ret, struct error *err)
{
	if (job->image_repository && job->n_names > 0)
		return error_set(
			err, ERR_USAGE, "kubeadm: either name targets, or say --image-repository");
	if (job->image_repository)
		return add_named(job->image_repository, ret, err);
	for (int i = 0; i < job->n_names; i++) {
		int rc = add_by_name(job->config, job->names[i], ret, err);

		if (rc < 0)
			return rc;
	}
	if (job->n_names == 0)
		add_of_rules(job->config, NULL, ret);
	if (ret->n == 0)
		return error_set(err,
			ERR_USAGE,
			"no rule has 'kubeadm': name a target, or say --image-repository");
	return 0;
}

char *kubeadm_place_name(const struct kubeadm_place *place, const char *repository)
{
	const char *rename = place->rename ? place->rename : MARK;
	const char *mark = strstr(rename, MARK);

	/* The configuration's check saw to it that the mark is there, once. */
	return xasprintf("%s%s%.*s%s%s",
		place->prefix,
		*place->prefix ? "/" : "",
		mark ? (int)(mark - rename) : 0,
		rename,
		repository,
		mark ? mark + strlen(MARK) : "");
}

int kubeadm_place_repository(const struct kubeadm_place *place, char **ret, struct error *err)
{
	AUTO_FREE char *path = kubeadm_place_name(place, "");
	size_t len = strlen(path);

	if (!place->registry)
		return error_set(err,
			ERR_USAGE,
			"target '%s' is the store: say under which name nodes reach it, as with "
			"--image-repository=HOST[:PORT]%s%s",
			place->name,
			*place->prefix ? "/" : "",
			place->prefix);
	/* What stands behind the path is the image's own name. */
	if (len > 0 && path[len - 1] != '/' && place->rename && strcmp(place->rename, MARK) != 0)
		return error_set(err,
			ERR_USAGE,
			"target '%s': 'rename: %.80s' changes the names of the images, which kubeadm "
			"does not",
			place->name,
			place->rename);
	while (len > 0 && path[len - 1] == '/')
		path[--len] = '\0';
	*ret = xasprintf("%s%s%s", place->registry, len ? "/" : "", path);
	return 0;
}

const char *kubeadm_tag_of(const struct kubeadm_images *images, const char *name)
{
	for (size_t i = 0; i < images->n; i++) {
		const char *path = images->items[i].path;
		const char *slash = strrchr(path, '/');

		if (strcmp(slash ? slash + 1 : path, name) == 0)
			return images->items[i].tag;
	}
	return NULL;
}
