/*
 * error.c - why a call failed: a class to act on, and a message to read.
 *
 * Nothing here can fail: when there is no memory for a message the class alone remains, and
 * error_text() falls back to its name.
 */
#include "util/error.h"

#include <stdarg.h>

static const char *const names[ERR_MAX_] = {
	[ERR_NONE] = "success",
	[ERR_USAGE] = "usage",
	[ERR_NOTFOUND] = "not found",
	[ERR_AUTH] = "not authorized",
	[ERR_TEMP] = "temporary failure",
	[ERR_REMOTE] = "remote error",
	[ERR_CORRUPT] = "corrupt data",
	[ERR_TRUST] = "not trusted",
	[ERR_IO] = "I/O error",
	[ERR_NOMEM] = "out of memory",
	[ERR_CANCELED] = "canceled",
	[ERR_BUSY] = "busy",
};

const char *errc_name(enum errc code)
{
	return (unsigned)code < ERR_MAX_ ? names[code] : "unknown error";
}

/* What the user can do about it is worth more than what the kernel calls it. */
const char *errno_text(int sys)
{
	switch (sys) {
	case ENOSPC:
		return "no space left on the disk; free some or move the state directory";
	case EDQUOT:
		return "the disk quota is used up; free some space or move the state directory";
	case EROFS:
		return "the file system is read-only; make it writable or move the state directory";
	case EMFILE:
	case ENFILE:
		return "too many open files; raise the limit (ulimit -n) or lower 'parallel'";
	default:
		return strerror(sys);
	}
}

void error_clear(struct error *err)
{
	free(err->msg);
	*err = ERROR_INIT;
}

const char *error_text(const struct error *err)
{
	return err->msg ? err->msg : errc_name(err->code);
}

static void error_vset(struct error *err, enum errc code, int sys, const char *fmt, va_list ap)
	PRINTF(4, 0);

static void error_vset(struct error *err, enum errc code, int sys, const char *fmt, va_list ap)
{
	AUTO_FREE char *msg = NULL;
	AUTO_FREE char *full = NULL;

	error_clear(err);
	err->code = code;
	err->sys = sys;
	if (vasprintf(&msg, fmt, ap) < 0) {
		msg = NULL;
		return;
	}
	if (sys && asprintf(&full, "%s: %s", msg, errno_text(sys)) < 0)
		full = NULL;
	err->msg = full ? steal(&full) : steal(&msg);
}

int error_set(struct error *err, enum errc code, const char *fmt, ...)
{
	va_list ap;

	if (err) {
		va_start(ap, fmt);
		error_vset(err, code, 0, fmt, ap);
		va_end(ap);
	}
	return -(int)code;
}

int error_errno(struct error *err, const char *fmt, ...)
{
	int sys = errno;
	enum errc code = sys == ENOENT ? ERR_NOTFOUND : sys == ENOMEM ? ERR_NOMEM : ERR_IO;
	va_list ap;

	if (err) {
		va_start(ap, fmt);
		error_vset(err, code, sys, fmt, ap);
		va_end(ap);
	}
	return -(int)code;
}

int error_wrap(struct error *err, int rc, const char *fmt, ...)
{
	AUTO_FREE char *prefix = NULL;
	char *joined;
	va_list ap;
	int n;

	if (!err)
		return rc;
	va_start(ap, fmt);
	n = vasprintf(&prefix, fmt, ap);
	va_end(ap);
	if (n < 0) {
		prefix = NULL;
		return rc;
	}
	if (asprintf(&joined, "%s: %s", prefix, error_text(err)) >= 0) {
		free(err->msg);
		err->msg = joined;
	}
	return rc;
}

void error_move(struct error *to, struct error *from)
{
	if (to == from)
		return;
	error_clear(to);
	*to = *from;
	*from = ERROR_INIT;
}

void error_copy(struct error *to, const struct error *from)
{
	struct error copy = *from;

	copy.msg = from->msg ? strdup(from->msg) : NULL;
	error_clear(to);
	*to = copy;
}
