#include "fixture.h"

#include <sys/file.h>

#include "store/collect_internal.h"
#include "store/upload.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/map.h"

#define REPOSITORY "team/web"
#define DAY        86400

/* ---- what a run takes ---- */

struct taken {
	struct map *why; /* digest, as text: the reason */
	size_t n, limit;
};

static bool take(void *ctx, const struct digest *digest, uint64_t size, const char *why)
{
	struct taken *taken = ctx;
	char text[DIGEST_STR_MAX] = "temporary";

	(void)size;
	if (digest)
		(void)digest_format(digest, text);
	map_put_str(taken->why, text, (void *)(uintptr_t)why);
	taken->n++;
	return taken->limit == 0 || taken->n < taken->limit;
}

static struct collect_result collect_into(
	struct store *s, struct taken *taken, uint32_t grace_sec, bool dry_run)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	const struct collect_options options = {.grace_sec = grace_sec,
		.dry_run = dry_run,
		.item = taken ? take : NULL,
		.ctx = taken};
	struct collect_result result = {.blobs = 0};

	if (store_collect(s, &options, &result, &err) < 0)
		fail_msg("%s", error_text(&err));
	return result;
}

static struct collect_result collect(struct store *s)
{
	return collect_into(s, NULL, DAY, false);
}

/* Everything that is here now was seen the day before yesterday. */
static void age(const struct fixture *f)
{
	index_run(f, "UPDATE blob SET seen = seen - 200000", NULL);
}

static bool is_here(const struct fixture *f, const struct digest *d)
{
	AUTO_FREE char *path = blob_path(f, d);
	bool row = index_number(f, "SELECT count(*) FROM blob WHERE digest = ?1", d) == 1;

	assert_int_equal(row, access(path, F_OK) == 0);
	return row;
}

static struct digest sha512_put(struct store *s, const char *text)
{
	AUTO(store_writer_freep) struct store_writer *w = NULL;
	struct digest d;

	assert_int_equal(digest_of(DIGEST_SHA512, text, strlen(text), &d, NULL), 0);
	assert_int_equal(store_writer_new(s, &d, strlen(text), &w, NULL), 0);
	assert_int_equal(store_writer_write(w, text, strlen(text), NULL), 0);
	assert_int_equal(store_writer_finish(w, REPOSITORY, NULL), 0);
	return d;
}

static void what_no_tag_leads_to_goes_with_all_below_it(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *text = image_text("gone");
	struct digest gone = image_put(f->store, REPOSITORY, "v1", "gone");
	struct digest kept = image_put(f->store, REPOSITORY, "v2", "kept");
	struct digest layer = digest_text("gone layer"), long_one = sha512_put(f->store, "512");
	struct collect_result result;

	assert_int_equal(store_tag_delete(f->store, REPOSITORY, "v1", NULL), 0);
	age(f);
	result = collect(f->store);
	assert_int_equal(result.blobs, 4);
	assert_int_equal(result.bytes,
		strlen(text) + strlen("gone config"
				      "gone layer"
				      "512"));
	assert_int_equal(result.kept, 0);
	assert_int_equal(result.orphans, 0);
	assert_false(is_here(f, &gone));
	assert_false(is_here(f, &layer));
	assert_false(is_here(f, &long_one));
	assert_true(is_complete(f->store, REPOSITORY, &kept, false));
	assert_int_equal(index_number(f, "SELECT count(*) FROM doomed", NULL), 0);
	assert_int_equal(index_number(f, "SELECT count(*) FROM blob", NULL), 3);
	assert_int_equal(collect(f->store).blobs, 0);
	/* And it can come again. */
	gone = image_put(f->store, REPOSITORY, "v1", "gone");
	assert_true(is_complete(f->store, REPOSITORY, &gone, false));
}

static void children_of_a_tagged_index_stay(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *text = index_text("one", "two");
	struct digest one = image_put(f->store, REPOSITORY, NULL, "one"), index = digest_text(text);

	(void)image_put(f->store, REPOSITORY, NULL, "two");
	assert_int_equal(manifest_try(f->store, REPOSITORY, "all", text, false, NULL), 0);
	age(f);
	assert_int_equal(collect(f->store).blobs, 0);
	assert_true(is_complete(f->store, REPOSITORY, &index, false));
	assert_int_equal(store_tag_put(f->store, REPOSITORY, "one", &one, NULL), 0);
	assert_int_equal(store_tag_delete(f->store, REPOSITORY, "all", NULL), 0);
	age(f);
	assert_int_equal(collect(f->store).blobs, 4); /* the index, and all of the second */
	assert_true(is_complete(f->store, REPOSITORY, &one, false));
}

static void what_two_images_share_stays_with_one_of_them(void **state)
{
	struct fixture *f = *state;
	struct digest d = image_put(f->store, REPOSITORY, "v1", "image");

	(void)image_put(f->store, "team/other", "v1", "image");
	assert_int_equal(store_manifest_delete(f->store, REPOSITORY, &d, NULL), 0);
	age(f);
	assert_int_equal(collect(f->store).blobs, 0);
	assert_true(is_complete(f->store, "team/other", &d, false));
}

static void what_somebody_was_told_of_is_kept_for_the_grace(void **state)
{
	struct fixture *f = *state;
	struct digest image = image_put(f->store, REPOSITORY, NULL, "image");
	struct digest blob = blob_put(f->store, REPOSITORY, "alone");
	struct collect_result result;
	uint64_t size;

	age(f);
	/* The manifest's stamp keeps all below it; nobody asks for the blob alone. */
	assert_true(is_complete(f->store, REPOSITORY, &image, false));
	result = collect(f->store);
	assert_int_equal(result.blobs, 1);
	assert_int_equal(result.kept, 3);
	assert_false(is_here(f, &blob));
	age(f);
	blob = digest_text("image layer");
	assert_int_equal(store_blob_in_repository(f->store, REPOSITORY, &blob, &size, NULL), 0);
	result = collect(f->store);
	assert_int_equal(result.blobs, 2);
	assert_int_equal(result.kept, 1);
	assert_true(is_here(f, &blob));
}

static void what_is_leased_stays_until_the_lease_ends(void **state)
{
	struct fixture *f = *state;
	struct digest d = image_put(f->store, REPOSITORY, NULL, "image");

	assert_int_equal(store_lease(f->store, "run 1", &d, 3600, NULL), 0);
	age(f);
	assert_int_equal(collect(f->store).blobs, 0);
	index_run(f, "UPDATE lease SET until = until - 7200", NULL);
	assert_int_equal(collect(f->store).blobs, 3);
}

static void what_an_artifact_index_names_stays(void **state)
{
	struct fixture *f = *state;
	struct digest index, image = image_put(f->store, REPOSITORY, "v1", "image");
	char hex[DIGEST_STR_MAX];
	AUTO_FREE char *text = NULL;

	/* A sparse index: its other child never came. */
	text = xasprintf("{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"" MEDIA_OCI_MANIFEST
			 "\",\"digest\":\"%s\",\"size\":1},{\"mediaType\":\"" MEDIA_OCI_MANIFEST
			 "\",\"digest\":\"sha256:%064d\",\"size\":1}]}",
		digest_format(&image, hex),
		7);
	index = digest_text(text);
	assert_int_equal(manifest_try(f->store, REPOSITORY, "sparse", text, true, NULL), 0);
	assert_int_equal(store_tag_delete(f->store, REPOSITORY, "v1", NULL), 0);
	age(f);
	assert_int_equal(collect(f->store).blobs, 0);
	assert_true(is_complete(f->store, REPOSITORY, &index, true));
}

/* ---- referrers ---- */

/* An index without entries, or with `child`, that is about `subject`. */
static struct digest about(struct store *s, const char *repository, const struct digest *subject,
	const struct digest *child)
{
	char a[DIGEST_STR_MAX], b[DIGEST_STR_MAX];
	AUTO_FREE char *entry = child ? xasprintf("{\"mediaType\":\"" MEDIA_OCI_MANIFEST
						  "\",\"digest\":\"%s\",\"size\":1}",
						digest_format(child, a))
				      : xstrdup("");
	AUTO_FREE char *text = xasprintf(
		"{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"manifests\":[%s],"
		"\"subject\":{\"mediaType\":\"" MEDIA_OCI_MANIFEST "\",\"digest\":\"%s\","
		"\"size\":1}}",
		entry,
		digest_format(subject, b));

	assert_int_equal(manifest_try(s, repository, NULL, text, false, NULL), 0);
	return digest_text(text);
}

static void referrers_stay_with_their_subject(void **state)
{
	struct fixture *f = *state;
	struct digest image = image_put(f->store, REPOSITORY, "v1", "image");
	struct digest here = about(f->store, REPOSITORY, &image, NULL);
	struct digest second = about(f->store, REPOSITORY, &here, NULL); /* a signed signature */
	struct digest elsewhere = about(f->store, "team/other", &second, NULL);
	struct digest missing = digest_text("never pushed");
	struct digest of_missing = about(f->store, REPOSITORY, &missing, NULL);

	age(f);
	assert_int_equal(collect(f->store).blobs, 2);
	assert_true(is_here(f, &here));
	assert_true(is_here(f, &second));
	assert_false(is_here(f, &elsewhere));
	assert_false(is_here(f, &of_missing));
	assert_int_equal(store_tag_delete(f->store, REPOSITORY, "v1", NULL), 0);
	assert_int_equal(collect(f->store).blobs, 5);
	assert_false(is_here(f, &second));
}

static void a_tagged_referrer_does_not_hold_its_subject(void **state)
{
	struct fixture *f = *state;
	struct digest image = image_put(f->store, REPOSITORY, NULL, "image");
	struct digest signature = about(f->store, REPOSITORY, &image, NULL);

	assert_int_equal(store_tag_put(f->store, REPOSITORY, "sig", &signature, NULL), 0);
	age(f);
	assert_int_equal(collect(f->store).blobs, 3);
	assert_false(is_here(f, &image));
	assert_true(is_here(f, &signature));
}

static void an_index_that_lists_its_own_subject_goes(void **state)
{
	struct fixture *f = *state;
	struct digest image = image_put(f->store, REPOSITORY, "v1", "image");
	struct digest ring = about(f->store, REPOSITORY, &image, &image);

	age(f);
	assert_int_equal(collect(f->store).blobs, 0);
	assert_int_equal(store_tag_delete(f->store, REPOSITORY, "v1", NULL), 0);
	assert_int_equal(collect_into(f->store, NULL, DAY, true).blobs, 4);
	assert_int_equal(collect(f->store).blobs, 4);
	assert_false(is_here(f, &image));
	assert_false(is_here(f, &ring));
}

/* ---- dry runs, ends, exclusion ---- */

static void assert_same_reasons(const struct map *a, const struct map *b)
{
	assert_int_equal(map_count(a), map_count(b));
	for (struct map_item *i = map_first(a); i; i = map_next(i)) {
		const char *why = map_get_str(b, map_key(i, NULL));

		assert_non_null(why);
		assert_string_equal(why, (const char *)map_value(i));
	}
}

static void a_dry_run_tells_what_a_run_takes_and_takes_nothing(void **state)
{
	struct fixture *f = *state;
	AUTO(map_freep) struct map *dry = map_new(NULL);
	AUTO(map_freep) struct map *wet = map_new(NULL);
	struct digest image = image_put(f->store, REPOSITORY, "v1", "image"), d;
	struct collect_result would, did;
	uint64_t size;

	(void)image_put(f->store, REPOSITORY, NULL, "other");
	(void)about(f->store, REPOSITORY, &image, NULL);
	d = blob_put(f->store, REPOSITORY, "alone");
	(void)about(f->store, "team/other", &d, NULL);
	age(f);
	d = digest_text("other layer");
	assert_int_equal(store_blob_stat(f->store, &d, &size, NULL), 0);
	would = collect_into(f->store, &(struct taken){.why = dry}, DAY, true);
	assert_int_equal(index_number(f, "SELECT count(*) FROM blob", NULL), 9);
	assert_int_equal(index_number(f, "SELECT count(*) FROM doomed", NULL), 0);
	did = collect_into(f->store, &(struct taken){.why = wet}, DAY, false);
	assert_int_equal(would.blobs, 4);
	assert_memory_equal(&would, &did, sizeof(did));
	assert_same_reasons(dry, wet);
	assert_int_equal(index_number(f, "SELECT count(*) FROM blob", NULL), 5);
}

static void a_dry_run_does_not_announce_its_grace(void **state)
{
	struct fixture *f = *state;

	(void)collect_into(f->store, NULL, 5, true);
	assert_int_equal(index_number(f, "SELECT sec FROM grace", NULL), DAY);
	(void)collect_into(f->store, NULL, 5, false);
	assert_int_equal(index_number(f, "SELECT sec FROM grace", NULL), 5);
}

static void a_caller_who_has_had_enough_is_left_with_a_whole_store(void **state)
{
	struct fixture *f = *state;
	AUTO(map_freep) struct map *why = map_new(NULL);
	const volatile bool stop = true;
	const struct collect_options stopped = {.grace_sec = DAY, .stop = &stop};
	struct collect_result result = {.blobs = 9};

	for (int i = 0; i < 10; i++) {
		AUTO_FREE char *name = xasprintf("image %d", i);

		(void)image_put(f->store, REPOSITORY, NULL, name);
	}
	age(f);
	assert_int_equal(store_collect(f->store, &stopped, &result, NULL), 0);
	assert_int_equal(result.blobs, 0);
	result = collect_into(f->store, &(struct taken){.why = why, .limit = 3}, DAY, false);
	assert_true(result.blobs >= 3);
	assert_int_equal(index_number(f, "SELECT count(*) FROM doomed", NULL), 0);
	assert_int_equal(result.blobs + collect(f->store).blobs, 30);
}

static void more_than_one_batch_goes(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *sql = NULL;
	int64_t n = COLLECT_BATCH + COLLECT_BATCH / 2;

	sql = xasprintf("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
			" WHERE i < %lld) INSERT INTO blob (digest, size, seen)"
			" SELECT CAST(x'00' || printf('%%032d', i) AS BLOB), 1, 0 FROM n",
		(long long)n);
	index_run(f, sql, NULL);
	assert_int_equal(collect(f->store).blobs, n);
	assert_int_equal(index_number(f, "SELECT count(*) FROM blob", NULL), 0);
	assert_int_equal(index_number(f, "SELECT count(*) FROM doomed", NULL), 0);
}

static void a_second_collector_is_busy(void **state)
{
	struct fixture *f = *state;
	const struct collect_options options = {.grace_sec = DAY};
	struct collect_result result;
	int fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(store_collect(f->store, &options, &result, NULL), -ERR_BUSY);
	(void)collect_into(f->store, NULL, DAY, true); /* looking is free */
	(void)close(fd);
	(void)collect(f->store);
}

/* ---- what killed processes left ---- */

static void a_killed_collector_s_work_is_finished(void **state)
{
	struct fixture *f = *state;
	struct digest gone = blob_put(f->store, NULL, "gone"),
		      back = blob_put(f->store, NULL, "back");
	struct digest never = digest_text("no file at all");
	struct collect_result result;

	/* Between its two transactions. */
	index_run(f, "INSERT INTO doomed SELECT digest FROM blob", NULL);
	index_run(f, "INSERT INTO doomed VALUES (?1)", &never);
	index_run(f, "DELETE FROM blob", NULL);
	/* A publisher takes one of them back. */
	(void)blob_put(f->store, NULL, "back");
	result = collect(f->store);
	assert_int_equal(result.blobs, 0);
	assert_int_equal(result.orphans, 2);
	assert_int_equal(result.bytes, 4);
	assert_false(is_here(f, &gone));
	assert_true(is_here(f, &back));
	assert_int_equal(index_number(f, "SELECT count(*) FROM doomed", NULL), 0);
}

/* Rule 5: it comes between the two transactions of a collector that is at work. */
static void a_publisher_takes_doomed_content_back(void **state)
{
	struct fixture *f = *state;
	const struct collect_options options = {.grace_sec = DAY};
	struct collect c = {.store = f->store, .options = &options};
	struct collect_item items[] = {
		{.digest = blob_put(f->store, NULL, "gone")},
		{.digest = blob_put(f->store, NULL, "back")},
	};

	index_run(f, "INSERT INTO doomed SELECT digest FROM blob", NULL);
	index_run(f, "DELETE FROM blob", NULL);
	(void)blob_put(f->store, NULL, "back");
	assert_int_equal(index_number(f, "SELECT count(*) FROM doomed", NULL), 1);
	assert_int_equal(collect_bury(&c, items, ARRAY_SIZE(items), NULL), 0);
	assert_true(items[0].gone);
	assert_false(items[1].gone);
	assert_false(is_here(f, &items[0].digest));
	assert_true(is_here(f, &items[1].digest));
	/* Not even a mark that should not be there takes a file with a row. */
	index_run(f, "INSERT INTO doomed SELECT digest FROM blob", NULL);
	assert_int_equal(collect_bury(&c, items, ARRAY_SIZE(items), NULL), 0);
	assert_true(is_here(f, &items[1].digest));
}

static void a_file_without_a_row_goes_when_it_is_old(void **state)
{
	struct fixture *f = *state;
	AUTO(map_freep) struct map *why = map_new(NULL);
	struct digest d = blob_put(f->store, NULL, "published"),
		      here = blob_put(f->store, "r", "here");
	AUTO_FREE char *stranger = xasprintf("%s/blobs/sha256/README", f->path);
	AUTO_FREE char *path = blob_path(f, &d);
	struct collect_result result;
	char text[DIGEST_STR_MAX];

	index_run(f, "DELETE FROM blob WHERE digest = ?1", &d);
	assert_int_equal(close(open(stranger, O_CREAT | O_WRONLY | O_CLOEXEC, 0644)), 0);
	assert_int_equal(collect(f->store).orphans, 0);
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(store_lease(f->store, "run", &here, 60, NULL), 0);
	result = collect_into(f->store, &(struct taken){.why = why}, 0, true);
	assert_int_equal(result.orphans, 1);
	assert_int_equal(access(path, F_OK), 0);
	result = collect_into(f->store, &(struct taken){.why = why}, 0, false);
	assert_int_equal(result.orphans, 1);
	assert_int_equal(result.bytes, strlen("published"));
	assert_string_equal(map_get_str(why, digest_format(&d, text)), COLLECT_ORPHAN);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(access(stranger, F_OK), 0);
	assert_true(is_here(f, &here));
}

static void old_temporaries_go_and_those_in_use_stay(void **state)
{
	struct fixture *f = *state;
	const struct timespec long_ago[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	AUTO_FREE char *old = xasprintf("%s/uploads/tmp-old", f->path);
	AUTO(store_writer_freep) struct store_writer *w = NULL;
	AUTO_FREE char *used = NULL;
	struct digest d = digest_text("slow");
	struct collect_result result;

	f->store->named = true;
	assert_int_equal(store_writer_new(f->store, &d, 4, &w, NULL), 0);
	used = xasprintf("%s/uploads/%s", f->path, w->temporary);
	assert_int_equal(close(open(old, O_CREAT | O_WRONLY | O_CLOEXEC, 0644)), 0);
	assert_int_equal(collect_into(f->store, NULL, 0, false).orphans, 0); /* just made */
	assert_int_equal(utimensat(AT_FDCWD, old, long_ago, 0), 0);
	assert_int_equal(utimensat(AT_FDCWD, used, long_ago, 0), 0);
	result = collect(f->store);
	assert_int_equal(result.orphans, 1);
	assert_int_equal(access(old, F_OK), -1);
	assert_int_equal(store_writer_write(w, "slow", 4, NULL), 0);
	assert_int_equal(store_writer_finish(w, NULL, NULL), 0);
	assert_true(is_here(f, &d));
}

/* ---- the grace ---- */

static void a_shorter_grace_waits_for_answers_of_the_longer_one(void **state)
{
	const struct grace day = {.sec = DAY};
	struct grace g = grace_change(&day, 3600, 1000000);

	(void)state;
	assert_int_equal(grace_fresh_sec(&day), DAY / 4);
	assert_int_equal(grace_cutoff(&day, 1000000), 1000000 - DAY);
	/* A stamp of nearly six hours could answer until now; so an hour is seven. */
	assert_int_equal(grace_fresh_sec(&g), 900);
	assert_int_equal(grace_cutoff(&g, 1000000), 1000000 - 3600 - DAY / 4);
	assert_int_equal(grace_cutoff(&g, 1003600), 1003600 - 3600 - DAY / 4);
	assert_int_equal(grace_cutoff(&g, 1003601), 1003601 - 3600);
	/* The same again changes nothing. */
	assert_int_equal(grace_change(&g, 3600, 1003000).since, 1000000);
	/* Another one, too early: the oldest answers still count. */
	g = grace_change(&g, 60, 1000030);
	assert_int_equal(g.before, DAY / 4);
	g = grace_change(&g, 120, 1002000);
	assert_int_equal(g.before, 15);
	/* Nothing is nothing. */
	g = grace_change(&g, 0, 1002000);
	assert_int_equal(grace_cutoff(&g, 1002000), 1002001);
}

static void a_short_grace_has_stamps_written_before_the_answer(void **state)
{
	struct fixture *f = *state;
	struct digest d = blob_put(f->store, NULL, "blob");
	uint64_t size;
	int64_t old;

	index_run(f, "UPDATE blob SET seen = seen - 60", NULL);
	old = index_number(f, "SELECT seen FROM blob", NULL);
	assert_int_equal(store_blob_stat(f->store, &d, &size, NULL), 0);
	assert_int_equal(index_number(f, "SELECT seen FROM blob", NULL), old); /* later */
	(void)collect_into(f->store, NULL, 100, false); /* and it brings what waits */
	assert_true(index_number(f, "SELECT seen FROM blob", NULL) >= old + 60);
	index_run(f, "UPDATE blob SET seen = seen - 26", NULL);
	old = index_number(f, "SELECT seen FROM blob", NULL);
	assert_int_equal(store_blob_stat(f->store, &d, &size, NULL), 0);
	assert_true(index_number(f, "SELECT seen FROM blob", NULL) > old);
}

/* Ids are used again: a stamp must not take another row for the one that it was read with. */
static void an_answer_about_a_collected_blob_does_not_stamp_its_successor(void **state)
{
	struct fixture *f = *state;
	struct digest first = blob_put(f->store, NULL, "first"), second;
	struct blob_row row;

	age(f);
	assert_int_equal(blob_find(f->store->quick, &first, &row, NULL), 1);
	assert_int_equal(collect(f->store).blobs, 1);
	second = blob_put(f->store, NULL, "second");
	assert_int_equal(index_number(f, "SELECT id FROM blob WHERE digest = ?1", &second), row.id);
	assert_int_equal(seen_stamp(f->store, &row, NULL), -ERR_NOTFOUND);
}

/* The whole index of the first version, with an image in it. */
static void a_store_of_the_first_version_is_collected(void **state)
{
	struct fixture *f = *state;
	struct digest d = image_put(f->store, REPOSITORY, "v1", "image");

	(void)blob_put(f->store, REPOSITORY, "alone");
	store_close(steal(&f->store));
	index_run(f, "DROP TABLE subject", NULL);
	index_run(f, "DROP TABLE unread", NULL);
	index_run(f, "DROP TABLE grace", NULL);
	index_run(f, "PRAGMA user_version = 1", NULL);
	fixture_open(f);
	age(f);
	assert_int_equal(collect(f->store).blobs, 1);
	assert_true(is_complete(f->store, REPOSITORY, &d, false));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_no_tag_leads_to_goes_with_all_below_it),
		TEST(children_of_a_tagged_index_stay),
		TEST(what_two_images_share_stays_with_one_of_them),
		TEST(what_somebody_was_told_of_is_kept_for_the_grace),
		TEST(what_is_leased_stays_until_the_lease_ends),
		TEST(what_an_artifact_index_names_stays),
		TEST(referrers_stay_with_their_subject),
		TEST(a_tagged_referrer_does_not_hold_its_subject),
		TEST(an_index_that_lists_its_own_subject_goes),
		TEST(a_dry_run_tells_what_a_run_takes_and_takes_nothing),
		TEST(a_dry_run_does_not_announce_its_grace),
		TEST(a_caller_who_has_had_enough_is_left_with_a_whole_store),
		TEST(more_than_one_batch_goes),
		TEST(a_second_collector_is_busy),
		TEST(a_killed_collector_s_work_is_finished),
		TEST(a_publisher_takes_doomed_content_back),
		TEST(a_file_without_a_row_goes_when_it_is_old),
		TEST(old_temporaries_go_and_those_in_use_stay),
		TEST(a_shorter_grace_waits_for_answers_of_the_longer_one),
		TEST(a_short_grace_has_stamps_written_before_the_answer),
		TEST(an_answer_about_a_collected_blob_does_not_stamp_its_successor),
		TEST(a_store_of_the_first_version_is_collected),
	};

	return cmocka_run_group_tests_name("store/collect", tests, NULL, NULL);
}
