/*
 * hot.h - manifests that are being asked for again and again, in memory.
 *
 * A look into the index takes several system calls, a manifest's file some more: together twice
 * the time of everything else that an answer needs.  What was found is therefore used again for
 * HOT_MS, unless this process changed something meanwhile; what another process changes is seen
 * after that time, as if the request had come that much earlier.  Manifests only: they are small.
 *
 * Thread-safe.
 */
#pragma once

#include "oci/media.h"
#include "server/route.h"
#include "util/buf.h"

#define HOT_MS        100                 /* far below any collector's grace */
#define HOT_ENTRY_MAX ((size_t)64 * 1024) /* bytes of a manifest; nearly all are below 16 KiB */
#define HOT_MAX       ((size_t)4 * 1024 * 1024) /* bytes of all; then it begins anew */

struct hot;

struct hot *hot_new(void) NODISCARD;
void hot_free(struct hot *h); /* NULL is fine */

struct hot_manifest {
	struct digest digest;
	char type[MEDIA_TYPE_MAX + 1];
	struct buf bytes;
};

/* Found: *ret is filled, its bytes appended. */
bool hot_get(struct hot *h, const struct route *route, struct hot_manifest *ret);
/* To be asked before the store is; what was found then is put with the answer. */
uint64_t hot_now(struct hot *h);
void hot_put(struct hot *h, const struct route *route, uint64_t asked,
	const struct hot_manifest *manifest);
/* A tag or a manifest changed, and is in the store: nothing that was asked before counts. */
void hot_changed(struct hot *h);
