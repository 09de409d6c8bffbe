/*
 * progress.c - the display below the log lines.
 *
 * The cursor rests at the end of the last line of the block, and is never hidden: whatever
 * ends the program leaves a usable terminal.  A log line erases the block, is printed in its place,
 * and the block is written again below it.
 */
#include "progress.h"

#include <inttypes.h>
#include <sys/ioctl.h>

#include "util/clock.h"
#include "util/log.h"
#include "util/mem.h"
#include "util/parse.h"
#include "util/tty.h"

#define REDRAW_MS    100 /* ten times a second: faster is flicker */
#define BLOBS_MAX    8   /* lines of blobs; more are not read by anybody */
#define ROWS_UNKNOWN 24  /* of a terminal that does not say (VT100) */
#define RESTORES_MAX 3   /* of the block between two redraws: a flood of log lines costs no more */
#define SMOOTH_MS    3000.0 /* time over which rates are averaged: steady enough to be read */
#define DIGEST_SHOWN 12     /* hex digits, as docker shows them */
#define TEXT_MAX     65536  /* bytes of one block: BLOBS_MAX lines of a very wide terminal */

#define ERASE_BELOW "\r\033[J" /* ECMA-48: CR, ED */
#define LINE_UP     "\033[A"   /* CUU */
#define BOLD        "\033[1m"  /* SGR */
#define PLAIN       "\033[m"

/* How fast something grows. */
struct meter {
	uint64_t last;
	double rate; /* bytes a second */
};

struct blob_line {
	struct digest digest;
	struct meter meter;
};

struct progress {
	struct http_loop *loop;
	const struct transfer_engine *engine;
	struct http_timer *timer;
	uint64_t drawn_ms; /* monotonic */
	uint64_t total_bytes, total_images, images;
	struct meter meter;
	struct blob_line blobs[BLOBS_MAX];
	size_t n_blobs;
	struct buf text; /* the block as it was last drawn */
	size_t lines;    /* of it on the screen now; 0: none */
	size_t text_lines;
	unsigned restores;
	bool color;
};

static void meter_update(struct meter *m, uint64_t now, uint64_t elapsed_ms)
{
	double elapsed = (double)elapsed_ms, grown = now > m->last ? (double)(now - m->last) : 0;

	/* A blob that starts again is not slow for it. */
	if (now >= m->last && elapsed > 0) {
		double rate = grown * 1000 / elapsed;

		if (m->rate > 0)
			m->rate += (rate - m->rate) * elapsed / (SMOOTH_MS + elapsed);
		else
			m->rate = rate;
	}
	m->last = now;
}

/* ---- the text ---- */

static size_t rows_for_blobs(void)
{
	struct winsize size = {0};
	size_t rows = ROWS_UNKNOWN;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0)
		rows = size.ws_row;
	/* One for the total, and one that shows the last log line. */
	rows = rows > 2 ? rows - 2 : 0;
	return rows < BLOBS_MAX ? rows : BLOBS_MAX;
}

/* One line, cut before it would wrap: a wrapped one could not be erased. */
static void add_line(struct progress *p, size_t width, bool bold, const char *line)
{
	int room = (int)(width > 1 ? width - 1 : 1);
	const char *begin = bold && p->color ? BOLD : "", *end = bold && p->color ? PLAIN : "";
	const char *newline = p->text_lines ? "\n" : "";

	/* At the ceiling the display is cut; that is all. */
	if (buf_printf(&p->text, NULL, "%s%s%.*s%s", newline, begin, room, line, end) == 0)
		p->text_lines++;
}

static void add_blob(struct progress *p, size_t width, const struct transfer_progress *blob,
	const struct meter *meter)
{
	char digest[DIGEST_STR_MAX];
	char done[SIZE_TEXT_MAX], size[SIZE_TEXT_MAX], rate[SIZE_TEXT_MAX];
	const char *hex = strchr(digest_format(&blob->digest, digest), ':') + 1;
	AUTO_FREE char *line = xasprintf("  %.*s %10s / %-10s %10s/s  %s",
		DIGEST_SHOWN,
		hex,
		format_size(blob->position, done),
		format_size(blob->size, size),
		format_size((uint64_t)meter->rate, rate),
		*blob->source ? blob->source : "waiting for a source");

	add_line(p, width, false, line);
}

static void add_total(struct progress *p, size_t width, uint64_t bytes)
{
	char done[SIZE_TEXT_MAX], total[SIZE_TEXT_MAX], rate[SIZE_TEXT_MAX];
	char left[DURATION_TEXT_MAX] = "?";
	uint64_t missing = p->total_bytes > bytes ? p->total_bytes - bytes : 0;
	AUTO_FREE char *line = NULL;

	/* What is mounted, or comes out of the spool or the store, is never received: then the
	 * total is not reached, and this is the time it would take at most. */
	if (p->meter.rate >= 1)
		format_duration((uint64_t)((double)missing / p->meter.rate) * 1000, left);
	if (p->total_images == 0)
		line = xasprintf("%s, %s/s, looking what there is to do",
			format_size(bytes, done),
			format_size((uint64_t)p->meter.rate, rate));
	else
		line = xasprintf("%s of %s, %s/s, %s left, %" PRIu64 " of %" PRIu64 " images",
			format_size(bytes, done),
			format_size(p->total_bytes, total),
			format_size((uint64_t)p->meter.rate, rate),
			left,
			p->images,
			p->total_images);
	add_line(p, width, true, line);
}

/* Takes over what is known of a blob's speed from the last time. */
static struct meter blob_meter(
	const struct progress *p, const struct transfer_progress *blob, uint64_t elapsed_ms)
{
	struct meter meter = {.last = blob->position};

	for (size_t i = 0; i < p->n_blobs; i++) {
		if (digest_equal(&p->blobs[i].digest, &blob->digest)) {
			meter = p->blobs[i].meter;
			meter_update(&meter, blob->position, elapsed_ms);
			break;
		}
	}
	return meter;
}

static void compose(struct progress *p)
{
	struct transfer_progress running[BLOBS_MAX];
	struct blob_line blobs[BLOBS_MAX] = {0};
	size_t n = transfer_progress(p->engine, running, rows_for_blobs());
	size_t width = tty_width(STDERR_FILENO);
	uint64_t now_ms = clock_mono_ms(), elapsed_ms = now_ms - p->drawn_ms;
	uint64_t bytes = transfer_bytes(p->engine);

	meter_update(&p->meter, bytes, elapsed_ms);
	buf_reset(&p->text);
	p->text_lines = 0;
	for (size_t i = 0; i < n; i++) {
		blobs[i] = (struct blob_line){
			.digest = running[i].digest,
			.meter = blob_meter(p, &running[i], elapsed_ms),
		};
		add_blob(p, width, &running[i], &blobs[i].meter);
	}
	memcpy(p->blobs, blobs, n * sizeof(blobs[0]));
	p->n_blobs = n;
	p->drawn_ms = now_ms;
	add_total(p, width, bytes);
}

/* ---- the screen ---- */

/* In one write, so that nothing is seen in between.  What cannot be shown is not missed. */
static void show(struct progress *p, bool block)
{
	AUTO(buf_clear) struct buf out = BUF_INIT(2 * (size_t)TEXT_MAX);
	int rc = 0;

	for (size_t i = 1; i < p->lines && rc == 0; i++)
		rc = buf_puts(&out, LINE_UP, NULL);
	if (rc == 0 && p->lines > 0)
		rc = buf_puts(&out, ERASE_BELOW, NULL);
	p->lines = block ? p->text_lines : 0;
	if (rc == 0 && block)
		rc = buf_puts(&out, buf_text(&p->text), NULL);
	if (rc == 0 && out.len > 0)
		(void)fwrite(out.data, 1, out.len, stderr);
	(void)fflush(stderr);
}

static void before_log(void *ctx)
{
	show(ctx, false);
}

static void after_log(void *ctx)
{
	struct progress *p = ctx;

	if (p->restores++ < RESTORES_MAX)
		show(p, true);
}

static void tick(void *ctx)
{
	struct progress *p = ctx;

	p->timer = http_timer_start(p->loop, REDRAW_MS, tick, p);
	p->restores = 0;
	compose(p);
	show(p, true);
}

struct progress *progress_start(struct http_loop *loop, const struct transfer_engine *engine)
{
	struct progress *p;

	if (!tty_is(STDERR_FILENO))
		return NULL;
	p = xcalloc(1, sizeof(*p));
	p->loop = loop;
	p->engine = engine;
	p->text = BUF_INIT(TEXT_MAX);
	p->color = tty_wants_color(STDERR_FILENO);
	p->drawn_ms = clock_mono_ms();
	p->meter.last = transfer_bytes(engine);
	p->timer = http_timer_start(loop, REDRAW_MS, tick, p);
	log_around(before_log, after_log, p);
	return p;
}

void progress_total(struct progress *p, uint64_t bytes, uint64_t images)
{
	if (!p)
		return;
	p->total_bytes = bytes;
	p->total_images = p->images + images; /* those that were complete before are done */
}

void progress_image_done(struct progress *p)
{
	if (p)
		p->images++;
}

void progress_stop(struct progress *p)
{
	if (!p)
		return;
	http_timer_stop(&p->timer);
	log_around(NULL, NULL, NULL);
	show(p, false);
	buf_clear(&p->text);
	free(p);
}
