/*
 * client.h - one registry, spoken to by the OCI distribution API 1.1.
 *
 * A struct registry is a host with its credentials, its tokens and what was
 * learnt of its ways (registry/quirks.h).  All calls are asynchronous: they return a handle,
 * and done() is called once from the loop unless registry_cancel() came first.
 * Everything handed in is copied, except what is said to be borrowed.
 *
 * Authentication is the client's affair (protocol.md 3): the challenge of a 401 is
 * answered once by Basic or by a Bearer token, tokens are kept by scope and renewed before they
 * expire.  A request that was refused again fails with ERR_AUTH.
 *
 * Classes in done's err: ERR_NOTFOUND (404, 410, or a quirk of this host: promise 5), ERR_AUTH
 * (401, 403), ERR_TEMP (408, 425, 429, 5xx, no answer; err->retry_sec when told), ERR_REMOTE (any
 * other status, a broken answer), ERR_CORRUPT (a digest or a size that is wrong), ERR_CANCELED.
 * err->http holds the status. Messages name method, URL path and status, and the registry's own
 * words, cut at 200 characters and sanitised.
 *
 * Retries: `attempts` above 1 repeats ERR_TEMP after a full-jitter wait (base 200 ms,
 * 5 s after a 429; cap 20 s; Retry-After honoured up to 15 min, sources.md 3.4), paid from this
 * registry's retry budget (100 tokens; a retry costs 5, after a time-out 10; a success earns 1).
 * 429 and 503 with Retry-After close the host's gate for all requests.
 *
 * One loop thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/request.h"
#include "oci/digest.h"
#include "oci/manifest.h"

struct registry;
struct registry_call;

#define REGISTRY_ATTEMPTS 5 /* for requests that have no other place to go (sources.md 3.4) */

struct registry_options {
	const char *host;     /* "registry.k8s.io", "localhost:5000"; "docker.io" means
				 registry-1.docker.io */
	bool plain;           /* plain HTTP */
	const char *username; /* NULL: anonymous */
	const char *password;
	const char *identity_token; /* used as OAuth2 refresh token; or NULL */
	const char *registry_token; /* used as Bearer token as it is; or NULL */
};

/*
 * The loop is borrowed and must live longer; how the host is spoken to otherwise (CA, limits, plain
 * HTTP allowed) is http_host_set()'s affair.  Fails with ERR_USAGE for a host that is none.
 */
NODISCARD int registry_new(struct http_loop *loop, const struct registry_options *options,
	struct registry **ret, struct error *err);
void registry_free(struct registry *r); /* cancels its calls; NULL is fine */
DEFINE_CLEANUP(struct registry *, registry_free);
const char *registry_host(const struct registry *r); /* as given: "docker.io" */
bool registry_same_host(const struct registry *a, const struct registry *b);

/* Ends a call without its callback. *call may be NULL; it is NULL after. */
void registry_cancel(struct registry_call **call);

/* ---- manifests, tags, referrers ---- */

struct registry_reply {
	bool has_digest; /* Docker-Content-Digest was there, or the body was hashed */
	struct digest digest;
	bool has_size;
	uint64_t size;                       /* bytes: Content-Length of a HEAD, length of a body */
	char media_type[MEDIA_TYPE_MAX + 1]; /* without parameters; "" when not told */
	struct buf *body;    /* of a GET: may be emptied with buf_steal(); NULL for a HEAD */
	const char *warning; /* the peer's Warning header (distribution-spec, 299), or NULL */
	const char *backend; /* "https://host:port" that answered, after redirects, or at which it
				failed; "" when unknown */
	struct http_timing timing; /* of the last hop */
	uint64_t front_us;         /* spent in redirects before that hop */
};

/*
 * reply is never NULL; with most errors it has nothing but backend, timing and front_us.  What it
 * points to ends with the call.
 */
typedef void registry_reply_fn(void *ctx, struct registry_reply *reply, struct error *err);

/*
 * Bounds the memory of all manifests that are received at once by calls that share it: small
 * ones (256 KiB) come as they do, larger ones two at a time.  It must outlive those calls.
 */
struct manifest_lane;
struct manifest_lane *manifest_lane_new(void) NODISCARD;
void manifest_lane_free(struct manifest_lane *lane); /* NULL is fine */

struct registry_get {
	const char *repository;
	const char *reference;       /* a tag, or a digest's text */
	const struct digest *expect; /* the body must have this digest; NULL: by tag */
	uint64_t expect_size;        /* with expect: the declared size; 0: not known */
	unsigned attempts;           /* 0 and 1: no retry */
	struct manifest_lane *lane;  /* large bodies wait here for their turn; NULL: they do not */
	bool fresh;                  /* measuring: see http/request.h */
	uint64_t connect_ms, first_byte_ms; /* instead of the host's; 0: the host's */
	registry_reply_fn *done;
	void *ctx;
};

/*
 * HEAD; when the host cannot (405, 403 after auth, no digest header), a GET whose body is hashed
 * and dropped.
 */
struct registry_call *registry_manifest_head(struct registry *r, const struct registry_get *get);
/*
 * GET, at most MANIFEST_MAX bytes; by digest the body is verified, by tag it is hashed and compared
 * with the header.
 */
struct registry_call *registry_manifest_get(struct registry *r, const struct registry_get *get);
/*
 * HEAD of a blob: found, ERR_NOTFOUND, or a failure. expect is the digest; a different size is
 * ERR_CORRUPT.
 */
struct registry_call *registry_blob_head(struct registry *r, const struct registry_get *get);
/* GET /v2/: whether the API is there and lets us in. */
struct registry_call *registry_ping(struct registry *r, const struct registry_get *get);

/* bytes of one page; Artifact Registry sends all tags, with details, in one */
#define REGISTRY_TAGS_BODY_MAX ((size_t)16 * 1024 * 1024)
#define REGISTRY_TAGS_MAX      1000000u /* tags of one repository */
#define REGISTRY_PAGES_MAX     10000u   /* pages of one listing */

struct registry_list {
	const char *repository;
	const struct digest *subject; /* referrers of this; NULL: tags */
	const char *artifact_type;    /* referrers: only these; NULL: all */
	unsigned attempts;
	/*
	 * Called for each tag (descriptor is NULL) or referrer (tag is NULL), in the registry's
	 * order, validated. False: enough.
	 */
	bool (*item)(void *ctx, const char *tag, const struct descriptor *descriptor);
	registry_reply_fn *done; /* after the last item; ERR_NOTFOUND: no such repository */
	void *ctx;
};
/*
 * Pages by Link on the same origin (a repeated or foreign Link ends it with ERR_REMOTE); null tags
 * are none.
 */
struct registry_call *registry_tags(struct registry *r, const struct registry_list *list);
/*
 * The referrers API, or where that is absent (404) the fallback tag's index (distribution-spec
 * "Referrers Tag Schema").
 */
struct registry_call *registry_referrers(struct registry *r, const struct registry_list *list);

struct registry_put {
	const char *repository;
	const char *reference; /* a tag, or the digest's text */
	const char *media_type;
	const void *bytes; /* borrowed until done */
	size_t len;
	struct digest digest; /* of the bytes: a different digest in the answer is ERR_CORRUPT */
	unsigned attempts;
	registry_reply_fn *done; /* MANIFEST_BLOB_UNKNOWN: see registry_error_is() */
	void *ctx;
};
struct registry_call *registry_manifest_put(struct registry *r, const struct registry_put *put);
/* DELETE of a manifest by digest, or of a tag. 404 is success. */
struct registry_call *registry_manifest_delete(struct registry *r, const struct registry_get *get);
/*
 * Whether a failure carried this distribution-spec error code ("MANIFEST_BLOB_UNKNOWN"), in any
 * case.
 */
bool registry_error_is(const struct error *err, const char *code);

/* ---- blobs, down ---- */

struct registry_blob_stats;

struct registry_blob_get {
	const char *repository;
	struct digest digest;
	/*
	 * Declared.  More bytes than that, or a length told that differs, are ERR_CORRUPT at once;
	 * fewer at the end are ERR_TEMP.
	 */
	uint64_t size;
	uint64_t offset; /* first byte wanted: a Range request when not 0 */
	uint64_t end;    /* one past the last byte wanted (closed range); 0: to the end */
	/* One of several ranges of the blob at once: small buffers, and a 200 to a Range is
	 * ERR_REMOTE, with range_ignored. */
	bool only_range;
	bool fresh;                                   /* measuring: see http/request.h */
	uint64_t connect_ms, first_byte_ms, stall_ms; /* instead of the host's; 0: the host's */
	/*
	 * Bytes from `offset` on, in order.  A source that answers 200 to a Range has the first
	 * bytes skipped here. A 206 whose Content-Range is not what was asked for is ERR_REMOTE
	 * before any byte.
	 */
	enum http_io (*write)(void *ctx, const char *data, size_t n);
	/* err is NULL when the last byte wanted was written.  Checking the digest is the caller's.
	 */
	void (*done)(void *ctx, const struct registry_blob_stats *stats, struct error *err);
	void *ctx;
};

struct registry_blob_stats {
	const char *backend; /* "https://host:port" that sent the bytes, after redirects */
	uint64_t bytes;      /* received */
	uint64_t ttfb_us, total_us;
	uint64_t front_us;         /* spent in redirects before the last hop */
	struct http_timing timing; /* of the last hop */
	bool range_ignored;        /* a Range was answered with 200 */
	const char *etag;          /* the answer's ETag, or NULL; ends with the call */
};

/* No retries here: another source is the better retry. */
struct registry_call *registry_blob_get(struct registry *r, const struct registry_blob_get *get);
void registry_resume_write(struct registry_call *call); /* after HTTP_IO_PAUSE */

/* ---- blobs, up ---- */

/*
 * An upload session.  Start it, then either one registry_upload_put(), or registry_upload_patch()
 * in order and registry_upload_close().  Always the newest Location is used; one on another host
 * gets no credentials.  One call at a time runs on a session, and all sessions are freed before
 * their registry.
 */
struct registry_upload;

struct registry_upload_start {
	const char *repository;
	struct digest digest;
	const char *mount_from; /* a repository of this registry that has it; NULL: no mount */
	unsigned attempts;
	/* err NULL and upload NULL: mounted.  Else the session is the callee's, to be freed. */
	void (*done)(void *ctx, struct registry_upload *upload, struct error *err);
	void *ctx;
};
struct registry_call *registry_upload_start(
	struct registry *r, const struct registry_upload_start *start);

/*
 * True once a monolithic PUT was refused here in a way that PATCH may cure (405, 411, 413, 415,
 * 501): use patch from the start.  The PUT that found out ends with ERR_TEMP: try again.
 */
bool registry_wants_chunks(const struct registry *r);

struct registry_upload_put {
	uint64_t size;
	enum http_io (*read)(void *ctx, char *to, size_t room, size_t *ret_n);
	bool (*rewind)(void *ctx); /* see http/request.h; NULL: cannot */
	/*
	 * err NULL: the registry has the blob.  ERR_TEMP also for a session that is gone and for a
	 * token that expired while the body went out and could not be rewound: open another one.
	 */
	registry_reply_fn *done;
	void *ctx;
};
struct registry_call *registry_upload_put(
	struct registry_upload *u, const struct registry_upload_put *put);
void registry_resume_read(struct registry_call *call); /* after HTTP_IO_PAUSE */

/*
 * One chunk of an upload, bytes borrowed until done; after a 401 or a lost answer the session's
 * status is asked and the rest sent.
 */
struct registry_call *registry_upload_patch(struct registry_upload *u, const void *bytes,
	size_t len, registry_reply_fn *done, void *ctx);
/* The closing PUT. */
struct registry_call *registry_upload_close(
	struct registry_upload *u, registry_reply_fn *done, void *ctx);
/*
 * Smallest and largest chunk this session wants (OCI-Chunk-Min-Length; protocol.md 4.3 for the
 * ceilings).
 */
size_t registry_upload_chunk(const struct registry_upload *u);
/* Frees; with abandon, a DELETE of the session is sent first and not waited for.  NULL is fine. */
void registry_upload_free(struct registry_upload *u, bool abandon);

/* ---- figures ---- */

struct registry_stats {
	uint64_t requests, retries, throttled; /* requests sent; repeated; answers 429 */
};
struct registry_stats registry_stats(const struct registry *r);
