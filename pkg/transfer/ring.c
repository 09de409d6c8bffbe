/* ring.c - the circular buffer between a GET and its PUTs. */
#include "transfer/ring.h"

#include <assert.h>

#include "util/mem.h"

static size_t min_size(uint64_t a, uint64_t b)
{
	return (size_t)(a < b ? a : b);
}

void ring_init(struct ring *r)
{
	*r = (struct ring){.data = xmalloc(RING_SIZE)};
}

void ring_clear(struct ring *r)
{
	free(r->data);
	*r = (struct ring){.data = NULL};
}

void ring_restart(struct ring *r)
{
	char *data = r->data;

	*r = (struct ring){.data = data};
}

int ring_reader_add(struct ring *r)
{
	for (int i = 0; i < RING_READERS; i++) {
		if (r->reading[i])
			continue;
		r->reading[i] = true;
		r->tail[i] = r->head;
		return i;
	}
	return -1;
}

void ring_reader_remove(struct ring *r, int reader)
{
	r->reading[reader] = false;
}

static uint64_t slowest(const struct ring *r)
{
	uint64_t low = r->head;

	for (int i = 0; i < RING_READERS; i++)
		if (r->reading[i] && r->tail[i] < low)
			low = r->tail[i];
	return low;
}

size_t ring_room(const struct ring *r)
{
	return RING_SIZE - (size_t)(r->head - slowest(r));
}

size_t ring_space(const struct ring *r, char **ret_data)
{
	size_t at = (size_t)(r->head % RING_SIZE);

	*ret_data = r->data + at;
	return min_size(ring_room(r), RING_SIZE - at);
}

void ring_wrote(struct ring *r, size_t n)
{
	assert(n <= ring_room(r));
	r->head += n;
}

void ring_write(struct ring *r, const char *data, size_t n)
{
	assert(n <= ring_room(r));
	while (n > 0) {
		char *to;
		size_t piece = min_size(ring_space(r, &to), n);

		memcpy(to, data, piece);
		ring_wrote(r, piece);
		data += piece;
		n -= piece;
	}
}

size_t ring_readable(const struct ring *r, int reader)
{
	uint64_t end = r->head < r->limit ? r->head : r->limit;

	return end > r->tail[reader] ? (size_t)(end - r->tail[reader]) : 0;
}

size_t ring_peek(const struct ring *r, int reader, const char **ret_data)
{
	size_t at = (size_t)(r->tail[reader] % RING_SIZE);

	*ret_data = r->data + at;
	return min_size(ring_readable(r, reader), RING_SIZE - at);
}

void ring_skip(struct ring *r, int reader, size_t n)
{
	assert(n <= ring_readable(r, reader));
	r->tail[reader] += n;
}

size_t ring_read(struct ring *r, int reader, char *to, size_t room)
{
	size_t done = 0;

	while (done < room) {
		const char *from;
		size_t piece = min_size(ring_peek(r, reader, &from), room - done);

		if (piece == 0)
			break;
		memcpy(to + done, from, piece);
		ring_skip(r, reader, piece);
		done += piece;
	}
	return done;
}
