/* A heap of deadlines: the next one is its first. */
#include "http/internal.h"
#include "util/clock.h"
#include "util/mem.h"

/* Due together, the one that was set first goes first: timers keep their order. */
static bool before(const struct http_timer *a, const struct http_timer *b)
{
	return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->order < b->order;
}

/* Every move goes through here, so that a timer always knows where it is. */
static void place(struct timers *h, struct http_timer *t, size_t at)
{
	h->heap[at] = t;
	t->index = at;
}

static void sift_up(struct timers *h, size_t at)
{
	struct http_timer *t = h->heap[at];

	for (; at > 0 && before(t, h->heap[(at - 1) / 2]); at = (at - 1) / 2)
		place(h, h->heap[(at - 1) / 2], at);
	place(h, t, at);
}

static void sift_down(struct timers *h, size_t at)
{
	struct http_timer *t = h->heap[at];

	for (size_t child; (child = 2 * at + 1) < h->n; at = child) {
		if (child + 1 < h->n && before(h->heap[child + 1], h->heap[child]))
			child++;
		if (!before(h->heap[child], t))
			break;
		place(h, h->heap[child], at);
	}
	place(h, t, at);
}

void timer_init(struct http_timer *t, struct http_loop *loop, void (*fn)(void *ctx), void *ctx)
{
	*t = (struct http_timer){.loop = loop, .index = TIMER_IDLE, .fn = fn, .ctx = ctx};
}

/* The last timer takes its place, and then finds its own, up or down. */
void timer_unset(struct http_timer *t)
{
	struct timers *h = &t->loop->timers;
	size_t at = t->index;

	if (at == TIMER_IDLE)
		return;
	t->index = TIMER_IDLE;
	h->n--;
	if (at == h->n)
		return;
	place(h, h->heap[h->n], at);
	sift_up(h, at);
	sift_down(h, h->heap[at]->index);
}

/* Setting it again moves it; a heap of a few hundred makes that cheap enough for each phase. */
void timer_set(struct http_timer *t, uint64_t due_ms)
{
	struct timers *h = &t->loop->timers;

	timer_unset(t);
	h->heap = array_grow(h->heap, h->n, &h->cap, sizeof(struct http_timer *));
	t->due_ms = due_ms;
	t->order = h->order++;
	place(h, t, h->n++);
	sift_up(h, h->n - 1);
}

uint64_t timers_wait_ms(const struct timers *timers, uint64_t now_ms, uint64_t ceiling_ms)
{
	uint64_t due_ms;

	if (timers->n == 0)
		return ceiling_ms;
	due_ms = timers->heap[0]->due_ms;
	if (due_ms <= now_ms)
		return 0;
	return due_ms - now_ms < ceiling_ms ? due_ms - now_ms : ceiling_ms;
}

/* Timers that were started by a timer's own function wait for the next round. */
void timers_run(struct http_loop *loop)
{
	struct timers *h = &loop->timers;
	uint64_t newest = h->order;

	while (h->n > 0 && h->heap[0]->due_ms <= loop->now_ms && h->heap[0]->order < newest) {
		struct http_timer *t = h->heap[0];
		bool owned = t->owned;

		timer_unset(t);
		t->fn(t->ctx); /* may free t, unless we own it */
		if (owned)
			free(t);
	}
}

void timers_free(struct timers *timers)
{
	for (size_t i = 0; i < timers->n; i++) {
		if (timers->heap[i]->owned)
			free(timers->heap[i]);
	}
	free(timers->heap);
	*timers = (struct timers){.n = 0};
}

/* Not from now_ms: it may be called between rounds, when that is old. */
struct http_timer *http_timer_start(
	struct http_loop *loop, uint64_t ms, void (*fn)(void *ctx), void *ctx)
{
	struct http_timer *t = xmalloc(sizeof(*t));

	timer_init(t, loop, fn, ctx);
	t->owned = true;
	timer_set(t, clock_mono_ms() + ms);
	return t;
}

void http_timer_stop(struct http_timer **timer)
{
	struct http_timer *t = steal(timer);

	/* Not in the heap: it is being run, and will be freed after that. */
	if (!t || t->index == TIMER_IDLE)
		return;
	timer_unset(t);
	free(t);
}
