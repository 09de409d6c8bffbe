/*
 * script.h - a registry that plays a list of answers, and the loop that talks to it.
 *
 * Include it after cmocka.h.  The requests must come in the script's order, whatever
 * connections they use; what is wrong with one of them is kept and fails the test at
 * script_end().  In an answer "@HOST@" is the peer's own host:port, and "@OTHER@" the same
 * peer under another name.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../lib/peer.h"
#include "registry/client.h"
#include "util/clock.h"
#include "util/mem.h"

#define PATIENCE_MS 20000 /* after that a test has failed */
#define STEPS_MAX   32

struct step {
	const char *want;  /* "GET /v2/x", the beginning of the request */
	const char *has;   /* text that its header must have; NULL: none */
	const char *lacks; /* text that its header must not have; NULL: none */
	const char *sends; /* the request's body; NULL: does not matter */
	int status;
	const char *headers; /* "A: b\r\n"; NULL: none */
	const char *body;    /* NULL: empty */
	size_t len;          /* of body; 0: its text */
	const char *length;  /* Content-Length in place of the right one; "": none, the body ends
				with the connection */
	bool early;          /* answers before the body was read, and closes */
	bool cut;            /* closes behind the answer */
	bool drop;           /* no answer at all: closes */
};

struct script {
	struct peer peer;
	char host[64], other[64];
	pthread_mutex_t lock;
	const struct step *steps;
	size_t n, at;
	char wrong[1024]; /* the first thing that was not as expected */
	struct http_loop *loop;
	struct registry *registry;
	/* The end of the call that runs. */
	bool done;
	uint64_t until_ms;
	struct error err;
	struct registry_reply reply; /* without borrowed parts */
	char *warning, *body;
	size_t body_len;
	struct registry_upload *upload;
	struct registry_blob_stats stats;
	char *backend, *etag;
	struct buf got; /* what a blob's or a listing's callback received */
};

static inline void script_blame(struct script *s, const char *what, const struct peer_conn *c)
{
	if (!*s->wrong)
		(void)snprintf(s->wrong,
			sizeof(s->wrong),
			"step %zu: %s: %.600s",
			s->at,
			what,
			c->request);
}

/* Takes the next step; NULL: there is none. */
static inline const struct step *script_step(struct script *s, const struct peer_conn *c)
{
	const struct step *t = NULL;

	(void)pthread_mutex_lock(&s->lock);
	if (s->at < s->n)
		t = &s->steps[s->at];
	s->at++;
	if (!t)
		script_blame(s, "one request too many", c);
	else if (strncmp(c->request, t->want, strlen(t->want)) != 0)
		script_blame(s, t->want, c);
	else if (t->has && !peer_heard(c, t->has))
		script_blame(s, t->has, c);
	else if (t->lacks && peer_heard(c, t->lacks))
		script_blame(s, t->lacks, c);
	(void)pthread_mutex_unlock(&s->lock);
	return t;
}

static inline char *script_replace(char *text, const char *mark, const char *with)
{
	char *at;

	while ((at = strstr(text, mark))) {
		char *longer =
			xasprintf("%.*s%s%s", (int)(at - text), text, with, at + strlen(mark));

		free(text);
		text = longer;
	}
	return text;
}

static inline char *script_fill(const struct script *s, const char *text)
{
	char *filled = script_replace(xstrdup(text ? text : ""), "@HOST@", s->host);

	return script_replace(filled, "@OTHER@", s->other);
}

static inline void script_answer(struct script *s, struct peer_conn *c, const struct step *t)
{
	AUTO_FREE char *headers = script_fill(s, t->headers);
	AUTO_FREE char *body = t->len ? NULL : script_fill(s, t->body);
	const char *data = t->len ? t->body : body;
	const size_t len = t->len ? t->len : strlen(body);

	(void)peer_say(c, "HTTP/1.1 %d X\r\n%s", t->status, headers);
	if (!t->length)
		(void)peer_say(c, "Content-Length: %zu\r\n", len);
	else if (*t->length)
		(void)peer_say(c, "Content-Length: %s\r\n", t->length);
	(void)peer_say(c, "%s\r\n", t->cut || t->early ? "Connection: close\r\n" : "");
	if (!peer_heard(c, "HEAD /"))
		(void)peer_send(c, data, len);
}

static inline void script_play(struct peer_conn *c)
{
	struct script *s = c->peer->ctx;

	while (peer_hear(c)) {
		const struct step *t = script_step(s, c);
		AUTO_FREE char *sent = NULL;

		if (!t || t->drop)
			return;
		if (t->early) {
			script_answer(s, c, t);
			(void)shutdown(c->fd, SHUT_WR);
			peer_linger(c);
			return;
		}
		if (peer_heard(c, "Expect: 100-continue"))
			(void)peer_say(c, "HTTP/1.1 100 Continue\r\n\r\n");
		sent = xcalloc(1, c->content_length + 1);
		(void)peer_take(c, sent, c->content_length);
		if (t->sends && strcmp(sent, t->sends) != 0) {
			(void)pthread_mutex_lock(&s->lock);
			script_blame(s, "another body", c);
			(void)pthread_mutex_unlock(&s->lock);
		}
		script_answer(s, c, t);
		if (t->cut || (t->length && !*t->length))
			return;
	}
}

/* options may be NULL: anonymous. */
static inline void script_begin(struct script *s, const struct step *steps, size_t n,
	const struct registry_options *options)
{
	const struct http_loop_options lo = {.user_agent = "test", .proxy = ""};
	const struct http_host_options ho = {.plain = true, .stall_ms = 3000};
	struct registry_options ro = options ? *options : (struct registry_options){.host = NULL};

	*s = (struct script){.steps = steps, .n = n, .got = BUF_INIT((size_t)64 * 1024 * 1024)};
	(void)pthread_mutex_init(&s->lock, NULL);
	peer_start(&s->peer, script_play, s);
	(void)snprintf(s->host, sizeof(s->host), "127.0.0.1:%u", s->peer.port);
	(void)snprintf(s->other, sizeof(s->other), "localhost:%u", s->peer.port);
	assert_int_equal(http_loop_new(&lo, &s->loop, NULL), 0);
	assert_int_equal(http_host_set(s->loop, s->host, &ho, NULL), 0);
	assert_int_equal(http_host_set(s->loop, s->other, &ho, NULL), 0);
	ro.host = s->host;
	ro.plain = true;
	assert_int_equal(registry_new(s->loop, &ro, &s->registry, NULL), 0);
}

static inline void script_forget(struct script *s)
{
	error_clear(&s->err);
	free(s->warning);
	free(s->body);
	free(s->backend);
	free(s->etag);
	s->warning = s->body = s->backend = s->etag = NULL;
	s->body_len = 0;
	s->reply = (struct registry_reply){.has_digest = false};
	s->done = false;
	buf_reset(&s->got);
}

/* Every step was played, and nothing was wrong with the requests. */
static inline void script_end(struct script *s)
{
	registry_upload_free(s->upload, false);
	registry_free(s->registry);
	http_loop_free(s->loop);
	peer_stop(&s->peer);
	script_forget(s);
	buf_clear(&s->got);
	assert_string_equal(s->wrong, "");
	assert_int_equal(s->at, s->n);
	(void)pthread_mutex_destroy(&s->lock);
}

#define SCRIPT(s, options, ...)                               \
	static const struct step s##_steps[] = {__VA_ARGS__}; \
	struct script s;                                      \
	script_begin(&s, s##_steps, ARRAY_SIZE(s##_steps), options)

/* ---- callbacks that keep what they are told ---- */

static inline void script_on_reply(void *ctx, struct registry_reply *reply, struct error *err)
{
	struct script *s = ctx;

	assert_false(s->done);
	s->done = true;
	s->reply = *reply;
	s->warning = xstrdup(reply->warning);
	if (reply->body) {
		s->body_len = reply->body->len;
		s->body = buf_steal(reply->body);
	}
	s->reply.body = NULL;
	s->backend = xstrdup(reply->backend);
	s->reply.backend = s->reply.warning = NULL;
	if (err)
		error_move(&s->err, err);
}

static inline void script_on_upload(void *ctx, struct registry_upload *u, struct error *err)
{
	struct script *s = ctx;

	assert_false(s->done);
	s->done = true;
	s->upload = u;
	if (err)
		error_move(&s->err, err);
}

static inline void script_on_blob(
	void *ctx, const struct registry_blob_stats *stats, struct error *err)
{
	struct script *s = ctx;

	assert_false(s->done);
	s->done = true;
	s->stats = *stats;
	s->backend = xstrdup(stats->backend);
	s->etag = xstrdup(stats->etag);
	s->stats.backend = s->stats.etag = NULL;
	if (err)
		error_move(&s->err, err);
}

static inline enum http_io script_on_write(void *ctx, const char *data, size_t n)
{
	struct script *s = ctx;

	assert_int_equal(buf_append(&s->got, data, n, NULL), 0);
	return HTTP_IO_OK;
}

/* ---- waiting ---- */

static inline bool script_is_done(void *ctx)
{
	const struct script *s = ctx;

	return s->done || clock_mono_ms() > s->until_ms;
}

/* Runs the loop until the call has ended; what it ended with is in s. */
static inline enum errc script_wait(struct script *s)
{
	s->until_ms = clock_mono_ms() + PATIENCE_MS;
	assert_int_equal(http_loop_run(s->loop, script_is_done, s, NULL), 0);
	assert_true(s->done);
	return s->err.code;
}

static inline struct digest digest_of_text(const char *text)
{
	struct digest d;

	assert_int_equal(digest_of(DIGEST_SHA256, text, strlen(text), &d, NULL), 0);
	return d;
}

/* The call was answered, or failed, at this "host:port", and its way there was measured. */
static inline void assert_answered_by(
	const struct script *s, const char *host, const struct http_timing *timing)
{
	AUTO_FREE char *backend = xasprintf("http://%s", host);

	assert_non_null(s->backend);
	assert_string_equal(s->backend, backend);
	assert_true(timing->wait_us > 0 && timing->ttfb_us >= timing->wait_us);
	assert_true(
		strcmp(timing->address, "127.0.0.1") == 0 || strcmp(timing->address, "::1") == 0);
}

#define assert_says(s, text)                                                             \
	do {                                                                             \
		if (!strstr(error_text(&(s)->err), text))                                \
			fail_msg("'%s' does not say '%s'", error_text(&(s)->err), text); \
	} while (0)
