#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>

#include <cmocka.h>

#include "config/config.h"
#include "config/settings.h"
#include "util/file.h"
#include "util/map.h"
#include "util/mem.h"

/* Tests run at the top of the source tree (Makefile, "unit"). */
#define MANUAL   "conf/regmirror.conf.5"
#define EXAMPLE  "conf/regmirror.yaml"
#define FILE_MAX (1024 * 1024) /* bytes */

static char *read_whole(const char *path)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(buf_clear) struct buf text = BUF_INIT(FILE_MAX);

	if (file_read(AT_FDCWD, path, &text, &err) < 0)
		fail_msg("%s", error_text(&err));
	return buf_steal(&text);
}

/* The manual's line for a setting: `.It Ic parallel Pq "count, default 8"`. */
static char *manual_line(const struct config_setting *s)
{
	if (!s->def)
		return xasprintf("\n.It Ic %s Pq \"%s, required\"\n", s->path, s->type);
	if (!s->def[0] || strcmp(s->def, "[]") == 0 || strcmp(s->def, "{}") == 0)
		return xasprintf("\n.It Ic %s Pq \"%s, default empty\"\n", s->path, s->type);
	return xasprintf("\n.It Ic %s Pq \"%s, default %s\"\n", s->path, s->type, s->def);
}

static void the_manual_has_every_setting_with_type_and_default(void **state)
{
	AUTO_FREE char *manual = read_whole(MANUAL);
	const struct config_setting *s;

	(void)state;
	for (size_t i = 0; (s = config_setting_at(i)) != NULL; i++) {
		AUTO_FREE char *line = manual_line(s);
		const char *at = strstr(manual, line);

		if (!at)
			fail_msg("%s lacks%s", MANUAL, line);
		assert_null(strstr(at + 1, line));
	}
}

static void the_manual_has_no_other_setting(void **state)
{
	static const char item[] = "\n.It Ic ";
	AUTO_FREE char *manual = read_whole(MANUAL);
	AUTO(map_freep) struct map *known = map_new(NULL);
	const struct config_setting *s;
	size_t n = 0;

	(void)state;
	for (size_t i = 0; (s = config_setting_at(i)) != NULL; i++)
		map_put_str(known, s->path, known);
	for (const char *at = manual; (at = strstr(at, item)) != NULL; n++) {
		AUTO_FREE char *path = NULL;

		at += strlen(item);
		path = xstrndup(at, strcspn(at, " \n"));
		if (!map_get_str(known, path))
			fail_msg("%s has '%s', which is no setting", MANUAL, path);
	}
	assert_int_equal(n, map_count(known));
}

static void the_example_loads(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(config_freep) struct config *c = NULL;

	(void)state;
	if (config_load(EXAMPLE, &c, &err) < 0)
		fail_msg("%s", error_text(&err));
	assert_int_equal(c->n_rules, 3);
}

static void the_example_for_kubeadm_loads(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(config_freep) struct config *c = NULL;

	(void)state;
	if (config_load("conf/kubeadm-mirror.yaml", &c, &err) < 0)
		fail_msg("%s", error_text(&err));
	assert_int_equal(c->n_rules, 1);
	assert_int_equal(c->rules[0].n_kubeadm, 2);
}

static void the_example_shows_every_setting(void **state)
{
	AUTO_FREE char *example = read_whole(EXAMPLE);
	const struct setting *s;

	(void)state;
	for (size_t i = 0; (s = setting_at(i)) != NULL; i++) {
		AUTO_FREE char *key = xasprintf("%s:", setting_name(s));

		if (!strstr(example, key))
			fail_msg("%s lacks '%s' of %s", EXAMPLE, key, s->doc.path);
	}
}

static void paths_are_unique_and_begin_with_their_section(void **state)
{
	AUTO(map_freep) struct map *seen = map_new(NULL);
	const struct setting *s;

	(void)state;
	for (size_t i = 0; (s = setting_at(i)) != NULL; i++) {
		const char *prefix = section_get(s->section)->prefix;

		assert_null(map_get_str(seen, s->doc.path));
		map_put_str(seen, s->doc.path, seen);
		assert_int_equal(strncmp(s->doc.path, prefix, strlen(prefix)), 0);
		/* The longest prefix that fits is the section's: no '*' or '[]' is left in the key.
		 */
		assert_null(strpbrk(setting_key(s), "*[]"));
	}
	assert_null(config_setting_at(map_count(seen)));
}

static void fields_are_inside_their_struct(void **state)
{
	const struct setting *s;

	(void)state;
	for (size_t i = 0; (s = setting_at(i)) != NULL; i++) {
		assert_true(s->offset + s->size <= section_get(s->section)->size);
		assert_true(s->also < section_get(s->section)->size);
	}
}

static void the_nearest_name_is_suggested_and_a_far_one_is_not(void **state)
{
	static const char *const names[] = {"include", "exclude", "semver", "latest"};
	static const struct {
		const char *name, *nearest;
	} cases[] = {
		{"inclde", "include"},
		{"exlcude", "exclude"},
		{"last", "latest"},
		{"semVer", "semver"},
		{"newer-than", NULL},
		{"", NULL},
		{"includeincludeincludeincludeincludeincludeincludeincludeincludeinclude", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *nearest = nearest_name(cases[i].name, names, ARRAY_SIZE(names));

		if (cases[i].nearest)
			assert_string_equal(nearest, cases[i].nearest);
		else
			assert_null(nearest);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_manual_has_every_setting_with_type_and_default),
		cmocka_unit_test(the_manual_has_no_other_setting),
		cmocka_unit_test(the_example_loads),
		cmocka_unit_test(the_example_for_kubeadm_loads),
		cmocka_unit_test(the_example_shows_every_setting),
		cmocka_unit_test(paths_are_unique_and_begin_with_their_section),
		cmocka_unit_test(fields_are_inside_their_struct),
		cmocka_unit_test(the_nearest_name_is_suggested_and_a_far_one_is_not),
	};

	return cmocka_run_group_tests_name("config/settings", tests, NULL, NULL);
}
