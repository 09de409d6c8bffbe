#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "transfer/ring.h"
#include "util/clock.h"
#include "util/mem.h"

/* A byte that can be told from its neighbours, at each offset of the stream. */
static char byte_at(uint64_t offset)
{
	return (char)(offset * 31 + (offset >> 8) * 7 + (offset >> 16));
}

static void write_bytes(struct ring *r, size_t n)
{
	AUTO_FREE char *data = xmalloc(n ? n : 1);

	for (size_t i = 0; i < n; i++)
		data[i] = byte_at(r->head + i);
	ring_write(r, data, n);
}

/* Reads up to room bytes and holds them against the stream; how many came. */
static size_t read_bytes(struct ring *r, int reader, size_t room)
{
	AUTO_FREE char *data = xmalloc(room ? room : 1);
	uint64_t from = r->tail[reader];
	size_t n = ring_read(r, reader, data, room);

	for (size_t i = 0; i < n; i++)
		assert_int_equal(data[i], byte_at(from + i));
	return n;
}

static int setup(void **state)
{
	struct ring *r = xcalloc(1, sizeof(*r));

	ring_init(r);
	r->limit = UINT64_MAX;
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct ring *r = *state;

	ring_clear(r);
	free(r);
	return 0;
}

static void every_reader_gets_every_byte_in_order(void **state)
{
	struct ring *r = *state;
	int readers[RING_READERS];
	uint64_t want[RING_READERS] = {0};

	for (int i = 0; i < RING_READERS; i++) {
		readers[i] = ring_reader_add(r);
		assert_true(readers[i] >= 0);
	}
	/* Some ten times around, each at its own pace. */
	for (int round = 0; round < 200; round++) {
		size_t room = ring_room(r), n = (size_t)random_below(room + 1);

		write_bytes(r, n);
		for (int i = 0; i < RING_READERS; i++)
			want[i] += read_bytes(r, readers[i], (size_t)random_below(RING_SIZE / 4));
	}
	for (int i = 0; i < RING_READERS; i++) {
		want[i] += read_bytes(r, readers[i], RING_SIZE);
		assert_int_equal(want[i], r->head);
	}
	assert_true(r->head > 2 * (uint64_t)RING_SIZE);
}

static void the_slowest_reader_holds_the_producer(void **state)
{
	struct ring *r = *state;
	int quick = ring_reader_add(r), slow = ring_reader_add(r);
	char *at;

	write_bytes(r, RING_SIZE);
	assert_int_equal(ring_room(r), 0);
	assert_int_equal(ring_space(r, &at), 0);
	assert_int_equal(read_bytes(r, quick, RING_SIZE), RING_SIZE);
	assert_int_equal(ring_room(r), 0);
	assert_int_equal(read_bytes(r, slow, 100), 100);
	assert_int_equal(ring_room(r), 100);
	ring_reader_remove(r, slow);
	assert_int_equal(ring_room(r), RING_SIZE);
}

static void bytes_without_readers_go_by(void **state)
{
	struct ring *r = *state;

	for (int i = 0; i < 3; i++) {
		write_bytes(r, RING_SIZE);
		assert_int_equal(ring_room(r), RING_SIZE);
	}
	assert_int_equal(r->head, 3 * RING_SIZE);
}

static void no_reader_passes_the_limit(void **state)
{
	struct ring *r = *state;
	int reader = ring_reader_add(r);
	const char *at;

	r->limit = 1000;
	write_bytes(r, 1500);
	assert_int_equal(ring_readable(r, reader), 1000);
	assert_int_equal(read_bytes(r, reader, 5000), 1000);
	assert_int_equal(ring_readable(r, reader), 0);
	assert_int_equal(ring_peek(r, reader, &at), 0);
	r->limit = 1500;
	assert_int_equal(read_bytes(r, reader, 5000), 500);
	/* A limit behind a reader holds it where it is. */
	write_bytes(r, 10);
	r->limit = 100;
	assert_int_equal(ring_readable(r, reader), 0);
}

static void pieces_end_where_the_memory_does(void **state)
{
	struct ring *r = *state;
	int reader = ring_reader_add(r);
	const char *from;
	char *to;

	write_bytes(r, RING_SIZE - 10);
	assert_int_equal(read_bytes(r, reader, RING_SIZE), RING_SIZE - 10);
	assert_int_equal(ring_space(r, &to), 10);
	assert_ptr_equal(to, r->data + RING_SIZE - 10);
	write_bytes(r, 30);
	assert_int_equal(ring_peek(r, reader, &from), 10);
	assert_ptr_equal(from, r->data + RING_SIZE - 10);
	ring_skip(r, reader, 10);
	assert_int_equal(ring_peek(r, reader, &from), 20);
	assert_ptr_equal(from, r->data);
	assert_int_equal(read_bytes(r, reader, 100), 20);
}

static void what_is_written_in_place_is_read(void **state)
{
	struct ring *r = *state;
	int reader = ring_reader_add(r);
	char *to;

	for (int i = 0; i < 7; i++) {
		size_t room = ring_space(r, &to);
		size_t n = room < RING_SIZE / 3 ? room : RING_SIZE / 3;

		for (size_t k = 0; k < n; k++)
			to[k] = byte_at(r->head + k);
		ring_wrote(r, n);
		assert_int_equal(read_bytes(r, reader, RING_SIZE), n);
	}
}

static void a_new_reader_begins_at_the_head(void **state)
{
	struct ring *r = *state;
	int reader;

	write_bytes(r, 100);
	reader = ring_reader_add(r);
	assert_int_equal(ring_readable(r, reader), 0);
	write_bytes(r, 50);
	assert_int_equal(read_bytes(r, reader, 1000), 50);
}

static void a_ring_has_places_for_so_many_readers(void **state)
{
	struct ring *r = *state;

	for (int i = 0; i < RING_READERS; i++)
		assert_int_equal(ring_reader_add(r), i);
	assert_int_equal(ring_reader_add(r), -1);
	ring_reader_remove(r, 3);
	assert_int_equal(ring_reader_add(r), 3);
}

static void a_restart_empties_it_and_keeps_the_memory(void **state)
{
	struct ring *r = *state;
	char *data = r->data;

	(void)ring_reader_add(r);
	write_bytes(r, 1000);
	ring_restart(r);
	assert_ptr_equal(r->data, data);
	assert_int_equal(r->head, 0);
	assert_int_equal(r->limit, 0);
	assert_int_equal(ring_room(r), RING_SIZE);
	assert_int_equal(ring_reader_add(r), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define RING_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		RING_TEST(every_reader_gets_every_byte_in_order),
		RING_TEST(the_slowest_reader_holds_the_producer),
		RING_TEST(bytes_without_readers_go_by),
		RING_TEST(no_reader_passes_the_limit),
		RING_TEST(pieces_end_where_the_memory_does),
		RING_TEST(what_is_written_in_place_is_read),
		RING_TEST(a_new_reader_begins_at_the_head),
		RING_TEST(a_ring_has_places_for_so_many_readers),
		RING_TEST(a_restart_empties_it_and_keeps_the_memory),
	};

	return cmocka_run_group_tests_name("transfer/ring", tests, NULL, NULL);
}
