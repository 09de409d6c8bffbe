/*
 * verdict.c - who gave wrong bytes: by proof (sources.md 3.7, steps 1 and 2).
 *
 * All bytes from one source: it gave them.  Else the blob is fetched whole from the most
 * trusted source, and once that copy is verified the segments of the wrong one are held against it.
 */
#include "transfer/job.h"

#include <fcntl.h>
#include <inttypes.h>

#include "util/clock.h"
#include "util/file.h"
#include "util/mem.h"

#define NEXT_AFTER_STRIKE "it gives no more bytes of this blob"
#define KEPT_MAX          ((uint64_t)8 * 1024 * 1024) /* wrong bytes kept of one source: a range */
#define KEPT_PIECE        ((size_t)64 * 1024)         /* of them, copied at once */

const struct source *verdict_only_giver(const struct job *j)
{
	const struct source *giver = NULL;

	if (j->from_file)
		return NULL;
	for (size_t i = 0; j->sources && i < j->sources->n; i++) {
		if (!(j->gave & (1u << i)))
			continue;
		if (giver)
			return NULL;
		giver = &j->sources->items[i];
	}
	return giver;
}

char *verdict_place(const struct registry_blob_stats *stats)
{
	if (!stats || !*stats->backend)
		return NULL;
	if (!*stats->timing.address)
		return xstrdup(stats->backend);
	return xasprintf("%s (%s)", stats->backend, stats->timing.address);
}

/* ---- what one GET gave ---- */

/* What begins at byte 0 is hashed by the job already; that the whole is wrong needs no proof. */
void verdict_get_begins(struct job *j, size_t source)
{
	if (!j->one_source)
		blame_run_begin(&j->run, j->digest.algo, source, j->position, j->position > 0);
}

struct blame *verdict_blame(struct job *j)
{
	if (!j->blame)
		j->blame = blame_new(j->digest.algo);
	return j->blame;
}

void verdict_get_ends(struct job *j, const struct registry_blob_stats *stats)
{
	struct blame_run *run = &j->run;
	struct digest prefix;
	const bool whole = run->first == 0 && run->at == j->size;

	if (stats) {
		free(j->giver_place);
		j->giver_place = verdict_place(stats);
	}
	if (!run->open)
		return;
	if (!whole && run->at > run->first) {
		const char *place = stats ? j->giver_place : NULL;

		if (run->hasher)
			blame_run_end(run, verdict_blame(j), place);
		else if (run->first == 0 && hasher_peek(j->hasher, &prefix, NULL) == 0)
			blame_add(verdict_blame(j), run->source, 0, run->at, &prefix, place);
	}
	blame_run_end(run, NULL, NULL);
}

/* ---- wrong ---- */

/* Once for each blob: two strikes would be a quarantine. */
static void strike(struct job *j, size_t source, const char *evidence, const struct error *err)
{
	source_learn(j->sources, &j->trials, source, 0, err, clock_mono_ms());
	failures_note(&j->failures, j->sources, source, err);
	source_struck(j->sources, source, &j->digest, evidence, clock_wall_sec());
	j->struck |= 1u << source;
}

static void strike_only_giver(struct job *j, const struct source *giver, const struct error *err)
{
	const size_t source = (size_t)(giver - j->sources->items);
	AUTO_FREE char *evidence = xasprintf("bytes 0-%" PRIu64 "%s%s: %s",
		j->size - 1,
		j->giver_place ? " from " : "",
		j->giver_place ? j->giver_place : "",
		error_text(err));

	strike(j, source, evidence, err);
}

/* Several origins: one of them is wrong, and only a whole copy from one tells which. */
static void ask_for_whole(struct job *j)
{
	int copy = j->spool.fd >= 0 ? fcntl(j->spool.fd, F_DUPFD_CLOEXEC, 0) : -1;

	j->one_source = true;
	j->trials.attempts++;
	if (j->blame)
		blame_check_begin(j->blame, copy);
	else
		closep(&copy);
}

void verdict_wrong(struct job *j, const struct digest *got)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	const struct source *giver = verdict_only_giver(j);
	char have[DIGEST_STR_MAX];

	(void)error_set(&err,
		ERR_CORRUPT,
		"%s%s: the bytes received hash to %s",
		giver ? "source " : "",
		giver                      ? giver->name
		: j->from_file && !j->gave ? "a copy on disk"
		: j->from_file             ? "a copy on disk and what was added to it"
		: j->size == 0             ? "an empty blob"
					   : "several sources",
		digest_format(got, have));
	job_event(j,
		NULL,
		&err,
		giver ? "dropped; trying another source from byte 0"
		      : "dropped; asking one source for the whole from byte 0");
	if (j->from_file && j->spool.fd < 0)
		j->avoid_store = true;
	if (giver)
		strike_only_giver(j, giver, &err);
	else
		ask_for_whole(j);
	error_move(&j->last, &err);
	job_restart(j);
}

/* The authority before all others; then one that gave nothing to the wrong copy. */
bool verdict_choose(const struct job *j, uint64_t now_ms, size_t *ret_index)
{
	const struct source_want want = {.bytes = j->size, .running = true};
	struct source_trials others = j->trials;
	uint64_t wait;

	if (!j->one_source)
		return false;
	if (j->sources->authority < j->sources->n &&
		source_usable(j->sources, &j->trials, j->sources->authority, now_ms)) {
		*ret_index = j->sources->authority;
		return true;
	}
	for (size_t i = 0; i < j->sources->n; i++)
		if (j->blame && blame_has(j->blame, i))
			others.each[i].excluded = true;
	return source_choose(j->sources, &others, &want, now_ms, ret_index, &wait) == SOURCE_ASK;
}

/* ---- right ---- */

static int copy_bytes(int from, int to, uint64_t first, uint64_t end)
{
	AUTO_FREE char *piece = xmalloc(KEPT_PIECE);

	while (first < end) {
		size_t n = end - first < KEPT_PIECE ? (size_t)(end - first) : KEPT_PIECE;

		if (pread_all(from, piece, n, first, NULL) < 0 || write_all(to, piece, n, NULL) < 0)
			return -1;
		first += n;
	}
	return 0;
}

/*
 * Keeps what was wrong beside the spool, for whoever looks into it; old files are swept there.
 * The file's name, and the first byte that is in it; NULL: it was not kept.  Caller frees.
 */
static char *keep_wrong(const struct job *j, const struct blame_segment *s, uint64_t *ret_first)
{
	const uint64_t first = s->end - s->first <= KEPT_MAX ? s->first : s->differs_at;
	const int dirfd = j->engine->options.spool_dirfd, wrong = blame_wrong_fd(j->blame);
	AUTO_FREE char *name = NULL;
	AUTO_CLOSE int fd = -1;
	char digest[DIGEST_STR_MAX];

	if (wrong < 0 || dirfd < 0 || s->differs_at == UINT64_MAX)
		return NULL;
	name = xasprintf("quarantine-%s-%u",
		strchr(digest_format(&j->digest, digest), ':') + 1,
		(unsigned)s->source);
	fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return NULL;
	if (copy_bytes(wrong, fd, first, s->end - first < KEPT_MAX ? s->end : first + KEPT_MAX) <
		0) {
		(void)unlinkat(dirfd, name, 0);
		return NULL;
	}
	*ret_first = first;
	return steal(&name);
}

static char *evidence_of(const struct job *j, const struct blame_segment *s, const char *by)
{
	const char *place = blame_place(j->blame, s);
	uint64_t first = 0;
	AUTO_FREE char *kept = keep_wrong(j, s, &first);
	AUTO_FREE char *at = NULL;
	AUTO_FREE char *where = NULL;

	if (s->differs_at != UINT64_MAX)
		at = xasprintf(", first at byte %" PRIu64, s->differs_at);
	if (kept)
		where = xasprintf(", kept from byte %" PRIu64 " on in spool/%s", first, kept);
	return xasprintf("bytes %" PRIu64 "-%" PRIu64 "%s%s differ from those verified by %s%s%s",
		s->first,
		s->end - 1,
		place ? " from " : "",
		place ? place : "",
		by,
		at ? at : "",
		where ? where : "");
}

static void strike_for(struct job *j, const struct blame_segment *s, const char *by)
{
	AUTO_FREE char *evidence = evidence_of(j, s, by);
	AUTO(error_clear) struct error err = ERROR_INIT;

	(void)error_set(&err,
		ERR_CORRUPT,
		"source %s gave wrong bytes: %s",
		j->sources->items[s->source].name,
		evidence);
	strike(j, s->source, evidence, &err);
	job_event_of(j, s->source, &err, NEXT_AFTER_STRIKE);
}

void verdict_right(struct job *j)
{
	const struct source *by = verdict_only_giver(j);
	const struct blame_segment *s;
	bool any = false;
	size_t at = 0;

	if (!j->one_source || !j->blame)
		return;
	while ((s = blame_next_wrong(j->blame, &at))) {
		any = true;
		if (!(j->struck & (1u << s->source)))
			strike_for(j, s, by ? by->name : "a copy on disk");
	}
	if (!any) {
		AUTO(error_clear) struct error err = ERROR_INIT;

		(void)error_set(&err,
			ERR_CORRUPT,
			"no source is proven to have given wrong bytes: they were on disk");
		job_event(j, NULL, &err, "going on with the copy that is right");
	}
	blame_free(j->blame);
	j->blame = NULL;
}
