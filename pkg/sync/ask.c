/* ask.c - one tag: the authority first, then those who may answer for it, then memory. */
#include "sync/ask.h"

#include "source/freshness.h"
#include "sync/run.h"
#include "util/clock.h"
#include "util/mem.h"

/* Bytes of what all sources said, in one error; each message is cut at some hundred already. */
#define SAID_MAX ((size_t)8 * 1024)

/* A digest, and who gave it. */
struct vote {
	struct digest digest;
	uint32_t sources; /* a bit each */
	unsigned n;
};

struct ask {
	struct sync_run *run;
	struct ask_request request;
	size_t source; /* of the others, that is asked now */
	size_t asked;  /* whose answer is awaited */
	uint64_t patient_until_ms;
	unsigned tries; /* at the authority */
	struct registry_call *call;
	struct http_timer *timer;    /* of the next try, or of patience with this one */
	registry_reply_fn *answered; /* of the call, for when patience ends */
	struct error err;            /* why the authority did not answer */
	struct buf said;             /* by the others, instead of an answer */
	struct vote votes[SOURCES_MAX];
	size_t n_votes;
};

static void ask_free(struct ask *a)
{
	registry_cancel(&a->call);
	http_timer_stop(&a->timer);
	error_clear(&a->err);
	buf_clear(&a->said);
	free(a);
}

void ask_cancel(struct ask **ask)
{
	if (*ask)
		ask_free(*ask);
	*ask = NULL;
}

static void fail(struct ask *a, struct error *err)
{
	a->request.done(a->request.ctx, NULL, err);
	ask_free(a);
}

static void give(struct ask *a, const struct ask_answer *answer)
{
	a->request.done(a->request.ctx, answer, NULL);
	ask_free(a);
}

/* ---- authorities ---- */

struct authority *ask_authority_of(struct sync_run *run, const struct source_set *set)
{
	for (size_t i = 0; i < run->n_authorities; i++)
		if (run->authorities[i].set == set)
			return &run->authorities[i];
	run->authorities = array_grow(run->authorities,
		run->n_authorities,
		&run->cap_authorities,
		sizeof(*run->authorities));
	run->authorities[run->n_authorities] = (struct authority){.set = set};
	return &run->authorities[run->n_authorities++];
}

bool ask_has_resolvers(const struct source_set *set, bool authority_only)
{
	for (size_t i = 0; !authority_only && i < set->n; i++)
		if (set->items[i].resolve && !set->items[i].authority)
			return true;
	return false;
}

static bool has_others(const struct ask_request *q)
{
	return ask_has_resolvers(q->sources, q->authority_only) || q->sources->stale_sec > 0;
}

bool ask_authority_is_down(
	struct sync_run *run, const struct source_set *set, struct error *ret_err)
{
	const struct authority *known = ask_authority_of(run, set);

	if (clock_mono_ms() >= known->down_until_ms)
		return false;
	error_copy(ret_err, &known->err);
	/* The words that follow are of another question. */
	(void)error_wrap(ret_err, -1, "the authority was not asked again so soon after a failure");
	return true;
}

void ask_authority_failed(
	struct sync_run *run, const struct source_set *set, const struct error *err)
{
	struct authority *authority = ask_authority_of(run, set);

	if (!err || err->code != ERR_TEMP) {
		authority->down_until_ms = 0;
		return;
	}
	authority->down_until_ms = clock_mono_ms() + AUTHORITY_DOWN_MS;
	error_copy(&authority->err, err);
}

static const char *authority_name(const struct source_set *set)
{
	return set->items[set->authority].name;
}

/* ---- memory ---- */

struct tag_name {
	const struct source_set *set;
	const char *repository, *tag;
};

static bool remembers(const struct sync_run *run, const struct source_set *set)
{
	return run->options.state && !run->options.plan_only &&
	       (set->n > 1 || set->cache_tags || set->stale_sec > 0);
}

static int history_of(struct sync_run *run, const struct source_set *set, const char *repository,
	const char *tag, struct tag_history *ret, struct error *err)
{
	struct state_version versions[TAG_HISTORY_MAX];
	size_t n;
	int rc = state_history_get(run->options.state,
		authority_name(set),
		repository,
		tag,
		versions,
		TAG_HISTORY_MAX,
		&n,
		err);

	if (rc < 0)
		return rc;
	*ret = (struct tag_history){.n = n};
	for (size_t i = 0; i < n; i++)
		ret->versions[i] = (struct tag_version){versions[i].digest, versions[i].first_seen};
	return 0;
}

static bool keeps_answers(const struct source_set *set)
{
	return set->cache_tags || set->stale_sec > 0;
}

/* digest NULL: the authority says that the tag is not there. */
static int put_answer(struct sync_run *run, const struct tag_name *name,
	const struct digest *digest, const struct tag_history *history, struct error *err)
{
	const int64_t now = clock_wall_sec();
	uint64_t ttl = TAG_NEGATIVE_SEC;
	struct state_answer row = {
		.authority = authority_name(name->set),
		.repository = name->repository,
		.tag = name->tag,
		.absent = digest == NULL,
		.answered_at = now,
	};

	if (digest) {
		row.digest = *digest;
		ttl = tag_ttl(tag_class_of(name->tag), tag_history_changed(history), now);
		ttl = tag_ttl_jittered(ttl, name->repository, name->tag);
	}
	row.due_at = now + (int64_t)ttl;
	return state_answer_put(run->options.state, &row, err);
}

/* Takes digest in, if it is news. */
static int add_version(struct sync_run *run, const struct tag_name *name,
	const struct digest *digest, struct tag_history *history, struct error *err)
{
	const struct tag_version *v;
	int rc;

	if (!tag_history_add(history, digest, clock_wall_sec()))
		return 0;
	v = &history->versions[history->n - 1];
	rc = state_history_add(run->options.state,
		authority_name(name->set),
		name->repository,
		name->tag,
		&(struct state_version){v->digest, v->first_seen_sec},
		err);
	if (rc == 0 && keeps_answers(name->set))
		rc = put_answer(run, name, digest, history, err);
	return rc;
}

static void learn(struct sync_run *run, const struct tag_name *name, const struct digest *digest,
	bool is_news, struct tag_history *ret)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	int rc;

	*ret = (struct tag_history){.n = 0};
	if (run_state_begin(run) < 0)
		return;
	rc = history_of(run, name->set, name->repository, name->tag, ret, &err);
	if (rc == 0 && (is_news || ret->n == 0))
		rc = add_version(run, name, digest, ret, &err);
	if (rc == 0)
		return;
	ret->n = 0;
	run_fatal(run, &err);
}

void ask_learnt(struct sync_run *run, const struct source_set *set, const char *repository,
	const char *tag, const struct digest *digest, struct tag_history *ret)
{
	learn(run, &(struct tag_name){set, repository, tag}, digest, true, ret);
}

void ask_known(struct sync_run *run, const struct source_set *set, const char *repository,
	const char *tag, const struct digest *digest, struct tag_history *ret)
{
	learn(run, &(struct tag_name){set, repository, tag}, digest, false, ret);
}

void ask_doubt(
	struct sync_run *run, const struct source_set *set, const char *repository, const char *tag)
{
	AUTO(error_clear) struct error err = ERROR_INIT;

	if (run->options.plan_only || run_state_begin(run) < 0)
		return;
	if (state_answer_doubt(run->options.state, authority_name(set), repository, tag, &err) < 0)
		run_fatal(run, &err);
}

/* digest NULL: the authority says that the tag is not there. */
static void remember(struct ask *a, const struct digest *digest)
{
	const struct ask_request *q = &a->request;
	const struct tag_name name = {q->sources, q->repository, q->tag};
	struct tag_history history = {.n = 0};
	AUTO(error_clear) struct error err = ERROR_INIT;

	if (!remembers(a->run, q->sources))
		return;
	if (digest)
		ask_learnt(a->run, q->sources, q->repository, q->tag, digest, &history);
	if (keeps_answers(q->sources) && run_state_begin(a->run) == 0 &&
		put_answer(a->run, &name, digest, &history, &err) < 0)
		run_fatal(a->run, &err);
}

/* Whether the authority is known to have moved on from this digest. */
static bool has_left(struct sync_run *run, const struct tag_name *name, const struct digest *digest)
{
	struct tag_history history;

	if (!run->options.state ||
		history_of(run, name->set, name->repository, name->tag, &history, NULL) < 0 ||
		history.n == 0 || digest_equal(&history.versions[history.n - 1].digest, digest))
		return false;
	for (size_t i = 0; i + 1 < history.n; i++)
		if (digest_equal(&history.versions[i].digest, digest))
			return true;
	return false;
}

/* Whether the authority is asked although there is an answer. */
static bool must_ask(
	struct sync_run *run, const struct source_set *set, const struct state_answer *row)
{
	struct authority *authority;

	/* Of an answer from the future (a clock that jumped back) nothing is known. */
	if (row->answered_at > run->now_sec || row->due_at == 0 ||
		row->answered_at + TAG_STALE_MAX_SEC < run->now_sec)
		return true;
	if (run->now_sec < row->due_at)
		return false;
	authority = ask_authority_of(run, set);
	authority->probes++;
	if (authority->probes == TAG_PROBES_MAX + 1)
		run_note(run,
			"upstream %s: more than %d tags are due to be asked again; the others keep the "
			"answer that is remembered until the next run (--refresh asks for all)",
			set->name,
			TAG_PROBES_MAX);
	return authority->probes <= TAG_PROBES_MAX || row->absent;
}

bool ask_remembered(struct sync_run *run, const struct source_set *set, const char *repository,
	const char *tag, struct digest *ret_digest, bool *ret_absent)
{
	struct state_answer row;

	if (!set->cache_tags || !run->options.state || run->options.refresh)
		return false;
	if (state_answer_get(run->options.state, authority_name(set), repository, tag, &row, NULL) <
		0)
		return false;
	/* Left while the cache was off: older than what was heard since. */
	if ((!row.absent && has_left(run, &(struct tag_name){set, repository, tag}, &row.digest)) ||
		must_ask(run, set, &row))
		return false;
	*ret_digest = row.digest;
	*ret_absent = row.absent;
	return true;
}

/* The log hears it once for each upstream; each image is marked besides. */
static void note(struct ask *a, const char *by)
{
	struct authority *authority = ask_authority_of(a->run, a->request.sources);

	authority->replaced++;
	if (authority->noted)
		return;
	authority->noted = true;
	run_note(a->run,
		"upstream %s: its authority %s cannot be reached (%s); tags are answered in its place "
		"(first: %s:%s by %s)",
		a->request.sources->name,
		authority_name(a->request.sources),
		error_text(&a->err),
		a->request.repository,
		a->request.tag,
		by);
}

/* The last resort: what the authority said some time ago, where that is allowed. */
static bool give_stale(struct ask *a)
{
	const struct ask_request *q = &a->request;
	uint64_t max = q->sources->stale_sec;
	AUTO_FREE char *by = NULL;
	struct state_answer row;
	char time[TIME_TEXT_MAX];

	if (max > TAG_STALE_MAX_SEC)
		max = TAG_STALE_MAX_SEC;
	if (max == 0 || !a->run->options.state ||
		state_answer_get(a->run->options.state,
			authority_name(q->sources),
			q->repository,
			q->tag,
			&row,
			NULL) < 0 ||
		row.absent || row.answered_at + (int64_t)max < clock_wall_sec())
		return false;
	by = xasprintf("stale: as remembered of %s", time_format_rfc3339(row.answered_at, time));
	note(a, by);
	give(a, &(struct ask_answer){.digest = row.digest, .by = by});
	return true;
}

/* ---- patience ---- */

/* The authority may be parked for its blobs alone: its tags were heard to fail, too. */
static bool is_away(struct sync_run *run, const struct source_set *set, const struct source *s)
{
	uint64_t now_ms = clock_mono_ms();

	return s->parked_until_ms > now_ms &&
	       (!s->authority || ask_authority_of(run, set)->down_until_ms > now_ms);
}

bool ask_must_wait(struct sync_run *run, const struct source_set *set, const struct source *s,
	uint64_t *until_ms, struct error *err)
{
	uint64_t now_ms = clock_mono_ms();

	if (is_away(run, set, s)) {
		/* Its own words, and no more of the park than is left: both are noted again. */
		(void)error_set(
			err, ERR_TEMP, "%s", s->last_error ? s->last_error : "it is parked");
		err->retry_sec = (int)((s->parked_until_ms - now_ms) / 1000);
		if (err->retry_sec == 0)
			err->retry_sec = 1;
		return false;
	}
	if (source_heard_within(s, SOURCE_LOOK_MS))
		*until_ms = now_ms + ASK_PATIENCE_MS;
	if (now_ms < *until_ms)
		return true;
	(void)error_set(err, ERR_TEMP, "no answer within %d s", ASK_PATIENCE_MS / 1000);
	err->retry_sec = AUTHORITY_DOWN_MS / 1000;
	return false;
}

static void look(void *ctx);

static void look_later(struct ask *a)
{
	a->timer = http_timer_start(a->run->options.loop, SOURCE_LOOK_MS, look, a);
}

static void look(void *ctx)
{
	struct ask *a = ctx;
	AUTO(error_clear) struct error err = ERROR_INIT;

	a->timer = NULL;
	if (ask_must_wait(a->run,
		    a->request.sources,
		    &a->request.sources->items[a->asked],
		    &a->patient_until_ms,
		    &err)) {
		look_later(a);
		return;
	}
	registry_cancel(&a->call);
	a->answered(a, &(struct registry_reply){.has_digest = false}, &err);
}

static void wait_for(struct ask *a, size_t source, registry_reply_fn *answered)
{
	a->asked = source;
	a->answered = answered;
	a->patient_until_ms = clock_mono_ms() + ASK_PATIENCE_MS;
	look_later(a);
}

/* ---- the others ---- */

static void ask_next(struct ask *a);

/* What the source that was asked last said instead of an answer. */
static void say(struct ask *a, const char *before, const char *text, const char *after)
{
	/* At the ceiling the rest is not said: the first causes are the ones that help. */
	(void)!buf_printf(&a->said,
		NULL,
		"%s%s: %s%s%s",
		a->said.len ? "; " : "",
		a->request.sources->items[a->source].name,
		before,
		text,
		after);
}

static void fail_all(struct ask *a)
{
	if (give_stale(a))
		return;
	if (a->said.len > 0)
		(void)error_wrap(&a->err,
			-(int)a->err.code,
			"the authority was not reached, and nobody answered in its place (%s)",
			buf_text(&a->said));
	fail(a, &a->err);
}

static struct vote *vote(struct ask *a, const struct digest *digest)
{
	struct vote *v = NULL;

	for (size_t i = 0; i < a->n_votes && !v; i++)
		if (digest_equal(&a->votes[i].digest, digest))
			v = &a->votes[i];
	if (!v) {
		v = &a->votes[a->n_votes++];
		*v = (struct vote){.digest = *digest};
	}
	v->sources |= 1u << a->source;
	v->n++;
	return v;
}

/* "mirror.example", or "a.example, b.example agree". */
static char *voters(const struct ask *a, const struct vote *v)
{
	char *text = xstrdup("");

	for (size_t i = 0; i < a->request.sources->n; i++) {
		AUTO_FREE char *before = text;

		if (!(v->sources & 1u << i)) {
			text = xstrdup(before);
			continue;
		}
		text = xasprintf(
			"%s%s%s", before, *before ? ", " : "", a->request.sources->items[i].name);
	}
	if (v->n > 1) {
		AUTO_FREE char *names = text;

		text = xasprintf("%s agree", names);
	}
	return text;
}

static void other_done(void *ctx, struct registry_reply *reply, struct error *err)
{
	struct ask *a = ctx;
	struct source_set *set = a->request.sources;
	const struct tag_name name = {set, a->request.repository, a->request.tag};
	char text[DIGEST_STR_MAX];
	struct vote *v;

	a->call = NULL;
	http_timer_stop(&a->timer);
	source_note(&set->items[a->source], err);
	if (err) {
		say(a, "", error_text(err), "");
	} else if (has_left(a->run, &name, &reply->digest)) {
		say(a,
			"still has ",
			digest_format(&reply->digest, text),
			", which the authority has left");
	} else {
		v = vote(a, &reply->digest);
		if (v->n >= (set->quorum ? set->quorum : 1)) {
			AUTO_FREE char *by = voters(a, v);

			note(a, by);
			give(a, &(struct ask_answer){.digest = v->digest, .by = by});
			return;
		}
		say(a,
			"says ",
			digest_format(&reply->digest, text),
			", alone or with too few for the quorum");
	}
	a->source++;
	ask_next(a);
}

static void ask_next(struct ask *a)
{
	struct source_set *set = a->request.sources;
	struct registry_get get = {.reference = a->request.tag, .done = other_done, .ctx = a};
	AUTO_FREE char *name = NULL;
	const struct source *s;

	if (a->request.authority_only) /* private: only what is remembered may stand in */
		a->source = set->n;
	for (; a->source < set->n; a->source++) {
		s = &set->items[a->source];
		if (s->authority || !s->resolve)
			continue;
		if (s->parked_until_ms <= clock_mono_ms() + ASK_PATIENCE_MS)
			break;
		say(a, "", "said to stay away for a while, or failed again and again", "");
	}
	if (a->source == set->n) {
		fail_all(a);
		return;
	}
	s = &set->items[a->source];
	name = source_repository(s, a->request.repository);
	get.repository = name;
	a->call = registry_manifest_head(s->registry, &get);
	wait_for(a, a->source, other_done);
}

/* ---- the authority ---- */

static void begin(void *ctx);

/* Once more, where it may be a passing fault: not when it said how long to stay away. */
static bool try_again(struct ask *a, const struct error *err)
{
	if (err->code != ERR_TEMP || err->retry_sec > 0 || ++a->tries >= AUTHORITY_ATTEMPTS)
		return false;
	a->timer = http_timer_start(a->run->options.loop,
		backoff_ms(SOURCE_BACKOFF_MS, SOURCE_BACKOFF_CAP_MS, a->tries),
		begin,
		a);
	return true;
}

static void authority_done(void *ctx, struct registry_reply *reply, struct error *err)
{
	struct ask *a = ctx;
	struct source_set *set = a->request.sources;

	a->call = NULL;
	http_timer_stop(&a->timer);
	source_note(&set->items[set->authority], err);
	if (err && has_others(&a->request) && try_again(a, err))
		return;
	ask_authority_failed(a->run, set, err);
	if (!err) {
		remember(a, &reply->digest);
		give(a,
			&(struct ask_answer){.digest = reply->digest,
				.body = a->request.body ? reply->body : NULL,
				.media_type = reply->media_type});
		return;
	}
	if (err->code == ERR_NOTFOUND)
		remember(a, NULL);
	if (err->code != ERR_TEMP || !has_others(&a->request)) {
		fail(a, err);
		return;
	}
	error_move(&a->err, err);
	ask_next(a);
}

static void begin(void *ctx)
{
	struct ask *a = ctx;
	const struct ask_request *q = &a->request;
	const struct source *authority = &q->sources->items[q->sources->authority];
	const bool others = has_others(q);
	AUTO_FREE char *name = source_repository(authority, q->repository);
	struct registry_get get = {
		.repository = name,
		.reference = q->tag,
		.attempts = others ? 1 : REGISTRY_ATTEMPTS,
		.lane = transfer_lane(a->run->options.engine),
		.done = authority_done,
		.ctx = a,
	};

	a->timer = NULL;
	if (others && ask_authority_is_down(a->run, q->sources, &a->err)) {
		ask_next(a);
		return;
	}
	a->call = q->body ? registry_manifest_get(authority->registry, &get)
			  : registry_manifest_head(authority->registry, &get);
	if (others)
		wait_for(a, q->sources->authority, authority_done);
}

struct ask *ask_tag(struct sync_run *run, const struct ask_request *request)
{
	struct ask *a = xcalloc(1, sizeof(*a));

	a->run = run;
	a->request = *request;
	a->said = BUF_INIT(SAID_MAX);
	/* From the loop, so that done() never comes from inside this call. */
	a->timer = http_timer_start(run->options.loop, 0, begin, a);
	return a;
}
