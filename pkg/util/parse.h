/*
 * parse.h - numbers, sizes, durations: text to value and back.
 *
 * Every parser takes the whole string, writes *ret only on success, and fails
 * with ERR_USAGE and a message that quotes the text (80 characters of it).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

/* Decimal digits only: no sign, no space. */
NODISCARD int parse_u64(const char *s, uint64_t *ret, struct error *err);

/* "0", "512", "64KiB", "20GiB", "1TiB": bytes, powers of 1024; a bare number is bytes. */
NODISCARD int parse_size(const char *s, uint64_t *ret_bytes, struct error *err);

/* "0", "250ms", "90s", "15m", "6h", "7d", "1h30m": milliseconds; a bare number other than 0 is
 * refused. */
NODISCARD int parse_duration(const char *s, uint64_t *ret_ms, struct error *err);

/* A boolean as YAML 1.2 writes it: true or false. */
NODISCARD int parse_bool(const char *s, bool *ret, struct error *err);

#define SIZE_TEXT_MAX     16 /* chars, with the NUL: "1023.9 MiB" */
#define DURATION_TEXT_MAX 24 /* chars, with the NUL: "365d 23h" */
/* For people: "17.3 MiB", "812 B". Returns buf. */
char *format_size(uint64_t bytes, char buf[static SIZE_TEXT_MAX]);
/* For people: "840ms", "12.3s", "4m 10s", "3h 5m", "7d 2h". Returns buf. */
char *format_duration(uint64_t ms, char buf[static DURATION_TEXT_MAX]);
/* As the configuration writes them, lossless: "64KiB", "90s". Return buf. */
char *format_size_exact(uint64_t bytes, char buf[static SIZE_TEXT_MAX + 8]);
char *format_duration_exact(uint64_t ms, char buf[static DURATION_TEXT_MAX]);

/* True when s has no control characters and is valid UTF-8: fit for a log line or a terminal. */
bool text_is_clean(const char *s, size_t len);
/* A copy with every unfit byte as \xNN, at most max characters ("..." at the cut). Caller frees. */
char *text_sanitize(const char *s, size_t len, size_t max) NODISCARD;
