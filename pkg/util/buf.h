/*
 * buf.h - bytes that grow up to a ceiling.
 *
 * A struct buf owns its memory; `data` is NULL while cap is 0, and otherwise
 * always has a NUL after its `len` bytes, so text can be read in place.  `max`
 * is the ceiling in bytes (without the NUL) and is chosen where the buf is made:
 * whoever fills it with a peer's bytes gets ERR_NOMEM at the ceiling, with the
 * content as it was.
 *
 *	AUTO(buf_clear) struct buf b = BUF_INIT(MANIFEST_MAX);
 *
 * Not thread-safe; one owner at a time.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

#include "util/error.h"

struct buf {
	char *data;
	size_t len; /* bytes in use */
	size_t cap; /* bytes allocated, with room for the NUL */
	size_t max; /* ceiling of len, bytes */
};

#define BUF_INIT(ceiling) ((struct buf){.max = (ceiling)})

void buf_clear(struct buf *b); /* frees; the ceiling stays */
void buf_reset(struct buf *b); /* len = 0, memory is kept */

/* Fail with ERR_NOMEM when the ceiling would be passed; *b is unchanged then. */
NODISCARD int buf_append(struct buf *b, const void *data, size_t len, struct error *err);
NODISCARD int buf_puts(struct buf *b, const char *s, struct error *err);
NODISCARD int buf_printf(struct buf *b, struct error *err, const char *fmt, ...) PRINTF(3, 4);
/* Room for at least `more` bytes beyond len, so that a caller may write there and add to len. */
NODISCARD int buf_reserve(struct buf *b, size_t more, struct error *err);

/* The text so far, never NULL; valid until b changes. */
const char *buf_text(const struct buf *b);
/* The memory, now the caller's to free() (never NULL); b is empty after. */
char *buf_steal(struct buf *b);
