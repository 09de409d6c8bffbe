/*
 * error.h - why a call failed: a class to act on, and a message to read.
 *
 * A function that can fail returns int: 0, or -class.  Its last parameter is
 * `struct error *err`; on failure it is filled, on success it is untouched.
 * err may be NULL when only the class matters.
 *
 *	AUTO(error_clear) struct error err = ERROR_INIT;
 *
 *	if (blob_fetch(client, &digest, fd, &err) < 0)
 *		log_error("%s", error_text(&err));
 */
#pragma once

#include <stdbool.h>

#include "util/compiler.h"

/*
 * Classes answer "what should the caller do?", not "what went wrong?"; add one
 * only when some caller behaves differently for it.
 */
enum errc {
	ERR_NONE = 0,
	ERR_USAGE,    /* bad flag, config or reference: tell the user; exit 2 */
	ERR_NOTFOUND, /* the thing is not there: 404, ENOENT */
	ERR_AUTH,     /* 401 or 403 after credentials were tried */
	ERR_TEMP,     /* may work later or elsewhere: retry, then the next source */
	ERR_REMOTE,   /* the peer broke the protocol: next source, no retry */
	ERR_CORRUPT,  /* digest or size mismatch: next source, distrust this one */
	ERR_TRUST,    /* policy refused it: never retried, never ignored */
	ERR_IO,       /* local disk, socket, database: sys holds errno */
	ERR_NOMEM,
	ERR_CANCELED, /* the user or a deadline stopped it: what is complete is kept */
	ERR_BUSY,     /* another run holds the lock: exit 75 (EX_TEMPFAIL of sysexits.h) */
	ERR_MAX_
};

struct error {
	enum errc code;
	int sys;       /* errno, or 0 */
	int http;      /* HTTP status, or 0 */
	int retry_sec; /* Retry-After in seconds, or 0 */
	char *msg;     /* owned; "outer: inner: cause", no final period or newline */
};

#define ERROR_INIT ((struct error){.code = ERR_NONE})

void error_clear(struct error *err);

/* The message, or the class name if there is none.  Never NULL; valid until err changes. */
const char *error_text(const struct error *err);

const char *errc_name(enum errc code);
static inline bool errc_is_retryable(enum errc code)
{
	return code == ERR_TEMP;
}

/* Fills err and returns -code, so that `return error_set(err, ERR_AUTH, ...);` reads as one step.
 */
int error_set(struct error *err, enum errc code, const char *fmt, ...) PRINTF(3, 4);

/* strerror(), but a full or read-only disk says what to do about it.  Never NULL. */
const char *errno_text(int sys);

/* As error_set(ERR_IO) - or ERR_NOTFOUND, ERR_NOMEM - with ": errno_text(errno)" appended. */
int error_errno(struct error *err, const char *fmt, ...) PRINTF(2, 3);

/* Puts "fmt: " before the message and returns -err->code: context added on the way out. */
int error_wrap(struct error *err, int rc, const char *fmt, ...) PRINTF(3, 4);

/*
 * Hands *from over to *to, which is cleared first; *from is ERROR_INIT after.
 * For an error that travels through a callback to whoever waits for it.
 */
void error_move(struct error *to, struct error *from);

/* A copy of from in *to, which is cleared first: several waiters each get their own. */
void error_copy(struct error *to, const struct error *from);
