/*
 * json.h - reading JSON that a peer wrote, and writing JSON of our own.
 *
 * Jansson stays behind this header; the prefix is jx_ because Jansson owns json_.  A struct jx is one parsed document;
 * a struct jx_value points into it and is valid as long as it is.  Getters fail with
 * ERR_REMOTE and name the path ("layers[3].size: not a number").  Duplicate keys
 * are refused everywhere (RFC 8259 4: their meaning differs between readers).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/buf.h"
#include "util/error.h"

struct jx;
struct jx_value; /* opaque; borrowed from its struct jx */

/* depth_max: nesting allowed, checked before anything is allocated.  Fails with ERR_REMOTE. */
NODISCARD int jx_parse(
	const void *text, size_t len, unsigned depth_max, struct jx **ret, struct error *err);
void jx_free(struct jx *j); /* NULL is fine */
DEFINE_CLEANUP(struct jx *, jx_free);
const struct jx_value *jx_root(const struct jx *j);

/* Optional members: NULL when missing or null.  The wrong type fails with ERR_REMOTE. */
NODISCARD int jx_object(const struct jx_value *v,
	const char *key,
	const struct jx_value **ret,
	struct error *err);
NODISCARD int jx_array(const struct jx_value *v,
	const char *key,
	const struct jx_value **ret,
	struct error *err);
/* Borrowed text, or NULL when missing or null. */
NODISCARD int jx_text(
	const struct jx_value *v, const char *key, const char **ret, struct error *err);
/* Not negative; def when missing or null. */
NODISCARD int jx_u64(const struct jx_value *v,
	const char *key,
	uint64_t def,
	uint64_t *ret,
	struct error *err);
size_t jx_count(const struct jx_value *array);                       /* 0 for NULL */
const struct jx_value *jx_at(const struct jx_value *array, size_t i);
const char *jx_as_text(const struct jx_value *v); /* NULL when it is no string */
bool jx_is_object(const struct jx_value *v);
/* Walks an object's members in the document's order: NULL at the end. */
typedef int jx_member_fn(void *ctx, const char *key, const struct jx_value *v, struct error *err);
NODISCARD int jx_each(
	const struct jx_value *object, jx_member_fn *fn, void *ctx, struct error *err);

/*
 * Writing: text is appended to a struct buf; commas and quotes are the writer's.
 *	struct jx_writer w = {.out = &b};
 *	jx_begin_object(&w, NULL); jx_put_text(&w, "name", "x"); jx_end_object(&w);
 * key is NULL inside arrays and at the top.  Errors (the buf's ceiling) are kept
 * in w.failed and reported by jx_writer_finish().
 */
struct jx_writer {
	struct buf *out;
	unsigned depth;
	bool comma;   /* something precedes on this level */
	bool failed;
	bool pretty;  /* one member a line, two spaces of indent */
};

void jx_begin_object(struct jx_writer *w, const char *key);
void jx_end_object(struct jx_writer *w);
void jx_begin_array(struct jx_writer *w, const char *key);
void jx_end_array(struct jx_writer *w);
void jx_put_text(struct jx_writer *w, const char *key, const char *text); /* NULL text: null */
void jx_put_u64(struct jx_writer *w, const char *key, uint64_t n);
void jx_put_i64(struct jx_writer *w, const char *key, int64_t n);
void jx_put_fixed(struct jx_writer *w, const char *key, double n, int decimals);
void jx_put_bool(struct jx_writer *w, const char *key, bool b);
/* Fails with ERR_NOMEM if the ceiling was met on the way. */
NODISCARD int jx_writer_finish(struct jx_writer *w, struct error *err);
