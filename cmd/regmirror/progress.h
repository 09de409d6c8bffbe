/*
 * progress.h - what is under way, on a terminal: a line for each blob and one in total.
 *
 * Redrawn at most ten times a second on stderr, below the log lines; nothing
 * anywhere else.  progress_start() with no terminal gives NULL, which all calls take.
 */
#pragma once

#include "http/loop.h"
#include "transfer/transfer.h"

struct progress;

struct progress *progress_start(struct http_loop *loop, const struct transfer_engine *engine);
/* What is left to do, once it is known. */
void progress_total(struct progress *p, uint64_t bytes, uint64_t images);
void progress_image_done(struct progress *p);
void progress_stop(struct progress *p); /* erases it; NULL is fine */
