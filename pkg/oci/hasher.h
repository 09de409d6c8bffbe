/*
 * hasher.h - a digest computed while the bytes go by.
 *
 * Reusable: hasher_reset() starts over, also with another algorithm.  One
 * thread at a time.
 */
#pragma once

#include "oci/digest.h"

struct hasher;

/* Fails with ERR_IO if the crypto library refuses the algorithm. */
NODISCARD int hasher_new(enum digest_algo algo, struct hasher **ret, struct error *err);
NODISCARD int hasher_reset(struct hasher *h, enum digest_algo algo, struct error *err);
void hasher_free(struct hasher *h); /* NULL is fine */
DEFINE_CLEANUP(struct hasher *, hasher_free);

void hasher_update(struct hasher *h, const void *data, size_t len);
/* The digest of all bytes so far; the hasher must be reset before it is used again. */
struct digest hasher_finish(struct hasher *h);
/* The same, and the hasher goes on.  ERR_NOMEM. */
NODISCARD int hasher_peek(const struct hasher *h, struct digest *ret, struct error *err);
