#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <crypt.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "registry/base64.h"
#include "server/htpasswd.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/mem.h"

#include "../scratch.h"

/* The hash of a password by bcrypt, at a cost. */
static char *hashed(const char *password, unsigned cost)
{
	AUTO_FREE char *setting = xasprintf("$2y$%02u$abcdefghijklmnopqrstuu", cost);
	AUTO_FREE struct crypt_data *data = xcalloc(1, sizeof(*data));
	const char *hash = crypt_rn(password, setting, data, sizeof(*data));

	assert_non_null(hash);
	assert_int_equal(hash[0], '$');
	return xstrdup(hash);
}

static char *path_of(void *const *state)
{
	return xasprintf("%s/htpasswd", (const char *)*state);
}

static void put(void *const *state, const char *text)
{
	AUTO_FREE char *path = path_of(state);

	assert_int_equal(file_publish(AT_FDCWD, path, text, strlen(text), NULL), 0);
}

static struct htpasswd *open_users(void *const *state, unsigned cost)
{
	AUTO_FREE char *a = hashed("secret", cost), *b = hashed("pass:word", cost);
	AUTO_FREE char *text = xasprintf("# users\n\nalice:%s\r\nbob:%s", a, b);
	AUTO_FREE char *path = path_of(state);
	struct error err = ERROR_INIT;
	struct htpasswd *h = NULL;

	put(state, text);
	if (htpasswd_open(path, &h, &err) < 0)
		fail_msg("%s", error_text(&err));
	return h;
}

static void the_right_password_is_right_and_nothing_else(void **state)
{
	AUTO_FREE char *long_one = xcalloc(HTPASSWD_PASSWORD_MAX + 2, 1);
	AUTO(htpasswd_freep) struct htpasswd *h = open_users(state, 4);
	const struct {
		const char *name, *password;
		enum htpasswd_verdict verdict;
	} pairs[] = {
		{"alice", "secret", HTPASSWD_RIGHT},
		{"bob", "pass:word", HTPASSWD_RIGHT},
		{"alice", "Secret", HTPASSWD_WRONG},
		{"alice", "", HTPASSWD_WRONG},
		{"alice", "pass:word", HTPASSWD_WRONG},
		{"Alice", "secret", HTPASSWD_WRONG},
		{"", "", HTPASSWD_WRONG},
		{"mallory", "secret", HTPASSWD_WRONG},
		{"# users", "", HTPASSWD_WRONG},
		{"alice", long_one, HTPASSWD_WRONG},
	};

	memset(long_one, 'x', HTPASSWD_PASSWORD_MAX + 1);
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
		assert_int_equal(htpasswd_check(h, pairs[i].name, pairs[i].password, NULL),
			pairs[i].verdict);
}

static void what_was_checked_once_is_known_without_hashing(void **state)
{
	AUTO(htpasswd_freep) struct htpasswd *h = open_users(state, 4);

	assert_int_equal(htpasswd_look(h, "alice", "secret"), HTPASSWD_UNKNOWN);
	assert_int_equal(htpasswd_check(h, "alice", "secret", NULL), HTPASSWD_RIGHT);
	assert_int_equal(htpasswd_look(h, "alice", "secret"), HTPASSWD_RIGHT);
	assert_int_equal(htpasswd_look(h, "alice", "secreT"), HTPASSWD_UNKNOWN);
	assert_int_equal(htpasswd_look(h, "bob", "secret"), HTPASSWD_UNKNOWN);
	assert_int_equal(htpasswd_check(h, "alice", "secreT", NULL), HTPASSWD_WRONG);
	assert_int_equal(htpasswd_look(h, "alice", "secreT"), HTPASSWD_WRONG);
	assert_int_equal(htpasswd_look(h, "alice", "secret"), HTPASSWD_RIGHT);
}

static void a_pair_that_is_in_use_outlives_any_number_of_guesses(void **state)
{
	AUTO(htpasswd_freep) struct htpasswd *h = open_users(state, 4);

	assert_int_equal(htpasswd_check(h, "bob", "pass:word", NULL), HTPASSWD_RIGHT);
	assert_int_equal(htpasswd_check(h, "alice", "secret", NULL), HTPASSWD_RIGHT);
	for (unsigned i = 0; i < HTPASSWD_CACHE + 20; i++) {
		AUTO_FREE char *guess = xasprintf("guess %u", i);

		assert_int_equal(htpasswd_check(h, "alice", guess, NULL), HTPASSWD_WRONG);
		assert_int_equal(htpasswd_look(h, "alice", "secret"), HTPASSWD_RIGHT);
	}
	assert_int_equal(htpasswd_look(h, "bob", "pass:word"), HTPASSWD_UNKNOWN);
}

static void a_change_of_the_file_counts_within_a_second_or_two(void **state)
{
	AUTO(htpasswd_freep) struct htpasswd *h = open_users(state, 4);
	AUTO(error_clear) struct error trouble = ERROR_INIT;
	AUTO_FREE char *hash = hashed("changed", 4), *text = xasprintf("alice:%s\n", hash);

	assert_int_equal(htpasswd_check(h, "alice", "secret", NULL), HTPASSWD_RIGHT);
	assert_int_equal(htpasswd_check(h, "bob", "pass:word", NULL), HTPASSWD_RIGHT);
	put(state, text);
	(void)usleep(1100 * 1000);
	/* Nothing remembered is believed any more. */
	assert_int_equal(htpasswd_look(h, "alice", "secret"), HTPASSWD_UNKNOWN);
	assert_int_equal(htpasswd_check(h, "alice", "secret", &trouble), HTPASSWD_WRONG);
	assert_int_equal(htpasswd_check(h, "alice", "changed", &trouble), HTPASSWD_RIGHT);
	assert_int_equal(htpasswd_check(h, "bob", "pass:word", &trouble), HTPASSWD_WRONG);
	assert_int_equal(trouble.code, ERR_NONE);
	/* One that cannot be read leaves what was, and is told once. */
	put(state, "rubbish\n");
	(void)usleep(1100 * 1000);
	assert_int_equal(htpasswd_check(h, "alice", "changed", &trouble), HTPASSWD_RIGHT);
	assert_int_equal(trouble.code, ERR_USAGE);
	error_clear(&trouble);
	(void)usleep(1100 * 1000);
	assert_int_equal(htpasswd_look(h, "alice", "changed"), HTPASSWD_RIGHT);
	assert_int_equal(htpasswd_check(h, "alice", "x", &trouble), HTPASSWD_WRONG);
	assert_int_equal(trouble.code, ERR_NONE);
	assert_int_equal(htpasswd_reload(h, &trouble), -ERR_USAGE);
}

static void whoever_is_not_there_costs_as_much(void **state)
{
	AUTO(htpasswd_freep) struct htpasswd *h = open_users(state, 8);
	uint64_t there = UINT64_MAX, absent = UINT64_MAX;

	for (int i = 0; i < 5; i++) {
		AUTO_FREE char *guess = xasprintf("%d", i);
		uint64_t start = clock_mono_ms(), ms;

		(void)htpasswd_check(h, "alice", guess, NULL);
		ms = clock_mono_ms() - start;
		there = ms < there ? ms : there;
		start = clock_mono_ms();
		(void)htpasswd_check(h, "mallory", guess, NULL);
		ms = clock_mono_ms() - start;
		absent = ms < absent ? ms : absent;
	}
	assert_in_range(absent, there / 2, there * 2 + 2);
}

struct guesser {
	struct htpasswd *h;
	pthread_t thread;
	unsigned number;
	atomic_uint *busy;
};

static void *guess(void *arg)
{
	struct guesser *g = arg;
	AUTO_FREE char *password = xasprintf("guess %u", g->number);

	if (htpasswd_check(g->h, "alice", password, NULL) == HTPASSWD_BUSY)
		atomic_fetch_add(g->busy, 1);
	return NULL;
}

static void only_so_many_are_hashed_at_once(void **state)
{
	AUTO(htpasswd_freep) struct htpasswd *h = open_users(state, 10);
	struct guesser g[8];
	atomic_uint busy = 0;

	assert_int_equal(htpasswd_check(h, "bob", "pass:word", NULL), HTPASSWD_RIGHT);
	for (unsigned i = 0; i < ARRAY_SIZE(g); i++) {
		g[i] = (struct guesser){.h = h, .number = i, .busy = &busy};
		assert_int_equal(pthread_create(&g[i].thread, NULL, guess, &g[i]), 0);
	}
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(htpasswd_look(h, "bob", "pass:word"), HTPASSWD_RIGHT);
	for (unsigned i = 0; i < ARRAY_SIZE(g); i++)
		(void)pthread_join(g[i].thread, NULL);
	assert_in_range(atomic_load(&busy), 1, ARRAY_SIZE(g) - HTPASSWD_AT_ONCE);
	assert_int_equal(htpasswd_check(h, "alice", "secret", NULL), HTPASSWD_RIGHT);
}

#define GOOD "$2y$05$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyzABCDE"

static void what_is_no_bcrypt_is_refused_by_kind_and_line(void **state)
{
	static const struct {
		const char *text, *line, *why;
	} wrong[] = {
		{"a:$apr1$abc$def\n", "line 1", "MD5 (apr1)"},
		{"a:" GOOD "\nb:{SHA}xyz\n", "line 2", "SHA-1"},
		{"# c\n\nb:$6$salt$hash", "line 3", "SHA-512"},
		{"b:$5$salt$hash", "line 1", "SHA-256"},
		{"b:$y$j9T$salt$hash", "line 1", "yescrypt"},
		{"b:plain", "line 1", "crypt, or no hash at all"},
		{"b:", "line 1", "crypt, or no hash at all"},
		{"b:$2y$05$short", "line 1", "a broken form of bcrypt"},
		{"b:$2x$05$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyzABCDE",
			"line 1",
			"a broken form of bcrypt"},
		{"b:$2y$15$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyzABCDE",
			"line 1",
			"cost of 'b' is 15, not 4 to 14"},
		{"b:$2y$03$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyzABCDE",
			"line 1",
			"cost of 'b' is 3"},
		{"no colon", "line 1", "no NAME:HASH"},
		{":" GOOD, "line 1", "no NAME:HASH"},
		{"a\x01:" GOOD, "line 1", "no clean text"},
		{"a:" GOOD "\na:" GOOD, "line 2", "'a' is there twice"},
	};
	AUTO_FREE char *path = path_of(state);
	struct htpasswd *h = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		AUTO(error_clear) struct error err = ERROR_INIT;

		put(state, wrong[i].text);
		assert_int_equal(htpasswd_open(path, &h, &err), -ERR_USAGE);
		if (!strstr(error_text(&err), wrong[i].line) ||
			!strstr(error_text(&err), wrong[i].why) || !strstr(error_text(&err), path))
			fail_msg("%s", error_text(&err));
	}
	assert_null(h);
}

static void what_htpasswd_writes_is_taken(void **state)
{
	/* htpasswd -nbB carol s3cret (apache2-utils 2.4.71). */
	static const char text[] =
		"carol:$2y$05$sn4vdq9v/yz1ifbejMDA7e6nMrCfVRI6T0JJcjo3nticHwq2JB/vm\n\n";
	AUTO(htpasswd_freep) struct htpasswd *h = NULL;
	AUTO_FREE char *path = path_of(state);

	put(state, text);
	assert_int_equal(htpasswd_open(path, &h, NULL), 0);
	assert_int_equal(htpasswd_check(h, "carol", "s3cret", NULL), HTPASSWD_RIGHT);
	htpasswd_free(steal(&h));
	/* Nobody at all is a file too. */
	put(state, "");
	assert_int_equal(htpasswd_open(path, &h, NULL), 0);
	assert_int_equal(htpasswd_check(h, "carol", "s3cret", NULL), HTPASSWD_WRONG);
}

static void a_file_that_is_not_there_is_said(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO_FREE char *path = path_of(state);
	struct htpasswd *h = NULL;

	assert_int_equal(htpasswd_open(path, &h, &err), -ERR_NOTFOUND);
	assert_non_null(strstr(error_text(&err), path));
	assert_null(h);
}

static char *basic(const char *pair, size_t len)
{
	AUTO_FREE char *b64 = base64_encode(pair, len);

	return xasprintf("Basic %s", b64);
}

static void basic_credentials_are_taken_apart(void **state)
{
	AUTO(basic_credentials_clear) struct basic_credentials c = {.name = NULL};
	AUTO_FREE char *good = basic("bob:pass:word", 13), *nul = basic("bob:a\0b", 7),
		       *bare = basic("bob", 3), *empty = basic(":", 1);
	AUTO_FREE char *large = xcalloc(20000, 1);
	const char *const wrong[] = {
		"", "Basic", "Basic !!!", "Bearer Ym9iOmE=", "BasicYm9iOmE=", nul, bare, large};

	(void)state;
	(void)snprintf(large, 20000, "Basic %19000d", 7);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(basic_credentials_parse(wrong[i], &c, NULL), -ERR_USAGE);
	assert_null(c.name);
	assert_int_equal(basic_credentials_parse(good, &c, NULL), 0);
	assert_string_equal(c.name, "bob");
	assert_string_equal(c.password, "pass:word");
	basic_credentials_clear(&c);
	assert_int_equal(basic_credentials_parse(empty, &c, NULL), 0);
	assert_string_equal(c.name, "");
	assert_string_equal(c.password, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_unit_test(the_right_password_is_right_and_nothing_else),
		scratch_unit_test(what_was_checked_once_is_known_without_hashing),
		scratch_unit_test(a_pair_that_is_in_use_outlives_any_number_of_guesses),
		scratch_unit_test(a_change_of_the_file_counts_within_a_second_or_two),
		scratch_unit_test(whoever_is_not_there_costs_as_much),
		scratch_unit_test(only_so_many_are_hashed_at_once),
		scratch_unit_test(what_is_no_bcrypt_is_refused_by_kind_and_line),
		scratch_unit_test(what_htpasswd_writes_is_taken),
		scratch_unit_test(a_file_that_is_not_there_is_said),
		cmocka_unit_test(basic_credentials_are_taken_apart),
	};

	return cmocka_run_group_tests_name("server/htpasswd", tests, NULL, NULL);
}
