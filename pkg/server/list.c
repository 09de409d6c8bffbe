/*
 * list.c - tags and repositories, page by page.
 *
 * A page ends after n names, or, where none is asked for, after PAGE_MAX; a Link says where the
 * next one begins.  Names are in ASCII order (distribution-spec "Listing Tags").
 */
#include "oci/json.h"
#include "server/internal.h"
#include "util/mem.h"
#include "util/parse.h"

#define PAGE_MAX 10000                     /* names: many clients never ask for a second page */
#define LIST_MAX ((size_t)4 * 1024 * 1024) /* bytes: PAGE_MAX of the longest names are 2.7 MB */

struct page {
	size_t n; /* names at most */
	size_t have;
	bool more;
	struct jx_writer json;
	char last[REPOSITORY_MAX + 1]; /* the longest name that there is */
};

/* What the query asks for; false: there is a reply. */
static bool page_read(struct exchange *x, struct page *p)
{
	const char *text = httpd_query(x->http, "n");
	uint64_t n = PAGE_MAX;

	if (text && parse_u64(text, &n, NULL) < 0) {
		reply_error(x, API_PAGINATION_NUMBER_INVALID, "n: a number is needed");
		return false;
	}
	p->n = n < PAGE_MAX ? (size_t)n : PAGE_MAX;
	return true;
}

/* One name; false: the page was full before it. */
static bool page_add(struct page *p, const char *name)
{
	if (p->have == p->n) {
		p->more = true;
		return false;
	}
	jx_put_text(&p->json, NULL, name);
	(void)snprintf(p->last, sizeof(p->last), "%s", name);
	p->have++;
	return true;
}

static bool add_tag(void *ctx, const char *tag, const struct digest *digest)
{
	(void)digest;
	return page_add(ctx, tag);
}

static bool add_repository(void *ctx, const char *repository)
{
	return page_add(ctx, repository);
}

/* Names go into the Link as they are: their alphabets have nothing that a URL escapes but '/',
 * which a query may hold. */
static void page_reply(struct exchange *x, struct page *p, const char *path)
{
	struct buf *body = p->json.out;

	if (jx_writer_finish(&p->json, NULL) < 0) {
		reply_error(x, API_UNKNOWN, "the list is longer than %zu bytes", LIST_MAX);
		return;
	}
	if (p->more && p->have > 0)
		reply_header(x, "Link", "<%s?n=%zu&last=%s>; rel=\"next\"", path, p->n, p->last);
	reply_body(x, 200, "application/json", body);
}

void list_tags(struct exchange *x)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(buf_clear) struct buf body = BUF_INIT(LIST_MAX);
	struct page p = {.json = {.out = &body}};
	const char *repository = x->route.repository;
	AUTO_FREE char *path = xasprintf("/v2/%s/tags/list", repository);

	if (!page_read(x, &p))
		return;
	if (!store_has_repository(store_of(x), repository)) {
		reply_error(x, API_NAME_UNKNOWN, "there is no repository of this name");
		return;
	}
	jx_begin_object(&p.json, NULL);
	jx_put_text(&p.json, "name", repository);
	jx_begin_array(&p.json, "tags");
	/* One more than a page has: whether there is a next one. */
	if (store_tags_after(store_of(x),
		    repository,
		    httpd_query(x->http, "last"),
		    p.n + 1,
		    add_tag,
		    &p,
		    &err) < 0) {
		reply_failure(x, &err);
		return;
	}
	jx_end_array(&p.json);
	jx_end_object(&p.json);
	page_reply(x, &p, path);
}

void list_catalog(struct exchange *x)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(buf_clear) struct buf body = BUF_INIT(LIST_MAX);
	struct page p = {.json = {.out = &body}};

	if (!page_read(x, &p))
		return;
	jx_begin_object(&p.json, NULL);
	jx_begin_array(&p.json, "repositories");
	if (store_repositories_after(
		    store_of(x), httpd_query(x->http, "last"), p.n + 1, add_repository, &p, &err) <
		0) {
		reply_failure(x, &err);
		return;
	}
	jx_end_array(&p.json);
	jx_end_object(&p.json);
	page_reply(x, &p, "/v2/_catalog");
}
