/*
 * lane.h - where large manifests wait for each other (internal to the package).
 *
 * A body of up to LANE_SMALL bytes is received at once; one that turns out larger, or
 * is declared so, is asked for (again) when it has one of LANE_PLACES.  That keeps the
 * memory of bodies under way at LANE_SMALL for each connection and MANIFEST_MAX for each
 * place, whatever peers send (design.md 2, promise 6).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "registry/client.h"

#define LANE_SMALL  (256u * 1024) /* bytes; the largest index known has some 60 KiB */
#define LANE_PLACES 2             /* more than one, so that a slow peer does not stop all others */

/* A part of whatever waits. */
struct lane_turn {
	struct manifest_lane *lane;
	struct lane_turn *next;
	bool waiting, has_place;
	void (*begin)(struct lane_turn *turn); /* the place is there */
};

/* Calls begin(), now or when a place is free. */
void lane_enter(struct manifest_lane *lane, struct lane_turn *turn);
/* Gives the place back, or leaves the queue; nothing when it did neither enter. */
void lane_leave(struct lane_turn *turn);
