/*
 * access_log.h - one line for each request, for people and for programs.
 *
 *	time=2026-11-24T17:00:00Z peer=192.0.2.1 user="bob" method="GET" path="/v2/a/tags/list"
 *	status=200 complete=true in=0 out=1234 ms=5 agent="containerd/1.7"
 *
 * (in one line).  What a client chose is quoted: backslash and quote with a backslash before them,
 * whatever is not clean text as \xNN, so that no client can write a line of its own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "util/buf.h"

/* Characters of a client's text that are kept; "..." at the cut. */
#define ACCESS_PATH_MAX   512u
#define ACCESS_AGENT_MAX  200u
#define ACCESS_USER_MAX   128u
#define ACCESS_METHOD_MAX 32u
#define ACCESS_LINE_MAX   ((size_t)4096) /* bytes of a line: each character as \xNN, and the rest */

struct access_line {
	int64_t time_sec; /* wall clock, at the end */
	const char *peer, *method, *path;
	const char *user;  /* NULL: anonymous */
	const char *agent; /* NULL: not said */
	int status;        /* 0: the client left before there was an answer */
	bool complete;     /* the answer went out whole */
	uint64_t bytes_in, bytes_out, ms;
};

/* Appends the line without its end.  Fails with ERR_NOMEM at the buffer's ceiling. */
NODISCARD int access_line_format(const struct access_line *line, struct buf *to, struct error *err);
