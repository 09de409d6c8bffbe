/*
 * fake.h - a registry in memory on a loopback port, for unit tests.
 *
 * It holds manifests, tags and blobs by repository, takes uploads, mounts between repositories, and
 * keeps a line for each request.  What it does wrong is up to the test: `first` sees each
 * request before the fake does and may answer it, or close, in its place.
 *
 * Include it after cmocka.h.
 */
#pragma once

#include "oci/digest.h"
#include "oci/media.h"
#include "peer.h"
#include "util/mem.h"

#define FAKE_ITEMS_MAX   4096
#define FAKE_LINES_MAX   8192
#define FAKE_UPLOADS_MAX 512
#define FAKE_PIECE       ((size_t)32 * 1024) /* bytes of a body that are taken at once */

struct fake_item {
	char *repository, *name; /* a tag, or a digest's text */
	char *type;              /* of a manifest; NULL: a blob */
	char *bytes;
	size_t len;
};

struct fake_upload {
	char *repository;
	char *bytes;
	size_t len; /* that arrived */
	bool abandoned, complete;
};

enum fake_turn {
	FAKE_GOES_ON,  /* the fake answers */
	FAKE_ANSWERED, /* the test did */
	FAKE_CLOSES    /* the connection is to be closed */
};

struct fake {
	struct peer peer;
	char host[64];
	pthread_mutex_t lock;
	struct fake_item *items;
	size_t n_items;
	struct fake_upload *uploads;
	size_t n_uploads;
	char **lines; /* "GET /v2/a/b" */
	size_t n_lines;
	enum fake_turn (*_Atomic first)(struct fake *f, struct peer_conn *c);
	bool no_mounts;
	void *ctx; /* the test's */
};

/* ---- what it holds ---- */

static UNUSED const struct fake_item *fake_find(
	const struct fake *f, const char *repository, const char *name, bool manifest)
{
	for (size_t i = f->n_items; i-- > 0;) {
		const struct fake_item *item = &f->items[i];

		if ((item->type != NULL) == manifest && strcmp(item->name, name) == 0 &&
			strcmp(item->repository, repository) == 0)
			return item;
	}
	return NULL;
}

static UNUSED void fake_keep(struct fake *f, const char *repository, const char *name,
	const char *type, const void *bytes, size_t len)
{
	if (f->n_items == FAKE_ITEMS_MAX)
		abort();
	f->items[f->n_items++] = (struct fake_item){
		.repository = xstrdup(repository),
		.name = xstrdup(name),
		.type = xstrdup(type),
		.bytes = xmemdup(bytes, len ? len : 1),
		.len = len,
	};
}

static UNUSED struct digest fake_digest(const void *bytes, size_t len)
{
	struct digest d = {.algo = DIGEST_SHA256};

	if (digest_of(DIGEST_SHA256, bytes, len, &d, NULL) < 0)
		abort();
	return d;
}

static UNUSED struct digest fake_blob(
	struct fake *f, const char *repository, const void *bytes, size_t len)
{
	struct digest d = fake_digest(bytes, len);
	char text[DIGEST_STR_MAX];

	(void)pthread_mutex_lock(&f->lock);
	fake_keep(f, repository, digest_format(&d, text), NULL, bytes, len);
	(void)pthread_mutex_unlock(&f->lock);
	return d;
}

/* By digest, and by tag when there is one. */
static UNUSED struct digest fake_manifest(struct fake *f, const char *repository, const char *tag,
	const char *type, const char *bytes)
{
	struct digest d = fake_digest(bytes, strlen(bytes));
	char text[DIGEST_STR_MAX];

	(void)pthread_mutex_lock(&f->lock);
	fake_keep(f, repository, digest_format(&d, text), type, bytes, strlen(bytes));
	if (tag)
		fake_keep(f, repository, tag, type, bytes, strlen(bytes));
	(void)pthread_mutex_unlock(&f->lock);
	return d;
}

/* Away with whatever has this name. */
static UNUSED void fake_drop(struct fake *f, const char *repository, const char *name)
{
	(void)pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < f->n_items; i++)
		if (strcmp(f->items[i].name, name) == 0 &&
			strcmp(f->items[i].repository, repository) == 0)
			str_replace(&f->items[i].name, "gone");
	(void)pthread_mutex_unlock(&f->lock);
}

/* Whether it holds exactly these bytes. */
static UNUSED bool fake_has(
	struct fake *f, const char *repository, const char *name, const void *bytes, size_t len)
{
	bool has = false;

	(void)pthread_mutex_lock(&f->lock);
	for (int manifest = 0; manifest < 2 && !has; manifest++) {
		const struct fake_item *item = fake_find(f, repository, name, manifest);

		has = item && item->len == len && memcmp(item->bytes, bytes, len) == 0;
	}
	(void)pthread_mutex_unlock(&f->lock);
	return has;
}

static UNUSED bool fake_has_blob(
	struct fake *f, const char *repository, const void *bytes, size_t len)
{
	struct digest d = fake_digest(bytes, len);
	char text[DIGEST_STR_MAX];

	return fake_has(f, repository, digest_format(&d, text), bytes, len);
}

/* ---- what it was asked ---- */

/* Requests whose line begins with this text. */
static UNUSED unsigned fake_count(struct fake *f, const char *start)
{
	unsigned n = 0;

	(void)pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < f->n_lines; i++)
		n += strncmp(f->lines[i], start, strlen(start)) == 0;
	(void)pthread_mutex_unlock(&f->lock);
	return n;
}

/* Position of the last request that begins so, from 1; 0: there was none. */
static UNUSED size_t fake_last(struct fake *f, const char *start)
{
	size_t at = 0;

	(void)pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < f->n_lines; i++)
		if (strncmp(f->lines[i], start, strlen(start)) == 0)
			at = i + 1;
	(void)pthread_mutex_unlock(&f->lock);
	return at;
}

static UNUSED bool fake_hears(const struct peer_conn *c, const char *start)
{
	return strncmp(c->request, start, strlen(start)) == 0;
}

/* ---- answers ---- */

static UNUSED enum fake_turn fake_say(struct peer_conn *c, int status, const char *headers)
{
	(void)peer_say(c, "HTTP/1.1 %d X\r\n%sContent-Length: 0\r\n\r\n", status, headers);
	return FAKE_ANSWERED;
}

/* Reads the request's body to its end and answers with this status. */
static UNUSED enum fake_turn fake_refuse(struct peer_conn *c, int status, const char *headers)
{
	if (peer_heard(c, "Expect: 100-continue"))
		(void)peer_say(c, "HTTP/1.1 100 Continue\r\n\r\n");
	(void)peer_take(c, NULL, c->content_length);
	return fake_say(c, status, headers);
}

static inline void fake_absent(struct peer_conn *c, const char *code)
{
	AUTO_FREE char *body = xasprintf("{\"errors\":[{\"code\":\"%s\"}]}", code);

	(void)peer_say(c,
		"HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\n"
		"Content-Length: %zu\r\n\r\n%s",
		strlen(body),
		peer_heard(c, "HEAD /") ? "" : body);
}

/* Bytes of an answer: what the request's Range asks for of `len`; false: it has none. */
static inline bool fake_range(
	const struct peer_conn *c, size_t len, size_t *ret_from, size_t *ret_end)
{
	static const char field[] = "\r\nRange: bytes=";
	const char *range = strcasestr(c->request, field);
	char *rest;
	size_t last;

	*ret_from = 0;
	*ret_end = len;
	if (!range)
		return false;
	*ret_from = strtoull(range + sizeof(field) - 1, &rest, 10);
	last = *rest == '-' ? strtoull(rest + 1, NULL, 10) : 0;
	if (last > 0 && last < len)
		*ret_end = last + 1;
	return true;
}

/* Up to `end` bytes of a body, from where the request's Range begins. */
static inline void fake_send(
	struct peer_conn *c, const char *type, const char *bytes, size_t len, size_t end)
{
	char text[DIGEST_STR_MAX];
	size_t from, asked_end;
	struct digest d;

	if (fake_range(c, len, &from, &asked_end)) {
		(void)peer_say(c,
			"HTTP/1.1 206 Partial\r\nContent-Range: bytes %zu-%zu/%zu\r\n",
			from,
			asked_end - 1,
			len);
	} else {
		d = fake_digest(bytes, len);
		(void)peer_say(c,
			"HTTP/1.1 200 OK\r\nDocker-Content-Digest: %s\r\n",
			digest_format(&d, text));
	}
	(void)peer_say(
		c, "Content-Type: %s\r\nContent-Length: %zu\r\n\r\n", type, asked_end - from);
	if (end > asked_end)
		end = asked_end;
	if (!peer_heard(c, "HEAD /") && end > from)
		(void)peer_send(c, bytes + from, end - from);
}

/* ---- routes ---- */

struct fake_path {
	char method[8], repository[256], kind[16], rest[512];
};

static inline bool fake_parse(const struct peer_conn *c, struct fake_path *p)
{
	static const char *const kinds[] = {"/blobs/uploads/", "/manifests/", "/blobs/", "/tags/"};
	char target[1024];

	*p = (struct fake_path){.kind = ""};
	if (sscanf(c->request, "%7s %1023s", p->method, target) != 2)
		return false;
	if (strncmp(target, "/up/", 4) == 0) {
		(void)snprintf(p->kind, sizeof(p->kind), "up");
		(void)snprintf(p->rest, sizeof(p->rest), "%.500s", target + 4);
		return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		char *at = strstr(target, kinds[i]);

		if (!at || strncmp(target, "/v2/", 4) != 0)
			continue;
		(void)snprintf(p->repository,
			sizeof(p->repository),
			"%.*s",
			(int)(at - target - 4),
			target + 4);
		(void)snprintf(p->kind, sizeof(p->kind), "%.15s", kinds[i] + 1);
		(void)snprintf(p->rest, sizeof(p->rest), "%.500s", at + strlen(kinds[i]));
		return true;
	}
	return false;
}

static inline void fake_get(struct fake *f, struct peer_conn *c, const struct fake_path *p)
{
	bool manifest = strcmp(p->kind, "manifests/") == 0;
	const struct fake_item *found;
	struct fake_item item = {.len = 0};

	(void)pthread_mutex_lock(&f->lock);
	found = fake_find(f, p->repository, p->rest, manifest);
	if (found)
		item = *found;
	(void)pthread_mutex_unlock(&f->lock);
	if (!found)
		fake_absent(c, manifest ? "MANIFEST_UNKNOWN" : "BLOB_UNKNOWN");
	else
		fake_send(c,
			manifest ? item.type : "application/octet-stream",
			item.bytes,
			item.len,
			item.len);
}

static inline void fake_put_manifest(struct fake *f, struct peer_conn *c, const struct fake_path *p)
{
	AUTO_FREE char *bytes = xcalloc(1, c->content_length + 1);
	const char *type =
		strcasestr(c->request, "\r\nContent-Type: ") + strlen("\r\nContent-Type: ");
	AUTO_FREE char *media = xstrndup(type, strcspn(type, "\r"));
	size_t len = (size_t)peer_take(c, bytes, c->content_length);
	struct digest d = fake_digest(bytes, len);
	char text[DIGEST_STR_MAX];

	(void)pthread_mutex_lock(&f->lock);
	fake_keep(f, p->repository, digest_format(&d, text), media, bytes, len);
	if (strchr(p->rest, ':') == NULL)
		fake_keep(f, p->repository, p->rest, media, bytes, len);
	(void)pthread_mutex_unlock(&f->lock);
	(void)fake_say(c, 201, "");
}

/* "a=b" of the query, with %3A undone; NULL: not there.  Caller frees. */
static inline char *fake_query(const char *rest, const char *name)
{
	const char *at = strstr(rest, name);
	char *value;

	if (!at)
		return NULL;
	at += strlen(name);
	value = xstrndup(at, strcspn(at, "& "));
	for (char *s = value; (s = strchr(s, '%'));) {
		*s = strncasecmp(s, "%3A", 3) == 0 ? ':' : '/';
		memmove(s + 1, s + 3, strlen(s + 3) + 1);
	}
	return value;
}

static inline bool fake_mount(struct fake *f, const struct fake_path *p)
{
	AUTO_FREE char *digest = fake_query(p->rest, "mount=");
	AUTO_FREE char *from = fake_query(p->rest, "from=");
	const struct fake_item *item = NULL;

	if (digest && from && !f->no_mounts)
		item = fake_find(f, from, digest, false);
	if (item)
		fake_keep(f, p->repository, digest, NULL, item->bytes, item->len);
	return item != NULL;
}

static inline void fake_open(struct fake *f, struct peer_conn *c, const struct fake_path *p)
{
	AUTO_FREE char *location = NULL;
	bool mounted;

	(void)pthread_mutex_lock(&f->lock);
	mounted = fake_mount(f, p);
	if (!mounted) {
		if (f->n_uploads == FAKE_UPLOADS_MAX)
			abort();
		location = xasprintf("Location: /up/%zu\r\n", f->n_uploads);
		f->uploads[f->n_uploads++] =
			(struct fake_upload){.repository = xstrdup(p->repository)};
	}
	(void)pthread_mutex_unlock(&f->lock);
	(void)fake_say(c, mounted ? 201 : 202, location ? location : "");
}

/* Takes the body as it comes, so that a test sees how much arrived; false: it broke off. */
static inline bool fake_take(struct fake *f, struct peer_conn *c, struct fake_upload *u)
{
	AUTO_FREE char *piece = xmalloc(FAKE_PIECE);
	uint64_t left = c->content_length;

	if (peer_heard(c, "Expect: 100-continue"))
		(void)peer_say(c, "HTTP/1.1 100 Continue\r\n\r\n");
	while (left > 0) {
		size_t want = left < FAKE_PIECE ? (size_t)left : FAKE_PIECE;
		size_t n = (size_t)peer_take(c, piece, want);

		(void)pthread_mutex_lock(&f->lock);
		u->bytes = xrealloc(u->bytes, u->len + n + 1, 1);
		memcpy(u->bytes + u->len, piece, n);
		u->len += n;
		(void)pthread_mutex_unlock(&f->lock);
		left -= n;
		if (n < want)
			return false;
	}
	return true;
}

static inline bool fake_upload_step(struct fake *f, struct peer_conn *c, const struct fake_path *p)
{
	struct fake_upload *u = &f->uploads[strtoul(p->rest, NULL, 10)];
	AUTO_FREE char *digest = fake_query(p->rest, "digest=");
	AUTO_FREE char *headers = NULL;
	char text[DIGEST_STR_MAX];
	struct digest d;
	bool right;

	if (strcmp(p->method, "DELETE") == 0) {
		(void)pthread_mutex_lock(&f->lock);
		u->abandoned = true;
		(void)pthread_mutex_unlock(&f->lock);
		(void)fake_say(c, 204, "");
		return true;
	}
	if (!fake_take(f, c, u))
		return false;
	headers =
		xasprintf("Location: /up/%s\r\nRange: 0-%zu\r\n", p->rest, u->len ? u->len - 1 : 0);
	if (strcmp(p->method, "PUT") != 0) {
		(void)fake_say(c, strcmp(p->method, "GET") == 0 ? 204 : 202, headers);
		return true;
	}
	d = fake_digest(u->bytes ? u->bytes : "", u->len);
	right = digest && strcmp(digest, digest_format(&d, text)) == 0;
	(void)pthread_mutex_lock(&f->lock);
	u->complete = right;
	if (right)
		fake_keep(f, u->repository, digest, NULL, u->bytes ? u->bytes : "", u->len);
	(void)pthread_mutex_unlock(&f->lock);
	(void)fake_say(c, right ? 201 : 400, "");
	return true;
}

static inline void fake_tags(struct fake *f, struct peer_conn *c, const struct fake_path *p)
{
	AUTO_FREE char *list = xstrdup("");
	bool known = false;

	(void)pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < f->n_items; i++) {
		const struct fake_item *item = &f->items[i];

		if (strcmp(item->repository, p->repository) != 0)
			continue;
		known = true;
		if (item->type && !strchr(item->name, ':') && strcmp(item->name, "gone") != 0) {
			char *longer = xasprintf("%s%s\"%s\"", list, *list ? "," : "", item->name);

			free(list);
			list = longer;
		}
	}
	(void)pthread_mutex_unlock(&f->lock);
	if (!known) {
		fake_absent(c, "NAME_UNKNOWN");
		return;
	}
	(void)peer_say(c,
		"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n"
		"{\"name\":\"x\",\"tags\":[%s]}",
		strlen(list) + strlen("{\"name\":\"x\",\"tags\":[]}"),
		list);
}

static inline bool fake_answer(struct fake *f, struct peer_conn *c)
{
	struct fake_path p;

	if (!fake_parse(c, &p))
		(void)fake_refuse(c, 404, "");
	else if (strcmp(p.kind, "up") == 0)
		return fake_upload_step(f, c, &p);
	else if (strcmp(p.kind, "tags/") == 0)
		fake_tags(f, c, &p);
	else if (strcmp(p.kind, "blobs/uploads/") == 0)
		fake_open(f, c, &p);
	else if (strcmp(p.method, "PUT") == 0)
		fake_put_manifest(f, c, &p);
	else if (strcmp(p.method, "DELETE") == 0)
		(void)fake_say(c, 202, "");
	else
		fake_get(f, c, &p);
	return true;
}

static inline void fake_play(struct peer_conn *c)
{
	struct fake *f = c->peer->ctx;

	while (peer_hear(c)) {
		enum fake_turn (*first)(struct fake *, struct peer_conn *) = f->first;
		enum fake_turn turn = FAKE_GOES_ON;

		(void)pthread_mutex_lock(&f->lock);
		if (f->n_lines < FAKE_LINES_MAX)
			f->lines[f->n_lines++] = xstrndup(c->request, strcspn(c->request, "\r"));
		(void)pthread_mutex_unlock(&f->lock);
		if (first)
			turn = first(f, c);
		if (turn == FAKE_CLOSES || (turn == FAKE_GOES_ON && !fake_answer(f, c)))
			return;
	}
}

/* What a fake does when it does nothing wrong. */
static UNUSED enum fake_turn fake_behaves(struct fake *f, struct peer_conn *c)
{
	(void)f;
	(void)c;
	return FAKE_GOES_ON;
}

/* ---- life ---- */

static UNUSED void fake_start(struct fake *f)
{
	*f = (struct fake){.n_items = 0};
	f->items = xcalloc(FAKE_ITEMS_MAX, sizeof(*f->items));
	f->uploads = xcalloc(FAKE_UPLOADS_MAX, sizeof(*f->uploads));
	f->lines = xcalloc(FAKE_LINES_MAX, sizeof(*f->lines));
	(void)pthread_mutex_init(&f->lock, NULL);
	peer_start(&f->peer, fake_play, f);
	(void)snprintf(f->host, sizeof(f->host), "127.0.0.1:%u", f->peer.port);
}

static UNUSED void fake_stop(struct fake *f)
{
	peer_stop(&f->peer);
	for (size_t i = 0; i < f->n_items; i++) {
		free(f->items[i].repository);
		free(f->items[i].name);
		free(f->items[i].type);
		free(f->items[i].bytes);
	}
	for (size_t i = 0; i < f->n_uploads; i++) {
		free(f->uploads[i].repository);
		free(f->uploads[i].bytes);
	}
	for (size_t i = 0; i < f->n_lines; i++)
		free(f->lines[i]);
	free(f->items);
	free(f->uploads);
	free(f->lines);
	(void)pthread_mutex_destroy(&f->lock);
}
