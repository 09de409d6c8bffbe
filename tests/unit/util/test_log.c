#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>

#include "util/log.h"
#include "util/mem.h"

#define N_THREADS 4
#define N_LINES   200

/* What the log printed since start(). */
static struct {
	FILE *out;
	char *text;
	size_t len;
} sink;

static void start(const struct log_options *options)
{
	sink.out = open_memstream(&sink.text, &sink.len);
	assert_non_null(sink.out);
	log_setup(options, sink.out);
}

/* The caller frees. */
static char *finish(void)
{
	log_setup(&(struct log_options){.level = LOG_INFO_}, stderr);
	(void)fclose(sink.out);
	return steal(&sink.text);
}

static void lines_below_the_level_are_dropped(void **state)
{
	AUTO_FREE char *text = NULL;

	(void)state;
	start(&(struct log_options){.level = LOG_WARN_});
	assert_true(log_enabled(LOG_WARN_));
	assert_false(log_enabled(LOG_INFO_));
	log_error("disk %s", "full");
	log_warn("slow");
	log_info("fine");
	log_debug("details");
	text = finish();
	assert_string_equal(text, "error: disk full\nwarning: slow\n");
}

static void fields_follow_the_message_quoted_where_needed(void **state)
{
	const struct log_field fields[] = {
		{"repo", "library/alpine", 0},
		{"bytes", NULL, 12345678901},
		{"why", "it said \"no\"", 0},
		{"empty", "", 0},
		{0},
	};
	AUTO_FREE char *text = NULL;

	(void)state;
	start(&(struct log_options){.level = LOG_INFO_});
	log_event(LOG_INFO_, fields, "copied %d", 1);
	text = finish();
	assert_string_equal(text,
		"copied 1 repo=library/alpine bytes=12345678901 why=\"it said \\\"no\\\"\" "
		"empty=\"\"\n");
}

static void json_lines_are_one_object_each(void **state)
{
	const struct log_field fields[] = {{"repo", "a\\b", 0}, {"bytes", NULL, 7}, {0}};
	AUTO_FREE char *text = NULL;
	const char *rest;

	(void)state;
	start(&(struct log_options){.level = LOG_INFO_, .json = true});
	log_event(LOG_WARN_, fields, "say \"%s\"", "hi\n");
	text = finish();
	assert_memory_equal(text, "{\"time\":\"20", 11);
	rest = strchr(text, ',');
	assert_non_null(rest);
	assert_string_equal(rest,
		",\"level\":\"warning\",\"msg\":\"say \\\"hi\\\\x0a\\\"\",\"repo\":\"a\\\\b\","
		"\"bytes\":7}\n");
}

static void the_journal_gets_a_priority(void **state)
{
	AUTO_FREE char *text = NULL;

	(void)state;
	start(&(struct log_options){.level = LOG_DEBUG_, .journal_priority = true});
	log_error("a");
	log_info("b");
	log_debug("c");
	text = finish();
	assert_string_equal(text, "<3>error: a\n<6>b\n<7>debug: c\n");
}

static void a_peers_text_can_neither_forge_nor_flood_lines(void **state)
{
	AUTO_FREE char *flood = xmalloc(1000001);
	AUTO_FREE char *text = NULL;

	(void)state;
	memset(flood, 'x', 1000000);
	flood[1000000] = '\0';
	start(&(struct log_options){.level = LOG_INFO_});
	log_info("peer said: %s", "hello\nerror: disk full\033[2J");
	log_info("%s", flood);
	text = finish();
	assert_memory_equal(text, "peer said: hello\\x0aerror: disk full\\x1b[2J\nxxx", 46);
	assert_true(strlen(text) < 10000);
}

static void secrets_appear_nowhere(void **state)
{
	const struct log_field fields[] = {{"auth", "hunter2", 0}, {0}};
	AUTO_FREE char *text = NULL;

	(void)state;
	log_redact("hunter2");
	log_redact("hunter2-and-more");
	log_redact("pw");
	log_redact(NULL);
	start(&(struct log_options){.level = LOG_INFO_});
	log_event(LOG_INFO_, fields, "user:hunter2@host hunter2hunter2 pw hunter2-and-more");
	text = finish();
	assert_string_equal(text, "user:***@host ****** pw *** auth=***\n");
}

static void step_aside(void *ctx)
{
	(void)ctx;
	fputs("[", sink.out);
}

static void step_back(void *ctx)
{
	(void)ctx;
	fputs("]", sink.out);
}

static void a_progress_display_can_step_aside(void **state)
{
	AUTO_FREE char *text = NULL;

	(void)state;
	log_around(step_aside, step_back, NULL);
	start(&(struct log_options){.level = LOG_INFO_});
	log_info("a");
	log_info("b");
	text = finish();
	log_around(NULL, NULL, NULL);
	assert_string_equal(text, "[a\n][b\n]");
}

static void *write_lines(void *arg)
{
	(void)arg;
	for (int i = 0; i < N_LINES; i++)
		log_info("a line of a thread");
	return NULL;
}

static void lines_of_threads_stay_whole(void **state)
{
	pthread_t threads[N_THREADS];
	AUTO_FREE char *text = NULL;
	size_t line = strlen("a line of a thread\n");

	(void)state;
	start(&(struct log_options){.level = LOG_INFO_});
	for (size_t i = 0; i < N_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_lines, NULL), 0);
	for (size_t i = 0; i < N_THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	text = finish();
	assert_int_equal(strlen(text), N_THREADS * N_LINES * line);
	for (size_t i = 0; i < N_THREADS * N_LINES; i++)
		assert_memory_equal(text + i * line, "a line of a thread\n", line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_below_the_level_are_dropped),
		cmocka_unit_test(fields_follow_the_message_quoted_where_needed),
		cmocka_unit_test(json_lines_are_one_object_each),
		cmocka_unit_test(the_journal_gets_a_priority),
		cmocka_unit_test(a_peers_text_can_neither_forge_nor_flood_lines),
		cmocka_unit_test(secrets_appear_nowhere),
		cmocka_unit_test(a_progress_display_can_step_aside),
		cmocka_unit_test(lines_of_threads_stay_whole),
	};

	return cmocka_run_group_tests_name("util/log", tests, NULL, NULL);
}
