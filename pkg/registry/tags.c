/*
 * tags.c - all tags of a repository, page by page.
 *
 * The names of a page are handed over when it is complete and was understood to its end: a
 * page that breaks off is asked for again without anything being told twice, and nobody acts
 * on half of one.
 */
#include "registry/answer.h"
#include "registry/pages.h"
#include "registry/tag_scan.h"
#include "util/mem.h"

/* tags asked for where a page of the server's own choice is too large; ECR allows no more */
#define SMALL_PAGE "1000"

struct tags_op {
	struct registry_call call;
	struct pages pages;
	char *scope;
	unsigned attempts;
	bool (*item)(void *ctx, const char *tag, const struct descriptor *descriptor);
	struct tag_scan scan;
	uint64_t page_bytes; /* of the page that arrives */
	size_t n_tags;
	bool first_page;
	bool too_large;       /* the page is beyond REGISTRY_TAGS_BODY_MAX */
	struct error failure; /* why the page was refused */
};

static void clear(struct registry_call *call)
{
	struct tags_op *op = (struct tags_op *)call;

	pages_clear(&op->pages);
	tag_scan_clear(&op->scan);
	error_clear(&op->failure);
	free(op->scope);
}

/* A page may be sent again after it broke off: it is read from its start then. */
static int on_header(void *ctx, const struct http_response *r, struct error *err)
{
	struct tags_op *op = ctx;

	if (r->status != ANSWER_OK)
		return error_set(err, ERR_REMOTE, "unexpected status %d", r->status);
	tag_scan_clear(&op->scan);
	tag_scan_init(&op->scan, REGISTRY_TAGS_BODY_MAX);
	op->page_bytes = 0;
	op->too_large = false;
	return encoding_is_identity(r, err);
}

static enum http_io on_write(void *ctx, const char *data, size_t n)
{
	struct tags_op *op = ctx;

	op->page_bytes += n;
	if (op->page_bytes > REGISTRY_TAGS_BODY_MAX) {
		op->too_large = true;
		(void)error_set(&op->failure,
			ERR_REMOTE,
			"a page of tags has more than the limit of %zu bytes (REGISTRY_TAGS_BODY_MAX)",
			REGISTRY_TAGS_BODY_MAX);
		return HTTP_IO_ABORT;
	}
	return tag_scan_feed(&op->scan, data, n, &op->failure) < 0 ? HTTP_IO_ABORT : HTTP_IO_OK;
}

/* Hands the page's tags over; *ret_enough when the caller wants no more. */
static int deliver(struct tags_op *op, bool *ret_enough, struct error *err)
{
	const struct buf *names = &op->scan.names;

	*ret_enough = false;
	for (size_t i = 0; i < names->len && !*ret_enough; i += strlen(names->data + i) + 1) {
		if (++op->n_tags > REGISTRY_TAGS_MAX)
			return error_set(err,
				ERR_REMOTE,
				"more than %u tags (REGISTRY_TAGS_MAX)",
				REGISTRY_TAGS_MAX);
		*ret_enough = !op->item(op->call.ctx, names->data + i, NULL);
	}
	return 0;
}

static void send_page(struct tags_op *op);

static int take_page(
	struct tags_op *op, const struct registry_exchange *x, bool *ret_more, struct error *err)
{
	bool enough = false;
	int rc = tag_scan_finish(&op->scan, err);

	*ret_more = false;
	if (rc == 0)
		rc = pages_next(&op->pages, op->call.registry, x, ret_more, err);
	if (rc == 0)
		rc = deliver(op, &enough, err);
	if (enough)
		*ret_more = false;
	return rc;
}

/* The server's idea of a page is larger than ours: ask for small ones, once. */
static bool shrink_pages(struct tags_op *op)
{
	char *url;

	if (!op->too_large || !op->first_page)
		return false;
	url = url_add_query(op->pages.url, "n", SMALL_PAGE);
	pages_clear(&op->pages);
	pages_begin(&op->pages, url);
	return true;
}

static void on_page(void *ctx, struct registry_exchange *x, struct error *err)
{
	AUTO(error_clear) struct error bad = ERROR_INIT;
	struct tags_op *op = ctx;
	bool more = false;
	int rc;

	if (op->failure.code != ERR_NONE) {
		error_move(&bad, &op->failure);
		rc = registry_exchange_wrap(x, &bad, -(int)bad.code);
	} else if (err) {
		absence_by_quirk(op->call.registry, op->call.x, err);
		registry_call_finish(&op->call, NULL, err);
		return;
	} else {
		rc = take_page(op, x, &more, &bad);
		if (rc < 0)
			(void)registry_exchange_wrap(x, &bad, rc);
	}
	if ((rc == 0 && more) || (rc < 0 && shrink_pages(op))) {
		op->first_page = false;
		send_page(op);
	} else {
		registry_call_finish(&op->call, NULL, rc < 0 ? &bad : NULL);
	}
}

static void send_page(struct tags_op *op)
{
	const struct registry_exchange_request q = {
		.method = HTTP_GET,
		.url = op->pages.url,
		.headers = {"Accept-Encoding: identity"},
		.scope = op->scope,
		.foreign = op->pages.foreign,
		.redirects = true,
		.attempts = op->attempts,
		.on_header = on_header,
		.write = on_write,
		.done = on_page,
		.ctx = op,
	};

	registry_call_exchange(&op->call, &q);
}

struct registry_call *registry_tags(struct registry *r, const struct registry_list *list)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct tags_op *op = registry_call_new(r, sizeof(*op), registry_call_fail_reply, clear);
	AUTO_FREE char *name = NULL;

	op->call.done = list->done;
	op->call.ctx = list->ctx;
	op->item = list->item;
	op->attempts = list->attempts;
	op->first_page = true;
	if (registry_repository(r, list->repository, &name, &err) < 0) {
		registry_call_fail_later(&op->call, &err);
		return &op->call;
	}
	op->scope = repository_scope(name, "pull");
	pages_begin(&op->pages, registry_url(r, name, "tags", "list"));
	send_page(op);
	return &op->call;
}
