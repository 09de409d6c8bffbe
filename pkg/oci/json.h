/*
 * json.h - reading JSON that a peer wrote, and writing JSON of our own.
 *
 * Jansson stays behind this header; the prefix is jx_ because Jansson owns
 * json_.  A struct jx is one parsed document; a struct jx_value points into it
 * and is valid as long as it is.  Getters fail with ERR_REMOTE and name the
 * member ("size: not a number"); who knows the way there puts it before
 * ("layers[3]: size: not a number").  Duplicate keys are refused everywhere
 * (RFC 8259 4: their meaning differs between readers), and so are numbers
 * beyond 64 bits, NUL in strings, and text that is not UTF-8.
 *
 * Memory: a hostile "[[],[],[], ..." would cost Jansson 40 bytes for each byte of
 * text.  jx_parse() therefore counts first, in one pass that allocates nothing,
 * what the tree would take, and refuses the document beyond JX_TREE_MAX.
 *
 * One document belongs to one thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/buf.h"
#include "util/error.h"

/*
 * Bytes that the tree of one document may take, counted in advance.  Enough for
 * MANIFEST_MAX bytes of any real manifest and for a list of 100,000 tags.
 */
#define JX_TREE_MAX ((size_t)16 * 1024 * 1024)

struct jx;
struct jx_value; /* opaque; borrowed from its struct jx */

/*
 * The whole text is one object or array.  depth_max: nesting allowed, checked
 * before anything is allocated, as JX_TREE_MAX is.  Fails with ERR_REMOTE.
 */
NODISCARD int jx_parse(
	const void *text, size_t len, unsigned depth_max, struct jx **ret, struct error *err);
void jx_free(struct jx *j); /* NULL is fine */
DEFINE_CLEANUP(struct jx *, jx_free);
const struct jx_value *jx_root(const struct jx *j);

/* True when there is such a member, be it null. */
bool jx_has(const struct jx_value *v, const char *key);
/*
 * Optional members: NULL when missing or null, or when v is NULL.  The wrong
 * type, of the member or of v itself, fails with ERR_REMOTE.
 */
NODISCARD int jx_object(
	const struct jx_value *v, const char *key, const struct jx_value **ret, struct error *err);
NODISCARD int jx_array(
	const struct jx_value *v, const char *key, const struct jx_value **ret, struct error *err);
/* Borrowed text, or NULL when missing or null. */
NODISCARD int jx_text(
	const struct jx_value *v, const char *key, const char **ret, struct error *err);
/* Not negative; def when missing or null. */
NODISCARD int jx_u64(
	const struct jx_value *v, const char *key, uint64_t def, uint64_t *ret, struct error *err);
size_t jx_count(const struct jx_value *array); /* 0 for NULL */
const struct jx_value *jx_at(const struct jx_value *array, size_t i);
const char *jx_as_text(const struct jx_value *v); /* NULL when it is no string */
bool jx_is_object(const struct jx_value *v);
/*
 * Calls fn for an object's members in the document's order (for none if object
 * is NULL) until one call fails; returns what that call returned.
 */
typedef int jx_member_fn(void *ctx, const char *key, const struct jx_value *v, struct error *err);
NODISCARD int jx_each(
	const struct jx_value *object, jx_member_fn *fn, void *ctx, struct error *err);

/*
 * Writing: text is appended to a struct buf; commas and quotes are the writer's.
 *	struct jx_writer w = {.out = &b};
 *	jx_begin_object(&w, NULL); jx_put_text(&w, "name", "x"); jx_end_object(&w);
 * key is NULL inside arrays and at the top.  Errors (the buf's ceiling) are kept
 * in w.failed and reported by jx_writer_finish().  Text may come from anywhere:
 * what is no UTF-8 is written as U+FFFD.
 */
struct jx_writer {
	struct buf *out;
	unsigned depth;
	bool comma; /* something precedes on this level */
	bool failed;
	bool pretty; /* one member a line, two spaces of indent */
};

void jx_begin_object(struct jx_writer *w, const char *key);
void jx_end_object(struct jx_writer *w);
void jx_begin_array(struct jx_writer *w, const char *key);
void jx_end_array(struct jx_writer *w);
void jx_put_text(struct jx_writer *w, const char *key, const char *text); /* NULL text: null */
void jx_put_u64(struct jx_writer *w, const char *key, uint64_t n);
void jx_put_i64(struct jx_writer *w, const char *key, int64_t n);
/* n with so many decimals; null when it is not finite. */
void jx_put_fixed(struct jx_writer *w, const char *key, double n, int decimals);
void jx_put_bool(struct jx_writer *w, const char *key, bool b);
/* Fails with ERR_NOMEM if the ceiling was met on the way. */
NODISCARD int jx_writer_finish(struct jx_writer *w, struct error *err);
