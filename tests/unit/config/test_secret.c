#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>

#include <cmocka.h>

#include "config/secret.h"
#include "util/file.h"
#include "util/mem.h"

static void text_and_variables_are_put_together(void **state)
{
	static const struct {
		const char *text, *secret;
	} cases[] = {
		{"plain", "plain"},
		{"${SECRET_TEST}", "hunter2"},
		{"a-${SECRET_TEST}-${SECRET_TEST}", "a-hunter2-hunter2"},
		{"pa$$word$", "pa$$word$"},
		{"$SECRET_TEST", "$SECRET_TEST"},
		{"$${SECRET_TEST}", "${SECRET_TEST}"},
		{" file:x", " file:x"},
	};

	(void)state;
	assert_int_equal(setenv("SECRET_TEST", "hunter2", 1), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(error_clear) struct error err = ERROR_INIT;
		AUTO_FREE char *secret = NULL;

		assert_int_equal(secret_expand(cases[i].text, &secret, &err), 0);
		assert_string_equal(secret, cases[i].secret);
	}
}

static void what_cannot_be_expanded_is_refused(void **state)
{
	static const char *const bad[] = {
		"${SECRET_TEST_UNSET}",
		"${SECRET_TEST_EMPTY}",
		"${",
		"${}",
		"${A-B}",
		"${SECRET_TEST",
		"file:",
		"file:/nonexistent/secret",
		"file:/dev/zero",
		"file:/dev/null",
	};

	(void)state;
	assert_int_equal(unsetenv("SECRET_TEST_UNSET"), 0);
	assert_int_equal(setenv("SECRET_TEST_EMPTY", "", 1), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		AUTO(error_clear) struct error err = ERROR_INIT;
		char *secret = NULL;

		assert_int_equal(secret_expand(bad[i], &secret, &err), -ERR_USAGE);
		assert_int_equal(err.code, ERR_USAGE);
		assert_null(secret);
	}
}

static void a_file_is_the_secret_without_its_last_newline(void **state)
{
	static const struct {
		const char *content;
		size_t len;
		const char *secret; /* NULL: refused */
	} cases[] = {
		{"hunter2\n", 8, "hunter2"},
		{"hunter2\r\n", 9, "hunter2"},
		{"hunter2", 7, "hunter2"},
		{"two\nlines\n\n", 11, "two\nlines\n"},
		{"${HOME}\n", 8, "${HOME}"},
		{"\n", 1, NULL},
		{"a\0b\n", 4, NULL},
	};
	char dir[] = "/tmp/test_secret.XXXXXX";
	AUTO_FREE char *text = NULL;
	AUTO_CLOSE int fd = -1;

	(void)state;
	assert_non_null(mkdtemp(dir));
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	text = xasprintf("file:%s/secret", dir);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_FREE char *secret = NULL;
		int rc;

		assert_int_equal(
			file_publish(fd, "secret", cases[i].content, cases[i].len, NULL), 0);
		rc = secret_expand(text, &secret, NULL);
		assert_int_equal(rc, cases[i].secret ? 0 : -ERR_USAGE);
		if (cases[i].secret)
			assert_string_equal(secret, cases[i].secret);
	}
	assert_int_equal(file_remove(fd, "secret", NULL), 0);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_and_variables_are_put_together),
		cmocka_unit_test(what_cannot_be_expanded_is_refused),
		cmocka_unit_test(a_file_is_the_secret_without_its_last_newline),
	};

	return cmocka_run_group_tests_name("config/secret", tests, NULL, NULL);
}
