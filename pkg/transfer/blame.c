/* blame.c - hashes of segments, and the same bytes of a copy that is right. */
#include "transfer/blame.h"

#include "util/file.h"
#include "util/mem.h"

#define CHECKS_MAX 64                  /* segments that hold one byte: a range and its copies */
#define COMPARED   ((size_t)16 * 1024) /* bytes of the wrong copy that are read at once */

/* A segment that the passing copy has reached. */
struct check {
	struct blame_segment *segment;
	struct hasher *hasher;
};

struct blame {
	enum digest_algo algo;
	struct blame_segment *segments;
	size_t n, cap;
	char *places[BLAME_PLACES_MAX];
	size_t n_places;
	struct check checks[CHECKS_MAX];
	size_t n_checks, next; /* next: segment that was not reached yet */
	int wrong_fd;
};

/* ---- what arrives ---- */

void blame_run_begin(
	struct blame_run *run, enum digest_algo algo, size_t source, uint64_t first, bool hashed)
{
	*run = (struct blame_run){.open = true, .source = source, .first = first, .at = first};
	/* Without a hash it proves nothing, and that is all. */
	if (hashed && hasher_new(algo, &run->hasher, NULL) < 0)
		run->hasher = NULL;
}

void blame_run_take(struct blame_run *run, const void *data, size_t n)
{
	if (run->hasher)
		hasher_update(run->hasher, data, n);
	run->at += n;
}

void blame_run_end(struct blame_run *run, struct blame *b, const char *place)
{
	struct digest hash;

	if (run->open && b && run->hasher && run->at > run->first) {
		hash = hasher_finish(run->hasher);
		blame_add(b, run->source, run->first, run->at, &hash, place);
	}
	hasher_free(run->hasher);
	*run = (struct blame_run){.open = false};
}

/* ---- segments ---- */

struct blame *blame_new(enum digest_algo algo)
{
	struct blame *b = xcalloc(1, sizeof(*b));

	b->algo = algo;
	b->wrong_fd = -1;
	return b;
}

static void drop_checks(struct blame *b)
{
	for (size_t i = 0; i < b->n_checks; i++)
		hasher_free(b->checks[i].hasher);
	b->n_checks = 0;
}

void blame_free(struct blame *b)
{
	if (!b)
		return;
	drop_checks(b);
	closep(&b->wrong_fd);
	for (size_t i = 0; i < b->n_places; i++)
		free(b->places[i]);
	free(b->segments);
	free(b);
}

static uint8_t place_of(struct blame *b, const char *place)
{
	if (!place)
		return BLAME_PLACES_MAX;
	for (size_t i = 0; i < b->n_places; i++)
		if (strcmp(b->places[i], place) == 0)
			return (uint8_t)i;
	if (b->n_places == BLAME_PLACES_MAX)
		return BLAME_PLACES_MAX;
	b->places[b->n_places] = xstrdup(place);
	return (uint8_t)b->n_places++;
}

void blame_add(struct blame *b, size_t source, uint64_t first, uint64_t end,
	const struct digest *hash, const char *place)
{
	struct blame_segment *s;

	if (b->n == BLAME_SEGMENTS_MAX)
		return;
	b->segments = array_grow(b->segments, b->n, &b->cap, sizeof(*b->segments));
	s = &b->segments[b->n++];
	*s = (struct blame_segment){
		.first = first,
		.end = end,
		.differs_at = UINT64_MAX,
		.source = (uint8_t)source,
		.place = place_of(b, place),
	};
	memcpy(s->hash, hash->raw, sizeof(s->hash));
}

bool blame_has(const struct blame *b, size_t source)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->segments[i].source == source)
			return true;
	return false;
}

const char *blame_place(const struct blame *b, const struct blame_segment *s)
{
	return s->place < b->n_places ? b->places[s->place] : NULL;
}

int blame_wrong_fd(const struct blame *b)
{
	return b->wrong_fd;
}

/* ---- the copy that is right ---- */

static int by_first(const void *a, const void *b)
{
	const struct blame_segment *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

void blame_check_begin(struct blame *b, int wrong_fd)
{
	if (wrong_fd >= 0) {
		closep(&b->wrong_fd);
		b->wrong_fd = wrong_fd;
	}
	drop_checks(b);
	b->next = 0;
	if (b->n > 0)
		qsort(b->segments, b->n, sizeof(*b->segments), by_first);
	for (size_t i = 0; i < b->n; i++) {
		b->segments[i].checked = b->segments[i].wrong = false;
		b->segments[i].differs_at = UINT64_MAX;
	}
}

static uint64_t first_difference(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (a[i] != b[i])
			return i;
	return UINT64_MAX;
}

/* Looks for the first byte in which the wrong copy differs. */
static void compare(
	struct blame *b, struct blame_segment *s, uint64_t at, const char *data, size_t n)
{
	AUTO_FREE char *wrong = NULL;

	if (b->wrong_fd < 0 || s->differs_at != UINT64_MAX)
		return;
	wrong = xmalloc(COMPARED);
	while (n > 0) {
		size_t piece = n < COMPARED ? n : COMPARED;
		uint64_t differs;

		if (pread_all(b->wrong_fd, wrong, piece, at, NULL) < 0)
			return;
		differs = first_difference(wrong, data, piece);
		if (differs != UINT64_MAX) {
			s->differs_at = at + differs;
			return;
		}
		at += piece;
		data += piece;
		n -= piece;
	}
}

static void close_check(struct blame *b, size_t i)
{
	struct check *c = &b->checks[i];
	struct digest right = hasher_finish(c->hasher);

	c->segment->checked = true;
	c->segment->wrong = memcmp(right.raw, c->segment->hash, digest_raw_len(b->algo)) != 0;
	hasher_free(c->hasher);
	b->checks[i] = b->checks[--b->n_checks];
}

static void open_check(struct blame *b, struct blame_segment *s)
{
	struct check *c = &b->checks[b->n_checks];

	if (b->n_checks < CHECKS_MAX && hasher_new(b->algo, &c->hasher, NULL) == 0) {
		c->segment = s;
		b->n_checks++;
	}
}

void blame_check(struct blame *b, uint64_t offset, const void *data, size_t n)
{
	const char *bytes = data;
	const uint64_t end = offset + n;

	while (b->next < b->n && b->segments[b->next].first < end)
		open_check(b, &b->segments[b->next++]);
	for (size_t i = b->n_checks; i-- > 0;) {
		struct blame_segment *s = b->checks[i].segment;
		uint64_t from = s->first > offset ? s->first : offset;
		uint64_t to = s->end < end ? s->end : end;

		hasher_update(b->checks[i].hasher, bytes + (from - offset), (size_t)(to - from));
		compare(b, s, from, bytes + (from - offset), (size_t)(to - from));
		if (s->end <= end)
			close_check(b, i);
	}
}

const struct blame_segment *blame_next_wrong(const struct blame *b, size_t *at)
{
	while (*at < b->n) {
		const struct blame_segment *s = &b->segments[(*at)++];

		if (s->checked && s->wrong)
			return s;
	}
	return NULL;
}
