/*
 * push.c - uploads of blobs: whole, in chunks, streamed, resumed, mounted, cancelled.
 *
 * Every piece is written and hashed where it arrives; only making a session ready and publishing
 * wait for the disk.  A piece that does not fit is refused before a byte of it is taken, and the
 * session goes on (distribution-spec "Pushing a blob in chunks").
 */
#include "server/internal.h"

/* ---- replies ---- */

static void reply_session(struct exchange *x)
{
	uint64_t size = store_upload_size(x->upload);

	reply_header(x,
		"Location",
		"/v2/%s/blobs/uploads/%s",
		x->route.repository,
		store_upload_id(x->upload));
	/* "0-0" of an empty one is one byte to read literally, and what everybody sends. */
	reply_header(x, "Range", "0-%ju", (uintmax_t)(size ? size - 1 : 0));
	reply_header(x, "Docker-Upload-UUID", "%s", store_upload_id(x->upload));
}

static void reply_blob_here(struct exchange *x, const struct digest *digest)
{
	char text[DIGEST_STR_MAX];

	(void)digest_format(digest, text);
	reply_header(x, "Location", "/v2/%s/blobs/%s", x->route.repository, text);
	reply_header(x, "Docker-Content-Digest", "%s", text);
	reply_empty(x, 201);
}

/* What went wrong with a session. */
static void reply_upload_failure(struct exchange *x, const struct error *err)
{
	if (err->code == ERR_NOTFOUND)
		reply_error(x, API_BLOB_UPLOAD_UNKNOWN, "there is no such upload here");
	else if (err->code == ERR_BUSY)
		reply_error_status(x,
			409,
			API_BLOB_UPLOAD_INVALID,
			"another request is writing to this upload");
	else if (err->code == ERR_USAGE) /* its bytes are whole: it can only be closed */
		reply_error(x, API_BLOB_UPLOAD_INVALID, "%s", error_text(err));
	else if (err->code == ERR_NOMEM)
		reply_error_status(x, 413, API_SIZE_INVALID, "no blob is as large as that");
	else
		reply_failure(x, err);
}

/* ---- what the header says ---- */

/* A digest of the query into *ret; false: there is a reply. */
static bool query_digest(struct exchange *x, const char *key, bool *ret_has, struct digest *ret)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	const char *text = httpd_query(x->http, key);

	*ret_has = text != NULL;
	if (!text || digest_parse(text, ret, &err) == 0)
		return true;
	reply_error(x, API_DIGEST_INVALID, "%s: %s", key, error_text(&err));
	return false;
}

/* A size that nothing has. */
static void check_size(struct exchange *x)
{
	if (httpd_content_length(x->http) > (int64_t)DESCRIPTOR_SIZE_MAX)
		reply_error_status(x, 413, API_SIZE_INVALID, "no blob is as large as that");
}

/* Bytes that Content-Range announces. */
static uint64_t piece_size(const struct push *p)
{
	return p->range.last - p->range.first + 1;
}

static void check_range(struct exchange *x)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	const char *text = httpd_header(x->http, "Content-Range");
	int64_t length = httpd_content_length(x->http);
	struct push *p = &x->push;

	if (!text)
		return;
	if (range_of_piece(text, &p->range, &err) < 0) {
		reply_error_status(x, 416, API_BLOB_UPLOAD_INVALID, "%s", error_text(&err));
		return;
	}
	p->has_range = true;
	if (length >= 0 && (uint64_t)length != piece_size(p))
		reply_error(x,
			API_SIZE_INVALID,
			"Content-Range and Content-Length say different lengths");
}

void push_begin_check(struct exchange *x)
{
	const char *algorithm = httpd_query(x->http, "digest-algorithm");

	check_size(x);
	if (has_reply(x))
		return;
	/* The clients that mount send the digest in both places, and no body. */
	if (!httpd_query(x->http, "mount"))
		(void)query_digest(x, "digest", &x->push.has_digest, &x->push.digest);
	if (!has_reply(x) && algorithm && strcmp(algorithm, "sha256") != 0 &&
		strcmp(algorithm, "sha512") != 0)
		reply_error(x,
			API_DIGEST_INVALID,
			"digest-algorithm: only sha256 and sha512 can be verified");
}

void push_piece_check(struct exchange *x)
{
	check_size(x);
	if (!has_reply(x))
		check_range(x);
}

void push_close_check(struct exchange *x)
{
	push_piece_check(x);
	if (has_reply(x) || !query_digest(x, "digest", &x->push.has_digest, &x->push.digest))
		return;
	if (!x->push.has_digest)
		reply_error(x, API_DIGEST_INVALID, "the query lacks the digest");
}

/* ---- sessions ---- */

static void hold(struct exchange *x, struct store_upload *u)
{
	x->upload = u;
	atomic_fetch_add_explicit(&x->server->counters.uploading, 1, memory_order_relaxed);
}

/* The session has ended, or is let go. */
static void unhold(struct exchange *x)
{
	x->upload = NULL;
	atomic_fetch_sub_explicit(&x->server->counters.uploading, 1, memory_order_relaxed);
}

void push_release(struct exchange *x)
{
	if (!x->upload)
		return;
	store_upload_release(x->upload);
	unhold(x);
}

static void begin_session(struct exchange *x)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct store_upload *u = NULL;

	if (store_upload_begin(store_of(x), x->route.repository, &u, &err) == 0)
		hold(x, u);
	else if (err.code == ERR_BUSY)
		load_shed(x, "too many uploads are open");
	else
		reply_failure(x, &err);
}

void push_begin_open(struct exchange *x)
{
	if (x->push.has_digest)
		begin_session(x);
}

void push_resume(struct exchange *x)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct store_upload *u = NULL;
	uint64_t size;

	if (store_upload_resume(store_of(x), x->route.repository, x->route.upload, &u, &err) < 0) {
		reply_upload_failure(x, &err);
		return;
	}
	hold(x, u);
	size = store_upload_size(u);
	if (!x->push.has_range || x->push.range.first == size)
		return;
	reply_session(x);
	reply_error_status(x,
		416,
		API_BLOB_UPLOAD_INVALID,
		"the piece begins at byte %ju, and the upload ends at byte %ju",
		(uintmax_t)x->push.range.first,
		(uintmax_t)size);
}

void push_take(struct exchange *x, const void *data, size_t n)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct push *p = &x->push;

	if (!x->upload) /* the body of a request that has no use for one */
		return;
	if (p->has_range && n > piece_size(p) - p->taken) {
		reply_session(x);
		reply_error(x, API_SIZE_INVALID, "more bytes than Content-Range says");
	} else if (store_upload_write(x->upload, data, n, &err) < 0) {
		reply_upload_failure(x, &err);
	} else {
		p->taken += n;
	}
}

/* Fewer bytes than announced: false, and there is a reply. */
static bool is_whole(struct exchange *x)
{
	const struct push *p = &x->push;

	if (!p->has_range || p->taken == piece_size(p))
		return true;
	reply_session(x);
	reply_error(x, API_SIZE_INVALID, "fewer bytes than Content-Range says");
	return false;
}

/* ---- the ends ---- */

static void publish(struct exchange *x)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct counters *c = &x->server->counters;
	uint64_t size = store_upload_size(x->upload);
	int rc = store_upload_close(x->upload, &x->push.digest, &err);

	unhold(x);
	if (rc == -ERR_CORRUPT) {
		reply_error(x, API_DIGEST_INVALID, "%s", error_text(&err));
	} else if (rc < 0) {
		reply_failure(x, &err);
	} else {
		atomic_fetch_add_explicit(&c->pushed_blobs, 1, memory_order_relaxed);
		atomic_fetch_add_explicit(&c->pushed_bytes, size, memory_order_relaxed);
		reply_blob_here(x, &x->push.digest);
	}
}

/*
 * Content that is in `from`, or, without one, anywhere: who may push here may read all there is.
 * False: not there; an ordinary session is the answer then.
 */
static bool mount(struct exchange *x, const struct digest *digest)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	const char *from = httpd_query(x->http, "from");
	uint64_t size = 0;
	int rc = from ? store_blob_in_repository(store_of(x), from, digest, &size, &err)
		      : store_blob_stat(store_of(x), digest, &size, &err);

	if (rc == 0)
		rc = store_blob_link(store_of(x), x->route.repository, digest, &err);
	if (rc == -ERR_NOTFOUND || rc == -ERR_USAGE)
		return false;
	if (rc < 0)
		reply_failure(x, &err);
	else
		reply_blob_here(x, digest);
	return true;
}

void push_begin_work(struct exchange *x)
{
	struct digest digest;
	bool wanted = false;

	if (x->push.has_digest) {
		publish(x);
		return;
	}
	if (!query_digest(x, "mount", &wanted, &digest) || (wanted && mount(x, &digest)))
		return;
	begin_session(x);
	if (has_reply(x))
		return;
	reply_session(x);
	reply_empty(x, 202);
}

void push_piece_work(struct exchange *x)
{
	if (!is_whole(x))
		return;
	reply_session(x);
	reply_empty(x, 202);
}

void push_close_work(struct exchange *x)
{
	if (is_whole(x))
		publish(x);
}

void push_status(struct exchange *x)
{
	reply_session(x);
	reply_empty(x, 204);
}

void push_cancel(struct exchange *x)
{
	store_upload_abandon(x->upload);
	unhold(x);
	reply_empty(x, 204);
}
