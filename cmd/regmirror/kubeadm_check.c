/* kubeadm_check.c - `regmirror kubeadm check`: is all of a version at the targets? */
#include "kubeadm.h"
#include "oci/json.h"
#include "report/table.h"
#include "setup.h"
#include "sync/check.h"
#include "util/mem.h"
#include "util/tty.h"

#define CHECK_JSON_MAX ((size_t)64 * 1024 * 1024) /* bytes; 20,000 missing blobs are 8 MiB */

/* One place, what must be there, and what is. */
struct checked {
	const struct kubeadm_place *place;
	struct check_image *images; /* repositories are owned, tags are of `copies` */
	enum kubeadm_use *uses;
	struct check_result *results;
	size_t n, n_complete;
};

struct checking {
	const struct kubeadm_job *job;
	struct kubeadm_places places;
	struct kubeadm_copies copies;
	struct checked *items; /* one for each place */
	size_t n;
};

static void checking_clear(struct checking *c)
{
	for (size_t i = 0; i < c->n; i++) {
		struct checked *one = &c->items[i];

		check_results_clear(one->results, one->n);
		for (size_t k = 0; k < one->n; k++) {
			void *owned;

			memcpy(&owned, &one->images[k].repository, sizeof(owned));
			free(owned);
		}
		free(one->images);
		free(one->uses);
		free(one->results);
	}
	free(c->items);
	kubeadm_copies_clear(&c->copies);
	kubeadm_places_clear(&c->places);
}

/* ---- asking ---- */

/* kubeadm's own images first, in the order of its list. */
static void list_images(struct checking *c, struct checked *one)
{
	size_t max = 0;

	for (size_t i = 0; i < c->copies.n; i++)
		max += c->copies.items[i].n_tags;
	one->images = xcalloc(max + 1, sizeof(*one->images));
	one->uses = xcalloc(max + 1, sizeof(*one->uses));
	one->results = xcalloc(max + 1, sizeof(*one->results));
	for (int use = KUBEADM_LISTED; use <= KUBEADM_RUNTIME; use++) {
		if (use != KUBEADM_LISTED && c->job->kubeadm_only)
			break;
		for (size_t i = 0; i < c->copies.n; i++) {
			const struct kubeadm_copy *copy = &c->copies.items[i];

			for (size_t k = 0; k < copy->n_tags; k++) {
				if (copy->uses[k] != (enum kubeadm_use)use)
					continue;
				one->uses[one->n] = copy->uses[k];
				one->images[one->n++] = (struct check_image){
					.repository = kubeadm_place_name(one->place, copy->as),
					.tag = copy->tags[k],
				};
			}
		}
	}
}

static int check_place(
	struct setup *setup, struct checking *c, struct checked *one, struct error *err)
{
	const struct kubeadm_place *place = one->place;
	bool own = c->job->n_platforms > 0 || !place->rule;
	const struct check_options options = {
		.loop = setup_parts(setup).loop,
		.platforms = own ? c->job->platforms : place->rule->platforms,
		.n_platforms = own ? c->job->n_platforms : place->rule->n_platforms,
		.include_foreign = place->rule && place->rule->include_foreign,
		.stop = &stop_requested,
	};
	struct sync_target *target = NULL;
	int rc = setup_target(setup, place->name, place->registry, place->prefix, &target, err);

	if (rc < 0)
		return rc;
	list_images(c, one);
	rc = check_run(&options, target, one->images, one->n, one->results, err);
	for (size_t i = 0; i < one->n; i++)
		one->n_complete += one->results[i].complete;
	return rc < 0 ? error_wrap(err, rc, "target %s", place->name) : 0;
}

static int check_places(struct setup *setup, struct checking *c, struct error *err)
{
	int rc = kubeadm_copies_add(
		&c->copies, c->job->config->kubeadm_table, c->job->images->version, err);

	c->items = xcalloc(c->places.n + 1, sizeof(*c->items));
	while (rc == 0 && c->n < c->places.n) {
		struct checked *one = &c->items[c->n];

		one->place = &c->places.items[c->n++];
		rc = check_place(setup, c, one, err);
	}
	return rc;
}

/* ---- telling ---- */

static bool is_complete(const struct checked *one)
{
	return one->n_complete == one->n;
}

/* The worst of what stands against it: what is wrong, what is missing, what is not known. */
static const char *state_of(const struct check_result *r)
{
	enum check_state worst = CHECK_UNKNOWN;

	if (r->complete)
		return "complete";
	for (size_t i = 0; i < r->n_problems; i++) {
		if (r->problems[i].state == CHECK_WRONG ||
			(r->problems[i].state == CHECK_MISSING && worst == CHECK_UNKNOWN))
			worst = r->problems[i].state;
	}
	return check_state_name(worst);
}

static const struct column columns[] = {
	{"image", "image", CELL_TEXT},
	{"target", "target", CELL_TEXT},
	{"for", "for", CELL_TEXT},
	{"state", "state", CELL_TEXT},
	{"digest", "digest", CELL_DIGEST},
	{"manifests", "manifests", CELL_COUNT},
	{"blobs", "blobs", CELL_COUNT},
	{"bytes", "bytes", CELL_BYTES},
};

static void print_table(const struct checking *c)
{
	AUTO(table_freep) struct table *table = table_new(columns, ARRAY_SIZE(columns));

	for (size_t i = 0; i < c->n; i++) {
		for (size_t k = 0; k < c->items[i].n; k++) {
			const struct check_result *r = &c->items[i].results[k];
			const struct check_image *image = &c->items[i].images[k];
			AUTO_FREE char *name = xasprintf("%s:%s", image->repository, image->tag);

			table_row(table);
			table_text(table, name);
			table_text(table, c->items[i].place->name);
			table_text(table, kubeadm_use_name(c->items[i].uses[k]));
			table_text(table, state_of(r));
			table_digest(table, r->has_digest ? &r->digest : NULL);
			table_number(table, r->manifests);
			table_number(table, r->blobs);
			table_number(table, r->bytes);
		}
	}
	table_print(table, stdout, tty_is(STDOUT_FILENO) ? tty_width(STDOUT_FILENO) : 0);
}

/* In full below the table: a digest is no use when it is cut. */
static void print_problems(const struct checked *one)
{
	char digest[DIGEST_STR_MAX];

	for (size_t i = 0; i < one->n; i++) {
		for (size_t k = 0; k < one->results[i].n_problems; k++) {
			const struct check_problem *p = &one->results[i].problems[k];

			printf("%s: %s:%s: %s %s%s%s%s%s: %s\n",
				one->place->name,
				one->images[i].repository,
				one->images[i].tag,
				check_state_name(p->state),
				p->what,
				p->has_digest ? " " : "",
				p->has_digest ? digest_format(&p->digest, digest) : "",
				*p->platform ? " of " : "",
				p->platform,
				p->text);
		}
	}
}

static void print_text(const struct checking *c)
{
	print_table(c);
	putchar('\n');
	for (size_t i = 0; i < c->n; i++) {
		const struct checked *one = &c->items[i];

		print_problems(one);
		if (is_complete(one))
			printf("%s is completely at target %s: %zu images\n",
				c->job->images->version,
				one->place->name,
				one->n);
		else
			printf("%s is not completely at target %s: %zu of %zu images are not\n",
				c->job->images->version,
				one->place->name,
				one->n - one->n_complete,
				one->n);
	}
}

static void put_digest(struct jx_writer *w, const char *key, bool has, const struct digest *d)
{
	char text[DIGEST_STR_MAX];

	jx_put_text(w, key, has ? digest_format(d, text) : NULL);
}

static void put_problem(struct jx_writer *w, const struct check_problem *p)
{
	jx_begin_object(w, NULL);
	jx_put_text(w, "what", p->what);
	jx_put_text(w, "state", check_state_name(p->state));
	put_digest(w, "digest", p->has_digest, &p->digest);
	jx_put_u64(w, "bytes", p->size);
	jx_put_text(w, "platform", *p->platform ? p->platform : NULL);
	jx_put_text(w, "error", p->text);
	jx_end_object(w);
}

static void put_image(struct jx_writer *w, const struct checked *one, size_t i)
{
	const struct check_result *r = &one->results[i];

	jx_begin_object(w, NULL);
	jx_put_text(w, "repository", one->images[i].repository);
	jx_put_text(w, "tag", one->images[i].tag);
	jx_put_text(w, "for", kubeadm_use_name(one->uses[i]));
	jx_put_bool(w, "complete", r->complete);
	put_digest(w, "digest", r->has_digest, &r->digest);
	jx_put_u64(w, "manifests", r->manifests);
	jx_put_u64(w, "blobs", r->blobs);
	jx_put_u64(w, "bytes", r->bytes);
	jx_begin_array(w, "missing");
	for (size_t k = 0; k < r->n_problems; k++)
		put_problem(w, &r->problems[k]);
	jx_end_array(w);
	jx_end_object(w);
}

static bool all_complete(const struct checking *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (!is_complete(&c->items[i]))
			return false;
	return true;
}

static int print_json(const struct checking *c, struct error *err)
{
	AUTO(buf_clear) struct buf out = BUF_INIT(CHECK_JSON_MAX);
	struct jx_writer w = {.out = &out, .pretty = true};
	int rc;

	jx_begin_object(&w, NULL);
	jx_put_text(&w, "kubernetes_version", c->job->images->version);
	jx_put_bool(&w, "complete", all_complete(c));
	jx_begin_array(&w, "targets");
	for (size_t i = 0; i < c->n; i++) {
		const struct checked *one = &c->items[i];

		jx_begin_object(&w, NULL);
		jx_put_text(&w, "target", one->place->name);
		jx_put_text(&w, "registry", one->place->registry); /* null: the store */
		jx_put_bool(&w, "complete", is_complete(one));
		jx_begin_array(&w, "images");
		for (size_t k = 0; k < one->n; k++)
			put_image(&w, one, k);
		jx_end_array(&w);
		jx_end_object(&w);
	}
	jx_end_array(&w);
	jx_end_object(&w);
	rc = jx_writer_finish(&w, err);
	if (rc == 0)
		printf("%s\n", buf_text(&out));
	return rc;
}

int kubeadm_check(const struct kubeadm_job *job, struct error *err)
{
	AUTO(checking_clear) struct checking c = {.job = job};
	AUTO(setup_freep) struct setup *setup = NULL;

	if (kubeadm_places(job, &c.places, err) < 0 ||
		setup_new(job->config, "kubeadm check", SETUP_READ_ONLY, &setup, err) < 0)
		return exit_code_of(err);
	stop_on_signals();
	if (check_places(setup, &c, err) < 0)
		return exit_code_of(err);
	if (!job->json)
		print_text(&c);
	else if (print_json(&c, err) < 0)
		return exit_code_of(err);
	return all_complete(&c) ? EXIT_DONE : EXIT_FAILED;
}
