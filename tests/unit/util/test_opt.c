#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "util/opt.h"

#define WORDS_MAX 16

static struct args {
	bool dry_run, json;
	const char *config;
	int parallel;
	struct opt_list from;
	uint64_t spool, deadline;
} args;

static const struct opt opts[] = {
	OPT_FLAG('n', "dry-run", &args.dry_run, "show what would be copied"),
	OPT_FLAG(0, "json", &args.json, "print JSON"),
	OPT_STR('c', "config", &args.config, "FILE", "configuration file"),
	OPT_INT('p', "parallel", &args.parallel, "N", "running transfers"),
	OPT_LIST(0, "from", &args.from, "URL", "take bytes from here too; may be repeated"),
	OPT_SIZE(0, "spool", &args.spool, "SIZE", "keep larger blobs on disk while they move"),
	OPT_DURATION(0, "a-deadline-with-a-long-name", &args.deadline, "DURATION",
		"stop cleanly after this long, and keep what is complete, so that the next run "
		"goes on from there; the default is to run until everything is done"),
	OPT_END,
};

static int set_up(void **state)
{
	(void)state;
	args = (struct args){0};
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	opt_list_clear(&args.from);
	return 0;
}

typedef int parse_fn(const struct opt *, int, char **, int *, struct error *);

/* Parses the words of `line`, and gives the operands back joined by spaces. */
static int parse_line(parse_fn *parse, const char *line, char **ret_operands, struct error *err)
{
	/* Options borrow from argv: the copy must outlive the checks. */
	static char *copy;
	char *argv[WORDS_MAX + 1] = {NULL};
	char *rest = NULL;
	int argc = 0, n = -1, rc;

	free(copy);
	copy = strdup(line);
	for (char *w = strtok_r(copy, " ", &rest); w; w = strtok_r(NULL, " ", &rest))
		argv[argc++] = w;
	rc = parse(opts, argc, argv, &n, err);
	if (rc != 0)
		return rc;
	*ret_operands = strdup("");
	for (int i = 0; i < n; i++) {
		char *joined = NULL;

		assert_true(asprintf(&joined, "%s%s%s", *ret_operands, i ? " " : "", argv[i]) >= 0);
		free(*ret_operands);
		*ret_operands = joined;
	}
	return 0;
}

static void options_and_operands_may_be_mixed(void **state)
{
	AUTO_FREE char *operands = NULL;

	(void)state;
	assert_int_equal(
		parse_line(opt_parse, "copy A -n B --config=f --parallel 4 C", &operands, NULL), 0);
	assert_string_equal(operands, "A B C");
	assert_true(args.dry_run);
	assert_false(args.json);
	assert_string_equal(args.config, "f");
	assert_int_equal(args.parallel, 4);
}

static void two_dashes_end_the_options(void **state)
{
	AUTO_FREE char *operands = NULL;

	(void)state;
	assert_int_equal(parse_line(opt_parse, "copy -n -- --json A", &operands, NULL), 0);
	assert_string_equal(operands, "--json A");
	assert_false(args.json);
}

static void a_list_keeps_every_value_in_order(void **state)
{
	AUTO_FREE char *operands = NULL;

	(void)state;
	assert_int_equal(
		parse_line(opt_parse, "copy --from a S --from=b D --from c", &operands, NULL), 0);
	assert_string_equal(operands, "S D");
	assert_int_equal(args.from.n, 3);
	assert_string_equal(args.from.items[0], "a");
	assert_string_equal(args.from.items[1], "b");
	assert_string_equal(args.from.items[2], "c");
}

static void sizes_and_durations_are_read_with_their_units(void **state)
{
	AUTO_FREE char *operands = NULL;

	(void)state;
	assert_int_equal(
		parse_line(opt_parse, "sync --spool 20GiB --a-deadline 90s", &operands, NULL), 0);
	assert_true(args.spool == UINT64_C(20) << 30);
	assert_int_equal(args.deadline, 90000);
}

static void options_before_a_command_stop_at_its_name(void **state)
{
	AUTO_FREE char *operands = NULL;

	(void)state;
	assert_int_equal(
		parse_line(opt_parse_leading, "regmirror -c f sync -n --nosuch", &operands, NULL),
		0);
	assert_string_equal(operands, "sync -n --nosuch");
	assert_string_equal(args.config, "f");
	assert_false(args.dry_run);
}

static void usage_errors_name_the_option(void **state)
{
	static const struct {
		const char *line, *message;
	} cases[] = {
		{"x --nosuch", "unknown option '--nosuch'"},
		{"x -x", "unknown option '-x'"},
		{"x -nx", "unknown option '-x'"},
		{"x --config", "--config needs a value"},
		{"x -nc", "--config needs a value"},
		{"x --json=yes", "--json takes no value"},
		{"x --parallel many", "--parallel: 'many' is not a whole number"},
		{"x --parallel -1", "--parallel: '-1' is not a whole number"},
		{"x -p 3000000000", "--parallel: '3000000000' is too large"},
		{"x --spool 1GB", "--spool: '1GB' is not a size such as 512, 64KiB or 20GiB"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(error_clear) struct error err = ERROR_INIT;
		char *operands = NULL;

		assert_int_equal(parse_line(opt_parse, cases[i].line, &operands, &err), -ERR_USAGE);
		assert_string_equal(error_text(&err), cases[i].message);
		assert_null(operands);
	}
}

static void help_has_every_option_in_79_columns(void **state)
{
	static const char want[] =
		"  -n, --dry-run              show what would be copied\n"
		"      --json                 print JSON\n"
		"  -c, --config=FILE          configuration file\n"
		"  -p, --parallel=N           running transfers\n"
		"      --from=URL             take bytes from here too; may be repeated\n"
		"      --spool=SIZE           keep larger blobs on disk while they move\n"
		"      --a-deadline-with-a-long-name=DURATION\n"
		"                             stop cleanly after this long, and keep what is\n"
		"                             complete, so that the next run goes on from there;\n"
		"                             the default is to run until everything is done\n"
		"  -h, --help                 show this help\n";
	AUTO_FREE char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	assert_non_null(out);
	opt_help(opts, out);
	(void)fclose(out);
	assert_string_equal(text, want);
}

static void the_shell_gets_every_long_name(void **state)
{
	AUTO_FREE char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	assert_non_null(out);
	opt_complete(opts, out);
	(void)fclose(out);
	assert_string_equal(text,
		"--dry-run\n--json\n--config\n--parallel\n--from\n--spool\n"
		"--a-deadline-with-a-long-name\n--help\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			options_and_operands_may_be_mixed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(two_dashes_end_the_options, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_list_keeps_every_value_in_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			sizes_and_durations_are_read_with_their_units, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			options_before_a_command_stop_at_its_name, set_up, tear_down),
		cmocka_unit_test_setup_teardown(usage_errors_name_the_option, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			help_has_every_option_in_79_columns, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_shell_gets_every_long_name, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("util/opt", tests, NULL, NULL);
}
