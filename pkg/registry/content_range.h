/*
 * content_range.h - which bytes an answer holds, and which an upload session has.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "util/error.h"

struct content_range {
	bool unsatisfied; /* "bytes STAR/total": none of the bytes asked for exist */
	uint64_t first;   /* offsets of the first and the last byte, both included */
	uint64_t last;
	bool has_total;
	uint64_t total; /* bytes of the whole */
};

/*
 * Content-Range of a 206 or 416 (RFC 9110 14.4).  Fails with ERR_REMOTE for another unit,
 * an order that is wrong, or a last byte beyond the total.
 */
NODISCARD int content_range_parse(const char *value, struct content_range *ret, struct error *err);

/*
 * Range of an upload answer: "0-<last>", with or without "bytes=" (protocol.md 4.4).
 * *ret_last is the offset of the last byte that arrived; "0-0" may also mean none.
 * Fails with ERR_REMOTE.
 */
NODISCARD int upload_range_parse(const char *value, uint64_t *ret_last, struct error *err);
