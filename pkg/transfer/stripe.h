/*
 * stripe.h - one blob from several sources at once (internal to the package).
 *
 * Closed ranges (transfer/stripe_plan.h), two a source, are written where they belong in the
 * spool file; what lies there from the first byte on without a hole goes into the ring, as from any
 * file: hash, hold-back and sinks see no difference.  Memory: no buffers but libcurl's.
 *
 * A source that fails leaves the stripe, and its ranges are free again; the last one goes on alone.
 * The producer ends when nobody is left, or all is there.
 */
#pragma once

#include "transfer/job.h"

struct stripe;

/*
 * Begins at job->position, which is the end of the spool's prefix, with n sources, best first.
 * False: the spool cannot take it; it was given up.
 */
bool stripe_start(struct job *j, const size_t *sources, size_t n);
void stripe_pump(struct job *j);                  /* the ring has room, or bytes came */
void stripe_stop(struct job *j);                  /* what came stays in the spool */
const char *stripe_label(const struct stripe *s); /* "3 sources" */
