/* Choosing among many tags, as a rule does for each repository. */
#include "bench.h"

#include <string.h>

#include "select/select.h"
#include "util/mem.h"

enum {
	TAGS = 10000,
	TAG_MAX = 32, /* chars of the tags made here */
};

struct choice {
	struct selector *selector;
	const char *tags[TAGS];
	enum select_reason reasons[TAGS];
};

static void choose(void *arg)
{
	struct choice *c = arg;
	AUTO(error_clear) struct error err = ERROR_INIT;

	if (selector_apply(c->selector, c->tags, TAGS, c->reasons, &err) < 0)
		bench_die("select", &err);
}

static void run(const char *what, const struct select_rules *rules, struct choice *c)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(selector_freep) struct selector *selector = NULL;

	if (selector_new(rules, &selector, &err) < 0)
		bench_die(what, &err);
	c->selector = selector;
	bench_print(what, bench_rate(choose, c) * TAGS, "tags/s");
}

int main(void)
{
	static char names[TAGS][TAG_MAX];
	static struct choice c;
	const char *include[] = {"v1\\.\\d+\\.\\d+"}, *exclude[] = {".*-rc.*"};

	for (int i = 0; i < TAGS; i++) {
		snprintf(names[i], TAG_MAX, "v%d.%d.%d%s", i % 3, i % 50, i, i % 7 ? "" : "-rc.1");
		c.tags[i] = names[i];
	}
	run("tags by expression",
		&(struct select_rules){
			.include = include, .n_include = 1, .exclude = exclude, .n_exclude = 1},
		&c);
	run("tags by version range, the latest 5",
		&(struct select_rules){.semver = ">=1.10 <2", .latest = 5},
		&c);
	return 0;
}
