#include "fixture.h"

#include <spawn.h>

#include "util/buf.h"
#include "util/file.h"

#define OUTPUT_MAX (64u * 1024) /* bytes of another tool's output */
#define MANY_TAGS  (TAG_PAGE + 1)

extern char **environ;

static char *layout_path(const struct fixture *f, const char *repository, const char *file)
{
	return xasprintf("%s/repos/%s/_layout/%s", f->path, repository, file);
}

/* The text of a layout's file; the caller frees. */
static char *layout_text(const struct fixture *f, const char *repository, const char *file)
{
	AUTO_FREE char *path = layout_path(f, repository, file);
	AUTO(buf_clear) struct buf text = BUF_INIT(OUTPUT_MAX);

	assert_int_equal(file_read(AT_FDCWD, path, &text, NULL), 0);
	return buf_steal(&text);
}

static void a_layout_lists_the_tags_in_order_and_reaches_the_blobs(void **state)
{
	struct fixture *f = *state;
	struct digest two = image_put(f->store, "a/b/c", "v2", "two");
	struct digest one = image_put(f->store, "a/b/c", "v1", "one");
	char hex[BLOB_NAME_MAX];

	assert_int_equal(store_layouts_write(f->store, NULL), 0);

	AUTO_FREE char *mark = layout_text(f, "a/b/c", "oci-layout");
	AUTO_FREE char *index = layout_text(f, "a/b/c", "index.json");
	AUTO_FREE char *under = xasprintf("blobs/sha256/%s", blob_name(&one, hex));
	AUTO_FREE char *blob = layout_path(f, "a/b/c", under);
	AUTO_FREE char *text = image_text("one");
	AUTO_FREE char *expected = xasprintf(
		"{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"manifests\":[\n"
		"{\"mediaType\":\"" MEDIA_OCI_MANIFEST "\",\"digest\":\"sha256:%s\",\"size\":%zu,"
		"\"annotations\":{\"org.opencontainers.image.ref.name\":\"v1\"}},\n"
		"{\"mediaType\":\"" MEDIA_OCI_MANIFEST "\",\"digest\":\"sha256:",
		hex,
		strlen(text));
	assert_string_equal(mark, "{\"imageLayoutVersion\":\"1.0.0\"}\n");
	assert_memory_equal(index, expected, strlen(expected));
	assert_non_null(strstr(index, blob_name(&two, hex)));
	assert_int_equal(access(blob, R_OK), 0);
}

static void layouts_of_nested_repositories_do_not_collide(void **state)
{
	static const char *const names[] = {"a", "a/b", "a/b/blobs", "a/index.json"};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		(void)image_put(f->store, names[i], "v1", "one");
	assert_int_equal(store_layouts_write(f->store, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		AUTO_FREE char *index = layout_text(f, names[i], "index.json");

		assert_non_null(strstr(index, "\"v1\""));
	}
}

static void only_what_changed_is_written_again(void **state)
{
	struct fixture *f = *state;
	struct digest two = image_put(f->store, "changed", NULL, "two");
	struct stat before[2], after[2];

	(void)image_put(f->store, "same", "v1", "one");
	(void)image_put(f->store, "changed", "v1", "one");
	assert_int_equal(store_layouts_write(f->store, NULL), 0);

	AUTO_FREE char *same = layout_path(f, "same", "index.json");
	AUTO_FREE char *changed = layout_path(f, "changed", "index.json");
	assert_int_equal(stat(same, &before[0]) | stat(changed, &before[1]), 0);
	assert_int_equal(store_tag_put(f->store, "changed", "v1", &two, NULL), 0);
	assert_int_equal(store_layouts_write(f->store, NULL), 0);
	assert_int_equal(stat(same, &after[0]) | stat(changed, &after[1]), 0);
	assert_int_equal(after[0].st_ino, before[0].st_ino);
	assert_int_not_equal(after[1].st_ino, before[1].st_ino);
}

static void the_same_tags_give_the_same_bytes(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < MANY_TAGS; i++) {
		AUTO_FREE char *up = xasprintf("v%d", i);
		AUTO_FREE char *down = xasprintf("v%d", MANY_TAGS - 1 - i);

		(void)image_put(f->store, "up", up, "one");
		(void)image_put(f->store, "down", down, "one");
	}
	assert_int_equal(store_layouts_write(f->store, NULL), 0);

	AUTO_FREE char *up = layout_text(f, "up", "index.json");
	AUTO_FREE char *down = layout_text(f, "down", "index.json");
	assert_string_equal(up, down);
}

static void a_layout_that_was_not_written_is_written_when_the_store_closes(void **state)
{
	struct fixture *f = *state;

	(void)image_put(f->store, "a", "v1", "one");
	store_close(f->store);
	fixture_open(f);

	AUTO_FREE char *index = layout_text(f, "a", "index.json");
	assert_non_null(strstr(index, "\"v1\""));
}

static void a_layout_that_cannot_be_written_is_told_and_done_later(void **state)
{
	struct fixture *f = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO_FREE char *path = xasprintf("%s/repos/a", f->path);
	AUTO_CLOSE int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	(void)image_put(f->store, "a", "v1", "one");
	assert_int_equal(store_layouts_write(f->store, &err), -ERR_IO);
	assert_non_null(strstr(error_text(&err), "layout of 'a'"));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(store_layouts_write(f->store, NULL), 0);

	AUTO_FREE char *index = layout_text(f, "a", "index.json");
	assert_non_null(strstr(index, "\"v1\""));
}

/* Runs a program found on PATH with its output in a file; its exit status, or -1 when it is not
 * there. */
static int run(const char *const *argv, const char *output)
{
	posix_spawn_file_actions_t actions;
	AUTO_FREE char **args = NULL;
	size_t n = 0;
	pid_t pid;
	int rc, status;

	while (argv[n])
		n++;
	args = xcalloc(n + 1, sizeof(*args));
	for (size_t i = 0; i < n; i++)
		args[i] = xstrdup(argv[i]);
	assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
	assert_int_equal(
		posix_spawn_file_actions_addopen(
			&actions, STDOUT_FILENO, output, O_CREAT | O_TRUNC | O_WRONLY, 0644),
		0);
	rc = posix_spawnp(&pid, args[0], &actions, NULL, args, environ);
	(void)posix_spawn_file_actions_destroy(&actions);
	for (size_t i = 0; i < n; i++)
		free(args[i]);
	if (rc != 0)
		return -1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -2;
}

static void skopeo_reads_every_tag_byte_for_byte(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *output = xasprintf("%s/output", f->folder);
	AUTO_FREE char *reference = xasprintf("oci:%s/repos/a/b/_layout:v2", f->path);
	const char *const argv[] = {"skopeo", "inspect", "--raw", reference, NULL};
	AUTO(buf_clear) struct buf raw = BUF_INIT(OUTPUT_MAX);
	AUTO_FREE char *text = index_text("one", "two");
	int rc;

	(void)image_put(f->store, "a/b", "v1", "one");
	(void)image_put(f->store, "a/b", NULL, "two");
	assert_int_equal(manifest_try(f->store, "a/b", "v2", text, false, NULL), 0);
	assert_int_equal(store_layouts_write(f->store, NULL), 0);
	rc = run(argv, output);
	if (rc == -1) {
		print_message("skopeo is not installed\n");
		skip();
	}
	assert_int_equal(rc, 0);
	assert_int_equal(file_read(AT_FDCWD, output, &raw, NULL), 0);
	assert_string_equal(buf_text(&raw), text);
}

static void umoci_lists_the_tags(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *output = xasprintf("%s/output", f->folder);
	AUTO_FREE char *layout = xasprintf("%s/repos/a/_layout", f->path);
	const char *const argv[] = {"umoci", "ls", "--layout", layout, NULL};
	AUTO(buf_clear) struct buf list = BUF_INIT(OUTPUT_MAX);
	int rc;

	(void)image_put(f->store, "a", "v1", "one");
	(void)image_put(f->store, "a", "v2", "two");
	assert_int_equal(store_layouts_write(f->store, NULL), 0);
	rc = run(argv, output);
	if (rc == -1) {
		print_message("umoci is not installed\n");
		skip();
	}
	assert_int_equal(rc, 0);
	assert_int_equal(file_read(AT_FDCWD, output, &list, NULL), 0);
	assert_string_equal(buf_text(&list), "v1\nv2\n");
}

int main(void)
{
#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		WITH_STORE(a_layout_lists_the_tags_in_order_and_reaches_the_blobs),
		WITH_STORE(layouts_of_nested_repositories_do_not_collide),
		WITH_STORE(only_what_changed_is_written_again),
		WITH_STORE(the_same_tags_give_the_same_bytes),
		WITH_STORE(a_layout_that_was_not_written_is_written_when_the_store_closes),
		WITH_STORE(a_layout_that_cannot_be_written_is_told_and_done_later),
		WITH_STORE(skopeo_reads_every_tag_byte_for_byte),
		WITH_STORE(umoci_lists_the_tags),
	};

	return cmocka_run_group_tests_name("store/layout", tests, NULL, NULL);
}
