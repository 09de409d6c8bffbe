#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>

#include "registry/base64.h"
#include "registry/credentials.h"
#include "util/file.h"

static const char file[] = "config.json";

/* A folder of its own, made the current one, so that names in messages are short. */
static int enter_folder(void **state)
{
	static char name[] = "/tmp/test-credentials-XXXXXX";

	*state = mkdtemp(name);
	return *state && chdir(name) == 0 ? 0 : -1;
}

static int leave_folder(void **state)
{
	(void)unlink(file);
	return chdir("/") == 0 && rmdir(*state) == 0 ? 0 : -1;
}

static int load(const char *text, struct credentials **ret, struct error *err)
{
	assert_int_equal(file_publish(AT_FDCWD, file, text, strlen(text), NULL), 0);
	return credentials_load(file, ret, err);
}

static void entries_are_found_by_host_however_the_key_is_written(void **state)
{
	static const char text[] =
		"{\"auths\":{"
		"\"https://index.docker.io/v1/\":{\"auth\":\"dTpwOnc=\",\"email\":\"x\"},"
		"\"http://R.example:5000/v2/\":{\"username\":\"a\",\"password\":\"b\"},"
		"\"t.example\":{\"identitytoken\":\"refresh\"},"
		"\"b.example\":{\"registrytoken\":\"bearer\"},"
		"\"nul.example\":{\"auth\":\"dTpwAAA=\"}},"
		"\"HttpHeaders\":{\"X\":\"y\"}}";
	static const char *const hub[] = {"docker.io", "index.docker.io", "registry-1.docker.io"};
	AUTO(credentials_freep) struct credentials *c = NULL;
	struct credential got;

	(void)state;
	assert_int_equal(load(text, &c, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(hub); i++) {
		assert_int_equal(credentials_find(c, hub[i], &got, NULL), 0);
		assert_string_equal(got.username, "u");
		assert_string_equal(got.password, "p:w");
	}
	assert_int_equal(credentials_find(c, "r.example:5000", &got, NULL), 0);
	assert_string_equal(got.username, "a");
	assert_string_equal(got.password, "b");
	assert_int_equal(credentials_find(c, "t.example", &got, NULL), 0);
	assert_string_equal(got.identity_token, "refresh");
	assert_null(got.username);
	assert_int_equal(credentials_find(c, "b.example", &got, NULL), 0);
	assert_string_equal(got.registry_token, "bearer");
	assert_int_equal(credentials_find(c, "nul.example", &got, NULL), 0);
	assert_string_equal(got.password, "p");
	assert_int_equal(credentials_find(c, "r.example", &got, NULL), -ERR_NOTFOUND);
}

static void an_entry_that_a_helper_keeps_is_named_not_guessed(void **state)
{
	static const char text[] =
		"{\"auths\":{\"empty.example\":{},\"both.example\":{\"auth\":\"dTpw\"}},"
		"\"credsStore\":\"desktop\",\"credHelpers\":{\"both.example\":\"ecr-login\"}}";
	AUTO(credentials_freep) struct credentials *c = NULL;
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct credential got = {.username = "untouched"};

	(void)state;
	assert_int_equal(load(text, &c, NULL), 0);
	assert_int_equal(credentials_find(c, "empty.example", &got, &err), -ERR_USAGE);
	assert_non_null(strstr(error_text(&err), "docker-credential-desktop"));
	assert_int_equal(credentials_find(c, "both.example", &got, &err), -ERR_USAGE);
	assert_non_null(strstr(error_text(&err), "docker-credential-ecr-login"));
	assert_int_equal(credentials_find(c, "other.example", &got, &err), -ERR_NOTFOUND);
	assert_string_equal(got.username, "untouched");
}

static void a_missing_file_is_an_empty_set_and_a_broken_one_is_named(void **state)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{\"auths\":[]}",
		"{\"auths\":{\"h\":1}}",
		"{\"auths\":{\"h\":{\"auth\":\"!!!\"}}}",
		"{\"auths\":{\"h\":{\"auth\":\"bm9jb2xvbg==\"}}}",
		"{\"auths\":{\"h\":{\"username\":1}}}",
		"{\"credHelpers\":{\"h\":1}}",
	};
	AUTO(credentials_freep) struct credentials *c = NULL;
	struct credential got;

	(void)state;
	assert_int_equal(credentials_load("no-such-file", &c, NULL), 0);
	assert_int_equal(credentials_find(c, "h", &got, NULL), -ERR_NOTFOUND);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		AUTO(error_clear) struct error err = ERROR_INIT;
		struct credentials *none = NULL;

		assert_int_equal(load(bad[i], &none, &err), -ERR_USAGE);
		assert_null(none);
		assert_non_null(strstr(error_text(&err), file));
	}
}

static void dockers_folder_is_looked_up_in_the_environment(void **state)
{
	AUTO(credentials_freep) struct credentials *c = NULL;
	struct credential got;

	assert_int_equal(load("{\"auths\":{\"h\":{\"auth\":\"dTpw\"}}}", &c, NULL), 0);
	credentials_free(steal(&c));
	assert_int_equal(setenv("DOCKER_CONFIG", *state, 1), 0);
	assert_int_equal(credentials_load(NULL, &c, NULL), 0);
	assert_int_equal(credentials_find(c, "h", &got, NULL), 0);
	assert_int_equal(unsetenv("DOCKER_CONFIG"), 0);
}

static void base64_follows_the_vectors_of_rfc_4648(void **state)
{
	static const char *const plain[] = {"", "f", "fo", "foo", "foob", "fooba", "foobar"};
	static const char *const coded[] = {
		"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(plain); i++) {
		AUTO(buf_clear) struct buf back = BUF_INIT(64);
		AUTO_FREE char *text = base64_encode(plain[i], strlen(plain[i]));

		assert_string_equal(text, coded[i]);
		assert_int_equal(base64_decode(text, &back, NULL), 0);
		assert_string_equal(buf_text(&back), plain[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_are_found_by_host_however_the_key_is_written),
		cmocka_unit_test(an_entry_that_a_helper_keeps_is_named_not_guessed),
		cmocka_unit_test(a_missing_file_is_an_empty_set_and_a_broken_one_is_named),
		cmocka_unit_test(dockers_folder_is_looked_up_in_the_environment),
		cmocka_unit_test(base64_follows_the_vectors_of_rfc_4648),
	};

	return cmocka_run_group_tests_name(
		"registry/credentials", tests, enter_folder, leave_folder);
}
