#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "source/chain.h"
#include "util/compiler.h"
#include "util/mem.h"

static const char *const names[] = {"a", "b", "c.example/k8s", "registry.k8s.io"};
#define AUTHORITY 3

static struct chain parsed(const char *text)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct chain c;

	if (chain_parse(text, names, ARRAY_SIZE(names), AUTHORITY, &c, &err) < 0)
		fail_msg("%s: %s", text, error_text(&err));
	return c;
}

/* The chain in its own language, as tightly as it can be written. */
static const char *shown(const struct chain *c)
{
	static char text[CHAIN_MAX * 24];
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < c->n; i++) {
		const struct chain_entry *e = &c->entries[i];
		const char *name = e->kind == CHAIN_DIRECT ? "direct" : names[e->source];

		len += (size_t)snprintf(text + len,
			sizeof(text) - len,
			"%s%s",
			e->kind == CHAIN_OFF ? "off" : name,
			e->any_error   ? "|"
			: i + 1 < c->n ? ","
				       : "");
	}
	return text;
}

static void assert_reads(const char *text, const char *expected)
{
	struct chain c = parsed(text);

	assert_string_equal(shown(&c), expected);
}

static void assert_refused(const char *text, const char *why)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct chain c = {.n = 77};

	assert_int_equal(
		chain_parse(text, names, ARRAY_SIZE(names), AUTHORITY, &c, &err), -ERR_USAGE);
	assert_int_equal(err.code, ERR_USAGE);
	if (!strstr(error_text(&err), why))
		fail_msg("'%s' does not say '%s'", error_text(&err), why);
	assert_int_equal(c.n, 77);
	assert_int_equal(
		chain_parse(text, names, ARRAY_SIZE(names), AUTHORITY, &c, NULL), -ERR_USAGE);
}

/* ---- the language ---- */

static void the_separator_behind_an_entry_is_its_rule(void **state)
{
	struct chain c = parsed("a,b|direct");

	(void)state;
	assert_int_equal(c.n, 3);
	assert_true(c.entries[0].kind == CHAIN_SOURCE && c.entries[0].source == 0);
	assert_true(c.entries[1].kind == CHAIN_SOURCE && c.entries[1].source == 1);
	assert_true(c.entries[2].kind == CHAIN_DIRECT && c.entries[2].source == AUTHORITY);
	assert_true(!c.entries[0].any_error && c.entries[1].any_error && !c.entries[2].any_error);
	assert_true(!c.entries[0].authority && !c.entries[1].authority && c.entries[2].authority);
	assert_reads("b|a|c.example/k8s,direct", "b|a|c.example/k8s,direct");
}

static void spaces_and_empty_entries_mean_nothing(void **state)
{
	(void)state;
	assert_reads(" a ,\t b\n|  direct ", "a,b|direct");
	assert_reads(",,a,|, |b|,,direct,", "a,b|direct");
	assert_reads("a,|b", "a,b"); /* the first separator is a's, as in Go */
	assert_reads("a|,b", "a|b");
	assert_reads("a,", "a");
	assert_reads("a|", "a|");
	assert_reads("  |  a", "a");
}

static void direct_and_off_are_the_end(void **state)
{
	(void)state;
	assert_reads("direct", "direct");
	assert_reads("off", "off");
	assert_reads("a,off", "a,off");
	assert_reads("a,off,nobody|b", "a,off"); /* not read */
	assert_reads("a|direct|a|nobody", "a|direct");
	assert_reads("direct,off", "direct");
	assert_reads("a,b", "a,b"); /* ends there all the same */
}

static void the_authority_may_stand_there_by_its_name(void **state)
{
	struct chain c = parsed("registry.k8s.io|a|off");

	(void)state;
	assert_string_equal(shown(&c), "registry.k8s.io|a|off");
	assert_true(c.entries[0].kind == CHAIN_SOURCE && c.entries[0].authority);
	assert_true(!c.entries[1].authority && !c.entries[2].authority);
}

static void words_are_taken_before_names(void **state)
{
	static const char *const odd[] = {"direct", "x"};
	struct chain c;

	(void)state;
	assert_int_equal(chain_parse("direct", odd, 2, 1, &c, NULL), 0);
	assert_true(c.entries[0].kind == CHAIN_DIRECT && c.entries[0].source == 1);
}

static void what_is_no_chain_is_refused(void **state)
{
	(void)state;
	assert_refused("", "without entries");
	assert_refused(" , |\t", "without entries");
	assert_refused("a,d,direct", "'d' is no source");
	assert_refused("A", "'A' is no source");
	assert_refused("a b", "'a b' is no source");
	assert_refused("Direct", "'Direct' is no source");
	assert_refused("a,b|a", "'a' comes twice");
	assert_refused("registry.k8s.io,direct", "'direct' comes when the authority");
	assert_refused("registry.k8s.io,a,registry.k8s.io", "comes when the authority");
	assert_refused(
		"x0123456789x0123456789x0123456789x0123456789x0123456789x0123456789x012345678"
		"9x0123456789",
		"x0123456789x0123456789x0123456789x0123456789x0123456789x0123456789x0123456789x01' "
		"is no source");
}

static void a_chain_has_room_for_all_sources_and_an_end(void **state)
{
	AUTO_FREE char *text = xstrdup("");
	char each[CHAIN_MAX + 1][8];
	const char *many[CHAIN_MAX + 1];
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct chain c;

	(void)state;
	for (size_t i = 0; i < CHAIN_MAX + 1; i++) {
		char *longer;

		(void)snprintf(each[i], sizeof(each[i]), "m%zu", i);
		many[i] = each[i];
		longer = xasprintf("%s%s%s", text, i ? "|" : "", each[i]);
		free(text);
		text = longer;
		if (i + 1 == CHAIN_MAX)
			assert_int_equal(chain_parse(text, many, CHAIN_MAX, 0, &c, NULL), 0);
	}
	assert_int_equal(c.n, CHAIN_MAX);
	assert_int_equal(c.entries[CHAIN_MAX - 1].source, CHAIN_MAX - 1);
	assert_int_equal(chain_parse(text, many, CHAIN_MAX + 1, 0, &c, &err), -ERR_USAGE);
	assert_non_null(strstr(error_text(&err), "more than 33 entries"));
}

/* ---- following it ---- */

/* Who is asked in turn, when entry i fails as classes[i] says (ERR_NONE: it has it). */
static void assert_asked(const char *text, const enum errc *classes, size_t expected)
{
	struct chain c = parsed(text);
	size_t asked = 0;

	while (asked < c.n && c.entries[asked].kind != CHAIN_OFF) {
		asked++;
		if (classes[asked - 1] == ERR_NONE ||
			!chain_goes_on(&c.entries[asked - 1], classes[asked - 1]))
			break;
	}
	assert_int_equal(asked, expected);
}

static void after_a_comma_only_absence_moves_on(void **state)
{
	static const enum errc stops[] = {ERR_TEMP, ERR_AUTH, ERR_REMOTE, ERR_IO, ERR_NOMEM};

	(void)state;
	assert_asked("a,b,direct", (enum errc[]){ERR_NONE}, 1);
	assert_asked("a,b,direct", (enum errc[]){ERR_NOTFOUND, ERR_NONE}, 2);
	assert_asked("a,b,direct", (enum errc[]){ERR_NOTFOUND, ERR_NOTFOUND, ERR_NOTFOUND}, 3);
	for (size_t i = 0; i < ARRAY_SIZE(stops); i++)
		assert_asked("a,b,direct", (enum errc[]){ERR_NOTFOUND, stops[i], ERR_NONE}, 2);
}

static void after_a_bar_any_error_moves_on(void **state)
{
	static const enum errc moves[] = {
		ERR_TEMP, ERR_AUTH, ERR_REMOTE, ERR_IO, ERR_NOMEM, ERR_NOTFOUND, ERR_CORRUPT};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(moves); i++) {
		assert_asked("a|b|direct", (enum errc[]){moves[i], moves[i], ERR_NONE}, 3);
		assert_asked("a|b|off", (enum errc[]){moves[i], moves[i]}, 2);
	}
	assert_asked("a|b,direct", (enum errc[]){ERR_TEMP, ERR_TEMP, ERR_NONE}, 2);
}

static void wrong_content_always_moves_on(void **state)
{
	(void)state;
	assert_asked("a,b,direct", (enum errc[]){ERR_CORRUPT, ERR_CORRUPT, ERR_NONE}, 3);
	assert_asked("a,b|direct", (enum errc[]){ERR_CORRUPT, ERR_TEMP, ERR_NONE}, 3);
}

static void nothing_moves_on_from_a_policy_or_the_user(void **state)
{
	(void)state;
	assert_asked("a|direct", (enum errc[]){ERR_TRUST, ERR_NONE}, 1);
	assert_asked("a|direct", (enum errc[]){ERR_CANCELED, ERR_NONE}, 1);
}

static void nothing_comes_after_the_end(void **state)
{
	struct chain c = parsed("a|direct");

	(void)state;
	for (int f = ERR_NONE; f < ERR_MAX_; f++)
		assert_false(chain_goes_on(&c.entries[1], (enum errc)f));
	c = parsed("off");
	assert_false(chain_goes_on(&c.entries[0], ERR_NOTFOUND));
	assert_asked("off", (enum errc[]){ERR_NONE}, 0);
	assert_false(chain_goes_on(&parsed("a|b").entries[0], ERR_NONE));
}

/* ---- which error is shown ---- */

static size_t shown_of(const char *text, const enum errc *classes)
{
	struct chain c = parsed(text);

	return chain_shown(&c, classes);
}

static void the_authoritys_error_is_shown_before_all(void **state)
{
	(void)state;
	assert_int_equal(
		shown_of("a|b|direct", (enum errc[]){ERR_TEMP, ERR_AUTH, ERR_NOTFOUND}), 2);
	assert_int_equal(shown_of("a|direct", (enum errc[]){ERR_NOTFOUND, ERR_TEMP}), 1);
	assert_int_equal(
		shown_of("registry.k8s.io|a|b", (enum errc[]){ERR_NOTFOUND, ERR_TEMP, ERR_CORRUPT}),
		0);
}

static void else_the_first_that_is_not_absence(void **state)
{
	(void)state;
	assert_int_equal(
		shown_of("a|b|c.example/k8s", (enum errc[]){ERR_NOTFOUND, ERR_AUTH, ERR_TEMP}), 1);
	assert_int_equal(
		shown_of("a,b|c.example/k8s", (enum errc[]){ERR_CORRUPT, ERR_TEMP, ERR_NOTFOUND}),
		0);
	/* The authority's turn did not come. */
	assert_int_equal(
		shown_of("a|b,direct", (enum errc[]){ERR_NOTFOUND, ERR_TEMP, ERR_NONE}), 1);
	assert_int_equal(shown_of("a|b,off", (enum errc[]){ERR_NOTFOUND, ERR_TEMP, ERR_NONE}), 1);
}

static void else_absence_or_nothing(void **state)
{
	(void)state;
	assert_int_equal(shown_of("a,b", (enum errc[]){ERR_NOTFOUND, ERR_NOTFOUND}), 0);
	assert_int_equal(shown_of("a,b", (enum errc[]){ERR_NONE, ERR_NOTFOUND}), 1);
	assert_int_equal(shown_of("a,b", (enum errc[]){ERR_NONE, ERR_NONE}), 2);
	assert_int_equal(shown_of("off", (enum errc[]){ERR_NONE}), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_separator_behind_an_entry_is_its_rule),
		cmocka_unit_test(spaces_and_empty_entries_mean_nothing),
		cmocka_unit_test(direct_and_off_are_the_end),
		cmocka_unit_test(the_authority_may_stand_there_by_its_name),
		cmocka_unit_test(words_are_taken_before_names),
		cmocka_unit_test(what_is_no_chain_is_refused),
		cmocka_unit_test(a_chain_has_room_for_all_sources_and_an_end),
		cmocka_unit_test(after_a_comma_only_absence_moves_on),
		cmocka_unit_test(after_a_bar_any_error_moves_on),
		cmocka_unit_test(wrong_content_always_moves_on),
		cmocka_unit_test(nothing_moves_on_from_a_policy_or_the_user),
		cmocka_unit_test(nothing_comes_after_the_end),
		cmocka_unit_test(the_authoritys_error_is_shown_before_all),
		cmocka_unit_test(else_the_first_that_is_not_absence),
		cmocka_unit_test(else_absence_or_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
