#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/ioctl.h>

#include "util/compiler.h"
#include "util/tty.h"

/* The terminal side of a new pseudo-terminal; *ret_master must stay open as long. */
static int open_terminal(int *ret_master)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	*ret_master = master;
	if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0)
		return -1;
	return open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
}

static void columns_are_what_the_terminal_shows(void **state)
{
	(void)state;
	assert_int_equal(text_columns(""), 0);
	assert_int_equal(text_columns("plain"), 5);
	assert_int_equal(text_columns("größe"), 5);
	assert_int_equal(text_columns("gro\xcc\x88"
				      "sse"),
		6); /* o and a combining diaeresis */
	assert_int_equal(text_columns("日本"), 4);
	assert_int_equal(text_columns("ｗ🚀"), 4);
	assert_int_equal(text_columns("a\xff"
				      "b"),
		3);
}

static void a_pipe_is_no_terminal_and_80_columns_wide(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(unsetenv("COLUMNS"), 0);
	assert_false(tty_is(ends[1]));
	assert_false(tty_wants_color(ends[1]));
	assert_int_equal(tty_width(ends[1]), 80);
	assert_int_equal(setenv("COLUMNS", "120", 1), 0);
	assert_int_equal(tty_width(ends[1]), 120);
	assert_int_equal(setenv("COLUMNS", "wide", 1), 0);
	assert_int_equal(tty_width(ends[1]), 80);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

static void a_terminal_has_colour_unless_it_is_dumb_or_told_not_to(void **state)
{
	AUTO_CLOSE int master = -1;
	AUTO_CLOSE int terminal = open_terminal(&master);
	struct winsize size = {.ws_col = 132, .ws_row = 40};

	(void)state;
	if (terminal < 0)
		skip(); /* no /dev/pts here */
	assert_int_equal(setenv("TERM", "xterm", 1), 0);
	assert_int_equal(unsetenv("NO_COLOR"), 0);
	assert_true(tty_is(terminal));
	assert_true(tty_wants_color(terminal));
	assert_int_equal(ioctl(terminal, TIOCSWINSZ, &size), 0);
	assert_int_equal(tty_width(terminal), 132);
	assert_int_equal(setenv("NO_COLOR", "", 1), 0);
	assert_true(tty_wants_color(terminal));
	assert_int_equal(setenv("NO_COLOR", "1", 1), 0);
	assert_false(tty_wants_color(terminal));
	assert_true(tty_is(terminal));
	assert_int_equal(setenv("TERM", "dumb", 1), 0);
	assert_false(tty_is(terminal));
	assert_int_equal(unsetenv("TERM"), 0);
	assert_false(tty_is(terminal));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_are_what_the_terminal_shows),
		cmocka_unit_test(a_pipe_is_no_terminal_and_80_columns_wide),
		cmocka_unit_test(a_terminal_has_colour_unless_it_is_dumb_or_told_not_to),
	};

	return cmocka_run_group_tests_name("util/tty", tests, NULL, NULL);
}
