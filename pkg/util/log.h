/*
 * log.h - lines for people and for log collectors, on stderr.
 *
 * Only programs under cmd/ log; packages return errors and events.  Secrets
 * given to log_redact() never appear: each occurrence is printed as "***".
 * Thread-safe.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "util/compiler.h"

enum log_level {
	LOG_ERROR_,
	LOG_WARN_,
	LOG_INFO_,
	LOG_DEBUG_
};

struct log_options {
	enum log_level level;  /* lines above it are dropped */
	bool json;             /* one JSON object a line: time, level, msg, fields */
	bool journal_priority; /* "<N>" before the line: stderr is the journal's stream */
};

/* A key and a value: text, or a number when text is NULL. */
struct log_field {
	const char *key;
	const char *text;
	uint64_t number;
};

void log_setup(
	const struct log_options *options, FILE *out); /* before the first line; out is borrowed */
void log_redact(const char *secret); /* text shorter than 4 characters is ignored */
bool log_enabled(enum log_level level);
/* Called before and after each line is printed, so that a progress display can step aside. */
void log_around(void (*before)(void *), void (*after)(void *), void *ctx);

void log_error(const char *fmt, ...) PRINTF(1, 2);
void log_warn(const char *fmt, ...) PRINTF(1, 2);
void log_info(const char *fmt, ...) PRINTF(1, 2);
void log_debug(const char *fmt, ...) PRINTF(1, 2);
/* A message with fields; fields ends with a NULL key. Text form: msg key=value ... */
void log_event(enum log_level level, const struct log_field *fields, const char *fmt, ...)
	PRINTF(3, 4);
