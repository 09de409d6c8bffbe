/* cmd_config.c - `regmirror config check` and `regmirror config show`. */
#include "program.h"
#include "util/opt.h"

const struct opt config_opts[] = {OPT_END};

/* All that is printed: each setting with its default, and comments of our own are short. */
#define SHOWN_MAX (4 * CONFIG_FILE_MAX)

static int show(const struct config *config, struct error *err)
{
	AUTO(buf_clear) struct buf text = BUF_INIT(SHOWN_MAX);

	if (config_show(config, &text, err) < 0)
		return exit_code_of(err);
	(void)fwrite(buf_text(&text), 1, text.len, stdout);
	return EXIT_DONE;
}

static int check(const struct config *config)
{
	printf("%s: ok (%zu %s)\n",
		config->path,
		config->n_rules,
		config->n_rules == 1 ? "rule" : "rules");
	return EXIT_DONE;
}

int cmd_config(struct program *program, int argc, char **argv, struct error *err)
{
	AUTO(config_freep) struct config *config = NULL;
	int n, rc = opt_parse(config_opts, argc, argv, &n, err);
	bool is_check;

	if (rc != 0)
		return rc < 0 ? EXIT_USAGE : EXIT_DONE;
	is_check = n == 1 && strcmp(argv[0], "check") == 0;
	if (!is_check && !(n == 1 && strcmp(argv[0], "show") == 0)) {
		(void)error_set(err, ERR_USAGE, "config: say 'config check' or 'config show'");
		return EXIT_USAGE;
	}
	if (program_config(program, &config, err) < 0)
		return exit_code_of(err);
	return is_check ? check(config) : show(config, err);
}
