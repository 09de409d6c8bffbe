/*
 * log.c - lines for people and for log collectors.
 *
 * Every text goes the same way: secrets are blanked out first, while they still look as they
 * were given to log_redact(), then what does not fit a terminal is escaped, then it is quoted.
 */
#include "util/log.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>

#include "util/clock.h"
#include "util/mem.h"
#include "util/parse.h"

/* Characters of one text in a line: a longer one is cut, so that no peer can flood the log. */
#define LOG_TEXT_MAX 4096
/* Shorter secrets would blank out half of each line. */
#define SECRET_MIN  4
#define SECRET_SIGN "***"

static const struct level {
	const char *json;   /* value of "level" */
	const char *prefix; /* before a line for people */
	int priority;       /* sd-daemon(3) */
} levels[] = {
	[LOG_ERROR_] = {"error", "error: ", 3},
	[LOG_WARN_] = {"warning", "warning: ", 4},
	[LOG_INFO_] = {"info", "", 6},
	[LOG_DEBUG_] = {"debug", "debug: ", 7},
};

/* The program's one log; the only mutable global of the packages. */
static struct {
	pthread_mutex_t lock;
	struct log_options options;
	FILE *out; /* NULL: stderr */
	char **secrets;
	size_t n_secrets, cap_secrets;
	void (*before)(void *);
	void (*after)(void *);
	void *around_ctx;
} sink = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.options = {.level = LOG_INFO_},
};

void log_setup(const struct log_options *options, FILE *out)
{
	pthread_mutex_lock(&sink.lock);
	sink.options = *options;
	sink.out = out;
	pthread_mutex_unlock(&sink.lock);
}

void log_redact(const char *secret)
{
	if (!secret || strlen(secret) < SECRET_MIN)
		return;
	pthread_mutex_lock(&sink.lock);
	sink.secrets =
		array_grow(sink.secrets, sink.n_secrets, &sink.cap_secrets, sizeof(*sink.secrets));
	sink.secrets[sink.n_secrets++] = xstrdup(secret);
	pthread_mutex_unlock(&sink.lock);
}

bool log_enabled(enum log_level level)
{
	bool enabled;

	pthread_mutex_lock(&sink.lock);
	enabled = level <= sink.options.level;
	pthread_mutex_unlock(&sink.lock);
	return enabled;
}

void log_around(void (*before)(void *), void (*after)(void *), void *ctx)
{
	pthread_mutex_lock(&sink.lock);
	sink.before = before;
	sink.after = after;
	sink.around_ctx = ctx;
	pthread_mutex_unlock(&sink.lock);
}

/* Length of the longest secret that s starts with, or 0: one may begin with another. */
static size_t secret_at(const char *s)
{
	size_t longest = 0;

	for (size_t i = 0; i < sink.n_secrets; i++) {
		size_t len = strlen(sink.secrets[i]);

		if (len > longest && strncmp(s, sink.secrets[i], len) == 0)
			longest = len;
	}
	return longest;
}

/* A copy of s without secrets and fit for one line; caller frees. */
static char *clean(const char *s)
{
	/* Grows where the sign is longer than the secret: never, by SECRET_MIN. */
	AUTO_FREE char *out = xmalloc(strlen(s) + 1);
	size_t n = 0;

	while (*s) {
		size_t skip = secret_at(s);

		if (skip) {
			for (const char *sign = SECRET_SIGN; *sign; sign++)
				out[n++] = *sign;
			s += skip;
		} else {
			out[n++] = *s++;
		}
	}
	return text_sanitize(out, n, LOG_TEXT_MAX);
}

static void put_quoted(FILE *line, const char *s)
{
	putc('"', line);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			putc('\\', line);
		putc(*s, line);
	}
	putc('"', line);
}

static void put_json(
	FILE *line, enum log_level level, const struct log_field *fields, const char *msg)
{
	char now[TIME_TEXT_MAX];

	fprintf(line,
		"{\"time\":\"%s\",\"level\":\"%s\",\"msg\":",
		time_format_rfc3339(clock_wall_sec(), now),
		levels[level].json);
	put_quoted(line, msg);
	for (const struct log_field *f = fields; f && f->key; f++) {
		AUTO_FREE char *text = f->text ? clean(f->text) : NULL;

		putc(',', line);
		put_quoted(line, f->key);
		putc(':', line);
		if (text)
			put_quoted(line, text);
		else
			fprintf(line, "%" PRIu64, f->number);
	}
	putc('}', line);
}

static void put_text(
	FILE *line, enum log_level level, const struct log_field *fields, const char *msg)
{
	fprintf(line, "%s%s", levels[level].prefix, msg);
	for (const struct log_field *f = fields; f && f->key; f++) {
		AUTO_FREE char *text = f->text ? clean(f->text) : NULL;

		fprintf(line, " %s=", f->key);
		if (!text)
			fprintf(line, "%" PRIu64, f->number);
		else if (!*text || strpbrk(text, " \"=\\"))
			put_quoted(line, text);
		else
			fputs(text, line);
	}
}

/* The finished line with its newline; caller frees.  The sink is locked. */
static char *format_line(
	enum log_level level, const struct log_field *fields, const char *raw, size_t *ret_len)
{
	AUTO_FREE char *msg = clean(raw);
	char *text = NULL;
	FILE *line = open_memstream(&text, ret_len);

	if (!line)
		return NULL;
	if (sink.options.journal_priority)
		fprintf(line, "<%d>", levels[level].priority);
	if (sink.options.json)
		put_json(line, level, fields, msg);
	else
		put_text(line, level, fields, msg);
	putc('\n', line);
	(void)fclose(line);
	return text;
}

static void emit(enum log_level level, const struct log_field *fields, const char *fmt, va_list ap)
	PRINTF(3, 0);

static void emit(enum log_level level, const struct log_field *fields, const char *fmt, va_list ap)
{
	AUTO_FREE char *raw = NULL;
	AUTO_FREE char *line = NULL;
	int saved = errno;
	size_t len = 0;
	FILE *out;

	if (!log_enabled(level))
		return;
	raw = xvasprintf(fmt, ap);
	pthread_mutex_lock(&sink.lock);
	out = sink.out ? sink.out : stderr;
	line = format_line(level, fields, raw, &len);
	if (sink.before)
		sink.before(sink.around_ctx);
	/* In one piece, so that the lines of several processes on one stderr stay whole. */
	if (line)
		(void)fwrite(line, 1, len, out);
	(void)fflush(out);
	if (sink.after)
		sink.after(sink.around_ctx);
	pthread_mutex_unlock(&sink.lock);
	errno = saved;
}

void log_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit(LOG_ERROR_, NULL, fmt, ap);
	va_end(ap);
}

void log_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit(LOG_WARN_, NULL, fmt, ap);
	va_end(ap);
}

void log_info(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit(LOG_INFO_, NULL, fmt, ap);
	va_end(ap);
}

void log_debug(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit(LOG_DEBUG_, NULL, fmt, ap);
	va_end(ap);
}

void log_event(enum log_level level, const struct log_field *fields, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit(level, fields, fmt, ap);
	va_end(ap);
}
