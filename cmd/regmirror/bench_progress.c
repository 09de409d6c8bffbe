/* bench_progress.c - one line on stderr, below the log lines. */
#include "bench_progress.h"

#include "util/log.h"
#include "util/mem.h"
#include "util/parse.h"
#include "util/tty.h"

#define ERASE_LINE "\r\033[J" /* ECMA-48: CR, ED */

struct bench_display {
	char *upstream;
	char *line; /* as it was last drawn; or NULL */
};

static void erase(void *ctx)
{
	(void)ctx;
	(void)fputs(ERASE_LINE, stderr);
	(void)fflush(stderr);
}

/* Cut before it would wrap: a wrapped line could not be erased. */
static void draw(void *ctx)
{
	const struct bench_display *d = ctx;
	size_t width = tty_width(STDERR_FILENO);

	if (d->line)
		(void)fprintf(stderr, ERASE_LINE "%.*s", (int)(width > 1 ? width - 1 : 1), d->line);
	(void)fflush(stderr);
}

struct bench_display *bench_display_start(const char *upstream)
{
	struct bench_display *d;

	if (!tty_is(STDERR_FILENO) || !log_enabled(LOG_INFO_))
		return NULL;
	d = xcalloc(1, sizeof(*d));
	d->upstream = upstream ? xasprintf("%s: ", upstream) : xstrdup("");
	log_around(erase, draw, d);
	return d;
}

static char *describe(const struct bench_progress *p)
{
	switch (p->phase) {
	case BENCH_LOOKING:
		break;
	case BENCH_LATENCY:
		return p->round < p->rounds ? xasprintf("latency of %s, new connections, %u of %u",
						      p->place,
						      p->round + 1,
						      p->rounds)
					    : xasprintf("latency of %s, open connection", p->place);
	case BENCH_THROUGHPUT:
		return xasprintf("throughput of %s, round %u of %u", p->place, p->round, p->rounds);
	case BENCH_TOGETHER:
		return xasprintf("%s and its equal at once", p->place);
	}
	return xstrdup("looking who has what");
}

void bench_display_show(struct bench_display *d, const struct bench_progress *progress)
{
	AUTO_FREE char *what = NULL;
	char left[DURATION_TEXT_MAX];

	if (!d)
		return;
	what = describe(progress);
	free(d->line);
	d->line = xasprintf("%s%s%s%s",
		d->upstream,
		what,
		progress->left_ms ? ", left: " : "",
		progress->left_ms ? format_duration(progress->left_ms, left) : "");
	draw(d);
}

void bench_display_stop(struct bench_display *d)
{
	if (!d)
		return;
	log_around(NULL, NULL, NULL);
	erase(d);
	free(d->upstream);
	free(d->line);
	free(d);
}
