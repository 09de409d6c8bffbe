/*
 * lane.c - a few places, and a queue for them.
 */
#include "registry/lane.h"

#include "util/mem.h"

struct manifest_lane {
	size_t taken;
	struct lane_turn *first; /* in order of entering */
};

struct manifest_lane *manifest_lane_new(void)
{
	return xcalloc(1, sizeof(struct manifest_lane));
}

void manifest_lane_free(struct manifest_lane *lane)
{
	free(lane);
}

static void begin(struct lane_turn *turn)
{
	turn->lane->taken++;
	turn->has_place = true;
	turn->begin(turn);
}

void lane_enter(struct manifest_lane *lane, struct lane_turn *turn)
{
	struct lane_turn **end = &lane->first;

	turn->lane = lane;
	if (lane->taken < LANE_PLACES) {
		begin(turn);
		return;
	}
	while (*end)
		end = &(*end)->next;
	turn->next = NULL;
	turn->waiting = true;
	*end = turn;
}

static void leave_queue(struct lane_turn *turn)
{
	struct lane_turn **at = &turn->lane->first;

	while (*at != turn)
		at = &(*at)->next;
	*at = turn->next;
	turn->waiting = false;
}

void lane_leave(struct lane_turn *turn)
{
	struct manifest_lane *lane = turn->lane;
	struct lane_turn *next;

	if (turn->waiting)
		leave_queue(turn);
	if (!turn->has_place)
		return;
	turn->has_place = false;
	lane->taken--;
	next = lane->first;
	if (!next)
		return;
	leave_queue(next);
	begin(next);
}
