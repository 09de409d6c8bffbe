/* collect_internal.h - what the collector's modules share. */
#pragma once

#include "store/collect.h"
#include "store/internal.h"

/*
 * Files removed in one transaction: they are held open until it has ended, since freeing a large
 * file's blocks takes longer than all else.
 */
#define COLLECT_FILES 64

struct collect_item {
	struct digest digest;
	uint64_t size; /* bytes */
	bool is_manifest;
	bool gone; /* or a publisher took it back */
};

struct collect {
	struct store *store;
	const struct collect_options *options;
	struct db *scan; /* a connection of its own: long reads without a lock of this process */
	int64_t now_sec, cutoff_sec; /* wall clock; rows that were seen before the cutoff may go */
	struct collect_result result;
	bool enough;
};

/* Whether the caller has had enough. */
bool collect_is_stopped(struct collect *c);
/* One that goes, or would. */
void collect_tell(struct collect *c, const struct digest *digest, uint64_t size, const char *why);

/* ---- collect_files.c ---- */

/* The files of doomed content go, and the marks; up to COLLECT_FILES. */
NODISCARD int collect_bury(
	struct collect *c, struct collect_item *items, size_t n, struct error *err);
/* What a killed collector had doomed. */
NODISCARD int collect_doomed(struct collect *c, struct error *err);
/* Files that no row knows, and temporary names. */
NODISCARD int collect_orphans(struct collect *c, struct error *err);
